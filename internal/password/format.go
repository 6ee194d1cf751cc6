package password

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
)

// The formats that Identify names: Django's own names of its hashers.
const (
	Argon2       = "argon2"
	PBKDF2SHA256 = "pbkdf2_sha256"
	PBKDF2SHA1   = "pbkdf2_sha1"
	Scrypt       = "scrypt"
	BcryptSHA256 = "bcrypt_sha256"
	Bcrypt       = "bcrypt"
	// Unusable is a hash that begins with "!" and matches nothing (Django's
	// set_unusable_password).
	Unusable = "unusable"
)

// What Check finds wrong. The errors never quote the hash.
var (
	// ErrUnknownFormat: no format that we read.
	ErrUnknownFormat = errors.New("unknown password format")
	// ErrMalformed: the format is known, but Django would not have written
	// this.
	ErrMalformed = errors.New("malformed password hash")
	// ErrTooCostly: well-formed, but verifying it would take more memory or
	// time than a login may.
	ErrTooCostly = errors.New("password hash beyond the bounds on its cost")
)

// maxEncoded is the longest encoded hash, in bytes. Django's column holds 128
// characters.
const maxEncoded = 512

// hash is an encoded hash, parsed and found within the bounds.
type hash interface {
	// cost is what matches will use: bytes of memory, and threads.
	cost() (memory int64, threads int)
	// matches does the work, an argon2 hash in the memory of its turn.
	matches(pw string, t turn) bool
}

// Identify names the format of an encoded hash by its prefix, "" when it is
// none of ours. It says nothing about the rest; Check does.
func Identify(encoded string) string {
	if strings.HasPrefix(encoded, "!") {
		return Unusable
	}
	format, _, found := strings.Cut(encoded, "$")
	switch format {
	case Argon2, PBKDF2SHA256, PBKDF2SHA1, Scrypt, BcryptSHA256, Bcrypt:
		if found {
			return format
		}
	}
	return ""
}

// Check reports whether a hash can be verified here; imports ask it first. It
// is nil for an unusable one, which is verified by refusing it. Otherwise the
// error is one of ErrUnknownFormat, ErrMalformed and ErrTooCostly, wrapped.
//
// The bounds: argon2 m ≤ 128 MiB, t ≤ 10, p ≤ 16; PBKDF2 1 to 10,000,000
// iterations; scrypt N a power of two ≤ 2^17, r ≤ 8, p ≤ 10; bcrypt cost 4 to
// 15. No work is done.
func Check(encoded string) error {
	if Identify(encoded) == Unusable {
		return nil
	}
	_, err := parse(encoded)
	return err
}

// NeedsRehash reports whether a login with the right password should store a
// new hash: whenever the stored one is not what Hash writes today, weaker or
// stronger, as Django's must_update. Uniform costs are also what makes a wrong
// password take as long as an unknown user. It is false for what cannot be
// verified.
func NeedsRehash(encoded string) bool {
	h, err := parse(encoded)
	return err == nil && !today().write(h)
}

// parse gives the hash ready for work. Parsing is strict: one value has one
// spelling, as Django compares what it would write with what is stored.
func parse(encoded string) (hash, error) {
	if len(encoded) > maxEncoded {
		return nil, fmt.Errorf("%w: %d bytes long", ErrMalformed, len(encoded))
	}
	format := Identify(encoded)
	_, rest, _ := strings.Cut(encoded, "$")
	var h hash
	var err error
	switch format {
	case Argon2:
		h, err = parseArgon2(rest)
	case PBKDF2SHA256, PBKDF2SHA1:
		h, err = parsePBKDF2(format, rest)
	case Scrypt:
		h, err = parseScrypt(rest)
	case BcryptSHA256, Bcrypt:
		h, err = parseBcrypt(format, rest)
	default:
		return nil, ErrUnknownFormat
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", format, err)
	}
	return h, nil
}

// decimal reads a parameter as Django prints it: digits, no sign, no leading
// zero. One outside [least, most] is too costly or, below, malformed.
func decimal(name, s string, least, most int64) (int64, error) {
	if s == "" || s[0] == '0' && s != "0" {
		return 0, fmt.Errorf("%w: %s", ErrMalformed, name)
	}
	var n int64
	over := false
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return 0, fmt.Errorf("%w: %s", ErrMalformed, name)
		}
		if !over {
			n = n*10 + int64(s[i]-'0')
			over = n > most
		}
	}
	if over {
		return 0, fmt.Errorf("%w: %s is over %d", ErrTooCostly, name, most)
	}
	if n < least {
		return 0, fmt.Errorf("%w: %s is under %d", ErrMalformed, name, least)
	}
	return n, nil
}

// decode reads base64 in its one canonical spelling. encoding/base64 would
// skip line breaks.
func decode(name, s string, enc *base64.Encoding, least, most int) ([]byte, error) {
	if strings.ContainsAny(s, "\r\n") {
		return nil, fmt.Errorf("%w: %s", ErrMalformed, name)
	}
	b, err := enc.Strict().DecodeString(s)
	if err != nil || len(b) < least || len(b) > most {
		return nil, fmt.Errorf("%w: %s", ErrMalformed, name)
	}
	return b, nil
}

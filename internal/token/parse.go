package token

import (
	"encoding/base64"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"
)

const (
	// maxLength is the longest token that is looked at, in bytes. Ours have
	// some 300; a team's Django may add claims.
	maxLength = 8 << 10
	// leeway is how far iat and nbf may lie ahead, in seconds: two nodes'
	// clocks (design.md, "The token model"). exp has none.
	leeway = 60
	// maxExpiry is the last second of the year 9999. Python cannot make a
	// datetime of a later exp and answers 500; we refuse it.
	maxExpiry = 253402300799
)

// Keys are the keys that tokens are verified with.
type Keys interface {
	// Accepted gives the keys that a token may be signed with. kid is what
	// its header says, if hasKID: a name to look up and nothing more (RFC
	// 8725, section 3.10). The caller does not change the slice. Parse uses
	// only those whose algorithm is that of the token's header, and an
	// asymmetric one only if kid is its id, so neither the token's kid nor its
	// alg can choose how a key is used. An error says that there may be others.
	Accepted(kid string, hasKID bool) ([]Key, error)
}

// Parse verifies the signature of a token and its times at now: exp, iat and
// nbf. What the token is for, Claims.Check tells. The error is ErrInvalid, or
// that of keys where none of those that they gave has made the signature.
func Parse(token string, keys Keys, now time.Time) (Claims, error) {
	return Names{}.Parse(token, keys, now)
}

// Parse is Parse, and demands the names.
func (n Names) Parse(token string, keys Keys, now time.Time) (Claims, error) {
	payload, err := verify(token, keys)
	if err != nil {
		return Claims{}, err
	}
	c, ok := quick(payload)
	if !ok || c.SessionID == "" && n.Foreign.renamed() {
		if c, ok = general(payload, n, now.Unix()); !ok {
			return Claims{}, ErrInvalid
		}
	}
	if !n.of(c) {
		return Claims{}, ErrInvalid
	}
	// PyJWT compares with a clock that has fractions. These are whole seconds,
	// so the comparison with the clock's whole seconds comes out the same.
	seconds, late, early := now.Unix(), int64(0), int64(leeway)
	if c.SessionID == "" {
		late = int64(n.Foreign.Leeway / time.Second)
		early = max(early, late)
	}
	if c.HasExpires && c.Expires <= seconds-late {
		return Claims{}, ErrExpired
	}
	if c.HasExpires && c.Expires > maxExpiry {
		return Claims{}, ErrInvalid
	}
	if c.HasIssuedAt && c.IssuedAt > seconds+early {
		return Claims{}, ErrInvalid
	}
	return c, nil
}

// verify checks the form, the header and the signature of a token and gives
// its decoded payload, which may be anything.
func verify(token string, keys Keys) (payload string, err error) {
	// The length first: nothing below costs more than a few times maxLength.
	// Then the line ends, which Go's decoder would skip (one token would have
	// many spellings); every other byte outside base64url it refuses.
	if len(token) > maxLength || strings.IndexByte(token, '\n') >= 0 || strings.IndexByte(token, '\r') >= 0 {
		return "", ErrForged
	}
	first := strings.IndexByte(token, '.')
	last := strings.LastIndexByte(token, '.')
	if first == last || strings.IndexByte(token[first+1:last], '.') >= 0 {
		return "", ErrForged // Not three parts.
	}
	h, ok := readHeader(token[:first])
	if !ok {
		return "", ErrForged
	}
	var signatureBuffer [64]byte
	signature, ok := decode(signatureBuffer[:0], token[last+1:])
	if !ok {
		return "", ErrForged
	}
	accepted, err := keys.Accepted(h.kid, h.hasKID)
	if !signed(token[:last], signature, h, accepted) {
		if err != nil {
			return "", err
		}
		return "", ErrForged
	}
	var payloadBuffer [512]byte
	p, ok := decode(payloadBuffer[:0], token[first+1:last])
	if !ok {
		return "", ErrForged
	}
	return string(p), nil
}

// signed reports whether one of the accepted keys made the signature. The
// algorithm is the key's; the header only has to agree, byte for byte. So has
// the kid of an asymmetric key: there is no trying of one key after another.
func signed(input string, signature []byte, h header, accepted []Key) bool {
	for _, k := range accepted {
		if k.algorithm != h.algorithm || k.pair != nil && (!h.hasKID || h.kid != k.id) {
			continue
		}
		if k.verify(input, signature) {
			return true
		}
	}
	return false
}

// header is what matters of a JOSE header.
type header struct {
	algorithm string
	kid       string
	hasKID    bool
}

// readHeader reads the first part of a token.
func readHeader(part string) (header, bool) {
	if part == mintedHeader || part == sortedHeader {
		return header{algorithm: HS256}, true
	}
	raw, ok := decode(nil, part)
	if !ok {
		return header{}, false
	}
	return parseHeader(raw)
}

// parseHeader reads any JOSE header.
func parseHeader(raw []byte) (h header, ok bool) {
	ok = members(raw, func(name string, v jsontext.Value) (ok bool) {
		switch name {
		case "alg":
			h.algorithm, ok = text(v)
			return ok && h.algorithm != "" // "" is the zero Key's.
		case "kid":
			h.kid, ok = text(v)
			h.hasKID = ok
			return ok
		case "crit", "zip", "b64":
			// RFC 7515, section 4.1.11: who does not understand crit must
			// refuse. zip and b64 (RFC 7797) would have the payload read
			// otherwise.
			return false
		}
		return true
	})
	return h, ok && h.algorithm != ""
}

// decode appends the bytes of a part of a token to dst. Strict, so that the
// unused bits of the last character must be zero; the caller has refused line
// ends.
func decode(dst []byte, part string) ([]byte, bool) {
	out, err := base64.RawURLEncoding.Strict().AppendDecode(dst, []byte(part))
	return out, err == nil
}

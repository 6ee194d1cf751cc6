package password

import (
	"crypto/pbkdf2"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"strings"
)

// pbkdf2MaxIterations takes about two seconds. Django's default was 260,000 in
// 3.2 and grows with each release.
const pbkdf2MaxIterations = 10_000_000

// pbkdf2Hash is Django's pbkdf2_sha256 or pbkdf2_sha1.
type pbkdf2Hash struct {
	format     string
	iterations int
	salt       string
	sum        []byte
}

// parsePBKDF2 reads "iterations$salt$hash". The salt is text and its UTF-8
// bytes are what is hashed.
func parsePBKDF2(format, s string) (hash, error) {
	part := strings.Split(s, "$")
	if len(part) != 3 {
		return nil, fmt.Errorf("%w: want iterations$salt$hash", ErrMalformed)
	}
	n, err := decimal("iterations", part[0], 1, pbkdf2MaxIterations)
	if err != nil {
		return nil, err
	}
	if part[1] == "" {
		return nil, fmt.Errorf("%w: no salt", ErrMalformed)
	}
	size := sha256.Size
	if format == PBKDF2SHA1 {
		size = sha1.Size
	}
	sum, err := decode("hash", part[2], base64.StdEncoding, size, size)
	if err != nil {
		return nil, err
	}
	return &pbkdf2Hash{format, int(n), part[1], sum}, nil
}

func (h *pbkdf2Hash) cost() (int64, int) { return smallCost, 1 }

func (h *pbkdf2Hash) matches(pw string, _ turn) bool {
	var sum []byte
	var err error
	if h.format == PBKDF2SHA1 {
		sum, err = pbkdf2.Key(sha1.New, pw, []byte(h.salt), h.iterations, len(h.sum))
	} else {
		sum, err = pbkdf2.Key(sha256.New, pw, []byte(h.salt), h.iterations, len(h.sum))
	}
	// The only error is FIPS 140-only mode's, on parameters that it forbids.
	return err == nil && subtle.ConstantTimeCompare(sum, h.sum) == 1
}

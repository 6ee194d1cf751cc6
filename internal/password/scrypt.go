package password

import (
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"strings"

	"golang.org/x/crypto/scrypt"
)

// Ceilings on foreign parameters: 128 MiB. Django's default is N=2^14, r=8,
// p=5.
const (
	scryptMaxN = 1 << 17
	scryptMaxR = 8
	scryptMaxP = 10
	scryptSize = 64 // bytes, fixed by Django
)

// scryptHash is Django's scrypt (since 4.0).
type scryptHash struct {
	n, r, p int
	salt    string
	sum     []byte
}

// parseScrypt reads "N$salt$r$p$hash".
func parseScrypt(s string) (hash, error) {
	part := strings.Split(s, "$")
	if len(part) != 5 {
		return nil, fmt.Errorf("%w: want N$salt$r$p$hash", ErrMalformed)
	}
	n, err := decimal("N", part[0], 2, scryptMaxN)
	if err != nil {
		return nil, err
	}
	if n&(n-1) != 0 {
		return nil, fmt.Errorf("%w: N is no power of two", ErrMalformed)
	}
	if part[1] == "" {
		return nil, fmt.Errorf("%w: no salt", ErrMalformed)
	}
	r, err := decimal("r", part[2], 1, scryptMaxR)
	if err != nil {
		return nil, err
	}
	p, err := decimal("p", part[3], 1, scryptMaxP)
	if err != nil {
		return nil, err
	}
	sum, err := decode("hash", part[4], base64.StdEncoding, scryptSize, scryptSize)
	if err != nil {
		return nil, err
	}
	return &scryptHash{int(n), int(r), int(p), part[1], sum}, nil
}

func (h *scryptHash) cost() (int64, int) {
	return int64(128*h.n*h.r + 128*h.p*h.r + 256*h.r), 1
}

func (h *scryptHash) matches(pw string, _ turn) bool {
	sum, err := scrypt.Key([]byte(pw), []byte(h.salt), h.n, h.r, h.p, len(h.sum))
	return err == nil && subtle.ConstantTimeCompare(sum, h.sum) == 1
}

package password

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"

	"golang.org/x/crypto/bcrypt"
)

// bcryptMaxCost takes about three seconds. Django's default is 12.
const bcryptMaxCost = 15

// bcryptHash is Django's bcrypt or bcrypt_sha256.
type bcryptHash struct {
	format string
	crypt  []byte // $2b$cost$salt-and-hash, 60 bytes
}

// parseBcrypt reads "$2b$12$" + 22 characters of salt + 31 of hash. The
// varieties a, b and y are one algorithm; x is a broken one and refused.
func parseBcrypt(format, s string) (hash, error) {
	if len(s) != 60 || s[0:2] != "$2" || s[3] != '$' || s[6] != '$' {
		return nil, fmt.Errorf("%w: want $2b$cost$salt-and-hash", ErrMalformed)
	}
	if v := s[2]; v != 'a' && v != 'b' && v != 'y' {
		return nil, fmt.Errorf("%w: variety", ErrMalformed)
	}
	cost := s[4:6]
	if cost[0] == '0' {
		cost = cost[1:]
	}
	if _, err := decimal("cost", cost, int64(bcrypt.MinCost), bcryptMaxCost); err != nil {
		return nil, err
	}
	b64 := base64.NewEncoding("./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789").WithPadding(base64.NoPadding)
	if _, err := decode("salt", s[7:29], b64, 16, 16); err != nil {
		return nil, err
	}
	if _, err := decode("hash", s[29:], b64, 23, 23); err != nil {
		return nil, err
	}
	return &bcryptHash{format, []byte(s)}, nil
}

func (h *bcryptHash) cost() (int64, int) { return smallCost, 1 }

// matches hashes, for bcrypt_sha256, the hex digest of the password. For plain
// bcrypt the algorithm itself ignores what follows the 72nd byte: two long
// passwords with the same beginning match the same hash, in Django as here.
func (h *bcryptHash) matches(pw string, _ turn) bool {
	key := []byte(pw)
	if h.format == BcryptSHA256 {
		sum := sha256.Sum256(key)
		key = hex.AppendEncode(nil, sum[:])
	}
	return bcrypt.CompareHashAndPassword(h.crypt, key) == nil
}

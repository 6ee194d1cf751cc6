package latchkey

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"errors"
	"math/big"
)

// maxKeys is how many keys a set may have. Latchkey publishes a handful: the
// next one, the one that signs, and those retired less than a token's life ago.
const maxKeys = 100

var errKeySet = errors.New("not a usable JSON Web Key Set")

// parseKeySet reads a JWK Set (RFC 7517, section 5) into keys by kid. Keys that
// are not for verifying with EdDSA, ES256 or RS256, or that do not say all of
// kid, use and alg, are passed over: they are not Latchkey's. A symmetric key is
// never one of them, whatever it says.
func parseKeySet(raw string) (map[string]key, error) {
	keys := map[string]key{}
	found, n := false, 0
	ok := members(raw, func(name, value string) bool {
		if name != "keys" {
			return true
		}
		found = true
		return elements(value, func(value string) bool {
			if n++; n > maxKeys {
				return false
			}
			kid, k, ok := parseKey(value)
			if !ok || k == nil {
				return ok
			}
			// With two keys of one name, the name would not pick one.
			_, twice := keys[kid]
			keys[kid] = k
			return !twice
		})
	})
	if !ok || !found {
		return nil, errKeySet
	}
	return keys, nil
}

// jwk has the members that are looked at.
type jwk struct {
	kty, use, alg, kid, crv, x, y, n, e string
	private                             bool
}

// parseKey reads one JWK. ok is false for what is no JSON object of strings
// where strings must be; k is nil for a key that is not for us.
func parseKey(raw string) (kid string, k key, ok bool) {
	var j jwk
	fields := map[string]*string{
		"kty": &j.kty, "use": &j.use, "alg": &j.alg, "kid": &j.kid,
		"crv": &j.crv, "x": &j.x, "y": &j.y, "n": &j.n, "e": &j.e,
	}
	if !members(raw, func(name, value string) (ok bool) {
		if field := fields[name]; field != nil {
			*field, ok = text(value)
			return ok
		}
		// A published private key: anybody may have signed with it.
		j.private = j.private || name == "d" || name == "k"
		return true
	}) {
		return "", nil, false
	}
	if j.kid == "" || j.use != "sig" || j.private {
		return "", nil, true
	}
	switch {
	case j.kty == "OKP" && j.crv == "Ed25519" && j.alg == algEdDSA:
		if x, ok := decode(nil, j.x); ok && len(x) == ed25519.PublicKeySize {
			k = eddsa(x)
		}
	case j.kty == "EC" && j.crv == "P-256" && j.alg == algES256:
		x, okX := decode(nil, j.x)
		y, okY := decode(nil, j.y)
		if !okX || !okY || len(x) != 32 || len(y) != 32 {
			break
		}
		// It refuses a point that is not on the curve.
		point := append(append([]byte{4}, x...), y...)
		if p, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), point); err == nil {
			k = (*es256)(p)
		}
	case j.kty == "RSA" && j.alg == algRS256:
		n, okN := decode(nil, j.n)
		e, okE := decode(nil, j.e)
		if okN && okE {
			k = newRS256(new(big.Int).SetBytes(n), new(big.Int).SetBytes(e))
		}
	}
	return j.kid, k, true
}

// newRS256 is nil for a modulus or an exponent that no key should have (RFC
// 7518, section 3.3) or that would take long to verify with.
func newRS256(n, e *big.Int) key {
	bits := n.BitLen()
	if bits < 2048 || bits > 8192 || n.Bit(0) == 0 || e.BitLen() < 2 || e.BitLen() > 31 || e.Bit(0) == 0 {
		return nil
	}
	return (*rs256)(&rsa.PublicKey{N: n, E: int(e.Int64())})
}

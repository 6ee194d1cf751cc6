package keyring

import (
	"strings"

	"github.com/latchkey-auth/latchkey/internal/token"
)

// asymmetric are the algorithms whose keys have a public half.
var asymmetric = [...]string{token.EdDSA, token.ES256, token.RS256}

// known reports whether there is such an algorithm.
func known(algorithm string) bool {
	return algorithm == token.HS256 || isAsymmetric(algorithm)
}

func isAsymmetric(algorithm string) bool {
	for _, a := range asymmetric {
		if a == algorithm {
			return true
		}
	}
	return false
}

// idLength is how much of the fingerprint stands in an id.
const idLength = 16

func prefixOf(algorithm string) string { return strings.ToLower(algorithm) + "-" }

// keyID names a key by its fingerprint, so that two nodes with one secret mean
// one row, and a secret that comes back is found again.
func keyID(algorithm string, secret []byte) (string, error) {
	k, err := token.New("", algorithm, secret)
	if err != nil {
		return "", err
	}
	return prefixOf(algorithm) + k.Fingerprint()[:idLength], nil
}

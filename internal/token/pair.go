package token

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
)

// pair is an asymmetric key. Each of its algorithms is a file: a public half
// that verifies and shows itself as a JWK, and a private half that signs.
type pair struct {
	// header begins every token that the key signs, as it stands there.
	header  string
	public  publicKey
	private privateKey // nil of a key that only verifies
	secret  *hs256     // the private half as an HMAC key, for MAC; nil with it
}

type publicKey interface {
	verify(input string, signature []byte) bool
	// appendJWK writes the members that the kind of key has, kty first.
	appendJWK(b []byte) []byte
}

// privateKey signs so that equal inputs have equal signatures.
type privateKey interface {
	sign(input []byte) []byte
}

var errAlgorithm = errors.New("there is no such algorithm here")

// generatePair makes a private key, in PKCS #8.
func generatePair(algorithm string) ([]byte, error) {
	var private any
	var err error
	switch algorithm {
	case EdDSA:
		private, err = generateEdDSA()
	case ES256:
		private, err = generateES256()
	case RS256:
		private, err = generateRS256()
	default:
		err = errAlgorithm
	}
	if err == nil {
		var der []byte
		if der, err = x509.MarshalPKCS8PrivateKey(private); err == nil {
			return der, nil
		}
	}
	return nil, fmt.Errorf("make a key for %s: %w", algorithm, err)
}

// newPair makes a key of a private key in PKCS #8. The error tells nothing of
// the key.
func newPair(id, algorithm string, der []byte) (Key, error) {
	private, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return Key{}, fmt.Errorf("key %s is no private key in PKCS #8", id)
	}
	// One key has one spelling, so that nothing can lie behind it.
	if again, err := x509.MarshalPKCS8PrivateKey(private); err != nil || !bytes.Equal(again, der) {
		return Key{}, fmt.Errorf("key %s is not spelled as it was made", id)
	}
	signer, ok := private.(crypto.Signer)
	if !ok {
		return Key{}, fmt.Errorf("key %s signs nothing", id)
	}
	k, err := newPublic(id, algorithm, signer.Public())
	if err != nil {
		return Key{}, err
	}
	switch private := private.(type) {
	case ed25519.PrivateKey:
		k.pair.private = edPrivate(private)
	case *ecdsa.PrivateKey:
		k.pair.private = (*ecPrivate)(private)
	case *rsa.PrivateKey:
		k.pair.private = (*rsaPrivate)(private)
	}
	k.pair.secret = newHS256(der)
	return k, nil
}

// newPublic makes a key that verifies. It refuses a key of another kind than
// the algorithm's, and one that the algorithm may not be used with.
func newPublic(id, algorithm string, public crypto.PublicKey) (Key, error) {
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		return Key{}, fmt.Errorf("key %s: %w", id, err)
	}
	var half publicKey
	switch algorithm {
	case EdDSA:
		half, err = newEdPublic(public)
	case ES256:
		half, err = newECPublic(public)
	case RS256:
		half, err = newRSAPublic(public)
	default:
		err = errAlgorithm
	}
	if err != nil {
		return Key{}, fmt.Errorf("key %s for %s: %w", id, algorithm, err)
	}
	header := appendString([]byte(`{"typ":"JWT","alg":`), algorithm)
	header = append(header, `,"kid":`...)
	header = append(appendString(header, id), '}')
	return Key{
		id:          id,
		algorithm:   algorithm,
		fingerprint: fingerprint(der),
		pair:        &pair{header: base64.RawURLEncoding.EncodeToString(header), public: half},
	}, nil
}

// errKind: the key is not of the kind that the algorithm works with.
var errKind = errors.New("this is a key of another kind")

// token mints a token.
func (p *pair) token(c Claims) string {
	out := appendToken(make([]byte, 0, 1024), p.header, appendClaims(nil, c))
	return string(appendSignature(out, p.private.sign(out)))
}

// appendMember writes a member of a JWK whose value is bytes.
func appendMember(b []byte, name string, value []byte) []byte {
	b = append(b, `,"`...)
	b = append(b, name...)
	b = append(b, `":"`...)
	b = base64.RawURLEncoding.AppendEncode(b, value)
	return append(b, '"')
}

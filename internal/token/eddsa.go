package token

import (
	"crypto"
	"crypto/ed25519"
)

// Ed25519: RFC 8037. Signatures are made of the input itself and depend on
// nothing else (RFC 8032, section 5.1.6).

type edPublic ed25519.PublicKey

type edPrivate ed25519.PrivateKey

func generateEdDSA() (ed25519.PrivateKey, error) {
	_, private, err := ed25519.GenerateKey(nil)
	return private, err
}

func newEdPublic(public crypto.PublicKey) (publicKey, error) {
	k, ok := public.(ed25519.PublicKey)
	if !ok || len(k) != ed25519.PublicKeySize {
		return nil, errKind
	}
	return edPublic(k), nil
}

func (k edPublic) verify(input string, signature []byte) bool {
	return ed25519.Verify(ed25519.PublicKey(k), []byte(input), signature)
}

func (k edPublic) appendJWK(b []byte) []byte {
	return appendMember(append(b, `"kty":"OKP","crv":"Ed25519"`...), "x", k)
}

func (k edPrivate) sign(input []byte) []byte {
	return ed25519.Sign(ed25519.PrivateKey(k), input)
}

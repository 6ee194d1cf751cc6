package latchkey

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/rsa"
	"crypto/sha256"
	"hash"
	"math/big"
	"sync"
)

// The algorithms, as a header names them (RFC 7518, section 3.1; RFC 8037).
const (
	algHS256 = "HS256"
	algEdDSA = "EdDSA"
	algES256 = "ES256"
	algRS256 = "RS256"
)

// key is a key with the one algorithm that it is used with (RFC 8725, section
// 3.1).
type key interface {
	algorithm() string
	verify(input string, signature []byte) bool
}

// hs256 is a secret. It keeps HMAC states that are ready to use, which saves
// two blocks of SHA-256 and half a dozen allocations a token.
type hs256 struct{ states sync.Pool }

type hmacState struct {
	mac    hash.Hash
	input  []byte
	digest []byte
}

func newHS256(secret []byte) *hs256 {
	secret = append([]byte(nil), secret...)
	return &hs256{sync.Pool{New: func() any {
		return &hmacState{mac: hmac.New(sha256.New, secret)}
	}}}
}

func (*hs256) algorithm() string { return algHS256 }

func (k *hs256) verify(input string, signature []byte) bool {
	s := k.states.Get().(*hmacState)
	defer k.states.Put(s)
	s.input = append(s.input[:0], input...)
	s.mac.Reset()
	s.mac.Write(s.input)
	s.digest = s.mac.Sum(s.digest[:0])
	return hmac.Equal(s.digest, signature)
}

type eddsa ed25519.PublicKey

func (eddsa) algorithm() string { return algEdDSA }

func (k eddsa) verify(input string, signature []byte) bool {
	return len(signature) == ed25519.SignatureSize && ed25519.Verify(ed25519.PublicKey(k), []byte(input), signature)
}

type es256 ecdsa.PublicKey

func (*es256) algorithm() string { return algES256 }

// verify takes R and S as 32 bytes each (RFC 7518, section 3.4), never ASN.1.
func (k *es256) verify(input string, signature []byte) bool {
	if len(signature) != 64 {
		return false
	}
	digest := sha256.Sum256([]byte(input))
	r := new(big.Int).SetBytes(signature[:32])
	s := new(big.Int).SetBytes(signature[32:])
	return ecdsa.Verify((*ecdsa.PublicKey)(k), digest[:], r, s)
}

type rs256 rsa.PublicKey

func (*rs256) algorithm() string { return algRS256 }

func (k *rs256) verify(input string, signature []byte) bool {
	digest := sha256.Sum256([]byte(input))
	return rsa.VerifyPKCS1v15((*rsa.PublicKey)(k), crypto.SHA256, digest[:], signature) == nil
}

package token

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/binary"
	"errors"
)

// RSASSA-PKCS1-v1_5 with SHA-256: RFC 7518, section 3.3. It is deterministic.

const (
	// rsaBits is the length of the keys that are made here and the least that
	// RFC 7518 allows.
	rsaBits = 2048
	// rsaMost bounds the work that a key can make.
	rsaMost = 8192
)

type rsaPublic rsa.PublicKey

type rsaPrivate rsa.PrivateKey

func generateRS256() (*rsa.PrivateKey, error) {
	return rsa.GenerateKey(rand.Reader, rsaBits)
}

func newRSAPublic(public crypto.PublicKey) (publicKey, error) {
	k, ok := public.(*rsa.PublicKey)
	if !ok {
		return nil, errKind
	}
	if n := k.N.BitLen(); n < rsaBits || n > rsaMost {
		return nil, errors.New("an RSA key has 2048 to 8192 bits")
	}
	return (*rsaPublic)(k), nil
}

func (k *rsaPublic) verify(input string, signature []byte) bool {
	digest := sha256.Sum256([]byte(input))
	return rsa.VerifyPKCS1v15((*rsa.PublicKey)(k), crypto.SHA256, digest[:], signature) == nil
}

func (k *rsaPublic) appendJWK(b []byte) []byte {
	b = appendMember(append(b, `"kty":"RSA"`...), "n", k.N.Bytes())
	// RFC 7518, section 2: as few bytes as it takes.
	e := binary.BigEndian.AppendUint64(nil, uint64(k.E))
	return appendMember(b, "e", bytes.TrimLeft(e, "\x00"))
}

func (k *rsaPrivate) sign(input []byte) []byte {
	digest := sha256.Sum256(input)
	signature, err := rsa.SignPKCS1v15(nil, (*rsa.PrivateKey)(k), crypto.SHA256, digest[:])
	if err != nil {
		panic("token: sign with RS256: " + err.Error())
	}
	return signature
}

package token

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/asn1"
	"math/big"
)

// ECDSA on P-256: RFC 7518, section 3.4. A signature is r and s, 32 bytes each
// (IEEE P1363's form), not the ASN.1 that Go makes and takes.

// ecSize is the length of a coordinate and of half a signature.
const ecSize = 32

type ecPublic struct {
	key  *ecdsa.PublicKey
	x, y [ecSize]byte
}

type ecPrivate ecdsa.PrivateKey

func generateES256() (*ecdsa.PrivateKey, error) {
	return ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
}

func newECPublic(public crypto.PublicKey) (publicKey, error) {
	k, ok := public.(*ecdsa.PublicKey)
	if !ok || k.Curve != elliptic.P256() {
		return nil, errKind
	}
	point, err := k.Bytes() // 4, x, y; an error for what is not on the curve
	if err != nil || len(point) != 1+2*ecSize {
		return nil, errKind
	}
	half := &ecPublic{key: k}
	copy(half.x[:], point[1:])
	copy(half.y[:], point[1+ecSize:])
	return half, nil
}

func (k *ecPublic) verify(input string, signature []byte) bool {
	if len(signature) != 2*ecSize {
		return false
	}
	digest := sha256.Sum256([]byte(input))
	r, s := new(big.Int).SetBytes(signature[:ecSize]), new(big.Int).SetBytes(signature[ecSize:])
	return ecdsa.Verify(k.key, digest[:], r, s)
}

func (k *ecPublic) appendJWK(b []byte) []byte {
	b = appendMember(append(b, `"kty":"EC","crv":"P-256"`...), "x", k.x[:])
	return appendMember(b, "y", k.y[:])
}

// sign is deterministic (RFC 6979): that is what Go does without a source of
// randomness. Otherwise a refresh token could not be made a second time.
func (k *ecPrivate) sign(input []byte) []byte {
	digest := sha256.Sum256(input)
	der, err := (*ecdsa.PrivateKey)(k).Sign(nil, digest[:], crypto.SHA256)
	var half struct{ R, S *big.Int }
	if err == nil {
		_, err = asn1.Unmarshal(der, &half)
	}
	if err != nil {
		panic("token: sign with ES256: " + err.Error())
	}
	signature := make([]byte, 2*ecSize)
	half.R.FillBytes(signature[:ecSize])
	half.S.FillBytes(signature[ecSize:])
	return signature
}

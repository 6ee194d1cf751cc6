package latchkey

import (
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/sha256"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// What a check costs beside the bare signature: `go test -bench . -benchmem`.
// Verify includes the revocations and the role.
func BenchmarkVerify(b *testing.B) {
	signers := []signer{hmacSigner(testSecret), edSigner("ed"), ecSigner(b, "ec"), rsaSigner(b, "rsa")}
	s := newServer(b, signers[1:]...)
	s.revoke(revocation{kind: "sid", key: otherSID})
	o := s.options()
	o.HS256Keys = [][]byte{testSecret}
	v := verifier(b, o)
	for _, k := range signers {
		token := k.token(payload())
		mustVerify(b, v, token)
		b.Run(k.alg, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if c, err := v.Verify(b.Context(), token); err != nil || !c.Is(Manager, Employee) {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkRequire(b *testing.B) {
	k := hmacSigner(testSecret)
	v := verifier(b, Options{HS256Keys: [][]byte{testSecret}})
	h := v.Require(Manager, Employee)(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.Header.Set("Authorization", "Bearer "+k.token(payload()))
	w := httptest.NewRecorder()
	b.ReportAllocs()
	for b.Loop() {
		h.ServeHTTP(w, r)
	}
}

// BenchmarkBare is the signature of a token of the same length, and nothing else.
func BenchmarkBare(b *testing.B) {
	b.Run("HMAC", func(b *testing.B) {
		token := hmacSigner(testSecret).token(payload())
		input, sig := signedParts(token)
		b.ReportAllocs()
		for b.Loop() {
			m := hmac.New(sha256.New, testSecret)
			m.Write(input)
			if !hmac.Equal(m.Sum(nil), sig) {
				b.Fatal("bad")
			}
		}
	})
	b.Run("EdDSA", func(b *testing.B) {
		k := edSigner("ed")
		input, sig := signedParts(k.token(payload()))
		b.ReportAllocs()
		for b.Loop() {
			if !ed25519.Verify(k.public.(ed25519.PublicKey), input, sig) {
				b.Fatal("bad")
			}
		}
	})
}

func signedParts(token string) (input, signature []byte) {
	i := strings.LastIndexByte(token, '.')
	signature, _ = decode(nil, token[i+1:])
	return []byte(token[:i]), signature
}

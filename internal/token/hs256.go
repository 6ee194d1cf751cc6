package token

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"hash"
	"sync"
)

// hs256 keeps HMAC states that are ready to use: two blocks of SHA-256 and
// half a dozen allocations that need not be spent on every token.
type hs256 struct {
	workers sync.Pool
}

// worker is one HMAC state with its buffers.
type worker struct {
	mac     hash.Hash
	input   []byte
	payload []byte
	digest  []byte
}

// generateHS256 makes a secret of the length that RFC 7518, section 3.2, wants.
func generateHS256() []byte {
	secret := make([]byte, sha256.Size)
	rand.Read(secret) // It never fails: crypto/rand ends the process first.
	return secret
}

func newHS256(secret []byte) *hs256 {
	secret = append([]byte(nil), secret...)
	return &hs256{sync.Pool{New: func() any {
		return &worker{mac: hmac.New(sha256.New, secret)}
	}}}
}

// token mints a token.
func (h *hs256) token(c Claims) string {
	w := h.worker()
	defer h.release(w)

	w.payload = appendClaims(w.payload[:0], c)
	out := appendToken(w.input[:0], mintedHeader, w.payload)
	out = appendSignature(out, w.sum(out))
	w.input = out
	return string(out)
}

// verify reports whether signature is the MAC of input.
func (h *hs256) verify(input string, signature []byte) bool {
	w := h.worker()
	defer h.release(w)

	w.input = append(w.input[:0], input...)
	return hmac.Equal(w.sum(w.input), signature)
}

// derive gives a key for the purpose that label names. No token begins as its
// input does: a blank and a NUL are outside base64url.
func (h *hs256) derive(label string) []byte {
	w := h.worker()
	defer h.release(w)

	w.input = append(w.input[:0], "latchkey mac\x00"...)
	w.input = append(w.input, label...)
	return append([]byte(nil), w.sum(w.input)...)
}

func (h *hs256) worker() *worker { return h.workers.Get().(*worker) }

func (h *hs256) release(w *worker) { h.workers.Put(w) }

// sum gives the MAC of input, valid until the next call.
func (w *worker) sum(input []byte) []byte {
	w.mac.Reset()
	w.mac.Write(input)
	w.digest = w.mac.Sum(w.digest[:0])
	return w.digest
}

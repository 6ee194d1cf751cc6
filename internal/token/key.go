package token

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"hash"
	"strconv"
	"sync"

	"github.com/go-json-experiment/json/jsontext"
)

// HS256 is HMAC with SHA-256 (RFC 7518, section 3.2).
const HS256 = "HS256"

// The headers that this package knows by heart, as they stand in a token.
const (
	// mintedHeader is {"typ":"JWT","alg":"HS256"}, the guide's.
	mintedHeader = "eyJ0eXAiOiJKV1QiLCJhbGciOiJIUzI1NiJ9"
	// sortedHeader is {"alg":"HS256","typ":"JWT"}, that of the PyJWT that was
	// recorded: most tokens of a team that comes from Django bear it.
	sortedHeader = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9"
)

// Key is a key together with the one algorithm that it is used with (RFC 8725,
// section 3.1). It is a value, safe to copy and for concurrent use. The zero
// Key verifies nothing.
type Key struct {
	id          string
	algorithm   string
	fingerprint string
	hs256       *hs256 // nil for any other algorithm
}

// NewHS256 makes a key of secret, which is copied. Any length but zero does
// (Django's SECRET_KEY is what it is; keyring warns about short ones). An
// empty secret would let anybody sign, so it makes the zero Key.
func NewHS256(id string, secret []byte) Key {
	if len(secret) == 0 {
		return Key{}
	}
	return Key{
		id:          id,
		algorithm:   HS256,
		fingerprint: fingerprint(secret),
		hs256:       newHS256(secret),
	}
}

// fingerprint is what auth.Key.Fingerprint is documented to be.
func fingerprint(secret []byte) string {
	h := sha256.New()
	h.Write([]byte("latchkey key fingerprint\x00"))
	h.Write(secret)
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// ID is the key's id, the kid of tokens that bear one.
func (k Key) ID() string { return k.id }

// Algorithm is the JWS name of the only algorithm that the key is used with.
func (k Key) Algorithm() string { return k.algorithm }

// Fingerprint tells whether two keys have the same secret: 32 hex digits that
// give nothing of it away. "" for the zero Key.
func (k Key) Fingerprint() string { return k.fingerprint }

// String names the key and hides the secret from whoever prints it.
func (k Key) String() string { return k.algorithm + " key " + k.id }

// Sign mints a token. Equal claims give equal tokens, which is how a lost
// refresh token is made again. It panics on the zero Key: no token is better
// than one that nobody signed.
func (k Key) Sign(c Claims) string {
	if k.hs256 == nil {
		panic("token: sign with the zero Key")
	}
	w := k.hs256.worker()
	defer k.hs256.release(w)

	w.payload = appendClaims(w.payload[:0], c)
	out := append(w.input[:0], mintedHeader...)
	out = append(out, '.')
	out = base64.RawURLEncoding.AppendEncode(out, w.payload)
	mac := w.sum(out)
	out = append(out, '.')
	out = base64.RawURLEncoding.AppendEncode(out, mac)
	w.input = out
	return string(out)
}

// verify reports whether signature is that of input under this key.
func (k Key) verify(input string, signature []byte) bool {
	if k.hs256 == nil {
		return false
	}
	w := k.hs256.worker()
	defer k.hs256.release(w)

	w.input = append(w.input[:0], input...)
	return hmac.Equal(w.sum(w.input), signature)
}

// appendClaims spells the payload: compact, in the order of SimpleJWT.
func appendClaims(b []byte, c Claims) []byte {
	b = append(b, `{"token_type":`...)
	b = appendString(b, c.Type)
	b = append(b, `,"exp":`...)
	b = strconv.AppendInt(b, c.Expires, 10)
	b = append(b, `,"iat":`...)
	b = strconv.AppendInt(b, c.IssuedAt, 10)
	b = append(b, `,"jti":`...)
	b = appendString(b, c.ID)
	b = append(b, `,"user_id":`...)
	b = strconv.AppendInt(b, c.UserID, 10)
	if c.SessionID != "" {
		b = append(b, `,"sid":`...)
		b = appendString(b, c.SessionID)
	}
	if c.Type == Access {
		if c.Role != "" {
			b = append(b, `,"role":`...)
			b = appendString(b, c.Role)
		}
		if c.HasGen {
			b = append(b, `,"gen":`...)
			b = strconv.AppendInt(b, c.Gen, 10)
		}
	}
	return append(b, '}')
}

// appendString quotes s. The error is about invalid UTF-8, which comes out
// mended.
func appendString(b []byte, s string) []byte {
	b, _ = jsontext.AppendQuote(b, s)
	return b
}

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

func newHS256(secret []byte) *hs256 {
	secret = append([]byte(nil), secret...)
	return &hs256{sync.Pool{New: func() any {
		return &worker{mac: hmac.New(sha256.New, secret)}
	}}}
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

// MAC authenticates data under a label. Nothing that is signed as a token
// contains a zero byte, so neither can be taken for the other. It panics on the
// zero Key.
func (k Key) MAC(label string, data []byte) []byte {
	if k.hs256 == nil {
		panic("token: MAC with the zero Key")
	}
	w := k.hs256.worker()
	defer k.hs256.release(w)
	w.input = append(append(append(w.input[:0], "\x00"+label...), 0), data...)
	return bytes.Clone(w.sum(w.input))
}

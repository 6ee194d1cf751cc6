package server

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/latchkey-auth/latchkey/internal/api"
	"github.com/latchkey-auth/latchkey/internal/keyring"
)

// jwksPath is where verifiers look for public keys (RFC 8615's folder; the name
// is what everybody uses).
const jwksPath = "/.well-known/jwks.json"

// jwks answers with the public keys. They are for everybody, pages of any
// origin included; whoever asks as somebody is answered the same.
type jwks struct{ ring atomic.Pointer[keyring.Ring] }

func (j *jwks) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	ring := j.ring.Load()
	switch {
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		api.WriteMethodNotAllowed(w, r, "GET, HEAD")
		return
	case ring == nil:
		api.WriteStarting(w)
		return
	}
	body := ring.JWKS()
	sum := sha256.Sum256(body)
	etag := `"` + base64.RawURLEncoding.EncodeToString(sum[:12]) + `"`
	h := w.Header()
	h.Del("Vary")
	h.Del("Access-Control-Allow-Credentials")
	h.Set("Access-Control-Allow-Origin", "*")
	h.Set("Cache-Control", fmt.Sprintf("public, max-age=%d", ring.CacheTime()/time.Second))
	h.Set("Cross-Origin-Resource-Policy", "cross-origin")
	h.Set("Etag", etag)
	h.Set("Referrer-Policy", "same-origin")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	if matches(r.Header.Values("If-None-Match"), etag) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	h.Set("Content-Type", "application/json")
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(http.StatusOK)
	if r.Method != http.MethodHead {
		_, _ = w.Write(body)
	}
}

package server

import (
	"context"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/latchkey-auth/latchkey/internal/api"
	"github.com/latchkey-auth/latchkey/internal/auth"
	"github.com/latchkey-auth/latchkey/internal/session"
)

// health answers /healthz and /readyz.
//
// /healthz is 200 while the process works. /readyz is 503 before the first
// load of revocations and while stopping, else 200 with what is degraded in
// its body: a database outage concerns all nodes alike, and a balancer that
// takes them all out makes it worse.
type health struct {
	store    atomic.Pointer[auth.Store]
	revoked  atomic.Pointer[session.Revoked]
	stopping atomic.Bool
	now      func() time.Time
}

// staleAfter is how old the list of revocations may be before that is told.
const staleAfter = 5 * time.Second

func (h *health) live(w http.ResponseWriter, r *http.Request) {
	if !reads(w, r) {
		return
	}
	answer(w, http.StatusOK, `{"status":"ok"}`)
}

// reads answers 405 to what is no probe.
func reads(w http.ResponseWriter, r *http.Request) bool {
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		return true
	}
	api.WriteMethodNotAllowed(w, r, "GET, HEAD")
	return false
}

func (h *health) ready(w http.ResponseWriter, r *http.Request) {
	if !reads(w, r) {
		return
	}
	revoked, store := h.revoked.Load(), h.store.Load()
	switch {
	case h.stopping.Load():
		answer(w, http.StatusServiceUnavailable, `{"status":"stopping"}`)
	case revoked == nil || store == nil || !revoked.Loaded():
		answer(w, http.StatusServiceUnavailable, `{"status":"starting"}`)
	default:
		ctx, cancel := context.WithTimeout(r.Context(), time.Second)
		defer cancel()
		body := `{"status":"ok","degraded":[]}`
		switch dbErr, stale := (*store).Ping(ctx), h.now().Sub(revoked.Synced()) > staleAfter; {
		case dbErr != nil && stale:
			body = `{"status":"ok","degraded":["database","revocations"]}`
		case dbErr != nil:
			body = `{"status":"ok","degraded":["database"]}`
		case stale:
			body = `{"status":"ok","degraded":["revocations"]}`
		}
		answer(w, http.StatusOK, body)
	}
}

func answer(w http.ResponseWriter, status int, body string) {
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	h.Set("Referrer-Policy", "same-origin")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(body))
}

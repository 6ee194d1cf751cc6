package server

import (
	"context"
	"net/http"
	"strconv"
	"sync"
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
// takes them all out makes it worse. Whether the database answers may be as old
// as pingKept; all else is told as it is.
type health struct {
	store    atomic.Pointer[auth.Store]
	revoked  atomic.Pointer[session.Revoked]
	stopping atomic.Bool
	now      func() time.Time
	pinged   pinged
}

const (
	// staleAfter is how old the list of revocations may be before that is told.
	staleAfter = 5 * time.Second
	// pingTime is how long the database has for a sign of life.
	pingTime = time.Second
	// pingKept is how long one is good enough for whoever asks next.
	pingKept = 100 * time.Millisecond
)

// pinged is the database's last sign of life. Anybody may ask for one, as often
// as they like: however many ask, one of them waits for a connection, among
// the logins that do.
type pinged struct {
	once sync.Once
	turn chan struct{} // one place: who waits for it is given what the other has found
	at   time.Time     // by the machine's clock
	err  error
}

func (p *pinged) ask(ctx context.Context, store auth.Store) error {
	p.once.Do(func() { p.turn = make(chan struct{}, 1) })
	wait, cancel := context.WithTimeout(ctx, pingTime)
	defer cancel()
	select {
	case p.turn <- struct{}{}:
		defer func() { <-p.turn }()
	case <-wait.Done():
		return wait.Err()
	}
	if !p.at.IsZero() && time.Since(p.at) < pingKept {
		return p.err
	}
	// Whoever asked may go away: what is found is for others, too.
	ping, cancel := context.WithTimeout(context.WithoutCancel(ctx), pingTime)
	defer cancel()
	p.err = store.Ping(ping)
	p.at = time.Now()
	return p.err
}

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
		body := `{"status":"ok","degraded":[]}`
		switch dbErr, stale := h.pinged.ask(r.Context(), *store), h.now().Sub(revoked.Synced()) > staleAfter; {
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
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = w.Write([]byte(body))
}

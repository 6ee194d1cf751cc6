package faults_test

import (
	"context"
	"maps"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/latchkey-auth/latchkey/e2e/faults"
	"github.com/latchkey-auth/latchkey/internal/auth"
)

// Nothing that goes on beside the requests waits for the database without an
// end: a connection may be alive and bring nothing, and others work.
func TestDeadlinesBesideRequests(t *testing.T) {
	t.Parallel()
	most := map[string]time.Duration{
		"Revocations":             5 * time.Second,
		"Update/AddLoginFailures": 30 * time.Second,
		"Update/InsertEvent":      time.Minute, // the writer of refusals
		"Update/Sweep":            time.Minute,
		"CountSessions":           time.Minute,
		"Update/InsertSample":     time.Minute,
		"Update/IndexUsers":       time.Minute,
		"ForeignHash":             30 * time.Second,
		"Chain":                   time.Minute, // the sealer's
		"UnsealedRows":            time.Minute,
		"Update/LockChain":        time.Minute,
		"Update/SealRows":         time.Minute,
	}
	var (
		mu      sync.Mutex
		seen    = map[string]bool{}
		without = map[string]bool{}
	)
	decide := func(ctx context.Context, p faults.Point) error {
		limit, ours := most[p.Call]
		if faults.OfRequest(ctx) || !ours {
			return nil
		}
		mu.Lock()
		defer mu.Unlock()
		seen[p.Call] = true
		if deadline, ok := ctx.Deadline(); !ok || time.Until(deadline) > limit {
			without[p.Call] = true
		}
		return nil
	}
	n := &node{t: t, Server: faults.Serve(t, faults.Options{Engine: "sqlite", Decide: decide, Busy: true})}
	u := n.user(auth.RoleClient)
	if status, body := n.ask(login(u.Email, "wrong")); status != http.StatusUnauthorized {
		t.Fatalf("login: %d %s", status, body)
	}
	if status, body := n.ask(faults.Request{Method: "GET", Path: "/api/users/", Bearer: n.open(u).Access}); status != http.StatusForbidden {
		t.Fatalf("the list of users: %d %s", status, body)
	}
	n.until("all have asked the database", func() bool {
		mu.Lock()
		defer mu.Unlock()
		return len(seen) == len(most)
	})
	mu.Lock()
	defer mu.Unlock()
	if len(without) > 0 {
		t.Errorf("these have no deadline, or a late one: %v", slices.Sorted(maps.Keys(without)))
	}
}

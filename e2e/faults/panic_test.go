package faults_test

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/latchkey-auth/latchkey/e2e/faults"
	"github.com/latchkey-auth/latchkey/internal/auth"
)

// beside is what goes on beside the requests, by the call of the store that
// each makes, and how the log names it.
var beside = map[string]string{
	"Revocations":             "the feed of revocations",
	"Update/AddLoginFailures": "the writer of failed logins",
	"Keys":                    "the follower of the keys",
	"Update/Sweep":            "the sweeper",
	"CountSessions":           "the sampler",
	"Update/IndexUsers":       "the indexer",
}

// panics is how often each panics before it goes well.
const panics = 2

// Everything that goes on beside the requests panics, twice, and goes on: the
// process lives, requests are answered meanwhile, and afterwards what was left
// undone is done.
//
// ASVS 16.5.4
// LESSON 38
func TestPanicsBesideRequests(t *testing.T) {
	for _, engine := range faults.Engines {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			var (
				mu    sync.Mutex
				calls = map[string]int{}
				armed atomic.Bool
			)
			decide := func(ctx context.Context, p faults.Point) error {
				// The indexer runs once, at the start.
				if faults.OfRequest(ctx) || !armed.Load() && p.Call != "Update/IndexUsers" || beside[p.Call] == "" {
					return nil
				}
				mu.Lock()
				calls[p.Call]++
				n := calls[p.Call]
				mu.Unlock()
				if n <= panics {
					panic("planted in " + p.Call)
				}
				return nil
			}
			n := &node{t: t, Server: faults.Serve(t, faults.Options{Engine: engine, Decide: decide, Busy: true})}
			u := n.user(auth.RoleClient)
			pair := n.open(u)
			if status, body := n.ask(verify(pair.Access)); status != http.StatusOK {
				t.Fatalf("verify: %d %s", status, body)
			}
			armed.Store(true)
			// Something for the feed to find, and something to be written.
			if _, err := n.Store.RevokeSession(t.Context(), auth.Revoking{
				UserID: u.ID, SessionIDs: []string{pair.SessionID}, Event: auth.EventLoggedOut, Now: n.Now(),
			}); err != nil {
				t.Fatal(err)
			}
			if status, body := n.ask(login(u.Email, "wrong")); status != http.StatusUnauthorized {
				t.Fatalf("login meanwhile: %d %s", status, body)
			}

			n.until("all have panicked and gone on", func() bool {
				mu.Lock()
				defer mu.Unlock()
				for call := range beside {
					if calls[call] <= panics {
						return false
					}
				}
				return true
			})
			n.until("the feed has brought the revocation", func() bool {
				status, _ := n.ask(verify(pair.Access))
				return status == http.StatusUnauthorized
			})
			n.until("the failed login is written, once", func() bool {
				events, err := n.Store.Read().Events(t.Context(), auth.EventFilter{UserID: u.ID})
				n.fatal(err)
				for _, e := range events {
					if e.Kind == auth.EventLoginFailed {
						if e.Count != 1 {
							t.Errorf("it is counted %d times", e.Count)
						}
						return true
					}
				}
				return false
			})
			said := n.Log.String()
			for call, name := range beside {
				if engine == "sqlite" && strings.HasPrefix(call, "Update/") {
					continue // the writer has made an error of it
				}
				// The doctor reads what others read, and may have met one of them.
				if got := strings.Count(said, `","panic":"planted in `+call+`"`); got != panics {
					t.Errorf("the log tells of %d panics in %s, want %d", got, call, panics)
				}
				if !strings.Contains(said, `"what":"`+name+`","panic":"planted in `+call+`"`) {
					t.Errorf("the log tells of no panic of %s", name)
				}
			}
		})
	}
}

// until waits for something that must come.
func (n *node) until(what string, is func() bool) {
	n.t.Helper()
	for end := time.Now().Add(60 * time.Second); !is(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			n.t.Fatalf("not within a minute: %s\n%s", what, n.Log)
		}
	}
}

package events

import (
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/latchkey-auth/latchkey/e2e/faults"
	"github.com/latchkey-auth/latchkey/internal/auth"
)

// A flood of requests that are refused does not fill the audit trail: each is
// counted, and the rows are few.
//
// ASVS 16.3.2, 16.3.3
func TestFloodOfRefusals(t *testing.T) {
	for _, engine := range faults.Engines {
		t.Run(engine, func(t *testing.T) {
			s := newScript(t, engine, nil)
			p := s.one(auth.RoleClient)
			const clients, each = 4, 250
			var wg sync.WaitGroup
			for range clients {
				wg.Go(func() {
					for range each {
						for bearer, want := range map[string]int{p.Access: 403, p.Access + "x": 401} {
							req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL+"/api/audit/", nil)
							if err != nil {
								t.Error(err)
								return
							}
							req.Header.Set("Authorization", "Bearer "+bearer)
							req.Header.Set("X-Forwarded-For", "192.0.2.9")
							resp, err := s.client.Do(req)
							if err != nil || resp.StatusCode != want {
								t.Errorf("%v %v, want %d", err, resp, want)
								return
							}
							resp.Body.Close()
						}
					}
				})
			}
			wg.Wait()
			s.Advance(time.Minute) // what follows the first is written when the minute is over
			rows, counts := map[auth.EventKind]int{}, map[auth.EventKind]int64{}
			for until := time.Now().Add(20 * time.Second); counts[auth.EventAccessRefused] < clients*each || counts[auth.EventBypassRefused] < clients*each; {
				if time.Now().After(until) {
					t.Fatalf("counted %v of %d after 20 s", counts, clients*each)
				}
				time.Sleep(20 * time.Millisecond)
				clear(rows)
				clear(counts)
				for _, kind := range []auth.EventKind{auth.EventAccessRefused, auth.EventBypassRefused} {
					all, err := s.Store.Read().Events(t.Context(), auth.EventFilter{Kind: kind, Limit: 10_000})
					if err != nil {
						t.Fatal(err)
					}
					for _, e := range all {
						rows[kind]++
						counts[kind] += e.Count
						if e.Client.Address != "192.0.2.9" || e.Client.Request == "" {
							t.Errorf("of whom? %+v", e)
						}
					}
				}
			}
			// Two rows a minute, and the flood may go over the end of one.
			for kind, n := range rows {
				if n > 4 || counts[kind] != clients*each {
					t.Errorf("%s: %d rows of %d", kind, n, counts[kind])
				}
			}
			t.Log(rows, counts)
		})
	}
}

package race

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/latchkey-auth/latchkey/e2e/node"
)

var (
	reuses = flag.Int("race.reuses", 10, "how often a grandparent is presented, on each set-up")
	dead   = flag.Duration("race.dead", 0, "how long after that the session may live on another node; 0: it is measured and not judged")
)

// A refresh token whose successor has been traded too is presented again,
// somewhere: the whole session is dead, with its newest refresh token and its
// access tokens, on every node, and one event tells of it (security.md, figure
// 4).
//
// ASVS 10.4.5
// ROW 4
func TestGrandparents(t *testing.T) {
	for name, start := range clusters(t, "LATCHKEY_THROTTLE_ENABLED=false", "LATCHKEY_LOG_LEVEL=error") {
		t.Run(name, func(t *testing.T) {
			nodes := start(t)
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Hour)
			defer cancel()
			if out, err := nodes[0].CLI(t, password, "user", "create", "root@example.com", "--role", "admin", "--password-stdin"); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			const clients = 4
			var (
				wg    sync.WaitGroup
				tries atomic.Int64
				mu    sync.Mutex
				took  []time.Duration
				ended = map[string]bool{}
			)
			for c := range clients {
				mail := fmt.Sprintf("ada%d@example.com", c)
				if a, err := nodes[0].Register(ctx, mail, password); err != nil || !a.OK() {
					t.Fatalf("register: %v %+v", err, a)
				}
				wg.Go(func() {
					for n := tries.Add(1); n <= int64(*reuses) && !t.Failed(); n = tries.Add(1) {
						sid, lived := grandparent(ctx, t, nodes, mail, int(n))
						mu.Lock()
						took = append(took, lived)
						ended[sid] = true
						mu.Unlock()
					}
				})
			}
			wg.Wait()
			if len(took) != *reuses || len(ended) != *reuses {
				t.Fatalf("%d tries, %d sessions, want %d", len(took), len(ended), *reuses)
			}
			slices.Sort(took)
			t.Logf("%d tries; dead everywhere after: median %v, most %v", len(took), took[len(took)/2], took[len(took)-1])
			if *dead > 0 && took[len(took)-1] > *dead {
				t.Errorf("a session lived for %v elsewhere, more than %v", took[len(took)-1], *dead)
			}
			told := map[string]int{}
			root, err := nodes[0].Login(ctx, "root@example.com", password)
			if err != nil || !root.OK() {
				t.Fatalf("log in: %v %s", err, root.Body)
			}
			status, body, err := nodes[0].Do(ctx, http.MethodGet, "/api/audit/?event=reuse_detected&format=jsonl", root.Tokens.Access, nil)
			if err != nil || status != http.StatusOK {
				t.Fatalf("audit: %v %d %s", err, status, body)
			}
			for line := range strings.Lines(string(body)) {
				var e struct{ Session string }
				if err := json.Unmarshal([]byte(line), &e); err != nil {
					t.Fatal(err)
				}
				told[e.Session]++
			}
			for sid := range ended {
				if told[sid] != 1 {
					t.Errorf("session %s: %d events, want 1", sid, told[sid])
				}
			}
			if len(told) != len(ended) {
				t.Errorf("events of %d sessions, want %d", len(told), len(ended))
			}
		})
	}
}

// grandparent opens a session, trades its token twice, and presents the first
// one; it gives the session, and how long after the answer its last token and
// its access tokens were good anywhere.
func grandparent(ctx context.Context, t *testing.T, nodes []*node.Node, mail string, n int) (string, time.Duration) {
	t.Helper()
	at := func(i int) *node.Node { return nodes[(n+i)%len(nodes)] }
	first, err := at(0).Login(ctx, mail, password)
	if err != nil || !first.OK() {
		t.Errorf("log in: %v %d %s", err, first.Status, first.Body)
		return "", 0
	}
	second, err := at(1).Refresh(ctx, first.Tokens.Refresh)
	if err != nil || !second.OK() {
		t.Errorf("refresh: %v %d %s", err, second.Status, second.Body)
		return "", 0
	}
	third, err := at(0).Refresh(ctx, second.Tokens.Refresh)
	if err != nil || !third.OK() {
		t.Errorf("refresh: %v %d %s", err, third.Status, third.Body)
		return "", 0
	}
	if again, err := at(1).Refresh(ctx, first.Tokens.Refresh); err != nil || again.Status != http.StatusUnauthorized {
		t.Errorf("the grandparent: %v %d %s", err, again.Status, again.Body)
		return "", 0
	}
	began, lived := time.Now(), time.Duration(0)
	for _, other := range nodes {
		// The refresh token is the database's to judge: it is dead at once.
		for _, raw := range []string{third.Tokens.Refresh, second.Tokens.Refresh} {
			if a, err := other.Refresh(ctx, raw); err != nil || a.Status != http.StatusUnauthorized {
				t.Errorf("a refresh token of a session that was reused: %v %d %s", err, a.Status, a.Body)
			}
		}
		for _, raw := range []string{first.Tokens.Access, third.Tokens.Access} {
			for {
				status, body, err := other.Do(ctx, http.MethodPost, "/api/auth/token/verify/", "", map[string]string{"token": raw})
				if err != nil || status != http.StatusOK && status != http.StatusUnauthorized {
					t.Errorf("verify: %v %d %s", err, status, body)
				}
				if err != nil || status != http.StatusOK {
					break
				}
				if lived = time.Since(began); lived > time.Minute {
					t.Error("an access token lives a minute after the reuse")
					break
				}
				time.Sleep(time.Millisecond)
			}
		}
	}
	return sid(t, first.Tokens.Access), lived
}

// sid reads a token's session.
func sid(t *testing.T, raw string) string {
	t.Helper()
	parts := strings.Split(raw, ".")
	var claims struct{ SID string }
	if b, err := base64.RawURLEncoding.DecodeString(parts[len(parts)/2]); err != nil || json.Unmarshal(b, &claims) != nil || claims.SID == "" {
		t.Errorf("no sid in a token: %v", err)
	}
	return claims.SID
}

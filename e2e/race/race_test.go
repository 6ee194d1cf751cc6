// Package race lets many clients do the same thing at once against the real
// binary.
package race

import (
	"context"
	"flag"
	"fmt"
	"net/http"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/latchkey-auth/latchkey/e2e/node"
	"github.com/latchkey-auth/latchkey/internal/pgtest"
)

func TestMain(m *testing.M) {
	code := pgtest.M{M: m}.Run()
	node.Clean()
	os.Exit(code)
}

var rounds = flag.Int("race.rounds", 3, "how often 1,000 clients refresh one token, on each set-up")

const password = "c0rrect-Horse-42"

// cluster gives one server on SQLite, one on PostgreSQL, and two processes on
// one PostgreSQL.
func clusters(t *testing.T, env ...string) map[string]func(t *testing.T) []*node.Node {
	return map[string]func(t *testing.T) []*node.Node{
		"sqlite": func(t *testing.T) []*node.Node { return []*node.Node{node.Start(t, env...)} },
		"postgres": func(t *testing.T) []*node.Node {
			return []*node.Node{node.Start(t, append(env, "LATCHKEY_DATABASE="+pgtest.Database(t))...)}
		},
		"postgres, two processes": func(t *testing.T) []*node.Node {
			env := append(env, "LATCHKEY_DATABASE="+pgtest.Database(t))
			return []*node.Node{node.Start(t, env...), node.Start(t, env...)}
		},
	}
}

// One token, 1,000 refreshes at once: exactly one successor is ever made. In
// strict one answer carries it, in grace every one (security.md, figures 2 and
// 3).
//
// ASVS 10.4.5
// LESSON 13
// ROW 2, 3
func TestThousandRefreshesOfOneToken(t *testing.T) {
	const clients = 1000
	for _, setting := range []string{"strict", "grace"} {
		for name, start := range clusters(t, "LATCHKEY_TOKENS_REUSE="+setting, "LATCHKEY_THROTTLE_ENABLED=false", "LATCHKEY_LOG_LEVEL=error") {
			t.Run(setting+"/"+name, func(t *testing.T) {
				nodes := start(t)
				ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
				defer cancel()
				a, err := nodes[0].Register(ctx, "ada@example.com", password)
				if err != nil || !a.OK() {
					t.Fatalf("register: %v %+v", err, a)
				}
				current := a.Tokens.Refresh
				for round := range *rounds {
					current = race(t, ctx, nodes, current, clients, setting == "grace", round)
				}
			})
		}
	}
}

func race(t *testing.T, ctx context.Context, nodes []*node.Node, refresh string, clients int, grace bool, round int) string {
	t.Helper()
	var (
		mu         sync.Mutex
		successors = map[string]int{}
		statuses   = map[int]int{}
		wg         sync.WaitGroup
		barrier    = make(chan struct{})
	)
	for i := range clients {
		wg.Go(func() {
			<-barrier
			a, err := nodes[i%len(nodes)].Refresh(ctx, refresh)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				t.Errorf("round %d: %v", round, err)
				return
			}
			statuses[a.Status]++
			if a.OK() {
				successors[a.Tokens.Refresh]++
			}
		})
	}
	close(barrier)
	wg.Wait()
	if len(successors) != 1 {
		t.Fatalf("round %d: %d successors, want exactly 1 (statuses %v)", round, len(successors), statuses)
	}
	want := map[int]int{http.StatusOK: 1, http.StatusUnauthorized: clients - 1}
	if grace {
		want = map[int]int{http.StatusOK: clients}
	}
	if fmt.Sprint(statuses) != fmt.Sprint(want) {
		t.Fatalf("round %d: statuses %v, want %v", round, statuses, want)
	}
	for successor := range successors {
		return successor
	}
	return ""
}

// 1,000 wrong passwords at once for one account: at most 10 reach a verdict.
func TestThousandGuesses(t *testing.T) {
	n := node.Start(t, "LATCHKEY_LOG_LEVEL=error")
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	if a, err := n.Register(ctx, "ada@example.com", password); err != nil || !a.OK() {
		t.Fatalf("register: %v %+v", err, a)
	}
	var (
		mu       sync.Mutex
		statuses = map[int]int{}
		wg       sync.WaitGroup
		barrier  = make(chan struct{})
	)
	for i := range 1000 {
		wg.Go(func() {
			<-barrier
			a, err := n.Login(ctx, "Ada@Example.com", fmt.Sprintf("wrong-%d", i))
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				t.Error(err)
			}
			statuses[a.Status]++
		})
	}
	close(barrier)
	wg.Wait()
	if statuses[http.StatusUnauthorized] > 10 || statuses[http.StatusUnauthorized]+statuses[http.StatusTooManyRequests] != 1000 {
		t.Errorf("statuses %v, want at most 10 verdicts and otherwise 429", statuses)
	}
	if a, err := n.Login(ctx, "ada@example.com", password); err != nil || a.Status != http.StatusTooManyRequests {
		t.Errorf("the right password while shut out: %v %d, want 429", err, a.Status)
	}
}

// The command line beside a server, and one node beside another: what is
// revoked there is dead here within the promised time.
//
// ASVS 7.4.1, 7.4.2, 8.3.2
func TestRevokedElsewhere(t *testing.T) {
	pg := "LATCHKEY_DATABASE=" + pgtest.Database(t)
	one, two := node.Start(t, pg), node.Start(t, pg)
	alone := node.Start(t)
	ctx := t.Context()
	register := func(n *node.Node, email string) node.Answer {
		t.Helper()
		a, err := n.Register(ctx, email, password)
		if err != nil || !a.OK() {
			t.Fatalf("register: %v %+v", err, a)
		}
		return a
	}
	dies := func(t *testing.T, n *node.Node, access string, within time.Duration) {
		t.Helper()
		start := time.Now()
		for {
			a, err := n.Verify(ctx, access)
			if err != nil {
				t.Fatal(err)
			}
			if a.Status == http.StatusUnauthorized {
				t.Logf("seen after %v", time.Since(start))
				return
			}
			if time.Since(start) > within {
				t.Fatalf("still good after %v", within)
			}
			time.Sleep(time.Millisecond)
		}
	}
	t.Run("logout on the other node", func(t *testing.T) {
		a := register(one, "out@example.com")
		if v, err := two.Verify(ctx, a.Tokens.Access); err != nil || !v.OK() {
			t.Fatalf("verify before: %v %+v", err, v)
		}
		if out, err := one.Logout(ctx, a.Tokens.Access, a.Tokens.Refresh); err != nil || !out.OK() {
			t.Fatalf("logout: %v %+v", err, out)
		}
		dies(t, one, a.Tokens.Access, 0)
		dies(t, two, a.Tokens.Access, 5*time.Second)
	})
	for name, n := range map[string]*node.Node{"sqlite": alone, "postgres": one} {
		commands := map[string][]string{
			"deactivate":   {"user", "deactivate", "deactivate@example.com"},
			"set-role":     {"user", "set-role", "set-role@example.com", "client"},
			"set-password": {"user", "set-password", "set-password@example.com", "--password-stdin"},
			"delete":       {"user", "delete", "delete@example.com", "--yes"},
		}
		for act, args := range commands {
			t.Run(name+"/"+act, func(t *testing.T) {
				a := register(n, act+"@example.com")
				out, err := n.CLI(t, "an0ther-Horse-43\n", args...)
				if err != nil {
					t.Fatalf("%v: %v\n%s", args, err, out)
				}
				dies(t, n, a.Tokens.Access, 5*time.Second)
				refreshed, err := n.Refresh(ctx, a.Tokens.Refresh)
				if err != nil || refreshed.OK() != (act == "set-role") {
					t.Errorf("refresh afterwards: %v %d %s", err, refreshed.Status, refreshed.Body)
				}
				if act == "set-role" && refreshed.User.Role != "client" {
					t.Errorf("role in the new answer: %q", refreshed.User.Role)
				}
			})
		}
	}
}

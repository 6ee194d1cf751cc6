package race

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/latchkey-auth/latchkey/e2e/node"
)

var against = flag.Int("race.against", 6, "races of a refresh against each act, on each set-up")

// rival is an act that ends sessions, or what their tokens say, and races
// against refreshes of one.
type rival struct {
	name string
	// do is done by a node; its status must be 200.
	do func(*contest) (int, []byte, error)
	// survives: the session goes on, and only what was minted before is dead.
	survives bool
	// undo makes the account as it was; the tokens stay dead.
	undo func(*contest) (int, []byte, error)
}

// contest is one account and the administrator on one set-up.
type contest struct {
	ctx      context.Context
	nodes    []*node.Node
	admin    string
	id       int64
	email    string
	password string
	role     string

	passwords int       // that it has had
	other     node.Pair // of a session of the account that is not raced for
	raced     node.Pair // of the one that is
}

func (c *contest) post(path, bearer string, body any) (int, []byte, error) {
	// The act is done on the last node, and the refreshes on the first.
	return c.nodes[len(c.nodes)-1].Do(c.ctx, http.MethodPost, path, bearer, body)
}

var rivals = []rival{
	{name: "logout", do: func(c *contest) (int, []byte, error) {
		return c.post("/api/auth/logout/", c.raced.Access, map[string]string{"refresh_token": c.raced.Refresh})
	}},
	{name: "end of the other sessions", do: func(c *contest) (int, []byte, error) {
		return c.nodes[len(c.nodes)-1].Do(c.ctx, http.MethodDelete, "/api/auth/sessions/", c.other.Access, nil)
	}},
	{name: "password change", do: func(c *contest) (int, []byte, error) {
		old := c.password
		c.passwords++
		c.password = fmt.Sprintf("an0ther-Horse-%d", c.passwords)
		return c.post("/api/auth/password/change/", c.other.Access, map[string]string{
			"old_password": old, "password": c.password, "password2": c.password,
		})
	}},
	{name: "deactivation", do: func(c *contest) (int, []byte, error) {
		return c.post(fmt.Sprintf("/api/users/%d/deactivate/", c.id), c.admin, nil)
	}, undo: func(c *contest) (int, []byte, error) {
		return c.post(fmt.Sprintf("/api/users/%d/activate/", c.id), c.admin, nil)
	}},
	{name: "sign-out by an administrator", do: func(c *contest) (int, []byte, error) {
		return c.post(fmt.Sprintf("/api/users/%d/logout/", c.id), c.admin, nil)
	}},
	{name: "role change", survives: true, do: func(c *contest) (int, []byte, error) {
		c.role = map[string]string{"client": "employee", "employee": "client"}[c.role]
		return c.nodes[len(c.nodes)-1].Do(c.ctx, http.MethodPatch, fmt.Sprintf("/api/users/%d/", c.id), c.admin, map[string]string{"role": c.role})
	}},
}

// minted is the role that an access token says.
func minted(raw string) string {
	var c struct{ Role string }
	if parts := strings.Split(raw, "."); len(parts) == 3 {
		if b, err := base64.RawURLEncoding.DecodeString(parts[1]); err == nil {
			_ = json.Unmarshal(b, &c)
		}
	}
	return c.Role
}

// A session is refreshed as fast as it goes while it is ended, by each act that
// ends one. Afterwards nothing that was ever minted for it is usable: no
// access token, no refresh token, on no node.
//
// ASVS 7.4.1, 7.4.2, 7.4.3, 7.4.5, 8.3.2
// LESSON 16, 18
// ROW 7
func TestRefreshAgainst(t *testing.T) {
	for name, start := range clusters(t, "LATCHKEY_THROTTLE_ENABLED=false", "LATCHKEY_LOG_LEVEL=error", "LATCHKEY_SESSIONS_CONFIRM_FOR=0s") {
		t.Run(name, func(t *testing.T) {
			nodes := start(t)
			ctx := t.Context()
			if out, err := nodes[0].CLI(t, password+"\n", "user", "create", "admin@example.com", "--role", "admin", "--password-stdin"); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			admin, err := nodes[0].Login(ctx, "admin@example.com", password)
			if err != nil || !admin.OK() {
				t.Fatalf("%v %+v", err, admin)
			}
			for i, r := range rivals {
				t.Run(r.name, func(t *testing.T) {
					email := fmt.Sprintf("user%d@example.com", i)
					a, err := nodes[0].Register(ctx, email, password)
					if err != nil || !a.OK() {
						t.Fatalf("register: %v %+v", err, a)
					}
					c := &contest{
						ctx: ctx, nodes: nodes, admin: admin.Tokens.Access, id: a.User.ID, email: email,
						password: password, role: a.User.Role, other: a.Tokens,
					}
					tokens, wins := 0, 0
					for range *against {
						n, won := c.race(t, r)
						tokens += n
						if won {
							wins++
						}
						if t.Failed() {
							return
						}
					}
					t.Logf("%d races, %d pairs minted, %d times at least one after the act had begun; nothing usable afterwards", *against, tokens, wins)
				})
			}
		})
	}
}

// race lets a chain of refreshes go on while the act is done, and probes
// everything that was minted. won says that a refresh was answered after the act
// had been asked for.
func (c *contest) race(t *testing.T, r rival) (pairs int, won bool) {
	t.Helper()
	a, err := c.nodes[0].Login(c.ctx, c.email, c.password)
	if err != nil || !a.OK() {
		t.Fatalf("login: %v %+v", err, a)
	}
	c.raced = a.Tokens
	all := []node.Pair{c.raced}
	var (
		wg    sync.WaitGroup
		asked = make(chan struct{})
		over  = make(chan struct{})
	)
	wg.Go(func() {
		current := c.raced
		for last := false; !last; {
			select {
			case <-over:
				// One more where the session goes on, from its beginning after
				// the act's end.
				if last = true; !r.survives {
					return
				}
			default:
			}
			a, err := c.nodes[0].Refresh(c.ctx, current.Refresh)
			if err != nil {
				t.Errorf("refresh: %v", err)
				return
			}
			if a.Status == http.StatusUnauthorized && !r.survives {
				return
			}
			if !a.OK() {
				t.Errorf("refresh: %d %s", a.Status, a.Body)
				return
			}
			current = a.Tokens
			all = append(all, current)
			select {
			case <-asked:
				won = true
			default:
			}
		}
	})
	time.Sleep(time.Duration(rand.IntN(4000)) * time.Microsecond)
	close(asked)
	status, body, err := r.do(c)
	close(over)
	wg.Wait()
	if err != nil || status != http.StatusOK {
		t.Fatalf("%s: %v %d %s", r.name, err, status, body)
	}
	c.probe(t, r, all)
	if r.undo != nil {
		if status, body, err := r.undo(c); err != nil || status != http.StatusOK {
			t.Fatalf("undo: %v %d %s", err, status, body)
		}
		c.probe(t, r, all)
	}
	return len(all), won
}

// probe tries every token on every node. What another node has done is seen
// here soon.
func (c *contest) probe(t *testing.T, r rival, all []node.Pair) {
	t.Helper()
	for i, n := range c.nodes {
		patience := time.Duration(0)
		if len(c.nodes) > 1 && i < len(c.nodes)-1 {
			patience = 10 * time.Second
		}
		dead := func(what, raw string, ask func() (int, error)) {
			t.Helper()
			for end := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
				status, err := ask()
				if err == nil && status == http.StatusUnauthorized {
					return
				}
				if err != nil || time.Now().After(end) {
					t.Errorf("%s after the %s, on node %d: %d %v, want 401", what, r.name, i, status, err)
					return
				}
			}
		}
		for j, pair := range all {
			if !r.survives || minted(pair.Access) != c.role {
				what := fmt.Sprintf("access token %d of %d", j+1, len(all))
				dead(what, pair.Access, func() (int, error) {
					a, err := n.Verify(c.ctx, pair.Access)
					return a.Status, err
				})
				dead(what+" on the profile", pair.Access, func() (int, error) {
					a, err := n.Profile(c.ctx, pair.Access)
					return a.Status, err
				})
			}
			if !r.survives {
				what := fmt.Sprintf("refresh token %d of %d", j+1, len(all))
				dead(what, pair.Refresh, func() (int, error) {
					a, err := n.Verify(c.ctx, pair.Refresh)
					return a.Status, err
				})
			}
		}
		// Not of all: one that was rotated ends the session where it lives.
		last := all[len(all)-1]
		if !r.survives {
			a, err := n.Refresh(c.ctx, last.Refresh)
			if err != nil || a.Status != http.StatusUnauthorized {
				t.Errorf("refresh with the last token after the %s, on node %d: %v %d", r.name, i, err, a.Status)
			}
			continue
		}
		a, err := n.Verify(c.ctx, last.Access)
		if err != nil || !a.OK() || minted(last.Access) != c.role {
			t.Errorf("what was minted after the %s, on node %d: %v %d, it says %s and the account is %s", r.name, i, err, a.Status, minted(last.Access), c.role)
		}
	}
}

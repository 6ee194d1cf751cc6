package outage

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/latchkey-auth/latchkey/e2e/node"
)

const password = "c0rrect-Horse-42"

// crowd is clients at work, each with an account of its own and one thing under
// way at a time, so that one thing at most is in doubt.
type crowd struct {
	t    *testing.T
	node *node.Node
	http *http.Client
	rand *rand.Rand

	clients []*client
	stop    context.CancelFunc
	working sync.WaitGroup

	answers, away atomic.Int64 // 2xx, and 503
	acked         atomic.Int64 // writes
	named         atomic.Int64
	// good counts answers that needed the database, for waiting until it is
	// back.
	good atomic.Int64
	// full says that writes fail and reads do not.
	full atomic.Bool
}

// client is one account's.
type client struct {
	*crowd
	n             int
	rand          *rand.Rand
	email         string
	access, fresh string   // of the session in use
	names         []string // that may be in force: the last one acknowledged, and those in doubt since
	history       []string // names since a moment of the test's
	kept          string   // the access token of a session that nobody ends
	dead          []string // tokens of sessions that were ended
	logins        int
}

// gather makes clients with accounts.
func gather(t *testing.T, n *node.Node, seed uint64, count int) *crowd {
	c := &crowd{
		t: t, node: n, rand: rand.New(rand.NewPCG(seed, 0)),
		http: &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: count + 4}},
	}
	t.Cleanup(c.http.CloseIdleConnections)
	for i := range count {
		w := &client{crowd: c, n: i, rand: rand.New(rand.NewPCG(seed, uint64(i+1))), email: fmt.Sprintf("client%d@example.com", i), names: []string{"Ada"}}
		a, err := n.Register(t.Context(), w.email, password)
		if err != nil || !a.OK() {
			t.Fatalf("register: %v %d %s", err, a.Status, a.Body)
		}
		w.kept = a.Tokens.Access
		if !w.login() {
			t.FailNow()
		}
		c.clients = append(c.clients, w)
	}
	return c
}

// begin lets the clients work until end.
func (c *crowd) begin() {
	ctx, stop := context.WithCancel(c.t.Context())
	c.stop = stop
	for _, w := range c.clients {
		c.working.Go(func() {
			for ctx.Err() == nil && !c.t.Failed() {
				w.step()
			}
		})
	}
}

func (c *crowd) end() {
	c.stop()
	c.working.Wait()
}

// reply is an answer.
type reply struct {
	status int
	body   []byte
}

func (r reply) ok() bool { return r.status/100 == 2 }

func (r reply) away() bool { return r.status == http.StatusServiceUnavailable }

// ask makes a request. Whatever the database is doing, there is an answer, and
// it is one of want, or 503 with Retry-After.
func (c *crowd) ask(method, path, bearer string, body any, want ...int) reply {
	c.t.Helper()
	var b bytes.Buffer
	if body != nil {
		if err := json.NewEncoder(&b).Encode(body); err != nil {
			c.t.Error(err)
		}
	}
	req, err := http.NewRequestWithContext(context.Background(), method, c.node.URL+path, &b)
	if err != nil {
		c.t.Error(err)
		return reply{}
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if bearer != "" {
		req.Header.Set("Authorization", "Bearer "+bearer)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		c.t.Errorf("%s %s: %v", method, path, err)
		return reply{}
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		c.t.Errorf("%s %s: %v", method, path, err)
	}
	r := reply{resp.StatusCode, text}
	switch {
	case r.away():
		c.away.Add(1)
		if resp.Header.Get("Retry-After") == "" {
			c.t.Errorf("%s %s: 503 without Retry-After", method, path)
		}
	case slices.Contains(want, r.status):
		c.answers.Add(1)
	default:
		c.t.Errorf("%s %s: %d %s, want %v or 503", method, path, r.status, text, want)
	}
	return r
}

const (
	verifyPath  = "/api/auth/token/verify/"
	refreshPath = "/api/auth/token/refresh/"
	profilePath = "/api/auth/profile/"
	logoutPath  = "/api/auth/logout/"
	loginPath   = "/api/auth/login/"
)

const ok, unauthorized = http.StatusOK, http.StatusUnauthorized

// step does one thing.
func (w *client) step() {
	switch n := w.rand.IntN(100); {
	case n < 45:
		w.refresh()
	case n < 60:
		w.rename()
	case n < 80:
		w.look()
	case n < 97:
		w.verify()
	default:
		w.logout()
	}
}

// refresh trades the token. The setting is tolerant, so that one that is good
// is traded again when nobody knows whether it was.
func (w *client) refresh() {
	r := w.ask(http.MethodPost, refreshPath, "", map[string]string{"refresh": w.fresh}, ok)
	if !r.ok() {
		return
	}
	var pair struct{ Access, Refresh string }
	if err := json.Unmarshal(r.body, &pair); err != nil {
		w.t.Errorf("refresh: %v: %s", err, r.body)
		return
	}
	w.access, w.fresh = pair.Access, pair.Refresh
	w.acked.Add(1)
	w.good.Add(1)
}

func (w *client) rename() {
	name := fmt.Sprintf("Ada%d", w.named.Add(1))
	w.history = append(w.history, name)
	r := w.ask(http.MethodPut, profilePath, w.access, map[string]string{"first_name": name}, ok)
	if r.ok() {
		w.names = []string{name}
		w.acked.Add(1)
		w.good.Add(1)
	} else {
		w.names = append(w.names, name)
	}
}

// look reads the profile. What it says is in force; a commit that was in doubt
// and is still under way may come after.
func (w *client) look() {
	r := w.ask(http.MethodGet, profilePath, w.access, nil, ok)
	if !r.ok() {
		if w.full.Load() {
			w.t.Errorf("a read while the disk is full: %d %s", r.status, r.body)
		}
		return
	}
	var user struct {
		FirstName string `json:"first_name"`
	}
	if err := json.Unmarshal(r.body, &user); err != nil {
		w.t.Errorf("profile: %v: %s", err, r.body)
	}
	if !slices.Contains(w.names, user.FirstName) {
		w.t.Errorf("the name is %s, and acknowledged was %s, in doubt %v", user.FirstName, w.names[0], w.names[1:])
	}
	w.good.Add(1)
}

// verify: an access token is checked without the database, whatever it does.
func (w *client) verify() {
	if r := w.ask(http.MethodPost, verifyPath, "", map[string]string{"token": w.access}, ok); !r.ok() {
		w.t.Errorf("verify of an access token: %d %s, and it needs no database", r.status, r.body)
	}
	if len(w.dead) > 0 {
		w.refused(w.dead[w.rand.IntN(len(w.dead))])
	}
}

// refused holds that a token of an ended session is not taken.
func (w *client) refused(token string) {
	w.ask(http.MethodPost, verifyPath, "", map[string]string{"token": token}, unauthorized)
}

// logout ends the session, however long it takes, and opens another.
func (w *client) logout() {
	for doubt := false; ; doubt = true {
		want := []int{ok}
		if doubt {
			want = append(want, unauthorized) // it was done
		}
		r := w.ask(http.MethodPost, logoutPath, w.access, map[string]string{"refresh_token": w.fresh}, want...)
		if w.t.Failed() {
			return
		}
		if !r.away() {
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	w.acked.Add(1)
	w.dead = append(w.dead, w.access, w.fresh)
	for !w.login() {
		if w.t.Failed() {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func (w *client) login() bool {
	r := w.ask(http.MethodPost, loginPath, "", map[string]string{"email": w.email, "password": password}, ok)
	if !r.ok() {
		return false
	}
	var answer struct {
		Tokens struct{ Access, Refresh string }
	}
	if err := json.Unmarshal(r.body, &answer); err != nil || answer.Tokens.Refresh == "" {
		w.t.Errorf("login: %v: %s", err, r.body)
		return false
	}
	w.access, w.fresh = answer.Tokens.Access, answer.Tokens.Refresh
	w.logins++
	w.acked.Add(1)
	return true
}

// back waits until requests that need the database are answered, and gives how
// long that took.
func (c *crowd) back() time.Duration {
	began, before := time.Now(), c.good.Load()
	for c.good.Load() == before && !c.t.Failed() {
		if time.Since(began) > time.Minute {
			c.t.Error("not back after a minute")
		}
		time.Sleep(time.Millisecond)
	}
	return time.Since(began)
}

// check holds the accounts against what was acknowledged, at the end.
func (c *crowd) check() {
	for _, w := range c.clients {
		w.look()
		w.refresh()
		w.verify()
		for _, token := range w.dead {
			w.refused(token)
		}
	}
}

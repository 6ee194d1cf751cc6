package proxies

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/latchkey-auth/latchkey/e2e/node"
	"github.com/latchkey-auth/latchkey/internal/pgtest"
)

// Nodes behind a load balancer that asks /readyz are restarted one after the
// other while people work, and none of them notices: with
// timeouts.shutdown_delay no request is sent to a node that is gone, and none
// on a connection that is about to end. The balancer tries nothing twice.
func TestRestartsCostNoRequest(t *testing.T) {
	const (
		people = 6
		rounds = 2
		// HAProxy asks each 50 ms; the delay is twenty of that.
		delay = time.Second
	)
	env := []string{
		"LATCHKEY_DATABASE=" + pgtest.Database(t), "LATCHKEY_TIMEOUTS_SHUTDOWN_DELAY=" + delay.String(),
		"LATCHKEY_THROTTLE_ENABLED=false",
	}
	nodes := []*node.Node{node.Start(t, env...), node.Start(t, env...)}
	backend := []string{"balance roundrobin", "retries 0", "option httpchk GET /readyz", "timeout check 5s", "default-server check inter 50ms fall 1 rise 1"}
	for i, n := range nodes {
		backend = append(backend, fmt.Sprintf("server s%d %s", i, strings.TrimPrefix(n.URL, "http://")))
	}
	front := node.New(t)
	front.URL = "http://" + haproxy(t, backend...)

	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	working, stop := context.WithCancel(ctx)
	defer stop()
	var all sync.WaitGroup
	var asked atomic.Int64
	// Each works alone, so that every answer is one that an idle server gives.
	work := func(email string) {
		a, err := front.Register(ctx, email, password)
		for turn := 0; ; turn++ {
			if err != nil || !a.OK() {
				t.Errorf("%s, after %d turns: %v %d %s", email, turn, err, a.Status, a.Body)
				return
			}
			asked.Add(1)
			if working.Err() != nil {
				return
			}
			tokens := a.Tokens
			name := fmt.Sprintf("Ada %d", turn)
			if a, err = front.SetProfile(ctx, tokens.Access, name); err != nil || !a.OK() {
				continue
			}
			asked.Add(1)
			if a, err = front.Profile(ctx, tokens.Access); err == nil && a.OK() && a.User.FirstName != name {
				t.Errorf("%s is called %q, not %q", email, a.User.FirstName, name)
			}
			if err != nil || !a.OK() {
				continue
			}
			asked.Add(1)
			a, err = front.Refresh(ctx, tokens.Refresh)
		}
	}
	for i := range people {
		all.Go(func() { work(fmt.Sprintf("user%d@example.com", i)) })
	}
	// up waits until the balancer gives both nodes work.
	up := func() {
		seen := map[string]bool{}
		for end := time.Now().Add(20 * time.Second); len(seen) < len(nodes); time.Sleep(5 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("only %d of the nodes are given work after 20 s", len(seen))
			}
			req, err := http.NewRequestWithContext(ctx, http.MethodGet, front.URL+"/healthz", nil)
			if err != nil {
				t.Fatal(err)
			}
			resp, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			process, _, _ := strings.Cut(resp.Header.Get("X-Request-Id"), "-")
			seen[process] = true
		}
	}
	// worked waits until each has surely been given some.
	worked := func() {
		for before := asked.Load(); asked.Load() < before+100 && !t.Failed(); {
			time.Sleep(time.Millisecond)
		}
	}
	up()
	for range rounds {
		for _, n := range nodes {
			worked()
			n.Stop()
			if err := n.Run(node.Build(t)); err != nil {
				t.Fatalf("start again: %v\n%s", err, n.Log())
			}
			up()
		}
	}
	worked()
	stop()
	all.Wait()
	for i, n := range nodes {
		n.Stop() // With the last lines of its log.
		// What each process was given to do, and each of its stops while it was.
		for j, life := range strings.Split(n.Log(), `"msg":"serving"`)[1:] {
			if done := strings.Count(life, `"route":"/api/auth/token/refresh/"`); done == 0 {
				t.Errorf("process %d of node %d had nothing to do", j, i)
			}
		}
	}
	t.Logf("%d requests, %d restarts", asked.Load(), rounds*len(nodes))
}

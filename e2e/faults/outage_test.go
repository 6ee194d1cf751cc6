package faults_test

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/latchkey-auth/latchkey/e2e/faults"
)

// far is a server whose database is at the other end of a network.
func far(t *testing.T, env ...string) (*node, *faults.Proxy) {
	t.Helper()
	var proxy *faults.Proxy
	n := &node{t: t}
	n.Server = faults.Serve(t, faults.Options{
		Engine: "postgres", Env: env,
		Network: func(url string) string {
			var through string
			proxy, through = faults.NewProxy(t, url)
			return through
		},
	})
	return n, proxy
}

// Each route waits a short outage out, inside the request, as if there had been
// none: the network to the database breaks before the request and is whole
// again a moment later. A valid token is never refused for it.
//
// ASVS 16.5.3
// ROW 18, 20
func TestEachRouteWaitsAnOutageOut(t *testing.T) {
	n, proxy := far(t)
	grace, graceProxy := far(t, "LATCHKEY_TOKENS_REUSE=grace")
	for _, a := range slices.Concat(acts, administration) {
		t.Run(a.name, func(t *testing.T) {
			n, proxy := n, proxy
			if a.reuse == "grace" {
				n, proxy = grace, graceProxy
			}
			n.t = t
			scene := a.stage(n)
			proxy.Set(faults.Broken)
			mended := time.AfterFunc(60*time.Millisecond, func() { proxy.Set(faults.Whole) })
			defer mended.Stop()
			if status, body := n.ask(scene.Request); status != a.want {
				t.Errorf("%d %s, want %d\n%s", status, body, a.want, n.Log.Take())
			}
			proxy.Set(faults.Whole)
			if scene.done != nil && !scene.done() {
				t.Error("it is not on disk")
			}
			n.dead("afterwards", scene.dead, 0)
		})
	}
}

// An outage that goes on is told after three seconds by 503 with Retry-After,
// by every route that needs the database, all at once; then all is as before.
//
// ASVS 16.5.2, 16.5.3
// ROW 18
func TestEachRouteTellsOfAnOutage(t *testing.T) {
	n, proxy := far(t)
	all := slices.Concat(acts, administration)
	scenes := make([]scene, len(all))
	for i, a := range all {
		scenes[i] = a.stage(n)
	}
	proxy.Set(faults.Broken)
	var wg sync.WaitGroup
	var mu sync.Mutex
	waited, atOnce := 0, 0
	for i, a := range all {
		wg.Go(func() {
			began := time.Now()
			resp, body, err := n.whole(scenes[i].Request)
			took := time.Since(began)
			if err != nil {
				t.Errorf("%s: %v", a.name, err)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			switch resp.StatusCode {
			case http.StatusServiceUnavailable:
				waited++
				if resp.Header.Get("Retry-After") == "" || body != `{"detail":"Service temporarily unavailable, try again later."}` {
					t.Errorf("%s: 503 %s, Retry-After %q", a.name, body, resp.Header.Get("Retry-After"))
				}
				if took > 9500*time.Millisecond {
					t.Errorf("%s: told after %v", a.name, took)
				}
			case a.want:
				atOnce++ // it needs no database, or not for this answer
				if a.commit != "" {
					t.Errorf("%s: %d %s, and nothing can have been committed", a.name, resp.StatusCode, body)
				}
			default:
				t.Errorf("%s: %d %s, want 503", a.name, resp.StatusCode, body)
			}
		})
	}
	wg.Wait()
	for i, a := range all {
		if a.commit != "" && scenes[i].done != nil && scenes[i].done() {
			t.Errorf("%s: it is on disk, and the database was out of reach", a.name)
		}
	}
	t.Logf("%d routes and outcomes: %d told of the outage, %d needed no database", len(all), waited, atOnce)
	if waited < len(all)/2 {
		t.Errorf("only %d of %d told of the outage", waited, len(all))
	}
	proxy.Set(faults.Whole)
	u := n.user("client")
	n.until("the server is back", func() bool {
		status, _ := n.ask(profile(http.MethodGet, n.open(u).Access, nil))
		return status == http.StatusOK
	})
}

// A network that hangs holds nobody for longer than a request may take, and what
// hung goes on when it is whole again.
//
// ROW 18
func TestHangingNetwork(t *testing.T) {
	n, proxy := far(t)
	u := n.user("client")
	pair := n.open(u)
	if status, body := n.ask(profile(http.MethodGet, pair.Access, nil)); status != http.StatusOK {
		t.Fatalf("%d %s", status, body)
	}
	t.Run("for a while", func(t *testing.T) {
		proxy.Set(faults.Hanging)
		mended := time.AfterFunc(1500*time.Millisecond, func() { proxy.Set(faults.Whole) })
		defer mended.Stop()
		if status, body := n.ask(profile(http.MethodGet, pair.Access, nil)); status != http.StatusOK {
			t.Errorf("profile: %d %s", status, body)
		}
		pair.Refresh = n.refreshed(pair.Refresh)
	})
	t.Run("for long", func(t *testing.T) {
		proxy.Set(faults.Hanging)
		var wg sync.WaitGroup
		for range 12 { // more than there are connections
			wg.Go(func() {
				resp, body, err := n.whole(profile(http.MethodGet, pair.Access, nil))
				if err != nil || resp.StatusCode != http.StatusServiceUnavailable || resp.Header.Get("Retry-After") == "" {
					t.Errorf("profile: %v %s %v", resp, body, err)
				}
			})
		}
		// Access tokens are checked all the while.
		for range 20 {
			if status, body := n.ask(verify(pair.Access)); status != http.StatusOK {
				t.Errorf("verify: %d %s", status, body)
			}
			time.Sleep(10 * time.Millisecond)
		}
		wg.Wait()
		proxy.Set(faults.Whole)
		if status, body := n.ask(profile(http.MethodGet, pair.Access, nil)); status != http.StatusOK {
			t.Errorf("profile afterwards: %d %s", status, body)
		}
		n.refreshed(pair.Refresh)
	})
}

// whole gives the answer with its header.
func (n *node) whole(r faults.Request) (*http.Response, string, error) {
	req, err := r.HTTP(n.t.Context(), n.URL)
	if err != nil {
		return nil, "", err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, "", fmt.Errorf("read: %w", err)
	}
	return resp, strings.TrimSpace(string(b)), nil
}

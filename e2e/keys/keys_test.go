package keys

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/latchkey-auth/latchkey/e2e/node"
	"github.com/latchkey-auth/latchkey/internal/auth"
	"github.com/latchkey-auth/latchkey/internal/config"
	"github.com/latchkey-auth/latchkey/internal/keyring"
	"github.com/latchkey-auth/latchkey/internal/pgtest"
	"github.com/latchkey-auth/latchkey/internal/server"
	"github.com/latchkey-auth/latchkey/internal/store/postgres"
	"github.com/latchkey-auth/latchkey/internal/token"
)

// What only these tests set; see serve.
const (
	cacheEnv = "LATCHKEY_TEST_KEYS_CACHE"
	everyEnv = "LATCHKEY_TEST_KEYS_EVERY"
	ownEnv   = "LATCHKEY_TEST_KEYS_OWN" // no signing.key
)

func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "serve" {
		if err := serve(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(pgtest.M{M: m}.Run())
}

// serve is `latchkey serve` with the settings of the environment and our own.
func serve() error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	env := os.Environ()
	if os.Getenv(ownEnv) != "" {
		env = slices.DeleteFunc(env, func(v string) bool { return strings.HasPrefix(v, "LATCHKEY_SIGNING_KEY=") })
	}
	cfg, err := config.Load(config.Sources{Env: env})
	if err != nil {
		return err
	}
	if v := os.Getenv(everyEnv); v != "" {
		every, err := time.ParseDuration(v)
		if err != nil {
			return err
		}
		cfg.Signing.RotateEvery = config.Duration(every)
	}
	cache, err := time.ParseDuration(os.Getenv(cacheEnv))
	if err != nil {
		return err
	}
	log := slog.New(slog.NewJSONHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	return server.Run(ctx, cfg, log, server.RunOptions{KeyCache: cache, SweepHold: -1})
}

const (
	// cache is that of nodes whose tokens name their key; those of HS256 keys do
	// not, so that a node which is held up has nothing to ask by.
	cache    = 300 * time.Millisecond
	cacheHS  = 600 * time.Millisecond
	access   = 2 * time.Second
	refresh  = 3 * time.Second
	password = "c0rrect-Horse-42"
)

// world is two nodes, their database and what its clients have seen.
type world struct {
	t      *testing.T
	nodes  []*node.Node
	store  auth.Store
	config string // the nodes' file
	cache  time.Duration

	refused, unreached, asked, refreshed atomic.Int64
	algorithms                           sync.Map // of tokens seen: alg → true
	kids                                 sync.Map
}

func newWorld(t *testing.T, algorithm string, cache time.Duration, env ...string) *world {
	t.Helper()
	url := pgtest.Database(t)
	w := &world{t: t, cache: cache, config: filepath.Join(t.TempDir(), "latchkey.toml")}
	w.configure(algorithm)
	env = append(env,
		"LATCHKEY_CONFIG="+w.config, "LATCHKEY_DATABASE="+url, cacheEnv+"="+cache.String(),
		"LATCHKEY_TOKENS_ACCESS=2s", "LATCHKEY_TOKENS_REFRESH=3s", "LATCHKEY_TOKENS_SESSION_MAX=1d",
		// Whoever meets a node that is just going asks the other one.
		"LATCHKEY_TOKENS_REUSE=grace", "LATCHKEY_UI_ENABLED=false", "LATCHKEY_THROTTLE_ENABLED=false",
	)
	for range 2 {
		n := node.New(t, env...)
		w.nodes = append(w.nodes, n)
		w.run(n)
	}
	store, err := postgres.Open(t.Context(), postgres.Options{URL: url})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	w.store = store
	return w
}

func (w *world) configure(algorithm string) {
	w.t.Helper()
	if err := os.WriteFile(w.config, fmt.Appendf(nil, "[signing]\nalgorithm = %q\n", algorithm), 0o600); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) run(n *node.Node) {
	w.t.Helper()
	if err := n.Run(os.Args[0]); err != nil {
		w.t.Fatalf("%v\n%s", err, n.Log())
	}
}

func (w *world) rows() []auth.Key {
	w.t.Helper()
	rows, err := w.store.Read().Keys(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	return rows
}

// leeway is how much sooner a key is accepted than it signs.
func (w *world) leeway() time.Duration { return w.cache / 5 }

func (w *world) options() keyring.Options {
	return keyring.Options{Lifetime: refresh, Cache: w.cache}
}

// parts reads a token without judging it.
func parts(t *testing.T, raw string) (alg, kid string, exp time.Time) {
	t.Helper()
	p := strings.Split(raw, ".")
	if len(p) != 3 {
		t.Fatalf("no token: %q", raw)
	}
	var h struct{ Alg, Kid string }
	var c struct{ Exp int64 }
	for i, into := range []any{&h, &c} {
		if err := json.Unmarshal(decode(p[i]), into); err != nil {
			t.Fatal(err)
		}
	}
	return h.Alg, h.Kid, time.Unix(c.Exp, 0)
}

// minted is an access token that its owner may still use.
type minted struct {
	raw string
	exp time.Time
}

// client is one user on one device: it trades its refresh token at one node and
// uses what it got, and what it got earlier, at both.
func (w *world) client(ctx context.Context, pair node.Pair) {
	var known []minted
	got := func(p node.Pair) {
		alg, kid, exp := parts(w.t, p.Access)
		w.algorithms.Store(alg, true)
		w.kids.Store(kid, true)
		known = append(known, minted{p.Access, exp})
	}
	got(pair)
	for i := 0; ctx.Err() == nil; i++ {
		first := i % len(w.nodes)
		next, ok := w.ask(ctx, first, "refresh", func(n *node.Node) (node.Answer, error) { return n.Refresh(ctx, pair.Refresh) })
		if !ok {
			return
		}
		pair = next.Tokens
		w.refreshed.Add(1)
		got(pair)
		// The other node has to take it in this very moment.
		if _, ok := w.ask(ctx, 1-first, "profile", func(n *node.Node) (node.Answer, error) { return n.Profile(ctx, pair.Access) }); !ok {
			return
		}
		if _, ok := w.ask(ctx, 1-first, "verify", func(n *node.Node) (node.Answer, error) { return n.Verify(ctx, pair.Refresh) }); !ok {
			return
		}
		for range 4 {
			// exp is cut to seconds and must not come while this is on its way.
			known = slices.DeleteFunc(known, func(m minted) bool { return time.Until(m.exp) < 300*time.Millisecond })
			if len(known) == 0 {
				break
			}
			old := known[rand.IntN(len(known))]
			a, ok := w.ask(ctx, rand.IntN(2), "", func(n *node.Node) (node.Answer, error) { return n.Profile(ctx, old.raw) })
			if !ok && ctx.Err() == nil && time.Until(old.exp) > 0 {
				alg, kid, _ := parts(w.t, old.raw)
				w.refused.Add(1)
				w.t.Errorf("a token of %s %s with %v to live: %d %s", alg, kid, time.Until(old.exp), a.Status, a.Body)
				return
			}
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// ask asks a node, and the other one if it cannot be reached.
func (w *world) ask(ctx context.Context, first int, what string, call func(*node.Node) (node.Answer, error)) (node.Answer, bool) {
	for try := range 200 {
		a, err := call(w.nodes[(first+try)%len(w.nodes)])
		switch {
		case ctx.Err() != nil:
			return a, false
		case err != nil, a.Status == http.StatusServiceUnavailable:
			w.unreached.Add(1)
			time.Sleep(5 * time.Millisecond)
			continue
		}
		w.asked.Add(1)
		if !a.OK() && what != "" {
			w.refused.Add(1)
			w.t.Errorf("%s: %d %s", what, a.Status, a.Body)
		}
		return a, a.OK()
	}
	w.t.Errorf("%s: no node answers", what)
	return node.Answer{}, false
}

// load lets clients work until stop is called.
func (w *world) load(clients int) (stop func()) {
	ctx, cancel := context.WithCancel(w.t.Context())
	var working sync.WaitGroup
	for i := range clients {
		a, err := w.nodes[i%2].Register(ctx, fmt.Sprintf("user-%d@example.com", i), password)
		if err != nil || !a.OK() {
			w.t.Fatalf("register: %v %+v", err, a)
		}
		working.Go(func() { w.client(ctx, a.Tokens) })
	}
	return sync.OnceFunc(func() {
		cancel()
		working.Wait()
	})
}

func count(m *sync.Map) (n int) {
	m.Range(func(any, any) bool { n++; return true })
	return n
}

// 50 rotations by schedule, and some by hand between them.
//
// ASVS 13.3.4
// ROW 24
func TestRotationsUnderLoad(t *testing.T) {
	for _, tt := range []struct {
		algorithm string
		rotations int
		every     time.Duration
		cache     time.Duration
	}{
		{token.EdDSA, 50, 400 * time.Millisecond, cache},
		{token.HS256, 9, 700 * time.Millisecond, cacheHS},
	} {
		t.Run(tt.algorithm, func(t *testing.T) {
			w := newWorld(t, tt.algorithm, tt.cache, ownEnv+"=1", everyEnv+"="+tt.every.String())
			stop := w.load(8)
			defer stop()
			g := w.guard()
			began, before := time.Now(), haveSigned(w.rows())
			limit := 30*time.Second + time.Duration(tt.rotations)*tt.every*4
			for signed := 0; !t.Failed() && (signed < tt.rotations || !g.sawAll()); {
				if time.Since(began) > limit {
					t.Fatalf("%d rotations in %v, seen: %v\n%s", signed, limit, g.counts, w.nodes[0].Log())
				}
				time.Sleep(20 * time.Millisecond)
				rows := w.rows()
				g.look(rows)
				if signed = haveSigned(rows) - before; signed%8 == 7 || signed >= tt.rotations {
					g.retire(rows)
				}
			}
			took := time.Since(began)
			stop()
			t.Logf("%d rotations in %v; %d refreshes, %d requests, %d refused; guard: %v", haveSigned(w.rows())-before, took.Round(time.Second),
				w.refreshed.Load(), w.asked.Load(), w.refused.Load(), g.counts)
			if w.refreshed.Load() < int64(tt.rotations)*4 {
				t.Errorf("only %d refreshes: no load", w.refreshed.Load())
			}
			if tt.algorithm == token.EdDSA && count(&w.kids) < tt.rotations/2 {
				t.Errorf("the clients have seen %d keys of %d", count(&w.kids), tt.rotations)
			}
		})
	}
}

// haveSigned counts the keys that sign or have signed.
func haveSigned(rows []auth.Key) (n int) {
	for _, k := range rows {
		if k.State != auth.KeyPublished {
			n++
		}
	}
	return n
}

// guard has a token of each key that outlives the key: the nodes must take it
// while the key signs or is retired, and neither sooner nor later.
type guard struct {
	*world
	claims token.Claims
	tokens map[string]string
	cut    map[string]time.Time // keys that were removed by hand, and when
	counts map[string]int
	ring   *keyring.Ring
}

func (w *world) guard() *guard {
	w.t.Helper()
	a, err := w.nodes[0].Login(w.t.Context(), "user-0@example.com", password)
	if err != nil || !a.OK() {
		w.t.Fatalf("login: %v %+v", err, a)
	}
	ring, err := keyring.Open(w.t.Context(), w.store, w.options())
	if err != nil {
		w.t.Fatal(err)
	}
	claims, err := token.Parse(a.Tokens.Access, ring, time.Now())
	if err != nil {
		w.t.Fatal(err)
	}
	claims.Expires = time.Now().Add(time.Hour).Unix()
	return &guard{world: w, claims: claims, tokens: map[string]string{}, cut: map[string]time.Time{}, counts: map[string]int{}, ring: ring}
}

// bite is how long a node may take to hear of what was done by hand: it looks
// each 20th of the cache time, on a busy machine.
const bite = time.Second

// verdict says what a node must answer to a token of k that was sent and
// answered at these times, and why; why is "" while either is right.
func (g *guard) verdict(k auth.Key, sent, answered time.Time) (why string, accepted bool) {
	if cut, ok := g.cut[k.ID]; ok {
		if sent.After(cut.Add(bite)) {
			return "by hand", false
		}
		return "", false
	}
	switch k.State {
	case auth.KeyPublished:
		if answered.Before(k.SignsAt.Add(-g.leeway())) {
			return "too soon", false
		}
		return "", false
	case auth.KeySigning:
		return "signing", true
	case auth.KeyRetired:
		if answered.Before(k.AcceptUntil) {
			return "retired", true
		}
	case auth.KeyRemoved:
	}
	if sent.Before(k.AcceptUntil) {
		return "", false
	}
	return "removed", false
}

// look asks both nodes about a token of each key, the newest first: it is
// published for a moment only.
func (g *guard) look(rows []auth.Key) {
	g.t.Helper()
	for _, k := range slices.Backward(rows) {
		if _, known := g.tokens[k.ID]; !known && k.State != auth.KeyRemoved {
			key, err := token.New(k.ID, k.Algorithm, k.Secret)
			if err != nil {
				g.t.Fatal(err)
			}
			g.tokens[k.ID] = key.Sign(g.claims)
		}
		signed := g.tokens[k.ID]
		if signed == "" {
			continue
		}
		for i, n := range g.nodes {
			sent := time.Now()
			status, body, err := n.Do(g.t.Context(), http.MethodGet, "/api/auth/profile/", signed, nil)
			if err != nil {
				g.t.Fatal(err)
			}
			why, want := g.verdict(k, sent, time.Now())
			if why == "" {
				continue
			}
			g.counts[why]++
			if got := status == http.StatusOK; got != want {
				g.t.Errorf("node %d, key %s (%s, signs in %v, accepted for %v), %s: %d %s", i, k.ID, k.State,
					time.Until(k.SignsAt), time.Until(k.AcceptUntil), why, status, body)
			}
		}
		end := k.AcceptUntil
		if cut, ok := g.cut[k.ID]; ok {
			end = cut
		}
		if k.State == auth.KeyRemoved && time.Since(end) > 2*time.Second {
			g.tokens[k.ID] = "" // Long gone; others want to be looked at.
		}
	}
}

// sawAll reports whether there was a key in each state to ask about.
func (g *guard) sawAll() bool {
	for _, why := range []string{"too soon", "signing", "retired", "removed", "by hand"} {
		if g.counts[why] == 0 {
			return false
		}
	}
	return true
}

// retire removes a retired key by hand whose tokens have all expired: no
// client has an access token that is older, and refresh tokens are traded at
// once.
func (g *guard) retire(rows []auth.Key) {
	g.t.Helper()
	for _, k := range rows {
		left := time.Until(k.AcceptUntil)
		if k.State != auth.KeyRetired || time.Since(k.RetiredAt) < access+300*time.Millisecond || left < 200*time.Millisecond {
			continue
		}
		if err := keyring.Retire(g.t.Context(), g.store, g.options(), k.ID); err != nil {
			g.t.Error(err)
		}
		g.cut[k.ID] = time.Now()
		return
	}
}

// From HS256 to EdDSA and back, with the nodes restarted one after the other.
func TestSwitchUnderLoad(t *testing.T) {
	for name, tt := range map[string]struct {
		env []string
		to  []string
	}{
		"from a key made here":      {[]string{ownEnv + "=1"}, []string{token.EdDSA}},
		"from signing.key and back": {nil, []string{token.EdDSA, token.HS256}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, token.HS256, cacheHS, tt.env...)
			stop := w.load(8)
			defer stop()
			for _, algorithm := range tt.to {
				time.Sleep(500 * time.Millisecond)
				w.configure(algorithm)
				for _, n := range w.nodes {
					n.Stop()
					w.run(n)
				}
				w.algorithms.Clear()
				began := time.Now()
				for time.Since(began) < 20*time.Second {
					if _, seen := w.algorithms.Load(algorithm); seen {
						break
					}
					time.Sleep(10 * time.Millisecond)
				}
				if _, seen := w.algorithms.Load(algorithm); !seen {
					t.Fatalf("no token is signed with %s\n%s", algorithm, w.nodes[0].Log())
				}
				// Until all that the old key has signed has expired, and it is gone.
				time.Sleep(refresh + w.leeway() + 500*time.Millisecond)
				for _, k := range w.rows() {
					want := auth.KeyRemoved
					if k.Algorithm == algorithm {
						want = auth.KeySigning
					}
					if k.State != want {
						t.Errorf("key %s is %s, want %s", k.ID, k.State, want)
					}
				}
				if t.Failed() {
					break
				}
			}
			stop()
			if w.refreshed.Load() < 200 {
				t.Errorf("only %d refreshes: no load", w.refreshed.Load())
			}
			t.Logf("%d refreshes, %d requests, %d refused, %d not reached", w.refreshed.Load(), w.asked.Load(), w.refused.Load(), w.unreached.Load())
		})
	}
}

func decode(part string) []byte {
	b, _ := base64.RawURLEncoding.DecodeString(part)
	return b
}

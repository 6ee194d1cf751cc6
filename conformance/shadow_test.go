package conformance_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/latchkey-auth/latchkey/internal/config"
	"github.com/latchkey-auth/latchkey/internal/server"
	"github.com/latchkey-auth/latchkey/internal/takeover"
)

// blind are the deviations that a shadow cannot see, and why.
var blind = map[string]string{
	// The Latchkey adopts each token of Django's for itself and does not know
	// that one is the successor of another.
	"refresh reuse does not kill the family": "a reused refresh token is refused and the session goes on",
}

// unreached are answered by the proxy's own HTTP server, as by Latchkey's.
var unreached = map[string]string{
	"path: bad percent": "any request that can be parsed reaches the application",
}

// TestShadow sends what was recorded to a shadow before a Django that answers as
// recorded. What it finds different is what deviations.toml says, as far as it
// is to be seen without values, and each thing under its own row.
func TestShadow(t *testing.T) {
	cases, all := recording(t), deviations(t)
	django := &recordedDjango{t: t, tag: newTag(), ids: make(map[string]int64), spent: make(map[string]bool)}
	upstream := httptest.NewServer(django)
	t.Cleanup(upstream.Close)
	s, told := shadowBefore(t, upstream.URL, django)

	r := newRun(t, s)
	r.tag = django.tag
	rows := make(map[string]bool)
	for _, e := range cases {
		t.Run(e.Name, func(t *testing.T) {
			r.t = t
			q := r.request(e)
			told.settle()
			django.play(&e)
			live := r.do(t, q)
			django.play(nil)
			found := told.settle()
			r.after(e.Name, q, live)
			if len(found) == 1 && found[0].Status[1]/100 == 2 && live.status/100 != 2 && q.body != nil {
				// Spent at the Latchkey alone: nothing is to be seen by it any more.
				for _, p := range r.people {
					p.live = p.live && !strings.Contains(*q.body, p.refresh)
				}
			}

			if row, is := unreached[e.Name]; is {
				if live.status != http.StatusBadRequest || len(found) != 0 {
					t.Errorf("answered %d, and %d comparisons", live.status, len(found))
				}
				rows[row] = true
				return
			}
			// Byte for byte, but for what varies.
			if live.status != e.Status || live.body != django.last {
				t.Errorf("the client got %d %s", live.status, live.body)
			}
			for name, v := range e.Headers {
				if got := live.header(name); got != v {
					t.Errorf("the client got %s: %q, not %q", name, got, v)
				}
			}
			if len(found) != 1 {
				t.Fatalf("%d comparisons", len(found))
			}
			want := foreseen(e, all)
			if _, is := blind[e.Name]; is {
				if len(want) == 0 {
					t.Error("nothing differs: is it still blind?")
				}
				want = nil
			}
			got := make(map[string]string)
			for part, p := range found[0].Differs {
				got[part] = p.Known
				rows[p.Known] = true
			}
			if _, is := blind[e.Name]; is {
				delete(got, "cache-control")
			}
			if !maps.Equal(got, want) {
				t.Errorf("differs %+v\nwant %v", found[0], want)
			}
		})
	}
	delete(rows, "")
	t.Logf("%d rows of deviations.toml were seen", len(rows))
	for _, d := range all {
		seen := false
		for _, e := range cases {
			if _, is := blind[e.Name]; d.matches(e.Name) && (is || !visible(e, d)) {
				seen = true // Not to be seen, in one case at least.
			}
		}
		if !seen && !rows[d.Row] {
			t.Errorf("no case showed the row %q", d.Row)
		}
	}
}

// visible reports whether a deviation changes more than values.
func visible(e exchange, d deviation) bool { return len(foreseen(e, []deviation{d})) > 0 }

// foreseen is what a shadow should find different in a case, and by which row.
func foreseen(e exchange, all []deviation) map[string]string {
	w, used := expected(e, all)
	out := make(map[string]string)
	row := func(part string) string {
		for _, i := range used {
			if slices.Contains(all[i].parts(), part) {
				return all[i].Row
			}
		}
		return ""
	}
	if w.status != e.Status {
		out["status"] = row("status")
	}
	shape := func(body, kind string) string {
		return takeover.ShapeOf([]byte(strings.NewReplacer("<id>", "1").Replace(body)), kind)
	}
	if a, b := shape(e.Body, e.Headers["content-type"]), shape(w.body, w.headers["content-type"]); a != b && e.Request.Method != http.MethodHead {
		out["body"] = row("body")
	}
	for _, name := range takeover.Compared() {
		if e.Headers[name] != w.headers[name] {
			out[name] = row(name)
		}
	}
	return out
}

// comparisons are what a shadow tells.
type comparisons struct {
	shadow *takeover.Shadow
	mu     sync.Mutex
	all    []takeover.Difference
}

func (c *comparisons) add(d takeover.Difference) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.all = append(c.all, d)
}

// settle waits for what is under way and gives what was told since.
func (c *comparisons) settle() []takeover.Difference {
	c.shadow.Settle()
	c.mu.Lock()
	defer c.mu.Unlock()
	found := c.all
	c.all = nil
	return found
}

// shadowBefore runs a Latchkey and a shadow that asks it. The run's requests go
// to the shadow, its commands to the Latchkey.
func shadowBefore(t *testing.T, upstream string, django *recordedDjango) (*running, *comparisons) {
	t.Helper()
	cfg, err := config.Load(config.Sources{Env: []string{
		"LATCHKEY_LISTEN=127.0.0.1:0", "LATCHKEY_DATA=" + t.TempDir(), "LATCHKEY_SIGNING_KEY=" + signingKey,
		"LATCHKEY_HOSTS=localhost,127.0.0.1", "LATCHKEY_THROTTLE_ENABLED=false", "LATCHKEY_UI_ENABLED=false",
		"LATCHKEY_PROXY_TRUSTED=127.0.0.1",
	}})
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	ctx, stop := context.WithCancel(context.Background())
	store, err := server.OpenStore(ctx, cfg, log)
	if err != nil {
		t.Fatal(err)
	}
	ready, done := make(chan string, 1), make(chan error, 1)
	go func() {
		done <- server.Run(ctx, cfg, log, server.RunOptions{Store: store, Ready: func(addr string) { ready <- addr }})
	}()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Errorf("the server ended with: %v", err)
		}
		_ = store.Close()
	})
	var s running
	select {
	case django.latchkey = <-ready:
	case err := <-done:
		done <- nil
		t.Fatalf("the server does not start: %v", err)
	}
	if s.accounts, err = server.NewAccounts(ctx, cfg, store, log); err != nil {
		t.Fatal(err)
	}
	to, err := url.Parse(upstream)
	if err != nil {
		t.Fatal(err)
	}
	told := &comparisons{}
	told.shadow = takeover.NewShadow(takeover.ShadowOptions{
		Upstream: to, Latchkey: django.latchkey, Store: store, Trusted: []netip.Prefix{}, Under: []string{"/"},
		BodyLimit: 4 << 20, Timeout: time.Minute, Allowed: cfg.Registration.Roles,
		Names: takeover.Names{Type: "token_type", ID: "jti", User: "user_id"}, Told: told.add, Log: log, Now: time.Now,
	})
	front := httptest.NewUnstartedServer(told.shadow)
	front.Config.DisableGeneralOptionsHandler = true
	front.Start()
	t.Cleanup(func() {
		front.Close()
		told.shadow.Close(context.Background())
	})
	s.addr = front.Listener.Addr().String()
	return &s, told
}

// recordedDjango answers a case as recorded, with tokens and ids of its own, and
// what happens between the cases as a Django would.
type recordedDjango struct {
	t        *testing.T
	tag      string
	latchkey string // where what only Latchkey knows is asked

	mu    sync.Mutex
	now   *exchange
	last  string // the body of the last answer
	ids   map[string]int64
	next  int64
	spent map[string]bool
}

// play says which case comes next; nil for what lies between.
func (d *recordedDjango) play(e *exchange) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.now = e
}

// id gives a user's id by their address: others than the Latchkey would give.
func (d *recordedDjango) id(email string) int64 {
	if d.ids[email] == 0 {
		d.next += 3
		d.ids[email] = 7000 + d.next
	}
	return d.ids[email]
}

func (d *recordedDjango) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		d.t.Errorf("read the request: %v", err)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if e := d.now; e != nil {
		if e.Status == http.StatusOK {
			var q struct{ Refresh string }
			_ = json.Unmarshal(body, &q)
			d.spent[q.Refresh] = true
		}
		d.answer(w, e.Status, e.Headers, d.fill(e.Body, e.Tokens, 0))
		return
	}
	d.between(w, r, body)
}

func (d *recordedDjango) answer(w http.ResponseWriter, status int, headers map[string]string, body string) {
	h := w.Header()
	h["Date"], h["Content-Type"] = nil, nil
	for name, v := range headers {
		h.Set(name, v)
	}
	d.last = body
	w.WriteHeader(status)
	_, _ = io.WriteString(w, body)
}

// fill puts ids, times and tokens into a recorded body.
func (d *recordedDjango) fill(body string, tokens []facts, user int64) string {
	body = strings.ReplaceAll(body, "RUNTAG", d.tag)
	if u, ok := userOf(strings.ReplaceAll(body, "<id>", "1")); ok {
		user = d.id(u.Email)
	}
	body = strings.ReplaceAll(body, "<id>", fmt.Sprint(user))
	body = strings.ReplaceAll(body, "<dt.6Z>", "2024-01-15T10:30:00.123456Z")
	for _, f := range tokens {
		body = strings.Replace(body, "<jwt>", newForgery(f.Claims[0].Says, user).String(), 1)
	}
	return body
}

// between answers what prepares the cases.
func (d *recordedDjango) between(w http.ResponseWriter, r *http.Request, body []byte) {
	var q struct{ Email, Refresh string }
	_ = json.Unmarshal(body, &q)
	headers := map[string]string{"content-type": "application/json"}
	pair := func(status int, form string, user int64) {
		d.answer(w, status, headers, d.fill(form, []facts{minted("refresh"), minted("access")}, user))
	}
	user := func(email string) string {
		return fmt.Sprintf(`{"id":%d,"email":%q,"first_name":"John","last_name":"Doe","role":"employee"}`, d.id(email), email)
	}
	switch r.URL.Path {
	case "/api/auth/register/":
		pair(201, `{"message":"User registered successfully","user":`+user(q.Email)+`,"tokens":{"refresh":"<jwt>","access":"<jwt>"}}`, d.id(q.Email))
	case "/api/auth/login/":
		pair(200, `{"message":"Login successful","user":`+user(q.Email)+`,"tokens":{"refresh":"<jwt>","access":"<jwt>"}}`, d.id(q.Email))
	case "/api/auth/token/refresh/":
		if d.spent[q.Refresh] {
			d.answer(w, 401, headers, `{"detail":"Token is blacklisted","code":"token_not_valid"}`)
			return
		}
		d.spent[q.Refresh] = true
		email := d.tag + ".bob@example.com"
		pair(200, `{"refresh":"<jwt>","access":"<jwt>","user":`+user(email)+`}`, d.id(email))
	case "/api/auth/profile/":
		d.answer(w, 200, headers, d.fill(`{"id":<id>,"email":"RUNTAG.bob@example.com","first_name":"F","last_name":"L","phone":"+1","role":"employee","created_at":"<dt.6Z>","updated_at":"<dt.6Z>"}`, nil, 0))
	default: // What the command line has done is asked of the Latchkey.
		resp, err := http.Post("http://"+d.latchkey+r.URL.Path, "application/json", bytes.NewReader(body))
		if err != nil {
			d.t.Error(err)
			return
		}
		defer resp.Body.Close()
		text, _ := io.ReadAll(resp.Body)
		d.answer(w, resp.StatusCode, headers, string(text))
	}
}

package takeover

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/latchkey-auth/latchkey/internal/auth"
)

// asked is an Upstream before a Django that is played, and its clock.
type asked struct {
	*Upstream
	log lockedBuffer
	mu  sync.Mutex
	now time.Time
}

func (a *asked) clock() time.Time {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.now
}

func (a *asked) pass(d time.Duration) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.now = a.now.Add(d)
}

func newAsked(t *testing.T, django http.HandlerFunc) *asked {
	t.Helper()
	s := httptest.NewServer(django)
	t.Cleanup(s.Close)
	to, err := url.Parse(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	a := &asked{now: time.Now()}
	a.Upstream = NewUpstream(UpstreamOptions{URL: to, Timeout: 5 * time.Second, Log: slog.New(slog.NewTextHandler(&a.log, nil)), Now: a.clock})
	return a
}

func (a *asked) ask(t *testing.T, email string) (auth.ImportedUser, error) {
	t.Helper()
	return a.askFrom(t, email, "203.0.113.9")
}

func (a *asked) askFrom(t *testing.T, email, address string) (auth.ImportedUser, error) {
	t.Helper()
	who, ok := auth.ParseEmail(email)
	if !ok {
		t.Fatal(email)
	}
	return a.Ask(t.Context(), who, "canary-passw0rd", address)
}

const loggedIn = `{"message":"Login successful","user":{"id":4711,"email":"Ada@Example.com","first_name":"Ada","last_name":"Łovelace","role":"manager"},"tokens":{"refresh":"r.r.r","access":"a.a.a"}}`

// TestAsk: what is asked, and what is made of the answer.
func TestAsk(t *testing.T) {
	a := newAsked(t, func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		if got := r.Header.Get("X-Forwarded-For"); got != "203.0.113.9" {
			t.Errorf("the client is %q", got)
		}
		switch r.Method + " " + r.URL.Path {
		case "POST /api/auth/login/":
			var q map[string]string
			if json.Unmarshal(b, &q) != nil || len(q) != 2 || q["email"] != "Ada@example.com" || q["password"] != "canary-passw0rd" {
				t.Errorf("asked %s", b)
			}
			say(w, 200, loggedIn)
		case "GET /api/auth/profile/":
			if r.Header.Get("Authorization") != "Bearer a.a.a" {
				t.Errorf("%v", r.Header)
			}
			say(w, 200, `{"id":4711,"email":"Ada@Example.com","first_name":"Ada","last_name":"Łovelace","phone":"+44 1","role":"manager","created_at":"2024-01-15T10:30:00.000001Z","updated_at":"2024-02-15T10:30:00Z"}`)
		default:
			t.Errorf("%s %s", r.Method, r.URL)
		}
	})
	u, err := a.ask(t, "Ada@EXAMPLE.com")
	if err != nil || u.ID != 4711 || u.Email.Key != "ada@example.com" || u.Email.Shown != "Ada@example.com" || u.FirstName != "Ada" || u.LastName != "Łovelace" ||
		u.Phone != "+44 1" || u.Role != auth.RoleManager || !u.IsActive || u.Password != "" || u.CreatedAt.Year() != 2024 || u.UpdatedAt.Month() != 2 || len(u.Base) == 0 {
		t.Errorf("%+v, %v", u, err)
	}
}

// TestAskRefused: a refusal is one, whatever is asked next, and is not kept.
func TestAskRefused(t *testing.T) {
	n := 0
	a := newAsked(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/api/auth/login/" {
			w.WriteHeader(404) // Without a profile there is the short form.
			return
		}
		if n++; n == 4 {
			say(w, 200, loggedIn)
			return
		}
		say(w, []int{400, 401, 403}[n-1], `{}`)
	})
	for range 3 {
		if _, err := a.ask(t, "ada@example.com"); !auth.IsKind(err, auth.BadCredentials) {
			t.Errorf("%v", err)
		}
	}
	if u, err := a.ask(t, "ada@example.com"); err != nil || u.ID != 4711 || u.Phone != "" {
		t.Errorf("%+v, %v", u, err)
	}
}

// counted counts the logins that a Django is asked for.
func counted(n *atomic.Int64, django http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			n.Add(1)
		}
		django(w, r)
	}
}

// TestAskNothing: an answer that is no yes or no is held against the address that
// asked, or against nobody where the Django has said yes; its redirects are not
// followed.
//
// ASVS 15.3.2
func TestAskNothing(t *testing.T) {
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("a redirect was followed") }))
	t.Cleanup(elsewhere.Close)
	yes := func(old, replacement string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			say(w, 200, strings.Replace(loggedIn, old, replacement, 1))
		}
	}
	for name, c := range map[string]struct {
		django http.HandlerFunc
		aside  time.Duration // how long the address's logins are left alone
	}{
		"500": {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) }, downTime},
		"404": {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(404) }, downTime},
		"redirect": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, elsewhere.URL, http.StatusTemporaryRedirect)
		}, downTime},
		"429": {func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Retry-After", "7"); w.WriteHeader(429) }, 7 * time.Second},
		"429, for ever": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", "86400")
			w.WriteHeader(429)
		}, maxRetryAfter},
		"429, for how":    {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(429) }, downTime},
		"HTML":            {func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "<html>") }, downTime},
		"endless":         {func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(bytes.Repeat([]byte(" "), 1<<20)) }, downTime},
		"broken off":      {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, downTime},
		"no id":           {yes(`"id":4711`, `"id":0`), 0},
		"another's":       {yes("Ada@", "Eve@"), 0},
		"an unknown role": {yes("manager", "root"), 0},
		"a NUL":           {yes(`"Ada"`, `"A\u0000"`), 0},
		"a huge id":       {yes("4711", "9007199254740993"), 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var n atomic.Int64
			a := newAsked(t, counted(&n, c.django))
			for range 2 {
				_, err := a.ask(t, "ada@example.com")
				e := new(auth.Error)
				if !errors.As(err, &e) || e.Kind != auth.Unavailable || e.RetryAfter <= 0 || e.RetryAfter > maxRetryAfter || c.aside > 0 && e.RetryAfter != c.aside {
					t.Fatalf("%v", err)
				}
			}
			want := int64(1)
			if c.aside == 0 {
				want = 2
			}
			if wait, down := a.Down("203.0.113.9"); n.Load() != want || down != (c.aside > 0) || down && wait != c.aside {
				t.Errorf("asked %d times, left alone %v for %v", n.Load(), down, wait)
			}
			// Of others it is asked.
			if wait, down := a.Down("203.0.113.10"); down {
				t.Errorf("others are told to wait %v", wait)
			}
			a.pass(c.aside)
			if _, down := a.Down("203.0.113.9"); down {
				t.Error("it stays left alone")
			}
			if _, err := a.ask(t, "ada@example.com"); err == nil || n.Load() != want+1 {
				t.Errorf("asked %d times, %v", n.Load(), err)
			}
			if log := a.log.String(); strings.Contains(log, "canary") || strings.Contains(log, "ada@") || strings.Contains(log, "a.a.a") {
				t.Error(log)
			}
		})
	}
}

// TestAskDown: a Django is left alone for everybody's logins when those of several
// addresses in a row have come to nothing: one client cannot bring that about,
// however it asks, nor several who are over its limit.
func TestAskDown(t *testing.T) {
	var n, status atomic.Int64
	a := newAsked(t, counted(&n, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(int(status.Load())) }))
	a.took[len(a.took)-1] = 0 // Of the time other tests tell.
	from := func(what string, answers int64, down bool, addresses ...string) {
		t.Helper()
		status.Store(answers)
		before := n.Load()
		for _, address := range addresses {
			if _, err := a.askFrom(t, "ada@example.com", address); err == nil {
				t.Fatal("it said yes")
			}
		}
		if asked := n.Load() - before; asked != int64(len(addresses)) {
			t.Errorf("%s: asked %d times, want %d", what, asked, len(addresses))
		}
		if _, is := a.Down("198.51.100.200"); is != down {
			t.Errorf("%s: left alone for everybody: %v", what, is)
		}
	}
	for range 3 * severalFail {
		from("one address, again and again", 500, false, "203.0.113.1")
		a.pass(downTime)
	}
	for i := range 3 * severalFail {
		from("one IPv6 network", 500, false, fmt.Sprintf("2001:db8::%x", i+1))
		a.pass(downTime)
	}
	from("a no", 401, false, "203.0.113.1")
	for i := range 3 * severalFail {
		from("many over its limit", 429, false, fmt.Sprintf("198.51.100.%d", i+1))
	}
	a.pass(maxRetryAfter)
	from("two in a row", 500, false, "203.0.113.1", "203.0.113.2")
	from("a no in between", 400, false, "203.0.113.3")
	from("two in a row again", 502, false, "203.0.113.4", "203.0.113.5")
	from("the third", 404, true, "203.0.113.6")
	before := n.Load()
	if _, err := a.askFrom(t, "ada@example.com", "203.0.113.7"); !auth.IsKind(err, auth.Unavailable) || n.Load() != before {
		t.Errorf("%v, asked %d times", err, n.Load()-before)
	}
	a.pass(downTime)
	from("one after that", 500, false, "203.0.113.7")
	if told := strings.Count(a.log.String(), "whoever is not known here cannot be asked about"); told != 1 {
		t.Errorf("told %d times that it is down", told)
	}
}

// TestAskUnreachable: no connection is nobody's doing, and known at once; an answer
// that does not come may be.
func TestAskUnreachable(t *testing.T) {
	a := newAsked(t, func(http.ResponseWriter, *http.Request) {})
	a.URL = &url.URL{Scheme: "http", Host: unused(t)}
	if _, err := a.ask(t, "ada@example.com"); !auth.IsKind(err, auth.Unavailable) {
		t.Error(err)
	}
	if wait, down := a.Down("198.51.100.1"); !down || wait != downTime {
		t.Errorf("nobody listens: left alone %v for %v", down, wait)
	}
	secure := newAsked(t, func(http.ResponseWriter, *http.Request) {})
	secure.URL = &url.URL{Scheme: "https", Host: secure.URL.Host}
	if _, err := secure.ask(t, "ada@example.com"); !auth.IsKind(err, auth.Unavailable) {
		t.Error(err)
	}
	if _, down := secure.Down("198.51.100.1"); !down {
		t.Error("no TLS: it is not left alone")
	}

	slow := newAsked(t, func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // Then the server sees the client go.
		<-r.Context().Done()
	})
	slow.Timeout = 50 * time.Millisecond
	for i := range severalFail {
		if _, down := slow.Down("198.51.100.1"); down {
			t.Errorf("after %d that were too slow it is left alone", i)
		}
		if _, err := slow.askFrom(t, "ada@example.com", fmt.Sprintf("203.0.113.%d", i+1)); !auth.IsKind(err, auth.Unavailable) {
			t.Error(err)
		}
	}
	if _, down := slow.Down("198.51.100.1"); !down {
		t.Error("it hangs, and is asked on")
	}
}

// unused is an address on which nobody listens.
func unused(t *testing.T) string {
	t.Helper()
	s := httptest.NewServer(nil)
	s.Close()
	return s.Listener.Addr().String()
}

// TestAsideIsBounded: addresses that are left alone are forgotten when their time
// is over, and are never more than so many.
func TestAsideIsBounded(t *testing.T) {
	a := newAsked(t, func(http.ResponseWriter, *http.Request) {})
	for i := range maxAside + 100 {
		a.fail(fmt.Sprintf("10.0.%d.%d", i>>8, i&255), &limitError{time.Minute})
	}
	if _, down := a.Down("10.0.0.0"); len(a.aside) != maxAside || !down {
		t.Errorf("%d are kept, the first of them %v", len(a.aside), down)
	}
	a.pass(time.Minute)
	a.fail("192.0.2.1", &limitError{time.Minute})
	if _, down := a.Down("192.0.2.1"); len(a.aside) != 1 || !down {
		t.Errorf("%d are kept, the last of them %v", len(a.aside), down)
	}
}

// TestAskBounded: no more than so many are asked at once, and who gives up takes
// nobody else's place.
func TestAskBounded(t *testing.T) {
	var mu sync.Mutex
	now, most := 0, 0
	a := newAsked(t, func(w http.ResponseWriter, _ *http.Request) {
		mu.Lock()
		now++
		most = max(most, now)
		mu.Unlock()
		time.Sleep(20 * time.Millisecond)
		mu.Lock()
		now--
		mu.Unlock()
		say(w, 401, `{}`)
	})
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	email, _ := auth.ParseEmail("gone@example.com")
	if _, err := a.Ask(gone, email, "x", ""); err == nil || auth.IsKind(err, auth.BadCredentials) {
		t.Errorf("%v", err)
	}
	if _, down := a.Down(""); down {
		t.Error("a client that has gone makes the Django down")
	}
	var all sync.WaitGroup
	for i := range 4 * maxAsked {
		all.Go(func() {
			if _, err := a.ask(t, fmt.Sprintf("p%d@example.com", i)); !auth.IsKind(err, auth.BadCredentials) {
				t.Errorf("%v", err)
			}
		})
	}
	all.Wait()
	if most > maxAsked || most < 2 {
		t.Errorf("%d at once", most)
	}
}

// TestPause: whoever is not asked about waits no less than who was.
//
// ROW 8
func TestPause(t *testing.T) {
	const slow = 80 * time.Millisecond
	a := newAsked(t, func(w http.ResponseWriter, _ *http.Request) {
		time.Sleep(slow)
		say(w, 401, `{}`)
	})
	least := func(what string, want time.Duration, fn func()) {
		t.Helper()
		began := time.Now()
		fn()
		if took := time.Since(began); took < want {
			t.Errorf("%s took %v, less than %v", what, took, want)
		}
	}
	least("a pause before any answer", firstPause, func() { a.Pause(t.Context()) })
	least("the first refusal", firstPause, func() { _, _ = a.ask(t, "a@example.com") })
	for range len(a.took) { // What was thought first is forgotten.
		a.back(slow)
	}
	least("a pause", slow, func() { a.Pause(t.Context()) })
	a.down = a.now.Add(time.Second)
	least("a refusal without asking", slow, func() { _, _ = a.ask(t, "a@example.com") })
}

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

func (a *asked) ask(t *testing.T, address string) (auth.ImportedUser, error) {
	t.Helper()
	email, ok := auth.ParseEmail(address)
	if !ok {
		t.Fatal(address)
	}
	return a.Ask(t.Context(), email, "canary-passw0rd", "203.0.113.9")
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

// TestAskDown: a Django that does not answer as one is left alone for a while,
// and its redirects are not followed.
//
// ASVS 15.3.2
func TestAskDown(t *testing.T) {
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("a redirect was followed") }))
	t.Cleanup(elsewhere.Close)
	short := strings.Replace(loggedIn, `"id":4711`, `"id":0`, 1)
	for name, django := range map[string]http.HandlerFunc{
		"500": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) },
		"404": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(404) },
		"redirect": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, elsewhere.URL, http.StatusTemporaryRedirect)
		},
		"429":        func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Retry-After", "7"); w.WriteHeader(429) },
		"HTML":       func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "<html>") },
		"endless":    func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(bytes.Repeat([]byte(" "), 1<<20)) },
		"broken off": func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
		"no id":      func(w http.ResponseWriter, _ *http.Request) { say(w, 200, short) },
		"another's": func(w http.ResponseWriter, _ *http.Request) {
			say(w, 200, strings.Replace(loggedIn, "Ada@", "Eve@", 1))
		},
		"an unknown role": func(w http.ResponseWriter, _ *http.Request) {
			say(w, 200, strings.Replace(loggedIn, "manager", "root", 1))
		},
		"a NUL": func(w http.ResponseWriter, _ *http.Request) {
			say(w, 200, strings.Replace(loggedIn, `"Ada"`, `"A\u0000"`, 1))
		},
		"a huge id": func(w http.ResponseWriter, _ *http.Request) {
			say(w, 200, strings.Replace(loggedIn, "4711", "9007199254740993", 1))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := 0
			var mu sync.Mutex
			a := newAsked(t, func(w http.ResponseWriter, r *http.Request) {
				mu.Lock()
				if r.Method == "POST" {
					n++
				}
				mu.Unlock()
				django(w, r)
			})
			for range 2 {
				_, err := a.ask(t, "ada@example.com")
				e := new(auth.Error)
				if !errors.As(err, &e) || e.Kind != auth.Unavailable || e.RetryAfter <= 0 || e.RetryAfter > maxRetryAfter {
					t.Fatalf("%v", err)
				}
				if want := 7 * time.Second; name == "429" && e.RetryAfter != want {
					t.Errorf("come back in %v", e.RetryAfter)
				}
			}
			times := func() int {
				mu.Lock()
				defer mu.Unlock()
				return n
			}
			if _, down := a.Down(); !down || times() != 1 {
				t.Errorf("asked %d times, down %v", times(), down)
			}
			a.pass(maxRetryAfter)
			if _, down := a.Down(); down {
				t.Error("it stays down")
			}
			if _, err := a.ask(t, "ada@example.com"); err == nil || times() != 2 {
				t.Errorf("asked %d times, %v", times(), err)
			}
			if log := a.log.String(); strings.Contains(log, "canary") || strings.Contains(log, "ada@") || strings.Contains(log, "a.a.a") {
				t.Error(log)
			}
		})
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
	if _, down := a.Down(); down {
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

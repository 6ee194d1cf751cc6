package server

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"regexp"
	"slices"
	"testing"
	"time"
)

var goodID = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)

// FuzzHead gives the front any request id, host and origin: it answers, takes
// no id that could forge a line of the log, and allows no origin that is not on
// the list to the letter.
//
// LESSON 32
// ROW 12
func FuzzHead(f *testing.F) {
	for _, s := range [][4]string{
		{"abc-1", "example.com", "http://localhost:3000", "/api/auth/profile/"},
		{"a\nlevel=ERROR", "example.com:99999", "null", "//"},
		{"", "[::1]:80", "http://localhost:3000.evil.com", "/readyz"},
		{"\x00", "EXAMPLE.com.", "HTTP://LOCALHOST:3000", "/healthz"},
		{"x", "a.example.org", "http://evil-localhost:3000", "/.well-known/jwks.json"},
		{"x", ".example.org", "http://localhost:3000/", "/api"},
		{"é", "[", "https://localhost:3000", "/assets/../x"},
	} {
		f.Add(s[0], s[1], s[2], s[3])
	}
	const listed = "http://localhost:3000"
	front := &front{
		rest: http.HandlerFunc(welcome), health: &health{now: time.Now}, cors: newCORS([]string{listed}, false),
		hosts: newHosts([]string{"example.com", ".example.org", "127.0.0.1"}), log: slog.New(slog.DiscardHandler), now: time.Now,
		trusted: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}, // httptest's client
	}
	f.Fuzz(func(t *testing.T, id, host, from, path string) {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Host, r.URL.Path = host, path
		r.Header["X-Request-Id"], r.Header["Origin"] = []string{id}, []string{from}
		w := httptest.NewRecorder()
		front.ServeHTTP(w, r)
		if got := w.Header().Get("X-Request-Id"); got == id && !goodID.MatchString(id) || !goodID.MatchString(got) {
			t.Fatalf("took the id %q", id)
		}
		if got := w.Header().Get("Access-Control-Allow-Origin"); got != "" && got != from && path != jwksPath {
			t.Fatalf("the origin %q is told that %q is allowed", from, got)
		}
		if allowed := w.Header().Get("Access-Control-Allow-Origin") == from && from != ""; allowed && origin(from) != listed {
			t.Fatalf("the origin %q is allowed", from)
		}
		if !slices.Contains([]int{200, 400, 404, 405, 503}, w.Code) {
			t.Fatalf("%d", w.Code)
		}
	})
}

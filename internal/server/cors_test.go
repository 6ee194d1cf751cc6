package server

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
)

const (
	listedOrigin  = "http://localhost:3000"
	recordedNames = "accept, accept-encoding, authorization, content-type, dnt, origin, user-agent, x-csrftoken, x-requested-with"
	cookieNames   = "accept, accept-encoding, auth-mode, authorization, content-type, dnt, origin, user-agent, x-csrftoken, x-requested-with"
)

// preflightOf sends a preflight and gives its headers.
func preflightOf(t *testing.T, c *cors, header http.Header) http.Header {
	t.Helper()
	r := httptest.NewRequest(http.MethodOptions, "/api/auth/login/", nil)
	r.Header = header
	r.Header.Set("Access-Control-Request-Method", "POST")
	w := httptest.NewRecorder()
	if !c.preflight(w, r) || w.Code != http.StatusOK || w.Body.Len() > 0 {
		t.Fatalf("%v: %d %s", header, w.Code, w.Body)
	}
	return w.Header()
}

// same compares the headers of an answer that begin with Access-Control-, and
// Vary.
func same(t *testing.T, what string, have http.Header, want map[string]string) {
	t.Helper()
	for name := range have {
		if _, ok := want[name]; !ok && strings.HasPrefix(name, "Access-Control-") {
			t.Errorf("%s: %s: %q", what, name, have[name])
		}
	}
	for name, value := range want {
		if !slices.Equal(have[name], []string{value}) {
			t.Errorf("%s: %s: have %q, want %q", what, name, have[name], value)
		}
	}
}

// TestPreflightAsksForCookieMode says what lets a browser send Auth-Mode, and
// with it cookies: that it asks for it from a listed origin. Everybody else is
// answered as recorded.
func TestPreflightAsksForCookieMode(t *testing.T) {
	t.Parallel()
	recorded := map[string]string{
		"Vary": "Origin", "Access-Control-Allow-Origin": listedOrigin, "Access-Control-Allow-Headers": recordedNames,
		"Access-Control-Allow-Methods": "DELETE, GET, OPTIONS, PATCH, POST, PUT", "Access-Control-Max-Age": "86400",
		"Content-Type": "text/html; charset=utf-8", "Content-Length": "0",
	}
	cookieMode := map[string]string{}
	for name, value := range recorded {
		cookieMode[name] = value
	}
	cookieMode["Access-Control-Allow-Headers"] = cookieNames
	cookieMode["Access-Control-Allow-Credentials"] = "true"
	denied := map[string]string{"Vary": "Origin", "Content-Type": "text/html; charset=utf-8", "Content-Length": "0"}

	c := newCORS([]string{listedOrigin, "https://app.example.org"}, false)
	for _, row := range []struct {
		asks []string // Access-Control-Request-Headers
		want bool
	}{
		{[]string{"auth-mode"}, true},
		{[]string{"auth-mode,content-type"}, true},
		{[]string{"authorization,auth-mode"}, true},
		{[]string{"authorization , \tAuth-Mode , x"}, true},
		{[]string{"AUTH-MODE"}, true},
		{[]string{"content-type", "auth-mode"}, true},
		{[]string{"auth-mode,auth-mode"}, true},
		{nil, false},
		{[]string{""}, false},
		{[]string{"authorization,content-type"}, false},
		{[]string{"auth-modes,x-auth-mode,auth"}, false},
		{[]string{"auth mode"}, false},
		{[]string{"auth-mode;x"}, false},
		// U+212A and the like are no letters of ours.
		{[]string{"auth-mod\u0435"}, false},
	} {
		want := recorded
		if row.want {
			want = cookieMode
		}
		same(t, strings.Join(row.asks, "|"), preflightOf(t, c, http.Header{"Origin": {listedOrigin}, "Access-Control-Request-Headers": row.asks}), want)
		for _, origin := range [][]string{{"http://evil.example"}, {"null"}, {listedOrigin + ".evil.example"}, {""}, nil, {listedOrigin, listedOrigin}} {
			same(t, strings.Join(origin, "|"), preflightOf(t, c, http.Header{"Origin": origin, "Access-Control-Request-Headers": row.asks}), denied)
		}
	}
	// A preflight carries neither, so a cookie on it is no browser's.
	if h := preflightOf(t, c, http.Header{"Origin": {listedOrigin}}); h.Get("Access-Control-Allow-Credentials") != "" {
		t.Errorf("headers %v", h)
	}
}

// TestCredentials says which answers a page of another origin may read with
// cookies sent: those of a listed origin that carry Auth-Mode, or one of the
// pair of cookies in force.
func TestCredentials(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name          string
		header        http.Header
		plain, secure bool
	}{
		{"neither", http.Header{}, false, false},
		{"another cookie", http.Header{"Cookie": {"a=b; csrftoken=c; sessionid=d"}}, false, false},
		{"the name in another's value", http.Header{"Cookie": {"a=latchkey_access=b"}}, false, false},
		{"a bearer token", http.Header{"Authorization": {"Bearer x"}}, false, false},
		{"Auth-Mode", http.Header{"Auth-Mode": {"cookie"}}, true, true},
		{"Auth-Mode that is none", http.Header{"Auth-Mode": {"x"}}, true, true}, // so that its page can read why
		{"access cookie", http.Header{"Cookie": {"a=b; latchkey_access=c"}}, true, false},
		{"refresh cookie", http.Header{"Cookie": {"latchkey_refresh=c"}}, true, false},
		{"in the second header", http.Header{"Cookie": {"a=b", "latchkey_refresh=c"}}, true, false},
		{"access cookie over TLS", http.Header{"Cookie": {"__Host-latchkey_access=c"}}, false, true},
		{"refresh cookie over TLS", http.Header{"Cookie": {"a=b; __Secure-latchkey_refresh=c"}}, false, true},
		{"prefixes the other way round", http.Header{"Cookie": {"__Secure-latchkey_access=c; __Host-latchkey_refresh=d"}}, false, false},
	} {
		for _, secure := range []bool{false, true} {
			c := newCORS([]string{listedOrigin}, secure)
			credentials := row.plain
			if secure {
				credentials = row.secure
			}
			vary := "Origin"
			if credentials && row.header["Cookie"] != nil {
				vary = "Origin, Cookie"
			}
			for origin, listed := range map[string]bool{
				listedOrigin: true, listedOrigin + "/": true, "HTTP://localhost:3000": true,
				"http://localhost:3001": false, "http://evil.example": false, "null": false, listedOrigin + "@evil.example": false, "": false,
			} {
				r := httptest.NewRequest(http.MethodGet, "/api/auth/profile/", nil)
				for name, values := range row.header {
					r.Header[name] = values
				}
				r.Header["Origin"] = []string{origin}
				want := map[string]string{"Vary": vary}
				if listed {
					want["Access-Control-Allow-Origin"] = origin
					if credentials {
						want["Access-Control-Allow-Credentials"] = "true"
					}
				}
				h := http.Header{}
				c.allow(h, r)
				same(t, row.name+" from "+origin, h, want)
			}
			r := httptest.NewRequest(http.MethodGet, "/", nil)
			for name, values := range row.header {
				r.Header[name] = values
			}
			h := http.Header{}
			c.allow(h, r)
			same(t, row.name+" from nowhere", h, map[string]string{"Vary": vary})
		}
	}
}

package api_test

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/latchkey-auth/latchkey/internal/account"
	"github.com/latchkey-auth/latchkey/internal/api"
	"github.com/latchkey-auth/latchkey/internal/auth"
	"github.com/latchkey-auth/latchkey/internal/session"
)

// secure is what is reached by TLS.
func secure(o *api.Options) { o.SecureCookies = true }

// The cookies as they are set and taken back, without their names.
const (
	accessSet    = "=a.a.a; Path=/; Max-Age=10800; HttpOnly; SameSite=Lax"
	refreshSet   = "=r.r.r; Path=/api/auth/; Max-Age=259200; HttpOnly; SameSite=Lax"
	hybridSet    = "=hybrid.r.r.r; Path=/api/auth/; Max-Age=259200; HttpOnly; SameSite=Lax"
	accessUnset  = "=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax"
	refreshUnset = "=; Path=/api/auth/; Max-Age=0; HttpOnly; SameSite=Lax"
	deviceSet    = "; Path=/api/auth/; Max-Age=3600; HttpOnly; SameSite=Lax"
)

// expired are the lines that take both cookies back.
var expired = []string{"latchkey_access" + accessUnset, "latchkey_refresh" + refreshUnset}

const (
	invalidInHeader = `{"detail":"Given token not valid for any token type","code":"token_not_valid","messages":[{"token_class":"AccessToken","token_type":"access","message":"Token is invalid or expired"}]}`
	invalidToken    = `{"detail":"Token is invalid or expired","code":"token_not_valid"}`
	badMode         = `{"detail":"Auth-Mode must be cookie or hybrid."}`
	loggedOut       = `{"message":"Successfully logged out"}`
	refused         = `{"detail":"Cross-origin request refused."}`
)

// cookies compares the Set-Cookie lines of an answer.
func cookies(t *testing.T, w *httptest.ResponseRecorder, want ...string) {
	t.Helper()
	if have := w.Header()["Set-Cookie"]; !slices.Equal(have, want) {
		t.Errorf("Set-Cookie:\nhave %q\nwant %q", have, want)
	}
}

// TestCarriage says how tokens travel: in the body, unless Auth-Mode asks for
// cookies, and then by the names that fit the way the browser comes.
//
// ASVS 10.1.1
func TestCarriage(t *testing.T) {
	t.Parallel()
	const (
		login    = "POST /api/auth/login/"
		register = "POST /api/auth/register/"
		refresh  = "POST /api/auth/token/refresh/"
		body     = `{"email":"A@example.com","password":"p","password2":"p","first_name":"F","last_name":"L","refresh":"x"}`
		newUser  = `{"id":8,"email":"A@example.com","first_name":"F","last_name":"L","role":"employee"}`
		expires  = `,"expires":{"access":1795446000,"refresh":1795694400}}`

		signedIn = `{"message":"Login successful","user":` + johnShown
		joined   = `{"message":"User registered successfully","user":` + newUser
	)
	for _, c := range []struct {
		route, mode string
		status      int
		body        string
	}{
		{login, "", 200, signedIn + `,"tokens":{"refresh":"r.r.r","access":"a.a.a"}}`},
		{login, "cookie", 200, signedIn + expires},
		{login, "hybrid", 200, signedIn + `,"tokens":{"access":"a.a.a"}` + expires},
		{register, "", 201, joined + `,"tokens":{"refresh":"r.r.r","access":"a.a.a"}}`},
		{register, "cookie", 201, joined + expires},
		{register, "hybrid", 201, joined + `,"tokens":{"access":"a.a.a"}` + expires},
		{refresh, "", 200, `{"access":"a.a.a","refresh":"r.r.r","user":` + johnShown + `}`},
		{refresh, "cookie", 200, `{"user":` + johnShown + expires},
		{refresh, "hybrid", 200, `{"access":"a.a.a","user":` + johnShown + expires},
	} {
		t.Run(c.route+" "+c.mode, func(t *testing.T) {
			t.Parallel()
			for _, over := range []struct {
				change                        func(*api.Options)
				access, refresh, device, ends string
			}{
				{func(*api.Options) {}, "latchkey_access", "latchkey_refresh", "latchkey_device", ""},
				{secure, "__Host-latchkey_access", "__Secure-latchkey_refresh", "__Secure-latchkey_device", "; Secure"},
			} {
				r := request(c.route + "\n\n" + body)
				if c.mode != "" {
					r.Header.Set("Auth-Mode", c.mode)
				}
				w := do(t, serve(&acts{}, over.change), r)
				expect(t, w, c.status, c.body)
				// Who signs in leaves the browser known; a refresh does not.
				device := map[string][]string{
					login: {over.device + "=7" + deviceSet + over.ends}, register: {over.device + "=8" + deviceSet + over.ends},
				}[c.route]
				switch c.mode {
				case "":
					cookies(t, w)
				case "cookie":
					cookies(t, w, append([]string{over.access + accessSet + over.ends, over.refresh + refreshSet + over.ends}, device...)...)
				case "hybrid":
					// The access token of an earlier cookie mode is taken back.
					cookies(t, w, append([]string{over.access + accessUnset + over.ends, over.refresh + hybridSet + over.ends}, device...)...)
				}
				have := w.Body.String()
				if c.mode == "cookie" && strings.Contains(have, pair.Access) || c.mode != "" && strings.Contains(have, pair.Refresh) {
					t.Errorf("a script can read a token: %s", have)
				}
			}
		})
	}
}

// A word that is no mode is refused before anything is done, so that no token
// gets where it was not wanted.
func TestUnknownMode(t *testing.T) {
	t.Parallel()
	for _, mode := range [][]string{{""}, {"Cookie"}, {"HYBRID"}, {"cookies"}, {"bearer"}, {"cookie, hybrid"}, {"cookie", "cookie"}, {"cookie", "hybrid"}} {
		for _, path := range []string{"register/", "login/", "token/refresh/", "token/verify/", "logout/"} {
			called := errors.New("the act was called")
			h := serve(&acts{
				register: func(account.Registration) error { return called },
				password: func(auth.Email, string) error { return called },
				refresh:  func(string, time.Time) error { return called },
				verify:   func(string) error { return called },
				logout:   func(string) error { return called },
			})
			r := request("POST /api/auth/" + path + "\nAuthorization: Bearer good\n\n" +
				`{"email":"a@example.com","password":"p","password2":"p","first_name":"F","last_name":"L","token":"x","refresh":"x"}`)
			r.Header["Auth-Mode"] = mode
			w := do(t, h, r)
			expect(t, w, 400, badMode)
			cookies(t, w)
		}
	}
	// The client sends it with every request, so every endpoint reads it, but for
	// those that answer everybody alike.
	for _, e := range api.Endpoints() {
		w := do(t, serve(&acts{}, docs), request(at(e)+"\nAuthorization: Bearer good\nAuth-Mode: x\nSec-Fetch-Site: cross-site"))
		if e.Service {
			expect(t, w, 401, noToken)
			continue
		}
		if e.Open && w.Code != 200 || !e.Open && (w.Code != 400 || w.Body.String() != badMode) {
			t.Errorf("%s: %d %s", at(e), w.Code, w.Body)
		}
	}
	// What there is not is 404 and OPTIONS is 204, whatever else is said.
	r := request("GET /api/auth/nope/\nAuth-Mode: x")
	expect(t, do(t, serve(&acts{}), r), 404, notFound)
	r = request("OPTIONS /api/auth/login/\nAuth-Mode: x")
	expect(t, do(t, serve(&acts{}), r), 204, "")
}

// docs is a page to describe the API for people.
func docs(o *api.Options) {
	o.Docs = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Content-Type", "text/html") })
}

// Where the clock is past the token's end a cookie is not kept for ever.
func TestMaxAgeIsNotNegative(t *testing.T) {
	t.Parallel()
	late := func(o *api.Options) { o.Now = func() time.Time { return noon.Add(24 * time.Hour) } }
	w := do(t, serve(&acts{}, late), request("POST /api/auth/login/\nAuth-Mode: cookie\n\n"+`{"email":"a@example.com","password":"p"}`))
	cookies(t, w,
		"latchkey_access=a.a.a; Path=/; Max-Age=0; HttpOnly; SameSite=Lax",
		"latchkey_refresh=r.r.r; Path=/api/auth/; Max-Age=172800; HttpOnly; SameSite=Lax",
		"latchkey_device=7"+deviceSet)
}

// TestAccessCookie says when the cookie is the credential: only where there is
// no bearer token, only under the name in force, and only if it is one.
func TestAccessCookie(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, authorization string
		cookies             []string // headers
		secure              bool
		status              int
		body                string
	}{
		{"cookie", "-", []string{"latchkey_access=good"}, false, 200, ""},
		{"among others", "-", []string{"a=b; latchkey_access=good; c=d"}, false, 200, ""},
		{"without a blank", "-", []string{"a=b;latchkey_access=good;c=d"}, false, 200, ""},
		{"after nonsense", "-", []string{"; =; x; latchkey_access; latchkey_access=good;"}, false, 200, ""},
		{"in the second header", "-", []string{"a=b", "latchkey_access=good"}, false, 200, ""},
		{"that is not good", "-", []string{"latchkey_access=bad"}, false, 401, invalidInHeader},
		{"in quotes", "-", []string{`latchkey_access="good"`}, false, 401, invalidInHeader},
		{"with = in it", "-", []string{`latchkey_access=good=`}, false, 401, invalidInHeader},
		{"that is empty", "-", []string{"latchkey_access="}, false, 401, noToken},
		{"the refresh token's", "-", []string{"latchkey_refresh=good"}, false, 401, noToken},
		{"by another name", "-", []string{"xlatchkey_access=good; latchkey_accessx=good; latchkey-access=good"}, false, 401, noToken},
		{"by a name in another case", "-", []string{"Latchkey_Access=good; LATCHKEY_ACCESS=good"}, false, 401, noToken},
		{"in another cookie's value", "-", []string{"a=latchkey_access=good"}, false, 401, noToken},

		{"good header, bad cookie", "Bearer good", []string{"latchkey_access=bad"}, false, 200, ""},
		{"bad header, good cookie", "Bearer bad", []string{"latchkey_access=good"}, false, 401, invalidInHeader},
		{"broken header, good cookie", "Bearer", []string{"latchkey_access=good"}, false, 401, badHeader},
		{"header of three words, good cookie", "Bearer good good", []string{"latchkey_access=good"}, false, 401, badHeader},
		{"another scheme, good cookie", "Basic YTpi", []string{"latchkey_access=good"}, false, 200, ""},
		{"empty header, good cookie", "", []string{"latchkey_access=good"}, false, 200, ""},
		{"another scheme, no cookie", "Basic YTpi", nil, false, 401, noToken},

		{"the TLS name over HTTP", "-", []string{"__Host-latchkey_access=good"}, false, 401, noToken},
		{"the plain name over TLS", "-", []string{"latchkey_access=good"}, true, 401, noToken},
		{"over TLS", "-", []string{"__Host-latchkey_access=good"}, true, 200, ""},
		{"over TLS, with a plain one planted", "-", []string{"latchkey_access=bad; __Host-latchkey_access=good"}, true, 200, ""},
		{"over TLS, in another case", "-", []string{"__host-latchkey_access=good"}, true, 401, noToken},
		{"over TLS, another prefix", "-", []string{"__Secure-latchkey_access=good"}, true, 401, noToken},

		// A sibling domain can plant one, and with it its own session.
		{"twice, the good one first", "-", []string{"latchkey_access=good; latchkey_access=bad"}, false, 401, noToken},
		{"twice, the good one last", "-", []string{"latchkey_access=bad; latchkey_access=good"}, false, 401, noToken},
		{"twice, one empty", "-", []string{"latchkey_access=; latchkey_access=good"}, false, 401, noToken},
		{"twice, in two headers", "-", []string{"latchkey_access=good", "latchkey_access=bad"}, false, 401, noToken},
		{"three times, the last is another", "-", []string{"latchkey_access=good; latchkey_access=good; latchkey_access=bad"}, false, 401, noToken},
		{"three times, the last is the first again", "-", []string{"latchkey_access=good; latchkey_access=bad; latchkey_access=good"}, false, 401, noToken},
		{"twice the same", "-", []string{"latchkey_access=good; latchkey_access=good"}, false, 200, ""},
		{"twice the same, in two headers", "-", []string{"latchkey_access=good", "latchkey_access=good"}, false, 200, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := request("GET /api/auth/profile/")
			r.Header["Cookie"] = c.cookies
			if c.authorization != "-" {
				r.Header.Set("Authorization", c.authorization)
			}
			w := do(t, serve(&acts{}, func(o *api.Options) { o.SecureCookies = c.secure }), r)
			if w.Code != c.status || c.status != 200 && w.Body.String() != c.body {
				t.Errorf("have %d %s\nwant %d %s", w.Code, w.Body, c.status, c.body)
			}
			cookies(t, w)
		})
	}
	t.Run("two headers, good cookie", func(t *testing.T) {
		t.Parallel()
		r := request("GET /api/auth/profile/\nAuthorization: Basic x\nAuthorization: Basic y\nCookie: latchkey_access=good")
		expect(t, do(t, serve(&acts{}), r), 401, badHeader)
	})
}

// at is a path of the table with something in the place of {id}.
func at(e api.Endpoint) string {
	if strings.HasPrefix(e.Path, "/api/users/") {
		return e.Method + " " + strings.Replace(e.Path, "{id}", "1", 1)
	}
	return e.Method + " " + strings.Replace(e.Path, "{id}", strings.Repeat("1", 32), 1)
}

// Every endpoint that takes a bearer token takes the cookie, and guards it.
func TestCookieEverywhere(t *testing.T) {
	t.Parallel()
	checked := 0
	for _, e := range api.Endpoints() {
		if !e.Bearer {
			continue
		}
		checked++
		t.Run(at(e), func(t *testing.T) {
			t.Parallel()
			// An administrator: what others may not is asked before all else.
			h := serve(&acts{user: func() (auth.User, error) {
				admin := john
				admin.Role = auth.RoleAdmin
				return admin, nil
			}})
			send := func(header string) *httptest.ResponseRecorder {
				t.Helper()
				return do(t, h, request(at(e)+"\n"+header+"\n\n"+fieldsOf(e.Path)))
			}
			if w := send("Cookie: latchkey_access=good"); w.Code/100 != 2 {
				t.Errorf("with the cookie: %d %s", w.Code, w.Body)
			}
			w := send("Cookie: latchkey_access=bad")
			expect(t, w, 401, invalidInHeader)
			cookies(t, w)
			expect(t, send("Cookie: latchkey_refresh=good"), 401, noToken)
			expect(t, send("Cookie: latchkey_access=good\nSec-Fetch-Site: same-site"), 403, refused)
			if e.Method != "GET" { // it takes no body
				expect(t, send("Cookie: latchkey_access=good\nContent-Type: text/plain"), 415, `{"detail":"Unsupported media type \"text/plain\" in request."}`)
			}
		})
	}
	if checked < 9 {
		t.Errorf("%d endpoints: the table is not what is looked at", checked)
	}
}

// Public endpoints do not look at the access token's cookie, as they do not at
// the Authorization header: one that is stale, or of another page, is no
// obstacle.
func TestCookieOnPublicEndpoints(t *testing.T) {
	t.Parallel()
	h := serve(&acts{authenticate: func(string) (session.Access, error) {
		t.Error("the cookie is looked at")
		return session.Access{}, auth.TokenError(auth.CodeTokenInvalid)
	}})
	for _, r := range []string{
		"GET /api/auth/settings/", "GET /api/schema/",
		"POST /api/auth/login/\n\n" + `{"email":"a@example.com","password":"p"}`,
		"POST /api/auth/register/\n\n" + registration(""),
		"POST /api/auth/token/refresh/\n\n" + `{"refresh":"x"}`,
		"POST /api/auth/token/verify/\n\n" + `{"token":"x"}`,
	} {
		req := request(r)
		req.Header.Set("Cookie", "latchkey_access=stale; latchkey_refresh=stale")
		req.Header.Set("Sec-Fetch-Site", "cross-site")
		w := do(t, h, req)
		if w.Code/100 != 2 {
			t.Errorf("%.40s: %d %s", r, w.Code, w.Body)
		}
		cookies(t, w)
	}
}

// TestRefreshCookie says which token is traded.
func TestRefreshCookie(t *testing.T) {
	t.Parallel()
	const required = `{"refresh":["This field is required."]}`
	for _, c := range []struct {
		name, mode, cookie, body string
		secure                   bool
		want                     string // the token, or the answer
	}{
		{"the guide's way", "", "", `{"refresh":"b"}`, false, "b"},
		{"the guide's way with a cookie beside it", "", "latchkey_refresh=c", `{"refresh":"b"}`, false, "b"},
		{"without Auth-Mode the cookie is not read", "", "latchkey_refresh=c", "", false, required},
		{"nor where the body is empty JSON", "", "latchkey_refresh=c", "{}", false, required},
		{"cookie mode", "cookie", "latchkey_refresh=c", "", false, "c"},
		{"cookie mode, empty JSON", "cookie", "latchkey_refresh=c", "{}", false, "c"},
		{"cookie mode takes a session on from hybrid mode", "cookie", "latchkey_refresh=hybrid.c", "", false, "c"},
		{"hybrid mode", "hybrid", "latchkey_refresh=hybrid.c", "", false, "c"},
		// Else a script in a page in cookie mode would have the access token.
		{"hybrid mode does not take one on from cookie mode", "hybrid", "latchkey_refresh=c", "", false, noToken},
		{"the mark is not looked for within", "hybrid", "latchkey_refresh=c.hybrid.c", "", false, noToken},
		{"the mark in another case", "hybrid", "latchkey_refresh=Hybrid.c", "", false, noToken},
		{"the mark alone", "hybrid", "latchkey_refresh=hybrid.", "", false, noToken},
		{"the mark alone, cookie mode", "cookie", "latchkey_refresh=hybrid.", "", false, noToken},
		{"the body comes first", "cookie", "latchkey_refresh=c", `{"refresh":"b"}`, false, "b"},
		{"the body comes first, by its other name", "hybrid", "latchkey_refresh=hybrid.c", `{"refresh_token":"b"}`, false, "b"},
		{"neither, cookie mode", "cookie", "", "", false, noToken},
		{"neither, hybrid mode", "hybrid", "", "{}", false, noToken},
		{"an empty cookie", "cookie", "latchkey_refresh=", "", false, noToken},
		{"the access token's cookie", "cookie", "latchkey_access=c", "", false, noToken},
		{"twice", "cookie", "latchkey_refresh=c; latchkey_refresh=d", "", false, noToken},
		{"twice the same", "cookie", "latchkey_refresh=c; latchkey_refresh=c", "", false, "c"},
		{"over TLS", "cookie", "__Secure-latchkey_refresh=c", "", true, "c"},
		{"the plain name over TLS", "cookie", "latchkey_refresh=c", "", true, noToken},
		{"the TLS name over HTTP", "cookie", "__Secure-latchkey_refresh=c", "", false, noToken},
		{"null", "cookie", "latchkey_refresh=c", `{"refresh":null}`, false, `{"refresh":["This field may not be null."]}`},
		{"blank", "cookie", "latchkey_refresh=c", `{"refresh":" "}`, false, `{"refresh":["This field may not be blank."]}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			traded := ""
			h := serve(
				&acts{refresh: func(token string, _ time.Time) error { traded = token; return nil }},
				func(o *api.Options) { o.SecureCookies = c.secure },
			)
			r := request("POST /api/auth/token/refresh/")
			if c.body != "" {
				r = request("POST /api/auth/token/refresh/\n\n" + c.body)
			}
			if c.mode != "" {
				r.Header.Set("Auth-Mode", c.mode)
			}
			if c.cookie != "" {
				r.Header.Set("Cookie", c.cookie)
			}
			w := do(t, h, r)
			if !strings.HasPrefix(c.want, "{") {
				if w.Code != 200 || traded != c.want {
					t.Errorf("%d %s, traded %q, want %q", w.Code, w.Body, traded, c.want)
				}
				return
			}
			status := 400
			if c.want == noToken {
				status = 401
			}
			expect(t, w, status, c.want)
			cookies(t, w)
			if traded != "" {
				t.Errorf("traded %q", traded)
			}
		})
	}
}

// Another tab may have won the race for the successor, and the cookie is its: a
// refresh that fails leaves the cookies alone, however it fails.
func TestFailedRefreshLeavesCookies(t *testing.T) {
	t.Parallel()
	for status, err := range map[int]error{
		401: auth.TokenError(auth.CodeTokenBlacklisted), 503: &auth.Error{Kind: auth.Unavailable}, 500: errors.New("no database"),
	} {
		for _, mode := range []string{"cookie", "hybrid"} {
			h := serve(&acts{refresh: func(string, time.Time) error { return err }})
			w := do(t, h, request("POST /api/auth/token/refresh/\nAuth-Mode: "+mode+"\nCookie: latchkey_access=x; latchkey_refresh=hybrid.x"))
			if w.Code != status {
				t.Errorf("%d %s, want %d", w.Code, w.Body, status)
			}
			cookies(t, w)
		}
	}
	// Nor does a login that fails sign anybody out.
	h := serve(&acts{
		password: func(auth.Email, string) error { return &auth.Error{Kind: auth.BadCredentials} },
		replace:  func(string, string) error { t.Error("the session before is ended"); return nil },
	})
	w := do(t, h, request("POST /api/auth/login/\nAuth-Mode: cookie\nCookie: latchkey_refresh=x\n\n"+`{"email":"a@example.com","password":"p"}`))
	cookies(t, w)
}

// A login whose cookie overwrites another one ends the session of that (ASVS
// 7.2.4); where that fails it is logged, and the login has succeeded.
//
// ASVS 7.2.4
func TestReplacedSession(t *testing.T) {
	t.Parallel()
	const login = "POST /api/auth/login/\n%s\n\n" + `{"email":"a@example.com","password":"p"}`
	for _, c := range []struct{ name, header, want string }{
		{"cookie mode", "Auth-Mode: cookie\nCookie: latchkey_refresh=old", "old " + sid},
		{"hybrid mode", "Auth-Mode: hybrid\nCookie: latchkey_refresh=hybrid.old", "old " + sid},
		{"from cookie mode to hybrid", "Auth-Mode: hybrid\nCookie: latchkey_refresh=old", "old " + sid},
		{"from hybrid mode to cookie", "Auth-Mode: cookie\nCookie: latchkey_refresh=hybrid.old", "old " + sid},
		{"no session before", "Auth-Mode: cookie", ""},
		{"no cookie is overwritten", "Cookie: latchkey_refresh=old", ""},
		{"the pair that is not in force", "Auth-Mode: cookie\nCookie: __Secure-latchkey_refresh=old", ""},
		{"one that was planted", "Auth-Mode: cookie\nCookie: latchkey_refresh=old; latchkey_refresh=older", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			for _, failure := range []error{nil, errors.New("disk on fire")} {
				have := ""
				var log bytes.Buffer
				h := serve(&acts{replace: func(token, newSession string) error {
					have = token + " " + newSession
					return failure
				}}, func(o *api.Options) { o.Log = slog.New(slog.NewTextHandler(&log, nil)) })
				w := do(t, h, request(fmt.Sprintf(login, c.header)))
				if w.Code != 200 || have != c.want {
					t.Errorf("%d %s, replaced %q, want %q", w.Code, w.Body, have, c.want)
				}
				if told := strings.Contains(log.String(), "disk on fire"); told != (failure != nil && c.want != "") || strings.Contains(log.String(), "old") {
					t.Errorf("log: %s", log.String())
				}
			}
		})
	}
	t.Run("register", func(t *testing.T) {
		t.Parallel()
		have := ""
		h := serve(&acts{replace: func(token, _ string) error { have = token; return nil }})
		do(t, h, request("POST /api/auth/register/\nAuth-Mode: cookie\nCookie: latchkey_refresh=old\n\n"+registration("")))
		if have != "old" {
			t.Errorf("replaced %q", have)
		}
	})
}

// TestLogoutCookie says what a logout ends and takes back. In cookie mode
// nothing keeps it from signing out.
//
// ASVS 14.3.1
func TestLogoutCookie(t *testing.T) {
	t.Parallel()
	const required = `{"error":"Invalid data","details":{"refresh_token":["This field is required."]}}`
	bad := auth.TokenError(auth.CodeTokenInvalid)
	for _, c := range []struct {
		name, header, body string
		err                error // of a logout with a token
		calls              []string
		status             int
		answer             string
		expires            bool
	}{
		{"by cookie", "Cookie: latchkey_access=good; latchkey_refresh=r", "", nil, []string{"r"}, 200, loggedOut, true},
		{"by cookie, empty JSON", "Cookie: latchkey_access=good; latchkey_refresh=r", "{}", nil, []string{"r"}, 200, loggedOut, true},
		{"by cookie, of hybrid mode", "Cookie: latchkey_access=good; latchkey_refresh=hybrid.r", "", nil, []string{"r"}, 200, loggedOut, true},
		{"by cookie, without the refresh token's", "Cookie: latchkey_access=good", "", nil, []string{""}, 200, loggedOut, true},
		{"by cookie, with a refresh token in the body", "Cookie: latchkey_access=good; latchkey_refresh=r", `{"refresh_token":"b"}`, nil, []string{"b"}, 200, loggedOut, true},
		{"hybrid mode", "Authorization: Bearer good\nAuth-Mode: hybrid\nCookie: latchkey_refresh=hybrid.r", "", nil, []string{"r"}, 200, loggedOut, true},
		{"cookie mode by bearer token", "Authorization: Bearer good\nAuth-Mode: cookie\nCookie: latchkey_refresh=r", "", nil, []string{"r"}, 200, loggedOut, true},
		{"cookie mode without a cookie", "Authorization: Bearer good\nAuth-Mode: cookie", "", nil, []string{""}, 200, loggedOut, true},
		{"a bad refresh cookie", "Cookie: latchkey_access=good; latchkey_refresh=r", "", bad, []string{"r", ""}, 200, loggedOut, true},
		{"a refresh cookie that was planted", "Cookie: latchkey_access=good; latchkey_refresh=r; latchkey_refresh=s", "", nil, []string{""}, 200, loggedOut, true},
		{"a bad refresh token in the body", "Cookie: latchkey_access=good; latchkey_refresh=r", `{"refresh_token":"b"}`, bad, []string{"b"}, 401, invalidToken, false},
		{"no database", "Cookie: latchkey_access=good; latchkey_refresh=r", "", errors.New("no database"), []string{"r"}, 500, `{"detail":"Internal server error."}`, false},
		{"no access token", "Auth-Mode: cookie\nCookie: latchkey_refresh=r", "", nil, nil, 401, noToken, false},
		{"a bad access token", "Auth-Mode: cookie\nCookie: latchkey_access=bad; latchkey_refresh=r", "", nil, nil, 401, invalidInHeader, false},

		{"the guide's way", "Authorization: Bearer good", `{"refresh_token":"b"}`, nil, []string{"b"}, 200, loggedOut, false},
		{"the guide's way with a cookie beside it", "Authorization: Bearer good\nCookie: latchkey_access=good; latchkey_refresh=r", `{"refresh_token":"b"}`, nil, []string{"b"}, 200, loggedOut, false},
		{"the guide's way without a body", "Authorization: Bearer good\nCookie: latchkey_refresh=r", "", nil, nil, 400, required, false},
		{"the guide's way with a bad refresh token", "Authorization: Bearer good", `{"refresh_token":"b"}`, bad, []string{"b"}, 401, invalidToken, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var calls []string
			h := serve(&acts{logout: func(token string) error {
				calls = append(calls, token)
				if token == "" {
					return nil
				}
				return c.err
			}})
			text := "POST /api/auth/logout/\n" + c.header
			if c.body != "" {
				text += "\n\n" + c.body
			}
			w := do(t, h, request(text))
			expect(t, w, c.status, c.answer)
			if c.expires {
				cookies(t, w, expired...)
			} else {
				cookies(t, w)
			}
			if !slices.Equal(calls, c.calls) {
				t.Errorf("logged out with %q, want %q", calls, c.calls)
			}
		})
	}
	t.Run("over TLS", func(t *testing.T) {
		t.Parallel()
		w := do(t, serve(&acts{}, secure), request("POST /api/auth/logout/\nCookie: __Host-latchkey_access=good"))
		cookies(t, w, "__Host-latchkey_access"+accessUnset+"; Secure", "__Secure-latchkey_refresh"+refreshUnset+"; Secure")
	})
}

// Signing out this device by its entry in the list is a logout.
func TestEndSessionCookie(t *testing.T) {
	t.Parallel()
	other := strings.Repeat("2", 32)
	for _, c := range []struct {
		name, id, header string
		err              error
		status           int
		expires          bool
	}{
		{"this one, by cookie", sid, "Cookie: latchkey_access=good", nil, 204, true},
		{"this one, in hybrid mode", sid, "Authorization: Bearer good\nAuth-Mode: hybrid", nil, 204, true},
		{"this one, by bearer token", sid, "Authorization: Bearer good", nil, 204, false},
		{"this one, by bearer token with a cookie beside it", sid, "Authorization: Bearer good\nCookie: latchkey_access=good", nil, 204, false},
		{"another one", other, "Cookie: latchkey_access=good", nil, 204, false},
		{"another one, in hybrid mode", other, "Authorization: Bearer good\nAuth-Mode: hybrid", nil, 204, false},
		{"this one, which has ended meanwhile", sid, "Cookie: latchkey_access=good", auth.ErrNotFound, 404, false},
		{"no database", sid, "Cookie: latchkey_access=good", errors.New("no database"), 500, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			h := serve(&acts{
				authenticate: func(string) (session.Access, error) {
					return session.Access{AccessIdentity: auth.AccessIdentity{UserID: john.ID, SessionID: sid}}, nil
				},
				end: func(id string) error {
					if id != c.id {
						t.Errorf("ends %q", id)
					}
					return c.err
				},
			})
			w := do(t, h, request("DELETE /api/auth/sessions/"+c.id+"/\n"+c.header))
			if w.Code != c.status {
				t.Errorf("%d %s, want %d", w.Code, w.Body, c.status)
			}
			if c.expires {
				cookies(t, w, expired...)
			} else {
				cookies(t, w)
			}
		})
	}
}

// TestVerifyCookie says which token is judged where none is named.
func TestVerifyCookie(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, header, body, want string }{
		{"access", "Auth-Mode: cookie\nCookie: latchkey_access=a; latchkey_refresh=r", "", "a"},
		{"refresh", "Auth-Mode: cookie\nCookie: latchkey_refresh=r", "", "r"},
		{"refresh of hybrid mode", "Auth-Mode: hybrid\nCookie: latchkey_refresh=hybrid.r", "", "r"},
		{"the body comes first", "Auth-Mode: cookie\nCookie: latchkey_access=a", `{"token":"b"}`, "b"},
		{"neither", "Auth-Mode: cookie", "", noToken},
		{"without Auth-Mode", "Cookie: latchkey_access=a", "", `{"token":["This field is required."]}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			judged := ""
			h := serve(&acts{verify: func(token string) error { judged = token; return nil }})
			text := "POST /api/auth/token/verify/\n" + c.header
			if c.body != "" {
				text += "\n\n" + c.body
			}
			w := do(t, h, request(text))
			switch {
			case c.want == noToken:
				expect(t, w, 401, noToken)
			case strings.HasPrefix(c.want, "{"):
				expect(t, w, 400, c.want)
			default:
				expect(t, w, 200, "{}")
				if judged != c.want {
					t.Errorf("judged %q, want %q", judged, c.want)
				}
			}
			cookies(t, w)
		})
	}
	h := serve(&acts{verify: func(string) error { return auth.TokenError(auth.CodeTokenInvalid) }})
	expect(t, do(t, h, request("POST /api/auth/token/verify/\nAuth-Mode: cookie\nCookie: latchkey_access=a")), 401, invalidToken)
}

// listed is the one origin of the allow-list.
func listed(o *api.Options) {
	o.AllowedOrigin = func(origin string) bool { return origin == "https://app.example.org" }
}

// TestCrossOrigin is the table of who may make a request for which a cookie is
// the credential or is set: docs/decisions/0004-cookie-mode.md. The server is
// http://example.com.
//
// LESSON 33
func TestCrossOrigin(t *testing.T) {
	t.Parallel()
	const pass, not = true, false
	for _, c := range []struct {
		origin, site string // "" is no header
		read, write  bool
	}{
		// No browser, or an old one on its own page.
		{"", "", pass, pass},
		{"http://example.com", "", pass, pass},
		// A browser's own word.
		{"", "same-origin", pass, pass},
		{"http://example.com", "same-origin", pass, pass},
		{"", "none", pass, pass}, // typed, or from a bookmark
		{"", "same-site", not, not},
		{"", "cross-site", not, not},
		{"", "Same-Origin", not, not},
		{"", "same-origin, cross-site", not, not},
		{"http://example.com", "same-site", not, not},
		{"http://example.com", "cross-site", not, not},
		// Behind a proxy that changes the Host, whoever does not set public_url.
		{"https://auth.example.net", "same-origin", pass, pass},
		// On the list.
		{"https://app.example.org", "", pass, pass},
		{"https://app.example.org", "same-site", pass, pass},
		{"https://app.example.org", "cross-site", pass, pass},
		// Not on it. A browser that says no more than its Origin is judged by
		// that, also where nothing is changed.
		{"https://evil.example", "", not, not},
		{"https://evil.example", "same-site", not, not},
		{"https://evil.example", "cross-site", not, not},
		{"https://evil.example", "none", pass, pass}, // contradicts itself; no browser says so
		{"null", "", not, not},
		{"null", "cross-site", not, not},
		// Nearly ours, nearly listed.
		{"http://example.com:8080", "", not, not},
		{"http://example.com.evil.example", "", not, not},
		{"http://evil-example.com", "", not, not},
		{"http://sub.example.com", "", not, not},
		{"example.com", "", not, not},
		{"http://user@evil.example/example.com", "", not, not},
		{"https://app.example.org.evil.example", "cross-site", not, not},
		{"https://app.example.org.evil.example", "", not, not},
		{"https://evil-app.example.org", "", not, not},
		{"http://app.example.org", "", not, not},
		{"https://app.example.org:8443", "", not, not},
		{"https://app.example.org, https://evil.example", "", not, not},
	} {
		for _, credential := range []struct {
			name, header string
			judged       bool
		}{
			{"cookie", "Cookie: latchkey_access=good", true},
			{"cookie and Auth-Mode", "Cookie: latchkey_access=good\nAuth-Mode: cookie", true},
			{"bearer token and Auth-Mode", "Authorization: Bearer good\nAuth-Mode: hybrid", true},
			// No browser adds a bearer token by itself.
			{"bearer token", "Authorization: Bearer good", false},
			{"bearer token with a cookie beside it", "Authorization: Bearer good\nCookie: latchkey_access=good", false},
		} {
			for _, method := range []string{"GET", "HEAD", "PUT", "PATCH", "DELETE", "POST"} {
				path, want := "/api/auth/profile/", c.write
				switch method {
				case "GET", "HEAD":
					want = c.read
				case "DELETE":
					path = "/api/auth/sessions/"
				case "POST":
					path = "/api/auth/logout/"
				}
				text := method + " " + path + "\n" + credential.header
				if path == "/api/auth/logout/" {
					text += "\n\n" + `{"refresh":"x"}`
				}
				judge(t, text, c.origin, c.site, want || !credential.judged)
			}
		}
		// Where there is no credential yet a cookie would be set: nobody is to
		// be signed in to somebody else's account.
		for _, text := range []string{
			"POST /api/auth/login/\nAuth-Mode: cookie\n\n" + `{"email":"a@example.com","password":"p"}`,
			"POST /api/auth/register/\nAuth-Mode: hybrid\n\n" + registration(""),
			"POST /api/auth/token/refresh/\nAuth-Mode: cookie\n\n" + `{"refresh":"x"}`,
			"POST /api/auth/token/refresh/\nAuth-Mode: cookie\nCookie: latchkey_refresh=x",
			"POST /api/auth/token/verify/\nAuth-Mode: cookie\nCookie: latchkey_access=x",
		} {
			judge(t, text, c.origin, c.site, c.write)
			plain := strings.NewReplacer("\nAuth-Mode: cookie", "", "\nAuth-Mode: hybrid", "").Replace(text)
			if strings.Contains(plain, "\n\n") {
				judge(t, plain, c.origin, c.site, pass)
			}
		}
	}
}

// judge sends a request from somewhere and holds that it passes, or that it is
// refused with nothing done.
func judge(t *testing.T, text, origin, site string, passes bool) {
	t.Helper()
	acted := false
	act := func() error { acted = true; return nil }
	h := serve(&acts{
		password: func(auth.Email, string) error { return act() },
		register: func(account.Registration) error { return act() },
		refresh:  func(string, time.Time) error { return act() },
		verify:   func(string) error { return act() },
		logout:   func(string) error { return act() },
		update:   func(account.Profile) error { return act() },
	}, listed)
	r := request(text)
	if origin != "" {
		r.Header.Set("Origin", origin)
	}
	if site != "" {
		r.Header.Set("Sec-Fetch-Site", site)
	}
	w := do(t, h, r)
	what := fmt.Sprintf("%q from %q, %q", text, origin, site)
	if passes {
		if w.Code/100 != 2 {
			t.Errorf("%s: %d %s", what, w.Code, w.Body)
		}
		return
	}
	if w.Code != http.StatusForbidden || r.Method != "HEAD" && w.Body.String() != refused || acted || len(w.Header()["Set-Cookie"]) > 0 {
		t.Errorf("%s: %d %s, acted %v, %q, want 403", what, w.Code, w.Body, acted, w.Header()["Set-Cookie"])
	}
}

// Every endpoint but those that answer everybody alike is guarded where a cookie
// would be set or be the credential, and its description says so.
//
// LESSON 33
func TestCrossOriginEverywhere(t *testing.T) {
	t.Parallel()
	for _, e := range api.Endpoints() {
		for _, from := range []string{"Sec-Fetch-Site: cross-site", "Sec-Fetch-Site: same-site", "Origin: https://evil.example", "Origin: null"} {
			w := do(t, serve(&acts{}, docs), request(at(e)+"\nAuthorization: Bearer good\nAuth-Mode: cookie\n"+from))
			if e.Service {
				expect(t, w, 401, noToken)
				continue
			}
			if e.Open && w.Code != 200 || !e.Open && (w.Code != 403 || w.Body.String() != refused) {
				t.Errorf("%s, %s: %d %s", at(e), from, w.Code, w.Body)
			}
		}
	}
}

// What is refused is refused before the credential, the method and the body are
// looked at; but of a stranger's cookie nothing is told that a stranger's page
// could use.
func TestCrossOriginComesFirst(t *testing.T) {
	t.Parallel()
	h := serve(&acts{authenticate: func(string) (session.Access, error) {
		t.Error("the token is looked at")
		return session.Access{}, auth.TokenError(auth.CodeTokenInvalid)
	}})
	for _, text := range []string{
		"GET /api/auth/profile/\nCookie: latchkey_access=bad",
		"FOO /api/auth/profile/\nCookie: latchkey_access=bad",
		"PUT /api/auth/profile/\nCookie: latchkey_access=bad\nContent-Type: text/plain\n\nx",
		"POST /api/auth/logout/\nAuth-Mode: cookie\n\n{",
	} {
		r := request(text)
		r.Header.Set("Sec-Fetch-Site", "cross-site")
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		expect(t, w, 403, refused)
	}
}

// Where public_url says how people reach this server, a proxy that changes the
// Host is no obstacle; and nothing else becomes ours by it.
func TestCrossOriginBehindProxy(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		public, origin, site string
		passes               bool
	}{
		{"https://auth.example.com", "https://auth.example.com", "", true},
		{"https://auth.example.com", "https://auth.example.com", "same-origin", true},
		{"https://auth.example.com/base", "https://auth.example.com", "", true},
		{"https://auth.example.com:8443", "https://auth.example.com:8443", "", true},
		{"", "https://auth.example.com", "", false},
		{"https://auth.example.com", "http://auth.example.com", "", false},
		{"https://auth.example.com", "https://auth.example.com:8443", "", false},
		{"https://auth.example.com", "https://auth.example.com.evil.example", "", false},
		{"https://auth.example.com", "https://evil.example", "", false},
		{"https://auth.example.com", "null", "", false},
		// The page is ours, also where it asks at another of our addresses.
		{"https://auth.example.com", "https://auth.example.com", "same-site", true},
		// However the operator spells it, a browser spells it one way.
		{"HTTPS://Auth.Example.com", "https://auth.example.com", "", true},
		{"https://auth.example.com:443/", "https://auth.example.com", "", true},
		{"http://auth.example.com:80", "http://auth.example.com", "", true},
	} {
		r := request("POST /api/auth/login/\nAuth-Mode: cookie\nOrigin: " + c.origin + "\n\n" + `{"email":"a@example.com","password":"p"}`)
		if c.site != "" {
			r.Header.Set("Sec-Fetch-Site", c.site)
		}
		r.Host = "10.0.0.5:8000"
		w := do(t, serve(&acts{}, func(o *api.Options) { o.PublicURL = c.public }), r)
		if (w.Code == 200) != c.passes || !c.passes && w.Code != 403 {
			t.Errorf("public_url %q, origin %s %q: %d %s", c.public, c.origin, c.site, w.Code, w.Body)
		}
	}
}

// In body mode too no page of another origin makes a visitor's browser try
// passwords or register: what it can send without a preflight is refused. What
// needs one is for the CORS list to refuse, and clients that are no browsers are
// not concerned.
//
// LESSON 33
func TestFormsOfOtherPages(t *testing.T) {
	t.Parallel()
	tried := 0
	h := serve(&acts{password: func(auth.Email, string) error {
		tried++
		return nil
	}}, listed)
	const (
		form = "Content-Type: application/x-www-form-urlencoded\n%s\n\nemail=a%%40example.com&password=p"
		text = "Content-Type: text/plain\n%s\n\n{\"email\":\"a@example.com\",\"password\":\"p\"}"
		none = "Content-Type: \n%s\n\n{\"email\":\"a@example.com\",\"password\":\"p\"}"
		json = "Content-Type: application/json\n%s\n\n{\"email\":\"a@example.com\",\"password\":\"p\"}"
	)
	for _, c := range []struct {
		body, from string
		want       int
	}{
		{form, "Origin: https://evil.example", 403},
		{form, "Origin: null", 403},
		{form, "Origin: https://evil.example\nSec-Fetch-Site: cross-site", 403},
		{form, "Sec-Fetch-Site: same-site", 403},
		{text, "Origin: https://evil.example", 403},
		{none, "Origin: https://evil.example", 403},
		{strings.ReplaceAll(form, "application/x-www-form-urlencoded", "Multipart/Form-Data; boundary=X"), "Sec-Fetch-Site: cross-site", 403},
		{form, "Origin: https://app.example.org\nSec-Fetch-Site: cross-site", 200},
		{form, "Sec-Fetch-Site: same-origin", 200},
		{form, "User-Agent: curl", 200},
		{json, "Origin: https://evil.example", 200},
	} {
		before := tried
		w := do(t, h, request("POST /api/auth/login/\n"+fmt.Sprintf(c.body, c.from)))
		if w.Code != c.want || (tried > before) != (c.want == 200) {
			t.Errorf("%s: %d %s, tried %v", fmt.Sprintf(c.body, c.from), w.Code, w.Body, tried > before)
		}
	}
}

// A form of another page can send every body but JSON without a preflight.
//
// LESSON 33
func TestJSONOnly(t *testing.T) {
	t.Parallel()
	h := serve(&acts{})
	unsupported := func(s string) string { return `{"detail":"Unsupported media type \"` + s + `\" in request."}` }
	const (
		urlencoded = "application/x-www-form-urlencoded"
		multipart  = "multipart/form-data; boundary=X"
		login      = `{"email":"a@example.com","password":"p","refresh":"x","first_name":"F"}`
	)
	for _, c := range []struct {
		name, body string
		media      []string
		want       string // "" passes
	}{
		{"JSON", login, []string{"application/json"}, ""},
		{"JSON with a charset", login, []string{"application/json; charset=utf-8"}, ""},
		{"JSON in capitals", login, []string{"APPLICATION/JSON"}, ""},
		{"urlencoded", "email=a%40example.com&password=p&refresh=x&first_name=F", []string{urlencoded}, unsupported(urlencoded)},
		{"multipart", "--X\r\nContent-Disposition: form-data; name=\"email\"\r\n\r\na@example.com\r\n--X--\r\n", []string{multipart}, unsupported(multipart)},
		{"text/plain", login, []string{"text/plain"}, unsupported("text/plain")},
		{"text/plain that says JSON", login, []string{"text/plain; x=application/json"}, unsupported("text/plain; x=application/json")},
		{"no type", login, nil, unsupported("")},
		{"an empty type", login, []string{""}, unsupported("")},
		{"nearly JSON", login, []string{"application/json-patch+json"}, unsupported("application/json-patch+json")},
		{"JSON twice", login, []string{"application/json", "application/json"}, unsupported("application/json,application/json")},
		{"JSON after a form", login, []string{urlencoded, "application/json"}, unsupported(urlencoded + ",application/json")},
	} {
		for _, text := range []string{
			"POST /api/auth/login/\nAuth-Mode: cookie",
			"POST /api/auth/token/refresh/\nAuth-Mode: hybrid\nCookie: latchkey_refresh=hybrid.x",
			"PUT /api/auth/profile/\nCookie: latchkey_access=good",
			"POST /api/auth/logout/\nCookie: latchkey_access=good",
			"POST /api/auth/logout/\nAuthorization: Bearer good\nAuth-Mode: cookie",
		} {
			t.Run(c.name+" "+text, func(t *testing.T) {
				t.Parallel()
				r := request(text + "\n\n" + c.body)
				r.Header["Content-Type"] = c.media
				if c.media == nil {
					delete(r.Header, "Content-Type")
				}
				w := do(t, h, r)
				if c.want != "" {
					expect(t, w, 415, c.want)
					cookies(t, w)
				} else if w.Code != 200 {
					t.Errorf("%d %s", w.Code, w.Body)
				}
			})
		}
	}
	// Also where no body is read, so that no form of another page does anything.
	t.Run("endpoints without a form", func(t *testing.T) {
		t.Parallel()
		for _, media := range [][]string{nil, {"text/plain"}, {"application/json-patch+json"}, {"application/json", "application/json"}, {urlencoded}} {
			for _, path := range []string{"/api/auth/sessions/", "/api/auth/sessions/" + sid + "/"} {
				r := request("DELETE " + path + "\nCookie: latchkey_access=good\n\n{}")
				r.Header["Content-Type"] = media
				if media == nil {
					delete(r.Header, "Content-Type")
				}
				w := httptest.NewRecorder()
				h.ServeHTTP(w, r)
				expect(t, w, 415, unsupported(strings.Join(media, ",")))
			}
		}
	})
	t.Run("a form where no cookie is in play", func(t *testing.T) {
		t.Parallel()
		for _, text := range []string{
			"POST /api/auth/login/", "PUT /api/auth/profile/\nAuthorization: Bearer good",
			"POST /api/auth/token/refresh/", "POST /api/auth/logout/\nAuthorization: Bearer good\nCookie: latchkey_access=good",
		} {
			r := request(text + "\nContent-Type: " + urlencoded + "\n\nemail=a%40example.com&password=p&refresh=x&first_name=F")
			if w := do(t, h, r); w.Code != 200 {
				t.Errorf("%s: %d %s", text, w.Code, w.Body)
			}
		}
	})
	t.Run("after the token and the method", func(t *testing.T) {
		t.Parallel()
		const form = "\nContent-Type: text/plain\n\nx"
		expect(t, do(t, h, request("PUT /api/auth/profile/\nCookie: latchkey_access=bad"+form)), 401, invalidInHeader)
		expect(t, do(t, h, request("PUT /api/auth/logout/\nCookie: latchkey_access=good"+form)), 405, `{"detail":"Method \"PUT\" not allowed."}`)
	})
}

// A registration that needs an admin takes the admin's cookie, and guards it as
// every other endpoint does, also without Auth-Mode.
func TestRegisterByCookie(t *testing.T) {
	t.Parallel()
	admin := john
	admin.Role = auth.RoleAdmin
	for _, c := range []struct {
		name, header string
		shut         bool
		status       int
	}{
		{"a role that is not for everybody", "Cookie: latchkey_access=good", false, 201},
		{"registration is closed", "Cookie: latchkey_access=good", true, 201},
		{"a stale cookie", "Cookie: latchkey_access=bad", false, 400},
		{"a stale cookie, closed", "Cookie: latchkey_access=bad", true, 403},
		{"another origin", "Cookie: latchkey_access=good\nSec-Fetch-Site: same-site", false, 403},
		{"another origin, closed", "Cookie: latchkey_access=good\nOrigin: https://evil.example", true, 403},
		{"no JSON", "Cookie: latchkey_access=good\nContent-Type: application/x-www-form-urlencoded", false, 415},
		{"no JSON, closed", "Cookie: latchkey_access=good\nContent-Type: application/x-www-form-urlencoded", true, 415},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			registered := false
			h := serve(&acts{
				user:     func() (auth.User, error) { return admin, nil },
				register: func(account.Registration) error { registered = true; return nil },
			}, func(o *api.Options) { o.RegistrationOpen = !c.shut })
			body := registration("manager")
			if strings.Contains(c.header, "form") {
				body = "email=a%40example.com&password=p&password2=p&first_name=F&last_name=L&role=manager"
			}
			w := do(t, h, request("POST /api/auth/register/\n"+c.header+"\n\n"+body))
			if w.Code != c.status || registered != (c.status == 201) {
				t.Errorf("%d %s, registered %v, want %d", w.Code, w.Body, registered, c.status)
			}
		})
	}
}

func TestHasCookie(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		cookie       string
		plain, byTLS bool
	}{
		{"", false, false},
		{"a=b", false, false},
		{"latchkey_access=x", true, false},
		{"latchkey_refresh=x", true, false},
		{"a=b; latchkey_refresh=", true, false},
		{"latchkey_access=x; latchkey_access=y", true, false},
		{"__Host-latchkey_access=x", false, true},
		{"__Secure-latchkey_refresh=x", false, true},
		{"__Secure-latchkey_access=x; __Host-latchkey_refresh=x", false, false},
	} {
		r := request("GET /")
		if c.cookie != "" {
			r.Header.Set("Cookie", c.cookie)
		}
		if plain, byTLS := api.HasCookie(r, false), api.HasCookie(r, true); plain != c.plain || byTLS != c.byTLS {
			t.Errorf("%q: have %v and %v, want %v and %v", c.cookie, plain, byTLS, c.plain, c.byTLS)
		}
	}
}

// A browser gives a cookie whose name begins with a Unicode space none of the
// prefix' guarantees, so such a name is another name.
func TestCookiePrefixAndSpaces(t *testing.T) {
	t.Parallel()
	const name = "__Host-latchkey_access"
	for _, space := range []string{"\u0085", "\u00a0", "\u1680", "\u2000", "\u200a", "\u2028", "\u202f", "\u205f", "\u3000", "\v", "\f"} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Header.Set("Cookie", "a=b; "+space+name+"=planted")
		if api.HasCookie(r, true) {
			t.Errorf("%q before a name counts as white space", space)
		}
		h := serve(&acts{}, func(o *api.Options) { o.SecureCookies = true })
		for cookie, status := range map[string]int{
			space + name + "=good":                           401,
			name + "=good; " + space + name + "=planted":     200,
			"\t" + name + "=good":                            200,
			" \t " + name + "=good; other=1; \t" + "b=\"2\"": 200,
		} {
			r := httptest.NewRequest(http.MethodGet, "/api/auth/profile/", nil)
			r.Header.Set("Cookie", cookie)
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			if w.Code != status {
				t.Errorf("Cookie: %q: %d, want %d", cookie, w.Code, status)
			}
		}
	}
}

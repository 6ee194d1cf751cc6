package latchkey

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

const (
	notValid  = `{"detail":"Given token not valid for any token type","code":"token_not_valid","messages":[{"token_class":"AccessToken","token_type":"access","message":"Token is invalid or expired"}]}`
	noCred    = `{"detail":"Authentication credentials were not provided."}`
	badHeader = `{"detail":"Authorization header must contain two space-delimited values","code":"bad_authorization_header"}`
	forbidden = `{"detail":"You do not have permission to perform this action."}`
)

// tells is a handler that says whom it serves.
func tells(w http.ResponseWriter, r *http.Request) {
	c, ok := FromContext(r.Context())
	if !ok {
		w.WriteHeader(http.StatusTeapot)
		return
	}
	_, _ = w.Write([]byte("hello " + string(c.Role)))
}

// ASVS 10.3.2
func TestRequire(t *testing.T) {
	k := hmacSigner(testSecret)
	v := verifier(t, Options{HS256Keys: [][]byte{testSecret}, Sessionless: true})
	as := func(role Role) []string { return []string{"Bearer " + k.token(payload("role", `"`+string(role)+`"`))} }
	good := as(Employee)[0]
	token := strings.TrimPrefix(good, "Bearer ")
	staff := []Role{Admin, Manager}
	for _, tt := range []struct {
		name          string
		roles         []Role
		authorization []string
		status        int
		body          string
	}{
		{"nothing", nil, nil, 401, noCred},
		{"empty", nil, []string{""}, 401, noCred},
		{"another scheme", nil, []string{"Basic dTpw"}, 401, noCred},
		{"a longer scheme", nil, []string{"Bearers " + token}, 401, noCred},
		{"the token alone", nil, []string{token}, 401, noCred},
		{"Bearer alone", nil, []string{"Bearer"}, 401, badHeader},
		{"Bearer and a blank", nil, []string{"Bearer "}, 401, badHeader},
		{"two words", nil, []string{good + " x"}, 401, badHeader},
		{"twice", nil, []string{good, good}, 401, badHeader},
		{"a bad one", nil, []string{"Bearer x"}, 401, notValid},
		{"expired", nil, []string{"Bearer " + k.token(payload("exp", "1"))}, 401, notValid},
		{"refresh", nil, []string{"Bearer " + k.token(payload("token_type", `"refresh"`))}, 401, strings.Replace(notValid, "Token is invalid or expired", "Token has wrong type", 1)},
		{"no type", nil, []string{"Bearer " + k.token(payload("token_type", ""))}, 401, strings.Replace(notValid, "Token is invalid or expired", "Token has no type", 1)},
		{"no jti", nil, []string{"Bearer " + k.token(payload("jti", ""))}, 401, strings.Replace(notValid, "Token is invalid or expired", "Token has no id", 1)},
		{"no exp", nil, []string{"Bearer " + k.token(payload("exp", ""))}, 401, strings.Replace(notValid, "Token is invalid or expired", "Token has no 'exp' claim", 1)},
		{"no user", nil, []string{"Bearer " + k.token(payload("user_id", ""))}, 401, `{"detail":"Token contained no recognizable user identification","code":"token_not_valid"}`},
		{"any role", nil, as(Client), 200, "hello client"},
		{"lower case", nil, []string{"bearer " + token}, 200, "hello employee"},
		{"upper case", nil, []string{"BEARER  \t" + token + " "}, 200, "hello employee"},
		{"admin", staff, as(Admin), 200, "hello admin"},
		{"manager", staff, as(Manager), 200, "hello manager"},
		{"employee", staff, as(Employee), 403, forbidden},
		{"client", staff, as(Client), 403, forbidden},
		{"a role that is not there", staff, as("root"), 403, forbidden},
		{"Admin", staff, as("Admin"), 403, forbidden},
		{"Django's token, any role", nil, []string{"Bearer " + k.token(payload("sid", "", "role", `"admin"`))}, 200, "hello "},
		{"Django's token has no role", staff, []string{"Bearer " + k.token(payload("sid", "", "role", `"admin"`))}, 403, forbidden},
		{"the empty role", []Role{""}, as("client"), 403, forbidden},
		{"bad and of a wrong role", staff, []string{"Bearer x"}, 401, notValid},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := httptest.NewRequest(http.MethodGet, "/", nil)
			r.Header["Authorization"] = tt.authorization
			w := httptest.NewRecorder()
			v.Require(tt.roles...)(http.HandlerFunc(tells)).ServeHTTP(w, r)
			if w.Code != tt.status || w.Body.String() != tt.body {
				t.Errorf("%d %s\nwant %d %s", w.Code, w.Body, tt.status, tt.body)
			}
			if tt.status == 200 {
				return
			}
			h := w.Header()
			if h.Get("Content-Type") != "application/json" || h.Get("Cache-Control") != "no-store" {
				t.Errorf("headers %v", h)
			}
			if got := h.Get("WWW-Authenticate"); (got == `Bearer realm="api"`) != (tt.status == 401) {
				t.Errorf("WWW-Authenticate: %q", got)
			}
		})
	}
}

func TestRequireUnavailable(t *testing.T) {
	s := newServer(t, edSigner("k"))
	s.set(func() { s.feedFail = 500 })
	v := verifier(t, s.options())
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.Header.Set("Authorization", "Bearer "+edSigner("k").token(payload()))
	w := httptest.NewRecorder()
	v.Require()(http.HandlerFunc(tells)).ServeHTTP(w, r)
	if w.Code != 503 || w.Header().Get("Retry-After") != "1" || w.Header().Get("WWW-Authenticate") != "" ||
		w.Body.String() != `{"detail":"Service temporarily unavailable, try again later."}` {
		t.Errorf("%d %v %s", w.Code, w.Header(), w.Body)
	}
}

func TestCookie(t *testing.T) {
	const name = "__Host-latchkey_access"
	k := hmacSigner(testSecret)
	token := k.token(payload())
	with := verifier(t, Options{HS256Keys: [][]byte{testSecret}, Cookie: name})
	without := verifier(t, Options{HS256Keys: [][]byte{testSecret}})
	for _, tt := range []struct {
		name     string
		v        *Verifier
		method   string
		cookie   string
		header   map[string]string
		status   int
		contains string
	}{
		{"cookie", with, "GET", name + "=" + token, nil, 200, "hello employee"},
		{"own origin", with, "POST", name + "=" + token, map[string]string{"Sec-Fetch-Site": "same-origin"}, 200, "hello"},
		{"another origin", with, "POST", name + "=" + token, map[string]string{"Sec-Fetch-Site": "cross-site"}, 403, "Cross-origin"},
		{"a sibling", with, "DELETE", name + "=" + token, map[string]string{"Sec-Fetch-Site": "same-site"}, 403, "Cross-origin"},
		{"another origin, old browser", with, "POST", name + "=" + token, map[string]string{"Origin": "https://evil.example"}, 403, "Cross-origin"},
		{"another origin with a bearer", with, "POST", "", map[string]string{"Sec-Fetch-Site": "cross-site", "Authorization": "Bearer " + token}, 200, "hello"},
		{"a bad bearer beside a good cookie", with, "GET", name + "=" + token, map[string]string{"Authorization": "Bearer x"}, 401, "token_not_valid"},
		{"two", with, "GET", name + "=x; " + name + "=" + token, nil, 401, "not provided"},
		{"empty", with, "GET", name + "=", nil, 401, "not provided"},
		{"another name", with, "GET", "latchkey_access=" + token, nil, 401, "not provided"},
		{"not asked for", without, "GET", name + "=" + token, nil, 401, "not provided"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := httptest.NewRequest(tt.method, "/", nil)
			if tt.cookie != "" {
				r.Header.Set("Cookie", tt.cookie)
			}
			for k, v := range tt.header {
				r.Header.Set(k, v)
			}
			w := httptest.NewRecorder()
			tt.v.Require()(http.HandlerFunc(tells)).ServeHTTP(w, r)
			if w.Code != tt.status || !strings.Contains(w.Body.String(), tt.contains) {
				t.Errorf("%d %s", w.Code, w.Body)
			}
		})
	}
}

func TestContext(t *testing.T) {
	if c, ok := FromContext(t.Context()); ok || c != nil {
		t.Error("claims out of nowhere")
	}
	want := &Claims{UserID: 7}
	if c, ok := FromContext(NewContext(context.Background(), want)); !ok || c != want {
		t.Error("claims got lost")
	}
}

package api_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/latchkey-auth/latchkey/internal/account"
	"github.com/latchkey-auth/latchkey/internal/api"
	"github.com/latchkey-auth/latchkey/internal/api/apitest"
	"github.com/latchkey-auth/latchkey/internal/auth"
	"github.com/latchkey-auth/latchkey/internal/session"
)

// acts stands for the acts where a test needs an answer that the real ones do
// not give at will. Nil functions answer well.
type acts struct {
	authenticate func(token string) (session.Access, error)
	user         func() (auth.User, error)
	refresh      func(token string, arrived time.Time) error
	logout       func(token string) error
	verify       func(token string) error
	password     func(email auth.Email, password string) error
	register     func(r account.Registration) error
	update       func(p account.Profile) error
	replace      func(token, newSession string) error
	sessions     func(a session.Access) []auth.Session
	end          func(id string) error
	change       func(p account.PasswordChange) error
	events       func(before int64, limit int) []auth.Event
	confirmed    func(who session.Access) error
	confirm      func(password string) error
	actor        func(by *account.Actor) // of creating and editing
	acted        func()                  // by what needs a fresh proof
}

var (
	john = auth.User{
		ID: 7, Email: "john@example.com", FirstName: "John", LastName: "Doe", Phone: "+1234567890", Role: auth.RoleEmployee,
		CreatedAt: time.Date(2026, 11, 23, 4, 54, 41, 123456789, time.UTC),
		UpdatedAt: time.Date(2026, 11, 23, 6, 54, 41, 0, time.FixedZone("CET", 3600)),
	}
	pair = session.Tokens{
		Access: "a.a.a", AccessExpires: noon.Add(3 * time.Hour).Unix(),
		Refresh: "r.r.r", RefreshExpires: noon.Add(72 * time.Hour).Unix(), SessionID: sid,
	}
)

// sid is the session of pair.
const sid = "0193537a70007000800000000000000a"

const johnShown = `{"id":7,"email":"john@example.com","first_name":"John","last_name":"Doe","role":"employee"}`

func (a *acts) Authenticate(_ context.Context, token string) (session.Access, error) {
	if a.authenticate != nil {
		return a.authenticate(token)
	}
	if token != "good" {
		return session.Access{}, auth.TokenError(auth.CodeTokenInvalid)
	}
	return session.Access{AccessIdentity: auth.AccessIdentity{UserID: john.ID}}, nil
}

func (a *acts) User(context.Context, session.Access) (auth.User, error) {
	if a.user != nil {
		return a.user()
	}
	return john, nil
}

func (a *acts) Live(context.Context, session.Access) error { return nil }

func (a *acts) Refresh(_ context.Context, token string, _ auth.Client, arrived time.Time) (session.Tokens, auth.User, error) {
	if a.refresh != nil {
		if err := a.refresh(token, arrived); err != nil {
			return session.Tokens{}, auth.User{}, err
		}
	}
	return pair, john, nil
}

func (a *acts) Logout(_ context.Context, _ session.Access, token string, _ auth.Client) error {
	if a.logout != nil {
		return a.logout(token)
	}
	return nil
}

func (a *acts) Verify(_ context.Context, token string) error {
	if a.verify != nil {
		return a.verify(token)
	}
	return nil
}

func (a *acts) Password(_ context.Context, email auth.Email, password string, _ auth.Client, _ string) (session.Tokens, auth.User, error) {
	if a.password != nil {
		if err := a.password(email, password); err != nil {
			return session.Tokens{}, auth.User{}, err
		}
	}
	return pair, john, nil
}

func (a *acts) Register(_ context.Context, r account.Registration, _ auth.Client) (session.Tokens, auth.User, error) {
	if a.register != nil {
		if err := a.register(r); err != nil {
			return session.Tokens{}, auth.User{}, err
		}
	}
	return pair, auth.User{ID: 8, Email: r.Email.Shown, FirstName: r.FirstName, LastName: r.LastName, Role: r.Role}, nil
}

func (a *acts) Replace(_ context.Context, token, newSession string, _ auth.Client) error {
	if a.replace != nil {
		return a.replace(token, newSession)
	}
	return nil
}

func (a *acts) Sessions(_ context.Context, s session.Access) ([]auth.Session, error) {
	if a.sessions != nil {
		return a.sessions(s), nil
	}
	return nil, nil
}

func (a *acts) End(_ context.Context, _ session.Access, id string, _ auth.Client) error {
	if a.end != nil {
		return a.end(id)
	}
	return nil
}

func (a *acts) EndOthers(context.Context, session.Access, auth.Client) (int, error) { return 2, nil }

func (a *acts) ChangePassword(_ context.Context, _ session.Access, p account.PasswordChange, _ auth.Client) (int, error) {
	if a.change != nil {
		if err := a.change(p); err != nil {
			return 0, err
		}
	}
	return 3, nil
}

func (a *acts) Events(_ context.Context, _ session.Access, _ bool, before int64, limit int) ([]auth.Event, error) {
	if a.events != nil {
		return a.events(before, limit), nil
	}
	return nil, nil
}

func (a *acts) MayRegister(role auth.Role, caller *auth.User) bool {
	return caller != nil && caller.Role.CanTo(auth.UsersGrant, role)
}

func (a *acts) UpdateProfile(_ context.Context, _ session.Access, p account.Profile, _ auth.Client) (auth.User, error) {
	if a.update != nil {
		if err := a.update(p); err != nil {
			return auth.User{}, err
		}
	}
	u := john
	for to, from := range map[*string]*string{&u.FirstName: p.FirstName, &u.LastName: p.LastName, &u.Phone: p.Phone} {
		if from != nil {
			*to = *from
		}
	}
	return u, nil
}

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// serve makes the API over acts; change may alter the options.
func serve(a *acts, change ...func(*api.Options)) http.Handler {
	o := api.Options{
		Sessions: a, Logins: a, Accounts: a, Services: a, Devices: a,
		System:            func(context.Context) (api.System, error) { return api.System{StartedAt: noon}, nil },
		Doctor:            func(context.Context) (api.Diagnosis, error) { return api.Diagnosis{CheckedAt: noon}, nil },
		Log:               slog.New(slog.DiscardHandler),
		Client:            func(*http.Request) auth.Client { return auth.Client{Address: "192.0.2.1"} },
		RegistrationRoles: []auth.Role{auth.RoleEmployee, auth.RoleClient},
		RegistrationOpen:  true,
		Settings:          api.Settings{Name: "Latchkey", MinPassword: 8, Access: 3 * time.Hour, Refresh: 72 * time.Hour},
		Now:               func() time.Time { return noon },
	}
	for _, c := range change {
		c(&o)
	}
	return api.New(o)
}

// request is "METHOD path", header lines and, after an empty line, a body.
// Where there is a body but no Content-Type it is JSON.
func request(s string) *http.Request {
	head, body, hasBody := strings.Cut(s, "\n\n")
	lines := strings.Split(head, "\n")
	method, path, _ := strings.Cut(lines[0], " ")
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	for _, l := range lines[1:] {
		name, value, _ := strings.Cut(l, ": ")
		r.Header.Add(name, value)
	}
	if hasBody && r.Header["Content-Type"] == nil {
		r.Header.Set("Content-Type", "application/json")
	}
	return r
}

// do sends a request and checks the answer against openapi.yaml.
func do(t *testing.T, h http.Handler, r *http.Request) *httptest.ResponseRecorder {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	if r.Method == http.MethodHead { // net/http does it on the wire
		w.Body = new(bytes.Buffer)
	}
	apitest.ValidateResponse(t, r.Method, r.URL.EscapedPath(), w.Code, w.Header(), w.Body.Bytes())
	return w
}

// expect compares status and body.
func expect(t *testing.T, w *httptest.ResponseRecorder, status int, body string) {
	t.Helper()
	if w.Code != status || w.Body.String() != body {
		t.Errorf("have %d %s\nwant %d %s", w.Code, w.Body, status, body)
	}
}

const (
	notFound     = `{"detail":"Not found."}`
	noToken      = `{"detail":"Authentication credentials were not provided."}`
	badHeader    = `{"detail":"Authorization header must contain two space-delimited values","code":"bad_authorization_header"}`
	loginMissing = `{"error":"Invalid credentials","details":{"email":["This field is required."],"password":["This field is required."]}}`
)

func TestPath(t *testing.T) {
	t.Parallel()
	h := serve(&acts{})
	for _, c := range []struct {
		request string
		status  int
		body    string
	}{
		{"POST /api/auth/login/", 401, loginMissing},
		{"POST /api/auth/login", 401, loginMissing},
		{"POST /api/auth/login?a=1", 401, loginMissing},
		{"POST /api/auth/login/?format=xml", 401, loginMissing},
		{"POST /api/auth/%6cogin/", 401, loginMissing},
		{"POST /api/auth%2flogin/", 404, notFound},
		{"POST /api/auth%2Flogin/", 404, notFound},
		{"POST /api/auth/login%2f", 404, notFound},
		{"POST //api/auth/login/", 404, notFound},
		{"POST /api//auth/login/", 404, notFound},
		{"POST /api/auth/login//", 404, notFound},
		{"POST /api/auth/./login/", 404, notFound},
		{"POST /api/auth/x/../login/", 404, notFound},
		{"POST /api/auth/%2e%2e/auth/login/", 404, notFound},
		{"POST /API/auth/login/", 404, notFound},
		{"POST /api/auth/Login/", 404, notFound},
		{"POST /api/auth/login/x", 404, notFound},
		{"GET /api/", 404, notFound},
		{"GET /api", 404, notFound},
		{"GET /", 404, notFound},
		{"OPTIONS /api/auth/nope/", 404, notFound},
		{"OPTIONS *", 404, notFound},
		{"GET /api/auth/profile/x.css", 404, notFound},
	} {
		r := request("POST /")
		if target := strings.Fields(c.request)[1]; strings.HasPrefix(target, "//") {
			// httptest takes it for a host.
			r.URL.Path = target
		} else {
			r = request(c.request)
		}
		t.Run(c.request, func(t *testing.T) {
			t.Parallel()
			w := do(t, h, r)
			expect(t, w, c.status, c.body)
			if l := w.Header().Get("Location"); l != "" {
				t.Errorf("redirects to %s", l)
			}
		})
	}
}

func TestOrderOfChecks(t *testing.T) {
	t.Parallel()
	h := serve(&acts{})
	for _, c := range []struct {
		name, request string
		status        int
		body          string
	}{
		{"OPTIONS comes before the token", "OPTIONS /api/auth/profile/", 204, ""},
		{"the token before the method", "GET /api/auth/logout/", 401, noToken},
		{"the token before the method, DELETE", "DELETE /api/auth/profile/", 401, noToken},
		{"the token before the media type", "PUT /api/auth/profile/\nContent-Type: text/plain\n\nx", 401, noToken},
		{"the token before the syntax", "POST /api/auth/logout/\n\n{", 401, noToken},
		{"the method", "GET /api/auth/logout/\nAuthorization: Bearer good", 405, `{"detail":"Method \"GET\" not allowed."}`},
		{"the method, public", "PUT /api/auth/login/", 405, `{"detail":"Method \"PUT\" not allowed."}`},
		{"an unknown method", "FOO /api/auth/register/", 405, `{"detail":"Method \"FOO\" not allowed."}`},
		{"the method before the media type", "PUT /api/auth/login/\nContent-Type: text/plain\n\nx", 405, `{"detail":"Method \"PUT\" not allowed."}`},
		{"HEAD where there is no GET", "HEAD /api/auth/login/", 405, ""},
		{"HEAD without a token", "HEAD /api/auth/profile/", 401, ""},
		{"HEAD", "HEAD /api/auth/profile/\nAuthorization: Bearer good", 200, ""},
		{"the media type before the syntax", "POST /api/auth/login/\nContent-Type: text/plain\n\n{", 415, `{"detail":"Unsupported media type \"text/plain\" in request."}`},
		{"the media type, parameters and all", "POST /api/auth/login/\nContent-Type: text/plain; charset=\"x\"\n\n{", 415, `{"detail":"Unsupported media type \"text/plain; charset=\"x\"\" in request."}`},
		{"no media type", "POST /api/auth/login/\nContent-Type: \n\n{}", 415, `{"detail":"Unsupported media type \"\" in request."}`},
		{"no body needs no media type", "POST /api/auth/login/\nContent-Type: text/plain", 401, loginMissing},
		{"an empty body is no syntax error", "POST /api/auth/login/\n\n", 401, loginMissing},
		{"Accept does not matter", "POST /api/auth/login/\nAccept: text/html\n\n{}", 401, loginMissing},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			expect(t, do(t, h, request(c.request)), c.status, c.body)
		})
	}
}

func TestIndent(t *testing.T) {
	t.Parallel()
	h := serve(&acts{})
	for accept, want := range map[string]int{
		"": 0, "*/*": 0, "application/json": 0, "application/json; indent=4": 4, "APPLICATION/JSON;INDENT=2": 2,
		"application/json; indent=12": 8, "application/json; indent=99999999999999999999": 8,
		"application/json; indent=0": 0, "application/json; indent=-3": 0, "application/json; indent=x": 0, "application/json; indent": 0,
		"*/*; indent=4": 4, "application/*; indent=4": 4, "text/html; indent=4": 0, "application/xml; indent=4": 0,
		"text/html, application/json; indent=4":       4,
		"*/*; indent=4, application/json":             0,
		"application/json, application/*; indent=4":   0,
		"application/json;q=0.1, */*; indent=4":       0,
		"application/json, application/json;indent=3": 3,
		`application/json; indent="5"`:                5,
	} {
		r := request("POST /api/auth/login/\n\n{}")
		r.Header.Set("Accept", accept)
		body := loginMissing
		if want > 0 {
			var b bytes.Buffer
			if err := json.Indent(&b, []byte(body), "", strings.Repeat(" ", want)); err != nil {
				t.Fatal(err)
			}
			body = b.String()
		}
		expect(t, do(t, h, r), 401, body)
		r = request("POST /api/auth/token/verify/\n\n" + `{"token":"x"}`)
		r.Header.Set("Accept", accept)
		expect(t, do(t, h, r), 200, "{}")
	}
}

func TestHeaders(t *testing.T) {
	t.Parallel()
	h := serve(&acts{})
	for _, c := range []struct{ request, allow, challenge, contentType string }{
		{"POST /api/auth/token/verify/\n\n{\"token\":\"x\"}", "POST, OPTIONS", "", "application/json"},
		{"POST /api/auth/login/\n\n{}", "POST, OPTIONS", "", "application/json"},
		{"POST /api/auth/logout/", "POST, OPTIONS", `Bearer realm="api"`, "application/json"},
		{"GET /api/auth/profile/", "GET, PUT, PATCH, HEAD, OPTIONS", `Bearer realm="api"`, "application/json"},
		{"HEAD /api/auth/profile/\nAuthorization: Bearer good", "GET, PUT, PATCH, HEAD, OPTIONS", "", "application/json"},
		{"OPTIONS /api/auth/profile/", "GET, PUT, PATCH, HEAD, OPTIONS", "", ""},
		{"GET /api/schema/", "GET, HEAD, OPTIONS", "", "application/yaml"},
		{"GET /api/nope/", "", "", "application/json"},
	} {
		t.Run(c.request, func(t *testing.T) {
			t.Parallel()
			w := do(t, h, request(c.request))
			for name, want := range map[string]string{
				"Allow": c.allow, "Www-Authenticate": c.challenge, "Content-Type": c.contentType,
				"X-Frame-Options": "DENY", "X-Content-Type-Options": "nosniff", "Referrer-Policy": "same-origin",
				"Vary": "Origin", "Cache-Control": "no-store", "Location": "",
			} {
				if have := strings.Join(w.Header()[name], "|"); have != want {
					t.Errorf("%s: have %q, want %q", name, have, want)
				}
			}
		})
	}
	t.Run("shared values cannot be written into", func(t *testing.T) {
		t.Parallel()
		w := do(t, h, request("GET /api/nope/"))
		w.Header().Add("Cache-Control", "private")
		w.Header().Add("Vary", "Cookie")
		w = do(t, h, request("GET /api/nope/"))
		if have := w.Header()["Cache-Control"]; len(have) != 1 {
			t.Errorf("Cache-Control of a later answer: %q", have)
		}
	})
	t.Run("Vary of the server is kept", func(t *testing.T) {
		t.Parallel()
		w := httptest.NewRecorder()
		w.Header().Set("Vary", "Origin, Cookie")
		h.ServeHTTP(w, request("GET /api/nope/"))
		if have := w.Header().Get("Vary"); have != "Origin, Cookie" {
			t.Errorf("have %q", have)
		}
	})
}

func TestAuthorization(t *testing.T) {
	t.Parallel()
	h := serve(&acts{})
	const invalid = `{"detail":"Given token not valid for any token type","code":"token_not_valid","messages":[{"token_class":"AccessToken","token_type":"access","message":"Token is invalid or expired"}]}`
	for _, c := range []struct {
		header []string
		status int
		body   string
	}{
		{nil, 401, noToken},
		{[]string{""}, 401, noToken},
		{[]string{" "}, 401, noToken},
		{[]string{"Token good"}, 401, noToken},
		{[]string{"Basic YTpi"}, 401, noToken},
		{[]string{"JWT good"}, 401, noToken},
		{[]string{"Bearer, good"}, 401, noToken},
		{[]string{"Bearergood"}, 401, noToken},
		{[]string{"good"}, 401, noToken},
		{[]string{"Bearer"}, 401, badHeader},
		{[]string{"Bearer "}, 401, badHeader},
		{[]string{"Bearer good good"}, 401, badHeader},
		{[]string{"Bearer good", "Bearer good"}, 401, badHeader},
		{[]string{"Bearer garbage"}, 401, invalid},
		{[]string{"Bearer \"good\""}, 401, invalid},
		{[]string{"Bearer good"}, 200, ""},
		{[]string{"bearer good"}, 200, ""},
		{[]string{"BEARER good"}, 200, ""},
		{[]string{"Bearer  good"}, 200, ""},
		{[]string{"Bearer\tgood"}, 200, ""},
		{[]string{" Bearer good "}, 200, ""},
	} {
		t.Run(strings.Join(c.header, "+"), func(t *testing.T) {
			t.Parallel()
			r := request("GET /api/auth/profile/")
			r.Header["Authorization"] = c.header
			w := do(t, h, r)
			if c.status == http.StatusOK && w.Code == c.status {
				return
			}
			expect(t, w, c.status, c.body)
		})
	}
}

func TestSuccess(t *testing.T) {
	t.Parallel()
	h := serve(&acts{})
	const profile = `{"id":7,"email":"john@example.com","first_name":"John","last_name":"Doe","phone":"+1234567890","role":"employee","created_at":"2026-11-23T04:54:41.123456Z","updated_at":"2026-11-23T05:54:41Z"}`
	for _, c := range []struct {
		name, request string
		status        int
		body          string
	}{
		{
			"register", "POST /api/auth/register/\n\n" + `{"email":"User@Example.com","password":"securepassword123","password2":"securepassword123","first_name":"John","last_name":"Doe","phone":"+1234567890","role":"employee"}`, 201,
			`{"message":"User registered successfully","user":{"id":8,"email":"User@example.com","first_name":"John","last_name":"Doe","role":"employee"},"tokens":{"refresh":"r.r.r","access":"a.a.a"}}`,
		},
		{
			"login", "POST /api/auth/login/\nAuthorization: Bearer stale\n\n" + `{"email":"user@example.com","password":"securepassword123"}`, 200,
			`{"message":"Login successful","user":` + johnShown + `,"tokens":{"refresh":"r.r.r","access":"a.a.a"}}`,
		},
		{
			"refresh", "POST /api/auth/token/refresh/\n\n" + `{"refresh":"x"}`, 200,
			`{"access":"a.a.a","refresh":"r.r.r","user":` + johnShown + `}`,
		},
		{"verify", "POST /api/auth/token/verify/\n\n" + `{"token":"x"}`, 200, `{}`},
		{"logout", "POST /api/auth/logout/\nAuthorization: Bearer good\n\n" + `{"refresh_token":"x"}`, 200, `{"message":"Successfully logged out"}`},
		{"profile", "GET /api/auth/profile/\nAuthorization: Bearer good", 200, profile},
		{"profile PUT of nothing", "PUT /api/auth/profile/\nAuthorization: Bearer good\n\n{}", 200, profile},
		{"profile PATCH without a body", "PATCH /api/auth/profile/\nAuthorization: Bearer good", 200, profile},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			expect(t, do(t, h, request(c.request)), c.status, c.body)
		})
	}
	t.Run("schema", func(t *testing.T) {
		t.Parallel()
		for _, path := range []string{"/api/schema/", "/api/schema"} {
			expect(t, do(t, h, request("GET "+path)), 200, string(api.OpenAPI))
		}
	})
}

func TestNames(t *testing.T) {
	t.Parallel()
	// design.md, "refresh in one call, refresh_token in another".
	for _, c := range []struct{ body, want string }{
		{`{"refresh":"own"}`, "own"},
		{`{"refresh_token":"own"}`, "own"},
		{`{"refresh":" own ","x":{"refresh":"no"}}`, "own"},
	} {
		var refreshed, out string
		h := serve(&acts{
			refresh: func(token string, arrived time.Time) error {
				refreshed = token
				if !arrived.Equal(noon) {
					t.Errorf("arrived %s", arrived)
				}
				return nil
			},
			logout: func(token string) error { out = token; return nil },
		})
		do(t, h, request("POST /api/auth/token/refresh/\n\n"+c.body))
		do(t, h, request("POST /api/auth/logout/\nAuthorization: Bearer good\n\n"+c.body))
		if refreshed != c.want || out != c.want {
			t.Errorf("%s: refreshed %q, logged out %q", c.body, refreshed, out)
		}
	}
	for _, both := range []string{`{"refresh":"R","refresh_token":"T"}`, `{"refresh_token":"T","refresh":"R"}`} {
		h := serve(&acts{
			refresh: func(token string, _ time.Time) error {
				if token != "R" {
					t.Errorf("refresh takes %q of %s", token, both)
				}
				return nil
			},
			logout: func(token string) error {
				if token != "T" {
					t.Errorf("logout takes %q of %s", token, both)
				}
				return nil
			},
		})
		do(t, h, request("POST /api/auth/token/refresh/\n\n"+both))
		do(t, h, request("POST /api/auth/logout/\nAuthorization: Bearer good\n\n"+both))
	}
	h := serve(&acts{})
	expect(t, do(t, h, request("POST /api/auth/token/refresh/\n\n{}")), 400, `{"refresh":["This field is required."]}`)
	expect(t, do(t, h, request("POST /api/auth/token/refresh/\n\n"+`{"refresh_token":null}`)), 400, `{"refresh":["This field may not be null."]}`)
	expect(t, do(t, h, request("POST /api/auth/logout/\nAuthorization: Bearer good\n\n{}")), 400, `{"error":"Invalid data","details":{"refresh_token":["This field is required."]}}`)
}

func TestProfileChange(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, request, first, last, phone string }{
		{"one field", "PUT /api/auth/profile/\n\n" + `{"first_name":" Jane "}`, "Jane", "-", "-"},
		{"all", "PATCH /api/auth/profile/\n\n" + `{"first_name":"Jane","last_name":"Smith","phone":"  "}`, "Jane", "Smith", ""},
		{"read-only and unknown ones", "PUT /api/auth/profile/\n\n" + `{"email":"x@example.org","role":"admin","id":1,"is_staff":true,"phone":"1"}`, "-", "-", "1"},
		{"other case is another name", "PUT /api/auth/profile/\n\n" + `{"First_name":"x","phone":"1"}`, "-", "-", "1"},
		{"form", "PUT /api/auth/profile/\nContent-Type: application/x-www-form-urlencoded\n\nlast_name=Smith&last_name=Sm%C3%AFth&phone=", "-", "Smïth", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			told := func(s *string) string {
				if s == nil {
					return "-"
				}
				return *s
			}
			called := false
			h := serve(&acts{update: func(p account.Profile) error {
				called = true
				if told(p.FirstName) != c.first || told(p.LastName) != c.last || told(p.Phone) != c.phone {
					t.Errorf("have %q %q %q", told(p.FirstName), told(p.LastName), told(p.Phone))
				}
				return nil
			}})
			r := request(c.request)
			r.Header.Set("Authorization", "Bearer good")
			if w := do(t, h, r); w.Code != 200 || !called {
				t.Errorf("%d %s, called: %v", w.Code, w.Body, called)
			}
		})
	}
	t.Run("nothing to change is no act", func(t *testing.T) {
		t.Parallel()
		h := serve(&acts{update: func(account.Profile) error { t.Error("called"); return nil }})
		for _, body := range []string{"{}", `{"role":"admin"}`, ""} {
			if w := do(t, h, request("PUT /api/auth/profile/\nAuthorization: Bearer good\n\n"+body)); w.Code != 200 {
				t.Errorf("%d %s", w.Code, w.Body)
			}
		}
	})
}

func registration(role string) string {
	s := `{"email":"a@example.com","password":"p","password2":"p","first_name":"F","last_name":"L"`
	if role != "" {
		s += `,"role":"` + role + `"`
	}
	return s + "}"
}

func TestRegistrationRoles(t *testing.T) {
	t.Parallel()
	admin := john
	admin.Role = auth.RoleAdmin
	refused := func(role string) string {
		return `{"error":"Invalid data","details":{"role":["\"` + role + `\" is not a valid choice."]}}`
	}
	for _, c := range []struct {
		name, role, bearer string
		caller             auth.User
		roles              []auth.Role
		status             int
		want               string // the role registered or the body
	}{
		{"default", "", "", john, nil, 201, "employee"},
		{"public", "client", "", john, nil, 201, "client"},
		{"admin by nobody", "admin", "", john, nil, 400, refused("admin")},
		{"manager by nobody", "manager", "", john, nil, 400, refused("manager")},
		{"admin by an employee", "admin", "good", john, nil, 400, refused("admin")},
		{"admin by a stale token", "admin", "stale", admin, nil, 400, refused("admin")},
		{"admin by an admin", "admin", "good", admin, nil, 201, "admin"},
		{"no role at all by an admin", "root", "good", admin, nil, 400, refused("root")},
		{"public with a stale token", "employee", "stale", john, nil, 201, "employee"},
		{"default is not for everybody", "", "", john, []auth.Role{auth.RoleClient}, 201, "client"},
		{"nothing is for everybody", "", "", john, []auth.Role{}, 400, refused("employee")},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var registered auth.Role
			h := serve(&acts{
				user:     func() (auth.User, error) { return c.caller, nil },
				register: func(r account.Registration) error { registered = r.Role; return nil },
			}, func(o *api.Options) {
				if c.roles != nil {
					o.RegistrationRoles = c.roles
				}
			})
			r := request("POST /api/auth/register/\n\n" + registration(c.role))
			if c.bearer != "" {
				r.Header.Set("Authorization", "Bearer "+c.bearer)
			}
			w := do(t, h, r)
			if c.status == 201 {
				if w.Code != 201 || string(registered) != c.want {
					t.Errorf("%d %s: registered as %q", w.Code, w.Body, registered)
				}
				return
			}
			expect(t, w, c.status, c.want)
			if registered != "" {
				t.Errorf("registered as %q", registered)
			}
		})
	}
	t.Run("with the other problems", func(t *testing.T) {
		t.Parallel()
		expect(t, do(t, serve(&acts{}), request("POST /api/auth/register/\n\n"+`{"email":"bad","role":"admin","password":"p","password2":"p","first_name":"F","last_name":"L"}`)), 400,
			`{"error":"Invalid data","details":{"email":["Enter a valid email address."],"role":["\"admin\" is not a valid choice."]}}`)
	})
	t.Run("an outage is no answer to who asks", func(t *testing.T) {
		t.Parallel()
		h := serve(&acts{user: func() (auth.User, error) { return auth.User{}, &auth.Error{Kind: auth.Unavailable} }})
		if w := do(t, h, request("POST /api/auth/register/\nAuthorization: Bearer good\n\n"+registration("admin"))); w.Code != 503 {
			t.Errorf("%d %s", w.Code, w.Body)
		}
	})
}

func TestRegistrationClosed(t *testing.T) {
	t.Parallel()
	admin := john
	admin.Role = auth.RoleAdmin
	shut := func(o *api.Options) { o.RegistrationOpen = false }
	const closed = `{"detail":"Registration is closed."}`
	r := func(bearer string) *http.Request {
		return request("POST /api/auth/register/\nAuthorization: Bearer " + bearer + "\n\n" + registration(""))
	}
	expect(t, do(t, serve(&acts{}, shut), request("POST /api/auth/register/\n\n"+registration(""))), 403, closed)
	expect(t, do(t, serve(&acts{}, shut), r("good")), 403, closed)
	expect(t, do(t, serve(&acts{}, shut), r("stale")), 403, closed)
	down := &acts{user: func() (auth.User, error) { return auth.User{}, errors.New("no database") }}
	if w := do(t, serve(down, shut), r("good")); w.Code != 500 {
		t.Errorf("an outage: %d %s", w.Code, w.Body)
	}
	asAdmin := &acts{user: func() (auth.User, error) { return admin, nil }}
	if w := do(t, serve(asAdmin, shut), r("good")); w.Code != 201 {
		t.Errorf("an admin: %d %s", w.Code, w.Body)
	}
}

// TestErrors says what becomes of what an act answers.
func TestErrors(t *testing.T) {
	t.Parallel()
	var fields auth.Fields
	fields.Add("email", auth.Problem{Code: auth.CodeEmailTaken})
	fields.Add("password", auth.Problem{Code: auth.CodePasswordMismatch})
	const (
		register = "POST /api/auth/register/"
		login    = "POST /api/auth/login/"
		refresh  = "POST /api/auth/token/refresh/"
		verify   = "POST /api/auth/token/verify/"
		logout   = "POST /api/auth/logout/"
		profile  = "GET /api/auth/profile/" // its token is at fault
		update   = "PUT /api/auth/profile/"
		later    = `{"detail":"Service temporarily unavailable, try again later."}`
		inside   = `{"detail":"Internal server error."}`
	)
	header := func(message string) string {
		return `{"detail":"Given token not valid for any token type","code":"token_not_valid","messages":[{"token_class":"AccessToken","token_type":"access","message":"` + message + `"}]}`
	}
	throttled := func(d time.Duration) error { return &auth.Error{Kind: auth.TooMany, RetryAfter: d} }
	for _, c := range []struct {
		route string
		err   error
		status,
		retry int
		body string
	}{
		// guide.txt, "Registration Error (400)".
		{register, fields.Err(), 400, 0, `{"error":"Invalid data","details":{"email":["A user with this email already exists."],"password":["Password fields didn't match."]}}`},
		// guide.txt, "Login Error (401)".
		{login, &auth.Error{Kind: auth.BadCredentials, Code: auth.CodeBadCredentials}, 401, 0, `{"error":"Invalid credentials","details":{"non_field_errors":["Invalid credentials."]}}`},
		// guide.txt, "Token Error (401)".
		{refresh, auth.TokenError(auth.CodeTokenInvalid), 401, 0, `{"detail":"Token is invalid or expired","code":"token_not_valid"}`},
		{refresh, auth.TokenError(auth.CodeTokenBlacklisted), 401, 0, `{"detail":"Token is blacklisted","code":"token_not_valid"}`},
		{refresh, auth.TokenError(auth.CodeNoActiveAccount), 401, 0, `{"detail":"No active account found for the given token.","code":"no_active_account"}`},
		{logout, auth.TokenError(auth.CodeTokenWrongType), 401, 0, `{"detail":"Token has wrong type","code":"token_not_valid"}`},
		{verify, auth.TokenError(auth.CodeTokenNoID), 401, 0, `{"detail":"Token has no id","code":"token_not_valid"}`},
		{profile, auth.TokenError(auth.CodeTokenInvalid), 401, 0, header("Token is invalid or expired")},
		{profile, auth.TokenError(auth.CodeTokenWrongType), 401, 0, header("Token has wrong type")},
		{profile, auth.TokenError(auth.CodeTokenNoType), 401, 0, header("Token has no type")},
		{profile, auth.TokenError(auth.CodeTokenNoID), 401, 0, header("Token has no id")},
		{profile, auth.TokenError(auth.CodeTokenNoExpiry), 401, 0, header("Token has no 'exp' claim")},
		{profile, auth.TokenError(auth.CodeTokenNoUser), 401, 0, `{"detail":"Token contained no recognizable user identification","code":"token_not_valid"}`},
		{profile, auth.TokenError(auth.CodeUserNotFound), 401, 0, `{"detail":"User not found","code":"user_not_found"}`},
		{profile, auth.TokenError(auth.CodeUserInactive), 401, 0, `{"detail":"User is inactive","code":"user_inactive"}`},
		{login, throttled(0), 429, 1, `{"detail":"Request was throttled. Expected available in 1 second."}`},
		{login, throttled(time.Second), 429, 1, `{"detail":"Request was throttled. Expected available in 1 second."}`},
		{register, throttled(89*time.Second + 1), 429, 90, `{"detail":"Request was throttled. Expected available in 90 seconds."}`},
		{login, &auth.Error{Kind: auth.Unavailable, Code: auth.CodeBusy, RetryAfter: 1500 * time.Millisecond}, 503, 2, later},
		{verify, &auth.Error{Kind: auth.Unavailable, Cause: errors.New("secret")}, 503, 1, later},
		{refresh, context.DeadlineExceeded, 503, 1, later},
		{profile, context.DeadlineExceeded, 503, 1, later},
		{update, context.Canceled, 503, 1, later},
		{update, auth.ErrConflict, 409, 0, `{"detail":"The resource was changed meanwhile."}`},
		{register, &auth.Error{Kind: auth.PermissionDenied}, 403, 0, `{"detail":"You do not have permission to perform this action."}`},
		{login, errors.New("disk full of secrets"), 500, 0, inside},
		{profile, errors.New("disk full of secrets"), 500, 0, inside},
		{update, &auth.Error{Kind: 99, Code: "?"}, 500, 0, inside},
	} {
		t.Run(c.route+" "+c.err.Error(), func(t *testing.T) {
			t.Parallel()
			a := &acts{
				register: func(account.Registration) error { return c.err },
				password: func(auth.Email, string) error { return c.err },
				refresh:  func(string, time.Time) error { return c.err },
				logout:   func(string) error { return c.err },
				verify:   func(string) error { return c.err },
				update:   func(account.Profile) error { return c.err },
			}
			if c.route == profile {
				a.user = func() (auth.User, error) { return auth.User{}, c.err }
			}
			r := request(c.route + "\nAuthorization: Bearer good\n\n" +
				`{"email":"a@example.com","password":"p","password2":"p","first_name":"F","last_name":"L","token":"x","refresh":"x"}`)
			w := do(t, serve(a), r)
			expect(t, w, c.status, c.body)
			want := ""
			if c.retry > 0 {
				want = time.Duration(c.retry * int(time.Second)).String()
			}
			have := ""
			if s := w.Header().Get("Retry-After"); s != "" {
				d, err := time.ParseDuration(s + "s")
				if err != nil {
					t.Fatal(err)
				}
				have = d.String()
			}
			if have != want {
				t.Errorf("Retry-After: have %q, want %q", have, want)
			}
			if challenge := w.Header().Get("Www-Authenticate"); (challenge != "") != (w.Code == 401 && c.route != login) {
				t.Errorf("WWW-Authenticate: %q", challenge)
			}
		})
	}
}

func TestLog(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	withLog := func(o *api.Options) { o.Log = slog.New(slog.NewTextHandler(&log, nil)) }
	body := "\nAuthorization: Bearer good\n\n" + `{"email":"hush@example.com","password":"hush","token":"hush","refresh":"hush"}`
	for _, c := range []struct {
		err  error
		line string
	}{
		{errors.New("disk on fire"), "disk on fire"},
		{&auth.Error{Kind: auth.Unavailable, Cause: errors.New("queue full")}, "queue full"},
		{&auth.Error{Kind: auth.Unavailable}, ""},
		{auth.TokenError(auth.CodeTokenInvalid), ""},
		{&auth.Error{Kind: auth.BadCredentials}, ""},
		{context.Canceled, ""},
	} {
		log.Reset()
		h := serve(&acts{
			password: func(auth.Email, string) error { return c.err },
			verify:   func(string) error { return c.err },
		}, withLog)
		h.ServeHTTP(httptest.NewRecorder(), request("POST /api/auth/login/"+body))
		h.ServeHTTP(httptest.NewRecorder(), request("POST /api/auth/token/verify/"+body))
		switch have := log.String(); {
		case strings.Contains(have, "hush"):
			t.Errorf("the log has the body: %s", have)
		case c.line == "" && have != "":
			t.Errorf("%v is logged: %s", c.err, have)
		case c.line != "" && (strings.Count(have, c.line) != 2 || !strings.Contains(have, "/api/auth/login/")):
			t.Errorf("%v: %q", c.err, have)
		}
	}
}

func TestUserIsNoted(t *testing.T) {
	t.Parallel()
	h := serve(&acts{})
	for request1, want := range map[string]int64{
		"GET /api/auth/profile/\nAuthorization: Bearer good":               john.ID,
		"POST /api/auth/token/refresh/\n\n" + `{"refresh":"x"}`:            john.ID,
		"POST /api/auth/login/\n\n" + `{"email":"a@b.org","password":"x"}`: john.ID,
		"POST /api/auth/register/\n\n" + registration(""):                  8,
		"POST /api/auth/token/verify/\n\n" + `{"token":"x"}`:               0,
	} {
		w := &noting{ResponseWriter: httptest.NewRecorder()}
		r := request(request1)
		h.ServeHTTP(w, r)
		if w.user != want || !strings.HasPrefix(r.Pattern, "/api/auth/") {
			t.Errorf("%s: user %d, route %q", request1, w.user, r.Pattern)
		}
	}
}

type noting struct {
	http.ResponseWriter
	user int64
}

func (n *noting) NoteUser(id int64) { n.user = id }

func TestWithoutEndpoint(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		write  func(http.ResponseWriter)
		status int
		body   string
	}{
		{api.WriteNotFound, 404, notFound},
		{api.WriteBadHost, 400, `{"detail":"Invalid host."}`},
		{api.WriteManyFields, 431, `{"detail":"Too many header fields."}`},
		{api.WriteStarting, 503, `{"detail":"Service temporarily unavailable, try again later."}`},
		{api.WriteInternalError, 500, `{"detail":"Internal server error."}`},
	} {
		w := httptest.NewRecorder()
		c.write(w)
		expect(t, w, c.status, c.body)
		if (w.Header().Get("X-Frame-Options") == "") != (c.status == 400) {
			t.Errorf("%d: X-Frame-Options %q", c.status, w.Header().Get("X-Frame-Options"))
		}
		if w.Header().Get("Cache-Control") != "no-store" || (w.Header().Get("Retry-After") != "") != (c.status == 503) {
			t.Errorf("%d: headers %v", c.status, w.Header())
		}
	}
}

// broken is a body that cannot be read to its end.
type broken struct{ err error }

func (b broken) Read([]byte) (int, error) { return 0, b.err }
func (broken) Close() error               { return nil }

type timeout struct{}

func (timeout) Error() string   { return "i/o timeout" }
func (timeout) Timeout() bool   { return true }
func (timeout) Temporary() bool { return true }

func TestBody(t *testing.T) {
	t.Parallel()
	h := serve(&acts{})
	const tooLarge = `{"detail":"Request body is too large."}`
	padded := func(n int) string {
		const frame = `{"token":""}`
		return `{"token":"` + strings.Repeat("x", n-len(frame)) + `"}`
	}
	send := func(body io.Reader, length int64, contentType string) *httptest.ResponseRecorder {
		r := httptest.NewRequest("POST", "/api/auth/token/verify/", body)
		r.ContentLength = length
		r.Header.Set("Content-Type", contentType)
		return do(t, h, r)
	}
	const (
		json = "application/json"
		form = "application/x-www-form-urlencoded"
	)
	full := padded(api.MaxBody)
	expect(t, send(strings.NewReader(full), int64(len(full)), json), 200, "{}")
	expect(t, send(strings.NewReader(full), -1, json), 200, "{}")
	over := padded(api.MaxBody + 1)
	w := send(strings.NewReader(over), int64(len(over)), json)
	expect(t, w, 413, tooLarge)
	if w.Header().Get("Connection") != "close" {
		t.Error("the rest of a body that is too large would be read")
	}
	expect(t, send(strings.NewReader(over), -1, json), 413, tooLarge)
	expect(t, send(strings.NewReader(strings.Repeat("a", 3_000_000)), 3_000_000, form), 413, tooLarge)
	expect(t, send(strings.NewReader(strings.Repeat("a", 3_000_000)), -1, form), 413, tooLarge)
	expect(t, send(broken{&http.MaxBytesError{Limit: 1}}, -1, json), 413, tooLarge)
	// Chunked bodies are read, the empty one too.
	expect(t, send(strings.NewReader(`{"token":"x"}`), -1, json), 200, "{}")
	expect(t, send(strings.NewReader(""), -1, json), 400, `{"token":["This field is required."]}`)
	expect(t, send(strings.NewReader(""), -1, "text/plain"), 400, `{"token":["This field is required."]}`)
	expect(t, send(strings.NewReader("x"), -1, "text/plain"), 415, `{"detail":"Unsupported media type \"text/plain\" in request."}`)
	expect(t, send(broken{io.ErrUnexpectedEOF}, 10, json), 400, `{"detail":"Request body could not be read."}`)
	gone, leave := context.WithCancel(t.Context())
	leave()
	r := httptest.NewRequestWithContext(gone, "POST", "/api/auth/token/verify/", broken{io.ErrUnexpectedEOF})
	r.ContentLength = 10
	r.Header.Set("Content-Type", json)
	if w := do(t, h, r); w.Code != 503 {
		t.Errorf("a client that has gone: %d", w.Code)
	}
	twice := request("POST /api/auth/token/verify/\nContent-Type: text/plain\nContent-Type: application/json\n\n{}")
	expect(t, do(t, h, twice), 415, `{"detail":"Unsupported media type \"text/plain,application/json\" in request."}`)
	expect(t, send(broken{timeout{}}, 10, json), 408, `{"detail":"Request body did not arrive in time."}`)

	t.Run("the limit can be set", func(t *testing.T) {
		t.Parallel()
		small := serve(&acts{}, func(o *api.Options) { o.MaxBody = 10 })
		expect(t, do(t, small, request("POST /api/auth/token/verify/\n\n"+`{"token":"x"}`)), 413, tooLarge)
	})
	t.Run("nothing of one request is left for the next", func(t *testing.T) {
		t.Parallel()
		for range 3 {
			expect(t, do(t, h, request("POST /api/auth/login/\n\n"+`{"email":"a@b.org","password":"x","token":"x"}`)), 200,
				`{"message":"Login successful","user":`+johnShown+`,"tokens":{"refresh":"r.r.r","access":"a.a.a"}}`)
			expect(t, do(t, h, request("POST /api/auth/login/\n\n{}")), 401, loginMissing)
			expect(t, do(t, h, request("POST /api/auth/token/verify/\n\n{")), 400, `{"detail":"JSON parse error - Unexpected end of data"}`)
		}
	})
}

package faults_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/latchkey-auth/latchkey/e2e/faults"
	"github.com/latchkey-auth/latchkey/internal/auth"
	"github.com/latchkey-auth/latchkey/internal/password"
	"github.com/latchkey-auth/latchkey/internal/pgtest"
	"github.com/latchkey-auth/latchkey/internal/session"
	"github.com/latchkey-auth/latchkey/internal/token"
	"github.com/latchkey-auth/latchkey/web"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

const right = "c0rrect-Horse-42"

// hash is made once: what is tried here is the store.
var hash = sync.OnceValues(func() (string, error) {
	return password.NewHasher(password.Options{Cheap: true}).Hash(context.Background(), right)
})

// errFault looks like what a driver says, and must never be seen outside.
var errFault = errors.New(`SQLSTATE XX000: INSERT INTO users (email) VALUES ('ada@example.com'): /var/lib/latchkey/latchkey.db: disk I/O error`)

// ways is how a call fails.
var ways = []struct {
	name string
	fail func() error
}{
	{"an error", func() error { return errFault }},
	{"out of time", func() error { return fmt.Errorf("wait for a connection: %w", context.DeadlineExceeded) }},
	{"a panic", func() error { panic(errFault) }},
}

// plan lets the n-th call of requests fail, and the points pass otherwise.
type plan struct {
	n     int
	fail  func() error
	count int
	hit   *faults.Point
	mu    sync.Mutex
}

func (p *plan) decide(point faults.Point) error {
	p.mu.Lock()
	p.count++
	mine := p.count == p.n
	if mine {
		p.hit = &point
	}
	p.mu.Unlock()
	if mine {
		return p.fail()
	}
	return nil
}

// node is a server whose requests can be made to fail.
type node struct {
	*faults.Server
	t    *testing.T
	plan atomic.Pointer[plan]
	made int // users
}

func start(t *testing.T, engine string, env ...string) *node {
	n := &node{t: t}
	n.Server = faults.Serve(t, faults.Options{Engine: engine, Env: env, Decide: func(ctx context.Context, p faults.Point) error {
		if plan := n.plan.Load(); plan != nil && faults.OfRequest(ctx) {
			return plan.decide(p)
		}
		return nil
	}})
	return n
}

// fatal ends the test on an error of the stage itself.
func (n *node) fatal(err error) {
	n.t.Helper()
	if err != nil {
		n.t.Fatal(err)
	}
}

func (n *node) email() string {
	n.made++
	return fmt.Sprintf("user%d@example.com", n.made)
}

func (n *node) user(role auth.Role) auth.User {
	n.t.Helper()
	encoded, err := hash()
	n.fatal(err)
	u, err := n.Insert(n.t.Context(), n.email(), encoded, role)
	n.fatal(err)
	return u
}

func (n *node) open(u auth.User) session.Tokens {
	n.t.Helper()
	tokens, err := n.Open(n.t.Context(), u)
	n.fatal(err)
	return tokens
}

func (n *node) ask(r faults.Request) (int, string) {
	n.t.Helper()
	req, err := r.HTTP(n.t.Context(), n.URL)
	n.fatal(err)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		n.t.Fatalf("%s %s: %v\n%s", r.Method, r.Path, err, n.Log)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	n.fatal(err)
	// What has failed sets no cookie and takes none back.
	if set := resp.Header["Set-Cookie"]; resp.StatusCode >= badRequest && len(set) > 0 {
		n.t.Errorf("%s %s: %d %s sets %q", r.Method, r.Path, resp.StatusCode, b, set)
	}
	return resp.StatusCode, string(b)
}

// refreshed trades a refresh token and gives the next one.
func (n *node) refreshed(raw string) string {
	n.t.Helper()
	status, body := n.ask(refresh(raw))
	if status != http.StatusOK {
		n.t.Fatalf("refresh: %d %s", status, body)
	}
	var pair struct{ Refresh string }
	n.fatal(json.Unmarshal([]byte(body), &pair))
	return pair.Refresh
}

// row is the session that a token belongs to.
func (n *node) row(raw string) auth.Session {
	n.t.Helper()
	c := n.claims(raw)
	s, _, err := n.Store.Read().SessionState(n.t.Context(), c.SessionID, c.UserID)
	n.fatal(err)
	return s
}

func (n *node) sessions(u auth.User) int {
	n.t.Helper()
	list, err := n.Store.Read().Sessions(n.t.Context(), u.ID, n.Now())
	n.fatal(err)
	return len(list)
}

type keys struct{}

func (keys) Accepted(string, bool) ([]token.Key, error) {
	return []token.Key{token.NewHS256("", []byte(faults.Key))}, nil
}

func (n *node) claims(raw string) token.Claims {
	n.t.Helper()
	c, err := token.Parse(raw, keys{}, n.Now())
	n.fatal(err)
	return c
}

func refresh(raw string) faults.Request {
	return faults.Request{Method: http.MethodPost, Path: "/api/auth/token/refresh/", Body: map[string]string{"refresh": raw}}
}

func verify(raw string) faults.Request {
	return faults.Request{Method: http.MethodPost, Path: "/api/auth/token/verify/", Body: map[string]string{"token": raw}}
}

func logout(access, refresh string) faults.Request {
	return faults.Request{
		Method: http.MethodPost, Path: "/api/auth/logout/", Bearer: access,
		Body: map[string]string{"refresh_token": refresh},
	}
}

func login(email, pw string) faults.Request {
	return faults.Request{
		Method: http.MethodPost, Path: "/api/auth/login/", Body: map[string]string{"email": email, "password": pw},
	}
}

func register(email, role, bearer string) faults.Request {
	return faults.Request{
		Method: http.MethodPost, Path: "/api/auth/register/", Bearer: bearer, Body: map[string]string{
			"email": email, "password": right, "password2": right,
			"first_name": "Ada", "last_name": "Lovelace", "role": role,
		},
	}
}

func profile(method, access string, body any) faults.Request {
	return faults.Request{Method: method, Path: "/api/auth/profile/", Bearer: access, Body: body}
}

// byCookie is a request whose tokens are carried in cookies.
func byCookie(method, path, access, refresh string, body any) faults.Request {
	cookie := ""
	if access != "" {
		cookie = "latchkey_access=" + access
	}
	if refresh != "" {
		cookie += "; latchkey_refresh=" + refresh
	}
	return faults.Request{
		Method: method, Path: path, Body: body,
		Header: map[string]string{"Auth-Mode": "cookie", "Cookie": strings.TrimPrefix(cookie, "; ")},
	}
}

// inMode is a request that asks for cookies and sends none.
func inMode(mode string, r faults.Request) faults.Request {
	r.Header = map[string]string{"Auth-Mode": mode}
	return r
}

func changePassword(access, from, to string) faults.Request {
	return faults.Request{
		Method: http.MethodPost, Path: "/api/auth/password/change/", Bearer: access,
		Body: map[string]string{"old_password": from, "password": to, "password2": to},
	}
}

func confirm(access, password string) faults.Request {
	return faults.Request{Method: http.MethodPost, Path: "/api/auth/confirm/", Bearer: access, Body: map[string]string{"password": password}}
}

func get(path string) faults.Request { return faults.Request{Method: http.MethodGet, Path: path} }

// scene is a request and the stage that was set for it.
type scene struct {
	faults.Request
	// done reports whether the request's effect is on disk; nil where it has
	// none.
	done func() bool
	// dead are the tokens that are dead from the moment that it is.
	dead []string
}

// act is one route with one outcome.
type act struct {
	name string
	// setting of tokens.reuse; "" is strict.
	reuse string
	stage func(n *node) scene
	// want is the status where nothing fails, and again that of the same
	// request when it has taken effect before.
	want, again int
	// commit is the call whose commit is the effect.
	commit string
	// excused is a call that may fail without the request failing.
	excused string
	// after is a call that is made when the effect is on disk.
	after string
}

const (
	ok, created                    = http.StatusOK, http.StatusCreated
	badRequest, unauthorized, hour = http.StatusBadRequest, http.StatusUnauthorized, time.Hour
	noContent, notFound            = http.StatusNoContent, http.StatusNotFound
)

var acts = []act{
	{name: "register", want: created, again: badRequest, commit: "Update", stage: func(n *node) scene {
		email := n.email()
		return scene{Request: register(email, "client", ""), done: n.registered(email)}
	}},
	{name: "register, the e-mail is taken", want: badRequest, stage: func(n *node) scene {
		return scene{Request: register(n.user(auth.RoleClient).Email, "client", "")}
	}},
	{name: "register a manager as admin", want: created, again: badRequest, commit: "Update", stage: func(n *node) scene {
		email, admin := n.email(), n.open(n.user(auth.RoleAdmin))
		return scene{Request: register(email, "manager", admin.Access), done: n.registered(email)}
	}},
	{name: "login", want: ok, again: ok, commit: "OpenSession", stage: func(n *node) scene {
		u := n.user(auth.RoleClient)
		return scene{Request: login(u.Email, right), done: func() bool { return n.sessions(u) > 0 }}
	}},
	{name: "login, wrong password", want: unauthorized, stage: func(n *node) scene {
		return scene{Request: login(n.user(auth.RoleClient).Email, "wrong")}
	}},
	{name: "login, nobody", want: unauthorized, stage: func(n *node) scene {
		return scene{Request: login(n.email(), right)}
	}},
	{name: "refresh, current", want: ok, again: unauthorized, commit: "Rotate", stage: func(n *node) scene {
		raw := n.open(n.user(auth.RoleClient)).Refresh
		return scene{Request: refresh(raw), done: n.rotated(raw)}
	}},
	{name: "refresh, current, grace", reuse: "grace", want: ok, again: ok, commit: "Rotate", stage: func(n *node) scene {
		raw := n.open(n.user(auth.RoleClient)).Refresh
		return scene{Request: refresh(raw), done: n.rotated(raw)}
	}},
	{name: "refresh, previous, at once", want: unauthorized, stage: func(n *node) scene {
		raw := n.open(n.user(auth.RoleClient)).Refresh
		n.refreshed(raw)
		return scene{Request: refresh(raw)}
	}},
	{name: "refresh, previous, at once, grace", reuse: "grace", want: ok, stage: func(n *node) scene {
		raw := n.open(n.user(auth.RoleClient)).Refresh
		n.refreshed(raw)
		return scene{Request: refresh(raw)}
	}},
	{name: "refresh, previous, later", want: unauthorized, again: unauthorized, commit: "RevokeSession", stage: func(n *node) scene {
		pair := n.open(n.user(auth.RoleClient))
		next := n.refreshed(pair.Refresh)
		n.Advance(session.Leeway + time.Second)
		return scene{Request: refresh(pair.Refresh), done: n.revoked(pair.Refresh), dead: []string{pair.Access, next}}
	}},
	{name: "refresh, older", want: unauthorized, again: unauthorized, commit: "RevokeSession", stage: func(n *node) scene {
		pair := n.open(n.user(auth.RoleClient))
		next := n.refreshed(n.refreshed(pair.Refresh))
		return scene{Request: refresh(pair.Refresh), done: n.revoked(pair.Refresh), dead: []string{pair.Access, next}}
	}},
	{name: "refresh, revoked", want: unauthorized, stage: func(n *node) scene {
		pair := n.open(n.user(auth.RoleClient))
		n.ask(logout(pair.Access, pair.Refresh))
		return scene{Request: refresh(pair.Refresh)}
	}},
	{name: "refresh, Django's", want: ok, again: unauthorized, commit: "Rotate", stage: func(n *node) scene {
		raw := n.Django(token.Refresh, n.user(auth.RoleClient), hour)
		return scene{Request: refresh(raw), done: n.adopted(raw, func(s auth.Session) bool { return s.PrevJTI != "" })}
	}},
	{name: "logout", want: ok, again: unauthorized, commit: "RevokeSession", stage: func(n *node) scene {
		pair := n.open(n.user(auth.RoleClient))
		return scene{Request: logout(pair.Access, pair.Refresh), done: n.revoked(pair.Refresh), dead: []string{pair.Access, pair.Refresh}}
	}},
	{name: "logout, another session's refresh token", want: ok, again: unauthorized, commit: "RevokeSession", stage: func(n *node) scene {
		u := n.user(auth.RoleClient)
		one, two := n.open(u), n.open(u)
		return scene{
			Request: logout(one.Access, two.Refresh), dead: []string{one.Access, one.Refresh, two.Access, two.Refresh},
			done: func() bool { return n.revoked(one.Refresh)() && n.revoked(two.Refresh)() },
		}
	}},
	{name: "logout, somebody else's refresh token", want: unauthorized, stage: func(n *node) scene {
		return scene{Request: logout(n.open(n.user(auth.RoleClient)).Access, n.open(n.user(auth.RoleClient)).Refresh)}
	}},
	{name: "logout, Django's", want: ok, again: unauthorized, commit: "RevokeSession", stage: func(n *node) scene {
		u := n.user(auth.RoleClient)
		access, raw := n.Django(token.Access, u, hour), n.Django(token.Refresh, u, hour)
		return scene{
			Request: logout(access, raw), dead: []string{access, raw},
			done: n.adopted(raw, func(s auth.Session) bool { return !s.RevokedAt.IsZero() }),
		}
	}},
	{name: "verify an access token", want: ok, stage: func(n *node) scene {
		return scene{Request: verify(n.open(n.user(auth.RoleClient)).Access)}
	}},
	{name: "verify a revoked access token", want: unauthorized, stage: func(n *node) scene {
		pair := n.open(n.user(auth.RoleClient))
		n.ask(logout(pair.Access, pair.Refresh))
		return scene{Request: verify(pair.Access)}
	}},
	{name: "verify a refresh token", want: ok, stage: func(n *node) scene {
		return scene{Request: verify(n.open(n.user(auth.RoleClient)).Refresh)}
	}},
	{name: "verify a rotated refresh token", want: unauthorized, stage: func(n *node) scene {
		raw := n.open(n.user(auth.RoleClient)).Refresh
		n.refreshed(raw)
		return scene{Request: verify(raw)}
	}},
	{name: "verify Django's access token", want: ok, stage: func(n *node) scene {
		return scene{Request: verify(n.Django(token.Access, n.user(auth.RoleClient), hour))}
	}},
	{name: "verify Django's refresh token", want: ok, stage: func(n *node) scene {
		return scene{Request: verify(n.Django(token.Refresh, n.user(auth.RoleClient), hour))}
	}},
	{name: "profile", want: ok, stage: func(n *node) scene {
		return scene{Request: profile(http.MethodGet, n.open(n.user(auth.RoleClient)).Access, nil)}
	}},
	{name: "profile, Django's token", want: ok, stage: func(n *node) scene {
		return scene{Request: profile(http.MethodGet, n.Django(token.Access, n.user(auth.RoleClient), hour), nil)}
	}},
	{name: "change the profile by PUT", want: ok, again: ok, commit: "Update", stage: changeProfile(http.MethodPut)},
	{name: "change the profile by PATCH", want: ok, again: ok, commit: "Update", stage: changeProfile(http.MethodPatch)},
	{name: "register in cookie mode", want: created, again: badRequest, commit: "Update", stage: func(n *node) scene {
		email := n.email()
		return scene{Request: inMode("cookie", register(email, "client", "")), done: n.registered(email)}
	}},
	{name: "register in hybrid mode", want: created, again: badRequest, commit: "Update", stage: func(n *node) scene {
		email := n.email()
		return scene{Request: inMode("hybrid", register(email, "client", "")), done: n.registered(email)}
	}},
	{name: "login in cookie mode", want: ok, again: ok, commit: "OpenSession", stage: func(n *node) scene {
		u := n.user(auth.RoleClient)
		return scene{Request: inMode("cookie", login(u.Email, right)), done: func() bool { return n.sessions(u) > 0 }}
	}},
	// There are two commits: the session is opened, and that of the overwritten
	// cookie is ended. The second may fail: the login has succeeded.
	{name: "login in cookie mode, in the place of another session", want: ok, again: ok, commit: "RevokeSession", excused: "RevokeSession", stage: func(n *node) scene {
		u := n.user(auth.RoleClient)
		old := n.open(u)
		r := login(u.Email, right)
		r.Header = map[string]string{"Auth-Mode": "cookie", "Cookie": "latchkey_refresh=" + old.Refresh}
		return scene{Request: r, done: n.revoked(old.Refresh), dead: []string{old.Access, old.Refresh}}
	}},
	{name: "refresh by cookie", want: ok, again: unauthorized, commit: "Rotate", stage: func(n *node) scene {
		raw := n.open(n.user(auth.RoleClient)).Refresh
		return scene{Request: byCookie(http.MethodPost, "/api/auth/token/refresh/", "", raw, nil), done: n.rotated(raw)}
	}},
	{name: "refresh by cookie, older", want: unauthorized, again: unauthorized, commit: "RevokeSession", stage: func(n *node) scene {
		pair := n.open(n.user(auth.RoleClient))
		next := n.refreshed(n.refreshed(pair.Refresh))
		return scene{
			Request: byCookie(http.MethodPost, "/api/auth/token/refresh/", pair.Access, pair.Refresh, nil),
			done:    n.revoked(pair.Refresh), dead: []string{pair.Access, next},
		}
	}},
	{name: "verify by cookie", want: ok, stage: func(n *node) scene {
		return scene{Request: byCookie(http.MethodPost, "/api/auth/token/verify/", "", n.open(n.user(auth.RoleClient)).Refresh, nil)}
	}},
	{name: "profile by cookie", want: ok, stage: func(n *node) scene {
		return scene{Request: byCookie(http.MethodGet, "/api/auth/profile/", n.open(n.user(auth.RoleClient)).Access, "", nil)}
	}},
	{name: "logout by cookie", want: ok, again: unauthorized, commit: "RevokeSession", stage: func(n *node) scene {
		pair := n.open(n.user(auth.RoleClient))
		return scene{
			Request: byCookie(http.MethodPost, "/api/auth/logout/", pair.Access, pair.Refresh, nil),
			done:    n.revoked(pair.Refresh), dead: []string{pair.Access, pair.Refresh},
		}
	}},
	// The refresh cookie's session is ended with the caller's, or the caller's
	// alone where that cookie is somebody else's.
	{name: "logout by cookie, another session's refresh token", want: ok, again: unauthorized, commit: "RevokeSession", stage: func(n *node) scene {
		u := n.user(auth.RoleClient)
		one, two := n.open(u), n.open(u)
		return scene{
			Request: byCookie(http.MethodPost, "/api/auth/logout/", one.Access, two.Refresh, nil),
			done:    func() bool { return n.revoked(one.Refresh)() && n.revoked(two.Refresh)() },
			dead:    []string{one.Access, one.Refresh, two.Access, two.Refresh},
		}
	}},
	{name: "logout by cookie, somebody else's refresh token", want: ok, again: unauthorized, commit: "RevokeSession", stage: func(n *node) scene {
		mine, theirs := n.open(n.user(auth.RoleClient)), n.open(n.user(auth.RoleClient))
		return scene{
			Request: byCookie(http.MethodPost, "/api/auth/logout/", mine.Access, theirs.Refresh, nil), dead: []string{mine.Access, mine.Refresh},
			done: func() bool {
				if n.revoked(theirs.Refresh)() {
					n.t.Error("somebody else is signed out")
				}
				return n.revoked(mine.Refresh)()
			},
		}
	}},
	{name: "sessions", want: ok, stage: func(n *node) scene {
		u := n.user(auth.RoleClient)
		n.open(u)
		return scene{Request: faults.Request{Method: http.MethodGet, Path: "/api/auth/sessions/", Bearer: n.open(u).Access}}
	}},
	{name: "end a session", want: noContent, again: notFound, commit: "RevokeSession", stage: func(n *node) scene {
		u := n.user(auth.RoleClient)
		mine, other := n.open(u), n.open(u)
		return scene{
			Request: faults.Request{Method: http.MethodDelete, Path: "/api/auth/sessions/" + other.SessionID + "/", Bearer: mine.Access},
			done:    n.revoked(other.Refresh), dead: []string{other.Access, other.Refresh},
		}
	}},
	{name: "end one's own session by cookie", want: noContent, again: unauthorized, commit: "RevokeSession", stage: func(n *node) scene {
		mine := n.open(n.user(auth.RoleClient))
		return scene{
			Request: byCookie(http.MethodDelete, "/api/auth/sessions/"+mine.SessionID+"/", mine.Access, mine.Refresh, nil),
			done:    n.revoked(mine.Refresh), dead: []string{mine.Access, mine.Refresh},
		}
	}},
	{name: "end a session that is somebody else's", want: notFound, stage: func(n *node) scene {
		mine, theirs := n.open(n.user(auth.RoleClient)), n.open(n.user(auth.RoleClient))
		return scene{Request: faults.Request{Method: http.MethodDelete, Path: "/api/auth/sessions/" + theirs.SessionID + "/", Bearer: mine.Access}}
	}},
	// The list of revocations is read once more when all is done: that may fail,
	// the feed reads it again.
	{name: "end the other sessions", want: ok, again: ok, commit: "Update", excused: "Revocations", after: "Revocations", stage: func(n *node) scene {
		u := n.user(auth.RoleClient)
		mine, one, two := n.open(u), n.open(u), n.open(u)
		return scene{
			Request: faults.Request{Method: http.MethodDelete, Path: "/api/auth/sessions/", Bearer: mine.Access},
			done:    n.endedBut(u, mine, one, two),
			dead:    []string{one.Access, one.Refresh, two.Access, two.Refresh},
		}
	}},
	// It has no session in which the password could have been proved.
	{name: "end the other sessions, Django's token", want: forbidden, stage: func(n *node) scene {
		u := n.user(auth.RoleClient)
		return scene{Request: faults.Request{Method: http.MethodDelete, Path: "/api/auth/sessions/", Bearer: n.Django(token.Access, u, hour)}}
	}},
	{name: "confirm the password", want: noContent, again: noContent, commit: "Update", stage: func(n *node) scene {
		u := n.user(auth.RoleClient)
		return scene{Request: confirm(n.open(u).Access, right), done: func() bool {
			all, err := n.Store.Read().Events(n.t.Context(), auth.EventFilter{UserID: u.ID, Kind: auth.EventConfirmed})
			n.fatal(err)
			return len(all) > 0
		}}
	}},
	{name: "confirm the password, wrong", want: badRequest, stage: func(n *node) scene {
		return scene{Request: confirm(n.open(n.user(auth.RoleClient)).Access, "wrong")}
	}},
	{name: "confirm the password, Django's token", want: unauthorized, stage: func(n *node) scene {
		return scene{Request: confirm(n.Django(token.Access, n.user(auth.RoleClient), hour), right)}
	}},
	{name: "change the password", want: ok, again: badRequest, commit: "Update", excused: "Revocations", after: "Revocations", stage: func(n *node) scene {
		u := n.user(auth.RoleClient)
		mine, other := n.open(u), n.open(u)
		others := n.endedBut(u, mine, other)
		return scene{
			Request: changePassword(mine.Access, right, "an0ther-Horse-43"), dead: []string{other.Access, other.Refresh},
			done: func() bool {
				now, err := n.Store.Read().UserByID(n.t.Context(), u.ID)
				n.fatal(err)
				changed := now.Password != u.Password
				if ended := others(); changed != ended || changed != (now.CredentialVersion > u.CredentialVersion) {
					n.t.Errorf("changed is %v, the other session is ended %v, version %d", changed, ended, now.CredentialVersion)
				}
				return changed
			},
		}
	}},
	{name: "change the password, wrong old one", want: badRequest, stage: func(n *node) scene {
		return scene{Request: changePassword(n.open(n.user(auth.RoleClient)).Access, "wrong", "an0ther-Horse-43")}
	}},
	{name: "events", want: ok, stage: func(n *node) scene {
		return scene{Request: faults.Request{Method: http.MethodGet, Path: "/api/auth/events/?limit=1", Bearer: n.open(n.user(auth.RoleClient)).Access}}
	}},
	{name: "settings", want: ok, stage: func(*node) scene { return scene{Request: get("/api/auth/settings/")} }},
	{name: "docs", want: docs(), stage: func(*node) scene { return scene{Request: get("/api/docs/")} }},
	{name: "schema", want: ok, stage: func(*node) scene { return scene{Request: get("/api/schema/")} }},
	{name: "healthz", want: ok, stage: func(*node) scene { return scene{Request: get("/healthz")} }},
	{name: "readyz", want: ok, excused: "Ping", stage: func(*node) scene {
		time.Sleep(110 * time.Millisecond) // So long the last sign of life is good enough.
		return scene{Request: get("/readyz")}
	}},
}

// docs is the status of the page that describes the API: this test's binary has
// it only where the build has made it.
func docs() int {
	if _, err := fs.Stat(web.Files(), "docs.html.gz"); err != nil {
		return notFound
	}
	return ok
}

// endedBut says whether other sessions are ended: all of them or none, and the
// caller's own in no case.
func (n *node) endedBut(u auth.User, own session.Tokens, others ...session.Tokens) func() bool {
	return func() bool {
		if n.revoked(own.Refresh)() {
			n.t.Error("the caller's own session is ended")
		}
		ended := n.revoked(others[0].Refresh)()
		for _, other := range others {
			if n.revoked(other.Refresh)() != ended {
				n.t.Error("some of the sessions are ended, others are not")
			}
		}
		events, err := n.Store.Read().Events(n.t.Context(), auth.EventFilter{UserID: u.ID, Kind: auth.EventSessionRevoked})
		n.fatal(err)
		if len(events) != 0 && !ended {
			n.t.Errorf("%d events of what has not happened", len(events))
		}
		return ended
	}
}

func changeProfile(method string) func(*node) scene {
	return func(n *node) scene {
		u := n.user(auth.RoleClient)
		return scene{
			Request: profile(method, n.open(u).Access, map[string]string{"first_name": "Grace"}),
			done: func() bool {
				now, err := n.Store.Read().UserByID(n.t.Context(), u.ID)
				n.fatal(err)
				return now.FirstName == "Grace"
			},
		}
	}
}

func (n *node) registered(email string) func() bool {
	return func() bool {
		u, err := n.Store.Read().UserByEmail(n.t.Context(), email)
		if errors.Is(err, auth.ErrNotFound) {
			return false
		}
		n.fatal(err)
		if n.sessions(u) != 1 {
			n.t.Errorf("a registered user with %d sessions", n.sessions(u))
		}
		return true
	}
}

// rotated says whether a token, its session's first, has been traded: exactly
// once, else it would not be the previous one.
func (n *node) rotated(raw string) func() bool {
	return func() bool {
		row, jti := n.row(raw), n.claims(raw).ID
		if row.JTI != jti && row.PrevJTI != jti {
			n.t.Error("the token has been traded twice")
		}
		return row.JTI != jti
	}
}

func (n *node) revoked(raw string) func() bool {
	return func() bool { return !n.row(raw).RevokedAt.IsZero() }
}

func (n *node) adopted(raw string, is func(auth.Session) bool) func() bool {
	return func() bool {
		row, err := n.Store.Read().SessionByOrigin(n.t.Context(), n.claims(raw).ID)
		if errors.Is(err, auth.ErrNotFound) {
			return false
		}
		n.fatal(err)
		return is(row)
	}
}

// generic are the only words that an answer to a failure may have.
var generic = []string{
	`{"detail":"Internal server error."}`,
	`{"detail":"Service temporarily unavailable, try again later."}`,
}

// Each call of the store of each route fails in turn, in each way, until the
// route makes no more calls.
//
// ASVS 16.5.3
// LESSON 17
// ROW 13
func TestEachCallFails(t *testing.T) {
	for _, engine := range faults.Engines {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			nodes := map[string]*node{"": start(t, engine), "grace": start(t, engine, "LATCHKEY_TOKENS_REUSE=grace")}
			failures := 0
			for _, a := range slices.Concat(acts, administration) {
				t.Run(a.name, func(t *testing.T) {
					n := nodes[a.reuse]
					n.t = t
					for _, way := range ways {
						for call := 1; ; call++ {
							if !fails(n, a, call, way.name, way.fail) {
								break
							}
							failures++
						}
					}
				})
			}
			t.Logf("%d calls failed", failures)
			for _, n := range nodes {
				if n.t = t; engine == "postgres" {
					n.noneLeft()
				}
			}
		})
	}
}

// fails does the act with its n-th call failing and reports whether there was
// one.
func fails(n *node, a act, call int, way string, fail func() error) bool {
	n.t.Helper()
	scene := a.stage(n)
	n.Log.Take()
	p := &plan{n: call, fail: fail}
	n.plan.Store(p)
	status, body := n.ask(scene.Request)
	n.plan.Store(nil)
	said := n.Log.Take()
	if p.hit == nil {
		if status != a.want {
			n.t.Errorf("without a failure: %d %s, want %d", status, body, a.want)
		}
		if scene.done != nil && !scene.done() {
			n.t.Errorf("answered %d, and it is not on disk", status)
		}
		return false
	}
	what := fmt.Sprintf("call %d, %s, fails with %s", call, p.hit, way)

	if a.excused == p.hit.Call && status == a.want {
		return true
	}
	if status < 500 || !slices.Contains(generic, body) {
		n.t.Errorf("%s: %d %s, want 5xx and nothing but a general word", what, status, body)
	}
	if panicked := strings.Contains(said, "panic"); panicked != (way == "a panic") {
		n.t.Errorf("%s: the log says:\n%s", what, said)
	}
	effect := false
	if scene.done != nil {
		effect = scene.done()
		want := *p.hit == (faults.Point{Call: a.commit, When: faults.AfterCommit}) || a.after == p.hit.Call
		if effect != want {
			n.t.Errorf("%s: on disk is %v, want %v", what, effect, want)
		}
	}
	// After a commit of which nobody was told the revocations are read before
	// the answer. A panic has gone past that: then the feed brings them.
	within := time.Duration(0)
	if way == "a panic" {
		within = 10 * time.Second
	}
	if effect {
		n.dead(what, scene.dead, within)
	}

	// The next request, which is the same one.
	want := a.want
	if effect {
		want = a.again
	}
	if status, body := n.ask(scene.Request); status != want {
		n.t.Errorf("%s: the same again: %d %s, want %d", what, status, body, want)
	}
	if scene.done != nil && !scene.done() {
		n.t.Errorf("%s: after the same again it is still not on disk", what)
	}
	n.dead(what+", and the same again", scene.dead, 0)
	return true
}

// dead holds that tokens are, or will be within some time.
func (n *node) dead(what string, tokens []string, within time.Duration) {
	n.t.Helper()
	end := time.Now().Add(within)
	for i, raw := range tokens {
		status, body := n.ask(verify(raw))
		for status != unauthorized && time.Now().Before(end) {
			time.Sleep(5 * time.Millisecond)
			status, body = n.ask(verify(raw))
		}
		if status != unauthorized {
			n.t.Errorf("%s: dead token %d: %d %s, want 401", what, i+1, status, body)
		}
	}
}

// noneLeft holds that no failure has left a transaction open.
func (n *node) noneLeft() {
	n.t.Helper()
	ctx := n.t.Context()
	c, err := pgx.Connect(ctx, n.Config.Database.Reveal())
	n.fatal(err)
	defer c.Close(ctx)
	var open int
	n.fatal(c.QueryRow(ctx, `SELECT COUNT(*) FROM pg_stat_activity
		WHERE datname = current_database() AND state LIKE 'idle in transaction%'`).Scan(&open))
	if open != 0 {
		n.t.Errorf("%d transactions are left open", open)
	}
}

// A call that the wrapper passes by is one that is never made to fail.
func TestWrapAsksForEveryCall(t *testing.T) {
	raw := faults.Serve(t, faults.Options{Engine: "sqlite"}).Store
	refuse := func(context.Context, faults.Point) error { return errFault }
	refused := faults.Wrap(raw, refuse)

	each := func(what any, as reflect.Type, but ...string) {
		for i := range as.NumMethod() {
			m := as.Method(i)
			if slices.Contains(but, m.Name) {
				continue
			}
			in := []reflect.Value{reflect.ValueOf(t.Context())}
			for j := 1; j < m.Type.NumIn(); j++ {
				if m.Type.IsVariadic() && j == m.Type.NumIn()-1 {
					break
				}
				in = append(in, reflect.Zero(m.Type.In(j)))
			}
			out := reflect.ValueOf(what).MethodByName(m.Name).Call(in)
			if err, _ := out[len(out)-1].Interface().(error); !errors.Is(err, errFault) {
				t.Errorf("%s.%s is not asked for: %v", as.Name(), m.Name, err)
			}
		}
	}
	each(refused, reflect.TypeFor[auth.Store](), "Read", "Changes", "Close")
	each(refused.Read(), reflect.TypeFor[auth.Reader]())
	// The transaction itself must begin for its calls to be tried.
	inside := faults.Wrap(raw, func(_ context.Context, p faults.Point) error {
		if p.Call == "Update" {
			return nil
		}
		return errFault
	})
	if err := inside.Update(t.Context(), func(tx auth.Tx) error {
		each(tx, reflect.TypeFor[auth.Tx]())
		return nil
	}); err != nil {
		t.Fatal(err)
	}
}

package events

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/netip"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/latchkey-auth/latchkey/e2e/faults"
	"github.com/latchkey-auth/latchkey/internal/auth"
	"github.com/latchkey-auth/latchkey/internal/password"
	"github.com/latchkey-auth/latchkey/internal/pgtest"
	"github.com/latchkey-auth/latchkey/internal/session"
	"github.com/latchkey-auth/latchkey/internal/token"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

const right = "c0rrect-Horse-42"

// hash is made once: a script that hashes for each of its people takes minutes.
var hash = sync.OnceValues(func() (string, error) {
	return password.NewHasher(password.Options{Cheap: true}).Hash(context.Background(), right)
})

// anyStatus is of what depends on whether the pages were built in.
const anyStatus = 0

// request is one request of the script, and what must come of it.
type request struct {
	op   string // as in operations
	path string // op's, with its {id}; "" for op's own
	as   string // the access token
	head map[string]string
	body any // a string is sent as it is

	status int
	// refused is the word of the line in the log, user its user.
	refused auth.Refusal
	user    int64
	events  []event
}

// event is what an event must have; newcomer stands for the user that the
// answer tells of.
type event struct {
	kind        auth.EventKind
	user, actor int64
	count       int
	detail      string // "" for any
}

const newcomer = -1

// sent is a request that was made.
type sent struct {
	request
	id, address string
	newcomer    int64
	at          time.Time
	answer      []byte
}

// script is a server and what was asked of it.
type script struct {
	*faults.Server
	t      *testing.T
	client *http.Client
	all    []*sent
	n      int
	people int
	cached map[auth.Role]person
	// strange are the requests of nobodies.
	strange []request
}

// person is somebody who is signed in.
type person struct {
	auth.User
	session.Tokens
}

func newScript(t *testing.T, engine string, decide faults.Decide, env ...string) *script {
	t.Helper()
	s := &script{
		Server: faults.Serve(t, faults.Options{Engine: engine, Decide: decide, Env: append([]string{
			// Each request has an address of its own, by which what is folded is
			// told apart.
			"LATCHKEY_PROXY_TRUSTED=127.0.0.1", "LATCHKEY_HOSTS=127.0.0.1", "LATCHKEY_THROTTLE_BURST=2",
			// The script may take longer than a proof is fresh.
			"LATCHKEY_SESSIONS_CONFIRM_FOR=1h",
		}, env...)}),
		t: t, client: &http.Client{Timeout: 30 * time.Second}, cached: map[auth.Role]person{},
	}
	t.Cleanup(s.client.CloseIdleConnections)
	return s
}

// made is a new account.
func (s *script) made(role auth.Role) auth.User {
	s.t.Helper()
	encoded, err := hash()
	if err != nil {
		s.t.Fatal(err)
	}
	s.people++
	u, err := s.Insert(s.t.Context(), fmt.Sprintf("p%d@example.com", s.people), encoded, role)
	if err != nil {
		s.t.Fatal(err)
	}
	return u
}

// in signs somebody in.
func (s *script) in(u auth.User) person {
	s.t.Helper()
	tokens, err := s.Open(s.t.Context(), u)
	if err != nil {
		s.t.Fatal(err)
	}
	return person{u, tokens}
}

// fresh is somebody new who is signed in.
func (s *script) fresh(role auth.Role) person { s.t.Helper(); return s.in(s.made(role)) }

// one is somebody of a role whose account nothing is done to.
func (s *script) one(role auth.Role) person {
	s.t.Helper()
	p, ok := s.cached[role]
	if !ok {
		p = s.fresh(role)
		s.cached[role] = p
	}
	return p
}

// ask makes a request and keeps what must come of it.
func (s *script) ask(r request) *sent {
	s.t.Helper()
	s.n++
	q := &sent{
		request: r, id: fmt.Sprintf("script-%d", s.n),
		address: fmt.Sprintf("10.%d.%d.%d", 1+s.n>>16, s.n>>8&255, s.n&255), at: time.Now(),
	}
	s.all = append(s.all, q)
	method, path, _ := strings.Cut(r.op, " ")
	if r.path != "" {
		path = r.path
	}
	var body io.Reader
	switch b := r.body.(type) {
	case nil:
	case string:
		body = strings.NewReader(b)
	default:
		text, err := json.Marshal(b)
		if err != nil {
			s.t.Fatal(err)
		}
		body = bytes.NewReader(text)
	}
	req, err := http.NewRequestWithContext(s.t.Context(), method, s.URL+path, body)
	if err != nil {
		s.t.Fatal(err)
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if r.as != "" {
		req.Header.Set("Authorization", "Bearer "+r.as)
	}
	req.Header.Set("X-Forwarded-For", q.address)
	req.Header.Set("X-Request-Id", q.id)
	req.Header.Set("User-Agent", "script")
	for name, value := range r.head {
		switch name {
		case "Host":
			req.Host = value
		case "X-Forwarded-For":
			q.address = value
			fallthrough
		default:
			req.Header.Set(name, value)
		}
	}
	resp, err := s.client.Do(req)
	if err != nil {
		s.t.Fatalf("%s: %v", r.op, err)
	}
	defer resp.Body.Close()
	if q.answer, err = io.ReadAll(resp.Body); err != nil {
		s.t.Fatal(err)
	}
	if r.status != anyStatus && resp.StatusCode != r.status {
		s.t.Errorf("%s as %.12s… %v: %d %.300s, want %d (%s)", r.op, r.as, r.body, resp.StatusCode, q.answer, r.status, r.refused)
	}
	var answer struct {
		ID   int64
		User struct{ ID int64 }
	}
	_ = json.Unmarshal(q.answer, &answer) // Not every answer is an object.
	if q.newcomer = answer.User.ID; q.newcomer == 0 {
		q.newcomer = answer.ID
	}
	return q
}

// operation is what the script knows of one: who may, and how it is asked so
// that nothing but the caller is at fault.
type operation struct {
	name string
	who  access
	// may are the roles that may; nil for all.
	may []auth.Role
	// ofUser hides other users from those who may see none.
	ofUser bool
	// body is whether it reads one; invalid what {} is answered with (0: it is
	// good), and wrong the word for it.
	body    bool
	invalid int
}

type access int

const (
	public access = iota
	bearer
	open
	service
)

var (
	admins = []auth.Role{auth.RoleAdmin}
	staff  = []auth.Role{auth.RoleAdmin, auth.RoleManager}
)

// operations are every operation of the API: TestOperationsAreWhole.
var operations = []operation{
	{name: "POST /api/auth/register/", who: public, body: true, invalid: 400},
	{name: "POST /api/auth/login/", who: public, body: true, invalid: 401},
	{name: "POST /api/auth/logout/", who: bearer, body: true, invalid: 400},
	{name: "POST /api/auth/token/refresh/", who: public, body: true, invalid: 400},
	{name: "POST /api/auth/token/verify/", who: public, body: true, invalid: 400},
	{name: "GET /api/auth/profile/", who: bearer},
	{name: "PUT /api/auth/profile/", who: bearer, body: true},
	{name: "PATCH /api/auth/profile/", who: bearer, body: true},
	{name: "GET /api/auth/sessions/", who: bearer},
	{name: "DELETE /api/auth/sessions/", who: bearer},
	{name: "DELETE /api/auth/sessions/{id}/", who: bearer},
	{name: "POST /api/auth/confirm/", who: bearer, body: true, invalid: 400},
	{name: "POST /api/auth/password/change/", who: bearer, body: true, invalid: 400},
	{name: "GET /api/auth/events/", who: bearer},
	{name: "GET /api/auth/permissions/", who: bearer},
	{name: "POST /api/auth/password/reset/check/", who: public, body: true, invalid: 400},
	{name: "POST /api/auth/password/reset/confirm/", who: public, body: true, invalid: 400},
	{name: "POST /api/auth/setup/", who: public, body: true, invalid: 400},
	{name: "POST /api/auth/setup/check/", who: public, body: true, invalid: 400},
	{name: "GET /api/users/", who: bearer, may: staff},
	{name: "POST /api/users/", who: bearer, may: staff, body: true, invalid: 400},
	{name: "GET /api/users/{id}/", who: bearer, ofUser: true},
	{name: "PUT /api/users/{id}/", who: bearer, may: staff, ofUser: true, body: true, invalid: 400},
	{name: "PATCH /api/users/{id}/", who: bearer, may: staff, ofUser: true, body: true},
	{name: "DELETE /api/users/{id}/", who: bearer, may: admins, ofUser: true},
	{name: "POST /api/users/{id}/deactivate/", who: bearer, may: staff, ofUser: true},
	{name: "POST /api/users/{id}/activate/", who: bearer, may: staff, ofUser: true},
	{name: "POST /api/users/{id}/logout/", who: bearer, may: staff, ofUser: true},
	{name: "POST /api/users/{id}/reset-link/", who: bearer, may: staff, ofUser: true},
	{name: "GET /api/users/{id}/sessions/", who: bearer, may: staff, ofUser: true},
	{name: "GET /api/audit/", who: bearer, may: admins},
	{name: "GET /api/throttle/", who: bearer, may: admins},
	{name: "DELETE /api/throttle/{id}/", who: bearer, may: admins},
	{name: "GET /api/stats/", who: bearer, may: staff},
	{name: "GET /api/system/", who: bearer, may: admins},
	{name: "GET /api/doctor/", who: bearer, may: admins},
	{name: "GET /api/auth/revocations/", who: service},
	{name: "GET /api/auth/settings/", who: open},
	{name: "GET /api/schema/", who: open},
	{name: "GET /api/docs/", who: open},
}

// TestOperationsAreWhole: what is added to the API is asked here, too.
//
// ASVS 16.3.1
func TestOperationsAreWhole(t *testing.T) {
	description, err := os.ReadFile("../../internal/api/openapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	described := map[string]bool{}
	path := ""
	paths := regexp.MustCompile(`^  (/\S+):$`)
	methods := regexp.MustCompile(`^    (get|put|post|patch|delete):$`)
	for line := range strings.Lines(string(description)) {
		line = strings.TrimSuffix(line, "\n")
		if m := paths.FindStringSubmatch(line); m != nil {
			path = m[1]
		} else if m := methods.FindStringSubmatch(line); m != nil && strings.HasPrefix(path, "/api/") {
			described[strings.ToUpper(m[1])+" "+path] = true
		}
	}
	if len(described) < 35 {
		t.Fatalf("%d operations are described", len(described))
	}
	for _, op := range operations {
		if !described[op.name] {
			t.Errorf("%s is none of the API's", op.name)
		}
		delete(described, op.name)
		if successes[op.name] == nil {
			t.Errorf("%s is never asked with success", op.name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(described)) {
		t.Errorf("%s is not asked", name)
	}
}

// TestEveryOutcomeIsTold is the script.
//
// ASVS 16.2.1, 16.2.2, 16.2.4, 16.3.1, 16.3.2, 16.3.3
func TestEveryOutcomeIsTold(t *testing.T) {
	for _, engine := range faults.Engines {
		t.Run(engine, func(t *testing.T) {
			s := newScript(t, engine, nil)
			began := s.Now()
			s.firstAdministrator()
			for _, op := range operations {
				for _, r := range successes[op.name](s) {
					r.op = op.name
					s.ask(r)
				}
				s.strangers(op)
				s.wrongWays(op)
				s.roles(op)
			}
			s.oddities()
			s.logins()
			s.tokens()
			s.check(began)
			if len(s.all) < 1000 {
				t.Errorf("the script has %d requests", len(s.all))
			}
			seen := map[auth.Refusal]bool{auth.RefusedClosed: true, auth.RefusedBusy: true, auth.RefusedFailed: true} // in TestClosedAndBroken
			for _, q := range s.all {
				seen[q.refused] = true
			}
			for _, r := range auth.Refusals() {
				if !seen[r] {
					t.Errorf("nothing is refused for %s", r)
				}
			}
		})
	}
}

// TestClosedAndBroken is what is refused by a server that is set otherwise, and
// by one whose database is broken or away.
//
// ASVS 16.3.1, 16.3.2, 16.3.4
func TestClosedAndBroken(t *testing.T) {
	var fault error
	s := newScript(t, "sqlite", func(_ context.Context, p faults.Point) error {
		if p.Call == "UserByEmail" {
			return fault
		}
		return nil
	}, "LATCHKEY_REGISTRATION_OPEN=false")
	began := s.Now()
	client, admin := s.one(auth.RoleClient), s.one(auth.RoleAdmin)
	for _, as := range []string{"", client.Access} {
		s.ask(request{
			op: "POST /api/auth/register/", as: as, body: s.form(nil), status: 403, refused: auth.RefusedClosed,
			events: []event{{auth.EventAccessRefused, 0, 0, 1, "POST /api/auth/register/ closed"}},
		})
	}
	s.ask(request{
		op: "POST /api/auth/register/", as: admin.Access, body: s.form(nil), status: 201, user: newcomer,
		events: one(auth.EventRegistered, newcomer, newcomer),
	})
	login := request{op: "POST /api/auth/login/", body: fields{"email": "a@example.com", "password": right}}
	fault, login.status, login.refused = errors.New("broken"), 500, auth.RefusedFailed
	s.ask(login)
	fault, login.status, login.refused = &auth.Error{Kind: auth.Unavailable}, 503, auth.RefusedBusy
	s.ask(login)
	fault = nil
	s.check(began)
}

// nobodies are access tokens that are not good.
func (s *script) nobodies() []request {
	s.t.Helper()
	ctx := s.t.Context()
	good := s.one(auth.RoleClient)
	out, gone, shut := s.fresh(auth.RoleClient), s.fresh(auth.RoleClient), s.fresh(auth.RoleClient)
	s.ask(request{
		op: "POST /api/auth/logout/", as: out.Access, body: map[string]string{"refresh_token": out.Refresh}, status: 200, user: out.ID,
		events: []event{{auth.EventLoggedOut, out.ID, out.ID, 1, ""}},
	})
	admin := s.one(auth.RoleAdmin)
	s.ask(request{
		op: "DELETE /api/users/{id}/", path: fmt.Sprintf("/api/users/%d/", gone.ID), as: admin.Access, status: 204, user: admin.ID,
		events: []event{{auth.EventUserDeleted, gone.ID, admin.ID, 1, ""}},
	})
	s.ask(request{
		op: "POST /api/users/{id}/deactivate/", path: fmt.Sprintf("/api/users/%d/deactivate/", shut.ID), as: admin.Access, status: 200, user: admin.ID,
		events: []event{{auth.EventDeactivated, shut.ID, admin.ID, 1, ""}},
	})
	if _, err := s.Store.Read().UserByID(ctx, shut.ID); err != nil {
		s.t.Fatal(err)
	}
	bypass := []event{{auth.EventBypassRefused, 0, 0, 1, ""}}
	parts := strings.Split(good.Access, ".")
	return []request{
		{status: 401, refused: auth.RefusedNobody},
		{head: map[string]string{"Authorization": "Bearer a b"}, status: 401, refused: auth.RefusedNobody},
		{head: map[string]string{"Authorization": "Basic QWxhZGRpbjpvcGVu"}, status: 401, refused: auth.RefusedNobody},
		{as: parts[0] + "." + parts[1] + "." + strings.Repeat("A", len(parts[2])), status: 401, refused: auth.RefusedForged, events: bypass},
		{as: "eyJ0eXAiOiJKV1QiLCJhbGciOiJub25lIn0." + parts[1] + ".", status: 401, refused: auth.RefusedForged, events: bypass},
		{as: "nonsense", status: 401, refused: auth.RefusedForged, events: bypass},
		{as: s.minted(token.Access, good, -time.Minute), status: 401, refused: auth.RefusedExpired},
		{as: good.Refresh, status: 401, refused: auth.RefusedToken},
		{as: out.Access, status: 401, refused: auth.RefusedRevoked},
		{as: gone.Access, status: 401, refused: auth.RefusedAccount},
		{as: shut.Access, status: 401, refused: auth.RefusedAccount},
	}
}

// minted is a token as the server makes them, with another life.
func (s *script) minted(kind string, p person, life time.Duration) string {
	return token.NewHS256("", []byte(faults.Key)).Sign(token.Claims{
		Type: kind, Expires: s.Now().Add(life).Unix(), IssuedAt: s.Now().Add(life - time.Hour).Unix(), ID: token.NewID(), UserID: p.ID,
		SessionID: p.SessionID, Role: string(p.Role), Gen: p.Gen, HasGen: true,
	})
}

// strangers ask with every kind of credential that is none.
func (s *script) strangers(op operation) {
	s.t.Helper()
	switch op.who {
	case public, open:
		return
	case service:
		for _, as := range []string{"", "lks_" + strings.Repeat("A", 43), s.one(auth.RoleAdmin).Access} {
			s.ask(request{op: op.name, as: as, status: 401, refused: auth.RefusedNobody})
		}
		return
	case bearer:
	}
	if s.strange == nil {
		s.strange = s.nobodies()
	}
	for _, r := range s.strange {
		r.op, r.path = op.name, s.aimed(op, s.one(auth.RoleEmployee).ID)
		if op.body {
			r.body = map[string]string{}
		}
		if len(r.events) > 0 {
			r.events = []event{r.events[0]}
			r.events[0].detail = op.name + " " + string(r.refused)
		}
		s.ask(r)
	}
}

// aimed is the operation's path with an id.
func (s *script) aimed(op operation, user int64) string {
	_, path, _ := strings.Cut(op.name, " ")
	if op.ofUser {
		return strings.Replace(path, "{id}", fmt.Sprint(user), 1)
	}
	return strings.Replace(path, "{id}", strings.Repeat("0", 32), 1)
}

// wrongWays are requests that are refused whoever asks.
func (s *script) wrongWays(op operation) {
	s.t.Helper()
	path := s.aimed(op, s.one(auth.RoleEmployee).ID)
	admin := s.one(auth.RoleAdmin)
	as, user := "", int64(0)
	if op.who == bearer {
		as, user = admin.Access, admin.ID
	}
	bypass := func(why auth.Refusal, route string) []event {
		method, _, _ := strings.Cut(op.name, " ")
		return []event{{auth.EventBypassRefused, 0, 0, 1, method + " " + route + " " + string(why)}}
	}
	_, pattern, _ := strings.Cut(op.name, " ")
	s.ask(request{
		op: op.name, path: path, as: as, head: map[string]string{"Host": "evil.example.com"}, status: 400,
		refused: auth.RefusedHost, events: bypass(auth.RefusedHost, "host"),
	})
	if op.who == public || op.who == bearer {
		s.ask(request{
			op: op.name, path: path, as: as, head: map[string]string{"Auth-Mode": "cookie", "Origin": "https://evil.example.com"}, status: 403,
			refused: auth.RefusedOrigin, events: bypass(auth.RefusedOrigin, pattern),
		})
		s.ask(request{
			op: op.name, path: path, as: as, head: map[string]string{"Auth-Mode": "nonsense"}, status: 400, refused: auth.RefusedMalformed,
		})
	}
	if op.who == bearer {
		// By cookie, from another site.
		s.ask(request{
			op: op.name, path: path, head: map[string]string{"Cookie": "latchkey_access=" + admin.Access, "Sec-Fetch-Site": "cross-site"},
			status: 403, refused: auth.RefusedOrigin, events: bypass(auth.RefusedOrigin, pattern),
		})
	}
	if !op.body {
		return
	}
	for _, wrong := range []request{
		{body: `{"a":1,"a":2}`, status: 400},
		{body: `{`, status: 400},
		{body: strings.Repeat(" ", 65<<10) + "{}", status: 413},
		{body: `<a/>`, head: map[string]string{"Content-Type": "text/xml"}, status: 415},
	} {
		wrong.op, wrong.path, wrong.as, wrong.user, wrong.refused = op.name, path, as, user, auth.RefusedMalformed
		s.ask(wrong)
	}
	if op.invalid != 0 {
		s.ask(request{op: op.name, path: path, as: as, user: user, body: "{}", status: op.invalid, refused: auth.RefusedInvalid})
	}
}

// oddities are requests that are none of the API's.
func (s *script) oddities() {
	s.t.Helper()
	methods := map[string][]string{}
	paths := map[string]operation{}
	for _, op := range operations {
		method, path, _ := strings.Cut(op.name, " ")
		methods[path] = append(methods[path], method)
		paths[path] = op
	}
	admin := s.one(auth.RoleAdmin)
	for _, path := range slices.Sorted(maps.Keys(paths)) {
		op := paths[path]
		as, user := "", int64(0)
		if op.who == bearer {
			as, user = admin.Access, admin.ID
		}
		aimed := s.aimed(op, s.one(auth.RoleEmployee).ID)
		for _, method := range []string{"GET", "PUT", "POST", "PATCH", "DELETE"} {
			r := request{op: method + " " + path, path: aimed, as: as, user: user, status: 405, refused: auth.RefusedMethod}
			if slices.Contains(methods[path], method) {
				continue
			}
			if op.who == service {
				r.status, r.refused = 401, auth.RefusedNobody // Without its key one is asked for that first.
			}
			s.ask(r)
		}
		s.ask(request{op: "OPTIONS " + path, path: aimed, status: 204})
		s.ask(request{op: "OPTIONS " + path, path: strings.TrimSuffix(aimed, "/"), as: "a.b.c", status: 204})
		method, _, _ := strings.Cut(op.name, " ")
		if op.who == bearer {
			// Without the slash at the end it is the same endpoint, and HEAD is GET.
			for _, method := range methods[path] {
				if method == http.MethodGet {
					method = http.MethodHead
				}
				s.ask(request{
					op: method + " " + path, path: strings.TrimSuffix(aimed, "/"), as: "a.b.c", status: 401, refused: auth.RefusedForged,
					events: []event{{auth.EventBypassRefused, 0, 0, 1, method + " " + path + " " + string(auth.RefusedForged)}},
				})
			}
		}
		s.ask(request{op: method + " -", path: strings.TrimSuffix(aimed, "/") + "x/y/z/", as: as, status: 404, refused: auth.RefusedMissing})
		s.ask(request{op: method + " -", path: strings.Replace(aimed, "/api/", "/api//", 1), as: as, status: 404, refused: auth.RefusedMissing})
	}
}

// roles asks for those who may not.
func (s *script) roles(op operation) {
	s.t.Helper()
	for _, role := range auth.Roles() {
		p := s.one(role)
		other := s.one(auth.RoleAdmin)
		if role == auth.RoleAdmin || op.who != bearer {
			continue
		}
		r := request{op: op.name, path: s.aimed(op, other.ID), as: p.Access, user: p.ID}
		if op.body {
			r.body = map[string]string{}
		}
		sees := role == auth.RoleManager
		switch {
		case op.ofUser && !sees:
			r.status, r.refused = 404, auth.RefusedHidden
		case op.may != nil && !slices.Contains(op.may, role):
			r.status, r.refused = 403, auth.RefusedPermission
		case op.ofUser && op.name != "GET /api/users/{id}/" && op.name != "PUT /api/users/{id}/":
			// A manager and an administrator's account: the act says no.
			r.status, r.refused = 403, auth.RefusedPermission
			if op.name == "PATCH /api/users/{id}/" {
				r.body = map[string]string{"phone": "1"}
			}
		default:
			continue
		}
		r.events = []event{{auth.EventAccessRefused, p.ID, p.ID, 1, op.name + " " + string(r.refused)}}
		s.ask(r)
		if op.ofUser && r.refused == auth.RefusedHidden && op.name != "GET /api/users/{id}/" {
			// Towards oneself it is said.
			r.path = s.aimed(op, p.ID)
			r.status, r.refused = 403, auth.RefusedPermission
			r.events = []event{{auth.EventAccessRefused, p.ID, p.ID, 1, op.name + " " + string(r.refused)}}
			s.ask(r)
		}
	}
}

// told is what the log said of a request.
type told struct {
	Time, Msg, Level          string
	ID, Method, Route         string
	Status                    int
	User                      int64
	Address, Refused, Request string
}

// check compares everything that was asked with everything that was told.
func (s *script) check(began time.Time) {
	t := s.t
	t.Helper()
	ctx := t.Context()
	// What is counted up to here is written with these.
	last := s.one(auth.RoleClient)
	s.ask(request{
		op: "GET /api/audit/", as: last.Access, user: last.ID, status: 403, refused: auth.RefusedPermission,
		events: []event{{auth.EventAccessRefused, last.ID, last.ID, 1, ""}},
	})
	end := s.ask(request{
		op: "POST /api/auth/login/", body: map[string]string{"email": "nobody-at-all@example.com", "password": right}, status: 401,
		refused: auth.RefusedCredentials, events: []event{{auth.EventLoginFailed, 0, 0, 1, ""}},
	})
	var all []auth.AuditEvent
	for until := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		var err error
		if all, err = s.Store.Read().Audit(ctx, auth.AuditFilter{Limit: 100_000}); err != nil {
			t.Fatal(err)
		}
		found := 0
		for _, e := range all {
			if e.Client.Request == s.all[len(s.all)-2].id || e.Client.Address == end.address {
				found++
			}
		}
		if found == 2 {
			break
		}
		if time.Now().After(until) {
			t.Fatal("what was counted is not written after 20 s")
		}
	}
	lines := map[string][]told{}
	for line := range strings.Lines(s.Log.String()) {
		var l told
		if err := json.Unmarshal([]byte(line), &l); err != nil {
			t.Fatalf("no JSON: %q", line)
		}
		at, err := time.Parse(time.RFC3339Nano, l.Time)
		if err != nil || !strings.HasSuffix(l.Time, "Z") || !at.Equal(at.Truncate(time.Microsecond)) || l.Level == "" || l.Msg == "" {
			t.Errorf("time, level or message: %s", line)
		}
		if l.Msg == "request" {
			lines[l.ID] = append(lines[l.ID], l)
		}
	}
	of := map[string][]auth.AuditEvent{}
	for _, e := range all {
		s.schema(e, began)
		switch {
		case e.Client.Request != "":
			of[e.Client.Request] = append(of[e.Client.Request], e)
		case e.Client.Address != "":
			of[e.Client.Address] = append(of[e.Client.Address], e)
		}
	}
	events := 0
	for _, q := range s.all {
		method, pattern, _ := strings.Cut(q.op, " ")
		if q.refused == auth.RefusedHost {
			pattern = "host"
		}
		user := q.user
		if user == newcomer {
			user = q.newcomer
		}
		level := "INFO"
		if q.status >= 500 {
			level = "ERROR"
		}
		want := told{Msg: "request", Level: level, ID: q.id, Method: method, Route: pattern, Status: q.status, User: user, Address: q.address, Refused: string(q.refused)}
		got := lines[q.id]
		if len(got) != 1 {
			t.Errorf("%s %s: %d lines in the log", q.op, q.refused, len(got))
			continue
		}
		got[0].Time = ""
		if q.status == anyStatus {
			got[0].Status, want.Status, want.Refused = 0, 0, got[0].Refused
		}
		if got[0] != want {
			t.Errorf("%s %v: the log has\n%+v, want\n%+v", q.op, q.body, got[0], want)
		}
		have := append(slices.Clone(of[q.id]), of[q.address]...)
		delete(of, q.id)
		delete(of, q.address)
		events += len(have)
		for _, w := range q.events {
			if w.user == newcomer {
				w.user = q.newcomer
			}
			if w.actor == newcomer {
				w.actor = q.newcomer
			}
			i := slices.IndexFunc(have, func(e auth.AuditEvent) bool {
				return e.Kind == w.kind && e.UserID == w.user && e.ActorID == w.actor && e.Count == int64(w.count) && (w.detail == "" || e.Detail == w.detail)
			})
			if i < 0 {
				t.Errorf("%s %v (%s): no event %+v in %+v", q.op, q.body, q.refused, w, have)
				continue
			}
			if have[i].Client.Address != q.address {
				t.Errorf("%s: the event is of %s, the request of %s", q.op, have[i].Client.Address, q.address)
			}
			have = slices.Delete(have, i, i+1)
		}
		for _, e := range have {
			t.Errorf("%s %v (%s): an event that does not belong to it: %+v", q.op, q.body, q.refused, e)
		}
	}
	for who, more := range of {
		t.Errorf("events of %s, who asked nothing: %+v", who, more)
	}
	t.Logf("%d requests, %d events", len(s.all), events)
}

// folded are the events that are counted: no one request is theirs, but that
// refusals name the first.
var folded = []auth.EventKind{auth.EventLoginFailed, auth.EventAccessRefused, auth.EventBypassRefused}

// schema: who, what, when and where.
func (s *script) schema(e auth.AuditEvent, began time.Time) {
	s.t.Helper()
	wrong := ""
	switch {
	case !slices.Contains(auth.EventKinds(), e.Kind):
		wrong = "kind"
	case e.At.Location() != time.UTC && e.At.Location() != time.Local,
		e.At.Before(began.Truncate(time.Minute).Add(-time.Second)), e.At.After(s.Now()), !e.At.Equal(e.At.Truncate(time.Microsecond)):
		wrong = "time"
	case e.Count < 1, e.Count > 1 && !slices.Contains(folded, e.Kind):
		wrong = "count"
	case e.UserID < 0 || e.ActorID < 0:
		wrong = "user or actor"
	case e.SessionID != "" && len(e.SessionID) != 32:
		wrong = "session"
	}
	// What a client caused says from where, and by which request.
	if e.Client != (auth.Client{}) && wrong == "" {
		if _, err := netip.ParseAddr(e.Client.Address); err != nil {
			wrong = "address"
		}
		known := slices.ContainsFunc(s.all, func(q *sent) bool { return q.id == e.Client.Request && q.address == e.Client.Address })
		if !known && e.Kind != auth.EventLoginFailed && e.Kind != auth.EventAddressBlocked && e.Kind != auth.EventGuessesEnded {
			wrong = "request"
		}
		if e.Kind != auth.EventLoginFailed && e.Client.UserAgent != "script" && known {
			wrong = "user agent"
		}
	}
	if wrong != "" {
		s.t.Errorf("%s: %+v", wrong, e)
	}
}

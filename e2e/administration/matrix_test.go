// Package administration asks the real binary what each role may do, and what
// becomes of administrators who act at the same time.
package administration

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/latchkey-auth/latchkey/e2e/node"
	"github.com/latchkey-auth/latchkey/internal/pgtest"
)

func TestMain(m *testing.M) {
	code := pgtest.M{M: m}.Run()
	node.Clean()
	os.Exit(code)
}

const password = "c0rrect-Horse-42"

// engines starts one server on each.
var engines = map[string]func(t *testing.T) *node.Node{
	"sqlite": func(t *testing.T) *node.Node { return node.Start(t, quiet...) },
	"postgres": func(t *testing.T) *node.Node {
		return node.Start(t, append([]string{"LATCHKEY_DATABASE=" + pgtest.Database(t)}, quiet...)...)
	},
}

var quiet = []string{"LATCHKEY_THROTTLE_ENABLED=false", "LATCHKEY_LOG_LEVEL=error", "LATCHKEY_SESSIONS_CONFIRM_FOR=1h"}

// roles are the guide's.
var roles = []string{"admin", "manager", "employee", "client"}

// office is a server with two of each role.
type office struct {
	*node.Node
	t      *testing.T
	people map[string]node.Answer // "admin", "other admin", …
	n      int
}

func newOffice(t *testing.T, n *node.Node) *office {
	t.Helper()
	o := &office{Node: n, t: t, people: map[string]node.Answer{}}
	if out, err := n.CLI(t, password, "user", "create", "root@example.com", "--role", "admin", "--password-stdin"); err != nil {
		t.Fatalf("create the first administrator: %v\n%s", err, out)
	}
	root, err := n.Login(t.Context(), "root@example.com", password)
	if err != nil || !root.OK() {
		t.Fatalf("log in: %v %s", err, root.Body)
	}
	for _, role := range roles {
		for _, name := range []string{role, "other " + role} {
			o.people[name] = o.register(root.Tokens.Access, role)
		}
	}
	return o
}

// register makes somebody who has a password and is signed in.
func (o *office) register(by, role string) node.Answer {
	o.t.Helper()
	o.n++
	mail := fmt.Sprintf("%s%d@example.com", role, o.n)
	status, body, err := o.Do(o.t.Context(), http.MethodPost, "/api/auth/register/", by, map[string]string{
		"email": mail, "password": password, "password2": password, "first_name": "Ada", "last_name": "Lovelace", "role": role,
	})
	if err != nil || status != http.StatusCreated {
		o.t.Fatalf("register a %s: %v %d %s", role, err, status, body)
	}
	var a node.Answer
	if err := json.Unmarshal(body, &struct {
		User   *node.User
		Tokens *node.Pair
	}{&a.User, &a.Tokens}); err != nil {
		o.t.Fatal(err)
	}
	return a
}

// throwaway is a fresh account, for what cannot be undone.
func (o *office) throwaway(role string) int64 {
	o.t.Helper()
	o.n++
	status, body, err := o.Do(o.t.Context(), http.MethodPost, "/api/users/", o.people["admin"].Tokens.Access, map[string]any{
		"email": fmt.Sprintf("t%d@example.com", o.n), "first_name": "T", "last_name": "T", "role": role,
	})
	if err != nil || status != http.StatusCreated {
		o.t.Fatalf("make a %s: %v %d %s", role, err, status, body)
	}
	var u node.User
	if err := json.Unmarshal(body, &u); err != nil {
		o.t.Fatal(err)
	}
	return u.ID
}

// matrix is who may do what to whom: for each request a line for each caller
// with the status for the own account, one of each role, and one that is not
// there. It is written down here, not taken from the table that the server goes
// by. "-" is not asked: the caller would act on the very account that it needs.
var matrix = []struct {
	method, path string
	body         any
	fresh        bool // needs an account of its own for each
	callers      map[string]string
}{
	{"GET", "/api/users/{id}/", nil, false, map[string]string{
		//           own admin manager employee client nobody
		"admin":    "200 200 200 200 200 404",
		"manager":  "200 200 200 200 200 404",
		"employee": "200 404 404 404 404 404",
		"client":   "200 404 404 404 404 404",
	}},
	{"PATCH", "/api/users/{id}/", map[string]string{"phone": "1"}, false, map[string]string{
		"admin":    "200 200 200 200 200 404",
		"manager":  "403 403 403 200 200 404",
		"employee": "403 404 404 404 404 404",
		"client":   "403 404 404 404 404 404",
	}},
	{"PATCH", "/api/users/{id}/", map[string]string{"role": "manager"}, true, map[string]string{
		"admin":    "- 200 200 200 200 404",
		"manager":  "403 403 403 403 403 404",
		"employee": "403 404 404 404 404 404",
		"client":   "403 404 404 404 404 404",
	}},
	{"PATCH", "/api/users/{id}/", map[string]string{"role": "client"}, true, map[string]string{
		"admin":    "- 200 200 200 200 404",
		"manager":  "403 403 403 200 200 404",
		"employee": "403 404 404 404 404 404",
		"client":   "403 404 404 404 404 404",
	}},
	{"PUT", "/api/users/{id}/", map[string]any{}, false, map[string]string{
		// Who may not is told so before what is missing.
		"admin":    "400 400 400 400 400 400",
		"manager":  "400 400 400 400 400 400",
		"employee": "403 404 404 404 404 404",
		"client":   "403 404 404 404 404 404",
	}},
	{"DELETE", "/api/users/{id}/", nil, true, map[string]string{
		"admin":    "- 204 204 204 204 404",
		"manager":  "403 403 403 403 403 403",
		"employee": "403 404 404 404 404 404",
		"client":   "403 404 404 404 404 404",
	}},
	{"POST", "/api/users/{id}/deactivate/", nil, true, map[string]string{
		"admin":    "- 200 200 200 200 404",
		"manager":  "403 403 403 200 200 404",
		"employee": "403 404 404 404 404 404",
		"client":   "403 404 404 404 404 404",
	}},
	{"POST", "/api/users/{id}/activate/", nil, true, map[string]string{
		"admin":    "200 200 200 200 200 404",
		"manager":  "403 403 403 200 200 404",
		"employee": "403 404 404 404 404 404",
		"client":   "403 404 404 404 404 404",
	}},
	{"POST", "/api/users/{id}/logout/", nil, true, map[string]string{
		"admin":    "- 200 200 200 200 404",
		"manager":  "403 403 403 200 200 404",
		"employee": "403 404 404 404 404 404",
		"client":   "403 404 404 404 404 404",
	}},
	{"POST", "/api/users/{id}/reset-link/", nil, true, map[string]string{
		"admin":    "201 201 201 201 201 404",
		"manager":  "403 403 403 201 201 404",
		"employee": "403 404 404 404 404 404",
		"client":   "403 404 404 404 404 404",
	}},
	{"GET", "/api/users/{id}/sessions/", nil, false, map[string]string{
		"admin":    "200 200 200 200 200 404",
		"manager":  "403 403 403 200 200 404",
		"employee": "403 404 404 404 404 404",
		"client":   "403 404 404 404 404 404",
	}},
	{"GET", "/api/audit/?user={id}", nil, false, map[string]string{
		"admin":    "200 200 200 200 200 200",
		"manager":  "403 403 403 200 200 404",
		"employee": "403 403 403 403 403 403",
		"client":   "403 403 403 403 403 403",
	}},
}

// plain are the requests that are about nobody: admin, manager, employee,
// client.
var plain = []struct {
	method, path string
	body         any
	want         string
}{
	{"GET", "/api/users/", nil, "200 200 403 403"},
	{"POST", "/api/users/", map[string]string{"role": "admin"}, "201 403 403 403"},
	{"POST", "/api/users/", map[string]string{"role": "manager"}, "201 403 403 403"},
	{"POST", "/api/users/", map[string]string{"role": "employee"}, "201 201 403 403"},
	{"POST", "/api/users/", map[string]string{"role": "client"}, "201 201 403 403"},
	{"GET", "/api/audit/", nil, "200 403 403 403"},
	{"GET", "/api/audit/?format=csv", nil, "200 403 403 403"},
	{"GET", "/api/audit/?format=jsonl", nil, "200 403 403 403"},
	{"GET", "/api/throttle/", nil, "200 403 403 403"},
	{"DELETE", "/api/throttle/00000000000000000000000000000000/", nil, "404 403 403 403"},
	{"GET", "/api/stats/", nil, "200 200 403 403"},
	{"GET", "/api/system/", nil, "200 403 403 403"},
	{"GET", "/api/doctor/", nil, "200 403 403 403"},
	{"GET", "/api/auth/permissions/", nil, "200 200 200 200"},
	{"GET", "/api/auth/revocations/", nil, "401 401 401 401"},
	{"GET", "/api/auth/profile/", nil, "200 200 200 200"},
	{"PATCH", "/api/auth/profile/", map[string]string{"phone": "2"}, "200 200 200 200"},
	{"GET", "/api/auth/sessions/", nil, "200 200 200 200"},
	{"GET", "/api/auth/events/", nil, "200 200 200 200"},
	{"POST", "/api/auth/logout/", map[string]any{}, "400 400 400 400"},
	{"POST", "/api/auth/confirm/", map[string]any{}, "400 400 400 400"},
	{"POST", "/api/auth/password/change/", map[string]any{}, "400 400 400 400"},
	{"DELETE", "/api/auth/sessions/", nil, "200 200 200 200"},
	{"DELETE", "/api/auth/sessions/00000000000000000000000000000000/", nil, "404 404 404 404"},
}

// public are the requests that are the same for everybody, whatever token is
// sent with them.
var public = []struct {
	method, path string
	body         any
	want         string
}{
	{"POST", "/api/auth/register/", map[string]any{}, "400"},
	{"POST", "/api/auth/login/", map[string]any{}, "401"},
	{"POST", "/api/auth/token/refresh/", map[string]any{}, "400"},
	{"POST", "/api/auth/token/verify/", map[string]any{}, "400"},
	{"POST", "/api/auth/password/reset/check/", map[string]any{}, "400"},
	{"POST", "/api/auth/password/reset/confirm/", map[string]any{}, "400"},
	{"POST", "/api/auth/setup/", map[string]any{}, "400"},
	{"POST", "/api/auth/setup/check/", map[string]any{}, "400"},
	{"GET", "/api/auth/settings/", nil, "200"},
	{"GET", "/api/schema/", nil, "200"},
	{"GET", "/.well-known/jwks.json", nil, "200"},
	{"GET", "/healthz", nil, "200"},
	{"GET", "/readyz", nil, "200"},
}

// TestMatrixIsWhole holds the tables against the description of the API: what is
// added to it is asked for everybody, too.
//
// ROW 14
func TestMatrixIsWhole(t *testing.T) {
	description, err := os.ReadFile("../../internal/api/openapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	asked := map[string]bool{"/api/docs/": true} // It is the schema's page, there if the UI was built in.
	for _, row := range matrix {
		asked[strings.TrimSuffix(row.path, "?user={id}")] = true
	}
	for _, row := range plain {
		path, _, _ := strings.Cut(row.path, "?")
		asked[strings.Replace(path, strings.Repeat("0", 32), "{id}", 1)] = true
	}
	for _, row := range public {
		asked[row.path] = true
	}
	found := regexp.MustCompile(`(?m)^  (/\S+):$`).FindAllStringSubmatch(string(description), -1)
	if len(found) < 30 {
		t.Fatalf("%d paths in the description", len(found))
	}
	for _, m := range found {
		if !asked[m[1]] {
			t.Errorf("%s is asked for nobody", m[1])
		}
	}
}

// TestMatrix asks every route for every caller about everybody.
//
// ASVS 7.2.1, 7.2.2, 7.4.2, 7.4.5, 8.2.1, 8.2.2, 8.3.1, 8.3.2
// ROW 14
func TestMatrix(t *testing.T) {
	for name, start := range engines {
		t.Run(name, func(t *testing.T) {
			o := newOffice(t, start(t))
			nobodies := o.nobodies()
			asked := 0
			ask := func(who, method, path, token string, body any, want string) {
				t.Helper()
				asked++
				status, answer, err := o.Do(t.Context(), method, path, token, body)
				if err != nil {
					t.Fatal(err)
				}
				if fmt.Sprint(status) != want {
					t.Errorf("%s: %s %s %v: %d %s, want %s", who, method, path, body, status, answer, want)
				}
			}
			for _, row := range matrix {
				for _, who := range roles {
					caller := o.people[who]
					for i, want := range strings.Fields(row.callers[who]) {
						if want == "-" {
							continue
						}
						id := int64(999_999)
						switch {
						case i == 0:
							id = caller.User.ID
						case i <= len(roles) && row.fresh:
							id = o.throwaway(roles[i-1])
						case i <= len(roles):
							id = o.people["other "+roles[i-1]].User.ID
						}
						ask(who, row.method, strings.Replace(row.path, "{id}", fmt.Sprint(id), 1), caller.Tokens.Access, row.body, want)
					}
					for _, id := range []string{"0", "x", "-1", "01", "9223372036854775808"} {
						if !strings.HasPrefix(row.path, "/api/audit/") {
							ask(who, row.method, strings.Replace(row.path, "{id}", id, 1), caller.Tokens.Access, row.body,
								notAnID(who, row.method))
						}
					}
				}
				for who, token := range nobodies {
					ask(who, row.method, strings.Replace(row.path, "{id}", fmt.Sprint(o.people["client"].User.ID), 1), token, row.body, "401")
				}
			}
			for _, row := range plain {
				for i, want := range strings.Fields(row.want) {
					body := row.body
					if m, ok := body.(map[string]string); ok && row.method == "POST" {
						o.n++
						body = map[string]string{"email": fmt.Sprintf("p%d@example.com", o.n), "first_name": "P", "last_name": "P", "role": m["role"]}
					}
					ask(roles[i], row.method, row.path, o.people[roles[i]].Tokens.Access, body, want)
				}
				for who, token := range nobodies {
					ask(who, row.method, row.path, token, row.body, "401")
				}
			}
			for _, row := range public {
				for _, who := range roles {
					ask(who, row.method, row.path, o.people[who].Tokens.Access, row.body, row.want)
				}
				for who, token := range nobodies {
					ask(who, row.method, row.path, token, row.body, row.want)
				}
			}
			t.Logf("%d requests", asked)
		})
	}
}

// notAnID is what a path with no id in it is answered with: there is no such
// thing, unless the caller may do this to nobody at all.
func notAnID(who, method string) string {
	if who == "manager" && method == http.MethodDelete {
		return "403"
	}
	return "404"
}

// nobodies are those who have no good access token: without one, signed out,
// deactivated, deleted, demoted, with a refresh token and with a service key.
func (o *office) nobodies() map[string]string {
	o.t.Helper()
	ctx, admin := o.t.Context(), o.people["admin"].Tokens.Access
	tokens := map[string]string{"anonymous": "", "refresh token": o.people["admin"].Tokens.Refresh, "nonsense": "a.b.c"}
	// A good token's words with nobody's signature, none at all, and another's.
	words := strings.Split(admin, ".")
	none := base64.RawURLEncoding.EncodeToString([]byte(`{"typ":"JWT","alg":"none"}`))
	tokens["forged"] = words[0] + "." + words[1] + "." + strings.Repeat("A", len(words[2]))
	tokens["unsigned"] = none + "." + words[1] + "."
	tokens["with another's signature"] = words[0] + "." + words[1] + "." + strings.Split(o.people["client"].Tokens.Access, ".")[2]
	for name, end := range map[string]func(node.Answer) (int, []byte, error){
		"signed out": func(a node.Answer) (int, []byte, error) {
			return o.Do(ctx, http.MethodPost, "/api/auth/logout/", a.Tokens.Access, map[string]string{"refresh_token": a.Tokens.Refresh})
		},
		"deactivated": func(a node.Answer) (int, []byte, error) {
			return o.Do(ctx, http.MethodPost, fmt.Sprintf("/api/users/%d/deactivate/", a.User.ID), admin, nil)
		},
		"deleted": func(a node.Answer) (int, []byte, error) {
			return o.Do(ctx, http.MethodDelete, fmt.Sprintf("/api/users/%d/", a.User.ID), admin, nil)
		},
		"demoted": func(a node.Answer) (int, []byte, error) {
			return o.Do(ctx, http.MethodPatch, fmt.Sprintf("/api/users/%d/", a.User.ID), admin, map[string]string{"role": "client"})
		},
		"signed out by another": func(a node.Answer) (int, []byte, error) {
			return o.Do(ctx, http.MethodPost, fmt.Sprintf("/api/users/%d/logout/", a.User.ID), admin, nil)
		},
	} {
		a := o.register(admin, "admin")
		if status, body, err := end(a); err != nil || status/100 != 2 {
			o.t.Fatalf("%s: %v %d %s", name, err, status, body)
		}
		tokens[name] = a.Tokens.Access
	}
	out, err := o.CLI(o.t, "", "service-key", "create", "matrix")
	if err != nil {
		o.t.Fatalf("service-key create: %v\n%s", err, out)
	}
	lines := strings.Fields(out)
	tokens["service key"] = lines[len(lines)-1]
	if status, body, err := o.Do(context.Background(), http.MethodGet, "/api/auth/revocations/", tokens["service key"], nil); err != nil || status != http.StatusOK {
		o.t.Errorf("the feed with a service key: %v %d %s", err, status, body)
	}
	// It must open the feed and nothing else, which the plain rows would take
	// for a failure.
	key := tokens["service key"]
	delete(tokens, "service key")
	for _, path := range []string{"/api/users/", "/api/auth/profile/", "/api/system/", "/api/audit/"} {
		if status, _, err := o.Do(ctx, http.MethodGet, path, key, nil); err != nil || status != http.StatusUnauthorized {
			o.t.Errorf("%s with a service key: %v %d", path, err, status)
		}
	}
	return tokens
}

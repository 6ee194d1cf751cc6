package api_test

import (
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/latchkey-auth/latchkey/internal/account"
	"github.com/latchkey-auth/latchkey/internal/api"
	"github.com/latchkey-auth/latchkey/internal/auth"
	"github.com/latchkey-auth/latchkey/internal/session"
)

const unconfirmed = `{"detail":"Password confirmation is required to perform this action.","code":"confirmation_required"}`

// TestConfirm says what the form takes, what the act is given, and how its
// refusals are worded.
func TestConfirm(t *testing.T) {
	t.Parallel()
	invalid := func(what string) string { return `{"error":"Invalid data","details":{"password":["` + what + `"]}}` }
	var wrong auth.Fields
	wrong.Add("password", auth.Problem{Code: auth.CodeWrongPassword})
	for _, c := range []struct {
		name, body string
		err        error
		status     int
		answer     string
		given      string
	}{
		{"right", `{"password":" p "}`, nil, 204, "", " p "},
		{"wrong", `{"password":"p"}`, wrong.Err(), 400, invalid("Your password was entered incorrectly. Please enter it again."), "p"},
		{"nothing", `{}`, nil, 400, invalid("This field is required."), ""},
		{"no body", ``, nil, 400, invalid("This field is required."), ""},
		{"blank", `{"password":""}`, nil, 400, invalid("This field may not be blank."), ""},
		{"no string", `{"password":[]}`, nil, 400, invalid("Not a valid string."), ""},
		{"no JSON", `{`, nil, 400, `{"detail":"JSON parse error - Unexpected end of data"}`, ""},
		{"too many", `{"password":"p"}`, &auth.Error{Kind: auth.TooMany, RetryAfter: 90 * time.Second}, 429, `{"detail":"Request was throttled. Expected available in 90 seconds."}`, "p"},
		{"busy", `{"password":"p"}`, &auth.Error{Kind: auth.Unavailable}, 503, `{"detail":"Service temporarily unavailable, try again later."}`, "p"},
		{"meanwhile", `{"password":"p"}`, auth.ErrConflict, 409, `{"detail":"The resource was changed meanwhile."}`, "p"},
		{"ended", `{"password":"p"}`, auth.TokenError(auth.CodeTokenInvalid), 401, `{"detail":"Token is invalid or expired","code":"token_not_valid"}`, "p"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			for _, credential := range []string{"Authorization: Bearer good", "Cookie: latchkey_access=good", "Authorization: Bearer good\nAuth-Mode: cookie"} {
				given := ""
				h := serve(&acts{confirm: func(pw string) error { given = pw; return c.err }})
				w := do(t, h, request("POST /api/auth/confirm/\n"+credential+"\n\n"+c.body))
				expect(t, w, c.status, c.answer)
				cookies(t, w)
				if given != c.given {
					t.Errorf("the act is given %q", given)
				}
			}
		})
	}
	h := serve(&acts{confirm: func(string) error { t.Error("asked"); return nil }})
	for _, c := range []struct {
		request string
		status  int
	}{
		{"POST /api/auth/confirm/\n\n" + `{"password":"p"}`, 401},
		{"GET /api/auth/confirm/\nAuthorization: Bearer good", 405},
		// A page of another origin, and one that can send only forms.
		{"POST /api/auth/confirm/\nCookie: latchkey_access=good\nOrigin: https://evil.example\n\n" + `{"password":"p"}`, 403},
		{"POST /api/auth/confirm/\nCookie: latchkey_access=good\nContent-Type: application/x-www-form-urlencoded\n\npassword=p", 415},
	} {
		if w := do(t, h, request(c.request)); w.Code != c.status {
			t.Errorf("%q: %d, want %d", c.request, w.Code, c.status)
		}
	}
}

// freshRequests are those that a session without a fresh proof is refused, with
// an administrator's token, and those beside them that it is not.
var freshRequests = []struct {
	request string
	asked   bool
}{
	{"DELETE /api/auth/sessions/", true},
	{"DELETE /api/auth/sessions", true},
	{"GET /api/auth/sessions/", false},
	{"DELETE /api/auth/sessions/" + strings.Repeat("2", 32) + "/", true},
	{"DELETE /api/auth/sessions/x/", true},
	{"DELETE /api/auth/sessions/" + sid + "/", false},
	{"DELETE /api/users/9/", true},
	{"GET /api/users/9/", false},
	{"POST /api/users/9/reset-link/", true},
	{"POST /api/users/9/deactivate/", false},
	{"POST /api/users/9/logout/", false},
	{"GET /api/audit/", false},
	{"GET /api/audit/?format=json", false},
	{"GET /api/audit/?format=csv", true},
	{"HEAD /api/audit/?format=csv", true},
	{"GET /api/audit/?format=jsonl&user=3", true},
	{"DELETE /api/throttle/x/", true},
	{"GET /api/throttle/", false},
	{"POST /api/auth/logout/\n\n" + `{"refresh_token":"r"}`, false},
	{"GET /api/auth/profile/", false},
	{"PATCH /api/auth/profile/\n\n{}", false},
	{"POST /api/auth/token/refresh/\n\n" + `{"refresh":"r"}`, false},
	{"POST /api/auth/password/change/\n\n" + `{"old_password":"o","password":"p","password2":"p"}`, false},
}

// TestFresh says which requests need a fresh proof: they are refused without
// the act having been asked, and nothing else asks for one. What depends on what
// it changes is told the act (TestProvedActor).
//
// ASVS 7.5.2, 7.5.3, 10.4.9
func TestFresh(t *testing.T) {
	t.Parallel()
	boss := john
	boss.Role = auth.RoleAdmin
	for _, c := range freshRequests {
		t.Run(c.request, func(t *testing.T) {
			t.Parallel()
			for _, credential := range []string{"\nAuthorization: Bearer good", "\nCookie: latchkey_access=good"} {
				asked, acted := false, false
				a := &acts{
					authenticate: inSession(sid),
					user:         func() (auth.User, error) { return boss, nil },
					end:          func(string) error { acted = true; return nil },
					acted:        func() { acted = true },
					confirmed: func(who session.Access) error {
						if who.SessionID != sid || who.UserID != john.ID {
							t.Errorf("of %+v", who)
						}
						asked = true
						return auth.ErrUnconfirmed
					},
				}
				head, body, _ := strings.Cut(c.request, "\n\n")
				w := do(t, serve(a), request(head+credential+"\n\n"+body))
				if asked != c.asked {
					t.Fatalf("asked for a proof: %v, want %v", asked, c.asked)
				}
				if !c.asked {
					if w.Code == http.StatusForbidden {
						t.Errorf("%d %s", w.Code, w.Body)
					}
					continue
				}
				want := unconfirmed
				if strings.HasPrefix(c.request, "HEAD") {
					want = ""
				}
				expect(t, w, 403, want)
				if acted {
					t.Error("it was done")
				}
			}
		})
	}
	// Who may not is told that first, and who is not let in at all is not asked.
	never := func(session.Access) error { t.Error("asked"); return nil }
	h := serve(&acts{confirmed: never})
	expect(t, do(t, h, request("DELETE /api/users/7/\nAuthorization: Bearer good")), 403, `{"detail":"You do not have permission to perform this action."}`)
	expect(t, do(t, h, request("DELETE /api/users/9/\nAuthorization: Bearer good")), 404, notFound)
	expect(t, do(t, h, request("DELETE /api/auth/sessions/")), 401, noToken)
	expect(t, do(t, h, request("POST /api/auth/sessions/\nAuthorization: Bearer good")), 405, `{"detail":"Method \"POST\" not allowed."}`)
}

// TestProvedActor: the acts that ask only for some of what they change are told
// whether there is a proof.
//
// ASVS 7.5.1, 7.5.3
func TestProvedActor(t *testing.T) {
	t.Parallel()
	boss := john
	boss.Role = auth.RoleAdmin
	for _, proof := range []error{nil, auth.ErrUnconfirmed, auth.TokenError(auth.CodeTokenInvalid)} {
		var by []*account.Actor
		registered := 0
		a := &acts{
			user:      func() (auth.User, error) { return boss, nil },
			confirmed: func(session.Access) error { return proof },
			actor:     func(who *account.Actor) { by = append(by, who) },
			register:  func(account.Registration) error { registered++; return nil },
		}
		const user = `{"email":"x@example.com","first_name":"A","last_name":"B","role":"admin"}`
		const form = `{"email":"x@example.com","first_name":"A","last_name":"B","password":"p","password2":"p","role":`
		for _, r := range []string{"POST /api/users/", "PUT /api/users/9/", "PATCH /api/users/9/"} {
			w := do(t, serve(a), request(r+"\nAuthorization: Bearer good\n\n"+user))
			if want := auth.IsKind(proof, auth.TokenNotValid); (w.Code == http.StatusUnauthorized) != want {
				t.Errorf("%s, %v: %d %s", r, proof, w.Code, w.Body)
			}
		}
		for _, who := range by {
			if who.Confirmed != (proof == nil) {
				t.Errorf("%v: the act is told %v", proof, who.Confirmed)
			}
		}
		if want := 3; !auth.IsKind(proof, auth.TokenNotValid) && len(by) != want {
			t.Errorf("%v: %d acts, want %d", proof, len(by), want)
		}
		// The guide's registration with an administrator's token.
		for role, elevated := range map[string]bool{"admin": true, "manager": true, "client": false} {
			before := registered
			w := do(t, serve(a), request("POST /api/auth/register/\nAuthorization: Bearer good\n\n"+form+`"`+role+`"}`))
			if ok := proof == nil || !elevated; (w.Code == http.StatusCreated) != ok || (registered > before) != ok {
				t.Errorf("%v: a %s: %d %s", proof, role, w.Code, w.Body)
			}
			if elevated && proof == auth.ErrUnconfirmed { //nolint:errorlint // The very one.
				expect(t, w, 403, unconfirmed)
			}
		}
	}
}

// TestFreshDocumented: docs/sessions.md names every path that asks for a fresh
// proof, by its route or in its act, and no other.
//
// ASVS 7.5.3
func TestFreshDocumented(t *testing.T) {
	t.Parallel()
	// What calls for it beside the table of routes.
	inActs := []string{"POST /api/users/", "PUT /api/users/{id}/", "PATCH /api/users/{id}/", "POST /api/auth/register/"}
	if have := calls(t, "Confirmed"); !slices.Equal(have, []string{"api.provedActor", "api.roleFor", "api.serve", "session.Confirmed"}) {
		t.Errorf("a proof is asked for by %q", have)
	}
	if have := calls(t, "provedActor"); !slices.Equal(have, []string{"api.createUser", "api.editUser"}) {
		t.Errorf("acts that are told of a proof: %q", have)
	}
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "sessions.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(page), "## What takes the password again")
	section, _, _ = strings.Cut(section, "\n## ")
	documented := map[string]bool{}
	for _, m := range regexp.MustCompile("(?m)^\\| `([A-Z]+) (/api/[^`]+)` \\|").FindAllStringSubmatch(section, -1) {
		if !slices.Contains(inActs, m[1]+" "+m[2]) {
			documented[m[2]] = true
		}
	}
	routes := map[string]bool{}
	for _, e := range api.Endpoints() {
		if e.Fresh {
			routes[e.Path] = true
		}
	}
	for path := range routes {
		if !documented[path] {
			t.Errorf("%s asks, and docs/sessions.md does not say so", path)
		}
	}
	for path := range documented {
		if !routes[path] {
			t.Errorf("docs/sessions.md says that %s asks, and it does not", path)
		}
	}
	for _, r := range inActs {
		if !strings.Contains(section, "`"+r+"`") {
			t.Errorf("docs/sessions.md does not name %s", r)
		}
	}
}

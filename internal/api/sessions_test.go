package api_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/latchkey-auth/latchkey/internal/api"
	"github.com/latchkey-auth/latchkey/internal/auth"
	"github.com/latchkey-auth/latchkey/internal/session"
)

const (
	firefox = "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0"
	edge    = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36 Edg/142.0.0.0"
)

// inSession makes the caller's token one of a session, "" for Django's.
func inSession(id string) func(string) (session.Access, error) {
	return func(string) (session.Access, error) {
		return session.Access{
			AccessIdentity: auth.AccessIdentity{UserID: john.ID, SessionID: id}, Expires: noon.Add(time.Hour).Unix(),
		}, nil
	}
}

// TestSessions says how the list looks: which is this one, what the devices are
// called, and when the caller's own tokens expire.
func TestSessions(t *testing.T) {
	t.Parallel()
	other := strings.Repeat("2", 32)
	rows := []auth.Session{
		{
			ID: sid, Expires: noon.Add(48 * time.Hour).Unix(), CreatedAt: noon.Add(-time.Hour), LastSeen: noon.Add(-1500 * time.Microsecond),
			Client: auth.Client{Address: "192.0.2.1", UserAgent: firefox},
		},
		{
			ID: other, Expires: noon.Add(time.Hour).Unix(),
			CreatedAt: time.Date(2026, 11, 23, 10, 0, 0, 0, time.FixedZone("CET", 3600)), LastSeen: noon,
			Client: auth.Client{Address: "2001:db8::7", UserAgent: "x\"\u2028<b>"},
		},
	}
	const (
		first  = `{"id":"` + sid + `","device":"Firefox on Linux","browser":"Firefox","os":"Linux","user_agent":"` + firefox + `","address":"192.0.2.1","first_seen":"2026-11-23T11:00:00Z","last_seen":"2026-11-23T11:59:59.998500Z","expires_at":"2026-11-25T12:00:00Z","current":`
		second = `{"id":"22222222222222222222222222222222","device":"x\"\u2028<b>","browser":"x\"\u2028<b>","os":"","user_agent":"x\"\u2028<b>","address":"2001:db8::7","first_seen":"2026-11-23T09:00:00Z","last_seen":"2026-11-23T12:00:00Z","expires_at":"2026-11-23T13:00:00Z","current":false}`
	)
	for _, c := range []struct {
		name, session string
		rows          []auth.Session
		want          string
	}{
		{"two", sid, rows, `{"expires":{"access":1795438800,"refresh":1795608000},"results":[` + first + `true},` + second + `]}`},
		{"one", sid, rows[:1], `{"expires":{"access":1795438800,"refresh":1795608000},"results":[` + first + `true}]}`},
		// Django's token has no session, so none is this one.
		{"without a session", "", rows, `{"expires":{"access":1795438800,"refresh":null},"results":[` + first + `false},` + second + `]}`},
		{"none", "", nil, `{"expires":{"access":1795438800,"refresh":null},"results":[]}`},
		// Ended between the check of the token and the list.
		{"this one has ended", strings.Repeat("3", 32), rows[:1], `{"expires":{"access":1795438800,"refresh":null},"results":[` + first + `false}]}`},
		{"nothing is known", sid, []auth.Session{{ID: sid, Expires: noon.Unix(), CreatedAt: noon, LastSeen: noon}}, `{"expires":{"access":1795438800,"refresh":1795435200},"results":[{"id":"` + sid + `","device":"","browser":"","os":"","user_agent":"","address":"","first_seen":"2026-11-23T12:00:00Z","last_seen":"2026-11-23T12:00:00Z","expires_at":"2026-11-23T12:00:00Z","current":true}]}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			h := serve(&acts{
				authenticate: inSession(c.session),
				sessions: func(a session.Access) []auth.Session {
					if a.UserID != john.ID || a.SessionID != c.session {
						t.Errorf("of %+v", a)
					}
					return c.rows
				},
			})
			expect(t, do(t, h, request("GET /api/auth/sessions/\nAuthorization: Bearer good")), 200, c.want)
			expect(t, do(t, h, request("GET /api/auth/sessions\nCookie: latchkey_access=good")), 200, c.want)
			expect(t, do(t, h, request("HEAD /api/auth/sessions/\nAuthorization: Bearer good")), 200, "")
		})
	}
	h := serve(&acts{})
	expect(t, do(t, h, request("DELETE /api/auth/sessions/\nAuthorization: Bearer good")), 200, `{"message":"Signed out everywhere else","ended":2}`)
}

// TestItemRoute says what is a session's path. Nothing of it is cleaned, and a
// stranger is told no more than that he is one.
func TestItemRoute(t *testing.T) {
	t.Parallel()
	const bearer = "\nAuthorization: Bearer good"
	id := strings.Repeat("0123456789abcdef", 2)
	for _, c := range []struct {
		request string
		status  int
		body    string
		ended   string
	}{
		{"DELETE /api/auth/sessions/" + id + "/" + bearer, 204, "", id},
		{"DELETE /api/auth/sessions/" + id + bearer, 204, "", id},
		{"DELETE /api/auth/sessions/" + id + "/?x=/y" + bearer, 204, "", id},
		{"DELETE /api/auth/sessions/%30" + id[1:] + "/" + bearer, 204, "", id},
		// What is no id is asked for all the same; there is none such.
		{"DELETE /api/auth/sessions/x/" + bearer, 404, notFound, "x"},
		{"DELETE /api/auth/sessions/../" + bearer, 404, notFound, ".."},
		{"DELETE /api/auth/sessions/%00/" + bearer, 404, notFound, "\x00"},
		{"DELETE /api/auth/sessions/" + id + "//" + bearer, 404, notFound, ""},
		{"DELETE /api/auth/sessions//" + bearer, 404, notFound, ""},
		{"DELETE /api/auth/sessions//" + id + "/" + bearer, 404, notFound, ""},
		{"DELETE /api/auth/sessions/" + id + "/x/" + bearer, 404, notFound, ""},
		{"DELETE /api/auth/sessions/" + id + "/x" + bearer, 404, notFound, ""},
		{"DELETE /api/auth/sessions/a%2fb/" + bearer, 404, notFound, ""},
		{"DELETE /api/auth/sessions/" + id + "%2F" + bearer, 404, notFound, ""},
		{"DELETE /api/auth/sessions%2f" + id + "/" + bearer, 404, notFound, ""},
		{"DELETE /api/auth/Sessions/" + id + "/" + bearer, 404, notFound, ""},

		{"OPTIONS /api/auth/sessions/" + id + "/", 204, "", ""},
		{"GET /api/auth/sessions/" + id + "/" + bearer, 405, `{"detail":"Method \"GET\" not allowed."}`, ""},
		{"HEAD /api/auth/sessions/" + id + "/" + bearer, 405, "", ""},
		{"POST /api/auth/sessions/" + id + bearer, 405, `{"detail":"Method \"POST\" not allowed."}`, ""},
		{"POST /api/auth/sessions/" + bearer, 405, `{"detail":"Method \"POST\" not allowed."}`, ""},
		{"DELETE /api/auth/sessions/" + id + "/", 401, noToken, ""},
		{"GET /api/auth/sessions/" + id + "/", 401, noToken, ""},
		{"DELETE /api/auth/sessions/x/", 401, noToken, ""},
		{"DELETE /api/auth/sessions/", 401, noToken, ""},
		{"DELETE /api/auth/sessions/" + id + "/x/", 404, notFound, ""}, // no path of ours
	} {
		t.Run(c.request, func(t *testing.T) {
			t.Parallel()
			ended := ""
			h := serve(&acts{end: func(given string) error {
				ended = given
				if given != id {
					return auth.ErrNotFound
				}
				return nil
			}})
			r := request(c.request)
			w := do(t, h, r)
			expect(t, w, c.status, c.body)
			if ended != c.ended {
				t.Errorf("ended %q, want %q", ended, c.ended)
			}
			allow := ""
			if c.status != 404 || c.ended != "" {
				allow = "DELETE, OPTIONS"
			}
			if strings.HasSuffix(r.Pattern, "/sessions/") {
				allow = "GET, DELETE, HEAD, OPTIONS"
			}
			if have := w.Header().Get("Allow"); have != allow {
				t.Errorf("Allow: %q, want %q", have, allow)
			}
			// The log has the pattern, never what was asked for.
			if want := "/api/auth/sessions/{id}/"; allow == "DELETE, OPTIONS" && r.Pattern != want {
				t.Errorf("pattern %q, want %q", r.Pattern, want)
			}
		})
	}
}

// TestAccountErrors says what becomes of what these acts answer.
func TestAccountErrors(t *testing.T) {
	t.Parallel()
	h := serve(&acts{end: func(string) error { return errors.New("disk full of secrets") }})
	w := do(t, h, request("DELETE /api/auth/sessions/"+sid+"\nAuthorization: Bearer good"))
	expect(t, w, 500, `{"detail":"Internal server error."}`)
	h = serve(&acts{end: func(string) error { return &auth.Error{Kind: auth.Unavailable, RetryAfter: 3 * time.Second} }})
	w = do(t, h, request("DELETE /api/auth/sessions/"+sid+"\nAuthorization: Bearer good"))
	expect(t, w, 503, `{"detail":"Service temporarily unavailable, try again later."}`)
	if w.Header().Get("Retry-After") != "3" {
		t.Errorf("Retry-After: %q", w.Header().Get("Retry-After"))
	}
}

// TestSettings says what a sign-in page is told before anybody has signed in.
func TestSettings(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		change func(*api.Options)
		want   string
	}{
		{"as it comes", func(*api.Options) {}, `{"name":"Latchkey","registration":{"open":true,"roles":["employee","client"]},"password":{"min_length":8},"tokens":{"access":10800,"refresh":259200}}`},
		{"closed", func(o *api.Options) { o.RegistrationOpen = false }, `{"name":"Latchkey","registration":{"open":false,"roles":["employee","client"]},"password":{"min_length":8},"tokens":{"access":10800,"refresh":259200}}`},
		{"otherwise", func(o *api.Options) {
			o.RegistrationRoles = nil
			o.Settings = api.Settings{Name: `"A" & <b>`, MinPassword: 15, Access: 90 * time.Second, Refresh: time.Minute + 1500*time.Millisecond}
		}, `{"name":"\"A\" & <b>","registration":{"open":true,"roles":[]},"password":{"min_length":15},"tokens":{"access":90,"refresh":61}}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			h := serve(&acts{}, c.change)
			for _, path := range []string{"/api/auth/settings/", "/api/auth/settings"} {
				expect(t, do(t, h, request("GET "+path)), 200, c.want)
			}
			expect(t, do(t, h, request("HEAD /api/auth/settings/")), 200, "")
			expect(t, do(t, h, request("POST /api/auth/settings/\n\n{}")), 405, `{"detail":"Method \"POST\" not allowed."}`)
		})
	}
}

// TestDocs says that a binary without its pages has no description for people,
// and that a hidden one is not found.
func TestDocs(t *testing.T) {
	t.Parallel()
	page := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = w.Write([]byte("<title>API</title>"))
	})
	with := func(o *api.Options) { o.Docs = page }
	expect(t, do(t, serve(&acts{}), request("GET /api/docs/")), 404, notFound)
	for _, path := range []string{"/api/docs/", "/api/docs"} {
		expect(t, do(t, serve(&acts{}, with), request("GET "+path)), 200, "<title>API</title>")
	}
	expect(t, do(t, serve(&acts{}, with), request("POST /api/docs/")), 405, `{"detail":"Method \"POST\" not allowed."}`)
	hidden := func(o *api.Options) { o.HideSchema = true }
	expect(t, do(t, serve(&acts{}, with, hidden), request("GET /api/docs/")), 404, notFound)
}

package proxies

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/latchkey-auth/latchkey/e2e/node"
	"github.com/latchkey-auth/latchkey/internal/pgtest"
)

func TestMain(m *testing.M) {
	code := pgtest.M{M: m}.Run()
	node.Clean()
	os.Exit(code)
}

const password = "c0rrect-Horse-42"

// caches are proxies that keep answers, each giving its address; every one
// says in X-Cache whether an answer came from it.
//
// "heeds" goes by what an answer says. "keeps all" is somebody's mistake: it
// keeps for ten minutes whatever does not say no-store, of any method, status,
// caller and cookie, under a key that knows neither.
var caches = map[string]func(t *testing.T, backend string) string{
	"nginx heeds": func(t *testing.T, backend string) string {
		return nginx(t, backend, "proxy_cache_path DIR/cache keys_zone=z:1m;",
			"proxy_cache z; add_header X-Cache $upstream_cache_status always;")
	},
	"nginx keeps all": func(t *testing.T, backend string) string {
		return nginx(t, backend, `proxy_cache_path DIR/cache keys_zone=z:1m;
  # What says no-store is not kept; what says anything else, or nothing, is.
  map $upstream_http_cache_control $forbidden { default 0; ~no-store 1; }`,
			`proxy_cache z; proxy_cache_key $uri; proxy_cache_methods GET HEAD POST; proxy_cache_valid any 10m;
      proxy_ignore_headers Cache-Control Expires Vary Set-Cookie X-Accel-Expires; proxy_no_cache $forbidden;
      add_header X-Cache $upstream_cache_status always;`)
	},
	"varnish heeds": func(t *testing.T, backend string) string {
		return varnish(t, backend, "sub vcl_deliver { if (obj.hits > 0) { set resp.http.X-Cache = \"HIT\"; } }\n")
	},
	"varnish keeps all": func(t *testing.T, backend string) string {
		return varnish(t, backend, `
sub vcl_recv { if (req.method == "GET" || req.method == "HEAD") { return (hash); } return (pass); }
sub vcl_hash { hash_data(regsub(req.url, "\?.*", "")); return (lookup); }
sub vcl_backend_response {
  if (beresp.http.Cache-Control ~ "no-store") { set beresp.uncacheable = true; set beresp.ttl = 0s; return (deliver); }
  unset beresp.http.Set-Cookie; unset beresp.http.Vary;
  set beresp.ttl = 10m; set beresp.uncacheable = false; return (deliver);
}
sub vcl_deliver { if (obj.hits > 0) { set resp.http.X-Cache = "HIT"; } }
`)
	},
}

// somebody is a user with a token and cookies of their own.
type somebody struct {
	mail, access, cookie string
}

// TestNothingOfAnybodyIsCached asks the same for two people and for nobody in
// turns, by each kind of credential, through caches: no answer of the API comes
// from the cache, and everybody gets their own. Paths that look like files
// are not theirs (cache deception).
//
// ASVS 14.2.2, 14.2.5, 14.3.2
// LESSON 31
// ROW 15
func TestNothingOfAnybodyIsCached(t *testing.T) {
	n := node.Start(t, "LATCHKEY_LOG_LEVEL=error", "LATCHKEY_SIGNING_ALGORITHM=EdDSA",
		"LATCHKEY_REGISTRATION_ROLES=admin,manager,employee,client", "LATCHKEY_THROTTLE_ENABLED=false")
	var people []somebody
	for _, name := range []string{"ada", "bob"} {
		people = append(people, register(t, n, name))
	}
	people = append(people, somebody{mail: "nobody"})
	for name, begin := range caches {
		t.Run(name, func(t *testing.T) {
			front := "http://" + begin(t, strings.TrimPrefix(n.URL, "http://"))
			client := &http.Client{Timeout: 30 * time.Second}
			ask := func(method, path, body string, header ...string) (*http.Response, string) {
				t.Helper()
				req, err := http.NewRequestWithContext(t.Context(), method, front+path, strings.NewReader(body))
				if err != nil {
					t.Fatal(err)
				}
				if body != "" {
					req.Header.Set("Content-Type", "application/json")
				}
				for i := 0; i < len(header); i += 2 {
					req.Header.Set(header[i], header[i+1])
				}
				resp, err := client.Do(req)
				if err != nil {
					t.Fatal(err)
				}
				defer resp.Body.Close()
				b, err := io.ReadAll(resp.Body)
				if err != nil {
					t.Fatal(err)
				}
				return resp, string(b)
			}
			// It does keep what may be kept, or it would prove nothing.
			kept := false
			for range 5 {
				resp, _ := ask("GET", "/.well-known/jwks.json", "")
				kept = kept || resp.Header.Get("X-Cache") == "HIT"
			}
			if !kept {
				t.Fatal("the public keys do not come from the cache: it does not work")
			}
			answers := 0
			check := func(what string, p somebody, resp *http.Response, body string) {
				t.Helper()
				answers++
				if got := resp.Header.Get("X-Cache"); got == "HIT" || got == "STALE" || resp.Header.Get("Age") != "" && resp.Header.Get("Age") != "0" {
					t.Errorf("%s for %s: from the cache (%s, age %s): %d %.300s", what, p.mail, got, resp.Header.Get("Age"), resp.StatusCode, body)
				}
				for _, other := range people {
					if other != p && (strings.Contains(body, other.mail+"@") || other.access != "" && strings.Contains(body, other.access)) {
						t.Errorf("%s for %s: %s's: %.300s", what, p.mail, other.mail, body)
					}
				}
			}
			for round := range 3 {
				for _, p := range people {
					credentials := map[string][]string{"none": nil}
					if p.access != "" {
						credentials = map[string][]string{
							"bearer": {"Authorization", "Bearer " + p.access},
							"cookie": {"Cookie", p.cookie, "Origin", "http://localhost:3000"},
						}
					}
					for how, header := range credentials {
						for _, path := range []string{
							"/api/auth/profile/", "/api/auth/profile", "/api/auth/sessions/", "/api/auth/events/", "/api/auth/permissions/",
							"/api/users/", "/api/audit/?format=csv", "/api/stats/", "/api/system/", "/api/auth/settings/", "/api/schema/", "/api/nowhere/",
							"/api/auth/profile/x.css", "/api/auth/profile/.css", "/api/auth/profile.css", "/api/auth/profile/;x.css", "/api/auth/profile%2fx.js",
							"/api/auth/profile/?x.png", "/api/auth/profile/%3fx.jpg", "/api/auth/profile%23.css", "/assets/..%2fapi/auth/profile/", "/assets/%2e%2e/api/auth/profile/",
						} {
							for _, method := range []string{"GET", "HEAD", "OPTIONS"} {
								what := fmt.Sprintf("%s %s (%s)", method, path, how)
								resp, body := ask(method, path, "", header...)
								if !strings.HasPrefix(path, "/api/") && resp.StatusCode == 200 && !strings.Contains(body, "@") {
									continue // a page
								}
								check(what, p, resp, body)
								deceiving := strings.ContainsAny(path, ".;%") && !strings.Contains(path, "?")
								if deceiving && (resp.StatusCode/100 == 2 && method != "OPTIONS" && how != "none") && strings.Contains(body, "@") {
									t.Errorf("%s for %s: %d %.200s", what, p.mail, resp.StatusCode, body)
								}
								if path == "/api/auth/profile/" && method == "GET" {
									if p.access == "" && resp.StatusCode != 401 || p.access != "" && (resp.StatusCode != 200 || !strings.Contains(body, p.mail+"@")) {
										t.Errorf("%s for %s: %d %s", what, p.mail, resp.StatusCode, body)
									}
								}
							}
						}
						resp, body := ask("GET", "/api/auth/profile/", "", append([]string{"Range", "bytes=0-40"}, header...)...)
						check("range ("+how+")", p, resp, body)
						resp, body = ask("POST", "/api/auth/token/verify/", `{"token":"`+p.access+`"}`, header...)
						check("verify ("+how+")", p, resp, body)
						if want := map[bool]int{true: 200, false: 400}[p.access != ""]; resp.StatusCode != want {
							t.Errorf("verify for %s: %d %s", p.mail, resp.StatusCode, body)
						}
					}
					// Two of the three rounds: a hash each.
					if round < 2 && p.access != "" {
						resp, body := ask("POST", "/api/auth/login/", `{"email":"`+p.mail+`@example.com","password":"`+password+`"}`)
						check("login", p, resp, body)
						if resp.StatusCode != 200 || !strings.Contains(body, p.mail+"@") {
							t.Errorf("login of %s: %d %s", p.mail, resp.StatusCode, body)
						}
						var a struct{ Tokens node.Pair }
						if err := json.Unmarshal([]byte(body), &a); err == nil {
							resp, body = ask("POST", "/api/auth/token/refresh/", `{"refresh":"`+a.Tokens.Refresh+`"}`)
							check("refresh", p, resp, body)
						}
					}
				}
			}
			t.Logf("%d answers, none from the cache", answers)
		})
	}
}

// register makes an administrator, since they see most, signed in by token and
// by cookie.
func register(t *testing.T, n *node.Node, name string) somebody {
	t.Helper()
	p := somebody{mail: name}
	for _, mode := range []string{"", "cookie"} {
		path, form := "/api/auth/login/", map[string]string{"email": name + "@example.com", "password": password}
		if mode == "" {
			path = "/api/auth/register/"
			form["password2"], form["first_name"], form["last_name"], form["role"] = password, "A", "B", "client"
		}
		b, _ := json.Marshal(form)
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, n.URL+path, strings.NewReader(string(b)))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/json")
		if mode != "" {
			req.Header.Set("Auth-Mode", mode)
			req.Header.Set("Origin", n.URL)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if resp.StatusCode/100 != 2 {
			t.Fatalf("%s: %d %s", path, resp.StatusCode, body)
		}
		var a struct{ Tokens node.Pair }
		if err := json.Unmarshal(body, &a); err != nil {
			t.Fatal(err)
		}
		if mode == "" {
			p.access = a.Tokens.Access
		}
		for _, c := range resp.Cookies() {
			p.cookie += "; " + c.Name + "=" + c.Value
		}
	}
	p.cookie = strings.TrimPrefix(p.cookie, "; ")
	return p
}

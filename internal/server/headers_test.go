package server_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/textproto"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/latchkey-auth/latchkey/internal/api"
	"github.com/latchkey-auth/latchkey/internal/auth"
	"github.com/latchkey-auth/latchkey/internal/server"
)

// described are the paths of the API's description with their methods.
func described(t *testing.T) map[string][]string {
	t.Helper()
	var doc struct {
		Paths map[string]map[string]any
	}
	if err := yaml.Unmarshal(api.OpenAPI, &doc); err != nil {
		t.Fatal(err)
	}
	all := map[string][]string{}
	for path, operations := range doc.Paths {
		if !strings.HasPrefix(path, "/api/") {
			continue
		}
		for name := range operations {
			switch m := strings.ToUpper(name); m {
			case "GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS":
				all[path] = append(all[path], m)
			}
		}
	}
	if len(all) < 25 {
		t.Fatalf("the description has %d paths", len(all))
	}
	return all
}

// reply is an answer as it came over the wire.
type reply struct {
	status int
	header textproto.MIMEHeader
	body   string
}

// raw sends a request on a connection of its own and reads all that comes, so
// that nothing is corrected on the way: the body is what follows the head, and
// its length is compared with what the head says.
func (r *running) raw(method, path, body string, header ...string) reply {
	r.t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(r.url, "http://"))
	if err != nil {
		r.t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(30 * time.Second))
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n", method, path)
	for i := 0; i < len(header); i += 2 {
		fmt.Fprintf(&b, "%s: %s\r\n", header[i], header[i+1])
	}
	if body != "" {
		fmt.Fprintf(&b, "Content-Length: %d\r\n", len(body))
	}
	b.WriteString("\r\n" + body)
	go func() { _, _ = io.WriteString(conn, b.String()) }()
	all, err := io.ReadAll(conn)
	if err != nil && len(all) == 0 {
		r.t.Fatalf("%s %s: %v", method, path, err)
	}
	return r.parse(method+" "+path, method, string(all))
}

// parse takes an answer apart. One that does not end where it says is wrong
// (ASVS 4.2.2).
func (r *running) parse(what, method, all string) reply {
	r.t.Helper()
	head, body, found := strings.Cut(all, "\r\n\r\n")
	first, lines, _ := strings.Cut(head, "\r\n")
	words := strings.SplitN(first, " ", 3)
	if !found || len(words) != 3 {
		r.t.Fatalf("%s: %.200q", what, all)
	}
	a := reply{header: textproto.MIMEHeader{}, body: body}
	a.status, _ = strconv.Atoi(words[1])
	for line := range strings.SplitSeq(lines, "\r\n") {
		name, value, _ := strings.Cut(line, ":")
		a.header.Add(name, strings.TrimSpace(value))
	}
	lengths := a.header["Content-Length"]
	switch {
	case len(lengths) > 1, len(lengths) > 0 && len(a.header["Transfer-Encoding"]) > 0:
		r.t.Errorf("%s: %d has the lengths %q and the encoding %q", what, a.status, lengths, a.header["Transfer-Encoding"])
	case a.status == 204 || a.status == 304 || method == http.MethodHead:
		if body != "" || a.status == 204 && len(lengths) > 0 {
			r.t.Errorf("%s: %d has a body: %.100q, %q", what, a.status, body, lengths)
		}
	case len(lengths) == 1:
		if lengths[0] != strconv.Itoa(len(body)) {
			r.t.Errorf("%s: Content-Length %s of %d bytes", what, lengths[0], len(body))
		}
	case len(a.header["Transfer-Encoding"]) == 0:
		r.t.Errorf("%s: %d says not how long it is", what, a.status)
	}
	return a
}

// apiTypes are the media types of the API.
var apiTypes = map[string]bool{
	"application/json": true, "application/yaml": true, "application/jsonl": true, "text/csv; charset=utf-8": true, "text/html; charset=utf-8": true,
}

const closedPolicy = "default-src 'none'; frame-ancestors 'none'"

// guardedAPI holds that an answer under /api/ has what security.md, 2.5 asks
// for.
func guardedAPI(t *testing.T, what string, a reply) {
	t.Helper()
	for name, want := range map[string]string{
		"Cache-Control": "no-store", "Pragma": "no-cache", "X-Content-Type-Options": "nosniff",
		"Referrer-Policy": "same-origin", "X-Frame-Options": "DENY", "Content-Security-Policy": closedPolicy,
	} {
		have := a.header[name]
		if name == "Content-Security-Policy" && strings.Contains(what, "/api/docs") && a.status == 200 && len(have) == 1 {
			// A page, which loads its own scripts.
			if !strings.HasPrefix(have[0], "default-src 'none'; ") || !strings.Contains(have[0], "frame-ancestors 'none'") || strings.Contains(have[0], "unsafe") {
				t.Errorf("%s: %s is %q", what, name, have)
			}
			continue
		}
		if len(have) != 1 || have[0] != want {
			t.Errorf("%s: %d: %s is %q, want %q", what, a.status, name, have, want)
		}
	}
	if vary := strings.Join(a.header["Vary"], ", "); !strings.Contains(vary, "Origin") {
		t.Errorf("%s: %d: Vary is %q", what, a.status, vary)
	}
	if a.body != "" {
		if media := a.header["Content-Type"]; len(media) != 1 || !apiTypes[media[0]] {
			t.Errorf("%s: %d: Content-Type is %q", what, a.status, media)
		} else if media[0] == "application/json" && !json.Valid([]byte(a.body)) {
			t.Errorf("%s: %d: no JSON: %.200q", what, a.status, a.body)
		}
	}
	switch {
	case a.status == 405 && len(a.header["Allow"]) != 1:
		t.Errorf("%s: 405 without Allow", what)
	case a.status == 429 || a.status == 503:
		if n, err := strconv.Atoi(a.header.Get("Retry-After")); err != nil || n < 1 {
			t.Errorf("%s: %d with Retry-After %q", what, a.status, a.header["Retry-After"])
		}
	case a.status/100 == 3 && a.status != 304, a.status == 100, a.status == 0:
		t.Errorf("%s: %d to %q", what, a.status, a.header["Location"])
	case a.status == 501:
		t.Errorf("%s: 501", what)
	}
	silent(t, what, a)
}

// silent holds that an answer does not say what made it, nor in which version.
func silent(t *testing.T, what string, a reply) {
	t.Helper()
	for name, values := range a.header {
		switch name {
		case "Server", "Via", "X-Powered-By", "X-Version", "X-Runtime", "X-Aspnet-Version", "Date-Server":
			t.Errorf("%s: %s is %q", what, name, values)
		}
		for _, v := range values {
			low := strings.ToLower(v)
			if strings.Contains(low, "golang") || strings.Contains(low, "go1.") || name != "Set-Cookie" && strings.Contains(low, "latchkey/") {
				t.Errorf("%s: %s is %q", what, name, v)
			}
		}
	}
}

var methods = []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "PROPFIND"}

// TestHeadersOfEveryAnswer asks every path with every method, by everybody and
// with bodies good and bad, and looks at the headers of every answer. A method
// that a path does not have is 405 with Allow for whoever may come so far.
//
// ASVS 4.1.1, 4.1.4, 4.2.2, 13.4.4, 13.4.6, 14.2.2, 14.3.2
// LESSON 31
// ROW 15
func TestHeadersOfEveryAnswer(t *testing.T) {
	cfg := settings(t, "LATCHKEY_REGISTRATION_ROLES=admin,manager,employee,client", "LATCHKEY_LOG_LEVEL=error")
	r := start(t, cfg, server.RunOptions{})
	tokens := map[string]string{}
	var cookies string
	for _, role := range []string{"admin", "client"} {
		header := []string{}
		if role == "client" {
			header = append(header, "Auth-Mode", "cookie", "Origin", r.url)
		}
		resp, body := r.do("POST", "/api/auth/register/", `{"email":"`+role+`@example.com","password":"c0rrect-Horse-42","password2":"c0rrect-Horse-42",`+
			`"first_name":"A","last_name":"B","role":"`+role+`"}`, header...)
		if resp.StatusCode != 201 {
			t.Fatal(resp.StatusCode, body)
		}
		var a struct{ Tokens struct{ Access string } }
		if err := json.Unmarshal([]byte(body), &a); err != nil {
			t.Fatal(err)
		}
		tokens[role] = a.Tokens.Access
		for _, c := range resp.Cookies() {
			cookies += "; " + c.Name + "=" + c.Value
		}
	}
	callers := map[string][]string{
		"nobody": nil, "a bad token": {"Authorization", "Bearer x.y.z"}, "a bad header": {"Authorization", "Bearer"},
		"an admin": {"Authorization", "Bearer " + tokens["admin"]},
		"a cookie": {"Cookie", strings.TrimPrefix(cookies, "; "), "Origin", r.url},
	}
	bodies := map[string][]string{ // a body and its headers
		"none": {""}, "empty": {"{}", "Content-Type", "application/json"}, "broken": {"{", "Content-Type", "application/json"},
		"a list": {"[1]", "Content-Type", "application/json"}, "text": {"x", "Content-Type", "text/plain"},
		"too large": {strings.Repeat(" ", 70<<10), "Content-Type", "application/json"},
	}
	paths := described(t)
	seen := map[int]int{}
	for path, has := range paths {
		concrete := strings.ReplaceAll(path, "{id}", "9999999")
		for _, method := range methods {
			for caller, credential := range callers {
				for kind, body := range bodies {
					// All callers send all bodies only where there is something to read.
					if kind != "none" && (method == "GET" || method == "HEAD" || method == "TRACE" || method == "CONNECT" || method == "OPTIONS" || caller != "an admin" && kind != "empty") {
						continue
					}
					if caller == "an admin" && method == "DELETE" && kind == "none" && path == "/api/auth/sessions/" {
						continue // it would end nothing, but be two requests' business
					}
					target := concrete
					if method == "CONNECT" {
						target = "x:80"
					}
					what := fmt.Sprintf("%s %s by %s, body %s", method, concrete, caller, kind)
					a := r.raw(method, target, body[0], append(slices.Clone(credential), body[1:]...)...)
					seen[a.status]++
					if method == "CONNECT" {
						if a.status != 404 && a.status != 405 {
							t.Errorf("%s: %d", what, a.status)
						}
						continue
					}
					guardedAPI(t, what, a)
					if caller == "a cookie" && !strings.Contains(a.header.Get("Vary"), "Cookie") {
						t.Errorf("%s: Vary %q", what, a.header["Vary"])
					}
					if a.status == 401 && path != "/api/auth/login/" && strings.Contains(a.body, `"detail"`) && caller != "an admin" &&
						!slices.Contains([]string{"/api/auth/token/refresh/", "/api/auth/token/verify/"}, path) &&
						!slices.Equal(a.header["Www-Authenticate"], []string{`Bearer realm="api"`}) {
						t.Errorf("%s: 401 with WWW-Authenticate %q", what, a.header["Www-Authenticate"])
					}
					known := slices.Contains(has, method) || method == "OPTIONS" || method == "HEAD" && slices.Contains(has, "GET")
					if caller == "an admin" && path != "/api/auth/revocations/" && (a.status == 405) == known {
						t.Errorf("%s: %d, and the description has %v", what, a.status, has)
					}
				}
			}
		}
	}
	for what, a := range map[string]reply{
		"no path":       r.raw("GET", "/api/nowhere/", ""),
		"deception css": r.raw("GET", "/api/auth/profile/x.css", "", "Authorization", "Bearer "+tokens["admin"]),
		"deception ;":   r.raw("GET", "/api/auth/profile/;x.css", "", "Authorization", "Bearer "+tokens["admin"]),
		"deception %2f": r.raw("GET", "/api/auth/profile%2fx.js", "", "Authorization", "Bearer "+tokens["admin"]),
		"deception %00": r.raw("GET", "/api/auth/profile/%00.css", "", "Authorization", "Bearer "+tokens["admin"]),
		"dots":          r.raw("GET", "/api/auth/../../etc/passwd", ""),
		"encoded dots":  r.raw("GET", "/api/%2e%2e/%2e%2e/etc/passwd", ""),
		"slashes":       r.raw("GET", "/api//auth/profile/", ""),
		"api":           r.raw("GET", "/api", ""),
	} {
		guardedAPI(t, what, a)
		if a.status != 404 {
			t.Errorf("%s: %d, want 404", what, a.status)
		}
		seen[a.status]++
	}
	for what, a := range map[string]reply{
		"profile":     r.raw("GET", "/api/auth/profile/", "", "Authorization", "Bearer "+tokens["admin"]),
		"csv":         r.raw("GET", "/api/audit/?format=csv", "", "Authorization", "Bearer "+tokens["admin"]),
		"jsonl":       r.raw("GET", "/api/audit/?format=jsonl", "", "Authorization", "Bearer "+tokens["admin"]),
		"range":       r.raw("GET", "/api/auth/profile/", "", "Authorization", "Bearer "+tokens["admin"], "Range", "bytes=0-3"),
		"login":       r.raw("POST", "/api/auth/login/", `{"email":"admin@example.com","password":"c0rrect-Horse-42"}`, "Content-Type", "application/json"),
		"query":       r.raw("GET", "/api/users/?page_size=1", "", "Authorization", "Bearer "+tokens["admin"]),
		"description": r.raw("GET", "/api/schema/", ""),
	} {
		guardedAPI(t, what, a)
		if a.status != 200 {
			t.Errorf("%s: %d, want 200: %s", what, a.status, a.body)
		}
	}
	// The throttle, once its places are used up.
	for range 12 {
		a := r.raw("POST", "/api/auth/login/", `{"email":"admin@example.com","password":"wrong"}`, "Content-Type", "application/json")
		guardedAPI(t, "guess", a)
		seen[a.status]++
	}
	for _, status := range []int{200, 204, 400, 401, 403, 404, 405, 413, 415, 429} {
		if seen[status] == 0 {
			t.Errorf("no answer was %d", status)
		}
	}
	t.Logf("answers by status: %v", sorted(seen))
}

func sorted(m map[int]int) string {
	var b strings.Builder
	for _, k := range slices.Sorted(maps.Keys(m)) {
		fmt.Fprintf(&b, " %d: %d", k, m[k])
	}
	return b.String()
}

// TestHeadersOutsideTheAPI are those of the pages, of health, of the public
// keys, and of what there is not.
//
// ASVS 4.1.1, 4.2.2, 13.4.3, 13.4.6, 13.4.7
func TestHeadersOutsideTheAPI(t *testing.T) {
	for _, ui := range []string{"true", "false"} {
		r := start(t, settings(t, "LATCHKEY_UI_ENABLED="+ui, "LATCHKEY_LOG_LEVEL=error"), server.RunOptions{})
		for _, path := range []string{
			"/", "/login", "/healthz", "/readyz", "/.well-known/jwks.json", "/assets/", "/assets", "/index.html", "/docs.html",
			"/no.css", "/.git/config", "/.env", "/a/../b", "/%2e%2e/etc/passwd", "/x%00.js", "//evil.example", "/favicon.svg", "/apiary",
		} {
			for _, method := range methods {
				if method == "CONNECT" {
					continue
				}
				a := r.raw(method, path, "")
				what := fmt.Sprintf("UI %s: %s %s", ui, method, path)
				silent(t, what, a)
				for name, want := range map[string]string{"X-Content-Type-Options": "nosniff", "Referrer-Policy": "same-origin", "X-Frame-Options": "DENY"} {
					if have := a.header[name]; len(have) != 1 || have[0] != want {
						t.Errorf("%s: %d: %s is %q", what, a.status, name, have)
					}
				}
				policy := a.header["Content-Security-Policy"]
				if len(policy) != 1 || !strings.Contains(policy[0], "default-src 'none'") || !strings.Contains(policy[0], "frame-ancestors 'none'") || strings.Contains(policy[0], "unsafe") {
					t.Errorf("%s: %d: policy %q", what, a.status, policy)
				}
				cache := a.header.Get("Cache-Control")
				switch {
				case a.status >= 400 || path == "/healthz" || path == "/readyz":
					if cache != "no-store" {
						t.Errorf("%s: %d: Cache-Control %q", what, a.status, cache)
					}
				case cache != "no-cache" && !strings.HasPrefix(cache, "public, max-age="):
					t.Errorf("%s: %d: Cache-Control %q", what, a.status, cache)
				}
				if a.status/100 == 3 || a.status == 405 && a.header.Get("Allow") == "" || method == "TRACE" && a.status < 400 {
					t.Errorf("%s: %d %v", what, a.status, a.header)
				}
				if a.body != "" {
					media := a.header.Get("Content-Type")
					if media == "" || strings.HasPrefix(media, "text/") && !strings.HasSuffix(media, "; charset=utf-8") {
						t.Errorf("%s: %d: Content-Type %q", what, a.status, media)
					}
					if strings.Contains(a.body, "root:") || strings.Contains(a.body, "<pre>") {
						t.Errorf("%s: %.200q", what, a.body)
					}
				}
			}
		}
	}
}

// TestHeadersOfFailure are those of answers that nobody likes to give: while
// starting, broken inside, with too much to do, and to a foreign Host.
//
// ASVS 14.3.2, 16.5.1
// ROW 15
func TestHeadersOfFailure(t *testing.T) {
	cfg := settings(t, "LATCHKEY_HOSTS=auth.example.com,x", "LATCHKEY_LOG_LEVEL=error")
	store, err := server.OpenStore(t.Context(), cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	// The server's own work reads it, too.
	var now atomic.Value
	now.Store("panic")
	mode := func() string { return now.Load().(string) }
	r := start(t, cfg, server.RunOptions{Store: failing{broken{store, mode}}})
	ask := func(what string, want int) {
		t.Helper()
		a := r.raw("POST", "/api/auth/login/", `{"email":"a@example.com","password":"x"}`, "Content-Type", "application/json")
		guardedAPI(t, what, a)
		if a.status != want || strings.Contains(a.body, "canary") {
			t.Errorf("%s: %d %s, want %d", what, a.status, a.body, want)
		}
	}
	ask("panic", 500)
	now.Store("error")
	ask("error", 500)
	now.Store("unavailable")
	ask("unavailable", 503)
	host := r.parse("foreign host", "GET", exchange(t, r, "GET /api/auth/profile/ HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n"))
	// As in Django that is before what sets X-Frame-Options; the policy says the same.
	host.header.Set("X-Frame-Options", "DENY")
	guardedAPI(t, "foreign host", host)
	if host.status != 400 {
		t.Errorf("foreign host: %d", host.status)
	}
	// What net/http refuses before any handler tells nothing and ends the
	// connection; no cache keeps it, since no request has been read.
	for what, sent := range map[string]string{
		"431 Request Header Fields Too Large\r\nContent-Type: application/json": "GET / HTTP/1.1\r\n" + strings.Repeat("a: b\r\n", 101),
		"431": "GET /api/auth/profile/ HTTP/1.1\r\nHost: x\r\nX-A: " + strings.Repeat("a", 20<<10) + "\r\n\r\n",
		"400": "GET /api/auth/profile/ HTTP/1.1\r\nHost: x\r\nX-A : b\r\n\r\n",
		"505": "GET /api/auth/profile/ HTTP/3.0\r\nHost: x\r\n\r\n",
	} {
		all := exchange(t, r, sent)
		if !strings.HasPrefix(all, "HTTP/1.1 "+what) || !strings.Contains(all, "Connection: close\r\n") || strings.Contains(strings.ToLower(all), "server:") || len(all) > 400 {
			t.Errorf("%s: %.300q", what, all)
		}
	}
}

// exchange sends something and gives all that comes.
func exchange(t *testing.T, r *running, sent string) string {
	t.Helper()
	conn := r.dial("")
	go func() { _, _ = io.WriteString(conn, sent) }()
	all, err := io.ReadAll(conn)
	if err != nil && len(all) == 0 {
		t.Fatalf("%.60q: %v", sent, err)
	}
	return string(all)
}

// failing is broken that can also be unavailable.
type failing struct{ broken }

func (f failing) Read() auth.Reader {
	if f.mode() == "unavailable" {
		return gone{f.Store.Read()}
	}
	return f.broken.Read()
}

// gone is a reader whose database is not there.
type gone struct{ auth.Reader }

func (gone) UserByEmail(context.Context, string) (auth.User, error) {
	return auth.User{}, &auth.Error{Kind: auth.Unavailable, Cause: errors.New("canary"), RetryAfter: 3 * time.Second}
}

// Of thirty origins that are not listed none is let in, nor said back to, on
// any kind of answer; and none is let in with credentials by sending our cookie.
//
// ASVS 3.4.2
// LESSON 32
// ROW 15
func TestNoOriginIsReflected(t *testing.T) {
	r := start(t, settings(t, "LATCHKEY_CORS_ORIGINS=http://localhost:3000,https://app.example.com", "LATCHKEY_LOG_LEVEL=error"), server.RunOptions{})
	origins := []string{
		"null", "NULL", "*", "http://*", "file://", "about:blank", "data:text/html,x",
		"http://localhost", "http://localhost:3001", "http://localhost:30000", "http://localhost:03000", "https://localhost:3000",
		"http://localhost:3000.evil.com", "http://evil-localhost:3000", "http://evil.localhost:3000", "http://localhost.evil.com:3000",
		"http://localhost:3000@evil.com", "http://evil.com@localhost:3000.evil.com", "http://evil.com#http://localhost:3000",
		"http://evil.com/http://localhost:3000", "http://evil.com?http://localhost:3000", "http://LOCALHOST:3000", "http://localhost.:3000",
		"http://127.0.0.1:3000", "http://[::1]:3000", "https://app.example.com.evil.com", "https://evil-app.example.com",
		"https://evilapp.example.com", "https://example.com", "https://sub.app.example.com", "http://app.example.com", "https://app.example.com:444",
		"https://app.example.com:443", "https://app_example.com", "https://app.example.com%60.evil.com", "http://localhost:3000 http://evil.com",
		"http://localhost:3000,http://evil.com", "chrome-extension://abc", "//localhost:3000", "localhost:3000",
	}
	if len(origins) < 30 {
		t.Fatal(len(origins))
	}
	requests := [][]string{
		{"GET", "/api/auth/profile/"},
		{"POST", "/api/auth/login/"},
		{"GET", "/api/nowhere/"},
		{"GET", "/healthz"},
		{"GET", "/"},
		{"OPTIONS", "/api/auth/profile/"},
		{"OPTIONS", "/api/auth/profile/", "Access-Control-Request-Method", "GET", "Access-Control-Request-Headers", "auth-mode"},
		{"GET", "/api/auth/profile/", "Cookie", "latchkey_access=x"},
		{"GET", "/api/auth/profile/", "Auth-Mode", "cookie"},
	}
	for _, q := range requests {
		for _, origin := range origins {
			a := r.raw(q[0], q[1], "", append(slices.Clone(q[2:]), "Origin", origin)...)
			for name, values := range a.header {
				if strings.HasPrefix(name, "Access-Control-") {
					t.Errorf("%s from %q: %s: %q", q, origin, name, values)
				}
			}
			if !strings.Contains(a.header.Get("Vary"), "Origin") {
				t.Errorf("%s from %q: Vary %q", q, origin, a.header["Vary"])
			}
			if strings.Contains(a.body, "evil") {
				t.Errorf("%s from %q is said back: %s", q, origin, a.body)
			}
		}
		for _, origin := range []string{"http://localhost:3000", "https://app.example.com"} {
			if a := r.raw(q[0], q[1], "", append(slices.Clone(q[2:]), "Origin", origin)...); !slices.Equal(a.header["Access-Control-Allow-Origin"], []string{origin}) {
				t.Errorf("%s from %q: %v", q, origin, a.header)
			}
		}
	}
}

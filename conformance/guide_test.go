package conformance_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite testdata/guide")

// example is an example of the guide, cut out of its text.
type example struct {
	// heading is the line above it: "1. User Registration", "Login Error (401):".
	heading string
	// command is the curl command, "" where there is none.
	command string
	// answer is the example body, in JSON.
	answer string
}

var (
	headingLine = regexp.MustCompile(`^(\d+\. .*|.* Error \(\d+\):)$`)
	blockStart  = regexp.MustCompile(`^(bash|json|javascript)$`)
)

// examples reads guide.txt. A block begins after a line with its language and
// ends where its quotes or braces do.
func examples(t *testing.T) []example {
	t.Helper()
	raw, err := os.ReadFile("guide.txt")
	if err != nil {
		t.Fatal(err)
	}
	var out []example
	lines := strings.Split(string(raw), "\n")
	for i := 0; i < len(lines); i++ {
		if headingLine.MatchString(lines[i]) {
			out = append(out, example{heading: lines[i]})
			continue
		}
		if !blockStart.MatchString(lines[i]) || lines[i] == "javascript" {
			continue
		}
		language, block := lines[i], ""
		for i++; i < len(lines); i++ {
			block += lines[i] + "\n"
			if language == "bash" && strings.Count(block, "'")%2 == 0 && !strings.HasSuffix(lines[i], `\`) ||
				language == "json" && strings.Count(block, "{") == strings.Count(block, "}") {
				break
			}
		}
		last := &out[len(out)-1]
		if language == "bash" {
			last.command = strings.TrimSuffix(block, "\n")
		} else {
			last.answer = block
		}
	}
	return out
}

// request is the request of an example's curl command.
func (e example) request(t *testing.T) request {
	t.Helper()
	words := shellWords(e.command)
	if len(words) == 0 || words[0] != "curl" {
		t.Fatalf("%s: no curl command", e.heading)
	}
	q := request{headers: map[string]string{}}
	for i := 1; i < len(words); i++ {
		switch words[i] {
		case "-X":
			i++
			q.method = words[i]
		case "-H":
			i++
			name, v, _ := strings.Cut(words[i], ": ")
			q.headers[name] = v
		case "-d":
			i++
			body := words[i]
			q.body = &body
		default:
			q.path = strings.TrimPrefix(words[i], guideServer)
		}
	}
	return q
}

const (
	guideServer  = "http://localhost:8000"
	guideAccess  = "your_access_token_here"
	guideRefresh = "your_refresh_token_here"
)

// shellWords splits a command as far as the guide's commands need it: blanks,
// quotes and line ends after a backslash.
func shellWords(s string) []string {
	var words []string
	var word strings.Builder
	var quote rune
	in := false
	for _, c := range strings.ReplaceAll(s, "\\\n", " ") {
		switch {
		case quote != 0 && c == quote:
			quote = 0
		case quote == 0 && (c == '\'' || c == '"'):
			quote, in = c, true
		case quote == 0 && (c == ' ' || c == '\n'):
			if in {
				words = append(words, word.String())
				word.Reset()
				in = false
			}
		default:
			word.WriteRune(c)
			in = true
		}
	}
	if in {
		words = append(words, word.String())
	}
	return words
}

// TestGuideIsRead: every example of the guide is found.
func TestGuideIsRead(t *testing.T) {
	var got []string
	for _, e := range examples(t) {
		got = append(got, fmt.Sprintf("%s %t %t", e.heading, e.command != "", json.Valid([]byte(e.answer))))
	}
	want := []string{
		"1. User Registration true true", "2. User Login true true", "3. Token Refresh true true",
		"4. User Logout true true", "5. Get User Profile true true", "6. Update User Profile true true",
		"Registration Error (400): false true", "Login Error (401): false true", "Token Error (401): false true",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

// node is a JSON value that keeps the order of its keys.
type node struct {
	keys   []string
	values []node
	leaf   any
}

func readNode(d *json.Decoder) (node, error) {
	token, err := d.Token()
	if err != nil {
		return node{}, err
	}
	delim, ok := token.(json.Delim)
	if !ok {
		return node{leaf: token}, nil
	}
	n := node{leaf: delim}
	for d.More() {
		if delim == '{' {
			key, err := d.Token()
			if err != nil {
				return n, err
			}
			n.keys = append(n.keys, fmt.Sprint(key))
		}
		v, err := readNode(d)
		if err != nil {
			return n, err
		}
		n.values = append(n.values, v)
	}
	_, err = d.Token()
	return n, err
}

func parseNode(t *testing.T, s string) node {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(s))
	d.UseNumber()
	n, err := readNode(d)
	if err != nil {
		t.Fatalf("%v in %s", err, s)
	}
	return n
}

// likeGuide compares an answer with the guide's example: the same keys in the
// same order and the same values, but for ids, times and what is in a token.
// added is a key that we answer with and the guide does not (design.md, "the
// guide's refresh answer lacks the new refresh token").
func likeGuide(t *testing.T, at string, guide, got node, added string) {
	t.Helper()
	if i := slices.Index(got.keys, added); i >= 0 && !slices.Contains(guide.keys, added) && at == "$" {
		got.keys = slices.Delete(slices.Clone(got.keys), i, i+1)
		got.values = slices.Delete(slices.Clone(got.values), i, i+1)
	}
	if !slices.Equal(guide.keys, got.keys) || len(guide.values) != len(got.values) {
		t.Errorf("%s has %d values, %q; in the guide %d, %q", at, len(got.values), got.keys, len(guide.values), guide.keys)
		return
	}
	for i := range guide.values {
		name := fmt.Sprint(i)
		if guide.keys != nil {
			name = guide.keys[i]
		}
		likeGuide(t, at+"."+name, guide.values[i], got.values[i], "")
	}
	said, _ := guide.leaf.(string)
	text, _ := got.leaf.(string)
	switch {
	case strings.HasSuffix(said, "..."):
		if !strings.HasPrefix(text, strings.TrimSuffix(said, "...")+".") || strings.Count(text, ".") != 2 {
			t.Errorf("%s is %.60s…, no token that begins as the guide's", at, text)
		}
	case strings.HasSuffix(at, ".id"):
		if id, ok := got.leaf.(json.Number); !ok || strings.ContainsAny(id.String(), ".-e") {
			t.Errorf("%s is %v, no id", at, got.leaf)
		}
	case strings.HasSuffix(at, "_at"):
		if _, err := time.Parse(time.RFC3339, text); err != nil || !strings.HasSuffix(text, "Z") {
			t.Errorf("%s is %v, no time: %v", at, got.leaf, err)
		}
	default:
		if guide.leaf != got.leaf {
			t.Errorf("%s is %v, in the guide %v", at, got.leaf, guide.leaf)
		}
	}
}

// guideRun is what the examples are tried with: the guide's user.
type guideRun struct {
	*run
	all []example
}

func newGuideRun(t *testing.T, s *running) *guideRun {
	return &guideRun{run: newRun(t, s), all: examples(t)}
}

func (g *guideRun) example(heading string) example {
	g.t.Helper()
	for _, e := range g.all {
		if strings.Contains(e.heading, heading) {
			return e
		}
	}
	g.t.Fatalf("the guide has no %q", heading)
	return example{}
}

// john gives the guide's user with a pair that is good. They registered with
// the guide's first command and sign in with its second.
func (g *guideRun) john() *person {
	g.t.Helper()
	p := g.people["john"]
	if p == nil {
		p = &person{email: "user@example.com", password: "securepassword123"}
		g.people["john"] = p
		p.take(g.t, g.do(g.t, g.example("User Registration").request(g.t)))
		return p
	}
	p.take(g.t, g.do(g.t, g.example("User Login").request(g.t)))
	return p
}

// filled puts a person's tokens where the guide has its words for them.
func (q request) filled(p *person) request {
	fill := strings.NewReplacer(guideAccess, p.access, guideRefresh, p.refresh).Replace
	out := q
	out.headers = map[string]string{}
	for name, v := range q.headers {
		out.headers[name] = fill(v)
	}
	if q.body != nil {
		body := fill(*q.body)
		out.body = &body
	}
	return out
}

// script is one transcript.
type script struct {
	file string
	// about is what of the guide it shows.
	about string
	// heading names the example whose command it is and whose answer it must
	// be like; "" where the guide gives no example body.
	heading string
	// request is what is sent, nil for the example's own command. The guide's
	// words for tokens stand in it.
	request *request
	// before is what happened before.
	before func(g *guideRun, p *person)
	added  string
}

func asking(q request) *request { return &q }

func postWith(path, body string, headers ...string) *request {
	q := post(path, body)
	for i := 0; i < len(headers); i += 2 {
		q.headers[headers[i]] = headers[i+1]
	}
	return &q
}

func registerAs(role string) *request {
	return postWith("/api/auth/register/", fmt.Sprintf(`{"email": "%s@example.com", "password": "c0rrect-Horse-42", "password2": "c0rrect-Horse-42", "first_name": "John", "last_name": "Doe", "role": "%s"}`, role, role))
}

func preflight(origin string) *request {
	return asking(request{method: "OPTIONS", path: "/api/auth/login/", headers: map[string]string{
		"Origin": origin, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization,content-type",
	}})
}

func refreshed(g *guideRun, p *person) {
	g.t.Helper()
	if _, err := g.rotate(p.refresh); err != nil {
		g.t.Fatal(err)
	}
}

func loggedOut(g *guideRun, p *person) {
	g.t.Helper()
	if a := g.do(g.t, g.example("User Logout").request(g.t).filled(p)); a.status != 200 {
		g.t.Fatalf("log out: %d %s", a.status, a.body)
	}
}

var scripts = []script{
	{file: "1-user-registration", heading: "User Registration"},
	{file: "2-user-login", heading: "User Login"},
	{file: "3-token-refresh", heading: "Token Refresh", added: "refresh"},
	{file: "4-user-logout", heading: "User Logout"},
	{file: "5-get-user-profile", heading: "Get User Profile"},
	{file: "6-update-user-profile", heading: "Update User Profile"},
	{
		file: "error-registration", heading: "Registration Error",
		request: postWith("/api/auth/register/", `{"email": "user@example.com", "password": "securepassword123", "password2": "another-Horse-42", "first_name": "John", "last_name": "Doe"}`),
	},
	{
		file: "error-login", heading: "Login Error",
		request: postWith("/api/auth/login/", `{"email": "user@example.com", "password": "wrong-Horse-42"}`),
	},
	{
		file: "error-token", heading: "Token Error",
		request: postWith("/api/auth/token/refresh/", `{"refresh": "eyJ0eXAiOiJKV1QiLCJhbGciOiJIUzI1NiJ9.e30.c2lnbmF0dXJl"}`),
	},
	{
		file: "token-verify", about: `"Verify token validity"`,
		request: postWith("/api/auth/token/verify/", `{"token": "your_access_token_here"}`),
	},
	{
		file: "token-verify-invalid", heading: "Token Error",
		request: postWith("/api/auth/token/verify/", `{"token": "eyJ0eXAiOiJKV1QiLCJhbGciOiJIUzI1NiJ9.e30.c2lnbmF0dXJl"}`),
	},
	{
		file: "auto-blacklist", about: `"Auto-blacklist: Enabled (old tokens are blacklisted after refresh)"`, before: refreshed,
		request: postWith("/api/auth/token/refresh/", `{"refresh": "your_refresh_token_here"}`),
	},
	{
		file: "blacklist-after-logout", about: `"Token Blacklisting: Enabled to prevent token reuse after logout"`, before: loggedOut,
		request: postWith("/api/auth/token/refresh/", `{"refresh": "your_refresh_token_here"}`),
	},
	{
		file: "required-header", about: `"Required Headers: Authorization: Bearer <access_token>"`,
		request: asking(request{method: "GET", path: "/api/auth/profile/"}),
	},
	{
		file: "required-fields", about: `"Required Fields" of the registration`,
		request: postWith("/api/auth/register/", `{}`),
	},
	{
		file: "password-requirements", about: `"Password Requirements: Django's built-in password validators enforce security rules"`,
		request: postWith("/api/auth/register/", `{"email": "weak@example.com", "password": "123456", "password2": "123456", "first_name": "John", "last_name": "Doe"}`),
	},
	{
		file: "not-found", about: `"404 Not Found - Resource not found"`,
		request: asking(request{method: "GET", path: "/api/auth/nothing/"}),
	},
	{
		file: "role-default", about: `"role (default: employee)"`,
		request: postWith("/api/auth/register/", `{"email": "default@example.com", "password": "c0rrect-Horse-42", "password2": "c0rrect-Horse-42", "first_name": "John", "last_name": "Doe"}`),
	},
	{file: "role-employee", about: `"employee: Standard user access"`, request: registerAs("employee")},
	{file: "role-client", about: `"client: Limited access"`, request: registerAs("client")},
	{file: "role-manager", about: `"manager: Management privileges", which not anybody may take; docs/deviations.md`, request: registerAs("manager")},
	{file: "role-admin", about: `"admin: Full system access", which not anybody may take; docs/deviations.md`, request: registerAs("admin")},
	{file: "cors-localhost", about: `"CORS: Configured for http://localhost:3000"`, request: preflight("http://localhost:3000")},
	{file: "cors-127.0.0.1", about: `"CORS: Configured for http://127.0.0.1:3000"`, request: preflight("http://127.0.0.1:3000")},
	{file: "cors-other-origin", about: `"CORS", another origin`, request: preflight("http://evil.example")},
	{
		file: "cors-request", about: `"CORS", the request after the preflight`,
		request: postWith("/api/auth/login/", `{"email": "user@example.com", "password": "securepassword123"}`, "Origin", "http://localhost:3000"),
	},
}

// TestGuide keeps a transcript of every example of the guide: with -update it
// is written, and its difference is to be read.
func TestGuide(t *testing.T) {
	onEngines(t, func(t *testing.T, s *running) {
		g := newGuideRun(t, s)
		for _, sc := range scripts {
			t.Run(sc.file, func(t *testing.T) {
				g.t, g.run.t = t, t
				var e example
				if sc.heading != "" {
					e = g.example(sc.heading)
				}
				p := &person{access: guideAccess, refresh: guideRefresh}
				if sc.file != "1-user-registration" {
					p = g.john()
				} else {
					g.people["john"] = &person{email: "user@example.com", password: "securepassword123"}
				}
				if sc.before != nil {
					sc.before(g, p)
				}
				var q request
				if sc.request != nil {
					q = *sc.request
				} else {
					q = e.request(t)
				}
				got := s.do(t, q.filled(p))
				if sc.heading != "" {
					likeGuide(t, "$", parseNode(t, e.answer), parseNode(t, got.body), sc.added)
				}
				about := sc.about
				if about == "" {
					about = `"` + strings.TrimSuffix(e.heading, ":") + `"`
				}
				compareGolden(t, filepath.Join("testdata", "guide", sc.file+".txt"), transcript(about, q, got))
			})
		}
	})
	t.Run("files", func(t *testing.T) {
		files, err := filepath.Glob("testdata/guide/*.txt")
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range files {
			name = strings.TrimSuffix(filepath.Base(name), ".txt")
			if !slices.ContainsFunc(scripts, func(sc script) bool { return sc.file == name }) {
				t.Errorf("nobody writes %s", name)
			}
		}
	})
}

func compareGolden(t *testing.T, name, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(name, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), got); d != "" {
		t.Errorf("%s (-want +got); go test -update rewrites it:\n%s", name, d)
	}
}

// transcript is an exchange as it is kept, with {{name}} for what varies.
func transcript(about string, q request, got response) string {
	var b strings.Builder
	fmt.Fprintf(&b, "guide.txt: %s\n\n-- request --\n%s %s\n", about, q.method, q.path)
	for name, v := range sorted(q.headers) {
		fmt.Fprintf(&b, "%s: %s\n", name, v)
	}
	if q.body != nil {
		fmt.Fprintf(&b, "\n%s\n", *q.body)
	}
	fmt.Fprintf(&b, "\n-- answer --\n%d %s\n", got.status, http.StatusText(got.status))
	varies := map[string]string{"Content-Length": "{{length}}", "Date": "{{date}}", "X-Request-Id": "{{request_id}}"}
	for name, values := range sorted(got.headers) {
		v := strings.Join(values, ", ")
		if name, ok := varies[name]; ok {
			v = name
		}
		fmt.Fprintf(&b, "%s: %s\n", name, v)
	}
	body := got.body
	var tokens bytes.Buffer
	u, _ := userOf(body)
	for _, jwt := range anyJWT.FindAllString(body, -1) {
		f := describeToken(jwt, got, u)
		kind := f.Claims[0].Says
		body = strings.Replace(body, jwt, "{{"+kind+"}}", 1)
		fmt.Fprintf(&tokens, "{{%s}} is %s\n", kind, f.Header)
		for _, c := range f.Claims {
			fmt.Fprintf(&tokens, "  %s: %s\n", c.Name, c.Says)
		}
		fmt.Fprintf(&tokens, "  lives %v s\n", f.ExpMinusIat)
	}
	body = anyID.ReplaceAllString(body, "${1}{{id}}")
	for _, name := range []string{"created_at", "updated_at"} {
		body = regexp.MustCompile(`("`+name+`": ?)`+anyTime.String()).ReplaceAllString(body, `${1}"{{`+name+`}}"`)
	}
	if body != "" {
		fmt.Fprintf(&b, "\n%s\n", body)
	}
	if tokens.Len() > 0 {
		fmt.Fprintf(&b, "\n-- tokens --\n%s", tokens.String())
	}
	return b.String()
}

package conformance_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"mime/multipart"
	"net/url"
	"slices"
	"strings"
	"testing"
)

// check compares an answer with what the model wants.
func check(t *testing.T, got response, w want) {
	t.Helper()
	if len(w.tokens) == 0 && strings.Contains(w.body, "<jwt>") {
		w.tokens = describe(got, w.body) // What tokens say is the replay's business.
	}
	for part, diff := range sorted(compare(got, w)) {
		t.Errorf("%s: %s", part, diff)
	}
}

// TestKinds tries what the recording tries, where the recording does not: it
// was recorded in part, and the rest is kept aside.
func TestKinds(t *testing.T) {
	onEngines(t, func(t *testing.T, s *running) {
		t.Run("values", func(t *testing.T) { testValues(t, s) })
		t.Run("forged", func(t *testing.T) { testForged(t, s) })
		t.Run("emails", func(t *testing.T) { testEmails(t, s) })
		t.Run("sessions", func(t *testing.T) { testSessions(t, s) })
	})
	// No engine has a part in these.
	s := start(t, "sqlite")
	t.Run("methods", func(t *testing.T) { testMethods(t, s) })
	t.Run("encodings", func(t *testing.T) { testEncodings(t, s) })
	t.Run("bodies", func(t *testing.T) { testBodies(t, s) })
	t.Run("authorization", func(t *testing.T) { testAuthorization(t, s) })
	t.Run("cors", func(t *testing.T) { testCORS(t, s) })
	t.Run("paths", func(t *testing.T) { testPaths(t, s) })
	t.Run("accept", func(t *testing.T) { testAccept(t, s) })
	t.Run("hosts", func(t *testing.T) { testHosts(t, s) })
	t.Run("passwords", func(t *testing.T) { testPasswords(t, s) })
}

// profileOf is a profile as it is answered.
func profileOf(email, first, last, phone string) string {
	return fmt.Sprintf(`{"id":<id>,"email":%s,"first_name":%s,"last_name":%s,"phone":%s,"role":"employee","created_at":"<dt.6Z>","updated_at":"<dt.6Z>"}`,
		pyJSON(email), pyJSON(first), pyJSON(last), pyJSON(phone))
}

// testMethods: every method on every endpoint, with and without a token. Who
// has no token learns nothing else from a bearer endpoint.
func testMethods(t *testing.T, s *running) {
	r := newRun(t, s)
	ann := r.register("ann", r.tag+".ann@example.com", "c0rrect-Horse-42")
	for i := range endpoints {
		e := &endpoints[i]
		for _, path := range []string{e.path, strings.TrimSuffix(e.path, "/")} {
			for _, method := range []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "FOO", "get"} {
				for _, authorized := range []bool{false, true} {
					t.Run(fmt.Sprintf("%s %s authorized=%t", method, path, authorized), func(t *testing.T) {
						q := request{method: method, path: path}
						if method == "POST" || method == "PUT" || method == "PATCH" {
							q = post(path, "{}")
							q.method = method
						}
						if authorized {
							q = q.as(ann.access)
						}
						w := e.methodAnswer(method, authorized, ann.email)
						if method == "HEAD" {
							w.body = ""
						}
						check(t, s.do(t, q), w)
					})
				}
			}
		}
	}
}

// methodAnswer is the answer to a method with an empty form.
func (e *endpoint) methodAnswer(method string, authorized bool, email string) want {
	switch {
	case method == "OPTIONS":
		return answer(e, 204, "", "content-type", "")
	case e.bearer && !authorized:
		return unauthorized(e, noCredentials)
	case !slices.Contains(e.methods, method):
		return answer(e, 405, fmt.Sprintf(`{"detail":"Method \"%s\" not allowed."}`, method))
	case e.name == "profile":
		return answer(e, 200, profileOf(email, "John", "Doe", "+1234567890"))
	}
	w, _ := e.formAnswer(nil, false)
	return w
}

// jsonValues are values of every type and length, as they are spelled.
func jsonValues() map[string]string {
	return map[string]string{
		"missing": "", "null": "null", "empty": `""`, "whitespace": `"   "`, "tab and newline": `"\t\n"`,
		"no-break space": `"\u00a0\u3000"`, "zero-width space": `"\u200b"`, "unit separator": `"\u001f"`,
		"int": "12345678", "negative": "-5", "zero": "0", "minus zero": "-0", "float": "1.5", "whole float": "1.0",
		"exponent": "1E2", "beyond float": "1e400", "big": "123456789012345678901234567890", "tiny": "1e-7",
		"true": "true", "false": "false", "list": `["a"]`, "empty list": "[]", "dict": `{"a": 1}`, "empty dict": "{}",
		"150": `"` + strings.Repeat("a", 150) + `"`, "151": `"` + strings.Repeat("a", 151) + `"`,
		"150 emoji": `"` + strings.Repeat("😀", 150) + `"`, "151 emoji": `"` + strings.Repeat("😀", 151) + `"`,
		"20": `"` + strings.Repeat("1", 20) + `"`, "21": `"` + strings.Repeat("1", 21) + `"`, "21 spaces inside": `" ` + strings.Repeat("1", 20) + ` "`,
		"NUL": `"a\u0000b"`, "lone surrogate": `"a\ud83db"`, "low surrogate": `"a\ude00b"`, "word": `"word"`,
		"markup": `"<b>&'\"\\\/"`, "line separators": `"a\u2028\u2029b"`, "controls": `"a\u0001\u007f\u0085b"`, "list in list": `[["a"]]`,
	}
}

// good are fields that an endpoint takes.
func (e *endpoint) good(email, refreshToken, accessToken string) []given {
	switch e.name {
	case "register":
		return []given{
			{"email", quote(email)},
			{"password", `"c0rrect-Horse-42"`},
			{"password2", `"c0rrect-Horse-42"`},
			{"first_name", `"John"`},
			{"last_name", `"Doe"`},
			{"phone", `"+1234567890"`},
			{"role", `"employee"`},
		}
	case "login":
		return []given{{"email", quote(email)}, {"password", `"c0rrect-Horse-42"`}}
	case "logout":
		return []given{{"refresh_token", quote(refreshToken)}}
	case "refresh":
		return []given{{"refresh", quote(refreshToken)}}
	case "verify":
		return []given{{"token", quote(accessToken)}}
	default:
		return []given{{"first_name", `"Ann"`}, {"last_name", `"Lee"`}, {"phone", `"1"`}}
	}
}

func object(fields []given) string {
	var parts []string
	for _, g := range fields {
		if g.json != "" {
			parts = append(parts, quote(g.name)+": "+g.json)
		}
	}
	return "{" + strings.Join(parts, ", ") + "}"
}

// with gives the fields with one of them changed.
func with(fields []given, name, value string) []given {
	out := slices.Clone(fields)
	for i := range out {
		if out[i].name == name {
			out[i].json = value
		}
	}
	return out
}

// testValues: every value in every field of every form, in JSON. Where the
// field takes it, the answer is what the endpoint says then.
func testValues(t *testing.T, s *running) {
	r := newRun(t, s)
	ann := r.register("ann", r.tag+".ann@example.com", "c0rrect-Horse-42")
	n := 0
	for i := range endpoints {
		e := &endpoints[i]
		method := "POST"
		if e.name == "profile" {
			method = "PUT"
		}
		for _, f := range e.form {
			for what, value := range sorted(jsonValues()) {
				t.Run(e.name+" "+f.name+" "+what, func(t *testing.T) {
					n++
					email := ann.email
					if e.name == "register" {
						email = fmt.Sprintf("%s.v%d@example.com", r.tag, n)
					}
					fields := with(e.good(email, ann.refresh, ann.access), f.name, value)
					if e.name == "profile" {
						// A form of all fields, so that nothing is left from before.
						fields = with([]given{{"first_name", `"Ann"`}, {"last_name", `"Lee"`}, {"phone", `"1"`}}, f.name, value)
						if value == "" {
							return // What a missing field leaves is TestReplay's.
						}
					}
					q := post(e.path, object(fields))
					q.method = method
					if e.bearer {
						q = q.as(ann.access)
					}
					w, refused := e.formAnswer(fields, false)
					if !refused {
						if e.name == "logout" || e.name == "refresh" {
							// The text is a token that is none.
							w = inBodyAnswer(e, invalid)
						} else {
							w = e.taken(fields, f, ann)
						}
					}
					check(t, s.do(t, q), w)
				})
			}
		}
	}
}

// taken is the answer to fields that all are well, one of which is f with a
// value of the test's.
func (e *endpoint) taken(fields []given, f formField, p *person) want {
	text := func(name string) string {
		for _, field := range e.form {
			if field.name == name {
				for _, g := range fields {
					if g.name == name {
						s, _ := field.fieldProblems(g.json, false, e.partial)
						return s
					}
				}
			}
		}
		return ""
	}
	switch e.name {
	case "register":
		if pw := text("password"); pw != text("password2") {
			return e.problems(`"password":["Password fields didn't match."]`)
		}
		return answer(e, 201, fmt.Sprintf(`{"message":"User registered successfully","user":{"id":<id>,"email":%s,"first_name":%s,"last_name":%s,"role":"employee"},"tokens":{"refresh":"<jwt>","access":"<jwt>"}}`,
			pyJSON(text("email")), pyJSON(text("first_name")), pyJSON(text("last_name"))))
	case "login":
		return e.problems(`"non_field_errors":["Invalid credentials."]`)
	case "verify":
		return inBodyAnswer(e, invalid)
	default:
		return answer(e, 200, profileOf(p.email, text("first_name"), text("last_name"), text("phone")))
	}
}

// encoded puts fields that are strings into a form of a kind.
func encoded(t *testing.T, kind string, fields []given) (contentType, body string) {
	t.Helper()
	var b strings.Builder
	values := url.Values{}
	w := multipart.NewWriter(&b)
	for _, g := range fields {
		if g.json == "" {
			continue
		}
		var text string
		if err := json.Unmarshal([]byte(g.json), &text); err != nil {
			t.Fatal(err)
		}
		values.Set(g.name, text)
		if err := w.WriteField(g.name, text); err != nil {
			t.Fatal(err)
		}
	}
	if kind == "urlencoded" {
		return "application/x-www-form-urlencoded", values.Encode()
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return w.FormDataContentType(), b.String()
}

// testEncodings: every field as text in both kinds of form.
func testEncodings(t *testing.T, s *running) {
	r := newRun(t, s)
	ann := r.register("ann", r.tag+".ann@example.com", "c0rrect-Horse-42")
	n := 0
	for i := range endpoints {
		e := &endpoints[i]
		method := "POST"
		if e.name == "profile" {
			method = "PUT"
		}
		for _, kind := range []string{"urlencoded", "multipart"} {
			for _, f := range e.form {
				for what, value := range sorted(map[string]string{
					"missing": "", "empty": `""`, "whitespace": `"   "`, "word": `"word"`, "151": `"` + strings.Repeat("a", 151) + `"`,
					"number": `"12345678"`, "null": `"null"`, "unicode": `"é日😀"`, "plus and ampersand": `"a+b & c=d%20"`, "21": `"` + strings.Repeat("1", 21) + `"`,
				}) {
					t.Run(strings.Join([]string{e.name, kind, f.name, what}, " "), func(t *testing.T) {
						n++
						email := ann.email
						if e.name == "register" {
							email = fmt.Sprintf("%s.e%d@example.com", r.tag, n)
						}
						fields := with(e.good(email, ann.refresh, ann.access), f.name, value)
						if e.name == "profile" && value == "" {
							return
						}
						contentType, body := encoded(t, kind, fields)
						q := request{method: method, path: e.path, body: &body, headers: map[string]string{"Content-Type": contentType}}
						if e.bearer {
							q = q.as(ann.access)
						}
						w, refused := e.formAnswer(fields, true)
						switch {
						case refused:
						case e.name == "logout", e.name == "refresh", e.name == "verify":
							w = inBodyAnswer(e, invalid)
						default:
							w = e.taken(fields, f, ann)
						}
						check(t, s.do(t, q), w)
					})
				}
			}
		}
	}
	t.Run("omitted fields keep what they were", func(t *testing.T) {
		e := endpointNamed("profile")
		for kind, rest := range map[string]string{"urlencoded": "Uma", "multipart": "Mel"} {
			contentType, body := encoded(t, kind, []given{{"first_name", quote(rest)}, {"last_name", `"Kept"`}, {"phone", `"42"`}})
			q := request{method: "PUT", path: e.path, body: &body, headers: map[string]string{"Content-Type": contentType}}.as(ann.access)
			check(t, s.do(t, q), answer(&e, 200, profileOf(ann.email, rest, "Kept", "42")))
			contentType, body = encoded(t, kind, []given{{"first_name", quote(rest + "2")}})
			q = request{method: "PUT", path: e.path, body: &body, headers: map[string]string{"Content-Type": contentType}}.as(ann.access)
			check(t, s.do(t, q), answer(&e, 200, profileOf(ann.email, rest+"2", "Kept", "42")))
		}
	})
	t.Run("charsets", func(t *testing.T) {
		e := endpointNamed("profile")
		for _, row := range []struct{ contentType, body, name string }{
			{"application/json; charset=utf-8", `{"first_name": "é"}`, "é"},
			{"application/json; charset=UTF8", `{"first_name": "é"}`, "é"},
			{"application/json; charset=latin-1", "{\"first_name\": \"\xe9\"}", "é"},
			{"application/json; charset=ISO-8859-1", "{\"first_name\": \"\xe9\"}", "é"},
			{"application/json; charset=nonsense", `{"first_name": "è"}`, "è"},
			{"Application/JSON;Charset=\"utf-8\"", `{"first_name": "é"}`, "é"},
			{"application/x-www-form-urlencoded; charset=latin-1", "first_name=%E9", "é"},
			{"application/x-www-form-urlencoded; charset=nonsense", "first_name=%C3%A8", "è"},
			{"application/x-www-form-urlencoded", "first_name=a+b%2Bc;d", "a b+c;d"},
		} {
			q := request{method: "PATCH", path: e.path, body: &row.body, headers: map[string]string{"Content-Type": row.contentType}}.as(ann.access)
			check(t, s.do(t, q), answer(&e, 200, profileOf(ann.email, row.name, "Kept", "42")))
		}
	})
	t.Run("names are exact, and tokens are trimmed", func(t *testing.T) {
		for i := range endpoints {
			e := &endpoints[i]
			var shouted []given
			for _, g := range e.good(ann.email, ann.refresh, ann.access) {
				shouted = append(shouted, given{strings.ToUpper(g.name), g.json})
			}
			if w, refused := e.formAnswer(nil, false); refused {
				check(t, s.do(t, post(e.path, object(shouted)).as(ann.access)), w)
			}
		}
		verify := endpointNamed("verify")
		for _, space := range []string{" ", `\n`, `\u00a0`, `\u001c`} {
			check(t, s.do(t, post(verify.path, `{"token": "`+space+ann.access+space+`"}`)), answer(&verify, 200, "{}"))
		}
		check(t, s.do(t, post(verify.path, `{"token": "\u200b`+ann.access+`"}`)), inBodyAnswer(&verify, invalid))
	})
	t.Run("what is read only is ignored, whatever it is", func(t *testing.T) {
		e := endpointNamed("profile")
		q := post(e.path, `{"first_name": "Ro", "id": [], "email": null, "role": {"a": 1}, "created_at": 5, "updated_at": true, "is_superuser": true}`).as(ann.access)
		q.method = "PUT"
		check(t, s.do(t, q), answer(&e, 200, profileOf(ann.email, "Ro", "Kept", "42")))
	})
	t.Run("the last of a form's several counts", func(t *testing.T) {
		e := endpointNamed("login")
		bea := r.register("bea", r.tag+".bea@example.com", "c0rrect-Horse-42")
		body := "email=nobody%40example.com&email=" + url.QueryEscape(bea.email) + "&password=x&password=c0rrect-Horse-42"
		q := request{method: "POST", path: e.path, body: &body, headers: map[string]string{"Content-Type": "application/x-www-form-urlencoded"}}
		check(t, s.do(t, q), answer(&e, 200, signedInBody("Login successful", bea.email)))
	})
}

func signedInBody(message, email string) string {
	return fmt.Sprintf(`{"message":%q,"user":{"id":<id>,"email":%s,"first_name":"John","last_name":"Doe","role":"employee"},"tokens":{"refresh":"<jwt>","access":"<jwt>"}}`, message, pyJSON(email))
}

// testBodies: what is no form at all, on every endpoint.
func testBodies(t *testing.T, s *running) {
	r := newRun(t, s)
	ann := r.register("ann", r.tag+".ann@example.com", "c0rrect-Horse-42")
	notObject := func(python string) string {
		return `"non_field_errors":["Invalid data. Expected a dictionary, but got ` + python + `."]`
	}
	const parse = `{"detail":"JSON parse error - <any>"}`
	bodies := []struct {
		name, contentType, body string
		// status 0: the problems in fields.
		status int
		want   string
	}{
		{"list", "application/json", "[]", 0, notObject("list")},
		{"string", "application/json", `"a"`, 0, notObject("str")},
		{"int", "application/json", "5", 0, notObject("int")},
		{"float", "application/json", "1.5", 0, notObject("float")},
		{"true", "application/json", "true", 0, notObject("bool")},
		{"false", "application/json", "false", 0, notObject("bool")},
		{"null", "application/json", "null", 0, `"non_field_errors":["No data provided"]`},
		{"truncated", "application/json", `{"a": 1`, 400, parse},
		{"open", "application/json", `{`, 400, parse},
		{"word", "application/json", `hello`, 400, parse},
		{"only blanks", "application/json", `   `, 400, parse},
		{"single quotes", "application/json", `{'a': 1}`, 400, parse},
		{"trailing comma", "application/json", `{"a": 1,}`, 400, parse},
		{"two values", "application/json", `{} {}`, 400, parse},
		{"comment", "application/json", `{} // x`, 400, parse},
		{"control character", "application/json", "{\"a\": \"b\x01\"}", 400, parse},
		{"NaN", "application/json", `{"a": NaN}`, 400, parse},
		{"Infinity", "application/json", `{"a": -Infinity}`, 400, parse},
		{"bad escape", "application/json", `{"a": "\x"}`, 400, parse},
		{"not UTF-8", "application/json", "{\"a\": \"\xff\"}", 400, parse},
		{"byte order mark", "application/json", "\ufeff{}", 400, parse},
		{"duplicate keys", "application/json", `{"a": 1, "a": 1}`, 400, parse},
		{"duplicate keys inside", "application/json", `{"x": {"a": 1, "a": 1}}`, 400, parse},
		{"deep", "application/json", strings.Repeat("[", 33) + strings.Repeat("]", 33), 400, parse},
		{"very deep", "application/json", strings.Repeat("[", 30000), 400, parse},
		{"text/plain", "text/plain", "{}", 415, `{"detail":"Unsupported media type \"text/plain\" in request."}`},
		{"text/json", "text/json", "{}", 415, `{"detail":"Unsupported media type \"text/json\" in request."}`},
		{"with parameters", "text/plain; charset=utf-8", "{}", 415, `{"detail":"Unsupported media type \"text/plain; charset=utf-8\" in request."}`},
		{"no type", "", "{}", 415, `{"detail":"Unsupported media type \"\" in request."}`},
		{"too large", "application/json", `{"a": "` + strings.Repeat("a", 70_000) + `"}`, 413, `{"detail":"Request body is too large."}`},
		{"too large a form", "application/x-www-form-urlencoded", "a=" + strings.Repeat("a", 70_000), 413, `{"detail":"Request body is too large."}`},
	}
	for i := range endpoints {
		e := &endpoints[i]
		methods := []string{"POST"}
		if e.name == "profile" {
			methods = []string{"PUT", "PATCH"}
		}
		for _, method := range methods {
			for _, b := range bodies {
				t.Run(e.name+" "+method+" "+b.name, func(t *testing.T) {
					q := request{method: method, path: e.path, body: &b.body, headers: map[string]string{}}
					if b.contentType != "" {
						q.headers["Content-Type"] = b.contentType
					}
					if e.bearer {
						// Who is not known learns nothing of the body.
						check(t, s.do(t, q), unauthorized(e, noCredentials))
						q = q.as(ann.access)
					}
					w := answer(e, b.status, b.want)
					if b.status == 0 {
						w = e.problems(b.want)
					}
					check(t, s.do(t, q), w)
				})
			}
			t.Run(e.name+" "+method+" empty, of any type", func(t *testing.T) {
				for _, contentType := range []string{"application/json", "application/x-www-form-urlencoded", "text/plain"} {
					empty := ""
					q := request{method: method, path: e.path, body: &empty, headers: map[string]string{"Content-Type": contentType}}.as(ann.access)
					w, refused := e.formAnswer(nil, false)
					if !refused {
						w = answer(e, 200, profileOf(ann.email, "John", "Doe", "+1234567890"))
					}
					check(t, s.do(t, q), w)
				}
			})
		}
	}
}

// testForged: every forgery wherever a token is taken.
func testForged(t *testing.T, s *running) {
	r := newRun(t, s)
	ann := r.register("ann", r.tag+".ann@example.com", "c0rrect-Horse-42")
	profile, verify, refresh, logout := endpointNamed("profile"), endpointNamed("verify"), endpointNamed("refresh"), endpointNamed("logout")
	profileBody := profileOf(ann.email, "John", "Doe", "+1234567890")
	refreshed := fmt.Sprintf(`{"access":"<jwt>","refresh":"<jwt>","user":{"id":<id>,"email":%q,"first_name":"John","last_name":"Doe","role":"employee"}}`, ann.email)
	try := func(t *testing.T, name string, make func(kind string) string, is problem) {
		t.Run("profile "+name, func(t *testing.T) {
			w := inHeaderAnswer(&profile, is)
			if is == fine || is == oddID {
				w = answer(&profile, 200, profileBody)
			}
			check(t, s.do(t, request{method: "GET", path: profile.path}.as(make("access"))), w)
		})
		for _, kind := range []string{"access", "refresh"} {
			t.Run("verify "+kind+" "+name, func(t *testing.T) {
				is := is
				if is == userGone {
					is = invalid
				}
				w := inBodyAnswer(&verify, is)
				if is == fine || is == oddID && kind == "access" {
					w = answer(&verify, 200, "{}")
				}
				check(t, s.do(t, post(verify.path, fmt.Sprintf(`{"token": %q}`, make(kind)))), w)
			})
		}
		t.Run("refresh "+name, func(t *testing.T) {
			w := inBodyAnswer(&refresh, is)
			switch is {
			case fine:
				w = answer(&refresh, 200, refreshed)
				w.tokens = ours("access", "refresh")
			case userGone:
				w = unauthorized(&refresh, `{"detail":"No active account found for the given token.","code":"no_active_account"}`)
			default:
			}
			check(t, s.do(t, post(refresh.path, fmt.Sprintf(`{"refresh": %q}`, make("refresh")))), w)
		})
		t.Run("logout "+name, func(t *testing.T) {
			caller := make("access")
			if is != fine {
				caller = forged(t, "access", ann.id, "good")
			}
			q := post(logout.path, fmt.Sprintf(`{"refresh_token": %q}`, make("refresh"))).as(caller)
			w := inBodyAnswer(&logout, is)
			switch is {
			case fine:
				w = answer(&logout, 200, `{"message":"Successfully logged out"}`)
			case userGone:
				// Another user's: there is nothing to be said of that one.
				w = unauthorized(&logout, `{"detail":"<any>","code":"<any>"}`)
			default:
			}
			check(t, s.do(t, q), w)
			if is == fine {
				check(t, s.do(t, request{method: "GET", path: profile.path}.as(caller)), inHeaderAnswer(&profile, invalid))
			}
		})
		for _, e := range []*endpoint{&refresh, &logout} {
			if is != fine {
				continue
			}
			t.Run(e.name+" access as refresh "+name, func(t *testing.T) {
				q := post(e.path, fmt.Sprintf(`{%q: %q}`, e.form[0].name, make("access")))
				if e.bearer {
					q = q.as(ann.access)
				}
				check(t, s.do(t, q), inBodyAnswer(e, wrongType))
			})
		}
	}
	for name, f := range sorted(forgeries) {
		try(t, name, func(kind string) string { return forged(t, kind, ann.id, name) }, f.is)
	}
	for name, f := range sorted(forgedHeaders) {
		try(t, "header "+name, func(kind string) string { return forgedHeader(t, kind, ann.id, name) }, f.is)
	}
	spoilt := map[string]func(token string) string{
		"bad signature":  badSignature,
		"padded":         func(s string) string { return s + "=" },
		"cut":            func(s string) string { return s[:len(s)-1] },
		"two parts":      func(s string) string { return s[:strings.LastIndexByte(s, '.')] },
		"no signature":   func(s string) string { return s[:strings.LastIndexByte(s, '.')+1] },
		"four parts":     func(s string) string { return s + ".x" },
		"standard base":  func(s string) string { return strings.Replace(s, ".", "+.", 1) },
		"empty header":   func(s string) string { return s[strings.IndexByte(s, '.'):] },
		"another letter": func(s string) string { return "A" + s[1:] },
	}
	for name, spoil := range sorted(spoilt) {
		try(t, name, func(kind string) string { return spoil(forged(t, kind, ann.id, "good")) }, invalid)
	}
}

// ours is what is said of tokens of ours, with the deviations that hold for
// every token.
func ours(kinds ...string) []facts {
	var out []facts
	for _, kind := range kinds {
		f := minted(kind)
		f.Header = `{"typ":"JWT","alg":"HS256"}`
		f.Claims = append(f.Claims, claim{"sid", "32 hex uuid7"})
		if kind == "access" {
			f.Claims = append(f.Claims, claim{"role", "str = user's role"}, claim{"gen", "int"})
		}
		out = append(out, f)
	}
	return out
}

// testAuthorization: the header in every spelling, where it counts and where
// it does not.
func testAuthorization(t *testing.T, s *running) {
	r := newRun(t, s)
	ann := r.register("ann", r.tag+".ann@example.com", "c0rrect-Horse-42")
	const two = `{"detail":"Authorization header must contain two space-delimited values","code":"bad_authorization_header"}`
	profile, logout := endpointNamed("profile"), endpointNamed("logout")
	good := profileOf(ann.email, "John", "Doe", "+1234567890")
	spellings := map[string]struct {
		header string
		// body of a 401, "" where it is good.
		body string
	}{
		"Bearer":          {"Bearer " + ann.access, ""},
		"lower case":      {"bearer " + ann.access, ""},
		"capitals":        {"BEARER " + ann.access, ""},
		"two spaces":      {"Bearer  " + ann.access, ""},
		"tab":             {"Bearer\t" + ann.access, ""},
		"trailing blank":  {"Bearer " + ann.access + " ", ""},
		"leading blank":   {"  Bearer " + ann.access, ""},
		"alone":           {"Bearer", two},
		"alone and blank": {"Bearer ", two},
		"three parts":     {"Bearer " + ann.access + " x", two},
		"empty":           {"", noCredentials},
		"Token":           {"Token " + ann.access, noCredentials},
		"JWT":             {"JWT " + ann.access, noCredentials},
		"Basic":           {"Basic YTpi", noCredentials},
		"comma":           {"Bearer, " + ann.access, noCredentials},
		"colon":           {"Bearer: " + ann.access, noCredentials},
		"joined":          {"Bearer" + ann.access, noCredentials},
		"token alone":     {ann.access, noCredentials},
		"garbage":         {"Bearer garbage", inHeaderAnswer(&profile, invalid).body},
		"refresh token":   {"Bearer " + ann.refresh, inHeaderAnswer(&profile, wrongType).body},
		"no ASCII":        {"Bearer \xe9", inHeaderAnswer(&profile, invalid).body},
		"quoted":          {`Bearer "` + ann.access + `"`, inHeaderAnswer(&profile, invalid).body},
	}
	for name, sp := range sorted(spellings) {
		for _, method := range []string{"GET", "HEAD", "PUT", "PATCH", "DELETE"} {
			t.Run("profile "+method+" "+name, func(t *testing.T) {
				q := request{method: method, path: profile.path, headers: map[string]string{"Authorization": sp.header}}
				w := unauthorized(&profile, sp.body)
				if sp.body == "" {
					w = answer(&profile, 200, good)
					if method == "DELETE" {
						w = profile.methodAnswer(method, true, "")
					}
				}
				if method == "HEAD" {
					w.body = ""
				}
				check(t, s.do(t, q), w)
			})
		}
		t.Run("logout "+name, func(t *testing.T) {
			q := post(logout.path, "{}")
			q.headers["Authorization"] = sp.header
			w := unauthorized(&logout, sp.body)
			if sp.body == "" {
				w, _ = logout.formAnswer(nil, false)
			}
			check(t, s.do(t, q), w)
		})
		t.Run("ignored elsewhere "+name, func(t *testing.T) {
			for _, public := range []string{"register", "login", "refresh", "verify"} {
				e := endpointNamed(public)
				q := post(e.path, "{}")
				q.headers["Authorization"] = sp.header
				w, _ := e.formAnswer(nil, false)
				check(t, s.do(t, q), w)
			}
		})
	}
}

const (
	corsAllowed = "accept, accept-encoding, authorization, content-type, dnt, origin, user-agent, x-csrftoken, x-requested-with"
	corsMethods = "DELETE, GET, OPTIONS, PATCH, POST, PUT"
)

// testCORS: origins by routes. What is compared is scheme and host with port,
// as django-cors-headers does ("cors simple request, origin trailing slash").
func testCORS(t *testing.T, s *running) {
	origins := map[string]bool{
		"http://localhost:3000": true, "http://127.0.0.1:3000": true,
		"http://localhost:3000/": true, "http://localhost:3000/login": true, "HTTP://localhost:3000": true, "http://localhost:3000?x": true,
		"https://localhost:3000": false, "http://localhost:3001": false, "http://localhost": false,
		"http://localhost:3000.evil.example": false, "http://evil.example": false, "http://LOCALHOST:3000": false,
		"http://evil.example/http://localhost:3000": false, "http://user@localhost:3000": false,
		"null": false, "": false, "*": false, "localhost:3000": false, "http://localhost:3000, http://evil.example": false,
	}
	paths := []string{"/nope/", "/api/auth/nope/"}
	for _, e := range endpoints {
		paths = append(paths, e.path, strings.TrimSuffix(e.path, "/"))
	}
	for origin, allowed := range sorted(origins) {
		for _, path := range paths {
			t.Run("preflight "+path+" "+origin, func(t *testing.T) {
				w := want{status: 200, headers: map[string]string{"content-type": "text/html; charset=utf-8", "vary": "Origin"}}
				if allowed {
					maps.Copy(w.headers, map[string]string{
						"access-control-allow-origin": origin, "access-control-allow-headers": corsAllowed,
						"access-control-allow-methods": corsMethods, "access-control-max-age": "86400",
					})
				}
				check(t, s.do(t, request{method: "OPTIONS", path: path, headers: map[string]string{
					"Origin": origin, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization,content-type",
				}}), w)
				// Whatever is asked for, and to whichever host.
				check(t, s.do(t, request{method: "OPTIONS", path: path, headers: map[string]string{
					"Origin": origin, "Access-Control-Request-Method": "FOO", "Host": "evil.example",
				}}), w)
			})
		}
		for i := range endpoints {
			e := &endpoints[i]
			t.Run("simple "+e.name+" "+origin, func(t *testing.T) {
				for _, method := range []string{"GET", "DELETE", "OPTIONS"} {
					w := e.methodAnswer(method, false, "")
					if e.name == "profile" && method == "GET" {
						w = unauthorized(e, noCredentials)
					}
					if allowed {
						w.headers["access-control-allow-origin"] = origin
					}
					check(t, s.do(t, request{method: method, path: e.path, headers: map[string]string{"Origin": origin}}), w)
				}
			})
		}
	}
}

// testPaths: nothing is cleaned and nothing redirected.
func testPaths(t *testing.T, s *running) {
	login := endpointNamed("login")
	served, _ := login.formAnswer(nil, false)
	missing := answer(nil, 404, `{"detail":"Not found."}`)
	for path, w := range sorted(map[string]want{
		"/api/auth/login/": served, "/api/auth/login": served, "/api/auth/%6cogin/": served, "/api/auth/%6Cogin": served,
		"/api/auth/login/?next=/": served, "/api/auth/login?a=1&b=%20x": served, "/api/auth/login/?format=xml": served, "/%61pi/auth/login/": served,
		"/api/auth/login//": missing, "/api//auth/login/": missing, "/api/auth//login/": missing,
		"/api/auth/x/../login/": missing, "/api/auth/./login/": missing, "/api/auth/login/.": missing, "/api/auth/login/..": missing,
		"/api/auth%2flogin/": missing, "/api/auth/login%2F": missing, "/api/auth/login%2f/": missing,
		"/api/auth/Login/": missing, "/api/AUTH/login/": missing, "/api/auth/login/x": missing, "/api/auth/login%00": missing,
		"/api/auth/login%20/": missing, "/api/auth/login;x/": missing, "/api/auth/logi%C3%B1/": missing,
		"/api/auth/": missing, "/api/auth": missing, "/api/": missing, "/api": missing, "/api/auth/token/": missing, "/api/auth/nope/": missing,
		"/api/../api/auth/login/": missing,
	}) {
		t.Run(path, func(t *testing.T) { check(t, s.do(t, post(path, "{}")), w) })
	}
	for _, method := range []string{"GET", "HEAD", "PUT", "DELETE", "OPTIONS", "FOO"} {
		t.Run(method+" nowhere", func(t *testing.T) {
			w := missing
			if method == "HEAD" {
				w.body = ""
			}
			check(t, s.do(t, request{method: method, path: "/api/auth/nope/"}), w)
		})
	}
	for _, path := range []string{"//api/auth/login/", "/API/auth/login/", "/x/../api/auth/login/", "//evil.example/..", "/nope"} {
		t.Run(path, func(t *testing.T) {
			if got := s.do(t, post(path, "{}")); got.status != 404 || got.header("Location") != "" {
				t.Errorf("%d to %q", got.status, got.header("Location"))
			}
		})
	}
}

// testAccept: the answer is JSON whatever is asked for; only an indent is
// given, as DRF gives it.
func testAccept(t *testing.T, s *running) {
	r := newRun(t, s)
	ann := r.register("ann", r.tag+".ann@example.com", "c0rrect-Horse-42")
	e := endpointNamed("profile")
	body := profileOf(ann.email, "John", "Doe", "+1234567890")
	for _, accept := range []string{
		"", "*/*", "application/*", "application/json", "application/json;q=0", "text/html", "application/xml", "nonsense",
		"application/json; charset=utf-8", "application/json; version=1", "text/html, application/json;q=0.1", "APPLICATION/JSON",
	} {
		t.Run(accept, func(t *testing.T) {
			q := request{method: "GET", path: e.path, headers: map[string]string{"Accept": accept}}.as(ann.access)
			check(t, s.do(t, q), answer(&e, 200, body))
			q.headers["Authorization"] = ""
			check(t, s.do(t, q), unauthorized(&e, noCredentials))
		})
	}
	// DRF's JSONRenderer: at most 8, and what is no number is no indent.
	for accept, indent := range sorted(map[string]int{
		"application/json; indent=4": 4, "application/json;indent=2": 2, "application/json; indent=1; q=0.5": 1,
		"application/json; indent=12": 8, "application/json; indent=0": 0, "application/json; indent=-3": 0,
		"application/json; indent=x": 0, "*/*; indent=4": 4, "application/*; indent=4": 4, "text/html; indent=4": 0,
		"text/html, application/json; indent=4": 4,
	}) {
		t.Run(accept, func(t *testing.T) {
			q := request{method: "GET", path: e.path, headers: map[string]string{"Accept": accept}}.as(ann.access)
			check(t, s.do(t, q), answer(&e, 200, indented(body, indent)))
			q.headers["Authorization"] = ""
			check(t, s.do(t, q), unauthorized(&e, indented(noCredentials, indent)))
			register := endpointNamed("register")
			w, _ := register.formAnswer(nil, false)
			w.body = indented(w.body, indent)
			q = post(register.path, "{}")
			q.headers["Accept"] = accept
			check(t, s.do(t, q), w)
			verify := endpointNamed("verify")
			q = post(verify.path, fmt.Sprintf(`{"token": %q}`, ann.access))
			q.headers["Accept"] = accept
			check(t, s.do(t, q), answer(&verify, 200, "{}"))
		})
	}
	for _, format := range []string{"json", "api", "xml", "", "nonsense"} {
		t.Run("?format="+format, func(t *testing.T) {
			check(t, s.do(t, request{method: "GET", path: e.path + "?format=" + format}.as(ann.access)), answer(&e, 200, body))
		})
	}
}

// indented is a body as Python's json writes it with an indent; 0 is none.
func indented(body string, indent int) string {
	if indent == 0 {
		return body
	}
	const id = "987654321987"
	var b bytes.Buffer
	if err := json.Indent(&b, []byte(strings.ReplaceAll(body, "<id>", id)), "", strings.Repeat(" ", indent)); err != nil {
		panic(err)
	}
	return strings.ReplaceAll(b.String(), id, "<id>")
}

// testHosts: the names of hosts, with any port and in any case.
func testHosts(t *testing.T, s *running) {
	verify := endpointNamed("verify")
	served, _ := verify.formAnswer(nil, false)
	for host, ok := range map[string]bool{
		"localhost": true, "LOCALHOST": true, "LocalHost:9": true, "localhost.": true, "127.0.0.1": true, "127.0.0.1:8000": true,
		"evil.example": false, "localhost.evil.example": false, "evil.localhost": false, "127.0.0.2": false, "[::1]": false,
	} {
		t.Run(host, func(t *testing.T) {
			q := post(verify.path, "{}")
			q.headers["Host"] = host
			got := s.do(t, q)
			if ok {
				check(t, got, served)
			} else if got.status != 400 || got.header("Content-Type") != "application/json" || !strings.HasPrefix(got.body, `{"detail":"`) {
				t.Errorf("%d %s %s", got.status, got.header("Content-Type"), got.body)
			}
		})
	}
}

// testEmails: which addresses are taken, how they are shown, and which are
// one.
func testEmails(t *testing.T, s *running) {
	r := newRun(t, s)
	e := endpointNamed("register")
	register := func(email string) response {
		return s.do(t, post(e.path, object(with(e.good("", "", ""), "email", pyJSON(email)))))
	}
	long := strings.Repeat("d", 60)
	for _, row := range []struct {
		email string
		// shown is "" for one that is refused with no valid address.
		shown string
	}{
		{"TAG1@Example.COM", "TAG1@example.com"},
		{"TAG.Up@example.com", "TAG.Up@example.com"},
		{"  TAG2@example.com\t", "TAG2@example.com"},
		{"TAG3+x+y@example.co.uk", "TAG3+x+y@example.co.uk"},
		{"TAG4@b.123", "TAG4@b.123"},
		{"TAG5@xn--p1ai.xn--p1ai", "TAG5@xn--p1ai.xn--p1ai"},
		{"TAG6@EXÄMPLE.com", "TAG6@exämple.com"},
		{"TAG7@日本.com", "TAG7@日本.com"},
		{"TAG8@localhost", "TAG8@localhost"},
		{"TAG@LOCALHOST", ""}, // Django's list of exceptions is exact.
		{"TAG9@[::ffff:1.2.3.4]", "TAG9@[::ffff:1.2.3.4]"},
		{"TAG_a@a-b.com", "TAG_a@a-b.com"},
		{`"TAGq"@example.com`, `"TAGq"@example.com`},
		{"TAG@b.c", ""},
		{"TAG@b..com", ""},
		{"TAG@.com", ""},
		{"TAG@b.com.", ""},
		{"TAG@b_c.com", ""},
		{"TAG@-b.com", ""},
		{"TAG@b-.com", ""},
		{"TAG..x@b.com", ""},
		{".TAG@b.com", ""},
		{"TAG.@b.com", ""},
		{"TAG x@b.com", ""},
		{"TAG@b com", ""},
		{"TAG@@b.com", ""},
		{"TAG@b@c.com", ""},
		{"@b.com", ""},
		{"TAG@" + strings.Repeat("d", 64) + ".com", ""},
		{"TAG@" + strings.Repeat("d", 63) + ".com", "TAG@" + strings.Repeat("d", 63) + ".com"},
		{"TAGé@b.com", ""},
		{"TAG@[300.1.1.1]", ""},
		{"TAG@127.0.0.1", ""},
		{"TAG\u017f@b.com", ""},
		{"TAG\u212a@b.com", ""},
		{"TAG\u0131@b.com", ""},
		{"TAG\u0130@b.com", ""},
		{"TAG@\u212a.com", ""},
		{"TAG@b\u0131.com", ""},
		{"TAG@b\u017f.com", ""},
		{"TAG@b\u0130.com", ""},
		{"<TAG@b.com>", ""},
		{"TAG@b.com,TAG@c.com", ""},
		{"TAG\n@b.com", ""},
	} {
		t.Run(row.email, func(t *testing.T) {
			w := e.problems(`"email":["Enter a valid email address."]`)
			if row.shown != "" {
				w = answer(&e, 201, signedInBody("User registered successfully", strings.ReplaceAll(row.shown, "TAG", r.tag)))
			}
			check(t, register(strings.ReplaceAll(row.email, "TAG", r.tag)), w)
		})
	}
	t.Run("lengths", func(t *testing.T) {
		rest := "@" + long + "." + long + "." + long + "." + "dddddd.com"
		local := func(n int) string { return r.tag + strings.Repeat("l", n-len(rest)-tagLength) + rest }
		check(t, register(local(254)), answer(&e, 201, signedInBody("User registered successfully", local(254))))
		check(t, register(local(255)), e.problems(`"email":["Ensure this field has no more than 254 characters."]`))
		check(t, register(local(321)), e.problems(`"email":["Ensure this field has no more than 254 characters.","Enter a valid email address."]`))
	})
	// All of these are one account, whatever the case, and it is shown as it
	// was registered.
	taken := e.problems(`"email":["A user with this email already exists."]`)
	login := endpointNamed("login")
	for _, same := range [][]string{
		{"TAG.Same@example.com", "TAG.same@example.com", "TAG.SAME@EXAMPLE.COM"},
		{"TAG@büro.com", "TAG@BÜRO.com", "TAG@xn--bro-hoa.com", "TAG@XN--BRO-HOA.COM"},
	} {
		t.Run(same[0], func(t *testing.T) {
			for i, email := range same {
				email = strings.ReplaceAll(email, "TAG", r.tag)
				w := taken
				if i == 0 {
					w = answer(&e, 201, signedInBody("User registered successfully", email))
				}
				check(t, register(email), w)
			}
			for _, email := range same {
				email = strings.ReplaceAll(email, "TAG", r.tag)
				got := s.do(t, post(login.path, object(login.good(email, "", ""))))
				check(t, got, answer(&login, 200, signedInBody("Login successful", strings.ReplaceAll(same[0], "TAG", r.tag))))
			}
		})
	}
	t.Run("taken, and the password does not match", func(t *testing.T) {
		fields := with(with(e.good("", "", ""), "email", quote(r.tag+".same@example.com")), "password2", `"another-Horse-42"`)
		check(t, s.do(t, post(e.path, object(fields))),
			e.problems(`"email":["A user with this email already exists."],"password":["Password fields didn't match."]`))
	})
}

// testPasswords: Django's four validators in their order and words.
func testPasswords(t *testing.T, s *running) {
	r := newRun(t, s)
	e := endpointNamed("register")
	const (
		similarEmail = "The password is too similar to the email address."
		similarFirst = "The password is too similar to the first name."
		similarLast  = "The password is too similar to the last name."
		short        = "This password is too short. It must contain at least 8 characters."
		common       = "This password is too common."
		numeric      = "This password is entirely numeric."
	)
	for i, row := range []struct {
		password string
		wrong    []string
	}{
		{"123", []string{short, common, numeric}},
		{"123456", []string{short, common, numeric}},
		{"PASSWORD1", []string{common}},
		{"password", []string{common}},
		{" Password1\t", []string{common}},
		{"qwertyuiop", []string{common}},
		{"9038475610", []string{numeric}},
		{"٩٠٣٨٤٧٥٦١٠", []string{numeric}},
		{"903847561O", nil},
		{"Bartholomew", []string{similarFirst}},
		{"wemolohtrab", []string{similarFirst}},
		{"BARTHOLOMEW12", []string{similarFirst}},
		{"Featherstone9", []string{similarLast}},
		{"TAG@exam.com", []string{similarEmail}},
		{"example99", []string{similarEmail}},
		{"aZ3!x9q", []string{short}},
		{"aZ3!x9qK", nil},
		{"😀😀😀😀", []string{short}},
		{"😀🐎🔋📎🗝🔑🚪🧱", nil},
		{"        ", nil},
		{strings.Repeat("aZ3!", 1250), nil},
		{"пароль-Ünal-日本", nil},
	} {
		t.Run(row.password[:min(len(row.password), 40)], func(t *testing.T) {
			email := fmt.Sprintf("%s.p%d@example.com", r.tag, i)
			if strings.HasPrefix(row.password, "TAG") {
				email = r.tag + "@example.com"
			}
			password := pyJSON(strings.ReplaceAll(row.password, "TAG", r.tag))
			fields := with(with(with(with(e.good(email, "", ""), "password", password), "password2", password),
				"first_name", `"Bartholomew"`), "last_name", `"Featherstone"`)
			got := s.do(t, post(e.path, object(fields)))
			if row.wrong != nil {
				check(t, got, e.problems(`"password":`+pyJSON(row.wrong)))
				return
			}
			if got.status != 201 {
				t.Fatalf("%d %s", got.status, got.body)
			}
			login := endpointNamed("login")
			for _, try := range []struct {
				password string
				status   int
			}{{password, 200}, {pyJSON(strings.TrimSuffix(row.password, row.password[len(row.password)-1:])), 401}} {
				if a := s.do(t, post(login.path, fmt.Sprintf(`{"email": %q, "password": %s}`, email, try.password))); a.status != try.status {
					t.Errorf("login: %d %s", a.status, a.body)
				}
			}
		})
	}
}

// testSessions: what a session's tokens do after each act, as the rows on
// sessions say.
func testSessions(t *testing.T, s *running) {
	profile, verify, refresh, logout, login := endpointNamed("profile"), endpointNamed("verify"),
		endpointNamed("refresh"), endpointNamed("logout"), endpointNamed("login")
	blacklisted := unauthorized(&refresh, `{"detail":"Token is blacklisted","code":"token_not_valid"}`)
	inactive := unauthorized(&refresh, `{"detail":"No active account found for the given token.","code":"no_active_account"}`)
	verifyOf := func(token string) request { return post(verify.path, fmt.Sprintf(`{"token": %q}`, token)) }
	refreshOf := func(token string) request { return post(refresh.path, fmt.Sprintf(`{"refresh": %q}`, token)) }
	logoutOf := func(caller, token string) request {
		return post(logout.path, fmt.Sprintf(`{"refresh_token": %q}`, token)).as(caller)
	}
	profileFor := func(token string) request { return request{method: "GET", path: profile.path}.as(token) }
	loggedOut := answer(&logout, 200, `{"message":"Successfully logged out"}`)
	// dead checks that neither token of a pair opens anything.
	dead := func(t *testing.T, p *person, inHeader, ofRefresh want) {
		t.Helper()
		check(t, s.do(t, profileFor(p.access)), inHeader)
		check(t, s.do(t, verifyOf(p.access)), inBodyAnswer(&verify, invalid))
		check(t, s.do(t, verifyOf(p.refresh)), inBodyAnswer(&verify, invalid))
		check(t, s.do(t, refreshOf(p.refresh)), ofRefresh)
	}
	alive := func(t *testing.T, p *person) {
		t.Helper()
		check(t, s.do(t, profileFor(p.access)), answer(&profile, 200, profileOf(p.email, "John", "Doe", "+1234567890")))
		check(t, s.do(t, verifyOf(p.access)), answer(&verify, 200, "{}"))
		check(t, s.do(t, verifyOf(p.refresh)), answer(&verify, 200, "{}"))
	}
	tokenDead := inHeaderAnswer(&profile, invalid)
	newUser := func(t *testing.T) (*run, *person) {
		r := newRun(t, s)
		return r, r.register("ann", r.tag+".ann@example.com", "c0rrect-Horse-42")
	}

	t.Run("logout ends the session at once, and no other", func(t *testing.T) {
		r, ann := newUser(t)
		first := *ann
		second := *r.fresh("ann")
		check(t, s.do(t, logoutOf(first.access, first.refresh)), loggedOut)
		dead(t, &first, tokenDead, blacklisted)
		alive(t, &second)
		// Logged out twice: the caller is nobody any more.
		check(t, s.do(t, logoutOf(first.access, first.refresh)), inHeaderAnswer(&logout, invalid))
	})
	t.Run("logout with a rotated token", func(t *testing.T) {
		r, ann := newUser(t)
		first := *ann
		next, err := r.rotate(first.refresh)
		if err != nil {
			t.Fatal(err)
		}
		check(t, s.do(t, logoutOf(next.access, first.refresh)), loggedOut)
		dead(t, &first, tokenDead, blacklisted)
		dead(t, &next, tokenDead, blacklisted)
	})
	t.Run("logout with the token of another session of one's own ends both", func(t *testing.T) {
		r, ann := newUser(t)
		first := *ann
		second := *r.fresh("ann")
		check(t, s.do(t, logoutOf(second.access, first.refresh)), loggedOut)
		dead(t, &first, tokenDead, blacklisted)
		dead(t, &second, tokenDead, blacklisted)
	})
	t.Run("logout with somebody else's token changes nothing", func(t *testing.T) {
		_, ann := newUser(t)
		_, eve := newUser(t)
		check(t, s.do(t, logoutOf(eve.access, ann.refresh)), inBodyAnswer(&logout, invalid))
		alive(t, ann)
		alive(t, eve)
	})
	t.Run("a lost race is no theft", func(t *testing.T) {
		r, ann := newUser(t)
		first := *ann
		next, err := r.rotate(first.refresh)
		if err != nil {
			t.Fatal(err)
		}
		next.email = ann.email
		check(t, s.do(t, refreshOf(first.refresh)), blacklisted)
		check(t, s.do(t, verifyOf(first.refresh)), inBodyAnswer(&verify, invalid))
		alive(t, &next)
		alive(t, &person{email: ann.email, access: first.access, refresh: next.refresh})
	})
	t.Run("reuse ends the session", func(t *testing.T) {
		r, ann := newUser(t)
		pairs := []person{*ann}
		for range 2 {
			next, err := r.rotate(pairs[len(pairs)-1].refresh)
			if err != nil {
				t.Fatal(err)
			}
			pairs = append(pairs, next)
		}
		check(t, s.do(t, refreshOf(pairs[0].refresh)), blacklisted)
		for _, p := range pairs {
			dead(t, &p, tokenDead, blacklisted)
		}
	})
	t.Run("a changed password ends every session", func(t *testing.T) {
		r, ann := newUser(t)
		django := *ann
		django.access, django.refresh = forged(t, "access", ann.id, "good"), forged(t, "refresh", ann.id, "good")
		alive(t, &django)
		r.act("change the password", s.accounts.SetPassword(t.Context(), ann.id, "An0ther-Horse-43"), ann)
		dead(t, ann, tokenDead, blacklisted)
		dead(t, &django, tokenDead, blacklisted)
		check(t, s.do(t, post(login.path, object(login.good(ann.email, "", "")))), login.problems(`"non_field_errors":["Invalid credentials."]`))
		ann.password, ann.live = "An0ther-Horse-43", false
		alive(t, r.as("ann"))
	})
	t.Run("a changed role ends the access tokens", func(t *testing.T) {
		r, ann := newUser(t)
		r.act("change the role", s.accounts.SetRole(t.Context(), nil, ann.id, "manager"), ann)
		check(t, s.do(t, profileFor(ann.access)), tokenDead)
		check(t, s.do(t, verifyOf(ann.access)), inBodyAnswer(&verify, invalid))
		w := answer(&refresh, 200, fmt.Sprintf(`{"access":"<jwt>","refresh":"<jwt>","user":{"id":<id>,"email":%q,"first_name":"John","last_name":"Doe","role":"manager"}}`, ann.email))
		w.tokens = ours("access", "refresh")
		check(t, s.do(t, refreshOf(ann.refresh)), w)
	})
	t.Run("an inactive user", func(t *testing.T) {
		r, ann := newUser(t)
		django := *ann
		django.access, django.refresh = forged(t, "access", ann.id, "good"), forged(t, "refresh", ann.id, "good")
		r.act("deactivate", s.accounts.Deactivate(t.Context(), nil, ann.id), ann)
		is := unauthorized(&profile, `{"detail":"User is inactive","code":"user_inactive"}`)
		dead(t, ann, is, inactive)
		dead(t, &django, is, inactive)
		check(t, s.do(t, post(login.path, object(login.good(ann.email, "", "")))), login.problems(`"non_field_errors":["Invalid credentials."]`))
		// Who comes back signs in again: nothing of before lives.
		if err := s.accounts.Activate(t.Context(), nil, ann.id); err != nil {
			t.Fatal(err)
		}
		eventually(t, "activate", func() bool { return s.do(t, profileFor(ann.access)).body != is.body })
		dead(t, ann, tokenDead, blacklisted)
		dead(t, &django, tokenDead, blacklisted)
		alive(t, r.fresh("ann"))
	})
	t.Run("a deleted user", func(t *testing.T) {
		r, ann := newUser(t)
		django := *ann
		django.access, django.refresh = forged(t, "access", ann.id, "good"), forged(t, "refresh", ann.id, "good")
		r.act("delete", s.accounts.Delete(t.Context(), nil, ann.id, nil), ann)
		is := unauthorized(&profile, `{"detail":"User not found","code":"user_not_found"}`)
		dead(t, ann, is, inactive)
		dead(t, &django, is, inactive)
		// The id is nobody else's.
		again := r.register("ann", ann.email, "c0rrect-Horse-42")
		if again.id == ann.id {
			t.Error("the id was given again")
		}
		dead(t, &django, is, inactive)
	})
	t.Run("Django's tokens", func(t *testing.T) {
		r, ann := newUser(t)
		token := forged(t, "refresh", ann.id, "good")
		next, err := r.rotate(token)
		if err != nil {
			t.Fatal(err)
		}
		next.email = ann.email
		check(t, s.do(t, refreshOf(token)), blacklisted)
		alive(t, &next)
		access := forged(t, "access", ann.id, "good")
		check(t, s.do(t, logoutOf(access, next.refresh)), loggedOut)
		dead(t, &person{access: access, refresh: next.refresh}, tokenDead, blacklisted)
		alive(t, ann)
	})
	t.Run("profile", func(t *testing.T) {
		_, ann := newUser(t)
		get := func() user1 {
			u, _ := userOf(s.do(t, profileFor(ann.access)).body)
			return u
		}
		change := func(method, body string) {
			q := post(profile.path, body).as(ann.access)
			q.method = method
			if a := s.do(t, q); a.status != 200 {
				t.Errorf("%s %s: %d %s", method, body, a.status, a.body)
			}
		}
		first := get()
		for _, nothing := range []string{"{}", `{"email": "x@example.com", "role": "admin", "id": 5}`} {
			change("PUT", nothing)
			change("PATCH", nothing)
			if now := get(); now != first {
				t.Errorf("%s moved %+v to %+v", nothing, first, now)
			}
		}
		change("PUT", `{"phone": "7"}`)
		if now := get(); now.Updated <= first.Updated || now.Created != first.Created || now.Role != "employee" || now.Email != ann.email {
			t.Errorf("%+v after %+v", now, first)
		}
	})
}

// TestRoles: who may register as what.
func TestRoles(t *testing.T) {
	register := endpointNamed("register")
	try := func(t *testing.T, s *running, role, bearer string, status int) *person {
		t.Helper()
		email := newTag() + "@example.com"
		q := post(register.path, object(with(register.good(email, "", ""), "role", role)))
		if bearer != "" {
			q = q.as(bearer)
		}
		got := s.do(t, q)
		if status == 400 {
			check(t, got, register.problems(`"role":[`+pyJSON(fmt.Sprintf("%s is not a valid choice.", role))+`]`))
			return nil
		}
		shown := strings.Trim(role, `"`)
		if role == "" {
			shown = "employee"
		}
		check(t, got, answer(&register, 201, strings.Replace(signedInBody("User registered successfully", email), `"employee"`, quote(shown), 1)))
		p := &person{email: email, password: "c0rrect-Horse-42"}
		p.take(t, got)
		return p
	}
	roles := []string{`"admin"`, `"manager"`, `"employee"`, `"client"`}
	onEngines(t, func(t *testing.T, s *running) {
		public := map[string]int{"": 201, `"employee"`: 201, `"client"`: 201, `"admin"`: 400, `"manager"`: 400}
		var users []*person
		for role, status := range sorted(public) {
			if p := try(t, s, role, "", status); p != nil {
				users = append(users, p)
			}
		}
		// Only an admin's good token changes that.
		boss := try(t, s, `"client"`, "", 201)
		r := newRun(t, s)
		r.people["boss"] = boss
		r.act("make an admin", s.accounts.SetRole(t.Context(), nil, boss.id, "admin"), boss)
		users = append(users, boss) // Whose old token is dead.
		for _, u := range users {
			try(t, s, `"admin"`, u.access, 400)
			try(t, s, `"client"`, u.access, 201)
		}
		admin := r.fresh("boss")
		for _, role := range roles {
			try(t, s, role, admin.access, 201)
		}
		try(t, s, `"root"`, admin.access, 400)
		try(t, s, `"admin"`, admin.refresh, 400)
	})
	t.Run("opened to all", func(t *testing.T) {
		s := start(t, "sqlite", "LATCHKEY_REGISTRATION_ROLES=admin,manager,employee,client")
		for _, role := range append(roles, "") {
			try(t, s, role, "", 201)
		}
	})
}

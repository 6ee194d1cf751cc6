package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/latchkey-auth/latchkey/internal/auth"
)

// decodeAs reads body as a registration, which has a field of every kind.
func decodeAs(t *testing.T, contentType string, body []byte) (filled, error) {
	t.Helper()
	a := New(Options{Log: slog.New(slog.DiscardHandler)}).(*API)
	r := httptest.NewRequest(http.MethodPost, "/", bytes.NewReader(body))
	r.Header["Content-Type"] = []string{contentType}
	in, err := a.decode(httptest.NewRecorder(), r, &registerForm)
	var (
		own  *refusal
		told *auth.Error
	)
	if err != nil && !errors.As(err, &own) && !errors.As(err, &told) {
		t.Fatalf("an error that would be a 500: %v", err)
	}
	if own != nil && own.status/100 != 4 {
		t.Fatalf("status %d", own.status)
	}
	if told != nil && (told.Kind != auth.Invalid || len(told.Fields) == 0) {
		t.Fatalf("error %+v", told)
	}
	for i := range in.v {
		if s := in.v[i].text; !utf8.ValidString(s) || i < len(registerForm.fields) && err == nil && strings.Contains(s, "\x00") {
			t.Fatalf("field %d took %q", i, s)
		}
	}
	return in, err
}

// LESSON 22
// ROW 12
func FuzzJSONBody(f *testing.F) {
	for _, s := range []string{
		`{"email":"a@example.com","password":"p","password2":"p","first_name":"F","last_name":"L","role":"client"}`,
		`{"email":"a\ud800","role":{"a":[1,2.5e3,null,true]}}`, `{"a":1,"a":2}`, `{"\u0061":1,"a":2}`, "\uFEFF{}", `[[[[[[`, `null`, `5`, `"x"`,
		`{"first_name":"\ud83d\ude00\n\u0000"}`, `{} {}`, `{"email":NaN}`, "{\"a\":\"\xff\"}", `{"a":"\u12"}`, " ", `{"":""}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		if len(body) == 0 || len(body) > MaxBody {
			return
		}
		_, err := decodeAs(t, "application/json", body)
		var own *refusal
		refused := errors.As(err, &own)
		valid := json.Valid(body) && utf8.Valid(body)
		if !refused && !valid {
			t.Fatalf("took what is no JSON: %q", body)
		}
		if refused && valid && !tooDeep(body) && !repeats(json.NewDecoder(bytes.NewReader(body))) &&
			!strings.Contains(own.detail, "digits") {
			t.Fatalf("refused JSON: %s: %q", own.detail, body)
		}
		if refused && !strings.HasPrefix(own.detail, "JSON parse error - ") {
			t.Fatalf("refused with %q", own.detail)
		}
	})
}

// repeats reports whether an object in a valid JSON text has a name twice.
func repeats(d *json.Decoder) bool {
	type level struct {
		names  map[string]bool // nil in an array
		inName bool
	}
	var stack []*level
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return false
		}
		if err != nil {
			return true // encoding/json's Token is stricter in places: no verdict
		}
		top := &level{}
		if len(stack) > 0 {
			top = stack[len(stack)-1]
		}
		switch v := token.(type) {
		case json.Delim:
			switch v {
			case '{':
				top.inName = top.names != nil
				stack = append(stack, &level{names: map[string]bool{}, inName: true})
			case '[':
				top.inName = top.names != nil
				stack = append(stack, &level{})
			default:
				stack = stack[:len(stack)-1]
			}
		case string:
			if top.names != nil && top.inName {
				if top.names[v] {
					return true
				}
				top.names[v] = true
				top.inName = false
				continue
			}
			top.inName = top.names != nil
		default:
			top.inName = top.names != nil
		}
	}
}

func FuzzForm(f *testing.F) {
	for _, s := range []string{
		"email=a%40example.com&password=p&password2=p&first_name=F&last_name=L&role=client", "email=%ff%E2%82&role=", "&&=&a&%", "first_name=a+b%20c%zz%4", "first_name=é%C3",
	} {
		f.Add("application/x-www-form-urlencoded", []byte(s))
		f.Add("application/x-www-form-urlencoded; charset=latin-1", []byte(s))
		f.Add("application/x-www-form-urlencoded; charset=utf-16", []byte(s))
	}
	f.Fuzz(func(t *testing.T, contentType string, body []byte) {
		if len(body) == 0 || len(body) > MaxBody || !strings.HasPrefix(contentType, "application/x-www-form-urlencoded") {
			return
		}
		in, err := decodeAs(t, contentType, body)
		if err != nil || contentType != "application/x-www-form-urlencoded" || !utf8.Valid(body) {
			return
		}
		// Where net/url has nothing to complain about it reads the same.
		want, err := url.ParseQuery(string(body))
		if err != nil {
			return
		}
		for _, name := range []string{"password", "password2"} {
			v := want[name]
			if last := v[len(v)-1]; utf8.ValidString(last) && in.text(name) != last {
				t.Fatalf("%s: have %q, want %q", name, in.text(name), last)
			}
		}
	})
}

func FuzzMultipart(f *testing.F) {
	f.Add("multipart/form-data; boundary=X", []byte("--X\r\nContent-Disposition: form-data; name=\"email\"\r\n\r\na@b.org\r\n--X--\r\n"))
	f.Add("multipart/form-data; boundary=\"X Y\"; charset=utf-16", []byte("--X Y\r\nContent-Disposition: form-data; name=role; filename=a/b\\c\r\nContent-Transfer-Encoding: base64\r\n\r\nSm9obg==\r\n--X Y"))
	f.Add("multipart/form-data; boundary=-", []byte("-----\r\n\r\n--"))
	f.Add("multipart/form-data", []byte("x"))
	f.Fuzz(func(t *testing.T, contentType string, body []byte) {
		if len(body) == 0 || len(body) > MaxBody || !strings.HasPrefix(contentType, "multipart/form-data") {
			return
		}
		_, _ = decodeAs(t, contentType, body)
	})
}

// ROW 12
func FuzzAuthorization(f *testing.F) {
	for _, s := range []string{"", "Bearer x", "bearer  x ", "Bearer", "Bearer a b", "Token x", "Bearer\tx", "\x00", "Bearer \xff", "BEARER\vx"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, header string) {
		token, err := bearerToken([]string{header}, nil)
		words := strings.FieldsFunc(header, func(r rune) bool { return strings.ContainsRune(" \t\n\v\f\r", r) })
		isBearer := len(words) > 0 && strings.ToLower(words[0]) == "bearer"
		switch {
		case err == nil && (!isBearer || len(words) != 2 || token != words[1]):
			t.Fatalf("took %q of %q", token, header)
		case isBearer && len(words) == 2 && err != nil:
			t.Fatalf("refused %q", header)
		case isBearer && len(words) != 2 && !errors.Is(err, errBadAuthorization),
			!isBearer && !errors.Is(err, errNoCredentials):
			t.Fatalf("%q: %v", header, err)
		case err != nil && token != "":
			t.Fatalf("%q: a token beside the error", header)
		}
	})
}

// FuzzCookie holds the reading of cookies against net/http's, where the header
// is one that a browser sends.
//
// ROW 12
func FuzzCookie(f *testing.F) {
	for _, s := range []string{
		"latchkey_access=a", "latchkey_access=a; latchkey_access=a", "latchkey_access=a; latchkey_access=b", "a=b; latchkey_access=c; d=e", "latchkey_access=; x=y",
		"latchkey_access", "=latchkey_access=a", "latchkey_access==a", " latchkey_access=a ;;", "latchkey_access=a=b;latchkey_access=a", "Latchkey_access=a", "latchkey_access=\"a\"",
		"__Host-latchkey_access=a; latchkey_access=b", "\u2000latchkey_access=a", "a=b;\vlatchkey_access=a", "a=b;\tlatchkey_access=a\t", ";", "latchkey_access=a,latchkey_access=b", "a=latchkey_access=b",
	} {
		f.Add(s, "")
		f.Add("x=y", s)
	}
	f.Fuzz(func(t *testing.T, one, two string) {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Header["Cookie"] = []string{one, two}
		value, found := cookie(r, plainAccess)
		if again, same := cookie(r, plainAccess); again != value || same != found {
			t.Fatalf("%q, %q is read as %q and as %q", one, two, value, again)
		}
		if strings.Contains(value, ";") || !found && value != "" {
			t.Fatalf("%q, %q: %q, %v", one, two, value, found)
		}
		if HasCookie(r, false) != (found || readAs(r, plainRefresh) != nil) && wellFormed(one) && wellFormed(two) {
			t.Fatalf("%q, %q: HasCookie is %v", one, two, HasCookie(r, false))
		}
		// Whatever else is in the header: nothing but these names is read by them.
		if ours := ofOurName.MatchString(one) || ofOurName.MatchString(two); ours != found {
			t.Fatalf("%q, %q: found %v, there is one: %v", one, two, found, ours)
		}
		if !wellFormed(one) || !wellFormed(two) {
			return
		}
		all := readAs(r, plainAccess)
		if found != (len(all) > 0) {
			t.Fatalf("%q, %q: found %v, net/http reads %q", one, two, found, all)
		}
		want := ""
		if slices.Sort(all); len(slices.Compact(slices.Clone(all))) == 1 {
			want = all[0]
		}
		if value != want {
			t.Fatalf("%q, %q: have %q, want %q of %q", one, two, value, want, all)
		}
	})
}

// ofOurName finds a pair by the name of the access token's cookie: a name is
// what it is to a browser, with no blanks but the two of RFC 6265 before it.
var ofOurName = regexp.MustCompile(`(?s)(?:^|;)[ \t]*` + plainAccess + `=`)

// readAs gives the values of a cookie as net/http reads them.
func readAs(r *http.Request, name string) []string {
	var all []string
	for _, c := range r.CookiesNamed(name) {
		all = append(all, c.Value)
	}
	return all
}

// wellFormed reports whether a Cookie header is RFC 6265's cookie-string, but
// for blanks around the pairs and empty ones. Of others net/http has views of
// its own: it takes quotes off and drops what has odd bytes.
func wellFormed(line string) bool {
	for part := range strings.SplitSeq(line, ";") {
		name, value, ok := strings.Cut(strings.Trim(part, " "), "=")
		if !ok && name == "" {
			continue
		}
		if !ok || name == "" || strings.ContainsFunc(name, func(c rune) bool {
			return c <= ' ' || c >= 0x7F || strings.ContainsRune(`()<>@,;:\"/[]?={}`, c)
		}) || strings.ContainsFunc(value, func(c rune) bool { return c <= ' ' || c >= 0x7F || strings.ContainsRune(`"\,`, c) }) {
			return false
		}
	}
	return true
}

package takeover

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/json"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/latchkey-auth/latchkey/internal/auth"
)

// route is one of the guide's endpoints.
type route string

const (
	routeRegister route = "register"
	routeLogin    route = "login"
	routeLogout   route = "logout"
	routeRefresh  route = "refresh"
	routeVerify   route = "verify"
	routeProfile  route = "profile"
	routeOther    route = "other"
)

var routes = map[string]route{
	"/api/auth/register/":      routeRegister,
	"/api/auth/login/":         routeLogin,
	"/api/auth/logout/":        routeLogout,
	"/api/auth/token/refresh/": routeRefresh,
	"/api/auth/token/verify/":  routeVerify,
	"/api/auth/profile/":       routeProfile,
}

// routeOf finds the endpoint of a path, with its slash or without.
func routeOf(path string) route {
	if r, ok := routes[path]; ok {
		return r
	}
	if r, ok := routes[path+"/"]; ok {
		return r
	}
	return routeOther
}

// Names are what the claims are called in the tokens that the Django mints
// ("token_type", "jti", "user_id"); docs/django.md.
type Names struct{ Type, ID, User string }

// message is what the rules look at of a request.
type message struct {
	method  string
	url     *url.URL
	host    string
	peer    string // host:port
	header  http.Header
	body    []byte
	chunked bool
	route   route
	arrived time.Time

	fields map[string]any // of the body: JSON or a form
	bearer *jwtFacts      // nil without one
	token  *jwtFacts      // the refresh token, or that which is to be verified
}

// answer is one side's.
type answer struct {
	status int
	header http.Header
	body   []byte

	shape shape
	value any
}

// jwtFacts is what a token says of itself. The signature is not looked at.
type jwtFacts struct {
	raw     string
	userID  int64 // 0 where there is none that can be used
	jti     string
	kind    string
	issued  int64
	expires int64
	// strict says that every part is base64url without padding, there is no
	// crit or zip, and user_id is an integer or a string of digits.
	strict bool
}

// read fills in what the rules look at.
func (m *message) read(names Names) {
	m.fields = fieldsOf(m.body, m.header.Get("Content-Type"))
	if words := strings.Fields(m.header.Get("Authorization")); len(words) == 2 {
		m.bearer = readToken(words[1], names)
	}
	for _, name := range []string{"refresh", "refresh_token", "token"} {
		if s, ok := m.fields[name].(string); ok {
			m.token = readToken(s, names)
			break
		}
	}
}

// fieldsOf gives the fields of a JSON object or of a form.
func fieldsOf(body []byte, contentType string) map[string]any {
	kind, _, _ := mime.ParseMediaType(contentType)
	switch kind {
	case "application/x-www-form-urlencoded":
		form, err := url.ParseQuery(string(body))
		if err != nil {
			return nil
		}
		fields := make(map[string]any, len(form))
		for k, v := range form {
			fields[k] = v[len(v)-1]
		}
		return fields
	default:
		v, _ := parseJSON(body)
		fields, _ := v.(map[string]any)
		return fields
	}
}

// readToken takes a token apart; nil where it is none.
func readToken(raw string, names Names) *jwtFacts {
	parts := strings.Split(raw, ".")
	if len(parts) != 3 || len(raw) > 16<<10 {
		return nil
	}
	t := &jwtFacts{raw: raw, strict: true}
	part := func(s string) map[string]any {
		if _, err := base64.RawURLEncoding.Strict().DecodeString(s); err != nil {
			t.strict = false
		}
		b, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(s, "="))
		if err != nil {
			return nil
		}
		v, _ := parseJSON(b)
		m, _ := v.(map[string]any)
		return m
	}
	header, claims := part(parts[0]), part(parts[1])
	if _, err := base64.RawURLEncoding.Strict().DecodeString(parts[2]); err != nil {
		t.strict = false
	}
	if header["crit"] != nil || header["zip"] != nil {
		t.strict = false
	}
	if claims == nil {
		return t
	}
	t.jti, _ = claims[names.ID].(string)
	t.kind, _ = claims[names.Type].(string)
	t.issued, t.expires = seconds(claims["iat"]), seconds(claims["exp"])
	switch id := claims[names.User].(type) {
	case json.Number:
		t.userID, _ = strconv.ParseInt(id.String(), 10, 64)
	case string:
		t.userID, _ = strconv.ParseInt(id, 10, 64)
	}
	if t.userID == 0 && claims[names.User] != nil {
		t.strict = false
	}
	return t
}

func seconds(v any) int64 {
	n, ok := v.(json.Number)
	if !ok {
		return 0
	}
	if f, err := n.Float64(); err == nil && -1e12 < f && f < 1e12 {
		return int64(f)
	}
	return 0
}

// emailOf gives the address in a request as the account's key, "" without one.
func (m *message) emailOf() string {
	s, _ := m.fields["email"].(string)
	if e, ok := auth.ParseEmail(strings.TrimSpace(s)); ok {
		return e.Key
	}
	return strings.ToLower(s)
}

// changes reports whether an answer of this status means that something was
// changed.
func (m *message) changes(status int) bool {
	switch m.method {
	case http.MethodGet, http.MethodHead, http.MethodOptions:
		return false
	}
	return m.route != routeVerify && status >= 200 && status < 300
}

// read takes the answer's body apart; false where its coding is not known.
func (a *answer) read(method string, limit int64) bool {
	switch a.header.Get("Content-Encoding") {
	case "", "identity":
	case "gzip":
		if len(a.body) == 0 {
			break
		}
		z, err := gzip.NewReader(bytes.NewReader(a.body))
		if err != nil {
			return false
		}
		plain, err := io.ReadAll(io.LimitReader(z, limit+1))
		if err != nil || int64(len(plain)) > limit {
			return false
		}
		a.body = plain
	default:
		return false
	}
	if method == http.MethodHead {
		a.body = nil
	}
	a.shape, a.value = shapeOf(a.body, a.header.Get("Content-Type"))
	return true
}

// userID is the id of the user that an answer tells of: under "user", or as the
// whole of it; 0 without one.
func (a *answer) userID() int64 {
	m, _ := a.value.(map[string]any)
	if u, ok := m["user"].(map[string]any); ok {
		m = u
	}
	if m["email"] == nil {
		return 0
	}
	return seconds(m["id"])
}

// has reports whether an answer has a field.
func (a *answer) has(field string) bool {
	m, _ := a.value.(map[string]any)
	return m[field] != nil
}

// keys are what a job concerns, for the order of the line.
func keysOf(m *message, live *answer) []string {
	var keys []string
	add := func(k string) {
		if !slices.Contains(keys, k) {
			keys = append(keys, k)
		}
	}
	if e := m.emailOf(); e != "" {
		add("e" + e)
		add(m.spelledKey())
	}
	for _, t := range []*jwtFacts{m.bearer, m.token} {
		if t != nil && t.userID != 0 {
			add(userKey(t.userID))
		}
	}
	if id := live.userID(); id != 0 {
		add(userKey(id))
	}
	return keys
}

// spelledKey is the address as it is spelled: to the Django, other spellings are
// other users.
func (m *message) spelledKey() string {
	s, _ := m.fields["email"].(string)
	return "s" + s
}

func userKey(id int64) string { return "u" + strconv.FormatInt(id, 10) }

// oddJSON reports whether a JSON body has something in it that parsers disagree on:
// a key twice, or more depth than 32.
func oddJSON(body []byte) bool {
	d := jsontext.NewDecoder(bytes.NewReader(body))
	for {
		if d.StackDepth() > 32 {
			return true
		}
		if _, err := d.ReadToken(); err != nil {
			return err != io.EOF && json.Valid(body) //nolint:errorlint // The decoder gives it bare.
		}
	}
}

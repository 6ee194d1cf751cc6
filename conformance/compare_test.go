package conformance_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"iter"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// want is what an answer should be.
type want struct {
	status int
	// body is a text with placeholders.
	body string
	// headers are by their lower-case names; "" means absent, as does none.
	headers map[string]string
	tokens  []facts
}

// compared are the headers that must be as they are wanted.
var compared = []string{
	"content-type", "allow", "www-authenticate", "vary", "location", "cache-control", "retry-after",
	"x-content-type-options", "x-frame-options", "referrer-policy",
	"access-control-allow-origin", "access-control-allow-headers", "access-control-allow-methods",
	"access-control-max-age", "access-control-allow-credentials", "access-control-expose-headers",
}

// placeholders are what stands in a body for what varies.
var placeholders = map[string]string{
	"<jwt>":   `([A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+)`,
	"<id>":    `[1-9][0-9]*`,
	"<dt.6Z>": `[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{6}Z`,
	"<any>":   `(?s:.*)`,
}

var placeholder = regexp.MustCompile(`<jwt>|<id>|<dt\.6Z>|<any>`)

// pattern is the regular expression of a body with placeholders.
func pattern(body string) *regexp.Regexp {
	var b strings.Builder
	b.WriteString(`\A`)
	from := 0
	for _, at := range placeholder.FindAllStringIndex(body, -1) {
		b.WriteString(regexp.QuoteMeta(body[from:at[0]]))
		b.WriteString(placeholders[body[at[0]:at[1]]])
		from = at[1]
	}
	b.WriteString(regexp.QuoteMeta(body[from:]))
	b.WriteString(`\z`)
	return regexp.MustCompile(b.String())
}

var (
	anyJWT  = regexp.MustCompile(`eyJ[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*`)
	anyTime = regexp.MustCompile(`"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}\.[0-9]{6}Z"`)
	anyID   = regexp.MustCompile(`("id": ?)[0-9]+`)
)

// plain puts the placeholders into an answer, for a reader.
func plain(body string) string {
	body = anyJWT.ReplaceAllString(body, "<jwt>")
	body = anyTime.ReplaceAllString(body, `"<dt.6Z>"`)
	body = anyID.ReplaceAllString(body, "${1}<id>")
	if len(body) > 1500 {
		body = body[:1500] + "…"
	}
	return body
}

// answers remembers what must be the same in all answers of a run.
type answers struct {
	ids     map[string]int64
	created map[string]string
	updated map[string]string
	jtis    map[string]bool
}

func newAnswers() *answers {
	return &answers{
		ids: make(map[string]int64), created: make(map[string]string),
		updated: make(map[string]string), jtis: make(map[string]bool),
	}
}

// user is what an answer says of a user.
type user1 struct {
	ID      int64  `json:"id"`
	Email   string `json:"email"`
	Role    string `json:"role"`
	Created string `json:"created_at"`
	Updated string `json:"updated_at"`
}

// userOf finds the user in a body: under "user", or as the whole of it.
func userOf(body string) (user1, bool) {
	var b struct {
		user1
		User *user1 `json:"user"`
	}
	if json.Unmarshal([]byte(body), &b) != nil {
		return user1{}, false
	}
	if b.User != nil {
		return *b.User, b.User.Email != ""
	}
	return b.user1, b.Email != "" && b.ID != 0
}

// remember checks what answers say of one user against those before.
func (a *answers) remember(body string) (wrong []string) {
	u, ok := userOf(body)
	if !ok {
		return nil
	}
	if id, seen := a.ids[u.Email]; seen && id != u.ID {
		wrong = append(wrong, fmt.Sprintf("the id of %s was %d and is %d", u.Email, id, u.ID))
	}
	a.ids[u.Email] = u.ID
	for email, id := range a.ids {
		if id == u.ID && email != u.Email {
			wrong = append(wrong, fmt.Sprintf("%s and %s have the id %d", email, u.Email, id))
		}
	}
	if u.Created == "" {
		return wrong
	}
	if c, seen := a.created[u.Email]; seen && c != u.Created {
		wrong = append(wrong, fmt.Sprintf("created_at moved from %s to %s", c, u.Created))
	}
	// Text in one zone and with one number of digits sorts as the times do.
	if before := max(a.updated[u.Email], u.Created); u.Updated < before {
		wrong = append(wrong, fmt.Sprintf("updated_at went back from %s to %s", before, u.Updated))
	}
	a.created[u.Email], a.updated[u.Email] = u.Created, u.Updated
	return wrong
}

// compare gives what of an answer is not as wanted, by the name of the part:
// "status", "body", "tokens", or a header.
func compare(got response, w want) map[string]string {
	diffs := make(map[string]string)
	if got.status != w.status {
		diffs["status"] = fmt.Sprintf("%d, want %d", got.status, w.status)
	}
	if !pattern(w.body).MatchString(got.body) {
		diffs["body"] = fmt.Sprintf("%s\n      want %s", plain(got.body), w.body)
	}
	for _, name := range compared {
		if h := got.header(name); h != w.headers[name] {
			diffs[name] = fmt.Sprintf("%q, want %q", h, w.headers[name])
		}
	}
	if diffs["body"] == "" {
		if g, m := describe(got, w.body), w.tokens; !sameFacts(g, m) {
			diffs["tokens"] = fmt.Sprintf("%s\n      want %s", factsText(g), factsText(m))
		}
	} else if len(w.tokens) > 0 || anyJWT.MatchString(got.body) {
		diffs["tokens"] = "not found, since the body is another"
	}
	return diffs
}

func sameFacts(a, b []facts) bool {
	return slices.EqualFunc(a, b, func(a, b facts) bool {
		return a.Header == b.Header && slices.Equal(a.Claims, b.Claims) &&
			fmt.Sprint(a.ExpMinusIat) == fmt.Sprint(b.ExpMinusIat) && a.Compact == b.Compact && a.Signed == b.Signed
	})
}

func factsText(fs []facts) string {
	var lines []string
	for _, f := range fs {
		lines = append(lines, fmt.Sprintf("%s %v exp-iat=%v compact=%v signed=%v", f.Header, f.Claims, f.ExpMinusIat, f.Compact, f.Signed))
	}
	return strings.Join(lines, "\n           ")
}

// describe says of each token in a body what the recording says of its tokens.
func describe(got response, body string) []facts {
	var out []facts
	u, _ := userOf(got.body)
	for i, jwt := range pattern(body).FindStringSubmatch(got.body) {
		if i > 0 {
			out = append(out, describeToken(jwt, got, u))
		}
	}
	return out
}

// part decodes one part of a token strictly.
func part(s string) string {
	b, err := base64.RawURLEncoding.Strict().DecodeString(s)
	if err != nil {
		return err.Error()
	}
	return string(b)
}

func describeToken(jwt string, got response, u user1) facts {
	parts := strings.Split(jwt, ".")
	f := facts{Header: part(parts[0])}
	payload := part(parts[1])
	mac := hmac.New(sha256.New, []byte(signingKey))
	mac.Write([]byte(parts[0] + "." + parts[1]))
	f.Signed = base64.RawURLEncoding.EncodeToString(mac.Sum(nil)) == parts[2]

	var exp, iat json.Number
	var compact strings.Builder
	d := json.NewDecoder(strings.NewReader(payload))
	d.UseNumber()
	_, err := d.Token()
	for err == nil && d.More() {
		var name, value any
		if name, err = d.Token(); err != nil {
			break
		}
		var raw json.RawMessage
		if err = d.Decode(&raw); err != nil {
			break
		}
		dd := json.NewDecoder(strings.NewReader(string(raw)))
		dd.UseNumber()
		if err = dd.Decode(&value); err != nil {
			break
		}
		n, _ := value.(json.Number)
		switch name {
		case "exp":
			exp = n
		case "iat":
			iat = n
		}
		if compact.Len() > 0 {
			compact.WriteByte(',')
		}
		fmt.Fprintf(&compact, "%q:%s", name, raw)
		f.Claims = append(f.Claims, claim{fmt.Sprint(name), says(fmt.Sprint(name), value, got, u)})
	}
	f.Compact = payload == "{"+compact.String()+"}"
	f.ExpMinusIat = "other"
	if e, i := seconds(exp), seconds(iat); e-i == 10800 || e-i == 259200 {
		f.ExpMinusIat = e - i
	}
	return f
}

func seconds(n json.Number) int64 {
	i, _ := n.Int64()
	return i
}

var (
	uuid4 = regexp.MustCompile(`\A[0-9a-f]{12}4[0-9a-f]{3}[89ab][0-9a-f]{15}\z`)
	uuid7 = regexp.MustCompile(`\A[0-9a-f]{12}7[0-9a-f]{3}[89ab][0-9a-f]{15}\z`)
)

// says is what the recording says of a claim's value.
func says(name string, value any, got response, u user1) string {
	now := func(n int64, life int64) bool {
		return got.before.Unix()+life-1 <= n && n <= got.after.Unix()+life
	}
	switch v := value.(type) {
	case json.Number:
		n, err := v.Int64()
		switch {
		case err != nil:
			return "float"
		case name == "exp" && now(n, 10800):
			return "int now+10800s"
		case name == "exp" && now(n, 259200):
			return "int now+259200s"
		case name == "iat" && now(n, 0):
			return "int now"
		case name == "iat" && n < got.before.Add(-2*time.Second).Unix():
			return "int older than 2 s"
		case name == "user_id" && n == u.ID:
			return "int = user id"
		case name == "exp", name == "iat", name == "user_id":
			return "int " + v.String()
		}
		return "int"
	case string:
		switch {
		case name == "token_type":
			return v
		case name == "jti" && uuid4.MatchString(v):
			return "32 hex uuid4"
		case name == "sid" && uuid7.MatchString(v):
			return "32 hex uuid7"
		case name == "user_id" && v == strconv.FormatInt(u.ID, 10):
			return "str = user id"
		case name == "role" && v == u.Role:
			return "str = user's role"
		}
		return "str"
	case []any:
		return "list"
	case map[string]any:
		return "dict"
	case bool:
		return "bool"
	default:
		return "null"
	}
}

// sorted gives a map's entries by key.
func sorted[V any](m map[string]V) iter.Seq2[string, V] {
	return func(yield func(string, V) bool) {
		for _, k := range slices.Sorted(maps.Keys(m)) {
			if !yield(k, m[k]) {
				return
			}
		}
	}
}

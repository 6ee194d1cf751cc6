package conformance_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"unicode/utf8"
)

// This file is a small model of the real stack's rules, with the deviations
// of docs/deviations.md in it: what an answer must be, told from the request
// alone. It is written from the recording and from what DRF and SimpleJWT
// say, and knows nothing of how the server comes to its answers.

// endpoint is one of the guide's six.
type endpoint struct {
	name, path string
	// methods are what it serves, in Allow's order; OPTIONS is added.
	methods []string
	// bearer endpoints need a token before anything else is looked at.
	bearer bool
	// title and status are how the problems of a form are told; a title of ""
	// means that they are told bare.
	title  string
	status int
	form   []formField
	// partial forms require nothing.
	partial bool
}

// formField is a field of a form.
type formField struct {
	name string
	kind string // "text", "email", "choice"
	max  int    // characters; 0 means any number
	// optional may be missing, blank may be "".
	optional, blank bool
	// untrimmed keeps outer white space.
	untrimmed bool
	// alias is a second name.
	alias string
}

var endpoints = []endpoint{
	{
		name: "register", path: "/api/auth/register/", methods: []string{"POST"}, title: "Invalid data", status: 400,
		form: []formField{
			{name: "email", kind: "email", max: 254},
			{name: "password", kind: "text", untrimmed: true},
			{name: "password2", kind: "text", untrimmed: true},
			{name: "first_name", kind: "text", max: 150},
			{name: "last_name", kind: "text", max: 150},
			{name: "phone", kind: "text", max: 20, optional: true, blank: true},
			{name: "role", kind: "choice", optional: true},
		},
	},
	{
		name: "login", path: "/api/auth/login/", methods: []string{"POST"}, title: "Invalid credentials", status: 401,
		form: []formField{{name: "email", kind: "email"}, {name: "password", kind: "text", untrimmed: true}},
	},
	{
		name: "logout", path: "/api/auth/logout/", methods: []string{"POST"}, bearer: true, title: "Invalid data", status: 400,
		form: []formField{{name: "refresh_token", kind: "text", alias: "refresh"}},
	},
	{
		name: "refresh", path: "/api/auth/token/refresh/", methods: []string{"POST"}, status: 400,
		form: []formField{{name: "refresh", kind: "text", alias: "refresh_token"}},
	},
	{
		name: "verify", path: "/api/auth/token/verify/", methods: []string{"POST"}, status: 400,
		form: []formField{{name: "token", kind: "text"}},
	},
	{
		name: "profile", path: "/api/auth/profile/", methods: []string{"GET", "PUT", "PATCH", "HEAD"}, bearer: true, status: 400,
		partial: true,
		form: []formField{
			{name: "first_name", kind: "text", max: 150},
			{name: "last_name", kind: "text", max: 150},
			{name: "phone", kind: "text", max: 20, optional: true, blank: true},
		},
	},
}

func endpointNamed(name string) endpoint {
	for _, e := range endpoints {
		if e.name == name {
			return e
		}
	}
	panic("no endpoint " + name)
}

func (e endpoint) allow() string {
	return strings.Join(append(e.methods[:len(e.methods):len(e.methods)], "OPTIONS"), ", ")
}

// answer is what is wanted of an answer with the headers that every answer of
// the API has. headers are pairs of name and value on top.
func answer(e *endpoint, status int, body string, headers ...string) want {
	w := want{status: status, body: body, headers: map[string]string{
		"content-type": "application/json", "vary": "Origin", "cache-control": "no-store",
		"x-content-type-options": "nosniff", "x-frame-options": "DENY", "referrer-policy": "same-origin",
	}}
	if e != nil {
		w.headers["allow"] = e.allow()
	}
	for i := 0; i < len(headers); i += 2 {
		w.headers[headers[i]] = headers[i+1]
	}
	return w
}

// unauthorized is a 401 of anything but a login.
func unauthorized(e *endpoint, body string) want {
	return answer(e, 401, body, "www-authenticate", `Bearer realm="api"`)
}

const noCredentials = `{"detail":"Authentication credentials were not provided."}`

// problem is what is the matter with a token.
type problem int

const (
	fine problem = iota
	invalid
	noExpiry
	noID
	noType
	wrongType
	noUser
	// userGone: no user has that id.
	userGone
	// oddUser: the id is nothing that could be one.
	oddUser
	// oddID: the jti is no text, or empty. Nobody looks at an access token's
	// but a refresh token is known by it.
	oddID
)

var problemWords = map[problem]string{
	invalid: "Token is invalid or expired", oddUser: "Token is invalid or expired", oddID: "Token is invalid or expired",
	noExpiry: "Token has no 'exp' claim", noID: "Token has no id", noType: "Token has no type", wrongType: "Token has wrong type",
	noUser: "Token contained no recognizable user identification",
}

// inBodyAnswer is what an endpoint says of a token in a body.
func inBodyAnswer(e *endpoint, p problem) want {
	return unauthorized(e, fmt.Sprintf(`{"detail":%q,"code":"token_not_valid"}`, problemWords[p]))
}

// inHeaderAnswer is what an endpoint says of an access token in the header.
func inHeaderAnswer(e *endpoint, p problem) want {
	switch p {
	case noUser:
		return inBodyAnswer(e, p)
	case userGone:
		return unauthorized(e, `{"detail":"User not found","code":"user_not_found"}`)
	default:
		return unauthorized(e, fmt.Sprintf(`{"detail":"Given token not valid for any token type","code":"token_not_valid",`+
			`"messages":[{"token_class":"AccessToken","token_type":"access","message":%q}]}`, problemWords[p]))
	}
}

// given is what a body has for a field: JSON as it is spelled, "" for nothing.
type given struct{ name, json string }

// fieldProblems are the messages for a field, and the text that it has if
// there are none. html says that the value came in a form.
func (f formField) fieldProblems(raw string, html, partial bool) (text string, wrong []string) {
	const (
		required = "This field is required."
		null     = "This field may not be null."
		blank    = "This field may not be blank."
		noString = "Not a valid string."
		noEmail  = "Enter a valid email address."
	)
	if html && raw == `""` && f.optional && !f.blank {
		raw = "" // DRF: an empty box of an optional field was not filled in.
	}
	if raw == "" {
		if f.optional || partial {
			return "", nil
		}
		return "", []string{required}
	}
	if raw == "null" {
		return "", []string{null}
	}
	var value any
	d := json.NewDecoder(strings.NewReader(raw))
	d.UseNumber()
	if err := d.Decode(&value); err != nil {
		panic(err)
	}
	isText := false
	switch v := value.(type) {
	case string:
		text, isText = v, true
	case json.Number:
		text, isText = v.String(), true
	default:
		text = raw
	}
	if f.kind == "choice" {
		switch text {
		case "employee", "client":
			if _, ok := value.(string); ok {
				return text, nil
			}
		}
		return "", []string{`"` + text + `" is not a valid choice.`}
	}
	if !isText {
		if f.kind == "email" {
			return "", []string{noEmail}
		}
		return "", []string{noString}
	}
	if !f.untrimmed {
		text = strings.TrimFunc(text, func(r rune) bool { return strings.ContainsRune(pythonSpace, r) })
	}
	if text == "" {
		if f.blank {
			return "", nil
		}
		return "", []string{blank}
	}
	if f.max > 0 && utf8.RuneCountInString(text) > f.max {
		wrong = append(wrong, fmt.Sprintf("Ensure this field has no more than %d characters.", f.max))
	}
	if strings.Contains(text, "\x00") {
		wrong = append(wrong, "Null characters are not allowed.")
	}
	if i := strings.Index(raw, `\ud`); i >= 0 {
		wrong = append(wrong, "Surrogate characters are not allowed: U+"+strings.ToUpper(raw[i+2:i+6])+".")
	}
	if f.kind == "email" && !plausible(text) {
		wrong = append(wrong, noEmail)
	}
	return text, wrong
}

// pythonSpace is what Python's str.strip takes off.
const pythonSpace = "\t\n\v\f\r\x1c\x1d\x1e\x1f \u0085\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000"

// plausible tells the addresses that the model is used with from the rest: it
// is no validator of addresses.
func plausible(s string) bool {
	local, domain, ok := strings.Cut(s, "@")
	return ok && local != "" && len(s) <= 320 && strings.HasSuffix(domain, ".com") && !strings.ContainsAny(s, " \x00,")
}

// formAnswer is what an endpoint says of a body's fields, if it has anything
// to say of them: ok is false if all are well. cross are problems that are
// only looked at then.
func (e *endpoint) formAnswer(fields []given, html bool) (want, bool) {
	var problems []string
	for _, f := range e.form {
		raw, alias := "", ""
		for _, g := range fields {
			switch g.name {
			case f.name:
				raw = g.json
			case f.alias:
				alias = g.json
			}
		}
		if raw == "" {
			raw = alias
		}
		if _, wrong := f.fieldProblems(raw, html, e.partial); wrong != nil {
			problems = append(problems, pyJSON(f.name)+":"+pyJSON(wrong))
		}
	}
	if problems == nil {
		return want{}, false
	}
	return e.problems(strings.Join(problems, ",")), true
}

// problems are told as the endpoint tells them.
func (e *endpoint) problems(fields string) want {
	body := "{" + fields + "}"
	if e.title != "" {
		body = fmt.Sprintf(`{"error":%q,"details":%s}`, e.title, body)
	}
	return answer(e, e.status, body)
}

// pyJSON is a value as DRF spells it.
func pyJSON(v any) string {
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		panic(err)
	}
	return strings.TrimSuffix(b.String(), "\n")
}

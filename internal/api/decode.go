package api

import (
	"bytes"
	"errors"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/latchkey-auth/latchkey/internal/auth"
)

// fieldKind is how a field's value is checked.
type fieldKind int

const (
	// text is DRF's CharField, email its EmailField, choice its ChoiceField,
	// truth its BooleanField.
	text fieldKind = iota
	email
	choice
	truth
	// refused is a field that whoever sends it believes to be there: silence
	// would let them believe it.
	refused
)

// field is one field of a form, in the words of DRF's serializer fields.
type field struct {
	name string
	// alias is a second name that is read if the first is not there;
	// design.md, "refresh in one call, refresh_token in another".
	alias string
	kind  fieldKind
	// max is the most characters (code points), 0 for any number.
	max int
	// optional fields may be missing; blank ones may be "".
	optional, blank bool
	// untrimmed keeps outer white space: passwords.
	untrimmed bool
	// choices are the values of a choice.
	choices []auth.Role
}

// form is the fields of a body, in the order in which their problems are told.
type form struct {
	fields []field
	// partial forms leave out what they do not change.
	partial bool
	// guarded forms are of those who may not set everything of an account: what
	// they try all the same is passed over, as DRF does, and noted.
	guarded bool
}

// guarded are names of fields that say what an account may do or whose it is,
// here, in Django and in what people write. A form that has one of them as a
// field of its own judges it itself.
var guarded = [...]string{
	"role", "is_active", "is_staff", "is_superuser", "is_admin", "id", "user_id", "email", "email_verified", "groups",
	"user_permissions", "permissions", "credential_version",
}

// maxFields is how many fields the largest form has.
const maxFields = 7

// valueKind is the JSON type of a value, or what a form has instead.
type valueKind int

const (
	absent valueKind = iota
	null
	str
	number
	boolean
	list
	object
	file
)

// pythonName is what Python calls the type, as DRF's "but got" does.
func (v *value) pythonName() string {
	switch v.kind {
	case str:
		return "str"
	case number:
		if strings.ContainsAny(v.text, ".eE") {
			return "float"
		}
		return "int"
	case boolean:
		return "bool"
	case list:
		return "list"
	default:
		return "dict"
	}
}

// value is what a body has for a field.
type value struct {
	kind valueKind
	// text is a string's text, a file's name, and anything else's spelling in
	// JSON: it is what a number is taken as and what an error quotes.
	text string
	// surrogate is the first surrogate without a partner in a string, or 0.
	// In text there is U+FFFD in its place.
	surrogate rune
	// own says that the value came under the field's own name.
	own bool
}

// values are what a body has for a form.
type values struct {
	*form
	v [maxFields]value
	// beyond is the first guarded field that the body has beyond the form, -1
	// for none.
	beyond int
	// own is the caller's account, nil where there is none: what it has already
	// is no attempt to get it.
	own *auth.User
	// html says that they come from an HTML form, where DRF takes an empty
	// string of an optional field as missing.
	html bool
}

// put keeps a value of the body if the form has a field of that name. The last
// of several wins (JSON refuses several before).
func (in *values) put(name string, v value) {
	for i := range in.fields {
		f := &in.fields[i]
		switch {
		case f.name == name:
			v.own = true
			in.v[i] = v
			return
		case f.alias != "" && f.alias == name:
			if !in.v[i].own {
				in.v[i] = v
			}
			return
		}
	}
	if in.guarded && in.beyond < 0 {
		if i := slices.Index(guarded[:], name); i >= 0 && !in.harmless(name, v) {
			in.beyond = i
		}
	}
}

// harmless reports whether a guarded field asks for nothing: clients send back
// what they were given.
func (in *values) harmless(name string, v value) bool {
	switch {
	case v.kind == null || v.text == "" || v.text == "false" || v.text == "[]":
		return name != "is_active"
	case name == "is_active":
		return v.text == "true" || v.text == "True"
	case in.own == nil:
		return false
	}
	return name == "role" && v.text == string(in.own.Role) || name == "email" && v.text == in.own.Email ||
		(name == "id" || name == "user_id") && v.text == strconv.FormatInt(in.own.ID, 10)
}

// filled is a form whose fields have been checked.
type filled struct {
	*form
	v [maxFields]struct {
		text  string
		given bool
	}
	// email is the value of the form's e-mail field.
	email auth.Email
}

// text gives a field's value, "" if it was not given.
func (in *filled) text(name string) string {
	for i := range in.fields {
		if in.fields[i].name == name {
			return in.v[i].text
		}
	}
	panic("api: the form has no field " + name)
}

// change gives a field's value, nil if it was not given.
func (in *filled) change(name string) *string {
	for i := range in.fields {
		if in.fields[i].name == name {
			if !in.v[i].given {
				return nil
			}
			s := in.v[i].text
			return &s
		}
	}
	panic("api: the form has no field " + name)
}

// changed says whether any field was given.
func (in *filled) changed() bool {
	for i := range in.fields {
		if in.v[i].given {
			return true
		}
	}
	return false
}

// source is what a body is read into. It is kept for the next request.
type source struct {
	body bytes.Buffer
	json jsonReader
}

// decode reads a form. An error is a refusal of the body as a whole or an
// auth.Error of kind Invalid with the problems of all fields.
func (a *API) decode(w http.ResponseWriter, r *http.Request, f *form) (filled, error) {
	in, problems, err := a.fields(w, r, f)
	if err == nil {
		err = problems.Err()
	}
	return in, err
}

// fields is decode for handlers that have problems to add.
func (a *API) fields(w http.ResponseWriter, r *http.Request, f *form) (filled, auth.Fields, error) {
	in := values{form: f, beyond: -1}
	if who, ok := r.Context().Value(callerKey{}).(*caller); ok && f.guarded {
		in.own = &who.User
	}
	if err := a.read(w, r, &in); err != nil {
		return filled{}, nil, err
	}
	if in.beyond >= 0 {
		noteRefusal(w, auth.RefusedPrivilege, guarded[in.beyond])
	}
	out, problems := in.check()
	return out, problems, nil
}

// read reads the body by its media type. A body that is empty is an empty form
// whatever its type is.
func (a *API) read(w http.ResponseWriter, r *http.Request, in *values) error {
	if r.ContentLength == 0 {
		return nil
	}
	media := r.Header["Content-Type"]
	parse, params, known := mediaType(media)
	if !known && r.ContentLength > 0 {
		return &refusal{status: http.StatusUnsupportedMediaType, detail: mediaTypeText(latin1(strings.Join(media, ",")))}
	}
	if r.ContentLength > a.MaxBody {
		return errTooLarge
	}
	src := a.bodies.Get().(*source)
	defer func() {
		clear(src.body.Bytes()) // there are passwords in it
		src.body.Reset()
		a.bodies.Put(src)
	}()
	limited := io.LimitedReader{R: r.Body, N: a.MaxBody + 1}
	if _, err := src.body.ReadFrom(&limited); err != nil {
		return bodyError(r, err)
	}
	switch {
	case limited.N <= 0:
		return errTooLarge
	case src.body.Len() == 0:
		return nil
	case !known:
		return &refusal{status: http.StatusUnsupportedMediaType, detail: mediaTypeText(latin1(strings.Join(media, ",")))}
	}
	return parse(src, params, in)
}

// bodyError is what a body that cannot be read is answered with.
func bodyError(r *http.Request, err error) error {
	var (
		tooLarge *http.MaxBytesError
		told     *auth.Error
		timeout  net.Error
	)
	switch {
	case errors.As(err, &tooLarge):
		return errTooLarge
	case errors.As(err, &told):
		return told
	case errors.As(err, &timeout) && timeout.Timeout():
		// Before the context is asked, which net/http cancels with whatever a
		// read ends with.
		return errSlow
	case r.Context().Err() != nil:
		return r.Context().Err()
	default:
		return errUnreadable
	}
}

// parser reads a body into a form.
type parser func(src *source, p mediaParams, in *values) error

// mediaParams are what of a Content-Type matters to a parser.
type mediaParams struct {
	charset  charset
	boundary string
	// hasBoundary tells an empty boundary from none.
	hasBoundary bool
	// whole is the header as it was sent.
	whole string
}

// mediaType finds the parser of a Content-Type as DRF does: of JSON, form and
// multipart the first that matches, in any case, with "*" for either half.
func mediaType(headers []string) (parser, mediaParams, bool) {
	if len(headers) != 1 {
		return nil, mediaParams{}, false
	}
	if headers[0] == "application/json" {
		return parseJSON, mediaParams{charset: utf8Charset}, true
	}
	essence, params := headerParams(headers[0])
	main, sub, _ := strings.Cut(strings.ToLower(essence), "/")
	p := mediaParams{charset: charsetByName(params["charset"]), whole: headers[0]}
	p.boundary, p.hasBoundary = params["boundary"]
	for _, m := range [...]struct {
		main, sub string
		parse     parser
	}{
		{"application", "json", parseJSON},
		{"application", "x-www-form-urlencoded", parseForm},
		{"multipart", "form-data", parseMultipart},
	} {
		if (main == m.main || main == "*") && (sub == m.sub || sub == "*") {
			return m.parse, p, true
		}
	}
	return nil, p, false
}

// headerParams splits a header into its value and parameters the way Django
// does, which never fails: names lowered, quotes taken off, nonsense skipped.
func headerParams(s string) (string, map[string]string) {
	var (
		first  string
		params map[string]string
	)
	for i := 0; ; i++ {
		part, rest, more := cutUnquoted(s)
		part = strings.TrimSpace(part)
		if i == 0 {
			first = part
		} else if name, v, ok := strings.Cut(part, "="); ok {
			v = strings.TrimSpace(v)
			if len(v) >= 2 && v[0] == '"' && v[len(v)-1] == '"' {
				v = strings.ReplaceAll(v[1:len(v)-1], `\\`, `\`)
				v = strings.ReplaceAll(v, `\"`, `"`)
			}
			if params == nil {
				params = make(map[string]string, 2)
			}
			params[strings.ToLower(strings.TrimSpace(name))] = v
		}
		if !more {
			return first, params
		}
		s = rest
	}
}

// cutUnquoted cuts s at the first semicolon before which there is an even
// number of quotes.
func cutUnquoted(s string) (before, after string, found bool) {
	quoted := false
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '"':
			quoted = !quoted
		case ';':
			if !quoted {
				return s[:i], s[i+1:], true
			}
		}
	}
	return s, "", false
}

// check checks every field and gives the problems of all of them, in the order
// of the form.
func (in *values) check() (filled, auth.Fields) {
	out := filled{form: in.form}
	var problems auth.Fields
	for i := range in.fields {
		f, v := &in.fields[i], &in.v[i]
		if in.html && v.kind == str && v.text == "" && f.optional && !f.blank {
			v.kind = absent
		}
		var wrong []auth.Problem
		switch {
		case v.kind == absent:
			if !in.partial && !f.optional {
				wrong = problem(auth.CodeRequired)
			}
		case f.kind == refused:
			wrong = problem(auth.CodeNoPassword)
		case v.kind == null:
			wrong = problem(auth.CodeNull)
		case f.kind == choice:
			wrong = f.choose(v)
		case f.kind == truth:
			wrong = decide(v)
		default:
			wrong = f.checkText(v, &out.email)
		}
		if wrong != nil {
			problems.Add(f.name, wrong...)
			continue
		}
		out.v[i].text, out.v[i].given = v.text, v.kind != absent
	}
	return out, problems
}

func problem(code auth.Code, params ...any) []auth.Problem {
	return []auth.Problem{{Code: code, Params: params}}
}

// choose checks a ChoiceField: no trimming, no folding, "" is just not a
// choice.
func (f *field) choose(v *value) []auth.Problem {
	if v.kind == str || v.kind == file {
		for _, c := range f.choices {
			if v.text == string(c) && v.surrogate == 0 {
				return nil
			}
		}
	}
	return problem(auth.CodeInvalidChoice, v.text)
}

// decide checks a BooleanField: DRF takes these spellings for true and false.
func decide(v *value) []auth.Problem {
	if v.kind == str || v.kind == boolean || v.kind == number {
		switch v.text {
		case "true", "True", "TRUE", "t", "T", "1", "on", "On", "ON", "yes", "Yes", "YES", "y", "Y":
			v.text = "true"
			return nil
		case "false", "False", "FALSE", "f", "F", "0", "off", "Off", "OFF", "no", "No", "NO", "n", "N":
			v.text = "false"
			return nil
		}
	}
	return problem(auth.CodeNotBoolean)
}

// checkText checks a CharField or an EmailField in DRF's order: blank, type,
// then all of length, NUL, surrogates and syntax together. It trims v.text.
func (f *field) checkText(v *value, address *auth.Email) []auth.Problem {
	s := v.text
	if !f.untrimmed {
		s = trim(s)
	}
	if (v.kind == str || v.kind == file) && s == "" {
		if f.blank {
			v.text = ""
			return nil
		}
		return problem(auth.CodeBlank)
	}
	if v.kind != str && v.kind != number {
		if f.kind == email {
			return problem(auth.CodeInvalidEmail)
		}
		return problem(auth.CodeNotString)
	}
	v.text = s

	var wrong []auth.Problem
	if f.max > 0 && len(s) > f.max && utf8.RuneCountInString(s) > f.max {
		wrong = append(wrong, auth.Problem{Code: auth.CodeMaxLength, Params: []any{f.max}})
	}
	if strings.IndexByte(s, 0) >= 0 {
		wrong = append(wrong, auth.Problem{Code: auth.CodeNullCharacters})
	}
	if v.surrogate != 0 {
		wrong = append(wrong, auth.Problem{Code: auth.CodeSurrogates, Params: []any{v.surrogate}})
	}
	if f.kind == email {
		// Look-alike letters, which Django lets pass, are refused by
		// ParseEmail; design.md, "e-mail local parts are case-sensitive".
		e, ok := auth.ParseEmail(s)
		if !ok || !auth.ValidEmail(s) {
			wrong = append(wrong, auth.Problem{Code: auth.CodeInvalidEmail})
		}
		*address = e
	}
	return wrong
}

// trim is Python's str.strip: Unicode's white space and U+001C to U+001F.
func trim(s string) string {
	return strings.TrimFunc(s, func(r rune) bool {
		return unicode.IsSpace(r) || '\x1c' <= r && r <= '\x1f'
	})
}

package api

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/latchkey-auth/latchkey/internal/auth"
)

const (
	// maxDepth is how deep objects and arrays may be nested.
	maxDepth = 32
	// maxDigits is how long an integer may be (Python's limit).
	maxDigits = 4300
)

// jsonReader reads one body at a time.
type jsonReader struct {
	dec jsontext.Decoder
	buf bytes.Buffer
}

// jsonError refuses a body that is not JSON. The words say where and what, but
// never quote the body: there may be a password in it.
func jsonError(why string) error {
	return &refusal{status: http.StatusBadRequest, detail: "JSON parse error - " + why}
}

// parseJSON reads one JSON object strictly: names once and in their exact case,
// nothing after it, valid UTF-8, no deeper than maxDepth.
func parseJSON(src *source, p mediaParams, in *values) error {
	body := src.body.Bytes()
	if p.charset.decode != nil {
		s, ok := p.charset.decode(body)
		if !ok {
			return jsonError("Invalid bytes for the charset")
		}
		body = []byte(s)
	} else if !utf8.Valid(body) {
		return jsonError("Invalid UTF-8")
	}
	if bytes.HasPrefix(body, []byte("\uFEFF")) {
		return jsonError("Unexpected byte order mark")
	}
	if tooDeep(body) {
		return jsonError("Nested more than " + strconv.Itoa(maxDepth) + " levels deep")
	}
	return src.json.object(body, in)
}

// object reads body, which is valid UTF-8, into in.
func (j *jsonReader) object(body []byte, in *values) error {
	// A bytes.Buffer is read where it lies. It must not outlive body.
	j.buf = *bytes.NewBuffer(body)
	defer func() { j.buf = bytes.Buffer{} }()
	// Lone surrogates are not refused as invalid UTF-8 but told as a field's
	// problem, as DRF does.
	j.dec.Reset(&j.buf, jsontext.AllowInvalidUTF8(true))

	if j.dec.PeekKind() != '{' {
		v, err := j.value()
		if err == nil {
			err = j.end()
		}
		if err != nil {
			return err
		}
		if v.kind == null {
			return &auth.Error{Kind: auth.Invalid, Fields: auth.Fields{{
				Field: auth.NonField, Problems: problem(auth.CodeNoData),
			}}}
		}
		return &auth.Error{Kind: auth.Invalid, Fields: auth.Fields{{
			Field: auth.NonField, Problems: problem(auth.CodeNotObject, v.pythonName()),
		}}}
	}
	if _, err := j.dec.ReadToken(); err != nil {
		return syntaxError(err)
	}
	for j.dec.PeekKind() != '}' {
		raw, err := j.dec.ReadValue()
		if err != nil {
			return syntaxError(err)
		}
		// The decoder's bytes are good until its next call only.
		name, _ := unquote(raw)
		v, err := j.value()
		if err != nil {
			return err
		}
		in.put(name, v)
	}
	if _, err := j.dec.ReadToken(); err != nil {
		return syntaxError(err)
	}
	return j.end()
}

// value reads the next value.
func (j *jsonReader) value() (value, error) {
	raw, err := j.dec.ReadValue()
	if err != nil {
		return value{}, syntaxError(err)
	}
	switch raw.Kind() {
	case 'n':
		return value{kind: null}, nil
	case '"':
		v := value{kind: str}
		v.text, v.surrogate = unquote(raw)
		return v, nil
	case '0':
		if len(raw) > maxDigits && integerDigits(raw) > maxDigits {
			return value{}, jsonError("Integer of more than " + strconv.Itoa(maxDigits) + " digits")
		}
		return value{kind: number, text: string(raw)}, nil
	case 't', 'f':
		return value{kind: boolean, text: string(raw)}, nil
	case '[':
		return value{kind: list, text: string(raw)}, nil
	default:
		return value{kind: object, text: string(raw)}, nil
	}
}

// end refuses anything after the one value.
func (j *jsonReader) end() error {
	switch _, err := j.dec.ReadToken(); {
	case errors.Is(err, io.EOF):
		return nil
	case err == nil:
		return jsonError("Extra data")
	default:
		return syntaxError(err)
	}
}

// syntaxError words a decoder's error.
func syntaxError(err error) error {
	where := ""
	var at *jsontext.SyntacticError
	if errors.As(err, &at) {
		where = " at byte " + strconv.FormatInt(at.ByteOffset, 10)
	}
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return jsonError("Unexpected end of data")
	case errors.Is(err, jsontext.ErrDuplicateName):
		return jsonError("Duplicate name" + where)
	default:
		return jsonError("Invalid syntax" + where)
	}
}

// tooDeep reports whether brackets are nested deeper than maxDepth. It need not
// be right for what is not JSON.
func tooDeep(body []byte) bool {
	depth := 0
	for i := 0; i < len(body); i++ {
		switch body[i] {
		case '{', '[':
			if depth++; depth > maxDepth {
				return true
			}
		case '}', ']':
			depth--
		case '"':
			for i++; i < len(body) && body[i] != '"'; i++ {
				if body[i] == '\\' {
					i++
				}
			}
		}
	}
	return false
}

// integerDigits counts the digits of an integer; a number with a fraction or an
// exponent has none.
func integerDigits(raw []byte) int {
	if bytes.ContainsAny(raw, ".eE") {
		return 0
	}
	return len(bytes.TrimPrefix(raw, []byte("-")))
}

// unquote gives the text of a JSON string whose syntax has been checked, and
// the first surrogate in it that has no partner (0 if none), in whose place is
// U+FFFD.
func unquote(raw []byte) (s string, surrogate rune) {
	raw = raw[1 : len(raw)-1]
	if bytes.IndexByte(raw, '\\') < 0 {
		return string(raw), 0
	}
	b := make([]byte, 0, len(raw))
	for i := 0; i < len(raw); {
		if raw[i] != '\\' {
			b = append(b, raw[i])
			i++
			continue
		}
		switch c := raw[i+1]; c {
		case 'b':
			b = append(b, '\b')
		case 'f':
			b = append(b, '\f')
		case 'n':
			b = append(b, '\n')
		case 'r':
			b = append(b, '\r')
		case 't':
			b = append(b, '\t')
		case 'u':
			r := hex4(raw[i+2:])
			i += 6
			if utf16.IsSurrogate(r) {
				low := rune(0)
				if i+6 <= len(raw) && raw[i] == '\\' && raw[i+1] == 'u' {
					low = hex4(raw[i+2:])
				}
				if pair := utf16.DecodeRune(r, low); pair != utf8.RuneError {
					r = pair
					i += 6
				} else if surrogate == 0 {
					surrogate = r
				}
			}
			b = utf8.AppendRune(b, r)
			continue
		default: // a quote, a solidus, a backslash
			b = append(b, c)
		}
		i += 2
	}
	return string(b), surrogate
}

// hex4 reads four hexadecimal digits that are known to be there.
func hex4(b []byte) rune {
	n, _ := strconv.ParseUint(string(b[:4]), 16, 16)
	return rune(n)
}

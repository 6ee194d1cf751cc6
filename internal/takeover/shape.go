package takeover

import (
	"bytes"
	"encoding/json"
	"io"
	"regexp"
	"slices"
	"strings"
)

// maxDepth is how far down the shape of a body is told.
const maxDepth = 12

// shape is a body without its values: types and keys.
//
// A JSON body is {"error":string,"details":{"email":[string]}}; another one is
// a word: empty, text, html.
type shape string

// The shapes of bodies that are no JSON.
const (
	shapeEmpty shape = "empty"
	shapeHTML  shape = "html"
	shapeText  shape = "text"
)

// ShapeOf gives the shape of a body: see Difference.
func ShapeOf(body []byte, contentType string) string {
	s, _ := shapeOf(body, contentType)
	return string(s)
}

// shapeOf gives the shape of a body and what it says where it is JSON.
func shapeOf(body []byte, contentType string) (shape, any) {
	if len(body) == 0 {
		return shapeEmpty, nil
	}
	if v, ok := parseJSON(body); ok {
		var b strings.Builder
		describe(&b, v, 0)
		return shape(b.String()), v
	}
	if strings.Contains(contentType, "html") {
		return shapeHTML, nil
	}
	return shapeText, nil
}

// parseJSON reads a body as most parsers do: of two equal keys the last counts.
func parseJSON(body []byte) (any, bool) {
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	var v any
	if d.Decode(&v) != nil {
		return nil, false
	}
	if _, err := d.Token(); err != io.EOF { //nolint:errorlint // The decoder gives it bare.
		return nil, false
	}
	return v, true
}

func describe(b *strings.Builder, v any, depth int) {
	if depth > maxDepth {
		b.WriteString("…")
		return
	}
	switch v := v.(type) {
	case map[string]any:
		keys := make([]string, 0, len(v))
		for k := range v {
			keys = append(keys, k)
		}
		slices.Sort(keys)
		b.WriteByte('{')
		last := ""
		for _, k := range keys {
			name := maskKey(k)
			var inner strings.Builder
			describe(&inner, v[k], depth+1)
			// Keys that are data are one.
			if item := name + ":" + inner.String(); item != last {
				if last != "" {
					b.WriteByte(',')
				}
				b.WriteString(item)
				last = item
			}
		}
		b.WriteByte('}')
	case []any:
		var kinds []string
		for _, e := range v {
			var inner strings.Builder
			describe(&inner, e, depth+1)
			if !slices.Contains(kinds, inner.String()) {
				kinds = append(kinds, inner.String())
			}
		}
		slices.Sort(kinds)
		b.WriteString("[" + strings.Join(kinds, "|") + "]")
	case string:
		b.WriteString("string")
	case json.Number:
		b.WriteString("number")
	case bool:
		b.WriteString("boolean")
	default:
		b.WriteString("null")
	}
}

var (
	plainKey = regexp.MustCompile(`\A[A-Za-z_][A-Za-z0-9_-]{0,31}\z`)
	manyHex  = regexp.MustCompile(`[0-9]{4}|[0-9a-fA-F]{12}`)
	email    = regexp.MustCompile(`[^\s"'<>(),;:=&?/]+(@|%40)[^\s"'<>(),;:&?/]+`)
	jwt      = regexp.MustCompile(`[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{4,}(\.[A-Za-z0-9_-]*)?`)
	longWord = regexp.MustCompile(`[A-Za-z0-9+/_=-]{24,}`)
)

// maskKey gives a key that is the name of a field as it is, and of one that may
// be data only that it is there.
func maskKey(k string) string {
	if plainKey.MatchString(k) && !manyHex.MatchString(k) {
		return k
	}
	return "<key>"
}

// mask takes out of a text what may be an address or a secret.
func mask(s string) string {
	s = email.ReplaceAllString(s, "<e-mail>")
	s = jwt.ReplaceAllStringFunc(s, func(m string) string {
		if len(m) > 30 {
			return "<token>"
		}
		return m
	})
	s = longWord.ReplaceAllString(s, "<secret>")
	if len(s) > 200 {
		s = strings.ToValidUTF8(s[:200], "") + "…"
	}
	return s
}

var plainPart = regexp.MustCompile(`\A[a-z][a-z_.-]{0,24}\z`)

// maskPath keeps of a path the words that look like names of routes.
func maskPath(path string) string {
	parts := strings.Split(path, "/")
	if len(parts) > 12 {
		parts = append(parts[:12], "…")
	}
	for i, p := range parts {
		if p != "" && p != "…" && !plainPart.MatchString(p) {
			parts[i] = "<part>"
		}
	}
	return strings.Join(parts, "/")
}

var plainCode = regexp.MustCompile(`\A[a-z_]{1,40}\z`)

// codeOf is the code of an error's body, "" without one that looks like a code.
func codeOf(v any) string {
	m, _ := v.(map[string]any)
	if code, _ := m["code"].(string); plainCode.MatchString(code) {
		return code
	}
	return ""
}

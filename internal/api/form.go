package api

import (
	"bytes"
	"encoding/base64"
	"net/http"
	"strings"
	"unicode/utf8"
)

// maxPairs is how many fields a form may have (Django's
// DATA_UPLOAD_MAX_NUMBER_FIELDS).
const maxPairs = 1000

var errTooManyFields = &refusal{status: http.StatusBadRequest, detail: "Form parse error - Too many fields"}

// parseForm reads application/x-www-form-urlencoded the way Django's QueryDict
// does, which finds fields in anything. The last value of a name wins.
func parseForm(src *source, p mediaParams, in *values) error {
	in.html = true
	s, ok := p.charset.strict(src.body.Bytes())
	if !ok {
		s = latin1(src.body.String())
	}
	if strings.Count(s, "&") >= maxPairs {
		return errTooManyFields
	}
	for s != "" {
		var pair string
		pair, s, _ = strings.Cut(s, "&")
		if pair == "" {
			continue
		}
		name, text, _ := strings.Cut(pair, "=")
		in.put(unescape(name, p.charset), value{kind: str, text: unescape(text, p.charset)})
	}
	return nil
}

// unescape decodes "+" and "%41". Each run of ASCII is decoded by itself, so a
// character cannot be begun by an escape and ended by a raw byte; what is no
// escape stays as it is (Python's urllib.parse.unquote).
func unescape(s string, c charset) string {
	s = strings.ReplaceAll(s, "+", " ")
	if strings.IndexByte(s, '%') < 0 {
		return s
	}
	var out strings.Builder
	for s != "" {
		n := 0
		for n < len(s) && s[n] < utf8.RuneSelf {
			n++
		}
		if n > 0 {
			out.WriteString(c.text(unescapeASCII(s[:n])))
			s = s[n:]
			continue
		}
		_, n = utf8.DecodeRuneInString(s)
		out.WriteString(s[:n])
		s = s[n:]
	}
	return out.String()
}

// unescapeASCII gives the bytes that the escapes stand for.
func unescapeASCII(s string) []byte {
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] == '%' && i+2 < len(s) {
			hi, ok1 := hexDigit(s[i+1])
			lo, ok2 := hexDigit(s[i+2])
			if ok1 && ok2 {
				b = append(b, hi<<4|lo)
				i += 2
				continue
			}
		}
		b = append(b, s[i])
	}
	return b
}

func hexDigit(c byte) (byte, bool) {
	switch {
	case '0' <= c && c <= '9':
		return c - '0', true
	case 'a' <= c && c <= 'f':
		return c - 'a' + 10, true
	case 'A' <= c && c <= 'F':
		return c - 'A' + 10, true
	}
	return 0, false
}

// multipartError refuses a multipart body in Django's words.
func multipartError(why string) error {
	return &refusal{status: http.StatusBadRequest, detail: "Multipart form parse error - " + why}
}

// maxPartHeader is how many bytes of a part are searched for the end of its
// header (Django's).
const maxPartHeader = 1024

// parseMultipart reads multipart/form-data as Django does: it wants a boundary
// and forgives everything else. Parts without a name are skipped, an end that
// is missing is not missed, and a file is a value that no text field takes.
func parseMultipart(src *source, p mediaParams, in *values) error {
	in.html = true
	switch {
	case !strings.HasPrefix(p.whole, "multipart/"):
		return multipartError("Invalid Content-Type: " + latin1(p.whole))
	case !ascii(p.whole):
		return multipartError("Invalid non-ASCII Content-Type in multipart: " + latin1(p.whole))
	case !p.hasBoundary:
		return multipartError("Invalid boundary in multipart: None")
	case !validBoundary(p.boundary):
		return multipartError("Invalid boundary in multipart: " + p.boundary)
	}
	// A file counts when something follows it: it is complete then.
	var files []namedFile
	var last *namedFile
	separator, rest := []byte("--"+p.boundary), src.body.Bytes()
	for more := true; more && len(rest) > 0; {
		if last != nil {
			files, last = append(files, *last), nil
		}
		var part []byte
		part, rest, more = bytes.Cut(rest, separator)
		if more {
			part = bytes.TrimSuffix(bytes.TrimSuffix(part, []byte("\n")), []byte("\r"))
		}
		head := bytes.Index(part[:min(len(part), maxPartHeader)], []byte("\r\n\r\n"))
		if head < 0 {
			continue
		}
		h := partHeader(string(part[:head]))
		if !h.hasName {
			continue
		}
		data := part[head+4:]
		if h.file == "" {
			if h.base64 {
				data = lenientBase64(data)
			}
			in.put(p.charset.text([]byte(h.name)), value{kind: str, text: p.charset.text(data)})
			continue
		}
		if h.base64 && len(bytes.Join(bytes.Fields(data), nil))%4 != 0 {
			return multipartError("Could not decode base64 data.")
		}
		if name := baseName(p.charset.text([]byte(h.file))); name != "" {
			last = &namedFile{p.charset.text([]byte(h.name)), name}
		}
	}
	// Files come after the fields in DRF's data, so of one name the file wins.
	for _, f := range files {
		in.put(f.field, value{kind: file, text: f.name})
	}
	return nil
}

type namedFile struct{ field, name string }

// partHead is what the header of a part says.
type partHead struct {
	name    string
	hasName bool
	// file is the name of a file, "" for a field.
	file   string
	base64 bool
}

func partHeader(s string) partHead {
	var h partHead
	for _, line := range strings.Split(s, "\r\n") {
		first, params := headerParams(line)
		name, v, ok := strings.Cut(strings.ToLower(first), ":")
		if !ok {
			continue
		}
		switch name {
		case "content-disposition":
			h.name, h.hasName = params["name"]
			h.name = strings.TrimSpace(h.name)
			h.file = params["filename"]
		case "content-transfer-encoding":
			h.base64 = strings.TrimSpace(v) == "base64"
		}
	}
	return h
}

// baseName is a file's name without its path, "" where there is none.
func baseName(s string) string {
	s = s[strings.LastIndexAny(s, `/\`)+1:]
	if s == "." || s == ".." {
		return ""
	}
	return s
}

// lenientBase64 decodes as Python does: what is no base64 is skipped, the first
// padding in its place is the end, and data that breaks off stays as it is.
func lenientBase64(data []byte) []byte {
	var kept []byte
	pads := 0
	for _, c := range data {
		switch {
		case c == '=' && len(kept)%4 >= 2:
			if pads++; len(kept)%4+pads >= 4 {
				out, _ := base64.RawStdEncoding.DecodeString(string(kept))
				return out
			}
		case c == '+' || c == '/' || '0' <= c && c <= '9' || 'A' <= c && c <= 'Z' || 'a' <= c && c <= 'z':
			kept = append(kept, c)
			pads = 0
		}
	}
	if len(kept)%4 != 0 {
		return data
	}
	out, _ := base64.RawStdEncoding.DecodeString(string(kept))
	return out
}

// validBoundary is RFC 2046, section 5.1.1, as Python's cgi module reads it: up
// to 201 printable characters, the last no blank.
func validBoundary(s string) bool {
	if s == "" || len(s) > 201 || s[len(s)-1] == ' ' {
		return false
	}
	for i := 0; i < len(s); i++ {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

func ascii(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

package api

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strconv"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/latchkey-auth/latchkey/internal/auth"
	"github.com/latchkey-auth/latchkey/internal/session"
)

// buffers are what bodies are written in, used again and again.
var buffers = sync.Pool{New: func() any { b := make([]byte, 0, 1024); return &b }}

// answer writes a JSON body in one piece. The encoding is by hand: DRF's order
// of keys, no blanks, and no reflection on the paths that are hot. r may be nil.
func answer(w http.ResponseWriter, r *http.Request, status int, encode func(b []byte) []byte) {
	buf := buffers.Get().(*[]byte)
	b := encode((*buf)[:0])
	h := w.Header()
	h["Content-Type"] = hdrJSON
	if n := indent(r); n == 0 {
		send(w, status, b)
	} else {
		var pretty bytes.Buffer
		if err := json.Indent(&pretty, b, "", "        "[:n]); err != nil {
			panic("api: the encoder wrote what is no JSON: " + err.Error())
		}
		send(w, status, pretty.Bytes())
	}
	clear(b) // there are tokens in it
	*buf = b
	buffers.Put(buf)
}

// ownLength is up to how many bytes of a body net/http finds its length out by
// itself, which is cheaper than a ninth header in the map.
const ownLength = 2000

func send(w http.ResponseWriter, status int, body []byte) {
	if len(body) > ownLength {
		w.Header()["Content-Length"] = []string{strconv.Itoa(len(body))}
	}
	w.WriteHeader(status)
	_, _ = w.Write(body) // one that fails has no reader to be told
}

// appendUser writes the user as register, login and refresh show it.
func appendUser(b []byte, u *auth.User) []byte {
	b = append(b, `{"id":`...)
	b = strconv.AppendInt(b, u.ID, 10)
	b = append(b, `,"email":`...)
	b = appendString(b, u.Email)
	b = append(b, `,"first_name":`...)
	b = appendString(b, u.FirstName)
	b = append(b, `,"last_name":`...)
	b = appendString(b, u.LastName)
	b = append(b, `,"role":`...)
	b = appendString(b, string(u.Role))
	return append(b, '}')
}

// appendProfile writes the user as the profile shows it.
func appendProfile(b []byte, u *auth.User) []byte {
	b = append(b, `{"id":`...)
	b = strconv.AppendInt(b, u.ID, 10)
	b = append(b, `,"email":`...)
	b = appendString(b, u.Email)
	b = append(b, `,"first_name":`...)
	b = appendString(b, u.FirstName)
	b = append(b, `,"last_name":`...)
	b = appendString(b, u.LastName)
	b = append(b, `,"phone":`...)
	b = appendString(b, u.Phone)
	b = append(b, `,"role":`...)
	b = appendString(b, string(u.Role))
	b = append(b, `,"created_at":"`...)
	b = appendTime(b, u.CreatedAt)
	b = append(b, `","updated_at":"`...)
	b = appendTime(b, u.UpdatedAt)
	return append(b, `"}`...)
}

// appendSignedIn writes the answer of register and login.
func appendSignedIn(b []byte, message string, u *auth.User, c carriage, t session.Tokens) []byte {
	b = append(b, `{"message":`...)
	b = appendString(b, message)
	b = append(b, `,"user":`...)
	b = appendUser(b, u)
	switch c {
	case inBody:
		b = append(b, `,"tokens":{"refresh":`...)
		b = appendString(b, t.Refresh)
		b = append(b, `,"access":`...)
		b = appendString(b, t.Access)
		return append(b, `}}`...)
	case hybrid:
		b = append(b, `,"tokens":{"access":`...)
		b = appendString(b, t.Access)
		b = append(b, '}')
	case inCookies:
	}
	b = appendExpires(b, t.AccessExpires, t.RefreshExpires)
	return append(b, '}')
}

// appendExpires writes ,"expires":{…}; a refresh of 0 is null.
func appendExpires(b []byte, access, refresh int64) []byte {
	b = append(b, `,"expires":{"access":`...)
	b = strconv.AppendInt(b, access, 10)
	b = append(b, `,"refresh":`...)
	if refresh == 0 {
		b = append(b, "null"...)
	} else {
		b = strconv.AppendInt(b, refresh, 10)
	}
	return append(b, '}')
}

// appendMessage writes {"message":…}.
func appendMessage(b []byte, message string) []byte {
	b = append(b, `{"message":`...)
	b = appendString(b, message)
	return append(b, '}')
}

// appendTime writes a time in UTC as Python's isoformat does: six digits, or
// none if there are no microseconds. time.RFC3339Nano would drop zeros.
func appendTime(b []byte, t time.Time) []byte {
	t = t.UTC().Truncate(time.Microsecond)
	if t.Nanosecond() == 0 {
		return t.AppendFormat(b, "2006-01-02T15:04:05Z")
	}
	return t.AppendFormat(b, "2006-01-02T15:04:05.000000Z")
}

// appendString writes a JSON string as DRF does: Python's short escapes for
// controls, U+2028 and U+2029 escaped, everything else raw, "<>&" and DEL
// included. Bytes that are not UTF-8 become U+FFFD.
func appendString(b []byte, s string) []byte {
	const hex = "0123456789abcdef"
	b = append(b, '"')
	start := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c < utf8.RuneSelf {
			if c >= ' ' && c != '"' && c != '\\' {
				i++
				continue
			}
			b = append(b, s[start:i]...)
			switch c {
			case '"', '\\':
				b = append(b, '\\', c)
			case '\b':
				b = append(b, '\\', 'b')
			case '\f':
				b = append(b, '\\', 'f')
			case '\n':
				b = append(b, '\\', 'n')
			case '\r':
				b = append(b, '\\', 'r')
			case '\t':
				b = append(b, '\\', 't')
			default:
				b = append(b, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
			}
			i++
			start = i
			continue
		}
		r, n := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && n == 1:
			b = append(b, s[start:i]...)
			b = append(b, "\uFFFD"...)
		case r == '\u2028', r == '\u2029':
			b = append(b, s[start:i]...)
			b = append(b, `\u202`...)
			b = append(b, hex[r&15])
		default:
			i += n
			continue
		}
		i += n
		start = i
	}
	b = append(b, s[start:]...)
	return append(b, '"')
}

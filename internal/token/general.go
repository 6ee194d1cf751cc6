package token

import (
	"bytes"
	"cmp"
	"errors"
	"io"
	"math"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// general reads claims of any spelling and checks nbf at now, in seconds; exp,
// iat and the names are the caller's, but of a list in aud it takes the name
// that is demanded. It is false for what is no JSON object of unique
// names in valid UTF-8, and for claims of a type that cannot be used.
func general(payload string, names Names, now int64) (c Claims, ok bool) {
	ours := true // whether the claims that only our tokens have can be used
	var theirs Claims
	ok = members([]byte(payload), func(name string, v jsontext.Value) (ok bool) {
		names.Foreign.read(&theirs, name, v)
		switch name {
		case typeName:
			c.setType(v)
		case "exp":
			c.Expires, ok = number(v)
			c.HasExpires = ok
			return ok
		case "iat":
			c.IssuedAt, ok = pythonInt(v)
			c.HasIssuedAt = ok
			return ok
		case "nbf":
			notBefore, ok := pythonInt(v)
			return ok && notBefore <= now+leeway
		case idName:
			c.setID(v)
		case userName:
			c.setUser(v)
		case "sid":
			c.SessionID, ok = text(v)
			return ok && isHex32(c.SessionID)
		case "role":
			c.Role, ok = text(v)
			ours = ours && ok
		case "gen":
			c.Gen, c.HasGen = integer(v)
			ours = ours && c.HasGen
		case "iss":
			c.Issuer, _ = text(v)
		case "aud":
			c.Audience = audience(v, names.Audience)
		}
		return true
	})
	if c.SessionID == "" {
		// A token that Django minted: a claim of the team's own that happens to
		// be called like one of ours means nothing here.
		c.Role, c.Gen, c.HasGen = "", 0, false
		if names.Foreign.renamed() {
			c.Type, c.HasType = theirs.Type, theirs.HasType
			c.ID, c.HasID, c.IDIsString = theirs.ID, theirs.HasID, theirs.IDIsString
			c.UserID, c.HasUserID, c.UserIDValid, c.UserIDNull = theirs.UserID, theirs.HasUserID, theirs.UserIDValid, theirs.UserIDNull
		}
		return c, ok
	}
	return c, ok && ours
}

func (c *Claims) setType(v jsontext.Value) {
	// One of another type than string is the wrong type, not none.
	c.Type, _ = text(v)
	c.HasType = true
}

func (c *Claims) setID(v jsontext.Value) {
	c.HasID = true
	if c.ID, c.IDIsString = text(v); !c.IDIsString {
		c.ID = string(v)
	}
}

func (c *Claims) setUser(v jsontext.Value) {
	c.HasUserID = true
	c.UserIDNull = v.Kind() == jsontext.KindNull
	c.UserID, c.UserIDValid = userID(v)
}

// read reads a claim if it is one of the three under its name there.
func (f Foreign) read(c *Claims, name string, v jsontext.Value) {
	switch name {
	case cmp.Or(f.Type, typeName):
		c.setType(v)
	case cmp.Or(f.ID, idName):
		c.setID(v)
	case cmp.Or(f.User, userName):
		c.setUser(v)
	}
}

// audience gives the string that an aud is, or want if it is a list that has it
// (RFC 7519, section 4.1.3). A list with anything but strings has nothing.
func audience(v jsontext.Value, want string) (found string) {
	if v.Kind() != jsontext.KindBeginArray {
		s, _ := text(v)
		return s
	}
	d := jsontext.NewDecoder(bytes.NewReader(v))
	if _, err := d.ReadToken(); err != nil {
		return ""
	}
	for d.PeekKind() == jsontext.KindString {
		one, err := d.ReadValue()
		if err != nil {
			return ""
		}
		if s, _ := text(one); s == want {
			found = s
		}
	}
	if d.PeekKind() != jsontext.KindEndArray {
		return ""
	}
	return found
}

// members calls each for every member of the JSON object raw, until one is
// false. It is false then, and for what is no such object: RFC 7515, section
// 4, and RFC 7519, section 4, let us refuse duplicate names, and the decoder
// does so by default, as it does invalid UTF-8 (RFC 8725, section 3.7).
func members(raw []byte, each func(name string, v jsontext.Value) bool) bool {
	d := jsontext.NewDecoder(bytes.NewReader(raw))
	if t, err := d.ReadToken(); err != nil || t.Kind() != jsontext.KindBeginObject {
		return false
	}
	for d.PeekKind() != jsontext.KindEndObject {
		t, err := d.ReadToken()
		if err != nil {
			return false
		}
		name := t.String() // Before the next read, which ends t's life.
		v, err := d.ReadValue()
		if err != nil || !each(name, v) {
			return false
		}
	}
	if _, err := d.ReadToken(); err != nil {
		return false
	}
	_, err := d.ReadToken()
	return errors.Is(err, io.EOF) // Nothing may follow the object.
}

// text gives the string that v is.
func text(v jsontext.Value) (string, bool) {
	if v.Kind() != jsontext.KindString {
		return "", false
	}
	b, err := jsontext.AppendUnquote(nil, v)
	return string(b), err == nil
}

// integer gives the integer that v is: a number without fraction or exponent
// that fits 64 bits.
func integer(v jsontext.Value) (int64, bool) {
	if v.Kind() != jsontext.KindNumber {
		return 0, false
	}
	n, err := strconv.ParseInt(string(v), 10, 64)
	if err != nil {
		return 0, false
	}
	return n, true
}

// number gives the number that v is, cut off towards zero as Python's int()
// cuts a float. It is false beyond 64 bits, 1e400 included.
func number(v jsontext.Value) (int64, bool) {
	if v.Kind() != jsontext.KindNumber {
		return 0, false
	}
	if !bytes.ContainsAny(v, ".eE") {
		return integer(v)
	}
	f, err := strconv.ParseFloat(string(v), 64)
	// -1<<63 and 1<<63 are exact as float64; the latter does not fit.
	if err != nil || f < math.MinInt64 || f >= math.MaxInt64 {
		return 0, false
	}
	return int64(f), true
}

// pythonInt is Python's int() of a JSON value, with which PyJWT 2.6.0 reads iat
// and nbf: numbers, numeric strings, and booleans as 0 and 1. Digits of other
// scripts and numbers beyond 64 bits are refused, though int() takes them.
func pythonInt(v jsontext.Value) (int64, bool) {
	switch v.Kind() {
	case jsontext.KindNumber:
		return number(v)
	case jsontext.KindTrue:
		return 1, true
	case jsontext.KindFalse:
		return 0, true
	case jsontext.KindString:
		s, ok := text(v)
		if !ok {
			return 0, false
		}
		return pythonIntString(s)
	default:
		return 0, false
	}
}

// pythonIntString is int() of a string: white space around it, a sign, and
// single underscores between digits are allowed.
func pythonIntString(s string) (int64, bool) {
	s = strings.TrimFunc(s, isPythonSpace)
	digits := strings.TrimLeft(s, "+-")
	if len(s)-len(digits) > 1 || strings.HasPrefix(digits, "_") ||
		strings.HasSuffix(digits, "_") || strings.Contains(digits, "__") {
		return 0, false
	}
	n, err := strconv.ParseInt(strings.ReplaceAll(s, "_", ""), 10, 64)
	return n, err == nil
}

// isPythonSpace is str.isspace(): Unicode's white space and the four
// separators U+001C to U+001F.
func isPythonSpace(r rune) bool {
	return r >= 0x1c && r <= 0x1f || strings.ContainsRune(
		"\t\n\v\f\r \u0085\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005"+
			"\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000", r)
}

// userID gives the user_id that v is: an integer, as SimpleJWT writes it
// before 5.5.1, or a decimal string in its one spelling, as it does since. The
// real stack would also take true, 3.5 and " 1 " for a user (design.md, the
// table: strict tokens).
func userID(v jsontext.Value) (int64, bool) {
	s, ok := text(v)
	if !ok {
		return integer(v)
	}
	n, err := strconv.ParseUint(s, 10, 63)
	if err != nil || s[0] == '0' && len(s) > 1 {
		return 0, false
	}
	return int64(n), true
}

// isHex32 reports whether s is 32 lower-case hex digits.
func isHex32(s string) bool {
	if len(s) != 32 {
		return false
	}
	for i := range len(s) {
		if (s[i] < '0' || s[i] > '9') && (s[i] < 'a' || s[i] > 'f') {
			return false
		}
	}
	return true
}

package latchkey

import (
	"math"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// A strict reader of JSON (RFC 8259). encoding/json would take a name twice and
// let the last one win, take ROLE for role, and mend invalid UTF-8: two
// programs that read one token would see two users (RFC 7515, section 4, and
// RFC 8725, section 3.7, let us refuse). Values are given as they are spelled;
// text, integer and number read them.

// maxDepth is how deep objects and arrays may lie in each other. A token's
// claims are flat, and the bodies that we read are three deep.
const maxDepth = 32

// members calls each for every member of the JSON object that raw is, until one
// is false. It is false then, and for what is no such object.
func members(raw string, each func(name, value string) bool) bool {
	s := scanner{text: raw}
	s.space()
	if !s.object(each) {
		return false
	}
	s.space()
	return s.at == len(s.text)
}

// elements calls each for every element of the JSON array that raw is, until
// one is false. It is false then, and for what is no such array.
func elements(raw string, each func(value string) bool) bool {
	s := scanner{text: raw}
	s.space()
	if !s.array(each) {
		return false
	}
	s.space()
	return s.at == len(s.text)
}

// scanner reads text from at on. Its methods are false at the first thing that
// is not as it must be.
type scanner struct {
	text  string
	at    int
	depth int
}

func (s *scanner) space() {
	for s.at < len(s.text) {
		switch s.text[s.at] {
		case ' ', '\t', '\n', '\r':
			s.at++
		default:
			return
		}
	}
}

// take takes b if it is next.
func (s *scanner) take(b byte) bool {
	if s.at < len(s.text) && s.text[s.at] == b {
		s.at++
		return true
	}
	return false
}

func (s *scanner) object(each func(name, value string) bool) bool {
	if s.depth++; s.depth > maxDepth || !s.take('{') {
		return false
	}
	s.space()
	if s.take('}') {
		s.depth--
		return true
	}
	var seen names
	for {
		start := s.at
		if !s.string() {
			return false
		}
		// Names are compared as they read, not as they are spelled: \u0061lg is alg.
		name, ok := text(s.text[start:s.at])
		if !ok || !seen.add(name) {
			return false
		}
		s.space()
		if !s.take(':') {
			return false
		}
		s.space()
		start = s.at
		if !s.value() || each != nil && !each(name, s.text[start:s.at]) {
			return false
		}
		s.space()
		if s.take('}') {
			s.depth--
			return true
		}
		if !s.take(',') {
			return false
		}
		s.space()
	}
}

func (s *scanner) array(each func(value string) bool) bool {
	if s.depth++; s.depth > maxDepth || !s.take('[') {
		return false
	}
	s.space()
	if s.take(']') {
		s.depth--
		return true
	}
	for {
		start := s.at
		if !s.value() || each != nil && !each(s.text[start:s.at]) {
			return false
		}
		s.space()
		if s.take(']') {
			s.depth--
			return true
		}
		if !s.take(',') {
			return false
		}
		s.space()
	}
}

func (s *scanner) value() bool {
	if s.at >= len(s.text) {
		return false
	}
	switch s.text[s.at] {
	case '{':
		return s.object(nil)
	case '[':
		return s.array(nil)
	case '"':
		return s.string()
	case 't':
		return s.literal("true")
	case 'f':
		return s.literal("false")
	case 'n':
		return s.literal("null")
	default:
		return s.number()
	}
}

func (s *scanner) literal(want string) bool {
	if !strings.HasPrefix(s.text[s.at:], want) {
		return false
	}
	s.at += len(want)
	return true
}

// number takes what RFC 8259, section 6, calls a number: no plus sign, no
// leading zeros, digits on both sides of the point.
func (s *scanner) number() bool {
	s.take('-')
	if !s.take('0') && !s.digits() {
		return false
	}
	if s.take('.') && !s.digits() {
		return false
	}
	if s.take('e') || s.take('E') {
		if !s.take('+') {
			s.take('-')
		}
		return s.digits()
	}
	return true
}

func (s *scanner) digits() bool {
	start := s.at
	for s.at < len(s.text) && s.text[s.at] >= '0' && s.text[s.at] <= '9' {
		s.at++
	}
	return s.at > start
}

// string takes a string: valid UTF-8, no bare control characters, known escapes
// and surrogates in pairs only.
func (s *scanner) string() bool {
	if !s.take('"') {
		return false
	}
	for s.at < len(s.text) {
		switch c := s.text[s.at]; {
		case c == '"':
			s.at++
			return true
		case c == '\\':
			if !s.escape() {
				return false
			}
		case c < ' ':
			return false
		case c < utf8.RuneSelf:
			s.at++
		default:
			r, n := utf8.DecodeRuneInString(s.text[s.at:])
			if r == utf8.RuneError && n == 1 {
				return false
			}
			s.at += n
		}
	}
	return false
}

// escape takes one escape, or the two of a surrogate pair.
func (s *scanner) escape() bool {
	if s.at+1 >= len(s.text) {
		return false
	}
	if s.text[s.at+1] != 'u' {
		ok := strings.IndexByte(`"\/bfnrt`, s.text[s.at+1]) >= 0
		s.at += 2
		return ok
	}
	first, ok := hex4(s.text[s.at:])
	if !ok {
		return false
	}
	s.at += 6
	if !utf16.IsSurrogate(first) {
		return true
	}
	second, ok := hex4(s.text[s.at:])
	s.at += 6
	return ok && utf16.DecodeRune(first, second) != utf8.RuneError
}

// hex4 reads the \uXXXX that s begins with.
func hex4(s string) (rune, bool) {
	if len(s) < 6 || s[0] != '\\' || s[1] != 'u' {
		return 0, false
	}
	var r rune
	for i := 2; i < 6; i++ {
		c := s[i]
		switch {
		case c >= '0' && c <= '9':
			c -= '0'
		case c >= 'a' && c <= 'f':
			c -= 'a' - 10
		case c >= 'A' && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, false
		}
		r = r<<4 | rune(c)
	}
	return r, true
}

// names are those that an object has had. The first ones are compared one by
// one, without allocating; beyond them a map keeps the work linear.
type names struct {
	few  [16]string
	n    int
	many map[string]struct{}
}

// add reports whether name is new.
func (s *names) add(name string) bool {
	for _, have := range s.few[:s.n] {
		if have == name {
			return false
		}
	}
	if s.n < len(s.few) {
		s.few[s.n] = name
		s.n++
		return true
	}
	if _, have := s.many[name]; have {
		return false
	}
	if s.many == nil {
		s.many = map[string]struct{}{}
	}
	s.many[name] = struct{}{}
	return true
}

// text gives the string that the value is. It wants one that the scanner has
// passed.
func text(value string) (string, bool) {
	if value == "" || value[0] != '"' {
		return "", false
	}
	value = value[1 : len(value)-1]
	if strings.IndexByte(value, '\\') < 0 {
		return value, true
	}
	b := make([]byte, 0, len(value))
	for i := 0; i < len(value); {
		if value[i] != '\\' {
			b = append(b, value[i])
			i++
			continue
		}
		switch c := value[i+1]; c {
		case 'u':
			r, _ := hex4(value[i:])
			i += 6
			if utf16.IsSurrogate(r) {
				second, _ := hex4(value[i:])
				r = utf16.DecodeRune(r, second)
				i += 6
			}
			b = utf8.AppendRune(b, r)
			continue
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
		default:
			b = append(b, c)
		}
		i += 2
	}
	return string(b), true
}

// isNumber reports whether the value, which the scanner has passed, is a number.
func isNumber(value string) bool {
	return value != "" && (value[0] == '-' || value[0] >= '0' && value[0] <= '9')
}

// integer gives the integer that the value is: without fraction or exponent, of
// at most 64 bits.
func integer(value string) (int64, bool) {
	if !isNumber(value) {
		return 0, false
	}
	n, err := strconv.ParseInt(value, 10, 64)
	return n, err == nil
}

// number gives the number that the value is, cut off towards zero. It is false
// beyond 64 bits, 1e400 included.
func number(value string) (int64, bool) {
	if !isNumber(value) {
		return 0, false
	}
	if !strings.ContainsAny(value, ".eE") {
		return integer(value)
	}
	f, err := strconv.ParseFloat(value, 64)
	// -1<<63 and 1<<63 are exact as float64; the latter does not fit.
	if err != nil || f < math.MinInt64 || f >= math.MaxInt64 {
		return 0, false
	}
	return int64(f), true
}

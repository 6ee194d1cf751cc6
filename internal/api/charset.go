package api

import (
	"bytes"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"golang.org/x/text/encoding/charmap"
)

// charset is how a body's bytes are read. Its zero value is UTF-8.
type charset struct {
	// decode gives the text; where bytes stand for nothing there is U+FFFD in
	// it and ok is false. nil means UTF-8.
	decode func(b []byte) (s string, ok bool)
}

var utf8Charset = charset{}

// text decodes b and never fails: U+FFFD is where bytes stand for nothing.
func (c charset) text(b []byte) string {
	s, _ := c.strict(b)
	return s
}

// strict decodes b and reports whether all of it stood for something.
func (c charset) strict(b []byte) (string, bool) {
	if c.decode != nil {
		return c.decode(b)
	}
	return decodeUTF8(b)
}

// charsetByName finds the charset of a Content-Type. One that is unknown counts
// as UTF-8, as in Django.
func charsetByName(name string) charset {
	if name == "" {
		return utf8Charset
	}
	plain := strings.NewReplacer("-", "", "_", "", " ", "").Replace(strings.ToLower(name))
	switch plain {
	case "utf8sig":
		return charset{func(b []byte) (string, bool) {
			return decodeUTF8(bytes.TrimPrefix(b, []byte("\uFEFF")))
		}}
	case "ascii", "usascii", "646", "iso646us", "ansix3.41968":
		return charset{decodeASCII}
	case "utf16", "u16":
		return charset{decodeUTF16}
	case "utf16le":
		return charset{func(b []byte) (string, bool) { return decodeUTF16Order(b, false) }}
	case "utf16be":
		return charset{func(b []byte) (string, bool) { return decodeUTF16Order(b, true) }}
	}
	if m := byteCharset(plain); m != nil {
		return charset{func(b []byte) (string, bool) { return decodeBytes(m, b) }}
	}
	return utf8Charset
}

// byteCharset finds a charset of one byte for each character.
func byteCharset(plain string) *charmap.Charmap {
	plain = strings.Replace(plain, "windows", "cp", 1)
	if n, ok := strings.CutPrefix(plain, "iso8859"); ok {
		plain = "8859" + n
	}
	switch plain {
	case "latin1", "latin", "l1", "8859", "88591", "cp819":
		return charmap.ISO8859_1
	case "latin2", "l2", "88592":
		return charmap.ISO8859_2
	case "latin3", "l3", "88593":
		return charmap.ISO8859_3
	case "latin4", "l4", "88594":
		return charmap.ISO8859_4
	case "cyrillic", "88595":
		return charmap.ISO8859_5
	case "arabic", "88596":
		return charmap.ISO8859_6
	case "greek", "greek8", "88597":
		return charmap.ISO8859_7
	case "hebrew", "88598":
		return charmap.ISO8859_8
	case "latin5", "l5", "88599":
		return charmap.ISO8859_9
	case "latin6", "l6", "885910":
		return charmap.ISO8859_10
	case "latin7", "l7", "885913":
		return charmap.ISO8859_13
	case "latin8", "l8", "885914":
		return charmap.ISO8859_14
	case "latin9", "l9", "885915":
		return charmap.ISO8859_15
	case "latin10", "l10", "885916":
		return charmap.ISO8859_16
	case "cp874":
		return charmap.Windows874
	case "cp1250", "1250":
		return charmap.Windows1250
	case "cp1251", "1251":
		return charmap.Windows1251
	case "cp1252", "1252":
		return charmap.Windows1252
	case "cp1253", "1253":
		return charmap.Windows1253
	case "cp1254", "1254":
		return charmap.Windows1254
	case "cp1255", "1255":
		return charmap.Windows1255
	case "cp1256", "1256":
		return charmap.Windows1256
	case "cp1257", "1257":
		return charmap.Windows1257
	case "cp1258", "1258":
		return charmap.Windows1258
	}
	return nil
}

// decodeUTF8 puts one U+FFFD for each maximal part of a sequence that is not
// one (Unicode, section 3.9), as Python does; a range over a string would put
// one for each byte.
func decodeUTF8(b []byte) (string, bool) {
	if utf8.Valid(b) {
		return string(b), true
	}
	var s strings.Builder
	for len(b) > 0 {
		r, n := utf8.DecodeRune(b)
		if r == utf8.RuneError && n == 1 {
			n = maximalPart(b)
		}
		s.WriteRune(r)
		b = b[n:]
	}
	return s.String(), false
}

// maximalPart is how many bytes at the start of b, which begins with no whole
// character, might have begun one.
func maximalPart(b []byte) int {
	n := 1
	for n < len(b) && n < 4 && !utf8.FullRune(b[:n]) {
		n++
	}
	// b[:n] is too long by the byte that showed it to be wrong, unless the
	// bytes ran out.
	if n > 1 && utf8.FullRune(b[:n]) {
		n--
	}
	return n
}

func decodeASCII(b []byte) (string, bool) {
	ok := true
	var s strings.Builder
	for _, c := range b {
		if c < utf8.RuneSelf {
			s.WriteByte(c)
		} else {
			s.WriteRune(utf8.RuneError)
			ok = false
		}
	}
	return s.String(), ok
}

func decodeBytes(m *charmap.Charmap, b []byte) (string, bool) {
	ok, iso := true, strings.HasPrefix(m.String(), "ISO")
	var s strings.Builder
	for _, c := range b {
		r := m.DecodeByte(c)
		if r == utf8.RuneError && iso && 0x80 <= c && c < 0xa0 {
			r = rune(c) // the controls of ISO 6429, which the tables leave out
		}
		ok = ok && r != utf8.RuneError
		s.WriteRune(r)
	}
	return s.String(), ok
}

// latin1 reads each byte as the character of that number.
func latin1(header string) string {
	s, _ := decodeBytes(charmap.ISO8859_1, []byte(header))
	return s
}

// decodeUTF16 takes the byte order from the mark at the beginning, which must
// be there (Python's stream reader wants it, too).
func decodeUTF16(b []byte) (string, bool) {
	if rest, ok := bytes.CutPrefix(b, []byte{0xFE, 0xFF}); ok {
		return decodeUTF16Order(rest, true)
	}
	rest, marked := bytes.CutPrefix(b, []byte{0xFF, 0xFE})
	s, ok := decodeUTF16Order(rest, false)
	return s, ok && marked
}

func decodeUTF16Order(b []byte, bigEndian bool) (string, bool) {
	ok := len(b)%2 == 0
	units := make([]uint16, len(b)/2)
	for i := range units {
		lo, hi := b[2*i], b[2*i+1]
		if bigEndian {
			lo, hi = hi, lo
		}
		units[i] = uint16(hi)<<8 | uint16(lo)
	}
	var s strings.Builder
	for i := 0; i < len(units); i++ {
		r := rune(units[i])
		if utf16.IsSurrogate(r) {
			low := rune(0)
			if i+1 < len(units) {
				low = rune(units[i+1])
			}
			if r = utf16.DecodeRune(r, low); r == utf8.RuneError {
				ok = false
			} else {
				i++
			}
		}
		s.WriteRune(r)
	}
	return s.String(), ok
}

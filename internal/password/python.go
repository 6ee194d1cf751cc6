package password

import (
	"strings"
	"unicode"
)

// Django's validators are written in Python, and what they decide hangs on
// Python's idea of lower case, words, digits and blanks. The tests hold these
// against Python for every code point that both Unicode versions know.

// lower is str.lower: Unicode's full mapping, in which U+0130 becomes two
// characters and a capital sigma that ends a word its final form.
func lower(s string) string {
	if !strings.ContainsAny(s, "\u0130\u03a3") {
		return strings.Map(unicode.ToLower, s)
	}
	runes := []rune(s)
	out := make([]rune, 0, len(runes)+1)
	for i, r := range runes {
		switch {
		case r == '\u0130':
			out = append(out, 'i', '\u0307')
		case r == '\u03a3' && endsWord(runes, i):
			out = append(out, '\u03c2')
		default:
			out = append(out, unicode.ToLower(r))
		}
	}
	return string(out)
}

// endsWord is the Unicode standard's Final_Sigma: a cased letter before and
// none after, whatever case-ignorable characters lie between.
func endsWord(runes []rune, i int) bool {
	before := i - 1
	for before >= 0 && caseIgnorable(runes[before]) {
		before--
	}
	after := i + 1
	for after < len(runes) && caseIgnorable(runes[after]) {
		after++
	}
	return before >= 0 && cased(runes[before]) &&
		(after == len(runes) || !cased(runes[after]))
}

func cased(r rune) bool {
	return unicode.In(r, unicode.Lu, unicode.Ll, unicode.Lt, unicode.Other_Uppercase, unicode.Other_Lowercase)
}

func caseIgnorable(r rune) bool {
	return unicode.In(r, unicode.Mn, unicode.Me, unicode.Cf, unicode.Lm, unicode.Sk) ||
		strings.ContainsRune("'.:\u00b7\u0387\u055f\u05f4\u2018\u2019\u2024\u2027\ufe13\ufe52\ufe55\uff07\uff0e\uff1a", r)
}

// wordRune is \w of Python's re: str.isalnum or an underscore. A combining
// mark is none.
func wordRune(r rune) bool {
	return r == '_' || unicode.IsLetter(r) || unicode.IsNumber(r)
}

// splitWords is re.split(r'\W+', s): with an empty string at either end where
// s begins or ends with something else than a word.
func splitWords(s string) []string {
	var parts []string
	start := 0
	inGap := false
	for i, r := range s {
		switch {
		case wordRune(r):
			if inGap {
				start, inGap = i, false
			}
		case !inGap:
			parts = append(parts, s[start:i])
			inGap = true
		}
	}
	if inGap {
		return append(parts, "")
	}
	return append(parts, s[start:])
}

// digits are the characters beyond Nd whose Unicode Numeric_Type is Digit:
// superscripts, circled digits and the like. Go has no table of them.
var digits = &unicode.RangeTable{
	R16: []unicode.Range16{
		{0x00b2, 0x00b3, 1},
		{0x00b9, 0x00b9, 1},
		{0x1369, 0x1371, 1},
		{0x19da, 0x19da, 1},
		{0x2070, 0x2070, 1},
		{0x2074, 0x2079, 1},
		{0x2080, 0x2089, 1},
		{0x2460, 0x2468, 1},
		{0x2474, 0x247c, 1},
		{0x2488, 0x2490, 1},
		{0x24ea, 0x24ea, 1},
		{0x24f5, 0x24fd, 1},
		{0x24ff, 0x24ff, 1},
		{0x2776, 0x277e, 1},
		{0x2780, 0x2788, 1},
		{0x278a, 0x2792, 1},
	},
	R32: []unicode.Range32{
		{0x10a40, 0x10a43, 1},
		{0x10e60, 0x10e68, 1},
		{0x11052, 0x1105a, 1},
		{0x1f100, 0x1f10a, 1},
	},
	LatinOffset: 2,
}

// isDigits is str.isdigit: not empty and digits alone.
func isDigits(s string) bool {
	for _, r := range s {
		if !unicode.Is(unicode.Nd, r) && !unicode.Is(digits, r) {
			return false
		}
	}
	return s != ""
}

// strip is str.strip: Go's white space and the four separators U+001C to
// U+001F.
func strip(s string) string {
	return strings.TrimFunc(s, func(r rune) bool {
		return unicode.IsSpace(r) || '\u001c' <= r && r <= '\u001f'
	})
}

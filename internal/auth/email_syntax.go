package auth

import (
	"net/netip"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/idna"
	"golang.org/x/text/unicode/bidi"
)

// maxEmailSyntax is the longest address in characters that Django looks at (RFC
// 3696, section 3).
const maxEmailSyntax = 320

// ValidEmail reports whether Django 3.2's EmailValidator takes s: a dot-atom or
// quoted local part, and a domain name, "localhost" or an IP literal. A domain
// that is not ASCII is judged by its punycode.
//
// Django's regular expressions ignore case the Unicode way and so take U+017F,
// U+212A, U+0130 and U+0131 in a local part as letters; here they are none.
// ParseEmail, which must be asked too, refuses them anywhere.
func ValidEmail(s string) bool {
	at := strings.LastIndexByte(s, '@')
	if at < 0 || utf8.RuneCountInString(s) > maxEmailSyntax {
		return false
	}
	local, domain := s[:at], s[at+1:]
	if !dotAtom(local) && !quotedString(local) {
		return false
	}
	if domain == "localhost" || domainName(domain) || addressLiteral(domain) {
		return true
	}
	ascii, ok := toPunycode(domain)
	return ok && domainName(ascii)
}

// dotAtom is RFC 5322's: words of atom characters with single dots between.
func dotAtom(s string) bool {
	for word := range strings.SplitSeq(s, ".") {
		if word == "" {
			return false
		}
		for i := range len(word) {
			if c := word[i]; !alphanumeric(c) && strings.IndexByte("-!#$%&'*+/=?^_`{}|~", c) < 0 {
				return false
			}
		}
	}
	return true
}

// quotedString is RFC 5322's without blanks, but with escapes of everything
// but NUL, line feed and carriage return.
func quotedString(s string) bool {
	if len(s) < 2 || s[0] != '"' || s[len(s)-1] != '"' {
		return false
	}
	s = s[1 : len(s)-1]
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c == '\\' {
			i++
			if i == len(s) {
				return false
			}
			c = s[i]
			if c == 0 || c == '\n' || c == '\r' || c > 0x7f {
				return false
			}
			continue
		}
		control := c >= 0x01 && c <= 0x08 || c == 0x0b || c == 0x0c || c >= 0x0e && c <= 0x1f
		if !control && c != '!' && (c < '#' || c > 0x7f) {
			return false
		}
	}
	return true
}

// domainName is at least two labels of letters, digits and inner hyphens, none
// longer than 63 (RFC 1034). The last has at least two characters and may begin
// with a hyphen: Django lets it.
func domainName(s string) bool {
	dot := strings.LastIndexByte(s, '.')
	if dot < 0 {
		return false
	}
	top := s[dot+1:]
	if len(top) < 2 || !label(top) {
		return false
	}
	for l := range strings.SplitSeq(s[:dot], ".") {
		if !label(l) || l[0] == '-' {
			return false
		}
	}
	return true
}

func label(s string) bool {
	if s == "" || len(s) > 63 || s[len(s)-1] == '-' {
		return false
	}
	for i := range len(s) {
		if !alphanumeric(s[i]) && s[i] != '-' {
			return false
		}
	}
	return true
}

func alphanumeric(c byte) bool {
	return '0' <= c && c <= '9' || 'A' <= c && c <= 'Z' || 'a' <= c && c <= 'z'
}

// addressLiteral is an IP address in brackets (RFC 5321, section 4.1.3, but
// without the tag "IPv6:").
func addressLiteral(s string) bool {
	inner, ok := strings.CutPrefix(s, "[")
	if !ok {
		return false
	}
	inner, ok = strings.CutSuffix(inner, "]")
	if !ok || strings.IndexByte(inner, '%') >= 0 {
		return false
	}
	_, err := netip.ParseAddr(inner)
	return err == nil
}

// nameprep maps a label's characters as IDNA 2003 does (RFC 3491), near enough:
// x/net has its successor, whose transitional form differs in what was not
// assigned in Unicode 3.2.
var nameprep = idna.New(idna.MapForLookup(), idna.Transitional(true), idna.StrictDomainName(false),
	idna.ValidateLabels(false))

// toPunycode gives the ASCII form of a domain that is not ASCII (RFC 3490,
// ToASCII); false if it has none.
func toPunycode(domain string) (string, bool) {
	isASCII := true
	for i := range len(domain) {
		isASCII = isASCII && domain[i] < utf8.RuneSelf
	}
	if isASCII || !utf8.ValidString(domain) {
		return "", false
	}
	mapped, err := nameprep.ToUnicode(domain)
	if err != nil {
		return "", false
	}
	for l := range strings.SplitSeq(mapped, ".") {
		if !oneDirection(l) {
			return "", false
		}
	}
	ascii, err := nameprep.ToASCII(mapped)
	return ascii, err == nil
}

// oneDirection is the rule for labels written from right to left (RFC 3454,
// section 6): no character of the other direction, and the first and the last
// are of this one.
func oneDirection(label string) bool {
	var right, left, last bool
	first := true
	for i, r := range label {
		p, _ := bidi.LookupRune(r)
		last = p.Class() == bidi.R || p.Class() == bidi.AL
		right = right || last
		left = left || p.Class() == bidi.L
		if i == 0 {
			first = last
		}
	}
	return !right || first && last && !left
}

package auth

import (
	"strings"
	"unicode/utf8"

	"golang.org/x/net/idna"
)

// MaxEmail is the longest e-mail address in characters (Django's
// EmailField.max_length).
const MaxEmail = 254

// Email is an address in its two forms.
type Email struct {
	// Shown is the local part as typed and the domain lowered.
	Shown string
	// Key identifies the account: the local part lowered in ASCII only, "@",
	// and the punycode of the lowered domain.
	Key string
}

// lookalikes are letters that Unicode case mapping turns into ASCII ones
// (CVE-2019-19844): U+0130, U+0131, U+017F, U+212A. They are refused anywhere.
const lookalikes = "\u0130\u0131\u017f\u212a"

// ParseEmail normalises an address whose syntax has been checked (see
// ValidEmail). It reports false for one that has a look-alike letter or a
// domain that has no punycode.
//
// On the local part there is never a fold that knows Unicode: it would turn
// the Kelvin sign into a "k" and one person's address into another's.
func ParseEmail(s string) (Email, bool) {
	if strings.ContainsAny(s, lookalikes) || !utf8.ValidString(s) {
		return Email{}, false
	}
	at := strings.LastIndexByte(s, '@')
	if at <= 0 || at == len(s)-1 {
		return Email{}, false
	}
	local, domain := s[:at], strings.ToLower(s[at+1:])
	ascii, err := idna.Punycode.ToASCII(domain)
	if err != nil {
		return Email{}, false
	}
	return Email{
		Shown: local + "@" + domain,
		Key:   lowerASCII(local) + "@" + strings.ToLower(ascii),
	}, true
}

func lowerASCII(s string) string {
	return strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			return r + ('a' - 'A')
		}
		return r
	}, s)
}

package password

import (
	"crypto/rand"
	"encoding/binary"
	"strings"
	"testing"
)

var (
	place = []string{"Latchkey", "Acme Corp", "auth.acme.example", "Ölwerk"}
	ada   = []Attribute{{"first name", "Ada"}, {"last name", "Lovelace-King"}, {"email address", "ada1815.l@analytical.example"}}
)

// A password that is words of the place or of the person, with digits and signs
// around or for letters, is refused; one with anything else in it is not.
//
// ASVS 6.1.2, 6.2.11
func TestWords(t *testing.T) {
	p := policy(t, PolicyOptions{Words: place})
	for pw, want := range map[string]string{
		"latchkey2026!":                     CodeContext,
		"Latchkey":                          CodeContext,
		"L4tchk3y":                          CodeContext,
		"!!1aTcHkEy":                        CodeContext,
		"latchkeylatchkey":                  CodeContext,
		"latchkey-acme":                     CodeContext,
		"$$Acme Corp$$":                     CodeContext,
		"acmecorp":                          CodeContext,
		"@cme-C0rp-2026":                    CodeContext,
		"auth/acme":                         CodeContext,
		"ölwerk99":                          CodeContext,
		"adaLatchkey1":                      CodeContext,
		"20261127Acme":                      CodeContext,
		"Lovelace1815!":                     CodeSimilar + ` "last name"`,
		"L0v3l@c3-2026":                     CodeSimilar + ` "last name"`,
		"lovelacelovelace":                  CodeSimilar + ` "last name"`,
		"##ada##18":                         CodeSimilar + ` "first name"`,
		"analytical11111":                   CodeSimilar + ` "email address"`,
		"ada1815!ada":                       CodeSimilar + ` "email address"`,
		"latchkeys2026!":                    "",
		"mylatchkey2026":                    "",
		"latchkeeper-2026":                  "",
		"acme 20261127 3":                   "", // nine digits and signs are no decoration
		"latchkey correct horse":            "",
		"adaptable-Horse":                   "",
		"lattchkey2026!":                    "",
		strings.Repeat("latchkey", 8) + "x": "",
		strings.Repeat("latchkey", 8) + "latchkey": "", // longer than is looked at
		"c0rrect-Horse-42":                         "",
	} {
		if got := codes(p.Validate(pw, ada...)); got != want {
			t.Errorf("%q: %q, want %q", pw, got, want)
		}
	}
	// What Django refuses is told in Django's words alone.
	if got := codes(p.Validate("lovelace", ada...)); got != CodeSimilar+` "last name"` {
		t.Errorf("lovelace: %q", got)
	}
	if got := codes(p.Validate("acme1", ada...)); got != CodeShort+" 8" {
		t.Errorf("acme1: %q", got)
	}
}

// Without words nothing is made of them, and short ones are none.
func TestNoWords(t *testing.T) {
	p := policy(t, PolicyOptions{Words: []string{"", "a", "x.y", "2026", "...", strings.Repeat("w", 65)}})
	for _, pw := range []string{"2026!2026!x", "aaaa-aaaa-aaaa", "x.y.x.y.x.y", strings.Repeat("w", 64)} {
		if got := codes(p.Validate(pw, Attribute{"first name", "Li"}, Attribute{"last name", "-"})); got != "" {
			t.Errorf("%q: %q", pw, got)
		}
	}
}

func TestHoldsNumber(t *testing.T) {
	const phone = "+49 (170) 123-4567"
	for pw, want := range map[string]bool{
		"+49 170 1234567":   true,
		"0170/123 45 67!":   true,
		"!!1-2-3-4-5-6-7!!": true,
		"0170-123-4568":     false,
		"call 0170 1234567": false,
		"":                  false,
	} {
		if got := HoldsNumber(pw, phone); got != want {
			t.Errorf("%q: %v, want %v", pw, got, want)
		}
	}
	if HoldsNumber("12345!!!!", "12345") || HoldsNumber("!!!!!!!!", "") {
		t.Error("a number of five digits counts")
	}
}

// NIST SP 800-63B-4 §3.1.1.2 and ASVS: no rules of composition. Any text that is
// long enough will do, but for digits alone, and those too where the setting
// says so.
//
// ASVS 6.2.1, 6.2.5, 6.2.9
func TestAnythingGoes(t *testing.T) {
	p := policy(t, PolicyOptions{Words: place})
	for _, pw := range []string{
		"aaaa bbbb cccc dddd", "🦊🐻🐼🐨🐯🦁🐮🐷", "!?#*+~<>", "ünïcödé-wörter", "  x        y  ", "\u00a0\u2003日本語日本語日本",
		strings.Repeat("x y", 22), strings.Repeat("ab", 64), strings.Repeat("long! ", 170),
	} {
		if got := codes(p.Validate(pw, ada...)); got != "" {
			t.Errorf("%.40q: %q", pw, got)
		}
	}
	if got := codes(p.Validate("🦊🐻🐼🐨🐯🦁🐮")); got != CodeShort+" 8" {
		t.Errorf("seven characters: %q", got)
	}
	seed := make([]byte, 4*12)
	for range 10_000 {
		rand.Read(seed)
		var b strings.Builder
		for i := range 12 {
			r := rune(binary.LittleEndian.Uint32(seed[4*i:]) % 0x11000)
			if 0xd800 <= r && r <= 0xdfff {
				r = 'x'
			}
			b.WriteRune(r)
		}
		if got := codes(p.Validate(b.String(), ada...)); got != "" {
			t.Fatalf("%q: %q", b.String(), got)
		}
	}
	const digits = "7391846205"
	if got := codes(p.Validate(digits)); got != CodeNumeric {
		t.Errorf("digits: %q", got)
	}
	if got := codes(policy(t, PolicyOptions{AllowNumeric: true}).Validate(digits)); got != "" {
		t.Errorf("digits, where they are allowed: %q", got)
	}
	if got := codes(policy(t, PolicyOptions{MinLength: 15}).Validate("fourteen-chars")); got != CodeShort+" 15" {
		t.Errorf("fourteen characters of fifteen: %q", got)
	}
}

func FuzzWords(f *testing.F) {
	f.Add("latchkey2026!", "Latchkey", "ada@example.com")
	f.Add("aaaaaaaaaaaaaaaaaaaaaaaa", "a-aa-aaa-aaaa", "aaa")
	f.Fuzz(func(t *testing.T, pw, place, mail string) {
		p, err := NewPolicy(PolicyOptions{Words: []string{place}})
		if err != nil {
			t.Fatal(err)
		}
		lowered := lower(pw)
		for _, w := range p.words {
			if !madeOf(string(w), p.words) {
				t.Errorf("%q is not made of itself", string(w))
			}
			// What is longer than maxWordy is not looked at.
			if padded := "1!" + string(w) + "2026"; len(w)+6 <= maxWordy && !madeOf(padded, p.words) {
				t.Errorf("%q is not made of %q", padded, string(w))
			}
		}
		if _, ok := p.wordy(lowered, []Attribute{{"email address", mail}}); ok && len(p.words)+len(wordsOf(mail)) == 0 {
			t.Errorf("%q is made of no words", pw)
		}
	})
}

// Every password of Django's list is refused, in any case and with blanks
// around.
//
// ASVS 6.2.4
func TestEveryCommonOne(t *testing.T) {
	p := policy(t, PolicyOptions{})
	l := djangoList()
	n := 0
	for i := range l.ends {
		word := l.word(i)
		if len(word) < LeastMinLength {
			continue
		}
		n++
		for _, pw := range []string{word, strings.ToUpper(word), " " + word + " "} {
			if got := codes(p.Validate(pw)); !strings.Contains(got, CodeCommon) {
				t.Errorf("%q: %q", pw, got)
			}
		}
	}
	if n < 3000 {
		t.Errorf("the list has %d of eight characters and more", n)
	}
}

package auth_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/latchkey-auth/latchkey/internal/auth"
)

// LESSON 8
func TestValidEmail(t *testing.T) {
	t.Parallel()
	// What Django 3.2.25's validate_email says.
	valid := []string{
		"a@example.com", "a@b.co", "a@b.123", "a@x.org", "a@b.museum", "A@B.ORG", "a.b@x.org", "a+tag@x.org",
		"!#$%&'*+/=?^_`{}|~-@x.org", "a@localhost", "a@[127.0.0.1]", "a@[::1]", "a@[::ffff:1.2.3.4]", "a@[1:2:3:4:5:6:7::]",
		`"a"@x.org`, `""@x.org`, `"a@b"@x.org`, `"a\"b"@x.org`, `"a\ b"@x.org`, "\"a\x01\"@x.org", "\"\x7f\"@x.org", "\"\\\t\"@x.org",
		"a@b.-org", "a@b.c-d", "a@x--y.com", "a@ab--cd.com", "a@xn--exmple-cua.com", "a@1.22",
		"a@exämple.com", "a@ÄB.COM", "a@ß.de", "a@日本.jp", "a@例え.テスト", "a@😀.org", "a@ä。com", "a@ｅxample.com", "a@אב.com", "a@ﬁ.com", "a@-ä.com", "a@ä-.com",
		"a@" + strings.Repeat("b", 63) + ".org", "a@" + strings.Repeat("ä", 50) + ".com", strings.Repeat("a", 314) + "@b.org",
	}
	invalid := []string{
		"", "a", "@", "a@", "@b.org", "plainaddress", "a@b", "a@b.c", "a@b..com", "a@.b.org", "a@b.org.", "a@-b.com", "a@b-.com", "a@b.org-", "a@b_c.com",
		".a@x.org", "a.@x.org", "a..b@x.org", "a@b@x.org", "a b@x.org", "a@x .org", "a\n@x.org", "a@x.org\n", "a@LOCALHOST", "a@localhost.",
		`"a b"@x.org`, `"a"b"@x.org`, `"\"@x.org`, `"@x.org`, "\"a\t\"@x.org", "\"a\\\n\"@x.org", "\"é\"@x.org", "\"\\é\"@x.org",
		"Bob <bob@example.com>", "a(b)@x.org", "a,b@x.org", `a\b@x.org`, "mailto:a@b.org", "a@b.org?x", "a@ex%61mple.com",
		"a@127.0.0.1", "a@[127.0.0.01]", "a@[1.2.3]", "a@[]", "a@[::1", "a@::1]", "a@[::1%1]", "a@[IPv6:::1]", "a@[::1].org", "a@[1::2:3:4:5:6:7:8]",
		"ä@x.org", "a@日本", "a@ex..ämple.com", "a@ämple.", "a@ä_b.com", "a@ä b.com", "a@ä.b", "a@ä@b.org",
		"a@xn--ä.com", "a@אa.com", "a@\u0661א.com", "a@\uFFFDä.com", "a@ä\x00.com", "a@ä\xff.com", "a@" + strings.Repeat("ä", 60) + ".com",
		"a@" + strings.Repeat("b", 64) + ".org", strings.Repeat("a", 315) + "@b.org",
		// Django takes these: see ValidEmail.
		"\u017f@x.org", "\u212a@x.org", "\u0131@x.org",
	}
	for _, s := range valid {
		if !auth.ValidEmail(s) {
			t.Errorf("%q is refused", s)
		}
	}
	for _, s := range invalid {
		if auth.ValidEmail(s) {
			t.Errorf("%q is taken", s)
		}
	}
}

// ROW 12
func FuzzEmail(f *testing.F) {
	for _, s := range []string{"a@example.com", "a@exämple.com", `"a\"b"@[::1]`, "a@localhost", "\u212a@k.org", "a@xn--a.com", "a@\u05d0.com", "@", "a@b@c.org"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if !auth.ValidEmail(s) {
			return
		}
		if !utf8.ValidString(s) || utf8.RuneCountInString(s) > 320 || strings.ContainsAny(s, "\x00\r\n") {
			t.Fatalf("took %q", s)
		}
		at := strings.LastIndexByte(s, '@')
		for _, r := range s[:at] {
			if r >= utf8.RuneSelf {
				t.Fatalf("took a local part outside of ASCII: %q", s)
			}
		}
		e, ok := auth.ParseEmail(s)
		if !ok {
			return
		}
		// The key is a fixed point: it is its own account's.
		again, ok := auth.ParseEmail(e.Key)
		if !ok || again.Key != e.Key {
			t.Fatalf("%q has the key %q, which has the key %q", s, e.Key, again.Key)
		}
		if shown, ok := auth.ParseEmail(e.Shown); !ok || shown.Key != e.Key {
			t.Fatalf("%q is shown as %q, whose key is %q, not %q", s, e.Shown, shown.Key, e.Key)
		}
	})
}

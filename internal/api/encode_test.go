package api

import (
	"encoding/json"
	"testing"
	"time"
	"unicode/utf8"
)

func TestAppendString(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"":                 `""`,
		`<>&'"\/`:          `"<>&'\"\\/"`,
		"\b\f\n\r\t":       `"\b\f\n\r\t"`,
		"\x00\x01\x1f\x7f": `"\u0000\u0001\u001f` + "\x7f" + `"`,
		"é日本😀":             `"é日本😀"`,
		"a\u2028b\u2029c":  `"a\u2028b\u2029c"`,
		"\u2027\u202a":     "\"\u2027\u202a\"",
		"a\xffb\xed\xa0":   "\"a\uFFFDb\uFFFD\uFFFD\"",
		"\uFFFD":           "\"\uFFFD\"",
	} {
		if have := string(appendString(nil, in)); have != want {
			t.Errorf("%q: have %s, want %s", in, have, want)
		}
	}
}

func FuzzAppendString(f *testing.F) {
	f.Add("a\u2028\x00\xff\"\\")
	f.Fuzz(func(t *testing.T, s string) {
		out := appendString(nil, s)
		var back string
		if err := json.Unmarshal(out, &back); err != nil {
			t.Fatalf("%q: %v", out, err)
		}
		if utf8.ValidString(s) && back != s || !utf8.Valid(out) {
			t.Fatalf("%q came back as %q", s, back)
		}
	})
}

func TestAppendTime(t *testing.T) {
	t.Parallel()
	for micro, want := range map[int64]string{
		1795409681123456: "2026-11-23T04:54:41.123456Z",
		1795409681100000: "2026-11-23T04:54:41.100000Z",
		1795409681000001: "2026-11-23T04:54:41.000001Z",
		1795409681000000: "2026-11-23T04:54:41Z",
	} {
		if have := string(appendTime(nil, time.UnixMicro(micro).Add(999))); have != want {
			t.Errorf("have %s, want %s", have, want)
		}
	}
}

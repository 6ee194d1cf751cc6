package password

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// read decodes one of gen.py's files.
func read(t testing.TB, name string, into any) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, into); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
}

// TestPython compares every code point that Python's Unicode version knows.
func TestPython(t *testing.T) {
	var python struct {
		Unicode                      string
		Assigned, Word, Digit, Space [][2]rune
		Lower                        map[string]string
		Sigma                        [][2]string
		Splits                       []json.RawMessage
	}
	read(t, "python.json", &python)

	set := func(ranges [][2]rune) map[rune]bool {
		m := make(map[rune]bool)
		for _, r := range ranges {
			for c := r[0]; c <= r[1]; c++ {
				m[c] = true
			}
		}
		return m
	}
	lowers := make(map[string]string)
	for code, want := range python.Lower {
		var c rune
		for _, d := range code {
			c = c<<4 | rune(slices.Index([]rune("0123456789abcdef"), d))
		}
		lowers[string(c)] = want
	}
	word, digit, space := set(python.Word), set(python.Digit), set(python.Space)
	n := 0
	for c := range set(python.Assigned) {
		n++
		s := string(c)
		if got := wordRune(c); got != word[c] {
			t.Errorf("wordRune(%U) = %v, Python %s says %v", c, got, python.Unicode, word[c])
		}
		if got := isDigits(s); got != digit[c] {
			t.Errorf("isDigits(%U) = %v, Python %s says %v", c, got, python.Unicode, digit[c])
		}
		if got := strip(s) == ""; got != space[c] {
			t.Errorf("strip(%U) is empty: %v, Python %s says %v", c, got, python.Unicode, space[c])
		}
		want, ok := lowers[s]
		if !ok {
			want = s
		}
		if got := lower(s); got != want {
			t.Errorf("lower(%U) = %q, Python %s says %q", c, got, python.Unicode, want)
		}
	}
	if n < 280_000 {
		t.Errorf("only %d code points compared", n)
	}

	for _, c := range python.Sigma {
		if got := lower(c[0]); got != c[1] {
			t.Errorf("lower(%q) = %q, Python says %q", c[0], got, c[1])
		}
	}
	for _, raw := range python.Splits {
		var text string
		var want []string
		if err := json.Unmarshal(raw, &[]any{&text, &want}); err != nil {
			t.Fatal(err)
		}
		if got := splitWords(text); !slices.Equal(got, want) {
			t.Errorf("splitWords(%q) = %q, Python says %q", text, got, want)
		}
	}
	if len(python.Sigma) < 2000 || len(python.Splits) < 1000 {
		t.Errorf("%d and %d cases, want 2000 and 1000", len(python.Sigma), len(python.Splits))
	}
}

func TestIsDigits(t *testing.T) {
	for s, want := range map[string]bool{"": false, "12": true, "²③४": true, "12a": false, "½": false, " 1": false, "Ⅷ": false} {
		if got := isDigits(s); got != want {
			t.Errorf("isDigits(%q) = %v, want %v", s, got, want)
		}
	}
}

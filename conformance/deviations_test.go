package conformance_test

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/pelletier/go-toml/v2"
)

// deviation is an entry of deviations.toml. What is nil is as recorded.
type deviation struct {
	Row    string   `toml:"row"`
	Cases  []string `toml:"cases"`
	Except []string `toml:"except"`

	Status  *int              `toml:"status"`
	Body    *string           `toml:"body"`
	Headers map[string]string `toml:"headers"`
	// Tokens are the kinds of the tokens in the body, each as register, login
	// or a refresh mints it.
	Tokens []string `toml:"tokens"`
	// TokenHeader and TokenClaims change what is said of every token: its
	// header, and which claims follow those of the real stack, by the token's
	// kind.
	TokenHeader string                 `toml:"token_header"`
	TokenClaims map[string][][2]string `toml:"token_claims"`
}

// deviations reads deviations.toml.
func deviations(t *testing.T) []deviation {
	t.Helper()
	raw, err := os.ReadFile("deviations.toml")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Deviation []deviation `toml:"deviation"`
	}
	d := toml.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	if err := d.Decode(&file); err != nil {
		t.Fatal(err)
	}
	return file.Deviation
}

// matches reports whether a name is what a pattern says, whose one * stands
// for any run of characters, and gives that run.
func matches(pattern, name string) (string, bool) {
	head, tail, star := strings.Cut(pattern, "*")
	if !star {
		return "", name == pattern
	}
	rest, ok := strings.CutPrefix(name, head)
	if !ok {
		return "", false
	}
	return strings.CutSuffix(rest, tail)
}

func (d deviation) matches(name string) bool {
	is := func(pattern string) bool {
		_, ok := matches(pattern, name)
		return ok
	}
	return slices.ContainsFunc(d.Cases, is) && !slices.ContainsFunc(d.Except, is)
}

// parts are what a deviation changes, by the names that compare uses.
func (d deviation) parts() []string {
	parts := slices.Sorted(maps.Keys(d.Headers))
	if d.Status != nil {
		parts = append(parts, "status")
	}
	if d.Body != nil {
		parts = append(parts, "body")
	}
	if d.Tokens != nil || d.TokenHeader != "" || d.TokenClaims != nil {
		parts = append(parts, "tokens")
	}
	return parts
}

// recorded is what the recording says of a case.
func recorded(e exchange) want {
	return want{status: e.Status, body: e.Body, headers: e.Headers, tokens: e.Tokens}
}

// apply changes what is wanted.
func (d deviation) apply(w want) want {
	if d.Status != nil {
		w.status = *d.Status
	}
	if d.Body != nil {
		w.body = *d.Body
	}
	if len(d.Headers) > 0 {
		w.headers = maps.Clone(w.headers)
		maps.Copy(w.headers, d.Headers)
	}
	if d.Tokens != nil {
		w.tokens = nil
		for _, kind := range d.Tokens {
			w.tokens = append(w.tokens, minted(kind))
		}
	}
	return w
}

// retoken changes what is wanted of each token, after apply.
func (d deviation) retoken(w want) want {
	if d.TokenHeader == "" && d.TokenClaims == nil {
		return w
	}
	w.tokens = slices.Clone(w.tokens)
	for i := range w.tokens {
		if d.TokenHeader != "" {
			w.tokens[i].Header = d.TokenHeader
		}
		kind := w.tokens[i].Claims[0].Says
		w.tokens[i].Claims = slices.Clone(w.tokens[i].Claims)
		for _, c := range d.TokenClaims[kind] {
			w.tokens[i].Claims = append(w.tokens[i].Claims, claim{c[0], c[1]})
		}
	}
	return w
}

// expected is what we should answer in a case, and which deviations say so.
func expected(e exchange, all []deviation) (want, []int) {
	w := recorded(e)
	var used []int
	for i, d := range all {
		if d.matches(e.Name) {
			used = append(used, i)
			w = d.apply(w)
		}
	}
	for _, i := range used {
		w = all[i].retoken(w)
	}
	return w, used
}

// rows are the first cells of the tables of docs/deviations.md.
func rows(t *testing.T) []string {
	t.Helper()
	page, err := os.ReadFile("../docs/deviations.md")
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for line := range strings.Lines(string(page)) {
		if cells := strings.Split(line, " | "); strings.HasPrefix(line, "| ") && len(cells) == 3 {
			out = append(out, strings.TrimPrefix(cells[0], "| "))
		}
	}
	return out
}

// TestDeviationsAreNamed: each entry stands on a row of the public page, each
// of its patterns meets a case, no two entries say the same part of one case,
// and no entry changes nothing.
func TestDeviationsAreNamed(t *testing.T) {
	named, cases := rows(t), recording(t)
	if len(named) < 20 {
		t.Fatalf("found %d rows in docs/deviations.md", len(named))
	}
	taken := make(map[string]int)
	for i, d := range deviations(t) {
		label := fmt.Sprintf("deviation %d (%.40s…)", i+1, d.Row)
		if !slices.Contains(named, d.Row) {
			t.Errorf("%s: docs/deviations.md has no row that begins %q", label, d.Row)
		}
		if len(d.parts()) == 0 {
			t.Errorf("%s says nothing", label)
		}
		for name := range d.Headers {
			if !slices.Contains(compared, name) {
				t.Errorf("%s: %s is not compared", label, name)
			}
		}
		for _, pattern := range slices.Concat(d.Cases, d.Except) {
			if !slices.ContainsFunc(cases, func(e exchange) bool { _, ok := matches(pattern, e.Name); return ok }) {
				t.Errorf("%s: no case is %q", label, pattern)
			}
		}
		for _, e := range cases {
			if !d.matches(e.Name) {
				continue
			}
			for _, part := range d.parts() {
				if part == "tokens" && d.Tokens == nil {
					continue // Those add to what others say.
				}
				key := e.Name + "\x00" + part
				if other, ok := taken[key]; ok {
					t.Errorf("%s: deviation %d, too, says the %s of %q", label, other, part, e.Name)
				}
				taken[key] = i + 1
			}
		}
	}
}

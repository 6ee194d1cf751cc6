package password

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func policy(t testing.TB, o PolicyOptions) *Policy {
	t.Helper()
	p, err := NewPolicy(o)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func codes(problems []Problem) string {
	var s []string
	for _, p := range problems {
		code := p.Code
		for _, v := range p.Params {
			b, _ := json.Marshal(v)
			code += " " + string(b)
		}
		s = append(s, code)
	}
	return strings.Join(s, ", ")
}

// TestRatio is difflib's own answers.
func TestRatio(t *testing.T) {
	var cases []json.RawMessage
	read(t, "ratios.json", &cases)
	if len(cases) != 3000 {
		t.Fatalf("%d cases, want 3000", len(cases))
	}
	for _, raw := range cases {
		var a, b string
		var ratio float64
		var far bool
		if err := json.Unmarshal(raw, &[]any{&a, &b, &ratio, &far}); err != nil {
			t.Fatal(err)
		}
		ca, cb := tally(a), tally(b)
		if got := ca.ratio(cb); got != ratio {
			t.Errorf("ratio(%q, %q) = %v, difflib says %v", a, b, got, ratio)
		}
		if got := outOfReach(ca.length, cb.length); got != far {
			t.Errorf("outOfReach(%q, %q) = %v, Django says %v", a, b, got, far)
		}
	}
}

// TestSimilarEdge: 0.7 is too similar, 0.69 is not.
func TestSimilarEdge(t *testing.T) {
	for pw, want := range map[string]string{"abcdefgXYZ": `password_too_similar "last name"`, "abcdefgWXYZ": ""} {
		if got := codes(policy(t, PolicyOptions{}).Validate(pw, Attribute{"last name", "Abcdefghij"})); got != want {
			t.Errorf("%s: %s, want %s", pw, got, want)
		}
	}
}

// TestPolicyAsDjango is what Django 3.2.25's validate_password answers.
func TestPolicyAsDjango(t *testing.T) {
	var cases []struct {
		Password, First, Last, Email string
		Problems                     [][]any
	}
	read(t, "policy.json", &cases)
	if len(cases) != 2000 {
		t.Fatalf("%d cases, want 2000", len(cases))
	}
	p := policy(t, PolicyOptions{})
	for _, c := range cases {
		var want []Problem
		for _, w := range c.Problems {
			want = append(want, Problem{w[0].(string), w[1:]})
		}
		got := p.django(c.Password, lower(c.Password), []Attribute{{"first name", c.First}, {"last name", c.Last}, {"email address", c.Email}})
		if codes(got) != codes(want) {
			t.Errorf("%q for %q %q %q: %s, Django says %s", c.Password, c.First, c.Last, c.Email, codes(got), codes(want))
		}
	}
}

// TestPolicyRecorded is conformance/recorded.json's weak passwords.
func TestPolicyRecorded(t *testing.T) {
	const email = "u17.someone@example.com"
	for _, c := range []struct{ password, first, email, want string }{
		{"password1", "Bartholomew", email, "password_too_common"},
		{" password1 ", "Bartholomew", email, "password_too_common"},
		{"9038475610", "Bartholomew", email, "password_entirely_numeric"},
		{"12345678", "Bartholomew", email, "password_too_common, password_entirely_numeric"},
		{"123", "John", email, "password_too_short 8, password_too_common, password_entirely_numeric"},
		{"bartholomew1", "Bartholomew", email, `password_too_similar "first name"`},
		{"u17.someone1", "Bartholomew", email, `password_too_similar "email address"`},
		{email, "Bartholomew", email, `password_too_similar "email address"`},
		{"example1", "Bartholomew", email, `password_too_similar "email address"`},
		{"monkey", "monkey", email, `password_too_similar "first name", password_too_short 8, password_too_common`},
		{"Bartholomew", "Bartholomew", "bartholomew@example.com", `password_too_similar "first name"`},
		{"😀😀😀😀", "John", email, "password_too_short 8"},
		{"😀😁😂😃😄😅😆😇", "John", email, ""},
		{"aZ3!x9qK", "John", email, ""},
		{"  c0rrect-Horse-42 ", "John", email, ""},
		{strings.Repeat("aZ3!", 1250), "John", email, ""},
	} {
		got := policy(t, PolicyOptions{}).Validate(c.password, Attribute{"first name", c.first},
			Attribute{"last name", "Featherstone"}, Attribute{"email address", c.email})
		if codes(got) != c.want {
			t.Errorf("%.30q: %s, recorded: %s", c.password, codes(got), c.want)
		}
	}
}

func TestPolicyOptions(t *testing.T) {
	name := filepath.Join(t.TempDir(), "list.txt")
	if err := os.WriteFile(name, []byte("Zebra-Crossing-9\r\n\n  \nother-word-88"), 0o600); err != nil {
		t.Fatal(err)
	}
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	z.Write([]byte("packed-word-77\n"))
	z.Close()
	if err := os.WriteFile(name+".gz", packed.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		options        PolicyOptions
		password, want string
	}{
		{PolicyOptions{MinLength: 15}, "14-characters!", "password_too_short 15"},
		{PolicyOptions{MinLength: 15}, "15-characters!!", ""},
		{PolicyOptions{}, "9038475610", "password_entirely_numeric"},
		{PolicyOptions{AllowNumeric: true}, "9038475610", ""},
		{PolicyOptions{List: name}, "zebra-crossing-9", "password_too_common"},
		{PolicyOptions{List: name}, "\tZEBRA-crossing-9 ", "password_too_common"},
		{PolicyOptions{List: name}, "other-word-88", "password_too_common"},
		{PolicyOptions{List: name}, "password1", "password_too_common"},
		{PolicyOptions{List: name}, "          ", ""},
		{PolicyOptions{List: name + ".gz"}, "packed-word-77", "password_too_common"},
		{PolicyOptions{}, strings.Repeat("x", MaxLength), ""},
		{PolicyOptions{}, strings.Repeat("1", MaxLength+1), "password_too_long 65536"},
	} {
		if got := codes(policy(t, c.options).Validate(c.password)); got != c.want {
			t.Errorf("%+v %.30q: %s, want %s", c.options, c.password, got, c.want)
		}
	}
}

func TestPolicyOptionsRefused(t *testing.T) {
	broken := filepath.Join(t.TempDir(), "broken.gz")
	if err := os.WriteFile(broken, []byte("\x1f\x8bnot gzip"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, o := range []PolicyOptions{{MinLength: 7}, {MinLength: 1}, {MinLength: -1}, {MinLength: 129}, {List: broken}, {List: broken + ".none"}} {
		if _, err := NewPolicy(o); err == nil {
			t.Errorf("%+v is accepted", o)
		}
	}
}

// TestListIsDjangos: ASVS 6.2.4, whose check is that all of them are refused.
func TestListIsDjangos(t *testing.T) {
	z, err := gzip.NewReader(bytes.NewReader(commonGz))
	if err != nil {
		t.Fatal(err)
	}
	var text bytes.Buffer
	if _, err := text.ReadFrom(z); err != nil {
		t.Fatal(err)
	}
	p := policy(t, PolicyOptions{})
	n := 0
	for line := range strings.Lines(text.String()) {
		n++
		word := strings.TrimSpace(line)
		if !p.common().has(word) {
			t.Errorf("%q is not in the list", word)
		}
		if near := word + "\x00"; p.common().has(near) {
			t.Errorf("%q is in the list", near)
		}
	}
	if n != 19727 || len(p.common().ends) != n {
		t.Errorf("%d lines, %d words, want 19727", n, len(p.common().ends))
	}
	for _, word := range []string{"", "\x00", "~~~~~~~~", "zzzzzzzzzzzzz~"} {
		if p.common().has(word) {
			t.Errorf("%q is in the list", word)
		}
	}
}

// TestListMemory holds the list, once read, to a quarter of a MiB.
func TestListMemory(t *testing.T) {
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	l := djangoList()
	runtime.GC()
	runtime.ReadMemStats(&after)
	if kept := int64(after.HeapAlloc) - int64(before.HeapAlloc); kept > 300<<10 {
		t.Errorf("the list keeps %d KiB", kept>>10)
	}
	runtime.KeepAlive(l)
}

func TestProblemsCompare(t *testing.T) {
	got := policy(t, PolicyOptions{}).Validate("monkey", Attribute{"last name", "Monkey"})
	want := []Problem{{CodeSimilar, []any{"last name"}}, {CodeShort, []any{8}}, {CodeCommon, nil}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func FuzzValidate(f *testing.F) {
	f.Add("bartholomew1", "Bartholomew", "b@example.com")
	f.Add("ΟΔΥΣΣΕΥΣ", "İ\u0307", "\xff\xfe@\x00")
	f.Add("", "", " ")
	p := policy(f, PolicyOptions{})
	f.Fuzz(func(t *testing.T, pw, name, email string) {
		got := p.Validate(pw, Attribute{"first name", name}, Attribute{"email address", email})
		order := map[string]int{CodeLong: 0, CodeSimilar: 1, CodeShort: 2, CodeCommon: 3, CodeNumeric: 4, CodeContext: 5}
		last := -1
		for _, problem := range got {
			if order[problem.Code] <= last {
				t.Errorf("%q: out of order: %s", pw, codes(got))
			}
			last = order[problem.Code]
		}
	})
}

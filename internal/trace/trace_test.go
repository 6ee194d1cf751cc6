package trace_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/latchkey-auth/latchkey/internal/trace"
)

var rewrite = flag.Bool("update", false, "rewrite docs/security.md")

// TestRequirements holds the list against the figures of ASVS 5.0 that it was
// taken from: chapters, levels, and each number once.
func TestRequirements(t *testing.T) {
	t.Parallel()
	lists, err := trace.Requirements()
	if err != nil {
		t.Fatal(err)
	}
	var due, later [4]int
	absent := 0
	seen := make(map[string]bool)
	for _, r := range lists[trace.ASVS] {
		if seen[r.Number] {
			t.Errorf("%s is there twice", r.Number)
		}
		seen[r.Number] = true
		switch {
		case r.Beside:
		case r.Absent:
			absent++
		case r.Feature != "":
			later[r.Level]++
		default:
			due[r.Level]++
		}
		if r.What == "" || !r.Absent && (r.Level < 1 || r.Level > 3) {
			t.Errorf("%+v", r)
		}
	}
	if due != [4]int{0, 31, 64, 21} || later != [4]int{0, 5, 36, 18} || absent != 14 {
		t.Errorf("due %v, with a feature %v, absent %d", due, later, absent)
	}
	for kind, want := range map[trace.Kind]int{trace.Lesson: 40, trace.Figure: 30} {
		if len(lists[kind]) != want {
			t.Errorf("%d of %s, want %d", len(lists[kind]), kind, want)
		}
	}
}

// TestPage: every tag of the tree means something, and docs/security.md is what
// the tags say.
func TestPage(t *testing.T) {
	t.Parallel()
	root := filepath.Join("..", "..")
	tags, problems, err := trace.Collect(os.DirFS(root))
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Error(p)
	}
	report, err := trace.Judge(tags, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Log(report.Totals(trace.Tagged))
	page := filepath.Join(root, "docs", "security.md")
	if *rewrite {
		if err := os.WriteFile(page, []byte(report.Page()), 0o644); err != nil { //nolint:gosec // A page for everybody.
			t.Fatal(err)
		}
	}
	if have, err := os.ReadFile(page); err != nil || string(have) != report.Page() {
		t.Errorf("docs/security.md is not what the tags say: run this test with -update (%v)", err)
	}
}

// TestCollect: what is a tag, and what only looks like one.
func TestCollect(t *testing.T) {
	t.Parallel()
	tree := fstest.MapFS{}
	for name, text := range map[string]string{
		"a/a_test.go": "package a\n\n// TestGood is good.\n//\n// ASVS 7.4.1, 7.4.2\n// LESSON 13\nfunc TestGood(t *testing.T) {}\n\n" +
			"// ROW 12\nfunc FuzzGood(f *testing.F) {}\n\n" +
			"// ASVS 7.4.1\nfunc help(t *testing.T) {}\n\n// ASVS 7.4.1\nfunc Testhelp(t *testing.T) {}\n\n" +
			"// ASVS 7.4.1\nfunc TestTwo(t *testing.T, n int) {}\n\n// ASVS 7.99.1\nfunc TestUnknown(t *testing.T) {}\n\n" +
			"// LESSON: 13\nfunc TestColon(t *testing.T) {}\n\n// ASVS 7.4.1 and more\nfunc TestProse(t *testing.T) {}\n\n" +
			"// See ASVS 7.4.1 for the reason.\nfunc TestNone(t *testing.T) {\n\t// LESSON 1\n}\n",
		"a/a.go":                "package a\n\n// ASVS 7.4.1\nfunc A() {}\n",
		"a/testdata/b_test.go":  "no Go",
		"node_modules/x.md":     "<!-- ASVS 7.4.1 -->\ntext\n",
		"web/src/x.test.tsx":    "// ASVS 14.2.3\n// and why\ntest(\"a \\\"title\\\"\", async () => {});\n\n// ASVS 14.3.3\ntest.each(modes)(\n  `in ${mode} mode`, () => {});\n// ASVS 14.3.3\nconst x = 1;\n",
		"e2e/browser/x.spec.ts": "  // ROW 15\n  test('one', () => {});\n// ROW 15\ntest(screen.name, () => {});\n// ROW 15\ntest.skip(\"two\", () => {});\n",
		"docs/x.md": "# Page\n\n<!-- ASVS 7.1.1 -->\nA passage.\n\n<!-- ASVS 7.1.2 -->\n## Of `limits`, and more\n\nAnother.\n\n" +
			"<!-- ASVS 8.1.1 -->\n\n<!-- ASVS 8.1.2 -->\n\n## Empty\n\n## Last\n\n```\n<!-- ASVS 8.1.3 -->\n```\n",
		"scripts/run": "#!/bin/sh\n# ROW 29\ntrue\n# ROWdy comment\n# ROW 77\n",
	} {
		tree[name] = &fstest.MapFile{Data: []byte(text)}
	}
	tags, problems, err := trace.Collect(tree)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, tag := range tags {
		got = append(got, string(tag.Kind)+" "+tag.Number+" "+tag.File+" "+tag.Test+tag.Anchor())
	}
	want := []string{
		"ASVS 7.4.1 a/a_test.go TestGood", "ASVS 7.4.2 a/a_test.go TestGood", "LESSON 13 a/a_test.go TestGood", "ROW 12 a/a_test.go FuzzGood",
		"ASVS 7.1.1 docs/x.md page", "ASVS 7.1.2 docs/x.md of-limits-and-more",
		"ROW 15 e2e/browser/x.spec.ts one", "ROW 15 e2e/browser/x.spec.ts ${screen.name}", "ROW 29 scripts/run ",
		`ASVS 14.2.3 web/src/x.test.tsx a \"title\"`, "ASVS 14.3.3 web/src/x.test.tsx in ${mode} mode",
	}
	if !slices.Equal(got, want) {
		t.Errorf("tags:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	slices.Sort(problems)
	wrong := []string{
		"a/a_test.go:12: a tag stands", "a/a_test.go:15: a tag stands", "a/a_test.go:18: a tag stands", "a/a_test.go:21: there is no ASVS 7.99.1",
		"a/a_test.go:24: a tag is the word", "a/a_test.go:27: a tag is the word", "a/a_test.go:32: a tag stands",
		"docs/x.md:11: there is no passage", "docs/x.md:13: there is no passage", "e2e/browser/x.spec.ts:5: the test is skipped",
		"scripts/run:5: there is no ROW 77", "web/src/x.test.tsx:8: a tag stands",
	}
	if len(problems) != len(wrong) {
		t.Errorf("%d problems, want %d:\n%s", len(problems), len(wrong), strings.Join(problems, "\n"))
	}
	for _, w := range wrong {
		if !slices.ContainsFunc(problems, func(p string) bool { return strings.HasPrefix(p, w) }) {
			t.Errorf("no problem begins %q:\n%s", w, strings.Join(problems, "\n"))
		}
	}
}

// TestJudge: one bad result is enough, a passage alone is not, and what was not
// run is not met.
func TestJudge(t *testing.T) {
	t.Parallel()
	good, bad := trace.Result{Result: "pass"}, trace.Result{Result: "skip"}
	tag := func(number, file, test string) trace.Tag {
		return trace.Tag{Kind: trace.ASVS, Number: number, File: file, Test: test}
	}
	tags := []trace.Tag{
		tag("7.4.1", "e2e/x_test.go", "TestA"), tag("7.4.1", "e2e/browser/x.spec.ts", "in ${mode} mode"),
		tag("7.4.2", "e2e/x_test.go", "TestA"), tag("7.4.2", "sdk/go/y_test.go", "TestB"),
		tag("7.4.3", "e2e/x_test.go", "TestGone"),
		tag("7.4.5", "docs/x.md", ""), tag("7.1.1", "docs/x.md", ""),
	}
	report, err := trace.Judge(tags, trace.Results{
		"github.com/latchkey-auth/latchkey/e2e.TestA":    good,
		"github.com/latchkey-auth/latchkey/sdk/go.TestB": bad,
		"e2e/browser/x.spec.ts\x00in cookie mode":        good,
		"e2e/browser/x.spec.ts\x00in hybrid mode":        good,
		"e2e/browser/x.spec.ts\x00elsewhere":             bad,
	})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]trace.State{
		"7.4.1": trace.Met, "7.4.2": trace.Failing, "7.4.3": trace.NotRun, "7.4.5": trace.Untested, "7.1.1": trace.Met,
		"7.1.3": trace.Later, "4.3.1": trace.Absent,
	}
	for _, e := range report[trace.ASVS] {
		if w, ok := want[e.Number]; ok && e.State != w {
			t.Errorf("%s is %s, want %s", e.Number, e.State, w)
		}
	}
	if !report.Failing() {
		t.Error("nothing fails")
	}
	var out strings.Builder
	report.Print(&out)
	for _, line := range []string{
		"7 Session management               1/6       1/9       0/1         1     13\n",
		"failing  ASVS 7.4.2 (L1): Deactivation and deletion end all sessions\n         sdk/go/y_test.go:TestB: skip\n",
		"not run  ASVS 7.4.3 (L2)", "met: L1 1/31, L2 1/64, L3 0/21, lessons 0/38, figures 0/30\n",
	} {
		if !strings.Contains(out.String(), line) {
			t.Errorf("no %q in:\n%s", line, &out)
		}
	}
	if page := report.Page(); !strings.Contains(page, "| 7.4.5 | 2 | Administrators can end sessions | **untested**; explained in [x.md](x.md) |\n") {
		t.Error(page)
	}
}

// TestResults reads what vitest and Playwright write.
func TestResults(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	dir := filepath.Join(root, ".cache", "results")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	name, _ := json.Marshal(filepath.Join(root, "web", "src", "x.test.ts"))
	for file, text := range map[string]string{
		"go.json":  `{"p.TestA":{"result":"pass","when":"2026-01-02T03:04:05Z"}}`,
		"web.json": `{"startTime":1767323045000,"testResults":[{"name":` + string(name) + `,"assertionResults":[{"title":"a","status":"passed"},{"title":"a","status":"failed"},{"title":"b","status":"todo"}]}]}`,
		"browser.json": `{"stats":{"startTime":"2026-01-02T03:04:05Z"},"suites":[{"file":"x.spec.ts","specs":[{"title":"c","ok":true,"tests":[{"status":"expected"}]}],
			"suites":[{"file":"x.spec.ts","specs":[{"title":"d","ok":false,"tests":[{"status":"unexpected"}]},{"title":"e","ok":true,"tests":[{"status":"skipped"}]}]}]}]}`,
	} {
		if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	got, err := trace.ReadResults(dir)
	if err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]string{
		"p.TestA": "pass", "web/src/x.test.ts\x00a": "fail", "web/src/x.test.ts\x00b": "skip",
		"e2e/browser/x.spec.ts\x00c": "pass", "e2e/browser/x.spec.ts\x00d": "fail", "e2e/browser/x.spec.ts\x00e": "skip",
	} {
		if got[key].Result != want {
			t.Errorf("%q: %q, want %q", key, got[key].Result, want)
		}
	}
	if !got["p.TestA"].When.Equal(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)) {
		t.Errorf("%v", got["p.TestA"].When)
	}
	if none, err := trace.ReadResults(filepath.Join(root, "nowhere", "results")); err != nil || len(none) != 0 {
		t.Errorf("%v %v", none, err)
	}
}

// TestRecord runs tests that pass, fail, are skipped and panic: the output is
// go test's, the exit status too, and what was known of others stays.
func TestRecord(t *testing.T) {
	dir, results := t.TempDir(), filepath.Join(t.TempDir(), "results")
	if err := os.MkdirAll(results, 0o755); err != nil {
		t.Fatal(err)
	}
	for file, text := range map[string]string{
		filepath.Join(dir, "go.mod"):      "module example.com/m\n\ngo 1.26\n",
		filepath.Join(results, "go.json"): `{"example.com/other.TestOld":{"result":"pass","when":"2026-01-02T03:04:05Z"}}`,
		filepath.Join(dir, "m_test.go"): `package m

import "testing"

func TestGood(t *testing.T) { t.Log("not said") }
func TestBad(t *testing.T) { t.Run("part", func(t *testing.T) { t.Error("the reason") }) }
func TestPartly(t *testing.T) { t.Run("part", func(t *testing.T) { t.Skip("no server") }) }
func TestPanic(t *testing.T) { panic("the last words") }
`,
	} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Chdir(dir)
	var out bytes.Buffer
	if err := trace.Record(t.Context(), results, []string{"-count=1", "."}, &out); err == nil {
		t.Errorf("no error:\n%s", &out)
	} else {
		t.Log(err)
	}
	for _, want := range []string{"--- FAIL: TestBad", "the reason", "the last words", "FAIL\texample.com/m"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in:\n%s", want, &out)
		}
	}
	if strings.Contains(out.String(), "not said") || strings.Contains(out.String(), "=== RUN") {
		t.Errorf("a passing test's output:\n%s", &out)
	}
	b, err := os.ReadFile(filepath.Join(results, "go.json"))
	if err != nil {
		t.Fatal(err)
	}
	var got map[string]trace.Result
	if err := json.Unmarshal(b, &got); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"example.com/m.TestGood": "pass", "example.com/m.TestBad": "fail", "example.com/m.TestPartly": "skip", "example.com/m.TestPanic": "fail",
		"example.com/other.TestOld": "pass",
	} {
		if got[name].Result != want {
			t.Errorf("%s: %q, want %q", name, got[name].Result, want)
		}
	}
	if err := trace.Record(t.Context(), results, []string{"-run", "Good", "."}, io.Discard); err != nil {
		t.Error(err)
	}
}

// TestPlantedFit: each planted defect still fits the code, so that make planted
// can put it back.
func TestPlantedFit(t *testing.T) {
	t.Parallel()
	root := filepath.Join("..", "..")
	defects, err := trace.Defects(root)
	if err != nil {
		t.Fatal(err)
	}
	if len(defects) < 12 {
		t.Errorf("%d defects", len(defects))
	}
	for _, d := range defects {
		if err := d.Applies(t.Context(), root); err != nil {
			t.Error(err)
		}
	}
}

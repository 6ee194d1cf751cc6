package trace

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

// Result is how a test went the last time: "pass", "fail" or "skip".
type Result struct {
	Result string    `json:"result"`
	When   time.Time `json:"when"`
}

// Results are the kept ones: of Go tests by "import/path.TestName", of the
// others by "file.ts\x00title".
type Results map[string]Result

// goResults is the file that Record keeps, the others are what vitest and
// Playwright write; see their configurations.
const goResults = "go.json"

// ReadResults reads a folder of kept results; one that is not there has none.
func ReadResults(dir string) (Results, error) {
	all := make(Results)
	if err := readJSON(filepath.Join(dir, goResults), &all); err != nil {
		return nil, err
	}
	root, err := filepath.Abs(filepath.Join(dir, "..", ".."))
	if err != nil {
		return nil, err
	}
	for _, name := range []string{"client.json", "web.json"} {
		if err := all.readVitest(filepath.Join(dir, name), root); err != nil {
			return nil, err
		}
	}
	if err := all.readPlaywright(filepath.Join(dir, "browser.json")); err != nil {
		return nil, err
	}
	return all, nil
}

// readJSON leaves into as it is where there is no file.
func readJSON(file string, into any) error {
	b, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		err = json.Unmarshal(b, into)
	}
	if err != nil {
		return fmt.Errorf("read the results %s: %w", file, err)
	}
	return nil
}

// add takes a result, the worst of several with one name.
func (r Results) add(name, result string, when time.Time) {
	if had, ok := r[name]; ok && (had.Result == "fail" || had.Result == "skip" && result == "pass") {
		return
	}
	r[name] = Result{result, when}
}

func (r Results) readVitest(file, root string) error {
	var report struct {
		StartTime   int64 `json:"startTime"`
		TestResults []struct {
			Name             string `json:"name"`
			AssertionResults []struct {
				Title  string `json:"title"`
				Status string `json:"status"`
			} `json:"assertionResults"`
		} `json:"testResults"`
	}
	if err := readJSON(file, &report); err != nil {
		return err
	}
	for _, f := range report.TestResults {
		name, err := filepath.Rel(root, f.Name)
		if err != nil {
			continue
		}
		for _, test := range f.AssertionResults {
			result := map[string]string{"passed": "pass", "failed": "fail"}[test.Status]
			if result == "" {
				result = "skip"
			}
			r.add(filepath.ToSlash(name)+"\x00"+test.Title, result, time.UnixMilli(report.StartTime))
		}
	}
	return nil
}

// suite is Playwright's: a file or a describe.
type suite struct {
	File   string  `json:"file"`
	Suites []suite `json:"suites"`
	Specs  []struct {
		Title string `json:"title"`
		OK    bool   `json:"ok"`
		Tests []struct {
			Status string `json:"status"`
		} `json:"tests"`
	} `json:"specs"`
}

func (r Results) readPlaywright(file string) error {
	var report struct {
		Suites []suite `json:"suites"`
		Stats  struct {
			StartTime time.Time `json:"startTime"`
		} `json:"stats"`
	}
	if err := readJSON(file, &report); err != nil {
		return err
	}
	var walk func(s suite)
	walk = func(s suite) {
		for _, spec := range s.Specs {
			result := "pass"
			for _, test := range spec.Tests {
				if test.Status == "skipped" {
					result = "skip"
				}
			}
			if !spec.OK {
				result = "fail"
			}
			r.add("e2e/browser/"+s.File+"\x00"+spec.Title, result, report.Stats.StartTime)
		}
		for _, inner := range s.Suites {
			walk(inner)
		}
	}
	for _, s := range report.Suites {
		walk(s)
	}
	return nil
}

// modules are the Go modules of the tree: folder and path.
var modules = []struct{ dir, path string }{
	{"sdk/go/", "github.com/latchkey-auth/latchkey/sdk/go/"},
	{"examples/api-go/", "github.com/latchkey-auth/latchkey/examples/api-go/"},
	{"", "github.com/latchkey-auth/latchkey/"},
}

// verb is what stands for a value in a title: ${name}, %s, $field.
var verb = regexp.MustCompile(`\$\{[^}]*\}|%[a-z]|\$[a-z][\w.]*`)

// Of gives how the tag's test went, and whether it was run at all. Of a title
// that stands for several tests the worst counts.
func (r Results) Of(t Tag) (Result, bool) {
	if strings.HasSuffix(t.File, ".go") {
		for _, m := range modules {
			if rest, ok := strings.CutPrefix(t.File, m.dir); ok {
				dir, _ := filepath.Split(rest)
				got, ok := r[strings.TrimSuffix(m.path+dir, "/")+"."+t.Test]
				return got, ok
			}
		}
	}
	var (
		pattern strings.Builder
		last    int
	)
	for _, at := range verb.FindAllStringIndex(t.Test, -1) {
		pattern.WriteString(regexp.QuoteMeta(t.Test[last:at[0]]) + ".*")
		last = at[1]
	}
	pattern.WriteString(regexp.QuoteMeta(t.Test[last:]))
	match, err := regexp.Compile(`^` + pattern.String() + `$`)
	if err != nil {
		return Result{}, false
	}
	worst := make(Results)
	for key, result := range r {
		if file, name, ok := strings.Cut(key, "\x00"); ok && file == t.File && match.MatchString(name) {
			worst.add("", result.Result, result.When)
		}
	}
	got, ok := worst[""]
	return got, ok
}

package trace

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"
)

// Tag is a requirement's number where it stands.
type Tag struct {
	Kind   Kind
	Number string
	// File is relative to the root of the tree, with slashes.
	File string
	Line int
	// Test is the name of the Go function or the title of the TypeScript test,
	// with ${…} and %s as written; "" elsewhere.
	Test string
	// Heading is what the Markdown passage stands under; "" elsewhere.
	Heading string
}

// IsTest reports whether the tag is a test's, so that a result decides.
func (t Tag) IsTest() bool { return t.Test != "" }

// IsPassage reports whether the tag is a passage of the documentation's.
func (t Tag) IsPassage() bool { return strings.HasSuffix(t.File, ".md") }

var (
	tagLine  = regexp.MustCompile(`^\s*(//|#|<!--) ?(ASVS|LESSON|ROW)s?:? +(\d[^>]*?)\s*(-->)?\s*$`)
	listed   = regexp.MustCompile(`^\d+(\.\d+)*(, \d+(\.\d+)*)*$`)
	testCall = regexp.MustCompile(`^\s*(test|it)(\.(each|skip|only|fixme|concurrent|todo|fails))*\(`)
	quoted   = "(\"(?:[^\"\\\\]|\\\\.)*\"|'(?:[^'\\\\]|\\\\.)*'|`(?:[^`\\\\]|\\\\.)*`)"
	title    = regexp.MustCompile(`^\s*(?:test|it)\(\s*` + quoted)
	titleOf  = regexp.MustCompile(`\)\(\s*` + quoted)              // of test.each(…)("title"
	titled   = regexp.MustCompile(`^\s*(?:test|it)\(\s*([\w.]+),`) // test(screen.name, …
	heading  = regexp.MustCompile(`^#{1,6} +(.+?)\s*$`)
)

// passed over are folders that hold no source of ours.
var passedOver = []string{"node_modules", "dist", "bin", "testdata", "results", "screenshots"}

// Collect reads every tag of a tree. The problems are tags that mean nothing;
// each is one line with file and line.
func Collect(tree fs.FS) (tags []Tag, problems []string, err error) {
	known, err := Requirements()
	if err != nil {
		return nil, nil, err
	}
	c := collector{known: make(map[Kind]map[string]bool)}
	for kind, list := range known {
		c.known[kind] = make(map[string]bool, len(list))
		for _, r := range list {
			c.known[kind][r.Number] = true
		}
	}
	err = fs.WalkDir(tree, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if name != "." && (strings.HasPrefix(d.Name(), ".") || slices.Contains(passedOver, d.Name())) {
				return fs.SkipDir
			}
			return nil
		}
		read := c.reader(name)
		if read == nil {
			return nil
		}
		b, err := fs.ReadFile(tree, name)
		if err != nil {
			return err
		}
		read(name, string(b))
		return nil
	})
	if err != nil {
		return nil, nil, fmt.Errorf("look for tags: %w", err)
	}
	slices.SortStableFunc(c.tags, func(a, b Tag) int {
		if a.File != b.File {
			return strings.Compare(a.File, b.File)
		}
		return a.Line - b.Line
	})
	return c.tags, c.problems, nil
}

type collector struct {
	known    map[Kind]map[string]bool
	tags     []Tag
	problems []string
}

// reader gives what reads a file of that name, nil for none.
func (c *collector) reader(name string) func(name, text string) {
	switch {
	case strings.HasSuffix(name, "_test.go"):
		return c.readGo
	case strings.HasSuffix(name, ".test.ts"), strings.HasSuffix(name, ".test.tsx"), strings.HasSuffix(name, ".spec.ts"):
		return c.readTypeScript
	case path.Ext(name) == ".md" && name != "docs/security.md" && name != "CHANGELOG.md":
		return c.readMarkdown
	case strings.HasPrefix(name, "scripts/"), name == "Makefile", strings.HasPrefix(name, "planted/"):
		return c.readScript
	}
	return nil
}

func (c *collector) problem(file string, line int, format string, args ...any) {
	c.problems = append(c.problems, fmt.Sprintf("%s:%d: ", file, line)+fmt.Sprintf(format, args...))
}

// add takes the numbers of a line that looks like a tag; where has what is
// common to them. It reports whether the line is one.
func (c *collector) add(line string, where Tag) bool {
	m := tagLine.FindStringSubmatch(line)
	if m == nil {
		return false
	}
	if !listed.MatchString(m[3]) || strings.Contains(line, m[2]+"s") || strings.Contains(line, m[2]+":") {
		c.problem(where.File, where.Line, "a tag is the word, numbers and commas, not %q", strings.TrimSpace(line))
		return true
	}
	for number := range strings.SplitSeq(m[3], ", ") {
		tag := where
		tag.Kind, tag.Number = Kind(m[2]), number
		if tag.Kind == ASVS && !c.known[ASVS][number] && !ours(number) && strings.Count(number, ".") == 2 {
			continue // Of a chapter that nobody counts here.
		}
		if !c.known[tag.Kind][number] {
			c.problem(where.File, where.Line, "there is no %s %s", tag.Kind, number)
			continue
		}
		c.tags = append(c.tags, tag)
	}
	return true
}

// ours reports whether a requirement is of one of the chapters.
func ours(number string) bool {
	for _, c := range chapters {
		if strings.HasPrefix(number, c.number+".") {
			return true
		}
	}
	return false
}

func (c *collector) readGo(name, text string) {
	set := token.NewFileSet()
	file, err := parser.ParseFile(set, name, text, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		c.problem(name, 0, "%v", err)
		return
	}
	of := make(map[*ast.CommentGroup]string)
	for _, decl := range file.Decls {
		if f, ok := decl.(*ast.FuncDecl); ok && f.Doc != nil && isTest(f) {
			of[f.Doc] = f.Name.Name
		}
	}
	for _, group := range file.Comments {
		for _, comment := range group.List {
			where := Tag{File: name, Line: set.Position(comment.Pos()).Line, Test: of[group]}
			if where.Test == "" && tagLine.MatchString(comment.Text) {
				c.problem(name, where.Line, "a tag stands directly above a test or fuzz function, this one does not")
				continue
			}
			c.add(comment.Text, where)
		}
	}
}

// isTest reports whether go test runs the function.
func isTest(f *ast.FuncDecl) bool {
	if f.Recv != nil || f.Type.Params.NumFields() != 1 {
		return false
	}
	pointer, ok := f.Type.Params.List[0].Type.(*ast.StarExpr)
	if !ok {
		return false
	}
	of, ok := pointer.X.(*ast.SelectorExpr)
	if !ok {
		return false
	}
	for prefix, arg := range map[string]string{"Test": "T", "Fuzz": "F"} {
		rest, ok := strings.CutPrefix(f.Name.Name, prefix)
		if ok && of.Sel.Name == arg && (rest == "" || rest[0] < 'a' || rest[0] > 'z') {
			return true
		}
	}
	return false
}

func (c *collector) readTypeScript(name, text string) {
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		if !tagLine.MatchString(line) {
			continue
		}
		next := i + 1
		for next < len(lines) && strings.HasPrefix(strings.TrimSpace(lines[next]), "//") {
			next++
		}
		if next == len(lines) || !testCall.MatchString(lines[next]) {
			c.problem(name, i+1, "a tag stands directly above test( or it(, this one does not")
			continue
		}
		if strings.Contains(testCall.FindString(lines[next]), ".skip") || strings.Contains(testCall.FindString(lines[next]), ".fixme") {
			c.problem(name, i+1, "the test is skipped")
			continue
		}
		rest := strings.Join(lines[next:], "\n")
		m := title.FindStringSubmatch(rest)
		if m == nil {
			m = titleOf.FindStringSubmatch(rest)
		}
		if m == nil {
			if m = titled.FindStringSubmatch(rest); m != nil {
				m[1] = " ${" + m[1] + "} " // Between quotes, as it were.
			}
		}
		if m == nil {
			c.problem(name, i+1, "the test has no title that can be read")
			continue
		}
		c.add(line, Tag{File: name, Line: i + 1, Test: m[1][1 : len(m[1])-1]})
	}
}

func (c *collector) readMarkdown(name, text string) {
	under := ""
	lines := strings.Split(text, "\n")
	fenced := false
	for i, line := range lines {
		if strings.HasPrefix(line, "```") {
			fenced = !fenced
		}
		if fenced {
			continue
		}
		if m := heading.FindStringSubmatch(line); m != nil {
			under = m[1]
		}
		if !tagLine.MatchString(line) {
			continue
		}
		where := Tag{File: name, Line: i + 1, Heading: under}
		passage := false
		for _, next := range lines[i+1:] {
			next = strings.TrimSpace(next)
			if m := heading.FindStringSubmatch(next); m != nil {
				if where.Heading != under {
					break // A second heading and nothing under the first.
				}
				where.Heading = m[1]
				continue
			}
			if next == "" || tagLine.MatchString(next) {
				continue
			}
			passage = !strings.HasPrefix(next, "<!--")
			break
		}
		if !passage {
			c.problem(name, i+1, "there is no passage under the tag")
			continue
		}
		c.add(line, where)
	}
}

func (c *collector) readScript(name, text string) {
	for i, line := range strings.Split(text, "\n") {
		c.add(line, Tag{File: name, Line: i + 1})
	}
}

// Anchor is the heading's, as GitHub makes it.
func (t Tag) Anchor() string {
	var b strings.Builder
	for _, r := range strings.ToLower(t.Heading) {
		switch {
		case r == ' ':
			b.WriteByte('-')
		case r == '-' || r == '_' || r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r > 0x7f && r != '–' && r != '—' && r != '…' && r != '’':
			b.WriteRune(r)
		}
	}
	return b.String()
}

package faults_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// goroutines is every place in the program that starts one, or has a function
// called on one of its own, and why a panic in it ends neither the process nor
// its work. Whoever adds a place says here what catches a panic there: inside
// internal/server it is supervise.
var goroutines = map[string]string{
	"cmd/latchkey/main.go main AfterFunc":                  "lets a second signal end the process",
	"internal/server/log.go NewLogWriter AfterFunc":        "writes what was buffered",
	"internal/server/server.go Run go":                     "http.Server.Serve: each request has the front's recover",
	"internal/server/server.go Run Go":                     "supervise: TestPanicsBesideRequests",
	"internal/store/sqlite/sqlite.go open go":              "the writer: recovers each act and itself, TestGroupMembersFailAlone and TestPanicAfterACommit",
	"internal/store/sqlite/group.go loop go":               "the writer, after a panic",
	"internal/store/sqlite/mark.go arm AfterFunc":          "recovers",
	"internal/store/sqlite/changes.go listen AfterFunc":    "deletes from a map and closes a channel",
	"internal/store/postgres/batcher.go hire Go":           "recovers each batch: TestBatcher_panic",
	"internal/store/postgres/batcher.go watch AfterFunc":   "counts, and hires",
	"internal/store/postgres/changes.go Changes Go":        "recovers each connection: listenSafely",
	"internal/store/postgres/changes.go Changes AfterFunc": "a context's cancel",
	"internal/password/thread.go apart go":                 "hands the panic to its caller: its test",
	"internal/password/thread.go enter AfterFunc":          "sets GOMAXPROCS",
	"internal/password/thread.go inLanes Go":               "hands the panic to its caller: TestInLanes",
	"cmd/latchkey/shadow.go shadow go":                     "http.Server.Serve: each request has net/http's recover",
	"internal/takeover/shadow.go NewShadow Go":             "recovers each comparison: TestPanicIsOneComparison",
	"internal/takeover/shadow.go Close AfterFunc":          "sets a flag",
	"internal/trace/planted.go Replant Go":                 "a tool of the tests, not in the program",
	"cmd/latchkey/prompt.go askHidden go":                  "the command line: it reads one line",
	"cmd/latchkey/prompt.go confirm go":                    "the command line: it reads one line",
}

// Nothing runs on a goroutine of its own that a panic could end unseen.
//
// ASVS 16.5.4
// LESSON 38
func TestGoroutinesAreCovered(t *testing.T) {
	const root = "../.."
	found := map[string]token.Position{}
	files := token.NewFileSet()
	for _, top := range []string{"cmd", "internal", "web"} {
		err := filepath.WalkDir(filepath.Join(root, top), func(path string, d fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			name, err := filepath.Rel(root, path)
			if err != nil {
				return err
			}
			name = filepath.ToSlash(name)
			switch {
			case d.IsDir() && (d.Name() == "node_modules" || d.Name() == "testdata" || strings.HasPrefix(name, "internal/pgtest") ||
				strings.HasSuffix(d.Name(), "test") && d.Name() != "test"):
				return fs.SkipDir
			case d.IsDir() || !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go"):
				return nil
			}
			f, err := parser.ParseFile(files, path, nil, parser.SkipObjectResolution)
			if err != nil {
				return err
			}
			for _, decl := range f.Decls {
				fn, ok := decl.(*ast.FuncDecl)
				if !ok {
					continue
				}
				ast.Inspect(fn, func(n ast.Node) bool {
					if how := starts(n); how != "" {
						found[fmt.Sprintf("%s %s %s", name, fn.Name.Name, how)] = files.Position(n.Pos())
					}
					return true
				})
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, place := range slices.Sorted(maps.Keys(found)) {
		if goroutines[place] == "" {
			t.Errorf("%s: %q is not in the list: what becomes of a panic there?", found[place], place)
		}
	}
	for _, place := range slices.Sorted(maps.Keys(goroutines)) {
		if _, ok := found[place]; !ok {
			t.Errorf("%q is in the list and not in the program", place)
		}
	}
}

// starts says how a node starts a goroutine, if it does.
func starts(n ast.Node) string {
	switch n := n.(type) {
	case *ast.GoStmt:
		return "go"
	case *ast.CallExpr:
		if f, ok := n.Fun.(*ast.SelectorExpr); ok && (f.Sel.Name == "Go" || f.Sel.Name == "AfterFunc") {
			return f.Sel.Name
		}
	}
	return ""
}

package api_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// calls gives which functions of our own code, by "package.Function", call a
// method or function of that name.
func calls(t *testing.T, name string) []string {
	t.Helper()
	var found []string
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		for _, decl := range file.Decls {
			f, ok := decl.(*ast.FuncDecl)
			if !ok || f.Body == nil {
				continue
			}
			ast.Inspect(f.Body, func(n ast.Node) bool {
				call, ok := n.(*ast.CallExpr)
				if !ok {
					return true
				}
				called := ""
				switch fun := call.Fun.(type) {
				case *ast.SelectorExpr:
					called = fun.Sel.Name
				case *ast.Ident:
					called = fun.Name
				}
				if where := file.Name.Name + "." + f.Name.Name; called == name && !slices.Contains(found, where) {
					found = append(found, where)
				}
				return true
			})
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(found)
	return found
}

// TestWaysIn: tokens are signed by one function, which four acts call; of the
// endpoints those that hand tokens out are the ones that docs/sessions.md
// names. A new way in has to be added there and here.
//
// ASVS 6.1.3, 6.3.4
// LESSON 35
func TestWaysIn(t *testing.T) {
	t.Parallel()
	for name, want := range map[string][]string{
		// account's is registration and the set-up of the first administrator.
		"Mint":        {"account.open", "session.Open", "session.Refresh"},
		"OpenSession": {"postgres.OpenSession", "session.Open", "sqlite.OpenSession", "storetest.openSession"},
		"Open":        nil,
		"signedIn":    {"api.login", "api.register", "api.setUp"},
		"setCookies":  {"api.refresh", "api.signedIn"},
		"Rotate":      nil,
	} {
		got := calls(t, name)
		if name == "Open" { // Files and databases are opened, too.
			got, want = slices.DeleteFunc(got, func(f string) bool {
				return !strings.HasPrefix(f, "login.") && !strings.HasPrefix(f, "api.") && !strings.HasPrefix(f, "account.")
			}), []string{"login.Password"}
		}
		if name == "Rotate" {
			got, want = slices.DeleteFunc(got, func(f string) bool { return !strings.HasPrefix(f, "session.") && !strings.HasPrefix(f, "api.") }), []string{"session.Refresh"}
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s is called by %q, want %q", name, got, want)
		}
	}
	for _, f := range calls(t, "Sign") {
		if strings.HasPrefix(f, "api.") || strings.HasPrefix(f, "account.") || strings.HasPrefix(f, "login.") || strings.HasPrefix(f, "server.") {
			t.Errorf("%s signs", f)
		}
	}

	source, err := os.ReadFile("routes.go")
	if err != nil {
		t.Fatal(err)
	}
	var routes []string
	for _, m := range regexp.MustCompile(`path: "([^"]+)".*http\.Method(\w+), a\.(login|register|setUp|refresh), `).FindAllStringSubmatch(string(source), -1) {
		routes = append(routes, strings.ToUpper(m[2])+" "+m[1])
	}
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "sessions.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(page), "## Ways in")
	section, _, _ = strings.Cut(section, "\n## ")
	var documented []string
	for _, m := range regexp.MustCompile("(?m)^\\| `([A-Z]+ /api/[^`]+)` \\|").FindAllStringSubmatch(section, -1) {
		documented = append(documented, m[1])
	}
	slices.Sort(routes)
	slices.Sort(documented)
	if len(routes) != 4 || !slices.Equal(routes, documented) {
		t.Errorf("routes that hand out tokens: %q\nof docs/sessions.md: %q", routes, documented)
	}
}

// TestNoHints: no field and no endpoint is about hints or secret questions.
//
// ASVS 6.4.2
func TestNoHints(t *testing.T) {
	t.Parallel()
	hint := regexp.MustCompile(`(?i)\b(\w*hint|(secret|security)[_ -]?question\w*|\w*secret[_ -]?answer|mother\w*|maiden\w*)\b`)
	for _, file := range []string{"openapi.yaml", "../store/sqlite/schema.sql", "../store/postgres/schema.sql"} {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if found := hint.FindAllString(string(b), -1); len(found) > 0 {
			t.Errorf("%s: %q", file, found)
		}
	}
}

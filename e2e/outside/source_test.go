package outside

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// places is every place in the program that reaches somebody else or runs
// something, and whom. Whoever adds one says here where it may lead, and writes
// it into docs/operations.md, "What it talks to".
var places = map[string]string{
	"cmd/latchkey/health.go net/http.Client":    "latchkey health: this server itself, by its own listen setting",
	"cmd/latchkey/health.go net/http.Transport": "as above",

	"internal/breach/range.go net.Dialer":         "the range API: password.range_url, each address judged when it is dialled (TestRebinding)",
	"internal/breach/range.go net/http.Client":    "as above; no redirect is followed (TestNoRedirectIsFollowed)",
	"internal/breach/range.go net/http.Transport": "as above; no proxy of the environment",

	"internal/store/postgres/postgres.go net.Dialer":                                    "PostgreSQL: database",
	"internal/store/postgres/postgres.go github.com/jackc/pgx/v5/pgxpool.NewWithConfig": "PostgreSQL: database",
	"internal/store/postgres/examine.go github.com/jackc/pgx/v5/pgxpool.NewWithConfig":  "PostgreSQL: database, for the doctor",
	"internal/store/postgres/examine.go github.com/jackc/pgx/v5.ConnectConfig":          "PostgreSQL: database, for the doctor",
	"internal/store/postgres/changes.go github.com/jackc/pgx/v5.ConnectConfig":          "PostgreSQL: database, to hear of changes",
	"internal/store/postgres/transfer.go github.com/jackc/pgx/v5.ConnectConfig":         "latchkey move: the PostgreSQL of its argument",

	"internal/takeover/upstream.go net.Dialer":            "the lazy take-over: the live Django of the configuration, for logins that nobody knows here; no redirect is followed",
	"internal/takeover/upstream.go net/http.Transport":    "as above; no proxy of the environment",
	"internal/takeover/shadow.go net.Dialer":              "latchkey django shadow: the Django of --upstream",
	"internal/takeover/shadow.go net/http.Transport":      "latchkey django shadow: the Django of --upstream, a program of its own beside the server",
	"internal/takeover/shadow.go net/http/httputil whole": "as above: the reverse proxy to it",
	"internal/store/sqlite/sqlite.go database/sql.Open":   "a file",
	"internal/store/sqlite/transfer.go database/sql.Open": "a file",
	"internal/store/django/sqlite.go database/sql.Open":   "a file: latchkey django import",
	"internal/store/django/mysql.go database/sql.OpenDB":  "latchkey django import: the MySQL of its argument",
}

// reaching are the names by which Go programs reach others, by package.
var reaching = map[string][]string{
	"net": {
		"Dial", "DialTimeout", "DialTCP", "DialUDP", "DialIP", "DialUnix", "Dialer", "Resolver", "DefaultResolver", "ListenPacket", "ListenUDP",
		"LookupHost", "LookupIP", "LookupAddr", "LookupCNAME", "LookupMX", "LookupNS", "LookupTXT", "LookupSRV", "ResolveTCPAddr", "ResolveUDPAddr", "ResolveIPAddr",
	},
	"net/http": {
		"Get", "Head", "Post", "PostForm", "Client", "DefaultClient", "Transport", "DefaultTransport", "ProxyFromEnvironment", "ProxyURL",
	},
	"net/http/httputil":               {"*"},
	"net/smtp":                        {"*"},
	"net/rpc":                         {"*"},
	"log/syslog":                      {"*"},
	"expvar":                          {"*"},
	"net/http/pprof":                  {"*"},
	"plugin":                          {"*"},
	"crypto/tls":                      {"Dial", "DialWithDialer", "Dialer"},
	"os/exec":                         {"*"},
	"os":                              {"StartProcess"},
	"syscall":                         {"Connect", "Socket", "Sendto", "Exec", "ForkExec", "StartProcess"},
	"golang.org/x/sys/unix":           {"Connect", "Socket", "Sendto", "Exec"},
	"database/sql":                    {"Open", "OpenDB"},
	"github.com/jackc/pgx/v5":         {"Connect", "ConnectConfig", "ConnectWithOptions"},
	"github.com/jackc/pgx/v5/pgconn":  {"Connect", "ConnectConfig"},
	"github.com/jackc/pgx/v5/pgxpool": {"New", "NewWithConfig"},
}

// TestCallersAreListed: nothing in the program reaches out but from these
// places.
//
// ASVS 13.1.1, 13.2.4, 16.2.3
func TestCallersAreListed(t *testing.T) {
	found := map[string]token.Position{}
	program(t, func(name string, f *ast.File, positions *token.FileSet) {
		for place, at := range calls(f) {
			found[name+" "+place] = positions.Position(at)
		}
	})
	for _, place := range slices.Sorted(maps.Keys(found)) {
		if places[place] == "" {
			t.Errorf("%s: %q is not in the list: whom does it reach, and what keeps it from others?", found[place], place)
		}
	}
	for _, place := range slices.Sorted(maps.Keys(places)) {
		if _, ok := found[place]; !ok {
			t.Errorf("%q is in the list and not in the program", place)
		}
	}
}

// cheap is where the program may speak of hashes that cost nothing: what makes
// them, and how a test's server comes to them.
var cheap = map[string]bool{"internal/password/hasher.go": true, "internal/server/server.go": true, "internal/server/open.go": true}

// TestNothingCheapens: hashes that cost nothing, which the tests have, cannot be
// had by any setting or command.
func TestNothingCheapens(t *testing.T) {
	seen := map[string]bool{}
	program(t, func(name string, f *ast.File, positions *token.FileSet) {
		ast.Inspect(f, func(n ast.Node) bool {
			id, ok := n.(*ast.Ident)
			if !ok || id.Name != "Cheap" && id.Name != "CheapHashes" {
				return true
			}
			seen[name] = true
			if !cheap[name] {
				t.Errorf("%s speaks of %s", positions.Position(id.Pos()), id.Name)
			}
			return true
		})
	})
	if !maps.Equal(seen, cheap) {
		t.Errorf("spoken of in %v, want %v", seen, cheap)
	}
}

// program calls each for the files that the program is made of.
func program(t *testing.T, each func(name string, f *ast.File, positions *token.FileSet)) {
	t.Helper()
	const root = "../.."
	positions := token.NewFileSet()
	for _, top := range []string{"cmd", "internal", "web"} {
		if err := filepath.WalkDir(filepath.Join(root, top), func(path string, d fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			name, err := filepath.Rel(root, path)
			if err != nil {
				return err
			}
			name = filepath.ToSlash(name)
			switch {
			case d.IsDir() && (d.Name() == "node_modules" || d.Name() == "testdata" || name == "internal/pgtest" || name == "internal/trace" ||
				strings.HasSuffix(d.Name(), "test") && d.Name() != "test"):
				return fs.SkipDir // tools of the tests
			case d.IsDir() || !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go"):
				return nil
			}
			f, err := parser.ParseFile(positions, path, nil, parser.SkipObjectResolution)
			if err != nil {
				return err
			}
			each(name, f, positions)
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
}

// calls gives what of reaching a file uses.
func calls(f *ast.File) map[string]token.Pos {
	out := map[string]token.Pos{}
	names := map[string]string{}
	for _, i := range f.Imports {
		path, err := strconv.Unquote(i.Path.Value)
		if err != nil {
			continue
		}
		wanted, listed := reaching[path]
		if !listed {
			continue
		}
		base := path[strings.LastIndexByte(path, '/')+1:]
		if strings.HasPrefix(base, "v") && len(base) == 2 { // a module's version
			base = path[:len(path)-3]
			base = base[strings.LastIndexByte(base, '/')+1:]
		}
		if i.Name != nil {
			base = i.Name.Name
		}
		if base == "." || base == "_" || slices.Contains(wanted, "*") {
			out[path+" whole"] = i.Pos()
			continue
		}
		names[base] = path
	}
	ast.Inspect(f, func(n ast.Node) bool {
		s, ok := n.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		x, ok := s.X.(*ast.Ident)
		if !ok {
			return true
		}
		if path := names[x.Name]; path != "" && slices.Contains(reaching[path], s.Sel.Name) {
			out[fmt.Sprintf("%s.%s", path, s.Sel.Name)] = n.Pos()
		}
		return true
	})
	return out
}

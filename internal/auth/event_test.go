package auth_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/latchkey-auth/latchkey/internal/auth"
)

// TestEventKinds: the list has every constant, each with its words.
//
// ASVS 16.1.1
func TestEventKinds(t *testing.T) {
	t.Parallel()
	file, err := parser.ParseFile(token.NewFileSet(), "event.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	declared := 0
	ast.Inspect(file, func(n ast.Node) bool {
		v, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		if name, ok := v.Type.(*ast.Ident); !ok || name.Name != "EventKind" {
			return true
		}
		kind, err := strconv.Unquote(v.Values[0].(*ast.BasicLit).Value)
		if err != nil {
			t.Fatal(err)
		}
		declared++
		if !slices.Contains(auth.EventKinds(), auth.EventKind(kind)) {
			t.Errorf("%s is not in EventKinds", kind)
		}
		if auth.EventKind(kind).Doc() == "" {
			t.Errorf("nothing says what is in %s", kind)
		}
		return true
	})
	if declared < 20 || declared != len(auth.EventKinds()) {
		t.Errorf("%d kinds are declared, %d listed", declared, len(auth.EventKinds()))
	}
}

// TestEventsPage keeps docs/events.md, which is made from the list.
//
// ASVS 16.1.1
func TestEventsPage(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	b.WriteString(`<!-- Generated from internal/auth/event.go by go test -update; do not edit. -->
# The events of the audit trail

Each is a row that is written in the transaction of its act: an act that has happened has its event, and one that was rolled
back has none. All have the time (UTC), the kind, whom it happened to (user), who did it (actor; nobody for the server and
the command line), the session, the client's address and its user agent as far as there are such. There is never a password,
a token, a key or the body of a request in one. [audit.md](audit.md) says how long they are kept and how they are sealed.

| event | when, and what is in it |
|---|---|
`)
	for _, k := range auth.EventKinds() {
		b.WriteString("| `" + string(k) + "` | " + k.Doc() + " |\n")
	}
	path := filepath.Join("..", "..", "docs", "events.md")
	if *rewrite {
		if err := os.WriteFile(path, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	have, err := os.ReadFile(path)
	if err != nil || string(have) != b.String() {
		t.Errorf("docs/events.md is not what the list says (%v): go test ./internal/auth -update", err)
	}
}

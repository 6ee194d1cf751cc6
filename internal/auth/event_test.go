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

// TestRefusals: the list has every constant, each with its words.
//
// ASVS 16.1.1
func TestRefusals(t *testing.T) {
	t.Parallel()
	file, err := parser.ParseFile(token.NewFileSet(), "refusal.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	declared := 0
	ast.Inspect(file, func(n ast.Node) bool {
		v, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		if name, ok := v.Type.(*ast.Ident); !ok || name.Name != "Refusal" {
			return true
		}
		word, err := strconv.Unquote(v.Values[0].(*ast.BasicLit).Value)
		if err != nil {
			t.Fatal(err)
		}
		declared++
		r := auth.Refusal(word)
		if !slices.Contains(auth.Refusals(), r) || r.Doc() == "" {
			t.Errorf("%s is not in Refusals, or nothing says what it means", word)
		}
		if kind := r.Event(); kind != "" && !slices.Contains(auth.EventKinds(), kind) {
			t.Errorf("%s leaves %s, which is no event", word, kind)
		}
		return true
	})
	if declared < 20 || declared != len(auth.Refusals()) {
		t.Errorf("%d refusals are declared, %d listed", declared, len(auth.Refusals()))
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
the command line), the session, the client's address, its user agent and the id of the request, by which its line in the log
is found, as far as there are such. There is never a password, a token, a key or the body of a request in one. [audit.md](audit.md) says how long they are kept and how they are sealed.

| event | when, and what is in it |
|---|---|
`)
	for _, k := range auth.EventKinds() {
		b.WriteString("| `" + string(k) + "` | " + k.Doc() + " |\n")
	}
	b.WriteString(`
` + "`login_failed`, `access_refused` and `bypass_refused`" + ` are what an attacker can cause as often as he likes. They are counted in memory and written
beside the answers: failed logins each second, one row per account, address and minute; of refusals the first of a user,
address, route and reason at once, those of the same minute that follow it in one more row. Of refusals at most 500 such are told
apart in a minute; what is beyond that is counted together, without saying who. Where the
answer of the database to such a write is lost, it is written again, and if the first was done its counts are in both.

# What is a line of the log

Every request has one line of the log, with the time (UTC), the id of the request (what a ` + "`proxy.trusted`" + ` gave it in
` + "`X-Request-Id`" + `, or one made here), the method, the pattern of the route, the status, the user as far as a good token, or the
sign-in itself, said who it was, the client's address, where it was refused why, and ` + "`aborted`" + ` where the answer broke off
after the status:

| operation | what tells of it |
|---|---|
| register, sign in, sign out, change a password or a role, end sessions, everything of an administrator's that changes something | the event, and the line |
| a sign-in that was refused | ` + "`login_failed`, and the line with `refused` `credentials`" + ` |
| a refresh token that was traded; a token that was verified; a profile, a list or a page that was read | the line |
| a refresh token that came again | ` + "`reuse_detected`, and the line with `token_revoked`" + `; within 10 s of the trade the line alone, since that is no theft |
| anything refused | the line with one of these words, and the event where there is one |

| ` + "`refused`" + ` | because | event |
|---|---|---|
`)
	for _, r := range auth.Refusals() {
		event := ""
		if kind := r.Event(); kind != "" {
			event = "`" + string(kind) + "`"
		}
		b.WriteString("| `" + string(r) + "` | " + r.Doc() + " | " + event + " |\n")
	}
	b.WriteString(`
A throttled request leaves its line alone (` + "`throttled`" + `); that guessing went so far that an address or an account was closed to it
is an event of its own. With ` + "`log.level`" + ` above info there are no lines of requests, and what is told by them alone is lost.
`)
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

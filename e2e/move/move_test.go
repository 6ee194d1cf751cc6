// Package move takes the data of a real server from one engine to the other and
// back, with the real binary.
package move

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/latchkey-auth/latchkey/e2e/node"
	"github.com/latchkey-auth/latchkey/internal/pgtest"
	"github.com/latchkey-auth/latchkey/internal/store/postgres"
	"github.com/latchkey-auth/latchkey/internal/store/sqlite"
	"github.com/latchkey-auth/latchkey/internal/store/transfer"
)

func TestMain(m *testing.M) {
	code := pgtest.M{M: m}.Run()
	node.Clean()
	os.Exit(code)
}

const password = "c0rrect-Horse-42"

// house is somebody's data: what must go on after a move, and what must stay
// dead.
type house struct {
	live, dead node.Answer // pairs of tokens
	lastID     int64       // of a user who has been deleted
}

func settle(t *testing.T, n *node.Node) house {
	t.Helper()
	ctx := t.Context()
	var h house
	must := func(a node.Answer, err error) node.Answer {
		t.Helper()
		if err != nil || !a.OK() {
			t.Fatalf("%v %+v", err, a)
		}
		return a
	}
	must(n.Register(ctx, "ada@example.com", password))
	h.live = must(n.Login(ctx, "ada@example.com", password))
	h.dead = must(n.Login(ctx, "ada@example.com", password))
	must(n.Logout(ctx, h.dead.Tokens.Access, h.dead.Tokens.Refresh))
	gone := must(n.Register(ctx, "gone@example.com", password))
	h.lastID = id(t, n, gone.Tokens.Access)
	cli(t, n, "", "user", "delete", "gone@example.com", "--yes")
	cli(t, n, password+"\n", "user", "create", "boss@example.com", "--role", "admin", "--password-stdin")
	cli(t, n, "", "service-key", "create", "billing")
	return h
}

func id(t *testing.T, n *node.Node, access string) int64 {
	t.Helper()
	status, body, err := n.Do(t.Context(), http.MethodGet, "/api/auth/profile/", access, nil)
	var u struct{ ID int64 }
	if err != nil || status != http.StatusOK || json.Unmarshal(body, &u) != nil {
		t.Fatalf("profile: %d %s %v", status, body, err)
	}
	return u.ID
}

func cli(t *testing.T, n *node.Node, stdin string, args ...string) string {
	t.Helper()
	out, err := n.CLI(t, stdin, args...)
	if err != nil {
		t.Fatalf("latchkey %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return out
}

// goesOn holds that nobody was logged out, nothing revoked is back, and no id is
// given again.
func goesOn(t *testing.T, n *node.Node, h *house, newcomer string) {
	t.Helper()
	ctx := t.Context()
	if a, err := n.Profile(ctx, h.live.Tokens.Access); err != nil || a.Status != http.StatusOK {
		t.Fatalf("a live access token: %+v %v", a, err)
	}
	for _, token := range []string{h.dead.Tokens.Access, h.dead.Tokens.Refresh} {
		if a, err := n.Verify(ctx, token); err != nil || a.Status != http.StatusUnauthorized {
			t.Errorf("a token that was logged out: %+v %v", a, err)
		}
	}
	next, err := n.Refresh(ctx, h.live.Tokens.Refresh)
	if err != nil || !next.OK() {
		t.Fatalf("refresh: %+v %v", next, err)
	}
	h.live.Tokens = next.Tokens
	if a, err := n.Login(ctx, "ada@example.com", password); err != nil || !a.OK() {
		t.Errorf("log in: %+v %v", a, err)
	}
	a, err := n.Register(ctx, newcomer, password)
	if err != nil || !a.OK() {
		t.Fatalf("register: %+v %v", a, err)
	}
	if got := id(t, n, a.Tokens.Access); got <= h.lastID {
		t.Errorf("a new user has the id %d, %d was given before", got, h.lastID)
	} else {
		h.lastID = got
	}
}

// LESSON 39
func TestThereAndBack(t *testing.T) {
	for name, env := range map[string][]string{
		"a key of Latchkey's own": {node.OwnKey},
		"the same, sealed":        {node.OwnKey, "LATCHKEY_KEYS_SEAL_KEY=MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="},
		"an asymmetric key":       {node.OwnKey, "LATCHKEY_SIGNING_ALGORITHM=EdDSA"},
		"a signing.key of theirs": nil,
	} {
		t.Run(name, func(t *testing.T) {
			url := pgtest.Database(t)
			first := node.Start(t, env...)
			h := settle(t, first)

			// Not under a running server.
			if out, err := first.CLI(t, "", "move", first.Data, url); err == nil || !strings.Contains(out, "stop the server first") {
				t.Fatalf("moved under a running server: %s", out)
			}
			first.Stop()
			out := cli(t, first, "", "move", first.Data, url)
			if !regexp.MustCompile(`(?m)^users +2 rows +sha256 [0-9a-f]{16}$`).MatchString(out) {
				t.Errorf("it says\n%s", out)
			}
			if _, err := os.Stat(filepath.Join(first.Data, "latchkey.db")); err == nil {
				t.Error("the old database is where a server would find it")
			}
			if _, err := os.Stat(filepath.Join(first.Data, "secret.key")); err == nil {
				t.Error("the old key is where a server would find it")
			}

			second := node.Start(t, append(env[:len(env):len(env)], "LATCHKEY_DATABASE="+url)...)
			goesOn(t, second, &h, "bob@example.com")

			// And back, into a folder of its own.
			back := node.New(t, env...)
			if out, err := second.CLI(t, "", "move", url, back.Data); err == nil || !strings.Contains(out, "stop every node first") {
				t.Fatalf("moved under a running server: %s", out)
			}
			second.Stop()
			cli(t, second, "", "move", url, back.Data)
			if err := back.Run(node.Build(t)); err != nil {
				t.Fatalf("start: %v\n%s", err, back.Log())
			}
			goesOn(t, back, &h, "eve@example.com")
		})
	}
}

// What cannot be moved leaves both ends as they were.
func TestRefused(t *testing.T) {
	n := node.Start(t, node.OwnKey)
	h := settle(t, n)
	n.Stop()
	full := node.Start(t)
	full.Stop()
	url := pgtest.Database(t)
	used := node.Start(t, "LATCHKEY_DATABASE="+url)
	used.Stop()
	empty := t.TempDir()
	for _, test := range []struct {
		from, to, want string
		env            []string
	}{
		{n.Data, full.Data, "is not empty", nil},
		{n.Data, url, "is not empty", nil},
		{empty, url, "there is no database in", nil},
		{pgtest.Database(t), empty, "there is no latchkey in this database", nil},
		{n.Data, "postgres://nobody@127.0.0.1:1/x", "connect", nil},
	} {
		out, err := n.CLI(t, "", "move", test.from, test.to)
		if err == nil || !strings.Contains(out, test.want) {
			t.Errorf("move %s %s: %v, want %q in\n%s", test.from, test.to, err, test.want, out)
		}
	}
	// Without its key the data is nothing.
	key := filepath.Join(n.Data, "secret.key")
	if err := os.Rename(key, key+".away"); err != nil {
		t.Fatal(err)
	}
	fresh := pgtest.Database(t)
	if out, err := n.CLI(t, "", "move", n.Data, fresh); err == nil || !strings.Contains(out, "secret.key") {
		t.Errorf("moved without the key: %s", out)
	}
	if err := os.Rename(key+".away", key); err != nil {
		t.Fatal(err)
	}
	if entries, err := os.ReadDir(empty); err != nil || len(entries) > 0 {
		t.Errorf("the empty folder has %v (%v)", entries, err)
	}
	if err := n.Run(node.Build(t)); err != nil {
		t.Fatal(err)
	}
	goesOn(t, n, &h, "bob@example.com")
}

// A rehearsal leaves the old data where it is.
func TestCopy(t *testing.T) {
	n := node.Start(t)
	h := settle(t, n)
	n.Stop()
	out := cli(t, n, "", "move", "--copy", n.Data, filepath.Join(t.TempDir(), "data"))
	if !strings.Contains(out, "never both") {
		t.Errorf("it says\n%s", out)
	}
	if err := n.Run(node.Build(t)); err != nil {
		t.Fatal(err)
	}
	goesOn(t, n, &h, "bob@example.com")
}

// faulty changes a row that is read again, as a disk or an engine might.
type faulty struct{ transfer.Writer }

func (f faulty) SetLastNumber(ctx context.Context, t transfer.Table, last int64) error {
	return f.Writer.SetLastNumber(ctx, t, last-1)
}

// The two engines have the same tables; a copy that is not the same is refused,
// and nothing of it stays.
func TestVerified(t *testing.T) {
	n := node.Start(t)
	settle(t, n)
	n.Stop()
	ctx := t.Context()
	open := func() transfer.Reader {
		t.Helper()
		from, err := sqlite.Outgoing(ctx, n.Data)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { from.Close(ctx) })
		return from
	}
	url := pgtest.Database(t)
	to, err := postgres.Incoming(ctx, postgres.Options{URL: url})
	if err != nil {
		t.Fatal(err)
	}
	a, err := open().Tables(ctx)
	b, err2 := to.Tables(ctx)
	if err != nil || err2 != nil || fmt.Sprint(a) != fmt.Sprint(b) {
		t.Fatalf("the engines differ (%v, %v):\n%v\n%v", err, err2, a, b)
	}
	if _, err := transfer.Copy(ctx, open(), faulty{to}, nil, nil); err == nil || !strings.Contains(err.Error(), "last number") {
		t.Errorf("a last number that is another one: %v", err)
	}
	if err := to.Close(ctx); err != nil {
		t.Fatal(err)
	}
	// Each table in turn: a row that changes between the writing and the reading.
	for _, table := range a {
		to, err := postgres.Incoming(ctx, postgres.Options{URL: url})
		if err != nil {
			t.Fatalf("after a copy that was refused: %v", err)
		}
		_, err = transfer.Copy(ctx, open(), &bent{Writer: to, table: table.Name}, nil, nil)
		if rows := count(t, open(), table); rows > 0 && (err == nil || !strings.Contains(err.Error(), table.Name+" is not the same")) {
			t.Errorf("%s: a changed row among %d: %v", table.Name, rows, err)
		} else if rows == 0 && err == nil {
			// Nothing to change: it was committed, and this database is used up.
			url = pgtest.Database(t)
		}
		if err := to.Close(ctx); err != nil {
			t.Fatal(err)
		}
	}
}

func count(t *testing.T, from transfer.Reader, table transfer.Table) (n int) {
	t.Helper()
	for _, err := range from.Rows(t.Context(), table) {
		if err != nil {
			t.Fatal(err)
		}
		n++
	}
	return n
}

// bent gives the first row of a table with another value than was written.
type bent struct {
	transfer.Writer
	table string
}

func (b *bent) Rows(ctx context.Context, t transfer.Table) iter.Seq2[[]any, error] {
	rows := b.Writer.Rows(ctx, t)
	if t.Name != b.table {
		return rows
	}
	return func(yield func([]any, error) bool) {
		first := true
		for row, err := range rows {
			if first && err == nil {
				bend(t, row)
			}
			first = false
			if !yield(row, err) {
				return
			}
		}
	}
}

func bend(t transfer.Table, row []any) {
	for i, c := range t.Columns {
		switch c.Kind {
		case transfer.Integer:
			if v, ok := row[i].(int64); ok {
				row[i] = v + 1
				return
			}
		case transfer.Text:
			if v, ok := row[i].(string); ok {
				row[i] = v + " "
				return
			}
		case transfer.Boolean, transfer.Bytes:
		}
	}
}

package sqlite_test

import (
	"context"
	"database/sql"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/latchkey-auth/latchkey/internal/auth"
	"github.com/latchkey-auth/latchkey/internal/store"
	"github.com/latchkey-auth/latchkey/internal/store/sqlite"
	"github.com/latchkey-auth/latchkey/internal/store/storetest"
)

var rewrite = flag.Bool("update", false, "rewrite schema.sql and the plans")

func TestMain(m *testing.M) {
	if path := os.Getenv(crashEnv); path != "" {
		writeUntilKilled(path)
		return
	}
	goleak.VerifyTestMain(m)
}

// TestStore holds the engine against the facts, and every statement that ran
// meanwhile against the plans.
//
// ASVS 10.3.3
// LESSON 13, 16, 39
func TestStore(t *testing.T) {
	seen := map[string]string{}
	storetest.Run(t, func(t *testing.T) auth.Store {
		db := open(t, tempPath(t))
		t.Cleanup(func() { explain(t, db, seen) })
		return db
	})
	if t.Failed() {
		return
	}
	var plans strings.Builder
	plans.WriteString("What SQLite does for each statement: SEARCH goes by an index, SCAN reads a whole table.\n" +
		"The test rewrites this file with -update.\n")
	for _, query := range slices.Sorted(maps.Keys(seen)) {
		fmt.Fprintf(&plans, "\n%s\n%s", query, seen[query])
		for table := range scans(seen[query]) {
			if !mayScan(query, seen[query], table) {
				t.Errorf("reads all of %s:\n%s\n%s", table, query, seen[query])
			}
		}
	}
	if flag.Lookup("test.run").Value.String() == "" { // else only some have run
		golden(t, filepath.Join("testdata", "plans.txt"), plans.String())
	}
}

// step is one of a plan that reads a table; the parenthesis says by which part
// of an index. Without one it reads the whole of it.
var step = regexp.MustCompile(`(?m)^  (?:SCAN|SEARCH) (users|sessions|revocations|events|keys|throttle|secrets|s|u|c)\b([^(\n]*)(\()?`)

func scans(plan string) map[string]bool {
	tables := map[string]bool{}
	for _, m := range step.FindAllStringSubmatch(plan, -1) {
		if m[3] == "" {
			tables[m[1]] = true
		}
	}
	return tables
}

// mayScan lists who reads a whole table on purpose: what no request waits for,
// the newest events and the users in an order of theirs, which stop at a LIMIT,
// and the handful of keys.
func mayScan(query, plan, table string) bool {
	if table == "keys" {
		return true
	}
	if strings.Contains(query, "FROM users u WHERE TRUE ORDER BY") && strings.Contains(query, " LIMIT ") {
		return !strings.Contains(plan, "TEMP B-TREE")
	}
	for _, prefix := range []string{
		"SELECT COUNT(*) FROM sessions",
		"SELECT COALESCE(MAX(at), 0)",
		"UPDATE users SET valid_after = $1, gen =",
		"UPDATE sessions SET revoked_at = $1 WHERE revoked_at IS NULL",
		"SELECT id, at, kind, user_id, actor_id, session_id, address, user_agent, count, detail, changes FROM events WHERE kind =",
		"SELECT COUNT(*), COUNT(DISTINCT id) FROM (SELECT id FROM users LIMIT 10001)",
		"SELECT CASE WHEN substr(password,",
		"SELECT COUNT(*) FROM events WHERE link <= $1",     // audit verify
		"SELECT COALESCE((SELECT MIN(id) FROM events), 0)", // an index answers it
	} {
		if strings.HasPrefix(query, prefix) {
			return true
		}
	}
	// Of those only that are not indexed, or not sealed, yet.
	return strings.Contains(plan, "USING INDEX users_unindexed") || strings.Contains(plan, "USING INDEX events_unsealed")
}

func explain(t *testing.T, db *sqlite.DB, seen map[string]string) {
	ctx := context.WithoutCancel(t.Context())
	statements, err := db.Statements(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for _, query := range statements {
		name := strings.Join(strings.Fields(query), " ")
		if _, ok := seen[name]; ok || !regexp.MustCompile(`^(SELECT|INSERT|UPDATE|DELETE)`).MatchString(name) {
			continue
		}
		plan, err := db.Explain(ctx, query)
		if err != nil {
			t.Fatalf("%v:\n%s", err, query)
		}
		seen[name] = plan
	}
}

func TestReopen(t *testing.T) {
	storetest.Reopen(t, func(t *testing.T) func(*testing.T) auth.Store {
		path := tempPath(t)
		return func(t *testing.T) auth.Store { return open(t, path) }
	})
}

// TestSchema keeps schema.sql, which is for reading.
func TestSchema(t *testing.T) {
	db := open(t, tempPath(t))
	var schema strings.Builder
	schema.WriteString("-- What the migrations make. The test rewrites this file with -update.\n")
	err := db.Raw(t.Context(), func(tx store.Tx) error {
		rows, err := tx.Query(t.Context(), `SELECT sql FROM sqlite_master
			WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite_%' AND tbl_name <> 'goose_db_version' ORDER BY tbl_name, type DESC, name`)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var statement string
			if err := rows.Scan(&statement); err != nil {
				return err
			}
			schema.WriteString("\n" + statement + ";\n")
		}
		return rows.Err()
	})
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "schema.sql", schema.String())
}

// TestMigrationNames holds that both engines have the same migrations.
func TestMigrationNames(t *testing.T) {
	names := func(dir string) (all []string) {
		entries, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			all = append(all, e.Name())
		}
		return all
	}
	if diff := cmp.Diff(names("migrations"), names("../postgres/migrations")); diff != "" {
		t.Errorf("migrations (-sqlite +postgres):\n%s", diff)
	}
}

func TestOpenMakesPrivateFiles(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new", "folder")
	db := open(t, filepath.Join(dir, "data.db"))
	insertUser(t, db, 1)
	for name, want := range map[string]fs.FileMode{"": 0o700, "data.db": 0o600, "data.db-wal": 0o600, "data.db-shm": 0o600} {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil || info.Mode().Perm() != want {
			t.Errorf("%q: %v, %v; want %v", name, info, err, want)
		}
	}
}

// TestOpenAtOnce lets the server and the command line find a new file together.
func TestOpenAtOnce(t *testing.T) {
	for range 5 {
		path := tempPath(t)
		var wg sync.WaitGroup
		for n := range 4 {
			wg.Go(func() {
				db, err := sqlite.Open(t.Context(), sqlite.Options{Path: path})
				if err != nil {
					t.Error(err)
					return
				}
				if err := errors.Join(db.Raw(t.Context(), insert(n)), db.Close()); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if got := strings.Fields(inserted(t, open(t, path))); len(got) != 4 {
			t.Errorf("users %v, want 4", got)
		}
	}
}

func TestOpenTakesAnyPath(t *testing.T) {
	for _, name := range []string{"with space.db", "what?.db", "a#b%20c&d.db", "ü.db"} {
		path := filepath.Join(t.TempDir(), name)
		db := open(t, path)
		insertUser(t, db, 1)
		if err := db.Close(); err != nil {
			t.Error(err)
		}
		if info, err := os.Stat(path); err != nil || info.Size() == 0 {
			t.Errorf("%s: %v, %v", name, info, err)
		}
	}
}

func TestOpenRefuses(t *testing.T) {
	for _, c := range []struct {
		name string
		make func(t *testing.T, path string)
		want string
	}{
		{"newer_schema", func(t *testing.T, path string) {
			if err := open(t, path).Close(); err != nil {
				t.Fatal(err)
			}
			execute(t, path, `INSERT INTO goose_db_version (version_id, is_applied) VALUES (9999, 1)`)
		}, "the schema is of version 9999"},
		{"no_database", func(t *testing.T, path string) {
			if err := os.WriteFile(path, []byte(strings.Repeat("not a database\n", 100)), 0o600); err != nil {
				t.Fatal(err)
			}
		}, "not a database"},
		{"a_folder", func(t *testing.T, path string) {
			if err := os.Mkdir(path, 0o700); err != nil {
				t.Fatal(err)
			}
		}, "unable to open"},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := tempPath(t)
			c.make(t, path)
			db, err := sqlite.Open(t.Context(), sqlite.Options{Path: path})
			if err == nil {
				_ = db.Close()
			}
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), path) {
				t.Errorf("Open: %v, want %q and the path", err, c.want)
			}
		})
	}
}

func TestClosed(t *testing.T) {
	db := open(t, tempPath(t))
	u := insertUser(t, db, 1)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Errorf("the second Close: %v", err)
	}
	// Whoever asks is told to come again, not that something broke.
	if _, err := db.RevokeSession(t.Context(), auth.Revoking{UserID: u.ID, AccessJTI: "k", Now: storetest.Now}); !auth.IsKind(err, auth.Unavailable) {
		t.Errorf("RevokeSession after Close: %v", err)
	}
	if _, err := db.Read().UserByEmail(t.Context(), "1@example.com"); !auth.IsKind(err, auth.Unavailable) {
		t.Errorf("UserByEmail after Close: %v", err)
	}
	if err := db.Ping(t.Context()); err == nil {
		t.Error("Ping after Close: nil")
	}
}

func TestReadersCannotWrite(t *testing.T) {
	db := open(t, tempPath(t))
	insertUser(t, db, 1)
	rows, err := db.ReadRaw(t.Context(), `UPDATE users SET is_active = FALSE RETURNING id`)
	if err == nil {
		rows.Next()
		err = rows.Err()
		rows.Close()
	}
	if err == nil || !strings.Contains(strings.ToLower(err.Error()), "readonly") {
		t.Errorf("a write on a reader: %v, want refused as read-only", err)
	}
}

// TestReadersAreBounded holds that more readers than connections wait, and that
// a wait ends with its context.
func TestReadersAreBounded(t *testing.T) {
	db, err := sqlite.Open(t.Context(), sqlite.Options{Path: tempPath(t), ReadConns: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	insertUser(t, db, 1)
	rows, err := db.ReadRaw(t.Context(), `SELECT id FROM users`)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := db.Read().UserByEmail(ctx, "x"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a second read: %v, want it to wait until its deadline", err)
	}
	rows.Close()
	if _, err := db.Read().UserByEmail(t.Context(), "1@example.com"); err != nil {
		t.Errorf("a read afterwards: %v", err)
	}
}

func TestParametersComeInOrder(t *testing.T) {
	for _, c := range []struct {
		query string
		args  int
		ok    bool
	}{
		{"SELECT 1", 0, true},
		{"SELECT $1, $2, $1, $3", 3, true},
		{"SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11", 11, true},
		{"SELECT $2, $1", 2, false},
		{"SELECT $1, $3", 2, false},
		{"SELECT $1", 2, false},
		{"SELECT $1, $2", 1, false},
		{"SELECT '$'", 0, false},
	} {
		if err := sqlite.CheckParameters(c.query, c.args); (err == nil) != c.ok {
			t.Errorf("%s with %d: %v", c.query, c.args, err)
		}
	}
}

func tempPath(t testing.TB) string { return filepath.Join(t.TempDir(), "data.db") }

func open(t testing.TB, path string) *sqlite.DB {
	t.Helper()
	db, err := sqlite.Open(t.Context(), sqlite.Options{
		Path: path, Now: storetest.Clock, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return db
}

func insertUser(t testing.TB, db *sqlite.DB, n int) (u auth.User) {
	t.Helper()
	err := db.Update(t.Context(), func(tx auth.Tx) (err error) {
		u, err = tx.InsertUser(t.Context(), newUser(n), storetest.Now)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func newUser(n int) auth.NewUser {
	address := fmt.Sprintf("%d@example.com", n)
	return auth.NewUser{
		Email: auth.Email{Shown: address, Key: address}, Role: auth.RoleEmployee, Password: "!", IsActive: true,
	}
}

// execute changes a database behind the Store's back, as another process does.
func execute(t *testing.T, path, query string) {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.ExecContext(t.Context(), query); err != nil {
		t.Fatal(err)
	}
}

// golden compares with a file, or writes it with -update.
func golden(t *testing.T, path, got string) {
	t.Helper()
	if *rewrite {
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(got), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s differs (-file +got); -update rewrites it:\n%s", path, diff)
	}
}

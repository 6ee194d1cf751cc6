package django

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/latchkey-auth/latchkey/e2e/node"
	"github.com/latchkey-auth/latchkey/internal/auth"
	"github.com/latchkey-auth/latchkey/internal/pgtest"
	"github.com/latchkey-auth/latchkey/internal/store/postgres"
	"github.com/latchkey-auth/latchkey/internal/store/sqlite"
)

var rowsFlag = flag.Int("django.rows", 5_000, "how many users the import has that is killed")

// TestKilledHalfWay: an import that is killed at any time and run again ends
// where one does that nobody disturbed.
func TestKilledHalfWay(t *testing.T) {
	source := filepath.Join(t.TempDir(), "django.sqlite3")
	if err := Generate(t.Context(), source, *rowsFlag); err != nil {
		t.Fatal(err)
	}
	t.Run("sqlite", func(t *testing.T) {
		killed(t, source, func(t *testing.T, n *node.Node) auth.Store {
			s, err := sqlite.Open(t.Context(), sqlite.Options{Path: filepath.Join(n.Data, sqlite.FileName)})
			if err != nil {
				t.Fatal(err)
			}
			return s
		}, func(*testing.T) []string { return nil })
	})
	t.Run("postgres", func(t *testing.T) {
		url := map[*node.Node]string{}
		last := ""
		killed(t, source, func(t *testing.T, n *node.Node) auth.Store {
			if url[n] == "" {
				url[n] = last
			}
			s, err := postgres.Open(t.Context(), postgres.Options{URL: url[n]})
			if err != nil {
				t.Fatal(err)
			}
			return s
		}, func(t *testing.T) []string {
			last = pgtest.Database(t)
			return []string{"LATCHKEY_DATABASE=" + last}
		})
	})
}

func killed(t *testing.T, source string, open func(*testing.T, *node.Node) auth.Store, env func(*testing.T) []string) {
	undisturbed := node.New(t, env(t)...)
	first := importFrom(t, undisturbed, source)
	took := time.Duration(first.Seconds * float64(time.Second))
	if first.Inserted != int64(*rowsFlag) || first.Blacklisted == 0 || first.Outstanding == 0 {
		t.Fatalf("undisturbed: %+v", first)
	}
	want := digest(t, open(t, undisturbed))

	n := node.New(t, env(t)...)
	kills := 0
	for range 3 {
		cmd := exec.Command(node.Build(t), "django", "import", "--json", "--from", source)
		cmd.Env, cmd.Dir = n.Env(), filepath.Dir(n.Data)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		ended := make(chan struct{})
		go func() { _ = cmd.Wait(); close(ended) }()
		select {
		case <-ended:
		case <-time.After(time.Duration(float64(took) * (0.2 + 0.6*rand.Float64()))):
			_ = cmd.Process.Signal(syscall.SIGKILL)
			<-ended
			kills++
		}
	}
	last := importFrom(t, n, source)
	if last.Inserted+last.Unchanged != int64(*rowsFlag) || last.Changed != 0 || len(last.Problems) > 0 {
		t.Errorf("resumed: %+v", last)
	}
	if got := digest(t, open(t, n)); got != want {
		t.Errorf("the result differs: %s, undisturbed %s", got, want)
	}
	t.Logf("%d rows, undisturbed in %v; killed %d times, the last run inserted %d", *rowsFlag, took.Round(time.Millisecond), kills, last.Inserted)
}

// digest is a hash over all that an import brings, but for the times at which it
// was brought.
func digest(t *testing.T, s auth.Store) string {
	t.Helper()
	defer s.Close()
	ctx := context.Background()
	h := sha256.New()
	for after := int64(0); ; {
		page, err := s.Read().Users(ctx, auth.UserFilter{After: after, Limit: 1000})
		if err != nil {
			t.Fatal(err)
		}
		for _, u := range page {
			after = u.ID
			if u.IsActive != u.ValidAfter.IsZero() {
				t.Errorf("user %d: active %v, valid after %v", u.ID, u.IsActive, u.ValidAfter)
			}
			u.Gen, u.ValidAfter = 0, time.Time{}
			fmt.Fprintf(h, "%+v\n", u)
		}
		var ids []int64
		for _, u := range page {
			ids = append(ids, u.ID)
		}
		bases, err := s.Read().ImportBases(ctx, ids)
		if err != nil || len(bases) != len(ids) {
			t.Fatalf("%d bases of %d users (%v)", len(bases), len(ids), err)
		}
		if len(page) < 1000 {
			break
		}
	}
	now := time.Now()
	dead := 0
	for after := ""; ; {
		page, err := s.Read().OutstandingTokens(ctx, now, after, 1000)
		if err != nil {
			t.Fatal(err)
		}
		for _, k := range page {
			after = k.JTI
			fmt.Fprintf(h, "%+v\n", k)
		}
		if len(page) < 1000 {
			break
		}
	}
	for id := 1; id <= *rowsFlag/3; id++ {
		is, err := s.Read().TokenImported(ctx, fmt.Sprintf("%032x", id))
		if err != nil {
			t.Fatal(err)
		}
		if is {
			dead++
		}
	}
	fmt.Fprintf(h, "blacklisted %d\n", dead)
	if _, err := s.Read().LastImport(ctx, "nobody"); !errors.Is(err, auth.ErrNotFound) {
		t.Error(err)
	}
	return strings.ToLower(hex.EncodeToString(h.Sum(nil)[:8]))
}

// TestExportKilled: an export that is killed at any time and run again leaves
// there what one does that nobody disturbed. Everybody is made anew, in a Django
// that was put back empty.
func TestExportKilled(t *testing.T) {
	source := filepath.Join(t.TempDir(), "django.sqlite3")
	if err := Generate(t.Context(), source, *rowsFlag); err != nil {
		t.Fatal(err)
	}
	n := node.New(t)
	if r := importFrom(t, n, source); r.Inserted != int64(*rowsFlag) {
		t.Fatalf("imported %+v", r)
	}
	// Each export begins with what Latchkey knew after the import.
	kept := filepath.Join(t.TempDir(), "kept")
	if err := os.CopyFS(kept, os.DirFS(n.Data)); err != nil {
		t.Fatal(err)
	}
	empty := func() string {
		name := filepath.Join(t.TempDir(), "empty.sqlite3")
		if err := Generate(t.Context(), name, 0); err != nil {
			t.Fatal(err)
		}
		return name
	}
	undisturbed := empty()
	first := exportTo(t, n, undisturbed, "--missing", "insert")
	took := time.Duration(first.Seconds * float64(time.Second))
	if first.Inserted != int64(*rowsFlag) || first.Blacklisted < int64(*rowsFlag/3/2) || len(first.Problems) > 0 {
		t.Fatalf("undisturbed: %+v", first)
	}
	want := contents(t, undisturbed)

	target := empty()
	if err := os.RemoveAll(n.Data); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(n.Data, os.DirFS(kept)); err != nil {
		t.Fatal(err)
	}
	kills := 0
	for range 4 {
		cmd := exec.Command(node.Build(t), "django", "export", "--json", "--to", target, "--missing", "insert")
		cmd.Env, cmd.Dir = n.Env(), filepath.Dir(n.Data)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		ended := make(chan struct{})
		go func() { _ = cmd.Wait(); close(ended) }()
		select {
		case <-ended:
		case <-time.After(time.Duration(float64(took) * (0.1 + 0.6*rand.Float64()))):
			_ = cmd.Process.Signal(syscall.SIGKILL)
			<-ended
			kills++
		}
	}
	last := exportTo(t, n, target, "--missing", "insert")
	if last.Inserted+last.Changed+last.Unchanged != int64(*rowsFlag) || last.Changed > 0 || len(last.Problems) > 0 {
		t.Errorf("resumed: %+v", last)
	}
	if got := contents(t, target); got != want {
		t.Errorf("the result differs: %s, undisturbed %s", got, want)
	}
	if again := exportTo(t, n, target, "--missing", "insert"); again.wrote() > 0 {
		t.Errorf("the next export writes %+v", again)
	}
	t.Logf("%d rows, undisturbed in %v; killed %d times, the last run inserted %d", *rowsFlag, took.Round(time.Millisecond), kills, last.Inserted)
}

// contents is a hash over what an export writes, but for when and in which order.
func contents(t *testing.T, name string) string {
	t.Helper()
	db, err := sql.Open("sqlite", name)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	h := sha256.New()
	for _, query := range []string{
		`SELECT quote(id) || quote(email) || quote(password) || quote(last_login) || quote(is_superuser) || quote(first_name) || quote(last_name) || quote(phone)
			|| quote(role) || quote(is_active) || quote(is_staff) || quote(created_at) || quote(updated_at) FROM accounts_user ORDER BY id`,
		`SELECT quote(o.jti) || quote(o.user_id) || quote(o.expires_at) FROM token_blacklist_outstandingtoken o
			JOIN token_blacklist_blacklistedtoken b ON b.token_id = o.id ORDER BY o.jti`,
		`SELECT COUNT(*) || '' FROM token_blacklist_outstandingtoken`,
	} {
		rows, err := db.QueryContext(t.Context(), query)
		if err != nil {
			t.Fatal(err)
		}
		defer rows.Close()
		for rows.Next() {
			var line string
			if err := rows.Scan(&line); err != nil {
				t.Fatal(err)
			}
			fmt.Fprintln(h, line)
		}
		if err := rows.Err(); err != nil {
			t.Fatal(err)
		}
	}
	return hex.EncodeToString(h.Sum(nil)[:8])
}

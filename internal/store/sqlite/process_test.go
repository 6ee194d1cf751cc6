package sqlite_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/latchkey-auth/latchkey/internal/auth"
	"github.com/latchkey-auth/latchkey/internal/store/sqlite"
	"github.com/latchkey-auth/latchkey/internal/store/storetest"
)

// rename changes a user's first name.
func rename(t *testing.T, db *sqlite.DB, id int64, name string) {
	t.Helper()
	err := db.Update(t.Context(), func(tx auth.Tx) error {
		_, err := tx.UpdateUser(t.Context(), id, auth.UserChange{FirstName: &name}, storetest.Now)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestChanges: a commit by another process is noticed, drops what is held in
// memory and gives a hint; the process's own commits do not.
func TestChanges(t *testing.T) {
	path := tempPath(t)
	server, cli := open(t, path), open(t, path)
	u := insertUser(t, server, 1)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	changes := server.Changes(ctx)
	if _, err := server.Read().UserByID(ctx, u.ID); err != nil || !server.Cached(u.ID) {
		t.Fatalf("%v; held in memory: %v", err, server.Cached(u.ID))
	}

	if err := server.Look(ctx); err != nil {
		t.Fatal(err)
	}
	insertUser(t, server, 2)
	if err := server.Look(ctx); err != nil {
		t.Fatal(err)
	}
	select {
	case <-changes:
		t.Error("a hint for the server's own commit")
	default:
	}
	if !server.Cached(u.ID) {
		t.Error("the server's own commit dropped another user")
	}

	rename(t, cli, u.ID, "Changed")
	<-changes // without Look: the writer does by itself
	if got, err := server.Read().UserByID(ctx, u.ID); err != nil || got.FirstName != "Changed" {
		t.Errorf("after the hint: %+v, %v", got, err)
	}
	cancel()
	for range changes { //nolint:revive // until it is closed
	}
}

// TestUserCacheIsBounded fills it past its bound.
func TestUserCacheIsBounded(t *testing.T) {
	db := open(t, tempPath(t))
	const n = 8192 + 100
	err := db.Update(t.Context(), func(tx auth.Tx) error {
		for i := range n {
			if _, err := tx.InsertUser(t.Context(), newUser(i), storetest.Now); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	held := 0
	for id := int64(1); id <= n; id++ {
		if _, err := db.Read().UserByID(t.Context(), id); err != nil {
			t.Fatal(err)
		}
	}
	for id := int64(1); id <= n; id++ {
		if db.Cached(id) {
			held++
		}
	}
	if held != 8192 {
		t.Errorf("%d users in memory, want 8192", held)
	}
}

func TestBackup(t *testing.T) {
	db := open(t, tempPath(t))
	u := insertUser(t, db, 1)
	copied := filepath.Join(t.TempDir(), "backup.db")
	if err := db.Backup(t.Context(), copied); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(copied); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v; want mode 0600", info, err)
	}
	rename(t, db, u.ID, "Later")

	old := open(t, copied)
	if err := old.Check(t.Context()); err != nil {
		t.Error(err)
	}
	if got, err := old.Read().UserByID(t.Context(), u.ID); err != nil || got != u {
		t.Errorf("the copy has %+v, %v; want %+v", got, err, u)
	}
	if next := insertUser(t, old, 2); next.ID <= u.ID {
		t.Errorf("the copy gives id %d again", next.ID)
	}

	// What is there already is never overwritten, nor removed.
	if err := db.Backup(t.Context(), copied); !errors.Is(err, os.ErrExist) {
		t.Errorf("over a file: %v, want ErrExist", err)
	}
	if _, err := os.Stat(copied); err != nil {
		t.Error(err)
	}
	if err := db.Backup(t.Context(), filepath.Join(t.TempDir(), "no", "folder", "x.db")); err == nil {
		t.Error("into no folder: nil")
	}
}

func TestCheckFindsDamage(t *testing.T) {
	path := tempPath(t)
	db := open(t, path)
	for i := range 200 {
		insertUser(t, db, i)
	}
	if err := db.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	const shown, key = "150@example.com", "150@example.com" // as they stand in the row
	at := strings.Index(string(whole), shown+key)
	if at < 0 {
		t.Fatal("no user 150 in the file")
	}
	copy(whole[at+len(shown):], "951") // the row differs from its index now
	if err := os.WriteFile(path, whole, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := open(t, path).Check(t.Context()); err == nil || !strings.Contains(err.Error(), "damaged") {
		t.Errorf("Check: %v, want damage", err)
	}
}

func TestLockFolder(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	release, err := sqlite.LockFolder(dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := sqlite.LockFolder(dir); !errors.Is(err, sqlite.ErrLocked) {
		t.Errorf("the second time: %v, want ErrLocked", err)
	}
	release()
	again, err := sqlite.LockFolder(dir)
	if err != nil {
		t.Fatalf("after release: %v", err)
	}
	again()
}

// TestRewound: a database that was put back from a copy is older than its
// folder.
func TestRewound(t *testing.T) {
	path := tempPath(t)
	ctx := t.Context()
	db := open(t, path)
	u := insertUser(t, db, 1)
	revoke := func(db *sqlite.DB) []auth.Revocation {
		t.Helper()
		got, err := db.RevokeSession(ctx, auth.Revoking{
			UserID: u.ID, AccessJTI: "k", Event: auth.EventLoggedOut, Now: storetest.Now,
		})
		if err != nil {
			t.Fatal(err)
		}
		return got.Revocations
	}
	wantRewound := func(db *sqlite.DB, want bool) {
		t.Helper()
		if got, err := db.Rewound(ctx); err != nil || got != want {
			t.Errorf("Rewound = %v, %v; want %v", got, err, want)
		}
	}
	wantRewound(db, false)
	for range 3 {
		revoke(db)
	}
	copied := filepath.Join(t.TempDir(), "backup.db")
	if err := db.Backup(ctx, copied); err != nil {
		t.Fatal(err)
	}
	for range 4 {
		revoke(db)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	mark := filepath.Join(filepath.Dir(path), "revocations.seq")
	if b, err := os.ReadFile(mark); err != nil || string(b) != "7\n" {
		t.Errorf("the mark is %q, %v; want 7", b, err)
	}
	wantRewound(open(t, path), false)

	if err := os.Rename(copied, path); err != nil {
		t.Fatal(err)
	}
	for _, leftover := range []string{"-wal", "-shm"} {
		_ = os.Remove(path + leftover)
	}
	db = open(t, path)
	wantRewound(db, true)
	// The command line may write before the server looks: the mark stays.
	revoke(db)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	db = open(t, path)
	wantRewound(db, true)
	if err := db.CatchUp(ctx); err != nil {
		t.Fatal(err)
	}
	wantRewound(db, false)
	if got := revoke(db); got[0].Seq != 8 {
		t.Errorf("the next revocation is %d, want 8: a number is never given twice", got[0].Seq)
	}

	if err := os.WriteFile(mark, []byte("nonsense"), 0o600); err != nil {
		t.Fatal(err)
	}
	wantRewound(db, false)
}

// crashEnv makes the test program write to this database until it is killed.
const crashEnv = "LATCHKEY_TEST_CRASH"

// writeUntilKilled tells on standard output of each write that was answered.
func writeUntilKilled(path string) {
	ctx := context.Background()
	db, err := sqlite.Open(ctx, sqlite.Options{Path: path})
	if err != nil {
		fmt.Println("error", err)
		return
	}
	tell := make(chan string)
	for c := range 8 {
		go func() {
			for i := 0; ; i++ {
				n := c*1_000_000 + i
				var u auth.User
				err := db.Update(ctx, func(tx auth.Tx) (err error) {
					u, err = tx.InsertUser(ctx, newUser(n), time.Now())
					return err
				})
				if err == nil {
					_, err = db.RevokeSession(ctx, auth.Revoking{
						UserID: u.ID, AccessJTI: fmt.Sprint(n), Event: auth.EventLoggedOut, Now: time.Now(),
					})
				}
				if err != nil {
					tell <- fmt.Sprint("error ", err)
					return
				}
				tell <- fmt.Sprint("done ", n)
			}
		}()
	}
	for line := range tell {
		fmt.Println(line)
	}
}

// TestKilled: whatever was answered before the process was killed is there.
func TestKilled(t *testing.T) {
	path := tempPath(t)
	for round := range 3 {
		path := fmt.Sprint(path, round)
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), crashEnv+"="+path)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		var done []string
		lines := bufio.NewScanner(out)
		for lines.Scan() {
			verb, rest, _ := strings.Cut(lines.Text(), " ")
			if verb != "done" {
				t.Errorf("the writer says: %s", lines.Text())
				break
			}
			if done = append(done, rest); len(done) == 100*(round+1) {
				if err := cmd.Process.Kill(); err != nil {
					t.Fatal(err)
				}
			}
		}
		_ = cmd.Wait()

		db := open(t, path)
		if err := db.Check(t.Context()); err != nil {
			t.Error(err)
		}
		for _, n := range done {
			if _, err := db.Read().UserByEmail(t.Context(), n+"@example.com"); err != nil {
				t.Errorf("user %s was answered and is lost: %v", n, err)
			}
			if dead, err := db.Read().AccessRevoked(t.Context(), auth.AccessIdentity{JTI: n}); err != nil || !dead {
				t.Errorf("revocation %s was answered and is lost: %v", n, err)
			}
		}
		seq, err := db.Read().LastRevocation(t.Context())
		rows, rowsErr := db.Read().Revocations(t.Context(), 0, 1_000_000)
		if err := errors.Join(err, rowsErr); err != nil || seq != int64(len(rows)) || len(rows) < len(done) {
			t.Errorf("%d revocations at %d, %v; %d were answered", len(rows), seq, err, len(done))
		}
	}
}

package sqlite_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/latchkey-auth/latchkey/internal/auth"
	"github.com/latchkey-auth/latchkey/internal/store"
	"github.com/latchkey-auth/latchkey/internal/store/sqlite"
)

// together queues acts behind one that holds the writer, so that they go as one
// group, and gives their errors.
func together(t *testing.T, db *sqlite.DB, acts ...func(store.Tx) error) []error {
	t.Helper()
	release := hold(t, db)
	errs := make([]error, len(acts))
	done := make(chan struct{})
	for i, fn := range acts {
		go func() {
			errs[i] = db.Raw(t.Context(), fn)
			done <- struct{}{}
		}()
		awaitWaiting(db, i+1) // in this order
	}
	release()
	for range acts {
		<-done
	}
	return errs
}

// hold keeps the writer busy until release is called.
func hold(t *testing.T, db *sqlite.DB) (release func()) {
	t.Helper()
	held, let := make(chan struct{}), make(chan struct{})
	ended := make(chan error)
	go func() {
		ended <- db.Raw(t.Context(), func(store.Tx) error {
			close(held)
			<-let
			return nil
		})
	}()
	<-held
	return func() {
		close(let)
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
}

func awaitWaiting(db *sqlite.DB, n int) {
	for db.Waiting() < n {
		runtime.Gosched()
	}
}

func insert(n int) func(store.Tx) error {
	return func(tx store.Tx) error {
		_, err := tx.InsertUser(context.Background(), newUser(n), tx.Now())
		return err
	}
}

// inserted are the numbers of the users that are there.
func inserted(t *testing.T, db *sqlite.DB) string {
	t.Helper()
	users, err := db.Read().Users(t.Context(), auth.UserFilter{})
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, u := range users {
		names = append(names, strings.TrimSuffix(u.Email, "@example.com"))
	}
	return strings.Join(names, " ")
}

func TestGroupIsOneTransaction(t *testing.T) {
	db := open(t, tempPath(t))
	var inside, outside error
	errs := together(t, db, insert(1), insert(2), func(tx store.Tx) error {
		_, inside = tx.UserByEmail(t.Context(), "1@example.com")
		_, outside = db.Read().UserByEmail(t.Context(), "1@example.com")
		return nil
	})
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	if inside != nil || !errors.Is(outside, auth.ErrNotFound) {
		t.Errorf("the last member: inside %v, outside %v; want one transaction", inside, outside)
	}
	if got := inserted(t, db); got != "1 2" {
		t.Errorf("inserted %s, want 1 2", got)
	}
}

func TestGroupMembersFailAlone(t *testing.T) {
	refused := errors.New("refused")
	db := open(t, tempPath(t))
	errs := together(t, db,
		insert(1),
		func(tx store.Tx) error { return errors.Join(insert(2)(tx), refused) },
		insert(3),
		insert(1), // a violated constraint
		func(tx store.Tx) error {
			_ = insert(4)(tx)
			panic("broken")
		},
		insert(5),
	)
	for i, want := range []error{nil, refused, nil, auth.ErrEmailTaken, nil, nil} {
		if i == 4 {
			if errs[i] == nil || !strings.Contains(errs[i].Error(), "broken") {
				t.Errorf("the one that panicked: %v", errs[i])
			}
		} else if !errors.Is(errs[i], want) {
			t.Errorf("member %d: %v, want %v", i, errs[i], want)
		}
	}
	if got := inserted(t, db); got != "1 3 5" {
		t.Errorf("inserted %s, want 1 3 5", got)
	}
}

func TestGroupWhoseCommitFails(t *testing.T) {
	db := open(t, tempPath(t))
	ctx := t.Context()
	err := db.Raw(ctx, func(tx store.Tx) error {
		_, err := tx.Exec(ctx, `CREATE TABLE orphans (parent BIGINT REFERENCES users (id) DEFERRABLE INITIALLY DEFERRED)`)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	orphan := func(tx store.Tx) error {
		_, err := tx.Exec(ctx, `INSERT INTO orphans (parent) VALUES (404)`)
		return err
	}
	runs := 0
	counted := func(tx store.Tx) error {
		runs++
		return insert(2)(tx)
	}
	errs := together(t, db, insert(1), orphan, counted)
	if errs[0] != nil || errs[1] == nil || errs[2] != nil {
		t.Errorf("errors %v, want only the second", errs)
	}
	if got := inserted(t, db); got != "1 2" || runs != 2 {
		t.Errorf("inserted %s, want 1 2; the last ran %d times, want twice", got, runs)
	}
	// Alone it fails too, and leaves nothing behind for the next.
	if err := db.Raw(ctx, orphan); err == nil {
		t.Error("an orphan alone: nil")
	}
	if err := db.Raw(ctx, insert(3)); err != nil {
		t.Error(err)
	}
}

// limitPages lets the file grow by n pages, as a full disk does.
func limitPages(t *testing.T, db *sqlite.DB, n int64) {
	t.Helper()
	ctx := t.Context()
	err := db.Raw(ctx, func(tx store.Tx) error {
		var pages, limit int64
		if err := tx.QueryRow(ctx, `PRAGMA page_count`).Scan(&pages); err != nil {
			return err
		}
		return tx.QueryRow(ctx, fmt.Sprint(`PRAGMA max_page_count = `, pages+n)).Scan(&limit)
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestFullDisk(t *testing.T) {
	db := open(t, tempPath(t))
	limitPages(t, db, 8)
	tooMuch := func(tx store.Tx) error {
		u := newUser(2)
		u.FirstName = strings.Repeat("x", 1<<20)
		_, err := tx.InsertUser(context.Background(), u, tx.Now())
		return err
	}
	swallowed := func(tx store.Tx) error {
		_ = tooMuch(tx)
		return nil
	}
	errs := together(t, db, insert(1), tooMuch, insert(3))
	if errs[0] != nil || !auth.IsKind(errs[1], auth.Unavailable) || errs[2] != nil {
		t.Errorf("errors %v, want only the second, and that of kind Unavailable", errs)
	}
	if errs := together(t, db, insert(4), swallowed, insert(5)); errs[0] != nil || errs[1] == nil || errs[2] != nil {
		t.Errorf("errors %v, want also the one that was swallowed", errs)
	}
	if err := db.Raw(t.Context(), swallowed); err == nil {
		t.Error("swallowed alone: nil")
	}
	limitPages(t, db, 10_000)
	if err := db.Raw(t.Context(), tooMuch); err != nil {
		t.Errorf("with room again: %v", err)
	}
	if got := inserted(t, db); got != "1 3 4 5 2" {
		t.Errorf("inserted %s, want 1 3 4 5 2", got)
	}
}

func TestGoexitInAnAct(t *testing.T) {
	db := open(t, tempPath(t))
	errs := together(t, db, insert(1), func(store.Tx) error {
		runtime.Goexit()
		return nil
	}, insert(2))
	if errs[1] == nil {
		t.Error("the one that ended the goroutine: nil")
	}
	for i, n := range map[int]int{0: 1, 2: 2} {
		if is := strings.Contains(inserted(t, db), fmt.Sprint(n)); is != (errs[i] == nil) {
			t.Errorf("member %d was answered %v, and is there: %v", i, errs[i], is)
		}
	}
	if err := db.Raw(t.Context(), insert(3)); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}

// A panic of what is called after the commit, on the writer's own goroutine,
// ends neither the process nor the writer; nobody is left waiting or told a
// success that memory does not know, and the cache forgets what may be stale.
//
// ASVS 16.5.4
// LESSON 38
func TestPanicAfterACommit(t *testing.T) {
	db := open(t, tempPath(t))
	if err := db.Raw(t.Context(), insert(1)); err != nil {
		t.Fatal(err)
	}
	if _, err := db.Read().UserByID(t.Context(), 1); err != nil || !db.Cached(1) {
		t.Fatalf("user 1: %v, cached %v", err, db.Cached(1))
	}
	hints := db.Changes(t.Context())
	if err := db.RawThen(t.Context(), insert(2), func() { panic("after the commit") }); err == nil {
		t.Error("the one that panicked: nil")
	}
	select {
	case <-hints:
	case <-time.After(20 * time.Second):
		t.Error("nobody is told to read what was committed")
	}
	if db.Cached(1) {
		t.Error("the cache still holds what may be stale")
	}
	if err := db.Raw(t.Context(), insert(3)); err != nil {
		t.Errorf("afterwards: %v", err)
	}
	if got := inserted(t, db); got != "1 2 3" {
		t.Errorf("inserted %s, want 1 2 3", got)
	}
}

func TestWaitingActIsTakenBack(t *testing.T) {
	db := open(t, tempPath(t))
	release := hold(t, db)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- db.Raw(ctx, insert(1)) }()
	awaitWaiting(db, 1)
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("the caller was answered %v, want context.Canceled", err)
	}
	release()
	if err := db.Raw(t.Context(), insert(2)); err != nil {
		t.Fatal(err)
	}
	if got := inserted(t, db); got != "2" {
		t.Errorf("inserted %s, want only 2", got)
	}
}

func TestCloseFinishesWhatWaits(t *testing.T) {
	path := tempPath(t)
	db := open(t, path)
	release := hold(t, db)
	const n = 20
	errs := make(chan error, n)
	for i := range n {
		go func() { errs <- db.Raw(t.Context(), insert(i)) }()
	}
	awaitWaiting(db, n)
	closed := make(chan error)
	go func() { closed <- db.Close() }()
	release()
	if err := <-closed; err != nil {
		t.Fatal(err)
	}
	for range n {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	if got := strings.Fields(inserted(t, open(t, path))); len(got) != n {
		t.Errorf("%d inserted, want %d", len(got), n)
	}
}

// TestBusyDatabase lets another process hold the write lock past the timeout.
func TestBusyDatabase(t *testing.T) {
	path := tempPath(t)
	db := open(t, path)
	other := open(t, path)
	for _, d := range []*sqlite.DB{db, other} {
		err := d.Raw(t.Context(), func(tx store.Tx) error {
			var ms int64
			return tx.QueryRow(t.Context(), `PRAGMA busy_timeout = 10`).Scan(&ms)
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	release := hold(t, other)
	if err := db.Raw(t.Context(), insert(1)); !auth.IsKind(err, auth.Unavailable) {
		t.Errorf("a write while another process holds the lock: %v, want the kind Unavailable", err)
	}
	if _, err := db.Read().Users(t.Context(), auth.UserFilter{}); err != nil {
		t.Errorf("a read meanwhile: %v", err)
	}
	release()
	if err := db.Raw(t.Context(), insert(1)); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}

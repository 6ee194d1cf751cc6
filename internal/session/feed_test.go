package session_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/latchkey-auth/latchkey/internal/auth"
	"github.com/latchkey-auth/latchkey/internal/pgtest"
	"github.com/latchkey-auth/latchkey/internal/session"
	"github.com/latchkey-auth/latchkey/internal/store/postgres"
	"github.com/latchkey-auth/latchkey/internal/store/sqlite"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

// address is a store behind whose address there is now one database and now
// another.
type address struct {
	auth.Store
	leads func() auth.Store
}

func (a *address) Read() auth.Reader { return a.leads().Read() }

func openFile(t *testing.T, path string, c *clock) *sqlite.DB {
	t.Helper()
	db, err := sqlite.Open(t.Context(), sqlite.Options{Path: path, Now: c.Now, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

// end revokes sessions, each with a number, as another process does.
func end(t *testing.T, store auth.Store, ids ...string) {
	t.Helper()
	for _, id := range ids {
		if err := store.Update(t.Context(), func(tx auth.Tx) error {
			_, err := tx.Revoke(t.Context(), auth.Revocation{Kind: auth.RevokedSession, Key: id})
			return err
		}); err != nil {
			t.Fatal(err)
		}
	}
}

// wantDead looks for what is not known.
func wantDead(t *testing.T, r *session.Revoked, ids ...string) {
	t.Helper()
	for _, id := range ids {
		if dead, err := r.Has(t.Context(), auth.AccessIdentity{SessionID: id}); err != nil || !dead {
			t.Errorf("session %s: dead is %v, %v", id, dead, err)
		}
	}
}

// names gives "a0", "a1" and so on.
func names(prefix string, n int) []string {
	all := make([]string, n)
	for i := range all {
		all[i] = fmt.Sprint(prefix, i)
	}
	return all
}

// pair is a database that has come to row 5 and its backup of row 2.
func pair(t *testing.T, c *clock) (old, backup *sqlite.DB) {
	t.Helper()
	dir := t.TempDir()
	old = openFile(t, filepath.Join(dir, "latchkey.db"), c)
	end(t, old, names("kept", 2)...)
	copied := filepath.Join(t.TempDir(), "latchkey.db")
	if err := old.Backup(t.Context(), copied); err != nil {
		t.Fatal(err)
	}
	end(t, old, names("lost", 3)...)
	return old, openFile(t, copied, c)
}

// The database under a node is put back from a backup, or its standby that had
// not got the last commits takes over: numbers are given out again. All that is
// revoked then is known, whether the clock is still behind what the node has
// read, has come as far, or past it; and what was known stays so.
func TestFeedOfAnOlderDatabase(t *testing.T) {
	for _, after := range []int{0, 1, 2, 3, 4, 7} {
		for _, by := range []string{"Load", "CatchUp"} {
			t.Run(fmt.Sprintf("%d since/%s", after, by), func(t *testing.T) {
				c := newClock()
				old, backup := pair(t, c)
				var leads atomic.Pointer[sqlite.DB]
				leads.Store(old)
				var told bytes.Buffer
				r := session.NewRevoked(&address{old, func() auth.Store { return leads.Load() }}, c.Now, slog.New(slog.NewTextHandler(&told, nil)), 0)
				if err := r.Load(t.Context()); err != nil {
					t.Fatal(err)
				}
				c.Advance(time.Second)
				fresh := names("new", after)
				end(t, backup, fresh...)
				leads.Store(backup)
				if by == "CatchUp" {
					r.CatchUp(t.Context())
					wantDead(t, r, fresh...)
				}
				if err := r.Load(t.Context()); err != nil {
					t.Fatal(err)
				}
				wantDead(t, r, fresh...)
				wantDead(t, r, append(names("kept", 2), names("lost", 3)...)...)
				if !strings.Contains(told.String(), "an older one") {
					t.Errorf("the log says %q", told.String())
				}
				// From here it goes on as ever.
				told.Reset()
				end(t, backup, "next")
				if err := r.Load(t.Context()); err != nil {
					t.Fatal(err)
				}
				wantDead(t, r, "next")
				if told.Len() > 0 {
					t.Errorf("the log says %q", told.String())
				}
			})
		}
	}
}

// A service that waits for news is told to begin anew, also when the numbers of
// the older database have come as far as its own, or past it.
func TestFeedWaitsWhileTheDatabaseTurns(t *testing.T) {
	for _, after := range []int{3, 4} {
		t.Run(fmt.Sprint(after, " since"), func(t *testing.T) {
			c := newClock()
			old, backup := pair(t, c)
			var leads atomic.Pointer[sqlite.DB]
			leads.Store(old)
			waits := make(chan struct{}, 10)
			store := &address{old, func() auth.Store {
				db := leads.Load()
				waits <- struct{}{}
				return db
			}}
			r := session.NewRevoked(&address{old, func() auth.Store { return leads.Load() }}, c.Now, slog.New(slog.DiscardHandler), 0)
			if err := r.Load(t.Context()); err != nil {
				t.Fatal(err)
			}
			s := session.New(session.Options{Store: store, Revoked: r, Now: c.Now})
			var page session.FeedPage
			var err error
			done := make(chan struct{})
			go func() {
				defer close(done)
				page, err = s.Feed(t.Context(), 5, 20*time.Second, nil)
			}()
			<-waits // what it reads now has nothing new
			end(t, backup, names("new", after)...)
			leads.Store(backup)
			if err := r.Load(t.Context()); err != nil {
				t.Fatal(err)
			}
			<-done
			if err != nil || !page.Reset || len(page.Revocations) != 2+after {
				t.Errorf("reset is %v, with %d rows, %v; want a reset with %d", page.Reset, len(page.Revocations), err, 2+after)
			}
		})
	}
}

// turning is a reader whose every page is of another database, and full.
type turning struct {
	auth.Reader
	reads *int
	last  time.Duration
}

func (r turning) Revocations(_ context.Context, after int64, limit int) ([]auth.Revocation, error) {
	*r.reads++
	rows := make([]auth.Revocation, limit)
	for i := range rows {
		rows[i] = auth.Revocation{
			Seq: after + int64(i) + 1, Kind: auth.RevokedSession, Key: fmt.Sprint(*r.reads, "/", i), Until: time.Now().Add(r.last),
		}
	}
	return rows, nil
}

type turningStore struct {
	auth.Store
	reads int
	last  time.Duration // of the revocations
}

func (s *turningStore) Read() auth.Reader { return turning{reads: &s.reads, last: s.last} }

// An address that leads now here and now there is told of as the outage that it
// is: a list that is begun again and again would never be whole.
func TestFeedOfTwoDatabases(t *testing.T) {
	for _, last := range []time.Duration{4 * time.Hour, -time.Hour} {
		store := &turningStore{last: last}
		r := session.NewRevoked(store, time.Now, slog.New(slog.DiscardHandler), 0)
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		if err := r.Load(ctx); !auth.IsKind(err, auth.Unavailable) || r.Loaded() || ctx.Err() != nil {
			t.Errorf("revocations for %v: %v after %d reads, loaded %v; want the kind Unavailable", last, err, store.reads, r.Loaded())
		}
		cancel()
	}
}

// The last row may be swept by a node whose clock is ahead, where nothing else
// happens: that is no other database, and services need not begin anew.
func TestFeedAfterASweepAhead(t *testing.T) {
	c := newClock()
	db := openFile(t, filepath.Join(t.TempDir(), "latchkey.db"), c)
	end(t, db, "x")
	var told bytes.Buffer
	r := session.NewRevoked(db, c.Now, slog.New(slog.NewTextHandler(&told, nil)), 0)
	if err := r.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	rows, err := db.Read().Revocations(t.Context(), 0, 10)
	if err != nil || len(rows) != 1 {
		t.Fatal(rows, err)
	}
	c.Advance(rows[0].Until.Sub(c.Now()) - 90*time.Second)
	ahead := c.Now().Add(2 * time.Minute)
	if err := db.Update(t.Context(), func(tx auth.Tx) error {
		_, _, err := tx.Sweep(t.Context(), ahead, ahead, "", 100)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if err := r.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := r.Turns(); n != 0 || told.Len() > 0 {
		t.Errorf("%d turns, the log says %q", n, told.String())
	}
	end(t, db, "y")
	if err := r.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantDead(t, r, "x", "y")
}

// What has expired is swept, the last row that was read with it: nobody is
// warned, and what comes is read.
func TestFeedAfterASweep(t *testing.T) {
	c := newClock()
	db := openFile(t, filepath.Join(t.TempDir(), "latchkey.db"), c)
	end(t, db, names("old", 3)...)
	var told bytes.Buffer
	r := session.NewRevoked(db, c.Now, slog.New(slog.NewTextHandler(&told, nil)), 0)
	for i := range 3 {
		if err := r.Load(t.Context()); err != nil {
			t.Fatal(err)
		}
		c.Advance(24 * time.Hour)
		if err := db.Update(t.Context(), func(tx auth.Tx) error {
			gone, _, err := tx.Sweep(t.Context(), c.Now(), c.Now(), "", 100)
			if gone == 0 {
				t.Error("nothing was swept")
			}
			return err
		}); err != nil {
			t.Fatal(err)
		}
		if err := r.Load(t.Context()); err != nil {
			t.Fatal(err)
		}
		id := fmt.Sprint("new", i)
		end(t, db, id)
		if err := r.Load(t.Context()); err != nil {
			t.Fatal(err)
		}
		wantDead(t, r, id)
	}
	if told.Len() > 0 {
		t.Errorf("the log says %q", told.String())
	}
}

// Nodes run while PostgreSQL is put back from a backup and the command line
// ends all sessions: each of them knows.
func TestRestoreUnderNodes(t *testing.T) {
	url := pgtest.Database(t)
	open := func() *postgres.DB {
		db, err := postgres.Open(t.Context(), postgres.Options{URL: url})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = db.Close() })
		return db
	}
	sql, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = sql.Close(context.WithoutCancel(t.Context())) })
	execute := func(statement string) {
		t.Helper()
		if _, err := sql.Exec(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}

	cli := open()
	end(t, cli, names("kept", 2)...)
	execute(`CREATE TABLE saved AS TABLE revocations; CREATE TABLE saved_clock AS TABLE revocation_clock`)
	end(t, cli, names("lost", 5)...)
	var nodes []*session.Revoked
	for range 2 {
		r := session.NewRevoked(open(), time.Now, slog.New(slog.DiscardHandler), 0)
		if err := r.Load(t.Context()); err != nil {
			t.Fatal(err)
		}
		go r.Follow(t.Context())
		nodes = append(nodes, r)
	}

	execute(`BEGIN; DELETE FROM revocations; INSERT INTO revocations SELECT * FROM saved;
		UPDATE revocation_clock SET seq = (SELECT seq FROM saved_clock); COMMIT`)
	issued := time.Now().Unix()
	if err := cli.Update(t.Context(), func(tx auth.Tx) error {
		if _, err := tx.EndAll(t.Context(), time.Now()); err != nil {
			return err
		}
		_, err := tx.Revoke(t.Context(), auth.Revocation{Kind: auth.RevokedAll, IssuedBefore: issued})
		return err
	}); err != nil {
		t.Fatal(err)
	}
	for i, r := range nodes {
		for end := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
			dead, err := r.Has(t.Context(), auth.AccessIdentity{SessionID: "whosoever", IssuedAt: issued})
			if err == nil && dead {
				break
			}
			if time.Now().After(end) {
				t.Fatalf("node %d: a token of before is good: %v", i, err)
			}
		}
	}
}

// hooked is a store that calls a test before it gives a reader, and around each
// page of revocations.
type hooked struct {
	auth.Store
	reading       func()
	before, paged func(context.Context) error
}

func (h *hooked) Read() auth.Reader {
	if h.reading != nil {
		h.reading()
	}
	return hookedReader{h.Store.Read(), h}
}

type hookedReader struct {
	auth.Reader
	h *hooked
}

func (r hookedReader) Revocations(ctx context.Context, after int64, limit int) ([]auth.Revocation, error) {
	if r.h.before != nil {
		if err := r.h.before(ctx); err != nil {
			return nil, err
		}
	}
	rows, err := r.Reader.Revocations(ctx, after, limit)
	if err == nil && r.h.paged != nil {
		err = r.h.paged(ctx)
	}
	return rows, err
}

// teller calls a test with each line of a log.
type teller func(message string)

func (teller) Enabled(context.Context, slog.Level) bool { return true }

func (f teller) Handle(_ context.Context, r slog.Record) error {
	f(r.Message)
	return nil
}
func (f teller) WithAttrs([]slog.Attr) slog.Handler { return f }
func (f teller) WithGroup(string) slog.Handler      { return f }

// The clock is put back and the feed begins to read everything again. A look
// before an answer that was under way does not have it skip what is before.
func TestCatchUpWhileTheFeedBeginsAnew(t *testing.T) {
	type own struct{}
	c := newClock()
	db := openFile(t, filepath.Join(t.TempDir(), "latchkey.db"), c)
	end(t, db, "first")
	var (
		r             *session.Revoked
		held, release = make(chan struct{}), make(chan struct{})
		done          = make(chan struct{})
		began         atomic.Bool
	)
	store := &hooked{
		Store: db,
		before: func(ctx context.Context) error {
			if ctx.Value(own{}) != nil {
				close(held)
				<-release
			}
			return nil
		},
	}
	// The feed is between beginning anew and its first page.
	store.reading = func() {
		if began.CompareAndSwap(true, false) {
			close(release)
			<-done
		}
	}
	r = session.NewRevoked(store, c.Now, slog.New(teller(func(message string) {
		if strings.Contains(message, "the clock was put back") {
			end(t, db, "second")
			go func() {
				defer close(done)
				r.CatchUp(context.WithValue(t.Context(), own{}, true))
			}()
			<-held
			began.Store(true)
		}
	})), 0)
	// Ahead, the first seems past its end.
	c.Advance(365 * 24 * time.Hour)
	ctx, cancel := context.WithCancel(t.Context())
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		r.Follow(ctx)
	}()
	defer func() { cancel(); <-stopped }()
	// Each look sees the clock before it reads.
	for !r.Synced().Equal(c.Now()) {
		time.Sleep(time.Millisecond)
	}
	c.Advance(-365 * 24 * time.Hour)
	select {
	case <-done:
	case <-time.After(10 * time.Second):
		t.Fatal("the feed has not begun anew")
	}
	for end := time.Now().Add(5 * time.Second); !r.Synced().Equal(c.Now()) && time.Now().Before(end); {
		time.Sleep(time.Millisecond)
	}
	wantDead(t, r, "first", "second")
}

// What is revoked here while the list comes back from the overflow is known
// after it, though the table cannot be read any more.
func TestRevokedWhileLeavingTheOverflow(t *testing.T) {
	c := newClock()
	db := openFile(t, filepath.Join(t.TempDir(), "latchkey.db"), c)
	end(t, db, names("old", 6)...)
	store := &hooked{Store: db}
	r := session.NewRevoked(store, c.Now, slog.New(slog.DiscardHandler), 4)
	if err := r.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantDead(t, r, names("old", 6)...)
	c.Advance(24 * time.Hour)
	pages := 0
	store.paged = func(ctx context.Context) error {
		if pages++; pages > 1 {
			return errors.New("the database is away")
		}
		var rows []auth.Revocation
		err := db.Update(ctx, func(tx auth.Tx) (err error) {
			rows, err = tx.Revoke(ctx, auth.Revocation{Kind: auth.RevokedSession, Key: "ours"})
			return err
		})
		r.Apply(rows...)
		return err
	}
	r.Forget(t.Context())
	if pages == 0 {
		t.Fatal("there was no overflow")
	}
	wantDead(t, r, "ours")
}

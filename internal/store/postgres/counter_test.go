package postgres_test

import (
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/latchkey-auth/latchkey/internal/auth"
	"github.com/latchkey-auth/latchkey/internal/pgtest"
	"github.com/latchkey-auth/latchkey/internal/store/postgres"
)

// counted is a change of one counter that lasts until a time.
func counted(key string, until time.Time, calls *atomic.Int64) auth.Counting {
	return auth.Counting{Keys: []string{key}, Change: func(all []auth.Counter) (*auth.Event, error) {
		calls.Add(1)
		all[0].Kind, all[0].Failures, all[0].Expires = "account", all[0].Failures+1, until
		return nil, nil
	}}
}

// A counter that is renewed while the sweep waits for it is not swept away.
func TestCounterRenewedWhileSwept(t *testing.T) {
	url := pgtest.Database(t)
	db := open(t, url)
	var calls atomic.Int64
	for _, key := range []string{"a", "b"} {
		if err := db.Count(t.Context(), counted(key, now.Add(-time.Hour), &calls)); err != nil {
			t.Fatal(err)
		}
	}
	commit := begin(t, url, `UPDATE throttle SET expires = $1 WHERE key = 'a'`, now.Add(time.Hour).UnixMicro())
	swept := make(chan error, 1)
	go func() {
		swept <- db.Update(t.Context(), func(tx auth.Tx) error {
			_, _, err := tx.Sweep(t.Context(), now, now, "", 100)
			return err
		})
	}()
	waitForLocks(t, url, 1)
	commit()
	if err := <-swept; err != nil {
		t.Fatal(err)
	}
	all, err := db.Read().CountersByKey(t.Context(), []string{"a", "b"})
	if err != nil || all[0].Failures != 1 || all[1].Failures != 0 {
		t.Errorf("%+v, %v: want the first one kept and the second one gone", all, err)
	}
}

// pile makes counts that wait for a held row of the counter "a": one, and then a
// batch of the second writer's with eight more, of it and of others.
func pile(t *testing.T, url string, db *postgres.DB, calls *atomic.Int64) (errs []error, ended <-chan struct{}, commit func()) {
	t.Helper()
	for _, key := range []string{"a", "b"} {
		if err := db.Count(t.Context(), counted(key, now.Add(time.Hour), calls)); err != nil {
			t.Fatal(err)
		}
	}
	commit = begin(t, url, `SELECT 1 FROM throttle WHERE key = 'a' FOR UPDATE`)
	errs = make([]error, 9)
	var wg sync.WaitGroup
	for i := range errs {
		wg.Go(func() { errs[i] = db.Count(t.Context(), counted([]string{"a", "b"}[i%2], now.Add(time.Hour), calls)) })
		if i == 0 {
			waitForLocks(t, url, 1)
		}
	}
	waitForLocks(t, url, 2)
	done := make(chan struct{})
	go func() {
		wg.Wait()
		close(done)
	}()
	return errs, done, commit
}

// Where the database goes away in a batch, nobody knows what of it was done, and
// none is counted again by itself.
func TestBatchOfCountsFails(t *testing.T) {
	url := pgtest.Database(t)
	db := open(t, url)
	var calls atomic.Int64
	errs, ended, commit := pile(t, url, db, &calls)
	c, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(t.Context())
	// So long an outage is not waited out. By itself each would wait as long.
	for began := time.Now(); ; {
		if _, err := c.Exec(t.Context(), `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
			WHERE datname = current_database() AND wait_event_type = 'Lock'`); err != nil {
			t.Fatal(err)
		}
		select {
		case <-ended:
		case <-time.After(20 * time.Millisecond):
			if time.Since(began) < 15*time.Second {
				continue
			}
			t.Error("each was tried again by itself")
		}
		break
	}
	commit()
	<-ended
	for i, err := range errs {
		if e := new(auth.Error); !errors.As(err, &e) || e.Kind != auth.Unavailable {
			t.Errorf("count %d: %v, want Unavailable", i, err)
		}
	}
	if n := calls.Load(); n != 2 {
		t.Errorf("%d counts, want those from before", n)
	}
}

// Where PostgreSQL only refuses to wait for a counter that somebody holds, the
// counts of others do not fail with it.
func TestBatchWithAHeldCounter(t *testing.T) {
	url := pgtest.Database(t)
	setup, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	var name string
	if err := setup.QueryRow(t.Context(), `SELECT current_database()`).Scan(&name); err != nil {
		t.Fatal(err)
	}
	if _, err := setup.Exec(t.Context(), `ALTER DATABASE `+pgx.Identifier{name}.Sanitize()+` SET lock_timeout = '1s'`); err != nil {
		t.Fatal(err)
	}
	setup.Close(t.Context())
	db := open(t, url)
	var calls atomic.Int64
	errs, ended, commit := pile(t, url, db, &calls)
	<-ended
	commit()
	for i, err := range errs {
		if held := i%2 == 0; (err != nil) != held {
			t.Errorf("count %d: %v, want an error %v", i, err, held)
		}
	}
}

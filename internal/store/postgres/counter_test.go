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

// Where the database fails a batch, nobody knows what of it was done, and none is
// counted again.
func TestBatchOfCountsFails(t *testing.T) {
	url := pgtest.Database(t)
	db := open(t, url)
	var calls atomic.Int64
	if err := db.Count(t.Context(), counted("a", now.Add(time.Hour), &calls)); err != nil {
		t.Fatal(err)
	}
	commit := begin(t, url, `SELECT 1 FROM throttle WHERE key = 'a' FOR UPDATE`)
	errs := make([]error, 9)
	var wg sync.WaitGroup
	count := func(i int) {
		wg.Go(func() { errs[i] = db.Count(t.Context(), counted("a", now.Add(time.Hour), &calls)) })
	}
	count(0)
	waitForLocks(t, url, 1)
	for i := range 8 { // the second writer's batch
		count(i + 1)
	}
	waitForLocks(t, url, 2)
	c, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(t.Context())
	ended := make(chan struct{})
	go func() {
		wg.Wait()
		close(ended)
	}()
	// Those that came while the second batch was gathered make a third.
	for deadline, tries := time.After(10*time.Second), 0; ; tries++ {
		if tries > 3 {
			t.Error("each was tried again by itself")
			break
		}
		if _, err := c.Exec(t.Context(), `SELECT pg_cancel_backend(pid) FROM pg_stat_activity
			WHERE datname = current_database() AND wait_event_type = 'Lock'`); err != nil {
			t.Fatal(err)
		}
		select {
		case <-ended:
		case <-time.After(500 * time.Millisecond):
			continue
		case <-deadline:
			t.Error("they wait still")
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
	if n := calls.Load(); n != 1 {
		t.Errorf("%d counts, want the first alone", n)
	}
}

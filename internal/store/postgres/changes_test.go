package postgres_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/latchkey-auth/latchkey/internal/auth"
	"github.com/latchkey-auth/latchkey/internal/pgtest"
	"github.com/latchkey-auth/latchkey/internal/store/postgres"
)

// await waits for a hint after which the node sees seq.
func await(t *testing.T, db *postgres.DB, hints <-chan struct{}, seq int64) {
	t.Helper()
	deadline := time.After(20 * time.Second)
	for {
		select {
		case _, ok := <-hints:
			if !ok {
				t.Fatal("the hints have ended")
			}
		case <-deadline:
			t.Fatalf("no hint of revocation %d", seq)
		}
		last, err := db.Read().LastRevocation(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if last >= seq {
			return
		}
	}
}

func TestChanges(t *testing.T) {
	url := pgtest.Database(t)
	here, there := open(t, url), open(t, url)
	hints := there.Changes(t.Context())
	await(t, there, hints, 0) // it listens
	u := insertUser(t, here, 1)

	seq := int64(0)
	for name, act := range map[string]func() error{
		"revoke": func() error {
			openSession(t, here, u, 1)
			_, err := here.RevokeSession(t.Context(), revoking(u, 1))
			return err
		},
		"update": func() error {
			return here.Update(t.Context(), func(tx auth.Tx) error {
				_, err := tx.Revoke(t.Context(), auth.Revocation{Kind: auth.RevokedAll, IssuedBefore: 1})
				return err
			})
		},
		"one session too many": func() error {
			for n := range auth.MaxSessions + 1 {
				o := opening(u, 100+n)
				o.Now = now.Add(time.Duration(n) * time.Second)
				if _, err := here.OpenSession(t.Context(), o); err != nil {
					return err
				}
			}
			return nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			if err := act(); err != nil {
				t.Fatal(err)
			}
			seq++
			await(t, there, hints, seq)
		})
	}

	t.Run("a lost connection heals", func(t *testing.T) {
		execute(t, url, `SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
			WHERE datname = current_database() AND query LIKE 'LISTEN%'`)
		await(t, there, hints, seq) // after the connect, for what was missed
		_, err := here.RevokeSession(t.Context(), auth.Revoking{UserID: u.ID, AccessJTI: "a", Event: auth.EventLoggedOut, Now: now})
		if err != nil {
			t.Fatal(err)
		}
		await(t, there, hints, seq+1)
	})
}

func TestChanges_end(t *testing.T) {
	db := open(t, pgtest.Database(t))
	ctx, cancel := context.WithCancel(t.Context())
	hints := db.Changes(ctx)
	<-hints
	cancel()
	for range hints { //nolint:revive // until it is closed
	}
}

// pooled gives the processes that serve the pool.
func pooled(t *testing.T, url string) (pids []int32) {
	t.Helper()
	c, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(context.WithoutCancel(t.Context()))
	rows, err := c.Query(t.Context(), `SELECT pid FROM pg_stat_activity
		WHERE datname = current_database() AND pid <> pg_backend_pid() AND query NOT LIKE 'LISTEN%' ORDER BY pid`)
	if err != nil {
		t.Fatal(err)
	}
	if pids, err = pgx.CollectRows(rows, pgx.RowTo[int32]); err != nil {
		t.Fatal(err)
	}
	return pids
}

// When the listener has lost its server and found one again, the connections of
// before are not used any more: they may lead to a server that is behind.
func TestChanges_new_pool_after_a_loss(t *testing.T) {
	url := pgtest.Database(t)
	db := open(t, url)
	hints := db.Changes(t.Context())
	await(t, db, hints, 0)
	before := pooled(t, url)
	if len(before) == 0 {
		t.Fatal("the pool is empty")
	}
	execute(t, url, `SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
		WHERE datname = current_database() AND query LIKE 'LISTEN%'`)
	await(t, db, hints, 0)
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		after := pooled(t, url)
		if !slices.ContainsFunc(after, func(pid int32) bool { return slices.Contains(before, pid) }) {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("the connections %v are there still, of %v", after, before)
		}
	}
}

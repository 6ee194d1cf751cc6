package postgres_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/latchkey-auth/latchkey/internal/auth"
	"github.com/latchkey-auth/latchkey/internal/pgtest"
	"github.com/latchkey-auth/latchkey/internal/store/postgres"
)

// hold locks rows of sessions, so that rotations pile up behind it, until the
// function it gives is called.
func hold(t *testing.T, url string, ids ...string) (release func()) {
	t.Helper()
	return begin(t, url, `SELECT 1 FROM sessions WHERE id = ANY ($1) FOR UPDATE`, ids)
}

// begin runs a statement in a transaction of its own, which commit ends.
func begin(t *testing.T, url, statement string, args ...any) (commit func()) {
	t.Helper()
	ctx := context.Background()
	c, err := pgx.Connect(ctx, url)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Exec(ctx, `BEGIN`); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Exec(ctx, statement, args...); err != nil {
		t.Fatal(err)
	}
	return func() {
		if _, err := c.Exec(ctx, `COMMIT`); err != nil {
			t.Error(err)
		}
		c.Close(ctx)
	}
}

// waitForLocks waits until n connections wait for a lock.
func waitForLocks(t *testing.T, url string, n int) {
	t.Helper()
	c, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(t.Context())
	eventually(t, func() bool {
		var waiting int
		err := c.QueryRow(t.Context(), `SELECT COUNT(*) FROM pg_stat_activity
			WHERE datname = current_database() AND wait_event_type = 'Lock'`).Scan(&waiting)
		if err != nil {
			t.Fatal(err)
		}
		return waiting == n
	})
}

// waitForQueue waits until n rotations wait for a writer.
func waitForQueue(t *testing.T, db *postgres.DB, n int) {
	t.Helper()
	eventually(t, func() bool { return db.Waiting() == n })
}

func eventually(t *testing.T, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !holds(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("it does not come to that")
		}
	}
}

type outcome struct {
	auth.Rotated
	err error
}

// rotateAll rotates concurrently.
func rotateAll(t *testing.T, db *postgres.DB, wg *sync.WaitGroup, rotations []auth.Rotation) []outcome {
	t.Helper()
	outcomes := make([]outcome, len(rotations))
	for i, r := range rotations {
		wg.Go(func() { outcomes[i].Rotated, outcomes[i].err = db.Rotate(t.Context(), r) })
	}
	return outcomes
}

// Whatever else is in the batch, each member gets its own answer.
func TestRotate_batch(t *testing.T) {
	url := pgtest.Database(t)
	db := open(t, url)
	u := insertUser(t, db, 1)
	other := insertUser(t, db, 2)
	inactive := insertUser(t, db, 3)
	const first, second, live, revoked, poisoned, late = 1, 2, 3, 4, 5, 6
	for _, n := range []int{first, second, live, revoked, poisoned, late} {
		openSession(t, db, u, n)
	}
	openSession(t, db, inactive, 7)
	if _, err := db.RevokeSession(t.Context(), revoking(u, revoked)); err != nil {
		t.Fatal(err)
	}
	no := false
	err := db.Update(t.Context(), func(tx auth.Tx) error {
		_, err := tx.UpdateUser(t.Context(), inactive.ID, auth.UserChange{IsActive: &no}, now)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}

	// Both writers wait for held sessions; the rest is one batch.
	release := hold(t, url, sessionID(first), sessionID(second))
	var wg sync.WaitGroup
	held := rotateAll(t, db, &wg, []auth.Rotation{rotation(u, first, 0, jti(first, 1))})
	waitForLocks(t, url, 1)
	held2 := rotateAll(t, db, &wg, []auth.Rotation{rotation(u, second, 0, jti(second, 1))})
	waitForLocks(t, url, 2)

	past := rotation(u, late, 0, jti(late, 1))
	past.Now = now.Add(31 * 24 * time.Hour)
	members := []struct {
		name string
		auth.Rotation
		done, fails bool
	}{
		{"one that is good", rotation(u, live, 0, jti(live, 1)), true, false},
		{"a spent jti", rotation(u, first, 9, jti(first, 10)), false, false},
		{"the session of a batch under way, with its successor's jti", rotation(u, second, 1, jti(second, 2)), true, false},
		{"a revoked session", rotation(u, revoked, 0, jti(revoked, 1)), false, false},
		{"another user's session", rotation(other, live, 0, jti(live, 2)), false, false},
		{"an inactive user's", rotation(inactive, 7, 0, jti(7, 1)), false, false},
		{"no session", rotation(u, 99, 0, jti(99, 1)), false, false},
		{"one past its last day", past, false, false},
		{"a byte that PostgreSQL refuses", rotation(u, poisoned, 0, "\x00"), false, true},
	}
	rotations := make([]auth.Rotation, len(members))
	for i, m := range members {
		rotations[i] = m.Rotation
	}
	outcomes := rotateAll(t, db, &wg, rotations)
	waitForQueue(t, db, len(rotations))
	release()
	wg.Wait()
	if !held[0].Done || !held2[0].Done {
		t.Errorf("those that waited for a lock: %+v, %+v", held[0], held2[0])
	}
	for i, m := range members {
		got := outcomes[i]
		if (got.err != nil) != m.fails {
			t.Errorf("%s: error %v", m.name, got.err)
		}
		if got.Done != m.done {
			t.Errorf("%s: Done = %v", m.name, got.Done)
		}
		if m.done && (got.Session.JTI != m.NewJTI || got.Session.PrevJTI != m.JTI || got.User.ID != m.UserID) {
			t.Errorf("%s: session %+v of user %d", m.name, got.Session, got.User.ID)
		}
	}
}

// Two nodes, one token, a thousand times: one successor each time.
//
// LESSON 13
func TestRotate_race_of_nodes(t *testing.T) {
	url := pgtest.Database(t)
	nodes := []*postgres.DB{open(t, url), open(t, url)}
	u := insertUser(t, nodes[0], 1)
	const sessions, rounds, rivals = 8, 125, 2 // rivals on each node
	for n := range sessions {
		openSession(t, nodes[0], u, n)
	}
	current := make([]string, sessions)
	for n := range current {
		current[n] = jti(n, 0)
	}
	for round := range rounds {
		var winners [sessions]atomic.Pointer[string]
		var done [sessions]atomic.Int32
		var wg sync.WaitGroup
		for n := range sessions {
			for i, db := range nodes {
				for rival := range rivals {
					wg.Go(func() {
						r := rotation(u, n, 0, fmt.Sprintf("%x-%x-%x-%x", n, round, i, rival))
						r.JTI = current[n]
						got, err := db.Rotate(t.Context(), r)
						if err != nil {
							t.Error(err)
						}
						if got.Done {
							done[n].Add(1)
							winners[n].Store(&r.NewJTI)
						} else if got.Session.PrevJTI != r.JTI {
							t.Errorf("a loser was told of %+v", got.Session)
						}
					})
				}
			}
		}
		wg.Wait()
		for n := range sessions {
			if got := done[n].Load(); got != 1 {
				t.Fatalf("round %d: %d rotations of one token", round, got)
			}
			current[n] = *winners[n].Load()
		}
	}
}

// A deactivation that commits while a rotation waits for its lock wins.
func TestRotate_sees_what_it_waited_for(t *testing.T) {
	url := pgtest.Database(t)
	db := open(t, url)
	other := insertUser(t, db, 1)
	for i, test := range []struct {
		name  string
		alone int // rotations that each have a writer
		batch int // rotations that come when no writer is free
	}{
		{"alone", 2, 0},
		{"in a batch", 0, 2},
	} {
		t.Run(test.name, func(t *testing.T) {
			const perTest = 10
			u := insertUser(t, db, 2+i)
			var rotations []auth.Rotation
			for n := i * perTest; n < i*perTest+test.alone+test.batch; n++ {
				openSession(t, db, u, n)
				rotations = append(rotations, rotation(u, n, 0, jti(n, 1)))
			}
			held := []int{i*perTest + 8, i*perTest + 9}
			for _, n := range held {
				openSession(t, db, other, n)
			}

			var wg sync.WaitGroup
			var all [][]outcome
			no := false
			err := db.Update(t.Context(), func(tx auth.Tx) error {
				if _, err := tx.UpdateUser(t.Context(), u.ID, auth.UserChange{IsActive: &no}, now); err != nil {
					return err
				}
				if _, err := tx.RevokeSessions(t.Context(), u.ID, "", now); err != nil {
					return err
				}
				if test.batch == 0 {
					// One after the other: two that come together may share a writer.
					for i, r := range rotations {
						all = append(all, rotateAll(t, db, &wg, []auth.Rotation{r}))
						waitForLocks(t, url, i+1)
					}
					return nil
				}
				release := hold(t, url, sessionID(held[0]), sessionID(held[1]))
				for i, n := range held {
					rotateAll(t, db, &wg, []auth.Rotation{rotation(other, n, 0, jti(n, 1))})
					waitForLocks(t, url, i+1)
				}
				all = append(all, rotateAll(t, db, &wg, rotations))
				waitForQueue(t, db, test.batch)
				release()
				waitForQueue(t, db, 0)
				waitForLocks(t, url, 1)
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			wg.Wait()
			for _, got := range slices.Concat(all...) {
				if got.err != nil || got.Done || got.User.IsActive {
					t.Errorf("Rotate = %+v, %v", got.Rotated, got.err)
				}
			}
		})
	}
}

// A batch's statement that waited for a lock does not see the jti that it waited
// for, although it is the one presented.
func TestRotate_snapshot_too_old(t *testing.T) {
	url := pgtest.Database(t)
	db := open(t, url)
	u := insertUser(t, db, 1)
	for n := range 4 {
		openSession(t, db, u, n)
	}
	var wg sync.WaitGroup
	release := hold(t, url, sessionID(0), sessionID(1))
	for n := range 2 { // both writers
		rotateAll(t, db, &wg, []auth.Rotation{rotation(u, n, 0, jti(n, 1))})
		waitForLocks(t, url, n+1)
	}
	outcomes := rotateAll(t, db, &wg, []auth.Rotation{rotation(u, 2, 1, jti(2, 2)), rotation(u, 3, 0, jti(3, 1))})
	waitForQueue(t, db, 2)
	commit := begin(t, url, `UPDATE sessions SET jti = $1 WHERE id = $2`, jti(2, 1), sessionID(2))
	release()
	waitForQueue(t, db, 0)
	waitForLocks(t, url, 1)
	commit()
	wg.Wait()
	for i, got := range outcomes {
		if got.err != nil || !got.Done {
			t.Errorf("rotation %d = %+v, %v", i, got.Rotated, got.err)
		}
	}
}

// A rotation whose commit was not answered is asked for again with the same
// successor.
func TestRotate_again(t *testing.T) {
	db := open(t, pgtest.Database(t))
	u := insertUser(t, db, 1)
	openSession(t, db, u, 1)
	for range 3 {
		got, err := db.Rotate(t.Context(), rotation(u, 1, 0, jti(1, 1)))
		if err != nil || !got.Done || got.Session.JTI != jti(1, 1) || got.User.ID != u.ID {
			t.Errorf("Rotate = %+v, %v", got, err)
		}
	}
}

// A caller who leaves does not take the others along, nor the connection.
func TestRotate_callers_leave(t *testing.T) {
	url := pgtest.Database(t)
	db := open(t, url)
	u := insertUser(t, db, 1)
	for n := range 4 {
		openSession(t, db, u, n)
	}
	release := hold(t, url, sessionID(0), sessionID(1))
	ctx, leave := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	for n := range 2 { // under way
		wg.Go(func() {
			if _, err := db.Rotate(ctx, rotation(u, n, 0, jti(n, 1))); err == nil {
				t.Error("a caller that left was answered")
			}
		})
		waitForLocks(t, url, n+1)
	}
	wg.Go(func() { // waiting
		if _, err := db.Rotate(ctx, rotation(u, 2, 0, jti(2, 1))); err == nil {
			t.Error("a caller that left was answered")
		}
	})
	stays := rotateAll(t, db, &wg, []auth.Rotation{rotation(u, 3, 0, jti(3, 1))})
	waitForQueue(t, db, 2)
	leave()
	waitForQueue(t, db, 1)
	release()
	wg.Wait()
	if stays[0].err != nil || !stays[0].Done {
		t.Errorf("who stayed got %+v, %v", stays[0].Rotated, stays[0].err)
	}
	s, _, err := db.Read().SessionState(t.Context(), sessionID(2), u.ID)
	if err != nil || s.JTI != jti(2, 0) {
		t.Errorf("what its caller took back happened: %+v, %v", s, err)
	}
}

// Every statement of a request finds its rows by an index, also by a plan that
// was made when the tables were empty.
func TestPlans(t *testing.T) {
	url := pgtest.Database(t)
	open(t, url)
	for _, rows := range []int{0, 1, 10_000} {
		t.Run(fmt.Sprint(rows), func(t *testing.T) {
			fill(t, url, rows)
			c, err := pgx.Connect(t.Context(), url)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close(context.Background())
			if _, err := c.Exec(t.Context(), postgres.Settings); err != nil {
				t.Fatal(err)
			}
			for name, statement := range postgres.Statements {
				arrays := strings.TrimSuffix(strings.Repeat("'{1}',", 9), ",")
				if _, err := c.Exec(t.Context(), `PREPARE x AS `+statement); err != nil {
					t.Fatal(err)
				}
				lines, err := c.Query(t.Context(), `EXPLAIN EXECUTE x(`+arrays+`)`)
				if err != nil {
					t.Fatal(err)
				}
				plan, err := pgx.CollectRows(lines, pgx.RowTo[string])
				if err != nil {
					t.Fatal(err)
				}
				if _, err := c.Exec(t.Context(), `DEALLOCATE x`); err != nil {
					t.Fatal(err)
				}
				scans := 0
				for i, line := range plan {
					if strings.Contains(line, "Seq Scan") {
						t.Errorf("%s reads a whole table:\n%s", name, strings.Join(plan, "\n"))
					}
					if strings.Contains(line, "Index Scan") || strings.Contains(line, "Index Only Scan") {
						scans++
						if i+1 == len(plan) || !strings.Contains(plan[i+1], "Index Cond") {
							t.Errorf("%s reads a whole index:\n%s", name, strings.Join(plan, "\n"))
						}
					}
				}
				if scans < 2 {
					t.Errorf("%s: %d scans of an index:\n%s", name, scans, strings.Join(plan, "\n"))
				}
			}
		})
	}
}

// fill makes the tables have this many rows, and statistics of them.
func fill(t *testing.T, url string, rows int) {
	t.Helper()
	execute(t, url, `TRUNCATE users, sessions`)
	execute(t, url, fmt.Sprintf(`INSERT INTO users (email, email_key, first_name, last_name, phone, role, is_active,
			password, credential_version, gen, created_at, updated_at)
		SELECT n, n, '', '', '', 'client', TRUE, '!', 1, 1, 1, 1 FROM generate_series(1, %d) AS n`, rows))
	execute(t, url, fmt.Sprintf(`INSERT INTO sessions (id, user_id, jti, issued_at, expires, created_at, last_seen, until, address, user_agent)
		SELECT md5(n::text), n, md5(n::text), 1, 1, 1, 1, 1, '', '' FROM generate_series(1, %d) AS n`, rows))
	execute(t, url, `VACUUM ANALYZE`)
}

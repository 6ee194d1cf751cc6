package postgres

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/latchkey-auth/latchkey/internal/auth"
	"github.com/latchkey-auth/latchkey/internal/store"
)

// rotate is store.Rotate for many sessions in one statement: compare and set,
// for each that matches. Each session is found by the statement's snapshot and,
// where a lock had to be waited for, its newest version is held against the
// whole WHERE again. Of the tables beside it that second look sees only the
// rows of the first, so a deactivation is not noticed by is_active then, but by
// revoked_at: it revokes the sessions after it has changed the user.
//
// No row says nothing but "not by this statement".
//
// The two = ANY are implied by the joins. With them any plan reads a batch's
// rows and no more, even one that was made when the tables were empty; and
// revoked_at IS NULL is put so that the planner does not see the index of a
// user's live sessions in it.
const (
	rotate = `UPDATE sessions AS s SET
		prev_jti = s.jti, jti = a.new_jti, rotated_at = a.now, last_seen = a.now, issued_at = a.issued_at,
		expires = LEAST(a.expires, (s.created_at + a.session_max) / 1000000),
		until = GREATEST(s.until, a.until)
	FROM unnest($1::text[], $2::bigint[], $3::text[], $4::text[], $5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[], $9::bigint[])
		AS a (id, user_id, jti, new_jti, issued_at, expires, until, session_max, now)
		JOIN users AS u ON u.id = a.user_id
	WHERE s.id = a.id AND s.user_id = a.user_id AND s.jti = a.jti AND COALESCE(s.revoked_at, 0) = 0
		AND s.created_at + a.session_max > a.now AND u.is_active
		AND s.id = ANY ($1::text[]) AND u.id = ANY ($2::bigint[])`

	// inOrder is what a batch of several begins with: it locks the sessions in
	// the order of their ids, so that the batches of two nodes never wait for
	// each other.
	inOrder = `WITH locked AS MATERIALIZED (
		SELECT id FROM sessions WHERE id = ANY ($1::text[]) ORDER BY id FOR NO KEY UPDATE) `
	// afterLocks has no column of the tables in it, so it is evaluated once,
	// before the first row is looked at.
	afterLocks = ` AND (SELECT COUNT(*) FROM locked) > 0`

	// What was just set need not be read: each column costs.
	returning = ` RETURNING s.id, s.expires, s.origin_jti, s.created_at, s.until, s.confirmed_at, s.address, s.user_agent, ` +
		store.UserColumnsOrNone

	rotateOne     = rotate + returning
	rotateSeveral = inOrder + rotate + afterLocks + returning

	// rotateKeeping is rotateSeveral that keeps the spent tokens, too.
	rotateKeeping = inOrder + `, done AS (` + rotate + afterLocks + returning + `), spent AS (
		INSERT INTO spent_tokens (jti, user_id, expires, kind)
		SELECT a.jti, a.user_id, a.spent_until, 'spent'
		FROM unnest($1::text[], $2::bigint[], $3::text[], $10::bigint[]) AS a (id, user_id, jti, spent_until)
			JOIN done ON done.id = a.id
		WHERE a.spent_until > 0
		ON CONFLICT (jti) DO UPDATE SET kind = excluded.kind WHERE spent_tokens.kind = 'outstanding')
		SELECT * FROM done`
)

type rotation = call[auth.Rotation, auth.Rotated]

// Rotate implements auth.Store. Rotations that wait for each other go together.
func (db *DB) Rotate(ctx context.Context, r auth.Rotation) (auth.Rotated, error) {
	return db.rotations.do(ctx, r)
}

// rotateAll does a batch of rotations. One that PostgreSQL refuses, for a byte
// in it or whatever, must not spoil the others.
func (db *DB) rotateAll(batch []*rotation) {
	err := db.rotateTogether(batch)
	if err != nil && len(batch) > 1 && !away(err) {
		for i := range batch {
			if err := db.rotateTogether(batch[i : i+1]); err != nil {
				batch[i].err = err
			}
		}
		return
	}
	for _, c := range batch {
		if err != nil {
			c.err = err
		}
	}
}

// rotateTogether does rotations by one statement. It is run again even when
// nobody knows whether it took effect: then the new jti is found stored. Its
// error is the statement's; those of the second looks are their calls'.
func (db *DB) rotateTogether(batch []*rotation) error {
	ctx, cancel := context.WithTimeout(context.Background(), actTimeout)
	defer cancel()
	slices.SortFunc(batch, func(a, b *rotation) int { return strings.Compare(a.in.SessionID, b.in.SessionID) })
	done := make([]bool, len(batch))
	err := reader{db.pool}.on(ctx, func(ctx context.Context, c *pgxpool.Conn) error {
		return rotateRows(ctx, c, batch, done)
	})
	if err != nil {
		return fmt.Errorf("rotate %d sessions: %w", len(batch), err)
	}
	for i, c := range batch {
		if !done[i] {
			c.out, c.err = db.unrotated(ctx, c.in)
		}
	}
	return nil
}

// unrotated decides a rotation that got no row, by a look of its own. What the
// statement's snapshot was too old to see is tried again, alone.
func (db *DB) unrotated(ctx context.Context, r auth.Rotation) (auth.Rotated, error) {
	state, err := store.Unrotated(ctx, db.Read(), r)
	if err != nil || !rotatable(state, r) {
		return state, err
	}
	err = db.transact(ctx, func(t store.Tx) error {
		state, err = store.Rotate(ctx, t, r)
		return err
	})
	return state, err
}

// rotatable is the WHERE of rotate.
func rotatable(state auth.Rotated, r auth.Rotation) bool {
	s := state.Session
	return s.ID != "" && s.UserID == r.UserID && s.JTI == r.JTI && s.RevokedAt.IsZero() &&
		s.CreatedAt.Add(r.SessionMax).After(r.Now) && state.User.IsActive
}

func rotateRows(ctx context.Context, c *pgxpool.Conn, batch []*rotation, done []bool) error {
	// What an earlier try has read may have been rolled back with its connection.
	clear(done)
	n := len(batch)
	var (
		ids, jtis, newJTIs = make([]string, n), make([]string, n), make([]string, n)
		users, issuedAts   = make([]int64, n), make([]int64, n)
		expires, untils    = make([]int64, n), make([]int64, n)
		sessionMaxes, nows = make([]int64, n), make([]int64, n)
		spentUntils        = make([]int64, n)
		keep               = false
	)
	for i, c := range batch {
		r := &c.in
		ids[i], jtis[i], newJTIs[i] = r.SessionID, r.JTI, r.NewJTI
		users[i], issuedAts[i] = r.UserID, r.IssuedAt
		expires[i], untils[i] = r.Expires, store.Micros(store.RotationUntil(*r))
		sessionMaxes[i], nows[i] = r.SessionMax.Microseconds(), store.Micros(r.Now)
		spentUntils[i], keep = r.SpentUntil, keep || r.SpentUntil != 0
	}
	args := []any{ids, users, jtis, newJTIs, issuedAts, expires, untils, sessionMaxes, nows}
	statement := rotateOne
	switch {
	case keep:
		statement, args = rotateKeeping, append(args, spentUntils)
	case n > 1:
		statement = rotateSeveral
	}
	found, err := c.Query(ctx, statement, args...)
	if err != nil {
		return err
	}
	defer found.Close()
	for found.Next() {
		var s auth.Session
		var originJTI *string
		var confirmedAt *int64
		var createdAt, until int64
		var u store.UserRow
		dest := []any{&s.ID, &s.Expires, &originJTI, &createdAt, &until, &confirmedAt, &s.Client.Address, &s.Client.UserAgent}
		if err := found.Scan(append(dest, u.Dest()...)...); err != nil {
			return err
		}
		i, ok := slices.BinarySearch(ids, s.ID)
		if !ok {
			return fmt.Errorf("rotated session %s, which nobody asked for", s.ID)
		}
		s.UserID, s.JTI, s.PrevJTI, s.IssuedAt = users[i], newJTIs[i], jtis[i], issuedAts[i]
		s.RotatedAt = store.Time(nows[i])
		s.LastSeen = s.RotatedAt
		s.CreatedAt, s.Until = store.Time(createdAt), store.Time(until)
		if originJTI != nil {
			s.OriginJTI = *originJTI
		}
		if confirmedAt != nil {
			s.ConfirmedAt = store.Time(*confirmedAt)
		}
		batch[i].out = auth.Rotated{Done: true, Session: s, User: u.User()}
		done[i] = true
	}
	return found.Err()
}

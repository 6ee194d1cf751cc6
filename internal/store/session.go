package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/latchkey-auth/latchkey/internal/auth"
)

// SessionColumns are the columns of a session, in the order of SessionRow.
const SessionColumns = `id, user_id, jti, issued_at, expires, prev_jti, rotated_at, origin_jti,
	created_at, last_seen, until, revoked_at, confirmed_at, address, user_agent`

// SessionColumnsOrNone are SessionColumns of a table s that is joined and may
// have no row: then the id is "".
const SessionColumnsOrNone = `COALESCE(s.id, ''), COALESCE(s.user_id, 0), COALESCE(s.jti, ''),
	COALESCE(s.issued_at, 0), COALESCE(s.expires, 0), s.prev_jti, s.rotated_at, s.origin_jti,
	COALESCE(s.created_at, 0), COALESCE(s.last_seen, 0), COALESCE(s.until, 0), s.revoked_at,
	s.confirmed_at, COALESCE(s.address, ''), COALESCE(s.user_agent, '')`

// SessionRow is where SessionColumns are scanned to.
type SessionRow struct {
	session                    auth.Session
	prevJTI, originJTI         *string
	createdAt, lastSeen, until int64
	rotatedAt, revokedAt       *int64
	confirmedAt                *int64
}

// Dest gives the destinations for Scan.
func (r *SessionRow) Dest() []any {
	s := &r.session
	return []any{
		&s.ID, &s.UserID, &s.JTI, &s.IssuedAt, &s.Expires, &r.prevJTI, &r.rotatedAt, &r.originJTI,
		&r.createdAt, &r.lastSeen, &r.until, &r.revokedAt, &r.confirmedAt, &s.Client.Address, &s.Client.UserAgent,
	}
}

// Session gives what was scanned; the zero Session for a row of
// SessionColumnsOrNone that is not there.
func (r *SessionRow) Session() auth.Session {
	if r.session.ID == "" {
		return auth.Session{}
	}
	s := r.session
	if r.prevJTI != nil {
		s.PrevJTI = *r.prevJTI
	}
	if r.originJTI != nil {
		s.OriginJTI = *r.originJTI
	}
	s.CreatedAt, s.LastSeen, s.Until = Time(r.createdAt), Time(r.lastSeen), Time(r.until)
	s.RotatedAt, s.RevokedAt = timeOrZero(r.rotatedAt), timeOrZero(r.revokedAt)
	s.ConfirmedAt = timeOrZero(r.confirmedAt)
	return s
}

// session scans one row of SessionColumns. ErrNotFound without a row.
func session(row Row) (auth.Session, error) {
	var r SessionRow
	switch err := row.Scan(r.Dest()...); {
	case errors.Is(err, ErrNoRows):
		return auth.Session{}, auth.ErrNotFound
	case err != nil:
		return auth.Session{}, err
	}
	return r.Session(), nil
}

const sessionState = `SELECT ` + SessionColumnsOrNone + `, ` + UserColumnsOrNone + `
	FROM (SELECT 1 AS one) AS o LEFT JOIN sessions s ON s.id = $1 LEFT JOIN users u ON u.id = $2`

// SessionState implements auth.SessionReader.
func (t Tx) SessionState(ctx context.Context, sessionID string, userID int64) (auth.Session, auth.User, error) {
	var s SessionRow
	var u UserRow
	err := t.QueryRow(ctx, sessionState, sessionID, userID).Scan(append(s.Dest(), u.Dest()...)...)
	if err != nil {
		return auth.Session{}, auth.User{}, fmt.Errorf("read session state: %w", err)
	}
	return s.Session(), u.User(), nil
}

const sessionByOrigin = `SELECT ` + SessionColumns + ` FROM sessions WHERE origin_jti = $1`

// SessionByOrigin implements auth.SessionReader.
func (t Tx) SessionByOrigin(ctx context.Context, originJTI string) (auth.Session, error) {
	s, err := session(t.QueryRow(ctx, sessionByOrigin, originJTI))
	return s, wrap(err, "read session by origin")
}

const sessions = `SELECT ` + SessionColumns + ` FROM sessions
	WHERE user_id = $1 AND revoked_at IS NULL AND expires > $2
	ORDER BY created_at DESC, id DESC`

// Sessions implements auth.SessionReader.
func (t Tx) Sessions(ctx context.Context, userID int64, now time.Time) ([]auth.Session, error) {
	rows, err := t.Query(ctx, sessions, userID, now.Unix())
	if err != nil {
		return nil, fmt.Errorf("list sessions of user %d: %w", userID, err)
	}
	defer rows.Close()
	var all []auth.Session
	for rows.Next() {
		var r SessionRow
		if err := rows.Scan(r.Dest()...); err != nil {
			return nil, fmt.Errorf("list sessions of user %d: %w", userID, err)
		}
		all = append(all, r.Session())
	}
	return all, wrap(rows.Err(), "list sessions of user %d", userID)
}

const countSessions = `SELECT COUNT(*) FROM sessions WHERE revoked_at IS NULL AND expires > $1`

// CountSessions implements auth.SessionReader. It reads every session's row:
// for the operator, not for a request.
func (t Tx) CountSessions(ctx context.Context, now time.Time) (int64, error) {
	var n int64
	err := t.QueryRow(ctx, countSessions, now.Unix()).Scan(&n)
	return n, wrap(err, "count sessions")
}

// insertSession inserts a session, or nothing where its id or its origin is
// there already.
const insertSession = `INSERT INTO sessions
		(id, user_id, jti, issued_at, expires, origin_jti, created_at, last_seen, until, address, user_agent, confirmed_at)
	VALUES ($1, $2, $3, $4, $5, $6, $7, $7, $8, $9, $10, $11)
	ON CONFLICT DO NOTHING`

const sessionByID = `SELECT ` + SessionColumns + ` FROM sessions WHERE id = $1`

// InsertSession implements auth.SessionWriter. The id is random and chosen
// before the first try: a row that has it, the user and the jti is this very
// session, stored by a commit whose answer got lost.
func (t Tx) InsertSession(ctx context.Context, userID int64, n auth.NewSession, now time.Time) (auth.Session, error) {
	inserted, err := t.insertSession(ctx, userID, n, now)
	if err != nil {
		return auth.Session{}, err
	}
	if inserted {
		return auth.Session{
			ID: n.ID, UserID: userID, JTI: n.JTI, IssuedAt: n.IssuedAt, Expires: n.Expires,
			CreatedAt: Time(Micros(now)), LastSeen: Time(Micros(now)), ConfirmedAt: Time(Micros(now)),
			Until: later(n.Expires, n.Until).UTC(), Client: n.Client,
		}, nil
	}
	s, err := session(t.QueryRow(ctx, sessionByID, n.ID))
	return s, wrap(err, "read session back")
}

// insertSession reports whether the session is new; false says that it is there
// already, with the same user and jti.
func (t Tx) insertSession(ctx context.Context, userID int64, n auth.NewSession, now time.Time) (bool, error) {
	count, err := t.Exec(ctx, insertSession, n.ID, userID, n.JTI, n.IssuedAt, n.Expires, (*string)(nil),
		Micros(now), Micros(later(n.Expires, n.Until)), n.Client.Address, n.Client.UserAgent, Micros(now))
	if err != nil {
		return false, fmt.Errorf("insert session: %w", err)
	}
	if count == 1 {
		return true, nil
	}
	s, err := session(t.QueryRow(ctx, sessionByID, n.ID))
	if err != nil {
		return false, fmt.Errorf("read session back: %w", err)
	}
	if s.UserID != userID || s.JTI != n.JTI {
		return false, errors.New("insert session: its id is another session's")
	}
	return false, nil
}

const lockAdopter = `UPDATE users SET updated_at = updated_at
	WHERE id = $1 AND is_active AND (valid_after IS NULL OR valid_after < $2)
	RETURNING id`

const userIsActive = `SELECT EXISTS (SELECT 1 FROM users WHERE id = $1 AND is_active)`

// AdoptSession implements auth.SessionWriter. CreatedAt is now: the true login
// is not known. One origin gives one session also in a race: the loser's INSERT
// does nothing and its SELECT, a later statement, sees the winner's row.
func (t Tx) AdoptSession(ctx context.Context, a auth.Adoption) (auth.Session, bool, error) {
	// The token's iat counts seconds: one from the very second of ValidAfter
	// is refused.
	var id int64
	err := t.QueryRow(ctx, lockAdopter, a.UserID, a.IssuedAt*1_000_000).Scan(&id)
	if errors.Is(err, ErrNoRows) {
		var active bool
		if err := t.QueryRow(ctx, userIsActive, a.UserID).Scan(&active); err != nil {
			return auth.Session{}, false, fmt.Errorf("adopt session: %w", err)
		}
		if active {
			return auth.Session{}, false, auth.TokenError(auth.CodeTokenBlacklisted)
		}
		return auth.Session{}, false, auth.TokenError(auth.CodeNoActiveAccount)
	}
	if err != nil {
		return auth.Session{}, false, fmt.Errorf("adopt session: %w", err)
	}
	imported, err := t.TokenImported(ctx, a.OriginJTI)
	if err != nil {
		return auth.Session{}, false, fmt.Errorf("adopt session: %w", err)
	}
	if imported {
		return auth.Session{}, false, auth.TokenError(auth.CodeTokenBlacklisted)
	}
	count, err := t.Exec(ctx, insertSession, a.SessionID, a.UserID, a.OriginJTI, a.IssuedAt, a.Expires, &a.OriginJTI,
		Micros(a.Now), Micros(time.Unix(a.Expires, 0)), a.Client.Address, a.Client.UserAgent, (*int64)(nil))
	if err != nil {
		return auth.Session{}, false, fmt.Errorf("adopt session: %w", err)
	}
	s, err := session(t.QueryRow(ctx, sessionByOrigin, a.OriginJTI))
	if err != nil {
		return auth.Session{}, false, fmt.Errorf("adopt session: %w", err)
	}
	if s.UserID != a.UserID {
		// Nobody whom Django issued tokens for has another's jti.
		return auth.Session{}, false, auth.TokenError(auth.CodeTokenBlacklisted)
	}
	return s, count == 1, nil
}

const revokeSessions = `UPDATE sessions SET revoked_at = $1
	WHERE user_id = $2 AND revoked_at IS NULL AND id <> $3
	RETURNING id`

// RevokeSessions implements auth.SessionWriter.
func (t Tx) RevokeSessions(ctx context.Context, userID int64, except string, now time.Time) ([]string, error) {
	ended, err := ids(ctx, t, revokeSessions, Micros(now), userID, except)
	return ended, wrap(err, "revoke sessions of user %d", userID)
}

const confirmSession = `UPDATE sessions SET confirmed_at = $1
	WHERE id = $2 AND user_id = $3 AND revoked_at IS NULL`

// ConfirmSession implements auth.SessionWriter.
func (t Tx) ConfirmSession(ctx context.Context, userID int64, sessionID string, now time.Time) (bool, error) {
	n, err := t.Exec(ctx, confirmSession, Micros(now), sessionID, userID)
	return n == 1, wrap(err, "confirm session %s", sessionID)
}

const endAllUsers = `UPDATE users SET valid_after = $1, gen = CASE WHEN gen + 1 > $1 THEN gen + 1 ELSE $1 END`

const endAllSessions = `UPDATE sessions SET revoked_at = $1 WHERE revoked_at IS NULL`

const lastWritten = `SELECT COALESCE(MAX(at), 0) FROM (
		SELECT MAX(created_at) AS at FROM users
		UNION ALL SELECT MAX(last_login) FROM users
		UNION ALL SELECT MAX(last_seen) FROM sessions
		UNION ALL SELECT MAX(at) FROM events) AS written`

// idsPerSecond bounds how many users can have been inserted in a second that
// the data knows nothing of.
const idsPerSecond = 1000

// EndAll implements auth.SessionWriter.
func (t Tx) EndAll(ctx context.Context, now time.Time) (int64, error) {
	var last int64
	if err := t.QueryRow(ctx, lastWritten).Scan(&last); err != nil {
		return 0, fmt.Errorf("end all sessions: %w", err)
	}
	if _, err := t.Exec(ctx, endAllUsers, Micros(now)); err != nil {
		return 0, fmt.Errorf("end all sessions: %w", err)
	}
	ended, err := t.Exec(ctx, endAllSessions, Micros(now))
	if err != nil {
		return 0, fmt.Errorf("end all sessions: %w", err)
	}
	var unknown int64 // seconds, begun ones included
	if gap := now.Sub(Time(last)); last > 0 && gap > 0 {
		unknown = int64((gap + time.Second - 1) / time.Second)
	}
	if err := t.Engine.SkipUserIDs(ctx, t.Conn, idsPerSecond*(unknown+1)); err != nil {
		return 0, fmt.Errorf("move the sequence of user ids: %w", err)
	}
	return ended, nil
}

const (
	sessionsAfter = `SELECT id, until FROM sessions WHERE id > $1 ORDER BY id LIMIT $2`
	sweepSessions = `DELETE FROM sessions WHERE id > $1 AND id <= $2 AND until < $3`

	sweepRevocations = `DELETE FROM revocations WHERE seq IN
		(SELECT seq FROM revocations WHERE until < $1 ORDER BY until LIMIT $2)`
	sweepEvents = `DELETE FROM events WHERE id IN
		(SELECT id FROM events WHERE at < $1 AND (link IS NULL OR link <= (SELECT accepted_seq FROM audit_chain))
			ORDER BY at LIMIT $2)`
	sweepTokens = `DELETE FROM spent_tokens WHERE jti IN
		(SELECT jti FROM spent_tokens WHERE expires < CAST($1 AS BIGINT) / 1000000 ORDER BY expires LIMIT $2)`
	sweepSamples = `DELETE FROM samples WHERE at IN (SELECT at FROM samples WHERE at < $1 ORDER BY at LIMIT $2)`
)

// Sweep implements auth.SessionWriter.
func (t Tx) Sweep(ctx context.Context, now, eventsBefore time.Time, after string, limit int) (gone int64, next string, err error) {
	for _, s := range []struct {
		query  string
		before time.Time
	}{
		{sweepRevocations, now}, {sweepLinks, now}, {sweepCounters, now}, {sweepTokens, now}, {sweepEvents, eventsBefore}, {sweepSamples, eventsBefore},
	} {
		n, err := t.Exec(ctx, s.query, Micros(s.before), int64(limit))
		if err != nil {
			return gone, "", fmt.Errorf("sweep: %w", err)
		}
		gone += n
	}
	last, seen, expired, err := t.window(ctx, now, after, limit)
	if err != nil {
		return gone, "", fmt.Errorf("sweep sessions: %w", err)
	}
	if expired {
		// until is asked for again: a session may have been renewed meanwhile.
		n, err := t.Exec(ctx, sweepSessions, after, last, Micros(now))
		if err != nil {
			return gone, "", fmt.Errorf("sweep sessions: %w", err)
		}
		gone += n
	}
	if seen < limit {
		last = ""
	}
	return gone, last, nil
}

// window looks at the sessions that follow an id: the last of them, how many
// there are, and whether any has expired.
func (t Tx) window(ctx context.Context, now time.Time, after string, limit int) (last string, seen int, expired bool, err error) {
	rows, err := t.Query(ctx, sessionsAfter, after, int64(limit))
	if err != nil {
		return "", 0, false, err
	}
	defer rows.Close()
	for rows.Next() {
		var until int64
		if err := rows.Scan(&last, &until); err != nil {
			return "", 0, false, err
		}
		seen++
		expired = expired || until < Micros(now)
	}
	return last, seen, expired, rows.Err()
}

package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/latchkey-auth/latchkey/internal/auth"
)

// The hot acts, each over a transaction that the engine opens and commits.

// rotate is compare and set: of any number of transactions that present one
// jti, one gets a row back. Its WHERE holds every rule that must be true at the
// moment of rotation; deactivation locks the user and then revokes sessions, so
// revoked_at IS NULL is what a rotation that waited for it fails on.
const rotate = `UPDATE sessions SET
		prev_jti = jti, jti = $1, rotated_at = $2, last_seen = $2, issued_at = $3,
		expires = CASE WHEN $4 < (created_at + $5) / 1000000 THEN $4 ELSE (created_at + $5) / 1000000 END,
		until = CASE WHEN until < $6 THEN $6 ELSE until END
	WHERE id = $7 AND user_id = $8 AND jti = $9 AND revoked_at IS NULL AND created_at + $5 > $2
		AND EXISTS (SELECT 1 FROM users WHERE users.id = sessions.user_id AND users.is_active)
	RETURNING expires, origin_jti, created_at, until, confirmed_at, address, user_agent`

// insertSpent keeps the jti of a token that was traded.
const insertSpent = `INSERT INTO spent_tokens (jti, user_id, expires, kind) VALUES ($1, $2, $3, 'spent')
	ON CONFLICT (jti) DO UPDATE SET kind = 'spent' WHERE spent_tokens.kind = 'outstanding'`

// Rotate does a Rotation. A rotation that finds its own NewJTI stored has been
// done by a commit whose answer got lost.
func Rotate(ctx context.Context, t Tx, r auth.Rotation) (auth.Rotated, error) {
	now := Micros(r.Now)
	row := t.QueryRow(ctx, rotate, r.NewJTI, now, r.IssuedAt, r.Expires,
		r.SessionMax.Microseconds(), Micros(RotationUntil(r)), r.SessionID, r.UserID, r.JTI)
	// What the statement has just set need not be read: on SQLite each column
	// costs.
	s := SessionRow{
		session:   auth.Session{ID: r.SessionID, UserID: r.UserID, JTI: r.NewJTI, IssuedAt: r.IssuedAt, PrevJTI: r.JTI},
		rotatedAt: &now, lastSeen: now,
	}
	err := row.Scan(&s.session.Expires, &s.originJTI, &s.createdAt, &s.until, &s.confirmedAt,
		&s.session.Client.Address, &s.session.Client.UserAgent)
	if errors.Is(err, ErrNoRows) {
		return Unrotated(ctx, t, r)
	}
	if err != nil {
		return auth.Rotated{}, fmt.Errorf("rotate session %s: %w", r.SessionID, err)
	}
	if r.SpentUntil != 0 {
		if _, err := t.Exec(ctx, insertSpent, r.JTI, r.UserID, r.SpentUntil); err != nil {
			return auth.Rotated{}, fmt.Errorf("keep the spent token of session %s: %w", r.SessionID, err)
		}
	}
	u, err := t.UserByID(ctx, r.UserID)
	if err != nil {
		return auth.Rotated{}, fmt.Errorf("rotate session %s: %w", r.SessionID, err)
	}
	return auth.Rotated{Done: true, Session: s.Session(), User: u}, nil
}

// RotationUntil is the least Until of the session after a rotation.
func RotationUntil(r auth.Rotation) time.Time {
	return later(r.Expires, r.AccessUntil)
}

// Unrotated reads what a rotation without a row has met: a fresh statement, as
// only that sees what the transaction waited for.
func Unrotated(ctx context.Context, t auth.Reader, r auth.Rotation) (auth.Rotated, error) {
	s, u, err := t.SessionState(ctx, r.SessionID, r.UserID)
	if err != nil {
		return auth.Rotated{}, fmt.Errorf("rotate session %s: %w", r.SessionID, err)
	}
	if s.ID != "" && s.UserID != r.UserID {
		u, err = t.UserByID(ctx, s.UserID)
		if err != nil && !errors.Is(err, auth.ErrNotFound) {
			return auth.Rotated{}, fmt.Errorf("rotate session %s: %w", r.SessionID, err)
		}
	}
	done := s.ID != "" && s.UserID == r.UserID && s.JTI == r.NewJTI && s.RevokedAt.IsZero() && u.IsActive
	return auth.Rotated{Done: done, Session: s, User: u}, nil
}

// openingUser is the lock of the opening and its check.
const openingUser = `UPDATE users SET last_login = $1, password = COALESCE($2, password)
	WHERE id = $3 AND is_active AND credential_version = $4
	RETURNING ` + UserColumns

// surplusSessions revokes a user's oldest live sessions but for the newest $5
// and the one just opened, which another node's clock may make look old.
const surplusSessions = `UPDATE sessions SET revoked_at = $1
	WHERE id IN (SELECT id FROM sessions WHERE user_id = $2 AND revoked_at IS NULL AND expires > $3 AND id <> $4
		ORDER BY created_at DESC, id DESC LIMIT 10000 OFFSET $5)
	RETURNING id`

// OpenSession does an Opening.
func OpenSession(ctx context.Context, t Tx, o auth.Opening) (auth.Opened, error) {
	var rehash *string
	if o.Rehash != "" {
		rehash = &o.Rehash
	}
	u, err := user(t.QueryRow(ctx, openingUser, Micros(o.Now), rehash, o.UserID, o.CredentialVersion))
	if errors.Is(err, auth.ErrNotFound) {
		return auth.Opened{}, nil
	}
	if err != nil {
		return auth.Opened{}, fmt.Errorf("open session: %w", err)
	}
	inserted, err := t.insertSession(ctx, o.UserID, o.Session, o.Now)
	if err != nil {
		return auth.Opened{}, fmt.Errorf("open session: %w", err)
	}
	if !inserted {
		return auth.Opened{OK: true, User: u}, nil
	}
	if err := t.InsertEvent(ctx, auth.Event{
		At: o.Now, Kind: o.Event, UserID: o.UserID, ActorID: o.UserID, SessionID: o.Session.ID, Client: o.Session.Client,
	}); err != nil {
		return auth.Opened{}, fmt.Errorf("open session: %w", err)
	}
	// The user's row is locked: no other opening counts at the same time.
	ended, err := ids(ctx, t, surplusSessions, Micros(o.Now), o.UserID, o.Now.Unix(), o.Session.ID, int64(auth.MaxSessions-1))
	if err != nil {
		return auth.Opened{}, fmt.Errorf("end surplus sessions: %w", err)
	}
	for _, id := range ended {
		if err := t.InsertEvent(ctx, auth.Event{
			At: o.Now, Kind: auth.EventSessionLimit, UserID: o.UserID, SessionID: id, Client: o.Session.Client,
		}); err != nil {
			return auth.Opened{}, fmt.Errorf("end surplus sessions: %w", err)
		}
	}
	if o.Counting != nil {
		if err := t.Count(ctx, *o.Counting); err != nil {
			return auth.Opened{}, err
		}
	}
	revoked, err := t.Revoke(ctx, sessionsEnded(ended)...)
	if err != nil {
		return auth.Opened{}, fmt.Errorf("open session: %w", err)
	}
	return auth.Opened{OK: true, User: u, Revocations: revoked}, nil
}

const revokeSession = `UPDATE sessions SET revoked_at = $1
	WHERE id = $2 AND user_id = $3 AND revoked_at IS NULL
	RETURNING id`

const ownsSession = `SELECT EXISTS (SELECT 1 FROM sessions WHERE id = $1 AND user_id = $2)`

// RevokeSession does a Revoking. There is one event for each session that
// ended, and one without a session where only an access token did.
func RevokeSession(ctx context.Context, t Tx, r auth.Revoking) (auth.Revoked, error) {
	wanted := slices.Clone(r.SessionIDs)
	slices.Sort(wanted) // the lock order
	wanted = slices.Compact(wanted)

	var ended []string
	for _, id := range wanted {
		got, err := ids(ctx, t, revokeSession, Micros(r.Now), id, r.UserID)
		if err != nil {
			return auth.Revoked{}, fmt.Errorf("revoke session %s: %w", id, err)
		}
		ended = append(ended, got...)
		if len(got) == 1 {
			continue
		}
		var owns bool
		if err := t.QueryRow(ctx, ownsSession, id, r.UserID).Scan(&owns); err != nil {
			return auth.Revoked{}, fmt.Errorf("revoke session %s: %w", id, err)
		}
		if !owns {
			return auth.Revoked{}, auth.ErrNotFound
		}
	}

	rows := sessionsEnded(ended)
	told := ended
	if r.AccessJTI != "" {
		rows = append(rows, auth.Revocation{Kind: auth.RevokedToken, Key: r.AccessJTI})
		if len(told) == 0 {
			told = []string{""}
		}
	}
	for _, id := range told {
		if err := t.InsertEvent(ctx, auth.Event{
			At: r.Now, Kind: r.Event, UserID: r.UserID, ActorID: actor(r), SessionID: id, Client: r.Client, Detail: r.Detail,
		}); err != nil {
			return auth.Revoked{}, fmt.Errorf("revoke sessions: %w", err)
		}
	}
	revocations, err := t.Revoke(ctx, rows...)
	if err != nil {
		return auth.Revoked{}, fmt.Errorf("revoke sessions: %w", err)
	}
	return auth.Revoked{Ended: ended, Revocations: revocations}, nil
}

// actor is the user, but for reuse, where nobody can say who it was.
func actor(r auth.Revoking) int64 {
	if r.Event == auth.EventReuseDetected {
		return 0
	}
	return r.UserID
}

package store

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/latchkey-auth/latchkey/internal/auth"
)

// untilMargin is added to the latest exp that an access token can have, for
// nodes whose clocks differ.
const untilMargin = time.Hour

const revocations = `SELECT seq, kind, key, gen, issued_before, until FROM revocations
	WHERE seq > $1 ORDER BY seq LIMIT $2`

// Revocations implements auth.RevocationReader.
func (t Tx) Revocations(ctx context.Context, after int64, limit int) ([]auth.Revocation, error) {
	rows, err := t.Query(ctx, revocations, after, int64(limit))
	if err != nil {
		return nil, fmt.Errorf("read revocations: %w", err)
	}
	defer rows.Close()
	var all []auth.Revocation
	for rows.Next() {
		var r auth.Revocation
		var until int64
		if err := rows.Scan(&r.Seq, (*string)(&r.Kind), &r.Key, &r.Gen, &r.IssuedBefore, &until); err != nil {
			return nil, fmt.Errorf("read revocations: %w", err)
		}
		r.Until = Time(until)
		all = append(all, r)
	}
	return all, wrap(rows.Err(), "read revocations")
}

const readClock = `SELECT seq, max_access FROM revocation_clock WHERE one = 1`

// LastRevocation implements auth.RevocationReader.
func (t Tx) LastRevocation(ctx context.Context) (int64, error) {
	var seq, maxAccess int64
	err := t.QueryRow(ctx, readClock).Scan(&seq, &maxAccess)
	return seq, wrap(err, "read the revocation clock")
}

// MaxAccess implements auth.RevocationReader.
func (t Tx) MaxAccess(ctx context.Context) (time.Duration, error) {
	var seq, maxAccess int64
	err := t.QueryRow(ctx, readClock).Scan(&seq, &maxAccess)
	return time.Duration(maxAccess) * time.Microsecond, wrap(err, "read the revocation clock")
}

const accessRevoked = `SELECT
	EXISTS (SELECT 1 FROM revocations WHERE kind = 'sid' AND key = $1)
	OR EXISTS (SELECT 1 FROM revocations WHERE kind = 'jti' AND key = $2)
	OR EXISTS (SELECT 1 FROM revocations WHERE kind = 'user' AND key = $3
		AND (($4 AND gen <> 0 AND gen > $5) OR (NOT $4 AND issued_before <> 0 AND issued_before >= $6)))
	OR EXISTS (SELECT 1 FROM revocations WHERE kind = 'all' AND issued_before >= $6)`

// AccessRevoked implements auth.RevocationReader.
func (t Tx) AccessRevoked(ctx context.Context, a auth.AccessIdentity) (bool, error) {
	var revoked bool
	err := t.QueryRow(ctx, accessRevoked, a.SessionID, a.JTI, strconv.FormatInt(a.UserID, 10),
		a.HasGen, a.Gen, a.IssuedAt).Scan(&revoked)
	return revoked, wrap(err, "look up revocation")
}

const tickClock = `UPDATE revocation_clock SET seq = seq + $1 WHERE one = 1 RETURNING seq, max_access`

const insertRevocation = `INSERT INTO revocations (seq, kind, key, gen, issued_before, until)
	VALUES ($1, $2, $3, $4, $5, $6)`

// Revoke implements auth.RevocationWriter. Without rows it leaves the clock
// alone.
func (t Tx) Revoke(ctx context.Context, rows ...auth.Revocation) ([]auth.Revocation, error) {
	if len(rows) == 0 {
		return nil, nil
	}
	rows = slices.Clone(rows)
	var seq, maxAccess int64
	if err := t.QueryRow(ctx, tickClock, int64(len(rows))).Scan(&seq, &maxAccess); err != nil {
		return nil, fmt.Errorf("tick the revocation clock: %w", err)
	}
	// The time is taken after the lock: an access token that was minted while
	// this act waited for it expires before Until too.
	until := t.Now().Add(time.Duration(maxAccess)*time.Microsecond + untilMargin)
	for i := range rows {
		r := &rows[i]
		r.Seq = seq - int64(len(rows)-1-i)
		r.Until = Time(Micros(until))
		if _, err := t.Exec(ctx, insertRevocation,
			r.Seq, string(r.Kind), r.Key, r.Gen, r.IssuedBefore, Micros(until)); err != nil {
			return nil, fmt.Errorf("insert revocation: %w", err)
		}
	}
	return rows, nil
}

const raiseMaxAccess = `UPDATE revocation_clock SET max_access = $1 WHERE one = 1 AND max_access < $1`

// RaiseMaxAccess implements auth.RevocationWriter.
func (t Tx) RaiseMaxAccess(ctx context.Context, d time.Duration) error {
	_, err := t.Exec(ctx, raiseMaxAccess, d.Microseconds())
	return wrap(err, "raise the largest access lifetime")
}

// sessionsEnded are the revocations of sessions.
func sessionsEnded(ids []string) []auth.Revocation {
	rows := make([]auth.Revocation, len(ids))
	for i, id := range ids {
		rows[i] = auth.Revocation{Kind: auth.RevokedSession, Key: id}
	}
	return rows
}

package store

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/latchkey-auth/latchkey/internal/auth"
)

const eventColumns = `id, at, kind, user_id, actor_id, session_id, address, user_agent, count, detail`

const events = `SELECT ` + eventColumns + ` FROM events
	WHERE kind = COALESCE($1, kind) AND id < $2
	ORDER BY id DESC LIMIT $3`

const eventsOfUser = `SELECT ` + eventColumns + ` FROM events
	WHERE user_id = $1 AND kind = COALESCE($2, kind) AND id < $3
	ORDER BY id DESC LIMIT $4`

// Events implements auth.EventReader.
func (t Tx) Events(ctx context.Context, f auth.EventFilter) ([]auth.Event, error) {
	limit := int64(f.Limit)
	if limit <= 0 {
		limit = 100
	}
	var kind *string
	if f.Kind != "" {
		kind = (*string)(&f.Kind)
	}
	before := f.Before
	if before <= 0 {
		before = math.MaxInt64
	}
	query, args := events, []any{kind, before, limit}
	if f.UserID != 0 {
		query, args = eventsOfUser, []any{f.UserID, kind, before, limit}
	}
	rows, err := t.Query(ctx, query, args...)
	if err != nil {
		return nil, fmt.Errorf("read events: %w", err)
	}
	defer rows.Close()
	var all []auth.Event
	for rows.Next() {
		var e auth.Event
		var at int64
		if err := rows.Scan(&e.ID, &at, (*string)(&e.Kind), &e.UserID, &e.ActorID, &e.SessionID,
			&e.Client.Address, &e.Client.UserAgent, &e.Count, &e.Detail); err != nil {
			return nil, fmt.Errorf("read events: %w", err)
		}
		e.At = Time(at)
		all = append(all, e)
	}
	return all, wrap(rows.Err(), "read events")
}

const insertEvent = `INSERT INTO events (at, kind, user_id, actor_id, session_id, address, user_agent, count, detail)
	VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`

// InsertEvent implements auth.EventWriter. A Count of 0 is stored as 1.
func (t Tx) InsertEvent(ctx context.Context, e auth.Event) error {
	_, err := t.Exec(ctx, insertEvent, Micros(e.At), string(e.Kind), e.UserID, e.ActorID, e.SessionID,
		e.Client.Address, e.Client.UserAgent, max(e.Count, 1), e.Detail)
	return wrap(err, "insert event %s", e.Kind)
}

const addLoginFailures = `INSERT INTO events
		(at, kind, user_id, actor_id, session_id, address, user_agent, count, detail, minute)
	VALUES ($1, 'login_failed', $2, 0, '', $3, '', $4, '', $1)
	ON CONFLICT (minute, user_id, address) WHERE minute IS NOT NULL
	DO UPDATE SET count = events.count + excluded.count`

// AddLoginFailures implements auth.EventWriter. Rows are taken in key order, so
// that two nodes that flush at once wait for each other instead of in a ring.
func (t Tx) AddLoginFailures(ctx context.Context, failures []auth.LoginFailure) error {
	failures = slices.Clone(failures)
	slices.SortFunc(failures, func(a, b auth.LoginFailure) int {
		return cmp.Or(a.Minute.Compare(b.Minute), cmp.Compare(a.UserID, b.UserID), cmp.Compare(a.Address, b.Address))
	})
	for _, f := range failures {
		minute := f.Minute.Truncate(time.Minute)
		if _, err := t.Exec(ctx, addLoginFailures, Micros(minute), f.UserID, f.Address, f.Count); err != nil {
			return fmt.Errorf("add login failures: %w", err)
		}
	}
	return nil
}

package store

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/latchkey-auth/latchkey/internal/auth"
)

const eventColumns = `id, at, kind, user_id, actor_id, session_id, address, user_agent, count, detail, changes, request`

// eventRow is where eventColumns are scanned to.
type eventRow struct {
	e       auth.Event
	at      int64
	changes string
}

func (r *eventRow) dest() []any {
	e := &r.e
	return []any{
		&e.ID, &r.at, (*string)(&e.Kind), &e.UserID, &e.ActorID, &e.SessionID,
		&e.Client.Address, &e.Client.UserAgent, &e.Count, &e.Detail, &r.changes, &e.Client.Request,
	}
}

func (r *eventRow) event() (auth.Event, error) {
	r.e.At = Time(r.at)
	if r.changes == "" {
		return r.e, nil
	}
	var all [][3]string
	if err := json.Unmarshal([]byte(r.changes), &all); err != nil {
		return auth.Event{}, fmt.Errorf("read the changes of event %d: %w", r.e.ID, err)
	}
	for _, c := range all {
		r.e.Changes = append(r.e.Changes, auth.Change{Field: c[0], Before: c[1], After: c[2]})
	}
	return r.e, nil
}

// changesText is how changes are stored: [["field","before","after"]], since an
// object would not keep their order.
func changesText(changes []auth.Change) (string, error) {
	if len(changes) == 0 {
		return "", nil
	}
	all := make([][3]string, len(changes))
	for i, c := range changes {
		all[i] = [3]string{c.Field, c.Before, c.After}
	}
	b, err := json.Marshal(all)
	return string(b), err
}

const events = `SELECT ` + eventColumns + ` FROM events
	WHERE kind = COALESCE($1, kind) AND id < $2
	ORDER BY id DESC LIMIT $3`

const eventsOfUser = `SELECT ` + eventColumns + ` FROM events
	WHERE user_id = $1 AND kind = COALESCE($2, kind) AND id < $3 AND (NOT $4 OR actor_id = 0 OR actor_id = user_id)
	ORDER BY id DESC LIMIT $5`

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
		query, args = eventsOfUser, []any{f.UserID, kind, before, f.Own, limit}
	}
	rows, err := t.Query(ctx, query, args...)
	if err != nil {
		return nil, fmt.Errorf("read events: %w", err)
	}
	defer rows.Close()
	var all []auth.Event
	for rows.Next() {
		var r eventRow
		if err := rows.Scan(r.dest()...); err != nil {
			return nil, fmt.Errorf("read events: %w", err)
		}
		e, err := r.event()
		if err != nil {
			return nil, err
		}
		all = append(all, e)
	}
	return all, wrap(rows.Err(), "read events")
}

const insertEvent = `INSERT INTO events (at, kind, user_id, actor_id, session_id, address, user_agent, count, detail, changes, request)
	VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)`

// InsertEvent implements auth.EventWriter. A Count of 0 is stored as 1.
func (t Tx) InsertEvent(ctx context.Context, e auth.Event) error {
	changes, err := changesText(e.Changes)
	if err != nil {
		return fmt.Errorf("write the changes of event %s: %w", e.Kind, err)
	}
	_, err = t.Exec(ctx, insertEvent, Micros(e.At), string(e.Kind), e.UserID, e.ActorID, e.SessionID,
		e.Client.Address, e.Client.UserAgent, max(e.Count, 1), e.Detail, changes, e.Client.Request)
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

const auditColumns = `e.id, e.at, e.kind, e.user_id, e.actor_id, e.session_id, e.address, e.user_agent, e.count, e.detail,
	e.changes, e.request, COALESCE(u.email, ''), COALESCE(a.email, '')`

// auditJoins and auditBounds are common to the three queries, which differ in
// the index that they go by.
const auditJoins = ` FROM events e LEFT JOIN users u ON u.id = e.user_id LEFT JOIN users a ON a.id = e.actor_id
	WHERE `

const auditBounds = `e.at >= $1 AND e.at < $2 AND (e.at, e.id) < ($3, $4)`

const auditOrder = ` ORDER BY e.at DESC, e.id DESC LIMIT `

const audit = `SELECT ` + auditColumns + auditJoins + auditBounds + auditOrder + `$5`

const auditOfKind = `SELECT ` + auditColumns + auditJoins + auditBounds + ` AND e.kind = $5` + auditOrder + `$6`

const auditOfUser = `SELECT ` + auditColumns + auditJoins + auditBounds +
	` AND e.user_id = $5 AND e.kind = COALESCE($6, e.kind)` + auditOrder + `$7`

// Audit implements auth.EventReader.
func (t Tx) Audit(ctx context.Context, f auth.AuditFilter) ([]auth.AuditEvent, error) {
	since, until := int64(math.MinInt64), int64(math.MaxInt64)
	if !f.Since.IsZero() {
		since = Micros(f.Since)
	}
	if !f.Until.IsZero() {
		until = Micros(f.Until)
	}
	at, id := int64(math.MaxInt64), int64(math.MaxInt64)
	if f.After != nil {
		at, id = Micros(f.After.At), f.After.ID
	}
	query, args := audit, []any{since, until, at, id}
	switch {
	case f.UserID != 0:
		var kind *string
		if f.Kind != "" {
			kind = (*string)(&f.Kind)
		}
		query, args = auditOfUser, append(args, f.UserID, kind)
	case f.Kind != "":
		query, args = auditOfKind, append(args, string(f.Kind))
	}
	rows, err := t.Query(ctx, query, append(args, int64(f.Limit))...)
	if err != nil {
		return nil, fmt.Errorf("read the audit trail: %w", err)
	}
	defer rows.Close()
	var all []auth.AuditEvent
	for rows.Next() {
		var r eventRow
		var e auth.AuditEvent
		if err := rows.Scan(append(r.dest(), &e.UserEmail, &e.ActorEmail)...); err != nil {
			return nil, fmt.Errorf("read the audit trail: %w", err)
		}
		if e.Event, err = r.event(); err != nil {
			return nil, err
		}
		all = append(all, e)
	}
	return all, wrap(rows.Err(), "read the audit trail")
}

const countEvents = `SELECT at / $1 AS bucket, CAST(SUM(count) AS BIGINT) FROM events
	WHERE kind = $2 AND at >= $3 GROUP BY bucket ORDER BY bucket`

// CountEvents implements auth.EventReader.
func (t Tx) CountEvents(ctx context.Context, since time.Time, bucket time.Duration, kinds ...auth.EventKind) ([]auth.Count, error) {
	var all []auth.Count
	for _, kind := range kinds {
		err := t.each(ctx, countEvents, []any{bucket.Microseconds(), string(kind), Micros(since)}, func(rows Rows) error {
			c := auth.Count{Kind: kind}
			var at int64
			if err := rows.Scan(&at, &c.N); err != nil {
				return err
			}
			c.At = Time(at * bucket.Microseconds())
			all = append(all, c)
			return nil
		})
		if err != nil {
			return nil, fmt.Errorf("count events: %w", err)
		}
	}
	return all, nil
}

const samples = `SELECT at, live_sessions FROM samples WHERE at >= $1 ORDER BY at`

// Samples implements auth.EventReader.
func (t Tx) Samples(ctx context.Context, since time.Time) ([]auth.Sample, error) {
	var all []auth.Sample
	err := t.each(ctx, samples, []any{Micros(since)}, func(rows Rows) error {
		var s auth.Sample
		var at int64
		if err := rows.Scan(&at, &s.LiveSessions); err != nil {
			return err
		}
		s.At = Time(at)
		all = append(all, s)
		return nil
	})
	return all, wrap(err, "read samples")
}

const insertSample = `INSERT INTO samples (at, live_sessions) VALUES ($1, $2)
	ON CONFLICT (at) DO UPDATE SET live_sessions = excluded.live_sessions`

// InsertSample implements auth.EventWriter.
func (t Tx) InsertSample(ctx context.Context, s auth.Sample) error {
	_, err := t.Exec(ctx, insertSample, Micros(s.At), s.LiveSessions)
	return wrap(err, "insert a sample")
}

// each calls fn for every row of a query.
func (t Tx) each(ctx context.Context, query string, args []any, fn func(Rows) error) error {
	rows, err := t.Query(ctx, query, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := fn(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

package postgres

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/latchkey-auth/latchkey/internal/auth"
	"github.com/latchkey-auth/latchkey/internal/store"
)

// counting is a call of Count.
type counting = call[auth.Counting, struct{}]

// Count implements auth.Store. What waits is counted together: all its counters
// are locked by one statement, in the order of their keys, and written by one.
func (db *DB) Count(ctx context.Context, c auth.Counting) error {
	_, err := db.countings.do(ctx, c)
	return err
}

// countAll counts a batch, and where PostgreSQL refuses that each alone: one cannot
// be made to pay for another. Not where it is away: nobody knows then whether all
// has been counted, and it must not be twice, nor take so many times as long.
func (db *DB) countAll(batch []*counting) {
	err := db.countTogether(batch)
	if err == nil {
		return
	}
	if len(batch) == 1 || sqlState(err) == "" || lostConnection(err) || errors.As(err, new(maybeDone)) {
		for _, c := range batch {
			c.err = err
		}
		return
	}
	for _, c := range batch {
		c.err = nil
		if err := db.countTogether([]*counting{c}); err != nil {
			c.err = err
		}
	}
}

func (db *DB) countTogether(batch []*counting) error {
	ctx, cancel := context.WithTimeout(context.Background(), actTimeout)
	defer cancel()
	var keys []string
	for _, c := range batch {
		keys = append(keys, c.in.Keys...)
	}
	slices.Sort(keys) // the lock order
	keys = slices.Compact(keys)
	return db.transact(ctx, func(t store.Tx) error {
		found, err := t.Engine.LockCounters(ctx, t.Conn, keys)
		if err != nil {
			return fmt.Errorf("lock counters: %w", err)
		}
		tally := store.NewTally(found)
		var events []auth.Event
		for _, c := range batch {
			var event *auth.Event
			if event, c.err = tally.Count(c.in); event != nil {
				events = append(events, *event)
			}
		}
		put, drop := tally.Changed()
		if err := t.Engine.SaveCounters(ctx, t.Conn, put, drop); err != nil {
			return fmt.Errorf("save counters: %w", err)
		}
		for _, e := range events {
			if err := t.InsertEvent(ctx, e); err != nil {
				return err
			}
		}
		return nil
	})
}

// lockCounters makes the rows that are not there: a row that is not there
// cannot be locked, and whoever comes second must see what the first one counts.
// ORDER BY is the lock order. The empty rows do not outlive the transaction.
const lockCounters = `INSERT INTO throttle (` + store.CounterColumns + `)
	SELECT key, '', 0, '', 0, 0, 0, 0, 0, '', '' FROM unnest($1::text[]) AS key ORDER BY key
	ON CONFLICT (key) DO UPDATE SET key = excluded.key
	RETURNING ` + store.CounterColumns

// LockCounters implements store.Engine.
func (engine) LockCounters(ctx context.Context, c store.Conn, keys []string) (map[string]auth.Counter, error) {
	rows, err := c.Query(ctx, lockCounters, keys)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	all := make(map[string]auth.Counter, len(keys))
	for rows.Next() {
		var r store.CounterRow
		if err := rows.Scan(r.Dest()...); err != nil {
			return nil, err
		}
		n := r.Counter()
		all[n.Key] = n
	}
	return all, rows.Err()
}

const putCounters = `UPDATE throttle SET kind = n.kind, user_id = n.user_id, address = n.address, failures = n.failures,
		last_at = n.last_at, expires = n.expires, blocked_until = n.blocked_until, known_until = n.known_until,
		places = n.places, emails = n.emails
	FROM unnest($1::text[], $2::text[], $3::bigint[], $4::text[], $5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[],
		$9::bigint[], $10::bytea[], $11::bytea[]) AS n(` + store.CounterColumns + `)
	WHERE throttle.key = n.key`

const dropSeveral = `DELETE FROM throttle WHERE key = ANY($1::text[])`

// SaveCounters implements store.Engine.
func (engine) SaveCounters(ctx context.Context, c store.Conn, put []auth.Counter, drop []string) error {
	if len(put) > 0 {
		n := len(put)
		keys, kinds, addresses := make([]string, n), make([]string, n), make([]string, n)
		users, failures, lasts := make([]int64, n), make([]int64, n), make([]int64, n)
		expires, blocked, known := make([]int64, n), make([]int64, n), make([]int64, n)
		places, emails := make([][]byte, n), make([][]byte, n)
		for i, p := range put {
			keys[i], kinds[i], addresses[i] = p.Key, p.Kind, p.Address
			users[i], failures[i] = p.UserID, p.Failures
			lasts[i], expires[i] = store.MicrosOrZero(p.LastAt), store.MicrosOrZero(p.Expires)
			blocked[i], known[i] = store.MicrosOrZero(p.BlockedUntil), store.MicrosOrZero(p.KnownUntil)
			places[i], emails[i] = append([]byte{}, p.Places...), append([]byte{}, p.Emails...)
		}
		if _, err := c.Exec(ctx, putCounters, keys, kinds, users, addresses, failures, lasts, expires, blocked, known, places, emails); err != nil {
			return err
		}
	}
	if len(drop) == 0 {
		return nil
	}
	_, err := c.Exec(ctx, dropSeveral, drop)
	return err
}

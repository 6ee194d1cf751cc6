package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/latchkey-auth/latchkey/internal/auth"
)

// CounterColumns are the columns of a counter, in the order of CounterRow.
const CounterColumns = `key, kind, user_id, address, failures, last_at, expires, blocked_until, known_until, places, emails`

// CounterRow is where CounterColumns are scanned to.
type CounterRow struct {
	counter                                   auth.Counter
	lastAt, expires, blockedUntil, knownUntil int64
}

// Dest gives the destinations for Scan.
func (r *CounterRow) Dest() []any {
	c := &r.counter
	return []any{
		&c.Key, &c.Kind, &c.UserID, &c.Address, &c.Failures, &r.lastAt, &r.expires, &r.blockedUntil, &r.knownUntil,
		&c.Places, &c.Emails,
	}
}

// Counter gives what was scanned.
func (r *CounterRow) Counter() auth.Counter {
	c := r.counter
	c.LastAt, c.Expires = sometime(r.lastAt), sometime(r.expires)
	c.BlockedUntil, c.KnownUntil = sometime(r.blockedUntil), sometime(r.knownUntil)
	return c
}

// sometime is the time of a column that has 0 for none.
func sometime(micros int64) time.Time {
	if micros == 0 {
		return time.Time{}
	}
	return Time(micros)
}

// MicrosOrZero is how a time that may be none is stored where NULL would only
// be one case more.
func MicrosOrZero(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return Micros(t)
}

// countersByKey reads up to four at once; "" is nobody's key.
const countersByKey = `SELECT ` + CounterColumns + ` FROM throttle WHERE key IN ($1, $2, $3, $4)`

// maxCounterKeys is how many keys that statement takes.
const maxCounterKeys = 4

// CountersByKey implements auth.CounterReader.
func (t Tx) CountersByKey(ctx context.Context, keys []string) ([]auth.Counter, error) {
	if len(keys) > maxCounterKeys {
		return nil, fmt.Errorf("read counters: %d keys at once", len(keys))
	}
	found, err := ReadCounters(ctx, t.Conn, keys)
	if err != nil {
		return nil, fmt.Errorf("read counters: %w", err)
	}
	return inOrder(found, keys), nil
}

// ReadCounters reads the counters of keys that are there.
func ReadCounters(ctx context.Context, c Conn, keys []string) (map[string]auth.Counter, error) {
	all := make(map[string]auth.Counter, len(keys))
	for some := range slices.Chunk(keys, maxCounterKeys) {
		args := []any{"", "", "", ""}
		for i, key := range some {
			args[i] = key
		}
		if err := scanCounters(ctx, c, all, countersByKey, args...); err != nil {
			return nil, err
		}
	}
	return all, nil
}

func scanCounters(ctx context.Context, c Conn, to map[string]auth.Counter, query string, args ...any) error {
	rows, err := c.Query(ctx, query, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var r CounterRow
		if err := rows.Scan(r.Dest()...); err != nil {
			return err
		}
		to[r.counter.Key] = r.Counter()
	}
	return rows.Err()
}

// inOrder gives the counters of keys, empty ones where there are none.
func inOrder(found map[string]auth.Counter, keys []string) []auth.Counter {
	all := make([]auth.Counter, len(keys))
	for i, key := range keys {
		all[i] = found[key]
		all[i].Key = key
	}
	return all
}

// Tally is counters that a transaction has locked, and what Countings make of
// them.
type Tally struct {
	found, now map[string]auth.Counter
}

// NewTally begins with what was found of the locked counters.
func NewTally(found map[string]auth.Counter) *Tally { return &Tally{found, maps.Clone(found)} }

// Count does one Counting in memory. One that answers an error changes nothing.
func (y *Tally) Count(c auth.Counting) (*auth.Event, error) {
	all := inOrder(y.now, c.Keys)
	for i := range all {
		all[i].Places, all[i].Emails = bytes.Clone(all[i].Places), bytes.Clone(all[i].Emails)
	}
	event, err := c.Change(all)
	if err != nil {
		return nil, err
	}
	for i, key := range c.Keys {
		all[i].Key = key
		y.now[key] = all[i]
	}
	return event, nil
}

// Changed gives what is to be stored and what is to be removed, in the order of
// the keys.
func (y *Tally) Changed() (put []auth.Counter, drop []string) {
	for _, key := range slices.Sorted(maps.Keys(y.now)) {
		is := y.now[key]
		was, there := y.found[key]
		switch {
		case is.Expires.IsZero():
			if there {
				drop = append(drop, key)
			}
		case !there || !sameCounter(was, is):
			put = append(put, is)
		}
	}
	return put, drop
}

func sameCounter(a, b auth.Counter) bool {
	return a.Kind == b.Kind && a.UserID == b.UserID && a.Address == b.Address && a.Failures == b.Failures &&
		a.LastAt.Equal(b.LastAt) && a.Expires.Equal(b.Expires) &&
		a.BlockedUntil.Equal(b.BlockedUntil) && a.KnownUntil.Equal(b.KnownUntil) &&
		bytes.Equal(a.Places, b.Places) && bytes.Equal(a.Emails, b.Emails)
}

// Count implements auth.CounterWriter.
func (t Tx) Count(ctx context.Context, c auth.Counting) error {
	keys := slices.Clone(c.Keys)
	slices.Sort(keys) // the lock order
	found, err := t.Engine.LockCounters(ctx, t.Conn, slices.Compact(keys))
	if err != nil {
		return fmt.Errorf("lock counters: %w", err)
	}
	y := NewTally(found)
	event, err := y.Count(c)
	if err != nil {
		return err
	}
	put, drop := y.Changed()
	if err := t.Engine.SaveCounters(ctx, t.Conn, put, drop); err != nil {
		return fmt.Errorf("save counters: %w", err)
	}
	if event != nil {
		return t.InsertEvent(ctx, *event)
	}
	return nil
}

const listedCounters = `SELECT c.key, c.kind, c.user_id, c.address, c.failures, c.last_at, c.expires, c.blocked_until, c.known_until,
		c.places, c.emails, COALESCE(u.email, '')
	FROM throttle c LEFT JOIN users u ON u.id = c.user_id
	WHERE c.failures > 0 AND c.expires > $1 AND (c.last_at, c.key) < ($2, $3)`

const listedOrder = ` ORDER BY c.last_at DESC, c.key DESC LIMIT `

const (
	counters       = listedCounters + listedOrder + `$4`
	countersOfUser = listedCounters + ` AND c.user_id > 0 AND c.user_id = $4` + listedOrder + `$5`
)

// Counters implements auth.CounterReader.
func (t Tx) Counters(ctx context.Context, f auth.CounterFilter) ([]auth.ListedCounter, error) {
	at, key := int64(math.MaxInt64), ""
	if f.After != nil {
		at, key = Micros(f.After.LastAt), f.After.Key
	}
	query, args := counters, []any{Micros(f.Now), at, key}
	if f.UserID != 0 {
		query, args = countersOfUser, append(args, f.UserID)
	}
	var all []auth.ListedCounter
	err := t.each(ctx, query, append(args, int64(f.Limit)), func(rows Rows) error {
		var r CounterRow
		var email string
		if err := rows.Scan(append(r.Dest(), &email)...); err != nil {
			return err
		}
		all = append(all, auth.ListedCounter{Counter: r.Counter(), Email: email})
		return nil
	})
	return all, wrap(err, "list counters")
}

const dropCounters = `DELETE FROM throttle WHERE user_id > 0 AND user_id = $1`

// DropCounters implements auth.CounterWriter.
func (t Tx) DropCounters(ctx context.Context, userID int64) error {
	_, err := t.Exec(ctx, dropCounters, userID)
	return wrap(err, "drop the counters of user %d", userID)
}

// sweepCounters looks at the time twice: on PostgreSQL a row that was renewed while
// the statement waited for it is looked at again, but by the outer condition alone.
const sweepCounters = `DELETE FROM throttle
	WHERE expires < $1 AND key IN (SELECT key FROM throttle WHERE expires < $1 ORDER BY expires LIMIT $2)`

const secretByName = `SELECT name, secret, sealed FROM secrets WHERE name = $1`

// Secret implements auth.CounterReader.
func (t Tx) Secret(ctx context.Context, name string) (auth.StoredSecret, error) {
	var s auth.StoredSecret
	err := t.QueryRow(ctx, secretByName, name).Scan(&s.Name, &s.Secret, &s.Sealed)
	if errors.Is(err, ErrNoRows) {
		return auth.StoredSecret{}, auth.ErrNotFound
	}
	return s, wrap(err, "read the secret %s", name)
}

const saveSecret = `INSERT INTO secrets (name, secret, sealed) VALUES ($1, $2, $3)
	ON CONFLICT (name) DO UPDATE SET secret = excluded.secret, sealed = excluded.sealed`

// SaveSecret implements auth.CounterWriter.
func (t Tx) SaveSecret(ctx context.Context, s auth.StoredSecret) error {
	_, err := t.Exec(ctx, saveSecret, s.Name, s.Secret, s.Sealed)
	return wrap(err, "save the secret %s", s.Name)
}

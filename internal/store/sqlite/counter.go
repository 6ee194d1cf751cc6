package sqlite

import (
	"context"

	"github.com/latchkey-auth/latchkey/internal/auth"
	"github.com/latchkey-auth/latchkey/internal/store"
)

// Count implements auth.Store. A Counting that changes nothing costs no sync.
func (db *DB) Count(ctx context.Context, c auth.Counting) error {
	return db.writer.do(&act{ctx: ctx, run: func(tx store.Tx) error { return tx.Count(ctx, c) }})
}

// LockCounters implements store.Engine. There is one writer at a time already.
func (dialect) LockCounters(ctx context.Context, c store.Conn, keys []string) (map[string]auth.Counter, error) {
	return store.ReadCounters(ctx, c, keys)
}

const putCounter = `INSERT INTO throttle (` + store.CounterColumns + `)
	VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
	ON CONFLICT (key) DO UPDATE SET kind = excluded.kind, user_id = excluded.user_id, address = excluded.address,
		failures = excluded.failures, last_at = excluded.last_at, expires = excluded.expires,
		blocked_until = excluded.blocked_until, known_until = excluded.known_until,
		places = excluded.places, emails = excluded.emails`

const dropCounter = `DELETE FROM throttle WHERE key = $1`

// SaveCounters implements store.Engine.
func (dialect) SaveCounters(ctx context.Context, c store.Conn, put []auth.Counter, drop []string) error {
	for _, n := range put {
		if _, err := c.Exec(ctx, putCounter, n.Key, n.Kind, n.UserID, n.Address, n.Failures,
			store.MicrosOrZero(n.LastAt), store.MicrosOrZero(n.Expires),
			store.MicrosOrZero(n.BlockedUntil), store.MicrosOrZero(n.KnownUntil), some(n.Places), some(n.Emails)); err != nil {
			return err
		}
	}
	for _, key := range drop {
		if _, err := c.Exec(ctx, dropCounter, key); err != nil {
			return err
		}
	}
	return nil
}

// some is b, which must not be NULL.
func some(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}

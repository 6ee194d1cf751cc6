package store

import (
	"context"
	"fmt"
	"time"

	"github.com/latchkey-auth/latchkey/internal/auth"
)

const keyColumns = `id, algorithm, state, secret, sealed, fingerprint, created_at, signs_at, lifetime, retired_at, accept_until`

func key(row Row) (auth.Key, error) {
	var k auth.Key
	var createdAt, lifetime int64
	var signsAt, retiredAt, acceptUntil *int64
	err := row.Scan(&k.ID, &k.Algorithm, (*string)(&k.State), &k.Secret, &k.Sealed, &k.Fingerprint,
		&createdAt, &signsAt, &lifetime, &retiredAt, &acceptUntil)
	k.CreatedAt, k.SignsAt, k.Lifetime = Time(createdAt), timeOrZero(signsAt), time.Duration(lifetime)*time.Microsecond
	k.RetiredAt, k.AcceptUntil = timeOrZero(retiredAt), timeOrZero(acceptUntil)
	return k, err
}

const keys = `SELECT ` + keyColumns + ` FROM keys ORDER BY created_at, id`

// Keys implements auth.KeyReader: the oldest first.
func (t Tx) Keys(ctx context.Context) ([]auth.Key, error) {
	rows, err := t.Query(ctx, keys)
	if err != nil {
		return nil, fmt.Errorf("read keys: %w", err)
	}
	defer rows.Close()
	var all []auth.Key
	for rows.Next() {
		k, err := key(rows)
		if err != nil {
			return nil, fmt.Errorf("read keys: %w", err)
		}
		all = append(all, k)
	}
	return all, wrap(rows.Err(), "read keys")
}

const insertKey = `INSERT INTO keys (` + keyColumns + `)
	VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
	ON CONFLICT (id) DO NOTHING`

const keyByID = `SELECT ` + keyColumns + ` FROM keys WHERE id = $1`

// InsertKey implements auth.KeyWriter. The row is read by a statement of its
// own: under READ COMMITTED only that sees the row of the node that was first.
func (t Tx) InsertKey(ctx context.Context, k auth.Key) (auth.Key, error) {
	_, err := t.Exec(ctx, insertKey, k.ID, k.Algorithm, string(k.State), k.Secret, k.Sealed, k.Fingerprint,
		Micros(k.CreatedAt), microsOrNull(k.SignsAt), k.Lifetime.Microseconds(),
		microsOrNull(k.RetiredAt), microsOrNull(k.AcceptUntil))
	if err != nil {
		return auth.Key{}, fmt.Errorf("insert key %s: %w", k.ID, err)
	}
	k, err = key(t.QueryRow(ctx, keyByID, k.ID))
	return k, wrap(err, "read key back")
}

const updateKey = `UPDATE keys SET state = $1, secret = $2, sealed = $3, signs_at = $4, lifetime = $5,
	retired_at = $6, accept_until = $7 WHERE id = $8`

// UpdateKey implements auth.KeyWriter. ErrNotFound without a row.
func (t Tx) UpdateKey(ctx context.Context, k auth.Key) error {
	n, err := t.Exec(ctx, updateKey, string(k.State), k.Secret, k.Sealed,
		microsOrNull(k.SignsAt), k.Lifetime.Microseconds(), microsOrNull(k.RetiredAt), microsOrNull(k.AcceptUntil), k.ID)
	if err == nil && n == 0 {
		return auth.ErrNotFound
	}
	return wrap(err, "update key %s", k.ID)
}

// LockKeys implements auth.KeyWriter.
func (t Tx) LockKeys(ctx context.Context) error {
	return wrap(t.Engine.LockKeys(ctx, t.Conn), "lock keys")
}

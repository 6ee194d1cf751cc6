package store

import (
	"context"
	"errors"
	"time"

	"github.com/latchkey-auth/latchkey/internal/auth"
)

const linkColumns = `hash, kind, user_id, created_at, expires`

func link(row Row) (auth.Link, error) {
	var l auth.Link
	var createdAt, expires int64
	err := row.Scan(&l.Hash, (*string)(&l.Kind), &l.UserID, &createdAt, &expires)
	if errors.Is(err, ErrNoRows) {
		return auth.Link{}, auth.ErrNotFound
	}
	l.CreatedAt, l.Expires = Time(createdAt), Time(expires)
	return l, err
}

const linkByHash = `SELECT ` + linkColumns + ` FROM links WHERE hash = $1 AND kind = $2 AND expires > $3`

// LinkByHash implements auth.LinkReader.
func (t Tx) LinkByHash(ctx context.Context, kind auth.LinkKind, hash string, now time.Time) (auth.Link, error) {
	l, err := link(t.QueryRow(ctx, linkByHash, hash, string(kind), Micros(now)))
	return l, wrap(err, "read a %s link", kind)
}

const insertLink = `INSERT INTO links (` + linkColumns + `) VALUES ($1, $2, $3, $4, $5)`

// InsertLink implements auth.LinkWriter.
func (t Tx) InsertLink(ctx context.Context, l auth.Link) error {
	_, err := t.Exec(ctx, insertLink, l.Hash, string(l.Kind), l.UserID, Micros(l.CreatedAt), Micros(l.Expires))
	return wrap(err, "insert a %s link", l.Kind)
}

// spendLink is read and removed in one statement: compare and set.
const spendLink = `DELETE FROM links WHERE hash = $1 AND kind = $2 AND expires > $3 RETURNING ` + linkColumns

// SpendLink implements auth.LinkWriter.
func (t Tx) SpendLink(ctx context.Context, kind auth.LinkKind, hash string, now time.Time) (auth.Link, error) {
	l, err := link(t.QueryRow(ctx, spendLink, hash, string(kind), Micros(now)))
	return l, wrap(err, "spend a %s link", kind)
}

const dropLinks = `DELETE FROM links WHERE user_id = $1 AND kind = $2`

// DropLinks implements auth.LinkWriter.
func (t Tx) DropLinks(ctx context.Context, kind auth.LinkKind, userID int64) error {
	_, err := t.Exec(ctx, dropLinks, userID, string(kind))
	return wrap(err, "drop the %s links of user %d", kind, userID)
}

const sweepLinks = `DELETE FROM links WHERE hash IN (SELECT hash FROM links WHERE expires < $1 ORDER BY expires LIMIT $2)`

const serviceKeyColumns = `id, name, scope, hash, created_at, revoked_at`

func serviceKey(row Row) (auth.ServiceKey, error) {
	var k auth.ServiceKey
	var createdAt int64
	var revokedAt *int64
	err := row.Scan(&k.ID, &k.Name, (*string)(&k.Scope), &k.Hash, &createdAt, &revokedAt)
	if errors.Is(err, ErrNoRows) {
		return auth.ServiceKey{}, auth.ErrNotFound
	}
	k.CreatedAt, k.RevokedAt = Time(createdAt), timeOrZero(revokedAt)
	return k, err
}

const serviceKeys = `SELECT ` + serviceKeyColumns + ` FROM service_keys ORDER BY created_at, id`

// ServiceKeys implements auth.ServiceKeyReader.
func (t Tx) ServiceKeys(ctx context.Context) ([]auth.ServiceKey, error) {
	var all []auth.ServiceKey
	err := t.each(ctx, serviceKeys, nil, func(rows Rows) error {
		k, err := serviceKey(rows)
		all = append(all, k)
		return err
	})
	return all, wrap(err, "read service keys")
}

const serviceKeyByHash = `SELECT ` + serviceKeyColumns + ` FROM service_keys WHERE hash = $1 AND revoked_at IS NULL`

// ServiceKeyByHash implements auth.ServiceKeyReader.
func (t Tx) ServiceKeyByHash(ctx context.Context, hash string) (auth.ServiceKey, error) {
	k, err := serviceKey(t.QueryRow(ctx, serviceKeyByHash, hash))
	return k, wrap(err, "read a service key")
}

const insertServiceKey = `INSERT INTO service_keys (id, name, scope, hash, created_at) VALUES ($1, $2, $3, $4, $5)`

// InsertServiceKey implements auth.ServiceKeyWriter.
func (t Tx) InsertServiceKey(ctx context.Context, k auth.ServiceKey) error {
	_, err := t.Exec(ctx, insertServiceKey, k.ID, k.Name, string(k.Scope), k.Hash, Micros(k.CreatedAt))
	return wrap(err, "insert service key %s", k.ID)
}

const revokeServiceKey = `UPDATE service_keys SET revoked_at = $1 WHERE id = $2 AND revoked_at IS NULL
	RETURNING ` + serviceKeyColumns

// RevokeServiceKey implements auth.ServiceKeyWriter.
func (t Tx) RevokeServiceKey(ctx context.Context, id string, now time.Time) (auth.ServiceKey, error) {
	k, err := serviceKey(t.QueryRow(ctx, revokeServiceKey, Micros(now), id))
	return k, wrap(err, "revoke service key %s", id)
}

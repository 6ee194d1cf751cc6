package postgres

import (
	"context"

	"github.com/latchkey-auth/latchkey/internal/auth"
	"github.com/latchkey-auth/latchkey/internal/store"
)

// OpenSession implements auth.Store. It is a transaction for each: a password
// was hashed before it, so few come at once, and what would be saved is little
// beside the hash.
func (db *DB) OpenSession(ctx context.Context, o auth.Opening) (opened auth.Opened, err error) {
	err = db.transact(ctx, func(t store.Tx) error {
		opened, err = store.OpenSession(ctx, t, o)
		if err != nil {
			return err
		}
		return notify(ctx, t.Conn, opened.Revocations)
	})
	if err != nil {
		return auth.Opened{}, err
	}
	return opened, nil
}

// maxRevoking is how many revocations are in the database at once. One holds
// the clock; the second gets to it meanwhile.
const maxRevoking = 2

// RevokeSession implements auth.Store. Revocations are not put together: the
// clock is the last lock of an act, and the sessions of the next act would be
// locked after it.
func (db *DB) RevokeSession(ctx context.Context, r auth.Revoking) (revoked auth.Revoked, err error) {
	select {
	case db.revoking <- struct{}{}:
		defer func() { <-db.revoking }()
	case <-ctx.Done():
		return auth.Revoked{}, ctx.Err()
	}
	err = db.transact(ctx, func(t store.Tx) error {
		revoked, err = store.RevokeSession(ctx, t, r)
		if err != nil {
			return err
		}
		return notify(ctx, t.Conn, revoked.Revocations)
	})
	if err != nil {
		return auth.Revoked{}, err
	}
	return revoked, nil
}

package postgres

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/jackc/pgx/v5"

	"github.com/latchkey-auth/latchkey/internal/auth"
	"github.com/latchkey-auth/latchkey/internal/store"
)

// Update implements auth.Store.
func (db *DB) Update(ctx context.Context, fn func(auth.Tx) error) error {
	return db.transact(ctx, func(t store.Tx) error { return fn(tx{t}) })
}

// tx is store.Tx that tells the other nodes of revocations.
type tx struct{ store.Tx }

func (t tx) Revoke(ctx context.Context, rows ...auth.Revocation) ([]auth.Revocation, error) {
	revoked, err := t.Tx.Revoke(ctx, rows...)
	if err != nil {
		return nil, err
	}
	return revoked, notify(ctx, t.Conn, revoked)
}

// channel is where revocations are told of. The payload is the last seq.
const channel = "latchkey_revocations"

// notify tells the other nodes when the transaction is committed.
func notify(ctx context.Context, c store.Conn, revoked []auth.Revocation) error {
	if len(revoked) == 0 {
		return nil
	}
	seq := strconv.FormatInt(revoked[len(revoked)-1].Seq, 10)
	if _, err := c.Exec(ctx, `SELECT pg_notify($1, $2)`, channel, seq); err != nil {
		return fmt.Errorf("tell of revocations: %w", err)
	}
	return nil
}

// transact runs fn in a transaction and commits it, and does so again where
// that is safe and may help.
func (db *DB) transact(ctx context.Context, fn func(store.Tx) error) error {
	return retry(ctx, func() error { return db.try(ctx, fn) })
}

func (db *DB) try(ctx context.Context, fn func(store.Tx) error) error {
	c, err := db.pool.Acquire(ctx)
	if err != nil {
		return fmt.Errorf("connect to PostgreSQL: %w", err)
	}
	defer c.Release()
	ctx, cancel := detach(ctx)
	defer cancel()
	t, err := c.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.ReadCommitted})
	if err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	// After a commit it does nothing. If it fails, Release closes the connection.
	defer func() { _ = t.Rollback(ctx) }()
	if err := fn(db.tx(conn{ctx, t})); err != nil {
		return err
	}
	err = t.Commit(ctx)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, pgx.ErrTxCommitRollback), sqlState(err) != "" && !lostConnection(err):
		return fmt.Errorf("commit: %w", err) // PostgreSQL says that it did not
	default:
		return maybeDone{fmt.Errorf("commit: it is not known whether it happened: %w", err)}
	}
}

package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/latchkey-auth/latchkey/internal/store"
)

// detach keeps a request's deadline and lets go of its cancellation: pgx ends
// a statement that is cancelled by closing the connection, and a client that
// hangs up must not cost us one.
func detach(ctx context.Context) (context.Context, context.CancelFunc) {
	detached := context.WithoutCancel(ctx)
	if deadline, ok := ctx.Deadline(); ok {
		return context.WithDeadline(detached, deadline)
	}
	return detached, func() {}
}

// conn is a store.Conn over a transaction. Statements run under the context of
// the transaction rather than the caller's, which is the same but for detach.
type conn struct {
	ctx context.Context
	tx  pgx.Tx
}

func (c conn) Exec(_ context.Context, query string, args ...any) (int64, error) {
	tag, err := c.tx.Exec(c.ctx, query, args...)
	return tag.RowsAffected(), err
}

func (c conn) QueryRow(_ context.Context, query string, args ...any) store.Row {
	return c.tx.QueryRow(c.ctx, query, args...)
}

func (c conn) Query(_ context.Context, query string, args ...any) (store.Rows, error) {
	return c.tx.Query(c.ctx, query, args...) //nolint:sqlclosecheck // The caller closes them.
}

// reader is a store.Conn over the pool, for reads, each a transaction of its
// own. A read that loses its connection is run again.
type reader struct{ pool *pgxpool.Pool }

func (r reader) Exec(ctx context.Context, query string, args ...any) (int64, error) {
	var tag pgconn.CommandTag
	err := r.on(ctx, func(ctx context.Context, c *pgxpool.Conn) (err error) {
		tag, err = c.Exec(ctx, query, args...)
		return err
	})
	return tag.RowsAffected(), err
}

func (r reader) QueryRow(ctx context.Context, query string, args ...any) store.Row {
	return row(func(dest ...any) error {
		return r.on(ctx, func(ctx context.Context, c *pgxpool.Conn) error {
			return c.QueryRow(ctx, query, args...).Scan(dest...)
		})
	})
}

// on runs f on a connection of the pool, again if that is lost.
func (r reader) on(ctx context.Context, f func(context.Context, *pgxpool.Conn) error) error {
	return retry(ctx, func() error {
		c, err := r.pool.Acquire(ctx)
		if err != nil {
			return err
		}
		defer c.Release()
		ctx, cancel := detach(ctx)
		defer cancel()
		return f(ctx, c)
	})
}

// row is a query that runs when it is scanned.
type row func(dest ...any) error

func (r row) Scan(dest ...any) error { return r(dest...) }

// Query takes the first row itself: by then it is known whether the connection
// was good.
func (r reader) Query(ctx context.Context, query string, args ...any) (store.Rows, error) {
	var result *rows
	err := retry(ctx, func() error {
		c, err := r.pool.Acquire(ctx)
		if err != nil {
			return err
		}
		ctx, cancel := detach(ctx)
		found, err := c.Query(ctx, query, args...)
		result = &rows{Rows: found, release: func() { cancel(); c.Release() }}
		if err == nil {
			result.peeked = found.Next()
			err = found.Err()
		}
		if err != nil {
			result.Close()
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return result, nil
}

// rows are pgx's, with the first row taken already.
type rows struct {
	pgx.Rows
	peeked  bool
	begun   bool
	release func() // nil once called
}

func (r *rows) Next() bool {
	if !r.begun {
		r.begun = true
		return r.peeked
	}
	return r.Rows.Next()
}

// Err implements store.Rows: a connection may be lost between two rows.
func (r *rows) Err() error { return told(r.Rows.Err()) }

func (r *rows) Close() {
	r.Rows.Close()
	if r.release != nil {
		r.release()
		r.release = nil
	}
}

package postgres

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/latchkey-auth/latchkey/internal/store"
)

// engine is store.Engine.
type engine struct{}

func (engine) Violates(err error, constraint string) bool {
	var e *pgconn.PgError
	return errors.As(err, &e) && e.Code == uniqueViolation && e.ConstraintName == constraint
}

// skipUserIDs begins at the largest id if that is ahead: users that were
// imported brought their own.
const skipUserIDs = `SELECT setval(seq, GREATEST(nextval(seq), (SELECT COALESCE(MAX(id), 0) FROM users)) + $1::bigint)
	FROM (SELECT pg_get_serial_sequence('users', 'id')::regclass AS seq) AS s`

func (engine) SkipUserIDs(ctx context.Context, c store.Conn, n int64) error {
	var last int64
	return c.QueryRow(ctx, skipUserIDs, n).Scan(&last)
}

// raiseUserIDs: a sequence of which nothing was taken has no last value.
const raiseUserIDs = `SELECT setval(seq, GREATEST(COALESCE(pg_sequence_last_value(seq), 0), $1::bigint))
	FROM (SELECT pg_get_serial_sequence('users', 'id')::regclass AS seq) AS s`

func (engine) RaiseUserIDs(ctx context.Context, c store.Conn, past int64) error {
	var last int64
	return c.QueryRow(ctx, raiseUserIDs, past).Scan(&last)
}

func (engine) LastUserID(ctx context.Context, c store.Conn) (last int64, err error) {
	err = c.QueryRow(ctx, `SELECT COALESCE(pg_sequence_last_value(pg_get_serial_sequence('users', 'id')::regclass), 0)`).Scan(&last)
	return last, err
}

// LockKeys keeps other writers of keys out, and no reader. Not an advisory
// lock: those do nothing on CockroachDB.
func (engine) LockKeys(ctx context.Context, c store.Conn) error {
	_, err := c.Exec(ctx, `LOCK TABLE keys IN SHARE ROW EXCLUSIVE MODE`)
	return err
}

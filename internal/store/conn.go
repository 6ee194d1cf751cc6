package store

import (
	"context"
	"database/sql"

	"github.com/latchkey-auth/latchkey/internal/auth"
)

// ErrNoRows is what Row.Scan answers when there is no row. It is
// sql.ErrNoRows, which pgx's own wraps; compare with errors.Is.
var ErrNoRows = sql.ErrNoRows

// Conn is what an engine brings: three methods, with $1, $2 for parameters.
// Parameters are string, int64, bool, []byte and pointers to the first three
// (nil is NULL); destinations are pointers to those. Nothing else, so that both
// engines bind and scan the same.
type Conn interface {
	// Exec gives the number of rows affected.
	Exec(ctx context.Context, query string, args ...any) (int64, error)
	// QueryRow's Scan answers ErrNoRows when there is none.
	QueryRow(ctx context.Context, query string, args ...any) Row
	Query(ctx context.Context, query string, args ...any) (Rows, error)
}

// Row is one row.
type Row interface {
	Scan(dest ...any) error
}

// Rows are closed by their reader.
type Rows interface {
	Next() bool
	Scan(dest ...any) error
	Err() error
	Close()
}

// Engine is the little that no common statement can say.
type Engine interface {
	// Violates reports whether err is the violation of the unique constraint
	// or index with this name.
	Violates(err error, constraint string) bool
	// SkipUserIDs moves the sequence of user ids so that n ids are never given.
	SkipUserIDs(ctx context.Context, c Conn, n int64) error
	// RaiseUserIDs moves the sequence so that ids up to past are never given.
	RaiseUserIDs(ctx context.Context, c Conn, past int64) error
	// LastUserID gives the last id of the sequence.
	LastUserID(ctx context.Context, c Conn) (int64, error)
	// LockKeys makes this transaction the only one that changes keys.
	LockKeys(ctx context.Context, c Conn) error
	// LockCounters locks the counters of keys, which are sorted, and gives those
	// that are there. It may give empty ones that are not: they are dropped or
	// filled by SaveCounters.
	LockCounters(ctx context.Context, c Conn, keys []string) (map[string]auth.Counter, error)
	// SaveCounters stores and removes counters that are locked.
	SaveCounters(ctx context.Context, c Conn, put []auth.Counter, drop []string) error
}

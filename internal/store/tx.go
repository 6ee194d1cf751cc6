package store

import (
	"context"
	"time"

	"github.com/latchkey-auth/latchkey/internal/auth"
)

// Tx is auth.Tx over an engine's connection. Over a connection that is not in
// a transaction it serves as an auth.Reader, with one statement for each call
// of a request's way.
type Tx struct {
	Conn
	Engine Engine
	// Now is the clock that revocations take their Until from, read after the
	// clock row is locked.
	Now func() time.Time
}

var _ auth.Tx = Tx{}

// Micros is how times are stored: microseconds since 1970 UTC.
func Micros(t time.Time) int64 { return t.UnixMicro() }

// Time is the time of Micros.
func Time(micros int64) time.Time { return time.UnixMicro(micros).UTC() }

// timeOrZero is the time of a column that may be NULL.
func timeOrZero(micros *int64) time.Time {
	if micros == nil {
		return time.Time{}
	}
	return Time(*micros)
}

// microsOrNull is the column of a time that may be zero.
func microsOrNull(t time.Time) *int64 {
	if t.IsZero() {
		return nil
	}
	m := Micros(t)
	return &m
}

// later gives the later of a time in Unix seconds and t.
func later(unix int64, t time.Time) time.Time {
	if u := time.Unix(unix, 0); u.After(t) {
		return u
	}
	return t
}

// ids collects the single column of a query, closing it.
func ids(ctx context.Context, c Conn, query string, args ...any) ([]string, error) {
	rows, err := c.Query(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []string
	for rows.Next() {
		var id string
		if err := rows.Scan(&id); err != nil {
			return nil, err
		}
		all = append(all, id)
	}
	return all, rows.Err()
}

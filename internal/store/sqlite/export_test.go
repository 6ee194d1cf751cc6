package sqlite

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/latchkey-auth/latchkey/internal/store"
)

// Statements are the SQL that has run on this DB so far, sorted.
func (db *DB) Statements(ctx context.Context) ([]string, error) {
	all := map[string]bool{}
	// On the writer's goroutine, to which the connection belongs.
	err := db.Raw(ctx, func(tx store.Tx) error {
		for query := range tx.Conn.(*conn).stmts {
			all[query] = true
		}
		return nil
	})
	for range len(db.readers.free) {
		c := <-db.readers.free
		for query := range c.stmts {
			all[query] = true
		}
		db.readers.free <- c
	}
	return slices.Sorted(maps.Keys(all)), err
}

// Raw is Update with any SQL.
func (db *DB) Raw(ctx context.Context, fn func(store.Tx) error) error {
	return db.writer.do(&act{ctx: ctx, run: fn})
}

// RawThen is Raw with what is called after the commit.
func (db *DB) RawThen(ctx context.Context, fn func(store.Tx) error, committed func()) error {
	return db.writer.do(&act{ctx: ctx, run: fn, committed: committed})
}

// Waiting is how many acts are queued.
func (db *DB) Waiting() int { return len(db.writer.queue) }

// Look makes the writer look for commits of other processes now.
func (db *DB) Look(ctx context.Context) error {
	return db.Raw(ctx, func(store.Tx) error {
		db.writer.look()
		return nil
	})
}

// Cached reports whether a user is held in memory.
func (db *DB) Cached(id int64) bool {
	_, _, ok := db.cache.user(id)
	return ok
}

// Explain gives the plan of a statement, a line for each step.
func (db *DB) Explain(ctx context.Context, query string) (string, error) {
	c, err := connect(db.path, writes)
	if err != nil {
		return "", err
	}
	defer func() { _ = c.close() }()
	args := make([]any, strings.Count(query, "$"))
	for i := range args {
		args[i] = (*string)(nil)
	}
	for len(args) > 0 && checkParameters(query, len(args)) != nil {
		args = args[1:]
	}
	rows, err := c.Query(ctx, "EXPLAIN QUERY PLAN "+query, args...)
	if err != nil {
		return "", err
	}
	defer rows.Close()
	var plan strings.Builder
	for rows.Next() {
		var id, parent, unused int64
		var detail string
		if err := rows.Scan(&id, &parent, &unused, &detail); err != nil {
			return "", err
		}
		plan.WriteString("  " + detail + "\n")
	}
	return plan.String(), rows.Err()
}

// CheckParameters is what holds the numbering of parameters.
var CheckParameters = checkParameters

// ReadRaw runs any SQL on a reader.
func (db *DB) ReadRaw(ctx context.Context, query string) (store.Rows, error) {
	return db.readers.Query(ctx, query)
}

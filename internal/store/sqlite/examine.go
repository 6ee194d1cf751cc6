package sqlite

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/latchkey-auth/latchkey/internal/auth"
	"github.com/latchkey-auth/latchkey/internal/store"
)

// Examine implements auth.Store. What makes a commit reach the disk is read
// back from the very connection that writes.
func (db *DB) Examine(ctx context.Context) (auth.Condition, error) {
	c, err := examine(ctx, db.readers)
	if err != nil {
		return c, err
	}
	err = db.writer.do(&act{ctx: ctx, run: func(tx store.Tx) error {
		return tx.QueryRow(ctx, `PRAGMA synchronous`).Scan(&c.SQLite.Synchronous)
	}})
	if err != nil {
		return c, fmt.Errorf("examine the database: %w", err)
	}
	return c, nil
}

func examine(ctx context.Context, conn store.Conn) (auth.Condition, error) {
	c := auth.Condition{Known: SchemaVersion(), SQLite: &auth.SQLiteCondition{Synchronous: -1}}
	var err error
	if c.Schema, err = schemaVersion(ctx, conn); err == nil {
		err = conn.QueryRow(ctx, `PRAGMA journal_mode`).Scan(&c.SQLite.JournalMode)
	}
	if err != nil {
		return c, fmt.Errorf("examine the database: %w", err)
	}
	return c, nil
}

// Glance is a database that is looked at and never changed: not even its schema
// is brought up to date.
type Glance struct {
	readers *readers
	now     func() time.Time
}

// OpenGlance opens a database file for looking, beside a server or without one.
// The error is fs.ErrNotExist where there is none.
func OpenGlance(path string, now func() time.Time) (*Glance, error) {
	if now == nil {
		now = time.Now
	}
	if info, err := os.Stat(path); err != nil {
		return nil, fmt.Errorf("open database: %w", err)
	} else if info.IsDir() {
		return nil, fmt.Errorf("open database %s: %w", path, fs.ErrInvalid)
	}
	return &Glance{newReaders(path, 1), now}, nil
}

// Read gives single reads. They are of use only where the schema is the known
// one.
func (g *Glance) Read() auth.Reader {
	return store.Tx{Conn: g.readers, Engine: dialect{}, Now: g.now}
}

// Examine is that of auth.Store, but for what only a writer knows.
func (g *Glance) Examine(ctx context.Context) (auth.Condition, error) {
	return examine(ctx, g.readers)
}

// Close releases the file.
func (g *Glance) Close() error { return g.readers.close() }

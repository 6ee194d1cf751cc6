package sqlite

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// Backup writes a copy of the database as it is now to a new file with mode
// 0600. It is whole when Backup returns nil; the server goes on meanwhile.
func (db *DB) Backup(ctx context.Context, path string) (err error) {
	if err := ctx.Err(); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if err != nil {
		return fmt.Errorf("back up: %w", err)
	}
	defer func() {
		err = errors.Join(err, f.Close())
		if err != nil {
			err = fmt.Errorf("back up: %w", errors.Join(err, os.Remove(path)))
		}
	}()
	// A connection of its own: it is busy for as long as the copy takes.
	c, err := connect(db.path, writes)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.close()) }()
	into := []driver.NamedValue{{Ordinal: 1, Value: path}}
	if _, err := c.driver.(driver.ExecerContext).ExecContext(ctx, `VACUUM INTO $1`, into); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

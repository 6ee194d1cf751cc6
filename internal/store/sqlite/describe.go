package sqlite

import (
	"context"
	"fmt"

	"github.com/latchkey-auth/latchkey/internal/auth"
)

const describe = `SELECT sqlite_version(), page_count * page_size FROM pragma_page_count(), pragma_page_size()`

// Describe implements auth.Store. The size is the database's without its log.
func (db *DB) Describe(ctx context.Context) (auth.Database, error) {
	d := auth.Database{Engine: "SQLite", Schema: SchemaVersion()}
	if err := db.readers.QueryRow(ctx, describe).Scan(&d.Version, &d.Size); err != nil {
		return auth.Database{}, fmt.Errorf("ask SQLite what it is: %w", err)
	}
	return d, nil
}

package postgres

import (
	"context"
	"fmt"

	"github.com/latchkey-auth/latchkey/internal/auth"
)

const describe = `SELECT current_setting('server_version'), pg_database_size(current_database())`

// Describe implements auth.Store.
func (db *DB) Describe(ctx context.Context) (auth.Database, error) {
	d := auth.Database{Engine: "PostgreSQL"}
	if err := (reader{db.pool}).QueryRow(ctx, describe).Scan(&d.Version, &d.Size); err != nil {
		return auth.Database{}, fmt.Errorf("ask PostgreSQL what it is: %w", err)
	}
	var err error
	if d.Schema, err = newestVersion(); err != nil {
		return auth.Database{}, err
	}
	return d, nil
}

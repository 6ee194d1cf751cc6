package sqlite

import (
	"context"
	"errors"
	"fmt"
)

// FileName is the database's name in the data folder.
const FileName = "latchkey.db"

// SchemaVersion is the version of the schema that this program works with.
func SchemaVersion() int64 {
	// The names of the embedded files are part of the program.
	newest, err := newestMigration()
	if err != nil {
		panic(fmt.Sprintf("embedded migrations: %v", err))
	}
	return newest
}

// FileSchema gives the version of the schema of a database file without
// changing it; 0 for an empty one.
func FileSchema(ctx context.Context, path string) (version int64, err error) {
	c, err := connect(path, reads)
	if err != nil {
		return 0, fmt.Errorf("open database %s: %w", path, err)
	}
	defer func() { err = errors.Join(err, c.close()) }()
	return schemaVersion(ctx, c)
}

// CopyFile copies a database file as Backup does, without bringing its schema
// up to date first: what is wanted before a migration.
func CopyFile(ctx context.Context, path, to string) error {
	return (&DB{path: path}).Backup(ctx, to)
}

package store

import (
	"context"
	"database/sql"
	"fmt"
	"io/fs"
	"strings"

	"github.com/pressly/goose/v3"
)

// Migrations gives an engine's folder to goose as functions that run a file
// each, whole. goose's own reader takes eight megabytes for every file, which is
// most of what a new database costs.
func Migrations(folder fs.FS) ([]*goose.Migration, error) {
	files, err := fs.Glob(folder, "*.sql")
	if err != nil {
		return nil, err
	}
	var all []*goose.Migration
	for _, name := range files {
		version, err := goose.NumericComponent(name)
		if err != nil {
			return nil, err
		}
		content, err := fs.ReadFile(folder, name)
		if err != nil {
			return nil, err
		}
		// The way is forward, in a transaction: nothing else that goose's reader
		// is told by such lines is understood here.
		rest, ok := strings.CutPrefix(string(content), "-- +goose Up\n")
		if !ok || strings.Contains(rest, "+goose") {
			return nil, fmt.Errorf("%s does not begin with -- +goose Up, or there is more of that", name)
		}
		all = append(all, goose.NewGoMigration(version, &goose.GoFunc{RunTx: func(ctx context.Context, tx *sql.Tx) error {
			if _, err := tx.ExecContext(ctx, rest); err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			return nil
		}}, nil))
	}
	return all, nil
}

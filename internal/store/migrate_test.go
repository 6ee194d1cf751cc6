package store_test

import (
	"testing"
	"testing/fstest"

	"github.com/latchkey-auth/latchkey/internal/store"
)

// TestMigrations: what goose's own reader would have understood otherwise is an
// error, and nothing is run.
func TestMigrations(t *testing.T) {
	for name, c := range map[string]struct {
		content string
		good    bool
	}{
		"forward":            {"-- +goose Up\nCREATE TABLE a (b int);\n-- a comment\n", true},
		"no mark":            {"CREATE TABLE a (b int);\n", false},
		"a way back":         {"-- +goose Up\nCREATE TABLE a (b int);\n-- +goose Down\nDROP TABLE a;\n", false},
		"no transaction":     {"-- +goose NO TRANSACTION\n-- +goose Up\nVACUUM;\n", false},
		"a statement marked": {"-- +goose Up\n-- +goose StatementBegin\nSELECT 1;\n-- +goose StatementEnd\n", false},
	} {
		all, err := store.Migrations(fstest.MapFS{"0001_init.sql": {Data: []byte(c.content)}})
		if (err == nil) != c.good || len(all) == 1 != c.good {
			t.Errorf("%s: %d migrations, %v", name, len(all), err)
		}
	}
	if _, err := store.Migrations(fstest.MapFS{"init.sql": {Data: []byte("-- +goose Up\n")}}); err == nil {
		t.Error("a file without a number is taken")
	}
}

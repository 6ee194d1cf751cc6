package sqlite_test

import (
	"crypto/sha256"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/latchkey-auth/latchkey/internal/store/sqlite"
)

// TestExamine: what keeps a commit is read back from the connection that writes.
func TestExamine(t *testing.T) {
	db := open(t, tempPath(t))
	c, err := db.Examine(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if c.SQLite.JournalMode != "wal" || c.SQLite.Synchronous != 2 {
		t.Errorf("have %+v", c.SQLite)
	}
}

// TestGlance: a look changes neither the file nor its schema, and makes none.
func TestGlance(t *testing.T) {
	dir := t.TempDir()
	if _, err := sqlite.OpenGlance(filepath.Join(dir, "none.db"), nil); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
	if names, _ := os.ReadDir(dir); len(names) > 0 {
		t.Errorf("a look made %v", names)
	}
	path := tempPath(t)
	db := open(t, path)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	sum := func() [32]byte {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return sha256.Sum256(b)
	}
	before := sum()
	g, err := sqlite.OpenGlance(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	c, err := g.Examine(t.Context())
	if err != nil || c.Schema != c.Known || c.SQLite.JournalMode != "wal" || c.SQLite.Synchronous >= 0 {
		t.Errorf("have %+v, %v", c, err)
	}
	if n, err := g.Read().CountAdmins(t.Context(), 2); n != 0 || err != nil {
		t.Errorf("%d administrators, %v", n, err)
	}
	if err := g.Close(); err != nil {
		t.Error(err)
	}
	if sum() != before {
		t.Error("a look changed the database")
	}
}

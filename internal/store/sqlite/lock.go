package sqlite

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// ErrLocked says that another server has the data folder.
var ErrLocked = errors.New("another latchkey serves from this data folder")

// LockFolder keeps a data folder for one server: two would not see each other's
// revocations at once. The lock is the kernel's, so a crash leaves none behind.
// The command line does not take it. ErrLocked if somebody has it.
func LockFolder(dir string) (release func(), err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("lock data folder: %w", err)
	}
	f, err := os.OpenFile(filepath.Join(dir, "latchkey.lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock data folder: %w", err)
	}
	if err := lock(f); err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("lock data folder %s: %w", dir, err)
	}
	// The file stays: to remove it would let a second lock be had on a new one.
	return func() { _ = f.Close() }, nil
}

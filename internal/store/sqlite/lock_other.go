//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd)

package sqlite

import (
	"errors"
	"os"
)

// lock refuses: to serve without the lock would not be safe.
func lock(*os.File) error { return errors.ErrUnsupported }

//go:build !unix

package server

import "errors"

// openFiles knows of no limit.
func openFiles() (uint64, error) { return 0, errors.ErrUnsupported }

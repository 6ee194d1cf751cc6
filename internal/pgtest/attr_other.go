//go:build !unix

package pgtest

import (
	"errors"
	"syscall"
)

func attributes(string) (*syscall.SysProcAttr, error) { return nil, ErrNone }

func end(int, Ending) error { return errors.ErrUnsupported }

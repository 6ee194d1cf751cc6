//go:build !linux

package postgres

import "syscall"

// giveUp has nothing to set here: the keep-alives notice.
func giveUp(string, string, syscall.RawConn) error { return nil }

//go:build unix

package server

import "syscall"

// openFiles is how many files this process may have open. The runtime has
// raised it as far as it goes (package os).
func openFiles() (uint64, error) {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return 0, err
	}
	return uint64(limit.Cur), nil //nolint:unconvert // int64 on FreeBSD.
}

package main

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// keepMemory keeps what is in memory from being written to a disk when the
// process dies: passwords and keys are in it. The limit is for a core file, the
// other for a program that the kernel hands the core to, which no limit
// concerns (core(5)); it also keeps other processes of the user from looking in.
func keepMemory() error {
	limit := unix.Rlimit{}
	err := errors.Join(unix.Setrlimit(unix.RLIMIT_CORE, &limit), unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0))
	if err != nil {
		return fmt.Errorf("switch core dumps off: %w", err)
	}
	return nil
}

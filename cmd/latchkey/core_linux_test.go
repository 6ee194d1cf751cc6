package main

import (
	"testing"

	"golang.org/x/sys/unix"
)

// TestKeepMemory runs in this process, which loses nothing by it.
//
// ASVS 13.3.1
// ROW 17
func TestKeepMemory(t *testing.T) {
	var after unix.Rlimit
	if err := keepMemory(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = unix.Prctl(unix.PR_SET_DUMPABLE, 1, 0, 0, 0)
	})
	if err := unix.Getrlimit(unix.RLIMIT_CORE, &after); err != nil || after.Cur != 0 || after.Max != 0 {
		t.Errorf("a core file may have %d bytes, %d at most (%v)", after.Cur, after.Max, err)
	}
	dumpable, err := unix.PrctlRetInt(unix.PR_GET_DUMPABLE, 0, 0, 0, 0)
	if err != nil || dumpable != 0 {
		t.Errorf("the kernel may dump this process: %d, %v", dumpable, err)
	}
}

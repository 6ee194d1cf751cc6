package password

import "golang.org/x/sys/unix"

// largePages asks for large pages: where the system knows none, or forbids it,
// there are none.
func largePages(b []byte) { _ = unix.Madvise(b, unix.MADV_HUGEPAGE) }

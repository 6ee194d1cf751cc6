package password

import "golang.org/x/sys/unix"

// ready asks for large pages, and for all of them now: to meet them one by one
// takes longer. Where the system knows the one or the other not, or forbids it,
// they come as they do.
func ready(b []byte) {
	_ = unix.Madvise(b, unix.MADV_HUGEPAGE)
	_ = unix.Madvise(b, unix.MADV_POPULATE_WRITE)
}

//go:build unix

package password

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// mapped is how many bytes a hash of ours takes beside the garbage collector's.
const mapped = ownCost

// mapBlocks gives n blocks of memory of the system's, nil if there is none.
// Large pages, where there are, spare a thousand faults and searches of the page
// table.
func mapBlocks(n int) []block {
	b, err := unix.Mmap(-1, 0, n*blockSize, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
	if err != nil {
		return nil
	}
	largePages(b)
	return unsafe.Slice((*block)(unsafe.Pointer(unsafe.SliceData(b))), n)
}

// unmapBlocks gives it back.
func unmapBlocks(b []block) {
	bytes := unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(b))), len(b)*blockSize)
	_ = unix.Munmap(bytes[:len(bytes):len(bytes)])
}

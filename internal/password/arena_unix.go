//go:build unix

package password

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// mapped says that the memory is beside the garbage collector's.
const mapped = true

// mapBlocks gives n blocks of memory of the system's.
func mapBlocks(n int) ([]block, error) {
	b, err := unix.Mmap(-1, 0, n*blockSize, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
	if err != nil {
		return nil, err //nolint:wrapcheck // It is not told to anybody.
	}
	ready(b)
	return unsafe.Slice((*block)(unsafe.Pointer(unsafe.SliceData(b))), n), nil
}

// unmapBlocks gives it back: all that mapBlocks gave, or nothing.
func unmapBlocks(b []block) error {
	bytes := unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(b))), len(b)*blockSize)
	return unix.Munmap(bytes) //nolint:wrapcheck // It is not told to anybody.
}

//go:build !unix

package password

// mapped says that the memory is beside the garbage collector's.
const mapped = false

// mapBlocks gives n blocks.
func mapBlocks(n int) ([]block, error) { return make([]block, n), nil }

// unmapBlocks leaves them to the garbage collector.
func unmapBlocks([]block) error { return nil }

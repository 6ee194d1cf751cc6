//go:build !unix

package password

// mapped is how many bytes a hash of ours takes beside the garbage collector's.
const mapped = 0

// mapBlocks gives n blocks.
func mapBlocks(n int) []block { return make([]block, n) }

// unmapBlocks leaves them to the garbage collector.
func unmapBlocks([]block) {}

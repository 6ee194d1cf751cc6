package password

import "sync"

// arena, a Hasher's, lends the memory that argon2 hashes are made in, outside of
// what the garbage collector sees: it would collect at each of them, and keep as
// much again for what is not collected yet.
//
// It is the system's before and after each hash. To keep it for the next one
// would save a twentieth of a hash, and tell whether there was one a moment ago:
// an account whose hash is of another format leaves none.
type arena struct {
	// told, when not nil, hears how many bytes there are.
	told func(bytes int64)
	// from is mapBlocks unless a test says otherwise.
	from func(n int) ([]block, error)

	mu    sync.Mutex
	bytes int64
}

// take lends n blocks; false if the system has none to give.
func (a *arena) take(n int) ([]block, bool) {
	from := a.from
	if from == nil {
		from = mapBlocks
	}
	a.count(n) // Before it is there: the collector makes room for it.
	b, err := from(n)
	if err != nil {
		a.count(-n)
		return nil, false
	}
	return b, true
}

// give takes them back.
func (a *arena) give(b []block) {
	n := len(b)
	if unmapBlocks(b) == nil {
		a.count(-n)
	}
}

func (a *arena) count(blocks int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.bytes += int64(blocks) * blockSize
	if a.told != nil && mapped {
		a.told(a.bytes)
	}
}

package password

import (
	"sync"
	"sync/atomic"
	"time"
)

// arena, a Hasher's, lends the memory that hashes of ours are made in, each 19 MiB, outside
// of what the garbage collector sees: it would collect at each of them, and keep
// as much again for what is not collected yet.
//
// There is as much as hashes are at work at once, and it is kept until none has
// been for a moment.
type arena struct {
	made atomic.Uint64 // hashes

	mu   sync.Mutex
	free [][]block
	lent int
	drop *time.Timer
}

// take lends memory; nil if the system has none to give, or there is no arena.
func (a *arena) take() []block {
	if a == nil {
		return nil
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	n := len(a.free)
	if n == 0 {
		b := mapBlocks(argon2Memory)
		if b != nil {
			a.lent++
		}
		return b
	}
	b := a.free[n-1]
	a.free = a.free[:n-1]
	a.lent++
	return b
}

// give takes memory back.
func (a *arena) give(b []block) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.lent--
	a.free = append(a.free, b)
	if a.drop == nil {
		a.drop = time.AfterFunc(roomKept, a.tidy)
	} else {
		a.drop.Reset(roomKept)
	}
}

// tidy gives the system back what nobody has needed for a moment.
func (a *arena) tidy() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.lent > 0 {
		return // Its end sets the timer anew.
	}
	for _, b := range a.free {
		unmapBlocks(b)
	}
	a.free = nil
}

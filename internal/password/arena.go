package password

import (
	"sync"
	"time"
)

// arena, a Hasher's, lends the memory that argon2 hashes are made in, outside of
// what the garbage collector sees: it would collect at each of them, and keep as
// much again for what is not collected yet.
//
// Memory of the size of our hashes, 19 MiB, is kept for a moment for the next
// one, as long as no hash of another size is at work: then the memory of all
// hashes is what the gate counts, and otherwise no more than it would let in.
type arena struct {
	// told, when not nil, hears how many bytes there are.
	told func(bytes int64)

	mu     sync.Mutex
	kept   []kept
	bytes  int64
	others int // hashes at work for which nothing is kept
	timer  *time.Timer
}

// kept is memory that nobody uses; the last one was given back last.
type kept struct {
	blocks []block
	at     time.Time
}

// take lends n blocks; false if the system has none to give.
func (a *arena) take(n int) ([]block, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if last := len(a.kept) - 1; last >= 0 && n == argon2Memory {
		b := a.kept[last].blocks
		a.kept = a.kept[:last]
		return b, true
	}
	b, err := mapBlocks(n)
	if err != nil {
		return nil, false
	}
	a.count(n)
	return b, true
}

// give takes memory back.
func (a *arena) give(b []block) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(b) != argon2Memory || a.others > 0 {
		a.unmap(b)
		return
	}
	a.kept = append(a.kept, kept{b, time.Now()})
	if a.timer == nil {
		a.timer = time.AfterFunc(roomKept, a.tidy)
	} else if len(a.kept) == 1 {
		a.timer.Reset(roomKept)
	}
}

// crowd says that a hash of another size begins, and clear that it ends: nothing
// is kept meanwhile.
func (a *arena) crowd() {
	a.mu.Lock()
	a.others++
	a.mu.Unlock()
	a.drop(0)
}

func (a *arena) clear() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.others--
}

// tidy gives the system back what nobody has used for a moment.
func (a *arena) tidy() {
	a.drop(roomKept)
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.kept) > 0 {
		a.timer.Reset(max(0, roomKept-time.Since(a.kept[0].at)))
	}
}

// drop gives the system back what has not been used for so long.
func (a *arena) drop(unused time.Duration) {
	a.mu.Lock()
	defer a.mu.Unlock()
	// What was given back last is used first: the first has waited longest.
	for len(a.kept) > 0 && time.Since(a.kept[0].at) >= unused {
		b := a.kept[0].blocks
		a.kept = a.kept[1:]
		a.unmap(b)
	}
	if len(a.kept) == 0 {
		a.kept = nil
	}
}

// unmap gives memory back to the system; the lock is held.
func (a *arena) unmap(b []block) {
	n := len(b)
	if unmapBlocks(b) == nil {
		a.count(-n)
	}
}

// count counts blocks; the lock is held.
func (a *arena) count(blocks int) {
	a.bytes += int64(blocks) * blockSize
	if a.told != nil && mapped {
		a.told(a.bytes)
	}
}

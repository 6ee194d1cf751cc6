package postgres

import (
	"context"
	"fmt"
	"runtime/debug"
	"sync"
	"time"
)

const (
	// batchSize is the most calls that are run together.
	batchSize = 64
	// maxWriters is how many batches are run at once at most. Usually it is
	// one: what waits for it makes a larger batch, which costs less for each.
	maxWriters = 2
	// slowAfter is when a batch, which may wait for a lock that somebody holds,
	// is not waited for any more by those whom another writer could serve.
	slowAfter = 100 * time.Millisecond
)

// The longest that a writer waits for more calls: this part of what its last
// batch took, and never more than maxPatience.
const (
	patienceShare = 4
	maxPatience   = time.Millisecond
)

// batcher runs calls together: whoever comes while the writer is busy waits,
// and then it takes all who wait. A call that comes when there is none is run at
// once, alone. Two calls with one key are never under way at the same time; with
// the key "" they may be.
type batcher[In, Out any] struct {
	key func(In) string
	// run fills in each call's out and err.
	run func([]*call[In, Out])

	mu      sync.Mutex
	closed  bool
	waiting []*call[In, Out] // in the order of their coming
	busy    map[string]bool  // the keys under way
	writers int              // how many run
	slow    int              // how many of them are slow
	running sync.WaitGroup

	// expect is how many calls a writer waits for, 0 when none does. When they
	// are there it is told by enough.
	expect int
	enough chan struct{}
}

func newBatcher[In, Out any](key func(In) string, run func([]*call[In, Out])) *batcher[In, Out] {
	return &batcher[In, Out]{key: key, run: run, busy: make(map[string]bool), enough: make(chan struct{}, 1)}
}

type call[In, Out any] struct {
	in   In
	out  Out
	err  error
	done chan struct{} // closed when out and err are there
}

// do has one call run. A call that is under way when ctx ends goes on without
// its caller.
func (b *batcher[In, Out]) do(ctx context.Context, in In) (out Out, err error) {
	c := &call[In, Out]{in: in, done: make(chan struct{})}
	b.mu.Lock()
	if b.closed {
		b.mu.Unlock()
		return out, errClosed
	}
	b.waiting = append(b.waiting, c)
	b.hire()
	if b.expect > 0 && len(b.waiting) >= b.expect {
		b.expect = 0
		b.enough <- struct{}{}
	}
	b.mu.Unlock()

	select {
	case <-c.done:
		return c.out, c.err
	case <-ctx.Done():
		b.withdraw(c)
		return out, ctx.Err()
	}
}

// hire starts a writer if calls wait and every writer is slow. b.mu is held.
func (b *batcher[In, Out]) hire() {
	if len(b.waiting) > 0 && b.writers == b.slow && b.writers < maxWriters {
		b.writers++
		b.running.Go(b.write)
	}
}

// write runs batches until nobody waits whom it could serve: those whose key
// is under way are served by the writer that is at it.
func (b *batcher[In, Out]) write() {
	var batch []*call[In, Out]
	for {
		batch = b.next(batch)
		if len(batch) == 0 {
			return
		}
		began := time.Now()
		together := b.watch(batch)
		patience := min(time.Since(began)/patienceShare, maxPatience)
		for _, c := range batch {
			close(c.done)
		}
		b.gather(together, patience)
	}
}

// watch runs a batch, and counts its writer as slow from when it is until the
// batch is done. It gives how many calls were there at its end, the batch's
// and those that came meanwhile.
func (b *batcher[In, Out]) watch(batch []*call[In, Out]) (together int) {
	var done, slow bool // guarded by b.mu
	watchdog := time.AfterFunc(slowAfter, func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		if !done {
			slow = true
			b.slow++
			b.hire()
		}
	})
	b.runSafely(batch)
	watchdog.Stop()

	b.mu.Lock()
	defer b.mu.Unlock()
	done = true
	if slow {
		b.slow--
	}
	return len(batch) + len(b.waiting)
}

// runSafely turns a panic of run into the error of its calls: the writer serves
// everybody.
func (b *batcher[In, Out]) runSafely(batch []*call[In, Out]) {
	defer func() {
		if p := recover(); p != nil {
			err := fmt.Errorf("panic in a batch: %v\n%s", p, debug.Stack())
			for _, c := range batch {
				c.err = err
			}
		}
	}()
	b.run(batch)
}

// gather waits a little for those who were answered last and are about to ask
// again: until as many wait as were together. Without that, steady callers fall
// into two halves that wait for each other. A caller who is alone is not waited
// with.
func (b *batcher[In, Out]) gather(together int, patience time.Duration) {
	together = min(together, batchSize)
	b.mu.Lock()
	if together < 2 || len(b.waiting) >= together || b.writers > 1 || b.closed {
		b.mu.Unlock()
		return
	}
	b.expect = together
	b.mu.Unlock()

	select {
	case <-b.enough:
		return
	case <-time.After(patience):
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.expect == 0 { // they came just now
		<-b.enough
	}
	b.expect = 0
}

// next gives back the keys of the last batch and takes a new one. Without one
// the writer has ended: nobody waits, or another writer is not slow either.
func (b *batcher[In, Out]) next(last []*call[In, Out]) (batch []*call[In, Out]) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, c := range last {
		delete(b.busy, b.key(c.in))
	}
	if b.writers-b.slow > 1 {
		b.writers--
		return nil
	}
	rest := b.waiting[:0]
	for _, c := range b.waiting {
		if key := b.key(c.in); len(batch) < batchSize && !b.busy[key] {
			if key != "" {
				b.busy[key] = true
			}
			batch = append(batch, c)
		} else {
			rest = append(rest, c)
		}
	}
	clear(b.waiting[len(rest):])
	b.waiting = rest
	if len(batch) == 0 {
		b.writers--
	}
	return batch
}

// withdraw takes back a call that is not under way yet.
func (b *batcher[In, Out]) withdraw(c *call[In, Out]) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for i, w := range b.waiting {
		if w == c {
			b.waiting = append(b.waiting[:i], b.waiting[i+1:]...)
			return
		}
	}
}

// close refuses new calls and waits for those that are there.
func (b *batcher[In, Out]) close() {
	b.mu.Lock()
	b.closed = true
	b.mu.Unlock()
	b.running.Wait()
}

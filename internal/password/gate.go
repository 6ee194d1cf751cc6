package password

import (
	"container/list"
	"context"
	"sync"
	"time"
)

// gate lets work in, in order of arrival, while there is memory and a
// processor for it. Strict order means that a large hash at the head holds up
// small ones behind it; the other way round it would never get in. One that is
// larger than all the memory gets in alone: to be refused for ever would be
// worse than what it takes beyond, which is the least that it can be done with.
type gate struct {
	patience   time.Duration // how long one may wait
	maxWaiting int

	mu      sync.Mutex
	total   int64 // bytes in all
	memory  int64 // bytes free, below zero under a hash larger than total
	threads int   // threads free
	running int
	waiting list.List // of *waiter
}

type waiter struct {
	memory  int64
	threads int
	in      chan struct{} // closed when let in
}

// enter waits for a place. After nil, leave must be called with the same
// figures.
func (g *gate) enter(ctx context.Context, memory int64, threads int) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	w := &waiter{memory, threads, make(chan struct{})}
	g.mu.Lock()
	if g.waiting.Len() == 0 && g.fits(w) {
		g.take(w)
		g.mu.Unlock()
		return nil
	}
	if g.waiting.Len() >= g.maxWaiting {
		g.mu.Unlock()
		return &BusyError{RetryAfter: g.patience}
	}
	e := g.waiting.PushBack(w)
	g.mu.Unlock()

	timer := time.NewTimer(g.patience)
	defer timer.Stop()
	var err error
	select {
	case <-w.in:
		return nil
	case <-ctx.Done():
		err = ctx.Err()
	case <-timer.C:
		err = &BusyError{RetryAfter: g.patience}
	}

	g.mu.Lock()
	defer g.mu.Unlock()
	select {
	case <-w.in: // let in at the same moment: hand the place on
		g.put(memory, threads)
	default:
		g.waiting.Remove(e)
	}
	g.admit()
	return err
}

// leave gives a place back and lets in whoever fits.
func (g *gate) leave(memory int64, threads int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.put(memory, threads)
	g.admit()
}

func (g *gate) fits(w *waiter) bool {
	return w.threads <= g.threads && (w.memory <= g.memory || g.running == 0)
}

func (g *gate) take(w *waiter) {
	g.memory -= w.memory
	g.threads -= w.threads
	g.running++
}

func (g *gate) put(memory int64, threads int) {
	g.memory += memory
	g.threads += threads
	g.running--
}

func (g *gate) admit() {
	for e := g.waiting.Front(); e != nil; e = g.waiting.Front() {
		w := e.Value.(*waiter)
		if !g.fits(w) {
			return
		}
		g.waiting.Remove(e)
		g.take(w)
		close(w.in)
	}
}

func (g *gate) stats() Stats {
	g.mu.Lock()
	defer g.mu.Unlock()
	return Stats{Waiting: g.waiting.Len(), Running: g.running, Memory: g.total - g.memory}
}

package server

import (
	"context"
	"net/http"
	"sync/atomic"
	"time"
)

const (
	// paceEach is how many requests a second may be put off at once, for each
	// processor. Nobody comes there but in a flood.
	paceEach = 500
	// paceMost is the longest that an answer is held. It says Retry-After: 1 or
	// more.
	paceMost = 500 * time.Millisecond
	// paceHeld is how many are held at once: they cost the memory of their
	// connections.
	paceHeld = 1024
)

// pace holds the answers of requests that are put off, where there are very
// many of them. Most clients that flood a server, broken ones above all, ask
// anew as soon as they have been answered: what it costs to answer them is
// then taken from everybody else. The wait costs nothing, and is less than
// what the answer asks for.
//
// The zero value holds none.
type pace struct {
	each time.Duration // from one to the next
	next atomic.Int64  // when the next may go, on the monotonic clock, in ns since start
	held atomic.Int64
}

// paceStart is what pace counts from.
var paceStart = time.Now()

// paceFor is what each is for so many processors.
func paceFor(processors int) time.Duration {
	return time.Second / time.Duration(paceEach*max(1, processors))
}

// putOff says whether an answer of this status is one that has done nothing.
func putOff(status int) bool {
	return status == http.StatusTooManyRequests || status == http.StatusServiceUnavailable ||
		status == http.StatusRequestEntityTooLarge
}

// wait is how long an answer is to be held that is there at now. A second's
// worth may go without.
func (p *pace) wait(now time.Duration) time.Duration {
	for {
		next := p.next.Load()
		at := max(time.Duration(next), now-time.Second)
		if at-now >= paceMost {
			return paceMost
		}
		if p.next.CompareAndSwap(next, int64(at+p.each)) {
			return max(0, at-now)
		}
	}
}

// hold waits, if it must, until an answer may go that took so long to come to.
func (p *pace) hold(ctx context.Context, took time.Duration) {
	d := min(p.wait(time.Since(paceStart)), paceMost-took)
	if d <= 0 {
		return
	}
	defer p.held.Add(-1)
	if p.held.Add(1) > paceHeld {
		return
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

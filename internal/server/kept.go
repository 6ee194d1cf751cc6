package server

import (
	"math"
	"net"
	"sync/atomic"
	"time"

	"github.com/latchkey-auth/latchkey/internal/api"
)

// What has come of a request is kept until the rest has, and a client may keep
// the rest to itself: of as many requests as there may be connections that is
// more than a small machine has, and a head of short fields takes many times its
// bytes. So it is added up. Where it is too much those connections give way for
// which it is kept longest; none whose request is worked on.
//
// HTTP/2, where a connection is about many requests, is bounded by its streams, and
// the bodies of those are counted one by one.

// keptMost is how many bytes may be kept, a quarter of them for one address.
const keptMost = 32 << 20

const (
	// headFactor is how many bytes a byte of a head may take: a field of four
	// is an entry of a map, a slice and a string, and what has been given up is
	// there for a while.
	headFactor = 32
	// bodyFactor is the same once the head is known, and has no more than
	// maxFields, and before there is one, when TLS begins: the space into which
	// is read doubles.
	bodyFactor = 2
	// So many bytes are not counted, of a head, and before or after it. Few
	// clients send more, and fewer of those keep the rest waiting.
	freeHead, freeBody = 256, 2 << 10
)

// kept is what is kept of a connection's request.
type kept struct {
	// bytes have come since the connection last waited for a request, and
	// before in the time before that.
	bytes, before atomic.Int64
	// deadlines is how often net/http has set one for reading in that time.
	deadlines atomic.Int64
	// greeting says that TLS begins, begun that the head is known.
	greeting, begun atomic.Bool
	// off says that nothing is counted: HTTP/2.
	off atomic.Bool
	// counted is what is counted of it, under the lock of conns.
	counted int64
}

// weight is what is to be counted, 0 for little.
func (k *kept) weight() int64 {
	n, free, factor := k.bytes.Load(), int64(freeHead), int64(headFactor)
	if k.greeting.Load() || k.begun.Load() {
		free, factor = freeBody, bodyFactor
	}
	if n <= free || k.off.Load() {
		return 0
	}
	return n * factor
}

// over says that the request is done with.
func (k *kept) over() {
	k.before.Store(k.bytes.Swap(0))
	k.deadlines.Store(0)
	k.begun.Store(false)
}

// greeted says that the beginning of TLS has been taken in: what comes now is
// requests. many says that it is more than one at a time.
func (k *kept) greeted(many bool) {
	k.bytes.Store(0)
	k.greeting.Store(false)
	k.off.Store(many)
}

// Read reads from the client. It may have to wait for it: what has come so far
// is counted, and where that makes too much it may end the connection.
func (n *conn) Read(p []byte) (int, error) {
	if n.kept.weight() > 0 {
		if err := n.owner.keep(n); err != nil {
			return 0, err
		}
	}
	read, err := n.TCPConn.Read(p)
	if !n.owner.secure && !n.kept.begun.Load() {
		if n.kept.bytes.Load() == 0 {
			n.head = lines{}
		}
		if n.head.take(p[:read]) {
			turnAway(n.TCPConn, api.WriteManyFieldsRaw)
			return 0, net.ErrClosed
		}
	}
	n.kept.bytes.Add(int64(read))
	return read, err //nolint:wrapcheck // It is the connection's.
}

// begin is told of each deadline for reading. net/http sets one when it begins to
// wait for a request and again when that has begun to come: if nothing has
// been read between the two it came with the one before. It gives what has
// come of it at most.
func (k *kept) begin() int64 {
	if k.deadlines.Add(1) == 2 {
		k.bytes.CompareAndSwap(0, k.before.Load())
	}
	return k.bytes.Load()
}

// SetReadDeadline sets it.
func (n *conn) SetReadDeadline(t time.Time) error {
	n.kept.begin()
	return n.TCPConn.SetReadDeadline(t) //nolint:wrapcheck // It is the connection's.
}

// keep counts what is kept of n, and has connections give way where that makes
// too much. An error says that n is one of them.
func (c *conns) keep(n *conn) error {
	gone, stays := c.makeRoom(n)
	for _, g := range gone {
		_ = g.Close()
	}
	switch {
	case stays:
		return nil
	case n.kept.begun.Load():
		return api.ErrCrowded // Its answer ends the connection.
	}
	turnAway(n.TCPConn, api.WriteBusyRaw)
	return net.ErrClosed
}

// makeRoom counts what is kept of n and gives the connections that give way to
// it, and whether it stays itself.
func (c *conns) makeRoom(n *conn) (gone []*conn, stays bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.weigh(n)
	for !n.closed && c.kept.over(n.key, c.keptMost, c.keptMost/4) {
		c.tell("unfinished requests take as much memory as they may", int(c.keptMost))
		g := n
		if !c.kept.over(n.key, math.MaxInt64, c.keptMost/4) {
			g = c.laden.look((*conn).rests)
		}
		if g == nil || !g.rests() {
			break // They are worked on, and so many are bounded.
		}
		c.remove(g)
		if g != n {
			gone = append(gone, g)
		}
	}
	return gone, !n.closed
}

// keepBody counts what has been read of a body by HTTP/2, if there is room for it.
func (c *conns) keepBody(b *arriving) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	more := b.read*bodyFactor - b.kept
	if c.kept.over(b.by.key, c.keptMost-more, c.keptMost/4-more) {
		c.tell("unfinished requests take as much memory as they may", int(c.keptMost))
		return false
	}
	c.kept.add(b.by.key, more)
	b.kept += more
	return true
}

// forget says that the request is done with.
func (b *arriving) forget() {
	if b.kept == 0 {
		return
	}
	b.by.owner.mu.Lock()
	defer b.by.owner.mu.Unlock()
	b.by.owner.kept.add(b.by.key, -b.kept)
	b.kept = 0
}

// rests reports whether no request of the connection is worked on.
func (n *conn) rests() bool { return n.working.Load() <= 0 }

// weigh counts what is kept of a connection; the lock is held.
func (c *conns) weigh(n *conn) {
	w := n.kept.weight()
	if n.closed || w == n.kept.counted {
		return
	}
	c.kept.add(n.key, w-n.kept.counted)
	n.kept.counted = w
	if w == 0 {
		n.laden.leave()
	} else if n.laden.in == nil {
		c.laden.push(&n.laden)
	}
}

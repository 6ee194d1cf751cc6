package server

import (
	"io"
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
// which it is kept longest; none whose request is worked on, nor one that has
// just sent a head or taken a part of its answer.

// keptMost is how many bytes may be kept, a quarter of them for one address.
const keptMost = 32 << 20

const (
	// headFactor is how many bytes a byte of a head may take: a field of four
	// is an entry of a map, a slice and a string, and what has been given up is
	// there for a while.
	headFactor = 32
	// bodyFactor is the same once the head is known, and has no more than
	// maxFields: the space into which a body is read doubles. bodyBase is what a
	// request takes beside that which waits for its body.
	bodyFactor, bodyBase = 2, 16 << 10
	// helloFactor is the same where TLS begins: of two bytes crypto/tls makes a
	// slice.
	helloFactor = 16
	// So little is not counted, of a head, and before it or after, where no body
	// is waited for. Few clients send more, and fewer of those keep the rest
	// waiting.
	freeHead, freeBody = 256, 2 << 10
)

// maxHello is how many bytes a client's first words in TLS may have, and
// maxProtocols how many protocols it may name in them: crypto/tls takes 64 KiB,
// and keeps many times that until the client goes on. A browser's are 2 KiB.
const (
	maxHello     = 8 << 10
	maxProtocols = 32
)

// kept is what is kept of a connection's request.
type kept struct {
	// bytes have come since the connection last waited for a request, and
	// before in the time before that.
	bytes, before atomic.Int64
	// hello is how many had come when the client's first words in TLS were known.
	hello atomic.Int64
	// deadlines is how often net/http has set one for reading in that time.
	deadlines atomic.Int64
	// greeting says that TLS begins, begun that the head is known, waits that
	// its body is read.
	greeting, begun, waits atomic.Bool
	// going says that nothing is counted any more, because the connection is to
	// end: nothing more is read.
	going atomic.Bool
	// counted is what is counted of it, set under the lock of conns.
	counted atomic.Int64
}

// weight is what is to be counted, 0 for little.
func (k *kept) weight() int64 {
	n, free, factor := k.bytes.Load(), int64(freeHead), int64(headFactor)
	switch {
	case k.waits.Load():
		return n*bodyFactor + bodyBase
	case k.begun.Load():
		free, factor = freeBody, bodyFactor
	case k.greeting.Load():
		free, factor = freeBody, helloFactor
	}
	if n <= free {
		return 0
	}
	return n * factor
}

// over says that the request is done with.
func (k *kept) over() {
	k.before.Store(k.bytes.Swap(0))
	k.deadlines.Store(0)
	k.begun.Store(false)
	k.waits.Store(false)
}

// begin is told of each deadline for reading. net/http sets one when it begins to
// wait for a request and again when that has begun to come: if nothing has
// been read between the two it came early, with the one before, and what has
// come is taken for as much as of that. And it sets one before TLS begins, and
// again when the client has been greeted: what comes then is requests.
func (k *kept) begin() (early, greeted bool) {
	if k.deadlines.Add(1) != 2 {
		return false, false
	}
	if k.greeting.Swap(false) {
		// A request may have come with the end of the greeting.
		k.bytes.Add(-k.hello.Load())
		return false, true
	}
	before := k.before.Load()
	return before > 0 && k.bytes.CompareAndSwap(0, before), false
}

// SetReadDeadline sets it.
func (n *conn) SetReadDeadline(t time.Time) error {
	early, greeted := n.kept.begin()
	if early {
		n.head = lines{}
	}
	if greeted {
		n.weigh()
	}
	return n.TCPConn.SetReadDeadline(t) //nolint:wrapcheck // It is the connection's.
}

// Read reads from the client. It may have to wait for it: what has come so far
// is counted, and where that makes too much it may end the connection.
func (n *conn) Read(p []byte) (int, error) {
	secure := n.owner.secure
	switch {
	case n.kept.going.Load(), n.kept.greeting.Load() && n.kept.bytes.Load() > maxHello:
		return 0, errEnded
	case n.kept.begun.Load() && !n.kept.waits.Load() || !secure && len(p) == 1:
		// net/http looks whether the client is still there while its request is
		// worked on, or throws away what that has left.
	case n.kept.weight() > 0:
		if err := n.owner.keep(n); err != nil {
			return 0, err
		}
	}
	read, err := n.TCPConn.Read(p)
	if !secure && !n.kept.begun.Load() {
		if n.kept.bytes.Load() == 0 {
			n.head = lines{}
		}
		if n.head.take(p[:read]) {
			n.refuse(api.WriteManyFieldsRaw)
			return 0, errEnded
		}
	}
	n.kept.bytes.Add(int64(read))
	return read, err //nolint:wrapcheck // It is the connection's.
}

// errEnded ends a connection; net/http answers other errors of reading with 400.
var errEnded = &net.OpError{Op: "read", Net: "tcp", Err: net.ErrClosed}

// refuse answers a request of which only a part has come. What else is there is
// taken in: ended before, the connection would be reset, and the answer lost.
func (n *conn) refuse(answer func(io.Writer) error) {
	if n.owner.secure {
		return // Nothing could be said.
	}
	_ = n.TCPConn.SetDeadline(time.Now().Add(100 * time.Millisecond))
	_ = answer(n.TCPConn)
	_ = n.TCPConn.CloseWrite()
	_, _ = io.CopyN(io.Discard, n.TCPConn, maxHeader)
}

// keep counts what is kept of n, and has connections give way where that makes
// too much. An error says that n is one of them.
func (c *conns) keep(n *conn) error {
	c.mu.Lock()
	c.weigh(n)
	gone := c.makeRoom(n, true)
	stays := !n.kept.going.Load() && !n.closed
	c.mu.Unlock()
	closeAll(gone)
	switch {
	case stays:
		return nil
	case n.kept.begun.Load():
		return api.ErrCrowded // Its answer ends the connection.
	}
	n.refuse(api.WriteBusyRaw)
	return errEnded
}

// makeRoom gives the connections that give way to what is kept of n; n itself is
// not among them, but going where no other is left and it may. The lock is held.
func (c *conns) makeRoom(n *conn, mayGo bool) (gone []*conn) {
	for !n.closed && !n.kept.going.Load() && c.kept.over(n.key, c.keptMost, c.keptMost/4) {
		c.tell("unfinished requests take as much memory as they may", int(c.keptMost))
		var g *conn
		if c.kept.over(n.key, math.MaxInt64, c.keptMost/4) {
			g = c.laden.find(func(o *conn) bool { return o.key == n.key && o.yields() })
		} else {
			g = c.laden.look((*conn).yields)
		}
		switch {
		case g == nil && mayGo && n.rests(), g == n:
			// It keeps its place until it has ended.
			c.forget(n)
			n.kept.going.Store(true)
		case g == nil:
			return gone // They are worked on, and so many are bounded.
		default:
			c.remove(g)
			gone = append(gone, g)
		}
	}
	return gone
}

// forget counts nothing more of a connection; the lock is held.
func (c *conns) forget(n *conn) {
	c.kept.add(n.key, -n.kept.counted.Swap(0))
	n.laden.leave()
}

// closeAll closes connections that have given way; the lock is not held.
func closeAll(gone []*conn) {
	for _, g := range gone {
		_ = g.Close()
	}
}

// rests reports whether no request of the connection is worked on.
func (n *conn) rests() bool { return n.working.Load() <= 0 }

// yields reports whether the connection may give way.
func (n *conn) yields() bool { return n.rests() && (!n.kept.begun.Load() || n.quiet()) }

// awaits says that a body is read, or is not any more. n may be nil.
func (n *conn) awaits(body bool) {
	if n == nil {
		return
	}
	n.kept.waits.Store(body)
	// Of most bodies nothing is: they came with the head.
	if !body && n.kept.counted.Load() != 0 {
		n.weigh()
	}
}

// weigh counts what is kept of a connection.
func (n *conn) weigh() {
	n.owner.mu.Lock()
	defer n.owner.mu.Unlock()
	n.owner.weigh(n)
}

// weigh is that where the lock is held.
func (c *conns) weigh(n *conn) {
	w := n.kept.weight()
	if n.closed || n.kept.going.Load() || w == n.kept.counted.Load() {
		return
	}
	c.kept.add(n.key, w-n.kept.counted.Swap(w))
	if w == 0 {
		n.laden.leave()
	} else if n.laden.in == nil {
		c.laden.push(&n.laden)
	}
}

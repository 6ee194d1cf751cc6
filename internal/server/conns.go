package server

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/latchkey-auth/latchkey/internal/api"
	"github.com/latchkey-auth/latchkey/internal/config"
	"github.com/latchkey-auth/latchkey/internal/doctor"
)

// conns is the listener: it bounds how many connections there are.
//
// Who holds connections and asks nothing gives way. When all are in use, each
// new one takes the place of that which has waited longest for a request, its
// first or its next: a client that has just come sends at once and is served,
// a thousand that only sit there push each other out. So does one whose client
// keeps a request to itself, or the answer: its body does not come, or what is
// written to it is not taken. Only where requests are worked on, or were a moment
// ago, on all of them (or on all of as many as are looked at) is a newcomer sent
// away.
type conns struct {
	net.Listener
	most, share int // of all, of one address
	// keptMost is how many bytes are kept of unfinished requests.
	keptMost int64
	trusted  []netip.Prefix
	// stall is how long a client may read nothing of what is on its way to it,
	// 0 for as long as it wants.
	stall  time.Duration
	secure bool // TLS is spoken
	log    *slog.Logger

	mu      sync.Mutex
	all     tally
	waiting queue     // the longest waiting first
	active  queue     // with a request; who was looked at is at the end
	kept    tally     // bytes of unfinished requests; see kept
	laden   queue     // of those that they are kept for, the eldest first
	told    time.Time // when a limit was last logged
}

// conn is a connection with its place among all.
type conn struct {
	*net.TCPConn // as it is, so that net/http finds CloseWrite
	owner        *conns
	key          netip.Addr // not valid for one that is not counted by address
	// working is how many requests are worked on: not one whose body, or whose
	// answer, is on its way.
	working atomic.Int32
	// since is when the connection came or last had to do with a request: one has
	// come, or its answer gone on. In nanoseconds of the process.
	since atomic.Int64
	kept  kept
	head  lines // of a request without TLS; its reader's

	// Under the owner's lock:
	turn   link // in the waiting or the active
	laden  link
	closed bool
}

// queue is connections in the order in which they came into it. It is list.List
// without an allocation for each request.
type queue struct {
	first, last *link
	n           int
}

// link is a connection's place in a queue.
type link struct {
	of         *conn
	in         *queue // nil in none
	prev, next *link
}

// push puts a connection that is in no queue at the end.
func (q *queue) push(l *link) {
	l.in, l.prev, l.next = q, q.last, nil
	if q.last == nil {
		q.first = l
	} else {
		q.last.next = l
	}
	q.last = l
	q.n++
}

// leave takes a connection out of its queue, if it is in one.
func (l *link) leave() {
	q := l.in
	if q == nil {
		return
	}
	if l.prev == nil {
		q.first = l.next
	} else {
		l.prev.next = l.next
	}
	if l.next == nil {
		q.last = l.prev
	} else {
		l.next.prev = l.prev
	}
	l.in, l.prev, l.next = nil, nil, nil
	q.n--
}

// newConn is a connection that is not counted yet.
func newConn(tcp *net.TCPConn, owner *conns, key netip.Addr) *conn {
	n := &conn{TCPConn: tcp, owner: owner, key: key}
	n.turn.of, n.laden.of = n, n
	n.kept.greeting.Store(owner.secure)
	return n
}

// grace is how long a connection has for the next thing to happen on it before
// it may have to give way.
const grace = 250 * time.Millisecond

// looks is how many connections with requests are looked at for one that gives
// way.
const looks = 64

var process = time.Now()

// touch notes that something has happened. n may be nil.
func (n *conn) touch() {
	if n != nil {
		n.since.Store(int64(time.Since(process)))
	}
}

// quiet reports whether nothing has happened for longer than the grace.
func (n *conn) quiet() bool { return int64(time.Since(process))-n.since.Load() >= int64(grace) }

// newConns bounds a listener. share is the most connections of one client
// address, 0 for a quarter of all.
func newConns(l net.Listener, most, share int, trusted []netip.Prefix, log *slog.Logger) *conns {
	if share == 0 {
		share = max(1, most/4)
	}
	return &conns{Listener: l, most: most, share: share, keptMost: keptMost, trusted: trusted, log: log, all: newTally(), kept: newTally()}
}

// Accept gives the next connection that may stay.
func (c *conns) Accept() (net.Conn, error) {
	for {
		accepted, err := c.Listener.Accept()
		if err != nil {
			return nil, err //nolint:wrapcheck // net/http asks it whether it is temporary.
		}
		tcp, ok := accepted.(*net.TCPConn)
		if !ok {
			return accepted, nil
		}
		var key netip.Addr
		if peer, ok := tcp.RemoteAddr().(*net.TCPAddr); ok {
			key = c.key(peer.AddrPort().Addr())
		}
		n := newConn(tcp, c, key)
		gone, ok := c.admit(n)
		if gone != nil {
			_ = gone.Close()
		}
		if ok {
			_ = tcp.SetWriteBuffer(unread)
			_ = tcp.SetReadBuffer(unasked)
			if c.stall > 0 {
				_ = giveUpAfter(tcp, c.stall)
			}
			return n, nil
		}
		turnAway(tcp, api.WriteBusyRaw)
	}
}

// unread is how many bytes the system keeps, at most, for a client that does not
// read them: it would take megabytes for each. It is more than any answer of
// the API to a user, so that a handler waits for nobody.
const unread = 128 << 10

// unasked is the same for what a client sends and nobody has asked for yet.
const unasked = 32 << 10

// key is the address under which a peer is counted: IPv6 by /64, as the
// throttle counts. A trusted proxy brings everybody's requests; a peer on this
// machine may be a proxy that nobody told us of.
func (c *conns) key(addr netip.Addr) netip.Addr {
	addr = addr.Unmap().WithZone("")
	if addr.IsLoopback() {
		return netip.Addr{}
	}
	for _, p := range c.trusted {
		if p.Contains(addr) {
			return netip.Addr{}
		}
	}
	if addr.Is6() {
		return netip.PrefixFrom(addr, 64).Masked().Addr()
	}
	return addr
}

// admit gives n a place, if need be that of another connection.
func (c *conns) admit(n *conn) (gone *conn, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if n.key.IsValid() && c.all.of[n.key] >= int64(c.share) {
		c.tell("connections of one address are at their limit", c.share)
		return nil, false
	}
	if c.all.n >= int64(c.most) {
		c.tell("connections are at their limit", c.most)
		if gone = c.idlest(); gone == nil {
			return nil, false
		}
		c.remove(gone)
	}
	c.all.add(n.key, 1)
	n.touch()
	c.waiting.push(&n.turn)
	return gone, true
}

// idlest is the connection that gives way, nil if none does; the lock is held.
// One that has only just come, and may be about to speak, goes when no other
// does.
func (c *conns) idlest() *conn {
	first := c.waiting.first
	if first != nil && first.of.quiet() {
		return first.of
	}
	if n := c.active.look(func(n *conn) bool { return n.rests() && n.quiet() }); n != nil || first == nil {
		return n
	}
	return first.of
}

// look is the first that will do, nil where none does, or none of as many as
// are looked at: those go to the end, so that the next look is at others.
func (q *queue) look(fits func(*conn) bool) *conn {
	for range min(looks, q.n) {
		l := q.first
		if fits(l.of) {
			return l.of
		}
		l.leave()
		q.push(l)
	}
	return nil
}

// remove forgets a connection; the lock is held.
func (c *conns) remove(n *conn) {
	if n.closed {
		return
	}
	n.closed = true
	c.all.add(n.key, -1)
	c.forget(n)
	n.turn.leave()
}

// greets judges a client's first words in TLS.
func greets(hello *tls.ClientHelloInfo) error {
	n := counted(hello.Conn)
	if n == nil {
		return nil
	}
	bytes := n.kept.bytes.Load()
	n.kept.hello.Store(bytes)
	if bytes > maxHello || len(hello.SupportedProtos) > maxProtocols {
		return errors.New("the greeting is too long")
	}
	return nil
}

// find is the first that will do, of many more; they stay where they are.
func (q *queue) find(fits func(*conn) bool) *conn {
	for l, i := q.first, 0; l != nil && i < 16*looks; l, i = l.next, i+1 {
		if fits(l.of) {
			return l.of
		}
	}
	return nil
}

// tell logs that a limit is reached, once a minute; the lock is held.
func (c *conns) tell(what string, limit int) {
	if now := time.Now(); now.Sub(c.told) >= time.Minute {
		c.told = now
		c.log.Warn(what, "limit", limit)
	}
}

// counted is a connection with its place among all, nil for what has none.
func counted(nc net.Conn) *conn {
	if t, ok := nc.(*tls.Conn); ok {
		nc = t.NetConn()
	}
	n, _ := nc.(*conn)
	return n
}

// state follows what a connection is about; it is http.Server.ConnState.
func (c *conns) state(nc net.Conn, s http.ConnState) {
	n := counted(nc)
	if n == nil {
		return
	}
	var gone []*conn
	defer func() { closeAll(gone) }()
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case n.closed:
	case s == http.StateActive && n.turn.in == &c.waiting:
		n.turn.leave()
		n.touch()
		c.active.push(&n.turn)
		n.kept.begun.Store(true)
		c.weigh(n)
		// Over TLS it may be all in net/http's hands, which then reads no more.
		gone = c.makeRoom(n, false)
	case s == http.StateIdle && n.turn.in == &c.active:
		n.turn.leave()
		n.touch()
		c.waiting.push(&n.turn)
		n.kept.over()
		c.weigh(n)
	}
}

// connectionKey is under which a request's context carries its connection.
type connectionKey struct{}

// withConnection is http.Server.ConnContext.
func withConnection(ctx context.Context, c net.Conn) context.Context {
	return context.WithValue(ctx, connectionKey{}, c)
}

// connOf is the connection that a request came by, nil for one without a place.
func connOf(r *http.Request) *conn {
	c, _ := r.Context().Value(connectionKey{}).(net.Conn)
	return counted(c)
}

// work says that a request is worked on, rest that it is not: it is done, or
// waits for its client. n may be nil. They do not touch the connection: who
// sends a byte at a time, or takes one, is as slow as who sends none.
func (n *conn) rest() {
	if n != nil {
		n.working.Add(-1)
	}
}

func (n *conn) work() {
	if n != nil {
		n.working.Add(1)
	}
}

// grown reports whether crypto/tls has made its buffers for long records, which it
// does not give back. n may be nil.
func (n *conn) grown() bool {
	return n != nil && n.owner.secure && n.kept.bytes.Load() > maxGrown
}

// maxGrown is how many bytes of a request by TLS are usual.
const maxGrown = 8 << 10

// arriving is a request's body.
type arriving struct {
	io.ReadCloser
	by *conn
	of *http.Request // net/http's
}

func (b *arriving) Read(p []byte) (int, error) {
	b.by.rest()
	defer b.by.work()
	b.by.awaits(true)
	n, err := b.ReadCloser.Read(p)
	if err != nil {
		b.by.awaits(false)
		b.of.Trailer = nil // Fields after the body mean nothing here.
	}
	return n, err //nolint:wrapcheck // It is the body's.
}

// Close closes the connection and gives its place back.
func (n *conn) Close() error {
	n.owner.mu.Lock()
	n.owner.remove(n)
	n.owner.mu.Unlock()
	return n.TCPConn.Close() //nolint:wrapcheck // It is the connection's.
}

// turnAway refuses a connection, without waiting for the peer: what has been
// sent, if anything, was taken, so that the answer fits the socket's buffer. To
// one that speaks TLS it is noise before the end.
func turnAway(tcp *net.TCPConn, answer func(io.Writer) error) {
	_ = tcp.SetWriteDeadline(time.Now().Add(10 * time.Millisecond))
	_ = answer(tcp)
	_ = tcp.CloseWrite()
	_ = tcp.Close()
}

// bound is how many connections there may be: as many as are set, or fewer
// where the process may not open as many files, or there is memory for fewer.
func bound(cfg *config.Config, memory int, log *slog.Logger) int {
	most := cfg.Limits.Connections
	if memory < most {
		most = memory
		log.Info("the container's memory is enough for fewer connections than are allowed",
			"limits.connections", cfg.Limits.Connections, "connections", most)
	}
	files, err := openFiles()
	if err != nil {
		if !errors.Is(err, errors.ErrUnsupported) {
			log.Warn("how many files may be open is not known", "error", err)
		}
		return most
	}
	lower := within(most, files, uint64(doctor.OtherFiles(cfg)))
	if lower < most {
		log.Warn("fewer files may be open than connections are allowed: raise the limit of open files (ulimit -n, LimitNOFILE)",
			"files", files, "limits.connections", cfg.Limits.Connections, "connections", lower)
	}
	return lower
}

// within is how many of most connections leave others of the files, but a few in
// any case.
func within(most int, files, others uint64) int {
	const least = 16
	switch {
	case uint64(most)+others <= files:
		return most
	case files > others+least:
		return int(files - others)
	}
	return min(most, least)
}

package server

import (
	"container/list"
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
// a thousand that only sit there push each other out. Where none waits it is
// the oldest of those that have begun a request and keep the rest of it to
// themselves, head or body. Only where requests are worked on, or have only just
// begun to come, on all of them is a newcomer sent away.
type conns struct {
	net.Listener
	most, share int // of all, of one address
	trusted     []netip.Prefix
	// stall is how long a client may read nothing of what is on its way to it,
	// 0 for as long as it wants.
	stall time.Duration
	log   *slog.Logger

	mu      sync.Mutex
	n       int
	held    map[netip.Addr]int
	waiting list.List // of *conn, the longest waiting first
	active  list.List // of *conn, the longest with a request first
	told    time.Time // when the limit was last logged
}

// conn is a connection with its place among all.
type conn struct {
	*net.TCPConn // as it is, so that net/http finds CloseWrite
	owner        *conns
	key          netip.Addr // not valid for one that is not counted by address
	// working is how many requests are worked on: not one whose head or body is
	// on its way.
	working atomic.Int32

	// Under the owner's lock:
	place   *list.Element // among the waiting or the active
	waiting bool
	since   time.Time // of a request's first byte
	closed  bool
}

// grace is how long a request has to come before its connection may have to
// give way.
const grace = 250 * time.Millisecond

// newConns bounds a listener. share is the most connections of one client
// address, 0 for a quarter of all.
func newConns(l net.Listener, most, share int, trusted []netip.Prefix, log *slog.Logger) *conns {
	if share == 0 {
		share = max(1, most/4)
	}
	return &conns{Listener: l, most: most, share: share, trusted: trusted, log: log, held: map[netip.Addr]int{}}
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
		n := &conn{TCPConn: tcp, owner: c}
		if peer, ok := tcp.RemoteAddr().(*net.TCPAddr); ok {
			n.key = c.key(peer.AddrPort().Addr())
		}
		gone, ok := c.admit(n)
		if gone != nil {
			_ = gone.Close()
		}
		if ok {
			_ = tcp.SetWriteBuffer(unread)
			if c.stall > 0 {
				_ = giveUpAfter(tcp, c.stall)
			}
			return n, nil
		}
		turnAway(tcp)
	}
}

// unread is how many bytes the system keeps, at most, for a client that does not
// read them: it would take megabytes for each. It is more than any answer of
// the API to a user, so that a handler waits for nobody.
const unread = 128 << 10

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
	if n.key.IsValid() && c.held[n.key] >= c.share {
		c.tell("connections of one address are at their limit", c.share)
		return nil, false
	}
	if c.n >= c.most {
		c.tell("connections are at their limit", c.most)
		if gone = c.idlest(); gone == nil {
			return nil, false
		}
		c.remove(gone)
	}
	c.n++
	if n.key.IsValid() {
		c.held[n.key]++
	}
	n.place, n.waiting = c.waiting.PushBack(n), true
	return gone, true
}

// idlest is the connection that gives way, nil if none does; the lock is held.
func (c *conns) idlest() *conn {
	if first := c.waiting.Front(); first != nil {
		return first.Value.(*conn)
	}
	began := time.Now().Add(-grace)
	for e := c.active.Front(); e != nil; e = e.Next() {
		n := e.Value.(*conn)
		if n.since.After(began) {
			return nil
		}
		if n.working.Load() == 0 {
			return n
		}
	}
	return nil
}

// leave takes a connection from the list that it is in; the lock is held.
func (c *conns) leave(n *conn) {
	if n.place == nil {
		return
	}
	if n.waiting {
		c.waiting.Remove(n.place)
	} else {
		c.active.Remove(n.place)
	}
	n.place = nil
}

// remove forgets a connection; the lock is held.
func (c *conns) remove(n *conn) {
	if n.closed {
		return
	}
	n.closed = true
	c.n--
	if n.key.IsValid() {
		if c.held[n.key]--; c.held[n.key] == 0 {
			delete(c.held, n.key)
		}
	}
	c.leave(n)
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
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case n.closed:
	case s == http.StateActive && n.waiting:
		c.leave(n)
		n.place, n.waiting, n.since = c.active.PushBack(n), false, time.Now()
	case s == http.StateIdle && !n.waiting:
		c.leave(n)
		n.place, n.waiting = c.waiting.PushBack(n), true
	}
}

// working counts a request as worked on, but for the time that it waits for its
// body. done ends that.
func working(r *http.Request) (done func()) {
	c, _ := r.Context().Value(connectionKey{}).(net.Conn)
	n := counted(c)
	if n == nil {
		return func() {}
	}
	n.working.Add(1)
	if r.ContentLength != 0 && r.Body != nil {
		r.Body = &arriving{r.Body, n}
	}
	return func() { n.working.Add(-1) }
}

// arriving is a request's body.
type arriving struct {
	io.ReadCloser
	by *conn
}

// Read waits for the client, who is not worked for meanwhile.
func (b *arriving) Read(p []byte) (int, error) {
	b.by.working.Add(-1)
	defer b.by.working.Add(1)
	return b.ReadCloser.Read(p) //nolint:wrapcheck // It is the body's.
}

// Close closes the connection and gives its place back.
func (n *conn) Close() error {
	n.owner.mu.Lock()
	n.owner.remove(n)
	n.owner.mu.Unlock()
	return n.TCPConn.Close() //nolint:wrapcheck // It is the connection's.
}

// turnAway says that there is no place, without waiting for the peer: nothing
// has been sent yet, so that the answer fits the socket's buffer. To one that
// speaks TLS it is noise before the end.
func turnAway(tcp *net.TCPConn) {
	_ = tcp.SetWriteDeadline(time.Now().Add(10 * time.Millisecond))
	_ = api.WriteBusyRaw(tcp)
	_ = tcp.CloseWrite()
	_ = tcp.Close()
}

// bound is how many connections there may be: as many as are set, or fewer
// where the process may not open as many files.
func bound(cfg *config.Config, log *slog.Logger) int {
	most := cfg.Limits.Connections
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
			"files", files, "limits.connections", most, "connections", lower)
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

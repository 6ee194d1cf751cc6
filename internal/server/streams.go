package server

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"net/netip"
	"sync"
)

// streams bounds the requests that come by HTTP/2. One connection brings
// dozens, each with a goroutine and buffers of its own, and the client says when
// their answers may go: without a bound one address could keep as many waiting
// as there is memory.
//
// Over the bound, or over a client address's share, a request is refused by the
// head of an answer alone, which no client can hold up. What goes on all the same
// loses the connection, and with it all that waits on it: a connection of an
// address that is over its share, or has more than a few of too many.
type streams struct {
	most, share int64
	key         func(netip.Addr) netip.Addr // as conns counts

	mu  sync.Mutex
	all tally
}

// newStreams bounds the requests on so many connections.
func newStreams(connections int, key func(netip.Addr) netip.Addr) *streams {
	most := max(leastStreams, int64(connections)/8)
	return &streams{most: most, share: max(leastStreams, most/4), key: key, all: newTally()}
}

// leastStreams is how many requests there may be, of one address, too, however
// few the connections.
const leastStreams = 100

// fewStreams is how many requests of an address are never why too many wait: a
// page and its scripts.
const fewStreams = 32

// fit is what becomes of a request.
type fit int

const (
	fits    fit = iota
	crowded     // refused
	flooded     // refused, with the connection
)

// enter counts in a request of a peer (host:port). done counts it out again.
func (s *streams) enter(peer string) (f fit, done func()) {
	var key netip.Addr
	if p, err := netip.ParseAddrPort(peer); err == nil {
		key = s.key(p.Addr())
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all.add(key, 1)
	f = min(overBy(s.all.n, s.most), crowded)
	if key.IsValid() {
		f = max(f, overBy(s.all.of[key], s.share))
		if s.all.of[key] > fewStreams {
			f = max(f, overBy(s.all.n, s.most))
		}
	}
	return f, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.all.add(key, -1)
	}
}

// overBy judges a count by its bound: half as many again may be on their way
// to being refused.
func overBy(n, most int64) fit {
	switch {
	case n > most+most/2:
		return flooded
	case n > most:
		return crowded
	}
	return fits
}

// connectionKey is under which a request's context carries its connection.
type connectionKey struct{}

// withConnection is http.Server.ConnContext.
func withConnection(ctx context.Context, c net.Conn) context.Context {
	return context.WithValue(ctx, connectionKey{}, c)
}

// hangUp closes the connection that a request came by, with all that is under
// way on it.
func hangUp(r *http.Request) {
	if c, ok := r.Context().Value(connectionKey{}).(*tls.Conn); ok {
		_ = c.NetConn().Close() // Not its own Close, which would wait to say goodbye.
	}
}

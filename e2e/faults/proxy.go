package faults

import (
	"io"
	"net"
	"net/url"
	"sync"
	"testing"
)

// Proxy is a network between a server and its database that can be cut.
type Proxy struct {
	listener net.Listener
	to       string

	mu    sync.Mutex
	state Cut
	// changed is closed when state changes.
	changed chan struct{}
	conns   map[net.Conn]bool
	copying sync.WaitGroup
}

// Cut is what is wrong with a network.
type Cut int

const (
	// Whole: nothing.
	Whole Cut = iota
	// Broken: connections are reset, and new ones too.
	Broken
	// Hanging: nothing arrives and nobody is told.
	Hanging
)

// NewProxy puts a network before the address in a PostgreSQL URL, and gives
// the URL through it.
func NewProxy(t testing.TB, database string) (*Proxy, string) {
	t.Helper()
	u, err := url.Parse(database)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &Proxy{listener: l, to: u.Host, changed: make(chan struct{}), conns: map[net.Conn]bool{}}
	p.copying.Go(p.accept)
	t.Cleanup(func() {
		p.listener.Close()
		p.Set(Broken)
		p.copying.Wait()
	})
	u.Host = l.Addr().String()
	return p, u.String()
}

// Set cuts the network, or mends it.
func (p *Proxy) Set(state Cut) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.state = state
	close(p.changed)
	p.changed = make(chan struct{})
	if state == Broken {
		for c := range p.conns {
			reset(c)
		}
	}
}

func reset(c net.Conn) {
	if tcp, ok := c.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	c.Close()
}

func (p *Proxy) accept() {
	for {
		c, err := p.listener.Accept()
		if err != nil {
			return
		}
		p.copying.Go(func() { p.serve(c) })
	}
}

// keep notes a connection; false if the network is broken.
func (p *Proxy) keep(c net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.conns[c] = true
	return p.state != Broken
}

func (p *Proxy) drop(c net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.conns, c)
	c.Close()
}

func (p *Proxy) serve(c net.Conn) {
	defer p.drop(c)
	if !p.keep(c) || !p.pass() {
		reset(c)
		return
	}
	server, err := net.Dial("tcp", p.to)
	if err != nil {
		reset(c)
		return
	}
	defer p.drop(server)
	if !p.keep(server) {
		reset(server)
		return
	}
	var both sync.WaitGroup
	for _, way := range [][2]net.Conn{{c, server}, {server, c}} {
		both.Go(func() {
			_, _ = io.Copy(gate{p, way[1]}, way[0])
			way[0].Close()
			way[1].Close()
		})
	}
	both.Wait()
}

// pass waits while the network hangs; false if it is broken.
func (p *Proxy) pass() bool {
	for {
		p.mu.Lock()
		state, changed := p.state, p.changed
		p.mu.Unlock()
		if state != Hanging {
			return state == Whole
		}
		<-changed
	}
}

// gate is one way through a Proxy.
type gate struct {
	p  *Proxy
	to net.Conn
}

func (g gate) Write(b []byte) (int, error) {
	if !g.p.pass() {
		return 0, net.ErrClosed
	}
	return g.to.Write(b)
}

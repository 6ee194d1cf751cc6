package django

import (
	"net/http"
	"net/http/httputil"
	"net/url"
	"sync"
	"time"
)

// Gate is the small proxy of a cut-over: it passes requests to one server, holds
// those that come while the servers change places, and passes them to the other.
// Nothing is lost and nothing reaches both.
type Gate struct {
	mu      sync.Mutex
	turn    *sync.Cond
	held    bool
	inside  int // requests that a server is answering
	waiting int
	most    int // that waited at once
	to      *url.URL
	moved   bool
	proxy   http.Handler
	errors  func(error)
}

// NewGate makes a Gate to a server. failed is told of requests that a server did
// not answer.
func NewGate(to *url.URL, failed func(error)) *Gate {
	g := &Gate{to: to, errors: failed}
	g.turn = sync.NewCond(&g.mu)
	g.proxy = &httputil.ReverseProxy{
		Rewrite: func(p *httputil.ProxyRequest) {
			g.mu.Lock()
			p.SetURL(g.to)
			g.mu.Unlock()
			p.Out.Host = p.In.Host
			p.SetXForwarded()
		},
		// A kept connection may be closed in the moment in which it is used again.
		Transport: &http.Transport{DisableKeepAlives: true, ResponseHeaderTimeout: time.Minute},
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, err error) {
			g.errors(err)
			w.WriteHeader(http.StatusBadGateway)
		},
	}
	return g
}

// ServeHTTP passes a request on, after it was held if it must be.
func (g *Gate) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	g.mu.Lock()
	if g.held {
		g.waiting++
		g.most = max(g.most, g.waiting)
		for g.held {
			g.turn.Wait()
		}
		g.waiting--
	}
	g.inside++
	g.mu.Unlock()
	defer func() {
		g.mu.Lock()
		g.inside--
		g.turn.Broadcast()
		g.mu.Unlock()
	}()
	g.proxy.ServeHTTP(w, r)
}

// Move holds what comes, waits until nothing is under way, lets change do its
// work, and passes to the other server from then on. It gives for how long
// requests were held, and how many at once.
func (g *Gate) Move(to *url.URL, change func()) (held time.Duration, most int) {
	began := time.Now()
	g.mu.Lock()
	g.held = true
	for g.inside > 0 {
		g.turn.Wait()
	}
	g.mu.Unlock()
	defer func() { // Also where change gives up: nobody is left waiting.
		g.mu.Lock()
		defer g.mu.Unlock()
		g.to, g.moved, g.held = to, true, false
		g.turn.Broadcast()
		held, most = time.Since(began), g.most
	}()
	change()
	return 0, 0
}

// Moved reports whether answers are the other server's.
func (g *Gate) Moved() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.moved
}

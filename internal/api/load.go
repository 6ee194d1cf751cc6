package api

import (
	"errors"
	"io"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/latchkey-auth/latchkey/internal/auth"
)

// MaxRequests is how many requests may be worked on at once unless Options says
// otherwise.
const MaxRequests = 2048

// ErrCrowded is what a request gets that there is no room for. A body that ends
// with it is answered with it.
var ErrCrowded = &auth.Error{Kind: auth.Unavailable, Code: auth.CodeBusy, RetryAfter: time.Second}

// load bounds the requests that are worked on at once, so that what cannot be
// served in time is refused early and costs no memory. One endpoint may have
// half of them: while everybody who logs in waits for the database, tokens are
// still verified. A request whose body is on its way is not worked on: however
// slowly it comes, it takes nobody's room.
type load struct {
	most int64
	n    atomic.Int64
}

// turn is one request's place in the load, and its body.
type turn struct {
	io.ReadCloser
	load *load
	rt   *route
	in   bool
}

// enter takes a place, if there is one.
func (t *turn) enter() bool {
	n, ofRoute := t.load.n.Add(1), t.rt.underWay.Add(1)
	t.in = true
	if n > t.load.most || ofRoute > (t.load.most+1)/2 {
		t.leave()
	}
	return t.in
}

// leave gives the place back.
func (t *turn) leave() {
	if t.in {
		t.in = false
		t.load.n.Add(-1)
		t.rt.underWay.Add(-1)
	}
}

// Read waits for the client outside of the load.
func (t *turn) Read(p []byte) (int, error) {
	t.leave()
	n, err := t.ReadCloser.Read(p)
	if !t.enter() && (err == nil || errors.Is(err, io.EOF)) {
		return 0, ErrCrowded
	}
	return n, err //nolint:wrapcheck // It is the body's.
}

// admit counts a request in. Without a place it is nil. What is only written,
// without work, is not counted: it is the time of whoever reads it.
func (a *API) admit(r *http.Request, rt *route) (*turn, bool) {
	if rt.file {
		return nil, true
	}
	t := &turn{ReadCloser: r.Body, load: &a.load, rt: rt}
	if !t.enter() {
		return nil, false
	}
	if r.ContentLength != 0 && r.Body != nil {
		r.Body = t
	}
	return t, true
}

// begun says that whoever asks may ask: one that waits for news then, or is sent
// a long file, is worked on no more.
func (t *turn) begun(r *http.Request) {
	if rt := t.rt; rt.patience != nil && r.Method == http.MethodGet && rt.patience(r.URL.Query()) > 0 {
		t.leave()
	}
}

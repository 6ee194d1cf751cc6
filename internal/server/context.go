package server

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// requestContext is a request's context with its deadline and its exchange. It
// arms a timer only when somebody waits on it: to check a token nobody does,
// and a timer would cost a good part of that.
type requestContext struct {
	context.Context // the connection's
	exchange        *exchange
	deadline        time.Time

	arm    sync.Once
	armed  atomic.Pointer[context.Context]
	cancel context.CancelFunc
}

// inner is the context that keeps the deadline.
func (c *requestContext) inner() context.Context {
	c.arm.Do(func() {
		var inner context.Context
		inner, c.cancel = context.WithDeadline(c.Context, c.deadline)
		c.armed.Store(&inner)
	})
	return *c.armed.Load()
}

// release frees what was armed. The context is done then.
func (c *requestContext) release() {
	if c.armed.Load() != nil {
		c.cancel()
	}
}

func (c *requestContext) Deadline() (time.Time, bool) { return c.inner().Deadline() }
func (c *requestContext) Done() <-chan struct{}       { return c.inner().Done() }

// Err needs no timer: a caller that only asks now and then is told by the
// clock.
func (c *requestContext) Err() error {
	if inner := c.armed.Load(); inner != nil {
		return (*inner).Err()
	}
	if err := c.Context.Err(); err != nil {
		return err //nolint:wrapcheck // A context's error is compared, not read.
	}
	if !time.Now().Before(c.deadline) {
		return c.inner().Err() //nolint:wrapcheck // As above.
	}
	return nil
}

// Value knows the exchange; everything else is asked of the context that is
// in force, so that package context finds its own kind and starts no goroutine
// for a child.
func (c *requestContext) Value(key any) any {
	if key == (exchangeKey{}) {
		return c.exchange
	}
	if inner := c.armed.Load(); inner != nil {
		return (*inner).Value(key)
	}
	return c.Context.Value(key)
}

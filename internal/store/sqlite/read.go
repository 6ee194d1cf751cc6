package sqlite

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/latchkey-auth/latchkey/internal/auth"
	"github.com/latchkey-auth/latchkey/internal/store"
)

// readers is a pool of connections that cannot write. It implements
// store.Conn, each statement on a connection of its own.
type readers struct {
	path string
	free chan *conn
	// slots holds a token for each connection that may still be opened.
	slots chan struct{}

	mu     sync.Mutex
	closed bool
}

func newReaders(path string, n int) *readers {
	p := &readers{path: path, free: make(chan *conn, n), slots: make(chan struct{}, n)}
	for range n {
		p.slots <- struct{}{}
	}
	return p
}

// take gives a free connection, or a new one while there may be more, or waits.
func (p *readers) take(ctx context.Context) (*conn, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	select {
	case c, open := <-p.free:
		if !open {
			return nil, errClosed
		}
		return c, nil
	default:
	}
	select {
	case c, open := <-p.free:
		if !open {
			return nil, errClosed
		}
		return c, nil
	case <-p.slots:
		c, err := connect(p.path, reads)
		if err != nil {
			p.slots <- struct{}{}
			return nil, fmt.Errorf("open a reader: %w", err)
		}
		return c, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// give takes a connection back. One that failed is replaced.
func (p *readers) give(c *conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if c.failed != nil || p.closed {
		_ = c.close()
		p.slots <- struct{}{}
		return
	}
	p.free <- c
}

func (p *readers) close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil
	}
	p.closed = true
	close(p.free)
	var errs []error
	for c := range p.free {
		errs = append(errs, c.close())
	}
	return errors.Join(errs...)
}

// Exec implements store.Conn.
func (p *readers) Exec(context.Context, string, ...any) (int64, error) {
	return 0, errors.New("a reader does not write")
}

// Query implements store.Conn.
func (p *readers) Query(ctx context.Context, query string, args ...any) (store.Rows, error) {
	return p.query(ctx, query, args)
}

// QueryRow implements store.Conn.
func (p *readers) QueryRow(ctx context.Context, query string, args ...any) store.Row {
	r, err := p.query(ctx, query, args)
	return row{r, err}
}

func (p *readers) query(ctx context.Context, query string, args []any) (*rows, error) {
	c, err := p.take(ctx)
	if err != nil {
		return nil, err
	}
	r, err := c.query(query, args)
	if err != nil {
		p.give(c)
		return nil, err
	}
	r.release = func() { p.give(c) }
	return r, nil
}

// reader is what DB.Read gives.
type reader struct {
	store.Tx
	cache *userCache
}

// UserByID implements auth.UserReader. It is the read that profile and every
// other request of a signed-in user makes, so it is held in memory.
func (r reader) UserByID(ctx context.Context, id int64) (auth.User, error) {
	u, epoch, ok := r.cache.user(id)
	if ok {
		return u, nil
	}
	u, err := r.Tx.UserByID(ctx, id)
	if err != nil {
		return auth.User{}, err
	}
	r.cache.store(u, epoch)
	return u, nil
}

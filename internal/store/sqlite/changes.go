package sqlite

import (
	"context"
	"sync"
	"time"
)

// lookEvery is how often the writer looks for commits of other processes.
const lookEvery = 100 * time.Millisecond

// look compares PRAGMA data_version, which moves with the commits of every
// connection but the one that asks. Asked on the only connection of this
// process that writes, it tells of other processes alone.
func (w *writer) look() {
	if w.conn == nil {
		return
	}
	var version int64
	err := w.conn.QueryRow(context.Background(), `PRAGMA data_version`).Scan(&version)
	if err != nil {
		w.conn.failed = nil
		return
	}
	if version != w.dataVersion {
		w.dataVersion = version
		w.foreign()
	}
}

// lookAnew drops what is held in memory and has the feed read, whatever was
// committed. A panic in it is the second one: it must not end the process.
func (w *writer) lookAnew() {
	defer func() { _ = recover() }()
	w.foreign()
}

// hints hands a signal to whoever listens.
type hints struct {
	mu        sync.Mutex
	listeners map[chan struct{}]bool
}

// listen gives a channel that is closed when ctx is done.
func (h *hints) listen(ctx context.Context) <-chan struct{} {
	c := make(chan struct{}, 1)
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.listeners == nil {
		h.listeners = map[chan struct{}]bool{}
	}
	h.listeners[c] = true
	context.AfterFunc(ctx, func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		delete(h.listeners, c)
		close(c)
	})
	return c
}

// give never waits: one hint that has not been taken yet is as good as two.
func (h *hints) give() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for c := range h.listeners {
		select {
		case c <- struct{}{}:
		default:
		}
	}
}

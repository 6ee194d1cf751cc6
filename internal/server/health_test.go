package server

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/latchkey-auth/latchkey/internal/auth"
)

// pingable is a store whose signs of life take as long as a test says, and are
// counted.
type pingable struct {
	auth.Store
	takes time.Duration
	err   error

	asked, now, most atomic.Int64
}

func (p *pingable) Ping(ctx context.Context) error {
	p.asked.Add(1)
	p.most.Store(max(p.most.Load(), p.now.Add(1)))
	defer p.now.Add(-1)
	select {
	case <-time.After(p.takes):
		return p.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// However many ask whether the database is there, it is asked by one at a time
// and ten times a second at most; one who goes away spoils nobody's answer.
func TestPinged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, p := &pingable{takes: 10 * time.Millisecond}, &pinged{}
		var all sync.WaitGroup
		gone, cancel := context.WithCancel(t.Context())
		all.Go(func() { _ = p.ask(gone, store) })
		synctest.Wait()
		for range 1000 {
			all.Go(func() {
				if err := p.ask(t.Context(), store); err != nil {
					t.Error(err)
				}
			})
		}
		synctest.Wait()
		cancel()
		all.Wait()
		if store.asked.Load() != 1 {
			t.Errorf("asked %d times by a thousand at once", store.asked.Load())
		}
		began := time.Now()
		for time.Since(began) < time.Second {
			if err := p.ask(t.Context(), store); err != nil {
				t.Error(err)
			}
			time.Sleep(time.Millisecond)
		}
		if n := store.asked.Load(); n < 8 || n > 11 || store.most.Load() != 1 {
			t.Errorf("asked %d times in a second, %d at once", n, store.most.Load())
		}
		// What has changed is told a moment later.
		store.err = errors.New("gone")
		time.Sleep(pingKept)
		if err := p.ask(t.Context(), store); !errors.Is(err, store.err) {
			t.Errorf("an outage: %v", err)
		}
		store.err = nil
		time.Sleep(pingKept)
		if err := p.ask(t.Context(), store); err != nil {
			t.Errorf("its end: %v", err)
		}
		// A database that hangs costs each who asks a second.
		store.takes = time.Hour
		time.Sleep(pingKept)
		for range 100 {
			all.Go(func() {
				began := time.Now()
				if err := p.ask(t.Context(), store); err == nil || time.Since(began) > pingTime {
					t.Errorf("%v after %v", err, time.Since(began))
				}
			})
		}
		all.Wait()
	})
}

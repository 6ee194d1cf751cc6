package password

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// load is a hash that takes as long as its test says.
type load struct {
	memory  int64
	threads int
}

func (l load) cost() (int64, int)        { return l.memory, l.threads }
func (l load) matches(string, turn) bool { return false }

// TestNeverMoreAtOnce: 64 at once, room for two, by count or by memory.
func TestNeverMoreAtOnce(t *testing.T) {
	for name, c := range map[string]struct {
		options Options
		load    load
	}{
		"count":   {Options{Concurrent: 2, Queue: 64, Wait: time.Hour}, load{1, 1}},
		"memory":  {Options{Concurrent: 64, Queue: 64, Wait: time.Hour, Memory: 130 << 20}, load{65 << 20, 1}},
		"threads": {Options{Concurrent: 4, Queue: 64, Wait: time.Hour}, load{1, 2}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := NewHasher(c.options)
				var running, most, done atomic.Int32
				var wg sync.WaitGroup
				for range 64 {
					wg.Go(func() {
						err := h.work(t.Context(), c.load, func(turn) {
							n := running.Add(1)
							for old := most.Load(); n > old && !most.CompareAndSwap(old, n); old = most.Load() {
							}
							time.Sleep(time.Second)
							running.Add(-1)
							done.Add(1)
						})
						if err != nil {
							t.Error(err)
						}
					})
				}
				synctest.Wait()
				want := Stats{Waiting: 62, Running: 2, Memory: 2 * c.load.memory}
				if got := h.Stats(); got != want {
					t.Errorf("%+v, want %+v", got, want)
				}
				wg.Wait()
				if most.Load() != 2 || done.Load() != 64 {
					t.Errorf("%d at once, %d done, want 2 and 64", most.Load(), done.Load())
				}
				if got := h.Stats(); got != (Stats{}) {
					t.Errorf("afterwards %+v", got)
				}
			})
		})
	}
}

// occupy fills a Hasher until the test releases it.
func occupy(t *testing.T, h *Hasher, l load) (release func()) {
	t.Helper()
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		if err := h.work(context.Background(), l, func(turn) { <-stop }); err != nil {
			t.Error(err)
		}
	}()
	synctest.Wait()
	return func() { close(stop); <-done }
}

func TestBusy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := NewHasher(Options{Concurrent: 1, Queue: 1, Wait: 3 * time.Second})
		release := occupy(t, h, load{1, 1})

		began := time.Now()
		first := make(chan error, 1)
		go func() { _, _, err := h.Verify(t.Context(), "x", ""); first <- err }()
		synctest.Wait()

		// The queue is full: refused at once.
		_, err := h.Hash(t.Context(), "x")
		var busy *BusyError
		if !errors.As(err, &busy) || !errors.Is(err, ErrBusy) || busy.RetryAfter != 3*time.Second {
			t.Errorf("full queue: %v", err)
		}
		if waited := time.Since(began); waited != 0 {
			t.Errorf("full queue: refused after %v", waited)
		}

		// Waited too long: refused after three seconds, and the place is free.
		if err := <-first; !errors.As(err, &busy) {
			t.Errorf("waited too long: %v", err)
		}
		if waited := time.Since(began); waited != 3*time.Second {
			t.Errorf("waited %v, want 3s", waited)
		}
		if got := h.Stats(); got.Waiting != 0 || got.Running != 1 {
			t.Errorf("%+v", got)
		}
		release()
		if _, _, err := h.Verify(t.Context(), "x", ""); err != nil {
			t.Errorf("afterwards: %v", err)
		}
	})
}

func TestCancelFreesThePlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := NewHasher(Options{Concurrent: 2, Queue: 2, Wait: time.Hour})
		release := occupy(t, h, load{1, 1})

		// A large one at the head holds up a small one behind it, until it goes.
		ctx, cancel := context.WithCancel(t.Context())
		large, small := make(chan error, 1), make(chan error, 1)
		go func() { large <- h.work(ctx, load{1, 2}, func(turn) { t.Error("cancelled, but ran") }) }()
		synctest.Wait()
		go func() { small <- h.work(t.Context(), load{1, 1}, func(turn) {}) }()
		synctest.Wait()
		if got := h.Stats(); got.Waiting != 2 {
			t.Fatalf("%+v, want two waiting", got)
		}
		cancel()
		if err := <-large; !errors.Is(err, context.Canceled) {
			t.Errorf("cancelled: %v", err)
		}
		if err := <-small; err != nil {
			t.Errorf("behind it: %v", err)
		}
		release()
		if got := h.Stats(); got != (Stats{}) {
			t.Errorf("afterwards %+v", got)
		}
		if err := h.work(ctx, load{1, 1}, func(turn) { t.Error("cancelled before, but ran") }); !errors.Is(err, context.Canceled) {
			t.Errorf("cancelled before: %v", err)
		}
	})
}

func TestInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := NewHasher(Options{Concurrent: 1, Queue: 8, Wait: time.Hour})
		release := occupy(t, h, load{1, 1})
		var order []int
		var wg sync.WaitGroup
		for i := range 8 {
			wg.Go(func() {
				if err := h.work(t.Context(), load{1, 1}, func(turn) { order = append(order, i) }); err != nil {
					t.Error(err)
				}
			})
			synctest.Wait()
		}
		release()
		wg.Wait()
		for i, got := range order {
			if got != i {
				t.Fatalf("served in the order %v", order)
			}
		}
	})
}

func TestPanicGivesThePlaceBack(t *testing.T) {
	h := NewHasher(Options{Concurrent: 1, Queue: 1})
	func() {
		defer func() {
			if recover() == nil {
				t.Error("no panic")
			}
		}()
		h.work(t.Context(), load{1, 1}, func(turn) { panic("in the hash") })
	}()
	if got := h.Stats(); got != (Stats{}) {
		t.Errorf("afterwards %+v", got)
	}
}

// TestLargestFits: however small the budget, what Check admits can run.
func TestLargestFits(t *testing.T) {
	h := NewHasher(Options{Memory: 1, Concurrent: 1})
	for _, c := range bounds {
		if stored, err := parse(c.encoded); err == nil {
			if err := h.work(t.Context(), stored, func(turn) {}); err != nil {
				t.Errorf("%q: %v", c.encoded, err)
			}
		}
	}
}

// TestLargerThanAll: a hash that takes more than the budget is at work alone,
// and the budget holds for all others, before it and after it.
func TestLargerThanAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := NewHasher(Options{Memory: 64 << 20, Concurrent: 8, Wait: time.Hour})
		var running, memory, most int64
		var mu sync.Mutex
		var wg sync.WaitGroup
		work := func(l load) {
			wg.Go(func() {
				err := h.work(t.Context(), l, func(turn) {
					mu.Lock()
					running, memory = running+1, memory+l.memory
					if most = max(most, memory); memory > 64<<20 && running > 1 {
						t.Errorf("%d hashes take %d bytes", running, memory)
					}
					mu.Unlock()
					time.Sleep(time.Second)
					mu.Lock()
					running, memory = running-1, memory-l.memory
					mu.Unlock()
				})
				if err != nil {
					t.Error(err)
				}
			})
			synctest.Wait()
		}
		for i := range 24 {
			if i%8 == 3 {
				work(load{100 << 20, 8})
			}
			work(load{ownCost, 1})
		}
		if got := h.Stats(); got.Running != 3 || got.Memory != 3*ownCost {
			t.Errorf("%+v, want three at work", got)
		}
		wg.Wait()
		if got := h.Stats(); got != (Stats{}) || most != 100<<20 {
			t.Errorf("afterwards %+v; %d bytes at most", got, most)
		}
	})
}

// TestBudget: hashes take half of what the program may have, if it is not more
// than they need.
func TestBudget(t *testing.T) {
	for _, c := range []struct {
		options Options
		want    int64 // MiB
	}{
		{Options{Concurrent: 2}, 192},
		{Options{Concurrent: 16}, 304},
		{Options{Concurrent: 8, Limit: 128 << 20}, 64},
		{Options{Concurrent: 8, Limit: 200 << 20}, 100},
		{Options{Concurrent: 8, Limit: 1 << 30}, 192},
		{Options{Concurrent: 40, Limit: 1 << 30}, 512},
		{Options{Concurrent: 8, Limit: 100 << 20}, 36},
		{Options{Concurrent: 8, Limit: 20 << 20}, 19},
		{Options{Concurrent: 8, Limit: 128 << 20, Memory: 32 << 20}, 32},
		{Options{Concurrent: 8, Memory: 1 << 20}, 19},
	} {
		if got := NewHasher(c.options).Budget(); got != c.want<<20 {
			t.Errorf("%+v: %d bytes, want %d MiB", c.options, got, c.want)
		}
	}
}

// TestGiveUpAsAdmitted: whoever stops waiting in the moment in which he is let
// in either goes in or hands the place on. None is lost.
func TestGiveUpAsAdmitted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := NewHasher(Options{Concurrent: 1, Queue: 1, Wait: time.Second})
		for range 200 {
			var wg sync.WaitGroup
			for range 2 {
				wg.Go(func() {
					err := h.work(t.Context(), load{1, 1}, func(turn) { time.Sleep(time.Second) })
					if err != nil && !errors.Is(err, ErrBusy) {
						t.Error(err)
					}
				})
				synctest.Wait()
			}
			wg.Wait()
			if h.gate.memory != h.gate.total || h.gate.threads != 1 || h.Stats() != (Stats{}) {
				t.Fatalf("%d of %d bytes and %d threads free, %+v", h.gate.memory, h.gate.total, h.gate.threads, h.Stats())
			}
		}
	})
}

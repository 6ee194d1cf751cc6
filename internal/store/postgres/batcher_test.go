package postgres

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// work is what the tests' calls are: a key, and how long a batch with it takes.
type work struct {
	key  string
	took time.Duration
}

// recorder runs batches as long as their longest call takes, and writes down
// how large they were and how many were under way at most.
type recorder struct {
	mu       sync.Mutex
	sizes    []int
	now, max int
}

func (r *recorder) batcher() *batcher[work, int] {
	return newBatcher(func(w work) string { return w.key }, func(batch []*call[work, int]) {
		r.mu.Lock()
		r.sizes = append(r.sizes, len(batch))
		r.now++
		r.max = max(r.max, r.now)
		r.mu.Unlock()
		var longest time.Duration
		for _, c := range batch {
			longest = max(longest, c.in.took)
			c.out = len(batch)
		}
		time.Sleep(longest)
		r.mu.Lock()
		r.now--
		r.mu.Unlock()
	})
}

func TestBatcher_alone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var r recorder
		b := r.batcher()
		defer b.close()
		began := time.Now()
		for range 10 {
			if _, err := b.do(t.Context(), work{"a", 4 * time.Millisecond}); err != nil {
				t.Fatal(err)
			}
		}
		if got := time.Since(began); got != 40*time.Millisecond {
			t.Errorf("10 calls of 4 ms took %v", got)
		}
	})
}

// A panic while a batch is run is the error of its calls and of no others: the
// writer goes on.
//
// ASVS 16.5.4
// LESSON 38
func TestBatcher_panic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBatcher(func(w work) string { return w.key }, func(batch []*call[work, int]) {
			if batch[0].in.key == "bad" {
				panic("in a batch")
			}
		})
		defer b.close()
		for _, key := range []string{"good", "bad", "bad", "good"} {
			_, err := b.do(t.Context(), work{key: key})
			if panicked := err != nil; panicked != (key == "bad") {
				t.Errorf("%s: %v", key, err)
			}
		}
	})
}

// Steady callers stay together, however they began and although each needs a
// moment between two calls.
func TestBatcher_crowd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var r recorder
		b := r.batcher()
		const callers, calls = 8, 10
		var wg sync.WaitGroup
		for i := range callers {
			wg.Go(func() {
				for range calls {
					if _, err := b.do(t.Context(), work{string(rune('a' + i)), 4 * time.Millisecond}); err != nil {
						t.Error(err)
					}
					time.Sleep(500 * time.Microsecond)
				}
			})
		}
		wg.Wait()
		b.close()
		// One begins alone or some do; a last one may be left over.
		if len(r.sizes) > calls+2 || r.max > 1 {
			t.Errorf("batches of %d, %d at once", r.sizes, r.max)
		}
	})
}

// Nobody comes back: who waits for a batch is not kept longer than agreed.
func TestBatcher_patience(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var r recorder
		b := r.batcher()
		defer b.close()
		began := time.Now()
		var wg sync.WaitGroup
		for _, key := range []string{"a", "b"} {
			wg.Go(func() {
				if _, err := b.do(t.Context(), work{key, 80 * time.Millisecond}); err != nil {
					t.Error(err)
				}
			})
			synctest.Wait() // the second waits for the first
		}
		wg.Wait()
		if got, most := time.Since(began), 160*time.Millisecond+maxPatience; got > most {
			t.Errorf("two calls of 80 ms took %v, more than %v", got, most)
		}
	})
}

// A batch that waits for a lock holds up the others for a moment only.
func TestBatcher_slow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var r recorder
		b := r.batcher()
		var wg sync.WaitGroup
		ask := func(w work) {
			if _, err := b.do(t.Context(), w); err != nil {
				t.Error(err)
			}
		}
		wg.Go(func() { ask(work{"stuck", 10 * time.Second}) })
		synctest.Wait()
		wg.Go(func() { ask(work{"stuck", time.Millisecond}) })
		began := time.Now()
		for range 3 {
			ask(work{"other", time.Millisecond})
		}
		if got := time.Since(began); got > slowAfter+10*time.Millisecond {
			t.Errorf("others waited %v for a batch that is stuck", got)
		}
		wg.Wait()
		if got := time.Since(began); got < 10*time.Second {
			t.Errorf("two calls with one key were under way at once: %v", got)
		}
		if r.max != 2 {
			t.Errorf("%d batches at once", r.max)
		}

		// When it is over there is one writer again.
		r.max = 0
		for i := range 4 {
			wg.Go(func() {
				for range 20 {
					ask(work{string(rune('a' + i)), time.Millisecond})
				}
			})
		}
		wg.Wait()
		b.close()
		if r.max != 1 {
			t.Errorf("%d batches at once, none of them slow", r.max)
		}
	})
}

// Both writers are at work when the slow one is done: one of them goes.
func TestBatcher_slow_recovers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var r recorder
		b := r.batcher()
		var wg sync.WaitGroup
		began := time.Now()
		wg.Go(func() {
			if _, err := b.do(t.Context(), work{"stuck", time.Second}); err != nil {
				t.Error(err)
			}
		})
		synctest.Wait()
		for i := range 4 * batchSize { // somebody always waits
			wg.Go(func() {
				for time.Since(began) < 3*time.Second {
					if _, err := b.do(t.Context(), work{string(rune(i)), 3 * time.Millisecond}); err != nil {
						t.Error(err)
					}
				}
			})
		}
		time.Sleep(1500 * time.Millisecond)
		synctest.Wait()
		r.mu.Lock()
		r.max = r.now
		r.mu.Unlock()
		wg.Wait()
		b.close()
		if r.max != 1 {
			t.Errorf("%d batches at once, none of them slow", r.max)
		}
	})
}

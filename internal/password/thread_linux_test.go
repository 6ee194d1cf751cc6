package password

import (
	"sync"
	"syscall"
	"testing"
)

// nice is that of the calling thread.
func nice(t *testing.T) int {
	t.Helper()
	p, err := syscall.Getpriority(syscall.PRIO_PROCESS, 0)
	if err != nil {
		t.Fatal(err)
	}
	return 20 - p
}

// TestLowPriorityStaysApart: a hash's thread is nicer, and no other thread
// becomes so, though the runtime makes new ones while hashes begin and end.
func TestLowPriorityStaysApart(t *testing.T) {
	usual := nice(t)
	want := min(usual+niceness, 19)
	h := NewHasher(Options{Concurrent: 8, Queue: 100})
	for range 20 {
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				err := h.work(t.Context(), load{1, 1}, func(turn) {
					if got := nice(t); got != want {
						t.Errorf("nice %d in a hash, want %d", got, want)
					}
					var others sync.WaitGroup
					for range 4 {
						others.Go(func() {
							if got := nice(t); got != usual {
								t.Errorf("nice %d beside a hash, want %d", got, usual)
							}
						})
					}
					others.Wait()
				})
				if err != nil {
					t.Error(err)
				}
				if got := nice(t); got != usual {
					t.Errorf("nice %d after a hash, want %d", got, usual)
				}
			})
		}
		all.Wait()
	}
}

// isNice reports whether the calling thread is of low priority.
func isNice() bool {
	p, err := syscall.Getpriority(syscall.PRIO_PROCESS, 0)
	return err == nil && 20-p >= niceness
}

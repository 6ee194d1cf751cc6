package password

import (
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestPanicIsTheCallers(t *testing.T) {
	defer func() {
		p, _ := recover().(string)
		if !strings.HasPrefix(p, "broken, in a hash:\n") || !strings.Contains(p, "TestPanicIsTheCallers.func") {
			t.Errorf("panic %q, want its value and the stack where it began", p)
		}
	}()
	apart(func() { panic("broken") })
	t.Error("no panic")
}

// TestMakeRoom: there is room while hashes are at work and a moment after, and
// a Hasher that is made meanwhile does not count it as processors.
func TestMakeRoom(t *testing.T) {
	t.Run("kept while hashes work", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			h := NewHasher(Options{Concurrent: 3})
			h.MakeRoom()
			is := func(when string, want int) {
				t.Helper()
				synctest.Wait()
				if got := runtime.GOMAXPROCS(0); got != want {
					t.Errorf("%s: GOMAXPROCS %d, want %d", when, got, want)
				}
			}
			is("before", processors)
			h.room.enter()
			is("one at work", processors+3)
			if other := NewHasher(Options{}); other.concurrent != spare(processors, runtime.NumCPU(), yields) {
				t.Errorf("a new Hasher has room for %d hashes, want %d", other.concurrent, processors)
			}
			h.room.enter()
			time.Sleep(roomKept + 1)
			h.room.leave()
			time.Sleep(roomKept + 1)
			is("the other still at work", processors+3)
			h.room.leave()
			is("just after the last", processors+3)
			time.Sleep(roomKept - 1)
			h.room.enter()
			h.room.leave()
			time.Sleep(roomKept - 1)
			is("one more came", processors+3)
			time.Sleep(2 * time.Nanosecond)
			is("a moment after the last", processors)
		})
	})
	t.Run("around a hash", func(t *testing.T) {
		h := NewHasher(Options{})
		h.MakeRoom()
		var inside int
		if err := h.work(t.Context(), h.dummy, func(turn) { inside = runtime.GOMAXPROCS(0) }); err != nil || inside != processors+h.concurrent {
			t.Errorf("inside a hash GOMAXPROCS is %d (%v), want %d", inside, err, processors+h.concurrent)
		}
		h.room.lower.Stop()
		h.room.tidy()
	})
	t.Run("set by the operator", func(t *testing.T) {
		t.Setenv("GOMAXPROCS", "1")
		h := NewHasher(Options{Concurrent: 50})
		h.MakeRoom()
		h.room.enter()
		defer h.room.leave()
		if got := runtime.GOMAXPROCS(0); got != processors {
			t.Errorf("GOMAXPROCS %d, want %d", got, processors)
		}
	})
}

// One processor is left to the rest wherever a hash's low priority does not
// keep it from holding up others.
func TestSpare(t *testing.T) {
	for _, c := range []struct {
		processors, machine int
		yields              bool
		want                int
	}{
		{1, 1, true, 1},
		{1, 8, true, 1}, // a quota of one: there is nothing to leave
		{2, 2, true, 2},
		{2, 8, true, 1}, // a quota of two
		{8, 8, true, 8},
		{7, 8, true, 6},
		{1, 1, false, 1},
		{2, 2, false, 1},
		{8, 8, false, 7},
	} {
		if got := spare(c.processors, c.machine, c.yields); got != c.want {
			t.Errorf("%d of %d processors, yields %v: %d hashes, want %d", c.processors, c.machine, c.yields, got, c.want)
		}
	}
}

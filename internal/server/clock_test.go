package server

import (
	"bytes"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// The hold begins with the start and again with each step, forward and back, also
// when several look.
func TestSteadiness(t *testing.T) {
	var mu sync.Mutex
	var step time.Duration
	now := func() time.Time {
		mu.Lock()
		defer mu.Unlock()
		return time.Now().Add(step)
	}
	var out bytes.Buffer
	const hold = 150 * time.Millisecond
	began := time.Now()
	s := watch(now, hold, slog.New(slog.NewTextHandler(&out, nil)))
	look := func() (steady bool) {
		var all sync.WaitGroup
		for range 4 {
			all.Go(func() { s.steady() })
		}
		all.Wait()
		return s.steady()
	}
	for i, d := range []time.Duration{0, 90 * 24 * time.Hour, -90 * 24 * time.Hour, 2 * time.Minute, 30 * time.Second} {
		mu.Lock()
		step += d
		mu.Unlock()
		if small := d != 0 && d.Abs() <= maxDrift; small {
			if !look() {
				t.Errorf("step %d, by %v: not steady", i, d)
			}
			continue
		}
		if i > 0 {
			began = time.Now()
		}
		for !look() {
			if time.Since(began) > 20*hold {
				t.Fatalf("step %d: not steady after %v", i, time.Since(began))
			}
			time.Sleep(hold / 10)
		}
		if took := time.Since(began); took < hold {
			t.Errorf("step %d: steady after %v", i, took)
		}
	}
	if n := strings.Count(out.String(), "the clock has stepped"); n != 3 {
		t.Errorf("%d steps are told of, want 3:\n%s", n, out.String())
	}
	if s := watch(now, -1, slog.New(slog.DiscardHandler)); !s.steady() {
		t.Error("without a hold it is not steady")
	}
}

// A clock that goes away in small steps is not steady either, however often it is
// looked at; what a time server draws it by in an hour is none.
func TestSteadinessOfDrift(t *testing.T) {
	for _, c := range []struct {
		each   time.Duration
		steady bool
	}{{30 * time.Second, false}, {time.Second, false}, {-time.Second, false}, {500 * time.Microsecond, true}} {
		synctest.Test(t, func(t *testing.T) {
			var extra time.Duration
			s := watch(func() time.Time { return time.Now().Add(extra) }, time.Hour, slog.New(slog.DiscardHandler))
			for range 3 * 3600 {
				time.Sleep(time.Second)
				extra += c.each
				s.steady()
			}
			if got := s.steady(); got != c.steady {
				t.Errorf("%v each second: steady %v", c.each, got)
			}
		})
	}
}

package server

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"
)

// What comes seldom is never held; of a flood each waits for its turn, and
// none longer than paceMost.
func TestPaceHoldsAFlood(t *testing.T) {
	p := pace{each: paceFor(2)}
	now := 10 * time.Second
	for range 5000 {
		if d := p.wait(now); d != 0 {
			t.Fatalf("one that comes at its time waits for %v", d)
		}
		now += time.Second / 1000
	}
	now += time.Minute
	for i := range 1000 {
		if d := p.wait(now); d != 0 {
			t.Fatalf("the %d. of a second's worth waits for %v", i+1, d)
		}
	}
	for i := range 500 {
		// The last of the second's worth took the turn of now itself.
		if d, want := p.wait(now), time.Duration(i)*time.Millisecond; d != want {
			t.Fatalf("the %d. after it waits for %v, want %v", i+1, d, want)
		}
	}
	for range 10_000 {
		if d := p.wait(now); d != paceMost {
			t.Fatalf("one of very many waits for %v, want %v", d, paceMost)
		}
	}
	// Those took no turns.
	if d := p.wait(now + paceMost); d != 0 {
		t.Errorf("half a second later one waits for %v", d)
	}
}

func TestPaceCountsWhatWasWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := pace{each: time.Hour}
		p.next.Store(int64(time.Since(paceStart) + time.Hour))
		held := func(ctx context.Context, took time.Duration) time.Duration {
			start := time.Now()
			p.hold(ctx, took)
			return time.Since(start)
		}
		if d := held(t.Context(), 0); d != paceMost {
			t.Errorf("held for %v, want %v", d, paceMost)
		}
		if d := held(t.Context(), 400*time.Millisecond); d != 100*time.Millisecond {
			t.Errorf("held for %v after 400 ms, want 100 ms", d)
		}
		if d := held(t.Context(), 2*time.Second); d != 0 {
			t.Errorf("held for %v after 2 s", d)
		}
		gone, cancel := context.WithCancel(t.Context())
		cancel()
		if d := held(gone, 0); d != 0 {
			t.Errorf("held for %v for one who has gone", d)
		}
		p.held.Store(paceHeld)
		if d := held(t.Context(), 0); d != 0 {
			t.Errorf("held for %v beside as many as may be", d)
		}
		if n := p.held.Load(); n != paceHeld {
			t.Errorf("%d are held, want %d", n, paceHeld)
		}
	})
}

// Only what has done nothing is held, and it is out of the way meanwhile.
func TestPaceOfAnswers(t *testing.T) {
	for status, want := range map[int]time.Duration{
		http.StatusOK: 0, http.StatusUnauthorized: 0, http.StatusInternalServerError: 0,
		http.StatusTooManyRequests: paceMost, http.StatusServiceUnavailable: paceMost, http.StatusRequestEntityTooLarge: paceMost,
	} {
		synctest.Test(t, func(t *testing.T) {
			f := &front{
				rest:   http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) }),
				health: &health{now: time.Now}, cors: newCORS(nil, false), hosts: newHosts(nil), most: 10,
				log: slog.New(slog.DiscardHandler), now: time.Now,
			}
			f.pace.each = time.Hour
			f.pace.next.Store(int64(time.Since(paceStart) + time.Hour))
			start := time.Now()
			done := make(chan struct{})
			go func() {
				defer close(done)
				f.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodPost, "/x", nil))
			}()
			synctest.Wait()
			if n := f.underWay.Load(); n != 0 {
				t.Errorf("%d: %d are under way", status, n)
			}
			<-done
			if d := time.Since(start); d != want {
				t.Errorf("%d was held for %v, want %v", status, d, want)
			}
		})
	}
}

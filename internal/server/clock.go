package server

import (
	"log/slog"
	"sync"
	"time"
)

// sweepHold is how long nothing is destroyed by the clock after a start and after
// the clock has stepped: no row is swept, no old event is pruned, no retired key's
// secret forgotten. A clock that is wrongly ahead and then put right must not have
// cost the rows by which revoked tokens are known, nor the audit trail, nor the
// keys of tokens that are good.
const sweepHold = time.Hour

// maxDrift is by how much the clock may go another way than time within a hold
// before that is a step, however often it is looked at meanwhile.
const maxDrift = time.Minute

// steadiness tells for how long a clock has gone as time goes. It is safe for
// concurrent use.
type steadiness struct {
	now  func() time.Time
	hold time.Duration
	log  *slog.Logger

	mu    sync.Mutex
	since time.Time // when it began to, by the machine's monotonic clock
	real  time.Time // of the look that later ones are compared with, by that clock
	told  int64     // what the clock itself said then, in µs
}

// watch begins to look at a clock.
func watch(now func() time.Time, hold time.Duration, log *slog.Logger) *steadiness {
	s := &steadiness{now: now, hold: hold, log: log}
	s.told, s.real = now().UnixMicro(), time.Now()
	s.since = s.real
	return s
}

// steady compares the clock with the monotonic one, and reports whether they have
// agreed for as long as they must.
func (s *steadiness) steady() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	told, real := s.now().UnixMicro(), time.Now()
	if drift := time.Duration(told-s.told)*time.Microsecond - real.Sub(s.real); drift.Abs() > maxDrift {
		s.since, s.told, s.real = real, told, real
		s.log.Warn("the clock has stepped; nothing old is removed for a while", "by", drift.Round(time.Second).String())
	}
	if real.Sub(s.real) >= s.hold {
		s.told, s.real = told, real
	}
	return real.Sub(s.since) >= s.hold
}

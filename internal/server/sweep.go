package server

import (
	"context"
	"log/slog"
	"time"

	"github.com/latchkey-auth/latchkey/internal/auth"
	"github.com/latchkey-auth/latchkey/internal/keyring"
)

const (
	// sweepBatch is how many rows of a kind are looked at in one commit: small,
	// so that no request waits long behind it.
	sweepBatch = 500
	// sweepBatches is how many of them there are at a time, each sweepEvery: a
	// walk over a million sessions takes three and a half hours.
	sweepBatches = 10
	sweepEvery   = time.Minute
)

// sweepHold is how long nothing is swept after a start and after the clock has
// stepped. A clock that is wrongly ahead and then put right must not have cost
// the rows by which revoked tokens are known.
const sweepHold = time.Hour

// sweep removes rows that no token can need any more, in small batches with a
// breath between them.
func sweep(ctx context.Context, store auth.Store, retention, every, hold time.Duration, now func() time.Time, log *slog.Logger) {
	after := "" // where the walk over the sessions is
	clock := steadiness{now: now, log: log}
	clock.look()
	for pause(ctx, every) {
		if clock.look() < hold {
			continue
		}
		var total int64
		for range sweepBatches {
			var gone int64
			var next string
			err := update(ctx, store, func(ctx context.Context, tx auth.Tx) error {
				var err error
				at := now()
				gone, next, err = tx.Sweep(ctx, at, at.Add(-retention), after, sweepBatch)
				return err
			})
			if err != nil {
				if ctx.Err() == nil {
					log.Error("old rows could not be swept; trying again", "error", err)
				}
				break
			}
			total += gone
			after = next
			// Less than a batch of each went, and the walk is at its end.
			if next == "" && gone < sweepBatch || !pause(ctx, 20*time.Millisecond) {
				break
			}
		}
		if total > 0 {
			log.Debug("swept old rows", "rows", total)
		}
	}
}

// maxDrift is by how much the clock may go another way than time in one look
// before that is a step.
const maxDrift = time.Minute

// steadiness tells for how long a clock has gone as time goes.
type steadiness struct {
	now func() time.Time
	log *slog.Logger

	since time.Time // when it began to, by the machine's monotonic clock
	real  time.Time // of the last look, by that clock
	told  int64     // what the clock itself said then, in µs
}

// look compares the clock with the monotonic one since the last look.
func (s *steadiness) look() time.Duration {
	told, real := s.now().UnixMicro(), time.Now()
	if s.real.IsZero() {
		s.since = real
	} else if drift := time.Duration(told-s.told)*time.Microsecond - real.Sub(s.real); drift.Abs() > maxDrift {
		s.since = real
		s.log.Warn("the clock has stepped; nothing is swept for a while", "by", drift.Round(time.Second).String())
	}
	s.told, s.real = told, real
	return real.Sub(s.since)
}

// pause waits and reports whether ctx goes on.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

// keysEvery is how often the key ring is looked at: what is due is done, and a
// key that another node or the command line has removed is refused here by then.
const keysEvery = time.Second

// followKeys keeps the key ring moving and current. What cannot be read leaves
// the keys as they are; each trouble is told once.
func followKeys(ctx context.Context, ring *keyring.Ring, log *slog.Logger) {
	every := min(keysEvery, ring.CacheTime()/20)
	told := ""
	for pause(ctx, every) {
		err := ring.Advance(ctx)
		switch {
		case err == nil:
			told = ""
		case ctx.Err() == nil && err.Error() != told:
			told = err.Error()
			log.Error("the key ring could not be brought up to date; going on with the keys in force", "error", err)
		}
	}
}

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

// sweep removes rows that no token can need any more, in small batches with a
// breath between them.
func sweep(ctx context.Context, store auth.Store, retention, every time.Duration, steady func() bool, now func() time.Time, log *slog.Logger) {
	after := "" // where the walk over the sessions is
	for pause(ctx, every) {
		at := now() // First, so that steady knows of a step before it.
		if !steady() {
			continue
		}
		var total int64
		for range sweepBatches {
			var gone int64
			var next string
			err := update(ctx, store, func(ctx context.Context, tx auth.Tx) error {
				var err error
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
func followKeys(ctx context.Context, ring *keyring.Ring, steady func() bool, log *slog.Logger) {
	every := min(keysEvery, ring.CacheTime()/20)
	told := ""
	for pause(ctx, every) {
		err := advance(ctx, ring, steady)
		switch {
		case err == nil:
			told = ""
		case ctx.Err() == nil && err.Error() != told:
			told = err.Error()
			log.Error("the key ring could not be brought up to date; going on with the keys in force", "error", err)
		}
	}
}

func advance(ctx context.Context, ring *keyring.Ring, steady func() bool) error {
	ctx, cancel := context.WithTimeout(ctx, workPatience)
	defer cancel()
	return ring.Advance(ctx, steady) //nolint:wrapcheck // Its caller tells what it was.
}

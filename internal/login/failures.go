package login

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/latchkey-auth/latchkey/internal/auth"
)

// maxFailures bounds the buckets between two writes; what is beyond it is
// folded into buckets without an address.
const maxFailures = 10_000

// writePatience bounds a write: a connection that is alive and brings nothing
// must not hold back all that come after.
const writePatience = 30 * time.Second

// Failures folds failed logins in memory, one count per account, address and
// minute, and writes them outside the answers: what an attacker causes must
// not cost a commit each. Unknown e-mails share the account 0 and are not
// stored.
type Failures struct {
	store auth.Store
	log   *slog.Logger

	failing bool // what goes wrong is told once; Run's goroutine's

	mu      sync.Mutex
	buckets map[auth.LoginFailure]int64
}

// NewFailures makes an empty fold. Run writes it.
func NewFailures(store auth.Store, log *slog.Logger) *Failures {
	return &Failures{store: store, log: log, buckets: map[auth.LoginFailure]int64{}}
}

// Add counts one failure.
func (f *Failures) Add(userID int64, address string, at time.Time) {
	k := auth.LoginFailure{UserID: userID, Address: address, Minute: at.UTC().Truncate(time.Minute)}
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, ok := f.buckets[k]; !ok && len(f.buckets) >= maxFailures {
		k.UserID, k.Address = 0, ""
	}
	f.buckets[k]++
}

// Run writes what has been counted each second until ctx is done, and then
// once more.
func (f *Failures) Run(ctx context.Context) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			f.write(ctx)
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 3*time.Second)
			f.write(last)
			cancel()
			return
		}
	}
}

// take gives what has been counted since the last time; nil for nothing.
func (f *Failures) take() map[auth.LoginFailure]int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.buckets) == 0 {
		return nil
	}
	counted := f.buckets
	f.buckets = map[auth.LoginFailure]int64{}
	return counted
}

func (f *Failures) write(ctx context.Context) {
	counted := f.take()
	if len(counted) == 0 {
		return
	}
	rows := make([]auth.LoginFailure, 0, len(counted))
	for k, n := range counted {
		k.Count = n
		rows = append(rows, k)
	}
	written := false
	// Back they go where they could not be written, also after a panic: the
	// database is away, not the attack.
	defer func() {
		if !written {
			f.putBack(counted)
		}
	}()
	ctx, cancel := context.WithTimeout(ctx, writePatience)
	defer cancel()
	if err := f.store.Update(ctx, func(tx auth.Tx) error { return tx.AddLoginFailures(ctx, rows) }); err != nil {
		if !f.failing {
			f.failing = true
			f.log.Error("failed logins could not be written; trying again", "buckets", len(rows), "error", err)
		}
		return
	}
	written, f.failing = true, false
}

func (f *Failures) putBack(counted map[auth.LoginFailure]int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for k, n := range counted {
		if len(f.buckets) >= maxFailures {
			k.UserID, k.Address = 0, ""
		}
		f.buckets[k] += n
	}
}

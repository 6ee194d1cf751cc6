package server

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/latchkey-auth/latchkey/internal/auth"
)

// maxRefusals bounds the buckets of refusals that are kept: what is beyond it
// is folded into one bucket for each kind, without user, address and detail. As
// a bucket lives for a minute and makes two rows at most, so does it bound what
// refusals write.
const maxRefusals = 500

// refusals folds the refusals that an auditor must know of, one count per kind,
// user, address, detail and minute, and writes them outside the answers: what
// an attacker causes must not cost a commit each. The first of a bucket is
// written within a second, those that follow it together when the minute is
// over.
type refusals struct {
	store auth.Store
	log   *slog.Logger
	now   func() time.Time

	failing bool // what goes wrong is told once; run's goroutine's

	mu      sync.Mutex
	buckets map[refusalKey]*refusalBucket
}

type refusalKey struct {
	kind    auth.EventKind
	user    int64
	address string
	detail  string
	minute  int64
}

// refusalBucket is what is known of its refusals.
type refusalBucket struct {
	// first is the first of them that is not written yet.
	first   auth.Event
	count   int64
	written bool // one row of it is
}

func newRefusals(store auth.Store, log *slog.Logger, now func() time.Time) *refusals {
	return &refusals{store: store, log: log, now: now, buckets: map[refusalKey]*refusalBucket{}}
}

// add counts a refusal. e has no count.
func (f *refusals) add(e auth.Event) {
	k := refusalKey{e.Kind, e.UserID, e.Client.Address, e.Detail, e.At.Unix() / 60}
	f.mu.Lock()
	defer f.mu.Unlock()
	b := f.buckets[k]
	if b == nil && len(f.buckets) >= maxRefusals {
		k.user, k.address, k.detail = 0, "", ""
		e.UserID, e.ActorID, e.Client, e.Detail = 0, 0, auth.Client{}, ""
		b = f.buckets[k]
	}
	if b == nil {
		b = new(refusalBucket)
		f.buckets[k] = b
	}
	if b.count++; b.count == 1 {
		b.first = e
	}
}

// run writes each second what is due until ctx is done, and then all.
func (f *refusals) run(ctx context.Context) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			f.write(ctx, false)
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 3*time.Second)
			f.write(last, true)
			cancel()
			return
		}
	}
}

// due gives what is to be written, and forgets what can grow no more.
func (f *refusals) due(all bool) map[refusalKey]auth.Event {
	minute := f.now().Unix() / 60
	f.mu.Lock()
	defer f.mu.Unlock()
	var out map[refusalKey]auth.Event
	for k, b := range f.buckets {
		over := all || k.minute < minute
		if b.count > 0 && (over || !b.written) {
			if out == nil {
				out = map[refusalKey]auth.Event{}
			}
			e := b.first
			e.Count = b.count
			out[k] = e
			b.count, b.written = 0, true
		}
		if over {
			delete(f.buckets, k)
		}
	}
	return out
}

func (f *refusals) write(ctx context.Context, all bool) {
	due := f.due(all)
	if len(due) == 0 {
		return
	}
	written := false
	// As with failed logins: the database is away, not whoever tries.
	defer func() {
		if !written {
			f.putBack(due)
		}
	}()
	if err := update(ctx, f.store, func(ctx context.Context, tx auth.Tx) error {
		for _, e := range due {
			if err := tx.InsertEvent(ctx, e); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		if !f.failing {
			f.failing = true
			f.log.Error("refusals could not be written; trying again", "events", len(due), "error", err)
		}
		return
	}
	written, f.failing = true, false
}

// putBack keeps what could not be written for the next time.
func (f *refusals) putBack(due map[refusalKey]auth.Event) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for k, e := range due {
		if b := f.buckets[k]; b != nil {
			b.first, b.count, b.written = e, b.count+e.Count, false
			continue
		}
		f.buckets[k] = &refusalBucket{first: e, count: e.Count}
	}
}

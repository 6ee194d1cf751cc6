// Package counters keeps the throttle's counters in the store: it stands between
// package throttle, which knows no store, and package auth, whose words the store
// speaks.
package counters

import (
	"context"
	"fmt"
	"time"

	"github.com/latchkey-auth/latchkey/internal/auth"
	"github.com/latchkey-auth/latchkey/internal/throttle"
)

// In gives the counters of a store.
func In(store auth.Store) throttle.Counters { return kept{store} }

type kept struct{ store auth.Store }

// Count implements throttle.Counters.
func (k kept) Count(ctx context.Context, c throttle.Change) error {
	if err := k.store.Count(ctx, *Counting(c)); err != nil {
		return fmt.Errorf("count an attempt: %w", err)
	}
	return nil
}

// Counters implements throttle.Counters.
func (k kept) Counters(ctx context.Context, keys []string) ([]throttle.Counter, error) {
	found, err := k.store.Read().CountersByKey(ctx, keys)
	if err != nil {
		return nil, fmt.Errorf("read what was counted: %w", err)
	}
	all := make([]throttle.Counter, len(found))
	for i, c := range found {
		all[i] = throttle.Counter(c)
	}
	return all, nil
}

// Counting is a change in the words of the store; nil where there is nothing to
// do.
func Counting(c throttle.Change) *auth.Counting {
	if len(c.Keys) == 0 {
		return nil
	}
	return &auth.Counting{Keys: c.Keys, Change: func(counters []auth.Counter) (*auth.Event, error) {
		all := make([]throttle.Counter, len(counters))
		for i, n := range counters {
			all[i] = throttle.Counter(n)
		}
		notice, err := c.Apply(all)
		if wait, ok := throttle.IsRefused(err); ok {
			return nil, TooMany(wait)
		} else if err != nil {
			return nil, fmt.Errorf("count: %w", err)
		}
		for i, n := range all {
			counters[i] = auth.Counter(n)
		}
		return event(notice), nil
	}}
}

// event is a notice as the audit trail has it.
func event(n *throttle.Notice) *auth.Event {
	if n == nil {
		return nil
	}
	e := &auth.Event{At: n.At, UserID: n.UserID, Client: auth.Client{Address: n.Address}}
	switch n.What {
	case throttle.NoticeBlocked:
		e.Kind, e.Detail = auth.EventAddressBlocked, fmt.Sprintf("e-mail addresses: %d", n.Count)
	case throttle.NoticeCeiling:
		e.Kind, e.Detail = auth.EventGuessesEnded, fmt.Sprintf("failures in a row: %d", n.Count)
	}
	return e
}

// Apply does a change in a transaction that is there already.
func Apply(ctx context.Context, tx auth.CounterWriter, c throttle.Change) error {
	counting := Counting(c)
	if counting == nil {
		return nil
	}
	return tx.Count(ctx, *counting) //nolint:wrapcheck // It says what it is.
}

// TooMany is what a throttled attempt is answered with.
func TooMany(wait time.Duration) error {
	return &auth.Error{Kind: auth.TooMany, Code: auth.CodeThrottled, RetryAfter: wait}
}

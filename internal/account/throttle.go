package account

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	"github.com/latchkey-auth/latchkey/internal/auth"
	"github.com/latchkey-auth/latchkey/internal/counters"
	"github.com/latchkey-auth/latchkey/internal/throttle"
)

// Throttled is a counter with what it does now.
type Throttled struct {
	auth.ListedCounter
	// Until is until when it refuses, zero if it does not; Why is "window",
	// "delay", "ceiling" or "emails", "" if it does not.
	Until time.Time
	Why   string
}

// Throttled gives a page of what was tried without success, the latest first.
// Time is filled in.
func (s *Service) Throttled(ctx context.Context, f auth.CounterFilter) ([]Throttled, error) {
	f.Now = s.Now()
	found, err := s.Store.Read().Counters(ctx, f)
	if err != nil {
		return nil, fmt.Errorf("list what was tried: %w", err)
	}
	all := make([]Throttled, len(found))
	for i, c := range found {
		until, why := s.Throttle.Refuses(throttle.Counter(c.Counter))
		all[i] = Throttled{c, until, string(why)}
	}
	return all, nil
}

// Lift empties one counter. ErrNotFound where there is nothing in it,
// ErrForbidden.
func (s *Service) Lift(ctx context.Context, by *Actor, key string) error {
	_, err := s.lift(ctx, by, func(ctx context.Context, tx auth.Tx) ([]auth.Counter, error) {
		found, err := tx.CountersByKey(ctx, []string{key})
		return found, err //nolint:wrapcheck // It says what it is.
	})
	return err
}

// LiftUser empties every counter of an account and says how many there were.
func (s *Service) LiftUser(ctx context.Context, by *Actor, userID int64) (int, error) {
	return s.lift(ctx, by, func(ctx context.Context, tx auth.Tx) ([]auth.Counter, error) {
		return ofUser(ctx, tx, userID, s.Now())
	})
}

// LiftAddress empties the counter of a client address. ErrNotFound where there
// is nothing in it.
func (s *Service) LiftAddress(ctx context.Context, by *Actor, addr netip.Addr) error {
	key := s.Throttle.AddressKey(addr)
	if key == "" {
		return auth.ErrNotFound
	}
	return s.Lift(ctx, by, key)
}

// maxLifted is how many counters are lifted at once: more than an account has
// known devices and sessions.
const maxLifted = 500

func ofUser(ctx context.Context, tx auth.Tx, userID int64, now time.Time) ([]auth.Counter, error) {
	found, err := tx.Counters(ctx, auth.CounterFilter{Now: now, UserID: userID, Limit: maxLifted})
	if err != nil {
		return nil, err //nolint:wrapcheck // It says what it is.
	}
	all := make([]auth.Counter, len(found))
	for i, c := range found {
		all[i] = c.Counter
	}
	return all, nil
}

// lift empties counters, with an event for each. Whether the actor may is judged
// by what it is inside of the transaction.
func (s *Service) lift(ctx context.Context, by *Actor, find func(context.Context, auth.Tx) ([]auth.Counter, error)) (n int, err error) {
	now := s.Now()
	err = s.Store.Update(ctx, func(tx auth.Tx) error {
		n = 0
		if by != nil {
			actor, err := tx.UpdateUser(ctx, by.UserID, auth.UserChange{}, now)
			if err := by.StillGood(ctx, tx, actor, err); err != nil {
				return err
			}
			if !actor.Role.Can(auth.ThrottleLift) {
				return auth.ErrForbidden
			}
		}
		found, err := find(ctx, tx)
		if err != nil {
			return err
		}
		var keys []string
		for _, c := range found {
			if c.Failures == 0 || !c.Expires.After(now) {
				continue
			}
			keys = append(keys, c.Key)
			e := by.event(auth.EventThrottleLifted, c.UserID, now)
			if e.Detail = c.Kind; c.Address != "" {
				e.Detail += " " + c.Address
			}
			if err := tx.InsertEvent(ctx, e); err != nil {
				return err
			}
		}
		if len(keys) == 0 {
			return auth.ErrNotFound
		}
		n = len(keys)
		return counters.Apply(ctx, tx, s.Throttle.Lift(keys...))
	})
	if err != nil && !told(err) {
		err = fmt.Errorf("lift the throttle: %w", err)
	}
	return n, err
}

// liftGuesses lets unknown devices try again: whoever has used a link, or got a
// password from an operator, is not who guessed.
func (s *Service) liftGuesses(ctx context.Context, tx auth.Tx, userID int64) error {
	return counters.Apply(ctx, tx, s.Throttle.Lift(s.Throttle.AccountKey(userID)))
}

// giveBackTime is how long an attempt that ends without a verdict may take to
// be given back, also for a client that has gone.
const giveBackTime = 2 * time.Second

// giveBack undoes such an attempt. What cannot be given back stays taken until
// the window has passed.
func (s *Service) giveBack(ctx context.Context, p *throttle.Place) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), giveBackTime)
	defer cancel()
	_ = p.GiveBack(ctx)
}

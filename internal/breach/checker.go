package breach

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"
)

// ErrUnknown is what a Checker answers when it could not find out and must not
// let a password pass for that.
var ErrUnknown = errors.New("it is not known whether the password was in a breach")

// Options are where a Checker looks. The zero value looks nowhere.
type Options struct {
	// Filter, when not nil, is a filter file.
	Filter *Filter
	// RangeURL, when not "", is the address of a range API; CheckRangeURL has
	// nothing against it. Timeout is for its whole answer.
	RangeURL string
	Timeout  time.Duration
	// Private says that the range API may be on a private network.
	Private bool
	// Closed refuses a password that could not be looked up. Otherwise it
	// passes, and the log tells.
	Closed bool
	Log    *slog.Logger
	// Now is the clock.
	Now func() time.Time
}

// Checker knows breached passwords. It is safe for concurrent use; a nil one
// knows none.
type Checker struct {
	Options
	ranges *ranges // nil without RangeURL

	mu     sync.Mutex
	failed uint64    // since the start
	told   time.Time // when the log was last told
}

// New makes a Checker, nil if there is nowhere to look.
func New(o Options) *Checker {
	if o.Filter == nil && o.RangeURL == "" {
		return nil
	}
	c := &Checker{Options: o}
	if o.RangeURL != "" {
		c.ranges = newRanges(o.RangeURL, o.Timeout, o.Private)
	}
	return c
}

// Listed reports whether the filter file has a password: a few reads on this
// machine. The error is ErrUnknown.
func (c *Checker) Listed(ctx context.Context, pw string) (bool, error) {
	if c == nil || c.Filter == nil {
		return false, nil
	}
	has, err := c.Filter.Has(pw)
	if err != nil {
		return false, c.unknown(ctx, "the filter file", err)
	}
	return has, nil
}

// Reported asks the range API about a password, if there is one. It may take as
// long as the time-out: call it last, and hold nothing meanwhile. The error is
// ErrUnknown, or ctx's.
func (c *Checker) Reported(ctx context.Context, pw string) (bool, error) {
	if c == nil || c.ranges == nil {
		return false, nil
	}
	has, err := c.ranges.has(ctx, pw)
	if ctx.Err() != nil {
		return false, ctx.Err() // Whoever asked has gone: that is nobody's fault.
	}
	if err != nil {
		return false, c.unknown(ctx, "the range API", err)
	}
	return has, nil
}

// tellEvery is how often failures are logged; each is counted.
const tellEvery = time.Minute

// unknown counts a failure and says what it means for the password.
func (c *Checker) unknown(ctx context.Context, what string, err error) error {
	c.mu.Lock()
	c.failed++
	failed := c.failed
	now := c.Now()
	tell := c.told.IsZero() || now.Sub(c.told) >= tellEvery || now.Before(c.told)
	if tell {
		c.told = now
	}
	c.mu.Unlock()
	if tell {
		outcome := "accepted"
		if c.Closed {
			outcome = "refused"
		}
		c.Log.WarnContext(ctx, "a password could not be looked up among breached ones", "by", what, "passwords", outcome,
			"failed since the start", failed, "error", err.Error())
	}
	if c.Closed {
		return fmt.Errorf("%w: %s: %w", ErrUnknown, what, err)
	}
	return nil
}

// Failed is how many look-ups failed since the start.
func (c *Checker) Failed() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.failed
}

// Close closes the filter file.
func (c *Checker) Close() error {
	if c == nil || c.Filter == nil {
		return nil
	}
	return c.Filter.Close()
}

package throttle

import (
	"errors"
	"fmt"
	"time"
)

// Ceiling is how many failures in a row an account takes from unknown devices
// (NIST SP 800-63B-4, section 3.2.2: no more than 100), and each known device
// and each session from itself.
const Ceiling = 100

// Tier says how long the next attempt must wait after the last one.
type Tier struct {
	// Failures is after how many in a row it begins.
	Failures int64
	Wait     time.Duration
}

// Tiers gives the tiers, the mildest first. The window's limit holds beside
// them. To reach the ceiling takes two days.
func Tiers() []Tier {
	return []Tier{{10, time.Minute}, {20, 5 * time.Minute}, {30, 15 * time.Minute}, {50, 30 * time.Minute}, {70, time.Hour}}
}

const (
	// KnownFor is how long an account knows an address after a sign-in.
	KnownFor = 30 * 24 * time.Hour
	// QuietFor is how long each failure is remembered after the last attempt.
	QuietFor = 24 * time.Hour
	// EmailsWithin is the time in which different e-mails are counted.
	EmailsWithin = time.Hour
)

// Why says why a counter refuses.
type Why string

// The reasons. A counter that refuses for several tells the one that lasts.
const (
	WhyWindow  Why = "window"  // too many in a window
	WhyTier    Why = "delay"   // too early after the last one
	WhyCeiling Why = "ceiling" // too many in a row
	WhyEmails  Why = "emails"  // too many different e-mails
)

// Refused is the answer to what came while the door was shut.
type Refused struct{ Wait time.Duration }

func (e *Refused) Error() string { return fmt.Sprintf("throttled for %v", e.Wait) }

// IsRefused gives the wait of a Refused.
func IsRefused(err error) (time.Duration, bool) {
	var e *Refused
	if errors.As(err, &e) {
		return e.Wait, true
	}
	return 0, false
}

// limits are the numbers of Options.
type limits struct {
	account, address, emails int
	window                   time.Duration
	steady                   func() bool
}

// of gives the window's limit of a kind.
func (l limits) of(kind string) int {
	if kind == kindAddress {
		return l.address
	}
	return l.account
}

// step is how close together places are counted as one mark: 0 for small
// limits, which are exact.
func (l limits) step(kind string) time.Duration {
	if l.of(kind) <= 100 {
		return 0
	}
	return l.window / 100
}

// fresh empties a counter that has expired, and puts right one that was written
// by a clock that was wrong, which it tells.
func (l limits) fresh(c *Counter, now time.Time) (mended bool) {
	if !c.Expires.After(now) {
		*c = Counter{Key: c.Key}
		return false
	}
	return l.mend(c, now)
}

// mend takes for now what a counter has from further ahead than a window: no two
// nodes are that far apart, so that a clock was wrong by then, and nobody shall be
// kept out until the time that it showed. Unless the clock is the one that is
// wrong now: while it is not steady all stays as it is.
func (l limits) mend(c *Counter, now time.Time) (mended bool) {
	far := func(t time.Time, most time.Duration) bool { return t.After(now.Add(most + l.window)) }
	places, emails := readMarks(c.Places, now.Add(-l.window)), readMarks(c.Emails, now.Add(-EmailsWithin))
	if !far(c.LastAt, 0) && !far(c.BlockedUntil, l.window) && !far(c.KnownUntil, KnownFor) &&
		!far(places.last(), 0) && !far(emails.last(), 0) || l.steady != nil && !l.steady() {
		return false
	}
	reset := func(t *time.Time, most time.Duration) {
		if far(*t, most) {
			*t = now.Add(most)
		}
	}
	reset(&c.LastAt, 0)
	reset(&c.BlockedUntil, l.window)
	reset(&c.KnownUntil, KnownFor)
	for _, all := range []marks{places, emails} {
		for i := range all {
			reset(&all[i].at, 0)
		}
		all.sort()
	}
	c.Places, c.Emails = places.bytes(), emails.bytes()
	l.expire(c, now)
	return true
}

// wait says how long a counter refuses, and why; 0 if it does not.
func (l limits) wait(kind string, c *Counter, now time.Time) (wait time.Duration, why Why) {
	longest := func(w time.Duration, because Why) {
		if w > wait {
			wait, why = w, because
		}
	}
	longest(l.full(kind, c, now), WhyWindow)
	if kind == kindAddress {
		longest(c.BlockedUntil.Sub(now), WhyEmails)
		return wait, why
	}
	for _, tier := range Tiers() {
		if c.Failures >= tier.Failures {
			longest(c.LastAt.Add(tier.Wait).Sub(now), WhyTier)
		}
	}
	if c.Failures >= Ceiling {
		longest(c.Expires.Sub(now), WhyCeiling)
	}
	return wait, why
}

// full says how long until the window has room.
func (l limits) full(kind string, c *Counter, now time.Time) time.Duration {
	places := readMarks(c.Places, now.Add(-l.window))
	over := places.total() - l.of(kind)
	for _, p := range places {
		if over < 0 {
			break
		}
		if over -= int(p.n); over < 0 {
			return p.at.Add(l.window).Sub(now)
		}
	}
	return 0
}

// take takes a place.
func (l limits) take(kind string, c *Counter, now time.Time) {
	c.Kind = kind
	c.Places = readMarks(c.Places, now.Add(-l.window)).add(now, l.step(kind)).bytes()
	c.Failures++
	c.LastAt = now
	l.expire(c, now)
}

// giveBack takes a place out again; before is when the attempt before it was.
func (l limits) giveBack(c *Counter, taken, before, now time.Time) {
	c.Places = readMarks(c.Places, now.Add(-l.window)).remove(taken, l.step(c.Kind)).bytes()
	if c.Failures > 0 {
		c.Failures--
	}
	if c.LastAt.Equal(taken) {
		c.LastAt = before // the next wait goes from there
	}
	l.expire(c, now)
}

// inherit adds what is in the window of a counter to another one of its kind, and
// empties it.
func (l limits) inherit(to, from *Counter, now time.Time) {
	all := append(readMarks(to.Places, now.Add(-l.window)), readMarks(from.Places, now.Add(-l.window))...)
	if len(all) > 0 {
		all.sort()
		to.Kind, to.Places = from.Kind, all.bytes()
	}
	l.expire(to, now)
	l.lift(from, now)
}

// forgive begins to count failures in a row at 0. The window goes on: whoever
// makes the owner sign in gains no guess by it.
func (l limits) forgive(c *Counter, now time.Time) {
	c.Failures = 0
	l.expire(c, now)
}

// lift empties a counter, but for what the account knows.
func (l limits) lift(c *Counter, now time.Time) {
	c.Failures, c.BlockedUntil, c.Places, c.Emails = 0, time.Time{}, nil, nil
	l.expire(c, now)
}

// know lets the account know the device until a time.
func (l limits) know(c *Counter, user int64, client string, now time.Time) {
	c.Kind, c.UserID, c.Address = kindDevice, user, client
	c.KnownUntil = now.Add(KnownFor)
	l.forgive(c, now)
}

// expire says how long a counter must be kept; not at all if it counts nothing.
func (l limits) expire(c *Counter, now time.Time) {
	places := readMarks(c.Places, now.Add(-l.window))
	if c.Kind == kindAddress {
		// Of an address only the window counts.
		c.Failures = int64(places.total())
	}
	var until time.Time
	keep := func(t time.Time) {
		if t.After(now) && t.After(until) {
			until = t
		}
	}
	if len(places) > 0 {
		keep(places.last().Add(l.window))
	}
	if c.Failures > 0 && c.Kind != kindAddress {
		keep(c.LastAt.Add(time.Duration(c.Failures) * QuietFor))
	}
	if emails := readMarks(c.Emails, now.Add(-EmailsWithin)); len(emails) > 0 {
		keep(emails.last().Add(EmailsWithin))
	}
	keep(c.BlockedUntil)
	keep(c.KnownUntil)
	c.Expires = until
}

// failed notes that an e-mail has failed from an address, and blocks it when
// there are too many different ones. One that has failed before is none more.
func (l limits) failed(c *Counter, email uint32, now time.Time) (blocked bool, count int) {
	all := readMarks(c.Emails, now.Add(-EmailsWithin))
	isNew := true
	kept := all[:0]
	for _, m := range all {
		if m.n == email {
			isNew = false
			continue
		}
		kept = append(kept, m)
	}
	kept = append(kept, mark{now, email})
	if most := 2 * (l.emails + 1); len(kept) > most {
		kept = kept[len(kept)-most:]
	}
	c.Kind, c.Emails = kindAddress, kept.bytes()
	if isNew && len(kept) > l.emails && !c.BlockedUntil.After(now) {
		c.BlockedUntil = now.Add(l.window)
		blocked = true
	}
	l.expire(c, now)
	return blocked, len(kept)
}

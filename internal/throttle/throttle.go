package throttle

import (
	"net/netip"
	"sync/atomic"
	"time"
)

// The defaults of Options.
const (
	DefaultAccount = 10
	DefaultAddress = 30
	DefaultWindow  = 15 * time.Minute
	DefaultBurst   = 100
	DefaultEvery   = 30 * time.Second
)

// Counters is where the counts are. An implementation is safe for concurrent
// use, and each call is atomic.
type Counters interface {
	// Take takes one place in each of the counters keys, unless one of them
	// already has limits[i] places that are younger than window; then it takes
	// none and tells how long until every one of them has room. 0 means taken.
	// A place is known by its key and its time.
	Take(now time.Time, window time.Duration, keys []string, limits []int) (wait time.Duration)
	// GiveBack frees the places that were taken at that time, where they are
	// still held.
	GiveBack(taken time.Time, keys []string)
	// Meter is GCRA: it lets burst through at once and then one in every; 0
	// means let through, otherwise it is the time until the next.
	Meter(now time.Time, key string, burst int, every time.Duration) (wait time.Duration)
}

// Options are the limits. What is 0 has its default.
type Options struct {
	// Enabled says whether anything is limited at all.
	Enabled bool
	// Now is the clock; nil means time.Now. Differences count, so a clock that
	// has a monotonic reading is not shaken by a change of the wall clock.
	Now func() time.Time
	// Account and Address are the places per account and per client address
	// in a Window.
	Account, Address int
	Window           time.Duration
	// Burst is how many registrations an address may make at once; then one in
	// each Every.
	Burst int
	Every time.Duration
	// Counters keeps the counts; nil means a Memory of the default size.
	Counters Counters
}

// Throttle limits attempts. It is safe for concurrent use.
type Throttle struct {
	o Options
}

// New gives a Throttle.
func New(o Options) *Throttle {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Account <= 0 {
		o.Account = DefaultAccount
	}
	if o.Address <= 0 {
		o.Address = DefaultAddress
	}
	if o.Window <= 0 {
		o.Window = DefaultWindow
	}
	if o.Burst <= 0 {
		o.Burst = DefaultBurst
	}
	if o.Every <= 0 {
		o.Every = DefaultEvery
	}
	if o.Counters == nil {
		o.Counters = NewMemory(0)
	}
	return &Throttle{o}
}

// Attempt takes a place for one guess at an account's password from an
// address, before the password is looked at. The account is any string that
// is the same for every spelling of the same account (auth.Email.Key): an
// account that does not exist is counted like one that does.
//
// Over a limit the place is nil and wait, always positive then, is the time
// until the next attempt can succeed in taking one. Nothing is taken in either
// counter then.
func (t *Throttle) Attempt(account string, addr netip.Addr) (p *Place, wait time.Duration) {
	if !t.o.Enabled {
		return &Place{}, 0
	}
	now := t.o.Now()
	keys := []string{"attempt account " + account}
	limits := []int{t.o.Account}
	if client := clientKey(addr); client != "" {
		keys = append(keys, "attempt address "+client)
		limits = append(limits, t.o.Address)
	}
	if wait := t.o.Counters.Take(now, t.o.Window, keys, limits); wait > 0 {
		return nil, wait
	}
	return &Place{counters: t.o.Counters, taken: now, keys: keys}, 0
}

// Register counts one registration from an address. When ok is false nothing
// has been counted and wait is the time until one more may be made.
func (t *Throttle) Register(addr netip.Addr) (wait time.Duration, ok bool) {
	client := clientKey(addr)
	if !t.o.Enabled || client == "" {
		return 0, true
	}
	wait = t.o.Counters.Meter(t.o.Now(), "register "+client, t.o.Burst, t.o.Every)
	return wait, wait <= 0
}

// Place is what an attempt holds. It goes back to the counters by GiveBack, or
// by itself when the window has passed.
type Place struct {
	counters Counters // nil when nothing was counted
	taken    time.Time
	keys     []string
	back     atomic.Bool
}

// GiveBack undoes the attempt: it succeeded, or nothing was decided (no room to
// hash in, no database). A second call does nothing, nor does one on nil.
func (p *Place) GiveBack() {
	if p == nil || p.counters == nil || p.back.Swap(true) {
		return
	}
	p.counters.GiveBack(p.taken, p.keys)
}

// clientKey is what of an address is counted by, "" for one that is not
// counted.
func clientKey(addr netip.Addr) string {
	addr = addr.Unmap()
	if !addr.IsValid() || addr.IsLoopback() {
		return ""
	}
	if addr.Is4() {
		return addr.String()
	}
	return netip.PrefixFrom(addr, 64).Masked().String() // without a zone
}

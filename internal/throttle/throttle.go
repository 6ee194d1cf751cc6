package throttle

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"net/netip"
	"strconv"
	"sync/atomic"
	"time"
)

// The defaults of Options.
const (
	DefaultAccount = 10
	DefaultAddress = 30
	DefaultEmails  = 20
	DefaultWindow  = 15 * time.Minute
	DefaultBurst   = 100
	DefaultEvery   = 30 * time.Second
)

// Options are the limits. What is 0 has its default.
type Options struct {
	// Enabled says whether anything is limited at all.
	Enabled bool
	// Now is the clock; nil means time.Now.
	Now func() time.Time
	// Account is the places per account, known device and session in a Window,
	// Address those per client address.
	Account, Address int
	Window           time.Duration
	// Emails is how many different e-mails may fail from an address in an hour.
	Emails int
	// Burst is how many registrations an address may make at once; then one in
	// each Every.
	Burst int
	Every time.Duration
	// Counters keeps the counts. It is required where Enabled is set.
	Counters Counters
	// Steady reports whether Now has gone as time goes for long enough to be right;
	// nil is always. Until then nothing is changed that another clock has written.
	Steady func() bool
	// Secret is what keys are hashed and devices are remembered with: the same on
	// all nodes. nil is a random one.
	Secret []byte
}

// Throttle limits attempts. It is safe for concurrent use.
type Throttle struct {
	o        Options
	limits   limits
	refusals *refusals
	meters   *meters
}

// New gives a Throttle.
func New(o Options) *Throttle {
	if o.Now == nil {
		o.Now = time.Now
	}
	for n, otherwise := range map[*int]int{&o.Account: DefaultAccount, &o.Address: DefaultAddress, &o.Emails: DefaultEmails, &o.Burst: DefaultBurst} {
		if *n <= 0 {
			*n = otherwise
		}
	}
	if o.Window <= 0 {
		o.Window = DefaultWindow
	}
	if o.Every <= 0 {
		o.Every = DefaultEvery
	}
	if o.Secret == nil {
		o.Secret = make([]byte, 32)
		_, _ = rand.Read(o.Secret) // never fails (crypto/rand)
	}
	return &Throttle{
		o:        o,
		limits:   limits{account: o.Account, address: o.Address, emails: o.Emails, window: o.Window, steady: o.Steady},
		refusals: newRefusals(maxRefusals),
		meters:   newMeters(maxMeters),
	}
}

// now is the clock as it is stored.
func (t *Throttle) now() time.Time { return t.o.Now().Truncate(time.Microsecond) }

// Guess is an attempt at an account's password.
type Guess struct {
	// UserID is whose account it is, 0 if there is none; Email is the e-mail's
	// key (auth.Email.Key), which counts where there is none.
	UserID int64
	Email  string
	// Address is the client's.
	Address netip.Addr
	// Device is what the browser kept of Remember; "" for none.
	Device string
}

// keys are those of the counters that a guess may concern; "" for none.
type keys struct {
	account, address, pair, device string
}

func (k keys) list() []string {
	var all []string
	for _, key := range []string{k.account, k.address, k.pair, k.device} {
		if key != "" {
			all = append(all, key)
		}
	}
	return all
}

// scene is the counters of keys; nil for none.
type scene struct {
	account, address, pair, device *Counter
	mended                         bool // and to be stored so
}

func (k keys) scene(l limits, all []Counter, now time.Time) scene {
	var s scene
	i := 0
	for _, place := range []struct {
		key string
		to  **Counter
	}{{k.account, &s.account}, {k.address, &s.address}, {k.pair, &s.pair}, {k.device, &s.device}} {
		if place.key != "" {
			*place.to = &all[i]
			s.mended = l.fresh(&all[i], now) || s.mended
			i++
		}
	}
	return s
}

func (t *Throttle) keys(g Guess) keys {
	account := accountName(g.UserID, g.Email)
	k := keys{account: t.key(kindAccount, account)}
	if client := clientKey(g.Address); client != "" {
		k.address = t.key(kindAddress, client)
		k.pair = t.key(kindDevice, account, "address", client)
	}
	if device, ok := t.device(g.Device, g.UserID); ok {
		k.device = t.key(kindDevice, account, "browser", device)
	}
	return k
}

// accountName is what all identifiers of an account have in common. An account
// that does not exist has its e-mail alone.
func accountName(userID int64, email string) string {
	if userID != 0 {
		return "user " + strconv.FormatInt(userID, 10)
	}
	return "email " + email
}

// key hashes what is counted: what is stored names nobody who is not known here.
func (t *Throttle) key(parts ...string) string {
	return hex.EncodeToString(t.mac("counter", parts...)[:16])
}

// mac is HMAC-SHA256 over a purpose and parts of any content.
func (t *Throttle) mac(purpose string, parts ...string) []byte {
	h := hmac.New(sha256.New, t.o.Secret)
	for _, part := range append([]string{purpose}, parts...) {
		var length [4]byte
		binary.BigEndian.PutUint32(length[:], uint32(len(part))) //nolint:gosec // An e-mail or an address.
		h.Write(length[:])
		h.Write([]byte(part))
	}
	return h.Sum(nil)
}

// judge picks the counter that a guess is counted in beside its address, and
// says how long it must wait and which counter wants it to.
func (t *Throttle) judge(s scene, now time.Time) (counts *Counter, kind string, wait time.Duration, why *Counter) {
	byAddress := s.address
	switch {
	case s.device != nil && s.device.Failures < Ceiling:
		counts, kind, byAddress = s.device, kindDevice, nil
	case s.pair != nil && s.pair.KnownUntil.After(now) && s.pair.Failures < Ceiling:
		counts, kind = s.pair, kindDevice
	default:
		counts, kind = s.account, kindAccount
	}
	wait, _ = t.limits.wait(kind, counts, now)
	why = counts
	if byAddress != nil {
		if w, _ := t.limits.wait(kindAddress, byAddress, now); w > wait {
			wait, why = w, byAddress
		}
	}
	return counts, kind, wait, why
}

// Attempt takes a place for one guess, before the password is looked at.
//
// Over a limit the place is nil and wait, always positive then, is the time
// until the next attempt can succeed in taking one. Nothing is taken in any
// counter then. With an error nothing may be guessed: nobody knows whether
// there is a place.
func (t *Throttle) Attempt(ctx context.Context, g Guess) (p *Place, wait time.Duration, err error) {
	if !t.o.Enabled {
		return &Place{}, 0, nil
	}
	k := t.keys(g)
	now := t.now()
	id := k.own()
	wait, look := t.refusals.of(now, id, k)
	if wait > 0 {
		return nil, wait, nil
	}
	if look {
		// It was refused of late: one that is refused again shall not lock and
		// write.
		all, err := t.o.Counters.Counters(ctx, k.list())
		if err != nil {
			return nil, 0, err
		}
		s := k.scene(t.limits, all, now)
		if _, _, wait, why := t.judge(s, now); wait > 0 && !s.mended {
			t.refusals.note(now, id, why.Key, k, wait)
			return nil, wait, nil
		}
	}
	var o outcome
	err = t.o.Counters.Count(ctx, Change{k.list(), func(all []Counter) (*Notice, error) {
		if err := ctx.Err(); err != nil {
			return nil, err // Nobody is there to make the guess, or to give it back.
		}
		o = outcome{}
		s := k.scene(t.limits, all, now)
		counts, kind, wait, why := t.judge(s, now)
		if wait > 0 {
			o.wait, o.by = wait, why.Key
			return nil, nil
		}
		p := &Place{t: t, keys: k, user: g.UserID, client: clientKey(g.Address), counts: counts.Key, taken: now, before: counts.LastAt}
		o.place = p
		t.limits.take(kind, counts, now)
		counts.UserID = g.UserID
		if kind == kindDevice {
			counts.Address = p.client
		}
		if s.address != nil && counts != s.device {
			t.limits.take(kindAddress, s.address, now)
			s.address.Address = p.client
		}
		if counts.Failures == Ceiling && g.UserID != 0 {
			return &Notice{What: NoticeCeiling, At: now, UserID: g.UserID, Address: p.client, Count: Ceiling}, nil
		}
		return nil, nil
	}})
	if err != nil {
		return nil, 0, err
	}
	if o.wait > 0 {
		t.refusals.note(now, id, o.by, k, o.wait)
	}
	return o.place, o.wait, nil
}

// outcome is what a counting has come to. It is looked at only after one without
// an error: a counting whose caller has gone goes on without it, and writes here
// still.
type outcome struct {
	place *Place
	wait  time.Duration
	by    string // the key of the counter that refused
}

// AttemptIn takes a place for one guess at the old password from a session of a
// user's ("" for one that has no id): nobody else's failures are in its way.
func (t *Throttle) AttemptIn(ctx context.Context, userID int64, session string) (p *Place, wait time.Duration, err error) {
	if !t.o.Enabled {
		return &Place{}, 0, nil
	}
	now := t.now()
	k := keys{account: t.key(kindSession, strconv.FormatInt(userID, 10), session)}
	wait, look := t.refusals.of(now, k.own(), k)
	if wait > 0 {
		return nil, wait, nil
	}
	if look {
		all, err := t.o.Counters.Counters(ctx, k.list())
		if err != nil {
			return nil, 0, err
		}
		s := k.scene(t.limits, all, now)
		if wait, _ := t.limits.wait(kindSession, s.account, now); wait > 0 && !s.mended {
			t.refusals.note(now, k.own(), k.account, k, wait)
			return nil, wait, nil
		}
	}
	var o outcome
	err = t.o.Counters.Count(ctx, Change{k.list(), func(all []Counter) (*Notice, error) {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		c := k.scene(t.limits, all, now).account
		o = outcome{}
		if o.wait, _ = t.limits.wait(kindSession, c, now); o.wait > 0 {
			return nil, nil
		}
		o.place = &Place{t: t, keys: k, user: userID, counts: c.Key, taken: now, before: c.LastAt, within: true}
		t.limits.take(kindSession, c, now)
		c.UserID = userID
		return nil, nil
	}})
	if err != nil {
		return nil, 0, err
	}
	if o.wait > 0 {
		t.refusals.note(now, k.own(), k.account, k, o.wait)
	}
	return o.place, o.wait, nil
}

// Register counts one registration from an address, on this node alone. When
// ok is false nothing has been counted and wait is the time until one more may
// be made.
func (t *Throttle) Register(addr netip.Addr) (wait time.Duration, ok bool) {
	client := clientKey(addr)
	if !t.o.Enabled || client == "" {
		return 0, true
	}
	wait = t.meters.meter(t.o.Now(), client, t.o.Burst, t.o.Every)
	return wait, wait <= 0
}

// Place is what an attempt holds. It goes back to the counters by Success or
// GiveBack, or by itself when the window has passed.
type Place struct {
	t      *Throttle // nil when nothing was counted
	keys   keys
	user   int64
	client string
	counts string // the key of the counter that it was taken in
	taken  time.Time
	before time.Time // when the attempt before it was
	within bool      // of a session's counter
	// grown are the counters of the account that there has come to be meanwhile.
	grown keys
	back  atomic.Bool
}

// Become says that the e-mail which the place was taken for, nobody's then, is an
// account's now. Success counts for that account, and what strangers have in the
// e-mail's window goes on in the account's.
func (p *Place) Become(userID int64) {
	if p == nil || p.t == nil || p.user != 0 || userID == 0 {
		return
	}
	account := accountName(userID, "")
	p.user, p.grown = userID, keys{account: p.t.key(kindAccount, account)}
	if p.client != "" {
		p.grown.pair = p.t.key(kindDevice, account, "address", p.client)
	}
}

// Success gives the place back and begins the failures in a row at 0, those of
// unknown devices too; the account knows the address from now on. It is to be
// done in the transaction of what the attempt was for, and refuses that if the
// address was blocked meanwhile. Without Keys there is nothing to do.
func (p *Place) Success() Change {
	if p == nil || p.t == nil {
		return Change{}
	}
	t := p.t
	own := p.keys.list()
	return Change{append(own, p.grown.list()...), func(all []Counter) (*Notice, error) {
		now := t.now()
		grown := p.grown.scene(t.limits, all[len(own):], now)
		all = all[:len(own)]
		s := p.keys.scene(t.limits, all, now)
		if s.address != nil && p.takenIn(s.address) && s.address.BlockedUntil.After(now) {
			return nil, &Refused{s.address.BlockedUntil.Sub(now)}
		}
		for i := range all {
			if p.takenIn(&all[i]) {
				t.limits.giveBack(&all[i], p.taken, p.before, now)
			}
			if all[i].Key == p.counts {
				t.limits.forgive(&all[i], now)
			}
		}
		if !p.within {
			t.limits.forgive(s.account, now)
		}
		known := s.pair
		if grown.account != nil {
			known = grown.pair
			t.limits.inherit(grown.account, s.account, now)
			grown.account.UserID = p.user
			t.limits.forgive(grown.account, now)
		}
		if known != nil {
			t.limits.know(known, p.user, p.client, now)
		}
		return nil, nil
	}}
}

// takenIn reports whether the place was taken in a counter.
func (p *Place) takenIn(c *Counter) bool {
	return c.Key == p.counts || c.Key == p.keys.address && p.counts != p.keys.device
}

// GiveBack undoes the attempt: nothing was decided (no room to hash in, no
// database). A second call does nothing, nor does one on nil. What cannot be
// given back stays taken until the window has passed.
func (p *Place) GiveBack(ctx context.Context) error {
	if p == nil || p.t == nil || p.back.Swap(true) {
		return nil
	}
	t := p.t
	return t.o.Counters.Count(ctx, Change{p.keys.list(), func(all []Counter) (*Notice, error) {
		now := t.now()
		p.keys.scene(t.limits, all, now)
		for i := range all {
			if p.takenIn(&all[i]) && !all[i].Expires.IsZero() {
				t.limits.giveBack(&all[i], p.taken, p.before, now)
			}
		}
		return nil, nil
	}})
}

// Failed says that the guess was wrong. The place stays taken; what is counted
// is that this e-mail failed from this address. If the address was blocked
// meanwhile wait says for how long: a guess that was right is refused then, and
// one that was wrong must look the same.
func (p *Place) Failed(ctx context.Context) (wait time.Duration, err error) {
	if p == nil || p.t == nil || p.keys.address == "" || p.counts == p.keys.device {
		return 0, nil
	}
	t := p.t
	email := binary.BigEndian.Uint32(t.mac("email", p.keys.account))
	var o outcome
	if err := t.o.Counters.Count(ctx, Change{[]string{p.keys.address}, func(all []Counter) (*Notice, error) {
		now := t.now()
		t.limits.fresh(&all[0], now)
		if o.wait = max(0, all[0].BlockedUntil.Sub(now)); o.wait > 0 {
			return nil, nil
		}
		all[0].Address = p.client
		if blocked, count := t.limits.failed(&all[0], email, now); blocked {
			return &Notice{What: NoticeBlocked, At: now, Address: p.client, Count: int64(count)}, nil
		}
		return nil, nil
	}}); err != nil {
		return 0, err
	}
	return o.wait, nil
}

// Known lets an account know the address of a sign-in that no guess was needed
// for. Without Keys there is nothing to do.
func (t *Throttle) Known(userID int64, addr netip.Addr) Change {
	k := t.keys(Guess{UserID: userID, Address: addr})
	if !t.o.Enabled || k.pair == "" {
		return Change{}
	}
	return Change{[]string{k.pair}, func(all []Counter) (*Notice, error) {
		now := t.now()
		t.limits.fresh(&all[0], now)
		t.limits.know(&all[0], userID, clientKey(addr), now)
		return nil, nil
	}}
}

// Lift empties counters. What an account knows stays known.
func (t *Throttle) Lift(keys ...string) Change {
	return Change{keys, func(all []Counter) (*Notice, error) {
		now := t.now()
		for i := range all {
			t.limits.fresh(&all[i], now)
			t.limits.lift(&all[i], now)
		}
		return nil, nil
	}}
}

// AccountKey is the key of the counter of an account that exists.
func (t *Throttle) AccountKey(userID int64) string { return t.keys(Guess{UserID: userID}).account }

// AddressKey is the key of an address's counter, "" for one that is not counted.
func (t *Throttle) AddressKey(addr netip.Addr) string { return t.keys(Guess{Address: addr}).address }

// Refuses says until when a counter that is stored refuses, and why; the zero
// time if it does not.
func (t *Throttle) Refuses(c Counter) (until time.Time, why Why) {
	now := t.now()
	t.limits.fresh(&c, now)
	wait, why := t.limits.wait(c.Kind, &c, now)
	if wait <= 0 {
		return time.Time{}, ""
	}
	return now.Add(wait), why
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

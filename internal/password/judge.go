package password

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"
)

// Verdict is what Judge found about a password.
type Verdict struct {
	// OK: the password is the hash's.
	OK bool
	// Rehash: it should be hashed anew (see NeedsRehash).
	Rehash bool

	hasher *Hasher
	class  string        // of the hash that was computed
	own    string        // the class of our hashes
	tries  int           // how often a wrong password is tried, 1 or 2
	began  time.Time     // in its place, not in the queue
	took   time.Duration // for all tries that were made
}

// Judge is Verify for an answer that anybody can ask for: its Verdict can wait
// as long as the slowest of the hashes would have taken (Settle).
//
// The serializers of Django REST framework trim what they are sent, so that a
// password may have been hashed without the blanks around it. For a hash that
// Hash would not write today the trimmed form is tried too if the password as it
// came is wrong. While there are such hashes every password with blanks around
// it is tried twice, whosever it is, so that the work does not tell whose hash
// is whose. What matched by its trimmed form is not to be hashed anew: hashed as
// it came, a blank that slipped in once would belong to the password for good,
// and hashed trimmed, a user who always sends it could not sign in again. The
// old hash stays and does what it did, until the exact form comes.
func (h *Hasher) Judge(ctx context.Context, pw, encoded string) (Verdict, error) {
	stored, err := h.parse(encoded)
	usable := err == nil && len(pw) <= MaxLength
	if !usable {
		stored = h.dummy
	}
	if len(pw) > MaxLength {
		pw = "overlong"
	}
	foreign := !h.writes.write(stored)
	v := Verdict{hasher: h, class: class(stored), own: class(h.dummy), tries: 1}
	trimmed := strip(pw)
	if trimmed != pw && trimmed != "" && (foreign || h.floor.mayRise()) {
		v.tries = 2
	}
	var exact, loose bool
	err = h.work(ctx, stored, func(t turn) {
		v.began = t.began
		exact = stored.matches(pw, t)
		if v.tries == 2 && !exact {
			loose = stored.matches(trimmed, t)
		}
		v.took = time.Since(v.began)
	})
	if err != nil {
		return Verdict{}, err
	}
	exact, loose = exact && usable, loose && usable && foreign
	v.OK = exact || loose
	v.Rehash = exact && foreign
	each := v.took
	if v.tries == 2 && !exact {
		each /= 2
	}
	if foreign {
		h.floor.met(v.class, each)
	}
	h.floor.heard(v.class, each)
	return v, nil
}

// Settle waits until the slowest of the hashes present would have failed too.
// Call it on a refusal, after everything else has been done: the place among
// the hashes has been given back, and the wait costs a timer. It ends early with
// ctx; a success need not wait.
func (v Verdict) Settle(ctx context.Context) {
	until := v.hasher.floor.until(ctx, v)
	wait := time.Until(until)
	if wait <= 0 {
		return
	}
	t := time.NewTimer(wait)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

const (
	// headroom is how far above the slowest hash's time refusals are answered:
	// its own time varies, and what exceeds the floor shows.
	headroom = 1.25
	// patience is how long a refusal waits to hear which hashes there are.
	// That is one look into an index at the start.
	patience = 2 * time.Second
	// quick hashes are timed several times, and the least counts.
	quick   = 400 * time.Millisecond
	timings = 3
	// lately is how many logins tell what a class really takes: beside other
	// work some formats vary much more than others.
	lately = 64
	// timedFor is how long a timing is good. What was timed while the machine
	// was busy comes down with the next one.
	timedFor = 10 * time.Minute
)

// floor is the time that a refusal takes at least, once it has a place: that of
// the slowest hash that any user has.
type floor struct {
	mu sync.Mutex
	// took is the time of one hash of each class, measured here.
	took map[string]time.Duration
	// logins are the times of the last hashes of each class that were computed
	// for logins, the oldest first.
	logins map[string][]time.Duration
	// timed is when Present last timed them.
	timed map[string]time.Time
	// present are the foreign classes that users have.
	present map[string]bool
	// slowest is the largest time of those, 0 for none.
	slowest time.Duration
	// known is closed when present has been told; nil when nobody will.
	known chan struct{}
}

// mayRise reports whether there may be foreign hashes.
func (f *floor) mayRise() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.present) > 0 {
		return true
	}
	if f.known == nil {
		return false
	}
	select {
	case <-f.known:
		return false
	default:
		return true
	}
}

// met notes a class that a login has come upon: it may have been imported a
// moment ago.
func (f *floor) met(class string, took time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.present[class] {
		return
	}
	f.note(class, took)
	if f.present == nil {
		f.present = map[string]bool{}
	}
	f.present[class] = true
	f.slowest = max(f.slowest, f.took[class])
}

// note keeps the least time of a class. The lock is held.
func (f *floor) note(class string, took time.Duration) {
	if f.took == nil {
		f.took = map[string]time.Duration{}
	}
	if before, ok := f.took[class]; !ok || took < before {
		f.took[class] = took
	}
}

// due reports whether a class is to be timed.
func (f *floor) due(class string, now time.Time) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	at, ok := f.timed[class]
	return !ok || now.Sub(at) >= timedFor
}

// measured keeps what was timed.
func (f *floor) measured(class string, took time.Duration, now time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.timed == nil {
		f.timed = map[string]time.Time{}
	}
	f.timed[class] = now
	f.note(class, took)
	// What logins took while the machine was busy is forgotten, the older half
	// each time.
	if all := f.logins[class]; len(all) > 0 {
		f.logins[class] = all[(len(all)+1)/2:]
	}
}

// until is when a refusal may be answered.
func (f *floor) until(ctx context.Context, v Verdict) time.Time {
	f.mu.Lock()
	known := f.known
	f.mu.Unlock()
	if known != nil {
		t := time.NewTimer(patience)
		defer t.Stop()
		select {
		case <-known:
		case <-ctx.Done():
		case <-t.C:
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.slowest == 0 {
		return v.began
	}
	least := f.level(v.own)
	for name := range f.present {
		least = max(least, f.level(name))
	}
	least *= time.Duration(v.tries)
	// Where everything is slow now, the slowest hash would be so too. As many of
	// each class exceed their level, so that it does not tell which one it was.
	if level, each := f.level(v.class), v.took/time.Duration(v.tries); level > 0 && each > level {
		least = time.Duration(float64(least) * float64(each) / float64(level))
	}
	return v.began.Add(least)
}

// level is the time within which nineteen of twenty hashes of a class are done,
// and a little more than the one that was timed. The lock is held.
func (f *floor) level(class string) time.Duration {
	level := time.Duration(headroom * float64(f.took[class]))
	if all := f.logins[class]; len(all) > 0 {
		level = max(level, slices.Sorted(slices.Values(all))[(len(all)*19+19)/20-1])
	}
	return level
}

// heard keeps how long a hash took.
func (f *floor) heard(class string, took time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.logins == nil {
		f.logins = map[string][]time.Duration{}
	}
	all := append(f.logins[class], took)
	f.logins[class] = all[max(0, len(all)-lately):]
}

// AwaitPresent makes refusals wait, for a moment, until Present has been called.
func (h *Hasher) AwaitPresent() {
	h.floor.mu.Lock()
	defer h.floor.mu.Unlock()
	if h.floor.known == nil {
		h.floor.known = make(chan struct{})
	}
}

// Present tells which foreign hashes users have: one for each Costs, or more.
// Those of costs not met before are timed here, in a place of their own, and all
// again from time to time. The error is a *BusyError or ctx's; then the floor is what it was, or higher.
func (h *Hasher) Present(ctx context.Context, encoded []string) error {
	classes := map[string]hash{}
	for _, s := range encoded {
		if stored, err := h.parse(s); err == nil && !h.writes.write(stored) {
			classes[class(stored)] = stored
		}
	}
	timed := map[string]hash{}
	for name, stored := range classes {
		timed[name] = stored
	}
	if len(classes) > 0 {
		timed[class(h.dummy)] = h.dummy
	}
	for name, stored := range timed {
		if !h.floor.due(name, time.Now()) {
			continue
		}
		least, err := h.time(ctx, stored)
		if err != nil {
			return fmt.Errorf("time a hash: %w", err)
		}
		h.floor.measured(name, least, time.Now())
	}
	h.floor.set(classes, class(h.dummy))
	return nil
}

// time gives how long a hash takes here, at its best.
func (h *Hasher) time(ctx context.Context, stored hash) (time.Duration, error) {
	var least time.Duration
	for i := range timings {
		var took time.Duration
		if err := h.work(ctx, stored, func(t turn) {
			stored.matches("c0rrect-Horse-42", t)
			took = time.Since(t.began)
		}); err != nil {
			return 0, err
		}
		if i == 0 || took < least {
			least = took
		}
		if least > quick {
			break
		}
	}
	return least, nil
}

// set keeps which foreign hashes there are; own is the class of ours.
func (f *floor) set(classes map[string]hash, own string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.present, f.slowest = map[string]bool{}, 0
	for name := range classes {
		f.present[name] = true
		f.slowest = max(f.slowest, f.took[name])
	}
	if len(classes) > 0 {
		// Our own may be the slowest.
		f.slowest = max(f.slowest, f.took[own])
	}
	if f.known == nil {
		f.known = make(chan struct{})
	}
	select {
	case <-f.known:
	default:
		close(f.known)
	}
}

// class names what a hash costs: hashes of one class take equally long.
func class(h hash) string {
	switch h := h.(type) {
	case *argon2Hash:
		return fmt.Sprintf("%s m=%d t=%d p=%d", h.variety, h.memory, h.time, h.threads)
	case *pbkdf2Hash:
		return fmt.Sprintf("%s %d", h.format, h.iterations)
	case *scryptHash:
		return fmt.Sprintf("scrypt N=%d r=%d p=%d", h.n, h.r, h.p)
	case *bcryptHash:
		return h.format + " " + string(h.crypt[4:6])
	default:
		return ""
	}
}

// Costs gives the beginning of an encoded hash, up to the "$" after the costs
// that stand before the salt: hashes that begin with it cost the same, but for
// scrypt's r and p. Of what cannot be verified it is the format, or all of it.
func Costs(encoded string) string {
	parts := map[string]int{
		Argon2: 4, PBKDF2SHA256: 2, PBKDF2SHA1: 2, Scrypt: 2, Bcrypt: 4, BcryptSHA256: 4,
	}[Identify(encoded)]
	if parts == 0 {
		parts = 1
	}
	for i := range len(encoded) {
		if encoded[i] == '$' {
			if parts--; parts == 0 {
				return encoded[:i+1]
			}
		}
	}
	return encoded
}

package throttle

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// clock is a time that the test moves.
type clock struct{ t time.Time }

func newClock() *clock               { return &clock{time.Date(2026, 11, 23, 5, 0, 0, 0, time.UTC)} }
func (c *clock) now() time.Time      { return c.t }
func (c *clock) add(d time.Duration) { c.t = c.t.Add(d) }

func ip(s string) netip.Addr { return netip.MustParseAddr(s) }

// address gives the i-th of many client addresses.
func address(i int) netip.Addr {
	return netip.AddrFrom4([4]byte{100, byte(i >> 16), byte(i >> 8), byte(i)})
}

// shelf keeps counters in memory, as a store does in its table.
type shelf struct {
	mu      sync.Mutex
	all     map[string]Counter
	notices []Notice
	// reads and counts are how often it was asked, changes how often a counter was
	// written; err is what it answers.
	reads, counts, changes int
	err                    error
}

func newShelf() *shelf { return &shelf{all: map[string]Counter{}} }

func (s *shelf) Count(_ context.Context, c Change) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.counts++; s.err != nil {
		return s.err
	}
	all := s.get(c.Keys)
	notice, err := c.Apply(all)
	if err != nil {
		return err
	}
	if notice != nil {
		s.notices = append(s.notices, *notice)
	}
	for _, n := range all {
		was, there := s.all[n.Key]
		switch {
		case n.Expires.IsZero():
			if there {
				s.changes++
			}
			delete(s.all, n.Key)
		case fmt.Sprint(n) != fmt.Sprint(was):
			s.changes++
			s.all[n.Key] = n
		}
	}
	return nil
}

func (s *shelf) Counters(_ context.Context, keys []string) ([]Counter, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reads++
	return s.get(keys), s.err
}

func (s *shelf) get(keys []string) []Counter {
	all := make([]Counter, len(keys))
	for i, k := range keys {
		all[i] = s.all[k]
		all[i].Key = k
		all[i].Places, all[i].Emails = slices.Clone(all[i].Places), slices.Clone(all[i].Emails)
	}
	return all
}

// world is a throttle with its clock and shelf.
type world struct {
	*Throttle
	*clock
	*shelf
	t *testing.T
}

func newWorld(t *testing.T, o Options) *world {
	w := &world{clock: newClock(), shelf: newShelf(), t: t}
	o.Enabled, o.Now, o.Counters = true, w.clock.now, w.shelf
	w.Throttle = New(o)
	return w
}

func (w *world) now() time.Time { return w.clock.t }

// owner is the account that the tests are about.
const owner = 7

func guess(addr netip.Addr) Guess {
	return Guess{UserID: owner, Email: "ada@example.com", Address: addr}
}

// try takes a place; nil if there is none.
func (w *world) try(g Guess) *Place {
	w.t.Helper()
	p, wait, err := w.Attempt(w.t.Context(), g)
	if err != nil || (p == nil) != (wait > 0) {
		w.t.Fatalf("place %v, wait %v, %v", p, wait, err)
	}
	return p
}

func (w *world) wait(g Guess) time.Duration {
	w.t.Helper()
	p, wait, err := w.Attempt(w.t.Context(), g)
	if err != nil || p != nil {
		w.t.Fatalf("place %v, %v", p, err)
	}
	return wait
}

// succeed signs in.
func (w *world) succeed(g Guess) {
	w.t.Helper()
	p := w.try(g)
	if p == nil {
		w.t.Fatal("refused")
	}
	if err := w.Count(w.t.Context(), p.Success()); err != nil {
		w.t.Fatal(err)
	}
}

// fail guesses wrong, and reports whether it came so far.
func (w *world) fail(g Guess) bool {
	w.t.Helper()
	p := w.try(g)
	if p == nil {
		return false
	}
	if _, err := p.Failed(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
	return true
}

// forget makes the node forget its refusals, as another node would.
func (w *world) forget() { w.refusals = newRefusals(maxRefusals) }

func TestAccountLimit(t *testing.T) {
	w := newWorld(t, Options{Window: time.Hour})
	for i := range 10 {
		if !w.fail(guess(address(i))) {
			t.Fatalf("attempt %d is refused", i+1)
		}
		w.add(time.Minute)
	}
	// Ten minutes have passed: the first place goes in fifty.
	if wait := w.wait(guess(address(10))); wait != 50*time.Minute {
		t.Errorf("attempt 11: wait %v, want 50m", wait)
	}
	if !w.fail(Guess{UserID: 8, Address: address(10)}) {
		t.Error("another account is refused")
	}
	w.add(50*time.Minute - time.Microsecond)
	if wait := w.wait(guess(address(10))); wait != time.Microsecond {
		t.Errorf("a microsecond early: wait %v", wait)
	}
	w.add(time.Microsecond)
	if !w.fail(guess(address(10))) {
		t.Error("refused when the first place goes")
	}
	if wait := w.wait(guess(address(10))); wait != time.Minute {
		t.Errorf("the next one: wait %v, want 1m", wait)
	}
}

// TestOneAccount: whatever names the account, it has one counter, and one that
// does not exist is counted like one that does.
// LESSON 25
func TestOneAccount(t *testing.T) {
	for name, c := range map[string]struct {
		first, second Guess
		shared        bool
	}{
		"by another spelling":           {Guess{UserID: 7, Email: "ada@example.com"}, Guess{UserID: 7, Email: "other@example.com"}, true},
		"another account":               {Guess{UserID: 7}, Guess{UserID: 8}, false},
		"nobody's e-mail":               {Guess{Email: "ada@example.com"}, Guess{Email: "ada@example.com"}, true},
		"another e-mail of nobody":      {Guess{Email: "ada@example.com"}, Guess{Email: "bob@example.com"}, false},
		"an e-mail like an account":     {Guess{UserID: 7}, Guess{Email: "user 7"}, false},
		"an e-mail with all in it":      {Guess{Email: "a"}, Guess{Email: "a\x00"}, false},
		"from another client's address": {Guess{UserID: 7, Address: address(1)}, Guess{UserID: 7, Address: address(2)}, true},
	} {
		w := newWorld(t, Options{})
		for i := range 10 {
			if !w.fail(c.first) {
				t.Fatalf("%s: attempt %d is refused", name, i+1)
			}
		}
		if p := w.try(c.second); (p == nil) != c.shared {
			t.Errorf("%s: refused %v, want %v", name, p == nil, c.shared)
		}
	}
}

// TestAddressLimit.
// LESSON 24
func TestAddressLimit(t *testing.T) {
	for name, c := range map[string]struct {
		first, second string
		shared        bool
	}{
		"the same":               {"203.0.113.7", "203.0.113.7", true},
		"another":                {"203.0.113.7", "203.0.113.8", false},
		"mapped":                 {"203.0.113.7", "::ffff:203.0.113.7", true},
		"one /64":                {"2001:db8:1:2::1", "2001:db8:1:2:ffff:ffff:ffff:ffff", true},
		"one /64, zone":          {"fe80::1%eth0", "fe80::2%eth1", true},
		"another /64":            {"2001:db8:1:2::1", "2001:db8:1:3::1", false},
		"loopback":               {"127.0.0.1", "127.0.0.1", false},
		"loopback of IPv6":       {"::1", "::1", false},
		"loopback, mapped":       {"::ffff:127.0.0.9", "::ffff:127.0.0.9", false},
		"IPv4 that looks like 6": {"1.2.3.4", "102:304::", false},
	} {
		w := newWorld(t, Options{})
		for i := range 30 {
			if w.try(Guess{Email: strconv.Itoa(i), Address: ip(c.first)}) == nil {
				t.Fatalf("%s: attempt %d is refused", name, i+1)
			}
		}
		if p := w.try(Guess{Email: "next", Address: ip(c.second)}); (p == nil) != c.shared {
			t.Errorf("%s: refused %v, want %v", name, p == nil, c.shared)
		}
	}
	w := newWorld(t, Options{})
	for i := range 100 {
		if w.try(Guess{Email: strconv.Itoa(i)}) == nil {
			t.Fatalf("no address: attempt %d is refused", i+1)
		}
	}
}

// TestRefusedTakesNothing: what one counter refuses takes no place in another,
// and nothing is written.
func TestRefusedTakesNothing(t *testing.T) {
	w := newWorld(t, Options{})
	for range 10 {
		w.try(guess(address(1)))
	}
	before, changes, counts := maps.Clone(w.all), w.changes, w.counts
	for i := range 3000 { // refused by the account
		if w.try(guess(address(2+i%3))) != nil {
			t.Fatal("taken")
		}
		w.add(10 * time.Millisecond)
	}
	if w.changes != changes || fmt.Sprint(w.all) != fmt.Sprint(before) {
		t.Errorf("%d counters were written by what was refused", w.changes-changes)
	}
	if n := w.counts - counts; n > 1 {
		t.Errorf("%d of them locked something, want one at most", n)
	}
	if most := 3 * 31; w.reads > most {
		t.Errorf("%d reads for 3000 refusals from 3 clients in 30 s, want %d at most", w.reads, most)
	}
	for i := range 30 {
		if w.try(Guess{Email: strconv.Itoa(i), Address: address(2)}) == nil {
			t.Fatalf("attempt %d from an address that has taken nothing is refused", i+1)
		}
	}
	for range 100 { // refused by the address
		if w.try(Guess{Email: "other", Address: address(2)}) != nil {
			t.Fatal("taken")
		}
	}
	for i := range 10 {
		if w.try(Guess{Email: "other", Address: address(3)}) == nil {
			t.Fatalf("attempt %d on an account that has taken nothing is refused", i+1)
		}
	}
}

func TestWaitIsTheLongest(t *testing.T) {
	w := newWorld(t, Options{Account: 1, Address: 1, Window: time.Hour})
	w.try(Guess{Email: "a", Address: address(1)})
	w.add(time.Minute)
	w.try(Guess{Email: "b", Address: address(2)})
	for _, pair := range [][2]int{{1, 2}, {2, 1}} {
		w.forget()
		if wait := w.wait(Guess{Email: string(rune('a' + pair[0] - 1)), Address: address(pair[1])}); wait != time.Hour {
			t.Errorf("account %d, address %d: wait %v, want 1h", pair[0], pair[1], wait)
		}
	}
}

func TestGiveBack(t *testing.T) {
	w := newWorld(t, Options{})
	for range 1000 { // successes never add up
		w.succeed(Guess{UserID: 1, Address: address(1)})
	}
	if n := len(w.all); n != 1 { // what the account knows
		t.Errorf("%d counters are left: %v", n, w.all)
	}
	var places []*Place
	for range 10 {
		places = append(places, w.try(guess(address(1))))
	}
	for range 5 { // one place, however often it is given back
		if err := places[3].GiveBack(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if w.try(guess(address(1))) == nil {
		t.Error("the place was not given back")
	}
	if w.try(guess(address(1))) != nil {
		t.Error("a place was given back twice")
	}
	// A place that has expired, and its successor, are not mixed up.
	w.add(15 * time.Minute)
	if w.try(guess(address(1))) == nil {
		t.Fatal("refused")
	}
	held := len(readMarks(w.all[w.AccountKey(owner)].Places, w.now().Add(-DefaultWindow)))
	_ = places[0].GiveBack(t.Context())
	if got := len(readMarks(w.all[w.AccountKey(owner)].Places, w.now().Add(-DefaultWindow))); got != held {
		t.Errorf("an expired place gave back somebody else's: %d, before %d", got, held)
	}
	if err := (*Place)(nil).GiveBack(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestTiers is the ceiling and what leads to it: an attacker who never rests and
// comes from as many addresses as he likes.
// ASVS 6.3.1
// ROW 16
func TestTiers(t *testing.T) {
	w := newWorld(t, Options{})
	begin, verdicts := w.now(), 0
	var at []time.Time
	for i := 0; w.now().Sub(begin) < 60*24*time.Hour; i++ {
		g := guess(address(i))
		p, wait, err := w.Attempt(t.Context(), g)
		if err != nil {
			t.Fatal(err)
		}
		if p == nil {
			w.add(wait)
			continue
		}
		verdicts++
		at = append(at, w.now())
	}
	if verdicts != Ceiling {
		t.Errorf("%d guesses in 60 days, want %d", verdicts, Ceiling)
	}
	if took := at[Ceiling-1].Sub(begin); took < 40*time.Hour || took > 72*time.Hour {
		t.Errorf("the ceiling was reached in %v", took)
	}
	for i := 10; i < len(at); i++ {
		if d := at[i].Sub(at[i-10]); d < 15*time.Minute {
			t.Errorf("guesses %d to %d in %v", i-9, i+1, d)
		}
	}
	if n := len(w.notices); n != 1 || w.notices[0].What != NoticeCeiling || w.notices[0].UserID != owner {
		t.Errorf("notices %+v", w.notices)
	}
}

// TestCeiling: at the ceiling an unknown device is refused with the right
// password too, until one of what lifts it.
// ASVS 6.3.1
// ROW 16
func TestCeiling(t *testing.T) {
	home := address(1_000_000)
	for name, c := range map[string]struct {
		lift func(*world, string)
		open bool
	}{
		"nothing":            {func(*world, string) {}, false},
		"a known address":    {func(w *world, _ string) { w.succeed(guess(home)) }, true},
		"a known browser":    {func(w *world, kept string) { w.succeed(Guess{UserID: owner, Address: address(5), Device: kept}) }, true},
		"an administrator":   {func(w *world, _ string) { _ = w.Count(w.t.Context(), w.Lift(w.AccountKey(owner))) }, true},
		"99 days of quiet":   {func(w *world, _ string) { w.add(99 * 24 * time.Hour) }, false},
		"100 days of quiet":  {func(w *world, _ string) { w.add(100 * 24 * time.Hour) }, true},
		"somebody's success": {func(w *world, _ string) { w.succeed(Guess{UserID: 8, Address: home}) }, false},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, Options{})
			kept, _ := w.Remember("", owner)
			w.succeed(guess(home))
			w.raise(Ceiling)
			w.succeed(guess(home))
			w.raise(Ceiling)
			c.lift(w, kept)
			w.add(DefaultWindow + time.Second)
			if p := w.try(guess(address(99))); (p != nil) != c.open {
				t.Errorf("open %v, want %v", p != nil, c.open)
			}
		})
	}
}

// raise makes guesses from unknown devices until the account has so many
// failures.
func (w *world) raise(failures int64) {
	w.t.Helper()
	for i := 0; w.all[w.AccountKey(owner)].Failures < failures; i++ {
		p, wait, err := w.Attempt(w.t.Context(), guess(address(100+i)))
		if err != nil {
			w.t.Fatal(err)
		}
		if p == nil {
			w.add(wait)
		}
	}
}

// TestKnownDevice: whatever strangers do, the owner's device has its own
// counter; and it is no way around the limits.
// ROW 16
func TestKnownDevice(t *testing.T) {
	home, cafe := address(1), address(2)
	w := newWorld(t, Options{})
	kept, keep := w.Remember("", owner)
	if keep != RememberFor {
		t.Errorf("kept for %v", keep)
	}
	w.succeed(guess(home))
	w.raise(10)
	for name, c := range map[string]struct {
		g    Guess
		open bool
	}{
		"the known address":             {guess(home), true},
		"a neighbour in its network":    {guess(netip.MustParseAddr("100.0.0.1")), true}, // the same, spelled
		"another address":               {guess(cafe), false},
		"no address":                    {guess(netip.Addr{}), false},
		"loopback":                      {guess(ip("127.0.0.1")), false},
		"the browser elsewhere":         {Guess{UserID: owner, Address: cafe, Device: kept}, true},
		"the browser, no address":       {Guess{UserID: owner, Device: kept}, true},
		"the browser, another account":  {Guess{UserID: 8, Address: cafe, Device: kept}, true}, // as an unknown device
		"half of it":                    {Guess{UserID: owner, Address: cafe, Device: kept[:len(kept)/2]}, false},
		"a letter changed":              {Guess{UserID: owner, Address: cafe, Device: flip(kept)}, false},
		"made for somebody else":        {Guess{UserID: owner, Address: cafe, Device: first(w.Remember("", 8))}, false},
		"by another server":             {Guess{UserID: owner, Address: cafe, Device: first(New(Options{}).Remember("", owner))}, false},
		"behind nine other browsers":    {Guess{UserID: owner, Address: cafe, Device: flip(kept) + "." + kept}, true},
		"too much of it":                {Guess{UserID: owner, Address: cafe, Device: kept + "." + kept + "." + kept + "." + kept + "." + kept + "." + kept}, false},
		"nobody's, and the same e-mail": {Guess{Email: "ada@example.com", Address: cafe, Device: kept}, true}, // of another counter
	} {
		p := w.try(c.g)
		if (p != nil) != c.open {
			t.Errorf("%s: open %v, want %v", name, p != nil, c.open)
		}
		if err := p.GiveBack(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	// Each has ten guesses, and then none; in the long run a hundred.
	for what, g := range map[string]Guess{"address": guess(home), "browser": {UserID: owner, Address: cafe, Device: kept}} {
		for i := range 10 {
			if !w.fail(g) {
				t.Fatalf("%s: guess %d is refused", what, i+1)
			}
		}
		if w.try(g) != nil {
			t.Errorf("%s: eleven guesses", what)
		}
	}
	verdicts := 10
	for w.now().Sub(newClock().t) < 90*24*time.Hour {
		g := Guess{UserID: owner, Address: cafe, Device: kept}
		p, wait, err := w.Attempt(t.Context(), g)
		if err != nil {
			t.Fatal(err)
		}
		if p == nil {
			w.add(wait)
			continue
		}
		verdicts++
	}
	// A hundred as the device, and what the account has left for strangers.
	if verdicts > 2*Ceiling {
		t.Errorf("%d guesses with a browser's cookie in 90 days", verdicts)
	}
}

func first(s string, _ time.Duration) string { return s }

// flip changes a letter in the middle.
func flip(s string) string {
	b := []byte(s)
	i := len(b) / 2
	if b[i]++; b[i] > 'y' || b[i] < 'a' {
		b[i] = 'b'
	}
	return string(b)
}

// TestKnownAddressForgets: an account knows an address for 30 days.
func TestKnownAddressForgets(t *testing.T) {
	w := newWorld(t, Options{})
	w.succeed(guess(address(1)))
	w.add(29 * 24 * time.Hour)
	w.raise(10)
	if w.try(guess(address(1))) == nil {
		t.Error("after 29 days: refused")
	}
	w.add(2 * 24 * time.Hour)
	w.raise(20)
	if w.try(guess(address(1))) != nil {
		t.Error("after 31 days: still known")
	}
	// A registration is a sign-in; without an address there is nothing to know.
	if err := w.Count(t.Context(), w.Known(owner, address(1))); err != nil {
		t.Fatal(err)
	}
	w.forget()
	if w.try(guess(address(1))) == nil {
		t.Error("refused after a sign-in without a guess")
	}
	if c := w.Known(owner, ip("::1")); len(c.Keys) > 0 {
		t.Error("a loopback address is known")
	}
}

func TestRemember(t *testing.T) {
	w := newWorld(t, Options{})
	id := func(kept string, user int64) string {
		id, _ := w.device(kept, user)
		return id
	}
	kept := ""
	for user := int64(1); user <= 7; user++ {
		kept, _ = w.Remember(kept, user)
	}
	for user := int64(1); user <= 7; user++ {
		if got, want := id(kept, user) != "", user > 2; got != want {
			t.Errorf("of seven, user %d is known: %v", user, got)
		}
	}
	before := id(kept, 4)
	kept, _ = w.Remember(kept, 4)
	if got := id(kept, 4); got != before {
		t.Error("the browser's counter is another one after a second sign-in")
	}
	if id(kept, 0) != "" {
		t.Error("it is known to nobody's e-mail")
	}
	w.add(RememberFor)
	if id(kept, 4) != "" {
		t.Error("it is known after its time")
	}
	for _, garbage := range []string{"", ".", "....", "a.b", kept + "=", "\x00", kept[:len(kept)-1] + "\n"} {
		if value, _ := w.Remember(garbage, 1); id(value, 1) == "" {
			t.Errorf("%q: not remembered", garbage)
		}
	}
}

// TestEmails: many e-mails that fail from one address block it, once each time.
// ASVS 6.3.1
func TestEmails(t *testing.T) {
	w := newWorld(t, Options{Address: 1000})
	addr := address(1)
	fails := func(email string) bool { return w.fail(Guess{Email: email, Address: addr}) }
	kept, _ := w.Remember("", owner)
	w.succeed(Guess{UserID: owner, Address: addr})
	for i := range 20 {
		for range 3 { // the same e-mail again is none more
			if !fails(fmt.Sprint("a", i)) {
				t.Fatalf("e-mail %d is refused", i+1)
			}
		}
	}
	mid, wrong := w.try(guess(addr)), w.try(guess(addr)) // in their hashes while the block begins
	if !fails("one more") || len(w.notices) != 1 {
		t.Fatalf("notices %+v", w.notices)
	}
	if n := w.notices[0]; n.What != NoticeBlocked || n.Address != addr.String() || n.Count != 21 {
		t.Errorf("notice %+v", n)
	}
	if wait := w.wait(Guess{Email: "a1", Address: addr}); wait != 15*time.Minute {
		t.Errorf("wait %v, want 15m", wait)
	}
	if w.try(guess(addr)) != nil {
		t.Error("an account that knows the address gets in")
	}
	if w.try(Guess{UserID: owner, Address: addr, Device: kept}) == nil {
		t.Error("the owner's browser is shut out")
	}
	if w.try(Guess{Email: "a1", Address: address(2)}) == nil {
		t.Error("another address is blocked")
	}
	// What began before is stopped at its end.
	var refused *Refused
	if err := w.Count(t.Context(), mid.Success()); !errors.As(err, &refused) || refused.Wait != 15*time.Minute {
		t.Errorf("the later step: %v", err)
	}
	if wait, err := wrong.Failed(t.Context()); err != nil || wait != refused.Wait {
		t.Errorf("one that was wrong tells itself apart: wait %v, %v", wait, err)
	}
	w.add(15 * time.Minute)
	if !fails("a1") || len(w.notices) != 1 {
		t.Error("an e-mail that is known to fail blocks again")
	}
	if !fails("another") || len(w.notices) != 2 {
		t.Error("the next e-mail within the hour does not block")
	}
	if fails("a1") {
		t.Error("not blocked again")
	}
	w.add(time.Hour)
	for i := range 20 {
		if !fails(fmt.Sprint("b", i)) {
			t.Fatalf("an hour later, e-mail %d is refused", i+1)
		}
	}
}

// TestSession: a session's own guesses are counted apart from everybody's.
func TestSession(t *testing.T) {
	w := newWorld(t, Options{})
	w.raise(Ceiling)
	try := func(session string) *Place {
		p, wait, err := w.AttemptIn(t.Context(), owner, session)
		if err != nil || (p == nil) != (wait > 0) {
			t.Fatal(p, wait, err)
		}
		return p
	}
	for i := range 10 {
		if try("a") == nil {
			t.Fatalf("guess %d is refused", i+1)
		}
	}
	if try("a") != nil {
		t.Error("an eleventh guess")
	}
	w.add(2 * time.Second) // past what the node remembers
	if try("a") != nil {
		t.Error("an eleventh guess, by a read")
	}
	p := try("b")
	if p == nil {
		t.Fatal("another session is refused")
	}
	if err := w.Count(t.Context(), p.Success()); err != nil {
		t.Fatal(err)
	}
	if w.all[w.AccountKey(owner)].Failures != Ceiling {
		t.Error("it lifts what strangers have filled")
	}
}

// TestLift: a lift empties the counter, and what is known stays known.
func TestLift(t *testing.T) {
	w := newWorld(t, Options{})
	w.succeed(guess(address(1)))
	for range 10 {
		w.fail(guess(address(1)))
	}
	pair := w.keys(guess(address(1))).pair
	if until, why := w.Refuses(w.all[pair]); why != WhyWindow || until.Sub(w.now()) != DefaultWindow {
		t.Errorf("refuses until %v, %s", until, why)
	}
	if err := w.Count(t.Context(), w.Lift(pair, w.AddressKey(address(1)))); err != nil {
		t.Fatal(err)
	}
	w.add(trust) // so long a node may go on refusing
	for i := range 10 {
		if !w.fail(guess(address(1))) {
			t.Fatalf("guess %d after the lift is refused", i+1)
		}
	}
	if until, why := w.Refuses(Counter{}); !until.IsZero() || why != "" {
		t.Error("an empty counter refuses")
	}
}

// TestNoGuessWithoutTheStore: an error is no place.
func TestNoGuessWithoutTheStore(t *testing.T) {
	w := newWorld(t, Options{})
	w.err = errors.New("away")
	for range 3 {
		if p, wait, err := w.Attempt(t.Context(), guess(address(1))); p != nil || wait != 0 || !errors.Is(err, w.err) {
			t.Errorf("%v %v %v", p, wait, err)
		}
		if p, wait, err := w.AttemptIn(t.Context(), owner, "a"); p != nil || wait != 0 || !errors.Is(err, w.err) {
			t.Errorf("%v %v %v", p, wait, err)
		}
	}
	w.err = nil
	for range 10 {
		w.fail(guess(address(1)))
	}
	w.try(guess(address(1)))
	w.err = errors.New("away")
	w.add(2 * trust)
	if p, wait, err := w.Attempt(t.Context(), guess(address(1))); p != nil || wait != 0 || !errors.Is(err, w.err) {
		t.Errorf("one that was refused: %v %v %v", p, wait, err)
	}
}

// impatient are counters whose caller goes before the change is done.
type impatient struct {
	*shelf
	left sync.WaitGroup
}

func (c *impatient) Count(_ context.Context, change Change) error {
	c.left.Go(func() { _ = c.shelf.Count(context.Background(), change) })
	return context.Canceled
}

// TestGoneBeforeTheCount: what a counting finds is nobody's when its caller has
// gone. The race detector looks on.
func TestGoneBeforeTheCount(t *testing.T) {
	c := &impatient{shelf: newShelf()}
	o := Options{Enabled: true, Counters: c, Account: 5, Address: 5, Window: time.Minute, Now: newClock().now}
	throttle := New(o)
	for range 20 {
		if p, wait, err := throttle.Attempt(t.Context(), Guess{Email: "a@example.com", Address: address(1)}); p != nil || wait != 0 || !errors.Is(err, context.Canceled) {
			t.Errorf("an attempt: %v %v %v", p, wait, err)
		}
		if p, wait, err := throttle.AttemptIn(t.Context(), 1, "s"); p != nil || wait != 0 || !errors.Is(err, context.Canceled) {
			t.Errorf("an attempt from a session: %v %v %v", p, wait, err)
		}
	}
	o.Counters = c.shelf
	p, _, err := New(o).Attempt(t.Context(), Guess{Email: "b@example.com", Address: address(2)})
	if err != nil || p == nil {
		t.Fatal(err)
	}
	p.t = throttle
	for range 20 {
		if wait, err := p.Failed(t.Context()); wait != 0 || !errors.Is(err, context.Canceled) {
			t.Errorf("a failure: %v %v", wait, err)
		}
	}
	c.left.Wait()
}

func TestParallel(t *testing.T) {
	w := newWorld(t, Options{})
	var held, most atomic.Int32
	var wg sync.WaitGroup
	for i := range 1000 {
		wg.Go(func() {
			p, wait, err := w.Attempt(t.Context(), guess(address(i)))
			if (p == nil) != (wait > 0) || err != nil {
				t.Errorf("%v, wait %v, %v", p, wait, err)
			}
			if p == nil {
				return
			}
			n := held.Add(1)
			for old := most.Load(); n > old && !most.CompareAndSwap(old, n); old = most.Load() {
			}
			if i%3 == 0 {
				held.Add(-1)
				_ = p.GiveBack(t.Context())
			}
		})
	}
	wg.Wait()
	if most.Load() > 10 || held.Load() < 5 {
		t.Errorf("%d places at once, %d at the end", most.Load(), held.Load())
	}
}

func TestDisabled(t *testing.T) {
	th := New(Options{})
	for range 1000 {
		p, wait, err := th.Attempt(t.Context(), guess(address(1)))
		if p == nil || wait != 0 || err != nil {
			t.Fatalf("%v, wait %v, %v", p, wait, err)
		}
		wait, failed := p.Failed(t.Context())
		if err := p.GiveBack(t.Context()); err != nil || len(p.Success().Keys) > 0 || wait != 0 || failed != nil {
			t.Fatal("something is counted")
		}
		if p, _, err := th.AttemptIn(t.Context(), 1, "a"); p == nil || err != nil {
			t.Fatal("a session is counted")
		}
		if wait, ok := th.Register(address(1)); !ok || wait != 0 {
			t.Fatalf("registration: %v, wait %v", ok, wait)
		}
	}
	if len(th.Known(1, address(1)).Keys) > 0 {
		t.Error("an address is known")
	}
}

// TestClockBack: a clock that is set back frees nothing.
func TestClockBack(t *testing.T) {
	w := newWorld(t, Options{})
	for range 5 {
		w.try(guess(address(1)))
	}
	w.add(-time.Hour)
	for i := range 5 {
		if w.try(guess(address(1))) == nil {
			t.Fatalf("attempt %d after the step is refused", i+6)
		}
	}
	if w.try(guess(address(1))) != nil {
		t.Error("an eleventh attempt")
	}
}

// TestLargeLimit: a limit of many is kept with few marks, and never exceeded.
func TestLargeLimit(t *testing.T) {
	const limit = 20_000
	w := newWorld(t, Options{Address: limit})
	for i := range limit {
		if w.try(Guess{Email: strconv.Itoa(i / 9), Address: address(1)}) == nil {
			t.Fatalf("attempt %d is refused", i+1)
		}
		w.add(20 * time.Millisecond)
	}
	if w.try(Guess{Email: "x", Address: address(1)}) != nil {
		t.Error("one more")
	}
	if n := len(w.all[w.AddressKey(address(1))].Places); n > 200*markLength {
		t.Errorf("%d bytes of marks", n)
	}
	w.add(15*time.Minute + 10*time.Second)
	if w.try(Guess{Email: "x", Address: address(1)}) == nil {
		t.Error("refused after the window")
	}
}

// TestBelowALargeLimit: who stays below it is never refused, however steadily the
// attempts come.
func TestBelowALargeLimit(t *testing.T) {
	w := newWorld(t, Options{Address: 200})
	for i := range 1000 { // 112 in a window, and 8 s is less than a step
		if w.try(Guess{Email: strconv.Itoa(i), Address: address(1)}) == nil {
			t.Fatalf("attempt %d is refused", i+1)
		}
		w.add(8 * time.Second)
	}
	// A place is given back from where it was counted, and only from there.
	p := w.try(Guess{Email: "x", Address: address(2)})
	w.add(30 * time.Second)
	w.try(Guess{Email: "y", Address: address(2)})
	for range 2 {
		if err := p.GiveBack(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if n := readMarks(w.all[w.AddressKey(address(2))].Places, w.now().Add(-DefaultWindow)).total(); n != 1 {
		t.Errorf("%d places are left, want the other one", n)
	}
}

// TestClockAhead: what was counted while the clock was a year ahead does not shut
// anybody out for a year, and is not forgotten either.
func TestClockAhead(t *testing.T) {
	const year = 365 * 24 * time.Hour
	w := newWorld(t, Options{})
	w.succeed(guess(address(9)))
	w.add(year)
	for range 20 {
		if !w.fail(guess(address(1))) {
			w.add(15 * time.Minute)
		}
	}
	for i := range DefaultEmails + 1 {
		w.fail(Guess{Email: strconv.Itoa(i), Address: address(2)})
	}
	w.add(-year)
	failures := w.all[w.AccountKey(owner)].Failures
	if failures < 10 {
		t.Fatalf("%d failures", failures)
	}
	for name, g := range map[string]Guess{"account": guess(address(3)), "address": {Email: "x", Address: address(2)}} {
		if wait := w.wait(g); wait > DefaultWindow {
			t.Errorf("%s: refused for %v after the clock was put right", name, wait)
		}
	}
	if c := w.all[w.AccountKey(owner)]; c.Failures != failures || c.LastAt.After(w.now()) {
		t.Errorf("%d failures of %d, the last at %v", c.Failures, failures, c.LastAt)
	}
	w.add(DefaultWindow)
	for name, g := range map[string]Guess{"account": guess(address(3)), "address": {Email: "x", Address: address(2)}} {
		if w.try(g) == nil {
			t.Errorf("%s: still refused a window later", name)
		}
	}
	// So it goes whoever tries, and how often.
	w = newWorld(t, Options{})
	w.add(year)
	for i := range DefaultAddress + 5 {
		w.fail(Guess{Email: strconv.Itoa(i), Address: address(2)})
	}
	w.add(-year)
	w.wait(Guess{Email: "x", Address: address(2)})
	w.add(DefaultWindow / 2)
	w.wait(Guess{Email: "x", Address: address(2)})
	w.add(DefaultWindow / 2)
	if w.try(Guess{Email: "x", Address: address(2)}) == nil {
		t.Error("a window later whoever has tried meanwhile is still refused")
	}
	// A clock that is behind, and not known to be right, changes nothing.
	steady := false
	w = newWorld(t, Options{Steady: func() bool { return steady }})
	for range DefaultAccount {
		w.fail(guess(address(1)))
	}
	w.raise(Ceiling)
	for _, back := range []time.Duration{20 * time.Minute, 200 * 24 * time.Hour} {
		w.add(-back)
		w.forget()
		w.wait(guess(address(3)))
		w.add(back)
		w.forget()
		if w.try(guess(address(4))) != nil || w.all[w.AccountKey(owner)].Failures != Ceiling {
			t.Errorf("a clock that was behind by %v has forgotten guesses: %+v", back, w.all[w.AccountKey(owner)])
		}
	}
	steady = true
	// Two nodes are never quite together: what another one has counted a little
	// ahead stays as it is.
	w = newWorld(t, Options{})
	w.add(time.Minute)
	for range 10 {
		w.fail(guess(address(1)))
	}
	at := w.all[w.AccountKey(owner)].LastAt
	w.add(-time.Minute)
	w.forget()
	if wait := w.wait(guess(address(1))); wait != DefaultWindow+time.Minute || !w.all[w.AccountKey(owner)].LastAt.Equal(at) {
		t.Errorf("a minute apart: wait %v", wait)
	}
}

// TestGiveBackTheWait: an attempt that came to nothing does not begin the wait
// anew.
func TestGiveBackTheWait(t *testing.T) {
	w := newWorld(t, Options{Account: 100})
	w.raise(50)
	w.add(30 * time.Minute)
	p := w.try(guess(address(1)))
	if p == nil {
		t.Fatal("refused")
	}
	w.add(time.Second)
	if err := p.GiveBack(t.Context()); err != nil {
		t.Fatal(err)
	}
	if w.try(guess(address(1))) == nil {
		t.Error("who was told to come again in a second has to wait for half an hour")
	}
}

// TestGoneTakesNothing: a caller who has gone before the count makes no guess, and
// nobody is there to give a place back.
func TestGoneTakesNothing(t *testing.T) {
	c := &impatient{shelf: newShelf()}
	w := New(Options{Enabled: true, Counters: c, Now: newClock().now})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for range 20 {
		_, _, _ = w.Attempt(ctx, guess(address(1)))
		_, _, _ = w.AttemptIn(ctx, owner, "s")
	}
	c.left.Wait()
	if len(c.all) != 0 {
		t.Errorf("counted: %v", c.all)
	}
}

// TestBecome: the e-mail that a place was taken for is an account's by the time
// that the guess proves right.
func TestBecome(t *testing.T) {
	w := newWorld(t, Options{})
	nobody := Guess{Email: "eva@example.com", Address: address(1)}
	stranger := Guess{Email: "eva@example.com", Address: address(2)}
	for range 9 {
		w.fail(stranger)
	}
	p := w.try(nobody)
	if p == nil {
		t.Fatal("refused")
	}
	p.Become(owner)
	if err := w.Count(t.Context(), p.Success()); err != nil {
		t.Fatal(err)
	}
	// What strangers had in the window they have still.
	stranger.UserID = owner
	if w.try(stranger) == nil {
		t.Error("the tenth guess is refused")
	}
	if w.try(stranger) != nil {
		t.Error("an eleventh guess in the window")
	}
	// The owner's address is known to the account, under nobody nothing is left.
	w.forget()
	if w.try(guess(address(1))) == nil {
		t.Error("the owner is shut out by strangers")
	}
	for key, c := range w.all {
		if c.Kind != kindAddress && c.UserID != owner {
			t.Errorf("%s is left under user %d: %+v", key, c.UserID, c)
		}
	}
	if c := w.all[w.AccountKey(owner)]; c.Failures != 1 {
		t.Errorf("%d failures in a row, want that of after the sign-in", c.Failures)
	}
}

// TestModel walks at random beside the plainest thing that could be right: a
// list of all places.
func TestModel(t *testing.T) {
	type place struct {
		key  string
		at   time.Time
		back bool
	}
	for seed := range uint64(20) {
		rng := rand.New(rand.NewPCG(seed, 1))
		w := newWorld(t, Options{Account: 3, Address: 5, Window: time.Minute})
		var model []*place
		type held struct {
			p    *Place
			mine []*place
		}
		var holds []held
		wait := func(key string, limit int) time.Duration {
			var young []time.Time
			for _, p := range model {
				if p.key == key && !p.back && w.now().Sub(p.at) < time.Minute {
					young = append(young, p.at)
				}
			}
			if len(young) < limit {
				return 0
			}
			slices.SortFunc(young, time.Time.Compare)
			return young[len(young)-limit].Add(time.Minute).Sub(w.now())
		}
		for step := range 2000 {
			w.forget() // what it remembers of refusals is tested elsewhere
			switch rng.IntN(4) {
			case 0:
				w.add(time.Duration(rng.Int64N(int64(20*time.Second))) / 1000 * 1000)
			case 1:
				if len(holds) > 0 {
					h := holds[rng.IntN(len(holds))]
					if err := h.p.GiveBack(t.Context()); err != nil {
						t.Fatal(err)
					}
					for _, p := range h.mine {
						p.back = true
					}
				}
			default:
				account, addr := strconv.Itoa(rng.IntN(4)), address(rng.IntN(3))
				want := max(wait("account "+account, 3), wait("address "+addr.String(), 5))
				g := Guess{Email: account, Address: addr}
				// The tiers have tests of their own.
				if c := w.all[w.keys(g).account]; c.Failures > 5 {
					c.Failures = 5
					w.all[c.Key] = c
				}
				p, got, err := w.Attempt(t.Context(), g)
				if err != nil || got != want || (p == nil) != (want > 0) {
					t.Fatalf("seed %d, step %d: wait %v, want %v (%v)", seed, step, got, want, err)
				}
				if p != nil {
					h := held{p, []*place{{key: "account " + account, at: w.now()}, {key: "address " + addr.String(), at: w.now()}}}
					holds = append(holds, h)
					model = append(model, h.mine...)
				}
			}
		}
	}
}

// TestRefusalsBounded.
func TestRefusalsBounded(t *testing.T) {
	w := newWorld(t, Options{Account: 1, Address: 1_000_000})
	w.refusals = newRefusals(100)
	for i := range 1000 {
		for range 2 {
			w.try(Guess{Email: strconv.Itoa(i), Address: address(i)})
		}
	}
	if n := len(w.refusals.all); n > 100 {
		t.Errorf("%d refusals", n)
	}
}

// TestNothingReadable: of whom nobody knows, nothing that is kept tells.
func TestNothingReadable(t *testing.T) {
	w := newWorld(t, Options{})
	w.fail(Guess{Email: "mallory@example.com", Address: address(1)})
	for _, c := range w.all {
		if c.UserID != 0 || len(c.Key) != 32 || (c.Kind != kindAddress) != (c.Address == "") {
			t.Errorf("%+v", c)
		}
	}
	other := newWorld(t, Options{})
	if w.keys(guess(address(1))) == other.keys(guess(address(1))) {
		t.Error("two servers hash alike")
	}
}

func BenchmarkAttempt(b *testing.B) {
	th := New(Options{Enabled: true, Counters: newShelf()})
	i := 0
	b.ReportAllocs()
	for b.Loop() {
		i++
		p, _, _ := th.Attempt(b.Context(), Guess{UserID: int64(i), Address: address(i)})
		_ = p.GiveBack(b.Context())
	}
}

package throttle

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"runtime"
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

func TestAccountLimit(t *testing.T) {
	c := newClock()
	th := New(Options{Enabled: true, Now: c.now})
	for i := range 10 {
		if p, wait := th.Attempt("a@example.com", address(i)); p == nil {
			t.Fatalf("attempt %d: wait %v", i+1, wait)
		}
		c.add(time.Minute)
	}
	// Ten minutes have passed: the first place goes in five.
	if p, wait := th.Attempt("a@example.com", address(10)); p != nil || wait != 5*time.Minute {
		t.Errorf("attempt 11: %v, wait %v, want 5m", p, wait)
	}
	if p, _ := th.Attempt("b@example.com", address(10)); p == nil {
		t.Error("another account is refused")
	}
	c.add(5*time.Minute - 1)
	if p, wait := th.Attempt("a@example.com", address(10)); p != nil || wait != 1 {
		t.Errorf("a nanosecond early: %v, wait %v", p, wait)
	}
	c.add(1)
	if p, wait := th.Attempt("a@example.com", address(10)); p == nil {
		t.Errorf("when the first place goes: wait %v", wait)
	}
	if p, wait := th.Attempt("a@example.com", address(10)); p != nil || wait != time.Minute {
		t.Errorf("the next one: %v, wait %v, want 1m", p, wait)
	}
}

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
		th := New(Options{Enabled: true, Now: newClock().now})
		for i := range 30 {
			if p, _ := th.Attempt(strconv.Itoa(i), ip(c.first)); p == nil {
				t.Fatalf("%s: attempt %d is refused", name, i+1)
			}
		}
		p, wait := th.Attempt("next", ip(c.second))
		if (p == nil) != c.shared || (p == nil) != (wait > 0) {
			t.Errorf("%s: %v, wait %v", name, p, wait)
		}
	}
	th := New(Options{Enabled: true, Now: newClock().now})
	for i := range 100 {
		if p, _ := th.Attempt(strconv.Itoa(i), netip.Addr{}); p == nil {
			t.Fatalf("no address: attempt %d is refused", i+1)
		}
	}
}

// TestRefusedTakesNothing: what one counter refuses takes no place in the
// other.
func TestRefusedTakesNothing(t *testing.T) {
	th := New(Options{Enabled: true, Now: newClock().now})
	for range 10 {
		th.Attempt("victim", address(1))
	}
	for range 100 { // refused by the account
		if p, _ := th.Attempt("victim", address(2)); p != nil {
			t.Fatal("taken")
		}
	}
	for i := range 30 {
		if p, _ := th.Attempt(strconv.Itoa(i), address(2)); p == nil {
			t.Fatalf("attempt %d from an address that has taken nothing is refused", i+1)
		}
	}
	for range 100 { // refused by the address
		if p, _ := th.Attempt("other", address(2)); p != nil {
			t.Fatal("taken")
		}
	}
	for i := range 10 {
		if p, _ := th.Attempt("other", address(3)); p == nil {
			t.Fatalf("attempt %d on an account that has taken nothing is refused", i+1)
		}
	}
}

func TestWaitIsTheLongest(t *testing.T) {
	c := newClock()
	th := New(Options{Enabled: true, Now: c.now, Account: 1, Address: 1, Window: time.Hour})
	th.Attempt("a", address(1))
	c.add(time.Minute)
	th.Attempt("b", address(2))
	for _, pair := range [][2]int{{1, 2}, {2, 1}} {
		account := string(rune('a' + pair[0] - 1))
		if _, wait := th.Attempt(account, address(pair[1])); wait != time.Hour {
			t.Errorf("account %s, address %d: wait %v, want 1h", account, pair[1], wait)
		}
	}
}

func TestGiveBack(t *testing.T) {
	c := newClock()
	th := New(Options{Enabled: true, Now: c.now})
	for range 1000 { // successes never add up
		p, wait := th.Attempt("a", address(1))
		if p == nil {
			t.Fatalf("wait %v", wait)
		}
		p.GiveBack()
	}
	var places []*Place
	for range 10 {
		p, _ := th.Attempt("a", address(1))
		places = append(places, p)
	}
	for range 5 { // one place, however often it is given back
		places[3].GiveBack()
	}
	if p, _ := th.Attempt("a", address(1)); p == nil {
		t.Error("the place was not given back")
	}
	if p, _ := th.Attempt("a", address(1)); p != nil {
		t.Error("a place was given back twice")
	}
	// A place that has expired, and its successor, are not mixed up.
	c.add(15 * time.Minute)
	for range 10 {
		th.Attempt("a", address(1))
	}
	places[0].GiveBack()
	if p, _ := th.Attempt("a", address(1)); p != nil {
		t.Error("an expired place gave back somebody else's")
	}
	(*Place)(nil).GiveBack()
}

func TestParallel(t *testing.T) {
	th := New(Options{Enabled: true})
	var held, most atomic.Int32
	var wg sync.WaitGroup
	for i := range 1000 {
		wg.Go(func() {
			p, wait := th.Attempt("victim", address(i))
			if (p == nil) != (wait > 0) {
				t.Errorf("%v, wait %v", p, wait)
			}
			if p == nil {
				return
			}
			n := held.Add(1)
			for old := most.Load(); n > old && !most.CompareAndSwap(old, n); old = most.Load() {
			}
			if i%3 == 0 {
				held.Add(-1)
				p.GiveBack()
			}
		})
	}
	wg.Wait()
	if most.Load() > 10 || held.Load() < 5 {
		t.Errorf("%d places at once, %d at the end", most.Load(), held.Load())
	}
	for range 10 - held.Load() {
		if p, _ := th.Attempt("victim", netip.Addr{}); p == nil {
			t.Fatal("a place was lost")
		}
	}
	if p, _ := th.Attempt("victim", netip.Addr{}); p != nil {
		t.Error("an eleventh place")
	}
}

func TestDisabled(t *testing.T) {
	th := New(Options{})
	for range 1000 {
		p, wait := th.Attempt("a", address(1))
		if p == nil || wait != 0 {
			t.Fatalf("%v, wait %v", p, wait)
		}
		p.GiveBack()
		if wait, ok := th.Register(address(1)); !ok || wait != 0 {
			t.Fatalf("registration: %v, wait %v", ok, wait)
		}
	}
}

func TestRegister(t *testing.T) {
	c := newClock()
	th := New(Options{Enabled: true, Now: c.now})
	client := ip("2001:db8::1")
	for i := range 100 {
		if wait, ok := th.Register(client); !ok {
			t.Fatalf("registration %d: wait %v", i+1, wait)
		}
	}
	for range 10 { // a refusal costs nothing
		if wait, ok := th.Register(ip("2001:db8::2")); ok || wait != 30*time.Second {
			t.Errorf("registration 101: %v, wait %v, want 30s", ok, wait)
		}
	}
	if _, ok := th.Register(ip("2001:db8:0:1::1")); !ok {
		t.Error("another address is refused")
	}
	c.add(29 * time.Second)
	if wait, ok := th.Register(client); ok || wait != time.Second {
		t.Errorf("after 29s: %v, wait %v, want 1s", ok, wait)
	}
	c.add(time.Second)
	if _, ok := th.Register(client); !ok {
		t.Error("after 30s: refused")
	}
	if _, ok := th.Register(client); ok {
		t.Error("after 30s: two let through")
	}
	c.add(100 * 30 * time.Second)
	n := 0
	for ; n < 200; n++ {
		if _, ok := th.Register(client); !ok {
			break
		}
	}
	if n != 100 {
		t.Errorf("after 50 minutes %d at once, want 100", n)
	}
	for range 1000 {
		if _, ok := th.Register(ip("127.0.0.1")); !ok {
			t.Fatal("loopback is counted")
		}
	}
}

// TestRegisterExtremes are the ends of what may be configured.
func TestRegisterExtremes(t *testing.T) {
	c := newClock()
	th := New(Options{Enabled: true, Now: c.now, Burst: 1_000_000, Every: 24 * time.Hour})
	for range 1000 {
		if wait, ok := th.Register(address(1)); !ok {
			t.Fatalf("wait %v", wait)
		}
	}
	th = New(Options{Enabled: true, Now: c.now, Burst: 1, Every: time.Second})
	if _, ok := th.Register(address(1)); !ok {
		t.Error("the first is refused")
	}
	if wait, ok := th.Register(address(1)); ok || wait != time.Second {
		t.Errorf("the second: %v, wait %v", ok, wait)
	}
}

// TestClockBack: a clock that is set back frees nothing and takes nothing.
func TestClockBack(t *testing.T) {
	c := newClock()
	th := New(Options{Enabled: true, Now: c.now})
	for range 5 {
		th.Attempt("a", address(1))
	}
	c.add(-time.Hour)
	for i := range 5 {
		p, wait := th.Attempt("a", address(1))
		if p == nil {
			t.Fatalf("attempt %d after the step: wait %v", i+6, wait)
		}
		p.GiveBack()
	}
	c.add(time.Hour)
	for i := range 5 {
		if p, _ := th.Attempt("a", address(1)); p == nil {
			t.Fatalf("attempt %d: refused", i+6)
		}
	}
	if p, wait := th.Attempt("a", address(1)); p != nil || wait != 15*time.Minute {
		t.Errorf("attempt 11: %v, wait %v", p, wait)
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
		c := newClock()
		th := New(Options{Enabled: true, Now: c.now, Account: 3, Address: 5, Window: time.Minute})
		var model []*place
		type held struct {
			p    *Place
			mine []*place
		}
		var holds []held
		wait := func(key string, limit int) time.Duration {
			var young []time.Time
			for _, p := range model {
				if p.key == key && !p.back && c.t.Sub(p.at) < time.Minute {
					young = append(young, p.at)
				}
			}
			if len(young) < limit {
				return 0
			}
			slices.SortFunc(young, time.Time.Compare)
			return young[len(young)-limit].Add(time.Minute).Sub(c.t)
		}
		for step := range 2000 {
			switch rng.IntN(4) {
			case 0:
				c.add(time.Duration(rng.Int64N(int64(20 * time.Second))))
			case 1:
				if len(holds) > 0 {
					h := holds[rng.IntN(len(holds))]
					h.p.GiveBack()
					for _, p := range h.mine {
						p.back = true
					}
				}
			default:
				account, addr := strconv.Itoa(rng.IntN(4)), address(rng.IntN(3))
				want := max(wait("account "+account, 3), wait("address "+addr.String(), 5))
				p, got := th.Attempt(account, addr)
				if got != want || (p == nil) != (want > 0) {
					t.Fatalf("seed %d, step %d: wait %v, want %v", seed, step, got, want)
				}
				if p != nil {
					h := held{p, []*place{{key: "account " + account, at: c.t}, {key: "address " + addr.String(), at: c.t}}}
					holds = append(holds, h)
					model = append(model, h.mine...)
				}
			}
		}
	}
}

// check holds a table's bookkeeping against itself.
func (t *table) check() error {
	inLevels := 0
	for i := range t.levels {
		for e := t.levels[i].Front(); e != nil; e = e.Next() {
			inLevels++
			if got := e.Value.(*entry); got.level != i || t.entries[got.hash] != got {
				return fmt.Errorf("level %d has an entry of level %d", i, got.level)
			}
		}
	}
	if len(t.entries) > t.max || t.age.Len() != len(t.entries) || inLevels != len(t.entries) {
		return fmt.Errorf("%d entries of at most %d, %d by age, %d by level", len(t.entries), t.max, t.age.Len(), inLevels)
	}
	return nil
}

// TestFlood: names made up to push the victim's counter out do not.
func TestFlood(t *testing.T) {
	c := newClock()
	m := NewMemory(5000)
	th := New(Options{Enabled: true, Now: c.now, Counters: m})
	for i := range 10 {
		th.Attempt("victim", address(i))
	}
	for i := range 20_000 {
		th.Attempt("made up "+strconv.Itoa(i), address(1000+i))
		if i%1000 == 0 {
			if p, _ := th.Attempt("victim", netip.Addr{}); p != nil {
				t.Fatalf("after %d made-up names the victim's counter is forgotten", i+1)
			}
			if err := m.attempts.check(); err != nil {
				t.Fatal(err)
			}
		}
		c.add(time.Millisecond)
	}
	// An honest newcomer signs in meanwhile.
	if p, wait := th.Attempt("newcomer", ip("198.51.100.1")); p == nil {
		t.Errorf("a newcomer waits %v", wait)
	}
	// When it is over, so are the traces.
	c.add(15 * time.Minute)
	for i := range 10 {
		if p, _ := th.Attempt("victim", netip.Addr{}); p == nil {
			t.Fatalf("attempt %d after the window is refused", i+1)
		}
	}
	if n := len(m.attempts.entries); n != 1 {
		t.Errorf("%d counters left, want 1", n)
	}
}

// TestSweep: a counter goes when its last place does, also one made after one
// that is still in use.
func TestSweep(t *testing.T) {
	c := newClock()
	m := NewMemory(0)
	th := New(Options{Enabled: true, Now: c.now, Counters: m})
	th.Attempt("in use", netip.Addr{})
	th.Attempt("once", netip.Addr{})
	c.add(10 * time.Minute)
	th.Attempt("in use", netip.Addr{})
	c.add(5 * time.Minute)
	th.Attempt("in use", netip.Addr{})
	if n := len(m.attempts.entries); n != 1 {
		t.Errorf("%d counters, want 1", n)
	}
	if err := m.attempts.check(); err != nil {
		t.Error(err)
	}
}

// TestNoFreshStart: in a table full of counters with two places, guesses at an
// account whose counter is pushed out after each of them are counted all the
// same.
func TestNoFreshStart(t *testing.T) {
	c := newClock()
	m := NewMemory(100)
	th := New(Options{Enabled: true, Now: c.now, Counters: m})
	for i := range 100 {
		th.Attempt(strconv.Itoa(i), netip.Addr{})
		th.Attempt(strconv.Itoa(i), netip.Addr{})
	}
	taken := 0
	for i := range 10_000 {
		if p, _ := th.Attempt("victim", netip.Addr{}); p != nil {
			taken++
		}
		th.Attempt("other "+strconv.Itoa(i), netip.Addr{})
	}
	if taken > 10 {
		t.Errorf("%d guesses in one window", taken)
	}
}

// TestMetersBounded is TestFlood for registrations.
func TestMetersBounded(t *testing.T) {
	c := newClock()
	m := NewMemory(100)
	th := New(Options{Enabled: true, Now: c.now, Counters: m, Burst: 3})
	for range 3 {
		th.Register(address(0))
	}
	for i := range 10_000 {
		th.Register(address(1 + i))
	}
	if _, ok := th.Register(address(0)); ok {
		t.Error("pushed out by other addresses")
	}
	if err := m.meters.check(); err != nil {
		t.Error(err)
	}
	c.add(time.Hour)
	if _, ok := th.Register(address(0)); !ok {
		t.Error("refused after an hour")
	}
	if n := len(m.meters.entries); n != 1 {
		t.Errorf("%d meters left, want 1", n)
	}
}

// TestMemoryBound is what DefaultEntries says.
func TestMemoryBound(t *testing.T) {
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	m := NewMemory(0)
	th := New(Options{Enabled: true, Now: newClock().now, Counters: m})
	for i := range DefaultEntries + 1000 {
		for range 3 {
			th.Attempt(strconv.Itoa(i), netip.Addr{})
		}
		th.Register(address(i))
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if kept := int64(after.HeapAlloc) - int64(before.HeapAlloc); kept > 60<<20 {
		t.Errorf("%d MiB kept", kept>>20)
	} else {
		t.Logf("%d MiB kept", kept>>20)
	}
	runtime.KeepAlive(m)
}

func BenchmarkAttempt(b *testing.B) {
	th := New(Options{Enabled: true})
	i := 0
	b.ReportAllocs()
	for b.Loop() {
		i++
		p, _ := th.Attempt(strconv.Itoa(i), address(i))
		if i%2 == 0 {
			p.GiveBack()
		}
	}
}

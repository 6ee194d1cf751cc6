package throttle

import (
	"fmt"
	"testing"
	"time"
)

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

// TestMetersBounded: addresses made up to push a meter out do not.
func TestMetersBounded(t *testing.T) {
	c := newClock()
	th := New(Options{Enabled: true, Now: c.now, Burst: 3})
	th.meters = newMeters(100)
	for range 3 {
		th.Register(address(0))
	}
	for i := range 10_000 {
		th.Register(address(1 + i))
	}
	if _, ok := th.Register(address(0)); ok {
		t.Error("pushed out by other addresses")
	}
	if err := th.meters.check(); err != nil {
		t.Error(err)
	}
	c.add(time.Hour)
	if _, ok := th.Register(address(0)); !ok {
		t.Error("refused after an hour")
	}
	if n := len(th.meters.entries); n != 1 {
		t.Errorf("%d meters left, want 1", n)
	}
}

package throttle

import (
	"hash/maphash"
	"math"
	"slices"
	"sync"
	"time"
)

// DefaultEntries is how many counters, and how many meters, a Memory keeps.
// Full of both, with three places each, it holds 40 MiB.
const DefaultEntries = 100_000

// Memory keeps Counters in the process. Keys are kept as keyed hashes only: a
// long e-mail address takes no more room than a short one, nobody can choose
// two that collide, and none can be read from a dump.
//
// It is bounded. What has expired goes first. If that is not enough, a new key
// takes over the counter that holds the fewest places, with the places in it
// (the heavy hitters algorithm "Space-Saving"). So the counter of an account
// under attack is the last to go, and flooding the table never wins a guess: a
// key that was pushed out comes back with as many places as the emptiest
// counter has, which is at least as many as it had. The price is that under such
// a flood everybody starts with a place or two taken. To shut people out that
// way, all counters must be filled to the limit: half a million attempts that
// were hashed and failed, in one window, which is a flood that a Hasher sheds.
type Memory struct {
	seed maphash.Seed

	mu       sync.Mutex
	base     time.Time     // what times in here are counted from
	now      time.Duration // the latest time seen
	attempts table
	meters   table
}

// NewMemory gives a Memory that keeps so many counters and so many meters; 0
// means DefaultEntries.
func NewMemory(entries int) *Memory {
	if entries <= 0 {
		entries = DefaultEntries
	}
	return &Memory{
		seed:     maphash.MakeSeed(),
		attempts: newTable(entries),
		meters:   newTable(entries),
	}
}

var _ Counters = (*Memory)(nil)

// Take implements Counters. A Memory wants the same window at each call.
func (m *Memory) Take(now time.Time, window time.Duration, keys []string, limits []int) time.Duration {
	m.mu.Lock()
	defer m.mu.Unlock()
	at := m.clock(now)
	m.attempts.sweep(m.now)

	var wait time.Duration
	for i, key := range keys {
		e := m.attempts.at(m.hash(key))
		if e == nil {
			continue
		}
		e.expire(m.now - window)
		if over := len(e.places) - limits[i]; over >= 0 {
			wait = max(wait, e.places[over]+window-m.now)
		}
	}
	if wait > 0 {
		return wait
	}
	for _, key := range keys {
		e := m.attempts.make(m.hash(key))
		// Two callers may come here in another order than they read the clock.
		i, _ := slices.BinarySearch(e.places, at)
		e.places = slices.Insert(e.places, i, at)
		m.attempts.touch(e, len(e.places), m.now+window)
	}
	return 0
}

// GiveBack implements Counters.
func (m *Memory) GiveBack(taken time.Time, keys []string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	at := m.clock(taken)
	for _, key := range keys {
		e := m.attempts.entries[m.hash(key)]
		if e == nil {
			continue
		}
		// Places of one moment are alike, so any of them will do.
		i, ok := slices.BinarySearch(e.places, at)
		if !ok {
			continue
		}
		e.places = slices.Delete(e.places, i, i+1)
		if len(e.places) == 0 {
			m.attempts.remove(e)
		} else {
			m.attempts.fill(e, len(e.places))
		}
	}
}

// Meter implements Counters. What is kept is GCRA's theoretical arrival time:
// when the meter will have run empty.
func (m *Memory) Meter(now time.Time, key string, burst int, every time.Duration) time.Duration {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.clock(now)
	m.meters.sweep(m.now)

	hash := m.hash(key)
	empty := m.now
	if e := m.meters.at(hash); e != nil {
		empty = max(empty, e.until)
	}
	empty += every
	full := time.Duration(math.MaxInt64 / 2)
	if every < full/time.Duration(burst) {
		full = time.Duration(burst) * every
	}
	if wait := empty - m.now - full; wait > 0 {
		return wait
	}
	m.meters.touch(m.meters.make(hash), int((empty-m.now)/every), empty)
	return 0
}

func (m *Memory) hash(key string) uint64 { return maphash.String(m.seed, key) }

// clock gives a time as it is kept, and moves now, which never runs back.
func (m *Memory) clock(t time.Time) time.Duration {
	if m.base.IsZero() {
		m.base = t
	}
	at := t.Sub(m.base)
	m.now = max(m.now, at)
	return at
}

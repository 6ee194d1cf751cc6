package throttle

import (
	"hash/maphash"
	"math"
	"sync"
	"time"
)

// maxMeters is how many meters a node keeps.
const maxMeters = 100_000

// meters count registrations by address, in the process. Keys are kept as keyed
// hashes only: nobody can choose two that collide, and none can be read from a
// dump.
//
// They are bounded. What has run empty goes first. If that is not enough, a new
// key takes over the emptiest meter, with what is in it (the heavy hitters
// algorithm "Space-Saving"): flooding the table never wins a registration.
type meters struct {
	seed maphash.Seed

	mu   sync.Mutex
	base time.Time     // what times in here are counted from
	now  time.Duration // the latest time seen
	table
}

func newMeters(most int) *meters {
	return &meters{seed: maphash.MakeSeed(), table: newTable(most)}
}

// meter is GCRA: it lets burst through at once and then one in every; 0 means
// let through, otherwise it is the time until the next. What is kept is GCRA's
// theoretical arrival time: when the meter will have run empty.
func (m *meters) meter(now time.Time, key string, burst int, every time.Duration) time.Duration {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.base.IsZero() {
		m.base = now
	}
	m.now = max(m.now, now.Sub(m.base)) // never runs back
	m.sweep(m.now)

	hash := maphash.String(m.seed, key)
	empty := m.now
	if e := m.at(hash); e != nil {
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
	m.touch(m.make(hash), int((empty-m.now)/every), empty)
	return 0
}

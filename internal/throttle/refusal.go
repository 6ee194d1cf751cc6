package throttle

import (
	"sync"
	"time"
)

// maxRefusals is how many refusals a node remembers: a few megabytes.
const maxRefusals = 20_000

// trust is how long a node believes its own memory without asking the store:
// so long another node's lift may go unnoticed.
const trust = time.Second

// refusals remembers who was refused, so that a flood of refused attempts costs
// the store at most a read for each client and second. A refusal that is
// forgotten, or remembered too long, lets nobody through: it only decides how
// the store is asked.
type refusals struct {
	max int

	mu  sync.Mutex
	all map[string]refusal
}

// refusal is when it was seen and how long it lasts.
type refusal struct{ seen, until time.Time }

func newRefusals(most int) *refusals { return &refusals{max: most, all: map[string]refusal{}} }

// own names whose refusal it is: the device's, the account's from this address,
// or the account's from one that is not counted.
func (k keys) own() string {
	switch {
	case k.device != "":
		return "own " + k.device
	case k.pair != "":
		return "own " + k.pair
	}
	return "own " + k.account
}

// of gives the wait of a refusal that is fresh. Otherwise look says that the
// store should be read before anything is locked.
func (r *refusals) of(now time.Time, own string, k keys) (wait time.Duration, look bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	names := []string{own, k.account}
	if k.device == "" && k.address != "" {
		names = append(names, k.address)
	}
	for _, name := range names {
		x, ok := r.all[name]
		if !ok || !x.until.After(now) {
			continue
		}
		look = true
		// The account's alone decides nothing: the device may be known.
		if age := now.Sub(x.seen); name != k.account && age < trust && age > -trust {
			wait = max(wait, x.until.Sub(now))
		}
	}
	return wait, look
}

// note remembers a refusal by the counter with the key by.
func (r *refusals) note(now time.Time, own, by string, k keys, wait time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	x := refusal{now, now.Add(wait)}
	switch by {
	case k.address:
		r.put(k.address, x)
	case k.account:
		r.put(k.account, x)
		r.put(own, x)
	default:
		r.put(own, x)
	}
}

// put makes room by forgetting any other one, those that are over first as far
// as a short look finds some.
func (r *refusals) put(name string, x refusal) {
	if _, there := r.all[name]; !there && len(r.all) >= r.max {
		victim, looked := "", 0
		for other, y := range r.all {
			victim = other
			if looked++; !y.until.After(x.seen) || looked == 8 {
				break
			}
		}
		delete(r.all, victim)
	}
	r.all[name] = x
}

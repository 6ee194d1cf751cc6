package throttle

import (
	"container/list"
	"time"
)

// levels classes entries by how full they are; what is fuller counts as that
// full.
const levels = 64

// table is a bounded set of entries that knows which of them is idle longest
// and which is emptiest.
type table struct {
	max     int
	entries map[uint64]*entry
	age     list.List // the one touched longest ago first
	levels  [levels + 1]list.List
}

// entry is a meter.
type entry struct {
	hash  uint64
	until time.Duration // when it may be forgotten

	level          int
	inAge, inLevel *list.Element
}

func newTable(size int) table {
	return table{max: size, entries: make(map[uint64]*entry)}
}

// at gives the entry that make would give, nil for a fresh one.
func (t *table) at(hash uint64) *entry {
	if e := t.entries[hash]; e != nil || len(t.entries) < t.max {
		return e
	}
	for i := range t.levels {
		if front := t.levels[i].Front(); front != nil {
			return front.Value.(*entry)
		}
	}
	return nil
}

// make gives the entry of a key: its own, a fresh one, or, when the table is
// full, the emptiest, which is the key's from now on. It must be touched then.
func (t *table) make(hash uint64) *entry {
	e := t.at(hash)
	if e == nil {
		e = &entry{}
		e.inAge = t.age.PushBack(e)
		e.inLevel = t.levels[0].PushBack(e)
	} else {
		delete(t.entries, e.hash)
	}
	e.hash = hash
	t.entries[hash] = e
	return e
}

// touch says that an entry has just been used, how full it is and until when
// it must be kept.
func (t *table) touch(e *entry, full int, until time.Duration) {
	e.until = until
	t.age.MoveToBack(e.inAge)
	t.fill(e, full)
}

// fill says how full an entry is.
func (t *table) fill(e *entry, full int) {
	t.levels[e.level].Remove(e.inLevel)
	e.level = min(full, levels)
	e.inLevel = t.levels[e.level].PushBack(e)
}

func (t *table) remove(e *entry) {
	delete(t.entries, e.hash)
	t.age.Remove(e.inAge)
	t.levels[e.level].Remove(e.inLevel)
}

// sweep removes what has run empty, idle longest first. Meters do not run empty
// in the order in which they were touched, so one that is behind a full one
// stays until that goes; it is also among the first to be taken over.
func (t *table) sweep(now time.Duration) {
	for front := t.age.Front(); front != nil; front = t.age.Front() {
		e := front.Value.(*entry)
		if e.until > now {
			return
		}
		t.remove(e)
	}
}

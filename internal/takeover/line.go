package takeover

import (
	"sync"
)

// line is a bounded queue whose jobs with a key in common are done in the order
// in which they came, and others at the same time.
type line struct {
	mu      sync.Mutex
	most    int
	waiting int
	byKey   map[string][]*job
	ready   chan *job
	idle    *sync.Cond
	closed  bool
}

func newLine(most int) *line {
	l := &line{most: most, byKey: make(map[string][]*job), ready: make(chan *job, most)}
	l.idle = sync.NewCond(&l.mu)
	return l
}

// put adds a job, unless the line is full or closed. It never waits.
func (l *line) put(j *job) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed || l.waiting >= l.most {
		return false
	}
	l.waiting++
	for _, k := range j.keys {
		if len(l.byKey[k]) > 0 {
			j.blocked++
		}
		l.byKey[k] = append(l.byKey[k], j)
	}
	if j.blocked == 0 {
		l.ready <- j // There is room: no more than most are in the line.
	}
	return true
}

// done takes a job out and lets those behind it go on.
func (l *line) done(j *job) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, k := range j.keys {
		rest := l.byKey[k][1:]
		if len(rest) == 0 {
			delete(l.byKey, k)
			continue
		}
		l.byKey[k] = rest
		if next := rest[0]; next.blocked > 0 {
			if next.blocked--; next.blocked == 0 {
				l.ready <- next
			}
		}
	}
	if l.waiting--; l.waiting == 0 {
		l.idle.Broadcast()
		if l.closed {
			close(l.ready)
		}
	}
}

// settle waits until the line is empty.
func (l *line) settle() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for l.waiting > 0 {
		l.idle.Wait()
	}
}

// close takes no more jobs; ready is closed when the last one is done.
func (l *line) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return
	}
	l.closed = true
	if l.waiting == 0 {
		close(l.ready)
	}
}

// recent is a bounded memory: when it is full the oldest half goes.
type recent[V any] struct {
	mu       sync.Mutex
	most     int
	old, new map[string]V
}

func newRecent[V any](most int) *recent[V] {
	return &recent[V]{most: most, new: make(map[string]V)}
}

func (r *recent[V]) put(k string, v V) {
	if k == "" {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.new[k] = v; len(r.new) > r.most/2 {
		r.old, r.new = r.new, make(map[string]V)
	}
}

func (r *recent[V]) get(k string) (V, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	v, ok := r.new[k]
	if !ok {
		v, ok = r.old[k]
	}
	return v, ok
}

package password

import (
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"sync"
	"time"
)

// processors is what the runtime found to use when the program started: it
// knows the container's limit and GOMAXPROCS from the environment. MakeRoom
// raises the setting at times, so that it cannot be asked again.
var processors = runtime.GOMAXPROCS(0)

// Processors is how many the program uses, whatever is made room for meanwhile.
func Processors() int { return processors }

// spare is how many of the processors hashes may have at once.
//
// All of them where a hash's thread is of low priority (yields): whoever else
// wants to run does so at once, and while nobody does no processor is idle. One
// is left free where that does not help: where the system knows no priority of
// threads, and where the program may use fewer processors than there are. That
// is a container's quota, which hashes would use up however nice they are, and
// then everything in the container stands still for the rest of the period; or
// it is GOMAXPROCS, under which goroutines wait for a hash to be interrupted.
func spare(processors, machine int, yields bool) int {
	if processors > 1 && (!yields || processors < machine) {
		return processors - 1
	}
	return processors
}

// roomKept is how long the room stays after the last hash. A storm of logins
// changes nothing in it, and without logins nobody pays for it.
const roomKept = time.Second

// MakeRoom raises GOMAXPROCS, while hashes are at work, by as many as may be at
// once, so that other goroutines need not wait for a hash to be interrupted (10
// ms); the system shares out the processors. It is for the program to call,
// since the setting is the whole process's. An operator's GOMAXPROCS in the
// environment is left as it is.
func (h *Hasher) MakeRoom() {
	if os.Getenv("GOMAXPROCS") == "" {
		h.room = &room{raised: processors + h.concurrent}
	}
}

// room is GOMAXPROCS, raised while hashes are at work and a moment after. Each
// change of it stops the program for some tens of microseconds.
type room struct {
	raised int

	mu     sync.Mutex
	hashes int
	lower  *time.Timer // nil while GOMAXPROCS is as it was
}

func (r *room) enter() {
	if r == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.hashes++
	if r.lower == nil {
		runtime.GOMAXPROCS(r.raised)
		r.lower = time.AfterFunc(roomKept, r.tidy)
	}
}

func (r *room) leave() {
	if r == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.hashes--
	r.lower.Reset(roomKept)
}

// tidy lowers GOMAXPROCS again unless a hash is at work: its end sets the
// timer anew.
func (r *room) tidy() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.hashes == 0 && r.lower != nil {
		runtime.GOMAXPROCS(processors)
		r.lower = nil
	}
}

// apart runs fn on an OS thread of its own and of low priority, and returns
// when it is done. A panic of fn becomes the caller's.
//
// The goroutine ends locked to its thread, which the runtime then ends too:
// the low priority reaches nobody else, and nothing is kept while nobody signs
// in. A new thread costs some tens of microseconds, a hash that many
// milliseconds.
func apart(fn func()) {
	var panicked any
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer func() {
			if p := recover(); p != nil {
				panicked = fmt.Sprintf("%v, in a hash:\n%s", p, debug.Stack())
			}
		}()
		lowerPriority()
		fn()
	}()
	<-done
	if panicked != nil {
		panic(panicked)
	}
}

// inLanes calls fn for each step and lane: the lanes of a step on so many threads
// at once, the steps one after the other. One thread is the caller's; more are of
// their own, of low priority and ending with them. A panic of fn becomes the
// caller's.
func inLanes(lanes, threads, steps int, fn func(step, lane int)) {
	threads = min(max(threads, 1), lanes)
	some := func(step, first int) {
		for lane := first; lane < lanes; lane += threads {
			fn(step, lane)
		}
	}
	if threads == 1 {
		for step := range steps {
			some(step, 0)
		}
		return
	}
	ends := make([]sync.WaitGroup, steps)
	for i := range ends {
		ends[i].Add(threads)
	}
	var all sync.WaitGroup
	panics := make([]any, threads)
	for first := range threads {
		all.Go(func() {
			step := 0
			defer func() {
				if p := recover(); p != nil {
					panics[first] = fmt.Sprintf("%v, in a lane:\n%s", p, debug.Stack())
				}
				for ; step < steps; step++ {
					ends[step].Done() // The others wait for nobody.
				}
			}()
			lowerPriority()
			for ; step < steps; step++ {
				some(step, first)
				ends[step].Done()
				ends[step].Wait()
			}
		})
	}
	all.Wait()
	for _, p := range panics {
		if p != nil {
			panic(p)
		}
	}
}

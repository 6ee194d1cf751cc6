package password

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"runtime"
	"sync/atomic"
	"time"
)

// MaxLength is the longest password in bytes: as long as the longest request
// body, so that over HTTP nothing reaches it. Work per hash grows with it only
// by one pass of a digest.
const MaxLength = 64 << 10

// Beside is the memory in bytes that a program needs beside its hashes.
const Beside = 64 << 20

const (
	// smallCost is what is counted for formats that need next to no memory.
	smallCost = 64 << 10
	// ownCost is the memory of a hash of ours.
	ownCost = argon2Memory << 10
	// defaultMemory is room for ten hashes of ours or one large one of
	// Django's.
	defaultMemory = 192 << 20

	// Who finds no place is told so within two seconds, the way included.
	defaultWait = 1500 * time.Millisecond
	// A processor does 30 to 60 hashes in a second; who stands farther back
	// than that would only wait in vain.
	queuePerThread = 64
)

// ErrTooLong is what Hash answers to a password over MaxLength.
var ErrTooLong = errors.New("password too long")

// ErrBusy is what every *BusyError is, for errors.Is.
var ErrBusy = errors.New("too many passwords are being hashed")

// BusyError says that the Hasher had no place within its waiting time. Nothing
// has been decided about the password.
type BusyError struct {
	// RetryAfter is when trying again makes sense.
	RetryAfter time.Duration
	// NoMemory says that there was a place, but the system had no memory for it.
	NoMemory bool
}

func (e *BusyError) Error() string {
	if e.NoMemory {
		return fmt.Sprintf("the system has no memory for a hash; try again in %v", e.RetryAfter)
	}
	return fmt.Sprintf("%v; try again in %v", ErrBusy, e.RetryAfter)
}

// Unwrap makes errors.Is(err, ErrBusy) true.
func (e *BusyError) Unwrap() error { return ErrBusy }

// Options bound the work of a Hasher. The zero value is the default.
type Options struct {
	// Memory in bytes that hashes at work may take together; one that takes more
	// than all of it is at work alone. 0 means 192 MiB, or one default hash per
	// processor where that is more, but no more than half of Limit, nor than
	// leaves Beside of it. It is raised to one default hash.
	Memory int64
	// Limit in bytes is what the program may have for everything, 0 if there is
	// none. A hash that leaves less than half of Beside of it is too costly here:
	// the system would end the program for it.
	Limit int64
	// Concurrent is how many may be at work at once; a hash that uses several
	// threads counts as that many. 0 means as many as there are processors, or
	// one fewer where a hash cannot be made to give way (see thread.go).
	Concurrent int
	// Mapped, when not nil, is told how many bytes the hashes have of the system that
	// the garbage collector does not count, whenever that changes.
	Mapped func(bytes int64)
	// Wait is how long one may wait for a place. 0 means 1.5 s.
	Wait time.Duration
	// Queue is how many may wait. 0 means 64 for each of Concurrent.
	Queue int
	// Cheap has Hash write, and take for today's, hashes that cost next to
	// nothing. It is for tests of what stands around a hash, and no setting leads
	// here.
	Cheap bool
}

// Hasher hashes and verifies with bounded memory and processors. It is safe
// for concurrent use; a program has one.
type Hasher struct {
	gate       *gate
	concurrent int
	most       int64 // bytes that one hash may take, 0 for whatever its format may
	writes     parameters
	dummy      *argon2Hash
	arena      arena
	room       *room // nil unless MakeRoom was called
	floor      floor
	done, made atomic.Uint64
}

// complete fills in what is not said.
func (o Options) complete() Options {
	if o.Concurrent <= 0 {
		o.Concurrent = spare(processors, runtime.NumCPU(), yields)
	}
	if o.Memory <= 0 {
		o.Memory = max(defaultMemory, int64(o.Concurrent)*ownCost)
		if o.Limit > 0 {
			o.Memory = min(o.Memory, o.Limit/2, o.Limit-Beside)
		}
	}
	o.Memory = max(o.Memory, ownCost)
	if o.Wait <= 0 {
		o.Wait = defaultWait
	}
	if o.Queue <= 0 {
		o.Queue = queuePerThread * o.Concurrent
	}
	return o
}

// AtOnce is how many bytes hashes of today's parameters take together, at most. One
// of another format may take more.
func (o Options) AtOnce() int64 {
	o = o.complete()
	return min(o.Memory, int64(o.Concurrent)*ownCost)
}

// NewHasher gives a Hasher. Options below zero count as zero.
func NewHasher(o Options) *Hasher {
	o = o.complete()
	writes := today()
	if o.Cheap {
		writes = cheap()
	}
	dummy := newArgon2(writes)
	dummy.sum = make([]byte, argon2Length)
	rand.Read(dummy.sum)
	most := int64(0)
	if o.Limit > 0 {
		most = max(o.Limit-Beside/2, ownCost)
	}
	return &Hasher{
		arena: arena{told: o.Mapped},
		gate: &gate{
			patience:   o.Wait,
			maxWaiting: o.Queue,
			total:      o.Memory,
			memory:     o.Memory,
			threads:    o.Concurrent,
		},
		concurrent: o.Concurrent,
		most:       most,
		writes:     writes,
		dummy:      dummy,
	}
}

// Hash gives the encoded hash of a password, in Django's argon2 format. The
// error is ErrTooLong, a *BusyError, or ctx's when it ended while waiting.
func (h *Hasher) Hash(ctx context.Context, pw string) (string, error) {
	if len(pw) > MaxLength {
		return "", ErrTooLong
	}
	a := newArgon2(h.writes)
	err := h.work(ctx, a, func(t turn) { a.sum = a.derive(pw, argon2Length, t) })
	if err != nil {
		return "", err
	}
	return a.String(), nil
}

// Verify reports whether the password is the hash's, and if so whether it
// should be hashed anew (see NeedsRehash). What cannot match costs a default
// hash all the same and is false: an encoded hash that is empty (nobody has
// this e-mail), unusable, malformed or too costly, and a password over
// MaxLength.
//
// The error is a *BusyError, or ctx's when it ended while waiting; then
// nothing is known.
func (h *Hasher) Verify(ctx context.Context, pw, encoded string) (ok, rehash bool, err error) {
	v, err := h.Judge(ctx, pw, encoded)
	return v.OK, v.Rehash, err
}

// parse is the package's, and refuses what is too costly in this program.
func (h *Hasher) parse(encoded string) (hash, error) {
	stored, err := parse(encoded)
	if err != nil {
		return nil, err
	}
	if memory, _ := stored.cost(); h.most > 0 && memory > h.most {
		return nil, fmt.Errorf("%w: %d bytes of memory", ErrTooCostly, memory)
	}
	return stored, nil
}

// turn is what a hash has while it is at work.
type turn struct {
	// began is when it got in; to find memory is a part of the work.
	began time.Time
	// in is the memory for it, nil for formats that take theirs elsewhere.
	in []block
	// threads is how many it may use.
	threads int
	// made counts those of our size; nil in tests.
	made *atomic.Uint64
}

// work runs fn apart, in a place of the hash's size. The place is given back
// even if fn panics. Where the system has no memory for it, it is as if there
// had been no place.
func (h *Hasher) work(ctx context.Context, of hash, fn func(turn)) error {
	memory, threads := of.cost()
	threads = min(threads, h.concurrent)
	if err := h.gate.enter(ctx, memory, threads); err != nil {
		return err
	}
	defer h.gate.leave(memory, threads)
	h.room.enter()
	defer h.room.leave()
	t := turn{began: time.Now(), threads: threads, made: &h.made}
	if a, ok := of.(*argon2Hash); ok {
		if t.in, ok = h.arena.take(a.blocks()); !ok {
			return &BusyError{RetryAfter: h.gate.patience, NoMemory: true}
		}
		defer h.arena.give(t.in)
	}
	apart(func() { fn(t) })
	h.done.Add(1)
	return nil
}

// Stats is how busy a Hasher is.
type Stats struct {
	Waiting int
	Running int
	// Memory is the bytes that the running hashes are counted with.
	Memory int64
}

// Stats gives the figures of this moment, for metrics.
func (h *Hasher) Stats() Stats { return h.gate.stats() }

// Done is how many turns among the hashes there have been since the start.
func (h *Hasher) Done() uint64 { return h.done.Load() }

// Made is how many hashes of our size have been computed since the start, those
// that stand in for others included.
func (h *Hasher) Made() uint64 { return h.made.Load() }

package throttle

import (
	"context"
	"encoding/binary"
	"slices"
	"sort"
	"time"
)

// The kinds of counters, as they are stored.
const (
	kindAccount = "account"
	kindAddress = "address"
	kindDevice  = "device"
	kindSession = "session"
)

// Counter is one counter as it is kept. A store keeps its fields and
// understands none.
type Counter struct {
	Key          string
	Kind         string
	UserID       int64
	Address      string
	Failures     int64
	LastAt       time.Time
	Expires      time.Time
	BlockedUntil time.Time
	KnownUntil   time.Time
	// Places and Emails are marks: when an attempt took its place, and which
	// e-mails have failed and when.
	Places, Emails []byte
}

// Notice is something that an auditor should know.
type Notice struct {
	What    string // NoticeBlocked or NoticeCeiling
	At      time.Time
	UserID  int64
	Address string
	// Count is how many e-mails, or failures, there were.
	Count int64
}

// What a Notice tells.
const (
	// NoticeBlocked: an address was blocked for too many e-mails.
	NoticeBlocked = "blocked"
	// NoticeCeiling: an account, or a device of its, has reached the ceiling.
	NoticeCeiling = "ceiling"
)

// Change is something to do with counters, in one transaction. Apply is given
// the counters of Keys in that order, empty ones where there are none, and
// changes them in place; one without Expires then is none. With an error nothing
// is changed. It may be called more than once, and by a goroutine of the store's
// still when Count has ended with the error of its context.
type Change struct {
	Keys  []string
	Apply func([]Counter) (*Notice, error)
}

// Counters is where the counts are. An implementation is safe for concurrent
// use.
type Counters interface {
	// Count does a Change, atomically over all its keys.
	Count(ctx context.Context, c Change) error
	// Counters reads counters of at most four keys.
	Counters(ctx context.Context, keys []string) ([]Counter, error)
}

// marks are times with a number each, in order of time. They are stored as 8
// bytes of microseconds since 1970 and 4 of the number, both big-endian.
type marks []mark

type mark struct {
	at time.Time
	n  uint32
}

const markLength = 12

// readMarks leaves out what is as old as a time or older. Bytes that are no
// marks are none.
func readMarks(b []byte, after time.Time) marks {
	var all marks
	for ; len(b) >= markLength; b = b[markLength:] {
		at := time.UnixMicro(int64(binary.BigEndian.Uint64(b))) //nolint:gosec // Written by bytes.
		if at.After(after) {
			all = append(all, mark{at, binary.BigEndian.Uint32(b[8:])})
		}
	}
	return all
}

func (m marks) bytes() []byte {
	b := make([]byte, 0, len(m)*markLength)
	for _, x := range m {
		b = binary.BigEndian.AppendUint64(b, uint64(x.at.UnixMicro())) //nolint:gosec // As above.
		b = binary.BigEndian.AppendUint32(b, x.n)
	}
	return b
}

// total adds up the numbers.
func (m marks) total() (n int) {
	for _, x := range m {
		n += int(x.n)
	}
	return n
}

// sort puts marks in the order of time.
func (m marks) sort() {
	slices.SortStableFunc(m, func(a, b mark) int { return a.at.Compare(b.at) })
}

// last gives the time of the newest mark.
func (m marks) last() time.Time {
	if len(m) == 0 {
		return time.Time{}
	}
	return m[len(m)-1].at
}

// add counts one more at a time. Where there is a step, time is cut into steps
// and all that is counted in one is a mark at its end, so that few marks do for a
// large limit; what is counted then stays up to a step longer than it must, never
// shorter.
func (m marks) add(at time.Time, step time.Duration) marks {
	at = stepEnd(at, step)
	i := sort.Search(len(m), func(i int) bool { return !m[i].at.Before(at) })
	if i < len(m) && m[i].at.Equal(at) {
		m[i].n++
		return m
	}
	m = append(m, mark{})
	copy(m[i+1:], m[i:])
	m[i] = mark{at, 1}
	return m
}

// remove takes one that was added at a time out again, if it is there still.
// Marks of one moment are alike, so any of them will do.
func (m marks) remove(at time.Time, step time.Duration) marks {
	at = stepEnd(at, step)
	i := sort.Search(len(m), func(i int) bool { return !m[i].at.Before(at) })
	if i == len(m) || !m[i].at.Equal(at) {
		return m
	}
	if m[i].n--; m[i].n == 0 {
		m = append(m[:i], m[i+1:]...)
	}
	return m
}

// stepEnd gives the end of the step that a time is in: the same on all nodes.
func stepEnd(at time.Time, step time.Duration) time.Time {
	if begin := at.Truncate(step); begin.Before(at) {
		return begin.Add(step)
	}
	return at
}

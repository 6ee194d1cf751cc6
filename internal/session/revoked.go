package session

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/latchkey-auth/latchkey/internal/auth"
)

// DefaultBound is how many revocations are held in memory; above it look-ups
// go to the table's index.
const DefaultBound = 1_000_000

const (
	// feedPage is how many revocations one read of the feed brings.
	feedPage = 5_000
	// feedPatience bounds one read. A connection that is alive and brings
	// nothing, as through a proxy whose server has gone, must not blind the feed
	// while others work: the next read takes another one.
	feedPatience = 5 * time.Second
)

// Revoked is what was revoked during the last access-token lifetime, held in
// memory so that an access token is checked without the database.
//
// It grows from two sides. The node that took an act applies its rows after
// the commit and before the answer (Apply). The feed (Follow) reads the table
// in order of seq, and only it moves the mark: a foreign row 11 may come after
// our own row 12, and a mark moved by us would skip it.
type Revoked struct {
	store auth.Store
	now   func() time.Time
	log   *slog.Logger
	bound int

	mu       sync.RWMutex
	sessions map[string]int64 // until, in Unix seconds
	tokens   map[string]int64
	users    map[int64]userEntry
	all      allEntry
	// overflow is true while there are more rows than bound: then memory
	// holds nothing and the table is asked.
	overflow bool
	// filling is the list that will take over when the overflow is past. What is
	// applied is applied to it too.
	filling *Revoked
	// changed is closed when rows are applied, or turns counts one; whoever waits
	// takes a new one.
	changed chan struct{}
	// turns counts how often the table was no more the one that had been read.
	turns int

	// mark is the last row that the feed has read, zero before the first; only
	// the feed moves it.
	mark auth.Revocation

	loaded atomic.Bool
	// synced is when the feed last read the table without an error, in Unix
	// microseconds.
	synced atomic.Int64
}

type userEntry struct{ gen, issuedBefore, until int64 }

type allEntry struct{ issuedBefore, until int64 }

// NewRevoked makes an empty list over the store's table; bound 0 means
// DefaultBound. Load it before the first request.
func NewRevoked(store auth.Store, now func() time.Time, log *slog.Logger, bound int) *Revoked {
	if bound == 0 {
		bound = DefaultBound
	}
	r := &Revoked{store: store, now: now, log: log, bound: bound, changed: make(chan struct{})}
	r.clear()
	return r
}

func (r *Revoked) clear() {
	r.sessions, r.tokens, r.users, r.all = map[string]int64{}, map[string]int64{}, map[int64]userEntry{}, allEntry{}
}

// Apply adds rows. It never moves the feed's mark.
func (r *Revoked) Apply(rows ...auth.Revocation) {
	if len(rows) == 0 {
		return
	}
	now := r.now().Unix()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.wake()
	if r.filling != nil {
		r.filling.Apply(rows...)
	}
	for _, row := range rows {
		until := row.Until.Unix() + 1
		if until <= now || r.overflow && row.Kind != auth.RevokedAll {
			continue
		}
		switch row.Kind {
		case auth.RevokedSession:
			r.sessions[row.Key] = max(r.sessions[row.Key], until)
		case auth.RevokedToken:
			r.tokens[row.Key] = max(r.tokens[row.Key], until)
		case auth.RevokedUser:
			id, err := strconv.ParseInt(row.Key, 10, 64)
			if err != nil {
				r.log.Error("revocation with a key that is no user id", "seq", row.Seq)
				continue
			}
			e := r.users[id]
			r.users[id] = userEntry{max(e.gen, row.Gen), max(e.issuedBefore, row.IssuedBefore), max(e.until, until)}
		case auth.RevokedAll:
			r.all = allEntry{max(r.all.issuedBefore, row.IssuedBefore), max(r.all.until, until)}
		}
	}
	if !r.overflow && r.size() > r.bound {
		all := r.all
		r.clear()
		r.all, r.overflow = all, true
		r.log.Warn("more revocations than memory holds: asking the table", "bound", r.bound)
	}
}

// wake tells those who wait for a change. r.mu is held.
func (r *Revoked) wake() {
	close(r.changed)
	r.changed = make(chan struct{})
}

// Turns counts how often the table was no more the one that had been read: then
// a number of before says nothing about what has come since.
func (r *Revoked) Turns() int {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.turns
}

func (r *Revoked) turn() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.turns++
	r.wake()
}

// Changed gives a channel that is closed when rows are applied, or Turns counts
// one, after this call.
func (r *Revoked) Changed() <-chan struct{} {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.changed
}

func (r *Revoked) size() int { return len(r.sessions) + len(r.tokens) + len(r.users) }

// Has reports whether an access token is dead. It asks the store only above
// the bound; an error means that it is not known.
func (r *Revoked) Has(ctx context.Context, a auth.AccessIdentity) (bool, error) {
	r.mu.RLock()
	overflow := r.overflow
	dead := r.has(a)
	r.mu.RUnlock()
	if dead || !overflow {
		return dead, nil
	}
	dead, err := r.store.Read().AccessRevoked(ctx, a)
	if err != nil {
		return false, fmt.Errorf("look up revocation: %w", err)
	}
	return dead, nil
}

func (r *Revoked) has(a auth.AccessIdentity) bool {
	if r.all.until != 0 && a.IssuedAt <= r.all.issuedBefore {
		return true
	}
	if a.SessionID != "" {
		if _, ok := r.sessions[a.SessionID]; ok {
			return true
		}
	} else if _, ok := r.tokens[a.JTI]; ok {
		return true
	}
	e, ok := r.users[a.UserID]
	if !ok {
		return false
	}
	if a.HasGen {
		return a.Gen < e.gen
	}
	// iat counts seconds: a token of the same second may be older, so it dies.
	return e.issuedBefore != 0 && a.IssuedAt <= e.issuedBefore
}

// Loaded reports whether the table has been read once.
func (r *Revoked) Loaded() bool { return r.loaded.Load() }

// Synced is when the table was last read, zero before the first time.
func (r *Revoked) Synced() time.Time {
	if us := r.synced.Load(); us != 0 {
		return time.UnixMicro(us)
	}
	return time.Time{}
}

// Load reads what the table has beyond the mark, and moves it: it is the
// feed's.
func (r *Revoked) Load(ctx context.Context) error {
	for turned, begun := false, 0; ; {
		mark := r.marked()
		next, turn, more, err := r.read(ctx, mark)
		if err != nil {
			return err
		}
		r.setMark(next)
		if next.Seq < mark.Seq {
			if begun++; begun > maxBegun || turn && turned {
				return errTurning
			}
		}
		if turn {
			turned = true
			r.turn()
			r.log.Warn("the database's revocations are not those that were read: it is an older one, or another one; reading all again", "seq", mark.Seq)
		}
		if !more {
			r.loaded.Store(true)
			r.synced.Store(r.now().UnixMicro())
			return nil
		}
	}
}

// maxBegun is how often a list is begun anew at once: where much is swept while it
// is read, its marks may go with that.
const maxBegun = 100

// sweptWithin is from how long before its end on a revocation may have been swept:
// another node's clock may be as far ahead.
const sweptWithin = 10 * time.Minute

// errTurning: read and read again, the list would never be whole.
var errTurning = &auth.Error{
	Kind: auth.Unavailable, Code: auth.CodeDatabaseAway,
	Cause: errors.New("the database is now one and now another"),
}

// read applies a page of what the table has beyond a mark. It gives the mark to
// go on from, whether the table is no more the one that the mark is of, and
// whether there may be more.
//
// The row of the mark is read again with them. A backup that was put back, and
// a standby that had not got the last commits, give numbers out a second time:
// what is beyond the mark is then not all that is new, also when their clock has
// come past it since, which only the row itself can tell. So where it is another
// one, or gone, the mark to go on from is zero, and the table is read from its
// beginning. One that was swept leaves few before it. What is known stays known:
// no token comes back to life.
func (r *Revoked) read(ctx context.Context, mark auth.Revocation) (next auth.Revocation, turned, more bool, err error) {
	rows, err := r.page(ctx, max(mark.Seq-1, 0))
	if err != nil {
		return mark, false, false, err
	}
	more = len(rows) == feedPage
	if mark.Seq != 0 {
		if len(rows) == 0 || rows[0] != mark {
			another := len(rows) > 0 && rows[0].Seq == mark.Seq
			turned = another || mark.Until.After(r.now().Add(sweptWithin))
			return auth.Revocation{}, turned, true, nil
		}
		rows = rows[1:]
	}
	r.Apply(rows...)
	if len(rows) > 0 {
		mark = rows[len(rows)-1]
	}
	return mark, false, more, nil
}

func (r *Revoked) page(ctx context.Context, after int64) ([]auth.Revocation, error) {
	patience, cancel := context.WithTimeout(ctx, feedPatience)
	defer cancel()
	rows, err := r.store.Read().Revocations(patience, after, feedPage)
	switch {
	case err == nil:
		return rows, nil
	case patience.Err() != nil && ctx.Err() == nil:
		err = &auth.Error{Kind: auth.Unavailable, Code: auth.CodeDatabaseAway, Cause: err}
	}
	return nil, fmt.Errorf("read revocations: %w", err)
}

func (r *Revoked) marked() auth.Revocation {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.mark
}

func (r *Revoked) setMark(mark auth.Revocation) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.mark = mark
}

// CatchUp reads the table before an answer: after an act whose commit may or
// may not have happened, and after one that found its work done by somebody
// else who may not have told this node yet. Where the table cannot be read, the
// feed will bring it. The mark stays where it is: moved past rows that the feed
// is about to read again, or that an overflow has dropped, it would skip them. A
// list that was never loaded is a command's, which answers nobody: it is left
// alone.
func (r *Revoked) CatchUp(ctx context.Context) {
	if !r.Loaded() {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	mark := r.marked()
	for more := true; more; {
		var err error
		if mark, _, more, err = r.read(ctx, mark); err != nil {
			r.log.Warn("revocations cannot be read after an act that failed", "error", err)
			return
		}
	}
}

// backStep is by how much a clock may go back before that matters.
const backStep = 2 * time.Second

// Follow keeps the list current until ctx is done: at each hint of the store
// and, since hints may be lost, each second. A failure is logged once and
// tried again.
func (r *Revoked) Follow(ctx context.Context) {
	// Also where it ends by a panic nobody listens on for it.
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	changes := r.store.Changes(ctx)
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	forget := time.NewTicker(time.Minute)
	defer forget.Stop()
	failing := false
	seen := r.now().UnixMicro()
	for {
		// A clock that is put back may have been ahead: what was forgotten
		// meanwhile, or not taken in, can be needed again. The table has it.
		now := r.now().UnixMicro()
		if now < seen-int64(backStep/time.Microsecond) {
			r.log.Warn("the clock was put back; reading all revocations again")
			r.setMark(auth.Revocation{})
		}
		seen = now
		err := r.Load(ctx)
		if ctx.Err() != nil {
			return
		}
		if (err != nil) != failing {
			failing = err != nil
			if failing {
				r.log.Error("revocations cannot be read; going on with what is known", "error", err)
			} else {
				r.log.Info("revocations are read again")
			}
		}
		select {
		case <-ctx.Done():
			return
		case _, ok := <-changes:
			if !ok {
				changes = nil
			}
		case <-tick.C:
		case <-forget.C:
			r.forget(ctx)
		}
	}
}

// forget drops what no token can match any more, and comes back from the
// overflow when the table has shrunk to half the bound.
func (r *Revoked) forget(ctx context.Context) {
	now := r.now().Unix()
	r.mu.Lock()
	for k, until := range r.sessions {
		if until <= now {
			delete(r.sessions, k)
		}
	}
	for k, until := range r.tokens {
		if until <= now {
			delete(r.tokens, k)
		}
	}
	for k, e := range r.users {
		if e.until <= now {
			delete(r.users, k)
		}
	}
	if r.all.until <= now {
		r.all = allEntry{}
	}
	overflow := r.overflow
	r.mu.Unlock()
	if overflow {
		r.leaveOverflow(ctx)
	}
}

// leaveOverflow fills a list of its own first: while it is read the table
// answers. What is applied meanwhile goes there too, and what was applied before
// is in the table: nothing that was answered is unknown after the switch.
func (r *Revoked) leaveOverflow(ctx context.Context) {
	fresh := NewRevoked(r.store, r.now, r.log, r.bound/2)
	r.fill(fresh)
	defer r.fill(nil) // also after a panic
	if err := fresh.Load(ctx); err != nil {
		return // The feed, which reads the same, tells of it.
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if fresh.overflow {
		return
	}
	r.sessions, r.tokens, r.users = fresh.sessions, fresh.tokens, fresh.users
	r.all = allEntry{max(r.all.issuedBefore, fresh.all.issuedBefore), max(r.all.until, fresh.all.until)}
	r.overflow, r.filling = false, nil
}

func (r *Revoked) fill(fresh *Revoked) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.filling = fresh
}

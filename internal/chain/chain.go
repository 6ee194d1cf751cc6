package chain

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/latchkey-auth/latchkey/internal/auth"
	"github.com/latchkey-auth/latchkey/internal/token"
)

const (
	// SealEvery is how often what has happened is sealed.
	SealEvery = 10 * time.Second
	// FoldTime is how long a minute's failed logins may still be counted up: the
	// minute, and one more.
	FoldTime = 2 * time.Minute
	// linkSize is how many events a link holds at most.
	linkSize = 500
	// roundLinks is how many links are made in one go.
	roundLinks = 20
	// pruneEvery is how often old links are looked for, tellEvery how often the
	// head is logged, verifyEvery how old a verification may grow.
	pruneEvery  = time.Minute
	tellEvery   = 10 * time.Minute
	verifyEvery = 24 * time.Hour
)

// ErrBroken says that the chain is not as it was left here: nothing is sealed
// on top of it.
var ErrBroken = errors.New("the audit chain is broken")

// Keys are where the MAC's key comes from; *keyring.Ring.
type Keys interface {
	// Signing is the key that signs tokens.
	Signing() token.Key
	// Held finds a key by its id, whatever its state, if its secret is still
	// here; signs is false for one that has been retired.
	Held(ctx context.Context, id string) (key token.Key, signs, found bool, err error)
}

// Options are the settings of a Sealer.
type Options struct {
	Store auth.Store
	Keys  Keys
	// Retention is how long events are kept; 0 is for ever.
	Retention time.Duration
	// Steady reports whether the clock can be trusted with what cannot be undone;
	// nil is always.
	Steady func() bool
	Log    *slog.Logger
	Now    func() time.Time
	// Every is SealEvery if 0; tests seal more often.
	Every time.Duration
}

// Sealer seals, prunes and verifies. It is safe for concurrent use.
type Sealer struct {
	Options

	mu    sync.Mutex
	sight sight
	proof proof
}

// proof is what is known of the links of a chain since they were followed to its
// head: some of them, in their order. It holds until the trail is accepted anew.
type proof struct {
	accepted time.Time
	marks    []Mark
}

// sight is the latest head that was seen here since the trail was last
// accepted.
type sight struct {
	head     Mark
	accepted time.Time
}

// New makes a Sealer.
func New(o Options) *Sealer {
	if o.Every == 0 {
		o.Every = SealEvery
	}
	return &Sealer{Options: o}
}

// Run seals and prunes until ctx is done, and seals once more then. It verifies
// once a day.
func (s *Sealer) Run(ctx context.Context) {
	tick := time.NewTicker(s.Every)
	defer tick.Stop()
	var pruned, told, looked time.Time
	var toldHead Mark
	var sealing, pruning, verifying string // The trouble that was told.
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 3*time.Second)
			defer cancel()
			if err := s.Seal(last); err != nil {
				s.Log.Warn("the last events could not be sealed", "error", err)
			}
			if c, err := s.read().Chain(last); err == nil && c.HeadSeq > 0 {
				s.tell(c)
			}
			return
		}
		err := s.Seal(ctx)
		s.once(ctx, &sealing, "the audit trail could not be sealed; trying again", err)
		if err != nil {
			continue
		}
		now := time.Now()
		if now.Sub(pruned) >= pruneEvery {
			pruned = now
			s.once(ctx, &pruning, "old events could not be removed; trying again", s.Prune(ctx))
		}
		if now.Sub(looked) >= pruneEvery {
			looked = now
			s.once(ctx, &verifying, "the audit trail could not be verified; trying again", s.verifyIfDue(ctx))
		}
		if now.Sub(told) >= tellEvery {
			told = now
			if c, err := s.read().Chain(ctx); err == nil && headOf(c) != toldHead && c.HeadSeq > 0 {
				toldHead = headOf(c)
				s.tell(c)
			}
		}
	}
}

// once logs a trouble that is another than the last of its kind.
func (s *Sealer) once(ctx context.Context, last *string, what string, err error) {
	switch {
	case err == nil:
		*last = ""
	case ctx.Err() == nil && err.Error() != *last:
		*last = err.Error()
		s.Log.Error(what, "error", err)
	}
}

// tell writes the head where it leaves the machine with the log.
func (s *Sealer) tell(c auth.Chain) {
	s.Log.Info("audit chain", "head", headOf(c).String(), "events", c.Events)
}

func headOf(c auth.Chain) Mark { return Mark{c.HeadSeq, c.HeadHash} }

// Seal seals what can change no more. An error that is ErrBroken stays until an
// operator has looked.
func (s *Sealer) Seal(ctx context.Context) error {
	for range roundLinks {
		more, err := s.round(ctx)
		if err != nil || !more {
			return err
		}
	}
	return nil
}

// round makes a link, if there is anything to seal, and the MAC anew.
func (s *Sealer) round(ctx context.Context) (more bool, err error) {
	c, key, err := s.ends(ctx)
	if err != nil {
		return false, err
	}
	now := s.Now()
	_, sealable, _, err := s.read().UnsealedRows(ctx, now.Add(-FoldTime))
	if err != nil {
		return false, err
	}
	turn := c.KeyID != "" && key.retired
	if sealable == 0 && !turn {
		return false, nil
	}
	var rows []auth.AuditRow
	err = s.update(ctx, func(ctx context.Context, tx auth.Tx) error {
		rows = nil
		locked, err := tx.LockChain(ctx)
		if err != nil {
			return err
		}
		if locked != c {
			// Another node was first, or somebody writes here: look again.
			more = true
			return nil
		}
		if rows, err = tx.SealRows(ctx, c.HeadSeq+1, now.Add(-FoldTime), linkSize); err != nil {
			return err
		}
		next := c
		if len(rows) > 0 {
			l := linkOf(rows, c, now)
			if err := tx.InsertChainLink(ctx, l); err != nil {
				return err
			}
			if next.BegunAt.IsZero() {
				next.BegunAt = now
			}
			next.HeadSeq, next.HeadHash, next.SealedAt = l.Seq, l.Hash, now
			next.Events += l.Count
		}
		return tx.SetChain(ctx, sign(next, s.Keys.Signing()))
	})
	if err != nil {
		return false, fmt.Errorf("seal events: %w", err)
	}
	return more || len(rows) == linkSize, nil
}

// linkOf is the link of rows that follows the chain's head.
func linkOf(rows []auth.AuditRow, c auth.Chain, now time.Time) auth.ChainLink {
	l := auth.ChainLink{
		Seq: c.HeadSeq + 1, At: now, Count: int64(len(rows)), FirstID: rows[0].ID, LastID: rows[len(rows)-1].ID,
		IDs: idRanges(rows), LastAt: time.UnixMicro(rows[0].At),
	}
	b := newBatch()
	for i := range rows {
		b.add(&rows[i])
		if at := time.UnixMicro(rows[i].At); at.After(l.LastAt) {
			l.LastAt = at
		}
	}
	l.Batch = b.hash()
	l.Hash = linkHash(c.HeadHash, l)
	return l
}

// checked is the key whose MAC the chain has.
type checked struct {
	token.Key
	retired bool
}

// ends gives the chain's ends as they are now. An error that is ErrBroken says
// that they are not as they were left: not under the MAC of a key that is ours,
// or earlier than they were.
func (s *Sealer) ends(ctx context.Context) (c auth.Chain, key checked, err error) {
	// Once more before anybody is told: the key of the MAC may have gone since the
	// read, after another node had turned the chain to the next.
	for range 2 {
		// What was seen before the read, for others may see more meanwhile.
		s.mu.Lock()
		before := s.sight
		s.mu.Unlock()
		if c, err = s.read().Chain(ctx); err != nil {
			return c, key, err
		}
		if key, err = s.check(ctx, c, before); !errors.Is(err, ErrBroken) {
			break
		}
	}
	return c, key, err
}

// check reports whether ends that were read after that sight of them are as they
// were left.
func (s *Sealer) check(ctx context.Context, c auth.Chain, before sight) (key checked, err error) {
	if key, err = s.checkMAC(ctx, c); err != nil {
		return key, err
	}
	seen := before.head
	if !c.AcceptedAt.After(before.accepted) && (c.HeadSeq < seen.Seq || c.HeadSeq == seen.Seq && c.HeadHash != seen.Hash) {
		return key, fmt.Errorf("%w: it ends with link %d, and did with %s before", ErrBroken, c.HeadSeq, seen)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if c.AcceptedAt.After(s.sight.accepted) {
		s.sight = sight{headOf(c), c.AcceptedAt}
	} else if c.HeadSeq > s.sight.head.Seq {
		s.sight.head = headOf(c)
	}
	return key, nil
}

func (s *Sealer) checkMAC(ctx context.Context, c auth.Chain) (checked, error) {
	if c.KeyID == "" {
		if c != (auth.Chain{}) {
			return checked{}, fmt.Errorf("%w: it has no MAC", ErrBroken)
		}
		return checked{}, nil
	}
	key, signs, found, err := s.Keys.Held(ctx, c.KeyID)
	switch {
	case err != nil:
		return checked{}, err
	case !found:
		return checked{}, fmt.Errorf("%w: its MAC is that of key %q, which is not here any more", ErrBroken, cutID(c.KeyID))
	case !fits(c, key):
		return checked{}, fmt.Errorf("%w: its MAC is not that of key %s", ErrBroken, key.ID())
	}
	return checked{key, !signs}, nil
}

// cutID keeps what somebody may have written into the database from filling the
// log.
func cutID(id string) string { return id[:min(len(id), 64)] }

// pruneLinks is how many links go in one transaction, pruneEvents how many
// events at most, unless one link has more.
const (
	pruneLinks  = 200
	pruneEvents = 1000
)

// Prune removes the links whose events have all grown old, from the beginning,
// and moves the anchor. Of what is not as it was sealed nothing is removed: under
// the MAC it would be gone for good. Then the error is ErrBroken. While the clock
// is not Steady nothing is removed either.
func (s *Sealer) Prune(ctx context.Context) error {
	for {
		n, err := s.prune(ctx)
		if err != nil || n == 0 {
			return err
		}
	}
}

func (s *Sealer) prune(ctx context.Context) (n int, err error) {
	now := s.Now() // First, so that Steady knows of a step before it.
	if s.Retention == 0 || s.Steady != nil && !s.Steady() {
		return 0, nil
	}
	c, _, err := s.ends(ctx)
	if err != nil {
		return 0, err
	}
	all, err := s.read().ChainLinks(ctx, c.AnchorSeq, pruneLinks)
	if err != nil {
		return 0, err
	}
	links := fitting(old(all, now, s.Retention), pruneEvents)
	if len(links) == 0 {
		return 0, nil
	}
	// Before the transaction, which must not wait for it.
	broken, err := s.disprove(ctx, c, links)
	if err != nil {
		return 0, fmt.Errorf("compare old events: %w", err)
	}
	err = s.update(ctx, func(ctx context.Context, tx auth.Tx) error {
		n = 0
		locked, err := tx.LockChain(ctx)
		if err != nil {
			return err
		}
		if locked != c {
			n = 1 // Look again.
			return nil
		}
		if broken != nil {
			return broken // Nobody else had pruned meanwhile.
		}
		next := c
		for _, l := range links {
			if _, err := tx.PruneChainLink(ctx, l); err != nil {
				return err
			}
			n++
			next.AnchorSeq, next.AnchorHash, next.AnchoredAt = l.Seq, l.Hash, now
		}
		return tx.SetChain(ctx, sign(next, s.Keys.Signing()))
	})
	if err != nil {
		return 0, fmt.Errorf("prune sealed events: %w", err)
	}
	return n, nil
}

// fitting gives so many of the links that their events are no more than most, and
// one at least.
func fitting(links []auth.ChainLink, most int64) []auth.ChainLink {
	var events int64
	for i, l := range links {
		if events += max(l.Count, 0); events > most && i > 0 {
			return links[:i]
		}
	}
	return links
}

// old gives the links at the beginning that may go. One with an event of the
// future, which a clock that was wrong has written, goes with the one after it.
func old(links []auth.ChainLink, now time.Time, retention time.Duration) []auth.ChainLink {
	n := 0
	for i, l := range links {
		if l.LastAt.Before(now.Add(-retention)) {
			n = i + 1
		} else if !l.LastAt.After(now.Add(time.Hour)) {
			break
		}
	}
	return links[:n]
}

// Accept takes the trail as it is for good: what is sealed is not proven any
// more, and the chain goes on from its head. An operator's act, after a break
// that was looked into, or when the MAC's key is lost.
func (s *Sealer) Accept(ctx context.Context) (auth.Chain, error) {
	var c auth.Chain
	err := s.update(ctx, func(ctx context.Context, tx auth.Tx) (err error) {
		if c, err = tx.LockChain(ctx); err != nil {
			return err
		}
		c, err = accept(ctx, tx, c, s.Keys.Signing(), s.Now())
		return err
	})
	return c, err
}

func accept(ctx context.Context, tx auth.Tx, c auth.Chain, key token.Key, now time.Time) (auth.Chain, error) {
	links, err := tx.ChainLinks(ctx, max(c.HeadSeq-1, 0), 1000)
	if err != nil {
		return c, err
	}
	// Later links than the head are there if somebody has put the head back.
	for len(links) > 0 {
		last := links[len(links)-1]
		c.HeadSeq, c.HeadHash = max(c.HeadSeq, last.Seq), last.Hash
		if links, err = tx.ChainLinks(ctx, last.Seq, 1000); err != nil {
			return c, err
		}
	}
	if err := tx.DropChainLinks(ctx, c.HeadSeq); err != nil {
		return c, err
	}
	if c.BegunAt.IsZero() {
		c.BegunAt = now
	}
	c.AnchorSeq, c.AnchorHash, c.AnchoredAt = c.HeadSeq, c.HeadHash, now
	c.AcceptedSeq, c.AcceptedAt = c.HeadSeq, now
	c.VerifiedAt, c.VerifiedSeq, c.Problems = time.Time{}, 0, 0
	c = sign(c, key)
	return c, tx.SetChain(ctx, c)
}

// Turn puts the chain under another key's MAC, in the transaction that removes
// the one that it is under. find gives the keys whose secrets are at hand.
// Where that of the chain's is lost, the trail is accepted as it is; accepted
// reports that. A chain whose MAC is wrong is left for an operator to look at.
func Turn(ctx context.Context, tx auth.Tx, find func(id string) (token.Key, bool), next token.Key, now time.Time) (accepted bool, err error) {
	c, err := tx.LockChain(ctx)
	if err != nil || c.KeyID == "" || c.KeyID == next.ID() {
		return false, err
	}
	key, found := find(c.KeyID)
	switch {
	case !found:
		_, err = accept(ctx, tx, c, next, now)
		return true, err
	case fits(c, key):
		return false, tx.SetChain(ctx, sign(c, next))
	default:
		return false, nil
	}
}

// State is what can be told of the chain at a glance.
type State struct {
	auth.Chain
	// Broken says what is wrong with its ends, "" for nothing.
	Broken string
	// Unsealed are the events that are not sealed yet, UnsealedSince the time of
	// the first.
	Unsealed      int64
	UnsealedSince time.Time
}

// Head is where the chain ends.
func (s State) Head() Mark { return headOf(s.Chain) }

// State tells of the chain.
func (s *Sealer) State(ctx context.Context) (State, error) {
	c, _, err := s.ends(ctx)
	state := State{Chain: c}
	if errors.Is(err, ErrBroken) {
		state.Broken = err.Error()
	} else if err != nil {
		return State{}, err
	}
	state.Unsealed, _, state.UnsealedSince, err = s.read().UnsealedRows(ctx, s.Now())
	return state, err
}

package chain

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"slices"
	"time"

	"github.com/latchkey-auth/latchkey/internal/auth"
)

// What a verification finds.
const (
	// Changed: an event of a link, or the link itself, is not as it was sealed.
	Changed = "changed"
	// Missing: an event, or a link, is gone.
	Missing = "missing"
	// Inserted: an event says that it was sealed and was not.
	Inserted = "inserted"
	// Truncated: the last links are gone.
	Truncated = "truncated"
	// Forged: the chain's ends are not under our MAC.
	Forged = "forged"
	// Rewound: the chain is not the one whose mark was kept elsewhere.
	Rewound = "rewound"
)

// Problem is a place where the trail is not as it was.
type Problem struct {
	Kind string `json:"kind"`
	// Link is where, 0 if nowhere in particular; Events which, as "4-5", "" if
	// that cannot be told.
	Link   int64  `json:"link"`
	Events string `json:"events"`
	Text   string `json:"text"`
}

// maxProblems are told one by one.
const maxProblems = 100

// Report is what a verification found.
type Report struct {
	OK bool
	// Links and Events were compared.
	Links, Events int64
	Problems      []Problem
	Found         int64 // all problems, also those beyond the first hundred
	Chain         auth.Chain
	// Uncompared are the marks of links that are gone: whether the chain went
	// through them cannot be told any more.
	Uncompared []Mark
	// Accepted are events that an operator accepted unproven.
	Accepted int64
	// Unsealed are the events after the head, the first of them of UnsealedSince.
	Unsealed      int64
	UnsealedSince time.Time
}

// Head is where the chain ended.
func (r *Report) Head() Mark { return headOf(r.Chain) }

func (r *Report) add(kind string, link int64, events, format string, args ...any) {
	r.Found++
	if len(r.Problems) < maxProblems {
		r.Problems = append(r.Problems, Problem{kind, link, events, fmt.Sprintf(format, args...)})
	}
}

// VerifyOptions say how.
type VerifyOptions struct {
	// Marks are heads of earlier times that were kept elsewhere.
	Marks []Mark
	// Pause is a breath between two reads, for a server that has other things
	// to do.
	Pause time.Duration
}

const (
	// pageLinks and pageEvents bound what is in memory at a time.
	pageLinks  = 200
	pageEvents = 1000
	// strayWindow is how many ids are looked at in one statement.
	strayWindow = 5000
	// maxStrays bounds what is read of what somebody has put in.
	maxStrays = 100
)

// Verify compares every sealed event with the chain, and the chain with its
// MAC. A little of the trail is in memory at a time. What is sealed or pruned
// meanwhile does not disturb it. It notes what came of it in the chain.
func (s *Sealer) Verify(ctx context.Context, o VerifyOptions) (*Report, error) {
	v := &verification{Sealer: s, o: o, r: &Report{}, read: s.read(), compared: make([]bool, len(o.Marks))}
	if err := v.run(ctx); err != nil {
		return nil, fmt.Errorf("verify the audit trail: %w", err)
	}
	r := v.r
	r.OK = r.Found == 0
	if v.forged {
		return r, nil // Nothing is put under our MAC that was not.
	}
	return r, s.note(ctx, r)
}

// verification is one Verify.
type verification struct {
	*Sealer
	o      VerifyOptions
	r      *Report
	read   auth.ChainReader
	forged bool

	chain    auth.Chain // its ends as they were read last
	at       int64      // the last link that was looked at
	hash     string     // and its hash
	compared []bool     // which of the marks
}

func (v *verification) run(ctx context.Context) (err error) {
	if v.chain, _, err = v.ends(ctx); errors.Is(err, ErrBroken) {
		v.forged = true
		v.r.add(Forged, 0, "", "%v", err)
	} else if err != nil {
		return err
	}
	v.r.Chain = v.chain
	v.at, v.hash = v.chain.AnchorSeq, v.chain.AnchorHash
	v.mark(v.at, v.hash)
	for v.at < v.r.Chain.HeadSeq {
		more, err := v.page(ctx)
		if err != nil {
			return err
		}
		if !more {
			break
		}
		if err := v.breathe(ctx); err != nil {
			return err
		}
	}
	v.end()
	if err := v.behind(ctx); err != nil {
		return err
	}
	if err := v.strays(ctx); err != nil {
		return err
	}
	v.otherMarks()
	if v.r.Accepted, err = v.read.AcceptedRows(ctx, v.chain.AcceptedSeq); err != nil {
		return err
	}
	v.r.Unsealed, _, v.r.UnsealedSince, err = v.read.UnsealedRows(ctx, v.Now())
	return err
}

// end compares the last link with the hash that is under the MAC.
func (v *verification) end() {
	if v.at == v.r.Chain.HeadSeq && v.hash != v.r.Chain.HeadHash {
		v.r.add(Changed, v.at, "", "the chain does not end with the hash that is under its MAC")
	}
}

func (v *verification) breathe(ctx context.Context) error {
	if v.o.Pause == 0 {
		return ctx.Err()
	}
	t := time.NewTimer(v.o.Pause)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// page looks at the next links and their events.
func (v *verification) page(ctx context.Context) (more bool, err error) {
	links, err := v.read.ChainLinks(ctx, v.at, pageLinks)
	if err != nil {
		return false, err
	}
	if moved, err := v.moved(ctx); err != nil || moved {
		return moved, err
	}
	head := v.r.Chain.HeadSeq
	for i, l := range links {
		if l.Seq > head {
			links = links[:i] // Sealed meanwhile.
			break
		}
	}
	if len(links) == 0 {
		v.r.add(Truncated, v.at+1, "", "links %s are gone: the chain ended with link %d", idRange{v.at + 1, head}, head)
		v.at = head
		v.hash = v.r.Chain.HeadHash
		return false, nil
	}
	links = fitting(links, pageEvents)
	found, err := v.compare(ctx, links)
	if err != nil {
		return false, err
	}
	// They may have been pruned between the two reads.
	if moved, err := v.moved(ctx); err != nil || moved {
		return moved, err
	}
	for i := range links {
		v.link(&links[i], found[i])
	}
	return true, nil
}

// moved looks whether the anchor has overtaken us: then we go on from there.
func (v *verification) moved(ctx context.Context) (bool, error) {
	c, err := v.read.Chain(ctx)
	if err != nil || c.AnchorSeq <= v.at || c.AnchorSeq == v.chain.AnchorSeq {
		return false, err
	}
	if c, _, err = v.ends(ctx); errors.Is(err, ErrBroken) || err == nil && c.AnchorSeq <= v.at {
		return false, nil
	} else if err != nil {
		return false, err
	}
	v.chain = c
	v.at, v.hash = c.AnchorSeq, c.AnchorHash
	if v.at > v.r.Chain.HeadSeq {
		v.r.Chain = c
	}
	v.mark(v.at, v.hash)
	return true, nil
}

// found is what was found of a link's events.
type found struct {
	batch
	ids      *idSet
	count    int64
	missing  []idRange
	inserted []int64
	lost     int64 // how many missing and inserted there are beside
}

func (f *found) miss(r idRange) {
	if len(f.missing) < maxStrays {
		f.missing = append(f.missing, r)
	} else {
		f.lost++
	}
}

// compare reads the events of some links.
func (v *verification) compare(ctx context.Context, links []auth.ChainLink) ([]*found, error) {
	all := make([]*found, len(links))
	place := map[int64]int{}
	r := auth.SealedRange{FirstLink: links[0].Seq, LastLink: links[len(links)-1].Seq, FirstID: math.MaxInt64, Limit: pageEvents}
	for i := range links {
		all[i] = &found{batch: *newBatch(), ids: idsOf(&links[i])}
		place[links[i].Seq] = i
		r.FirstID, r.LastID = min(r.FirstID, links[i].FirstID), max(r.LastID, links[i].LastID)
	}
	for {
		rows, err := v.read.SealedRows(ctx, r)
		if err != nil {
			return nil, err
		}
		for i := range rows {
			at, ok := place[rows[i].Link]
			if !ok || rows[i].ID < links[at].FirstID || rows[i].ID > links[at].LastID {
				continue // A stray, which is looked for later.
			}
			f := all[at]
			f.count++
			if f.ids.upTo(rows[i].ID, f.miss) {
				f.add(&rows[i])
			} else if len(f.inserted) < maxStrays {
				f.inserted = append(f.inserted, rows[i].ID)
			} else {
				f.lost++
			}
		}
		if len(rows) < r.Limit {
			break
		}
		r.FirstID = rows[len(rows)-1].ID + 1
	}
	for _, f := range all {
		f.ids.left(f.miss)
	}
	return all, nil
}

// link compares a link with the one before it and with its events.
func (v *verification) link(l *auth.ChainLink, f *found) {
	v.follow(l)
	v.r.Links++
	v.r.Events += f.count
	for _, r := range f.missing {
		v.r.add(Missing, l.Seq, r.String(), "event %s of link %d is gone", r, l.Seq)
	}
	for _, id := range f.inserted {
		v.r.add(Inserted, l.Seq, idRange{id, id}.String(), "event %d was not in link %d when it was sealed", id, l.Seq)
	}
	v.r.Found += f.lost
	if len(f.missing) == 0 && f.hash() != l.Batch {
		v.r.add(Changed, l.Seq, l.IDs, "an event of link %d was changed; it is one of %s", l.Seq, cutIDs(l.IDs))
	}
	v.mark(v.at, v.hash)
}

// follow compares a link with the one before it, and goes on to it.
func (v *verification) follow(l *auth.ChainLink) {
	if l.Seq != v.at+1 {
		// What it followed is not known: what follows tells whether it is right.
		v.r.add(Missing, v.at+1, "", "links %s are gone", idRange{v.at + 1, l.Seq - 1})
	} else if linkHash(v.hash, *l) != l.Hash {
		v.r.add(Changed, l.Seq, "", "link %d is not as it was made, or does not follow the one before it", l.Seq)
	}
	v.at, v.hash = l.Seq, l.Hash
}

func cutIDs(ids string) string {
	if len(ids) > 200 {
		return ids[:200] + "…"
	}
	return ids
}

// mark compares a link with the marks that were kept elsewhere.
func (v *verification) mark(seq int64, hash string) {
	for i, m := range v.o.Marks {
		if m.Seq != seq {
			continue
		}
		v.compared[i] = true
		if m.Hash != hash {
			v.r.add(Rewound, seq, "", "link %d had another hash when its mark was kept", seq)
		}
	}
}

// otherMarks tells of the marks that were compared with no link: they are later
// than the chain, or their links are gone.
func (v *verification) otherMarks() {
	for i, m := range v.o.Marks {
		switch {
		case v.compared[i]:
		case m.Seq > v.r.Chain.HeadSeq:
			v.r.add(Rewound, m.Seq, "", "the chain ends with link %d, and had a link %d", v.r.Chain.HeadSeq, m.Seq)
		default:
			v.r.Uncompared = append(v.r.Uncompared, m)
		}
	}
}

// behind looks for links after the head: those that were made meanwhile moved
// the head.
func (v *verification) behind(ctx context.Context) error {
	c, err := v.read.Chain(ctx)
	if err != nil {
		return err
	}
	links, err := v.read.ChainLinks(ctx, max(c.HeadSeq, c.AnchorSeq), 1)
	if err != nil || len(links) == 0 {
		return err
	}
	if c, err = v.read.Chain(ctx); err == nil && c.HeadSeq < links[0].Seq {
		v.inserted(links[0].Seq, c.HeadSeq)
	}
	return err
}

func (v *verification) inserted(seq, head int64) {
	v.r.add(Inserted, seq, "", "link %d is behind the end of the chain, which is link %d", seq, head)
}

// disprove compares the first links of a chain and their events with its anchor,
// and tells in an ErrBroken what is not as it was sealed. Anybody can make hashes
// that follow one another, but none that come to the head under the MAC: so it
// goes on to the next link that is known to lead there.
func (s *Sealer) disprove(ctx context.Context, c auth.Chain, links []auth.ChainLink) (broken, err error) {
	v := &verification{Sealer: s, r: &Report{Chain: c}, read: s.read(), at: c.AnchorSeq, hash: c.AnchorHash}
	all, err := v.compare(ctx, links)
	if err != nil {
		return nil, err
	}
	for i := range links {
		v.link(&links[i], all[i])
	}
	if v.at > c.HeadSeq {
		v.inserted(v.at, c.HeadSeq)
	}
	if v.r.Found == 0 {
		err = v.lead(ctx)
	}
	if v.r.Found == 0 || err != nil {
		return nil, err
	}
	return fmt.Errorf("%w: %s", ErrBroken, v.r.Problems[0].Text), nil
}

// lead follows the links from where v is to one that is known to lead to the
// head, or to the head itself, and keeps then what it came by.
func (v *verification) lead(ctx context.Context) error {
	c := v.r.Chain
	v.mu.Lock()
	known := v.proof
	v.mu.Unlock()
	if !known.accepted.Equal(c.AcceptedAt) {
		known.marks = nil
	}
	next, _ := slices.BinarySearchFunc(known.marks, v.at, func(m Mark, at int64) int { return cmp.Compare(m.Seq, at) })
	to := Mark{c.HeadSeq, c.HeadHash}
	if next < len(known.marks) {
		to = known.marks[next]
	}
	var marks []Mark
	for v.at < to.Seq && v.r.Found == 0 {
		links, err := v.read.ChainLinks(ctx, v.at, proofLinks)
		if err != nil {
			return err
		}
		if len(links) == 0 || links[0].Seq > to.Seq {
			v.r.add(Missing, v.at+1, "", "links %s are gone", idRange{v.at + 1, to.Seq})
			return nil
		}
		for i := range links {
			if links[i].Seq <= to.Seq {
				v.follow(&links[i])
			}
		}
		marks = append(marks, Mark{v.at, v.hash})
	}
	if v.r.Found > 0 {
		return nil
	}
	if v.end(); v.r.Found == 0 && v.hash != to.Hash {
		v.r.add(Changed, v.at, "", "link %d is not the one that led to the head", v.at)
	}
	if v.r.Found > 0 {
		return nil
	}
	if next == len(known.marks) {
		v.mu.Lock()
		v.proof = proof{c.AcceptedAt, marks}
		v.mu.Unlock()
	}
	return nil
}

// proofLinks is how many links are followed at a time, and how far apart the
// known ones are.
const proofLinks = 1000

// strays looks for events that say that they are sealed and are in no link.
func (v *verification) strays(ctx context.Context) error {
	first, last, err := v.read.EventIDs(ctx)
	if err != nil {
		return err
	}
	told := 0
	for after := first - 1; after < last; {
		upTo := min(after+strayWindow, last)
		rows, err := v.read.StrayRows(ctx, after, upTo, v.chain.AcceptedSeq, maxStrays)
		if err != nil {
			return err
		}
		for _, r := range rows {
			v.r.add(Inserted, r.Link, idRange{r.ID, r.ID}.String(), "event %d says that it is in link %d, which does not hold it", r.ID, r.Link)
		}
		if told += len(rows); told >= maxProblems {
			return nil
		}
		if len(rows) == maxStrays {
			after = rows[len(rows)-1].ID
		} else {
			after = upTo
		}
		if err := v.breathe(ctx); err != nil {
			return err
		}
	}
	return nil
}

// note keeps what came of it in the chain, for the console.
func (s *Sealer) note(ctx context.Context, r *Report) error {
	for range 10 {
		c, _, err := s.ends(ctx)
		if err != nil {
			return err
		}
		if c.KeyID == "" {
			return nil // Nothing was ever sealed.
		}
		done := false
		err = s.update(ctx, func(ctx context.Context, tx auth.Tx) error {
			locked, err := tx.LockChain(ctx)
			if done = err == nil && locked == c; !done {
				return err
			}
			locked.VerifiedAt, locked.VerifiedSeq, locked.Problems = s.Now(), r.Chain.HeadSeq, r.Found
			return tx.SetChain(ctx, sign(locked, s.Keys.Signing()))
		})
		if err != nil || done {
			return err
		}
	}
	return nil // So much is sealed that it does not matter.
}

// verifyIfDue verifies when that was not done for a day, or at a time to come, as
// a clock told that was wrong. Other nodes' clocks may be a little ahead.
func (s *Sealer) verifyIfDue(ctx context.Context) error {
	c, err := s.read().Chain(ctx)
	if err != nil || c.HeadSeq == 0 {
		return err
	}
	if age := s.Now().Sub(c.VerifiedAt); age > -pruneEvery && age < verifyEvery {
		return nil
	}
	r, err := s.Verify(ctx, VerifyOptions{Pause: 10 * time.Millisecond})
	if err != nil {
		return err
	}
	if !r.OK {
		p := r.Problems[0]
		s.Log.LogAttrs(ctx, slog.LevelError, "the audit trail is not as it was sealed; run `latchkey audit verify`",
			slog.Int64("problems", r.Found), slog.String("first", p.Text))
	}
	return nil
}

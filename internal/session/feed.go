package session

import (
	"context"
	"fmt"
	"time"

	"github.com/latchkey-auth/latchkey/internal/auth"
)

// feedRows is how many revocations one answer of the feed has at most.
const feedRows = 1_000

// FeedPage is what was revoked since a number.
type FeedPage struct {
	// Seq is what to ask on from.
	Seq int64
	// Reset says that the number asked from is none of this database's: its clock
	// is behind it, or it was another one, or a newer one, when this was asked. The
	// rows begin at 0.
	Reset       bool
	Revocations []auth.Revocation
	// MaxAccess is the longest that an access token lives.
	MaxAccess time.Duration
}

// Fresh reports whether there is anything that one who asked from after did not
// know.
func (p FeedPage) Fresh(after int64) bool { return p.Reset || p.Seq != after }

// Feed gives what was revoked since a number. With nothing new it waits for it,
// for so long, or until ctx or stopping is done.
//
// The truth is the table: a hint from this node or another one only says when
// to look.
func (s *Service) Feed(ctx context.Context, after int64, wait time.Duration, stopping <-chan struct{}) (FeedPage, error) {
	timeout := time.NewTimer(wait)
	defer timeout.Stop()
	turns := s.Revoked.Turns()
	for {
		hint := s.Revoked.Changed()
		page, err := s.feed(ctx, after, s.Revoked.Turns() != turns)
		if err != nil || page.Fresh(after) || wait <= 0 {
			return page, err
		}
		select {
		case <-hint:
		case <-timeout.C:
			return page, nil
		case <-stopping:
			return page, nil
		case <-ctx.Done():
			return page, ctx.Err() //nolint:wrapcheck // It is compared, not read.
		}
	}
}

func (s *Service) feed(ctx context.Context, after int64, turned bool) (FeedPage, error) {
	store := s.Store.Read()
	// The clock is read first: rows that are committed later have larger numbers.
	seq, err := store.LastRevocation(ctx)
	if err != nil {
		return FeedPage{}, fmt.Errorf("read the revocation clock: %w", err)
	}
	page := FeedPage{Seq: seq}
	if page.MaxAccess, err = store.MaxAccess(ctx); err != nil {
		return FeedPage{}, fmt.Errorf("read the largest access lifetime: %w", err)
	}
	if after == seq && !turned {
		return page, nil
	}
	if after > seq || turned {
		page.Reset, after = true, 0
	}
	if page.Revocations, err = store.Revocations(ctx, after, feedRows); err != nil {
		return FeedPage{}, fmt.Errorf("read revocations: %w", err)
	}
	if n := len(page.Revocations); n > 0 {
		last := page.Revocations[n-1].Seq
		if n == feedRows || last > seq {
			page.Seq = last
		}
	}
	return page, nil
}

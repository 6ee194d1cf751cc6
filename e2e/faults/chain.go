package faults

import (
	"context"
	"time"

	"github.com/latchkey-auth/latchkey/internal/auth"
)

// The chain over the audit trail.

func (r reader) Chain(ctx context.Context) (auth.Chain, error) {
	if err := r.fails(ctx, "Chain"); err != nil {
		return auth.Chain{}, err
	}
	return r.Reader.Chain(ctx)
}

func (r reader) ChainLinks(ctx context.Context, after int64, limit int) ([]auth.ChainLink, error) {
	if err := r.fails(ctx, "ChainLinks"); err != nil {
		return nil, err
	}
	return r.Reader.ChainLinks(ctx, after, limit)
}

func (r reader) SealedRows(ctx context.Context, wanted auth.SealedRange) ([]auth.AuditRow, error) {
	if err := r.fails(ctx, "SealedRows"); err != nil {
		return nil, err
	}
	return r.Reader.SealedRows(ctx, wanted)
}

func (r reader) StrayRows(ctx context.Context, after, upTo, accepted int64, limit int) ([]auth.AuditRow, error) {
	if err := r.fails(ctx, "StrayRows"); err != nil {
		return nil, err
	}
	return r.Reader.StrayRows(ctx, after, upTo, accepted, limit)
}

func (r reader) UnsealedRows(ctx context.Context, foldedBefore time.Time) (all, sealable int64, first time.Time, err error) {
	if err := r.fails(ctx, "UnsealedRows"); err != nil {
		return 0, 0, time.Time{}, err
	}
	return r.Reader.UnsealedRows(ctx, foldedBefore)
}

func (r reader) AcceptedRows(ctx context.Context, accepted int64) (int64, error) {
	if err := r.fails(ctx, "AcceptedRows"); err != nil {
		return 0, err
	}
	return r.Reader.AcceptedRows(ctx, accepted)
}

func (r reader) EventIDs(ctx context.Context) (first, last int64, err error) {
	if err := r.fails(ctx, "EventIDs"); err != nil {
		return 0, 0, err
	}
	return r.Reader.EventIDs(ctx)
}

func (t tx) LockChain(ctx context.Context) (auth.Chain, error) {
	if err := t.fails(ctx, "LockChain"); err != nil {
		return auth.Chain{}, err
	}
	return t.to.LockChain(ctx)
}

func (t tx) SetChain(ctx context.Context, c auth.Chain) error {
	if err := t.fails(ctx, "SetChain"); err != nil {
		return err
	}
	return t.to.SetChain(ctx, c)
}

func (t tx) SealRows(ctx context.Context, link int64, foldedBefore time.Time, limit int) ([]auth.AuditRow, error) {
	if err := t.fails(ctx, "SealRows"); err != nil {
		return nil, err
	}
	return t.to.SealRows(ctx, link, foldedBefore, limit)
}

func (t tx) InsertChainLink(ctx context.Context, l auth.ChainLink) error {
	if err := t.fails(ctx, "InsertChainLink"); err != nil {
		return err
	}
	return t.to.InsertChainLink(ctx, l)
}

func (t tx) PruneChainLink(ctx context.Context, l auth.ChainLink) (int64, error) {
	if err := t.fails(ctx, "PruneChainLink"); err != nil {
		return 0, err
	}
	return t.to.PruneChainLink(ctx, l)
}

func (t tx) DropChainLinks(ctx context.Context, upTo int64) error {
	if err := t.fails(ctx, "DropChainLinks"); err != nil {
		return err
	}
	return t.to.DropChainLinks(ctx, upTo)
}

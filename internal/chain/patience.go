package chain

import (
	"context"
	"time"

	"github.com/latchkey-auth/latchkey/internal/auth"
)

// patience bounds each look into the database and each transaction: a connection
// that is alive and brings nothing, as through a proxy whose server has gone,
// must hold neither the sealing nor a start or a stop for ever.
const patience = time.Minute

// read gives the reader of the chain, with patience.
func (s *Sealer) read() auth.ChainReader { return patient{s.Store.Read()} }

// update is Store.Update, with patience.
func (s *Sealer) update(ctx context.Context, fn func(context.Context, auth.Tx) error) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	return s.Store.Update(ctx, func(tx auth.Tx) error { return fn(ctx, tx) }) //nolint:wrapcheck // Its caller tells what it was.
}

// patient is a ChainReader whose calls end.
type patient struct{ from auth.ChainReader }

// within calls with patience.
func within[T any](ctx context.Context, call func(context.Context) (T, error)) (T, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	return call(ctx)
}

func (p patient) Chain(ctx context.Context) (auth.Chain, error) {
	return within(ctx, p.from.Chain)
}

func (p patient) ChainLinks(ctx context.Context, after int64, limit int) ([]auth.ChainLink, error) {
	return within(ctx, func(ctx context.Context) ([]auth.ChainLink, error) { return p.from.ChainLinks(ctx, after, limit) })
}

func (p patient) SealedRows(ctx context.Context, r auth.SealedRange) ([]auth.AuditRow, error) {
	return within(ctx, func(ctx context.Context) ([]auth.AuditRow, error) { return p.from.SealedRows(ctx, r) })
}

func (p patient) StrayRows(ctx context.Context, after, upTo, accepted int64, limit int) ([]auth.AuditRow, error) {
	return within(ctx, func(ctx context.Context) ([]auth.AuditRow, error) {
		return p.from.StrayRows(ctx, after, upTo, accepted, limit)
	})
}

func (p patient) UnsealedRows(ctx context.Context, foldedBefore time.Time) (all, sealable int64, first time.Time, err error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	return p.from.UnsealedRows(ctx, foldedBefore) //nolint:wrapcheck // As it came.
}

func (p patient) AcceptedRows(ctx context.Context, accepted int64) (int64, error) {
	return within(ctx, func(ctx context.Context) (int64, error) { return p.from.AcceptedRows(ctx, accepted) })
}

func (p patient) EventIDs(ctx context.Context) (first, last int64, err error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	return p.from.EventIDs(ctx) //nolint:wrapcheck // As it came.
}

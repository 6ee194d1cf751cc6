package keyring

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/latchkey-auth/latchkey/internal/auth"
	"github.com/latchkey-auth/latchkey/internal/token"
)

// Align turns the ring to signing.algorithm: where the signing key is of
// another one, a key of it is published, which signs when its time has come.
// Nobody is logged out: the old key is retired then, as by any rotation. Only
// the server's start does this, so that nodes whose settings differ while they
// are restarted one by one do not turn the ring to and fro.
//
// It also notes the lifetime of tokens with the signing key, and takes in a
// signing.key that is accepted beside an asymmetric key.
func (r *Ring) Align(ctx context.Context) error {
	rows, err := r.store.Read().Keys(ctx)
	if err != nil {
		return fmt.Errorf("read the key ring: %w", err)
	}
	o := r.options
	a := alignment{Options: o, now: o.Now(), outside: o.secretsAtHand(Change{Previous: r.outside})}
	if !a.isDue(rows) {
		return nil
	}
	if a.next, err = o.fresh(o.Algorithm, o.ownSecret()); err != nil {
		return err
	}
	if len(o.SigningKey) > 0 {
		if a.shared, err = o.fresh(token.HS256, o.SigningKey); err != nil {
			return err
		}
	}
	err = r.store.Update(ctx, func(tx auth.Tx) error {
		if err := tx.LockKeys(ctx); err != nil {
			return err
		}
		rows, err := tx.Keys(ctx)
		if err != nil {
			return err
		}
		return a.run(ctx, tx, rows)
	})
	if err != nil {
		return fmt.Errorf("turn the key ring to %s: %w", o.Algorithm, err)
	}
	return r.Reload(ctx)
}

// ownSecret is the operator's signing.key, or nil.
func (o Options) ownSecret() []byte {
	if len(o.SigningKey) == 0 {
		return nil
	}
	return o.SigningKey
}

// alignment is one Align: what it may need is made before the transaction.
type alignment struct {
	Options
	now     time.Time
	next    auth.Key // a key of the algorithm that is wanted
	shared  auth.Key // signing.key, if that is set
	outside [][]byte
}

// isDue is cautious: run looks again.
func (a *alignment) isDue(rows []auth.Key) bool {
	signing, _ := signingRow(rows)
	return signing.Algorithm != a.Algorithm || signing.Lifetime < a.Lifetime ||
		isAsymmetric(a.Algorithm) && len(a.SigningKey) > 0 && !slices.ContainsFunc(rows, func(k auth.Key) bool {
			return k.Algorithm == token.HS256 && is(k, a.SigningKey)
		}) ||
		slices.ContainsFunc(rows, func(k auth.Key) bool { return k.State == auth.KeyPublished && k.Algorithm != a.Algorithm })
}

func (a *alignment) run(ctx context.Context, tx auth.Tx, rows []auth.Key) error {
	for _, k := range rows {
		if k.State == auth.KeyPublished && k.Algorithm != a.Algorithm {
			if err := cut(ctx, tx, k, a.now); err != nil {
				return err
			}
		}
	}
	signing, found := signingRow(rows)
	if !found {
		return fmt.Errorf("no key is signing: run `latchkey key use`")
	}
	if signing.Lifetime < a.Lifetime {
		signing.Lifetime = a.Lifetime
		if err := tx.UpdateKey(ctx, signing); err != nil {
			return err
		}
		rows = slices.Clone(rows)
		rows[slices.IndexFunc(rows, func(k auth.Key) bool { return k.ID == signing.ID })] = signing
	}
	if err := a.takeIn(ctx, tx, rows); err != nil {
		return err
	}
	if signing.Algorithm == a.Algorithm {
		return nil
	}
	if p, found := publishedRow(rows); found && p.Algorithm == a.Algorithm {
		return nil // Another node was first.
	}
	i := slices.IndexFunc(rows, func(k auth.Key) bool { return k.ID == a.next.ID })
	switch {
	case i < 0:
	case wasCut(rows[i]):
		return fmt.Errorf("key %s was removed and does not come back: set another signing.key", a.next.ID)
	case rows[i].State == auth.KeyRetired && a.now.Before(rows[i].AcceptUntil):
		// Every node accepts it already, and would not while it is published.
		return a.promote(ctx, tx, rows, rows[i], a.outside, a.now)
	}
	return publish(ctx, tx, a.sealed(a.next), a.now.Add(a.ahead()), a.now)
}

// takeIn stores a signing.key that the ring does not know beside an asymmetric
// key: tokens that Django has signed with it are accepted like those of a
// retired key.
func (a *alignment) takeIn(ctx context.Context, tx auth.Tx, rows []auth.Key) error {
	if a.shared.ID == "" || !isAsymmetric(a.Algorithm) ||
		slices.ContainsFunc(rows, func(k auth.Key) bool { return k.ID == a.shared.ID }) {
		return nil
	}
	row := a.shared
	row.State, row.RetiredAt, row.AcceptUntil = auth.KeyRetired, a.now, a.now.Add(a.Lifetime+a.leeway())
	var err error
	if row.Secret, row.Sealed, err = a.stored(row.ID, a.SigningKey); err != nil {
		return err
	}
	if _, err := tx.InsertKey(ctx, row); err != nil {
		return err
	}
	return tell(ctx, tx, a.now, "accepted "+row.ID)
}

// sealed adds the secret of an operator's key where it can be sealed, so that
// nodes that run can follow.
func (a *alignment) sealed(row auth.Key) auth.Key {
	if len(a.SealKey) == 0 || len(row.Secret) > 0 {
		return row
	}
	if secret, sealed, err := a.stored(row.ID, a.SigningKey); err == nil {
		row.Secret, row.Sealed = secret, sealed
	}
	return row
}

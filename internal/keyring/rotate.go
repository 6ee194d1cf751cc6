package keyring

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/latchkey-auth/latchkey/internal/auth"
	"github.com/latchkey-auth/latchkey/internal/token"
)

// ErrOperatorsKey says that signing.key is the operator's own to change.
var ErrOperatorsKey = errors.New("tokens are signed with your own signing.key")

// Advance does what is due: a published key begins to sign and the one before
// it is retired, a retired one is removed, the next one is published. Then it
// reads the ring again. It is to be called each second or so.
//
// While the clock is not steady (nil: it always is) no retired key is removed: its
// secret would not come back when a clock that was wrongly ahead is put right.
// Accepted it is not after its time, whatever its state.
func (r *Ring) Advance(ctx context.Context, steady func() bool) error {
	rows, err := r.reloaded(ctx)
	if err != nil {
		return err
	}
	o := r.options
	now := o.Now()
	forget := steady == nil || steady() // After the time was taken, which may be that of a step.
	var next auth.Key
	switch signing, _ := signingRow(rows); {
	case o.rotationIsDue(rows, now):
		// Made before the transaction, which must not wait for it.
		if next, err = o.fresh(signing.Algorithm, nil); err != nil {
			return err
		}
	case !slices.ContainsFunc(rows, func(k auth.Key) bool { return moves(k, now) && (forget || k.State != auth.KeyRetired) }):
		return nil
	}
	outside := o.secretsAtHand(Change{Previous: r.outside})
	err = r.store.Update(ctx, func(tx auth.Tx) error {
		if err := tx.LockKeys(ctx); err != nil {
			return err
		}
		rows, err := tx.Keys(ctx)
		if err != nil {
			return err
		}
		return o.advance(ctx, tx, rows, next, outside, now, forget)
	})
	if err != nil {
		err = fmt.Errorf("advance the key ring: %w", err)
	}
	return errors.Join(err, r.Reload(ctx))
}

// moves: the row's time has come.
func moves(k auth.Key, now time.Time) bool {
	switch k.State {
	case auth.KeyPublished:
		return !k.SignsAt.IsZero() && !now.Before(k.SignsAt)
	case auth.KeyRetired:
		return !now.Before(k.AcceptUntil)
	default:
		return false
	}
}

// rotationIsDue: by its age the signing key wants a successor to be published.
func (o Options) rotationIsDue(rows []auth.Key, now time.Time) bool {
	signing, found := signingRow(rows)
	if !found || o.RotateEvery <= 0 || o.isOperators(signing) {
		return false
	}
	if _, found := publishedRow(rows); found {
		return false
	}
	since := signing.SignsAt
	if since.IsZero() {
		since = signing.CreatedAt
	}
	return !now.Before(since.Add(o.RotateEvery - o.ahead()))
}

// isOperators: the signing key is signing.key, as far as can be told.
func (o Options) isOperators(signing auth.Key) bool {
	return signing.Algorithm == token.HS256 && len(o.SigningKey) > 0
}

// publishedRow finds the key that signs next: of several, which only a bug can
// make, the first to.
func publishedRow(rows []auth.Key) (found auth.Key, ok bool) {
	for _, k := range rows {
		if k.State == auth.KeyPublished && !k.SignsAt.IsZero() && (!ok || k.SignsAt.Before(found.SignsAt)) {
			found, ok = k, true
		}
	}
	return found, ok
}

// advance is Advance's transaction. next is the key to publish if that is
// still due; forget lets retired keys go.
func (o Options) advance(ctx context.Context, tx auth.Tx, rows []auth.Key, next auth.Key, outside [][]byte, now time.Time, forget bool) error {
	if p, found := publishedRow(rows); found && moves(p, now) {
		if err := o.promote(ctx, tx, rows, p, outside, now); err != nil {
			return err
		}
	}
	for _, k := range rows {
		if forget && k.State == auth.KeyRetired && moves(k, now) {
			if err := remove(ctx, tx, k, now); err != nil {
				return err
			}
		}
	}
	if next.ID == "" || !o.rotationIsDue(rows, now) {
		return nil
	}
	return publish(ctx, tx, next, now.Add(o.ahead()), now)
}

// promote lets a key sign, whose row is there, and retires the one before it.
func (o Options) promote(ctx context.Context, tx auth.Tx, rows []auth.Key, next auth.Key, outside [][]byte, now time.Time) error {
	if o.Lifetime <= 0 {
		return errors.New("a key cannot be retired without the lifetime of tokens")
	}
	old, found := signingRow(rows)
	if found {
		// A node that has not heard of this signs with it a moment longer.
		retired, err := o.retire(old, Change{Lifetime: o.Lifetime + o.leeway()}, outside, now)
		if err != nil {
			return err
		}
		if err := tx.UpdateKey(ctx, retired); err != nil {
			return err
		}
	}
	next.State, next.Lifetime = auth.KeySigning, o.Lifetime
	if next.SignsAt.IsZero() || now.Before(next.SignsAt) {
		next.SignsAt = now
	}
	next.RetiredAt, next.AcceptUntil = time.Time{}, time.Time{}
	if err := tx.UpdateKey(ctx, next); err != nil {
		return err
	}
	return tell(ctx, tx, now, old.ID+" -> "+next.ID)
}

// publish stores a key that signs at a time to come.
func publish(ctx context.Context, tx auth.Tx, next auth.Key, signsAt, now time.Time) error {
	next.State, next.SignsAt = auth.KeyPublished, signsAt
	next.RetiredAt, next.AcceptUntil = time.Time{}, time.Time{}
	row, err := tx.InsertKey(ctx, next)
	if err != nil {
		return err
	}
	if row.State != auth.KeyPublished {
		// The operator's key of former times.
		if err := tx.UpdateKey(ctx, next); err != nil {
			return err
		}
	}
	return tell(ctx, tx, now, "published "+next.ID)
}

// remove ends a key for good; its secret is forgotten.
func remove(ctx context.Context, tx auth.Tx, k auth.Key, now time.Time) error {
	if k.RetiredAt.IsZero() {
		k.RetiredAt = now
	}
	k.State, k.Secret, k.Sealed = auth.KeyRemoved, nil, false
	if err := tx.UpdateKey(ctx, k); err != nil {
		return err
	}
	return tell(ctx, tx, now, "removed "+k.ID)
}

// cut removes a key before its time. Its AcceptUntil, which is not after its
// RetiredAt then, says so for good.
func cut(ctx context.Context, tx auth.Tx, k auth.Key, now time.Time) error {
	if k.RetiredAt.IsZero() {
		k.RetiredAt = now
	}
	k.AcceptUntil = k.RetiredAt
	return remove(ctx, tx, k, now)
}

// wasCut: the key was removed before its time, because it was lost or known to
// others.
func wasCut(k auth.Key) bool {
	return k.State == auth.KeyRemoved && !k.AcceptUntil.After(k.RetiredAt)
}

// unpublish removes the published keys but one. They have signed nothing.
func unpublish(ctx context.Context, tx auth.Tx, rows []auth.Key, but string, now time.Time) error {
	for _, k := range rows {
		if k.State == auth.KeyPublished && k.ID != but {
			if err := cut(ctx, tx, k, now); err != nil {
				return err
			}
		}
	}
	return nil
}

func tell(ctx context.Context, tx auth.Tx, now time.Time, detail string) error {
	return tx.InsertEvent(ctx, auth.Event{At: now, Kind: auth.EventKeyChanged, Count: 1, Detail: detail})
}

// soon is how long an HS256 key waits that shall sign at once: its tokens do
// not name it, so every node must have read it first. Five seconds.
func (o Options) soon() time.Duration { return o.Cache / 60 }

// Rotate makes the next key, of the algorithm that is in use: `latchkey key
// rotate`. It is published and signs when every copy of the JWKS has it; with
// atOnce it signs now, and a published one is not waited for. While one is
// published already, no other is made. It gives the key that signs next, as it
// is stored.
func Rotate(ctx context.Context, store auth.Store, o Options, atOnce bool) (auth.Key, error) {
	o, err := o.check()
	if err != nil {
		return auth.Key{}, err
	}
	rows, err := store.Read().Keys(ctx)
	if err != nil {
		return auth.Key{}, fmt.Errorf("read the key ring: %w", err)
	}
	signing, found := signingRow(rows)
	if !found {
		return auth.Key{}, errors.New("no key is signing yet: start the server once, it makes one")
	}
	outside := o.secretsAtHand(Change{})
	if o.isOperators(signing) || signing.Algorithm == token.HS256 && len(signing.Secret) == 0 && !isOneOf(signing, outside) {
		return auth.Key{}, fmt.Errorf("%w (fingerprint %s)", ErrOperatorsKey, signing.Fingerprint)
	}
	fresh, err := o.fresh(signing.Algorithm, nil)
	if err != nil {
		return auth.Key{}, err
	}
	now := o.Now()
	var next auth.Key
	err = store.Update(ctx, func(tx auth.Tx) error {
		if err := tx.LockKeys(ctx); err != nil {
			return err
		}
		rows, err := tx.Keys(ctx)
		if err != nil {
			return err
		}
		next, found = publishedRow(rows)
		switch {
		case found && !atOnce:
			return nil
		case !found:
			next = fresh
			next.SignsAt = now.Add(o.ahead())
			if err := publish(ctx, tx, next, next.SignsAt, now); err != nil {
				return err
			}
			next.State = auth.KeyPublished
		}
		switch {
		case !atOnce:
			return nil
		case isAsymmetric(next.Algorithm):
			next.SignsAt = now
			err = o.promote(ctx, tx, rows, next, outside, now)
			next.State = auth.KeySigning
			return err
		case next.SignsAt.After(now.Add(o.soon())):
			next.SignsAt = now.Add(o.soon())
			return tx.UpdateKey(ctx, next)
		default:
			return nil
		}
	})
	if err != nil {
		return auth.Key{}, fmt.Errorf("rotate the signing key: %w", err)
	}
	return next, nil
}

func isOneOf(row auth.Key, secrets [][]byte) bool {
	return slices.ContainsFunc(secrets, func(secret []byte) bool { return is(row, secret) })
}

package keyring

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/latchkey-auth/latchkey/internal/auth"
	"github.com/latchkey-auth/latchkey/internal/token"
)

// ErrPreviousKey says that the secret of the key that signed until now is not
// at hand, so that it cannot be retired.
var ErrPreviousKey = errors.New("the secret of the signing key in use is not at hand")

// Change is a change of the signing key.
type Change struct {
	// Secret is the new signing.key.
	Secret []byte
	// Previous is the secret that signed until now, where neither the store
	// nor the Options have it: the former signing.key.
	Previous []byte
	// Lifetime is that of the longest-lived token. The old key is accepted
	// until now + Lifetime, or longer if it was noted that it signed for longer.
	Lifetime time.Duration
	// Discard drops the old key instead of retiring it: its tokens die now.
	// For a key that is lost or known to others.
	Discard bool
	// Within, if not nil, runs in the change's transaction: for what is under
	// the MAC of a key that is removed. find gives the keys of before whose
	// secrets are at hand, next is the one that signs.
	Within func(ctx context.Context, tx auth.Tx, find func(id string) (token.Key, bool), next token.Key) error
}

// Use makes Change.Secret the signing key: `latchkey key use`. It works whether
// the Options hold the old signing.key, the new one or none, and when the new
// key signs already it changes nothing.
//
// The retired key's secret is stored, sealed if there is a seal key, since
// every node must go on accepting it. The new one's is stored only sealed:
// nodes that run can then follow with Reload; without a seal key each of them
// needs a restart with the new signing.key, as does the next start anyway.
func Use(ctx context.Context, store auth.Store, o Options, c Change) error {
	o, err := o.check()
	if err != nil {
		return err
	}
	if len(c.Secret) == 0 {
		return errors.New("the new signing key is empty")
	}
	next, err := o.fresh(token.HS256, c.Secret)
	if err != nil {
		return err
	}
	now := next.CreatedAt
	next.State, next.SignsAt, next.Lifetime = auth.KeySigning, now, c.Lifetime
	if len(o.SealKey) > 0 {
		if next.Secret, next.Sealed, err = o.stored(next.ID, c.Secret); err != nil {
			return err
		}
	}
	outside := o.secretsAtHand(c)
	err = store.Update(ctx, func(tx auth.Tx) error {
		if err := tx.LockKeys(ctx); err != nil {
			return err
		}
		rows, err := tx.Keys(ctx)
		if err != nil {
			return err
		}
		old, found := signingRow(rows)
		if found && old.Fingerprint == next.Fingerprint {
			return nil
		}
		if found {
			retired, err := o.retire(old, c, outside, now)
			if err != nil {
				return err
			}
			if err := tx.UpdateKey(ctx, retired); err != nil {
				return err
			}
		}
		if err := unpublish(ctx, tx, rows, next.ID, now); err != nil {
			return err
		}
		if err := putSigning(ctx, tx, next); err != nil {
			return err
		}
		if c.Within != nil {
			find := func(id string) (token.Key, bool) { return o.find(rows, id, outside...) }
			if err := c.Within(ctx, tx, find, token.NewHS256(next.ID, c.Secret)); err != nil {
				return err
			}
		}
		return tx.InsertEvent(ctx, auth.Event{
			At: now, Kind: auth.EventKeyChanged, Count: 1, Detail: old.ID + " -> " + next.ID,
		})
	})
	if err != nil {
		return fmt.Errorf("change the signing key: %w", err)
	}
	return nil
}

// secretsAtHand are the secrets that may be the old key's: whoever's
// fingerprint fits it is. A secret file that is missing or unfit is none.
func (o Options) secretsAtHand(c Change) [][]byte {
	secrets := [][]byte{c.Previous, o.SigningKey}
	if o.SecretFile != "" {
		if secret, err := readSecretFile(o.SecretFile); err == nil {
			secrets = append(secrets, secret)
		}
	}
	return secrets
}

// retire gives the row of the old signing key as it shall be.
func (o Options) retire(old auth.Key, c Change, outside [][]byte, now time.Time) (auth.Key, error) {
	old.RetiredAt = now
	if c.Discard {
		old.State, old.Secret, old.Sealed = auth.KeyRemoved, nil, false
		old.AcceptUntil = now
		return old, nil
	}
	secret, err := o.secretOf(old, outside...)
	if errors.Is(err, ErrNoSecret) {
		return auth.Key{}, fmt.Errorf("%w (fingerprint %s): give it too, or discard it, which ends every session",
			ErrPreviousKey, old.Fingerprint)
	}
	if err != nil {
		return auth.Key{}, err
	}
	old.State, old.AcceptUntil = auth.KeyRetired, now.Add(max(c.Lifetime, old.Lifetime))
	old.Secret, old.Sealed, err = o.stored(old.ID, secret)
	return old, err
}

// putSigning inserts the row of the new signing key, or takes up the one that
// its secret had before.
func putSigning(ctx context.Context, tx auth.Tx, next auth.Key) error {
	row, err := tx.InsertKey(ctx, next)
	if err != nil {
		return err
	}
	switch row.State {
	case auth.KeySigning:
		return nil // The one that was inserted.
	case auth.KeyRemoved:
		return fmt.Errorf("key %s was removed and does not come back: take a new secret", row.ID)
	default:
		return tx.UpdateKey(ctx, next)
	}
}

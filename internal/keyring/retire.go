package keyring

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/latchkey-auth/latchkey/internal/auth"
)

// Why a key is not retired by hand.
var (
	// ErrSigning: it is the one that signs.
	ErrSigning = errors.New("this key signs")
	// ErrNoKey: there is none of this id.
	ErrNoKey = errors.New("there is no such key")
)

// Retire removes a retired key before its time, or one that is published:
// `latchkey key retire`. Every token that it signed is refused from now on, on
// other nodes within a second or two. The signing key stays: another one must
// sign first. A key that is removed already stays so.
func Retire(ctx context.Context, store auth.Store, o Options, id string) error {
	o, err := o.check()
	if err != nil {
		return err
	}
	now := o.Now()
	err = store.Update(ctx, func(tx auth.Tx) error {
		if err := tx.LockKeys(ctx); err != nil {
			return err
		}
		rows, err := tx.Keys(ctx)
		if err != nil {
			return err
		}
		i := slices.IndexFunc(rows, func(k auth.Key) bool { return k.ID == id })
		switch {
		case i < 0:
			return ErrNoKey
		case rows[i].State == auth.KeySigning || rows[i].State == auth.KeyPublished && moves(rows[i], now):
			return ErrSigning
		case rows[i].State == auth.KeyRemoved:
			return nil
		default:
			return cut(ctx, tx, rows[i], now)
		}
	})
	if err != nil {
		return fmt.Errorf("retire key %q: %w", id, err)
	}
	return nil
}

package keyring

import (
	"context"
	"errors"
	"fmt"

	"github.com/latchkey-auth/latchkey/internal/auth"
	"github.com/latchkey-auth/latchkey/internal/token"
)

// Secret gives the server's own secret of a name, 32 random bytes that all nodes
// share. It is made where there is none, and unlike a signing key never changed:
// what is keyed with it outlives every key. It is sealed like the keys are.
func (r *Ring) Secret(ctx context.Context, name string) ([]byte, error) {
	id := "secret " + name
	found, err := r.store.Read().Secret(ctx, name)
	if err == nil && (found.Sealed || len(r.options.SealKey) == 0) {
		return r.options.open(auth.Key{ID: id, Secret: found.Secret, Sealed: found.Sealed})
	}
	if err != nil && !errors.Is(err, auth.ErrNotFound) {
		return nil, fmt.Errorf("read the secret %s: %w", name, err)
	}
	fresh, err := token.Generate(token.HS256)
	if err != nil {
		return nil, err
	}
	var secret []byte
	err = r.store.Update(ctx, func(tx auth.Tx) error {
		if err := tx.LockKeys(ctx); err != nil {
			return err
		}
		switch found, err = tx.Secret(ctx, name); {
		case errors.Is(err, auth.ErrNotFound):
			secret = fresh
		case err != nil:
			return err
		case found.Sealed: // by another node, meanwhile
			secret, err = r.options.open(auth.Key{ID: id, Secret: found.Secret, Sealed: true})
			return err
		default:
			secret = found.Secret
		}
		kept := auth.StoredSecret{Name: name}
		if kept.Secret, kept.Sealed, err = r.options.stored(id, secret); err != nil {
			return err
		}
		return tx.SaveSecret(ctx, kept)
	})
	if err != nil {
		return nil, fmt.Errorf("store the secret %s: %w", name, err)
	}
	return secret, nil
}

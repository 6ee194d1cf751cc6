package keyring

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"fmt"
	"slices"

	"github.com/latchkey-auth/latchkey/internal/auth"
)

// stored gives a secret as its row keeps it: sealed if there is a seal key.
func (o Options) stored(id string, secret []byte) (stored []byte, sealed bool, err error) {
	if len(o.SealKey) == 0 {
		return secret, false, nil
	}
	aead, err := newSeal(o.SealKey)
	if err != nil {
		return nil, false, err
	}
	return aead.Seal(nil, nil, secret, []byte(id)), true, nil
}

// open gives the secret that a row keeps.
func (o Options) open(row auth.Key) ([]byte, error) {
	switch {
	case !row.Sealed:
		return row.Secret, nil
	case len(o.SealKey) == 0:
		return nil, fmt.Errorf("key %s is sealed and keys.seal_key is not set: %w; set the seal key that it was stored with",
			row.ID, ErrSealed)
	}
	aead, err := newSeal(o.SealKey)
	if err != nil {
		return nil, err
	}
	secret, err := aead.Open(nil, nil, row.Secret, []byte(row.ID))
	if err != nil {
		return nil, fmt.Errorf("key %s: %w: keys.seal_key is not the one that it was sealed with, or the row was tampered with",
			row.ID, ErrSealed)
	}
	return secret, nil
}

// newSeal is AES-256-GCM with a random nonce before the ciphertext. The key's
// id is the additional data, so that a sealed secret that is moved to another
// row does not open. A ring seals a handful of secrets in its life, far from
// the 2^32 that random nonces allow (NIST SP 800-38D, section 8.3).
func newSeal(key []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("keys.seal_key: %w", err)
	}
	return cipher.NewGCMWithRandomNonce(block)
}

// sealPlain seals what was stored before there was a seal key.
func (r *Ring) sealPlain(ctx context.Context) error {
	if len(r.options.SealKey) == 0 {
		return nil
	}
	rows, err := r.store.Read().Keys(ctx)
	if err != nil {
		return fmt.Errorf("read the key ring: %w", err)
	}
	if !slices.ContainsFunc(rows, plain) {
		return nil
	}
	err = r.store.Update(ctx, func(tx auth.Tx) error {
		if err := tx.LockKeys(ctx); err != nil {
			return err
		}
		rows, err := tx.Keys(ctx)
		if err != nil {
			return err
		}
		for _, row := range rows {
			if !plain(row) {
				continue
			}
			if row.Secret, row.Sealed, err = r.options.stored(row.ID, row.Secret); err != nil {
				return err
			}
			if err := tx.UpdateKey(ctx, row); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("seal the stored keys: %w", err)
	}
	return nil
}

// plain: the row keeps a secret that is not sealed.
func plain(row auth.Key) bool { return len(row.Secret) > 0 && !row.Sealed }

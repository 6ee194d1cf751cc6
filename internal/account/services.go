package account

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/latchkey-auth/latchkey/internal/auth"
)

// MakeServiceKey makes a key with which another service reads the revocations.
// The secret is told once: what is stored is its hash.
func (s *Service) MakeServiceKey(ctx context.Context, name string) (auth.ServiceKey, string, error) {
	secret, hash := auth.NewServiceSecret()
	id := make([]byte, 6)
	rand.Read(id)
	k := auth.ServiceKey{ID: hex.EncodeToString(id), Name: name, Scope: auth.ScopeRevocations, Hash: hash}
	err := s.Store.Update(ctx, func(tx auth.Tx) error {
		k.CreatedAt = s.Now()
		if err := tx.InsertServiceKey(ctx, k); err != nil {
			return err
		}
		return tx.InsertEvent(ctx, auth.Event{At: k.CreatedAt, Kind: auth.EventServiceKey, Detail: "created " + k.ID})
	})
	if err != nil {
		return auth.ServiceKey{}, "", fmt.Errorf("make a service key: %w", err)
	}
	return k, secret, nil
}

// RevokeServiceKey ends a service key. ErrNotFound if there is none that is
// good.
func (s *Service) RevokeServiceKey(ctx context.Context, id string) (auth.ServiceKey, error) {
	var k auth.ServiceKey
	err := s.Store.Update(ctx, func(tx auth.Tx) error {
		var err error
		now := s.Now()
		if k, err = tx.RevokeServiceKey(ctx, id, now); err != nil {
			return err
		}
		return tx.InsertEvent(ctx, auth.Event{At: now, Kind: auth.EventServiceKey, Detail: "revoked " + k.ID})
	})
	if err != nil && !errors.Is(err, auth.ErrNotFound) {
		err = fmt.Errorf("revoke service key %s: %w", id, err)
	}
	return k, err
}

// ServiceKey finds the key that a secret is. ErrNotFound for none, and for one
// that was revoked.
func (s *Service) ServiceKey(ctx context.Context, secret string) (auth.ServiceKey, error) {
	k, err := s.Store.Read().ServiceKeyByHash(ctx, auth.HashSecret(secret))
	if err != nil && !errors.Is(err, auth.ErrNotFound) {
		err = fmt.Errorf("look up a service key: %w", err)
	}
	return k, err
}

// Sample counts what can only be counted now. Of an hour the last count is kept.
func (s *Service) Sample(ctx context.Context) error {
	at := s.Now()
	n, err := s.Store.Read().CountSessions(ctx, at)
	if err != nil {
		return fmt.Errorf("count sessions: %w", err)
	}
	if err := s.Store.Update(ctx, func(tx auth.Tx) error {
		return tx.InsertSample(ctx, auth.Sample{At: at.Truncate(time.Hour), LiveSessions: n})
	}); err != nil {
		return fmt.Errorf("keep a sample: %w", err)
	}
	return nil
}

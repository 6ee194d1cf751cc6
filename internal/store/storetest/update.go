package storetest

import (
	"context"
	"errors"
	"testing"

	"github.com/latchkey-auth/latchkey/internal/auth"
)

var updateFacts = []fact{
	{"reads_its_own_writes", func(t *testing.T, s auth.Store) {
		var inside auth.User
		var outside error
		update(t, s, func(tx auth.Tx) error {
			u, err := tx.InsertUser(t.Context(), newUser(1), Now)
			if err != nil {
				return err
			}
			_, outside = s.Read().UserByEmail(t.Context(), u.EmailKey)
			inside, err = tx.UserByEmail(t.Context(), u.EmailKey)
			return err
		})
		if inside.ID == 0 {
			t.Error("the transaction does not see what it wrote")
		}
		wantErr(t, "a reader before the commit", outside, auth.ErrNotFound)
	}},
	{"error_rolls_back", func(t *testing.T, s auth.Store) {
		u := insertUser(t, s, 1)
		refused := errors.New("refused")
		err := s.Update(t.Context(), func(tx auth.Tx) error {
			if _, err := tx.InsertUser(t.Context(), newUser(2), Now); err != nil {
				return err
			}
			if _, err := tx.UpdateUser(t.Context(), u.ID, auth.UserChange{FirstName: ptr("x")}, Now); err != nil {
				return err
			}
			if _, err := tx.Revoke(t.Context(), auth.Revocation{Kind: auth.RevokedToken, Key: "k"}); err != nil {
				return err
			}
			return refused
		})
		if err != refused { //nolint:errorlint // it is returned as it is
			t.Errorf("Update: %v, want fn's own error", err)
		}
		nothingChanged(t, s, u)
	}},
	{"panic_rolls_back", func(t *testing.T, s auth.Store) {
		u := insertUser(t, s, 1)
		err := func() (err error) {
			defer func() {
				if p := recover(); p != nil {
					err = errors.New("it came through")
				}
			}()
			return s.Update(t.Context(), func(tx auth.Tx) error {
				if _, err := tx.InsertUser(t.Context(), newUser(2), Now); err != nil {
					return err
				}
				panic("fn is broken")
			})
		}()
		if err == nil {
			t.Error("Update answered nil for a panic")
		}
		nothingChanged(t, s, u)
	}},
	{"ended_context", func(t *testing.T, s auth.Store) {
		u := insertUser(t, s, 1)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		err := s.Update(ctx, func(tx auth.Tx) error {
			_, err := tx.InsertUser(ctx, newUser(2), Now)
			return err
		})
		wantErr(t, "Update", err, context.Canceled)
		_, err = s.Read().UserByID(ctx, u.ID+1)
		wantErr(t, "UserByID", err, context.Canceled)
		_, err = s.RevokeSession(ctx, auth.Revoking{UserID: u.ID, AccessJTI: "k", Event: auth.EventLoggedOut, Now: Now})
		wantErr(t, "RevokeSession", err, context.Canceled)
		nothingChanged(t, s, u)
	}},
	{"read_is_current_after_it", func(t *testing.T, s auth.Store) {
		u := insertUser(t, s, 1)
		for i := range 50 {
			name := string(rune('A' + i))
			changeUser(t, s, u.ID, auth.UserChange{FirstName: &name})
			for range 2 { // whatever is kept in between
				got, err := s.Read().UserByID(t.Context(), u.ID)
				if err != nil || got.FirstName != name {
					t.Fatalf("read %q, %v after %q was written", got.FirstName, err, name)
				}
			}
		}
	}},
	{"ping", func(t *testing.T, s auth.Store) {
		if err := s.Ping(t.Context()); err != nil {
			t.Error(err)
		}
	}},
	{"changes_closes", func(t *testing.T, s auth.Store) {
		ctx, cancel := context.WithCancel(t.Context())
		changes := s.Changes(ctx)
		cancel()
		for range changes { //nolint:revive // until it is closed
		}
	}},
}

// nothingChanged holds that u, the first user, is what it was and that there is
// nothing else, and that the store goes on.
func nothingChanged(t *testing.T, s auth.Store, u auth.User) {
	t.Helper()
	all, err := s.Read().Users(t.Context(), auth.UserFilter{})
	if err != nil || len(all) != 1 || all[0] != u {
		t.Errorf("users = %+v, %v; want only %+v", all, err, u)
	}
	if rows := revocations(t, s); len(rows) != 0 {
		t.Errorf("revocations = %+v, want none", rows)
	}
	if seq, err := s.Read().LastRevocation(t.Context()); err != nil || seq != 0 {
		t.Errorf("LastRevocation = %d, %v; want 0", seq, err)
	}
	insertUser(t, s, 99)
}

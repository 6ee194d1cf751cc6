package storetest

import (
	"context"
	"fmt"
	"testing"

	"github.com/latchkey-auth/latchkey/internal/auth"
)

// rounds is how often each race is run.
const rounds = 200

// raceFacts let a rotation (or an opening) race with what ends sessions. After
// that has been answered nothing of the session may work, whoever came first.
var raceFacts = []fact{
	{"revoke_and_rotate", func(t *testing.T, s auth.Store) {
		u := insertUser(t, s, 1)
		for n := range rounds {
			u = openSession(t, s, u, n).User
			ends(t, s, u, n, func(ctx context.Context) error {
				_, err := s.RevokeSession(ctx, revoking(u, n))
				return err
			})
		}
	}},
	{"deactivate_and_rotate", func(t *testing.T, s auth.Store) {
		for n := range rounds {
			u := openSession(t, s, insertUser(t, s, n), n).User
			ends(t, s, u, n, func(ctx context.Context) error { return deactivate(ctx, s, u.ID) })
		}
	}},
	{"delete_and_rotate", func(t *testing.T, s auth.Store) {
		for n := range rounds {
			u := openSession(t, s, insertUser(t, s, n), n).User
			ends(t, s, u, n, func(ctx context.Context) error {
				return s.Update(ctx, func(tx auth.Tx) error {
					if _, err := tx.DeleteUser(ctx, u.ID); err != nil {
						return err
					}
					_, err := tx.RevokeSessions(ctx, u.ID, "", Now)
					return err
				})
			})
		}
	}},
	{"password_change_and_open", func(t *testing.T, s auth.Store) {
		// A login that was hashing the old password opens nothing that lives.
		u := insertUser(t, s, 1)
		for n := range rounds {
			err := atOnce(2, func(i int) error {
				ctx := context.WithoutCancel(t.Context())
				if i == 0 {
					_, err := s.OpenSession(ctx, opening(u, n))
					return err
				}
				return s.Update(ctx, func(tx auth.Tx) error {
					if _, err := tx.UpdateUser(ctx, u.ID, auth.UserChange{
						Password: ptr(fmt.Sprint("new ", n)), IfCredentialVersion: &u.CredentialVersion,
					}, Now); err != nil {
						return err
					}
					_, err := tx.RevokeSessions(ctx, u.ID, "", Now)
					return err
				})
			})
			if err != nil {
				t.Fatal(err)
			}
			if ids := live(t, s, u); len(ids) != 0 {
				t.Fatalf("round %d: %v live after the change", n, ids)
			}
			if u, err = s.Read().UserByID(t.Context(), u.ID); err != nil {
				t.Fatal(err)
			}
		}
	}},
	{"role_change_and_rotate", func(t *testing.T, s auth.Store) {
		// A token minted from a rotation has the gen of before, and the row
		// that the change writes kills it, or the one of after.
		u := openSession(t, s, insertUser(t, s, 1), 1).User
		for n := range rounds {
			var rotated auth.Rotated
			var changed auth.User
			err := atOnce(2, func(i int) (err error) {
				ctx := context.WithoutCancel(t.Context())
				if i == 0 {
					rotated, err = s.Rotate(ctx, rotation(u, 1, n))
					return err
				}
				return s.Update(ctx, func(tx auth.Tx) (err error) {
					role := auth.Roles()[n%4]
					changed, err = tx.UpdateUser(ctx, u.ID, auth.UserChange{Role: &role, RaiseGen: true}, Now)
					return err
				})
			})
			if err != nil {
				t.Fatal(err)
			}
			if !rotated.Done || rotated.User != u && rotated.User != changed {
				t.Fatalf("round %d: rotated %+v, want the user as before %+v or after %+v", n, rotated, u, changed)
			}
			u = changed
		}
	}},
}

// ends runs an act that ends session n against two callers, each of which trades
// on for as long as it can.
func ends(t *testing.T, s auth.Store, u auth.User, n int, end func(context.Context) error) {
	t.Helper()
	ctx := context.WithoutCancel(t.Context())
	err := atOnce(3, func(i int) error {
		if i == 0 {
			return end(ctx)
		}
		for k := range 3 {
			r := rotation(u, n, k)
			if i == 2 {
				r.NewJTI += "x"
			}
			if _, err := s.Rotate(ctx, r); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	session := state(t, s, u, n)
	if session.RevokedAt.IsZero() {
		t.Fatalf("session %d lives: %+v", n, session)
	}
	r := rotation(u, n, 9)
	r.JTI = session.JTI
	if got := rotate(t, s, r); got.Done {
		t.Fatalf("session %d rotates: %+v", n, got)
	}
	if ids := live(t, s, u); len(ids) != 0 {
		t.Fatalf("live: %v", ids)
	}
}

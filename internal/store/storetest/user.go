package storetest

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/latchkey-auth/latchkey/internal/auth"
)

var userFacts = []fact{
	{"insert_and_read", func(t *testing.T, s auth.Store) {
		u := insertUser(t, s, 1)
		want := auth.User{
			ID: u.ID, Email: "1@example.com", EmailKey: "1@example.com", FirstName: "First", LastName: "Last",
			Phone: "+49 1", Role: auth.RoleEmployee, IsActive: true, Password: "hash 1",
			CredentialVersion: 1, Gen: Now.UnixMicro(), CreatedAt: Now, UpdatedAt: Now,
		}
		if diff := cmp.Diff(want, u); diff != "" {
			t.Errorf("InsertUser (-want +got):\n%s", diff)
		}
		if u.ID <= 0 {
			t.Errorf("id = %d, want a positive one", u.ID)
		}
		byID, err := s.Read().UserByID(t.Context(), u.ID)
		if diff := cmp.Diff(want, byID); err != nil || diff != "" {
			t.Errorf("UserByID: %v (-want +got):\n%s", err, diff)
		}
		byEmail, err := s.Read().UserByEmail(t.Context(), "1@example.com")
		if diff := cmp.Diff(want, byEmail); err != nil || diff != "" {
			t.Errorf("UserByEmail: %v (-want +got):\n%s", err, diff)
		}
	}},
	{"keeps_any_text", func(t *testing.T, s auth.Store) {
		n := newUser(1)
		n.FirstName, n.LastName, n.Phone = "Ünï ☃ 🦊 \u202e", `'"; DROP TABLE users; --`, ""
		var u auth.User
		update(t, s, func(tx auth.Tx) (err error) {
			u, err = tx.InsertUser(t.Context(), n, Now)
			return err
		})
		got, err := s.Read().UserByID(t.Context(), u.ID)
		if err != nil || got.FirstName != n.FirstName || got.LastName != n.LastName || got.Phone != "" {
			t.Errorf("read back %+v, %v", got, err)
		}
	}},
	{"foreign_hashes", func(t *testing.T, s auth.Store) {
		const own = "argon2$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHQ$"
		hash := func(n int, encoded string) (id int64) {
			draft := newUser(n)
			draft.Password = encoded
			update(t, s, func(tx auth.Tx) error {
				u, err := tx.InsertUser(t.Context(), draft, Now)
				id = u.ID
				return err
			})
			return id
		}
		hash(1, own+"1")
		hash(2, "!unusable")
		argon := hash(3, "argon2$argon2id$v=19$m=102400,t=2,p=8$c2FsdHNhbHQ$1")
		for i := range 3 {
			hash(10+i, fmt.Sprintf("pbkdf2_sha256$600000$salt%d$hash", i))
		}
		hash(20, "pbkdf2_sha256$600001$salt$hash")
		hash(21, "bcrypt$$2b$12$x")
		walk := func() (all []string) {
			for after := ""; ; {
				next, err := s.Read().ForeignHash(t.Context(), after)
				if err != nil || next == "" {
					if err != nil {
						t.Error(err)
					}
					return all
				}
				all, after = append(all, next), next
			}
		}
		want := []string{
			"argon2$argon2id$v=19$m=102400,t=2,p=8$c2FsdHNhbHQ$1", "bcrypt$$2b$12$x",
			"pbkdf2_sha256$600000$salt0$hash", "pbkdf2_sha256$600000$salt1$hash", "pbkdf2_sha256$600000$salt2$hash",
			"pbkdf2_sha256$600001$salt$hash",
		}
		if diff := cmp.Diff(want, walk()); diff != "" {
			t.Errorf("foreign hashes (-want +got):\n%s", diff)
		}
		// "%" follows "$": a step over all with the same costs.
		next, err := s.Read().ForeignHash(t.Context(), "pbkdf2_sha256$600000%")
		if err != nil || next != "pbkdf2_sha256$600001$salt$hash" {
			t.Errorf("after 600000 comes %q, %v", next, err)
		}
		// The walk ends as they are hashed anew.
		update(t, s, func(tx auth.Tx) error {
			_, err := tx.UpdateUser(t.Context(), argon, auth.UserChange{Rehash: ptr(own + "2")}, Now)
			return err
		})
		if got := walk(); len(got) != 5 {
			t.Errorf("after a new hash %q", got)
		}
	}},
	{"missing", func(t *testing.T, s auth.Store) {
		_, err := s.Read().UserByID(t.Context(), 404)
		wantErr(t, "UserByID", err, auth.ErrNotFound)
		_, err = s.Read().UserByEmail(t.Context(), "nobody@example.com")
		wantErr(t, "UserByEmail", err, auth.ErrNotFound)
		err = s.Update(t.Context(), func(tx auth.Tx) error {
			_, err := tx.UpdateUser(t.Context(), 404, auth.UserChange{FirstName: ptr("x")}, Now)
			return err
		})
		wantErr(t, "UpdateUser", err, auth.ErrNotFound)
		err = s.Update(t.Context(), func(tx auth.Tx) error {
			_, err := tx.UpdateUser(t.Context(), 404, auth.UserChange{IfCredentialVersion: ptr(int64(1))}, Now)
			return err
		})
		wantErr(t, "UpdateUser with a version", err, auth.ErrNotFound)
		err = s.Update(t.Context(), func(tx auth.Tx) error {
			_, err := tx.DeleteUser(t.Context(), 404)
			return err
		})
		wantErr(t, "DeleteUser", err, auth.ErrNotFound)
	}},
	{"unique_email", func(t *testing.T, s auth.Store) {
		insertUser(t, s, 1)
		again := newUser(2)
		again.Email.Key = "1@example.com"
		err := s.Update(t.Context(), func(tx auth.Tx) error {
			_, err := tx.InsertUser(t.Context(), again, Now)
			return err
		})
		wantErr(t, "InsertUser", err, auth.ErrEmailTaken)
		// The same address shown is no conflict: the key decides.
		again.Email = auth.Email{Shown: "1@example.com", Key: "other@example.com"}
		update(t, s, func(tx auth.Tx) error {
			_, err := tx.InsertUser(t.Context(), again, Now)
			return err
		})
	}},
	{"unique_email_at_once", func(t *testing.T, s auth.Store) {
		const n = 16
		errs := make([]error, n)
		_ = atOnce(n, func(i int) error {
			errs[i] = s.Update(t.Context(), func(tx auth.Tx) error {
				_, err := tx.InsertUser(t.Context(), newUser(1), Now)
				return err
			})
			return nil
		})
		inserted := 0
		for _, err := range errs {
			switch {
			case err == nil:
				inserted++
			case !errors.Is(err, auth.ErrEmailTaken):
				t.Errorf("InsertUser: %v, want ErrEmailTaken", err)
			}
		}
		if inserted != 1 {
			t.Errorf("%d of %d inserted, want 1", inserted, n)
		}
	}},
	{"update", func(t *testing.T, s auth.Store) {
		u := insertUser(t, s, 1)
		later := Now.Add(time.Hour)
		for _, c := range []struct {
			name   string
			change auth.UserChange
			edit   func(*auth.User)
		}{
			{"nothing", auth.UserChange{}, func(*auth.User) {}},
			{"names", auth.UserChange{FirstName: ptr("F"), LastName: ptr(""), Touch: true}, func(u *auth.User) {
				u.FirstName, u.LastName, u.UpdatedAt = "F", "", later
			}},
			{"phone", auth.UserChange{Phone: ptr("")}, func(u *auth.User) { u.Phone = "" }},
			{"role", auth.UserChange{Role: ptr(auth.RoleAdmin), RaiseGen: true}, func(u *auth.User) {
				u.Role = auth.RoleAdmin
				u.Gen++
			}},
			{"active", auth.UserChange{IsActive: ptr(false)}, func(u *auth.User) { u.IsActive = false }},
			{"password", auth.UserChange{Password: ptr("p"), SetValidAfter: true}, func(u *auth.User) {
				u.Password, u.ValidAfter = "p", later
				u.CredentialVersion++
			}},
			{"rehash", auth.UserChange{Rehash: ptr("r")}, func(u *auth.User) { u.Password = "r" }},
			{"guarded", auth.UserChange{Rehash: ptr("g"), IfCredentialVersion: ptr(int64(2))}, func(u *auth.User) {
				u.Password = "g"
			}},
		} {
			want := u
			c.edit(&want)
			var got auth.User
			update(t, s, func(tx auth.Tx) (err error) {
				got, err = tx.UpdateUser(t.Context(), u.ID, c.change, later)
				return err
			})
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s: UpdateUser (-want +got):\n%s", c.name, diff)
			}
			read, err := s.Read().UserByID(t.Context(), u.ID)
			if diff := cmp.Diff(want, read); err != nil || diff != "" {
				t.Errorf("%s: UserByID: %v (-want +got):\n%s", c.name, err, diff)
			}
			u = got
		}
		err := s.Update(t.Context(), func(tx auth.Tx) error {
			_, err := tx.UpdateUser(t.Context(), u.ID, auth.UserChange{
				Password: ptr("late"), IfCredentialVersion: ptr(int64(1)),
			}, Now)
			return err
		})
		wantErr(t, "UpdateUser with an old version", err, auth.ErrConflict)
		if read, err := s.Read().UserByID(t.Context(), u.ID); err != nil || read.Password != "g" {
			t.Errorf("after the conflict: %+v, %v", read, err)
		}
	}},
	{"delete", func(t *testing.T, s auth.Store) {
		u := insertUser(t, s, 1)
		if _, err := s.Read().UserByID(t.Context(), u.ID); err != nil {
			t.Fatal(err)
		}
		var was auth.User
		update(t, s, func(tx auth.Tx) (err error) {
			was, err = tx.DeleteUser(t.Context(), u.ID)
			return err
		})
		if diff := cmp.Diff(u, was); diff != "" {
			t.Errorf("DeleteUser (-want +got):\n%s", diff)
		}
		_, err := s.Read().UserByID(t.Context(), u.ID)
		wantErr(t, "UserByID", err, auth.ErrNotFound)
	}},
	{"ids_are_not_given_again", func(t *testing.T, s auth.Store) {
		var last int64
		for i := range 3 {
			u := insertUser(t, s, i)
			if u.ID <= last {
				t.Fatalf("id %d after %d was deleted", u.ID, last)
			}
			last = u.ID
			update(t, s, func(tx auth.Tx) error {
				_, err := tx.DeleteUser(t.Context(), u.ID)
				return err
			})
		}
	}},
	{"list", func(t *testing.T, s auth.Store) {
		var all []auth.User
		for i := range 5 {
			all = append(all, insertUser(t, s, i))
		}
		all[1] = changeUser(t, s, all[1].ID, auth.UserChange{Role: ptr(auth.RoleAdmin)})
		all[2] = changeUser(t, s, all[2].ID, auth.UserChange{Role: ptr(auth.RoleAdmin), IsActive: ptr(false)})
		for _, c := range []struct {
			name   string
			filter auth.UserFilter
			want   []auth.User
		}{
			{"all", auth.UserFilter{}, all},
			{"role", auth.UserFilter{Role: ptr(auth.RoleAdmin)}, all[1:3]},
			{"inactive", auth.UserFilter{IsActive: ptr(false)}, all[2:3]},
			{"active_admins", auth.UserFilter{Role: ptr(auth.RoleAdmin), IsActive: ptr(true)}, all[1:2]},
			{"page", auth.UserFilter{After: all[1].ID, Limit: 2}, all[2:4]},
			{"none", auth.UserFilter{After: all[4].ID}, nil},
		} {
			got, err := s.Read().Users(t.Context(), c.filter)
			if diff := cmp.Diff(c.want, got); err != nil || diff != "" {
				t.Errorf("%s: %v (-want +got):\n%s", c.name, err, diff)
			}
		}
	}},
}

func wantErr(t *testing.T, what string, got, want error) {
	t.Helper()
	if !errors.Is(got, want) {
		t.Errorf("%s: error %v, want %v", what, got, want)
	}
}

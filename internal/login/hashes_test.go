package login_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/latchkey-auth/latchkey/internal/auth"
)

// Every refused login of an account in any state costs one turn among the
// hashes, whatever is typed, and has the same answer; a throttled one and one
// that is too long for a body cost none.
//
// ASVS 6.3.8
// LESSON 1, 2, 3, 4, 5
func TestRefusalsCostTheSame(t *testing.T) {
	inactive := false
	states := map[string]func(door){
		"right format": nil,
		"pbkdf2": func(d door) {
			d.change(auth.UserChange{Password: ptr(fmt.Sprintf(djangoHash, strings.Repeat("A", 43)+"="))})
		},
		"unusable":   func(d door) { d.change(auth.UserChange{Password: ptr("!x")}) },
		"too costly": func(d door) { d.change(auth.UserChange{Password: ptr("pbkdf2_sha256$2147483647$s$AAAA")}) },
		"inactive":   func(d door) { d.change(auth.UserChange{IsActive: &inactive}) },
		"unknown":    func(d door) { d.change(auth.UserChange{Email: ptr(email(d.t, "bob@example.com"))}) },
	}
	for name, prepare := range states {
		t.Run(name, func(t *testing.T) {
			d := newDoor(t, "")
			if prepare != nil {
				prepare(d)
			}
			if err := d.LookAtHashes(t.Context()); err != nil {
				t.Fatal(err)
			}
			typed := []string{"", "x", "wrong-Horse-42", " wrong-Horse-42 ", strings.Repeat("x", 1<<20)}
			if name == "inactive" {
				typed = append(typed, right)
			}
			for _, pw := range typed {
				before := d.Hasher.Done()
				_, _, err := d.Password(t.Context(), email(t, "ada@example.com"), pw, auth.Client{Address: "192.0.2.1"}, "")
				if !auth.IsKind(err, auth.BadCredentials) || err.Error() != (&auth.Error{Kind: auth.BadCredentials, Code: auth.CodeBadCredentials}).Error() {
					t.Errorf("%.20q: %v", pw, err)
				}
				if n := d.Hasher.Done() - before; n != 1 {
					t.Errorf("%.20q: %d turns among the hashes, want 1", pw, n)
				}
			}
			for range 6 {
				_, _, _ = d.Password(t.Context(), email(t, "ada@example.com"), "wrong", auth.Client{Address: "192.0.2.1"}, "")
			}
			before := d.Hasher.Done()
			if _, _, err := d.Password(t.Context(), email(t, "ada@example.com"), "wrong", auth.Client{Address: "192.0.2.1"}, ""); !auth.IsKind(err, auth.TooMany) {
				t.Errorf("after many: %v", err)
			}
			if n := d.Hasher.Done() - before; n != 0 {
				t.Errorf("a throttled attempt cost %d", n)
			}
		})
	}
}

func ptr[T any](v T) *T { return &v }

// A look finds each format among any number of users in a few steps, and the
// floor goes with the last foreign hash.
func TestLookAtHashes(t *testing.T) {
	d := newDoor(t, "")
	insert := func(n int, encoded string) {
		d.update(func(tx auth.Tx) error {
			_, err := tx.InsertUser(t.Context(), auth.NewUser{
				Email: email(t, fmt.Sprintf("user%d@example.com", n)), Role: auth.RoleClient, Password: encoded, IsActive: true,
			}, time.Now())
			return err
		})
	}
	for i := range 30 {
		insert(i, fmt.Sprintf("pbkdf2_sha256$%d$saltsaltsalt$%s", 10+i%2, strings.Repeat("A", 43)+"="))
	}
	insert(30, "scrypt$16$salt$8$1$"+strings.Repeat("A", 86)+"==")
	insert(31, "scrypt$16$talt$8$2$"+strings.Repeat("A", 86)+"==")
	insert(32, "no hash at all")
	insert(33, "!unusable")
	before := d.Hasher.Done()
	if err := d.LookAtHashes(t.Context()); err != nil {
		t.Fatal(err)
	}
	// Two of PBKDF2, two of scrypt, and our own to compare with, three times each.
	if n := d.Hasher.Done() - before; n != 15 {
		t.Errorf("%d hashes were timed, want 15", n)
	}
	if err := d.LookAtHashes(t.Context()); err != nil || d.Hasher.Done()-before != 15 {
		t.Errorf("looked again: timed %d (%v), want no more", d.Hasher.Done()-before, err)
	}
}

// A refusal for nobody's e-mail takes as long as the slowest hash of anybody.
//
// LESSON 3
func TestRefusalsWait(t *testing.T) {
	d := newDoor(t, "bcrypt$$2b$13$"+strings.Repeat("abcd", 5)+"a."+strings.Repeat("abcd", 7)+"ab.")
	if err := d.LookAtHashes(t.Context()); err != nil {
		t.Fatal(err)
	}
	var least time.Duration
	for i := range 3 {
		began := time.Now()
		if _, _, err := d.Password(t.Context(), email(t, "nobody@example.com"), "x", auth.Client{}, ""); !auth.IsKind(err, auth.BadCredentials) {
			t.Fatal(err)
		}
		if took := time.Since(began); i == 0 || took < least {
			least = took
		}
	}
	// No machine does the 2^13 rounds in this time, that of our own hashes is
	// nothing to it.
	if least < 150*time.Millisecond {
		t.Errorf("refused after %v", least)
	}
}

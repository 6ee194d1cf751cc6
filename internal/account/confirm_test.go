package account_test

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/latchkey-auth/latchkey/internal/account"
	"github.com/latchkey-auth/latchkey/internal/auth"
	"github.com/latchkey-auth/latchkey/internal/session"
)

// asking is an office in which a proof is fresh for five minutes by a clock that
// begins now.
func asking(t *testing.T) (o office, pass func(time.Duration)) {
	o = newOffice(t)
	now := time.Now().Truncate(time.Microsecond) // as it is stored
	o.Sessions.Now = func() time.Time { return now }
	o.Now = o.Sessions.Now
	o.Sessions.ConfirmFor = 5 * time.Minute
	return o, func(d time.Duration) { now = now.Add(d) }
}

// fresh holds that a session's proof is fresh, or that it is asked for.
func (o office) fresh(what string, a session.Access, want bool) {
	o.t.Helper()
	switch err := o.Sessions.Confirmed(o.t.Context(), a); {
	case want && err != nil:
		o.t.Errorf("%s: %v, want a fresh proof", what, err)
	case !want && !errors.Is(err, auth.ErrUnconfirmed):
		o.t.Errorf("%s: %v, want to be asked", what, err)
	}
}

// A proof is fresh for five minutes after the sign-in, the change of the
// password and the confirmation, in that session alone, and a refresh makes none
// fresher.
//
// ASVS 7.5.2, 7.5.3
func TestConfirm(t *testing.T) {
	o, pass := asking(t)
	ctx := t.Context()
	tokens, u := o.register("ada@example.com")
	me, other := o.access(tokens.Access), o.access(o.mustLogin(oldPassword).Access)
	o.fresh("registered", me, true)
	pass(5 * time.Minute)
	o.fresh("on the stroke", me, true)
	pass(time.Microsecond)
	o.fresh("registered, a moment later", me, false)
	o.fresh("signed in, a moment later", other, false)

	renewed, _, err := o.Sessions.Refresh(ctx, tokens.Refresh, laptop, o.Now())
	if err != nil {
		t.Fatal(err)
	}
	me = o.access(renewed.Access)
	o.fresh("refreshed", me, false)

	for _, wrong := range []string{"wrong", "", oldPassword + " ", o.user(u.ID).Password} {
		if have := fields(o.Confirm(ctx, me, wrong, laptop)); have != "password:password_wrong" {
			t.Errorf("%q: %s", wrong, have)
		}
	}
	o.fresh("after wrong ones", me, false)
	if have := o.events(u, auth.EventConfirmed); len(have) != 0 {
		t.Errorf("events %+v", have)
	}
	if diff := cmp.Diff(map[string]int64{laptop.Address: 4}, o.wrong(u)); diff != "" {
		t.Errorf("counted (-want +got):\n%s", diff)
	}

	before := o.user(u.ID)
	if err := o.Confirm(ctx, me, oldPassword, laptop); err != nil {
		t.Fatal(err)
	}
	o.fresh("confirmed", me, true)
	o.fresh("the other session", other, false)
	if diff := cmp.Diff(before, o.user(u.ID)); diff != "" {
		t.Errorf("the account (-before +after):\n%s", diff)
	}
	have := o.events(u, auth.EventConfirmed)
	if len(have) != 1 || have[0].SessionID != me.SessionID || have[0].ActorID != u.ID || have[0].Client != laptop {
		t.Errorf("events %+v", have)
	}
	renewed, _, err = o.Sessions.Refresh(ctx, renewed.Refresh, laptop, o.Now())
	if err != nil {
		t.Fatal(err)
	}
	me = o.access(renewed.Access)
	o.fresh("confirmed, then refreshed", me, true)

	pass(6 * time.Minute)
	o.fresh("later", me, false)
	if _, err := o.ChangePassword(ctx, me, to(newPassword), laptop); err != nil {
		t.Fatal(err)
	}
	o.fresh("after a change of the password", me, true)

	// By a clock that is behind, but not far.
	pass(-time.Minute)
	o.fresh("a minute before", me, true)
	pass(-time.Microsecond)
	o.fresh("more than a minute before", me, false)

	o.Sessions.ConfirmFor = 0
	o.fresh("with nothing asked for", other, true)
}

// A session that Django opened has proved nothing here until it does; its tokens
// that have no session yet have nowhere to note a proof.
//
// ASVS 7.5.2
func TestConfirmAdopted(t *testing.T) {
	o, _ := asking(t)
	ctx := t.Context()
	_, u := o.register("ada@example.com")
	django := o.django(u)
	bare := o.access(django.Access)
	o.fresh("without a session", bare, false)
	before := o.Hasher.Done()
	if err := o.Confirm(ctx, bare, oldPassword, laptop); !errors.Is(err, auth.TokenError(auth.CodeTokenInvalid)) {
		t.Errorf("without a session: %v", err)
	}
	if n := o.Hasher.Done() - before; n != 0 {
		t.Errorf("it cost %d hashes", n)
	}
	tokens, _, err := o.Sessions.Refresh(ctx, django.Refresh, laptop, o.Now())
	if err != nil {
		t.Fatal(err)
	}
	me := o.access(tokens.Access)
	o.fresh("adopted", me, false)
	if err := o.Confirm(ctx, me, oldPassword, laptop); err != nil {
		t.Fatal(err)
	}
	o.fresh("adopted, then confirmed", me, true)
}

// A session that has ended is told so, not asked.
func TestConfirmedEnded(t *testing.T) {
	o, _ := asking(t)
	tokens, _ := o.register("ada@example.com")
	me := o.access(tokens.Access)
	if err := o.Sessions.End(t.Context(), me, me.SessionID, laptop); err != nil {
		t.Fatal(err)
	}
	if err := o.Sessions.Confirmed(t.Context(), me); !errors.Is(err, auth.TokenError(auth.CodeTokenInvalid)) {
		t.Errorf("Confirmed: %v", err)
	}
	if err := o.Confirm(t.Context(), me, oldPassword, laptop); !errors.Is(err, auth.TokenError(auth.CodeTokenInvalid)) {
		t.Errorf("Confirm: %v", err)
	}
}

// Guesses at a confirmation and at a change of the password are counted
// together, by the session that makes them: whoever has stolen it has ten in a
// quarter of an hour, in whatever way.
//
// ASVS 6.3.1
func TestConfirmThrottle(t *testing.T) {
	o, _ := asking(t)
	ctx := t.Context()
	tokens, _ := o.register("ada@example.com")
	me := o.access(tokens.Access)
	for i := range 10 {
		if err := o.Confirm(ctx, me, oldPassword, laptop); err != nil {
			t.Fatalf("a right one takes no place: %v", err)
		}
		if i%2 == 0 {
			if have := fields(o.Confirm(ctx, me, "wrong", laptop)); have != "password:password_wrong" {
				t.Fatal(have)
			}
		} else if _, err := o.ChangePassword(ctx, me, account.PasswordChange{Old: "wrong", New: newPassword, New2: newPassword}, laptop); fields(err) != "old_password:password_incorrect" {
			t.Fatal(err)
		}
	}
	before := o.Hasher.Done()
	for _, pw := range []string{"wrong", oldPassword} {
		if err := o.Confirm(ctx, me, pw, laptop); !auth.IsKind(err, auth.TooMany) {
			t.Errorf("%q after ten: %v", pw, err)
		}
	}
	if n := o.Hasher.Done() - before; n != 0 {
		t.Errorf("they cost %d hashes", n)
	}
	// Who has another session is not concerned.
	if err := o.Confirm(ctx, o.access(o.mustLogin(oldPassword).Access), oldPassword, laptop); err != nil {
		t.Errorf("another session: %v", err)
	}
}

// What is proved is the password that the account has when it is noted: one that
// was changed while it was hashed proves nothing.
//
// ASVS 7.5.2
func TestConfirmMeanwhile(t *testing.T) {
	for _, c := range []struct {
		name    string
		happens func(o office, me session.Access, u auth.User) error
		want    error
	}{
		{"the same session has changed the password", func(o office, me session.Access, _ auth.User) error {
			_, err := o.ChangePassword(o.t.Context(), me, to(newPassword), laptop)
			return err
		}, auth.ErrConflict},
		{"its session is ended", func(o office, me session.Access, _ auth.User) error {
			return o.Sessions.End(o.t.Context(), me, me.SessionID, laptop)
		}, auth.TokenError(auth.CodeTokenInvalid)},
		{"it has got a new password", func(o office, _ session.Access, u auth.User) error {
			return o.SetPassword(o.t.Context(), u.ID, newPassword)
		}, auth.ErrConflict},
		{"it is shut", func(o office, _ session.Access, u auth.User) error { return o.Deactivate(o.t.Context(), nil, u.ID) }, auth.TokenError(auth.CodeUserInactive)},
		{"it is gone", func(o office, _ session.Access, u auth.User) error { return o.Delete(o.t.Context(), nil, u.ID, nil) }, auth.TokenError(auth.CodeUserNotFound)},
	} {
		t.Run(c.name, func(t *testing.T) {
			o, pass := asking(t)
			tokens, u := o.register("ada@example.com")
			me := o.access(tokens.Access)
			pass(time.Hour)
			o.Store = &meanwhile{o.Store, func() {
				if err := c.happens(o, me, u); err != nil {
					t.Fatal(err)
				}
			}}
			if err := o.Confirm(t.Context(), me, oldPassword, laptop); !errors.Is(err, c.want) {
				t.Errorf("%v, want %v", err, c.want)
			}
			if have := o.events(u, auth.EventConfirmed); len(have) != 0 {
				t.Errorf("events %+v", have)
			}
		})
	}
}

// Of a change of the password in one session and confirmations with the old one
// at the same time, in it and in another, none counts after the change, and the
// other session is dead.
//
// ASVS 7.5.2
func TestConfirmAgainstChange(t *testing.T) {
	o, _ := asking(t)
	for round := range 5 {
		r := form(t, fmt.Sprintf("ada%d@example.com", round))
		tokens, u, err := o.Service.Register(t.Context(), r, auth.Client{Address: fmt.Sprintf("192.0.2.%d", round)})
		if err != nil {
			t.Fatal(err)
		}
		mine := o.access(tokens.Access)
		second, _, err := o.logins.Password(t.Context(), r.Email, oldPassword, laptop, "")
		if err != nil {
			t.Fatal(err)
		}
		other := o.access(second.Access)
		var confirmed [2]error
		var wg sync.WaitGroup
		wg.Go(func() {
			if _, err := o.ChangePassword(t.Context(), mine, to(newPassword), laptop); err != nil {
				t.Errorf("the change: %v", err)
			}
		})
		for i, a := range []session.Access{mine, other} {
			wg.Go(func() { confirmed[i] = o.Confirm(t.Context(), a, oldPassword, laptop) })
		}
		wg.Wait()
		changed := o.events(u, auth.EventPasswordChanged)
		noted := map[string]bool{}
		for _, e := range o.events(u, auth.EventConfirmed) {
			noted[e.SessionID] = true
			if len(changed) == 1 && e.ID > changed[0].ID {
				t.Errorf("round %d: the old password counted after the change", round)
			}
		}
		for i, a := range []session.Access{mine, other} {
			if noted[a.SessionID] != (confirmed[i] == nil) {
				t.Errorf("round %d: session %d was answered %v, noted %v", round, i, confirmed[i], noted[a.SessionID])
			}
		}
		o.fresh("the session of the change", mine, true)
		o.alive("the other session", second, false)
		if err := o.Sessions.Confirmed(t.Context(), other); !errors.Is(err, auth.TokenError(auth.CodeTokenInvalid)) {
			t.Errorf("the other session: %v", err)
		}
	}
}

// What gives power, or the way into an account, takes a fresh proof, whatever
// else is in the edit; nothing of it is done without. What takes power away does
// not, nor does an edit that leaves role and address as they are.
//
// ASVS 7.5.1, 7.5.3
func TestNeedConfirmed(t *testing.T) {
	o := newOffice(t)
	ctx := t.Context()
	tokens, boss := o.register("boss@example.com")
	if err := o.SetRole(ctx, nil, boss.ID, auth.RoleAdmin); err != nil {
		t.Fatal(err)
	}
	tokens, _, err := o.Sessions.Refresh(ctx, tokens.Refresh, laptop, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	by := &account.Actor{Access: o.access(tokens.Access), Client: laptop}
	_, bob := o.register("bob@example.com")
	name := "Robert"
	role := func(r auth.Role) *auth.Role { return &r }
	mail := func(s string) *auth.Email { e := email(t, s); return &e }
	for _, c := range []struct {
		what  string
		edit  account.Edit
		asked bool
	}{
		{"admin", account.Edit{Role: role(auth.RoleAdmin), FirstName: &name}, true},
		{"manager", account.Edit{Role: role(auth.RoleManager), FirstName: &name}, true},
		{"another address", account.Edit{Email: mail("robert@example.com"), FirstName: &name}, true},
		{"client", account.Edit{Role: role(auth.RoleClient)}, false},
		{"the same", account.Edit{Role: role(auth.RoleClient), Email: mail("bob@example.com"), FirstName: &name}, false},
	} {
		before := o.user(bob.ID)
		_, err := o.EditUser(ctx, by, bob.ID, c.edit, nil)
		if !c.asked {
			if err != nil {
				t.Errorf("%s: %v", c.what, err)
			}
			continue
		}
		if !errors.Is(err, auth.ErrUnconfirmed) {
			t.Errorf("%s: %v, want to be asked", c.what, err)
		}
		if diff := cmp.Diff(before, o.user(bob.ID)); diff != "" {
			t.Errorf("%s (-before +after):\n%s", c.what, diff)
		}
	}
	proved := *by
	proved.Confirmed = true
	for _, r := range auth.Roles() {
		draft := account.Draft{Email: email(t, string(r)+"@example.com"), FirstName: "N", LastName: "N", Role: r, IsActive: true}
		_, err := o.CreateUser(ctx, by, draft)
		if r.Administers() != errors.Is(err, auth.ErrUnconfirmed) || !r.Administers() && err != nil {
			t.Errorf("create a %s: %v", r, err)
		}
		if r.Administers() {
			if _, err := o.CreateUser(ctx, &proved, draft); err != nil {
				t.Errorf("create a %s, with a proof: %v", r, err)
			}
		}
	}
	if _, err := o.EditUser(ctx, &proved, bob.ID, account.Edit{Role: role(auth.RoleManager), Email: mail("robert@example.com")}, nil); err != nil {
		t.Errorf("with a proof: %v", err)
	}
	// Who may not is told that, and not to prove who they are.
	lower, _, err := o.logins.Password(ctx, email(t, "robert@example.com"), oldPassword, laptop, "")
	if err != nil {
		t.Fatal(err)
	}
	manager := &account.Actor{Access: o.access(lower.Access), Client: laptop}
	if _, err := o.EditUser(ctx, manager, bob.ID, account.Edit{Role: role(auth.RoleAdmin)}, nil); !errors.Is(err, auth.ErrForbidden) {
		t.Errorf("a manager: %v", err)
	}
}

package account_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/latchkey-auth/latchkey/internal/account"
	"github.com/latchkey-auth/latchkey/internal/auth"
	"github.com/latchkey-auth/latchkey/internal/counters"
	"github.com/latchkey-auth/latchkey/internal/login"
	"github.com/latchkey-auth/latchkey/internal/password"
	"github.com/latchkey-auth/latchkey/internal/session"
	"github.com/latchkey-auth/latchkey/internal/throttle"
	"github.com/latchkey-auth/latchkey/internal/token"
)

const (
	oldPassword = "c0rrect-Horse-42" // form's
	newPassword = "an0ther-Horse-43"
)

// laptop is where the acts of these tests come from.
var laptop = auth.Client{Address: "192.0.2.7", UserAgent: "laptop"}

// to is the form that changes the old password to another one.
func to(pw string) account.PasswordChange {
	return account.PasswordChange{Old: oldPassword, New: pw, New2: pw}
}

// access authenticates an access token that must be good.
func (o office) access(raw string) session.Access {
	o.t.Helper()
	a, err := o.Sessions.Authenticate(o.t.Context(), raw)
	if err != nil {
		o.t.Fatalf("authenticate: %v", err)
	}
	return a
}

// login signs ada in by a password.
func (o office) login(pw string) (session.Tokens, error) {
	o.t.Helper()
	tokens, _, err := o.logins.Password(o.t.Context(), email(o.t, "ada@example.com"), pw, laptop, "")
	return tokens, err
}

func (o office) mustLogin(pw string) session.Tokens {
	o.t.Helper()
	tokens, err := o.login(pw)
	if err != nil {
		o.t.Fatalf("login: %v", err)
	}
	return tokens
}

// alive holds that both tokens of a session are good, or that both are dead.
func (o office) alive(what string, tokens session.Tokens, want bool) {
	o.t.Helper()
	for kind, raw := range map[string]string{"access": tokens.Access, "refresh": tokens.Refresh} {
		if err := o.Sessions.Verify(o.t.Context(), raw); (err == nil) != want {
			o.t.Errorf("%s: %s token: %v, want good=%v", what, kind, err, want)
		}
	}
}

// django is a pair that Django minted, without a session.
func (o office) django(u auth.User) session.Tokens {
	mint := func(typ string) string {
		now := time.Now()
		return o.Sessions.Ring.Signing().Sign(token.Claims{
			Type: typ, Expires: now.Add(time.Hour).Unix(), IssuedAt: now.Unix(), ID: token.NewID(), UserID: u.ID,
		})
	}
	return session.Tokens{Access: mint(token.Access), Refresh: mint(token.Refresh)}
}

// user is the account as it is stored.
func (o office) user(id int64) auth.User {
	o.t.Helper()
	u, err := o.Sessions.Store.Read().UserByID(o.t.Context(), id)
	if err != nil {
		o.t.Fatal(err)
	}
	return u
}

// events gives an account's events of a kind, the newest first.
func (o office) events(u auth.User, kind auth.EventKind) []auth.Event {
	o.t.Helper()
	all, err := o.Sessions.Store.Read().Events(o.t.Context(), auth.EventFilter{UserID: u.ID, Kind: kind})
	if err != nil {
		o.t.Fatal(err)
	}
	return all
}

// wrong gives how many wrong passwords were counted, by address.
func (o office) wrong(u auth.User) map[string]int64 {
	o.t.Helper()
	done, cancel := context.WithCancel(o.t.Context())
	cancel()
	o.Failures.(*login.Failures).Run(done) // ends with a write
	count := map[string]int64{}
	for _, e := range o.events(u, auth.EventLoginFailed) {
		count[e.Client.Address] += e.Count
	}
	return count
}

// A form that does not hold changes nothing, and all that is wrong with it is
// told at once.
func TestChangePasswordRefuses(t *testing.T) {
	const wrong = "old_password:password_incorrect"
	o := newOffice(t)
	tokens, u := o.register("ada@example.com")
	other := o.mustLogin(oldPassword)
	before := o.user(u.ID)
	for _, c := range []struct {
		name string
		form account.PasswordChange
		want string
	}{
		{"wrong", account.PasswordChange{Old: "wrong", New: newPassword, New2: newPassword}, wrong},
		{"empty", account.PasswordChange{New: newPassword, New2: newPassword}, wrong},
		{"with a blank at its end", account.PasswordChange{Old: oldPassword + " ", New: newPassword, New2: newPassword}, wrong},
		{"the new one", account.PasswordChange{Old: newPassword, New: newPassword, New2: newPassword}, wrong},
		{"different", account.PasswordChange{Old: oldPassword, New: newPassword, New2: newPassword + " "}, "password:password_mismatch"},
		{"weak", account.PasswordChange{Old: oldPassword, New: "12345678", New2: "12345678"}, "password:password_too_common password:password_entirely_numeric"},
		{"short", account.PasswordChange{Old: oldPassword, New: "x7-Q", New2: "x7-Q"}, "password:password_too_short"},
		{"like the last name", account.PasswordChange{Old: oldPassword, New: "lovelace1", New2: "lovelace1"}, "password:password_too_similar"},
		{"like the e-mail", account.PasswordChange{Old: oldPassword, New: "ada@example.co", New2: "ada@example.co"}, "password:password_too_similar"},
		{"wrong and different", account.PasswordChange{Old: "wrong", New: "12345678", New2: "x"}, wrong + " password:password_mismatch"},
		{"wrong and weak", account.PasswordChange{Old: "wrong", New: "12345678", New2: "12345678"}, wrong + " password:password_too_common password:password_entirely_numeric"},
	} {
		n, err := o.ChangePassword(t.Context(), o.access(tokens.Access), c.form, laptop)
		if have := fields(err); have != c.want || n != 0 {
			t.Errorf("%s: have %q (%v), ended %d, want %q", c.name, have, err, n, c.want)
		}
	}
	if diff := cmp.Diff(before, o.user(u.ID)); diff != "" {
		t.Errorf("the account (-before +after):\n%s", diff)
	}
	o.alive("this session", tokens, true)
	o.alive("the other session", other, true)
	if all := o.events(u, auth.EventPasswordChanged); len(all) != 0 {
		t.Errorf("events %+v", all)
	}
	// The six with a wrong old password, and none of the right ones.
	if diff := cmp.Diff(map[string]int64{laptop.Address: 6}, o.wrong(u)); diff != "" {
		t.Errorf("counted (-want +got):\n%s", diff)
	}
}

// A change signs everybody out but the caller, at once, and nobody gets in by
// the old password any more.
//
// ASVS 7.4.3
func TestChangePassword(t *testing.T) {
	o := newOffice(t)
	ctx := t.Context()
	mine, u := o.register("ada@example.com")
	older, newer := o.mustLogin(oldPassword), o.mustLogin(oldPassword)
	bobs, bob := o.register("bob@example.com")
	foreign := o.django(u)
	o.alive("Django's", foreign, true)
	before := o.user(u.ID)
	started := time.Now()

	n, err := o.ChangePassword(ctx, o.access(mine.Access), to(newPassword), laptop)
	if err != nil || n != 2 {
		t.Fatalf("ended %d, %v, want 2", n, err)
	}
	o.alive("this session", mine, true)
	o.alive("one session", older, false)
	o.alive("another session", newer, false)
	o.alive("Django's", foreign, false)
	o.alive("somebody else's", bobs, true)
	o.alive("somebody else's of Django's", o.django(bob), true)
	if _, _, err := o.Sessions.Refresh(ctx, mine.Refresh, laptop, time.Now()); err != nil {
		t.Errorf("this session's refresh: %v", err)
	}
	if _, err := o.login(oldPassword); !auth.IsKind(err, auth.BadCredentials) {
		t.Errorf("login by the old password: %v", err)
	}
	o.alive("opened by the new password", o.mustLogin(newPassword), true)

	after := o.user(u.ID)
	if after.CredentialVersion != before.CredentialVersion+1 || after.Gen != before.Gen || after.Password == before.Password {
		t.Errorf("version %d to %d, generation %d to %d", before.CredentialVersion, after.CredentialVersion, before.Gen, after.Gen)
	}
	if after.ValidAfter.Before(started.Truncate(time.Second)) || !after.UpdatedAt.Equal(before.UpdatedAt) {
		t.Errorf("valid after %v, updated %v", after.ValidAfter, after.UpdatedAt)
	}
	all := o.events(u, auth.EventPasswordChanged)
	if len(all) != 1 {
		t.Fatalf("events %+v", all)
	}
	e := all[0]
	if e.At.Before(started.Add(-time.Second)) {
		t.Errorf("at %v", e.At)
	}
	e.ID, e.At = 0, time.Time{}
	if diff := cmp.Diff(auth.Event{
		Kind: auth.EventPasswordChanged, UserID: u.ID, ActorID: u.ID, SessionID: mine.SessionID,
		Client: laptop, Count: 1, Detail: "sessions ended: 2",
	}, e); diff != "" {
		t.Errorf("event (-want +got):\n%s", diff)
	}
	// A list that is loaded from the table says the same.
	fresh := session.NewRevoked(o.Sessions.Store, time.Now, o.Sessions.Log, 0)
	if err := fresh.Load(ctx); err != nil {
		t.Fatal(err)
	}
	o.Sessions.Revoked = fresh
	o.alive("another session, on another node", newer, false)
	if err := o.Sessions.Verify(ctx, mine.Access); err != nil {
		t.Errorf("this session, on another node: %v", err)
	}
}

// A caller without a session keeps none: Django's tokens cannot be told apart.
func TestChangePasswordWithoutSession(t *testing.T) {
	o := newOffice(t)
	mine, u := o.register("ada@example.com")
	foreign := o.django(u)
	n, err := o.ChangePassword(t.Context(), o.access(foreign.Access), to(newPassword), laptop)
	if err != nil || n != 1 {
		t.Fatalf("ended %d, %v, want 1", n, err)
	}
	o.alive("the session", mine, false)
	o.alive("the caller's", foreign, false)
	o.mustLogin(newPassword)
}

// Guesses at the old password are counted by the session that makes them: what
// is right, or decides nothing, gives its place back, and nobody else is
// concerned.
// ASVS 6.2.3
func TestChangePasswordThrottle(t *testing.T) {
	o := newOffice(t)
	ctx := t.Context()
	tokens, u := o.register("ada@example.com")
	me := o.access(tokens.Access)
	guess := func(form account.PasswordChange) error {
		_, err := o.ChangePassword(ctx, me, form, laptop)
		return err
	}
	wrong := account.PasswordChange{Old: "wrong", New: newPassword, New2: newPassword}
	throttled := func(what string, err error) {
		t.Helper()
		var e *auth.Error
		if !errors.As(err, &e) || e.Kind != auth.TooMany || e.RetryAfter <= 0 || e.RetryAfter > 15*time.Minute {
			t.Errorf("%s: %v", what, err)
		}
	}
	for range 9 {
		if have := fields(guess(wrong)); have != "old_password:password_incorrect" {
			t.Fatal(have)
		}
	}
	if have := fields(guess(account.PasswordChange{Old: oldPassword, New: newPassword, New2: "x"})); have != "password:password_mismatch" {
		t.Errorf("right, but different: %s", have)
	}
	if err := guess(to(newPassword)); err != nil {
		t.Errorf("right: %v", err)
	}
	if have := fields(guess(wrong)); have != "old_password:password_incorrect" {
		t.Errorf("the tenth wrong one: %s", have)
	}
	throttled("the eleventh wrong one", guess(wrong))
	throttled("the right one", guess(account.PasswordChange{Old: newPassword, New: oldPassword, New2: oldPassword}))
	if _, err := o.login(newPassword); err != nil {
		t.Errorf("a login: %v", err)
	}
	// Who is throttled has not been counted as wrong.
	if diff := cmp.Diff(map[string]int64{laptop.Address: 10}, o.wrong(u)); diff != "" {
		t.Errorf("counted (-want +got):\n%s", diff)
	}
	// Somebody else is not concerned.
	bobs, _ := o.register("bob@example.com")
	if _, err := o.ChangePassword(ctx, o.access(bobs.Access), to(newPassword), laptop); err != nil {
		t.Errorf("somebody else: %v", err)
	}
}

// Attempts take their places before the hash: of thirty at once as many reach a
// verdict as there are places.
func TestChangePasswordGuessedAtOnce(t *testing.T) {
	const places = 3 // each costs a hash
	o := newOffice(t)
	o.Hasher = password.NewHasher(password.Options{Wait: time.Minute})
	o.Throttle = throttle.New(throttle.Options{Enabled: true, Counters: counters.In(o.Store), Account: places})
	tokens, _ := o.register("ada@example.com")
	me := o.access(tokens.Access)
	var (
		mu    sync.Mutex
		count = map[auth.Kind]int{}
		wg    sync.WaitGroup
	)
	for range 30 {
		wg.Go(func() {
			_, err := o.ChangePassword(t.Context(), me, account.PasswordChange{Old: "wrong", New: newPassword, New2: newPassword}, laptop)
			var e *auth.Error
			if !errors.As(err, &e) {
				t.Errorf("got %v", err)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			count[e.Kind]++
		})
	}
	wg.Wait()
	if count[auth.Invalid] != places || count[auth.TooMany] != 30-places {
		t.Errorf("kinds %v, want %d verdicts and otherwise throttled", count, places)
	}
}

// An attempt that found no place to hash in has decided nothing: it is put off
// and is not counted.
func TestChangePasswordBusy(t *testing.T) {
	o := newOffice(t)
	tokens, u := o.register("ada@example.com")
	me := o.access(tokens.Access)
	quiet := o.Hasher
	o.Hasher = password.NewHasher(password.Options{Concurrent: 1, Wait: time.Nanosecond})
	var (
		wg   sync.WaitGroup
		busy = o.Hasher
		stop = make(chan struct{})
	)
	for range 4 {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					_, _ = busy.Hash(context.Background(), "x")
				}
			}
		})
	}
	putOff := 0
	for tries := 0; putOff < 11 && tries < 10_000; tries++ {
		n, err := o.ChangePassword(t.Context(), me, account.PasswordChange{Old: oldPassword, New: newPassword, New2: "x"}, laptop)
		var e *auth.Error
		switch {
		case n != 0:
			t.Fatalf("ended %d", n)
		case auth.IsKind(err, auth.Unavailable) && errors.As(err, &e) && e.RetryAfter > 0:
			putOff++
		case fields(err) != "password:password_mismatch":
			t.Fatalf("got %v", err)
		}
	}
	close(stop)
	wg.Wait()
	if putOff < 11 {
		t.Fatalf("%d attempts were put off: nothing is tried", putOff)
	}
	o.Hasher = quiet
	if _, err := o.ChangePassword(t.Context(), me, to(newPassword), laptop); err != nil {
		t.Errorf("afterwards: %v", err)
	}
	if have := o.wrong(u); len(have) != 0 {
		t.Errorf("counted %v", have)
	}
}

// Of several changes at once exactly one wins: the others are told so, and only
// the winner's password opens the account afterwards.
func TestChangePasswordAtOnce(t *testing.T) {
	const n = 3
	for _, name := range []string{"in one session", "in a session each"} {
		t.Run(name, func(t *testing.T) {
			o := newOffice(t)
			first, u := o.register("ada@example.com")
			all := []session.Tokens{first}
			for len(all) < n {
				if name == "in one session" {
					all = append(all, first)
				} else {
					all = append(all, o.mustLogin(oldPassword))
				}
			}
			var callers []session.Access
			for _, tokens := range all {
				callers = append(callers, o.access(tokens.Access))
			}
			var (
				wg   sync.WaitGroup
				errs = make([]error, n)
			)
			for i := range n {
				wg.Go(func() {
					_, errs[i] = o.ChangePassword(t.Context(), callers[i], to(fmt.Sprintf("an0ther-Horse-%d", i)), laptop)
				})
			}
			wg.Wait()
			winner := slices.Index(errs, nil)
			if winner < 0 {
				t.Fatalf("nobody wins: %v", errs)
			}
			for i, err := range errs {
				switch {
				case i == winner:
				case errors.Is(err, auth.ErrConflict), auth.IsKind(err, auth.TokenNotValid), fields(err) == "old_password:password_incorrect":
				default:
					t.Errorf("change %d beside %d: %v", i, winner, err)
				}
			}
			if have := o.user(u.ID).CredentialVersion; have != u.CredentialVersion+1 {
				t.Errorf("version %d to %d", u.CredentialVersion, have)
			}
			if have := o.events(u, auth.EventPasswordChanged); len(have) != 1 {
				t.Errorf("%d events, want 1", len(have))
			}
			for i := range n {
				o.alive(fmt.Sprintf("session of change %d beside %d", i, winner), all[i], i == winner || name == "in one session")
			}
			o.mustLogin(fmt.Sprintf("an0ther-Horse-%d", winner))
			if _, err := o.login(fmt.Sprintf("an0ther-Horse-%d", (winner+1)%n)); !auth.IsKind(err, auth.BadCredentials) {
				t.Errorf("login by a loser's password: %v", err)
			}
		})
	}
}

// A login that was hashing the old password while it was changed opens nothing;
// one that was faster is signed out.
//
// LESSON 16
func TestChangePasswordAndLogins(t *testing.T) {
	t.Run("the password was read before", func(t *testing.T) {
		o := newOffice(t)
		mine, u := o.register("ada@example.com")
		read := o.user(u.ID)
		if _, err := o.ChangePassword(t.Context(), o.access(mine.Access), to(newPassword), laptop); err != nil {
			t.Fatal(err)
		}
		_, _, err := o.Sessions.Open(t.Context(), auth.Opening{
			UserID: read.ID, CredentialVersion: read.CredentialVersion, Event: auth.EventLoggedIn,
		})
		if !auth.IsKind(err, auth.BadCredentials) {
			t.Errorf("opened: %v", err)
		}
	})
	t.Run("at once", func(t *testing.T) {
		o := newOffice(t)
		mine, _ := o.register("ada@example.com")
		me := o.access(mine.Access)
		var (
			wg     sync.WaitGroup
			mu     sync.Mutex
			opened []session.Tokens
		)
		for range 6 {
			wg.Go(func() {
				tokens, err := o.login(oldPassword)
				if err != nil {
					if !auth.IsKind(err, auth.BadCredentials) {
						t.Errorf("login: %v", err)
					}
					return
				}
				mu.Lock()
				defer mu.Unlock()
				opened = append(opened, tokens)
			})
		}
		wg.Go(func() {
			if _, err := o.ChangePassword(t.Context(), me, to(newPassword), laptop); err != nil {
				t.Errorf("change: %v", err)
			}
		})
		wg.Wait()
		for _, tokens := range opened {
			o.alive("opened by the old password", tokens, false)
		}
		o.alive("this session", mine, true)
		list, err := o.Sessions.Sessions(t.Context(), me)
		if err != nil || len(list) != 1 || list[0].ID != mine.SessionID {
			t.Errorf("%d sessions live (%v), want this one", len(list), err)
		}
	})
}

// meanwhile is a store in which something happens between the check of the old
// password and the change.
type meanwhile struct {
	auth.Store
	once func()
}

func (m *meanwhile) Update(ctx context.Context, fn func(auth.Tx) error) error {
	if once := m.once; once != nil {
		m.once = nil
		once()
	}
	return m.Store.Update(ctx, fn)
}

// A caller whose account or session has changed while the password was hashed
// is refused, and nothing changes.
func TestChangePasswordMeanwhile(t *testing.T) {
	for _, c := range []struct {
		name    string
		happens func(o office, mine session.Tokens, u auth.User) error
		want    error
	}{
		{"its session is ended", func(o office, mine session.Tokens, _ auth.User) error {
			return o.Sessions.End(o.t.Context(), o.access(mine.Access), mine.SessionID, laptop)
		}, auth.TokenError(auth.CodeTokenInvalid)},
		{"every other session is ended by another", func(o office, _ session.Tokens, _ auth.User) error {
			_, err := o.Sessions.EndOthers(o.t.Context(), o.access(o.mustLogin(oldPassword).Access), laptop)
			return err
		}, auth.TokenError(auth.CodeTokenInvalid)},
		{"it has got another role", func(o office, _ session.Tokens, u auth.User) error {
			return o.SetRole(o.t.Context(), nil, u.ID, auth.RoleClient)
		}, auth.TokenError(auth.CodeTokenInvalid)},
		{"it is shut", func(o office, _ session.Tokens, u auth.User) error { return o.Deactivate(o.t.Context(), nil, u.ID) }, auth.TokenError(auth.CodeUserInactive)},
		{"it is gone", func(o office, _ session.Tokens, u auth.User) error { return o.Delete(o.t.Context(), nil, u.ID, nil) }, auth.TokenError(auth.CodeUserNotFound)},
		{"it has got a new password", func(o office, _ session.Tokens, u auth.User) error {
			return o.SetPassword(o.t.Context(), u.ID, "a-third-Horse-44")
		}, auth.ErrConflict},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := newOffice(t)
			mine, u := o.register("ada@example.com")
			me := o.access(mine.Access)
			var before auth.User
			store, events := o.Store, 0
			o.Store = &meanwhile{store, func() {
				if err := c.happens(o, mine, u); err != nil {
					t.Fatal(err)
				}
				if c.name != "it is gone" {
					before = o.user(u.ID)
				}
				events = len(o.events(u, ""))
			}}
			n, err := o.ChangePassword(t.Context(), me, to(newPassword), laptop)
			if !errors.Is(err, c.want) || n != 0 {
				t.Errorf("ended %d, %v, want %v", n, err, c.want)
			}
			if c.name != "it is gone" {
				if diff := cmp.Diff(before, o.user(u.ID)); diff != "" {
					t.Errorf("the account (-before +after):\n%s", diff)
				}
			}
			if have := len(o.events(u, "")); have != events {
				t.Errorf("%d events more", have-events)
			}
		})
	}
}

// A token that Django minted has no session to be looked up: what has happened
// to it is told by the time from which the account takes such tokens.
func TestChangePasswordMeanwhileWithoutSession(t *testing.T) {
	o := newOffice(t)
	mine, u := o.register("ada@example.com")
	me := o.access(o.django(u).Access)
	before := o.user(u.ID)
	store := o.Store
	o.Store = &meanwhile{store, func() {
		if _, err := o.Sessions.EndOthers(t.Context(), o.access(mine.Access), laptop); err != nil {
			t.Fatal(err)
		}
	}}
	n, err := o.ChangePassword(t.Context(), me, to(newPassword), laptop)
	if !errors.Is(err, auth.TokenError(auth.CodeTokenInvalid)) || n != 0 {
		t.Errorf("ended %d, %v, want a token that is not valid", n, err)
	}
	if after := o.user(u.ID); after.Password != before.Password || after.CredentialVersion != before.CredentialVersion {
		t.Error("the password is changed")
	}
	o.alive("the owner's session", mine, true)
}

// A caller who was refused before is told so before anything is hashed or
// counted.
func TestChangePasswordByTheDead(t *testing.T) {
	o := newOffice(t)
	tokens, u := o.register("ada@example.com")
	me := o.access(tokens.Access)
	wrong := account.PasswordChange{Old: "wrong", New: newPassword, New2: newPassword}
	for _, c := range []struct {
		act  func() error
		want auth.Code
	}{
		{func() error { return o.SetRole(t.Context(), nil, u.ID, auth.RoleClient) }, auth.CodeTokenInvalid},
		{func() error { return o.Deactivate(t.Context(), nil, u.ID) }, auth.CodeUserInactive},
		{func() error { return o.Delete(t.Context(), nil, u.ID, nil) }, auth.CodeUserNotFound},
	} {
		if err := c.act(); err != nil {
			t.Fatal(err)
		}
		if _, err := o.ChangePassword(t.Context(), me, wrong, laptop); !errors.Is(err, auth.TokenError(c.want)) {
			t.Errorf("%v, want %s", err, c.want)
		}
	}
	if have := o.wrong(u); len(have) != 0 {
		t.Errorf("counted %v", have)
	}
}

// lostAnswer is a store whose Update commits and then loses its answer.
type lostAnswer struct{ auth.Store }

func (l lostAnswer) Update(ctx context.Context, fn func(auth.Tx) error) error {
	if err := l.Store.Update(ctx, fn); err != nil {
		return err
	}
	return errors.New("connection lost during COMMIT")
}

// After a commit of unknown outcome what did happen holds here at once.
func TestChangePasswordAmbiguously(t *testing.T) {
	o := newOffice(t)
	mine, _ := o.register("ada@example.com")
	other := o.mustLogin(oldPassword)
	o.Store = lostAnswer{o.Store}
	_, err := o.ChangePassword(t.Context(), o.access(mine.Access), to(newPassword), laptop)
	var told *auth.Error
	if err == nil || errors.As(err, &told) {
		t.Fatalf("%v, want an internal error", err)
	}
	o.alive("the other session", other, false)
	o.alive("this session", mine, true)
	o.mustLogin(newPassword)
}

// The trail is the caller's own, a page at a time.
func TestEvents(t *testing.T) {
	o := newOffice(t)
	tokens, u := o.register("ada@example.com")
	o.register("bob@example.com")
	if err := o.SetRole(t.Context(), nil, u.ID, auth.RoleClient); err != nil {
		t.Fatal(err)
	}
	o.mustLogin(oldPassword)
	me := session.Access{AccessIdentity: auth.AccessIdentity{UserID: u.ID, SessionID: tokens.SessionID}}
	want := []auth.EventKind{auth.EventLoggedIn, auth.EventRoleChanged, auth.EventRegistered}
	var (
		have   []auth.EventKind
		before int64
	)
	for range 5 {
		page, err := o.Events(t.Context(), me, false, before, 2)
		if err != nil || len(page) > 2 {
			t.Fatalf("%d events, %v", len(page), err)
		}
		for _, e := range page {
			if e.UserID != u.ID {
				t.Errorf("somebody else's: %+v", e)
			}
			have, before = append(have, e.Kind), e.ID
		}
		if len(page) < 2 {
			break
		}
	}
	if diff := cmp.Diff(want, have); diff != "" {
		t.Errorf("kinds (-want +got):\n%s", diff)
	}
}

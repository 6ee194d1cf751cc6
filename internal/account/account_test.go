package account_test

import (
	"errors"
	"log/slog"
	"path/filepath"
	"strings"
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
	"github.com/latchkey-auth/latchkey/internal/store/sqlite"
	"github.com/latchkey-auth/latchkey/internal/throttle"
	"github.com/latchkey-auth/latchkey/internal/token"
)

type ring struct{ key token.Key }

func (r ring) Accepted(string, bool) ([]token.Key, error) { return []token.Key{r.key}, nil }
func (r ring) Signing() token.Key                         { return r.key }
func (r ring) AcceptsForeign() bool                       { return true }

// office is the acts on a real SQLite, and the door that is opened by what they
// set.
type office struct {
	*account.Service
	t      *testing.T
	logins *login.Service
}

func newOffice(t *testing.T) office {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	store, err := sqlite.Open(t.Context(), sqlite.Options{Path: filepath.Join(t.TempDir(), "latchkey.db"), Now: time.Now, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	policy, err := password.NewPolicy(password.PolicyOptions{})
	if err != nil {
		t.Fatal(err)
	}
	revoked := session.NewRevoked(store, time.Now, log, 0)
	sessions := session.New(session.Options{
		Store: store, Ring: ring{token.NewHS256("k", []byte("a key of thirty-two bytes or more than that"))}, Revoked: revoked,
		Reuse: session.Strict, AccessLifetime: 3 * time.Hour, RefreshLifetime: 72 * time.Hour, SessionMax: 720 * time.Hour,
		Now: time.Now, Log: log,
	})
	if err := revoked.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	hasher := password.NewHasher(password.Options{Wait: time.Minute, Cheap: true})
	limits := throttle.New(throttle.Options{Enabled: true, Counters: counters.In(store), Burst: 3, Every: time.Minute})
	failures := login.NewFailures(store, log)
	return office{account.New(account.Options{
		Store: store, Sessions: sessions, Revoked: revoked, Hasher: hasher, Policy: policy,
		Throttle: limits, Failures: failures,
		RegistrationRoles: []auth.Role{auth.RoleEmployee, auth.RoleClient}, Now: time.Now,
	}), t, login.New(login.Options{
		Store: store, Sessions: sessions, Hasher: hasher, Throttle: limits, Failures: failures, Now: time.Now, Log: log,
	})}
}

func email(t *testing.T, s string) auth.Email {
	t.Helper()
	e, ok := auth.ParseEmail(s)
	if !ok {
		t.Fatalf("e-mail %q", s)
	}
	return e
}

func form(t *testing.T, mail string) account.Registration {
	return account.Registration{
		Email: email(t, mail), Password: "c0rrect-Horse-42", Password2: "c0rrect-Horse-42",
		FirstName: "Ada", LastName: "Lovelace", Role: auth.RoleEmployee,
	}
}

func (o office) register(mail string) (session.Tokens, auth.User) {
	o.t.Helper()
	tokens, u, err := o.Register(o.t.Context(), form(o.t, mail), auth.Client{})
	if err != nil {
		o.t.Fatal(err)
	}
	return tokens, u
}

// fields gives the codes of an Invalid error by field, in order.
func fields(err error) string {
	var e *auth.Error
	if !errors.As(err, &e) || e.Kind != auth.Invalid {
		return "not an Invalid error"
	}
	var out []string
	for _, f := range e.Fields {
		for _, p := range f.Problems {
			out = append(out, f.Field+":"+string(p.Code))
		}
	}
	return strings.Join(out, " ")
}

func TestRegisterRefuses(t *testing.T) {
	o := newOffice(t)
	o.register("ada@example.com")
	tests := []struct {
		name   string
		change func(*account.Registration)
		want   string
	}{
		{"taken", func(r *account.Registration) { r.Email = email(t, "ada@example.com") }, "email:email_taken"},
		{"taken in capitals", func(r *account.Registration) { r.Email = email(t, "ADA@Example.COM") }, "email:email_taken"},
		{"as the guide's example", func(r *account.Registration) {
			r.Email, r.Password2 = email(t, "ada@example.com"), "another"
		}, "email:email_taken password:password_mismatch"},
		{"weak and different", func(r *account.Registration) { r.Password, r.Password2 = "123", "1234" }, "password:password_mismatch"},
		{"weak", func(r *account.Registration) { r.Password, r.Password2 = "12345678", "12345678" }, "password:password_too_common password:password_entirely_numeric"},
		{"like the last name", func(r *account.Registration) { r.Password, r.Password2 = "lovelace1", "lovelace1" }, "password:password_too_similar"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r := form(t, "new@example.com")
			test.change(&r)
			_, _, err := o.Register(t.Context(), r, auth.Client{})
			if diff := cmp.Diff(test.want, fields(err)); diff != "" {
				t.Errorf("fields (-want +got):\n%s", diff)
			}
		})
	}
	users, err := o.Store.Read().Users(t.Context(), auth.UserFilter{})
	if err != nil || len(users) != 1 {
		t.Errorf("%d users (%v), want the one from before", len(users), err)
	}
}

// Ten registrations of one e-mail at once: one account, and nine times what the
// form would have said (the real stack answers three 500s).
func TestRegisterOneEmailAtOnce(t *testing.T) {
	o := newOffice(t)
	var (
		mu   sync.Mutex
		made int
		wg   sync.WaitGroup
	)
	for range 10 {
		wg.Go(func() {
			_, _, err := o.Register(t.Context(), form(t, "ada@example.com"), auth.Client{})
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				made++
			} else if got := fields(err); got != "email:email_taken" {
				t.Errorf("refused with %q (%v)", got, err)
			}
		})
	}
	wg.Wait()
	if made != 1 {
		t.Errorf("%d accounts, want 1", made)
	}
}

func TestRegistrationsOfOneAddress(t *testing.T) {
	o := newOffice(t)
	for i, mail := range []string{"a@example.com", "b@example.com", "c@example.com", "d@example.com"} {
		_, _, err := o.Register(t.Context(), form(t, mail), auth.Client{Address: "192.0.2.1"})
		if throttled := auth.IsKind(err, auth.TooMany); throttled != (i == 3) {
			t.Errorf("registration %d: %v", i+1, err)
		}
	}
}

// Those that are refused count as well: their answers tell who is registered, and
// nothing else is in the way of asking for a million.
func TestRefusedRegistrationsOfOneAddress(t *testing.T) {
	o := newOffice(t)
	o.register("ada@example.com")
	for i := range 4 {
		f := form(t, []string{"ada@example.com", "bob@example.com"}[i%2])
		f.Password2 = "x"
		_, _, err := o.Register(t.Context(), f, auth.Client{Address: "192.0.2.9"})
		if throttled := auth.IsKind(err, auth.TooMany); throttled != (i == 3) || !throttled && !auth.IsKind(err, auth.Invalid) {
			t.Errorf("registration %d: %v", i+1, err)
		}
	}
}

func TestMayRegister(t *testing.T) {
	o := newOffice(t)
	for _, role := range auth.Roles() {
		public := role == auth.RoleEmployee || role == auth.RoleClient
		if o.MayRegister(role, nil) != public {
			t.Errorf("the public as %s: %v", role, !public)
		}
		for _, caller := range auth.Roles() {
			want := public || caller == auth.RoleAdmin
			if o.MayRegister(role, &auth.User{Role: caller}) != want {
				t.Errorf("%s making %s: %v", caller, role, !want)
			}
		}
	}
}

// Every act that must end something: which of the tokens are good afterwards.
func TestActsOnTokens(t *testing.T) {
	tests := []struct {
		name            string
		act             func(o office, id int64) error
		access, refresh bool
		event           auth.EventKind
	}{
		{"deactivate", func(o office, id int64) error { return o.Deactivate(t.Context(), nil, id) }, false, false, auth.EventDeactivated},
		{"delete", func(o office, id int64) error { return o.Delete(t.Context(), nil, id, nil) }, false, false, auth.EventUserDeleted},
		{"set role", func(o office, id int64) error { return o.SetRole(t.Context(), nil, id, auth.RoleClient) }, false, true, auth.EventRoleChanged},
		{"set password", func(o office, id int64) error { return o.SetPassword(t.Context(), id, "an0ther-Horse-43") }, false, false, auth.EventPasswordChanged},
		{"end all sessions", func(o office, _ int64) error {
			_, err := o.EndAllSessions(t.Context(), auth.EventAllSessionsEnd)
			return err
		}, false, false, auth.EventAllSessionsEnd},
		{"activate again", func(o office, id int64) error {
			return errors.Join(o.Deactivate(t.Context(), nil, id), o.Activate(t.Context(), nil, id))
		}, false, false, auth.EventActivated},
		{"nothing to change", func(o office, id int64) error {
			return errors.Join(o.SetRole(t.Context(), nil, id, auth.RoleEmployee), o.Activate(t.Context(), nil, id))
		}, true, true, auth.EventRegistered},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			o := newOffice(t)
			tokens, u := o.register("ada@example.com")
			if err := test.act(o, u.ID); err != nil {
				t.Fatal(err)
			}
			if err := o.Sessions.Verify(t.Context(), tokens.Access); (err == nil) != test.access {
				t.Errorf("access token: %v, want good=%v", err, test.access)
			}
			if err := o.Sessions.Verify(t.Context(), tokens.Refresh); (err == nil) != test.refresh {
				t.Errorf("refresh token: %v, want good=%v", err, test.refresh)
			}
			events, err := o.Store.Read().Events(t.Context(), auth.EventFilter{Limit: 1})
			if err != nil || len(events) != 1 || events[0].Kind != test.event {
				t.Errorf("last event %v (%v), want %s", events, err, test.event)
			}
			// A list that is loaded from the table says the same.
			fresh := session.NewRevoked(o.Store, time.Now, slog.New(slog.DiscardHandler), 0)
			if err := fresh.Load(t.Context()); err != nil {
				t.Fatal(err)
			}
			o.Sessions.Revoked = fresh
			if err := o.Sessions.Verify(t.Context(), tokens.Access); (err == nil) != test.access {
				t.Errorf("access token on another node: %v, want good=%v", err, test.access)
			}
		})
	}
}

func TestActsOnNobody(t *testing.T) {
	o := newOffice(t)
	for name, err := range map[string]error{
		"deactivate":   o.Deactivate(t.Context(), nil, 99),
		"activate":     o.Activate(t.Context(), nil, 99),
		"delete":       o.Delete(t.Context(), nil, 99, nil),
		"set role":     o.SetRole(t.Context(), nil, 99, auth.RoleClient),
		"set password": o.SetPassword(t.Context(), 99, "an0ther-Horse-43"),
	} {
		if !errors.Is(err, auth.ErrNotFound) {
			t.Errorf("%s: %v, want not found", name, err)
		}
	}
}

func TestUpdateProfile(t *testing.T) {
	o := newOffice(t)
	tokens, before := o.register("ada@example.com")
	a, err := o.Sessions.Authenticate(t.Context(), tokens.Access)
	if err != nil {
		t.Fatal(err)
	}
	same, err := o.UpdateProfile(t.Context(), a, account.Profile{}, auth.Client{})
	if err != nil || !same.UpdatedAt.Equal(before.UpdatedAt) {
		t.Errorf("without a field: %v, moved from %v to %v", err, before.UpdatedAt, same.UpdatedAt)
	}
	phone := "+0987654321"
	u, err := o.UpdateProfile(t.Context(), a, account.Profile{Phone: &phone}, auth.Client{})
	if err != nil || u.Phone != phone || u.FirstName != "Ada" || !u.UpdatedAt.After(before.UpdatedAt) {
		t.Errorf("got %+v, %v", u, err)
	}
	if err := o.SetRole(t.Context(), nil, u.ID, auth.RoleClient); err != nil {
		t.Fatal(err)
	}
	if _, err := o.UpdateProfile(t.Context(), a, account.Profile{Phone: &phone}, auth.Client{}); !auth.IsKind(err, auth.TokenNotValid) {
		t.Errorf("with a token of before the role change: %v", err)
	}
	if err := o.Deactivate(t.Context(), nil, u.ID); err != nil {
		t.Fatal(err)
	}
	_, err = o.UpdateProfile(t.Context(), a, account.Profile{Phone: &phone}, auth.Client{})
	if !errors.Is(err, auth.TokenError(auth.CodeUserInactive)) {
		t.Errorf("of an inactive user: %v", err)
	}
	if err := o.Delete(t.Context(), nil, u.ID, nil); err != nil {
		t.Fatal(err)
	}
	_, err = o.UpdateProfile(t.Context(), a, account.Profile{Phone: &phone}, auth.Client{})
	if !errors.Is(err, auth.TokenError(auth.CodeUserNotFound)) {
		t.Errorf("of a deleted user: %v", err)
	}
}

// A token that Django minted has no session to be revoked: a new password
// kills it by the time before which the account takes none.
func TestSetPasswordAndDjangosTokens(t *testing.T) {
	o := newOffice(t)
	_, u := o.register("ada@example.com")
	now := time.Now()
	var minted []string
	for _, typ := range []string{token.Access, token.Refresh} {
		raw := o.Sessions.Ring.Signing().Sign(token.Claims{
			Type: typ, Expires: now.Add(time.Hour).Unix(), IssuedAt: now.Unix(), ID: token.NewID(), UserID: u.ID,
		})
		if err := o.Sessions.Verify(t.Context(), raw); err != nil {
			t.Fatalf("%s token before: %v", typ, err)
		}
		minted = append(minted, raw)
	}
	if err := o.SetPassword(t.Context(), u.ID, "an0ther-Horse-43"); err != nil {
		t.Fatal(err)
	}
	for _, raw := range minted {
		if err := o.Sessions.Verify(t.Context(), raw); err == nil {
			t.Error("a token of before the new password is good")
		}
	}
}

package login_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

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

// door is the acts of signing in on a real SQLite, and one user.
type door struct {
	*login.Service
	t    *testing.T
	user auth.User
}

const right = "c0rrect-Horse-42"

// djangoHash is `right` as Django 3.2 stores it: PBKDF2-SHA256 with few
// iterations, so that it is due for a new hash.
const djangoHash = "pbkdf2_sha256$1000$saltsaltsalt$%s"

// newDoor is one with a user of this hash, "" for one of right. What is hashed
// here costs nothing.
func newDoor(t *testing.T, encoded string) door {
	t.Helper()
	return newDoorWith(t, encoded, password.Options{Wait: time.Minute, Cheap: true})
}

func newDoorWith(t *testing.T, encoded string, hashes password.Options) door {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	store, err := sqlite.Open(t.Context(), sqlite.Options{Path: filepath.Join(t.TempDir(), "latchkey.db"), Now: time.Now, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	d := door{login.New(login.Options{
		Store: store,
		Sessions: session.New(session.Options{
			Store: store, Ring: ring{token.NewHS256("k", []byte("a key of thirty-two bytes or more than that"))},
			Revoked: session.NewRevoked(store, time.Now, log, 0), Reuse: session.Strict,
			AccessLifetime: 3 * time.Hour, RefreshLifetime: 72 * time.Hour, SessionMax: 720 * time.Hour, Now: time.Now, Log: log,
		}),
		Hasher:   password.NewHasher(hashes),
		Throttle: throttle.New(throttle.Options{Enabled: true, Counters: counters.In(store)}),
		Failures: login.NewFailures(store, log), Now: time.Now, Log: log,
	}), t, auth.User{}}
	if encoded == "" {
		if encoded, err = d.Hasher.Hash(t.Context(), right); err != nil {
			t.Fatal(err)
		}
	}
	d.update(func(tx auth.Tx) error {
		d.user, err = tx.InsertUser(t.Context(), auth.NewUser{
			Email: email(t, "ada@example.com"), FirstName: "Ada", LastName: "Lovelace",
			Role: auth.RoleEmployee, Password: encoded, IsActive: true,
		}, time.Now())
		return err
	})
	return d
}

func (d door) update(fn func(auth.Tx) error) {
	d.t.Helper()
	if err := d.Store.Update(d.t.Context(), fn); err != nil {
		d.t.Fatal(err)
	}
}

func (d door) change(c auth.UserChange) {
	d.t.Helper()
	d.update(func(tx auth.Tx) error {
		_, err := tx.UpdateUser(d.t.Context(), d.user.ID, c, time.Now())
		return err
	})
}

func email(t *testing.T, s string) auth.Email {
	t.Helper()
	e, ok := auth.ParseEmail(s)
	if !ok {
		t.Fatalf("e-mail %q", s)
	}
	return e
}

func TestPassword(t *testing.T) {
	inactive, unusable := false, "!"
	tests := []struct {
		name, mail, password string
		before               func(door)
		want                 auth.Kind // 0: signed in
	}{
		{"right", "ada@example.com", right, nil, 0},
		{"right, e-mail in capitals", "ADA@EXAMPLE.COM", right, nil, 0},
		{"wrong", "ada@example.com", right + " ", nil, auth.BadCredentials},
		{"empty", "ada@example.com", "", nil, auth.BadCredentials},
		{"unknown e-mail", "bob@example.com", right, nil, auth.BadCredentials},
		{"inactive", "ada@example.com", right, func(d door) { d.change(auth.UserChange{IsActive: &inactive}) }, auth.BadCredentials},
		{"unusable password", "ada@example.com", right, func(d door) { d.change(auth.UserChange{Password: &unusable}) }, auth.BadCredentials},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			d := newDoor(t, "")
			if test.before != nil {
				test.before(d)
			}
			tokens, u, err := d.Password(t.Context(), email(t, test.mail), test.password, auth.Client{Address: "192.0.2.1", UserAgent: "test"}, "")
			if test.want != 0 {
				if !auth.IsKind(err, test.want) || tokens != (session.Tokens{}) {
					t.Fatalf("got %v and tokens %v, want kind %d", err, tokens, test.want)
				}
				return
			}
			if err != nil || u.ID != d.user.ID {
				t.Fatalf("got user %d, %v", u.ID, err)
			}
			for _, raw := range []string{tokens.Access, tokens.Refresh} {
				if err := d.Sessions.Verify(t.Context(), raw); err != nil {
					t.Errorf("the token is not good: %v", err)
				}
			}
			list, err := d.Store.Read().Sessions(t.Context(), u.ID, time.Now())
			if err != nil || len(list) != 1 || list[0].Client != (auth.Client{Address: "192.0.2.1", UserAgent: "test"}) {
				t.Errorf("sessions %+v, %v", list, err)
			}
		})
	}
}

// A login that is hashing the old password while it is changed, or while the
// account is shut, opens nothing.
func TestPasswordChangedMeanwhile(t *testing.T) {
	inactive, other := false, "!other"
	for name, change := range map[string]auth.UserChange{
		"password": {Password: &other}, "activation": {IsActive: &inactive},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDoor(t, "")
			read := d.user
			d.change(change)
			_, _, err := d.Sessions.Open(t.Context(), auth.Opening{
				UserID: read.ID, CredentialVersion: read.CredentialVersion, Event: auth.EventLoggedIn,
			})
			if !auth.IsKind(err, auth.BadCredentials) {
				t.Errorf("opened: %v", err)
			}
			n, err := d.Store.Read().CountSessions(t.Context(), time.Now())
			if err != nil || n != 0 {
				t.Errorf("%d sessions (%v), want none", n, err)
			}
		})
	}
}

// A hash that Django wrote is replaced at the first login; the version that
// guards openings does not move, so a second login at the same time succeeds.
func TestRehash(t *testing.T) {
	// pbkdf2_hmac("sha256", right, "saltsaltsalt", 1000), by Python's hashlib.
	d := newDoorWith(t, fmt.Sprintf(djangoHash, "mFTaTHBoleKGfa3z1fK5UqCM4vH1JjTArcR2uHFgprs="), password.Options{})
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			if _, _, err := d.Password(t.Context(), email(t, "ada@example.com"), right, auth.Client{}, ""); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	u, err := d.Store.Read().UserByID(t.Context(), d.user.ID)
	if err != nil || !strings.HasPrefix(u.Password, "argon2$argon2id$v=19$m=19456,t=2,p=1$") {
		t.Errorf("stored hash begins %.20q (%v)", u.Password, err)
	}
	if u.CredentialVersion != d.user.CredentialVersion {
		t.Errorf("version moved from %d to %d", d.user.CredentialVersion, u.CredentialVersion)
	}
	if _, _, err := d.Password(t.Context(), email(t, "ada@example.com"), right, auth.Client{}, ""); err != nil {
		t.Errorf("with the new hash: %v", err)
	}
}

// Attempts take their places before the hash: of 100 wrong ones at once ten
// reach a verdict, and a right one gives its place back.
func TestThrottle(t *testing.T) {
	d := newDoorWith(t, "", password.Options{Wait: time.Minute})
	for range 15 {
		if _, _, err := d.Password(t.Context(), email(t, "ada@example.com"), right, auth.Client{}, ""); err != nil {
			t.Fatalf("right password: %v", err)
		}
	}
	var (
		mu    sync.Mutex
		count = map[auth.Kind]int{}
		wg    sync.WaitGroup
	)
	for range 100 {
		wg.Go(func() {
			_, _, err := d.Password(t.Context(), email(t, "ada@example.com"), "wrong", auth.Client{}, "")
			var e *auth.Error
			if !errors.As(err, &e) {
				t.Errorf("got %v", err)
				return
			}
			if e.Kind == auth.TooMany && (e.RetryAfter <= 0 || e.RetryAfter > 15*time.Minute) {
				t.Errorf("retry after %v", e.RetryAfter)
			}
			mu.Lock()
			defer mu.Unlock()
			count[e.Kind]++
		})
	}
	wg.Wait()
	if count[auth.BadCredentials] != 10 || count[auth.TooMany] != 90 {
		t.Errorf("kinds %v, want 10 verdicts and 90 throttled", count)
	}
}

func TestFailuresAreFolded(t *testing.T) {
	d := newDoor(t, "")
	ctx, cancel := context.WithCancel(t.Context())
	at := time.Date(2026, 11, 23, 10, 0, 30, 0, time.UTC)
	for i := range 5 {
		d.Failures.Add(d.user.ID, "192.0.2.1", at.Add(time.Duration(i)*time.Second))
		d.Failures.Add(0, "192.0.2.1", at)
	}
	d.Failures.Add(d.user.ID, "192.0.2.1", at.Add(time.Minute))
	cancel()
	d.Failures.Run(ctx) // ends with a last write
	events, err := d.Store.Read().Events(t.Context(), auth.EventFilter{Kind: auth.EventLoginFailed})
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]int64{}
	for _, e := range events {
		got[fmt.Sprintf("%d %s %s", e.UserID, e.Client.Address, e.At.UTC().Format("15:04"))] += e.Count
	}
	want := map[string]int64{"1 192.0.2.1 10:00": 5, "0 192.0.2.1 10:00": 5, "1 192.0.2.1 10:01": 1}
	if len(events) != 3 || fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%d rows %v, want %v", len(events), got, want)
	}
}

func TestAddressCounter(t *testing.T) {
	d := newDoor(t, "")
	addr := netip.MustParseAddr("192.0.2.7")
	throttled := 0
	for i := range 35 {
		// Fifteen different e-mails: more than 20 would block the address.
		_, _, err := d.Password(t.Context(), email(t, fmt.Sprintf("nobody%d@example.com", i%15)), "x", auth.Client{Address: addr.String()}, "")
		if auth.IsKind(err, auth.TooMany) {
			throttled++
		}
	}
	if throttled != 5 {
		t.Errorf("%d of 35 attempts from one address throttled, want 5", throttled)
	}
}

// TestRefusalsCostAHash: whoever is refused, and why, one hash of the default
// is made.
//
// LESSON 1, 2, 4
func TestRefusalsCostAHash(t *testing.T) {
	inactive, unusable := false, "!"
	for name, c := range map[string]struct {
		mail, password string
		change         *auth.UserChange
	}{
		"wrong":             {"ada@example.com", "wr0ng-Horse-42", nil},
		"unknown":           {"bob@example.com", right, nil},
		"empty password":    {"ada@example.com", "", nil},
		"empty, unknown":    {"bob@example.com", "", nil},
		"inactive":          {"ada@example.com", right, &auth.UserChange{IsActive: &inactive}},
		"unusable password": {"ada@example.com", right, &auth.UserChange{Password: &unusable}},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDoorWith(t, "", password.Options{})
			if c.change != nil {
				d.change(*c.change)
			}
			before := d.Hasher.Made()
			_, _, err := d.Password(t.Context(), email(t, c.mail), c.password, auth.Client{Address: "192.0.2.1"}, "")
			if !auth.IsKind(err, auth.BadCredentials) {
				t.Fatal(err)
			}
			if n := d.Hasher.Made() - before; n != 1 {
				t.Errorf("%d hashes were made, want 1", n)
			}
		})
	}
}

package session_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/latchkey-auth/latchkey/internal/auth"
	"github.com/latchkey-auth/latchkey/internal/session"
	"github.com/latchkey-auth/latchkey/internal/store/sqlite"
	"github.com/latchkey-auth/latchkey/internal/token"
)

// clock is a time that tests move.
type clock struct{ us atomic.Int64 }

func newClock() *clock {
	c := new(clock)
	c.us.Store(time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC).UnixMicro())
	return c
}

func (c *clock) Now() time.Time           { return time.UnixMicro(c.us.Load()).UTC() }
func (c *clock) Advance(d time.Duration)  { c.us.Add(d.Microseconds()) }
func (c *clock) at(d time.Duration) int64 { return c.Now().Add(d).Unix() }

// ring is one HS256 key, which the operator may have brought. err is why there
// may be others.
type ring struct {
	key     token.Key
	foreign bool
	err     error
}

func (r ring) Accepted(string, bool) ([]token.Key, error) { return []token.Key{r.key}, r.err }
func (r ring) Signing() token.Key                         { return r.key }
func (r ring) AcceptsForeign() bool                       { return r.foreign }

// house is a session service on a real SQLite with one user.
type house struct {
	*session.Service
	t     *testing.T
	clock *clock
	store auth.Store
	user  auth.User
	key   token.Key
}

const (
	accessLife  = 3 * time.Hour
	refreshLife = 3 * 24 * time.Hour
	sessionMax  = 30 * 24 * time.Hour
)

func newHouse(t *testing.T, reuse session.Reuse) *house {
	t.Helper()
	c := newClock()
	log := slog.New(slog.DiscardHandler)
	store, err := sqlite.Open(t.Context(), sqlite.Options{
		Path: filepath.Join(t.TempDir(), "latchkey.db"), Now: c.Now, Log: log,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	h := &house{t: t, clock: c, store: store, key: token.NewHS256("k", []byte("an operator's key of thirty-two bytes or more"))}
	h.Service = session.New(session.Options{
		Store: store, Ring: ring{h.key, true, nil}, Revoked: session.NewRevoked(store, c.Now, log, 0), Reuse: reuse,
		AccessLifetime: accessLife, RefreshLifetime: refreshLife, SessionMax: sessionMax, Now: c.Now, Log: log,
	})
	if err := h.Revoked.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	h.user = h.addUser("ada@example.com")
	// Tokens of before the account are not what is tested here.
	c.Advance(time.Minute)
	return h
}

func (h *house) addUser(email string) auth.User {
	h.t.Helper()
	e, ok := auth.ParseEmail(email)
	if !ok {
		h.t.Fatalf("e-mail %q", email)
	}
	var u auth.User
	h.update(func(tx auth.Tx) error {
		var err error
		u, err = tx.InsertUser(h.t.Context(), auth.NewUser{
			Email: e, FirstName: "Ada", LastName: "L", Role: auth.RoleEmployee, Password: "!", IsActive: true,
		}, h.clock.Now())
		return err
	})
	return u
}

func (h *house) update(fn func(auth.Tx) error) {
	h.t.Helper()
	if err := h.store.Update(h.t.Context(), fn); err != nil {
		h.t.Fatal(err)
	}
}

func (h *house) open() session.Tokens {
	h.t.Helper()
	tokens, _, err := h.Open(h.t.Context(), auth.Opening{
		UserID: h.user.ID, CredentialVersion: h.user.CredentialVersion, Event: auth.EventLoggedIn,
	})
	if err != nil {
		h.t.Fatal(err)
	}
	return tokens
}

func (h *house) refresh(raw string) (session.Tokens, error) {
	tokens, _, err := h.Refresh(h.t.Context(), raw, auth.Client{}, h.clock.Now())
	return tokens, err
}

func (h *house) mustRefresh(raw string) session.Tokens {
	h.t.Helper()
	tokens, err := h.refresh(raw)
	if err != nil {
		h.t.Fatalf("refresh: %v", err)
	}
	return tokens
}

func (h *house) claims(raw string) token.Claims {
	h.t.Helper()
	c, err := token.Parse(raw, ring{h.key, true, nil}, h.clock.Now())
	if err != nil {
		h.t.Fatalf("parse: %v", err)
	}
	return c
}

func (h *house) events(kind auth.EventKind) int {
	h.t.Helper()
	events, err := h.store.Read().Events(h.t.Context(), auth.EventFilter{Kind: kind})
	if err != nil {
		h.t.Fatal(err)
	}
	return len(events)
}

// wants compares an error with a code; "" wants none.
func wants(t *testing.T, what string, err error, code auth.Code) {
	t.Helper()
	var e *auth.Error
	switch {
	case code == "" && err == nil:
	case errors.As(err, &e) && e.Kind == auth.TokenNotValid && e.Code == code:
	default:
		t.Errorf("%s: got %v, want %q", what, err, code)
	}
}

// TestRotate is the table of design.md, "Refresh, as a state machine", row by
// row and column by column.
//
// ASVS 10.4.5
func TestRotate(t *testing.T) {
	const (
		rotated  = "rotated"
		same     = "the same successor"
		refused  = "refused, the session lives"
		theft    = "refused, the session is revoked"
		revealed = auth.CodeTokenBlacklisted
	)
	rows := []struct {
		name string
		// present gives the token to present after what came before it.
		present func(h *house) (presented string, successor session.Tokens)
		want    map[session.Reuse]string
	}{
		{
			"current",
			func(h *house) (string, session.Tokens) { return h.open().Refresh, session.Tokens{} },
			map[session.Reuse]string{session.Strict: rotated, session.Grace: rotated, session.Tolerant: rotated},
		},
		{
			"previous_within_leeway",
			func(h *house) (string, session.Tokens) {
				first := h.open()
				second := h.mustRefresh(first.Refresh)
				h.clock.Advance(session.Leeway)
				return first.Refresh, second
			},
			map[session.Reuse]string{session.Strict: refused, session.Grace: same, session.Tolerant: same},
		},
		{
			"previous_with_negative_age",
			func(h *house) (string, session.Tokens) {
				first := h.open()
				second := h.mustRefresh(first.Refresh)
				h.clock.Advance(-5 * time.Second)
				return first.Refresh, second
			},
			map[session.Reuse]string{session.Strict: refused, session.Grace: same, session.Tolerant: same},
		},
		{
			"previous_later",
			func(h *house) (string, session.Tokens) {
				first := h.open()
				second := h.mustRefresh(first.Refresh)
				h.clock.Advance(session.Leeway + time.Microsecond)
				return first.Refresh, second
			},
			map[session.Reuse]string{session.Strict: theft, session.Grace: theft, session.Tolerant: same},
		},
		{
			"older",
			func(h *house) (string, session.Tokens) {
				first := h.open()
				second := h.mustRefresh(first.Refresh)
				third := h.mustRefresh(second.Refresh)
				return first.Refresh, third
			},
			map[session.Reuse]string{session.Strict: theft, session.Grace: theft, session.Tolerant: theft},
		},
	}
	for _, row := range rows {
		for setting, want := range row.want {
			t.Run(fmt.Sprintf("%s/%s", row.name, setting), func(t *testing.T) {
				h := newHouse(t, setting)
				presented, successor := row.present(h)

				// Verify answers 200 if and only if refresh would, and changes
				// nothing, however often it is asked.
				for range 2 {
					verified := h.Verify(t.Context(), presented)
					if good := want == rotated || want == same; (verified == nil) != good {
						t.Errorf("verify before: %v, want good=%v", verified, good)
					}
				}
				got, err := h.refresh(presented)
				switch want {
				case rotated:
					wants(t, "refresh", err, "")
					old, now := h.claims(presented), h.claims(got.Refresh)
					if now.ID == old.ID || now.SessionID != old.SessionID {
						t.Errorf("successor has jti %s sid %s, presented %s %s", now.ID, now.SessionID, old.ID, old.SessionID)
					}
					wants(t, "the successor", h.Verify(t.Context(), got.Refresh), "")
				case same:
					wants(t, "refresh", err, "")
					if got.Refresh != successor.Refresh {
						t.Errorf("got another successor:\n%s\n%s", got.Refresh, successor.Refresh)
					}
					if got.Access == successor.Access {
						t.Error("the access token beside it is not a new one")
					}
					wants(t, "the successor", h.Verify(t.Context(), got.Refresh), "")
				case refused:
					wants(t, "refresh", err, revealed)
					wants(t, "the successor", h.Verify(t.Context(), successor.Refresh), "")
					if n := h.events(auth.EventReuseDetected); n != 0 {
						t.Errorf("%d reuse events, want 0", n)
					}
				case theft:
					wants(t, "refresh", err, revealed)
					if _, err := h.refresh(successor.Refresh); err == nil {
						t.Error("the successor lives")
					}
					_, err := h.Authenticate(t.Context(), successor.Access)
					wants(t, "the access token beside it", err, auth.CodeTokenInvalid)
					if n := h.events(auth.EventReuseDetected); n != 1 {
						t.Errorf("%d reuse events, want 1", n)
					}
				}
			})
		}
	}
}

// LESSON 13
func TestRotateConcurrently(t *testing.T) {
	for _, setting := range []session.Reuse{session.Strict, session.Grace, session.Tolerant} {
		t.Run(string(setting), func(t *testing.T) {
			h := newHouse(t, setting)
			first := h.open()
			const n = 64
			var (
				mu         sync.Mutex
				successors = map[string]int{}
				refused    int
				wg         sync.WaitGroup
			)
			for range n {
				wg.Go(func() {
					got, err := h.refresh(first.Refresh)
					mu.Lock()
					defer mu.Unlock()
					if err != nil {
						refused++
						return
					}
					successors[got.Refresh]++
				})
			}
			wg.Wait()
			if len(successors) != 1 {
				t.Fatalf("%d different successors, want 1", len(successors))
			}
			for raw, count := range successors {
				if setting == session.Strict && count != 1 || setting != session.Strict && count != n {
					t.Errorf("%d answers carry the successor, %d refused", count, refused)
				}
				h.mustRefresh(raw)
			}
		})
	}
}

// ASVS 7.3.2, 10.4.8
func TestSessionMaxCapsAndStops(t *testing.T) {
	h := newHouse(t, session.Strict)
	tokens := h.open()
	end := h.clock.at(sessionMax)
	for day := 0; day < 29; day++ {
		h.clock.Advance(24 * time.Hour)
		tokens = h.mustRefresh(tokens.Refresh)
	}
	if tokens.RefreshExpires != end {
		t.Errorf("exp %d, want the cap %d", tokens.RefreshExpires, end)
	}
	h.clock.Advance(24 * time.Hour)
	_, err := h.refresh(tokens.Refresh)
	wants(t, "refresh after session_max", err, auth.CodeTokenInvalid)
}

// Every way in which a user or a session can be gone.
//
// ASVS 7.3.1, 7.4.1, 7.4.2
// LESSON 18
func TestRefreshOfTheDead(t *testing.T) {
	inactive := false
	tests := []struct {
		name string
		kill func(h *house, tokens session.Tokens)
		want auth.Code
	}{
		{"inactive user", func(h *house, _ session.Tokens) {
			h.update(func(tx auth.Tx) error {
				_, err := tx.UpdateUser(h.t.Context(), h.user.ID, auth.UserChange{IsActive: &inactive}, h.clock.Now())
				return err
			})
		}, auth.CodeNoActiveAccount},
		{"deleted user", func(h *house, _ session.Tokens) {
			h.update(func(tx auth.Tx) error {
				_, err := tx.DeleteUser(h.t.Context(), h.user.ID)
				return err
			})
		}, auth.CodeNoActiveAccount},
		{"logged out", func(h *house, tokens session.Tokens) {
			a, err := h.Authenticate(h.t.Context(), tokens.Access)
			if err != nil {
				h.t.Fatal(err)
			}
			if err := h.Logout(h.t.Context(), a, tokens.Refresh, auth.Client{}); err != nil {
				h.t.Fatal(err)
			}
		}, auth.CodeTokenBlacklisted},
		{"expired", func(h *house, _ session.Tokens) { h.clock.Advance(refreshLife) }, auth.CodeTokenInvalid},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			h := newHouse(t, session.Strict)
			tokens := h.open()
			test.kill(h, tokens)
			_, err := h.refresh(tokens.Refresh)
			wants(t, "refresh", err, test.want)
			wants(t, "verify", h.Verify(t.Context(), tokens.Refresh), auth.CodeTokenInvalid)
		})
	}
}

// ASVS 7.4.1
func TestLogout(t *testing.T) {
	h := newHouse(t, session.Strict)
	ctx := t.Context()
	one, two := h.open(), h.open()
	access := func(tokens session.Tokens) session.Access {
		a, err := h.Authenticate(ctx, tokens.Access)
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	other := h.addUser("bob@example.com")
	theirs, _, err := h.Open(ctx, auth.Opening{UserID: other.ID, CredentialVersion: other.CredentialVersion, Event: auth.EventLoggedIn})
	if err != nil {
		t.Fatal(err)
	}

	t.Run("another user's token changes nothing", func(t *testing.T) {
		wants(t, "logout", h.Logout(ctx, access(one), theirs.Refresh, auth.Client{}), auth.CodeTokenInvalid)
		wants(t, "mine", h.Verify(ctx, one.Access), "")
		wants(t, "theirs", h.Verify(ctx, theirs.Refresh), "")
	})
	t.Run("a forged session changes nothing", func(t *testing.T) {
		forged := h.key.Sign(token.Claims{
			Type: token.Refresh, Expires: h.clock.at(time.Hour), IssuedAt: h.clock.at(0), ID: token.NewID(),
			UserID: h.user.ID, SessionID: token.NewSessionID(h.clock.Now()),
		})
		wants(t, "logout", h.Logout(ctx, access(one), forged, auth.Client{}), auth.CodeTokenInvalid)
		wants(t, "mine", h.Verify(ctx, one.Access), "")
	})
	t.Run("a rotated token and another session of the same user", func(t *testing.T) {
		rotated := h.mustRefresh(two.Refresh)
		if err := h.Logout(ctx, access(one), two.Refresh, auth.Client{}); err != nil {
			t.Fatal(err)
		}
		for what, raw := range map[string]string{
			"caller's access": one.Access, "caller's refresh": one.Refresh,
			"other access": rotated.Access, "other refresh": rotated.Refresh, "access of before": two.Access,
		} {
			wants(t, what, h.Verify(ctx, raw), auth.CodeTokenInvalid)
		}
		wants(t, "somebody else", h.Verify(ctx, theirs.Access), "")
	})
}

// A Django-minted token has neither sid nor gen.
func (h *house) djangoToken(typ, jti string, issued, expires int64) string {
	return h.key.Sign(token.Claims{Type: typ, Expires: expires, IssuedAt: issued, HasIssuedAt: true, ID: jti, UserID: h.user.ID})
}

func TestDjangoMinted(t *testing.T) {
	ctx := context.Background()
	t.Run("adopted once, also in a race", func(t *testing.T) {
		h := newHouse(t, session.Grace)
		origin := h.djangoToken(token.Refresh, token.NewID(), h.clock.at(0), h.clock.at(refreshLife))
		wants(t, "verify before", h.Verify(ctx, origin), "")
		var (
			mu  sync.Mutex
			got = map[string]int{}
			wg  sync.WaitGroup
		)
		for range 32 {
			wg.Go(func() {
				tokens, err := h.refresh(origin)
				if err != nil {
					t.Errorf("refresh: %v", err)
				}
				mu.Lock()
				defer mu.Unlock()
				got[tokens.Refresh]++
			})
		}
		wg.Wait()
		if len(got) != 1 {
			t.Fatalf("%d successors, want 1", len(got))
		}
		if n := h.events(auth.EventSessionAdopted); n != 1 {
			t.Errorf("%d adoptions, want 1", n)
		}
		for raw := range got {
			h.mustRefresh(raw)
		}
		h.clock.Advance(time.Minute)
		_, err := h.refresh(origin)
		wants(t, "the origin again", err, auth.CodeTokenBlacklisted)
		for raw := range got {
			_, err := h.refresh(raw)
			wants(t, "its session after the reuse", err, auth.CodeTokenBlacklisted)
		}
	})
	t.Run("logout adopts and revokes", func(t *testing.T) {
		h := newHouse(t, session.Strict)
		refresh := h.djangoToken(token.Refresh, token.NewID(), h.clock.at(0), h.clock.at(refreshLife))
		access := h.djangoToken(token.Access, token.NewID(), h.clock.at(0), h.clock.at(accessLife))
		a, err := h.Authenticate(ctx, access)
		if err != nil {
			t.Fatal(err)
		}
		if err := h.Logout(ctx, a, refresh, auth.Client{}); err != nil {
			t.Fatal(err)
		}
		wants(t, "access", h.Verify(ctx, access), auth.CodeTokenInvalid)
		_, err = h.refresh(refresh)
		wants(t, "refresh", err, auth.CodeTokenBlacklisted)
	})
	t.Run("not without the operator's key", func(t *testing.T) {
		h := newHouse(t, session.Strict)
		h.Ring = ring{h.key, false, nil}
		for _, typ := range []string{token.Access, token.Refresh} {
			wants(t, typ, h.Verify(ctx, h.djangoToken(typ, token.NewID(), h.clock.at(0), h.clock.at(time.Hour))), auth.CodeTokenInvalid)
		}
	})
	t.Run("dead before valid_after, inclusively", func(t *testing.T) {
		h := newHouse(t, session.Strict)
		before := h.djangoToken(token.Refresh, token.NewID(), h.clock.at(0), h.clock.at(refreshLife))
		accessBefore := h.djangoToken(token.Access, token.NewID(), h.clock.at(0), h.clock.at(accessLife))
		h.update(func(tx auth.Tx) error {
			_, err := tx.UpdateUser(ctx, h.user.ID, auth.UserChange{SetValidAfter: true}, h.clock.Now())
			return err
		})
		after := h.djangoToken(token.Refresh, token.NewID(), h.clock.at(time.Second), h.clock.at(refreshLife))
		wants(t, "verify before", h.Verify(ctx, before), auth.CodeTokenInvalid)
		_, err := h.refresh(before)
		wants(t, "refresh before", err, auth.CodeTokenBlacklisted)
		wants(t, "access before", h.Verify(ctx, accessBefore), auth.CodeTokenInvalid)
		h.clock.Advance(2 * time.Second)
		h.mustRefresh(after)
	})
}

// A refresh token that names somebody else's session, signed with the right
// key, neither opens nor ends it.
//
// ASVS 8.2.2
func TestSessionOfSomebodyElse(t *testing.T) {
	h := newHouse(t, session.Strict)
	tokens := h.open()
	mine := h.claims(tokens.Refresh)
	other := h.addUser("bob@example.com")
	for name, jti := range map[string]string{"its current jti": mine.ID, "another jti": token.NewID()} {
		forged := h.key.Sign(token.Claims{
			Type: token.Refresh, Expires: mine.Expires, IssuedAt: mine.IssuedAt, ID: jti, UserID: other.ID, SessionID: mine.SessionID,
		})
		_, err := h.refresh(forged)
		wants(t, name, err, auth.CodeTokenBlacklisted)
		wants(t, name+": the session", h.Verify(t.Context(), tokens.Refresh), "")
	}
	// Nor does a logout adopt another user's token of Django's.
	a, err := h.Authenticate(t.Context(), tokens.Access)
	if err != nil {
		t.Fatal(err)
	}
	foreign := h.key.Sign(token.Claims{
		Type: token.Refresh, Expires: mine.Expires, IssuedAt: mine.IssuedAt, ID: token.NewID(), UserID: other.ID,
	})
	wants(t, "logout", h.Logout(t.Context(), a, foreign, auth.Client{}), auth.CodeTokenInvalid)
	if n := h.events(auth.EventSessionAdopted); n != 0 {
		t.Errorf("%d adoptions, want none", n)
	}
}

func TestSessionMaxCapsTheFirstToken(t *testing.T) {
	h := newHouse(t, session.Strict)
	h.SessionMax = time.Hour
	if tokens := h.open(); tokens.RefreshExpires != h.clock.at(time.Hour) {
		t.Errorf("exp %d, want %d", tokens.RefreshExpires, h.clock.at(time.Hour))
	}
}

// One session more than a user may have ends the oldest, with its tokens.
//
// ASVS 7.1.2
func TestSessionLimit(t *testing.T) {
	h := newHouse(t, session.Strict)
	first := h.open()
	h.clock.Advance(time.Second)
	second := h.open()
	for range auth.MaxSessions - 2 {
		h.clock.Advance(time.Second)
		h.open()
	}
	wants(t, "the oldest of 100", h.Verify(t.Context(), first.Access), "")
	h.clock.Advance(time.Second)
	h.open()
	wants(t, "its access token", h.Verify(t.Context(), first.Access), auth.CodeTokenInvalid)
	_, err := h.refresh(first.Refresh)
	wants(t, "its refresh token", err, auth.CodeTokenBlacklisted)
	wants(t, "the next one", h.Verify(t.Context(), second.Access), "")
}

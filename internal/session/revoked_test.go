package session_test

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"github.com/latchkey-auth/latchkey/internal/auth"
	"github.com/latchkey-auth/latchkey/internal/session"
	"github.com/latchkey-auth/latchkey/internal/store/sqlite"
)

// Each kind of revocation against each kind of token, in memory and, above the
// bound, in the table: the two must say the same.
func TestRevokedKinds(t *testing.T) {
	const sid, other = "01930000000070000000000000000001", "01930000000070000000000000000002"
	issued := time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC).Unix()
	ours := auth.AccessIdentity{UserID: 7, SessionID: sid, JTI: "a", Gen: 100, HasGen: true, IssuedAt: issued}
	django := auth.AccessIdentity{UserID: 7, JTI: "a", IssuedAt: issued}
	noIssue := auth.AccessIdentity{UserID: 7, JTI: "a"}
	tests := []struct {
		name  string
		row   auth.Revocation
		token auth.AccessIdentity
		want  bool
	}{
		{"session", auth.Revocation{Kind: auth.RevokedSession, Key: sid}, ours, true},
		{"other session", auth.Revocation{Kind: auth.RevokedSession, Key: other}, ours, false},
		{"jti of a token without session", auth.Revocation{Kind: auth.RevokedToken, Key: "a"}, django, true},
		{"other jti", auth.Revocation{Kind: auth.RevokedToken, Key: "b"}, django, false},
		{"older generation", auth.Revocation{Kind: auth.RevokedUser, Key: "7", Gen: 101}, ours, true},
		{"same generation", auth.Revocation{Kind: auth.RevokedUser, Key: "7", Gen: 100}, ours, false},
		{"other user", auth.Revocation{Kind: auth.RevokedUser, Key: "8", Gen: 101, IssuedBefore: issued}, ours, false},
		{"password change leaves our tokens to sid rows", auth.Revocation{Kind: auth.RevokedUser, Key: "7", IssuedBefore: issued + 10}, ours, false},
		{"password change kills Django's, inclusively", auth.Revocation{Kind: auth.RevokedUser, Key: "7", IssuedBefore: issued}, django, true},
		{"a later one of Django's lives", auth.Revocation{Kind: auth.RevokedUser, Key: "7", IssuedBefore: issued - 1}, django, false},
		{"without iat it counts as old", auth.Revocation{Kind: auth.RevokedUser, Key: "7", IssuedBefore: issued}, noIssue, true},
		{"all, inclusively", auth.Revocation{Kind: auth.RevokedAll, IssuedBefore: issued}, ours, true},
		{"all, Django's", auth.Revocation{Kind: auth.RevokedAll, IssuedBefore: issued}, django, true},
		{"all, later token", auth.Revocation{Kind: auth.RevokedAll, IssuedBefore: issued - 1}, ours, false},
	}
	ctx := t.Context()
	log := slog.New(slog.DiscardHandler)
	for _, test := range tests {
		for _, where := range []string{"memory", "table"} {
			t.Run(test.name+"/"+where, func(t *testing.T) {
				c := newClock()
				store, err := sqlite.Open(ctx, sqlite.Options{Path: filepath.Join(t.TempDir(), "latchkey.db"), Now: c.Now, Log: log})
				if err != nil {
					t.Fatal(err)
				}
				defer store.Close()
				rows := []auth.Revocation{test.row}
				bound := 0
				if where == "table" {
					bound = 1
					rows = append(rows, auth.Revocation{Kind: auth.RevokedSession, Key: other + "x"}, auth.Revocation{Kind: auth.RevokedSession, Key: other + "y"})
				}
				if err := store.Update(ctx, func(tx auth.Tx) error {
					_, err := tx.Revoke(ctx, rows...)
					return err
				}); err != nil {
					t.Fatal(err)
				}
				revoked := session.NewRevoked(store, c.Now, log, bound)
				if err := revoked.Load(ctx); err != nil {
					t.Fatal(err)
				}
				got, err := revoked.Has(ctx, test.token)
				if err != nil || got != test.want {
					t.Errorf("Has = %v, %v; want %v", got, err, test.want)
				}
			})
		}
	}
}

// A foreign revocation may come after one of our own with a larger number: our
// own must not move the feed's mark past it.
func TestFeedDoesNotSkip(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	h := newHouse(t, session.Strict)
	tokens := h.open()
	go h.Revoked.Follow(ctx)
	a, err := h.Authenticate(ctx, tokens.Access)
	if err != nil {
		t.Fatal(err)
	}
	// Another process ends the session; this node applies a later row of its
	// own before the feed has run.
	h.update(func(tx auth.Tx) error {
		_, err := tx.Revoke(ctx, auth.Revocation{Kind: auth.RevokedSession, Key: a.SessionID})
		return err
	})
	h.Revoked.Apply(auth.Revocation{Seq: 1000, Kind: auth.RevokedSession, Key: "x", Until: h.clock.Now().Add(time.Hour)})
	deadline := time.Now().Add(5 * time.Second)
	for {
		if _, err := h.Authenticate(ctx, tokens.Access); err != nil {
			wants(t, "access", err, auth.CodeTokenInvalid)
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("the revocation was never seen")
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// ambiguous is a store whose RevokeSession commits and then loses its answer.
type ambiguous struct{ auth.Store }

func (a ambiguous) RevokeSession(ctx context.Context, r auth.Revoking) (auth.Revoked, error) {
	if _, err := a.Store.RevokeSession(ctx, r); err != nil {
		return auth.Revoked{}, err
	}
	return auth.Revoked{}, errors.New("connection lost during COMMIT")
}

// After a commit of unknown outcome the table is read before the answer, so
// that what did happen holds here at once.
func TestAmbiguousCommit(t *testing.T) {
	h := newHouse(t, session.Strict)
	tokens := h.open()
	a, err := h.Authenticate(t.Context(), tokens.Access)
	if err != nil {
		t.Fatal(err)
	}
	h.Store = ambiguous{h.store}
	if err := h.Logout(t.Context(), a, tokens.Refresh, auth.Client{}); err == nil || auth.IsKind(err, auth.TokenNotValid) {
		t.Fatalf("logout: %v, want an internal error", err)
	}
	wants(t, "access", h.Verify(t.Context(), tokens.Access), auth.CodeTokenInvalid)
}

// The feed goes on exactly where it was.
func TestFeedReadsOn(t *testing.T) {
	h := newHouse(t, session.Strict)
	for range 3 {
		a, err := h.Authenticate(t.Context(), h.open().Access)
		if err != nil {
			t.Fatal(err)
		}
		h.update(func(tx auth.Tx) error {
			_, err := tx.Revoke(t.Context(), auth.Revocation{Kind: auth.RevokedSession, Key: a.SessionID})
			return err
		})
		if err := h.Revoked.Load(t.Context()); err != nil {
			t.Fatal(err)
		}
		if dead, err := h.Revoked.Has(t.Context(), a.AccessIdentity); err != nil || !dead {
			t.Errorf("dead=%v, %v", dead, err)
		}
	}
}

// The clock was ahead while a revocation was read, so that it seemed past its
// end and was not kept. Put back, the clock must not bring the token back.
//
// LESSON 14
// ROW 26
func TestClockPutBack(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	h := newHouse(t, session.Strict)
	tokens := h.open()
	a, err := h.Authenticate(ctx, tokens.Access)
	if err != nil {
		t.Fatal(err)
	}
	h.update(func(tx auth.Tx) error {
		_, err := tx.Revoke(ctx, auth.Revocation{Kind: auth.RevokedSession, Key: a.SessionID})
		return err
	})
	const ahead = 365 * 24 * time.Hour
	h.clock.Advance(ahead)
	go h.Revoked.Follow(ctx)
	// Each look sees the clock before it reads.
	for !h.Revoked.Synced().Equal(h.clock.Now()) {
		time.Sleep(time.Millisecond)
	}
	h.clock.Advance(-ahead)
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		if _, err := h.Authenticate(ctx, tokens.Access); err != nil {
			wants(t, "access", err, auth.CodeTokenInvalid)
			return
		}
		if time.Now().After(end) {
			t.Fatal("the revoked token lives again")
		}
	}
}

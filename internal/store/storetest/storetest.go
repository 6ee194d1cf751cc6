// Package storetest says what a Store is. Each engine's test calls Run, and
// Reopen where its data outlives a Store:
//
//	func TestStore(t *testing.T)  { storetest.Run(t, open) }
//	func TestReopen(t *testing.T) { storetest.Reopen(t, begin) }
//
// A fact that one engine cannot hold is no fact of Store: it belongs into that
// engine's own tests.
package storetest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/latchkey-auth/latchkey/internal/auth"
)

// Now is the tests' time. It has microseconds, as far as a store keeps them.
var Now = time.Date(2026, 10, 1, 12, 30, 15, 123456000, time.UTC)

// Clock is the clock that stores under test are opened with.
func Clock() time.Time { return Now }

// fact is something that holds for every Store.
type fact struct {
	name  string
	check func(*testing.T, auth.Store)
}

// Run holds an engine against the facts. open gives an empty store whose clock
// is Clock and closes it when the test is over.
func Run(t *testing.T, open func(*testing.T) auth.Store) {
	for _, group := range []struct {
		name  string
		facts []fact
	}{
		{"user", userFacts},
		{"update", updateFacts},
		{"open", openFacts},
		{"rotate", rotateFacts},
		{"revoke", revokeFacts},
		{"clock", clockFacts},
		{"adopt", adoptFacts},
		{"end", endFacts},
		{"key", keyFacts},
		{"event", eventFacts},
		{"search", searchFacts},
		{"link", linkFacts},
		{"audit", auditFacts},
		{"condition", conditionFacts},
		{"counter", counterFacts},
		{"takeover", takeoverFacts},
		{"chain", chainFacts},
		{"race", raceFacts},
	} {
		t.Run(group.name, func(t *testing.T) {
			for _, f := range group.facts {
				t.Run(f.name, func(t *testing.T) { f.check(t, open(t)) })
			}
		})
	}
}

// The helpers below set the scene; they end the test if that fails.

// update is Store.Update that must succeed.
func update(t *testing.T, s auth.Store, fn func(auth.Tx) error) {
	t.Helper()
	if err := s.Update(t.Context(), fn); err != nil {
		t.Fatalf("Update: %v", err)
	}
}

// newUser is an active employee n@example.com.
func newUser(n int) auth.NewUser {
	address := fmt.Sprintf("%d@example.com", n)
	return auth.NewUser{
		Email:     auth.Email{Shown: address, Key: address},
		FirstName: "First", LastName: "Last", Phone: "+49 1", Role: auth.RoleEmployee,
		Password: fmt.Sprintf("hash %d", n), IsActive: true,
	}
}

func insertUser(t *testing.T, s auth.Store, n int) (u auth.User) {
	t.Helper()
	update(t, s, func(tx auth.Tx) (err error) {
		u, err = tx.InsertUser(t.Context(), newUser(n), Now)
		return err
	})
	return u
}

func changeUser(t *testing.T, s auth.Store, id int64, c auth.UserChange) (u auth.User) {
	t.Helper()
	update(t, s, func(tx auth.Tx) (err error) {
		u, err = tx.UpdateUser(t.Context(), id, c, Now)
		return err
	})
	return u
}

// deactivate is the act: the user first, the sessions in a later statement.
func deactivate(ctx context.Context, s auth.Store, id int64) error {
	return s.Update(ctx, func(tx auth.Tx) error {
		u, err := tx.UpdateUser(ctx, id, auth.UserChange{IsActive: ptr(false), RaiseGen: true}, Now)
		if err != nil {
			return err
		}
		if _, err := tx.RevokeSessions(ctx, id, "", Now); err != nil {
			return err
		}
		_, err = tx.Revoke(ctx, auth.Revocation{Kind: auth.RevokedUser, Key: fmt.Sprint(id), Gen: u.Gen})
		return err
	})
}

func sessionID(n int) string { return fmt.Sprintf("5e55%028x", n) }

// jti is the id of the session's refresh token after that many rotations.
func jti(session, rotations int) string { return fmt.Sprintf("%016x%016x", session, rotations) }

var client = auth.Client{Address: "192.0.2.7", UserAgent: "storetest"}

// opening opens session n of a user, for three days.
func opening(u auth.User, n int) auth.Opening {
	return auth.Opening{
		UserID: u.ID, CredentialVersion: u.CredentialVersion,
		Session: auth.NewSession{
			ID: sessionID(n), JTI: jti(n, 0),
			IssuedAt: Now.Unix(), Expires: Now.Add(72 * time.Hour).Unix(), Until: Now.Add(3 * time.Hour), Client: client,
		},
		Now: Now, Event: auth.EventLoggedIn,
	}
}

func openSession(t *testing.T, s auth.Store, u auth.User, n int) auth.Opened {
	t.Helper()
	o, err := s.OpenSession(t.Context(), opening(u, n))
	if err != nil || !o.OK {
		t.Fatalf("OpenSession = %+v, %v", o, err)
	}
	return o
}

// rotation trades token number i of session n for number i+1, a minute after
// the one before.
func rotation(u auth.User, n, i int) auth.Rotation {
	at := Now.Add(time.Duration(i+1) * time.Minute)
	return auth.Rotation{
		SessionID: sessionID(n), UserID: u.ID, JTI: jti(n, i), NewJTI: jti(n, i+1),
		IssuedAt: at.Unix(), Expires: at.Add(72 * time.Hour).Unix(), SessionMax: 30 * 24 * time.Hour,
		AccessUntil: at.Add(3 * time.Hour), Now: at,
	}
}

func rotate(t *testing.T, s auth.Store, r auth.Rotation) auth.Rotated {
	t.Helper()
	got, err := s.Rotate(t.Context(), r)
	if err != nil {
		t.Fatalf("Rotate: %v", err)
	}
	return got
}

func revoking(u auth.User, sessions ...int) auth.Revoking {
	r := auth.Revoking{UserID: u.ID, Event: auth.EventLoggedOut, Client: client, Now: Now}
	for _, n := range sessions {
		r.SessionIDs = append(r.SessionIDs, sessionID(n))
	}
	return r
}

func revoke(t *testing.T, s auth.Store, r auth.Revoking) auth.Revoked {
	t.Helper()
	got, err := s.RevokeSession(t.Context(), r)
	if err != nil {
		t.Fatalf("RevokeSession: %v", err)
	}
	return got
}

// state reads a session that must be there.
func state(t *testing.T, s auth.Store, u auth.User, n int) auth.Session {
	t.Helper()
	session, _, err := s.Read().SessionState(t.Context(), sessionID(n), u.ID)
	if err != nil || session.ID != sessionID(n) {
		t.Fatalf("SessionState = %+v, %v", session, err)
	}
	return session
}

// live are the ids of a user's live sessions.
func live(t *testing.T, s auth.Store, u auth.User) []string {
	t.Helper()
	all, err := s.Read().Sessions(t.Context(), u.ID, Now)
	if err != nil {
		t.Fatalf("Sessions: %v", err)
	}
	ids := []string{}
	for _, session := range all {
		ids = append(ids, session.ID)
	}
	return ids
}

// revocations are all of them.
func revocations(t *testing.T, s auth.Store) []auth.Revocation {
	t.Helper()
	all, err := s.Read().Revocations(t.Context(), 0, 10_000)
	if err != nil {
		t.Fatalf("Revocations: %v", err)
	}
	return all
}

// events are a user's, the oldest first.
func events(t *testing.T, s auth.Store, userID int64) []auth.Event {
	t.Helper()
	all, err := s.Read().Events(t.Context(), auth.EventFilter{UserID: userID, Limit: 1000})
	if err != nil {
		t.Fatalf("Events: %v", err)
	}
	oldest := make([]auth.Event, 0, len(all))
	for i := range all {
		e := all[len(all)-1-i]
		if e.ID <= 0 {
			t.Errorf("event without an id: %+v", e)
		}
		e.ID = 0
		oldest = append(oldest, e)
	}
	return oldest
}

// atOnce runs n functions that begin together and gives their errors joined.
func atOnce(n int, fn func(i int) error) error {
	begin := make(chan struct{})
	errs := make([]error, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			<-begin
			errs[i] = fn(i)
		})
	}
	close(begin)
	wg.Wait()
	return errors.Join(errs...)
}

func ptr[T any](v T) *T { return &v }

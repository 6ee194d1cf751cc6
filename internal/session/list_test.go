package session_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/latchkey-auth/latchkey/internal/auth"
	"github.com/latchkey-auth/latchkey/internal/session"
	"github.com/latchkey-auth/latchkey/internal/token"
)

// laptop is where the acts of these tests come from.
var laptop = auth.Client{Address: "192.0.2.7", UserAgent: "laptop"}

// access authenticates an access token that must be good.
func (h *house) access(raw string) session.Access {
	h.t.Helper()
	a, err := h.Authenticate(h.t.Context(), raw)
	if err != nil {
		h.t.Fatalf("authenticate: %v", err)
	}
	return a
}

// openFor opens a session of another user than the house's own.
func (h *house) openFor(u auth.User) session.Tokens {
	h.t.Helper()
	tokens, _, err := h.Open(h.t.Context(), auth.Opening{UserID: u.ID, CredentialVersion: u.CredentialVersion, Event: auth.EventLoggedIn})
	if err != nil {
		h.t.Fatal(err)
	}
	return tokens
}

// openInOrder opens n sessions, a second apart.
func (h *house) openInOrder(n int) []session.Tokens {
	h.t.Helper()
	var all []session.Tokens
	for range n {
		all = append(all, h.open())
		h.clock.Advance(time.Second)
	}
	return all
}

// endElsewhere ends a session as another node does, of which this one has not
// heard yet.
func (h *house) endElsewhere(tokens session.Tokens) {
	h.t.Helper()
	if _, err := h.store.RevokeSession(h.t.Context(), auth.Revoking{
		UserID: h.user.ID, SessionIDs: []string{tokens.SessionID}, Event: auth.EventLoggedOut, Now: h.clock.Now(),
	}); err != nil {
		h.t.Fatal(err)
	}
}

// django is an access token that Django minted, without a session.
func (h *house) django() string {
	h.t.Helper()
	return h.djangoToken(token.Access, token.NewID(), h.clock.at(0), h.clock.at(accessLife))
}

// trail is the house's user's events, the oldest first, but for the logins.
func (h *house) trail() []auth.Event {
	h.t.Helper()
	all, err := h.store.Read().Events(h.t.Context(), auth.EventFilter{UserID: h.user.ID, Limit: 1000})
	if err != nil {
		h.t.Fatal(err)
	}
	all = slices.DeleteFunc(all, func(e auth.Event) bool { return e.Kind == auth.EventLoggedIn })
	slices.Reverse(all)
	for i := range all {
		all[i].ID = 0
	}
	return all
}

// alive holds that both tokens of a session are good, or that both are dead and
// that a list which is loaded from the table says the same.
func (h *house) alive(what string, tokens session.Tokens, want bool) {
	h.t.Helper()
	for kind, raw := range map[string]string{"access": tokens.Access, "refresh": tokens.Refresh} {
		if err := h.Verify(h.t.Context(), raw); (err == nil) != want {
			h.t.Errorf("%s: %s token: %v, want good=%v", what, kind, err, want)
		}
	}
	fresh := session.NewRevoked(h.store, h.clock.Now, h.Log, 0)
	if err := fresh.Load(h.t.Context()); err != nil {
		h.t.Fatal(err)
	}
	other := session.New(h.Options)
	other.Revoked = fresh
	if err := other.Verify(h.t.Context(), tokens.Access); (err == nil) != want {
		h.t.Errorf("%s: access token on another node: %v, want good=%v", what, err, want)
	}
}

// meanwhile is a store in which something happens between the check of a token
// and the transaction of the act.
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

// between runs act with something happening as meanwhile says.
func (h *house) between(happens, act func()) {
	h.t.Helper()
	before := h.Store
	h.Store = &meanwhile{before, func() {
		h.Store = before
		happens()
	}}
	act()
	h.Store = before
}

// The caller's own session comes first, then the newest; what has ended, has
// expired or is somebody else's is not there.
func TestSessions(t *testing.T) {
	h := newHouse(t, session.Strict)
	all := h.openInOrder(4)
	h.openFor(h.addUser("bob@example.com"))
	if err := h.Logout(t.Context(), h.access(all[1].Access), all[1].Refresh, laptop); err != nil {
		t.Fatal(err)
	}
	// A refresh is no login: it does not move a session up.
	h.mustRefresh(all[0].Refresh)
	for name, c := range map[string]struct {
		a    session.Access
		want []int
	}{
		"the oldest":        {h.access(all[0].Access), []int{0, 3, 2}},
		"one in the middle": {h.access(all[2].Access), []int{2, 3, 0}},
		"the newest":        {h.access(all[3].Access), []int{3, 2, 0}},
		"without a session": {h.access(h.django()), []int{3, 2, 0}},
	} {
		list, err := h.Sessions(t.Context(), c.a)
		if err != nil {
			t.Fatal(err)
		}
		var have, want []string
		for _, row := range list {
			have = append(have, row.ID)
		}
		for _, i := range c.want {
			want = append(want, all[i].SessionID)
		}
		if diff := cmp.Diff(want, have); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	h.clock.Advance(refreshLife - 2*time.Second)
	list, err := h.Sessions(t.Context(), session.Access{AccessIdentity: auth.AccessIdentity{UserID: h.user.ID}})
	if err != nil || len(list) != 2 { // the first was refreshed, the last is not yet three days old
		t.Errorf("%d sessions (%v), want 2", len(list), err)
	}
}

// TestEnd says which sessions can be ended, and what is written of it.
//
// ASVS 8.2.2, 10.4.9
func TestEnd(t *testing.T) {
	h := newHouse(t, session.Strict)
	ctx := t.Context()
	all := h.openInOrder(3)
	bob := h.addUser("bob@example.com")
	theirs := h.openFor(bob)
	me := h.access(all[0].Access)

	t.Run("what is none of mine", func(t *testing.T) {
		for name, id := range map[string]string{
			"somebody else's": theirs.SessionID, "unknown": token.NewSessionID(h.clock.Now()), "empty": "", "no id": "x", "odd bytes": "\x00\xff",
			"in capitals": strings.ToUpper(all[1].SessionID),
		} {
			if err := h.End(ctx, me, id, laptop); !errors.Is(err, auth.ErrNotFound) {
				t.Errorf("%s: %v, want not found", name, err)
			}
		}
		h.alive("somebody else's", theirs, true)
		for _, tokens := range all {
			h.alive("mine", tokens, true)
		}
		if have := h.trail(); len(have) != 0 {
			t.Errorf("events %+v", have)
		}
	})
	t.Run("another one of mine", func(t *testing.T) {
		if err := h.End(ctx, me, all[1].SessionID, laptop); err != nil {
			t.Fatal(err)
		}
		h.alive("ended", all[1], false)
		h.alive("mine", all[0], true)
		h.alive("the third", all[2], true)
		want := []auth.Event{{
			At: h.clock.Now(), Kind: auth.EventSessionRevoked, UserID: h.user.ID, ActorID: h.user.ID,
			SessionID: all[1].SessionID, Client: laptop, Count: 1,
		}}
		if diff := cmp.Diff(want, h.trail()); diff != "" {
			t.Errorf("events (-want +got):\n%s", diff)
		}
	})
	t.Run("one that has ended", func(t *testing.T) {
		if err := h.End(ctx, me, all[1].SessionID, laptop); !errors.Is(err, auth.ErrNotFound) {
			t.Errorf("%v, want not found", err)
		}
		if have := h.trail(); len(have) != 1 {
			t.Errorf("events %+v", have)
		}
	})
	t.Run("one that has ended elsewhere", func(t *testing.T) {
		other := h.open()
		h.endElsewhere(other)
		if err := h.End(ctx, me, other.SessionID, laptop); !errors.Is(err, auth.ErrNotFound) {
			t.Errorf("%v, want not found", err)
		}
		// Who is told that it has ended must not find it alive.
		h.alive("ended elsewhere", other, false)
		h.clock.Advance(time.Second)
	})
	t.Run("my own is a logout", func(t *testing.T) {
		if err := h.End(ctx, me, all[0].SessionID, laptop); err != nil {
			t.Fatal(err)
		}
		h.alive("mine", all[0], false)
		h.alive("the third", all[2], true)
		have := h.trail()
		if last := have[len(have)-1]; last.Kind != auth.EventLoggedOut || last.SessionID != all[0].SessionID || last.Client != laptop {
			t.Errorf("events %+v", have)
		}
	})
	t.Run("by a token without a session", func(t *testing.T) {
		raw := h.django()
		if err := h.End(ctx, h.access(raw), "", laptop); !errors.Is(err, auth.ErrNotFound) {
			t.Errorf("none: %v, want not found", err)
		}
		if err := h.End(ctx, h.access(raw), all[2].SessionID, laptop); err != nil {
			t.Fatal(err)
		}
		h.alive("the third", all[2], false)
		wants(t, "the token itself", h.Verify(ctx, raw), "")
	})
}

// Of two who end one session at once one is told that there is none, and when
// either is answered it is dead here.
func TestEndAtOnce(t *testing.T) {
	h := newHouse(t, session.Strict)
	all := h.openInOrder(2)
	me := h.access(all[0].Access)
	var (
		mu      sync.Mutex
		ended   int
		missing int
		wg      sync.WaitGroup
	)
	for range 16 {
		wg.Go(func() {
			err := h.End(t.Context(), me, all[1].SessionID, laptop)
			if verified := h.Verify(t.Context(), all[1].Access); verified == nil {
				t.Error("answered, and the access token is good")
			}
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err == nil:
				ended++
			case errors.Is(err, auth.ErrNotFound):
				missing++
			default:
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if ended != 1 || missing != 15 {
		t.Errorf("%d ended it, %d found none", ended, missing)
	}
	if n := h.events(auth.EventSessionRevoked); n != 1 {
		t.Errorf("%d events, want 1", n)
	}
}

// TestEndOthers ends all but this one, and every token that Django minted.
//
// ASVS 10.4.9
func TestEndOthers(t *testing.T) {
	h := newHouse(t, session.Strict)
	ctx := t.Context()
	all := h.openInOrder(4)
	theirs := h.openFor(h.addUser("bob@example.com"))
	h.endElsewhere(all[3])
	foreign := session.Tokens{
		Access: h.django(), Refresh: h.djangoToken(token.Refresh, token.NewID(), h.clock.at(0), h.clock.at(refreshLife)),
	}
	h.alive("Django's", foreign, true)
	minted := h.access(foreign.Access).AccessIdentity
	before := len(h.trail())

	n, err := h.EndOthers(ctx, h.access(all[1].Access), laptop)
	if err != nil || n != 2 {
		t.Fatalf("ended %d, %v, want 2", n, err)
	}
	h.alive("this one", all[1], true)
	h.alive("an older one", all[0], false)
	h.alive("a newer one", all[2], false)
	h.alive("Django's", foreign, false)
	h.alive("one that had ended elsewhere", all[3], false)
	h.alive("somebody else's", theirs, true)
	h.mustRefresh(all[1].Refresh)
	// Of Django's it is known without the database, too.
	if dead, err := h.Revoked.Has(ctx, minted); err != nil || !dead {
		t.Errorf("the list has Django's dead=%v, %v", dead, err)
	}

	var have []string
	for _, e := range h.trail()[before:] {
		if e.Kind != auth.EventSessionRevoked || e.ActorID != h.user.ID || e.Client != laptop || !e.At.Equal(h.clock.Now()) {
			t.Errorf("event %+v", e)
		}
		have = append(have, e.SessionID)
	}
	slices.Sort(have)
	want := []string{all[0].SessionID, all[2].SessionID}
	slices.Sort(want)
	if diff := cmp.Diff(want, have); diff != "" {
		t.Errorf("events of sessions (-want +got):\n%s", diff)
	}

	n, err = h.EndOthers(ctx, h.access(all[1].Access), laptop)
	if err != nil || n != 0 {
		t.Errorf("again: ended %d, %v, want none", n, err)
	}
	// What Django mints from now on is good, and a login is possible.
	h.clock.Advance(2 * time.Second)
	wants(t, "Django's, minted later", h.Verify(ctx, h.django()), "")
	h.alive("opened later", h.open(), true)
}

// A session whose refresh token has expired is in no list and counted by
// nobody, but its access token, which may be good for longer, dies all the same.
func TestEndOthersExpired(t *testing.T) {
	t.Parallel()
	h := newHouse(t, session.Strict)
	old := h.open()
	h.clock.Advance(refreshLife + time.Second)
	mine := h.open()
	a := h.access(mine.Access)
	if err := h.End(t.Context(), a, old.SessionID, laptop); !errors.Is(err, auth.ErrNotFound) {
		t.Errorf("end an expired session: %v, want not found", err)
	}
	n, err := h.EndOthers(t.Context(), a, laptop)
	if err != nil || n != 0 {
		t.Errorf("ended %d, %v, want 0", n, err)
	}
	row, _, err := h.store.Read().SessionState(t.Context(), old.SessionID, h.user.ID)
	if err != nil || row.RevokedAt.IsZero() {
		t.Errorf("the expired session is not revoked: %+v, %v", row, err)
	}
	for _, e := range h.trail() {
		if e.SessionID == old.SessionID && e.Kind == auth.EventSessionRevoked {
			t.Errorf("told of an expired session: %+v", e)
		}
	}
}

// A caller without a session keeps none: such tokens cannot be told apart, so
// the caller's own dies with the rest.
func TestEndOthersWithoutSession(t *testing.T) {
	h := newHouse(t, session.Strict)
	all := h.openInOrder(2)
	mine, other := h.django(), h.django()
	n, err := h.EndOthers(t.Context(), h.access(mine), laptop)
	if err != nil || n != 2 {
		t.Fatalf("ended %d, %v, want 2", n, err)
	}
	for _, tokens := range all {
		h.alive("a session", tokens, false)
	}
	wants(t, "another one of Django's", h.Verify(t.Context(), other), auth.CodeTokenInvalid)
	wants(t, "the caller's", h.Verify(t.Context(), mine), auth.CodeTokenInvalid)
}

// A caller whose account or session has changed since its token was checked is
// refused, and nothing changes.
func TestEndOthersMeanwhile(t *testing.T) {
	inactive := false
	for _, c := range []struct {
		name    string
		happens func(h *house, mine session.Tokens)
		want    auth.Code
	}{
		{"its session is ended", func(h *house, mine session.Tokens) {
			if err := h.End(h.t.Context(), h.access(mine.Access), mine.SessionID, laptop); err != nil {
				h.t.Fatal(err)
			}
		}, auth.CodeTokenInvalid},
		{"its session is ended, elsewhere", func(h *house, mine session.Tokens) { h.endElsewhere(mine) }, auth.CodeTokenInvalid},
		{"it has got another role", func(h *house, _ session.Tokens) {
			h.update(func(tx auth.Tx) error {
				_, err := tx.UpdateUser(h.t.Context(), h.user.ID, auth.UserChange{RaiseGen: true}, h.clock.Now())
				return err
			})
		}, auth.CodeTokenInvalid},
		{"it is inactive", func(h *house, _ session.Tokens) {
			h.update(func(tx auth.Tx) error {
				_, err := tx.UpdateUser(h.t.Context(), h.user.ID, auth.UserChange{IsActive: &inactive}, h.clock.Now())
				return err
			})
		}, auth.CodeUserInactive},
		{"it is gone", func(h *house, _ session.Tokens) {
			h.update(func(tx auth.Tx) error {
				_, err := tx.DeleteUser(h.t.Context(), h.user.ID)
				return err
			})
		}, auth.CodeUserNotFound},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := newHouse(t, session.Strict)
			all := h.openInOrder(2)
			me := h.access(all[0].Access)
			var events int
			h.between(func() {
				c.happens(h, all[0])
				events = len(h.trail())
			}, func() {
				n, err := h.EndOthers(t.Context(), me, laptop)
				wants(t, "end others", err, c.want)
				if n != 0 {
					t.Errorf("ended %d", n)
				}
			})
			row, u, err := h.store.Read().SessionState(t.Context(), all[1].SessionID, h.user.ID)
			if err != nil || !row.RevokedAt.IsZero() || !u.ValidAfter.IsZero() {
				t.Errorf("the other session: %+v, the user: %+v, %v", row, u, err)
			}
			if have := len(h.trail()); have != events {
				t.Errorf("%d events more", have-events)
			}
			// Whoever is refused is dead on this node from now on.
			if c.name == "its session is ended, elsewhere" {
				_, err := h.Authenticate(t.Context(), all[0].Access)
				wants(t, "the caller's token", err, auth.CodeTokenInvalid)
			}
		})
	}
}

// A token that Django minted has no session to be looked up: what has happened
// to it is told by the time from which the account takes such tokens.
func TestEndOthersMeanwhileWithoutSession(t *testing.T) {
	h := newHouse(t, session.Strict)
	mine := h.open()
	foreign := h.access(h.django())
	h.between(func() {
		if _, err := h.EndOthers(t.Context(), h.access(mine.Access), laptop); err != nil {
			t.Fatal(err)
		}
		h.clock.Advance(time.Second)
	}, func() {
		n, err := h.EndOthers(t.Context(), foreign, laptop)
		wants(t, "end others", err, auth.CodeTokenInvalid)
		if n != 0 {
			t.Errorf("ended %d", n)
		}
	})
	h.alive("the owner's session", mine, true)
}

// Two who end each other's sessions at once: one of them is left, or the one is
// refused whose session the other has ended; never are both sessions alive, and
// never is either told that it ended what lives.
func TestEndOthersAtOnce(t *testing.T) {
	for range 5 {
		h := newHouse(t, session.Strict)
		all := h.openInOrder(2)
		callers := []session.Access{h.access(all[0].Access), h.access(all[1].Access)}
		ended := make([]int, 2)
		errs := make([]error, 2)
		var wg sync.WaitGroup
		for i := range callers {
			wg.Go(func() { ended[i], errs[i] = h.EndOthers(t.Context(), callers[i], laptop) })
		}
		wg.Wait()
		list, err := h.Sessions(t.Context(), callers[0])
		if err != nil || len(list) != 1 || ended[0]+ended[1] != 1 {
			t.Fatalf("%d sessions live (%v), ended %v, %v", len(list), err, ended, errs)
		}
		for i := range callers {
			lives := list[0].ID == callers[i].SessionID
			if lives != (errs[i] == nil) || !lives && !auth.IsKind(errs[i], auth.TokenNotValid) {
				t.Errorf("the session lives: %v; answered %v", lives, errs[i])
			}
			h.alive("session", all[i], lives)
		}
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
func TestEndOthersAmbiguously(t *testing.T) {
	h := newHouse(t, session.Strict)
	all := h.openInOrder(2)
	me := h.access(all[0].Access)
	h.Store = lostAnswer{h.store}
	n, err := h.EndOthers(t.Context(), me, laptop)
	if err == nil || auth.IsKind(err, auth.TokenNotValid) || n != 0 {
		t.Fatalf("ended %d, %v, want an internal error", n, err)
	}
	h.Store = h.store
	h.alive("the other", all[1], false)
	h.alive("this one", all[0], true)
}

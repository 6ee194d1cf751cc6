package session_test

import (
	"errors"
	"testing"
	"time"

	"github.com/latchkey-auth/latchkey/internal/auth"
	"github.com/latchkey-auth/latchkey/internal/session"
	"github.com/latchkey-auth/latchkey/internal/token"
)

// Without a refresh token a logout ends the caller's session and nothing else.
//
// ASVS 7.4.1
func TestLogoutWithoutRefreshToken(t *testing.T) {
	h := newHouse(t, session.Strict)
	ctx := t.Context()
	all := h.openInOrder(2)
	theirs := h.openFor(h.addUser("bob@example.com"))
	foreign := session.Tokens{
		Access: h.django(), Refresh: h.djangoToken(token.Refresh, token.NewID(), h.clock.at(0), h.clock.at(refreshLife)),
	}
	if err := h.Logout(ctx, h.access(all[0].Access), "", laptop); err != nil {
		t.Fatal(err)
	}
	h.alive("this one", all[0], false)
	h.alive("the other", all[1], true)
	h.alive("Django's", foreign, true)
	h.alive("somebody else's", theirs, true)
	if have := h.trail(); len(have) != 1 || have[0].Kind != auth.EventLoggedOut || have[0].SessionID != all[0].SessionID || have[0].Client != laptop {
		t.Errorf("events %+v", have)
	}
	t.Run("by a token without a session", func(t *testing.T) {
		other := h.django()
		if err := h.Logout(ctx, h.access(foreign.Access), "", laptop); err != nil {
			t.Fatal(err)
		}
		wants(t, "that token", h.Verify(ctx, foreign.Access), auth.CodeTokenInvalid)
		wants(t, "its refresh token", h.Verify(ctx, foreign.Refresh), "")
		wants(t, "another one of Django's", h.Verify(ctx, other), "")
		h.alive("the other", all[1], true)
	})
	t.Run("twice", func(t *testing.T) {
		a := h.access(all[1].Access)
		for range 2 { // the second was checked before the first was done
			if err := h.Logout(ctx, a, "", laptop); err != nil {
				t.Error(err)
			}
		}
		h.alive("the other", all[1], false)
	})
}

// TestReplace says which session ends when its cookie is overwritten by another
// one's: whosever it is, for it was on this device. A token that is not good is
// no reason for anything.
//
// ASVS 7.2.4
func TestReplace(t *testing.T) {
	for _, c := range []struct {
		name string
		// present gives the token in the overwritten cookie, and its session.
		present func(h *house) (string, session.Tokens)
		ends    bool
	}{
		{"good", func(h *house) (string, session.Tokens) {
			old := h.open()
			return old.Refresh, old
		}, true},
		{"spent", func(h *house) (string, session.Tokens) {
			old := h.open()
			return old.Refresh, h.mustRefresh(old.Refresh)
		}, true},
		{"spent long ago", func(h *house) (string, session.Tokens) {
			old := h.open()
			next := h.mustRefresh(h.mustRefresh(old.Refresh).Refresh)
			h.clock.Advance(time.Hour)
			return old.Refresh, next
		}, true},
		{"another user's", func(h *house) (string, session.Tokens) {
			old := h.openFor(h.addUser("bob@example.com"))
			return old.Refresh, old
		}, true},
		{"an access token", func(h *house) (string, session.Tokens) {
			old := h.open()
			return old.Access, old
		}, false},
		{"broken", func(h *house) (string, session.Tokens) {
			old := h.open()
			return old.Refresh + "x", old
		}, false},
		{"empty", func(h *house) (string, session.Tokens) { return "", h.open() }, false},
		{"signed by somebody else", func(h *house) (string, session.Tokens) {
			old := h.open()
			c := h.claims(old.Refresh)
			return token.NewHS256("k", []byte("another key of thirty-two bytes or more")).Sign(c), old
		}, false},
		// Only a token that we signed could name another user's session.
		{"of a session that is not its user's", func(h *house) (string, session.Tokens) {
			old := h.open()
			c := h.claims(old.Refresh)
			c.UserID = h.addUser("bob@example.com").ID
			return h.key.Sign(c), old
		}, false},
		{"of a session without a row", func(h *house) (string, session.Tokens) {
			old := h.open()
			c := h.claims(old.Refresh)
			c.SessionID = token.NewSessionID(h.clock.Now())
			return h.key.Sign(c), old
		}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := newHouse(t, session.Strict)
			raw, old := c.present(h)
			opened := h.open()
			if err := h.Replace(t.Context(), raw, opened.SessionID, laptop); err != nil {
				t.Fatal(err)
			}
			h.alive("the session before", old, !c.ends)
			h.alive("the new session", opened, true)
			want := 0
			if c.ends {
				want = 1
			}
			// It is neither a theft nor anything else but a logout.
			if out, reuse := h.events(auth.EventLoggedOut), h.events(auth.EventReuseDetected); out != want || reuse != 0 {
				t.Errorf("%d logouts and %d reuses, want %d and none", out, reuse, want)
			}
		})
	}
	t.Run("the same session", func(t *testing.T) {
		h := newHouse(t, session.Strict)
		opened := h.open()
		if err := h.Replace(t.Context(), opened.Refresh, opened.SessionID, laptop); err != nil {
			t.Fatal(err)
		}
		h.alive("the new session", opened, true)
	})
	t.Run("one that has ended", func(t *testing.T) {
		h := newHouse(t, session.Strict)
		all := h.openInOrder(2)
		if err := h.Logout(t.Context(), h.access(all[0].Access), "", laptop); err != nil {
			t.Fatal(err)
		}
		if err := h.Replace(t.Context(), all[0].Refresh, all[1].SessionID, laptop); err != nil {
			t.Error(err)
		}
		if n := h.events(auth.EventLoggedOut); n != 1 {
			t.Errorf("%d logouts, want 1", n)
		}
	})
	// In the cookie is what we have set, and Django's tokens are not ours.
	t.Run("Django's", func(t *testing.T) {
		h := newHouse(t, session.Strict)
		raw := h.djangoToken(token.Refresh, token.NewID(), h.clock.at(0), h.clock.at(refreshLife))
		if err := h.Replace(t.Context(), raw, h.open().SessionID, laptop); err != nil {
			t.Fatal(err)
		}
		wants(t, "the token", h.Verify(t.Context(), raw), "")
		if n := h.events(auth.EventSessionAdopted); n != 0 {
			t.Errorf("%d adoptions, want none", n)
		}
	})
	t.Run("of a key that cannot be read", func(t *testing.T) {
		h := newHouse(t, session.Strict)
		opened := h.open()
		h.Ring = ring{token.NewHS256("k", []byte("another key of thirty-two bytes or more")), false, &auth.Error{Kind: auth.Unavailable}}
		if err := h.Replace(t.Context(), opened.Refresh, token.NewSessionID(h.clock.Now()), laptop); !auth.IsKind(err, auth.Unavailable) {
			t.Errorf("%v, want the ring's error", err)
		}
	})
	t.Run("no database", func(t *testing.T) {
		h := newHouse(t, session.Strict)
		all := h.openInOrder(2)
		h.Store = ambiguous{h.store}
		err := h.Replace(t.Context(), all[0].Refresh, all[1].SessionID, laptop)
		if err == nil || errors.Is(err, auth.ErrNotFound) {
			t.Errorf("%v, want an internal error", err)
		}
		h.Store = h.store
		h.alive("ended by a commit that nobody was told of", all[0], false)
	})
}

// A token of a key that could not be read is not refused: who holds it would sign
// in again, and it may be good.
func TestUnreadKeys(t *testing.T) {
	h := newHouse(t, session.Strict)
	opened := h.open()
	access := h.access(opened.Access)
	known := h.Ring
	away := &auth.Error{Kind: auth.Unavailable, Code: auth.CodeKeysUnread}
	h.Ring = ring{token.NewHS256("k", []byte("another key of thirty-two bytes or more")), true, away}
	for what, act := range map[string]func() error{
		"authenticate": func() error { _, err := h.Authenticate(t.Context(), opened.Access); return err },
		"verify":       func() error { return h.Verify(t.Context(), opened.Refresh) },
		"refresh":      func() error { _, err := h.refresh(opened.Refresh); return err },
		"logout":       func() error { return h.Logout(t.Context(), access, opened.Refresh, laptop) },
	} {
		if err := act(); !errors.Is(err, away) {
			t.Errorf("%s: %v, want %v", what, err, away)
		}
	}
	wants(t, "what is no token", h.Verify(t.Context(), "x"), auth.CodeTokenInvalid)
	h.Ring = known
	h.alive("the session", opened, true)
}

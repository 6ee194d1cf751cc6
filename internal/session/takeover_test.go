package session_test

import (
	"context"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/latchkey-auth/latchkey/internal/auth"
	"github.com/latchkey-auth/latchkey/internal/session"
	"github.com/latchkey-auth/latchkey/internal/token"
)

// A refresh token that was blacklisted in Django opens nothing here.
//
// ASVS 7.4.1
func TestImportedBlacklist(t *testing.T) {
	ctx := context.Background()
	h := newHouse(t, session.Strict)
	jti := token.NewID()
	dead := h.djangoToken(token.Refresh, jti, h.clock.at(0), h.clock.at(refreshLife))
	live := h.djangoToken(token.Refresh, token.NewID(), h.clock.at(0), h.clock.at(refreshLife))
	access := h.djangoToken(token.Access, token.NewID(), h.clock.at(0), h.clock.at(accessLife))
	h.update(func(tx auth.Tx) error {
		_, err := tx.PutTokens(ctx, []auth.KnownToken{{JTI: jti, UserID: h.user.ID, Expires: h.clock.at(refreshLife), Kind: auth.TokenBlacklisted}})
		return err
	})
	wants(t, "verify", h.Verify(ctx, dead), auth.CodeTokenInvalid)
	_, err := h.refresh(dead)
	wants(t, "refresh", err, auth.CodeTokenBlacklisted)
	a, err := h.Authenticate(ctx, access)
	if err != nil {
		t.Fatal(err)
	}
	wants(t, "logout", h.Logout(ctx, a, dead, auth.Client{}), auth.CodeTokenBlacklisted)
	wants(t, "another one", h.Verify(ctx, live), "")
	h.mustRefresh(live)
	if n := h.events(auth.EventSessionAdopted); n != 1 {
		t.Errorf("%d adoptions, want 1", n)
	}
}

// While django.settings is set, what was traded here is known until it expires.
func TestKeepSpent(t *testing.T) {
	ctx := context.Background()
	for _, keep := range []bool{true, false} {
		h := newHouse(t, session.Strict)
		h.KeepSpent = keep
		jti, expires := token.NewID(), h.clock.at(refreshLife)
		first := h.mustRefresh(h.djangoToken(token.Refresh, jti, h.clock.at(0), expires))
		h.clock.Advance(time.Minute)
		h.mustRefresh(first.Refresh)
		spent, err := h.Store.Read().SpentTokens(ctx, h.clock.Now(), "", 10)
		if err != nil {
			t.Fatal(err)
		}
		want := 0
		if keep {
			want = 2
		}
		if len(spent) != want {
			t.Fatalf("keep %v: %d spent tokens, want %d", keep, len(spent), want)
		}
		for _, s := range spent {
			if s.UserID != h.user.ID || s.JTI == jti && s.Expires != expires || s.Expires < expires {
				t.Errorf("spent %+v", s)
			}
		}
	}
}

// Without iat a token was issued a lifetime of Django's before its exp.
func TestForeignRefreshLifetime(t *testing.T) {
	ctx := context.Background()
	h := newHouse(t, session.Strict)
	h.update(func(tx auth.Tx) error {
		_, err := tx.UpdateUser(ctx, h.user.ID, auth.UserChange{SetValidAfter: true}, h.clock.Now())
		return err
	})
	h.clock.Advance(time.Hour)
	// It expires in an hour and a half: by Latchkey's lifetime it is old, by
	// Django's it was issued half an hour ago.
	raw, err := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{
		"token_type": "refresh", "exp": h.clock.at(90 * time.Minute), "jti": token.NewID(), "user_id": h.user.ID,
	}).SignedString([]byte("an operator's key of thirty-two bytes or more"))
	if err != nil {
		t.Fatal(err)
	}
	wants(t, "by our lifetime", h.Verify(ctx, raw), auth.CodeTokenInvalid)
	h.ForeignRefresh = 2 * time.Hour
	wants(t, "by Django's", h.Verify(ctx, raw), "")
}

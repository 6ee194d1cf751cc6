package session

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/latchkey-auth/latchkey/internal/auth"
	"github.com/latchkey-auth/latchkey/internal/token"
)

// verdict is what the state machine says of a presented refresh token.
type verdict int

const (
	refuse    verdict = iota // 401, nothing changes
	rotate                   // the session's current token
	successor                // the same successor again
	reused                   // 401, the session is revoked
)

// judge is the table of design.md ("Refresh, as a state machine") for a token
// whose jti belongs to a live session. now is when the request arrived; a
// negative age counts as within, since two nodes' clocks may differ.
func judge(setting Reuse, row auth.Session, jti string, arrived time.Time) verdict {
	within := arrived.Sub(row.RotatedAt) <= Leeway
	switch {
	case jti == row.JTI:
		return rotate
	case row.PrevJTI == "" || jti != row.PrevJTI:
		return reused
	case setting == Tolerant:
		return successor
	case !within:
		return reused
	case setting == Grace:
		return successor
	default:
		return refuse
	}
}

// Refresh trades a refresh token for its successor: see the state machine in
// the package comment. arrived is when the request came in.
//
// Errors are of kind TokenNotValid: those of Authenticate,
// CodeTokenBlacklisted, and CodeNoActiveAccount for a user that is inactive or
// gone.
func (s *Service) Refresh(ctx context.Context, raw string, c auth.Client, arrived time.Time) (Tokens, auth.User, error) {
	claims, err := s.parseRefresh(raw)
	if err != nil {
		return Tokens{}, auth.User{}, err
	}
	sid := claims.SessionID
	if sid == "" {
		row, err := s.adopt(ctx, claims, c)
		if err != nil {
			return Tokens{}, auth.User{}, err
		}
		sid = row.ID
	}
	now := s.Now()
	r := auth.Rotation{
		SessionID: sid, UserID: claims.UserID, JTI: claims.ID, NewJTI: token.NewID(),
		IssuedAt: now.Unix(), Expires: now.Add(s.RefreshLifetime).Unix(), SessionMax: s.SessionMax,
		AccessUntil: now.Add(s.AccessLifetime), Now: now,
	}
	if s.KeepSpent {
		r.SpentUntil = claims.Expires
	}
	// A member of a batch can come back without a row although its token was
	// current, so the fresh state decides, and a token that is still current
	// is tried again.
	for range 3 {
		done, err := s.Store.Rotate(ctx, r)
		if err != nil {
			return Tokens{}, auth.User{}, fmt.Errorf("rotate session %s: %w", sid, err)
		}
		if done.Done {
			return s.Mint(done.User, done.Session, now), done.User, nil
		}
		switch v, err := s.verdict(claims, done.Session, done.User, arrived); {
		case err != nil:
			return Tokens{}, auth.User{}, err
		case v == rotate:
			continue
		case v == successor:
			return s.Mint(done.User, done.Session, now), done.User, nil
		case v == reused:
			return Tokens{}, auth.User{}, s.reuse(ctx, done.Session, c)
		default:
			return Tokens{}, auth.User{}, auth.TokenError(auth.CodeTokenBlacklisted)
		}
	}
	return Tokens{}, auth.User{}, fmt.Errorf("rotate session %s: current token is not taken", sid)
}

// parseRefresh checks a refresh token as far as it goes without the database.
func (s *Service) parseRefresh(raw string) (token.Claims, error) {
	claims, err := s.parse(raw, token.Refresh)
	if err != nil {
		return claims, err
	}
	return claims, s.refreshable(claims)
}

func (s *Service) refreshable(claims token.Claims) error {
	if err := wellFormed(claims); err != nil {
		if errors.Is(err, auth.TokenError(auth.CodeUserNotFound)) {
			return auth.TokenError(auth.CodeNoActiveAccount)
		}
		return err
	}
	// A refresh token is found by its jti, so that must be a string; the real
	// stack ends in a 500 here.
	if !claims.IDIsString || claims.ID == "" || claims.SessionID == "" && !s.Ring.AcceptsForeign() {
		return auth.TokenError(auth.CodeTokenInvalid)
	}
	return nil
}

// verdict looks at the user, then at the session, then at the table.
func (s *Service) verdict(claims token.Claims, row auth.Session, u auth.User, arrived time.Time) (verdict, error) {
	switch {
	case u.ID == 0 || !u.IsActive:
		return refuse, auth.TokenError(auth.CodeNoActiveAccount)
	case row.ID == "" || row.UserID != claims.UserID || !row.RevokedAt.IsZero():
		return refuse, auth.TokenError(auth.CodeTokenBlacklisted)
	}
	v := judge(s.Reuse, row, claims.ID, arrived)
	// What is left of the session must be worth having: tokens.session_max may
	// have been shortened since, and a successor made again may have expired.
	now := s.Now()
	if v == rotate && !now.Before(row.CreatedAt.Add(s.SessionMax)) || v == successor && row.Expires <= now.Unix() {
		return refuse, auth.TokenRefused(auth.RefusedExpired)
	}
	return v, nil
}

// reuse ends a session whose rotated token was presented again: it was stolen
// or its owner's was (RFC 9700, section 4.14.2).
func (s *Service) reuse(ctx context.Context, row auth.Session, c auth.Client) error {
	revoked, err := s.Store.RevokeSession(ctx, auth.Revoking{
		UserID: row.UserID, SessionIDs: []string{row.ID},
		Event: auth.EventReuseDetected, Client: c, Now: s.Now(),
	})
	if err != nil {
		s.Revoked.CatchUp(ctx)
		return fmt.Errorf("revoke session %s after reuse: %w", row.ID, err)
	}
	s.Revoked.Apply(revoked.Revocations...)
	if len(revoked.Ended) == 0 {
		s.Revoked.CatchUp(ctx) // as in Logout
	}
	return auth.TokenError(auth.CodeTokenBlacklisted)
}

// adopt finds the session of a token that Django minted, opening it at the
// token's first use.
func (s *Service) adopt(ctx context.Context, claims token.Claims, c auth.Client) (auth.Session, error) {
	row, err := s.Store.Read().SessionByOrigin(ctx, claims.ID)
	if err == nil {
		return row, nil
	}
	if !errors.Is(err, auth.ErrNotFound) {
		return row, fmt.Errorf("look for an adopted session: %w", err)
	}
	now := s.Now()
	a := auth.Adoption{
		UserID: claims.UserID, OriginJTI: claims.ID, IssuedAt: s.issuedAt(claims), Expires: claims.Expires,
		SessionID: token.NewSessionID(now), Client: c, Now: now,
	}
	err = s.Store.Update(ctx, func(tx auth.Tx) error {
		var created bool
		if row, created, err = tx.AdoptSession(ctx, a); err != nil || !created {
			return err
		}
		return tx.InsertEvent(ctx, auth.Event{
			At: now, Kind: auth.EventSessionAdopted, UserID: a.UserID, ActorID: a.UserID, SessionID: row.ID, Client: c,
		})
	})
	if err != nil && !auth.IsKind(err, auth.TokenNotValid) {
		err = fmt.Errorf("adopt session: %w", err)
	}
	return row, err
}

// issuedAt is a token's iat; one without was issued a lifetime before its exp.
func (s *Service) issuedAt(claims token.Claims) int64 {
	if claims.HasIssuedAt {
		return claims.IssuedAt
	}
	return claims.Expires - int64(cmp.Or(s.ForeignRefresh, s.RefreshLifetime)/time.Second)
}

// wouldRefresh answers nil if and only if Refresh would answer tokens, and
// changes nothing.
func (s *Service) wouldRefresh(ctx context.Context, claims token.Claims, arrived time.Time) error {
	if err := s.refreshable(claims); err != nil {
		return err
	}
	sid := claims.SessionID
	if sid == "" {
		row, err := s.Store.Read().SessionByOrigin(ctx, claims.ID)
		if errors.Is(err, auth.ErrNotFound) {
			return s.wouldAdopt(ctx, claims)
		}
		if err != nil {
			return fmt.Errorf("look for an adopted session: %w", err)
		}
		sid = row.ID
	}
	row, u, err := s.Store.Read().SessionState(ctx, sid, claims.UserID)
	if err != nil {
		return fmt.Errorf("read session %s: %w", sid, err)
	}
	v, err := s.verdict(claims, row, u, arrived)
	if err != nil {
		return err
	}
	if v != rotate && v != successor {
		return auth.TokenError(auth.CodeTokenBlacklisted)
	}
	return nil
}

func (s *Service) wouldAdopt(ctx context.Context, claims token.Claims) error {
	u, err := s.Store.Read().UserByID(ctx, claims.UserID)
	switch {
	case errors.Is(err, auth.ErrNotFound) || err == nil && !u.IsActive:
		return auth.TokenError(auth.CodeNoActiveAccount)
	case err != nil:
		return fmt.Errorf("read user %d: %w", claims.UserID, err)
	case !u.ValidAfter.IsZero() && s.issuedAt(claims)*1e6 <= u.ValidAfter.UnixMicro():
		return auth.TokenError(auth.CodeTokenBlacklisted)
	}
	imported, err := s.Store.Read().TokenImported(ctx, claims.ID)
	if err == nil && imported {
		err = auth.TokenError(auth.CodeTokenBlacklisted)
	}
	return err
}

package session

import (
	"context"
	"errors"
	"fmt"

	"github.com/latchkey-auth/latchkey/internal/auth"
	"github.com/latchkey-auth/latchkey/internal/token"
)

// Authenticate checks an access token: signature, times, type, and that it
// has not been revoked. The database is not asked, but for tokens that Django
// minted (their user may be gone or inactive without a revocation) and to say
// of a revoked one what became of its user.
//
// Errors are of kind TokenNotValid: the codes of SimpleJWT's exceptions, or
// CodeUserNotFound and CodeUserInactive; and Unavailable where it cannot be told.
func (s *Service) Authenticate(ctx context.Context, raw string) (Access, error) {
	claims, err := s.parse(raw, token.Access)
	if err != nil {
		return Access{}, err
	}
	return s.authenticate(ctx, claims)
}

func (s *Service) authenticate(ctx context.Context, claims token.Claims) (Access, error) {
	if err := wellFormed(claims); err != nil {
		return Access{}, err
	}
	if claims.SessionID == "" && !s.Ring.AcceptsForeign() {
		return Access{}, auth.TokenRefused(auth.RefusedForged)
	}
	a := Access{
		AccessIdentity: auth.AccessIdentity{
			UserID: claims.UserID, SessionID: claims.SessionID, JTI: claims.ID,
			Gen: claims.Gen, HasGen: claims.HasGen, IssuedAt: claims.IssuedAt,
		},
		Role: auth.Role(claims.Role), Expires: claims.Expires,
	}
	if err := s.Live(ctx, a); err != nil {
		return Access{}, err
	}
	return a, nil
}

// Live tells by a nil error that a token which Authenticate took has not been
// revoked since: for what takes longer than a moment. The database is asked as
// seldom as there, and its role is still the user's, since a change of that
// revokes it.
func (s *Service) Live(ctx context.Context, a Access) error {
	dead, err := s.Revoked.Has(ctx, a.AccessIdentity)
	if err != nil {
		return err
	}
	if dead {
		if _, err := s.activeUser(ctx, a.UserID); err != nil {
			return err
		}
		return auth.TokenRefused(auth.RefusedRevoked)
	}
	if a.SessionID == "" {
		u, err := s.activeUser(ctx, a.UserID)
		if err != nil {
			return err
		}
		if a.OutlivedBy(u) {
			return auth.TokenRefused(auth.RefusedRevoked)
		}
	}
	return nil
}

// User gives the caller as the database has it now. A caller that is gone,
// inactive or has moved on to a newer generation is refused even before the
// revocation has reached this node.
func (s *Service) User(ctx context.Context, a Access) (auth.User, error) {
	u, err := s.activeUser(ctx, a.UserID)
	if err != nil {
		return auth.User{}, err
	}
	if a.OutlivedBy(u) {
		return auth.User{}, auth.TokenRefused(auth.RefusedRevoked)
	}
	return u, nil
}

// OutlivedBy reports whether the user has moved on since the token was made: to
// a newer generation, or past the time before which tokens without a session
// are dead.
func (a Access) OutlivedBy(u auth.User) bool {
	if a.HasGen {
		return a.Gen < u.Gen
	}
	return !u.ValidAfter.IsZero() && a.IssuedAt*1e6 <= u.ValidAfter.UnixMicro()
}

func (s *Service) activeUser(ctx context.Context, id int64) (auth.User, error) {
	u, err := s.Store.Read().UserByID(ctx, id)
	switch {
	case errors.Is(err, auth.ErrNotFound):
		return auth.User{}, auth.TokenError(auth.CodeUserNotFound)
	case err != nil:
		return auth.User{}, fmt.Errorf("read user %d: %w", id, err)
	case !u.IsActive:
		return auth.User{}, auth.TokenError(auth.CodeUserInactive)
	}
	return u, nil
}

// Verify reports by a nil error that a token is good: an access token that
// Authenticate takes, or a refresh token that Refresh would trade right now.
// It changes nothing.
func (s *Service) Verify(ctx context.Context, raw string) error {
	arrived := s.Now()
	claims, err := s.parse(raw, token.Access, token.Refresh)
	if err != nil {
		return err
	}
	if claims.Type == token.Access {
		if _, err := s.authenticate(ctx, claims); err != nil {
			if auth.IsKind(err, auth.TokenNotValid) {
				return guideError(err)
			}
			return err
		}
		return nil
	}
	return guideError(s.wouldRefresh(ctx, claims, arrived))
}

// guideError gives verify's one shape for one meaning: whatever became of the
// token's user or session, it "is invalid or expired" (design.md, the row on
// verify).
func guideError(err error) error {
	var e *auth.Error
	if !errors.As(err, &e) || e.Kind != auth.TokenNotValid {
		return err
	}
	switch e.Code {
	case auth.CodeUserNotFound, auth.CodeUserInactive, auth.CodeNoActiveAccount, auth.CodeTokenBlacklisted:
		return auth.TokenRefused(e.Refusal())
	default:
		return err
	}
}

// parse checks a token up to and including its type.
func (s *Service) parse(raw string, want ...string) (token.Claims, error) {
	claims, err := s.Names.Parse(raw, s.Ring, s.Now())
	if err == nil {
		err = claims.Check(want...)
	}
	switch {
	case err == nil:
		return claims, nil
	case errors.Is(err, token.ErrNoExpiry):
		return claims, auth.TokenError(auth.CodeTokenNoExpiry)
	case errors.Is(err, token.ErrNoID):
		return claims, auth.TokenError(auth.CodeTokenNoID)
	case errors.Is(err, token.ErrNoType):
		return claims, auth.TokenError(auth.CodeTokenNoType)
	case errors.Is(err, token.ErrWrongType):
		return claims, auth.TokenError(auth.CodeTokenWrongType)
	case errors.Is(err, token.ErrForged):
		return claims, auth.TokenRefused(auth.RefusedForged)
	case errors.Is(err, token.ErrExpired):
		return claims, auth.TokenRefused(auth.RefusedExpired)
	case errors.Is(err, token.ErrInvalid):
		return claims, auth.TokenError(auth.CodeTokenInvalid)
	default:
		// The ring's: 401 would sign out whoever has a token of a key that this
		// node has not read yet.
		return claims, err
	}
}

// wellFormed checks the user claim, which SimpleJWT looks at after the type.
func wellFormed(c token.Claims) error {
	switch {
	case !c.HasUserID:
		return auth.TokenError(auth.CodeTokenNoUser)
	case c.UserIDNull:
		return auth.TokenError(auth.CodeUserNotFound)
	case !c.UserIDValid:
		return auth.TokenError(auth.CodeTokenInvalid)
	}
	return nil
}

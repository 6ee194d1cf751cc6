package session

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/latchkey-auth/latchkey/internal/auth"
)

// Logout ends the caller's session and, with it, every token of it. The
// refresh token's session ends too if it is another one of the same user;
// rotated or not, since the guide's client holds the rotated one. With another
// user's token, or one whose session has no row, nothing changes. Without a
// refresh token (raw is "") only the caller's session ends.
//
// A caller whose token Django minted has no session: that one access token is
// revoked, and the refresh token's session is adopted and ended.
func (s *Service) Logout(ctx context.Context, a Access, raw string, c auth.Client) error {
	r := auth.Revoking{UserID: a.UserID, Event: auth.EventLoggedOut, Client: c, Now: s.Now()}
	if raw != "" {
		sid, err := s.sessionOf(ctx, raw, a.UserID, c)
		if err != nil {
			return err
		}
		r.SessionIDs = []string{sid}
	}
	if a.SessionID == "" {
		r.AccessJTI = a.JTI
	} else if !slices.Contains(r.SessionIDs, a.SessionID) {
		r.SessionIDs = append(r.SessionIDs, a.SessionID)
	}
	_, err := s.revoke(ctx, r)
	if errors.Is(err, auth.ErrNotFound) {
		return auth.TokenRefused(auth.RefusedRevoked)
	}
	return err
}

// sessionOf gives the session of a user's refresh token, which may be spent; a
// token that Django minted is adopted.
func (s *Service) sessionOf(ctx context.Context, raw string, userID int64, c auth.Client) (string, error) {
	claims, err := s.parseRefresh(raw)
	if err != nil {
		return "", err
	}
	if claims.UserID != userID {
		return "", auth.TokenError(auth.CodeTokenInvalid)
	}
	if claims.SessionID != "" {
		return claims.SessionID, nil
	}
	row, err := s.adopt(ctx, claims, c)
	return row.ID, err
}

// revoke does a Revoking and gives how many sessions lived until now. When it
// returns, this node knows that they are ended, also those that somebody else
// has ended.
func (s *Service) revoke(ctx context.Context, r auth.Revoking) (int, error) {
	revoked, err := s.Store.RevokeSession(ctx, r)
	switch {
	case errors.Is(err, auth.ErrNotFound):
		return 0, err
	case err != nil:
		s.Revoked.CatchUp(ctx)
		return 0, fmt.Errorf("revoke sessions %s: %w", strings.Join(r.SessionIDs, ", "), err)
	}
	s.Revoked.Apply(revoked.Revocations...)
	if len(revoked.Ended) < len(r.SessionIDs) {
		s.Revoked.CatchUp(ctx)
	}
	return len(revoked.Ended), nil
}

// Replace ends the session of a refresh token in whose place a new one has been
// opened: the cookie that held it is overwritten (ASVS 7.2.4). A token that is
// not good, or that of the new session, is nobody's.
func (s *Service) Replace(ctx context.Context, raw, newSession string, c auth.Client) error {
	claims, err := s.parseRefresh(raw)
	switch {
	case err != nil && !auth.IsKind(err, auth.TokenNotValid):
		return err
	case err != nil || claims.SessionID == "" || claims.SessionID == newSession:
		return nil //nolint:nilerr // See above.
	}
	_, err = s.revoke(ctx, auth.Revoking{
		UserID: claims.UserID, SessionIDs: []string{claims.SessionID},
		Event: auth.EventLoggedOut, Client: c, Now: s.Now(),
	})
	if errors.Is(err, auth.ErrNotFound) {
		return nil
	}
	return err
}

package session

import (
	"context"
	"errors"
	"fmt"

	"github.com/latchkey-auth/latchkey/internal/auth"
)

// Logout ends the caller's session and, with it, every token of it. The
// refresh token's session ends too if it is another one of the same user;
// rotated or not, since the guide's client holds the rotated one. With another
// user's token, or one whose session has no row, nothing changes.
//
// A caller whose token Django minted has no session: that one access token is
// revoked, and the refresh token's session is adopted and ended.
func (s *Service) Logout(ctx context.Context, a Access, raw string, c auth.Client) error {
	claims, err := s.parseRefresh(raw)
	if err != nil {
		return err
	}
	if claims.UserID != a.UserID {
		return auth.TokenError(auth.CodeTokenInvalid)
	}
	sid := claims.SessionID
	if sid == "" {
		row, err := s.adopt(ctx, claims, c)
		if err != nil {
			return err
		}
		sid = row.ID
	}
	r := auth.Revoking{
		UserID: a.UserID, SessionIDs: []string{sid},
		Event: auth.EventLoggedOut, Client: c, Now: s.Now(),
	}
	if a.SessionID == "" {
		r.AccessJTI = a.JTI
	} else if a.SessionID != sid {
		r.SessionIDs = append(r.SessionIDs, a.SessionID)
	}
	revoked, err := s.Store.RevokeSession(ctx, r)
	switch {
	case errors.Is(err, auth.ErrNotFound):
		return auth.TokenError(auth.CodeTokenInvalid)
	case err != nil:
		s.Revoked.CatchUp(ctx)
		return fmt.Errorf("revoke session %s: %w", sid, err)
	}
	s.Revoked.Apply(revoked.Revocations...)
	if len(revoked.Ended) < len(r.SessionIDs) {
		// Somebody else has ended it, and this node may not know of it yet.
		s.Revoked.CatchUp(ctx)
	}
	return nil
}

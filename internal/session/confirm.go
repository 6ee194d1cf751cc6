package session

import (
	"context"
	"fmt"

	"github.com/latchkey-auth/latchkey/internal/auth"
)

// Confirmed asks for a fresh proof of the password: what cannot be undone, or
// opens other accounts, takes more than a token, which may have been stolen or
// left behind on a screen (ASVS 7.5.2, 7.5.3). Whether the session lives and who
// its user is the act judges again, in its own transaction; what is asked for
// here gets no better meanwhile.
//
// Errors: ErrUnconfirmed where the password was last proved in the session longer
// ago than ConfirmFor, or never, and for tokens that Django minted, which have no
// session; TokenNotValid for a session that has ended.
func (s *Service) Confirmed(ctx context.Context, a Access) error {
	if s.ConfirmFor == 0 {
		return nil
	}
	if a.SessionID == "" {
		return auth.ErrUnconfirmed
	}
	row, _, err := s.Store.Read().SessionState(ctx, a.SessionID, a.UserID)
	switch {
	case err != nil:
		return fmt.Errorf("read session %s: %w", a.SessionID, err)
	case row.ID == "" || !row.RevokedAt.IsZero():
		s.Revoked.CatchUp(ctx)
		return auth.TokenError(auth.CodeTokenInvalid)
	case !row.Confirmed(s.ConfirmFor, s.Now()):
		return auth.ErrUnconfirmed
	}
	return nil
}

package account

import (
	"context"
	"fmt"

	"github.com/latchkey-auth/latchkey/internal/auth"
	"github.com/latchkey-auth/latchkey/internal/counters"
	"github.com/latchkey-auth/latchkey/internal/session"
	"github.com/latchkey-auth/latchkey/internal/throttle"
)

// Confirm proves the caller's password once more: for a while the session may do
// what asks for that (session.Confirmed). It opens nothing and ends nothing.
//
// Errors: Invalid with the field password; TooMany, since guesses are counted by
// session, together with those at the old password; Unavailable when too many
// passwords are being hashed; Conflict when the password was changed meanwhile;
// TokenNotValid for a caller whose session has ended, and for a token that Django
// minted: it has no session in which that could be noted, and gets one by its
// refresh.
func (s *Service) Confirm(ctx context.Context, a session.Access, pw string, c auth.Client) error {
	if a.SessionID == "" {
		return auth.TokenError(auth.CodeTokenInvalid)
	}
	u, place, right, err := s.prove(ctx, a, pw, c)
	if err != nil {
		return err
	}
	if !right {
		var fields auth.Fields
		fields.Add("password", auth.Problem{Code: auth.CodeWrongPassword})
		return fields.Err()
	}
	now := s.Now()
	err = s.Store.Update(ctx, func(tx auth.Tx) error {
		// The no-op change locks the row. The version was read before hashing: what
		// has been proved is the password that it is now, or nothing.
		locked, err := tx.UpdateUser(ctx, u.ID, auth.UserChange{IfCredentialVersion: &u.CredentialVersion}, now)
		if err = a.StillGood(ctx, tx, locked, err); err != nil {
			return err
		}
		noted, err := tx.ConfirmSession(ctx, u.ID, a.SessionID, now)
		switch {
		case err != nil:
			return err
		case !noted:
			return auth.TokenError(auth.CodeTokenInvalid)
		}
		if err := counters.Apply(ctx, tx, place.Success()); err != nil {
			return err
		}
		return tx.InsertEvent(ctx, auth.Event{
			At: now, Kind: auth.EventConfirmed, UserID: u.ID, ActorID: u.ID, SessionID: a.SessionID, Client: c,
		})
	})
	if err != nil {
		s.giveBack(ctx, place)
		s.Revoked.CatchUp(ctx)
		if !told(err) {
			err = fmt.Errorf("confirm the password of user %d: %w", u.ID, err)
		}
	}
	return err
}

// prove checks the caller's password. It takes a place for the guess: one that
// is right has to give it back, by place.Success in the transaction of what it
// was proved for, or by giveBack. A wrong one is counted for the audit trail.
func (s *Service) prove(ctx context.Context, a session.Access, pw string, c auth.Client) (u auth.User, place *throttle.Place, right bool, err error) {
	if u, err = s.Sessions.User(ctx, a); err != nil {
		return u, nil, false, err
	}
	place, wait, err := s.Throttle.AttemptIn(ctx, u.ID, a.SessionID)
	switch {
	case err != nil:
		return u, nil, false, fmt.Errorf("take a place for a guess of user %d: %w", u.ID, err)
	case place == nil:
		return u, nil, false, counters.TooMany(wait)
	}
	right, _, err = s.Hasher.Verify(ctx, pw, u.Password)
	if err != nil {
		s.giveBack(ctx, place)
		return u, nil, false, hashError(err, "verify")
	}
	if !right {
		s.Failures.Add(u.ID, c.Address, s.Now())
	}
	return u, place, right, nil
}

package session

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/latchkey-auth/latchkey/internal/auth"
)

// Sessions gives the caller's live sessions: its own first, then the newest.
func (s *Service) Sessions(ctx context.Context, a Access) ([]auth.Session, error) {
	all, err := s.Store.Read().Sessions(ctx, a.UserID, s.Now())
	if err != nil {
		return nil, fmt.Errorf("list sessions of user %d: %w", a.UserID, err)
	}
	if i := slices.IndexFunc(all, func(row auth.Session) bool { return row.ID == a.SessionID }); i > 0 {
		own := all[i]
		copy(all[1:i+1], all[:i])
		all[0] = own
	}
	return all, nil
}

// End ends one of the caller's sessions. ErrNotFound if it is none that lives,
// or somebody else's.
func (s *Service) End(ctx context.Context, a Access, id string, c auth.Client) error {
	event := auth.EventSessionRevoked
	if id == a.SessionID {
		event = auth.EventLoggedOut
	}
	ended, err := s.revoke(ctx, auth.Revoking{
		UserID: a.UserID, SessionIDs: []string{id}, Event: event, Client: c, Now: s.Now(),
	})
	if err == nil && ended == 0 {
		err = auth.ErrNotFound
	}
	return err
}

// EndOthers ends every session of the caller but its own, and every token that
// Django minted for the user, the caller's too if it has no session: such
// tokens cannot be told apart. It gives how many sessions were ended.
func (s *Service) EndOthers(ctx context.Context, a Access, c auth.Client) (int, error) {
	var (
		ended   []string
		written []auth.Revocation
		now     = s.Now()
	)
	err := s.Store.Update(ctx, func(tx auth.Tx) error {
		u, err := tx.UpdateUser(ctx, a.UserID, auth.UserChange{SetValidAfter: true}, now)
		if err = a.StillGood(ctx, tx, u, err); err != nil {
			return err
		}
		var rows []auth.Revocation
		if ended, rows, err = EndAllBut(ctx, tx, a, now); err != nil {
			return err
		}
		for _, id := range ended {
			if err := tx.InsertEvent(ctx, auth.Event{
				At: now, Kind: auth.EventSessionRevoked, UserID: a.UserID, ActorID: a.UserID, SessionID: id, Client: c,
			}); err != nil {
				return err
			}
		}
		written, err = tx.Revoke(ctx, rows...)
		return err
	})
	if err != nil {
		s.Revoked.CatchUp(ctx)
		if auth.IsKind(err, auth.TokenNotValid) {
			return 0, err
		}
		return 0, fmt.Errorf("end the other sessions of user %d: %w", a.UserID, err)
	}
	s.Revoked.Apply(written...)
	// One that somebody else has just ended is not among these rows.
	s.Revoked.CatchUp(ctx)
	return len(ended), nil
}

// StillGood judges a caller again inside the transaction that has just locked
// its user's row: u and err are that statement's answer. Between the check of
// the token and the lock the account may have changed or the session ended.
func (a Access) StillGood(ctx context.Context, tx auth.Tx, u auth.User, err error) error {
	switch {
	case errors.Is(err, auth.ErrNotFound):
		return auth.TokenError(auth.CodeUserNotFound)
	case err != nil:
		return err
	case !u.IsActive:
		return auth.TokenError(auth.CodeUserInactive)
	case a.HasGen && a.OutlivedBy(u):
		return auth.TokenError(auth.CodeTokenInvalid)
	case a.SessionID == "":
		return nil
	}
	row, _, err := tx.SessionState(ctx, a.SessionID, a.UserID)
	if err == nil && (row.ID == "" || !row.RevokedAt.IsZero()) {
		return auth.TokenError(auth.CodeTokenInvalid)
	}
	return err
}

// EndAllBut ends every session of the caller's user but the caller's, in a
// transaction that holds the user's row and has set its ValidAfter. The rows
// that it gives are to be written last (Tx.Revoke).
func EndAllBut(ctx context.Context, tx auth.Tx, a Access, now time.Time) (ended []string, rows []auth.Revocation, err error) {
	if ended, err = tx.RevokeSessions(ctx, a.UserID, a.SessionID, now); err != nil {
		return nil, nil, err
	}
	rows = append(rows, auth.Revocation{
		Kind: auth.RevokedUser, Key: strconv.FormatInt(a.UserID, 10), IssuedBefore: now.Unix(),
	})
	for _, id := range ended {
		rows = append(rows, auth.Revocation{Kind: auth.RevokedSession, Key: id})
	}
	return ended, rows, nil
}

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
	if !isID(id) {
		return auth.ErrNotFound // and no business of the database's
	}
	row, _, err := s.Store.Read().SessionState(ctx, id, a.UserID)
	if err != nil {
		return fmt.Errorf("read session %s: %w", id, err)
	}
	if row.UserID != a.UserID || !row.Live(s.Now()) {
		if !row.RevokedAt.IsZero() {
			// Somebody else has ended it, and this node may not know of it yet.
			s.Revoked.CatchUp(ctx)
		}
		return auth.ErrNotFound
	}
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

// isID reports whether s can be a session's id: 32 hex digits.
func isID(s string) bool {
	if len(s) != 32 {
		return false
	}
	for i := range len(s) {
		if c := s[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
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
		// The no-op change locks the row; the caller is judged by what it was.
		u, err := tx.UpdateUser(ctx, a.UserID, auth.UserChange{}, now)
		if err = a.StillGood(ctx, tx, u, err); err != nil {
			return err
		}
		if _, err = tx.UpdateUser(ctx, a.UserID, auth.UserChange{SetValidAfter: true}, now); err != nil {
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
// its user's row without a change: u and err are that statement's answer.
// Between the check of the token and the lock the account may have changed or
// the session ended.
func (a Access) StillGood(ctx context.Context, tx auth.Tx, u auth.User, err error) error {
	switch {
	case errors.Is(err, auth.ErrNotFound):
		return auth.TokenError(auth.CodeUserNotFound)
	case err != nil:
		return err
	case !u.IsActive:
		return auth.TokenError(auth.CodeUserInactive)
	case a.OutlivedBy(u):
		return auth.TokenRefused(auth.RefusedRevoked)
	case a.SessionID == "":
		return nil
	}
	row, _, err := tx.SessionState(ctx, a.SessionID, a.UserID)
	if err == nil && (row.ID == "" || !row.RevokedAt.IsZero()) {
		return auth.TokenRefused(auth.RefusedRevoked)
	}
	return err
}

// EndAllBut ends every session of the caller's user but the caller's, in a
// transaction that holds the user's row and has set its ValidAfter. It gives
// those that lived: one whose refresh token has expired is revoked too, since
// its access token may still be good, but nobody is told. The rows that it
// gives are to be written last (Tx.Revoke).
func EndAllBut(ctx context.Context, tx auth.Tx, a Access, now time.Time) (ended []string, rows []auth.Revocation, err error) {
	live, err := tx.Sessions(ctx, a.UserID, now)
	if err != nil {
		return nil, nil, err
	}
	all, err := tx.RevokeSessions(ctx, a.UserID, a.SessionID, now)
	if err != nil {
		return nil, nil, err
	}
	rows = append(rows, auth.Revocation{
		Kind: auth.RevokedUser, Key: strconv.FormatInt(a.UserID, 10), IssuedBefore: now.Unix(),
	})
	for _, id := range all {
		rows = append(rows, auth.Revocation{Kind: auth.RevokedSession, Key: id})
		if slices.ContainsFunc(live, func(row auth.Session) bool { return row.ID == id }) {
			ended = append(ended, id)
		}
	}
	return ended, rows, nil
}

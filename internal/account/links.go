package account

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/latchkey-auth/latchkey/internal/auth"
	"github.com/latchkey-auth/latchkey/internal/session"
)

// linkError is what any link that is not good is answered with: which of the
// reasons it is, is nobody's business.
func linkError() error {
	var fields auth.Fields
	fields.Add("token", auth.Problem{Code: auth.CodeLink})
	return fields.Err()
}

// MakeResetLink makes the token of a link with which the user sets a new
// password, and says until when it is good. An earlier one is good no more.
//
// Errors: ErrNotFound, ErrForbidden, Conflict with CodeUserInactive.
func (s *Service) MakeResetLink(ctx context.Context, by *Actor, userID int64) (token string, expires time.Time, err error) {
	token, hash := auth.NewSecret()
	err = s.administer(ctx, by, userID, auth.UsersReset, false, func(ctx context.Context, in *scene) ([]auth.Revocation, error) {
		if !in.user.IsActive {
			return nil, &auth.Error{Kind: auth.Conflict, Code: auth.CodeUserInactive}
		}
		if err := in.DropLinks(ctx, auth.LinkReset, userID); err != nil {
			return nil, err
		}
		expires = in.now.Add(auth.ResetLifetime)
		if err := in.InsertLink(ctx, auth.Link{
			Hash: hash, Kind: auth.LinkReset, UserID: userID, CreatedAt: in.now, Expires: expires,
		}); err != nil {
			return nil, err
		}
		return nil, in.InsertEvent(ctx, in.by.event(auth.EventResetLink, userID, in.now))
	})
	return token, expires, err
}

// CheckReset tells whose password a link sets, and until when.
func (s *Service) CheckReset(ctx context.Context, token string) (auth.User, time.Time, error) {
	l, u, err := s.resetLink(ctx, s.Store.Read(), token)
	return u, l.Expires, err
}

// resetLink finds a link and its user, if it is good. One that was made before
// the user last signed in is not: whoever can sign in needs none.
func (s *Service) resetLink(ctx context.Context, from auth.Reader, token string) (auth.Link, auth.User, error) {
	l, err := from.LinkByHash(ctx, auth.LinkReset, auth.HashSecret(token), s.Now())
	if errors.Is(err, auth.ErrNotFound) {
		return auth.Link{}, auth.User{}, linkError()
	} else if err != nil {
		return auth.Link{}, auth.User{}, fmt.Errorf("read a link: %w", err)
	}
	u, err := from.UserByID(ctx, l.UserID)
	switch {
	case errors.Is(err, auth.ErrNotFound):
		return auth.Link{}, auth.User{}, linkError()
	case err != nil:
		return auth.Link{}, auth.User{}, fmt.Errorf("read user %d: %w", l.UserID, err)
	case !u.IsActive, u.LastLogin.After(l.CreatedAt):
		return auth.Link{}, auth.User{}, linkError()
	}
	return l, u, nil
}

// Reset is the form behind a reset link.
type Reset struct{ Token, Password, Password2 string }

// ResetPassword spends a link: the password is set, and every session ends.
//
// Errors: Invalid with the fields token and password; Unavailable when too many
// passwords are being hashed.
func (s *Service) ResetPassword(ctx context.Context, r Reset, c auth.Client) error {
	_, u, err := s.resetLink(ctx, s.Store.Read(), r.Token)
	if err != nil {
		return err
	}
	var fields auth.Fields
	if r.Password != r.Password2 {
		fields.Add("password", auth.Problem{Code: auth.CodePasswordMismatch})
	} else {
		problems, err := s.passwordProblems(ctx, r.Password, u.Email, u.FirstName, u.LastName, u.Phone)
		if err != nil {
			return err
		}
		fields.Add("password", problems...)
	}
	if err := fields.Err(); err != nil {
		return err
	}
	encoded, err := s.unreported(ctx, r.Password)
	if err != nil {
		return err
	}
	err = s.change(ctx, auth.Event{
		Kind: auth.EventPasswordReset, UserID: u.ID, ActorID: u.ID, Client: c,
	}, func(ctx context.Context, tx auth.Tx, now time.Time) ([]auth.Revocation, string, error) {
		// The no-op change locks the row; then the link is judged again.
		if _, err := tx.UpdateUser(ctx, u.ID, auth.UserChange{}, now); err != nil {
			return nil, "", err
		}
		if _, _, err := s.resetLink(ctx, tx, r.Token); err != nil {
			return nil, "", err
		}
		if _, err := tx.SpendLink(ctx, auth.LinkReset, auth.HashSecret(r.Token), now); err != nil {
			return nil, "", err
		}
		if _, err := tx.UpdateUser(ctx, u.ID, auth.UserChange{Password: &encoded, SetValidAfter: true}, now); err != nil {
			return nil, "", err
		}
		ended, err := tx.RevokeSessions(ctx, u.ID, "", now)
		if err != nil {
			return nil, "", err
		}
		return signedOut(u.ID, ended, now), fmt.Sprintf("sessions ended: %d", len(ended)), s.liftGuesses(ctx, tx, u.ID)
	})
	if errors.Is(err, auth.ErrNotFound) {
		err = linkError() // Of two at once, the other one has spent it.
	}
	return err
}

// MakeSetupLink makes the token of a link with which the first administrator is
// made, where there are no users yet; "" where there are. An earlier one is good
// no more.
func (s *Service) MakeSetupLink(ctx context.Context) (token string, err error) {
	secret, hash := auth.NewSecret()
	err = s.Store.Update(ctx, func(tx auth.Tx) error {
		token = ""
		users, err := tx.Users(ctx, auth.UserFilter{Limit: 1})
		if err != nil || len(users) > 0 {
			return err
		}
		if err := tx.DropLinks(ctx, auth.LinkSetup, 0); err != nil {
			return err
		}
		token = secret
		now := s.Now()
		return tx.InsertLink(ctx, auth.Link{Hash: hash, Kind: auth.LinkSetup, CreatedAt: now, Expires: now.Add(auth.SetupLifetime)})
	})
	if err != nil {
		return "", fmt.Errorf("make a set-up link: %w", err)
	}
	return token, nil
}

// CheckSetup tells until when a set-up link is good.
func (s *Service) CheckSetup(ctx context.Context, token string) (time.Time, error) {
	l, err := s.setupLink(ctx, s.Store.Read(), token)
	return l.Expires, err
}

// setupLink finds a set-up link. None is good once there is an administrator.
func (s *Service) setupLink(ctx context.Context, from auth.Reader, token string) (auth.Link, error) {
	l, err := from.LinkByHash(ctx, auth.LinkSetup, auth.HashSecret(token), s.Now())
	if errors.Is(err, auth.ErrNotFound) {
		return auth.Link{}, linkError()
	} else if err != nil {
		return auth.Link{}, fmt.Errorf("read a link: %w", err)
	}
	n, err := from.CountAdmins(ctx, 1)
	switch {
	case err != nil:
		return auth.Link{}, fmt.Errorf("count administrators: %w", err)
	case n > 0:
		return auth.Link{}, linkError()
	}
	return l, nil
}

// SetUp spends a set-up link: the first administrator is made and signed in.
// Errors as Register's, with the field token.
func (s *Service) SetUp(ctx context.Context, token string, r Registration, c auth.Client) (session.Tokens, auth.User, error) {
	if _, err := s.setupLink(ctx, s.Store.Read(), token); err != nil {
		return session.Tokens{}, auth.User{}, err
	}
	r.Role = auth.RoleAdmin
	return s.open(ctx, r, c, auth.EventSetUp, func(ctx context.Context, tx auth.Tx, now time.Time) error {
		if err := tx.LockAdmins(ctx); err != nil {
			return err
		}
		if _, err := s.setupLink(ctx, tx, token); err != nil {
			return err
		}
		_, err := tx.SpendLink(ctx, auth.LinkSetup, auth.HashSecret(token), now)
		if errors.Is(err, auth.ErrNotFound) {
			return linkError()
		}
		return err
	})
}

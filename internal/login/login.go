package login

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/latchkey-auth/latchkey/internal/auth"
	"github.com/latchkey-auth/latchkey/internal/counters"
	"github.com/latchkey-auth/latchkey/internal/password"
	"github.com/latchkey-auth/latchkey/internal/session"
	"github.com/latchkey-auth/latchkey/internal/throttle"
)

// Options are the settings of a Service. All but Upstream are required.
type Options struct {
	Store    auth.Store
	Sessions *session.Service
	Hasher   *password.Hasher
	Throttle *throttle.Throttle
	Failures *Failures
	Now      func() time.Time
	Log      *slog.Logger
	// Upstream is asked about whom nobody knows here; nil for nobody.
	Upstream Upstream
}

// Service is the acts of signing in. It is safe for concurrent use.
type Service struct{ Options }

// New makes a Service.
func New(o Options) *Service { return &Service{o} }

// Password signs a user in by e-mail and password.
//
// An unknown e-mail, an inactive account and one without a usable password
// cost a hash like a wrong password and get the same answer at the same time,
// that of the slowest hash of any user: an error of kind BadCredentials.
// TooMany comes from the throttle, before any hash;
// Unavailable when too many passwords are being checked already. device is what
// the browser kept of the last time (throttle.Remember), "" for none.
func (s *Service) Password(ctx context.Context, email auth.Email, pw string, c auth.Client, device string) (session.Tokens, auth.User, error) {
	refused := func(err error) (session.Tokens, auth.User, error) { return session.Tokens{}, auth.User{}, err }

	u, err := s.Store.Read().UserByEmail(ctx, email.Key)
	if err != nil && !errors.Is(err, auth.ErrNotFound) {
		return refused(fmt.Errorf("look up e-mail: %w", err))
	}
	// The attempt takes its place before the hash, so that guesses made at the
	// same time cannot exceed the limit; one that ends without a verdict gives
	// it back.
	place, err := s.attempt(ctx, u.ID, email, c, device)
	if err != nil {
		return refused(err)
	}
	known := u.ID != 0
	var unsaid error // why the upstream could not say
	if !known && s.Upstream != nil {
		if u, unsaid, err = s.takeOver(ctx, email, pw, c); err != nil {
			s.giveBack(ctx, place)
			return refused(err)
		}
		place.Become(u.ID)
	}
	// Where the upstream could not say, the attempt stays counted all the same, as
	// one that failed: a wrong password of somebody who is known is a guess and
	// must count, and a count that went further with it than with an address that
	// nobody has would tell which it was (docs/throttle.md).
	//
	// end is a refusal with its time.
	end := func(err error, v password.Verdict) error {
		v.Settle(ctx)
		return s.alike(ctx, err, known, unsaid, c.Address)
	}
	verdict, err := s.Hasher.Judge(ctx, pw, u.Password)
	if err != nil {
		s.giveBack(ctx, place)
		if busy := new(password.BusyError); errors.As(err, &busy) {
			return refused(&auth.Error{Kind: auth.Unavailable, Code: auth.CodeBusy, RetryAfter: busy.RetryAfter})
		}
		return refused(fmt.Errorf("verify password: %w", err))
	}
	if !verdict.OK || !u.IsActive {
		return refused(end(s.failed(ctx, place, u.ID, c), verdict))
	}
	opening := auth.Opening{
		UserID: u.ID, CredentialVersion: u.CredentialVersion,
		Session: auth.NewSession{Client: c}, Event: auth.EventLoggedIn,
	}
	if verdict.Rehash {
		// Without a place to hash in, the upgrade waits for the next login.
		opening.Rehash, err = s.Hasher.Hash(ctx, pw)
		if busy := new(password.BusyError); err != nil && !errors.As(err, &busy) {
			s.giveBack(ctx, place)
			return refused(fmt.Errorf("hash password again: %w", err))
		}
	}
	// With the session the place is given back.
	opening.Counting = counters.Counting(place.Success())
	tokens, u, err := s.Sessions.Open(ctx, opening)
	switch {
	case auth.IsKind(err, auth.BadCredentials):
		err = end(s.failed(ctx, place, opening.UserID, c), verdict)
	case auth.IsKind(err, auth.TooMany):
		// The address was blocked meanwhile, and a wrong password gets the same.
		err = end(err, verdict)
	case err != nil:
		s.giveBack(ctx, place)
	}
	return tokens, u, err
}

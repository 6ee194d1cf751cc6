package login

import (
	"context"
	"net/netip"
	"time"

	"github.com/latchkey-auth/latchkey/internal/auth"
	"github.com/latchkey-auth/latchkey/internal/counters"
	"github.com/latchkey-auth/latchkey/internal/throttle"
)

// attempt takes a place for a guess; TooMany where there is none.
func (s *Service) attempt(ctx context.Context, userID int64, email auth.Email, c auth.Client, device string) (*throttle.Place, error) {
	addr, _ := netip.ParseAddr(c.Address)
	place, wait, err := s.Throttle.Attempt(ctx, throttle.Guess{UserID: userID, Email: email.Key, Address: addr, Device: device})
	if err == nil && place == nil {
		err = counters.TooMany(wait)
	}
	return place, err //nolint:wrapcheck // It says what it is.
}

// countTime is how long the end of an attempt may take to be counted, also for
// a client that has gone.
const countTime = 2 * time.Second

// failed counts a guess that was wrong, and gives its answer. What cannot be
// written costs the attacker his place all the same, and changes nothing else.
func (s *Service) failed(ctx context.Context, p *throttle.Place, userID int64, c auth.Client) error {
	s.Failures.Add(userID, c.Address, s.Now())
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), countTime)
	defer cancel()
	wait, err := p.Failed(ctx)
	if err != nil {
		s.Log.WarnContext(ctx, "a failed login could not be counted by its address", "error", err)
	}
	if wait > 0 {
		return counters.TooMany(wait)
	}
	return &auth.Error{Kind: auth.BadCredentials, Code: auth.CodeBadCredentials}
}

// giveBack undoes an attempt that ends without a verdict.
func (s *Service) giveBack(ctx context.Context, p *throttle.Place) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), countTime)
	defer cancel()
	if err := p.GiveBack(ctx); err != nil {
		s.Log.WarnContext(ctx, "an attempt without a verdict stays counted", "error", err)
	}
}

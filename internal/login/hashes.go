package login

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/latchkey-auth/latchkey/internal/auth"
	"github.com/latchkey-auth/latchkey/internal/password"
)

const (
	// hashesEvery is how often it is looked which hashes there are. It is a
	// step or two in an index that holds the foreign ones alone. Those that
	// come between are met at their first login.
	hashesEvery = 10 * time.Second
	// maxSteps bounds a look. Steps go over all hashes with the same costs, so
	// that a million users of one Django are two.
	maxSteps = 500
	// lookPatience bounds a look: the next one takes another connection.
	lookPatience = 30 * time.Second
	// maxAlike is how many of one Costs are taken: scrypt's r and p stand
	// behind the salt.
	maxAlike = 5
)

// FollowHashes keeps the Hasher's knowledge of which hashes there are, by which
// refusals are timed, until ctx is done.
func (s *Service) FollowHashes(ctx context.Context, log *slog.Logger) {
	tick := time.NewTicker(hashesEvery)
	defer tick.Stop()
	told := ""
	for {
		err := s.LookAtHashes(ctx)
		switch {
		case err == nil:
			told = ""
		case ctx.Err() == nil && err.Error() != told:
			told = err.Error()
			log.Warn("it could not be found out which password hashes there are; going on with what is known", "error", err)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// LookAtHashes looks once, and times the formats that are new.
func (s *Service) LookAtHashes(ctx context.Context) error {
	hashes, err := ForeignHashes(ctx, s.Store.Read())
	if err != nil {
		return fmt.Errorf("look for foreign hashes: %w", err)
	}
	return s.Hasher.Present(ctx, hashes)
}

// ForeignHashes gives a few of the stored hashes of each Costs.
func ForeignHashes(ctx context.Context, from auth.UserReader) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, lookPatience)
	defer cancel()
	var found []string
	after, costs, alike := "", "", 0
	for range maxSteps {
		next, err := from.ForeignHash(ctx, after)
		if err != nil || next == "" {
			return found, err
		}
		found = append(found, next)
		if c := password.Costs(next); c != costs {
			costs, alike = c, 0
		}
		if alike++; alike < maxAlike && password.Identify(next) == password.Scrypt {
			after = next
			continue
		}
		// Over the rest: "%" follows the "$" that costs end with.
		after = next
		if n := len(costs); costs[n-1] == '$' {
			after = costs[:n-1] + "%"
		}
	}
	return found, nil
}

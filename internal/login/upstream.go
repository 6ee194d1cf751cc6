package login

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/latchkey-auth/latchkey/internal/auth"
	"github.com/latchkey-auth/latchkey/internal/password"
)

// Upstream is the server that had the users before.
type Upstream interface {
	// Ask signs a user in there and gives who they are, all but the password.
	// BadCredentials: it refuses. Unavailable: it cannot say. It refuses no
	// earlier than Pause returns.
	Ask(ctx context.Context, email auth.Email, password, address string) (auth.ImportedUser, error)
	// Pause waits as long as a refusal of Ask's takes.
	Pause(ctx context.Context)
	// Down reports whether it cannot say to a client of this address at present,
	// and for how long.
	Down(address string) (time.Duration, bool)
}

// takeOver asks the upstream about somebody who is not known here and keeps them
// if it signs them in: with their id, and with a hash of the password that they
// have just proved. It gives the user as they are stored, the zero User where the
// upstream refuses or cannot say (unsaid), or where they were deleted here.
//
// Whoever has been taken over or imported is known, and not asked about again:
// not by another address that they had there, nor after they were shut out here.
// Of two requests at once, on one node or several, one inserts; the other finds
// what is there.
func (s *Service) takeOver(ctx context.Context, email auth.Email, pw string, c auth.Client) (u auth.User, unsaid, err error) {
	if len(pw) > password.MaxLength {
		s.Upstream.Pause(ctx) // Nobody has such a password.
		return u, nil, nil
	}
	found, err := s.Upstream.Ask(ctx, email, pw, c.Address)
	switch {
	case auth.IsKind(err, auth.BadCredentials):
		return u, nil, nil
	case auth.IsKind(err, auth.Unavailable):
		return u, err, nil
	case err != nil:
		return u, nil, err
	}
	if found.Password, err = s.Hasher.Hash(ctx, pw); err != nil {
		if busy := new(password.BusyError); errors.As(err, &busy) {
			return u, nil, &auth.Error{Kind: auth.Unavailable, Code: auth.CodeBusy, RetryAfter: busy.RetryAfter}
		}
		return u, nil, fmt.Errorf("hash the password of a user who is taken over: %w", err)
	}
	now := s.Now()
	var refused []int64
	err = s.Store.Update(ctx, func(tx auth.Tx) error {
		var err error
		if refused, err = tx.InsertImported(ctx, []auth.ImportedUser{found}, now); err != nil || len(refused) > 0 {
			return err
		}
		// The next who registers must not be given the id of somebody who is
		// still to come.
		if err := tx.RaiseUserIDs(ctx, found.ID); err != nil {
			return err
		}
		return tx.InsertEvent(ctx, auth.Event{
			At: now, Kind: auth.EventTakenOver, UserID: found.ID, ActorID: found.ID, Client: c, Count: 1, Detail: "django.upstream",
		})
	})
	if err != nil {
		return u, nil, fmt.Errorf("take a user over: %w", err)
	}
	u, err = s.Store.Read().UserByEmail(ctx, email.Key)
	switch {
	case errors.Is(err, auth.ErrNotFound):
		// Deleted here, or here under another address, or the id is somebody
		// else's: the log tells which id, and nobody is let in.
		s.Log.WarnContext(ctx, "a user whom the Django signs in is not taken over: the id is taken, or was deleted here", "user", found.ID)
		return auth.User{}, nil, nil
	case err != nil:
		return auth.User{}, nil, fmt.Errorf("look up e-mail: %w", err)
	}
	return u, nil, nil
}

// alike makes a refusal the same for who is known here and who is not, also while
// the upstream cannot say: then nobody is told that they are wrong, since half of
// them may not be, and the other half must not be told from them. When to come
// again is told of one moment, too.
func (s *Service) alike(ctx context.Context, err error, known bool, unsaid error, address string) error {
	if s.Upstream == nil {
		return err
	}
	if known {
		s.Upstream.Pause(ctx)
	}
	if !auth.IsKind(err, auth.BadCredentials) {
		return err
	}
	if wait, down := s.Upstream.Down(address); down {
		return &auth.Error{Kind: auth.Unavailable, Code: auth.CodeBusy, RetryAfter: wait}
	}
	if unsaid != nil {
		return unsaid
	}
	return err
}

package account

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/latchkey-auth/latchkey/internal/auth"
	"github.com/latchkey-auth/latchkey/internal/breach"
	"github.com/latchkey-auth/latchkey/internal/counters"
	"github.com/latchkey-auth/latchkey/internal/password"
	"github.com/latchkey-auth/latchkey/internal/session"
	"github.com/latchkey-auth/latchkey/internal/throttle"
)

// Options are the settings of a Service. All but Breach are required.
type Options struct {
	Store    auth.Store
	Sessions *session.Service
	// Revoked is told of revocations after their commit and before the answer.
	Revoked *session.Revoked
	Hasher  *password.Hasher
	Policy  *password.Policy
	// Breach knows breached passwords; nil knows none.
	Breach   *breach.Checker
	Throttle *throttle.Throttle
	// Failures counts wrong passwords for the audit trail.
	Failures Failures
	// RegistrationRoles are the roles that the public may register with.
	RegistrationRoles []auth.Role
	Now               func() time.Time
}

// Failures is told of each wrong password.
type Failures interface {
	Add(userID int64, address string, at time.Time)
}

// Service is the acts on accounts. It is safe for concurrent use.
type Service struct {
	Options
	counted counted
}

// New makes a Service.
func New(o Options) *Service {
	return &Service{Options: o, counted: counted{last: map[int]Stats{}, at: map[int]time.Time{}}}
}

// MayRegister reports whether caller, nil for the public, may register an
// account with this role (design.md: anybody registering as admin is the
// guide's privilege escalation).
func (s *Service) MayRegister(role auth.Role, caller *auth.User) bool {
	return slices.Contains(s.RegistrationRoles, role) || caller != nil && caller.Role.CanTo(auth.UsersCreate, role) && caller.Role.CanTo(auth.UsersGrant, role)
}

// Register makes an account and opens its first session, in one commit.
//
// Errors: Invalid with the fields email and password, TooMany for an address
// that registers too much, Unavailable when too many passwords are being
// hashed.
func (s *Service) Register(ctx context.Context, r Registration, c auth.Client) (session.Tokens, auth.User, error) {
	return s.open(ctx, r, c, auth.EventRegistered, nil)
}

// open makes an account and its first session. first, if there is one, is what
// the transaction begins with.
func (s *Service) open(ctx context.Context, r Registration, c auth.Client, event auth.EventKind,
	first func(context.Context, auth.Tx, time.Time) error,
) (session.Tokens, auth.User, error) {
	// Before anything is looked up: the answer tells who is registered.
	addr, _ := netip.ParseAddr(c.Address)
	if wait, ok := s.Throttle.Register(addr); !ok {
		return session.Tokens{}, auth.User{}, &auth.Error{Kind: auth.TooMany, Code: auth.CodeThrottled, RetryAfter: wait}
	}
	var fields auth.Fields
	switch _, err := s.Store.Read().UserByEmail(ctx, r.Email.Key); {
	case err == nil:
		fields.Add("email", auth.Problem{Code: auth.CodeEmailTaken})
	case !errors.Is(err, auth.ErrNotFound):
		return session.Tokens{}, auth.User{}, fmt.Errorf("look up e-mail: %w", err)
	}
	if r.Password != r.Password2 {
		fields.Add("password", auth.Problem{Code: auth.CodePasswordMismatch})
	} else {
		problems, err := s.passwordProblems(ctx, r.Password, r.Email.Shown, r.FirstName, r.LastName, r.Phone)
		if err != nil {
			return session.Tokens{}, auth.User{}, err
		}
		fields.Add("password", problems...)
	}
	if err := fields.Err(); err != nil {
		return session.Tokens{}, auth.User{}, err
	}
	encoded, err := s.unreported(ctx, r.Password)
	if err != nil {
		return session.Tokens{}, auth.User{}, err
	}
	var (
		u     auth.User
		row   auth.Session
		now   = s.Now()
		draft = s.Sessions.Draft(now, c)
	)
	err = s.Store.Update(ctx, func(tx auth.Tx) error {
		var err error
		if first != nil {
			if err = first(ctx, tx, now); err != nil {
				return err
			}
		}
		if u, err = tx.InsertUser(ctx, auth.NewUser{
			Email: r.Email, FirstName: r.FirstName, LastName: r.LastName, Phone: r.Phone,
			Role: r.Role, Password: encoded, IsActive: true,
		}, now); err != nil {
			return err
		}
		if row, err = tx.InsertSession(ctx, u.ID, draft, now); err != nil {
			return err
		}
		if err = counters.Apply(ctx, tx, s.Throttle.Known(u.ID, addr)); err != nil {
			return err
		}
		return tx.InsertEvent(ctx, auth.Event{
			At: now, Kind: event, UserID: u.ID, ActorID: u.ID, SessionID: row.ID, Client: c,
		})
	})
	if err != nil {
		return session.Tokens{}, auth.User{}, insertError(err)
	}
	return s.Sessions.Mint(u, row, now), u, nil
}

// insertError makes of a lost race for an e-mail what the check before it
// would have said.
func insertError(err error) error {
	if errors.Is(err, auth.ErrEmailTaken) {
		var fields auth.Fields
		fields.Add("email", auth.Problem{Code: auth.CodeEmailTaken})
		return fields.Err()
	}
	if told(err) {
		return err
	}
	return fmt.Errorf("insert user: %w", err)
}

// Create makes an account without opening a session: what an operator does.
// Errors as Register's, without the throttle.
func (s *Service) Create(ctx context.Context, a NewAccount) (auth.User, error) {
	encoded, err := s.acceptable(ctx, a.Password, a.Email.Shown, a.FirstName, a.LastName, a.Phone)
	if err != nil {
		return auth.User{}, err
	}
	var u auth.User
	now := s.Now()
	err = s.Store.Update(ctx, func(tx auth.Tx) error {
		var err error
		if u, err = tx.InsertUser(ctx, auth.NewUser{
			Email: a.Email, FirstName: a.FirstName, LastName: a.LastName, Phone: a.Phone,
			Role: a.Role, Password: encoded, IsActive: true,
		}, now); err != nil {
			return err
		}
		return tx.InsertEvent(ctx, auth.Event{At: now, Kind: auth.EventUserCreated, UserID: u.ID, Detail: string(a.Role)})
	})
	if err != nil {
		return auth.User{}, insertError(err)
	}
	return u, nil
}

// UpdateProfile changes the caller's own fields. Without a field it changes
// nothing and gives the profile as it is.
func (s *Service) UpdateProfile(ctx context.Context, a session.Access, p Profile, c auth.Client) (auth.User, error) {
	var changed []string
	for name, field := range map[string]*string{"first_name": p.FirstName, "last_name": p.LastName, "phone": p.Phone} {
		if field != nil {
			changed = append(changed, name)
		}
	}
	if len(changed) == 0 {
		return s.Sessions.User(ctx, a)
	}
	slices.Sort(changed)
	var u auth.User
	now := s.Now()
	err := s.Store.Update(ctx, func(tx auth.Tx) error {
		var err error
		u, err = tx.UpdateUser(ctx, a.UserID, auth.UserChange{
			FirstName: p.FirstName, LastName: p.LastName, Phone: p.Phone, Touch: true,
		}, now)
		switch {
		case errors.Is(err, auth.ErrNotFound):
			return auth.TokenError(auth.CodeUserNotFound)
		case err != nil:
			return err
		case !u.IsActive:
			return auth.TokenError(auth.CodeUserInactive)
		case a.OutlivedBy(u):
			return auth.TokenRefused(auth.RefusedRevoked)
		}
		return tx.InsertEvent(ctx, auth.Event{
			At: now, Kind: auth.EventProfileChanged, UserID: u.ID, ActorID: u.ID,
			SessionID: a.SessionID, Client: c, Detail: strings.Join(changed, ", "),
		})
	})
	if err != nil && !auth.IsKind(err, auth.TokenNotValid) {
		err = fmt.Errorf("update profile of user %d: %w", a.UserID, err)
	}
	return u, err
}

// ChangePassword changes the caller's own password, ends every other session
// and every token that Django minted for the account, and gives how many
// sessions it ended. The caller's session goes on.
//
// Errors: Invalid with the fields old_password and password; TooMany, since
// guesses at the old password are counted by session; Unavailable when too many
// passwords are being hashed; Conflict when the password was changed meanwhile.
func (s *Service) ChangePassword(ctx context.Context, a session.Access, p PasswordChange, c auth.Client) (_ int, err error) {
	u, place, right, err := s.prove(ctx, a, p.Old, c)
	if err != nil {
		return 0, err
	}
	// With the change the place is given back; without it, here. Not where the new
	// password was looked up elsewhere: the session's limit is what bounds that.
	reported := false
	defer func() {
		if right && err != nil && !reported {
			s.giveBack(ctx, place)
		}
	}()
	var fields auth.Fields
	if !right {
		fields.Add("old_password", auth.Problem{Code: auth.CodeOldPassword})
	}
	if p.New != p.New2 {
		fields.Add("password", auth.Problem{Code: auth.CodePasswordMismatch})
	} else {
		problems, err := s.passwordProblems(ctx, p.New, u.Email, u.FirstName, u.LastName, u.Phone)
		if err != nil {
			return 0, err
		}
		fields.Add("password", problems...)
	}
	if err := fields.Err(); err != nil {
		return 0, err
	}
	encoded, err := s.unreported(ctx, p.New)
	if err != nil {
		reported = auth.IsKind(err, auth.Invalid)
		return 0, err
	}
	var ended []string
	err = s.change(ctx, auth.Event{
		Kind: auth.EventPasswordChanged, UserID: u.ID, ActorID: u.ID, SessionID: a.SessionID, Client: c,
	}, func(ctx context.Context, tx auth.Tx, now time.Time) ([]auth.Revocation, string, error) {
		// The no-op change locks the row; the caller is judged by what it was.
		// The version was read before hashing: of two changes at once one is told.
		locked, err := tx.UpdateUser(ctx, u.ID, auth.UserChange{IfCredentialVersion: &u.CredentialVersion}, now)
		if err = a.StillGood(ctx, tx, locked, err); err != nil {
			return nil, "", err
		}
		if _, err = tx.UpdateUser(ctx, u.ID, auth.UserChange{Password: &encoded, SetValidAfter: true}, now); err != nil {
			return nil, "", err
		}
		if err = tx.DropLinks(ctx, auth.LinkReset, u.ID); err != nil {
			return nil, "", err
		}
		var rows []auth.Revocation
		if ended, rows, err = session.EndAllBut(ctx, tx, a, now); err != nil {
			return nil, "", err
		}
		if _, err = tx.ConfirmSession(ctx, u.ID, a.SessionID, now); err != nil {
			return nil, "", err
		}
		if err = counters.Apply(ctx, tx, place.Success()); err != nil {
			return nil, "", err
		}
		return rows, fmt.Sprintf("sessions ended: %d", len(ended)), err
	})
	return len(ended), err
}

// Events gives what happened on the caller's account, the newest first: at most
// limit events, and with before not 0 those with a smaller id. own leaves out
// what others did there.
func (s *Service) Events(ctx context.Context, a session.Access, own bool, before int64, limit int) ([]auth.Event, error) {
	all, err := s.Store.Read().Events(ctx, auth.EventFilter{UserID: a.UserID, Own: own, Before: before, Limit: limit})
	if err != nil {
		return nil, fmt.Errorf("read events of user %d: %w", a.UserID, err)
	}
	return all, nil
}

// SetPassword gives an account a new password and signs it out everywhere: an
// operator's act. Tokens without a session that were issued until now are dead
// too.
func (s *Service) SetPassword(ctx context.Context, userID int64, pw string) error {
	u, err := s.Store.Read().UserByID(ctx, userID)
	if err != nil {
		return fmt.Errorf("read user %d: %w", userID, err)
	}
	encoded, err := s.acceptable(ctx, pw, u.Email, u.FirstName, u.LastName, u.Phone)
	if err != nil {
		return err
	}
	return s.change(ctx, auth.Event{Kind: auth.EventPasswordChanged, UserID: userID}, func(ctx context.Context, tx auth.Tx, now time.Time) ([]auth.Revocation, string, error) {
		if _, err := tx.UpdateUser(ctx, userID, auth.UserChange{Password: &encoded, SetValidAfter: true}, now); err != nil {
			return nil, "", err
		}
		if err := tx.DropLinks(ctx, auth.LinkReset, userID); err != nil {
			return nil, "", err
		}
		ended, err := tx.RevokeSessions(ctx, userID, "", now)
		if err != nil {
			return nil, "", err
		}
		return signedOut(userID, ended, now), "", s.liftGuesses(ctx, tx, userID)
	})
}

// EndAllSessions signs everybody out and gives the number of sessions ended.
// why is the event's kind: an operator's act or a restored backup.
func (s *Service) EndAllSessions(ctx context.Context, why auth.EventKind) (int64, error) {
	var n int64
	err := s.change(ctx, auth.Event{Kind: why}, func(ctx context.Context, tx auth.Tx, now time.Time) ([]auth.Revocation, string, error) {
		var err error
		n, err = tx.EndAll(ctx, now)
		return []auth.Revocation{{Kind: auth.RevokedAll, IssuedBefore: now.Unix()}}, fmt.Sprintf("%d sessions", n), err
	})
	return n, err
}

// errUnchanged ends a transaction that found nothing to do.
var errUnchanged = errors.New("nothing to change")

// generation is the row that kills the access tokens of before u.Gen.
func generation(u auth.User, now time.Time) []auth.Revocation {
	return []auth.Revocation{{
		Kind: auth.RevokedUser, Key: strconv.FormatInt(u.ID, 10), Gen: u.Gen, IssuedBefore: now.Unix(),
	}}
}

// signedOut are the rows that kill the access tokens of a user whose sessions
// were ended, and those without a session that were issued until now.
func signedOut(userID int64, ended []string, now time.Time) []auth.Revocation {
	rows := []auth.Revocation{{Kind: auth.RevokedUser, Key: strconv.FormatInt(userID, 10), IssuedBefore: now.Unix()}}
	for _, id := range ended {
		rows = append(rows, auth.Revocation{Kind: auth.RevokedSession, Key: id})
	}
	return rows
}

// change runs an act on one account: the change itself, its event, and its
// revocations.
func (s *Service) change(ctx context.Context, event auth.Event,
	act func(context.Context, auth.Tx, time.Time) ([]auth.Revocation, string, error),
) error {
	err := s.commit(ctx, func(ctx context.Context, tx auth.Tx, now time.Time) ([]auth.Revocation, error) {
		rows, detail, err := act(ctx, tx, now)
		if err != nil {
			return nil, err
		}
		event.At, event.Detail = now, detail
		return rows, tx.InsertEvent(ctx, event)
	})
	if err != nil && !told(err) {
		err = fmt.Errorf("%s of user %d: %w", event.Kind, event.UserID, err)
	}
	return err
}

// commit runs an act in a transaction, with its revocations last, since the
// clock is the last lock; after the commit they are applied here.
func (s *Service) commit(ctx context.Context, act func(context.Context, auth.Tx, time.Time) ([]auth.Revocation, error)) error {
	var written []auth.Revocation
	now := s.Now()
	err := s.Store.Update(ctx, func(tx auth.Tx) error {
		rows, err := act(ctx, tx, now)
		written = nil
		if err == nil && len(rows) > 0 {
			written, err = tx.Revoke(ctx, rows...)
		}
		return err
	})
	if err == nil {
		s.Revoked.Apply(written...)
	}
	// Whatever was refused or found done already somebody else may have done,
	// and this node may not know of it yet; nor of a session that somebody else
	// has just ended and that is not among these rows.
	s.Revoked.CatchUp(ctx)
	if errors.Is(err, errUnchanged) {
		return nil
	}
	return err
}

// told reports whether an error is an answer, not a failure.
func told(err error) bool {
	var e *auth.Error
	return errors.As(err, &e)
}

func (s *Service) hash(ctx context.Context, pw string) (string, error) {
	encoded, err := s.Hasher.Hash(ctx, pw)
	if err != nil {
		return "", hashError(err, "hash")
	}
	return encoded, nil
}

// hashError says what kept a password from being hashed or verified.
func hashError(err error, what string) error {
	if busy := new(password.BusyError); errors.As(err, &busy) {
		return &auth.Error{Kind: auth.Unavailable, Code: auth.CodeBusy, RetryAfter: busy.RetryAfter}
	}
	return fmt.Errorf("%s password: %w", what, err)
}

// acceptable gives the encoded hash of a password that has no problems.
func (s *Service) acceptable(ctx context.Context, pw, email, firstName, lastName, phone string) (string, error) {
	problems, err := s.passwordProblems(ctx, pw, email, firstName, lastName, phone)
	if err != nil {
		return "", err
	}
	var fields auth.Fields
	fields.Add("password", problems...)
	if err := fields.Err(); err != nil {
		return "", err
	}
	return s.unreported(ctx, pw)
}

// unreported gives the encoded hash of a password that passwordProblems found
// nothing in, unless the range API knows it. It is asked as late as this, so that
// nobody makes the server ask it more often than they may register, say; and
// before there is a place among the hashes or a transaction that would wait.
func (s *Service) unreported(ctx context.Context, pw string) (string, error) {
	reported, err := s.Breach.Reported(ctx, pw)
	if err != nil {
		return "", breachError(err)
	}
	if reported {
		var fields auth.Fields
		fields.Add("password", auth.Problem{Code: auth.CodePasswordBreached})
		return "", fields.Err()
	}
	return s.hash(ctx, pw)
}

// breachError says that a password cannot be judged now.
func breachError(err error) error {
	if errors.Is(err, breach.ErrUnknown) {
		return &auth.Error{Kind: auth.Unavailable, Code: auth.CodeBreachUnknown, RetryAfter: breachRetry}
	}
	return fmt.Errorf("look for breached passwords: %w", err)
}

// breachRetry is when it is worth asking again whether a password was breached.
const breachRetry = 30 * time.Second

// passwordProblems asks the validators, and then whether the password was
// breached; names in the order of Django's DEFAULT_USER_ATTRIBUTES.
func (s *Service) passwordProblems(ctx context.Context, pw, email, firstName, lastName, phone string) ([]auth.Problem, error) {
	var out []auth.Problem
	for _, p := range s.Policy.Validate(pw,
		password.Attribute{Name: "first name", Value: firstName},
		password.Attribute{Name: "last name", Value: lastName},
		password.Attribute{Name: "email address", Value: email},
	) {
		out = append(out, auth.Problem{Code: auth.Code(p.Code), Params: p.Params})
	}
	if len(out) == 0 && password.HoldsNumber(pw, phone) {
		out = append(out, auth.Problem{Code: auth.CodePasswordSimilar, Params: []any{"phone"}})
	}
	if len(out) > 0 {
		return out, nil
	}
	listed, err := s.Breach.Listed(ctx, pw)
	switch {
	case err != nil:
		return nil, breachError(err)
	case listed:
		out = append(out, auth.Problem{Code: auth.CodePasswordBreached})
	}
	return out, nil
}

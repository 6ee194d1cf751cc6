package account

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/latchkey-auth/latchkey/internal/auth"
	"github.com/latchkey-auth/latchkey/internal/password"
	"github.com/latchkey-auth/latchkey/internal/session"
)

// Actor is who acts on somebody's account: a user who has shown an access
// token. A nil *Actor is the operator at the command line, who may do all but
// take the last active administrator away.
type Actor struct {
	session.Access
	Client auth.Client
	// Confirmed says that the actor has proved the password of late
	// (session.Confirmed). It is asked for by acts that give power or the way into
	// an account: who gets a role that administers, and another e-mail address.
	Confirmed bool
}

// needConfirmed refuses an actor who has not. The command line is trusted.
func (by *Actor) needConfirmed() error {
	if by != nil && !by.Confirmed {
		return auth.ErrUnconfirmed
	}
	return nil
}

// id is what events have for the actor.
func (by *Actor) id() int64 {
	if by == nil {
		return 0
	}
	return by.UserID
}

// event is an event of the actor's doing.
func (by *Actor) event(kind auth.EventKind, userID int64, now time.Time) auth.Event {
	e := auth.Event{At: now, Kind: kind, UserID: userID, ActorID: by.id()}
	if by != nil {
		e.Client = by.Client
	}
	return e
}

// scene is a transaction in which an actor and the account that is acted on are
// locked and as they are.
type scene struct {
	auth.Tx
	now  time.Time
	by   *Actor
	role auth.Role // the actor's, now
	user auth.User // whom it is about
}

// need refuses unless the actor has a permission towards users of each role.
func (s *scene) need(p auth.Permission, whom ...auth.Role) error {
	if s.by == nil {
		return nil
	}
	for _, role := range whom {
		if !s.role.CanTo(p, role) {
			return auth.ErrForbidden
		}
	}
	return nil
}

// administer runs an act on one account. Whether the actor may is judged by what
// it and the account are inside of the transaction, both locked: of two
// administrators who demote each other at once, the second is none any more.
//
// guarded acts may take an administrator away; they come one after the other.
func (s *Service) administer(ctx context.Context, by *Actor, userID int64, p auth.Permission, guarded bool,
	act func(ctx context.Context, in *scene) ([]auth.Revocation, error),
) error {
	err := s.commit(ctx, func(ctx context.Context, tx auth.Tx, now time.Time) ([]auth.Revocation, error) {
		if guarded {
			if err := tx.LockAdmins(ctx); err != nil {
				return nil, err
			}
		}
		in := &scene{Tx: tx, now: now, by: by}
		if err := in.lock(ctx, userID); err != nil {
			return nil, err
		}
		if err := in.need(p, in.user.Role); err != nil {
			return nil, err
		}
		return act(ctx, in)
	})
	if err != nil && !told(err) {
		err = fmt.Errorf("%s of user %d: %w", p, userID, err)
	}
	return err
}

// lock locks actor and account in the order of their ids, by changes of
// nothing, and judges the actor's token again.
func (s *scene) lock(ctx context.Context, userID int64) error {
	ids := []int64{userID}
	if s.by != nil && s.by.UserID != userID {
		ids = append(ids, s.by.UserID)
		slices.Sort(ids)
	}
	var missing error
	for _, id := range ids {
		u, err := s.UpdateUser(ctx, id, auth.UserChange{}, s.now)
		if s.by != nil && id == s.by.UserID {
			if err := s.by.StillGood(ctx, s.Tx, u, err); err != nil {
				return err
			}
			s.role = u.Role
		}
		if id != userID {
			continue
		}
		switch {
		case errors.Is(err, auth.ErrNotFound):
			missing = err // Only those who may look are told.
		case err != nil:
			return err
		}
		s.user = u
	}
	if missing == nil && s.by != nil && userID != s.by.UserID && !s.role.CanTo(auth.UsersRead, s.user.Role) {
		return auth.ErrNotFound
	}
	return missing
}

// keepAdmin refuses to take the last active administrator away. The guard is
// held, so that what is counted stays so.
func (s *scene) keepAdmin(ctx context.Context) error {
	if s.user.Role != auth.RoleAdmin || !s.user.IsActive {
		return nil
	}
	n, err := s.CountAdmins(ctx, 2)
	if err == nil && n < 2 {
		err = auth.ErrLastAdmin
	}
	return err
}

// deactivate shuts the account. The user's row is locked.
func (s *scene) deactivate(ctx context.Context) ([]auth.Revocation, error) {
	if err := s.keepAdmin(ctx); err != nil {
		return nil, err
	}
	inactive := false
	u, err := s.UpdateUser(ctx, s.user.ID, auth.UserChange{IsActive: &inactive, RaiseGen: true, SetValidAfter: true, Touch: true}, s.now)
	if err != nil {
		return nil, err
	}
	if err := s.DropLinks(ctx, auth.LinkReset, u.ID); err != nil {
		return nil, err
	}
	s.user = u
	if _, err = s.RevokeSessions(ctx, u.ID, "", s.now); err != nil {
		return nil, err
	}
	return generation(u, s.now), s.InsertEvent(ctx, s.by.event(auth.EventDeactivated, u.ID, s.now))
}

// activate opens the account again.
func (s *scene) activate(ctx context.Context) error {
	active := true
	u, err := s.UpdateUser(ctx, s.user.ID, auth.UserChange{IsActive: &active, Touch: true}, s.now)
	if err != nil {
		return err
	}
	s.user = u
	return s.InsertEvent(ctx, s.by.event(auth.EventActivated, u.ID, s.now))
}

// setRole changes what the user may do, from the next request on: access tokens
// that carry the old role are dead, the sessions go on.
func (s *scene) setRole(ctx context.Context, role auth.Role) ([]auth.Revocation, error) {
	before := s.user.Role
	if err := s.need(auth.UsersGrant, before, role); err != nil {
		return nil, err
	}
	if role.Administers() {
		if err := s.by.needConfirmed(); err != nil {
			return nil, err
		}
	}
	if role != auth.RoleAdmin {
		if err := s.keepAdmin(ctx); err != nil {
			return nil, err
		}
	}
	u, err := s.UpdateUser(ctx, s.user.ID, auth.UserChange{Role: &role, RaiseGen: true, Touch: true}, s.now)
	if err != nil {
		return nil, err
	}
	s.user = u
	e := s.by.event(auth.EventRoleChanged, u.ID, s.now)
	e.Detail = fmt.Sprintf("%s -> %s", before, role)
	e.Changes = []auth.Change{{Field: "role", Before: string(before), After: string(role)}}
	return generation(u, s.now), s.InsertEvent(ctx, e)
}

// UserOf gives an account as caller may see it: the own one, and those that the
// role may read. Anything else is ErrNotFound.
func (s *Service) UserOf(ctx context.Context, caller auth.User, userID int64) (auth.User, error) {
	if caller.ID != userID && !caller.Role.Can(auth.UsersRead) {
		return auth.User{}, auth.ErrNotFound
	}
	u, err := s.Store.Read().UserByID(ctx, userID)
	switch {
	case errors.Is(err, auth.ErrNotFound):
		return auth.User{}, auth.ErrNotFound
	case err != nil:
		return auth.User{}, fmt.Errorf("read user %d: %w", userID, err)
	case caller.ID != userID && !caller.Role.CanTo(auth.UsersRead, u.Role):
		return auth.User{}, auth.ErrNotFound
	}
	return u, nil
}

// Users gives a page of users. The caller has UsersRead.
func (s *Service) Users(ctx context.Context, search auth.UserSearch) (auth.UserPage, error) {
	page, err := s.Store.Read().SearchUsers(ctx, search)
	if err != nil {
		return auth.UserPage{}, fmt.Errorf("search users: %w", err)
	}
	return page, nil
}

// SessionsOf gives a user's live sessions, the newest first: ErrNotFound and
// ErrForbidden as their role says.
func (s *Service) SessionsOf(ctx context.Context, caller auth.User, userID int64) ([]auth.Session, error) {
	if err := s.mayLookInto(ctx, caller, userID); err != nil {
		return nil, err
	}
	all, err := s.Store.Read().Sessions(ctx, userID, s.Now())
	if err != nil {
		return nil, fmt.Errorf("list sessions of user %d: %w", userID, err)
	}
	return all, nil
}

// mayLookInto asks for UsersHistory towards a user.
func (s *Service) mayLookInto(ctx context.Context, caller auth.User, userID int64) error {
	u, err := s.UserOf(ctx, caller, userID)
	if err == nil && !caller.Role.CanTo(auth.UsersHistory, u.Role) {
		err = auth.ErrForbidden
	}
	return err
}

// Audit gives events as caller may see them: everybody's with AuditRead, else
// those of one user with UsersHistory towards them.
func (s *Service) Audit(ctx context.Context, caller auth.User, f auth.AuditFilter) ([]auth.AuditEvent, error) {
	if !caller.Role.Can(auth.AuditRead) {
		if f.UserID == 0 {
			return nil, auth.ErrForbidden
		}
		if err := s.mayLookInto(ctx, caller, f.UserID); err != nil {
			return nil, err
		}
	}
	all, err := s.Store.Read().Audit(ctx, f)
	if err != nil {
		return nil, fmt.Errorf("read the audit trail: %w", err)
	}
	return all, nil
}

// Version names the state of an account that an edit replaces: an entity tag
// (RFC 9110, section 8.8.3) without its quotes.
func Version(u auth.User) string {
	h := sha256.New()
	fmt.Fprintf(h, "%d %d %t %s %q %q %q %q", u.ID, u.UpdatedAt.UnixMicro(), u.IsActive, u.Role, u.Email, u.FirstName, u.LastName, u.Phone)
	return base64.RawURLEncoding.EncodeToString(h.Sum(nil)[:12])
}

// Draft is an account that somebody else makes. It has no password: the one
// whose account it is sets it by a link (ASVS 6.4.6: who administers chooses
// nobody's password).
type Draft struct {
	Email               auth.Email
	FirstName, LastName string
	Phone               string
	Role                auth.Role
	IsActive            bool
}

// CreateUser makes an account that nobody can sign in to before a password is
// set. Errors: ErrForbidden, ErrUnconfirmed, Invalid with the field email.
func (s *Service) CreateUser(ctx context.Context, by *Actor, d Draft) (auth.User, error) {
	var u auth.User
	unusable := password.MakeUnusable()
	err := s.commit(ctx, func(ctx context.Context, tx auth.Tx, now time.Time) ([]auth.Revocation, error) {
		if by != nil {
			caller, err := tx.UpdateUser(ctx, by.UserID, auth.UserChange{}, now)
			if err := by.StillGood(ctx, tx, caller, err); err != nil {
				return nil, err
			}
			if !caller.Role.CanTo(auth.UsersCreate, d.Role) || !caller.Role.CanTo(auth.UsersGrant, d.Role) {
				return nil, auth.ErrForbidden
			}
		}
		if d.Role.Administers() {
			if err := by.needConfirmed(); err != nil {
				return nil, err
			}
		}
		var err error
		if u, err = tx.InsertUser(ctx, auth.NewUser{
			Email: d.Email, FirstName: d.FirstName, LastName: d.LastName, Phone: d.Phone,
			Role: d.Role, Password: unusable, IsActive: d.IsActive,
		}, now); err != nil {
			return nil, err
		}
		e := by.event(auth.EventUserCreated, u.ID, now)
		e.Detail = string(d.Role)
		e.Changes = []auth.Change{
			{Field: "email", After: u.Email},
			{Field: "first_name", After: u.FirstName},
			{Field: "last_name", After: u.LastName},
			{Field: "phone", After: u.Phone},
			{Field: "role", After: string(u.Role)},
			{Field: "is_active", After: strconv.FormatBool(u.IsActive)},
		}
		return nil, tx.InsertEvent(ctx, e)
	})
	switch {
	case errors.Is(err, auth.ErrEmailTaken):
		return auth.User{}, insertError(err)
	case err != nil && !told(err):
		return auth.User{}, fmt.Errorf("create a user: %w", err)
	}
	return u, err
}

// Edit is a change of an account; nil leaves a field as it is.
type Edit struct {
	Email                      *auth.Email
	FirstName, LastName, Phone *string
	Role                       *auth.Role
	IsActive                   *bool
}

// EditUser changes an account. With versions it does so only if the account is
// in one of these states (see Version), else the answer is ErrStale. An edit
// that changes nothing writes nothing.
//
// Errors: ErrNotFound, ErrForbidden, ErrUnconfirmed, ErrStale, ErrLastAdmin,
// Invalid with the field email.
func (s *Service) EditUser(ctx context.Context, by *Actor, userID int64, edit Edit, versions []string) (auth.User, error) {
	var u auth.User
	guarded := edit.Role != nil && *edit.Role != auth.RoleAdmin || edit.IsActive != nil && !*edit.IsActive
	err := s.administer(ctx, by, userID, auth.UsersEdit, guarded, func(ctx context.Context, in *scene) ([]auth.Revocation, error) {
		if len(versions) > 0 && !slices.Contains(versions, Version(in.user)) {
			return nil, auth.ErrStale
		}
		rows, err := in.edit(ctx, edit)
		u = in.user
		return rows, err
	})
	if errors.Is(err, auth.ErrEmailTaken) {
		err = insertError(err)
	}
	return u, err
}

// edit makes an edit's changes, each with the event of its kind. The role comes
// before the state: an edit that opens an account and takes its role is judged
// by what it ends in.
func (s *scene) edit(ctx context.Context, edit Edit) ([]auth.Revocation, error) {
	if err := s.editFields(ctx, edit); err != nil {
		return nil, err
	}
	var rows []auth.Revocation
	if edit.Role != nil && *edit.Role != s.user.Role {
		more, err := s.setRole(ctx, *edit.Role)
		if err != nil {
			return nil, err
		}
		rows = append(rows, more...)
	}
	if edit.IsActive == nil || *edit.IsActive == s.user.IsActive {
		return rows, nil
	}
	if err := s.need(auth.UsersDeactivate, s.user.Role); err != nil {
		return nil, err
	}
	if *edit.IsActive {
		return rows, s.activate(ctx)
	}
	more, err := s.deactivate(ctx)
	return append(rows, more...), err
}

// editFields changes what is neither role nor state.
func (s *scene) editFields(ctx context.Context, edit Edit) error {
	before := s.user
	change := auth.UserChange{Touch: true}
	var changes []auth.Change
	differ := func(field, from string, to *string) bool {
		if to == nil || *to == from {
			return false
		}
		changes = append(changes, auth.Change{Field: field, Before: from, After: *to})
		return true
	}
	if edit.Email != nil && differ("email", before.Email, &edit.Email.Shown) {
		if err := s.by.needConfirmed(); err != nil {
			return err // ASVS 7.5.1
		}
		change.Email = edit.Email
	}
	if differ("first_name", before.FirstName, edit.FirstName) {
		change.FirstName = edit.FirstName
	}
	if differ("last_name", before.LastName, edit.LastName) {
		change.LastName = edit.LastName
	}
	if differ("phone", before.Phone, edit.Phone) {
		change.Phone = edit.Phone
	}
	if len(changes) == 0 {
		return nil
	}
	u, err := s.UpdateUser(ctx, before.ID, change, s.now)
	if err != nil {
		return err
	}
	if change.Email != nil {
		// It was made for whoever reads the old address.
		if err := s.DropLinks(ctx, auth.LinkReset, u.ID); err != nil {
			return err
		}
	}
	s.user = u
	e := s.by.event(auth.EventUserChanged, u.ID, s.now)
	e.Changes = changes
	return s.InsertEvent(ctx, e)
}

// SetRole changes what a user may do, from the next request on.
func (s *Service) SetRole(ctx context.Context, by *Actor, userID int64, role auth.Role) error {
	return s.administer(ctx, by, userID, auth.UsersGrant, true, func(ctx context.Context, in *scene) ([]auth.Revocation, error) {
		if in.user.Role == role {
			return nil, errUnchanged
		}
		return in.setRole(ctx, role)
	})
}

// Deactivate is SetActive for those who do not ask what became of it.
func (s *Service) Deactivate(ctx context.Context, by *Actor, userID int64) error {
	_, err := s.SetActive(ctx, by, userID, false)
	return err
}

// Activate is SetActive, too.
func (s *Service) Activate(ctx context.Context, by *Actor, userID int64) error {
	_, err := s.SetActive(ctx, by, userID, true)
	return err
}

// SetActive shuts an account or opens it again. A shut one has no login, every
// session of it is ended and every access token dead; opening it restores none.
func (s *Service) SetActive(ctx context.Context, by *Actor, userID int64, active bool) (auth.User, error) {
	var u auth.User
	err := s.administer(ctx, by, userID, auth.UsersDeactivate, !active, func(ctx context.Context, in *scene) (rows []auth.Revocation, err error) {
		defer func() { u = in.user }()
		switch {
		case in.user.IsActive == active:
			return nil, errUnchanged
		case active:
			return nil, in.activate(ctx)
		default:
			return in.deactivate(ctx)
		}
	})
	return u, err
}

// SignOut ends every session of a user and gives how many lived. Tokens without
// a session that were issued until now are dead too.
func (s *Service) SignOut(ctx context.Context, by *Actor, userID int64) (int, error) {
	n := 0
	err := s.administer(ctx, by, userID, auth.UsersLogout, false, func(ctx context.Context, in *scene) ([]auth.Revocation, error) {
		live, err := in.Sessions(ctx, userID, in.now)
		if err != nil {
			return nil, err
		}
		if _, err := in.UpdateUser(ctx, userID, auth.UserChange{SetValidAfter: true}, in.now); err != nil {
			return nil, err
		}
		ended, err := in.RevokeSessions(ctx, userID, "", in.now)
		if err != nil {
			return nil, err
		}
		n = len(live)
		e := in.by.event(auth.EventSignedOut, userID, in.now)
		e.Detail = fmt.Sprintf("sessions ended: %d", n)
		return signedOut(userID, ended, in.now), in.InsertEvent(ctx, e)
	})
	return n, err
}

// Delete removes an account. Its id is never given again. With versions as
// EditUser.
func (s *Service) Delete(ctx context.Context, by *Actor, userID int64, versions []string) error {
	return s.administer(ctx, by, userID, auth.UsersDelete, true, func(ctx context.Context, in *scene) ([]auth.Revocation, error) {
		if len(versions) > 0 && !slices.Contains(versions, Version(in.user)) {
			return nil, auth.ErrStale
		}
		if err := in.keepAdmin(ctx); err != nil {
			return nil, err
		}
		u, err := in.DeleteUser(ctx, userID)
		if err != nil {
			return nil, err
		}
		if err := in.DropLinks(ctx, auth.LinkReset, userID); err != nil {
			return nil, err
		}
		u.Gen++
		if _, err = in.RevokeSessions(ctx, userID, "", in.now); err != nil {
			return nil, err
		}
		if err = in.DropCounters(ctx, userID); err != nil {
			return nil, err
		}
		e := in.by.event(auth.EventUserDeleted, userID, in.now)
		e.Changes = []auth.Change{{Field: "email", Before: u.Email}, {Field: "role", Before: string(u.Role)}}
		return generation(u, in.now), in.InsertEvent(ctx, e)
	})
}

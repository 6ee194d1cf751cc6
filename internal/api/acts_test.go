package api_test

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/latchkey-auth/latchkey/internal/account"
	"github.com/latchkey-auth/latchkey/internal/auth"
	"github.com/latchkey-auth/latchkey/internal/session"
)

// What administrators do has tests of its own, with the real acts
// (e2e/administration): here the acts only fill the interface.

func (a *acts) Feed(context.Context, int64, time.Duration, <-chan struct{}) (session.FeedPage, error) {
	return session.FeedPage{}, nil
}

func (a *acts) ServiceKey(context.Context, string) (auth.ServiceKey, error) {
	return auth.ServiceKey{}, auth.ErrNotFound
}

func (a *acts) Confirmed(_ context.Context, who session.Access) error {
	if a.confirmed != nil {
		return a.confirmed(who)
	}
	return nil
}

func (a *acts) Confirm(_ context.Context, _ session.Access, password string, _ auth.Client) error {
	if a.confirm != nil {
		return a.confirm(password)
	}
	return nil
}

func (a *acts) act() {
	if a.acted != nil {
		a.acted()
	}
}

func (a *acts) UserOf(context.Context, auth.User, int64) (auth.User, error) { return john, nil }

func (a *acts) Users(context.Context, auth.UserSearch) (auth.UserPage, error) {
	return auth.UserPage{}, nil
}

func (a *acts) SessionsOf(context.Context, auth.User, int64) ([]auth.Session, error) { return nil, nil }

func (a *acts) Audit(context.Context, auth.User, auth.AuditFilter) ([]auth.AuditEvent, error) {
	a.act()
	return nil, nil
}

func (a *acts) Throttled(context.Context, auth.CounterFilter) ([]account.Throttled, error) {
	return nil, nil
}

func (a *acts) Lift(context.Context, *account.Actor, string) error { a.act(); return nil }

func (a *acts) Remember(old string, userID int64) (string, time.Duration) {
	return fmt.Sprintf("%s%d", old, userID), time.Hour
}

func (a *acts) Stats(context.Context, int) (account.Stats, error) { return account.Stats{}, nil }

func (a *acts) CreateUser(_ context.Context, by *account.Actor, _ account.Draft) (auth.User, error) {
	if a.actor != nil {
		a.actor(by)
	}
	return john, nil
}

func (a *acts) EditUser(_ context.Context, by *account.Actor, _ int64, _ account.Edit, _ []string) (auth.User, error) {
	if a.actor != nil {
		a.actor(by)
	}
	return john, nil
}

func (a *acts) SetActive(context.Context, *account.Actor, int64, bool) (auth.User, error) {
	return john, nil
}

func (a *acts) SignOut(context.Context, *account.Actor, int64) (int, error) { return 0, nil }

func (a *acts) Delete(context.Context, *account.Actor, int64, []string) error { a.act(); return nil }

func (a *acts) MakeResetLink(context.Context, *account.Actor, int64) (string, time.Time, error) {
	a.act()
	return "t", noon, nil
}

func (a *acts) CheckReset(context.Context, string) (auth.User, time.Time, error) {
	return john, noon, nil
}

func (a *acts) ResetPassword(context.Context, account.Reset, auth.Client) error { return nil }

func (a *acts) CheckSetup(context.Context, string) (time.Time, error) { return noon, nil }

func (a *acts) SetUp(context.Context, string, account.Registration, auth.Client) (session.Tokens, auth.User, error) {
	return pair, john, nil
}

// fieldsOf is what the form of an endpoint needs.
func fieldsOf(path string) string {
	if strings.HasPrefix(path, "/api/users/") {
		return `{"email":"x@example.com","first_name":"A","last_name":"B","role":"client"}`
	}
	return `{"old_password":"o","password":"p","password2":"p"}`
}

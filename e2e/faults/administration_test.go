package faults_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/latchkey-auth/latchkey/e2e/faults"
	"github.com/latchkey-auth/latchkey/internal/auth"
)

// by is a request about a user, of somebody's.
func by(access, method string, u auth.User, what string, body any) faults.Request {
	return faults.Request{Method: method, Path: fmt.Sprintf("/api/users/%d/%s", u.ID, what), Bearer: access, Body: body}
}

// is gives whether the account is as it should be.
func (n *node) is(u auth.User, as func(auth.User) bool) func() bool {
	return func() bool {
		now, err := n.Store.Read().UserByID(n.t.Context(), u.ID)
		if errors.Is(err, auth.ErrNotFound) {
			return as(auth.User{})
		}
		n.fatal(err)
		return as(now)
	}
}

// link stores a link and gives its token.
func (n *node) link(kind auth.LinkKind, userID int64) string {
	n.t.Helper()
	token, hash := auth.NewSecret()
	n.fatal(n.Store.Update(n.t.Context(), func(tx auth.Tx) error {
		return tx.InsertLink(n.t.Context(), auth.Link{
			Hash: hash, Kind: kind, UserID: userID, CreatedAt: n.Now().Add(time.Second), Expires: n.Now().Add(hour),
		})
	}))
	return token
}

// administers is an act of an administrator on a client with a session.
func administers(method, what string, body any, done func(auth.User) bool, endsSessions bool) func(*node) scene {
	return func(n *node) scene {
		admin, u := n.open(n.user(auth.RoleAdmin)), n.user(auth.RoleClient)
		pair := n.open(u)
		s := scene{Request: by(admin.Access, method, u, what, body)}
		if done != nil {
			s.done = n.is(u, done)
		}
		if endsSessions {
			s.dead = []string{pair.Access, pair.Refresh}
		}
		return s
	}
}

func reads(path string, role auth.Role) func(*node) scene {
	return func(n *node) scene {
		return scene{Request: faults.Request{Method: http.MethodGet, Path: path, Bearer: n.open(n.user(role)).Access}}
	}
}

const (
	forbidden = http.StatusForbidden
	revoked   = "Revocations" // what is read after an act that may have ended something
)

// administration are the routes of administrators, of links and of services.
var administration = []act{
	{name: "permissions", want: ok, stage: reads("/api/auth/permissions/", auth.RoleClient)},
	{name: "users", want: ok, stage: reads("/api/users/", auth.RoleManager)},
	{name: "search users", want: ok, stage: reads("/api/users/?search=ada+lovelace&role=client&ordering=name", auth.RoleManager)},
	{name: "users, not allowed", want: forbidden, stage: reads("/api/users/", auth.RoleEmployee)},
	{name: "a user", want: ok, stage: administers(http.MethodGet, "", nil, nil, false)},
	{name: "a user who is not there", want: notFound, stage: reads("/api/users/4000000/", auth.RoleAdmin)},
	{name: "a user's sessions", want: ok, stage: administers(http.MethodGet, "sessions/", nil, nil, false)},
	{name: "audit", want: ok, stage: reads("/api/audit/", auth.RoleAdmin)},
	{name: "audit as CSV", want: ok, stage: reads("/api/audit/?format=csv&event=registered", auth.RoleAdmin)},
	{name: "audit of somebody whom one does not look after", want: forbidden, stage: func(n *node) scene {
		return scene{Request: faults.Request{
			Method: http.MethodGet, Path: fmt.Sprintf("/api/audit/?user=%d", n.user(auth.RoleAdmin).ID), Bearer: n.open(n.user(auth.RoleManager)).Access,
		}}
	}},
	{name: "stats", want: ok, stage: func(n *node) scene {
		n.Advance(time.Minute) // What was counted a moment ago is told again.
		return reads("/api/stats/", auth.RoleManager)(n)
	}},
	{name: "system", want: ok, stage: reads("/api/system/", auth.RoleAdmin)},
	{name: "create a user", want: created, again: badRequest, commit: "Update", excused: revoked, after: revoked, stage: func(n *node) scene {
		admin, mail := n.open(n.user(auth.RoleAdmin)), n.email()
		return scene{Request: faults.Request{Method: http.MethodPost, Path: "/api/users/", Bearer: admin.Access, Body: map[string]string{
			"email": mail, "first_name": "A", "last_name": "B", "role": "manager",
		}}, done: func() bool {
			_, err := n.Store.Read().UserByEmail(n.t.Context(), mail)
			if !errors.Is(err, auth.ErrNotFound) {
				n.fatal(err)
			}
			return err == nil
		}}
	}},
	{name: "edit a user", want: ok, again: ok, commit: "Update", excused: revoked, after: revoked, stage: administers(http.MethodPatch, "", map[string]any{
		"first_name": "Grace", "role": "employee",
	}, func(u auth.User) bool {
		return u.FirstName == "Grace" && u.Role == auth.RoleEmployee
	}, false)},
	{
		name: "deactivate", want: ok, again: ok, commit: "Update", excused: revoked, after: revoked,
		stage: administers(http.MethodPost, "deactivate/", nil, func(u auth.User) bool { return !u.IsActive }, true),
	},
	{name: "activate", want: ok, again: ok, commit: "Update", excused: revoked, after: revoked, stage: func(n *node) scene {
		s := administers(http.MethodPost, "activate/", nil, func(u auth.User) bool { return u.IsActive }, false)(n)
		n.fatal(n.Store.Update(n.t.Context(), func(tx auth.Tx) error {
			var id int64
			if _, err := fmt.Sscanf(s.Path, "/api/users/%d/", &id); err != nil {
				return err
			}
			inactive := false
			_, err := tx.UpdateUser(n.t.Context(), id, auth.UserChange{IsActive: &inactive, RaiseGen: true}, n.Now())
			return err
		}))
		return s
	}},
	{
		name: "sign a user out", want: ok, again: ok, commit: "Update", excused: revoked, after: revoked,
		stage: administers(http.MethodPost, "logout/", nil, func(u auth.User) bool { return !u.ValidAfter.IsZero() }, true),
	},
	{
		name: "delete", want: noContent, again: notFound, commit: "Update", excused: revoked, after: revoked,
		stage: administers(http.MethodDelete, "", nil, func(u auth.User) bool { return u.ID == 0 }, true),
	},
	{name: "edit, not allowed", want: forbidden, excused: revoked, stage: func(n *node) scene {
		u := n.user(auth.RoleAdmin)
		return scene{
			Request: by(n.open(n.user(auth.RoleManager)).Access, http.MethodPatch, u, "", map[string]string{"first_name": "Grace"}),
		}
	}},
	{name: "make a reset link", want: created, again: created, commit: "Update", excused: revoked, after: revoked, stage: func(n *node) scene {
		admin, u := n.open(n.user(auth.RoleAdmin)), n.user(auth.RoleClient)
		return scene{Request: by(admin.Access, http.MethodPost, u, "reset-link/", nil), done: func() bool {
			all, err := n.Store.Read().Events(n.t.Context(), auth.EventFilter{UserID: u.ID, Kind: auth.EventResetLink})
			n.fatal(err)
			return len(all) > 0
		}}
	}},
	{name: "look at a reset link", want: ok, stage: func(n *node) scene {
		return scene{Request: faults.Request{
			Method: http.MethodPost, Path: "/api/auth/password/reset/check/", Body: map[string]string{"token": n.link(auth.LinkReset, n.user(auth.RoleClient).ID)},
		}}
	}},
	{name: "reset a password", want: ok, again: badRequest, commit: "Update", excused: revoked, after: revoked, stage: func(n *node) scene {
		u := n.user(auth.RoleClient)
		pair := n.open(u)
		return scene{
			Request: faults.Request{Method: http.MethodPost, Path: "/api/auth/password/reset/confirm/", Body: map[string]string{
				"token": n.link(auth.LinkReset, u.ID), "password": "an0ther-Horse-43", "password2": "an0ther-Horse-43",
			}},
			done: n.is(u, func(now auth.User) bool { return now.CredentialVersion > u.CredentialVersion }),
			dead: []string{pair.Access, pair.Refresh},
		}
	}},
	{name: "a link that is none", want: badRequest, stage: func(*node) scene {
		return scene{Request: faults.Request{Method: http.MethodPost, Path: "/api/auth/setup/check/", Body: map[string]string{"token": "x"}}}
	}},
	{name: "the feed", want: ok, stage: func(n *node) scene {
		secret, hash := auth.NewServiceSecret()
		n.fatal(n.Store.Update(context.Background(), func(tx auth.Tx) error {
			return tx.InsertServiceKey(n.t.Context(), auth.ServiceKey{ID: n.email(), Name: "feed", Scope: auth.ScopeRevocations, Hash: hash, CreatedAt: n.Now()})
		}))
		return scene{Request: faults.Request{Method: http.MethodGet, Path: "/api/auth/revocations/", Bearer: secret}}
	}},
}

package events

import (
	"fmt"
	"strings"
	"time"

	"github.com/latchkey-auth/latchkey/internal/auth"
	"github.com/latchkey-auth/latchkey/internal/token"
)

type fields map[string]any

// form is a registration of somebody new.
func (s *script) form(more fields) fields {
	s.people++
	f := fields{
		"email": fmt.Sprintf("n%d@example.com", s.people), "password": right, "password2": right,
		"first_name": "Ada", "last_name": "Lovelace",
	}
	for name, value := range more {
		f[name] = value
	}
	return f
}

// one event of a kind.
func one(kind auth.EventKind, user, actor int64) []event { return []event{{kind, user, actor, 1, ""}} }

// firstAdministrator sets the server up.
func (s *script) firstAdministrator() {
	s.t.Helper()
	secret, hash := auth.NewSecret()
	now := s.Now()
	if err := s.Store.Update(s.t.Context(), func(tx auth.Tx) error {
		return tx.InsertLink(s.t.Context(), auth.Link{Hash: hash, Kind: auth.LinkSetup, CreatedAt: now, Expires: now.Add(time.Hour)})
	}); err != nil {
		s.t.Fatal(err)
	}
	s.ask(request{op: "POST /api/auth/setup/check/", body: fields{"token": secret}, status: 200})
	s.ask(request{
		op: "POST /api/auth/setup/", body: s.form(fields{"token": secret, "password2": "another-Horse-43"}), status: 400, refused: auth.RefusedInvalid,
	})
	s.ask(request{
		op: "POST /api/auth/setup/", body: s.form(fields{"token": secret}), status: 201, user: newcomer,
		events: one(auth.EventSetUp, newcomer, newcomer),
	})
	s.ask(request{op: "POST /api/auth/setup/", body: s.form(fields{"token": secret}), status: 400, refused: auth.RefusedLink})
}

// resetLink makes one as an administrator and gives its token.
func (s *script) resetLink(u auth.User) string {
	s.t.Helper()
	admin := s.one(auth.RoleAdmin)
	q := s.ask(request{
		op: "POST /api/users/{id}/reset-link/", path: fmt.Sprintf("/api/users/%d/reset-link/", u.ID), as: admin.Access, status: 201,
		user: admin.ID, events: one(auth.EventResetLink, u.ID, admin.ID),
	})
	_, rest, _ := strings.Cut(string(q.answer), "/reset#")
	secret, _, _ := strings.Cut(rest, `"`)
	return secret
}

// does is an act of an administrator on somebody's account.
func (s *script) does(path string, u auth.User, status int, body any, events []event) []request {
	admin := s.one(auth.RoleAdmin)
	return []request{{
		path: fmt.Sprintf(path, u.ID), as: admin.Access, user: admin.ID, status: status, body: body, events: events,
	}}
}

// reads are the roles that may read something.
func (s *script) reads(path string, roles ...auth.Role) (out []request) {
	for _, role := range roles {
		p := s.one(role)
		out = append(out, request{path: path, as: p.Access, user: p.ID, status: 200})
	}
	return out
}

// asMissing is an administrator asking for somebody who is not there.
func (s *script) asMissing(path string, body any) request {
	admin := s.one(auth.RoleAdmin)
	return request{path: path, as: admin.Access, user: admin.ID, body: body, status: 404, refused: auth.RefusedMissing}
}

// successes are how each operation is asked so that it does something, and the
// outcomes that are its own.
var successes map[string]func(s *script) []request

func init() { //nolint:gochecknoinits // The table's functions use it.
	successes = map[string]func(s *script) []request{
		"POST /api/auth/register/": func(s *script) []request {
			taken, admin := s.made(auth.RoleClient), s.one(auth.RoleAdmin)
			out := []request{
				{body: s.form(nil), status: 201, user: newcomer, events: one(auth.EventRegistered, newcomer, newcomer)},
				{body: s.form(fields{"role": "manager"}), as: admin.Access, status: 201, user: newcomer, events: one(auth.EventRegistered, newcomer, newcomer)},
				{body: s.form(fields{"role": "client", "is_staff": false}), status: 201, user: newcomer, events: one(auth.EventRegistered, newcomer, newcomer)},
				{
					body: s.form(fields{"is_superuser": true}), status: 201, refused: auth.RefusedPrivilege, user: newcomer,
					events: append(one(auth.EventRegistered, newcomer, newcomer), event{auth.EventBypassRefused, newcomer, newcomer, 1, "POST /api/auth/register/ privilege: is_superuser"}),
				},
				{body: s.form(fields{"email": taken.Email}), status: 400, refused: auth.RefusedInvalid},
				{body: s.form(fields{"password": "password", "password2": "password"}), status: 400, refused: auth.RefusedInvalid},
				{body: s.form(fields{"role": "emperor"}), status: 400, refused: auth.RefusedInvalid},
			}
			for _, role := range []string{"admin", "manager"} {
				for _, as := range []string{"", s.one(auth.RoleClient).Access} {
					out = append(out, request{
						body: s.form(fields{"role": role}), as: as, status: 400, refused: auth.RefusedPrivilege,
						events: []event{{auth.EventBypassRefused, 0, 0, 1, "POST /api/auth/register/ privilege: role"}},
					})
				}
			}
			// From one address more than its share.
			here := map[string]string{"X-Forwarded-For": "192.0.2.1"}
			for range 2 {
				out = append(out, request{body: s.form(nil), head: here, status: 201, user: newcomer, events: one(auth.EventRegistered, newcomer, newcomer)})
			}
			return append(out, request{body: s.form(nil), head: here, status: 429, refused: auth.RefusedThrottled})
		},
		"POST /api/auth/login/": func(s *script) []request {
			u := s.made(auth.RoleEmployee)
			return []request{{body: fields{"email": u.Email, "password": right}, status: 200, user: u.ID, events: one(auth.EventLoggedIn, u.ID, u.ID)}}
		},
		"POST /api/auth/logout/": func(s *script) []request {
			p, q, other := s.fresh(auth.RoleClient), s.fresh(auth.RoleClient), s.one(auth.RoleManager)
			return []request{
				{as: p.Access, body: fields{"refresh": p.Refresh}, status: 200, user: p.ID, events: one(auth.EventLoggedOut, p.ID, p.ID)},
				{as: q.Access, body: fields{"refresh": other.Refresh}, status: 401, refused: auth.RefusedToken, user: q.ID},
				{as: q.Access, body: fields{"refresh": q.Access}, status: 401, refused: auth.RefusedToken, user: q.ID},
				{as: q.Access, body: fields{"refresh": "x"}, status: 401, refused: auth.RefusedForged, user: q.ID, events: one(auth.EventBypassRefused, q.ID, q.ID)},
				{as: q.Access, body: fields{"refresh": s.minted(token.Refresh, q, -time.Minute)}, status: 401, refused: auth.RefusedExpired, user: q.ID},
			}
		},
		"POST /api/auth/token/refresh/": func(s *script) []request {
			p := s.fresh(auth.RoleClient)
			return []request{
				{body: fields{"refresh": p.Refresh}, status: 200, user: p.ID},
				// Too early to be a theft.
				{body: fields{"refresh": p.Refresh}, status: 401, refused: auth.RefusedRevoked},
				{body: fields{"refresh": p.Access}, status: 401, refused: auth.RefusedToken},
				{body: fields{"refresh": "a.b.c"}, status: 401, refused: auth.RefusedForged, events: one(auth.EventBypassRefused, 0, 0)},
				{body: fields{"refresh": s.minted(token.Refresh, p, -time.Minute)}, status: 401, refused: auth.RefusedExpired},
			}
		},
		"POST /api/auth/token/verify/": func(s *script) []request {
			p := s.fresh(auth.RoleClient)
			return []request{
				{body: fields{"token": p.Access}, status: 200},
				{body: fields{"token": p.Refresh}, status: 200},
				{body: fields{"token": "a.b.c"}, status: 401, refused: auth.RefusedForged, events: one(auth.EventBypassRefused, 0, 0)},
				{body: fields{"token": s.minted(token.Access, p, -time.Minute)}, status: 401, refused: auth.RefusedExpired},
				{body: fields{"token": s.minted(token.Refresh, p, -time.Minute)}, status: 401, refused: auth.RefusedExpired},
			}
		},
		"GET /api/auth/profile/": func(s *script) []request { return s.reads("", auth.Roles()...) },
		"PUT /api/auth/profile/": func(s *script) []request {
			p := s.fresh(auth.RoleEmployee)
			return []request{
				{as: p.Access, body: fields{"first_name": "Grace"}, status: 200, user: p.ID, events: one(auth.EventProfileChanged, p.ID, p.ID)},
				{as: p.Access, body: fields{}, status: 200, user: p.ID},
				{as: p.Access, body: fields{"first_name": ""}, status: 400, refused: auth.RefusedInvalid, user: p.ID},
				// What a client was given it may send back.
				{as: p.Access, body: fields{"id": p.ID, "email": p.Email, "role": "employee", "is_active": true}, status: 200, user: p.ID},
			}
		},
		"PATCH /api/auth/profile/": func(s *script) []request {
			p := s.fresh(auth.RoleEmployee)
			out := []request{
				{as: p.Access, body: fields{"phone": "1"}, status: 200, user: p.ID, events: one(auth.EventProfileChanged, p.ID, p.ID)},
			}
			for field, value := range map[string]any{
				"role": "admin", "is_staff": true, "is_superuser": 1, "is_active": false, "id": 1, "email": "other@example.com",
				"email_verified": true, "groups": []string{"admins"}, "user_permissions": []int{1}, "user_id": "1",
			} {
				out = append(out, request{
					as: p.Access, body: fields{field: value}, status: 200, refused: auth.RefusedPrivilege, user: p.ID,
					events: []event{{auth.EventBypassRefused, p.ID, p.ID, 1, "PATCH /api/auth/profile/ privilege: " + field}},
				})
			}
			return out
		},
		"GET /api/auth/sessions/": func(s *script) []request { return s.reads("", auth.Roles()...) },
		"DELETE /api/auth/sessions/": func(s *script) []request {
			p := s.fresh(auth.RoleClient)
			s.in(p.User)
			s.in(p.User)
			return []request{
				{as: s.Django(token.Access, p.User, time.Hour), status: 403, refused: auth.RefusedUnconfirmed, user: p.ID},
				{
					as: p.Access, status: 200, user: p.ID,
					events: append(one(auth.EventSessionRevoked, p.ID, p.ID), one(auth.EventSessionRevoked, p.ID, p.ID)...),
				},
			}
		},
		"DELETE /api/auth/sessions/{id}/": func(s *script) []request {
			p := s.fresh(auth.RoleClient)
			q := s.in(p.User)
			return []request{
				{path: "/api/auth/sessions/" + q.SessionID + "/", as: p.Access, status: 204, user: p.ID, events: one(auth.EventSessionRevoked, p.ID, p.ID)},
				{path: "/api/auth/sessions/" + s.one(auth.RoleAdmin).SessionID + "/", as: p.Access, status: 404, refused: auth.RefusedMissing, user: p.ID},
			}
		},
		"POST /api/auth/confirm/": func(s *script) []request {
			p := s.fresh(auth.RoleClient)
			return []request{
				{as: p.Access, body: fields{"password": "wr0ng-Horse-41"}, status: 400, refused: auth.RefusedCredentials, user: p.ID, events: one(auth.EventLoginFailed, p.ID, 0)},
				{as: p.Access, body: fields{"password": right}, status: 204, user: p.ID, events: one(auth.EventConfirmed, p.ID, p.ID)},
				// Django's token has no session in which it could be noted.
				{as: s.Django(token.Access, p.User, time.Hour), body: fields{"password": right}, status: 401, refused: auth.RefusedToken, user: p.ID},
			}
		},
		"POST /api/auth/password/change/": func(s *script) []request {
			p := s.fresh(auth.RoleClient)
			change := func(old, new string) fields {
				return fields{"old_password": old, "password": new, "password2": new}
			}
			return []request{
				{as: p.Access, body: change("wr0ng-Horse-41", "another-Horse-43"), status: 400, refused: auth.RefusedCredentials, user: p.ID, events: one(auth.EventLoginFailed, p.ID, 0)},
				{as: p.Access, body: change(right, "password"), status: 400, refused: auth.RefusedInvalid, user: p.ID},
				{as: p.Access, body: change(right, "another-Horse-43"), status: 200, user: p.ID, events: one(auth.EventPasswordChanged, p.ID, p.ID)},
			}
		},
		"GET /api/auth/events/":      func(s *script) []request { return s.reads("", auth.Roles()...) },
		"GET /api/auth/permissions/": func(s *script) []request { return s.reads("", auth.Roles()...) },
		"POST /api/auth/password/reset/check/": func(s *script) []request {
			return []request{
				{body: fields{"token": s.resetLink(s.made(auth.RoleClient))}, status: 200},
				{body: fields{"token": "nonsense"}, status: 400, refused: auth.RefusedLink},
			}
		},
		"POST /api/auth/password/reset/confirm/": func(s *script) []request {
			u := s.made(auth.RoleClient)
			secret := s.resetLink(u)
			confirm := func(secret, pw string) fields { return fields{"token": secret, "password": pw, "password2": pw} }
			return []request{
				{body: confirm(secret, "password"), status: 400, refused: auth.RefusedInvalid},
				{body: confirm(secret, "another-Horse-43"), status: 200, events: one(auth.EventPasswordReset, u.ID, u.ID)},
				{body: confirm(secret, "another-Horse-43"), status: 400, refused: auth.RefusedLink},
			}
		},
		"POST /api/auth/setup/": func(s *script) []request {
			return []request{{body: s.form(fields{"token": "nonsense"}), status: 400, refused: auth.RefusedLink}}
		},
		"POST /api/auth/setup/check/": func(s *script) []request {
			return []request{{body: fields{"token": "nonsense"}, status: 400, refused: auth.RefusedLink}}
		},
		"GET /api/users/": func(s *script) []request {
			admin := s.one(auth.RoleAdmin)
			return append(
				s.reads("", staff...),
				request{path: "/api/users/?page_size=x", as: admin.Access, user: admin.ID, status: 400, refused: auth.RefusedInvalid},
				request{path: "/api/users/?cursor=forged", as: admin.Access, user: admin.ID, status: 404, refused: auth.RefusedMissing},
			)
		},
		"POST /api/users/": func(s *script) []request {
			admin, manager := s.one(auth.RoleAdmin), s.one(auth.RoleManager)
			draft := func(role string) fields {
				f := s.form(fields{"role": role})
				delete(f, "password")
				delete(f, "password2")
				return f
			}
			taken := draft("client")
			taken["email"] = admin.Email
			return []request{
				{as: admin.Access, body: draft("admin"), status: 201, user: admin.ID, events: one(auth.EventUserCreated, newcomer, admin.ID)},
				{as: manager.Access, body: draft("client"), status: 201, user: manager.ID, events: one(auth.EventUserCreated, newcomer, manager.ID)},
				{
					as: manager.Access, body: draft("admin"), status: 403, refused: auth.RefusedPermission, user: manager.ID,
					events: one(auth.EventAccessRefused, manager.ID, manager.ID),
				},
				{as: admin.Access, body: taken, status: 400, refused: auth.RefusedInvalid, user: admin.ID},
			}
		},
		"GET /api/users/{id}/": func(s *script) []request {
			out := s.does("/api/users/%d/", s.made(auth.RoleClient), 200, nil, nil)
			for _, role := range auth.Roles() {
				p := s.one(role)
				out = append(out, request{path: fmt.Sprintf("/api/users/%d/", p.ID), as: p.Access, user: p.ID, status: 200})
			}
			return append(out, s.asMissing("/api/users/999999/", nil))
		},
		"PUT /api/users/{id}/": func(s *script) []request {
			u := s.made(auth.RoleClient)
			body := fields{"email": u.Email, "first_name": "Grace", "last_name": "Hopper", "role": "client"}
			admin := s.one(auth.RoleAdmin)
			out := s.does("/api/users/%d/", u, 200, body, one(auth.EventUserChanged, u.ID, admin.ID))
			stale := out[0]
			stale.head, stale.status, stale.refused, stale.events = map[string]string{"If-Match": `"stale"`}, 412, auth.RefusedConflict, nil
			return append(out, stale, s.asMissing("/api/users/999999/", body))
		},
		"PATCH /api/users/{id}/": func(s *script) []request {
			u, shut := s.made(auth.RoleClient), s.made(auth.RoleClient)
			admin := s.one(auth.RoleAdmin)
			out := s.does("/api/users/%d/", u, 200, fields{"phone": "1"}, one(auth.EventUserChanged, u.ID, admin.ID))
			out = append(out, s.does("/api/users/%d/", u, 200, fields{"role": "employee"}, one(auth.EventRoleChanged, u.ID, admin.ID))...)
			out = append(out, s.does("/api/users/%d/", u, 200, fields{}, nil)...)
			out = append(out, s.does("/api/users/%d/", shut, 200, fields{"is_active": false}, one(auth.EventDeactivated, shut.ID, admin.ID))...)
			bad := s.does("/api/users/%d/", u, 400, fields{"password": right}, nil)
			bad[0].refused = auth.RefusedInvalid
			return append(append(out, bad...), s.asMissing("/api/users/999999/", fields{"phone": "1"}))
		},
		"DELETE /api/users/{id}/": func(s *script) []request {
			u := s.made(auth.RoleClient)
			return append(
				s.does("/api/users/%d/", u, 204, nil, one(auth.EventUserDeleted, u.ID, s.one(auth.RoleAdmin).ID)),
				s.asMissing(fmt.Sprintf("/api/users/%d/", u.ID), nil),
			)
		},
		"POST /api/users/{id}/deactivate/": func(s *script) []request {
			u := s.made(auth.RoleClient)
			return append(
				s.does("/api/users/%d/deactivate/", u, 200, nil, one(auth.EventDeactivated, u.ID, s.one(auth.RoleAdmin).ID)),
				s.asMissing("/api/users/999999/deactivate/", nil),
			)
		},
		"POST /api/users/{id}/activate/": func(s *script) []request {
			u := s.made(auth.RoleClient)
			by := s.one(auth.RoleAdmin).ID
			first := s.does("/api/users/%d/deactivate/", u, 200, nil, one(auth.EventDeactivated, u.ID, by))[0]
			first.op = "POST /api/users/{id}/deactivate/"
			s.ask(first)
			return append(
				s.does("/api/users/%d/activate/", u, 200, nil, one(auth.EventActivated, u.ID, by)),
				s.asMissing("/api/users/999999/activate/", nil),
			)
		},
		"POST /api/users/{id}/logout/": func(s *script) []request {
			u := s.fresh(auth.RoleClient).User
			return append(
				s.does("/api/users/%d/logout/", u, 200, nil, one(auth.EventSignedOut, u.ID, s.one(auth.RoleAdmin).ID)),
				s.asMissing("/api/users/999999/logout/", nil),
			)
		},
		"POST /api/users/{id}/reset-link/": func(s *script) []request {
			u := s.made(auth.RoleClient)
			by := s.one(auth.RoleAdmin).ID
			shut := s.made(auth.RoleClient)
			first := s.does("/api/users/%d/deactivate/", shut, 200, nil, one(auth.EventDeactivated, shut.ID, by))[0]
			first.op = "POST /api/users/{id}/deactivate/"
			s.ask(first)
			refused := s.does("/api/users/%d/reset-link/", shut, 409, nil, nil)[0]
			refused.refused = auth.RefusedConflict
			return append(
				s.does("/api/users/%d/reset-link/", u, 201, nil, one(auth.EventResetLink, u.ID, by)),
				refused, s.asMissing("/api/users/999999/reset-link/", nil),
			)
		},
		"GET /api/users/{id}/sessions/": func(s *script) []request {
			return append(
				s.does("/api/users/%d/sessions/", s.made(auth.RoleClient), 200, nil, nil),
				s.asMissing("/api/users/999999/sessions/", nil),
			)
		},
		"GET /api/audit/": func(s *script) []request {
			manager := s.one(auth.RoleManager)
			out := s.reads("", admins...)
			out = append(out, s.reads("/api/audit/?format=csv", admins...)...)
			out = append(out, s.reads("/api/audit/?format=jsonl", admins...)...)
			out = append(out, s.reads(fmt.Sprintf("/api/audit/?user=%d", s.one(auth.RoleClient).ID), staff...)...)
			return append(out, request{
				path: fmt.Sprintf("/api/audit/?user=%d", s.one(auth.RoleAdmin).ID), as: manager.Access, user: manager.ID, status: 403,
				refused: auth.RefusedPermission, events: one(auth.EventAccessRefused, manager.ID, manager.ID),
			})
		},
		"GET /api/throttle/": func(s *script) []request { return s.reads("", admins...) },
		"DELETE /api/throttle/{id}/": func(s *script) []request {
			u := s.made(auth.RoleClient)
			s.ask(request{
				op: "POST /api/auth/login/", body: fields{"email": u.Email, "password": "wr0ng-Horse-41"}, status: 401,
				refused: auth.RefusedCredentials, events: one(auth.EventLoginFailed, u.ID, 0),
			})
			admin := s.one(auth.RoleAdmin)
			q := s.ask(request{op: "GET /api/throttle/", path: fmt.Sprintf("/api/throttle/?user=%d", u.ID), as: admin.Access, user: admin.ID, status: 200})
			_, rest, _ := strings.Cut(string(q.answer), `"results":[{"id":"`)
			id, _, _ := strings.Cut(rest, `"`)
			return []request{
				{path: "/api/throttle/" + id + "/", as: admin.Access, user: admin.ID, status: 204, events: one(auth.EventThrottleLifted, u.ID, admin.ID)},
				s.asMissing("/api/throttle/"+strings.Repeat("0", 32)+"/", nil),
			}
		},
		"GET /api/stats/":  func(s *script) []request { return s.reads("", staff...) },
		"GET /api/system/": func(s *script) []request { return s.reads("", admins...) },
		"GET /api/doctor/": func(s *script) []request { return s.reads("", admins...) },
		"GET /api/auth/revocations/": func(s *script) []request {
			secret, hash := auth.NewServiceSecret()
			if err := s.Store.Update(s.t.Context(), func(tx auth.Tx) error {
				return tx.InsertServiceKey(s.t.Context(), auth.ServiceKey{ID: "abcdef012345", Name: "script", Scope: auth.ScopeRevocations, Hash: hash, CreatedAt: s.Now()})
			}); err != nil {
				s.t.Fatal(err)
			}
			return []request{
				{as: secret, status: 200},
				{path: "/api/auth/revocations/?after=x", as: secret, status: 400, refused: auth.RefusedInvalid},
			}
		},
		"GET /api/auth/settings/": func(*script) []request { return []request{{status: 200}} },
		"GET /api/schema/":        func(*script) []request { return []request{{status: 200}} },
		"GET /api/docs/":          func(*script) []request { return []request{{status: anyStatus}} },
	}
}

// logins are the outcomes of signing in.
func (s *script) logins() {
	s.t.Helper()
	login := func(email, pw string, r request) *sent {
		s.t.Helper()
		r.op, r.body = "POST /api/auth/login/", fields{"email": email, "password": pw}
		return s.ask(r)
	}
	failed := func(user int64) request {
		return request{status: 401, refused: auth.RefusedCredentials, events: one(auth.EventLoginFailed, user, 0)}
	}
	admin := s.one(auth.RoleAdmin)
	u, shut := s.made(auth.RoleClient), s.made(auth.RoleClient)
	login(u.Email, "wr0ng-Horse-41", failed(u.ID))
	login(strings.ToUpper(u.Email), "wr0ng-Horse-41", failed(u.ID))
	login("unknown@example.com", right, failed(0))
	first := s.does("/api/users/%d/deactivate/", shut, 200, nil, one(auth.EventDeactivated, shut.ID, admin.ID))[0]
	first.op = "POST /api/users/{id}/deactivate/"
	s.ask(first)
	login(shut.Email, right, failed(shut.ID))
	// Until the account is closed to strangers for a while.
	guessed := s.made(auth.RoleClient)
	for n := 0; ; n++ {
		before := len(s.all)
		q := login(guessed.Email, "wr0ng-Horse-41", request{status: anyStatus})
		if strings.Contains(string(q.answer), "throttled") {
			s.all[before].status, s.all[before].refused = 429, auth.RefusedThrottled
			break
		}
		s.all[before].request = failed(guessed.ID)
		s.all[before].op = "POST /api/auth/login/"
		if n > 100 {
			s.t.Fatal("101 guesses and no end")
		}
	}
	// One session more than there may be.
	many := s.made(auth.RoleClient)
	for range auth.MaxSessions {
		s.in(many)
	}
	login(many.Email, right, request{
		status: 200, user: many.ID,
		events: append(one(auth.EventLoggedIn, many.ID, many.ID), one(auth.EventSessionLimit, many.ID, 0)...),
	})
}

// tokens are the outcomes of tokens that were good once.
func (s *script) tokens() {
	s.t.Helper()
	refresh := func(raw string, r request) *sent {
		s.t.Helper()
		r.op, r.body = "POST /api/auth/token/refresh/", fields{"refresh": raw}
		return s.ask(r)
	}
	verify := func(raw string, r request) {
		s.t.Helper()
		r.op, r.body = "POST /api/auth/token/verify/", fields{"token": raw}
		s.ask(r)
	}
	next := func(q *sent) string {
		_, rest, _ := strings.Cut(string(q.answer), `"refresh":"`)
		raw, _, _ := strings.Cut(rest, `"`)
		return raw
	}
	p := s.fresh(auth.RoleClient)
	second := next(refresh(p.Refresh, request{status: 200, user: p.ID}))
	refresh(second, request{status: 200, user: p.ID})
	revoked := request{status: 401, refused: auth.RefusedRevoked}
	// The grandparent: somebody has a copy.
	stolen := revoked
	stolen.events = one(auth.EventReuseDetected, p.ID, 0)
	refresh(p.Refresh, stolen)
	refresh(second, revoked)
	verify(second, revoked)
	verify(p.Access, revoked)

	admin := s.one(auth.RoleAdmin)
	gone, shut := s.fresh(auth.RoleClient), s.fresh(auth.RoleClient)
	s.ask(request{
		op: "DELETE /api/users/{id}/", path: fmt.Sprintf("/api/users/%d/", gone.ID), as: admin.Access, user: admin.ID, status: 204,
		events: one(auth.EventUserDeleted, gone.ID, admin.ID),
	})
	first := s.does("/api/users/%d/deactivate/", shut.User, 200, nil, one(auth.EventDeactivated, shut.ID, admin.ID))[0]
	first.op = "POST /api/users/{id}/deactivate/"
	s.ask(first)
	for _, dead := range []person{gone, shut} {
		account := request{status: 401, refused: auth.RefusedAccount}
		refresh(dead.Refresh, account)
		verify(dead.Refresh, account)
		verify(dead.Access, account)
	}
	// A token that Django minted is taken over at its first use.
	u := s.made(auth.RoleClient)
	refresh(s.Django(token.Refresh, u, time.Hour), request{status: 200, user: u.ID, events: one(auth.EventSessionAdopted, u.ID, u.ID)})
}

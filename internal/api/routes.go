package api

import (
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/latchkey-auth/latchkey/internal/auth"
)

// handler answers a request or returns the error to answer with.
type handler func(w http.ResponseWriter, r *http.Request) error

// access is who may call an endpoint. The credential is a bearer token or,
// without one, the access token's cookie.
type access int

const (
	// public endpoints look at no Authorization header, so that a stale token,
	// which the guide's client sends always, is no obstacle.
	public access = iota
	// bearer endpoints need a good access token of an active user.
	bearer
	// open endpoints answer everybody alike: they look at no credential, hand
	// out none, and so do not care for Auth-Mode.
	open
	// service endpoints are for other services: they need a service key.
	service
)

// dialect is how an endpoint words its Invalid errors.
type dialect int

const (
	// bare is DRF's own: {"field":["..."]}, 400.
	bare dialect = iota
	// wrapped is {"error":"Invalid data","details":{...}}, 400.
	wrapped
	// credentials is {"error":"Invalid credentials","details":{...}}, 401 and
	// without WWW-Authenticate, also where only a field is missing.
	credentials
)

// route is one endpoint.
type route struct {
	// path ends with a slash; it is served without it, too. One part of it may
	// be {id}.
	path    string
	who     access
	errors  dialect
	methods []method
	// ofUser says that the {id} is a user's: who may not see others finds only
	// the own one.
	ofUser bool
	// fresh says which requests need a fresh proof of the caller's password beside
	// the token (docs/sessions.md); nil: none. What needs one only for what it
	// changes asks in its act: see account.Actor.
	fresh func(*http.Request) bool
	// patience tells how much longer than others a request may take; nil: no
	// longer.
	patience func(url.Values) time.Duration
	// file says that the answer is one of the binary's files; see load.
	file bool

	allow         []string
	underWay      *atomic.Int64 // requests; see load
	before, after string        // of the {id}; after ends with a slash
}

// method is what an endpoint does for one HTTP method. HEAD is GET's.
type method struct {
	name   string
	handle handler
	// need is the permission without which the caller is refused, "" for none.
	// Whether it extends to the user whom it is about is for the act to say.
	need auth.Permission
}

// table is the whole surface: guide.txt, "API Endpoints", and what a screen
// needs beside them.
func (a *API) table() []route {
	table := []route{
		{path: "/api/auth/register/", who: public, errors: wrapped, methods: []method{{http.MethodPost, a.register, ""}}},
		{path: "/api/auth/login/", who: public, errors: credentials, methods: []method{{http.MethodPost, a.login, ""}}},
		{path: "/api/auth/logout/", who: bearer, errors: wrapped, methods: []method{{http.MethodPost, a.logout, ""}}},
		{path: "/api/auth/token/refresh/", who: public, errors: bare, methods: []method{{http.MethodPost, a.refresh, ""}}},
		{path: "/api/auth/token/verify/", who: public, errors: bare, methods: []method{{http.MethodPost, a.verify, ""}}},
		{path: "/api/auth/profile/", who: bearer, errors: bare, methods: []method{
			{http.MethodGet, a.profile, ""}, {http.MethodPut, a.updateProfile, ""}, {http.MethodPatch, a.updateProfile, ""},
		}},

		{path: "/api/auth/confirm/", who: bearer, errors: wrapped, methods: []method{{http.MethodPost, a.confirm, ""}}},
		{path: "/api/auth/sessions/", who: bearer, errors: bare, fresh: deletes, methods: []method{
			{http.MethodGet, a.sessions, ""}, {http.MethodDelete, a.endOtherSessions, ""},
		}},
		{path: "/api/auth/sessions/{id}/", who: bearer, errors: bare, fresh: endsAnother, methods: []method{{http.MethodDelete, a.endSession, ""}}},
		{path: "/api/auth/password/change/", who: bearer, errors: wrapped, methods: []method{{http.MethodPost, a.changePassword, ""}}},
		{path: "/api/auth/events/", who: bearer, errors: bare, methods: []method{{http.MethodGet, a.events, ""}}},
		{path: "/api/auth/permissions/", who: bearer, errors: bare, methods: []method{{http.MethodGet, a.permissions, ""}}},

		{path: "/api/auth/password/reset/check/", who: public, errors: wrapped, methods: []method{{http.MethodPost, a.checkReset, ""}}},
		{path: "/api/auth/password/reset/confirm/", who: public, errors: wrapped, methods: []method{{http.MethodPost, a.confirmReset, ""}}},
		{path: "/api/auth/setup/", who: public, errors: wrapped, methods: []method{{http.MethodPost, a.setUp, ""}}},
		{path: "/api/auth/setup/check/", who: public, errors: wrapped, methods: []method{{http.MethodPost, a.checkSetup, ""}}},

		{path: "/api/users/", who: bearer, errors: wrapped, methods: []method{
			{http.MethodGet, a.users, auth.UsersRead}, {http.MethodPost, a.createUser, auth.UsersCreate},
		}},
		{path: "/api/users/{id}/", who: bearer, errors: wrapped, ofUser: true, fresh: deletes, methods: []method{
			{http.MethodGet, a.user, ""},
			{http.MethodPut, a.replaceUser, auth.UsersEdit},
			{http.MethodPatch, a.patchUser, auth.UsersEdit},
			{http.MethodDelete, a.deleteUser, auth.UsersDelete},
		}},
		{path: "/api/users/{id}/deactivate/", who: bearer, errors: wrapped, ofUser: true, methods: []method{
			{http.MethodPost, a.deactivateUser, auth.UsersDeactivate},
		}},
		{path: "/api/users/{id}/activate/", who: bearer, errors: wrapped, ofUser: true, methods: []method{
			{http.MethodPost, a.activateUser, auth.UsersDeactivate},
		}},
		{path: "/api/users/{id}/logout/", who: bearer, errors: wrapped, ofUser: true, methods: []method{
			{http.MethodPost, a.logoutUser, auth.UsersLogout},
		}},
		{path: "/api/users/{id}/reset-link/", who: bearer, errors: wrapped, ofUser: true, fresh: always, methods: []method{
			{http.MethodPost, a.resetLink, auth.UsersReset},
		}},
		{path: "/api/users/{id}/sessions/", who: bearer, errors: wrapped, ofUser: true, methods: []method{
			{http.MethodGet, a.userSessions, auth.UsersHistory},
		}},
		{path: "/api/audit/", who: bearer, errors: bare, fresh: exports, patience: exportPatience, methods: []method{
			{http.MethodGet, a.audit, auth.UsersHistory},
		}},
		{path: "/api/throttle/", who: bearer, errors: bare, methods: []method{{http.MethodGet, a.throttled, auth.ThrottleLift}}},
		// Whoever could lift the limits with a stolen token could guess at the
		// password itself for ever.
		{path: "/api/throttle/{id}/", who: bearer, errors: bare, fresh: always, methods: []method{
			{http.MethodDelete, a.liftThrottle, auth.ThrottleLift},
		}},
		{path: "/api/stats/", who: bearer, errors: bare, methods: []method{{http.MethodGet, a.stats, auth.StatsRead}}},
		{path: "/api/system/", who: bearer, errors: bare, methods: []method{{http.MethodGet, a.system, auth.SystemRead}}},
		{path: "/api/doctor/", who: bearer, errors: bare, methods: []method{{http.MethodGet, a.doctor, auth.SystemRead}}},

		{path: "/api/auth/revocations/", who: service, errors: bare, patience: feedPatience, methods: []method{
			{http.MethodGet, a.revocations, ""},
		}},
		{path: "/api/auth/settings/", who: open, errors: bare, methods: []method{{http.MethodGet, a.settings, ""}}},
	}
	if !a.HideSchema {
		table = append(
			table,
			route{path: "/api/schema/", who: open, errors: bare, file: true, methods: []method{{http.MethodGet, a.schema, ""}}},
			route{path: "/api/docs/", who: open, errors: bare, file: true, methods: []method{{http.MethodGet, a.docs, ""}}},
		)
	}
	return table
}

// index makes the look-up by path, of both forms, and the Allow headers. items
// are the routes with an {id}.
func index(table []route) (byPath map[string]*route, items []*route) {
	byPath = make(map[string]*route, 2*len(table))
	for i := range table {
		rt := &table[i]
		rt.allow, rt.underWay = []string{allow(rt)}, new(atomic.Int64)
		if before, after, ok := strings.Cut(rt.path, "{id}/"); ok {
			rt.before, rt.after = before, after
			items = append(items, rt)
			continue
		}
		byPath[rt.path] = rt
		byPath[strings.TrimSuffix(rt.path, "/")] = rt
	}
	return byPath, items
}

// allow lists the methods in DRF's order: what changes, then HEAD, OPTIONS.
func allow(rt *route) string {
	var names []string
	for _, m := range rt.methods {
		names = append(names, m.name)
	}
	if rt.handler(http.MethodHead) != nil {
		names = append(names, http.MethodHead)
	}
	return strings.Join(append(names, http.MethodOptions), ", ")
}

// handle answers by the request's method.
func (rt *route) handle(w http.ResponseWriter, r *http.Request) error {
	handle := rt.handler(r.Method)
	if handle == nil {
		return &refusal{status: http.StatusMethodNotAllowed, detail: methodText(r.Method)}
	}
	return handle(w, r)
}

// handler gives what answers a method, or nil.
func (rt *route) handler(name string) handler {
	if m := rt.method(name); m != nil {
		return m.handle
	}
	return nil
}

// method gives a method of the endpoint, or nil.
func (rt *route) method(name string) *method {
	if name == http.MethodHead {
		name = http.MethodGet
	}
	for i := range rt.methods {
		if rt.methods[i].name == name {
			return &rt.methods[i]
		}
	}
	return nil
}

// permit refuses a caller whose role lacks what the method needs. Of users whom
// the caller may not see nothing is said, not even that they may not.
func (rt *route) permit(r *http.Request, who *auth.User) error {
	if rt.ofUser && !who.Role.Can(auth.UsersRead) {
		if id, err := subject(r); err != nil || id != who.ID {
			return errHidden
		}
	}
	if m := rt.method(r.Method); m != nil && m.need != "" && !who.Role.Can(m.need) {
		return auth.ErrForbidden
	}
	return nil
}

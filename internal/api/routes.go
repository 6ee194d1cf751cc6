package api

import (
	"net/http"
	"strings"
)

// handler answers a request or returns the error to answer with.
type handler func(w http.ResponseWriter, r *http.Request) error

// access is who may call an endpoint.
type access int

const (
	// public endpoints look at no Authorization header, so that a stale token,
	// which the guide's client sends always, is no obstacle.
	public access = iota
	// bearer endpoints need a good access token of an active user.
	bearer
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
	// path ends with a slash; it is served without it, too.
	path    string
	who     access
	errors  dialect
	methods []method

	allow []string
}

// method is what an endpoint does for one HTTP method. HEAD is GET's.
type method struct {
	name   string
	handle handler
}

// schemaPath is the one endpoint that can be switched off.
const schemaPath = "/api/schema/"

// table is the whole surface (guide.txt, "API Endpoints").
func (a *API) table() []route {
	return []route{
		{path: "/api/auth/register/", who: public, errors: wrapped, methods: []method{{http.MethodPost, a.register}}},
		{path: "/api/auth/login/", who: public, errors: credentials, methods: []method{{http.MethodPost, a.login}}},
		{path: "/api/auth/logout/", who: bearer, errors: wrapped, methods: []method{{http.MethodPost, a.logout}}},
		{path: "/api/auth/token/refresh/", who: public, errors: bare, methods: []method{{http.MethodPost, a.refresh}}},
		{path: "/api/auth/token/verify/", who: public, errors: bare, methods: []method{{http.MethodPost, a.verify}}},
		{path: "/api/auth/profile/", who: bearer, errors: bare, methods: []method{
			{http.MethodGet, a.profile}, {http.MethodPut, a.updateProfile}, {http.MethodPatch, a.updateProfile},
		}},
		{path: schemaPath, who: public, errors: bare, methods: []method{{http.MethodGet, a.schema}}},
	}
}

// index makes the look-up by path, of both forms, and the Allow headers.
func index(table []route) map[string]*route {
	byPath := make(map[string]*route, 2*len(table))
	for i := range table {
		rt := &table[i]
		rt.allow = []string{allow(rt)}
		byPath[rt.path] = rt
		byPath[strings.TrimSuffix(rt.path, "/")] = rt
	}
	return byPath
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

// handler gives what answers a method, or nil.
func (rt *route) handler(name string) handler {
	if name == http.MethodHead {
		name = http.MethodGet
	}
	for i := range rt.methods {
		if rt.methods[i].name == name {
			return rt.methods[i].handle
		}
	}
	return nil
}

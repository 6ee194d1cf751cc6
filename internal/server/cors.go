package server

import (
	"net/http"
	"strings"

	"github.com/latchkey-auth/latchkey/internal/api"
)

// The recorded answers of django-cors-headers, which list every method and
// header whatever was asked for.
var (
	corsMethods = []string{"DELETE, GET, OPTIONS, PATCH, POST, PUT"}
	corsHeaders = []string{"accept, accept-encoding, authorization, content-type, dnt, origin, user-agent, x-csrftoken, x-requested-with"}
	corsMaxAge  = []string{"86400"}
	corsVary    = []string{"Origin"}
	// Where our cookie came the answer depends on it.
	corsVaryCookie = []string{"Origin, Cookie"}
	corsType       = []string{"text/html; charset=utf-8"}
	corsEmpty      = []string{"0"}
	// The same with auth-mode in its place.
	corsHeadersCookie = []string{"accept, accept-encoding, auth-mode, authorization, content-type, dnt, origin, user-agent, x-csrftoken, x-requested-with"}
	corsCredentials   = []string{"true"}
)

// cors lets the listed origins read answers.
//
// Scheme, host and port must be the listed ones; what comes after them is not
// looked at and the header is echoed as it came, as django-cors-headers does.
// No browser sends more than an origin, so that lets nobody else in.
//
// Credentials are named only where cookie mode is in play, so that everybody
// else is answered as recorded: where the preflight asks for Auth-Mode, or the
// request carries it or one of our cookies.
type cors struct {
	origins map[string]bool
	// secure is which pair of cookies is ours.
	secure bool
}

func newCORS(origins []string, secure bool) *cors {
	c := &cors{origins: make(map[string]bool, len(origins)), secure: secure}
	for _, o := range origins {
		c.origins[origin(o)] = true
	}
	return c
}

// origin cuts a URL after its port. The scheme's case does not matter, that of
// the host does.
func origin(s string) string {
	scheme, rest, ok := strings.Cut(s, "://")
	if !ok {
		return s
	}
	if end := strings.IndexAny(rest, "/?#"); end >= 0 {
		rest = rest[:end]
	}
	return strings.ToLower(scheme) + "://" + rest
}

// allow sets the headers of any answer to r.
func (c *cors) allow(h http.Header, r *http.Request) {
	h["Vary"] = corsVary
	cookie := api.HasCookie(r, c.secure)
	if cookie {
		h["Vary"] = corsVaryCookie
	}
	if sent, ok := r.Header["Origin"]; ok && len(sent) == 1 && c.origins[origin(sent[0])] {
		h["Access-Control-Allow-Origin"] = sent
		if len(r.Header["Auth-Mode"]) > 0 || cookie {
			h["Access-Control-Allow-Credentials"] = corsCredentials
		}
	}
}

// lists reports whether an origin is one of those listed.
func (c *cors) lists(sent string) bool { return c.origins[origin(sent)] }

// preflight answers a CORS preflight, which the real stack does before it
// looks at the host or the path, and for a denied origin too: only the headers
// are missing then. It reports whether r was one.
func (c *cors) preflight(w http.ResponseWriter, r *http.Request) bool {
	if r.Method != http.MethodOptions {
		return false
	}
	if _, ok := r.Header["Access-Control-Request-Method"]; !ok {
		return false
	}
	h := w.Header()
	c.allow(h, r)
	if _, ok := h["Access-Control-Allow-Origin"]; ok {
		h["Access-Control-Allow-Headers"] = corsHeaders
		if asksFor(r.Header["Access-Control-Request-Headers"], "auth-mode") {
			h["Access-Control-Allow-Headers"] = corsHeadersCookie
			h["Access-Control-Allow-Credentials"] = corsCredentials
		}
		h["Access-Control-Allow-Methods"] = corsMethods
		h["Access-Control-Max-Age"] = corsMaxAge
	}
	h["Content-Type"] = corsType
	h["Content-Length"] = corsEmpty
	w.WriteHeader(http.StatusOK)
	return true
}

// asksFor reports whether a preflight names a header, in any case.
func asksFor(lists []string, name string) bool {
	for _, list := range lists {
		for asked := range strings.SplitSeq(list, ",") {
			if strings.ToLower(strings.TrimSpace(asked)) == name {
				return true
			}
		}
	}
	return false
}

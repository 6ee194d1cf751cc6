package server

import (
	"net/http"
	"strings"
)

// The recorded answers of django-cors-headers, which list every method and
// header whatever was asked for.
var (
	corsMethods = []string{"DELETE, GET, OPTIONS, PATCH, POST, PUT"}
	corsHeaders = []string{"accept, accept-encoding, authorization, content-type, dnt, origin, user-agent, x-csrftoken, x-requested-with"}
	corsMaxAge  = []string{"86400"}
	corsVary    = []string{"Origin"}
	corsType    = []string{"text/html; charset=utf-8"}
	corsEmpty   = []string{"0"}
)

// cors lets the listed origins read answers.
//
// Scheme, host and port must be the listed ones; what comes after them is not
// looked at and the header is echoed as it came, as django-cors-headers does.
// No browser sends more than an origin, so that lets nobody else in.
type cors struct{ origins map[string]bool }

func newCORS(origins []string) *cors {
	c := &cors{origins: make(map[string]bool, len(origins))}
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
	if sent, ok := r.Header["Origin"]; ok && len(sent) == 1 && c.origins[origin(sent[0])] {
		h["Access-Control-Allow-Origin"] = sent
	}
}

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
		h["Access-Control-Allow-Methods"] = corsMethods
		h["Access-Control-Max-Age"] = corsMaxAge
	}
	h["Content-Type"] = corsType
	h["Content-Length"] = corsEmpty
	w.WriteHeader(http.StatusOK)
	return true
}

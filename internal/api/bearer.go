package api

import (
	"net/http"
	"slices"
	"strings"

	"github.com/latchkey-auth/latchkey/internal/auth"
	"github.com/latchkey-auth/latchkey/internal/session"
)

// caller is who makes a request to a bearer endpoint.
type caller struct {
	session.Access
	// User is current, not what the token says.
	User auth.User
	// byCookie says that the credential was the cookie.
	byCookie bool
}

type callerKey struct{}

// callerOf gives the caller of a bearer endpoint.
func callerOf(r *http.Request) *caller {
	return r.Context().Value(callerKey{}).(*caller)
}

// authenticate finds out who sends the bearer token or, where there is none, the
// cookie. Like DRF it loads the user at once, so that a deleted one's request
// is 401 whatever else is wrong.
func (a *API) authenticate(r *http.Request) (caller, error) {
	byCookie := false
	token, err := bearerToken(r.Header["Authorization"], a.HeaderTypes)
	if err == errNoCredentials { //nolint:errorlint // The very one.
		if token = a.accessCookie(r); token != "" {
			byCookie, err = true, a.crossOrigin(r)
		}
	}
	if err != nil {
		return caller{}, err
	}
	ctx := r.Context()
	access, err := a.Sessions.Authenticate(ctx, token)
	if err != nil {
		return caller{}, &headerError{err}
	}
	u, err := a.Sessions.User(ctx, access)
	if err != nil {
		return caller{}, &headerError{err}
	}
	return caller{access, u, byCookie}, nil
}

// optionalCaller is authenticate for endpoints that are public: no token and
// one that is not good are nobody (nil), not an error.
func (a *API) optionalCaller(r *http.Request) (*caller, error) {
	c, err := a.authenticate(r)
	if err == nil && c.byCookie {
		err = jsonOnly(r)
	}
	switch {
	case err == nil:
		return &c, nil
	case auth.IsKind(err, auth.Unauthenticated), auth.IsKind(err, auth.TokenNotValid):
		return nil, nil
	default:
		return nil, err
	}
}

// bearerToken reads the Authorization headers of a request. No header, an
// empty one and another scheme count as no credentials; "Bearer" without
// exactly one word after it, and a header sent twice, as a bad header. Of other
// schemes types are taken, too (AUTH_HEADER_TYPES of SimpleJWT). The scheme is
// compared in any case (RFC 9110, section 11.1).
func bearerToken(headers, types []string) (string, error) {
	if len(headers) == 0 {
		return "", errNoCredentials
	}
	scheme, rest := nextWord(headers[0])
	if len(headers) > 1 {
		return "", errBadAuthorization
	}
	if !isScheme(scheme, "bearer") && !slices.ContainsFunc(types, func(t string) bool { return isScheme(scheme, t) }) {
		return "", errNoCredentials
	}
	token, rest := nextWord(rest)
	if more, _ := nextWord(rest); token == "" || more != "" {
		return "", errBadAuthorization
	}
	return token, nil
}

// isScheme compares in ASCII: strings.EqualFold folds letters that only look
// like ASCII ones.
func isScheme(scheme, want string) bool {
	if len(scheme) != len(want) {
		return false
	}
	for i := range len(want) {
		if lower(scheme[i]) != lower(want[i]) {
			return false
		}
	}
	return true
}

func lower(b byte) byte {
	if 'A' <= b && b <= 'Z' {
		return b + ('a' - 'A')
	}
	return b
}

// nextWord cuts s at ASCII white space, as Python's bytes.split does.
func nextWord(s string) (word, rest string) {
	const space = " \t\n\v\f\r"
	s = strings.TrimLeft(s, space)
	if i := strings.IndexAny(s, space); i >= 0 {
		return s[:i], s[i:]
	}
	return s, ""
}

package latchkey

import (
	"errors"
	"net/http"
	"strings"
)

// The bodies of refusals, those of Django REST framework and SimpleJWT: a
// client that was written for them needs no other code for your API.
const (
	bodyNoCredentials    = `{"detail":"Authentication credentials were not provided."}`
	bodyBadAuthorization = `{"detail":"Authorization header must contain two space-delimited values","code":"bad_authorization_header"}`
	bodyNoUser           = `{"detail":"Token contained no recognizable user identification","code":"token_not_valid"}`
	bodyForbidden        = `{"detail":"You do not have permission to perform this action."}`
	bodyCrossOrigin      = `{"detail":"Cross-origin request refused."}`
	bodyUnavailable      = `{"detail":"Service temporarily unavailable, try again later."}`
)

// tokenNotValid is SimpleJWT's body for a token of the Authorization header.
func tokenNotValid(message string) string {
	return `{"detail":"Given token not valid for any token type","code":"token_not_valid",` +
		`"messages":[{"token_class":"AccessToken","token_type":"access","message":"` + message + `"}]}`
}

var (
	errNoCredentials    = errors.New("no credentials")
	errBadAuthorization = errors.New("bad Authorization header")
	errCrossOrigin      = errors.New("another origin's request")
)

// Require guards a handler: it lets requests through that bear a good access
// token of a user with one of the roles, or with any role if none is given. The
// handler finds the claims with FromContext. Without a good token the answer is
// 401, with one of another role 403, and 503 while it cannot be known.
func (v *Verifier) Require(roles ...Role) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			token, err := v.credential(r)
			var c *Claims
			if err == nil {
				c, err = v.Verify(r.Context(), token)
			}
			switch {
			case err != nil:
				refuse(w, err)
			case len(roles) > 0 && !c.Is(roles...):
				answer(w, http.StatusForbidden, bodyForbidden)
			default:
				next.ServeHTTP(w, r.WithContext(NewContext(r.Context(), c)))
			}
		})
	}
}

// credential finds the token of a request.
func (v *Verifier) credential(r *http.Request) (string, error) {
	token, err := bearerToken(r.Header["Authorization"])
	if err == nil || v.cookie == "" || !errors.Is(err, errNoCredentials) {
		return token, err
	}
	cookies := r.CookiesNamed(v.cookie)
	if len(cookies) != 1 || cookies[0].Value == "" {
		// Of two, one was planted.
		return "", errNoCredentials
	}
	// A browser sends the cookie with whatever another site has it ask for.
	if new(http.CrossOriginProtection).Check(r) != nil {
		return "", errCrossOrigin
	}
	return cookies[0].Value, nil
}

// bearerToken reads the Authorization headers of a request. No header, an empty
// one and another scheme are no credentials; "Bearer" without exactly one word
// after it, and a header sent twice, a bad one. The scheme may be in any case
// (RFC 9110, section 11.1).
func bearerToken(headers []string) (string, error) {
	if len(headers) == 0 {
		return "", errNoCredentials
	}
	if len(headers) > 1 {
		return "", errBadAuthorization
	}
	scheme, rest := nextWord(headers[0])
	// Letters outside ASCII stay what they are: one of them folds to k.
	if len(scheme) != len("bearer") || strings.ToLower(scheme) != "bearer" {
		return "", errNoCredentials
	}
	token, rest := nextWord(rest)
	if more, _ := nextWord(rest); token == "" || more != "" {
		return "", errBadAuthorization
	}
	return token, nil
}

// nextWord cuts s at ASCII white space.
func nextWord(s string) (word, rest string) {
	const space = " \t\n\v\f\r"
	s = strings.TrimLeft(s, space)
	if i := strings.IndexAny(s, space); i >= 0 {
		return s[:i], s[i:]
	}
	return s, ""
}

// refuse answers an error of credential or Verify.
func refuse(w http.ResponseWriter, err error) {
	switch {
	case errors.Is(err, ErrUnavailable):
		w.Header().Set("Retry-After", "1")
		answer(w, http.StatusServiceUnavailable, bodyUnavailable)
		return
	case errors.Is(err, errCrossOrigin):
		answer(w, http.StatusForbidden, bodyCrossOrigin)
		return
	}
	var body string
	switch {
	case errors.Is(err, errNoCredentials):
		body = bodyNoCredentials
	case errors.Is(err, errBadAuthorization):
		body = bodyBadAuthorization
	case errors.Is(err, ErrNoUser):
		body = bodyNoUser
	case errors.Is(err, ErrWrongType):
		body = tokenNotValid("Token has wrong type")
	case errors.Is(err, ErrNoType):
		body = tokenNotValid("Token has no type")
	case errors.Is(err, ErrNoID):
		body = tokenNotValid("Token has no id")
	case errors.Is(err, ErrNoExpiry):
		body = tokenNotValid("Token has no 'exp' claim")
	default:
		body = tokenNotValid("Token is invalid or expired")
	}
	w.Header().Set("WWW-Authenticate", `Bearer realm="api"`)
	answer(w, http.StatusUnauthorized, body)
}

func answer(w http.ResponseWriter, status int, body string) {
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(body)) // One that fails has no reader to be told.
}

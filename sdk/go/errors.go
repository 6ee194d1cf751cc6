package latchkey

import (
	"errors"
	"fmt"
)

// Why Verify refuses a token; use errors.Is. All but ErrUnavailable are about
// the token and stay true: asking again does not help.
var (
	// ErrMalformed: no JWS of three parts in base64url, a header that is not
	// understood, or claims that are no JSON object of usable types.
	ErrMalformed = errors.New("latchkey: malformed token")
	// ErrSignature: none of the accepted keys made the signature.
	ErrSignature = errors.New("latchkey: token is not signed by an accepted key")
	// ErrExpired: exp has passed.
	ErrExpired = errors.New("latchkey: token has expired")
	// ErrNotYetValid: iat or nbf lies further ahead than Options.Leeway.
	ErrNotYetValid = errors.New("latchkey: token is not valid yet")
	// ErrWrongType: token_type is not "access". Refresh tokens open nothing.
	ErrWrongType = errors.New("latchkey: token has the wrong type")
	// ErrIssuer: iss is not Options.Issuer.
	ErrIssuer = errors.New("latchkey: token has the wrong issuer")
	// ErrAudience: aud does not name Options.Audience.
	ErrAudience = errors.New("latchkey: token is for another audience")
	// ErrRevoked: the session has ended, or the user's role, password or
	// account has changed since.
	ErrRevoked = errors.New("latchkey: token has been revoked")
	// ErrUnavailable: it cannot be known now, since the server was not reached
	// yet or for too long. Answer 503 and let the client come again; a 401
	// would have it throw a good token away.
	ErrUnavailable = errors.New("latchkey: tokens cannot be checked at the moment")
)

// Claims that must be there and are not. Each is ErrMalformed, too.
var (
	ErrNoExpiry = fmt.Errorf("%w: no exp claim", ErrMalformed)
	ErrNoID     = fmt.Errorf("%w: no jti claim", ErrMalformed)
	ErrNoType   = fmt.Errorf("%w: no token_type claim", ErrMalformed)
	ErrNoUser   = fmt.Errorf("%w: no user_id claim", ErrMalformed)
	// ErrNoSession: no sid claim, so Django made it; see Options.Sessionless.
	ErrNoSession = fmt.Errorf("%w: no sid claim", ErrMalformed)
)

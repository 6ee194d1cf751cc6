package token

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

// The types of token, as the token_type claim names them.
const (
	Access  = "access"
	Refresh = "refresh"
)

// Why a token is refused. They tell apart what SimpleJWT's messages tell apart.
var (
	// ErrInvalid: malformed, not signed by an accepted key, expired, or not
	// valid yet.
	ErrInvalid = errors.New("token is invalid or expired")
	// ErrForged and ErrExpired are ErrInvalid, for those who want to know: not
	// signed by an accepted key or no token at all, and signed but too old.
	ErrForged  = fmt.Errorf("%w: it was not signed here", ErrInvalid)
	ErrExpired = fmt.Errorf("%w: its time is over", ErrInvalid)
	// ErrNoExpiry: there is no exp claim.
	ErrNoExpiry = errors.New("token has no exp claim")
	// ErrNoID: there is no jti claim.
	ErrNoID = errors.New("token has no id")
	// ErrNoType: there is no token_type claim.
	ErrNoType = errors.New("token has no type")
	// ErrWrongType: token_type is not one that was wanted.
	ErrWrongType = errors.New("token has wrong type")
)

// Claims is what a token says. Parse fills all of it. Sign reads Type, Expires,
// IssuedAt, ID, UserID, SessionID, Issuer and Audience, and for access tokens
// Role, Gen and HasGen.
type Claims struct {
	// Type is the token_type claim; "" when that is not a string.
	Type    string
	HasType bool
	// Expires is exp in seconds since 1970, fractions cut off. HasExpires is
	// false only where there was no exp claim at all.
	Expires    int64
	HasExpires bool
	// IssuedAt is iat in seconds since 1970, fractions cut off.
	IssuedAt    int64
	HasIssuedAt bool
	// ID is the jti claim. The real stack does not look at its type, so one
	// that is not a string is kept as it is spelled in JSON.
	ID         string
	HasID      bool
	IDIsString bool
	// UserID is the user_id claim, given as an integer or a decimal string.
	// HasUserID says that there is a claim, UserIDValid that UserID holds it,
	// UserIDNull that it is null (which the real stack answers like a user
	// that does not exist).
	UserID      int64
	HasUserID   bool
	UserIDValid bool
	UserIDNull  bool
	// SessionID is the sid claim, 32 hex digits; "" in a token that Django
	// minted.
	SessionID string
	// Role is the role claim; "" where there is none. Without a SessionID it
	// and gen are not looked at: they would be some other program's.
	Role string
	// Gen is the generation of the user's access tokens.
	Gen    int64
	HasGen bool
	// As are further names under which Sign writes type, id and user, for the
	// other program to find them. Parse leaves it empty.
	As Foreign
	// Issuer and Audience are iss and aud where those are strings; of an aud
	// that is a list, the one of it that was demanded. Else they are "".
	Issuer, Audience string
}

// Names are the iss and aud that a token must have. One that is "" may be
// missing, or be anything.
type Names struct {
	Issuer, Audience string
	// Foreign is how tokens without a session are read: those that another
	// program minted with the same key.
	Foreign Foreign
}

// Foreign is what another program calls the claims that all tokens have; "" is
// the same name as here.
type Foreign struct {
	Type, ID, User string
	// Leeway is how long after its exp such a token is good, in whole seconds.
	Leeway time.Duration
}

// The names here.
const (
	typeName = "token_type"
	idName   = "jti"
	userName = "user_id"
)

// renamed reports whether a claim has another name there.
func (f Foreign) renamed() bool {
	return f.Type != "" && f.Type != typeName || f.ID != "" && f.ID != idName || f.User != "" && f.User != userName
}

// of reports whether these claims have the names.
func (n Names) of(c Claims) bool {
	return (n.Issuer == "" || c.Issuer == n.Issuer) && (n.Audience == "" || c.Audience == n.Audience)
}

// Check asks for the claims without which a token is of no use, in the order
// of SimpleJWT's Token.verify: exp, jti, then a type that is one of want.
func (c Claims) Check(want ...string) error {
	switch {
	case !c.HasExpires:
		return ErrNoExpiry
	case !c.HasID:
		return ErrNoID
	case !c.HasType:
		return ErrNoType
	case c.Type == "" || !slices.Contains(want, c.Type):
		return ErrWrongType
	}
	return nil
}

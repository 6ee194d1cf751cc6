package latchkey

import (
	"context"
	"slices"
	"time"
)

// Role is what a user may do.
type Role string

// The roles of Latchkey. What each may do in Latchkey itself,
// GET /api/auth/permissions/ says; what it may do in your API is yours to say.
const (
	Admin    Role = "admin"
	Manager  Role = "manager"
	Employee Role = "employee"
	Client   Role = "client"
)

// Limited reports whether the role is one of limited access: Client, and any
// that this version does not know.
func (r Role) Limited() bool { return r != Admin && r != Manager && r != Employee }

// Claims is what a good access token says.
type Claims struct {
	UserID int64
	// Role is the role at the time the token was made. A change of role revokes
	// the older tokens, so behind a feed it is the current one. "" in a token
	// that Django made.
	Role Role
	// SessionID is the sid claim, the login on one device: 32 hex digits, "" in
	// a token that Django made.
	SessionID string
	// ID is the jti claim. Key whatever you keep about a token by it, not by
	// the token's text.
	ID string
	// IssuedAt is the zero Time if there is no iat claim.
	IssuedAt time.Time
	Expires  time.Time
	// Gen is the generation of the user's tokens; HasGen says whether there is
	// one.
	Gen    int64
	HasGen bool
	// Issuer and Audience are iss and aud, if they are there.
	Issuer   string
	Audience []string
}

// Is reports whether the role is one of roles.
func (c *Claims) Is(roles ...Role) bool { return slices.Contains(roles, c.Role) }

type claimsKey struct{}

// NewContext gives a context that carries claims, as Require makes it: for the
// tests of your handlers.
func NewContext(ctx context.Context, c *Claims) context.Context {
	return context.WithValue(ctx, claimsKey{}, c)
}

// FromContext gives the claims of the token with which the request came through
// Require. It is false where no Require was on the way.
func FromContext(ctx context.Context) (*Claims, bool) {
	c, ok := ctx.Value(claimsKey{}).(*Claims)
	return c, ok
}

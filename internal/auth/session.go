package auth

import "time"

// Client is who asks: kept with sessions and events.
type Client struct {
	// Address is the client's IP address in text, "" if unknown (the CLI).
	Address string
	// UserAgent is cut to 512 bytes of valid UTF-8.
	UserAgent string
	// Request is the id of the request, by which its line of the log is found;
	// "" where there is none. Sessions do not keep it.
	Request string
}

// Session is one login on one device: the chain of refresh tokens that grew
// from it. It knows the jti of its current refresh token and of the previous
// one; any other jti of the session is blacklisted by definition.
type Session struct {
	// ID is the token's "sid": 32 hex digits, a UUIDv7 without hyphens,
	// chosen by the caller before the first try.
	ID     string
	UserID int64
	// JTI, IssuedAt and Expires describe the current refresh token; the times
	// are the token's own claims in Unix seconds. With them the very same
	// token can be minted again.
	JTI      string
	IssuedAt int64
	Expires  int64
	// PrevJTI is "" until the first rotation.
	PrevJTI   string
	RotatedAt time.Time
	// OriginJTI is the jti of the Django-minted refresh token that the session
	// was adopted from, or "".
	OriginJTI string
	CreatedAt time.Time
	LastSeen  time.Time
	// Until is when the row may go: the latest exp of any of its tokens.
	Until time.Time
	// RevokedAt is zero while the session lives.
	RevokedAt time.Time
	// ConfirmedAt is when the password was last proved in the session: at the
	// sign-in or since; zero for one that was adopted and where it never was. A
	// rotation leaves it as it is.
	ConfirmedAt time.Time
	Client      Client
}

// ClockSkew is how far apart two nodes' clocks may be.
const ClockSkew = time.Minute

// Confirmed reports whether the password was proved in the session of late: at
// most within ago, or, by another node's clock, not far ahead.
func (s Session) Confirmed(within time.Duration, now time.Time) bool {
	age := now.Sub(s.ConfirmedAt)
	return !s.ConfirmedAt.IsZero() && age <= within && age >= -ClockSkew
}

// Live reports whether the session goes on at now.
func (s Session) Live(now time.Time) bool {
	return s.ID != "" && s.RevokedAt.IsZero() && now.Unix() < s.Expires
}

// NewSession is what a session is opened with. IssuedAt and Expires are the
// refresh token's claims in Unix seconds.
type NewSession struct {
	ID, JTI           string
	IssuedAt, Expires int64
	// Until is when the last of the tokens minted at opening expires.
	Until  time.Time
	Client Client
}

// MaxSessions is how many live sessions a user has at most; opening one more
// revokes the oldest.
const MaxSessions = 100

// Opening asks the store to open a session after the password was right.
type Opening struct {
	UserID int64
	// CredentialVersion is what was read with the hash that the password was
	// checked against.
	CredentialVersion int64
	// Rehash, when not "", replaces the stored hash in the same statement.
	Rehash  string
	Session NewSession
	Now     time.Time
	// Event is written with the session; its UserID, SessionID, Client and At
	// are filled in by the store.
	Event EventKind
	// Counting, when not nil, is done with it: what the attempt took is given
	// back. Where it answers an error no session is opened.
	Counting *Counting
}

// Opened is the answer to an Opening.
type Opened struct {
	// OK is false when the account is gone, inactive or its password was
	// changed meanwhile; nothing has been written then.
	OK bool
	// User is the user as of this transaction; role and gen for the tokens
	// come from here.
	User User
	// Revocations are what closing the user's oldest session wrote.
	Revocations []Revocation
}

// Rotation asks the store to trade a refresh token for its successor.
type Rotation struct {
	SessionID string
	UserID    int64
	// JTI is the presented token's; NewJTI the successor's, chosen before the
	// first try, so that a retry after an ambiguous commit can tell.
	JTI, NewJTI string
	// IssuedAt is the successor's iat, Expires its exp before the cap of
	// SessionMax, both in Unix seconds.
	IssuedAt, Expires int64
	// SessionMax caps: no token of the session outlives CreatedAt+SessionMax.
	SessionMax time.Duration
	// AccessUntil is when the access token minted beside it expires.
	AccessUntil time.Time
	// SpentUntil, when not 0, is the presented token's exp: its jti is kept as
	// spent until then, so that Django can be told of it.
	SpentUntil int64
	Now        time.Time
}

// Rotated is the answer to a Rotation: the state after it, whether or not it
// rotated. The caller decides from the state what an unrotated one means.
type Rotated struct {
	// Done says that the session's current jti is NewJTI now.
	Done bool
	// Session is the row after the statement, with ID "" when there is none.
	Session Session
	// User is the session's user as the same transaction saw it (the token's
	// user when there is no session), with ID 0 when there is none.
	User User
}

// Revoking asks the store to end sessions of one user.
type Revoking struct {
	UserID int64
	// SessionIDs are ended; one that is another user's, or has no row, makes
	// the whole answer ErrNotFound and changes nothing.
	SessionIDs []string
	// AccessJTI, when not "", revokes one access token that has no session.
	AccessJTI string
	Event     EventKind
	Detail    string
	Client    Client
	Now       time.Time
}

// Revoked is the answer to a Revoking.
type Revoked struct {
	// Ended are the sessions that lived until now.
	Ended []string
	// Revocations are the rows written, to be applied in memory before the
	// answer.
	Revocations []Revocation
}

// Adoption asks to take in a session that Django opened: see design.md,
// "Tokens that Django minted".
type Adoption struct {
	UserID int64
	// OriginJTI, IssuedAt and Expires are the token's. IssuedAt is exp minus
	// the refresh lifetime when the token has no iat.
	OriginJTI         string
	IssuedAt, Expires int64
	// SessionID is used if the session does not exist yet.
	SessionID string
	Client    Client
	Now       time.Time
}

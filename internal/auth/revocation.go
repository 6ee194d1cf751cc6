package auth

import "time"

// RevocationKind says what a revocation names.
type RevocationKind string

// The kinds of revocation; design.md, "Access tokens are checked without the
// database".
const (
	// RevokedSession kills the access tokens of one session: Key is its id.
	RevokedSession RevocationKind = "sid"
	// RevokedToken kills one access token without a session: Key is its jti.
	RevokedToken RevocationKind = "jti"
	// RevokedUser kills a user's tokens: Key is the id in decimal; those with
	// a gen below Gen (when Gen is not 0), and those without a gen and with
	// iat at or before IssuedBefore (when it is not 0).
	RevokedUser RevocationKind = "user"
	// RevokedAll kills every token with iat at or before IssuedBefore.
	RevokedAll RevocationKind = "all"
)

// Revocation is one row of the list that every node holds in memory.
type Revocation struct {
	// Seq orders revocations as their commits were ordered. It comes from the
	// clock row, never from a sequence, whose gaps fill late.
	Seq  int64
	Kind RevocationKind
	Key  string
	Gen  int64
	// IssuedBefore is in Unix seconds, inclusive.
	IssuedBefore int64
	// Until is the latest exp that any access token it concerns can have; then
	// the row leaves table and memory.
	Until time.Time
}

// AccessIdentity is what of an access token revocations are matched against.
type AccessIdentity struct {
	UserID    int64
	SessionID string // "" for a token without a session
	JTI       string
	// Gen is meaningful when HasGen.
	Gen      int64
	HasGen   bool
	IssuedAt int64 // Unix seconds; 0 when the token has none
}

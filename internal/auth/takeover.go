package auth

import (
	"context"
	"time"
)

// ImportedUser is a user of another server's database who is taken over with
// their id.
type ImportedUser struct {
	ID        int64
	Email     Email
	FirstName string
	LastName  string
	Phone     string
	Role      Role
	IsActive  bool
	// Password is an encoded hash that can be verified here, or an unusable one.
	Password             string
	CreatedAt, UpdatedAt time.Time
	// LastLogin is zero for a user who has never signed in.
	LastLogin time.Time
	// Base notes what was taken over, for the next import to compare with. It is
	// the importer's own.
	Base []byte
}

// ImportBase is what the last import noted of a user.
type ImportBase struct {
	UserID int64
	Base   []byte
}

// ImportTombstone is the base of a user who was taken over and has been deleted
// here since.
const ImportTombstone = "\x00"

// ExportTombstone is the base of one whom an export has deactivated in Django,
// or did not find there any more.
const ExportTombstone = "\x00\x01"

// Buried reports whether the base is that of a user who has been deleted here.
func (b ImportBase) Buried() bool {
	return string(b.Base) == ImportTombstone || string(b.Base) == ExportTombstone
}

// TokenKind says what is known of a refresh token by its jti alone.
type TokenKind string

// The kinds of known tokens.
const (
	// TokenSpent was rotated here; kept so that Django can be told.
	TokenSpent TokenKind = "spent"
	// TokenBlacklisted was blacklisted in Django before it was taken over.
	TokenBlacklisted TokenKind = "imported"
	// TokenOutstanding was issued by Django and not blacklisted when it was
	// taken over.
	TokenOutstanding TokenKind = "outstanding"
)

// KnownToken is a refresh token of which only the jti is kept.
type KnownToken struct {
	JTI string
	// UserID is 0 where it is not known.
	UserID int64
	// Expires is the token's exp in Unix seconds; the row goes then.
	Expires int64
	Kind    TokenKind
}

// ImportedSecret is a second factor that was taken over and kept, sealed, until
// somebody can use it.
type ImportedSecret struct {
	UserID int64
	// Kind and SourceID say what it was there: "otp_totp", 17.
	Kind     string
	SourceID int64
	Sealed   []byte
}

// ImportRun is the last import from a source.
type ImportRun struct {
	Source    string
	StartedAt time.Time
	// FinishedAt is zero for one that was broken off.
	FinishedAt time.Time
	// Users is how many rows of users had been gone through.
	Users int64
	// Counts is the report, as JSON.
	Counts string
}

// TakeoverReader reads what imports have left.
type TakeoverReader interface {
	// UsersByIDs gives the users that there are among the ids.
	UsersByIDs(ctx context.Context, ids []int64) ([]User, error)
	// UserIDsByEmail gives the ids of the users that have one of the keys.
	UserIDsByEmail(ctx context.Context, keys []string) (map[string]int64, error)
	// ImportBases gives those that there are among the ids.
	ImportBases(ctx context.Context, ids []int64) ([]ImportBase, error)
	// ImportedIDs gives the ids of users who were taken over and not deleted
	// here, larger than after, in order, at most limit.
	ImportedIDs(ctx context.Context, after int64, limit int) ([]int64, error)
	// DeletedIDs gives the ids of users who were taken over and have been deleted
	// here, in the same way, but for those that an export has dealt with.
	DeletedIDs(ctx context.Context, after int64, limit int) ([]int64, error)
	// LastUserID gives the largest id that has been given or set aside.
	LastUserID(ctx context.Context) (int64, error)
	// LastImport answers ErrNotFound where there was none from the source.
	LastImport(ctx context.Context, source string) (ImportRun, error)
	// TokenImported reports whether a jti was blacklisted in Django.
	TokenImported(ctx context.Context, jti string) (bool, error)
	// SpentTokens gives refresh tokens that were rotated here and are dead at now
	// but for their signature and their exp. In order of jti, larger than after,
	// at most limit. Those of logouts are RevokedSessions'.
	SpentTokens(ctx context.Context, now time.Time, after string, limit int) ([]KnownToken, error)
	// RevokedSessions gives sessions that were ended although their current token
	// has not expired at now: that is as dead as a spent one. In order of id,
	// larger than after, at most limit.
	RevokedSessions(ctx context.Context, now time.Time, after string, limit int) ([]Session, error)
	// OutstandingTokens gives those that Django issued and that were not
	// blacklisted there, in the same way.
	OutstandingTokens(ctx context.Context, now time.Time, after string, limit int) ([]KnownToken, error)
	// BlacklistedTokens gives those that were blacklisted in Django, in the same
	// way.
	BlacklistedTokens(ctx context.Context, now time.Time, after string, limit int) ([]KnownToken, error)
	// ImportedSecrets gives a user's.
	ImportedSecrets(ctx context.Context, userID int64) ([]ImportedSecret, error)
}

// TakeoverWriter takes over.
type TakeoverWriter interface {
	// InsertImported inserts users and their bases and gives the ids of those
	// that it did not: their id or their e-mail address is somebody's already,
	// or they were deleted here.
	InsertImported(ctx context.Context, users []ImportedUser, now time.Time) (refused []int64, err error)
	// SetImported notes a base and moves UpdatedAt and LastLogin forward.
	SetImported(ctx context.Context, b ImportBase, updatedAt, lastLogin time.Time) error
	// SetBases notes bases and nothing else.
	SetBases(ctx context.Context, bases []ImportBase) error
	// RaiseUserIDs makes new users' ids larger than past.
	RaiseUserIDs(ctx context.Context, past int64) error
	// PutTokens notes tokens and gives the jtis that are blacklisted by it and
	// were not known to be spent before. A token that was spent here stays so.
	PutTokens(ctx context.Context, tokens []KnownToken) (blacklisted []string, err error)
	// RevokeAdopted ends the sessions that were adopted from tokens with these
	// jtis and gives their ids.
	RevokeAdopted(ctx context.Context, jtis []string, now time.Time) ([]string, error)
	// RevokeBlacklisted ends the sessions, of at most limit that follow the id
	// after, whose current refresh token was blacklisted in Django: it was handed
	// back there and spent. It gives the ids of those ended, and the id to go on
	// after, "" at the end.
	RevokeBlacklisted(ctx context.Context, after string, limit int, now time.Time) (ended []string, next string, err error)
	// DropImportedSecrets removes all of them.
	DropImportedSecrets(ctx context.Context) error
	PutImportedSecrets(ctx context.Context, secrets []ImportedSecret) error
	// PutImport notes a run in the place of the last one from its source.
	PutImport(ctx context.Context, r ImportRun) error
}

package auth

import (
	"context"
	"time"
)

// Store is where users, sessions, revocations and events are kept. There are
// two engines, SQLite and PostgreSQL; storetest says what both must do.
//
// A nil error from anything that writes means that it is on disk. Errors that
// are not *Error are internal: the statement may or may not have taken effect
// and nothing may be answered from it.
type Store interface {
	// Read gives single reads, each a statement of its own.
	Read() Reader

	// Rotate, OpenSession and RevokeSession are the hot acts. They are named,
	// not closures, so that an engine can commit many requests' acts together.
	Rotate(ctx context.Context, r Rotation) (Rotated, error)
	OpenSession(ctx context.Context, o Opening) (Opened, error)
	RevokeSession(ctx context.Context, r Revoking) (Revoked, error)
	// Count is one too: each login begins with it.
	Count(ctx context.Context, c Counting) error

	// Update runs fn in one transaction and commits it if fn returns nil. fn
	// may run more than once (a retry, a batch that is run again singly), so
	// it does storage and nothing else, and it sets what it captures anew each
	// time. An error of fn rolls back and is returned as it is.
	Update(ctx context.Context, fn func(Tx) error) error

	// Changes gives a hint whenever revocations may have been written by
	// somebody else (another node, the command line). Hints may be lost or
	// false; the truth is Reader.Revocations. The channel is closed when ctx
	// is done.
	Changes(ctx context.Context) <-chan struct{}

	// Describe tells what the database is.
	Describe(ctx context.Context) (Database, error)
	// Examine tells how it is kept. It changes nothing.
	Examine(ctx context.Context) (Condition, error)
	// Ping reports whether the database answers.
	Ping(ctx context.Context) error
	// Close waits for what is under way and releases everything.
	Close() error
}

// Reader is what can be read.
type Reader interface {
	UserReader
	SessionReader
	RevocationReader
	KeyReader
	EventReader
	ChainReader
	LinkReader
	ServiceKeyReader
	CounterReader
	TakeoverReader
}

// Tx is what can be done in a transaction. Locks are taken in this order: the
// guard row (LockAdmins), users by id, sessions by id, counters by key, the clock
// (Revoke): an act keeps to it. Who locks the chain (LockChain) locks none of
// these.
type Tx interface {
	Reader
	UserWriter
	SessionWriter
	RevocationWriter
	KeyWriter
	EventWriter
	ChainWriter
	LinkWriter
	ServiceKeyWriter
	CounterWriter
	TakeoverWriter
}

// UserReader reads users. They answer ErrNotFound where there is none.
type UserReader interface {
	UserByID(ctx context.Context, id int64) (User, error)
	// UserByEmail looks up Email.Key.
	UserByEmail(ctx context.Context, key string) (User, error)
	Users(ctx context.Context, f UserFilter) ([]User, error)
	// SearchUsers gives a page of users. A page may have fewer users than its
	// limit, or none, and still a Last: the search went so far and no farther,
	// so that it is quick whatever is asked.
	SearchUsers(ctx context.Context, s UserSearch) (UserPage, error)
	// ForeignHash gives, in the order of bytes, the first stored hash after this
	// text that Latchkey would not write today, "" when there is none. Unusable
	// ones are left out. It goes by an index of those alone.
	ForeignHash(ctx context.Context, after string) (string, error)
	// CountAdmins counts active administrators, up to limit.
	CountAdmins(ctx context.Context, limit int) (int, error)
	// PasswordFormats counts the users whose password's hash Latchkey would not
	// write today, by its format. Unusable ones are left out. It goes by an index
	// of those alone.
	PasswordFormats(ctx context.Context) (map[PasswordFormat]int64, error)
}

// UserWriter changes users.
type UserWriter interface {
	// InsertUser answers ErrEmailTaken for a key that exists. Gen starts at
	// now in µs, CredentialVersion at 1.
	InsertUser(ctx context.Context, u NewUser, now time.Time) (User, error)
	// UpdateUser locks the row and gives it as it is afterwards. ErrNotFound
	// without a row, ErrConflict when IfCredentialVersion does not hold.
	UpdateUser(ctx context.Context, id int64, c UserChange, now time.Time) (User, error)
	// DeleteUser removes the row and gives it as it was. Sessions keep their
	// rows until they expire; revoke them first or after, in the same
	// transaction.
	DeleteUser(ctx context.Context, id int64) (User, error)
	// LockAdmins is taken first by an act that may take the last active
	// administrator away: it makes such acts come one after the other.
	LockAdmins(ctx context.Context) error
	// IndexUsers makes the words by which users are found, for at most limit
	// users that have none or older ones, and gives for how many it did.
	IndexUsers(ctx context.Context, limit int) (int, error)
}

// SessionReader reads sessions.
type SessionReader interface {
	// SessionState gives a session's row and the user with one statement.
	// ID is "" and 0 respectively where there is none.
	SessionState(ctx context.Context, sessionID string, userID int64) (Session, User, error)
	// SessionByOrigin finds the session that was adopted from a Django-minted
	// token. ErrNotFound without one.
	SessionByOrigin(ctx context.Context, originJTI string) (Session, error)
	// Sessions gives a user's live sessions at now, newest first.
	Sessions(ctx context.Context, userID int64, now time.Time) ([]Session, error)
	// CountSessions gives the number of live sessions of everybody at now.
	CountSessions(ctx context.Context, now time.Time) (int64, error)
}

// SessionWriter changes sessions outside of the hot acts.
type SessionWriter interface {
	// InsertSession opens a session for a user that this transaction has
	// locked or inserted, without any check. Used by registration; login goes
	// through Store.OpenSession. Its password has just been proved.
	InsertSession(ctx context.Context, userID int64, s NewSession, now time.Time) (Session, error)
	// AdoptSession inserts the session of a Django-minted refresh token or
	// finds the one that is there; created says which. Its user is locked by
	// the first statement, which is also the check: active, and ValidAfter not
	// set or before IssuedAt. Where that fails the answer is a TokenNotValid
	// error: CodeNoActiveAccount for a user that is inactive or gone, else
	// CodeTokenBlacklisted, which is also that of a jti that was blacklisted in
	// Django.
	AdoptSession(ctx context.Context, a Adoption) (s Session, created bool, err error)
	// RevokeSessions ends every live session of a user but the one with the id
	// except ("" for none) and gives the ids of those ended. Lock the user's
	// row first.
	RevokeSessions(ctx context.Context, userID int64, except string, now time.Time) ([]string, error)
	// ConfirmSession notes that the password was proved in a live session of the
	// user's; false where there is none with this id. Lock the user's row first.
	ConfirmSession(ctx context.Context, userID int64, sessionID string, now time.Time) (bool, error)
	// EndAll is the emergency and the restore: it revokes every session, sets
	// every ValidAfter to now, moves every Gen to max(Gen+1, now in µs) and
	// the user id sequence past any id that may have been given since this
	// data was current: by 1000, and 1000 for each second since the newest
	// user, session or event was written. Follow it with a RevokedAll row. It
	// gives the number of sessions ended.
	EndAll(ctx context.Context, now time.Time) (int64, error)
	// Sweep removes rows that nobody can need any more: revocations past Until,
	// links and counters that have expired, samples and events before
	// eventsBefore that no link of the chain holds, at most limit of each, and, of
	// the limit sessions that follow the id after, those past Until. It gives how
	// many went and the id to go on after, "" once the last session has been
	// looked at. Sessions are walked since they have no index by Until.
	Sweep(ctx context.Context, now, eventsBefore time.Time, after string, limit int) (gone int64, next string, err error)
}

// RevocationReader reads revocations.
type RevocationReader interface {
	// Revocations gives those with seq greater than after, in order of seq, at
	// most limit.
	Revocations(ctx context.Context, after int64, limit int) ([]Revocation, error)
	// LastRevocation gives the clock's seq.
	LastRevocation(ctx context.Context) (int64, error)
	// AccessRevoked asks the table's indexes whether an access token is dead.
	// Used only above the bound of the in-memory list.
	AccessRevoked(ctx context.Context, a AccessIdentity) (bool, error)
	// MaxAccess is the largest access-token lifetime ever configured here.
	MaxAccess(ctx context.Context) (time.Duration, error)
}

// RevocationWriter writes revocations.
type RevocationWriter interface {
	// Revoke writes rows; their Seq and Until are set by it. It takes the
	// clock row, the transaction's last lock: call it once, last.
	Revoke(ctx context.Context, rows ...Revocation) ([]Revocation, error)
	// RaiseMaxAccess stores the access-token lifetime if it is the largest so
	// far.
	RaiseMaxAccess(ctx context.Context, d time.Duration) error
}

// KeyReader reads the key ring's rows.
type KeyReader interface {
	Keys(ctx context.Context) ([]Key, error)
}

// KeyWriter changes the key ring's rows.
type KeyWriter interface {
	// InsertKey inserts the key unless there is one with this id, and gives
	// the row that is there then.
	InsertKey(ctx context.Context, k Key) (Key, error)
	// UpdateKey sets State, Secret, Sealed, SignsAt, Lifetime, RetiredAt and
	// AcceptUntil of the row with this id.
	UpdateKey(ctx context.Context, k Key) error
	// LockKeys serialises changes to the ring between nodes.
	LockKeys(ctx context.Context) error
}

// EventReader reads the audit trail.
type EventReader interface {
	Events(ctx context.Context, f EventFilter) ([]Event, error)
	// Audit gives events of everybody or of one user, the newest first.
	Audit(ctx context.Context, f AuditFilter) ([]AuditEvent, error)
	// CountEvents adds up the events of some kinds since a time, in buckets of
	// one length, counted from 1970. Buckets without any are left out.
	CountEvents(ctx context.Context, since time.Time, bucket time.Duration, kinds ...EventKind) ([]Count, error)
	// Samples gives those since a time, the oldest first.
	Samples(ctx context.Context, since time.Time) ([]Sample, error)
}

// EventWriter writes the audit trail.
type EventWriter interface {
	InsertEvent(ctx context.Context, e Event) error
	// AddLoginFailures folds failures into one event row per account, address
	// and minute, or a further one where that is sealed.
	AddLoginFailures(ctx context.Context, failures []LoginFailure) error
	// InsertSample keeps a sample in the place of an earlier one of that time.
	InsertSample(ctx context.Context, s Sample) error
}

// ChainReader reads the chain over the audit trail.
type ChainReader interface {
	Chain(ctx context.Context) (Chain, error)
	// ChainLinks gives those after a seq, in order.
	ChainLinks(ctx context.Context, after int64, limit int) ([]ChainLink, error)
	// SealedRows gives events in the order of their ids.
	SealedRows(ctx context.Context, r SealedRange) ([]AuditRow, error)
	// StrayRows gives events with ids after one and up to another that say that
	// they are in a link later than accepted, which is not there or has no
	// place for them, at most limit.
	StrayRows(ctx context.Context, after, upTo, accepted int64, limit int) ([]AuditRow, error)
	// UnsealedRows counts the events that no link holds, and gives the time of
	// the first of them; sealable only those that SealRows would take.
	UnsealedRows(ctx context.Context, foldedBefore time.Time) (all, sealable int64, first time.Time, err error)
	// AcceptedRows counts the events of links up to accepted.
	AcceptedRows(ctx context.Context, accepted int64) (int64, error)
	// EventIDs gives the smallest and the largest id of an event, 0 without any.
	EventIDs(ctx context.Context) (first, last int64, err error)
}

// ChainWriter makes the chain over the audit trail.
type ChainWriter interface {
	// LockChain makes this transaction the only one that makes links, and gives
	// the chain as it is then.
	LockChain(ctx context.Context) (Chain, error)
	SetChain(ctx context.Context, c Chain) error
	// SealRows puts events that no link holds into one, at most limit, those of
	// the smallest ids first, and gives them in order, as they will stay. Failed
	// logins are taken when their minute began before foldedBefore.
	SealRows(ctx context.Context, link int64, foldedBefore time.Time, limit int) ([]AuditRow, error)
	InsertChainLink(ctx context.Context, l ChainLink) error
	// PruneChainLink removes a link with its events and gives how many these
	// were.
	PruneChainLink(ctx context.Context, l ChainLink) (int64, error)
	// DropChainLinks removes links up to a seq, and leaves their events.
	DropChainLinks(ctx context.Context, upTo int64) error
}

// LinkReader reads links.
type LinkReader interface {
	// LinkByHash finds a link that is good at now. ErrNotFound without one.
	LinkByHash(ctx context.Context, kind LinkKind, hash string, now time.Time) (Link, error)
}

// LinkWriter makes and spends links.
type LinkWriter interface {
	InsertLink(ctx context.Context, l Link) error
	// SpendLink removes a link that is good at now and gives it: of two at
	// once, one gets it and the other ErrNotFound.
	SpendLink(ctx context.Context, kind LinkKind, hash string, now time.Time) (Link, error)
	// DropLinks removes a user's links of a kind.
	DropLinks(ctx context.Context, kind LinkKind, userID int64) error
}

// ServiceKeyReader reads service keys.
type ServiceKeyReader interface {
	// ServiceKeys gives all of them, the oldest first.
	ServiceKeys(ctx context.Context) ([]ServiceKey, error)
	// ServiceKeyByHash answers ErrNotFound where there is none, and for one
	// that was revoked.
	ServiceKeyByHash(ctx context.Context, hash string) (ServiceKey, error)
}

// ServiceKeyWriter changes service keys.
type ServiceKeyWriter interface {
	InsertServiceKey(ctx context.Context, k ServiceKey) error
	// RevokeServiceKey answers ErrNotFound where there is none that is good.
	RevokeServiceKey(ctx context.Context, id string, now time.Time) (ServiceKey, error)
}

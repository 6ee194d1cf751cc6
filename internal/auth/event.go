package auth

import "time"

// EventKind names what happened.
type EventKind string

// The events that are written. A refresh is not one: it moves the session's
// LastSeen.
const (
	EventRegistered      EventKind = "registered"
	EventLoggedIn        EventKind = "logged_in"
	EventLoginFailed     EventKind = "login_failed"
	EventLoggedOut       EventKind = "logged_out"
	EventReuseDetected   EventKind = "reuse_detected"
	EventSessionRevoked  EventKind = "session_revoked"
	EventSessionLimit    EventKind = "session_limit"
	EventSessionAdopted  EventKind = "session_adopted"
	EventPasswordChanged EventKind = "password_changed"
	EventRoleChanged     EventKind = "role_changed"
	EventProfileChanged  EventKind = "profile_changed"
	EventActivated       EventKind = "activated"
	EventDeactivated     EventKind = "deactivated"
	EventUserCreated     EventKind = "user_created"
	EventUserDeleted     EventKind = "user_deleted"
	EventKeyChanged      EventKind = "key_changed"
	EventAllSessionsEnd  EventKind = "all_sessions_ended"
	EventRestored        EventKind = "restored"
)

// Event is a row of the audit trail, written in its act's own transaction.
type Event struct {
	ID   int64
	At   time.Time
	Kind EventKind
	// UserID is whom it happened to; 0 when that is nobody known.
	UserID int64
	// ActorID is who did it; 0 for the server or the command line.
	ActorID   int64
	SessionID string
	Client    Client
	// Count is 1, but for failed logins, which are folded by minute.
	Count int64
	// Detail is a short text in the words of the act ("employee -> manager");
	// never a secret, never the body of a request.
	Detail string
}

// EventFilter selects events, newest first.
type EventFilter struct {
	UserID int64 // 0: everybody's
	Kind   EventKind
	// Before gives the events with a smaller id; 0 means all.
	Before int64
	Limit  int // 0 means 100
}

// LoginFailure is one bucket of failed logins: an account, an address, a
// minute. Unknown e-mails share UserID 0 and are not stored.
type LoginFailure struct {
	UserID  int64
	Address string
	Minute  time.Time
	Count   int64
}

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
	EventConfirmed       EventKind = "confirmed"
	EventRoleChanged     EventKind = "role_changed"
	EventProfileChanged  EventKind = "profile_changed"
	EventActivated       EventKind = "activated"
	EventDeactivated     EventKind = "deactivated"
	EventUserCreated     EventKind = "user_created"
	EventUserDeleted     EventKind = "user_deleted"
	EventUserChanged     EventKind = "user_changed"
	EventSignedOut       EventKind = "signed_out"
	EventResetLink       EventKind = "reset_link_made"
	EventPasswordReset   EventKind = "password_reset"
	EventSetUp           EventKind = "set_up"
	EventServiceKey      EventKind = "service_key_changed"
	EventKeyChanged      EventKind = "key_changed"
	EventAllSessionsEnd  EventKind = "all_sessions_ended"
	EventRestored        EventKind = "restored"
	// EventAddressBlocked: too many different e-mail addresses failed from one
	// client address.
	EventAddressBlocked EventKind = "address_blocked"
	// EventGuessesEnded: so many passwords in a row were wrong that unknown
	// devices may try no more.
	EventGuessesEnded   EventKind = "guesses_ended"
	EventThrottleLifted EventKind = "throttle_lifted"
	EventImported       EventKind = "imported"
	EventTakenOver      EventKind = "taken_over"
	// EventAccessRefused: somebody asked for what their role may not do.
	EventAccessRefused EventKind = "access_refused"
	// EventBypassRefused: somebody tried to get around a control.
	EventBypassRefused EventKind = "bypass_refused"
	EventExported      EventKind = "exported"
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
	// Count is 1, but for failed logins and refusals, which are folded by minute.
	Count int64
	// Detail is a short text in the words of the act ("employee -> manager");
	// never a secret, never the body of a request.
	Detail string
	// Changes are the fields that an edit changed, in the order of the form.
	Changes []Change
}

// Change is what an edit made of one field.
type Change struct {
	Field         string
	Before, After string
}

// EventKinds lists every kind of event.
func EventKinds() []EventKind {
	return []EventKind{
		EventRegistered, EventLoggedIn, EventLoginFailed, EventLoggedOut, EventReuseDetected, EventSessionRevoked,
		EventSessionLimit, EventSessionAdopted, EventPasswordChanged, EventConfirmed, EventRoleChanged, EventProfileChanged,
		EventActivated, EventDeactivated, EventUserCreated, EventUserDeleted, EventUserChanged, EventSignedOut,
		EventResetLink, EventPasswordReset, EventSetUp, EventServiceKey, EventKeyChanged, EventAllSessionsEnd,
		EventRestored, EventAddressBlocked, EventGuessesEnded, EventThrottleLifted, EventImported, EventTakenOver,
		EventAccessRefused, EventBypassRefused, EventExported,
	}
}

// eventDoc says when a kind of event is written and what is in it beside the
// time, the client's address and its user agent.
var eventDocs = map[EventKind]string{
	EventRegistered:      "Somebody registered. User and actor: the new user; the session that was opened.",
	EventLoggedIn:        "A login succeeded. User and actor: the user; the session.",
	EventLoginFailed:     "Passwords were wrong, at logins, at a change of the password or at a confirmation: of one account, from one address, in one minute, with their count. User: the account, or nobody for e-mails that are not known, which are not stored. No actor, no user agent.",
	EventLoggedOut:       "A user signed out. User and actor: the user; the session.",
	EventReuseDetected:   "A refresh token was presented that had been traded before; its session ended. User: the user. No actor: nobody can say who it was.",
	EventSessionRevoked:  "A user ended a session of theirs. User and actor: the user; the session that ended.",
	EventSessionLimit:    "The oldest session of a user was ended since they had too many. User: the user; the session that ended. No actor.",
	EventSessionAdopted:  "A session of Django's was taken over. User and actor: the user; the session.",
	EventPasswordChanged: "A password was changed. User: whose; actor: who. Detail: how many sessions ended.",
	EventConfirmed:       "A user proved their password once more, in a session that goes on. User and actor: the user; the session.",
	EventRoleChanged:     "A role was changed. User: whose; actor: who, nobody for the command line. Changes: the role before and after.",
	EventProfileChanged:  "A user changed their profile. User and actor: the user; the session. Detail: the names of the fields, not what was in them.",
	EventActivated:       "An account was opened again. User: whose; actor: who.",
	EventDeactivated:     "An account was shut and its sessions were ended. User: whose; actor: who.",
	EventUserCreated:     "An account was made by an administrator or on the command line. User: the new user; actor: who. Changes: its fields, without a password.",
	EventUserDeleted:     "An account was deleted. User: its id; actor: who. Changes: its e-mail address and role.",
	EventUserChanged:     "An administrator changed an account. User: whose; actor: who. Changes: each field before and after.",
	EventSignedOut:       "An administrator ended every session of a user. User: whose; actor: who. Detail: how many.",
	EventResetLink:       "A link was made with which a user sets a new password. User: whose; actor: who. The link is not in it.",
	EventPasswordReset:   "A password was set with a link, and every session ended. User and actor: the user. Detail: how many sessions ended.",
	EventSetUp:           "The first administrator was made. User and actor: the administrator; the session.",
	EventServiceKey:      "A service key was made or ended, on the command line. Detail: which and what; never the key.",
	EventKeyChanged:      "A signing key was published, took over, or was removed. Detail: the ids of the keys.",
	EventAllSessionsEnd:  "Every session of everybody was ended, on the command line. Detail: how many.",
	EventAddressBlocked:  "Logins for too many different e-mail addresses failed from one client address, and more of them are refused. No user, no actor. Detail: how many addresses.",
	EventGuessesEnded:    "So many passwords of an account were wrong in a row that devices that are not known may try no more. User: whose; no actor. Detail: how many.",
	EventThrottleLifted:  "What was refused is let through again. User: whose account, nobody for an address; actor: who. Detail: what.",
	EventExported:        "What has changed here was written into the database of a Django, on the command line. Detail: how much of what.",
	EventTakenOver:       "A user who was not known here signed in with the password that they have at the Django (`django.upstream`), and was kept. User and actor: the user. Detail: from where.",
	EventImported:        "The users of a Django were taken in, on the command line. Detail: how many of what.",
	EventAccessRefused:   "Somebody asked for what their role may not do, or registered where that is closed. User and actor: who asked; nobody where registration is closed. Detail: method, route and why. Count: how often, from one address, in one minute.",
	EventBypassRefused:   "Somebody tried to get around a control: with a forged token, a field or a role that is not theirs to set, from a page of another origin, or under a host name that is not ours. User and actor: who asked, where a good token said so. Detail: method, route, why, and the field. Count: as above.",
	EventRestored:        "A backup was put back, and every session ended. Detail: how many.",
}

// Doc says when the event is written and what is in it, for docs/events.md.
func (k EventKind) Doc() string { return eventDocs[k] }

// EventFilter selects events, newest first.
type EventFilter struct {
	UserID int64 // 0: everybody's
	Kind   EventKind
	// Own leaves out what others did to UserID: what they did themselves, and
	// what nobody known did, stays.
	Own bool
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

// AuditFilter selects events of the audit trail, the newest first.
type AuditFilter struct {
	UserID int64     // 0: everybody's
	Kind   EventKind // "": every kind
	// Since and Until bound Event.At: from Since on and before Until. Zero: no
	// bound.
	Since, Until time.Time
	// After, when not nil, is the event that was the last one seen.
	After *AuditPlace
	Limit int
}

// AuditPlace is where an event stands in the audit trail.
type AuditPlace struct {
	At time.Time
	ID int64
}

// AuditEvent is an event with the addresses of those whom it is about. They are
// "" for nobody, and for users that are gone.
type AuditEvent struct {
	Event
	UserEmail, ActorEmail string
}

// Count is how much happened in a time of one bucket's length that began at At.
type Count struct {
	Kind EventKind
	At   time.Time
	N    int64
}

// Sample is what could only be counted when it was.
type Sample struct {
	At           time.Time
	LiveSessions int64
}

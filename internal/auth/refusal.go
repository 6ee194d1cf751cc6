package auth

// Refusal says in a word why a request was refused, or what of it was passed
// over. It stands in the request's line of the log, never in its answer.
type Refusal string

// The refusals.
const (
	RefusedNobody      Refusal = "no_credentials"
	RefusedCredentials Refusal = "credentials"
	RefusedExpired     Refusal = "token_expired"
	RefusedForged      Refusal = "token_forged"
	RefusedRevoked     Refusal = "token_revoked"
	RefusedToken       Refusal = "token"
	RefusedAccount     Refusal = "account"
	RefusedLink        Refusal = "link"
	RefusedPermission  Refusal = "permission"
	RefusedUnconfirmed Refusal = "confirmation"
	RefusedHidden      Refusal = "hidden"
	RefusedClosed      Refusal = "closed"
	RefusedPrivilege   Refusal = "privilege"
	RefusedOrigin      Refusal = "origin"
	RefusedHost        Refusal = "host"
	RefusedThrottled   Refusal = "throttled"
	RefusedInvalid     Refusal = "invalid"
	RefusedMalformed   Refusal = "malformed"
	RefusedMethod      Refusal = "method"
	RefusedMissing     Refusal = "missing"
	RefusedConflict    Refusal = "conflict"
	RefusedBusy        Refusal = "busy"
	RefusedFailed      Refusal = "failed"
)

// Refusals lists every refusal, in the order of the table in the docs.
func Refusals() []Refusal {
	return []Refusal{
		RefusedNobody, RefusedCredentials, RefusedExpired, RefusedForged, RefusedRevoked, RefusedToken, RefusedAccount,
		RefusedLink, RefusedPermission, RefusedUnconfirmed, RefusedHidden, RefusedClosed, RefusedPrivilege, RefusedOrigin, RefusedHost,
		RefusedThrottled, RefusedInvalid, RefusedMalformed, RefusedMethod, RefusedMissing, RefusedConflict, RefusedBusy,
		RefusedFailed,
	}
}

var refusalDocs = map[Refusal]string{
	RefusedNobody:      "No credential came where one is needed, or one of another kind.",
	RefusedCredentials: "The password was wrong, the e-mail address unknown, or the account inactive: which of them is not told here either.",
	RefusedExpired:     "The token's time is over.",
	RefusedForged:      "The token was not signed by a key of this server, was altered, or is none at all.",
	RefusedRevoked:     "The token was good once: it has been traded, or its session has ended.",
	RefusedToken:       "The token is one of another kind, or lacks what it needs.",
	RefusedAccount:     "The token is good, but its user is inactive or gone.",
	RefusedLink:        "The link for a new password, or for the set-up, is used up, too old, or none.",
	RefusedPermission:  "The caller's role may not do this.",
	RefusedUnconfirmed: "The caller may, but has not proved the password of late.",
	RefusedHidden:      "The caller's role may not know whether there is such a user.",
	RefusedClosed:      "Registration is closed.",
	RefusedPrivilege:   "A role or a field was sent that is not the sender's to set (`role`, `is_active`, `is_staff`, …). The role is refused, the field passed over.",
	RefusedOrigin:      "A page of another origin asked, where cookies are the credential.",
	RefusedHost:        "The request is addressed to a host name that is not in `hosts`.",
	RefusedThrottled:   "Too many attempts.",
	RefusedInvalid:     "A field or a parameter does not hold.",
	RefusedMalformed:   "The body, its type or its size, or a header, is not one that is read.",
	RefusedMethod:      "The endpoint has no such method.",
	RefusedMissing:     "There is no such thing.",
	RefusedConflict:    "It is there already, has changed meanwhile, or is the last of its kind.",
	RefusedBusy:        "There is too much to do, or the database is away.",
	RefusedFailed:      "Something went wrong inside; a line of its own says what.",
}

// Doc says what the refusal means, for docs/events.md.
func (r Refusal) Doc() string { return refusalDocs[r] }

// Event gives the kind of event that a refusal leaves, "" for none. They are
// folded: see Refused.
func (r Refusal) Event() EventKind {
	switch r { //nolint:exhaustive // The others leave none.
	case RefusedPermission, RefusedHidden, RefusedClosed:
		return EventAccessRefused
	case RefusedForged, RefusedPrivilege, RefusedOrigin, RefusedHost:
		return EventBypassRefused
	}
	return ""
}

package auth

import "time"

// AuditRow is an event as it is stored, column by column: what the chain over
// the audit trail is made of. Times are microseconds since 1970 UTC.
type AuditRow struct {
	ID                 int64
	At                 int64
	Kind               string
	UserID, ActorID    int64
	SessionID          string
	Address, UserAgent string
	Count              int64
	Detail, Changes    string
	// Request is the id of the request that it came of, "" for none.
	Request string
	// Minute is that of failed logins which may still be counted up. A sealed
	// row has none: its count stays.
	Minute *int64
	// Link is the seq of the link that holds it, 0 for none.
	Link int64
}

// ChainLink is a batch of sealed events. Hashes are SHA-256 in hex.
type ChainLink struct {
	Seq int64 // from 1, without gaps
	At  time.Time
	// Count is how many events there are, IDs which, in order, as "1-5,7":
	// numbers that are missing between them were never given or are in another
	// link.
	Count           int64
	FirstID, LastID int64
	IDs             string
	LastAt          time.Time // the latest time of an event
	Batch           string    // over the events
	Hash            string    // over the link and the hash of the one before it
}

// Chain is where the chain of links begins and ends. All of it but the MAC is
// under the MAC.
type Chain struct {
	BegunAt time.Time // zero while nothing was ever sealed
	Events  int64     // sealed so far, with those that are gone

	HeadSeq  int64 // 0 before the first link
	HeadHash string
	SealedAt time.Time

	// The anchor is the last link that is gone because its events had grown
	// old, and when; what remains begins after it.
	AnchorSeq  int64
	AnchorHash string
	AnchoredAt time.Time

	// AcceptedSeq is up to where an operator has taken the trail as it was,
	// without a proof.
	AcceptedSeq int64
	AcceptedAt  time.Time

	// The last verification: when, up to where, and what it found.
	VerifiedAt  time.Time
	VerifiedSeq int64
	Problems    int64

	KeyID string
	MAC   string // hex
}

// SealedRange selects sealed events: of links and with ids in these bounds, both
// included.
type SealedRange struct {
	FirstLink, LastLink int64
	FirstID, LastID     int64
	Limit               int
}

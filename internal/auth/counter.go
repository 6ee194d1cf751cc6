package auth

import (
	"context"
	"time"
)

// The kinds of counters.
const (
	// CounterAccount counts guesses at an account from devices that it does not
	// know.
	CounterAccount = "account"
	// CounterAddress counts guesses from a client address.
	CounterAddress = "address"
	// CounterDevice counts guesses at an account from one device or address that
	// it knows: per both.
	CounterDevice = "device"
	// CounterSession counts guesses at the old password from one session.
	CounterSession = "session"
)

// Counter is how often something was tried without success. What it means, and
// what Places and Emails hold, is package throttle's to say.
type Counter struct {
	// Key is a keyed hash of what is counted, 32 hex digits.
	Key  string
	Kind string
	// UserID is whose account was tried, 0 for nobody known.
	UserID int64
	// Address is the client's: an IPv4 address or the /64 of an IPv6 one, "" if
	// none is counted.
	Address string
	// Failures are those in a row.
	Failures int64
	// LastAt is when it was tried last.
	LastAt time.Time
	// Expires is when the counter may be forgotten. Without one there is none.
	Expires time.Time
	// BlockedUntil is zero for a counter that does not block.
	BlockedUntil time.Time
	// KnownUntil is how long the account knows the device, zero for never.
	KnownUntil     time.Time
	Places, Emails []byte
}

// Counting asks the store to change counters.
type Counting struct {
	// Keys says which. They are locked in the order of the keys.
	Keys []string
	// Change is given the counters of Keys, in that order, where there is none
	// an empty one with its Key, and changes them in place. One that it leaves
	// without Expires is removed. With an error nothing is changed and that error
	// is the answer. An event is written with the change. It may be called more
	// than once and does nothing else.
	Change func(counters []Counter) (*Event, error)
}

// CounterFilter selects counters with failures, those tried last first.
type CounterFilter struct {
	// Now leaves out what has expired.
	Now    time.Time
	UserID int64 // 0: all
	// After, when not nil, is the counter that was the last one seen.
	After *CounterPlace
	Limit int
}

// CounterPlace is where a counter stands in the list.
type CounterPlace struct {
	LastAt time.Time
	Key    string
}

// ListedCounter is a counter with the e-mail address of whose it is; "" for
// nobody known.
type ListedCounter struct {
	Counter
	Email string
}

// CounterReader reads counters.
type CounterReader interface {
	// CountersByKey gives the counters of keys, at most four, in their order;
	// where there is none an empty one with its Key.
	CountersByKey(ctx context.Context, keys []string) ([]Counter, error)
	// Counters gives a page of those with failures.
	Counters(ctx context.Context, f CounterFilter) ([]ListedCounter, error)
	// Secret finds a secret of the server's own by its name. ErrNotFound without
	// one.
	Secret(ctx context.Context, name string) (StoredSecret, error)
}

// CounterWriter changes counters.
type CounterWriter interface {
	// Count does a Counting in this transaction. Its locks come after those of
	// sessions.
	Count(ctx context.Context, c Counting) error
	// DropCounters removes what was counted of a user.
	DropCounters(ctx context.Context, userID int64) error
	// SaveSecret keeps a secret in the place of an earlier one of that name.
	SaveSecret(ctx context.Context, s StoredSecret) error
}

// StoredSecret is a secret of the server's own that all nodes share.
type StoredSecret struct {
	Name   string
	Secret []byte
	// Sealed says that Secret is sealed with the seal key.
	Sealed bool
}

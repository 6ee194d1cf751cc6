package auth

import "time"

// User is a person's account.
type User struct {
	// ID is positive and never given to anybody else, not even after deletion.
	ID int64
	// Email is the address as it is shown: the local part as typed, the
	// domain lowered.
	Email string
	// EmailKey identifies the account: see ParseEmail. Unique.
	EmailKey  string
	FirstName string
	LastName  string
	Phone     string
	Role      Role
	// IsActive is false for an account that may neither sign in nor go on.
	IsActive bool
	// Password is the encoded hash in Django's format; one that begins with
	// "!" matches nothing (Django's unusable password).
	Password string
	// CredentialVersion rises with each password change. A session is opened
	// only if it is still what it was when the password was checked.
	CredentialVersion int64
	// Gen is the generation of the user's access tokens: it rises with role
	// change, deactivation and deletion, and a token with a lower one is dead.
	Gen int64
	// ValidAfter, when not zero, kills every token without a session that was
	// issued at or before it (tokens that Django minted).
	ValidAfter time.Time
	CreatedAt  time.Time
	UpdatedAt  time.Time
	// LastLogin is zero for a user who has never signed in.
	LastLogin time.Time
}

// NewUser is what InsertUser needs. Gen, CredentialVersion and the times are
// set by the store.
type NewUser struct {
	Email     Email
	FirstName string
	LastName  string
	Phone     string
	Role      Role
	Password  string
	IsActive  bool
}

// UserChange says what UpdateUser changes: nil fields stay as they are.
type UserChange struct {
	// Email moves the account to another address. ErrEmailTaken if it is
	// somebody else's.
	Email     *Email
	FirstName *string
	LastName  *string
	Phone     *string
	Role      *Role
	IsActive  *bool
	// Password is an encoded hash. It raises CredentialVersion.
	Password *string
	// Rehash is an encoded hash of the same password. It does not raise
	// CredentialVersion.
	Rehash *string
	// IfCredentialVersion, when set, makes the change apply only while the
	// user's CredentialVersion is this one; otherwise UpdateUser answers
	// ErrConflict.
	IfCredentialVersion *int64
	// RaiseGen raises Gen by one.
	RaiseGen bool
	// SetValidAfter sets ValidAfter to the time of the change.
	SetValidAfter bool
	// Touch moves UpdatedAt; profile and role changes do, passwords do not
	// (Django's auto_now moves with save() of the profile).
	Touch bool
}

// UserFilter selects users for a list, ordered by id.
type UserFilter struct {
	// Role and IsActive select when not nil.
	Role     *Role
	IsActive *bool
	// After gives the users with a larger id.
	After int64
	// Limit is the most users to return; 0 means 1000.
	Limit int
}

// UserOrder is by what a list of users is ordered; ties go by id.
type UserOrder string

// The orders.
const (
	OrderID        UserOrder = "id"
	OrderEmail     UserOrder = "email"
	OrderName      UserOrder = "name" // last name, then first name
	OrderCreated   UserOrder = "created_at"
	OrderLastLogin UserOrder = "last_login" // those who never did count as first
)

// UserOrders lists every order.
func UserOrders() []UserOrder {
	return []UserOrder{OrderID, OrderEmail, OrderName, OrderCreated, OrderLastLogin}
}

// UserSearch asks for a page of users.
type UserSearch struct {
	// Text is what the words of name and e-mail address must begin with, all of
	// its words; "" selects everybody.
	Text     string
	Role     *Role
	IsActive *bool

	Order      UserOrder
	Descending bool
	// From, when not nil, is the place that the page comes after or, with
	// Backwards, before.
	From      *UserPlace
	Backwards bool
	Limit     int
}

// UserPlace is where a user stands in an order: Text for orders by e-mail and
// name, Number for those by time (µs since 1970), and the id.
type UserPlace struct {
	Text   string
	Number int64
	ID     int64
}

// CountExactTo is up to how many users a search counts.
const CountExactTo = 10_000

// UserPage is a page of users, in the order asked for.
type UserPage struct {
	Users []User
	// Count is how many there are, on all pages. Where Exact is false, there
	// are at least so many.
	Count int64
	Exact bool
	// First and Last are where the page begins and ends. Last may lie behind
	// the last user: so far has been searched. They are nil for a page that has
	// nothing before or after it.
	First, Last *UserPlace
}

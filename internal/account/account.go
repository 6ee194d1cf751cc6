package account

import (
	"github.com/latchkey-auth/latchkey/internal/auth"
)

// Registration is a filled-in form whose fields hold one by one: present, of
// the right type and length, the e-mail well formed, the role allowed.
type Registration struct {
	Email               auth.Email
	Password, Password2 string
	FirstName, LastName string
	Phone               string
	Role                auth.Role
}

// NewAccount is an account that an operator makes.
type NewAccount struct {
	Email               auth.Email
	Password            string
	FirstName, LastName string
	Phone               string
	Role                auth.Role
}

// Profile is a change of one's own fields; nil leaves a field as it is.
type Profile struct {
	FirstName, LastName, Phone *string
}

// PasswordChange is the form by which somebody changes the own password.
type PasswordChange struct {
	Old, New, New2 string
}

package api

import (
	"net/http"
	"slices"

	"github.com/latchkey-auth/latchkey/internal/account"
	"github.com/latchkey-auth/latchkey/internal/auth"
)

// The longest names and phone numbers, in characters (the guide's models).
const (
	maxName  = 150
	maxPhone = 20
)

var registerForm = form{guarded: true, fields: []field{
	{name: "email", kind: email, max: auth.MaxEmail},
	{name: "password", untrimmed: true},
	{name: "password2", untrimmed: true},
	{name: "first_name", max: maxName},
	{name: "last_name", max: maxName},
	{name: "phone", max: maxPhone, optional: true, blank: true},
	{name: "role", kind: choice, choices: auth.Roles(), optional: true},
}}

// register is the guide's "1. User Registration".
func (a *API) register(w http.ResponseWriter, r *http.Request) error {
	if !a.RegistrationOpen {
		who, err := a.optionalCaller(r)
		if err != nil {
			return err
		}
		if who == nil || !who.User.Role.Can(auth.UsersCreate) {
			return errClosed
		}
	}
	in, problems, err := a.fields(w, r, &registerForm)
	if err != nil {
		return err
	}
	role, err := a.roleFor(w, r, auth.Role(in.text("role")), &problems)
	if err != nil {
		return err
	}
	if err := problems.Err(); err != nil {
		return err
	}
	tokens, u, err := a.Accounts.Register(r.Context(), account.Registration{
		Email:     in.email,
		Password:  in.text("password"),
		Password2: in.text("password2"),
		FirstName: in.text("first_name"),
		LastName:  in.text("last_name"),
		Phone:     in.text("phone"),
		Role:      role,
	}, a.Client(r))
	if err != nil {
		return err
	}
	note(w, u.ID)
	a.signedIn(w, r, http.StatusCreated, textRegistered, &u, tokens)
	return nil
}

// roleFor gives the role to register with. One that is not for everybody is a
// problem of the field unless the caller may give it (design.md, "anybody
// registers as admin"). Only then is the Authorization header looked at, and a
// token that is not good is nobody's. A role that administers takes a fresh proof
// of the caller's password.
func (a *API) roleFor(w http.ResponseWriter, r *http.Request, role auth.Role, problems *auth.Fields) (auth.Role, error) {
	if slices.ContainsFunc(*problems, func(p auth.FieldProblems) bool { return p.Field == "role" }) {
		return "", nil
	}
	if role == "" {
		// The guide's default, or what comes closest to it.
		role = auth.RoleEmployee
		if len(a.RegistrationRoles) > 0 && !slices.Contains(a.RegistrationRoles, role) {
			role = a.RegistrationRoles[0]
		}
	}
	if slices.Contains(a.RegistrationRoles, role) {
		return role, nil
	}
	who, err := a.optionalCaller(r)
	may := err == nil && who != nil && a.Accounts.MayRegister(role, &who.User)
	if may && role.Administers() {
		// An account like that, with a password of one's own choice, would outlive
		// any stolen token.
		if err = a.Sessions.Confirmed(r.Context(), who.Access); auth.IsKind(err, auth.TokenNotValid) {
			may, err = false, nil
		}
	}
	if err == nil && !may {
		noteRefusal(w, auth.RefusedPrivilege, "role")
		problems.Add("role", problem(auth.CodeInvalidChoice, string(role))...)
	}
	return role, err
}

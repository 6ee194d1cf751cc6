package api

import (
	"net/http"

	"github.com/latchkey-auth/latchkey/internal/account"
)

// profileForm is partial for PUT as for PATCH: the guide calls its fields
// updatable, not required (design.md). A name that is given must not be blank.
var profileForm = form{partial: true, guarded: true, fields: []field{
	{name: "first_name", max: maxName},
	{name: "last_name", max: maxName},
	{name: "phone", max: maxPhone, optional: true, blank: true},
}}

// profile is the guide's "5. Get User Profile".
func (a *API) profile(w http.ResponseWriter, r *http.Request) error {
	u := &callerOf(r).User
	answer(w, r, http.StatusOK, func(b []byte) []byte { return appendProfile(b, u) })
	return nil
}

// updateProfile is the guide's "6. Update User Profile". A body without any of
// the fields changes nothing, not even updated_at.
func (a *API) updateProfile(w http.ResponseWriter, r *http.Request) error {
	in, err := a.decode(w, r, &profileForm)
	if err != nil {
		return err
	}
	who := callerOf(r)
	u := who.User
	if in.changed() {
		u, err = a.Accounts.UpdateProfile(r.Context(), who.Access, account.Profile{
			FirstName: in.change("first_name"),
			LastName:  in.change("last_name"),
			Phone:     in.change("phone"),
		}, a.Client(r))
		if err != nil {
			return err
		}
	}
	answer(w, r, http.StatusOK, func(b []byte) []byte { return appendProfile(b, &u) })
	return nil
}

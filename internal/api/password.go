package api

import (
	"net/http"

	"github.com/latchkey-auth/latchkey/internal/account"
)

var passwordChangeForm = form{fields: []field{
	{name: "old_password", untrimmed: true},
	{name: "password", untrimmed: true},
	{name: "password2", untrimmed: true},
}}

// changePassword changes the caller's own password; every other session ends.
func (a *API) changePassword(w http.ResponseWriter, r *http.Request) error {
	in, err := a.decode(w, r, &passwordChangeForm)
	if err != nil {
		return err
	}
	ended, err := a.Accounts.ChangePassword(r.Context(), callerOf(r).Access, account.PasswordChange{
		Old: in.text("old_password"), New: in.text("password"), New2: in.text("password2"),
	}, a.Client(r))
	if err != nil {
		return err
	}
	answer(w, r, http.StatusOK, func(b []byte) []byte { return appendEnded(b, textPasswordChanged, ended) })
	return nil
}

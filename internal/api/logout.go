package api

import "net/http"

var logoutForm = form{fields: []field{
	{name: "refresh_token", alias: "refresh"},
}}

// logout is the guide's "4. User Logout".
func (a *API) logout(w http.ResponseWriter, r *http.Request) error {
	in, err := a.decode(w, r, &logoutForm)
	if err != nil {
		return err
	}
	if err := a.Sessions.Logout(r.Context(), callerOf(r).Access, in.text("refresh_token"), a.Client(r)); err != nil {
		return err
	}
	answer(w, r, http.StatusOK, func(b []byte) []byte {
		return appendMessage(b, textLoggedOut)
	})
	return nil
}

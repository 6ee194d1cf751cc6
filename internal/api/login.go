package api

import "net/http"

var loginForm = form{fields: []field{
	{name: "email", kind: email},
	{name: "password", untrimmed: true},
}}

// login is the guide's "2. User Login".
func (a *API) login(w http.ResponseWriter, r *http.Request) error {
	in, err := a.decode(w, r, &loginForm)
	if err != nil {
		return err
	}
	tokens, u, err := a.Logins.Password(r.Context(), in.email, in.text("password"), a.Client(r))
	if err != nil {
		return err
	}
	note(w, u.ID)
	answer(w, r, http.StatusOK, func(b []byte) []byte {
		return appendSignedIn(b, textLoggedIn, &u, tokens)
	})
	return nil
}

package api

import (
	"net/http"

	"github.com/latchkey-auth/latchkey/internal/auth"
)

var (
	logoutForm = form{fields: []field{
		{name: "refresh_token", alias: "refresh"},
	}}
	// logoutCookieForm is for cookie mode, where no token need be named.
	logoutCookieForm = form{fields: []field{
		{name: "refresh_token", alias: "refresh", optional: true},
	}}
)

// logout is the guide's "4. User Logout".
//
// In cookie mode nothing keeps it from signing out: a refresh cookie that is
// not good, or somebody else's, is no reason to leave the caller signed in.
func (a *API) logout(w http.ResponseWriter, r *http.Request) error {
	who := callerOf(r)
	mode, _ := carriageOf(r) // serve has read it
	byCookie := who.byCookie || mode != inBody
	wanted := &logoutForm
	if byCookie {
		wanted = &logoutCookieForm
	}
	in, err := a.decode(w, r, wanted)
	if err != nil {
		return err
	}
	token := in.text("refresh_token")
	fromCookie := false
	if token == "" && byCookie {
		token, fromCookie = a.refreshCookie(r, inCookies), true
	}
	err = a.Sessions.Logout(r.Context(), who.Access, token, a.Client(r))
	if fromCookie && token != "" && auth.IsKind(err, auth.TokenNotValid) {
		err = a.Sessions.Logout(r.Context(), who.Access, "", a.Client(r))
	}
	if err != nil {
		return err
	}
	if byCookie {
		a.expireCookies(w.Header())
	}
	answer(w, r, http.StatusOK, func(b []byte) []byte {
		return appendMessage(b, textLoggedOut)
	})
	return nil
}

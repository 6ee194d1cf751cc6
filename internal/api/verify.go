package api

import "net/http"

var (
	verifyForm = form{fields: []field{
		{name: "token"},
	}}
	// verifyCookieForm is for Auth-Mode, where the token may be in a cookie.
	verifyCookieForm = form{fields: []field{
		{name: "token", optional: true},
	}}
)

// verify answers {} for a token that is good, access or refresh. In cookie mode
// a request that names none asks about its cookies.
func (a *API) verify(w http.ResponseWriter, r *http.Request) error {
	mode, _ := carriageOf(r) // serve has read it
	wanted := &verifyForm
	if mode != inBody {
		wanted = &verifyCookieForm
	}
	in, err := a.decode(w, r, wanted)
	if err != nil {
		return err
	}
	token := in.text("token")
	if token == "" {
		if token = a.accessCookie(r); token == "" {
			token = a.refreshCookie(r, inCookies)
		}
		if token == "" {
			return errNoCredentials
		}
	}
	if err := a.Sessions.Verify(r.Context(), token); err != nil {
		return err
	}
	answer(w, r, http.StatusOK, func(b []byte) []byte { return append(b, `{}`...) })
	return nil
}

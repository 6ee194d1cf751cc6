package api

import "net/http"

var (
	refreshForm = form{fields: []field{
		{name: "refresh", alias: "refresh_token"},
	}}
	// refreshCookieForm is for Auth-Mode, where the token may be in the cookie.
	refreshCookieForm = form{fields: []field{
		{name: "refresh", alias: "refresh_token", optional: true},
	}}
)

// refresh is the guide's "3. Token Refresh". The answer has the new refresh
// token, which the guide's example lacks: see design.md.
//
// In cookie mode a refresh that fails never touches a cookie: another tab may
// have won the race and got its successor.
func (a *API) refresh(w http.ResponseWriter, r *http.Request) error {
	arrived := a.Now()
	mode, _ := carriageOf(r) // serve has read it
	wanted := &refreshForm
	if mode != inBody {
		wanted = &refreshCookieForm
	}
	in, err := a.decode(w, r, wanted)
	if err != nil {
		return err
	}
	token := in.text("refresh")
	if token == "" {
		if token = a.refreshCookie(r, mode); token == "" {
			return errNoCredentials
		}
	}
	tokens, u, err := a.Sessions.Refresh(r.Context(), token, a.Client(r), arrived)
	if err != nil {
		return err
	}
	note(w, u.ID)
	a.setCookies(w.Header(), mode, tokens)
	answer(w, r, http.StatusOK, func(b []byte) []byte {
		b = append(b, '{')
		if mode != inCookies {
			b = append(b, `"access":`...)
			b = appendString(b, tokens.Access)
			b = append(b, ',')
		}
		if mode == inBody {
			b = append(b, `"refresh":`...)
			b = appendString(b, tokens.Refresh)
			b = append(b, ',')
		}
		b = append(b, `"user":`...)
		b = appendUser(b, &u)
		if mode != inBody {
			b = appendExpires(b, tokens.AccessExpires, tokens.RefreshExpires)
		}
		return append(b, '}')
	})
	return nil
}

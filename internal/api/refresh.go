package api

import "net/http"

var refreshForm = form{fields: []field{
	{name: "refresh", alias: "refresh_token"},
}}

// refresh is the guide's "3. Token Refresh". The answer has the new refresh
// token, which the guide's example lacks: see design.md.
func (a *API) refresh(w http.ResponseWriter, r *http.Request) error {
	arrived := a.Now()
	in, err := a.decode(w, r, &refreshForm)
	if err != nil {
		return err
	}
	tokens, u, err := a.Sessions.Refresh(r.Context(), in.text("refresh"), a.Client(r), arrived)
	if err != nil {
		return err
	}
	note(w, u.ID)
	answer(w, r, http.StatusOK, func(b []byte) []byte {
		b = append(b, `{"access":`...)
		b = appendString(b, tokens.Access)
		b = append(b, `,"refresh":`...)
		b = appendString(b, tokens.Refresh)
		b = append(b, `,"user":`...)
		b = appendUser(b, &u)
		return append(b, '}')
	})
	return nil
}

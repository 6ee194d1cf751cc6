package api

import "net/http"

var verifyForm = form{fields: []field{
	{name: "token"},
}}

// verify answers {} for a token that is good, access or refresh.
func (a *API) verify(w http.ResponseWriter, r *http.Request) error {
	in, err := a.decode(w, r, &verifyForm)
	if err != nil {
		return err
	}
	if err := a.Sessions.Verify(r.Context(), in.text("token")); err != nil {
		return err
	}
	answer(w, r, http.StatusOK, func(b []byte) []byte { return append(b, `{}`...) })
	return nil
}

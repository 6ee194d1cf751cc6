package api

import (
	"log/slog"
	"net/http"

	"github.com/latchkey-auth/latchkey/internal/auth"
	"github.com/latchkey-auth/latchkey/internal/session"
)

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
	tokens, u, err := a.Logins.Password(r.Context(), in.email, in.text("password"), a.Client(r), a.deviceCookie(r))
	if err != nil {
		return err
	}
	note(w, u.ID)
	a.signedIn(w, r, http.StatusOK, textLoggedIn, &u, tokens)
	return nil
}

// signedIn answers register and login. In cookie mode the session that the
// browser held until now is ended: its cookie is about to be overwritten.
func (a *API) signedIn(w http.ResponseWriter, r *http.Request, status int, message string, u *auth.User, t session.Tokens) {
	mode, _ := carriageOf(r) // serve has read it
	if mode != inBody {
		if old := a.refreshCookie(r, inCookies); old != "" {
			if err := a.Sessions.Replace(r.Context(), old, t.SessionID, a.Client(r)); err != nil {
				a.Log.LogAttrs(r.Context(), slog.LevelWarn, "the session before this one was not ended",
					slog.String("error", err.Error()))
			}
		}
		a.setCookies(w.Header(), mode, t)
		a.rememberDevice(w.Header(), r, u.ID)
	}
	answer(w, r, status, func(b []byte) []byte { return appendSignedIn(b, message, u, mode, t) })
}

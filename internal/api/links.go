package api

import (
	"net/http"
	"time"

	"github.com/latchkey-auth/latchkey/internal/account"
	"github.com/latchkey-auth/latchkey/internal/auth"
)

var (
	linkForm  = form{fields: []field{{name: "token"}}}
	resetForm = form{fields: []field{
		{name: "token"},
		{name: "password", untrimmed: true},
		{name: "password2", untrimmed: true},
	}}
	setupForm = form{fields: []field{
		{name: "token"},
		{name: "email", kind: email, max: auth.MaxEmail},
		{name: "password", untrimmed: true},
		{name: "password2", untrimmed: true},
		{name: "first_name", max: maxName},
		{name: "last_name", max: maxName},
		{name: "phone", max: maxPhone, optional: true, blank: true},
	}}
)

// resetLink makes a link with which a user sets a new password. The token
// stands behind the "#": it is sent to no server when the link is opened.
func (a *API) resetLink(w http.ResponseWriter, r *http.Request) error {
	id, err := subject(r)
	if err != nil {
		return err
	}
	token, expires, err := a.Accounts.MakeResetLink(r.Context(), a.actor(r), id)
	if err != nil {
		return err
	}
	answer(w, r, http.StatusCreated, func(b []byte) []byte {
		b = append(b, `{"link":`...)
		b = appendString(b, a.base(r)+"/reset#"+token)
		return appendUntil(b, expires)
	})
	return nil
}

// appendUntil writes ,"expires_at":…} and with it the object's end.
func appendUntil(b []byte, at time.Time) []byte {
	b = append(b, `,"expires_at":`...)
	b = appendTimeOrNull(b, at)
	return append(b, '}')
}

// checkReset tells whose password a link sets.
func (a *API) checkReset(w http.ResponseWriter, r *http.Request) error {
	in, err := a.decode(w, r, &linkForm)
	if err != nil {
		return err
	}
	u, expires, err := a.Accounts.CheckReset(r.Context(), in.text("token"))
	if err != nil {
		return err
	}
	answer(w, r, http.StatusOK, func(b []byte) []byte {
		b = append(b, `{"email":`...)
		b = appendString(b, u.Email)
		return appendUntil(b, expires)
	})
	return nil
}

// confirmReset sets the new password.
func (a *API) confirmReset(w http.ResponseWriter, r *http.Request) error {
	in, err := a.decode(w, r, &resetForm)
	if err != nil {
		return err
	}
	if err := a.Accounts.ResetPassword(r.Context(), account.Reset{
		Token: in.text("token"), Password: in.text("password"), Password2: in.text("password2"),
	}, a.Client(r)); err != nil {
		return err
	}
	answer(w, r, http.StatusOK, func(b []byte) []byte { return appendMessage(b, textPasswordChanged) })
	return nil
}

// checkSetup tells until when a set-up link is good.
func (a *API) checkSetup(w http.ResponseWriter, r *http.Request) error {
	in, err := a.decode(w, r, &linkForm)
	if err != nil {
		return err
	}
	expires, err := a.Accounts.CheckSetup(r.Context(), in.text("token"))
	if err != nil {
		return err
	}
	answer(w, r, http.StatusOK, func(b []byte) []byte {
		b = append(b, '{')
		return append(b, appendUntil(nil, expires)[1:]...)
	})
	return nil
}

// setUp makes the first administrator and signs them in.
func (a *API) setUp(w http.ResponseWriter, r *http.Request) error {
	in, err := a.decode(w, r, &setupForm)
	if err != nil {
		return err
	}
	tokens, u, err := a.Accounts.SetUp(r.Context(), in.text("token"), account.Registration{
		Email: in.email, Password: in.text("password"), Password2: in.text("password2"),
		FirstName: in.text("first_name"), LastName: in.text("last_name"), Phone: in.text("phone"),
	}, a.Client(r))
	if err != nil {
		return err
	}
	note(w, u.ID)
	a.signedIn(w, r, http.StatusCreated, textRegistered, &u, tokens)
	return nil
}

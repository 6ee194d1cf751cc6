package api

import (
	"errors"
	"net/http"

	"github.com/latchkey-auth/latchkey/internal/account"
	"github.com/latchkey-auth/latchkey/internal/auth"
)

var confirmForm = form{fields: []field{{name: "password", untrimmed: true}}}

// confirm proves the caller's password once more, for what needs a fresh proof.
func (a *API) confirm(w http.ResponseWriter, r *http.Request) error {
	in, err := a.decode(w, r, &confirmForm)
	if err != nil {
		return err
	}
	if err := a.Accounts.Confirm(r.Context(), callerOf(r).Access, in.text("password"), a.Client(r)); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// What route.fresh can be.

func always(*http.Request) bool { return true }

func deletes(r *http.Request) bool { return r.Method == http.MethodDelete }

// endsAnother: to end the own session is a logout, which takes nothing but it.
func endsAnother(r *http.Request) bool { return r.PathValue("id") != callerOf(r).SessionID }

// exports: what is shown a page at a time is looked at; a file is carried away.
func exports(r *http.Request) bool { return isFile(r.URL.Query().Get("format")) }

// provedActor is actor for acts that need a fresh proof for some of what they
// can change.
func (a *API) provedActor(r *http.Request) (*account.Actor, error) {
	by := a.actor(r)
	err := a.Sessions.Confirmed(r.Context(), by.Access)
	if errors.Is(err, auth.ErrUnconfirmed) {
		return by, nil
	}
	by.Confirmed = err == nil
	return by, err
}

package api

import (
	"net/http"
	"strconv"
	"time"
)

// Settings is what a sign-in page needs to know before anybody has signed in.
// There is nothing in it that trying would not tell.
type Settings struct {
	// Name is what the operator calls the service.
	Name string
	// MinPassword is the shortest password in characters.
	MinPassword int
	// Access and Refresh are the lifetimes of tokens.
	Access, Refresh time.Duration
}

// settings answers them, with who may register.
func (a *API) settings(w http.ResponseWriter, r *http.Request) error {
	answer(w, r, http.StatusOK, func(b []byte) []byte {
		b = append(b, `{"name":`...)
		b = appendString(b, a.Settings.Name)
		b = append(b, `,"registration":{"open":`...)
		b = strconv.AppendBool(b, a.RegistrationOpen)
		b = append(b, `,"roles":[`...)
		for i, role := range a.RegistrationRoles {
			if i > 0 {
				b = append(b, ',')
			}
			b = appendString(b, string(role))
		}
		b = append(b, `]},"password":{"min_length":`...)
		b = strconv.AppendInt(b, int64(a.Settings.MinPassword), 10)
		b = append(b, `},"tokens":{"access":`...)
		b = strconv.AppendInt(b, int64(a.Settings.Access/time.Second), 10)
		b = append(b, `,"refresh":`...)
		b = strconv.AppendInt(b, int64(a.Settings.Refresh/time.Second), 10)
		return append(b, `}}`...)
	})
	return nil
}

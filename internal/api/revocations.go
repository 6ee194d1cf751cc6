package api

import (
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/latchkey-auth/latchkey/internal/auth"
)

// maxWait is how long the feed of revocations waits for news at most.
const maxWait = 30 * time.Second

// feedPatience is as long as the client wants to wait.
func feedPatience(query url.Values) time.Duration {
	var ignored auth.Fields
	most := int64(maxWait / time.Second)
	wait := queryNumber(query, "wait", 0, most, &ignored)
	return time.Duration(min(max(wait, 0), most)) * time.Second
}

// revocations tells other services what was revoked since a number, so that
// they honour no token of somebody who has signed out, and need not ask for
// each. With wait it answers as soon as there is news, and 304 if there was none.
func (a *API) revocations(w http.ResponseWriter, r *http.Request) error {
	query := r.URL.Query()
	var problems auth.Fields
	after, given := int64(0), query.Has("after")
	if given {
		n, err := strconv.ParseInt(query.Get("after"), 10, 64)
		switch {
		case err != nil:
			problems.Add("after", problem(auth.CodeNotNumber)...)
		case n < 0:
			problems.Add("after", problem(auth.CodeMinValue, 0)...)
		}
		after = n
	}
	var wait time.Duration
	if query.Has("wait") && query.Get("wait") != "0" {
		wait = time.Duration(queryNumber(query, "wait", 0, int64(maxWait/time.Second), &problems)) * time.Second
	}
	if err := problems.Err(); err != nil {
		return err
	}
	if wait > 0 {
		_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(wait + 10*time.Second)) // One that has none is a test's.
	}
	page, err := a.Sessions.Feed(r.Context(), after, wait, a.Stopping)
	if err != nil {
		return err
	}
	tag := `"` + strconv.FormatInt(page.Seq, 10) + `"`
	w.Header()["Etag"] = []string{tag}
	known := given && !page.Fresh(after)
	if len(r.Header["If-None-Match"]) == 1 && r.Header["If-None-Match"][0] == tag && len(page.Revocations) == 0 && !page.Reset {
		known = true
	}
	if known {
		w.WriteHeader(http.StatusNotModified)
		return nil
	}
	answer(w, r, http.StatusOK, func(b []byte) []byte {
		b = append(b, `{"seq":`...)
		b = strconv.AppendInt(b, page.Seq, 10)
		b = append(b, `,"reset":`...)
		b = strconv.AppendBool(b, page.Reset)
		b = append(b, `,"max_access":`...)
		b = strconv.AppendInt(b, int64(page.MaxAccess/time.Second), 10)
		b = append(b, `,"revocations":[`...)
		for i := range page.Revocations {
			if i > 0 {
				b = append(b, ',')
			}
			b = appendRevocation(b, &page.Revocations[i])
		}
		return append(b, `]}`...)
	})
	return nil
}

func appendRevocation(b []byte, v *auth.Revocation) []byte {
	b = append(b, `{"seq":`...)
	b = strconv.AppendInt(b, v.Seq, 10)
	b = append(b, `,"kind":`...)
	b = appendString(b, string(v.Kind))
	b = append(b, `,"key":`...)
	b = appendString(b, v.Key)
	b = append(b, `,"gen":`...)
	b = strconv.AppendInt(b, v.Gen, 10)
	b = append(b, `,"iat_before":`...)
	b = strconv.AppendInt(b, v.IssuedBefore, 10)
	b = append(b, `,"until":`...)
	// Rounded up: nobody may forget it a second too early.
	b = strconv.AppendInt(b, v.Until.Add(time.Second-1).Unix(), 10)
	return append(b, '}')
}

// service lets a service key in that opens a scope. It is no user's token, and
// a user's token is none: without one of its form the answer is that there are
// no credentials.
func (a *API) service(r *http.Request, scope auth.Scope) error {
	secret, err := bearerToken(r.Header["Authorization"], nil)
	switch {
	case err != nil:
		return err
	case !auth.IsServiceSecret(secret):
		return errNoCredentials
	}
	key, err := a.Services.ServiceKey(r.Context(), secret)
	switch {
	case auth.IsKind(err, auth.Missing):
		return errNoCredentials
	case err != nil:
		return err
	case key.Scope != scope:
		return auth.ErrForbidden
	}
	return nil
}

package api

import (
	"net/http"
	"strconv"
	"time"

	"github.com/latchkey-auth/latchkey/internal/auth"
)

// sessions lists the caller's signed-in devices. It also tells when the
// caller's tokens expire: a page that was loaded anew cannot read its cookies.
func (a *API) sessions(w http.ResponseWriter, r *http.Request) error {
	who := callerOf(r)
	all, err := a.Sessions.Sessions(r.Context(), who.Access)
	if err != nil {
		return err
	}
	var refresh int64
	if len(all) > 0 && all[0].ID == who.SessionID {
		refresh = all[0].Expires
	}
	answer(w, r, http.StatusOK, func(b []byte) []byte {
		b = append(b, '{')
		// The comma that appendExpires begins with is for the middle of an object.
		b = append(b, appendExpires(nil, who.Expires, refresh)[1:]...)
		b = append(b, `,"results":[`...)
		for i := range all {
			if i > 0 {
				b = append(b, ',')
			}
			b = appendSession(b, &all[i], all[i].ID == who.SessionID)
		}
		return append(b, `]}`...)
	})
	return nil
}

func appendSession(b []byte, s *auth.Session, current bool) []byte {
	b = append(b, `{"id":`...)
	b = appendString(b, s.ID)
	b = append(b, ',')
	b = appendDevice(b, s.Client.UserAgent)
	b = append(b, `,"user_agent":`...)
	b = appendString(b, s.Client.UserAgent)
	b = append(b, `,"address":`...)
	b = appendString(b, s.Client.Address)
	b = append(b, `,"first_seen":"`...)
	b = appendTime(b, s.CreatedAt)
	b = append(b, `","last_seen":"`...)
	b = appendTime(b, s.LastSeen)
	b = append(b, `","expires_at":"`...)
	b = appendTime(b, time.Unix(s.Expires, 0))
	b = append(b, `","current":`...)
	b = strconv.AppendBool(b, current)
	return append(b, '}')
}

// endSession signs out one of the caller's devices. To sign out this one is a
// logout, so the cookies go.
func (a *API) endSession(w http.ResponseWriter, r *http.Request) error {
	who := callerOf(r)
	id := r.PathValue("id")
	if err := a.Sessions.End(r.Context(), who.Access, id, a.Client(r)); err != nil {
		return err
	}
	if id == who.SessionID && (who.byCookie || len(r.Header["Auth-Mode"]) > 0) {
		a.expireCookies(w.Header())
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// endOtherSessions signs out every device of the caller but this one.
func (a *API) endOtherSessions(w http.ResponseWriter, r *http.Request) error {
	ended, err := a.Sessions.EndOthers(r.Context(), callerOf(r).Access, a.Client(r))
	if err != nil {
		return err
	}
	answer(w, r, http.StatusOK, func(b []byte) []byte { return appendEnded(b, textOthersEnded, ended) })
	return nil
}

// appendEnded writes {"message":…,"ended":…}.
func appendEnded(b []byte, message string, ended int) []byte {
	b = append(b, `{"message":`...)
	b = appendString(b, message)
	b = append(b, `,"ended":`...)
	b = strconv.AppendInt(b, int64(ended), 10)
	return append(b, '}')
}

package api

import (
	"net/http"
	"strconv"
	"time"

	"github.com/latchkey-auth/latchkey/internal/account"
	"github.com/latchkey-auth/latchkey/internal/auth"
)

// How many counters a page has.
const (
	defaultThrottled = 50
	maxThrottled     = 100
)

// throttled lists what was tried without success, the latest first.
func (a *API) throttled(w http.ResponseWriter, r *http.Request) error {
	query := r.URL.Query()
	var f auth.CounterFilter
	var problems auth.Fields
	f.UserID = queryNumber(query, "user", 0, 0, &problems)
	limit := queryNumber(query, "page_size", defaultThrottled, maxThrottled, &problems)
	if err := problems.Err(); err != nil {
		return err
	}
	f.Limit = int(limit) + 1 // One more tells whether there is another page.
	scope := "throttle " + query.Get("user")
	if query.Has("cursor") {
		var at int64
		var key string
		if _, err := a.openCursor(scope, query.Get("cursor"), &at, &key); err != nil {
			return err
		}
		f.After = &auth.CounterPlace{LastAt: time.UnixMicro(at), Key: key}
	}
	all, err := a.Accounts.Throttled(r.Context(), f)
	if err != nil {
		return err
	}
	next := ""
	if len(all) > int(limit) {
		all = all[:limit]
		last := &all[limit-1]
		next = a.pageURL(r, query, a.sealCursor(scope, false, last.LastAt.UnixMicro(), last.Key))
	}
	answer(w, r, http.StatusOK, func(b []byte) []byte {
		b = append(b, '{')
		b = append(b, appendLinks(nil, next, "")[1:]...)
		b = append(b, `,"results":[`...)
		for i := range all {
			if i > 0 {
				b = append(b, ',')
			}
			b = appendThrottled(b, &all[i])
		}
		return append(b, `]}`...)
	})
	return nil
}

func appendThrottled(b []byte, c *account.Throttled) []byte {
	b = append(b, `{"id":`...)
	b = appendString(b, c.Key)
	b = append(b, `,"kind":`...)
	b = appendString(b, c.Kind)
	b = append(b, `,"user":`...)
	b = appendPerson(b, c.UserID, c.Email)
	b = append(b, `,"address":`...)
	b = appendString(b, c.Address)
	b = append(b, `,"failures":`...)
	b = strconv.AppendInt(b, c.Failures, 10)
	b = append(b, `,"last_at":"`...)
	b = appendTime(b, c.LastAt)
	b = append(b, `","refused_until":`...)
	b = appendTimeOrNull(b, c.Until)
	b = append(b, `,"reason":`...)
	b = appendString(b, c.Why)
	b = append(b, `,"expires_at":"`...)
	b = appendTime(b, c.Expires)
	return append(b, `"}`...)
}

// liftThrottle lets whoever was counted try again at once.
func (a *API) liftThrottle(w http.ResponseWriter, r *http.Request) error {
	if err := a.Accounts.Lift(r.Context(), a.actor(r), r.PathValue("id")); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

package api

import (
	"net/http"
	"net/url"
	"strconv"

	"github.com/latchkey-auth/latchkey/internal/auth"
)

// How many events a page has.
const (
	defaultEvents = 50
	maxEvents     = 100
)

// events tells what happened on the caller's account, the newest first, a page
// at a time.
func (a *API) events(w http.ResponseWriter, r *http.Request) error {
	query := r.URL.Query()
	var problems auth.Fields
	limit := queryNumber(query, "limit", defaultEvents, maxEvents, &problems)
	before := queryNumber(query, "before", 0, 0, &problems)
	if err := problems.Err(); err != nil {
		return err
	}
	// One more tells whether there is another page.
	who := callerOf(r)
	all, err := a.Accounts.Events(r.Context(), who.Access, !who.User.Role.Can(auth.OwnOthers), before, int(limit)+1)
	if err != nil {
		return err
	}
	next := ""
	if len(all) > int(limit) {
		all = all[:limit]
		next = a.base(r) + "/api/auth/events/?limit=" + strconv.FormatInt(limit, 10) +
			"&before=" + strconv.FormatInt(all[limit-1].ID, 10)
	}
	answer(w, r, http.StatusOK, func(b []byte) []byte {
		b = append(b, `{"next":`...)
		if next == "" {
			b = append(b, "null"...)
		} else {
			b = appendString(b, next)
		}
		b = append(b, `,"results":[`...)
		for i := range all {
			if i > 0 {
				b = append(b, ',')
			}
			b = appendEvent(b, &all[i])
		}
		return append(b, `]}`...)
	})
	return nil
}

// appendEvent writes an event as the user sees it whom it happened to. Where an
// administrator acted, from where is not the user's business.
func appendEvent(b []byte, e *auth.Event) []byte {
	actor, from := "system", e.Client
	switch e.ActorID {
	case 0:
	case e.UserID:
		actor = "self"
	default:
		actor, from = "administrator", auth.Client{}
	}
	b = append(b, `{"id":`...)
	b = strconv.AppendInt(b, e.ID, 10)
	b = append(b, `,"event":`...)
	b = appendString(b, string(e.Kind))
	b = append(b, `,"at":"`...)
	b = appendTime(b, e.At)
	b = append(b, `","actor":"`...)
	b = append(b, actor...)
	b = append(b, `",`...)
	b = appendDevice(b, from.UserAgent)
	b = append(b, `,"address":`...)
	b = appendString(b, from.Address)
	b = append(b, `,"count":`...)
	b = strconv.AppendInt(b, e.Count, 10)
	b = append(b, `,"detail":`...)
	b = appendString(b, e.Detail)
	return append(b, '}')
}

// queryNumber reads a whole number from 1 to highest (0: any) of the query.
func queryNumber(query url.Values, name string, byDefault, highest int64, problems *auth.Fields) int64 {
	if !query.Has(name) {
		return byDefault
	}
	n, err := strconv.ParseInt(query.Get(name), 10, 64)
	switch {
	case err != nil:
		problems.Add(name, problem(auth.CodeNotNumber)...)
	case n < 1:
		problems.Add(name, problem(auth.CodeMinValue, 1)...)
	case highest > 0 && n > highest:
		problems.Add(name, problem(auth.CodeMaxValue, highest)...)
	}
	return n
}

// base is the address of this server as the client sees it, for links.
func (a *API) base(r *http.Request) string {
	if a.PublicURL != "" {
		return a.PublicURL
	}
	scheme := "http://"
	if a.Secured(r) {
		scheme = "https://"
	}
	return scheme + r.Host
}

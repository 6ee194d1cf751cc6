package api

import (
	"encoding/csv"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/latchkey-auth/latchkey/internal/auth"
)

// How many events a page of the audit trail has, and a batch of its export.
const (
	defaultAudit = 50
	maxAudit     = 100
	exportBatch  = 500
)

// How long an export may take, and a client to take a batch of it.
const (
	exportTime = 10 * time.Minute
	batchTime  = 30 * time.Second
)

// exportPatience is for files only: a page is given up as early as anything
// else.
func exportPatience(query url.Values) time.Duration {
	if isFile(query.Get("format")) {
		return exportTime
	}
	return 0
}

func isFile(format string) bool { return format == "csv" || format == "jsonl" }

// audit shows the audit trail, the newest first: a page of it, or all of it as a
// file.
func (a *API) audit(w http.ResponseWriter, r *http.Request) error {
	query := r.URL.Query()
	f, problems := auditFilter(query)
	limit := queryNumber(query, "page_size", defaultAudit, maxAudit, &problems)
	format := query.Get("format")
	if format != "" && format != "json" && !isFile(format) {
		problems.Add("format", problem(auth.CodeInvalidChoice, format)...)
	}
	if err := problems.Err(); err != nil {
		return err
	}
	if isFile(format) {
		return a.exportAudit(w, r, f, format)
	}
	f.Limit = int(limit) + 1 // One more tells whether there is another page.
	scope := "audit " + query.Get("user") + "\x00" + query.Get("event") + "\x00" + query.Get("since") + "\x00" + query.Get("until")
	if query.Has("cursor") {
		var at, id int64
		if _, err := a.openCursor(scope, query.Get("cursor"), &at, &id); err != nil {
			return err
		}
		f.After = &auth.AuditPlace{At: time.UnixMicro(at), ID: id}
	}
	all, err := a.Accounts.Audit(r.Context(), callerOf(r).User, f)
	if err != nil {
		return err
	}
	next := ""
	if len(all) > int(limit) {
		all = all[:limit]
		last := &all[limit-1]
		next = a.pageURL(r, query, a.sealCursor(scope, false, last.At.UnixMicro(), last.ID))
	}
	answer(w, r, http.StatusOK, func(b []byte) []byte {
		b = append(b, '{')
		b = append(b, appendLinks(nil, next, "")[1:]...)
		b = append(b, `,"results":[`...)
		for i := range all {
			if i > 0 {
				b = append(b, ',')
			}
			b = appendAudit(b, &all[i])
		}
		return append(b, `]}`...)
	})
	return nil
}

// auditFilter reads what is asked for of the query.
func auditFilter(query url.Values) (f auth.AuditFilter, problems auth.Fields) {
	f.UserID = queryNumber(query, "user", 0, 0, &problems)
	if kind := query.Get("event"); kind != "" {
		f.Kind = auth.EventKind(kind)
		known := false
		for _, k := range auth.EventKinds() {
			known = known || f.Kind == k
		}
		if !known {
			problems.Add("event", problem(auth.CodeInvalidChoice, kind)...)
		}
	}
	for name, to := range map[string]*time.Time{"since": &f.Since, "until": &f.Until} {
		if text := query.Get(name); text != "" {
			at, err := time.Parse(time.RFC3339, text)
			if err != nil {
				problems.Add(name, problem(auth.CodeNotTime)...)
			}
			*to = at
		}
	}
	return f, problems
}

// appendAudit writes an event with those whom it is about.
func appendAudit(b []byte, e *auth.AuditEvent) []byte {
	b = append(b, `{"id":`...)
	b = strconv.AppendInt(b, e.ID, 10)
	b = append(b, `,"event":`...)
	b = appendString(b, string(e.Kind))
	b = append(b, `,"at":"`...)
	b = appendTime(b, e.At)
	b = append(b, `","user":`...)
	b = appendPerson(b, e.UserID, e.UserEmail)
	b = append(b, `,"actor":`...)
	b = appendPerson(b, e.ActorID, e.ActorEmail)
	b = append(b, `,"session":`...)
	b = appendString(b, e.SessionID)
	b = append(b, ',')
	b = appendDevice(b, e.Client.UserAgent)
	b = append(b, `,"address":`...)
	b = appendString(b, e.Client.Address)
	b = append(b, `,"request":`...)
	b = appendString(b, e.Client.Request)
	b = append(b, `,"count":`...)
	b = strconv.AppendInt(b, e.Count, 10)
	b = append(b, `,"detail":`...)
	b = appendString(b, e.Detail)
	b = append(b, `,"changes":{`...)
	for i, c := range e.Changes {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendString(b, c.Field)
		b = append(b, ':', '[')
		b = appendString(b, c.Before)
		b = append(b, ',')
		b = appendString(b, c.After)
		b = append(b, ']')
	}
	return append(b, `}}`...)
}

// appendPerson writes {"id":…,"email":…}, or null for nobody known.
func appendPerson(b []byte, id int64, address string) []byte {
	if id == 0 {
		return append(b, "null"...)
	}
	b = append(b, `{"id":`...)
	b = strconv.AppendInt(b, id, 10)
	b = append(b, `,"email":`...)
	b = appendString(b, address)
	return append(b, '}')
}

// exportAudit streams all that passes the filter, batch by batch: however much
// there is, little of it is in memory. What goes wrong after the first batch
// breaks the connection, so that nobody takes a part for the whole; so does an
// end of the caller's session, or of their role, meanwhile.
func (a *API) exportAudit(w http.ResponseWriter, r *http.Request, f auth.AuditFilter, format string) error {
	who := callerOf(r)
	f.Limit = exportBatch
	batch, err := a.Accounts.Audit(r.Context(), who.User, f)
	if err != nil {
		return err
	}
	rc := http.NewResponseController(w)
	h := w.Header()
	h["Content-Disposition"] = []string{`attachment; filename="audit.` + format + `"`}
	h["Content-Type"] = []string{"application/jsonl"}
	var write func(*auth.AuditEvent) error
	var flush func() error
	if format == "csv" {
		h["Content-Type"] = []string{"text/csv; charset=utf-8"}
		sheet := csv.NewWriter(w)
		if err := sheet.Write(auditColumns); err != nil {
			return err
		}
		write = func(e *auth.AuditEvent) error { return sheet.Write(auditRow(e)) }
		flush = func() error { sheet.Flush(); return sheet.Error() }
	} else {
		var line []byte
		write = func(e *auth.AuditEvent) error {
			line = append(appendAudit(line[:0], e), '\n')
			_, err := w.Write(line)
			return err
		}
		flush = func() error { return nil }
	}
	for {
		_ = rc.SetWriteDeadline(time.Now().Add(batchTime)) // One that has none is a test's.
		for i := range batch {
			if err := write(&batch[i]); err != nil {
				panic(http.ErrAbortHandler)
			}
		}
		if err := flush(); err != nil {
			panic(http.ErrAbortHandler)
		}
		_ = rc.Flush()
		if len(batch) < exportBatch {
			return nil
		}
		last := &batch[len(batch)-1]
		f.After = &auth.AuditPlace{At: last.At, ID: last.ID}
		err = a.Sessions.Live(r.Context(), who.Access)
		if refused := new(auth.Error); errors.As(err, &refused) && refused.Kind == auth.TokenNotValid {
			noteRefusal(w, refused.Refusal(), "")
			panic(http.ErrAbortHandler)
		}
		if err == nil {
			batch, err = a.Accounts.Audit(r.Context(), who.User, f)
		}
		if err != nil {
			a.Log.ErrorContext(r.Context(), "an export broke off", "error", err)
			panic(http.ErrAbortHandler)
		}
	}
}

var auditColumns = []string{
	"id", "at", "event", "user_id", "user_email", "actor_id", "actor_email", "session", "address", "user_agent", "count", "detail", "changes", "request",
}

func auditRow(e *auth.AuditEvent) []string {
	var changes []string
	for _, c := range e.Changes {
		changes = append(changes, c.Field+": "+c.Before+" -> "+c.After)
	}
	row := []string{
		strconv.FormatInt(e.ID, 10), string(appendTime(nil, e.At)), string(e.Kind),
		numberOrNone(e.UserID), e.UserEmail, numberOrNone(e.ActorID), e.ActorEmail, e.SessionID,
		e.Client.Address, e.Client.UserAgent, strconv.FormatInt(e.Count, 10), e.Detail, strings.Join(changes, "; "),
		e.Client.Request,
	}
	for i, cell := range row {
		row[i] = plainCell(cell)
	}
	return row
}

// plainCell keeps a spreadsheet from taking a name for a formula (CWE-1236).
func plainCell(s string) string {
	if s != "" && strings.IndexByte("=+-@\t\r", s[0]) >= 0 {
		return "'" + s
	}
	return s
}

func numberOrNone(n int64) string {
	if n == 0 {
		return ""
	}
	return strconv.FormatInt(n, 10)
}

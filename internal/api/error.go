package api

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"github.com/latchkey-auth/latchkey/internal/auth"
)

// refusal is an answer of this package's own: {"detail":…} with a status.
type refusal struct {
	status int
	detail string
	// why is for the log; "" where the status says it.
	why auth.Refusal
}

// reason is why, in the log's word.
func (e *refusal) reason() auth.Refusal {
	switch {
	case e.why != "":
		return e.why
	case e.status == http.StatusNotFound:
		return auth.RefusedMissing
	case e.status == http.StatusMethodNotAllowed:
		return auth.RefusedMethod
	}
	return auth.RefusedMalformed
}

func (e *refusal) Error() string { return e.detail }

var (
	errNotFound         = &refusal{status: http.StatusNotFound, detail: textNotFound}
	errHidden           = &refusal{http.StatusNotFound, textNotFound, auth.RefusedHidden}
	errTooLarge         = &refusal{status: http.StatusRequestEntityTooLarge, detail: textTooLarge}
	errUnreadable       = &refusal{status: http.StatusBadRequest, detail: textUnreadable}
	errSlow             = &refusal{status: http.StatusRequestTimeout, detail: textTimeout}
	errNoCredentials    = &auth.Error{Kind: auth.Unauthenticated, Code: auth.CodeNoCredentials}
	errBadAuthorization = &auth.Error{Kind: auth.Unauthenticated, Code: auth.CodeBadAuthorization}
	errClosed           = &auth.Error{Kind: auth.PermissionDenied, Code: auth.CodeClosed}
	errAuthMode         = &refusal{status: http.StatusBadRequest, detail: textAuthMode}
	errCrossOrigin      = &refusal{http.StatusForbidden, textCrossOrigin, auth.RefusedOrigin}
)

// headerError is an error with the token of the Authorization header.
// SimpleJWT words it otherwise than the same error with a token in a body.
type headerError struct{ err error }

func (e *headerError) Error() string { return e.err.Error() }
func (e *headerError) Unwrap() error { return e.err }

// WriteNotFound, WriteBadHost, WriteStarting and WriteInternalError are the
// errors that the server answers without having reached an endpoint.

// WriteNotFound answers 404.
func WriteNotFound(w http.ResponseWriter) {
	noteRefusal(w, auth.RefusedMissing, "")
	setHeaders(w.Header())
	detail(w, nil, http.StatusNotFound, textNotFound, "")
}

// WriteMethodNotAllowed answers 405 for a path that has only these methods.
func WriteMethodNotAllowed(w http.ResponseWriter, r *http.Request, allow string) {
	noteRefusal(w, auth.RefusedMethod, "")
	setHeaders(w.Header())
	w.Header()["Allow"] = []string{allow}
	detail(w, nil, http.StatusMethodNotAllowed, methodText(r.Method), "")
}

// WriteBadHost answers 400 for a Host that is not ours. As in Django that is
// before what sets X-Frame-Options.
func WriteBadHost(w http.ResponseWriter) {
	noteRefusal(w, auth.RefusedHost, "")
	setHeaders(w.Header())
	delete(w.Header(), "X-Frame-Options")
	detail(w, nil, http.StatusBadRequest, textBadHost, "")
}

// WriteManyFields answers 431 for a head of too many fields, and ends the
// connection.
func WriteManyFields(w http.ResponseWriter) {
	noteRefusal(w, auth.RefusedMalformed, "")
	setHeaders(w.Header())
	w.Header()["Connection"] = []string{"close"}
	detail(w, nil, http.StatusRequestHeaderFieldsTooLarge, textManyFields, "")
}

// WriteStarting answers 503 while the revocations are not loaded yet.
func WriteStarting(w http.ResponseWriter) {
	noteRefusal(w, auth.RefusedBusy, "")
	setHeaders(w.Header())
	later(w, nil, http.StatusServiceUnavailable, textUnavailable, 0)
}

// WriteBusy answers 503 where there is too much to do.
func WriteBusy(w http.ResponseWriter) {
	noteRefusal(w, auth.RefusedBusy, "")
	setHeaders(w.Header())
	later(w, nil, http.StatusServiceUnavailable, textUnavailable, 0)
}

// WriteBusyRaw writes the same answer onto a connection that will be closed
// after it, before any request has been read.
func WriteBusyRaw(w io.Writer) error {
	return raw(w, http.StatusServiceUnavailable, textUnavailable, "Retry-After: 1\r\n")
}

// WriteManyFieldsRaw writes what WriteManyFields does onto a connection that will
// be closed after it.
func WriteManyFieldsRaw(w io.Writer) error {
	return raw(w, http.StatusRequestHeaderFieldsTooLarge, textManyFields, "")
}

// raw writes an answer with a detail; more is further lines of its head.
func raw(w io.Writer, status int, text, more string) error {
	body := appendString([]byte(`{"detail":`), text)
	body = append(body, '}')
	_, err := fmt.Fprintf(w, "HTTP/1.1 %d %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n"+
		"Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n%sConnection: close\r\n\r\n%s",
		status, http.StatusText(status), len(body), more, body)
	return err
}

// WriteInternalError answers 500 where nothing has been written yet. It logs
// nothing.
func WriteInternalError(w http.ResponseWriter) {
	noteRefusal(w, auth.RefusedFailed, "")
	setHeaders(w.Header())
	detail(w, nil, http.StatusInternalServerError, textInternal, "")
}

// fail answers an error. It is the only code that writes an error's body.
// Whatever is no refusal and no auth.Error is internal: it is logged and the
// answer says nothing of it.
func (a *API) fail(w http.ResponseWriter, r *http.Request, d dialect, err error) {
	var (
		own  *refusal
		told *auth.Error
	)
	switch {
	case errors.As(err, &own):
		noteRefusal(w, own.reason(), "")
		if own.status == http.StatusRequestEntityTooLarge || own.status == http.StatusRequestTimeout {
			// What is left of the body shall not be read.
			w.Header()["Connection"] = hdrClose
		}
		detail(w, r, own.status, own.detail, "")
	case errors.As(err, &told):
		a.told(w, r, d, told, err)
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		// Of a client that has gone nothing is logged. The answer reaches
		// nobody then; if the server itself gave up, it must not be an empty 200.
		noteRefusal(w, auth.RefusedBusy, "")
		later(w, r, http.StatusServiceUnavailable, textUnavailable, 0)
	default:
		noteRefusal(w, auth.RefusedFailed, "")
		a.Log.LogAttrs(r.Context(), slog.LevelError, "request failed",
			slog.String("route", r.Pattern), slog.String("error", err.Error()))
		detail(w, r, http.StatusInternalServerError, textInternal, "")
	}
}

// told answers what an act refused.
func (a *API) told(w http.ResponseWriter, r *http.Request, d dialect, e *auth.Error, err error) {
	noteRefusal(w, e.Refusal(), "")
	switch e.Kind {
	case auth.Invalid:
		invalid(w, r, d, e.Fields)
	case auth.BadCredentials:
		invalid(w, r, credentials, auth.Fields{{
			Field: auth.NonField, Problems: []auth.Problem{{Code: auth.CodeBadCredentials}},
		}})
	case auth.Unauthenticated:
		w.Header()["Www-Authenticate"] = hdrBearer
		if e.Code == auth.CodeBadAuthorization {
			detail(w, r, http.StatusUnauthorized, textBadAuthorization, string(auth.CodeBadAuthorization))
		} else {
			detail(w, r, http.StatusUnauthorized, textNoCredentials, "")
		}
	case auth.TokenNotValid:
		w.Header()["Www-Authenticate"] = hdrBearer
		var header *headerError
		token(w, r, e.Code, errors.As(err, &header))
	case auth.PermissionDenied:
		words, code := textForbidden, ""
		switch e.Code { //nolint:exhaustive // The others are said in general words.
		case auth.CodeClosed:
			words = textClosed
		case auth.CodeUnconfirmed:
			words, code = textUnconfirmed, string(e.Code)
		}
		detail(w, r, http.StatusForbidden, words, code)
	case auth.Missing:
		words := textNotFound
		if e.Code == auth.CodeBadCursor {
			words = textBadCursor
		}
		detail(w, r, http.StatusNotFound, words, "")
	case auth.Conflict:
		words := textConflict
		switch e.Code { //nolint:exhaustive // The others are said in general words.
		case auth.CodeLastAdmin:
			words = textLastAdmin
		case auth.CodeUserInactive:
			words = textInactive
		}
		detail(w, r, http.StatusConflict, words, "")
	case auth.Stale:
		detail(w, r, http.StatusPreconditionFailed, textConflict, "")
	case auth.TooMany:
		later(w, r, http.StatusTooManyRequests, throttledText(seconds(e.RetryAfter)), e.RetryAfter)
	case auth.Unavailable:
		if e.Cause != nil && r.Context().Err() == nil {
			a.Log.LogAttrs(r.Context(), slog.LevelWarn, "request put off",
				slog.String("route", r.Pattern), slog.String("error", err.Error()))
		}
		later(w, r, http.StatusServiceUnavailable, textUnavailable, e.RetryAfter)
	default:
		a.fail(w, r, d, fmt.Errorf("unknown kind of error: %s", e.Error()))
	}
}

// detail answers {"detail":…} and, if there is one, a code.
func detail(w http.ResponseWriter, r *http.Request, status int, words, code string) {
	answer(w, r, status, func(b []byte) []byte {
		b = append(b, `{"detail":`...)
		b = appendString(b, words)
		if code != "" {
			b = append(b, `,"code":`...)
			b = appendString(b, code)
		}
		return append(b, '}')
	})
}

// later answers with Retry-After in seconds.
func later(w http.ResponseWriter, r *http.Request, status int, words string, wait time.Duration) {
	w.Header()["Retry-After"] = []string{strconv.Itoa(seconds(wait))}
	detail(w, r, status, words, "")
}

// token answers what is wrong with a token. One that is no token at all gets
// the shape with "messages" if it came in the header, the guide's otherwise; a
// good one whose user is at fault has the same shape in both places.
func token(w http.ResponseWriter, r *http.Request, c auth.Code, header bool) {
	words, code := tokenText(c)
	if !header || code != codeTokenNotValid || c == auth.CodeTokenNoUser {
		detail(w, r, http.StatusUnauthorized, words, code)
		return
	}
	answer(w, r, http.StatusUnauthorized, func(b []byte) []byte {
		b = append(b, `{"detail":`...)
		b = appendString(b, textNoTokenType)
		b = append(b, `,"code":"`+codeTokenNotValid+`","messages":[{"token_class":"AccessToken","token_type":"access","message":`...)
		b = appendString(b, words)
		return append(b, `}]}`...)
	})
}

// invalid answers what is wrong with the fields of a form.
func invalid(w http.ResponseWriter, r *http.Request, d dialect, fields auth.Fields) {
	status, title := http.StatusBadRequest, ""
	switch d {
	case bare:
	case wrapped:
		title = textInvalidData
	case credentials:
		status, title = http.StatusUnauthorized, textInvalidCredentials
	}
	answer(w, r, status, func(b []byte) []byte {
		if title == "" {
			return appendProblems(b, fields)
		}
		b = append(b, `{"error":`...)
		b = appendString(b, title)
		b = append(b, `,"details":`...)
		b = appendProblems(b, fields)
		return append(b, '}')
	})
}

// appendProblems writes {"field":["text",…],…}.
func appendProblems(b []byte, fields auth.Fields) []byte {
	b = append(b, '{')
	for i, f := range fields {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendString(b, f.Field)
		b = append(b, ":["...)
		for j, p := range f.Problems {
			if j > 0 {
				b = append(b, ',')
			}
			b = appendString(b, ProblemText(p))
		}
		b = append(b, ']')
	}
	return append(b, '}')
}

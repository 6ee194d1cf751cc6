package server

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"log/slog"
	"net/http"
	"net/netip"
	"runtime/debug"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/latchkey-auth/latchkey/internal/api"
	"github.com/latchkey-auth/latchkey/internal/auth"
	"github.com/latchkey-auth/latchkey/internal/doctor"
	"github.com/latchkey-auth/latchkey/internal/throttle"
)

// requestTime is how long a request may take inside; after it the answer is
// 503. It is longer than an outage of the database that is waited out, and
// than the queue for a place to hash in.
const requestTime = 10 * time.Second

// front is what every request passes: its id, the log line, panics, CORS, the
// host, health, and then the API, the public keys or the rest.
type front struct {
	api    atomic.Pointer[http.Handler] // nil until the server may answer
	rest   http.Handler
	jwks   jwks
	health *health
	cors   *cors
	hosts  hosts
	// refusals is nil until the database is open.
	refusals atomic.Pointer[refusals]
	trusted  []netip.Prefix
	// header is the one that trusted proxies write the client's address in.
	header string
	// most is how many requests there may be at once, those that are only
	// about to be refused and those of the pages included: no more than there
	// may be connections.
	most     int64
	underWay atomic.Int64
	pace     pace
	// hsts is Strict-Transport-Security, nil where browsers do not come by TLS.
	hsts []string
	log  *slog.Logger
	now  func() time.Time
	// ignored says that forwarded headers were, those of a peer on this machine;
	// otherHeader that a trusted proxy sends another than header. The warning is
	// one line each.
	ignored, otherHeader atomic.Bool

	ids struct {
		prefix string
		next   atomic.Uint64
	}
}

// patient is a handler some of whose requests may take longer.
type patient interface {
	Patience(r *http.Request) time.Duration
}

// newID gives a request id: 8 random hex digits of this process and a counter.
func (f *front) newID() string {
	b := append(make([]byte, 0, 32), f.ids.prefix...)
	return string(strconv.AppendUint(append(b, '-'), f.ids.next.Add(1), 36))
}

func randomPrefix() string {
	var b [4]byte
	_, _ = rand.Read(b[:]) // never fails (crypto/rand)
	return hex.EncodeToString(b[:])
}

// exchange is one request under way: the ResponseWriter that the handlers see.
// It notes what the log line needs.
type exchange struct {
	http.ResponseWriter
	status int
	id     string
	route  string
	userID int64
	client auth.Client
	// refused says why the request was refused, "" if it was not, and field at
	// which of its fields.
	refused auth.Refusal
	field   string
	// aborted says that the answer broke off.
	aborted bool
	// by is the connection that the request came by, nil without a place.
	by *conn
	// body is the request's for the API.
	body arriving
	// written says that a part of the answer has been taken.
	written bool
	// stopping says that the server is about to stop.
	stopping *atomic.Bool
}

// exchangeKey is under which a request's context carries its exchange.
type exchangeKey struct{}

// clientOf is who asks, for the API.
func clientOf(r *http.Request) auth.Client {
	if e, ok := r.Context().Value(exchangeKey{}).(*exchange); ok {
		return e.client
	}
	return auth.Client{}
}

// requestLog adds the request's id to what is logged with its context.
type requestLog struct{ slog.Handler }

func (h requestLog) Handle(ctx context.Context, record slog.Record) error {
	if e, ok := ctx.Value(exchangeKey{}).(*exchange); ok {
		record.AddAttrs(slog.String("request", e.id))
	}
	return h.Handler.Handle(ctx, record) //nolint:wrapcheck // A handler's error is its own.
}

func (e *exchange) WriteHeader(status int) {
	if e.status == 0 && status >= 200 {
		e.begins(status)
	}
	e.ResponseWriter.WriteHeader(status)
}

// begins notes that the answer begins.
func (e *exchange) begins(status int) {
	e.by.touch()
	e.status = status
	if e.stopping.Load() || e.by.grown() {
		// A kept connection would end under its next request, or stay as large
		// as it has become.
		e.Header()["Connection"] = hdrClose
	}
}

func (e *exchange) Write(b []byte) (int, error) {
	if e.status == 0 {
		e.begins(http.StatusOK)
	}
	// It may have to wait until the client takes what there is; once it has, the
	// client is not slow.
	e.by.rest()
	defer e.by.work()
	n, err := e.ResponseWriter.Write(b)
	if e.written {
		e.by.touch()
	}
	e.written = true
	return n, err //nolint:wrapcheck // It is the connection's.
}

// FlushError is for http.ResponseController; it waits as Write does.
func (e *exchange) FlushError() error {
	e.by.rest()
	defer e.by.work()
	err := http.NewResponseController(e.ResponseWriter).Flush()
	e.by.touch()
	return err //nolint:wrapcheck // It is net/http's.
}

// Unwrap lets http.ResponseController reach the connection.
func (e *exchange) Unwrap() http.ResponseWriter { return e.ResponseWriter }

// NoteUser is told who asks; see api.UserNoter.
func (e *exchange) NoteUser(id int64) { e.userID = id }

// NoteRefusal is told why a request is refused; see api.RefusalNoter.
func (e *exchange) NoteRefusal(why auth.Refusal, field string) {
	if e.refused == "" {
		e.refused, e.field = why, field
	}
}

func (f *front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	start := f.now()
	e := &exchange{ResponseWriter: w, id: f.requestID(r), by: connOf(r), stopping: &f.health.stopping}
	e.by.work()
	defer e.by.rest()
	if e.id == "" {
		e.id = f.newID()
	}
	e.client = f.client(r)
	e.client.Request = e.id
	f.baseline(w.Header())
	w.Header()["X-Request-Id"] = []string{e.id}
	hold := func() {
		if putOff(e.status) {
			e.by.rest()
			f.pace.hold(r.Context(), f.now().Sub(start))
			e.by.work()
		}
	}
	// Last of all: what is held has been logged, and takes nobody's place.
	// net/http sends so short an answer when the handler is done.
	defer hold()
	defer f.underWay.Add(-1)
	full := f.underWay.Add(1) > f.most
	defer func() {
		p := recover()
		e.aborted = p == http.ErrAbortHandler //nolint:errorlint // The sentinel is compared as net/http does.
		if p != nil && !e.aborted {
			f.log.Error("panic", "request", e.id, "route", e.route, "panic", p, "stack", string(debug.Stack()))
			if e.status == 0 {
				f.cors.allow(e.Header(), r)
				api.WriteInternalError(e)
			}
		}
		f.tell(r, e)
		f.logLine(r, e, f.now().Sub(start))
		if e.aborted {
			panic(p)
		}
	}()
	if full {
		e.route = "crowded"
		api.WriteBusy(e)
		return
	}
	if len(r.TransferEncoding) > 0 || r.ProtoMinor == 0 {
		// Where a body has no length, or may have two, nobody shall take what
		// comes after it for another request: net/http does not tell of a
		// Content-Length beside Transfer-Encoding, after which RFC 9112, section
		// 6.1, wants the connection closed, and knows no Transfer-Encoding of
		// HTTP/1.0.
		w.Header()["Connection"] = hdrClose
	}
	f.serve(e, r)
}

// hdrClose ends a connection after the answer.
var hdrClose = []string{"close"}

// stsValue is a year, as ASVS 3.4.1 asks for. Whether the domains below are
// served by TLS too is not ours to know.
const stsValue = "max-age=31536000"

// hdrPolicy lets an answer that is no page load and do nothing.
var hdrPolicy = []string{"default-src 'none'; frame-ancestors 'none'"}

// baseline sets what every answer has whoever writes it, a preflight's too.
func (f *front) baseline(h http.Header) {
	h["Content-Security-Policy"] = hdrPolicy
	if f.hsts != nil {
		h["Strict-Transport-Security"] = f.hsts
	}
}

// maxFields is the most fields of a request's head, Host among them; more is
// 431. It is as many as Python's http.client and gunicorn take.
const maxFields = 100

// manyFields reports whether a head has more, or names more that come after the
// body (Trailer).
func manyFields(r *http.Request) bool {
	n := 1 + len(r.Header) // net/http keeps Host elsewhere.
	for _, values := range r.Header {
		n += len(values) - 1
	}
	return max(n, len(r.Trailer)) > maxFields
}

func (f *front) serve(e *exchange, r *http.Request) {
	if manyFields(r) {
		e.route = "head"
		f.cors.allow(e.Header(), r)
		// Nobody looks at them any more; net/http keeps the request until the
		// connection has ended.
		r.Header, r.Trailer = nil, nil
		api.WriteManyFields(e)
		return
	}
	if f.cors.preflight(e, r) {
		e.route = "preflight"
		return
	}
	f.cors.allow(e.Header(), r)
	switch path := r.URL.Path; {
	case path == "/healthz":
		e.route = path
		f.health.live(e, r)
	case path == "/readyz":
		e.route = path
		f.health.ready(e, r)
	case !f.hosts.allow(r.Host):
		e.route = "host"
		api.WriteBadHost(e)
	case path == "/api" || strings.HasPrefix(path, "/api/"):
		h := f.api.Load()
		if h == nil {
			api.WriteStarting(e)
			return
		}
		limit := requestTime
		if p, ok := (*h).(patient); ok {
			limit += p.Patience(r)
		}
		ctx := &requestContext{Context: r.Context(), exchange: e, deadline: time.Now().Add(limit)}
		defer ctx.release()
		own := r
		r = r.WithContext(ctx)
		if e.by != nil && r.ContentLength != 0 && r.Body != nil {
			// In the copy alone: net/http goes by what it finds in its own.
			e.body = arriving{r.Body, e.by, own}
			r.Body = &e.body
		}
		defer func() { e.route = r.Pattern }() // Also of one that does not return.
		(*h).ServeHTTP(e, r)
	case path == jwksPath && r.URL.RawPath == "":
		e.route = path
		f.jwks.ServeHTTP(e, r)
	default:
		e.route = "ui"
		f.rest.ServeHTTP(e, r)
	}
}

// client finds out who asks: the peer, or what trusted proxies say of it.
func (f *front) client(r *http.Request) auth.Client {
	addr, ignored := throttle.ClientAddress(r.RemoteAddr, r.Header, f.trusted, f.header)
	switch {
	case ignored == throttle.IgnoredHeader && f.otherHeader.CompareAndSwap(false, true):
		f.log.Warn("through a trusted proxy came a forwarded header other than the one that is read, and not that: if the proxy writes it, all its clients are taken for the proxy; have it write the one that is read, or set proxy.header", "read", f.header)
	case ignored == throttle.IgnoredPeer && f.ignored.CompareAndSwap(false, true):
		f.log.Warn("a peer on this machine sends forwarded headers but is no trusted proxy: they are ignored, and failed logins are not counted by address; set proxy.trusted if it is yours")
	}
	c := auth.Client{UserAgent: cut(r.UserAgent(), 512)}
	if addr.IsValid() {
		c.Address = addr.String()
	}
	return c
}

// peers is what has been seen of those that talk to this server, for the doctor.
func (f *front) peers() doctor.Peers {
	return doctor.Peers{ForwardedIgnored: f.ignored.Load(), OtherHeader: f.otherHeader.Load()}
}

// requestID takes the id that a trusted proxy gave, if it is one that can stand
// in a log: up to 64 letters, digits, dots, dashes and underscores. By a
// client's own it could pass what it does off as another's request, in the log
// and in the sealed events.
func (f *front) requestID(r *http.Request) string {
	v, ok := r.Header["X-Request-Id"]
	if !ok || len(v) != 1 || len(v[0]) == 0 || len(v[0]) > 64 || !throttle.Trusted(r.RemoteAddr, f.trusted) {
		return ""
	}
	for _, c := range []byte(v[0]) {
		if !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '.' || c == '-' || c == '_') {
			return ""
		}
	}
	return v[0]
}

// secured reports whether the client came by TLS, to this server or to a trusted
// proxy that says so.
func (f *front) secured(r *http.Request) bool {
	v := r.Header["X-Forwarded-Proto"]
	return r.TLS != nil || len(v) == 1 && v[0] == "https" && throttle.Trusted(r.RemoteAddr, f.trusted)
}

// cut shortens s to at most n bytes of valid UTF-8 without NUL, which
// PostgreSQL does not store.
func cut(s string, n int) string {
	if len(s) > n {
		s = s[:n]
	}
	return strings.ToValidUTF8(strings.ReplaceAll(s, "\x00", ""), "")
}

// tell leaves the event of a refusal that an auditor must know of.
func (f *front) tell(r *http.Request, e *exchange) {
	kind := e.refused.Event()
	if kind == "" {
		return
	}
	to := f.refusals.Load()
	if to == nil {
		return
	}
	detail := method(r) + " " + e.route + " " + string(e.refused)
	if e.field != "" {
		detail += ": " + e.field
	}
	to.add(auth.Event{At: f.now(), Kind: kind, UserID: e.userID, ActorID: e.userID, Client: e.client, Detail: detail})
}

// logLine is the one line of a request. The route is a pattern, never the path
// that was asked for; there is no body, token, or e-mail in it.
func (f *front) logLine(r *http.Request, e *exchange, took time.Duration) {
	level := slog.LevelInfo
	if e.status >= 500 {
		level = slog.LevelError
	}
	if !f.log.Enabled(r.Context(), level) {
		return
	}
	route := e.route
	if route == "" {
		route = "-"
	}
	attrs := [9]slog.Attr{
		slog.String("id", e.id), slog.String("method", method(r)), slog.String("route", route),
		slog.Int("status", e.status), slog.Int64("us", took.Microseconds()), slog.Int64("user", e.userID),
		slog.String("address", e.client.Address),
	}
	told := attrs[:7]
	if e.refused != "" {
		told = append(told, slog.String("refused", string(e.refused)))
	}
	if e.aborted {
		told = append(told, slog.Bool("aborted", true))
	}
	f.log.LogAttrs(r.Context(), level, "request", told...)
}

// method is the request's method if it is one that exists: it is a word of the
// client's.
func method(r *http.Request) string {
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch,
		http.MethodDelete, http.MethodOptions, http.MethodTrace, http.MethodConnect:
		return r.Method
	}
	return "other"
}

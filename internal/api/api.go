package api

import (
	"context"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/latchkey-auth/latchkey/internal/account"
	"github.com/latchkey-auth/latchkey/internal/auth"
	"github.com/latchkey-auth/latchkey/internal/session"
)

// MaxBody is how many bytes of a request's body are read unless Options says
// otherwise.
const MaxBody = 64 << 10

// Sessions is what of package session is needed here.
type Sessions interface {
	Authenticate(ctx context.Context, accessToken string) (session.Access, error)
	User(ctx context.Context, a session.Access) (auth.User, error)
	Live(ctx context.Context, a session.Access) error
	Refresh(ctx context.Context, refreshToken string, c auth.Client, arrived time.Time) (session.Tokens, auth.User, error)
	Logout(ctx context.Context, a session.Access, refreshToken string, c auth.Client) error
	Verify(ctx context.Context, token string) error
	Replace(ctx context.Context, refreshToken, newSession string, c auth.Client) error
	Sessions(ctx context.Context, a session.Access) ([]auth.Session, error)
	Confirmed(ctx context.Context, a session.Access) error
	End(ctx context.Context, a session.Access, id string, c auth.Client) error
	EndOthers(ctx context.Context, a session.Access, c auth.Client) (int, error)
	Feed(ctx context.Context, after int64, wait time.Duration, stopping <-chan struct{}) (session.FeedPage, error)
}

// Services knows the keys of other services. It answers ErrNotFound for one that
// is none.
type Services interface {
	ServiceKey(ctx context.Context, secret string) (auth.ServiceKey, error)
}

// Logins is what of package login is needed here.
type Logins interface {
	Password(ctx context.Context, email auth.Email, password string, c auth.Client, device string) (session.Tokens, auth.User, error)
}

// Devices remembers browsers that somebody has signed in with.
type Devices interface {
	// Remember gives what the browser is to keep, and for how long; old is what
	// it kept until now.
	Remember(old string, userID int64) (value string, keep time.Duration)
}

// Accounts is what of package account is needed here.
type Accounts interface {
	Register(ctx context.Context, r account.Registration, c auth.Client) (session.Tokens, auth.User, error)
	MayRegister(role auth.Role, caller *auth.User) bool
	UpdateProfile(ctx context.Context, a session.Access, p account.Profile, c auth.Client) (auth.User, error)
	Confirm(ctx context.Context, a session.Access, password string, c auth.Client) error
	ChangePassword(ctx context.Context, a session.Access, p account.PasswordChange, c auth.Client) (int, error)
	Events(ctx context.Context, a session.Access, own bool, before int64, limit int) ([]auth.Event, error)

	UserOf(ctx context.Context, caller auth.User, userID int64) (auth.User, error)
	Users(ctx context.Context, s auth.UserSearch) (auth.UserPage, error)
	SessionsOf(ctx context.Context, caller auth.User, userID int64) ([]auth.Session, error)
	Audit(ctx context.Context, caller auth.User, f auth.AuditFilter) ([]auth.AuditEvent, error)
	Stats(ctx context.Context, days int) (account.Stats, error)
	CreateUser(ctx context.Context, by *account.Actor, d account.Draft) (auth.User, error)
	EditUser(ctx context.Context, by *account.Actor, userID int64, e account.Edit, versions []string) (auth.User, error)
	SetActive(ctx context.Context, by *account.Actor, userID int64, active bool) (auth.User, error)
	SignOut(ctx context.Context, by *account.Actor, userID int64) (int, error)
	Delete(ctx context.Context, by *account.Actor, userID int64, versions []string) error
	MakeResetLink(ctx context.Context, by *account.Actor, userID int64) (token string, expires time.Time, err error)
	CheckReset(ctx context.Context, token string) (auth.User, time.Time, error)
	ResetPassword(ctx context.Context, r account.Reset, c auth.Client) error
	CheckSetup(ctx context.Context, token string) (time.Time, error)
	Throttled(ctx context.Context, f auth.CounterFilter) ([]account.Throttled, error)
	Lift(ctx context.Context, by *account.Actor, key string) error
	SetUp(ctx context.Context, token string, r account.Registration, c auth.Client) (session.Tokens, auth.User, error)
}

// Options are what the API stands on.
type Options struct {
	Sessions Sessions
	Logins   Logins
	Accounts Accounts
	Services Services
	Devices  Devices
	// Sealer keeps cursors from being forged.
	Sealer Sealer
	// System tells what this server is.
	System SystemTeller
	// Doctor tells what of it should not stay as it is.
	Doctor DoctorTeller
	// Stopping is closed when the server wants to stop: nobody is kept waiting
	// for news then.
	Stopping <-chan struct{}
	// Log receives what went wrong inside, with the request's context, so that
	// its handler can add the request id.
	Log *slog.Logger
	// Client gives the address and user agent of a request as the server
	// determined them.
	Client func(*http.Request) auth.Client
	// RegistrationRoles are the roles that anybody may register with; design.md,
	// "anybody registers as admin".
	RegistrationRoles []auth.Role
	// RegistrationOpen says whether anybody may register at all.
	RegistrationOpen bool
	// HideSchema leaves the description of the API out (docs.public = false).
	HideSchema bool
	// Docs answers the description for people; nil if the binary has none.
	Docs http.Handler
	// Settings is what a sign-in page needs to know.
	Settings Settings
	// SecureCookies says that the browser reaches this server by TLS: the
	// cookies are Secure and have the names that go with it.
	SecureCookies bool
	// HeaderTypes are words before the token in Authorization beside "Bearer".
	HeaderTypes []string
	// AllowedOrigin is the CORS allow-list; nil allows none.
	AllowedOrigin func(origin string) bool
	// PublicURL is the address under which people reach this server, without a
	// slash at its end; "" is the request's own.
	PublicURL string
	// Secured says whether a request's client came by TLS, perhaps to a proxy;
	// nil looks at the connection alone.
	Secured func(*http.Request) bool
	// Now is the clock; nil means time.Now.
	Now func() time.Time
	// MaxBody is how many bytes of a body are read; 0 means MaxBody.
	MaxBody int64
	// MaxRequests is how many requests may be worked on at once; 0 means
	// MaxRequests.
	MaxRequests int
}

// UserNoter may be implemented by the http.ResponseWriter given to the API. It
// is told the id of the user whom the request concerns as soon as it is known,
// for the request's line in the log. The route is in http.Request.Pattern.
type UserNoter interface{ NoteUser(id int64) }

// RefusalNoter may be implemented likewise. It is told why a request was
// refused, and the field that was at fault if that is one of ours to name. Of
// several notes of a request the first one tells most.
type RefusalNoter interface {
	NoteRefusal(why auth.Refusal, field string)
}

// API serves the guide's endpoints. It is safe for concurrent use.
type API struct {
	Options
	routes     map[string]*route
	items      []*route  // those with an id in their path
	bodies     sync.Pool // *source
	load       load
	protection http.CrossOriginProtection
}

// New makes the handler of everything under /api/.
func New(o Options) http.Handler {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.MaxBody == 0 {
		o.MaxBody = MaxBody
	}
	if o.MaxRequests == 0 {
		o.MaxRequests = MaxRequests
	}
	a := &API{Options: o}
	a.load.most = int64(o.MaxRequests)
	a.bodies.New = func() any { return new(source) }
	if a.Secured == nil {
		a.Secured = func(r *http.Request) bool { return r.TLS != nil }
	}
	if a.AllowedOrigin == nil {
		a.AllowedOrigin = func(string) bool { return false }
	}
	if o.PublicURL != "" {
		// Behind a proxy that changes the Host a browser's Origin is still ours.
		if err := a.protection.AddTrustedOrigin(originOf(o.PublicURL)); err != nil {
			a.Log.Warn("public_url has no origin", "error", err)
		}
	}
	a.routes, a.items = index(a.table())
	return a
}

// Header values that are the same in every answer. They have no spare
// capacity, so that nobody's Header.Add can write into them.
var (
	hdrJSON     = []string{"application/json"}
	hdrDeny     = []string{"DENY"}
	hdrNoSniff  = []string{"nosniff"}
	hdrReferrer = []string{"same-origin"}
	hdrVary     = []string{"Origin"}
	hdrNoStore  = []string{"no-store"}
	hdrNoCache  = []string{"no-cache"}
	hdrPolicy   = []string{"default-src 'none'; frame-ancestors 'none'"}
	hdrBearer   = []string{`Bearer realm="api"`}
	hdrClose    = []string{"close"}
)

// setHeaders sets what every answer has.
func setHeaders(h http.Header) {
	h["X-Frame-Options"] = hdrDeny
	h["X-Content-Type-Options"] = hdrNoSniff
	h["Referrer-Policy"] = hdrReferrer
	h["Cache-Control"] = hdrNoStore
	h["Pragma"] = hdrNoCache // RFC 6749, section 5.1
	h["Content-Security-Policy"] = hdrPolicy
	if h["Vary"] == nil { // CORS may have set it already
		h["Vary"] = hdrVary
	}
}

// ServeHTTP answers a request in the order of checks of the package comment.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	setHeaders(h)
	rt := a.route(r)
	if rt == nil {
		a.fail(w, r, bare, errNotFound)
		return
	}
	r.Pattern = rt.path
	h["Allow"] = rt.allow
	t, ok := a.admit(r, rt)
	if !ok {
		a.fail(w, r, rt.errors, ErrCrowded)
		return
	}
	if t != nil {
		defer t.leave()
	}
	if err := a.serve(w, r, rt, t); err != nil {
		a.fail(w, r, rt.errors, err)
	}
}

// serve does what comes before the handler. Without a token a request with a
// wrong method is 401, not 405, and so is one with a broken body: DRF
// authenticates first. t is nil for what is not counted.
func (a *API) serve(w http.ResponseWriter, r *http.Request, rt *route, t *turn) error {
	if r.Method == http.MethodOptions {
		w.WriteHeader(http.StatusNoContent)
		return nil
	}
	switch rt.who { //nolint:exhaustive // The others are told apart below.
	case open:
		return rt.handle(w, r)
	case service:
		if err := a.service(r, auth.ScopeRevocations); err != nil {
			return err
		}
		t.begun(r)
		return rt.handle(w, r)
	}
	mode, err := carriageOf(r)
	if err != nil {
		return err
	}
	byCookie := mode != inBody
	if byCookie || rt.who == public && rt.handler(r.Method) != nil && anyPageSends(r) {
		// A cookie may be set, so whose page asks matters here too: nobody is
		// to be signed in to somebody else's account. Nor shall any page that
		// somebody visits use up the attempts of their address.
		if err := a.crossOrigin(r); err != nil {
			return err
		}
	}
	if rt.who == bearer {
		who, err := a.authenticate(r)
		if err != nil {
			return err
		}
		note(w, who.User.ID)
		if err := rt.permit(r, &who.User); err != nil {
			return err
		}
		byCookie = byCookie || who.byCookie
		r = r.WithContext(context.WithValue(r.Context(), callerKey{}, &who))
	}
	if byCookie && rt.handler(r.Method) != nil {
		if err := jsonOnly(r); err != nil {
			return err
		}
	}
	if rt.fresh != nil && rt.handler(r.Method) != nil && rt.fresh(r) {
		if err := a.Sessions.Confirmed(r.Context(), callerOf(r).Access); err != nil {
			return err
		}
	}
	if t != nil {
		t.begun(r)
	}
	return rt.handle(w, r)
}

// originOf gives the origin of a URL as a browser spells it: in lower case and
// without the port that goes without saying.
func originOf(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return address
	}
	scheme, host := strings.ToLower(u.Scheme), strings.ToLower(u.Host)
	switch scheme {
	case "https":
		host = strings.TrimSuffix(host, ":443")
	case "http":
		host = strings.TrimSuffix(host, ":80")
	}
	return scheme + "://" + host
}

// route finds the endpoint by its exact path, with or without the slash at the
// end. Nothing is cleaned: "//", "..", another case and an encoded slash are
// other paths (design.md, "301 for a missing slash"). Encoded letters match,
// as they do in Django.
func (a *API) route(r *http.Request) *route {
	if raw := r.URL.RawPath; raw != "" && (strings.Contains(raw, "%2f") || strings.Contains(raw, "%2F")) {
		return nil
	}
	if rt := a.routes[r.URL.Path]; rt != nil {
		return rt
	}
	for _, rt := range a.items {
		if rest, ok := strings.CutPrefix(r.URL.Path, rt.before); ok {
			id, rest, _ := strings.Cut(rest, "/")
			if id != "" && (rest == rt.after || rest+"/" == rt.after) {
				r.SetPathValue("id", id)
				return rt
			}
		}
	}
	return nil
}

// Patience is how much longer than others a request may take.
func (a *API) Patience(r *http.Request) time.Duration {
	if r.Method != http.MethodGet {
		return 0
	}
	if rt := a.routes[r.URL.Path]; rt != nil && rt.patience != nil {
		return rt.patience(r.URL.Query())
	}
	return 0
}

// noteRefusal tells why a request is refused.
func noteRefusal(w http.ResponseWriter, why auth.Refusal, field string) {
	if n, ok := w.(RefusalNoter); ok {
		n.NoteRefusal(why, field)
	}
}

// note tells whom a request concerns.
func note(w http.ResponseWriter, userID int64) {
	if n, ok := w.(UserNoter); ok {
		n.NoteUser(userID)
	}
}

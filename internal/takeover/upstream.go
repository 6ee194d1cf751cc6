package takeover

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"math"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/latchkey-auth/latchkey/internal/auth"
	"github.com/latchkey-auth/latchkey/internal/django"
)

// UpstreamOptions are the settings of an Upstream.
type UpstreamOptions struct {
	// URL is the Django: scheme and host.
	URL *url.URL
	// Timeout is how long one login may take there, all in all.
	Timeout time.Duration
	Log     *slog.Logger
	Now     func() time.Time
}

const (
	// maxAsked is how many logins are asked of the Django at once.
	maxAsked = 8
	// maxUpstreamBody is the most bytes of an answer that are read.
	maxUpstreamBody = 64 << 10
	// downTime is how long a Django that did not answer is left alone.
	downTime = 5 * time.Second
	// severalFail is of how many addresses in a row a login must have come to
	// nothing before the Django is left alone for everybody's.
	severalFail = 3
	// maxAside is how many addresses are left alone at once. Of more each login
	// is asked about.
	maxAside = 4096
	// maxRetryAfter bounds what a Django asks us to wait.
	maxRetryAfter = time.Minute
	// firstPause is the least that a login there is thought to take while few have.
	firstPause = 300 * time.Millisecond
	// maxUserID is the largest id that is taken over; see package django.
	maxUserID = 1 << 52
	// maxName is the longest name or phone in characters.
	maxName = 255
)

// Upstream is a Django whose login is asked for who is not known here. It is
// safe for concurrent use.
//
// A login may come to nothing by what was sent, and a client chooses that: its
// address is over the Django's own limit, or its words make it stumble. So what
// comes to nothing is held against the client's address alone. The Django is
// left alone for everybody's logins where it cannot be reached, or where those of
// several addresses have come to nothing in a row.
type Upstream struct {
	UpstreamOptions
	transport http.RoundTripper
	places    chan struct{}

	mu      sync.Mutex
	down    time.Time            // until when it is left alone
	aside   map[string]time.Time // the same of the logins of an address
	nothing []string             // the last addresses in a row whose logins came to nothing, each once
	took    [64]time.Duration
	asked   int
}

// NewUpstream makes an Upstream.
func NewUpstream(o UpstreamOptions) *Upstream {
	u := &Upstream{
		UpstreamOptions: o, places: make(chan struct{}, maxAsked), aside: map[string]time.Time{},
		transport: &http.Transport{
			DialContext: (&net.Dialer{Timeout: o.Timeout}).DialContext, TLSHandshakeTimeout: o.Timeout,
			// See NewShadow. And no proxy of the environment's sees a password.
			DisableKeepAlives: true, DisableCompression: true, MaxResponseHeaderBytes: 64 << 10,
		},
	}
	u.took[len(u.took)-1] = firstPause
	return u
}

// Ask signs somebody in at the Django, once, and gives who they are there. The
// password of the answer is left to the caller.
//
// It is BadCredentials where the Django refuses, and Unavailable where it does
// not answer as one: it is down, too slow, limits us, or redirects. After that it
// is not asked for a while, by this address or by anybody: see Upstream. A
// refusal is not remembered.
func (u *Upstream) Ask(ctx context.Context, email auth.Email, password, address string) (auth.ImportedUser, error) {
	began := time.Now()
	if wait, down := u.Down(address); down {
		u.pause(ctx, began)
		return auth.ImportedUser{}, unavailable(wait)
	}
	ctx, cancel := context.WithTimeout(ctx, u.Timeout)
	defer cancel()
	select {
	case u.places <- struct{}{}:
		defer func() { <-u.places }()
	case <-ctx.Done():
		return auth.ImportedUser{}, unavailable(time.Second)
	}
	asked := time.Now()
	found, err := u.login(ctx, email, password, address)
	switch {
	case err == nil:
		u.back(time.Since(asked))
		return found, nil
	case auth.IsKind(err, auth.BadCredentials):
		u.back(time.Since(asked))
		u.pause(ctx, began)
		return found, err
	case errors.Is(ctx.Err(), context.Canceled):
		return found, fmt.Errorf("ask the Django: %w", err) // Nobody waits any more.
	case errors.Is(ctx.Err(), context.DeadlineExceeded) && time.Since(asked) < u.Timeout/2:
		return found, unavailable(time.Second) // Its time was spent on waiting for a place.
	}
	wait, everybody := u.fail(address, err)
	if everybody {
		u.Log.WarnContext(ctx, "the Django does not answer logins: whoever is not known here cannot be asked about", "error", err)
	} else {
		u.Log.WarnContext(ctx, "the Django has not said yes or no to a login", "error", err)
	}
	u.pause(ctx, began)
	return found, unavailable(wait)
}

// fail notes that a login of an address has come to nothing, and gives for how
// long what is left alone: that address's logins, or everybody's.
func (u *Upstream) fail(address string, err error) (wait time.Duration, everybody bool) {
	var (
		limit *limitError
		apart *personError
		away  *awayError
	)
	now, key := u.Now(), addressKey(address)
	u.mu.Lock()
	defer u.mu.Unlock()
	switch {
	case errors.As(err, &limit):
		// Its limits go by the address that we name, and tell nothing of others.
		wait = min(max(limit.wait, time.Second), maxRetryAfter)
		u.setAside(key, now, wait)
		return wait, false
	case errors.As(err, &apart):
		// It works, and takes this password: nobody else is concerned.
		u.nothing = nil
		return downTime, false
	case errors.As(err, &away):
		everybody = true
	default:
		if !slices.Contains(u.nothing, key) {
			u.nothing = append(u.nothing, key)
		}
		everybody = len(u.nothing) >= severalFail
	}
	if everybody {
		u.down, u.nothing = now.Add(downTime), nil
	}
	u.setAside(key, now, downTime)
	return downTime, everybody
}

// setAside leaves an address's logins alone. u.mu is held.
func (u *Upstream) setAside(key string, now time.Time, wait time.Duration) {
	if len(u.aside) >= maxAside {
		maps.DeleteFunc(u.aside, func(_ string, until time.Time) bool { return !until.After(now) })
	}
	until, there := u.aside[key]
	if there || len(u.aside) < maxAside {
		u.aside[key] = later(until, now.Add(wait))
	}
}

// addressKey is what of an address is told apart: of IPv6 a network.
func addressKey(address string) string {
	a, err := netip.ParseAddr(address)
	if err != nil || a.Unmap().Is4() {
		return address
	}
	return netip.PrefixFrom(a, 64).Masked().String()
}

func unavailable(wait time.Duration) error {
	return &auth.Error{Kind: auth.Unavailable, Code: auth.CodeBusy, RetryAfter: wait}
}

// Down reports whether the Django is left alone by logins of an address now, and
// for how long.
func (u *Upstream) Down(address string) (time.Duration, bool) {
	key := addressKey(address)
	u.mu.Lock()
	defer u.mu.Unlock()
	wait := later(u.down, u.aside[key]).Sub(u.Now())
	return wait, wait > 0
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// back notes that the Django has said yes or no, and how long it took.
func (u *Upstream) back(took time.Duration) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.down, u.nothing = time.Time{}, nil
	u.took[u.asked%len(u.took)] = took
	u.asked++
}

// Pause waits as long as Ask does before it refuses: the slowest of the last
// answers. So the time does not tell who is known here.
func (u *Upstream) Pause(ctx context.Context) { u.pause(ctx, time.Now()) }

func (u *Upstream) pause(ctx context.Context, began time.Time) {
	u.mu.Lock()
	slowest := time.Duration(0)
	for _, d := range u.took {
		slowest = max(slowest, d)
	}
	u.mu.Unlock()
	t := time.NewTimer(slowest - time.Since(began))
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// limitError is a Django that limits a client.
type limitError struct{ wait time.Duration }

func (e *limitError) Error() string { return "it asks to be left alone for " + e.wait.String() }

// awayError is a Django that there was no connection to: whatever was to be sent,
// it was not.
type awayError struct{ error }

func (e *awayError) Unwrap() error { return e.error }

// personError is a yes of a Django's about somebody who cannot be kept.
type personError struct{ what string }

func (e *personError) Error() string { return "its answer " + e.what }

// person is what the Django says of a user.
type person struct {
	ID        int64      `json:"id"`
	Email     string     `json:"email"`
	FirstName string     `json:"first_name"`
	LastName  string     `json:"last_name"`
	Phone     string     `json:"phone"`
	Role      auth.Role  `json:"role"`
	CreatedAt *time.Time `json:"created_at"`
	UpdatedAt *time.Time `json:"updated_at"`
}

func (u *Upstream) login(ctx context.Context, email auth.Email, password, address string) (auth.ImportedUser, error) {
	var none auth.ImportedUser
	body, err := json.Marshal(map[string]string{"email": email.Shown, "password": password})
	if err != nil {
		return none, err //nolint:wrapcheck // Strings alone.
	}
	var in struct {
		User   person
		Tokens struct{ Access string }
	}
	if err := u.request(ctx, http.MethodPost, "/api/auth/login/", body, "", address, &in); err != nil {
		return none, err
	}
	p := in.User
	// The short form that comes with tokens lacks the phone and the times.
	var whole person
	if in.Tokens.Access != "" {
		if err := u.request(ctx, http.MethodGet, "/api/auth/profile/", nil, in.Tokens.Access, address, &whole); err == nil && whole.ID == p.ID {
			whole.Email = p.Email
			p = whole
		}
	}
	now := u.Now()
	found := auth.ImportedUser{
		ID: p.ID, FirstName: p.FirstName, LastName: p.LastName, Phone: p.Phone, Role: p.Role, IsActive: true, CreatedAt: now, UpdatedAt: now,
	}
	for _, t := range []struct {
		from *time.Time
		to   *time.Time
	}{{p.CreatedAt, &found.CreatedAt}, {p.UpdatedAt, &found.UpdatedAt}} {
		if t.from != nil && t.from.After(time.Unix(0, 0)) && t.from.Before(now) {
			*t.to = t.from.UTC()
		}
	}
	theirs, ok := auth.ParseEmail(p.Email)
	switch {
	case p.ID < 1 || p.ID > maxUserID:
		return none, &personError{"has no id that can be kept"}
	case !ok || theirs.Key != email.Key:
		// Another person's account, however it comes to be there.
		return none, &personError{"is about another address"}
	case !found.Role.Valid():
		return none, &personError{"has no role that there is here"}
	}
	for _, s := range []string{found.FirstName, found.LastName, found.Phone} {
		if len([]rune(s)) > maxName || bytes.IndexByte([]byte(s), 0) >= 0 {
			return none, &personError{"has a name that cannot be kept"}
		}
	}
	found.Email = theirs
	found.Base = django.TakenOver(found)
	return found, nil
}

// request asks for one thing and reads a 200. It follows no redirect: the
// password goes where the operator said and nowhere else.
func (u *Upstream) request(ctx context.Context, method, path string, body []byte, bearer, address string, into any) error {
	to := url.URL{Scheme: u.URL.Scheme, Host: u.URL.Host, Path: path}
	r, err := http.NewRequestWithContext(ctx, method, to.String(), bytes.NewReader(body))
	if err != nil {
		return err //nolint:wrapcheck // It names the address alone.
	}
	r.Header.Set("Accept", "application/json")
	r.Header.Set("User-Agent", "Latchkey")
	if len(body) > 0 {
		r.Header.Set("Content-Type", "application/json")
	}
	if bearer != "" {
		r.Header.Set("Authorization", "Bearer "+bearer)
	}
	if address != "" {
		r.Header.Set("X-Forwarded-For", address)
	}
	connected := false
	r = r.WithContext(httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { connected = true }}))
	resp, err := u.transport.RoundTrip(r)
	if err != nil && !connected {
		return &awayError{err}
	}
	if err != nil {
		return err //nolint:wrapcheck // It names the address alone.
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, maxUpstreamBody))
	if err != nil {
		return fmt.Errorf("read its answer: %w", err)
	}
	switch resp.StatusCode {
	case http.StatusOK:
	case http.StatusBadRequest, http.StatusUnauthorized, http.StatusForbidden:
		return &auth.Error{Kind: auth.BadCredentials, Code: auth.CodeBadCredentials}
	case http.StatusTooManyRequests:
		n, err := strconv.ParseInt(resp.Header.Get("Retry-After"), 10, 64)
		if err != nil || n > math.MaxInt32 {
			n = int64(downTime / time.Second)
		}
		return &limitError{time.Duration(n) * time.Second}
	default:
		return fmt.Errorf("it answers %d", resp.StatusCode)
	}
	if err := json.Unmarshal(answer, into); err != nil {
		return errors.New("its answer is not the guide's")
	}
	return nil
}

package api

import (
	"net/http"
	"strconv"
	"strings"

	"github.com/latchkey-auth/latchkey/internal/session"
)

// Cookie mode: the same tokens, carried in HttpOnly cookies, where no script of
// the page can read them.
//
// A request says how it wants its tokens by the header Auth-Mode. That is also
// what makes it no simple request: another origin's page cannot send it without
// a preflight that the CORS allow-list refuses.

// carriage is how the tokens of an answer travel.
type carriage int

const (
	// inBody is the guide's way: both in the body.
	inBody carriage = iota
	// inCookies: both as cookies, none in the body.
	inCookies
	// hybrid: the refresh token as a cookie, the access token in the body, for
	// pages that call other origins' APIs with it.
	hybrid
)

// carriageOf reads Auth-Mode. A word that is none is refused: a page that
// mistypes it must not get its tokens where any script can read them.
func carriageOf(r *http.Request) (carriage, error) {
	sent, ok := r.Header["Auth-Mode"]
	if !ok {
		return inBody, nil
	}
	if len(sent) == 1 {
		switch sent[0] {
		case "cookie":
			return inCookies, nil
		case "hybrid":
			return hybrid, nil
		}
	}
	return inBody, errAuthMode
}

// The names of the cookies; of the two pairs only the one in force is read. The
// prefixes make a browser keep the cookies from being set by a sibling domain
// or over plain HTTP (RFC 6265bis, section 4.1.3).
const (
	plainAccess  = "latchkey_access"
	plainRefresh = "latchkey_refresh"
	plainDevice  = "latchkey_device"
	tlsAccess    = "__Host-latchkey_access"
	tlsRefresh   = "__Secure-latchkey_refresh"
	tlsDevice    = "__Secure-latchkey_device"
)

// refreshPath is where the refresh token's cookie is sent to, and the device's.
const refreshPath = "/api/auth/"

// hybridMark is put before the refresh token in the cookie of a session in
// hybrid mode. It keeps a script that has crept into a page in cookie mode from
// asking for the access token in a body: it can send any Auth-Mode, but can
// neither read nor write this cookie.
const hybridMark = "hybrid."

// CookieNames gives the names of the pair in force.
func CookieNames(secure bool) (access, refresh string) {
	if secure {
		return tlsAccess, tlsRefresh
	}
	return plainAccess, plainRefresh
}

// HasCookie reports whether a request carries one of the pair in force.
func HasCookie(r *http.Request, secure bool) bool {
	if len(r.Header["Cookie"]) == 0 {
		return false
	}
	access, refresh := CookieNames(secure)
	_, one := cookie(r, access)
	_, other := cookie(r, refresh)
	return one || other
}

// cookie gives a cookie's value. One that is there twice with two values is as
// good as none (but found): a sibling domain may have planted one of them, and
// with it somebody else's session.
func cookie(r *http.Request, name string) (value string, found bool) {
	for _, line := range r.Header["Cookie"] {
		for part := range strings.SplitSeq(line, ";") {
			// Only these two are white space here (RFC 6265, section 4.2.1). To a
			// browser a name that begins with another one has no __Host- prefix,
			// and a sibling domain may set it.
			n, v, ok := strings.Cut(strings.Trim(part, " \t"), "=")
			if !ok || n != name {
				continue
			}
			if found && v != value {
				return "", true
			}
			value, found = v, true
		}
	}
	return value, found
}

// accessCookie gives the access token of the cookie, "" if there is none.
func (a *API) accessCookie(r *http.Request) string {
	if len(r.Header["Cookie"]) == 0 {
		return ""
	}
	name, _ := CookieNames(a.SecureCookies)
	v, _ := cookie(r, name)
	return v
}

// refreshCookie gives the refresh token of the cookie, "" if there is none, or
// if it is that of a session in cookie mode and a token is wanted in the body.
func (a *API) refreshCookie(r *http.Request, c carriage) string {
	_, name := CookieNames(a.SecureCookies)
	v, _ := cookie(r, name)
	token, marked := strings.CutPrefix(v, hybridMark)
	if c == hybrid && !marked {
		return ""
	}
	return token
}

// setCookies hands out a pair as c says, but for what goes in the body. The
// access token's cookie of an earlier cookie mode does not outlive the change
// to hybrid.
func (a *API) setCookies(h http.Header, c carriage, t session.Tokens) {
	now := a.Now().Unix()
	switch c {
	case inBody:
	case inCookies:
		h["Set-Cookie"] = []string{
			a.accessSetCookie(t.Access, t.AccessExpires-now),
			a.refreshSetCookie(t.Refresh, t.RefreshExpires-now),
		}
	case hybrid:
		h["Set-Cookie"] = []string{
			a.accessSetCookie("", 0),
			a.refreshSetCookie(hybridMark+t.Refresh, t.RefreshExpires-now),
		}
	}
}

// expireCookies takes both cookies back.
func (a *API) expireCookies(h http.Header) {
	h["Set-Cookie"] = []string{a.accessSetCookie("", 0), a.refreshSetCookie("", 0)}
}

// deviceCookie gives what the browser keeps of its earlier sign-ins, "" for
// nothing. It outlives sessions and is no credential: with it guesses are counted
// apart from strangers'.
func (a *API) deviceCookie(r *http.Request) string {
	if len(r.Header["Cookie"]) == 0 {
		return ""
	}
	v, _ := cookie(r, a.deviceCookieName())
	return v
}

func (a *API) deviceCookieName() string {
	if a.SecureCookies {
		return tlsDevice
	}
	return plainDevice
}

// rememberDevice lets the browser keep that somebody has signed in with it.
func (a *API) rememberDevice(h http.Header, r *http.Request, userID int64) {
	value, keep := a.Devices.Remember(a.deviceCookie(r), userID)
	h["Set-Cookie"] = append(h["Set-Cookie"], a.setCookie(a.deviceCookieName(), value, refreshPath, int64(keep.Seconds())))
}

func (a *API) accessSetCookie(value string, seconds int64) string {
	name, _ := CookieNames(a.SecureCookies)
	return a.setCookie(name, value, "/", seconds)
}

func (a *API) refreshSetCookie(value string, seconds int64) string {
	_, name := CookieNames(a.SecureCookies)
	return a.setCookie(name, value, refreshPath, seconds)
}

// setCookie is a Set-Cookie header (RFC 6265, section 4.1). SameSite=Lax keeps
// the cookie off cross-site requests but for top-level navigations by GET,
// which change nothing here and are refused all the same (crossOrigin).
func (a *API) setCookie(name, value, path string, seconds int64) string {
	s := name + "=" + value + "; Path=" + path + "; Max-Age=" + strconv.FormatInt(max(seconds, 0), 10) + "; HttpOnly; SameSite=Lax"
	if a.SecureCookies {
		s += "; Secure"
	}
	return s
}

// crossOrigin refuses a request from another origin for which a cookie would be
// the credential or be set. A listed origin may make any; for others a browser
// tells by Sec-Fetch-Site or Origin that it is theirs, whatever the method:
// a GET changes nothing, but what it takes and how long can tell who is signed
// in. Clients that are no browsers send neither header.
func (a *API) crossOrigin(r *http.Request) error {
	if origin := r.Header.Get("Origin"); origin != "" && a.AllowedOrigin(origin) {
		return nil
	}
	asked := *r
	asked.Method = http.MethodPost // of which it judges the origin
	if err := a.protection.Check(&asked); err != nil {
		return errCrossOrigin
	}
	return nil
}

// anyPageSends reports whether a browser sends a request for a page of any origin
// without a preflight: what it holds is none of the bodies that need one (the
// Fetch standard, "CORS-safelisted request-header").
func anyPageSends(r *http.Request) bool {
	media := r.Header["Content-Type"]
	if len(media) != 1 {
		return true
	}
	essence, _ := headerParams(media[0])
	switch strings.ToLower(essence) {
	case "application/x-www-form-urlencoded", "multipart/form-data", "text/plain", "":
		return true
	}
	return false
}

// jsonOnly refuses a body that is no JSON where a cookie is the credential: a
// form of another site can send every other kind without a preflight.
func jsonOnly(r *http.Request) error {
	media := r.Header["Content-Type"]
	if r.Method == http.MethodGet || r.Method == http.MethodHead || len(media) == 0 && r.ContentLength == 0 {
		return nil
	}
	if len(media) == 1 {
		if essence, _ := headerParams(media[0]); strings.ToLower(essence) == "application/json" {
			return nil
		}
	}
	return &refusal{status: http.StatusUnsupportedMediaType, detail: mediaTypeText(latin1(strings.Join(media, ",")))}
}

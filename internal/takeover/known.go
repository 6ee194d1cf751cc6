package takeover

import (
	"bytes"
	"context"
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/latchkey-auth/latchkey/internal/auth"
)

// The rows of docs/deviations.md, by their first cells.
const (
	rowAdmin     = "anybody registers as `admin`"
	rowStale     = "a stale bearer token on register (tutorial-style views) is 401"
	rowRefresh   = "the guide's refresh answer lacks the new refresh token"
	rowVerify    = "verify of a blacklisted token is 400 `non_field_errors`; of a deleted or inactive user's token, of a logged-out session's access token, 200"
	rowOutlive   = "access tokens outlive logout, password change, role change, deactivation"
	rowLogout    = "logout with a rotated token is 401, with somebody else's it works, with a forged one that was never issued it works"
	rowTwoNames  = "`refresh` in one call, `refresh_token` in another"
	rowPut       = "PUT of the profile requires both names"
	rowCase      = "e-mail local parts are case-sensitive, so `A@x` and `a@x` are two users"
	rowSlash     = "301 for a missing slash, even for POST"
	rowBearer    = "`Bearer` must be spelled so"
	rowHostile   = "duplicate JSON keys: the last wins; deep JSON, odd tokens, huge numbers end in 500; 20 MB are read"
	rowChunked   = "a chunked body counts as empty"
	rowStrict    = "`user_id` as float, fraction or `true`, a padded signature, unknown `crit` open the profile; verify takes any `token_type`"
	rowHTML      = "404, host and 500 errors are HTML; `Accept` can give 406; `?format=`"
	rowOptions   = "OPTIONS describes the view, after authentication"
	rowCache     = "no `Cache-Control` on token answers"
	rowLimit     = "no limit on attempts"
	rowWords     = "a password of nothing but names with digits and signs around is accepted (`lovelace-1815`), where the likeness to each is small enough"
	rowPreflight = "preflights never name credentials"
	rowAhead     = "a token whose `iat` is ahead is refused"
	rowVerifyID  = "verify does not look at an access token's `user_id`"
)

// added explains a header that Latchkey sets on all of its answers and that a
// Django may be without: it does no harm to a client.
const added = "Latchkey sets it on every answer"

// adds reports whether a header is there here alone, and harmless.
func (p *pair) adds(part string) bool {
	live, here := p.live.header.Values(part), p.here.header.Values(part)
	switch part {
	case "x-frame-options", "x-content-type-options", "referrer-policy":
		return len(live) == 0 && len(here) > 0
	case "vary":
		all := strings.ToLower(strings.Join(here, ","))
		for _, name := range strings.FieldsFunc(strings.ToLower(strings.Join(live, ",")), func(r rune) bool { return r == ',' || r == ' ' }) {
			if !strings.Contains(all, name) {
				return false
			}
		}
		return true
	}
	return false
}

// pair is both answers to a request, and what is known beside them.
type pair struct {
	*message
	live, here *answer
	// allowed are the roles that anybody may register with here.
	allowed []auth.Role
	// ended are jtis of tokens that are dead here by an act that the Django let
	// live, and diverged those of tokens, and the keys of users, about which the
	// two have been told to think otherwise: by which row.
	ended, diverged *recent[string]
	user            func(ctx context.Context, id int64) (auth.User, bool)
	now             time.Time
}

// rule says by which row of docs/deviations.md a pair differs.
type rule struct {
	row string
	is  func(ctx context.Context, p *pair) bool
	// part, if it is not "", is the only part that the row explains.
	part string
}

// status reports whether the two answered so; 0 stands for any other.
func (p *pair) status(live, here int) bool {
	return (live == 0 || p.live.status == live) && (here == 0 || p.here.status == here)
}

func ok(status int) bool { return status >= 200 && status < 300 }

// rules are asked in this order; the first one counts. Each is as narrow as it
// can be told: what is explained away here is not looked at by anybody.
//
// What differs in values alone (the words of a parse error, a role quoted) does
// not come here.
var rules = []rule{
	{rowLimit, func(_ context.Context, p *pair) bool {
		return p.here.status == http.StatusTooManyRequests && p.live.status != http.StatusTooManyRequests
	}, ""},
	{rowOptions, func(_ context.Context, p *pair) bool {
		return p.method == http.MethodOptions && p.header.Get("Access-Control-Request-Method") == "" && p.here.status == http.StatusNoContent
	}, ""},
	{rowPreflight, func(_ context.Context, p *pair) bool {
		return p.method == http.MethodOptions && p.status(200, 200) && p.here.header.Get("Access-Control-Allow-Credentials") != ""
	}, ""},
	{rowSlash, func(_ context.Context, p *pair) bool {
		missing := p.status(http.StatusMovedPermanently, 0) && !strings.HasSuffix(p.url.Path, "/")
		// An encoded slash is a plain one to the Django.
		return missing || p.here.status == http.StatusNotFound && strings.Contains(strings.ToLower(p.url.EscapedPath()), "%2f")
	}, ""},
	{rowHostile, func(_ context.Context, p *pair) bool {
		switch {
		case p.here.status == http.StatusRequestEntityTooLarge:
			return len(p.body) > 64<<10
		case p.live.status == http.StatusInternalServerError:
			return p.here.status < 500
		}
		return p.here.status == http.StatusBadRequest && oddJSON(p.body)
	}, ""},
	{rowChunked, func(_ context.Context, p *pair) bool {
		return p.chunked && p.live.status >= 400 && p.here.status != p.live.status
	}, ""},
	{rowHTML, func(_ context.Context, p *pair) bool {
		html := p.live.shape == shapeHTML && p.live.status >= 400 && p.here.status == p.live.status
		accept := p.live.status == http.StatusNotAcceptable ||
			p.live.shape == shapeHTML && (p.url.Query().Has("format") || strings.Contains(p.header.Get("Accept"), "html"))
		format := p.url.Query().Has("format") && p.live.status == http.StatusNotFound
		return p.here.status < 500 && (html || accept || format)
	}, ""},
	{rowAdmin, func(_ context.Context, p *pair) bool {
		role, _ := p.fields["role"].(string)
		return p.route == routeRegister && ok(p.live.status) && p.here.status == http.StatusBadRequest &&
			role != "" && !slices.Contains(p.allowed, auth.Role(role)) && hasDetail(p.here, "role")
	}, ""},
	{rowCase, func(_ context.Context, p *pair) bool {
		s, _ := p.fields["email"].(string)
		if p.route == routeRegister {
			return ok(p.live.status) && p.here.status == http.StatusBadRequest && hasDetail(p.here, "email") && manySpellings(s)
		}
		// One account is found by any spelling, so also by one in small letters.
		return p.route == routeLogin && p.live.status >= 400 && ok(p.here.status) && (manySpellings(s) || manySpellings(shownEmail(p.here)))
	}, ""},
	{rowWords, func(_ context.Context, p *pair) bool {
		return p.route == routeRegister && ok(p.live.status) && p.here.status == http.StatusBadRequest && hasDetail(p.here, "password") &&
			(bytes.Contains(p.here.body, []byte("made of words that anybody would try")) || bytes.Contains(p.here.body, []byte("too similar")))
	}, ""},
	{rowPut, func(_ context.Context, p *pair) bool {
		_, first := p.fields["first_name"]
		_, last := p.fields["last_name"]
		return p.route == routeProfile && p.method == http.MethodPut && p.status(400, 200) && !(first && last)
	}, ""},
	{rowTwoNames, func(_ context.Context, p *pair) bool {
		_, plain := p.fields["refresh"]
		_, long := p.fields["refresh_token"]
		return p.live.status == http.StatusBadRequest && p.here.status != http.StatusBadRequest &&
			(p.route == routeRefresh && long && !plain || p.route == routeLogout && plain && !long)
	}, ""},
	{rowBearer, func(_ context.Context, p *pair) bool {
		scheme, _, _ := strings.Cut(p.header.Get("Authorization"), " ")
		return p.live.status == http.StatusUnauthorized && p.here.status != p.live.status && scheme != "Bearer" && strings.ToLower(scheme) == "bearer"
	}, ""},
	{rowStale, func(_ context.Context, p *pair) bool {
		public := p.route == routeRegister || p.route == routeLogin || p.route == routeRefresh || p.route == routeVerify
		return public && p.live.status == http.StatusUnauthorized && p.here.status != p.live.status && p.bearer != nil &&
			strings.HasPrefix(strings.ToLower(p.live.header.Get("Www-Authenticate")), "bearer") && p.live.has("messages")
	}, ""},
	{rowAhead, func(_ context.Context, p *pair) bool {
		ahead := false
		for _, t := range []*jwtFacts{p.bearer, p.token} {
			ahead = ahead || t != nil && t.issued > p.arrived.Unix() && t.issued <= p.arrived.Unix()+60
		}
		return p.live.status == http.StatusUnauthorized && ok(p.here.status) && ahead
	}, ""},
	{rowStrict, func(_ context.Context, p *pair) bool {
		odd := p.bearer != nil && !p.bearer.strict || p.token != nil && !p.token.strict
		anyType := p.route == routeVerify && p.token != nil && p.token.kind != "access" && p.token.kind != "refresh"
		return ok(p.live.status) && p.here.status == http.StatusUnauthorized && (odd || anyType)
	}, ""},
	{rowVerify, func(ctx context.Context, p *pair) bool {
		if p.route != routeVerify || p.here.status != http.StatusUnauthorized {
			return false
		}
		return p.live.status == http.StatusBadRequest && p.live.has("non_field_errors") || ok(p.live.status) && p.deadHere(ctx, p.token)
	}, ""},
	{rowVerifyID, func(_ context.Context, p *pair) bool {
		return p.route == routeVerify && p.status(200, 401) && p.token != nil && p.token.userID <= 0
	}, ""},
	{rowLogout, func(_ context.Context, p *pair) bool {
		if p.route != routeLogout || p.bearer == nil || p.token == nil {
			return false
		}
		others := ok(p.live.status) && p.here.status == http.StatusUnauthorized && p.token.userID != p.bearer.userID
		rotated := p.live.status == http.StatusUnauthorized && ok(p.here.status) && p.token.userID == p.bearer.userID
		return others || rotated
	}, ""},
	{rowOutlive, func(ctx context.Context, p *pair) bool {
		t := p.bearer
		if p.route == routeRefresh {
			t = p.token
		}
		return ok(p.live.status) && p.here.status == http.StatusUnauthorized && p.deadHere(ctx, t)
	}, ""},
	{rowRefresh, func(_ context.Context, p *pair) bool {
		return p.route == routeRefresh && p.status(200, 200) && p.live.has("access") && (!p.live.has("refresh") || !p.live.has("user"))
	}, partBody},
	{rowCache, func(_ context.Context, p *pair) bool {
		return p.here.header.Get("Cache-Control") == "no-store"
	}, "cache-control"},
}

// known gives the row that explains a part of a difference, "" without one.
func (p *pair) known(ctx context.Context, part string) string {
	for _, r := range rules {
		if (r.part == "" || r.part == part) && (r.row == rowCache) == (part == "cache-control") && r.is(ctx, p) {
			return r.row
		}
	}
	// What follows from an act that the two took differently.
	for _, t := range []*jwtFacts{p.token, p.bearer} {
		if t == nil || t.jti == "" {
			continue
		}
		if row, ok := p.diverged.get(t.jti); ok {
			return row
		}
	}
	if p.adds(part) {
		return added
	}
	return ""
}

// deadHere reports whether a token is dead here by something that the Django
// does not look at.
func (p *pair) deadHere(ctx context.Context, t *jwtFacts) bool {
	if t == nil {
		return false
	}
	if _, is := p.ended.get(t.jti); is && t.jti != "" {
		return true
	}
	u, found := p.user(ctx, t.userID)
	return !found || !u.IsActive || !u.ValidAfter.IsZero() && t.issued <= u.ValidAfter.Unix()
}

// hasDetail reports whether an error's details name a field and no other.
func hasDetail(a *answer, field string) bool {
	m, _ := a.value.(map[string]any)
	details, _ := m["details"].(map[string]any)
	return len(details) == 1 && details[field] != nil
}

// shownEmail is the address that an answer tells of.
func shownEmail(a *answer) string {
	m, _ := a.value.(map[string]any)
	u, _ := m["user"].(map[string]any)
	s, _ := u["email"].(string)
	return s
}

// manySpellings reports whether an address has others that are the same account
// here, or letters that are refused here.
func manySpellings(s string) bool {
	return strings.Contains(strings.ToLower(s), "xn--") || strings.ContainsFunc(s, func(r rune) bool { return r > unicode.MaxASCII || unicode.IsUpper(r) })
}

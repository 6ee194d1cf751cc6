package latchkey

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"time"
)

// Options says which tokens a Verifier takes. JWKS or HS256Keys must be there;
// both is for the time after the server has gone from the one to the other.
type Options struct {
	// JWKS is the URL of the server's key set, https://…/.well-known/jwks.json.
	// It is fetched in the background as often as its max-age says, at least
	// every five minutes, and ahead of time, at most every ten seconds, when a
	// token names a key that is not in it.
	JWKS string
	// HS256Keys are the secrets of a server that signs with HS256: its
	// signing.key, and those retired whose tokens have not expired. Who has one
	// can make tokens, so prefer JWKS.
	HS256Keys [][]byte
	// KeysMaxStale is how long the last key set is good for while the URL cannot
	// be reached; 0 means 24 hours. After it ErrUnavailable is the answer.
	KeysMaxStale time.Duration

	// Revocations is where logouts and the like are read. Without it a token is
	// good until it expires.
	Revocations Feed

	// Issuer and Audience must be the token's iss and among its aud. What is ""
	// is not looked at.
	Issuer, Audience string
	// Leeway is how far iat and nbf may lie ahead, for clocks that differ; 0
	// means the server's own 60 s, and less than 0 none. exp has none.
	Leeway time.Duration
	// Sessionless takes tokens without a sid as well: those of a Django with the
	// same signing.key. They have no role, and only the server can see whether
	// their user still exists.
	Sessionless bool

	// Cookie is the name of a cookie in which Require looks for the token of a
	// request without Authorization header: "__Host-latchkey_access" where the
	// API is served from the same host as Latchkey. Requests that a browser
	// sends from another origin are refused then (http.CrossOriginProtection).
	Cookie string

	// AllowHTTP allows plain HTTP to other machines, for networks that nobody
	// else is on.
	AllowHTTP bool
	// HTTPClient is what the server is reached with. Its Timeout is not used,
	// and no redirect is followed.
	HTTPClient *http.Client
	// Now is the clock; nil means time.Now.
	Now func() time.Time
	// Log is told when the server cannot be reached and when it is back; nil
	// means nobody is.
	Log *slog.Logger
}

// Feed is where revocations are read.
type Feed struct {
	// URL is https://…/api/auth/revocations/.
	URL string
	// ServiceKey is what `latchkey service-key create` has printed for the scope
	// revocations:read.
	ServiceKey string
	// MaxStale is for how long without news of the server Verify goes on with
	// what it knows. After it ErrUnavailable is the answer (fail closed). 0 means
	// for ever: an outage of the server is no outage of your API, at the price
	// that a logout during it is felt when it is over. At least 5 s.
	MaxStale time.Duration
}

const (
	defaultLeeway       = 60 * time.Second
	defaultKeysMaxStale = 24 * time.Hour
	minMaxStale         = 5 * time.Second
)

// Verifier checks access tokens. It is safe for concurrent use.
type Verifier struct {
	secrets     []*hs256
	keys        *keySet // nil without JWKS
	feed        *feed   // nil without Revocations
	issuer      string
	audience    string
	leeway      int64
	sessionless bool
	cookie      string
	now         func() time.Time

	stop func()
	done sync.WaitGroup
}

// NewVerifier starts what keeps the keys and the revocations current; Close
// ends it. It does not wait for the server: an API starts while Latchkey is
// down, and answers 503 until it is there.
func NewVerifier(o Options) (*Verifier, error) {
	v := &Verifier{
		issuer: o.Issuer, audience: o.Audience, sessionless: o.Sessionless, cookie: o.Cookie,
		leeway: int64(defaultLeeway / time.Second), now: o.Now,
	}
	if o.Leeway != 0 {
		v.leeway = int64(max(0, o.Leeway) / time.Second)
	}
	if v.now == nil {
		v.now = time.Now
	}
	log := o.Log
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	if o.JWKS == "" && len(o.HS256Keys) == 0 {
		return nil, errors.New("latchkey: neither JWKS nor HS256Keys is set, so no token could be good")
	}
	for _, secret := range o.HS256Keys {
		// The empty secret is one that everybody knows.
		if len(secret) == 0 {
			return nil, errors.New("latchkey: a key of HS256Keys is empty")
		}
		if len(secret) < 32 {
			log.Warn("a key of HS256Keys is shorter than the 32 bytes that RFC 7518 asks for", "bytes", len(secret))
		}
		v.secrets = append(v.secrets, newHS256(secret))
	}
	client, closeClient := httpClient(o.HTTPClient)
	if o.JWKS != "" {
		u, err := remoteURL(o.JWKS, o.AllowHTTP)
		if err != nil {
			return nil, fmt.Errorf("latchkey: JWKS: %w", err)
		}
		stale := o.KeysMaxStale
		if stale == 0 {
			stale = defaultKeysMaxStale
		}
		if stale < 2*refreshEvery {
			return nil, fmt.Errorf("latchkey: KeysMaxStale must be at least %s, since the set is fetched every %s", 2*refreshEvery, refreshEvery)
		}
		v.keys = newKeySet(u.String(), client, v.now, log, stale)
	}
	if f := o.Revocations; f != (Feed{}) {
		u, err := remoteURL(f.URL, o.AllowHTTP)
		switch {
		case err != nil:
			return nil, fmt.Errorf("latchkey: Revocations.URL: %w", err)
		case f.ServiceKey == "":
			return nil, errors.New("latchkey: Revocations.ServiceKey is not set; `latchkey service-key create` makes one")
		case f.MaxStale < 0 || f.MaxStale > 0 && f.MaxStale < minMaxStale:
			return nil, fmt.Errorf("latchkey: Revocations.MaxStale must be 0 or at least %s", minMaxStale)
		}
		v.feed = newFeed(u, f, client, v.now, log)
	}

	ctx, cancel := context.WithCancel(context.Background())
	v.stop = func() { cancel(); v.done.Wait(); closeClient() }
	if v.keys != nil {
		v.done.Go(func() { v.keys.follow(ctx) })
	}
	if v.feed != nil {
		v.done.Go(func() { v.feed.follow(ctx) })
	}
	return v, nil
}

// Close ends the goroutines and waits for them. The Verifier goes on with what
// it knows until that is stale.
func (v *Verifier) Close() { v.stop() }

// Healthy is nil while the keys and the revocations are current, and otherwise
// says what is not. A service that goes on without (see Feed.MaxStale) is
// degraded, not down: do not have a load balancer take it out for this.
func (v *Verifier) Healthy() error {
	var problems []error
	if v.keys != nil {
		problems = append(problems, state("the key set", v.keys.current.Load() != nil, v.keys.failure.Load()))
	}
	if v.feed != nil {
		problems = append(problems, state("the revocations", v.feed.current.Load() != nil, v.feed.failure.Load()))
	}
	return errors.Join(problems...)
}

func state(what string, here bool, failure *error) error {
	switch {
	case failure != nil:
		return fmt.Errorf("%s cannot be read: %w", what, *failure)
	case !here:
		return fmt.Errorf("%s has not been read yet", what)
	}
	return nil
}

// LastSync is when the server last said that there are no other revocations than
// those known here; the zero Time if it has not yet or there is no feed.
func (v *Verifier) LastSync() time.Time {
	if v.feed != nil {
		if at := v.feed.synced.Load(); at != nil {
			return *at
		}
	}
	return time.Time{}
}

// Verify checks an access token. Its errors are those of this package, to be
// told apart with errors.Is. It asks nobody: ctx only bounds how long the very
// first tokens wait for the keys and the revocations to arrive.
func (v *Verifier) Verify(ctx context.Context, token string) (*Claims, error) {
	c, err := v.verify(ctx, token)
	if err != nil {
		return nil, err
	}
	if v.feed != nil {
		if err := v.feed.check(ctx, c); err != nil {
			return nil, err
		}
	}
	return &c.Claims, nil
}

// verify checks all but the revocations.
func (v *Verifier) verify(ctx context.Context, token string) (*claims, error) {
	p, ok := split(token)
	if !ok {
		return nil, ErrMalformed
	}
	if err := v.signed(ctx, p); err != nil {
		return nil, err
	}
	var payloadBuf [768]byte
	payload, ok := decode(payloadBuf[:0], p.payload)
	if !ok {
		return nil, ErrMalformed
	}
	c, notBefore, ok := readClaims(string(payload))
	if !ok {
		return nil, ErrMalformed
	}
	if err := v.valid(&c, notBefore); err != nil {
		return nil, err
	}
	return &c, nil
}

// signed checks the signature. The algorithm is the key's; the header only has
// to agree, byte for byte.
func (v *Verifier) signed(ctx context.Context, p parts) error {
	if p.header.hasKID {
		return v.signedByName(ctx, p)
	}
	var buf [64]byte
	signature, ok := decode(buf[:0], p.signature)
	if !ok {
		return ErrMalformed
	}
	if p.header.algorithm == algHS256 {
		for _, k := range v.secrets {
			if k.verify(p.input, signature) {
				return nil
			}
		}
	}
	return ErrSignature
}

// signedByName checks the signature of a token that names its key. Only the key
// set has named keys.
func (v *Verifier) signedByName(ctx context.Context, p parts) error {
	signature, ok := decode(nil, p.signature)
	if !ok {
		return ErrMalformed
	}
	if v.keys == nil || p.header.algorithm == algHS256 {
		return ErrSignature
	}
	k, err := v.keys.key(ctx, p.header.kid)
	if err != nil {
		return err
	}
	if k.algorithm() != p.header.algorithm || !k.verify(p.input, signature) {
		return ErrSignature
	}
	return nil
}

// valid checks the claims, in the order of the server.
func (v *Verifier) valid(c *claims, notBefore int64) error {
	now := v.now().Unix()
	switch {
	case c.has.expires && c.Expires.Unix() <= now:
		return ErrExpired
	case notBefore > now+v.leeway, c.has.issuedAt && c.issuedAt > now+v.leeway:
		return ErrNotYetValid
	case !c.has.expires:
		return ErrNoExpiry
	case !c.has.id:
		return ErrNoID
	case !c.has.kind:
		return ErrNoType
	case c.kind != "access":
		return ErrWrongType
	case !c.has.user:
		return ErrNoUser
	case c.SessionID == "" && !v.sessionless:
		return ErrNoSession
	case v.issuer != "" && c.Issuer != v.issuer:
		return ErrIssuer
	case v.audience != "" && !slices.Contains(c.Audience, v.audience):
		return ErrAudience
	}
	return nil
}

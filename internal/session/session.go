package session

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/latchkey-auth/latchkey/internal/auth"
	"github.com/latchkey-auth/latchkey/internal/token"
)

// Tokens is a pair as it is handed out.
type Tokens struct {
	Access, Refresh string
	// AccessExpires and RefreshExpires are the tokens' exp, in Unix seconds.
	AccessExpires, RefreshExpires int64
	// SessionID is their sid.
	SessionID string
}

// Access is an authenticated caller: what a good access token says.
type Access struct {
	auth.AccessIdentity
	// Role is the token's claim; "" in a token that Django minted.
	Role auth.Role
	// Expires is the token's exp in Unix seconds.
	Expires int64
}

// Reuse is what happens to a refresh token that was rotated already.
type Reuse string

// The settings of tokens.reuse; see the state machine in design.md.
const (
	Strict   Reuse = "strict"
	Grace    Reuse = "grace"
	Tolerant Reuse = "tolerant"
)

// Leeway is how long after a rotation the previous token counts as a lost
// race rather than as a theft.
const Leeway = 10 * time.Second

// Options are the settings of a Service. All but Names are required.
type Options struct {
	Store auth.Store
	Ring  Ring
	// Revoked is the list of what was revoked, kept current by its Follow.
	Revoked *Revoked
	Reuse   Reuse
	// AccessLifetime and RefreshLifetime are whole seconds; SessionMax is how
	// long after the login the last token of a session may expire.
	AccessLifetime, RefreshLifetime, SessionMax time.Duration
	// Names are the iss and aud that tokens get and must have; "" for neither.
	Names token.Names
	// ForeignRefresh is the lifetime of refresh tokens that Django minted; 0 is
	// RefreshLifetime.
	ForeignRefresh time.Duration
	// KeepSpent keeps the jti of each refresh token that is traded until its
	// exp, so that Django can be told of it (django.settings).
	KeepSpent bool
	// ConfirmFor is for how long a proof of the password is fresh; 0 asks for
	// none.
	ConfirmFor time.Duration
	Now        func() time.Time
	Log        *slog.Logger
}

// Ring is what of the key ring is needed here.
type Ring interface {
	token.Keys
	Signing() token.Key
	// AcceptsForeign says whether tokens without a session may be ours: only
	// when the operator brought the key.
	AcceptsForeign() bool
}

// Service is the session acts. It is safe for concurrent use.
type Service struct{ Options }

// New makes a Service.
func New(o Options) *Service { return &Service{o} }

// Draft gives what a session is opened with: its ids and times are chosen before
// the first try, so that a repeated commit is the same session.
func (s *Service) Draft(now time.Time, c auth.Client) auth.NewSession {
	refresh, access := s.refreshExpiry(now, now), now.Add(s.AccessLifetime)
	return auth.NewSession{
		ID: token.NewSessionID(now), JTI: token.NewID(),
		IssuedAt: now.Unix(), Expires: refresh,
		Until:  latest(access, time.Unix(refresh, 0)),
		Client: c,
	}
}

// Open opens a session for a user whose password was right: see auth.Opening.
// It answers a BadCredentials error if the account changed while the password
// was checked.
func (s *Service) Open(ctx context.Context, o auth.Opening) (Tokens, auth.User, error) {
	o.Now = s.Now()
	o.Session = s.Draft(o.Now, o.Session.Client)
	opened, err := s.Store.OpenSession(ctx, o)
	if err != nil {
		s.Revoked.CatchUp(ctx)
		return Tokens{}, auth.User{}, fmt.Errorf("open session: %w", err)
	}
	if !opened.OK {
		return Tokens{}, auth.User{}, &auth.Error{Kind: auth.BadCredentials, Code: auth.CodeBadCredentials}
	}
	s.Revoked.Apply(opened.Revocations...)
	return s.Mint(opened.User, auth.Session{
		ID: o.Session.ID, UserID: o.UserID, JTI: o.Session.JTI,
		IssuedAt: o.Session.IssuedAt, Expires: o.Session.Expires,
	}, o.Now), opened.User, nil
}

// Mint makes the pair of a session: the refresh token from its row, to the
// byte the same each time, and a new access token issued at now. Role and gen
// are those of u, which must come from the transaction that opened or rotated.
func (s *Service) Mint(u auth.User, row auth.Session, now time.Time) Tokens {
	key := s.Ring.Signing()
	t := Tokens{AccessExpires: now.Add(s.AccessLifetime).Unix(), RefreshExpires: row.Expires, SessionID: row.ID}
	t.Refresh = key.Sign(token.Claims{
		Type: token.Refresh, Expires: row.Expires, IssuedAt: row.IssuedAt,
		ID: row.JTI, UserID: u.ID, SessionID: row.ID,
		Issuer: s.Names.Issuer, Audience: s.Names.Audience, As: s.Names.Foreign,
	})
	t.Access = key.Sign(token.Claims{
		Type: token.Access, Expires: t.AccessExpires, IssuedAt: now.Unix(),
		ID: token.NewID(), UserID: u.ID, SessionID: row.ID,
		Role: string(u.Role), Gen: u.Gen, HasGen: true,
		Issuer: s.Names.Issuer, Audience: s.Names.Audience, As: s.Names.Foreign,
	})
	return t
}

// refreshExpiry is the exp of a refresh token issued at now in a session
// opened at opened, in Unix seconds.
func (s *Service) refreshExpiry(now, opened time.Time) int64 {
	return min(now.Add(s.RefreshLifetime).Unix(), opened.Add(s.SessionMax).Unix())
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

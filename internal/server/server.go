package server

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/latchkey-auth/latchkey/internal/account"
	"github.com/latchkey-auth/latchkey/internal/api"
	"github.com/latchkey-auth/latchkey/internal/auth"
	"github.com/latchkey-auth/latchkey/internal/chain"
	"github.com/latchkey-auth/latchkey/internal/config"
	"github.com/latchkey-auth/latchkey/internal/counters"
	"github.com/latchkey-auth/latchkey/internal/keyring"
	"github.com/latchkey-auth/latchkey/internal/login"
	"github.com/latchkey-auth/latchkey/internal/password"
	"github.com/latchkey-auth/latchkey/internal/session"
	"github.com/latchkey-auth/latchkey/internal/store/postgres"
	"github.com/latchkey-auth/latchkey/internal/store/sqlite"
	"github.com/latchkey-auth/latchkey/internal/takeover"
	"github.com/latchkey-auth/latchkey/internal/throttle"
	"github.com/latchkey-auth/latchkey/internal/token"
	"github.com/latchkey-auth/latchkey/web"
)

// maxHeader is the most bytes of a request's head; more is 431.
const maxHeader = 16 << 10

// RunOptions are what a caller of Run may want to know or set.
type RunOptions struct {
	// Ready is called once with the address when requests are answered.
	Ready func(addr string)
	// Store, when not nil, is used instead of the one that the configuration
	// names (tests put a failing one in front).
	Store auth.Store
	// Now is the clock; nil is time.Now.
	Now func() time.Time
	// KeyCache is keyring.Options.Cache: tests turn keys faster.
	KeyCache time.Duration
	// Hashes is password.Options.Mapped, what LimitMemory gave.
	Hashes func(bytes int64)
	// CheapHashes is password.Options.Cheap: tests whose subject is not the hash.
	CheapHashes bool
	// SweepEvery and SampleEvery are how often old rows are swept and live
	// sessions counted; 0 is once a minute and each ten minutes.
	SweepEvery, SampleEvery time.Duration
	// SweepHold is how long nothing is swept, no old event is pruned and no retired
	// key removed after a start and after the clock has stepped; 0 is an hour, less
	// than 0 not at all.
	SweepHold time.Duration
	// Setup, when not nil, is told the address of the page on which the first
	// administrator is made, where there are no users yet. The address is a
	// secret: it goes to whoever has started the server and to nobody else.
	Setup func(address string)
}

// OpenStore opens the database that the configuration names, migrated to this
// binary's schema. The caller closes it.
func OpenStore(ctx context.Context, cfg *config.Config, log *slog.Logger) (auth.Store, error) {
	return openStore(ctx, cfg, log, time.Now)
}

func openStore(ctx context.Context, cfg *config.Config, log *slog.Logger, now func() time.Time) (auth.Store, error) {
	if cfg.Database.IsPostgres() {
		db, err := postgres.Open(ctx, postgres.Options{
			URL: cfg.Database.Reveal(), Now: now, Log: log, MaxConns: cfg.Postgres.MaxConns,
		})
		if err != nil {
			return nil, fmt.Errorf("open PostgreSQL: %w", err)
		}
		return db, nil
	}
	if err := os.MkdirAll(cfg.Data, 0o700); err != nil {
		return nil, fmt.Errorf("make the data folder: %w", err)
	}
	db, err := sqlite.Open(ctx, sqlite.Options{Path: filepath.Join(cfg.Data, sqlite.FileName), Now: now, Log: log})
	if err != nil {
		return nil, fmt.Errorf("open SQLite: %w", err)
	}
	return db, nil
}

// RingOptions are the key ring's settings, for everything that opens or changes
// it.
func RingOptions(cfg *config.Config) keyring.Options {
	o := keyring.Options{
		SigningKey: cfg.SigningKey(), SealKey: cfg.SealKey(), Now: time.Now,
		Algorithm: string(cfg.Signing.Algorithm), RotateEvery: cfg.Signing.RotateEvery.Std(),
		Lifetime: max(cfg.Tokens.Access, cfg.Tokens.Refresh).Std(),
	}
	if jwt := cfg.SimpleJWT(); jwt != nil {
		o.Lifetime = max(o.Lifetime, jwt.Access+jwt.Leeway, jwt.Refresh+jwt.Leeway)
	}
	if !cfg.Database.IsPostgres() {
		o.SecretFile = filepath.Join(cfg.Data, keyring.FileName)
	}
	return o
}

// openRing opens the key ring.
func openRing(ctx context.Context, o keyring.Options, store auth.Store, log *slog.Logger) (*keyring.Ring, error) {
	ring, err := keyring.Open(ctx, store, o)
	if err != nil {
		return nil, fmt.Errorf("open the key ring: %w", err)
	}
	for _, w := range ring.Warnings() {
		log.Warn(w)
	}
	return ring, nil
}

// acts is everything above storage that answers requests.
type acts struct {
	ring     *keyring.Ring
	revoked  *session.Revoked
	failures *login.Failures
	sessions *session.Service
	logins   *login.Service
	accounts *account.Service
	throttle *throttle.Throttle
}

func newActs(ctx context.Context, cfg *config.Config, store auth.Store, keys keyring.Options, hashes password.Options, steady func() bool, log *slog.Logger, now func() time.Time) (*acts, error) {
	// The store knows the largest lifetime ever configured: a revocation must
	// outlive the longest token that it concerns.
	longest, foreign, foreignRefresh := cfg.Tokens.Access.Std(), token.Foreign{}, time.Duration(0)
	jwt := cfg.SimpleJWT()
	if jwt != nil {
		longest = max(longest, jwt.Access+jwt.Leeway)
		foreign = token.Foreign{Type: jwt.TypeClaim, ID: jwt.IDClaim, User: jwt.UserClaim, Leeway: jwt.Leeway}
		foreignRefresh = jwt.Refresh
	}
	if err := store.Update(ctx, func(tx auth.Tx) error {
		return tx.RaiseMaxAccess(ctx, longest)
	}); err != nil {
		return nil, fmt.Errorf("store the access lifetime: %w", err)
	}
	ring, err := openRing(ctx, keys, store, log)
	if err != nil {
		return nil, err
	}
	a := &acts{ring: ring}
	a.revoked = session.NewRevoked(store, now, log, 0)
	a.failures = login.NewFailures(store, log)
	a.sessions = session.New(session.Options{
		Store: store, Ring: ring, Revoked: a.revoked, Reuse: session.Reuse(cfg.Tokens.Reuse),
		AccessLifetime: cfg.Tokens.Access.Std(), RefreshLifetime: cfg.Tokens.Refresh.Std(),
		SessionMax: cfg.Tokens.SessionMax.Std(), Now: now, Log: log,
		Names:          token.Names{Issuer: cfg.Tokens.Issuer, Audience: cfg.Tokens.Audience, Foreign: foreign},
		ForeignRefresh: foreignRefresh, KeepSpent: jwt != nil, ConfirmFor: cfg.Sessions.ConfirmFor.Std(),
	})
	hasher := password.NewHasher(hashes)
	hasher.MakeRoom()
	policy, err := password.NewPolicy(password.PolicyOptions{
		MinLength: cfg.Password.MinLength, AllowNumeric: cfg.Password.AllowNumeric, List: cfg.Password.List, Words: placeWords(cfg),
	})
	if err != nil {
		return nil, fmt.Errorf("password rules: %w", err)
	}
	breached, err := openBreach(cfg, log, now)
	if err != nil {
		return nil, err
	}
	secret, err := ring.Secret(ctx, "throttle")
	if err != nil {
		return nil, fmt.Errorf("what counters are keyed with: %w", err)
	}
	limits := throttle.New(throttle.Options{
		Enabled: cfg.Throttle.Enabled, Now: now, Steady: steady, Counters: counters.In(store), Secret: secret,
		Account: cfg.Throttle.Account, Address: cfg.Throttle.Address, Emails: cfg.Throttle.Emails, Window: cfg.Throttle.Window.Std(),
		Burst: cfg.Throttle.Burst, Every: cfg.Throttle.Every.Std(),
	})
	a.throttle = limits
	// An interface with a nil pointer in it is not nil.
	var upstream login.Upstream
	if u, err := cfg.DjangoUpstream(); err != nil {
		return nil, fmt.Errorf("django.upstream %w", err)
	} else if u != nil {
		upstream = takeover.NewUpstream(takeover.UpstreamOptions{URL: u, Timeout: cfg.Django.UpstreamTimeout.Std(), Log: log, Now: now})
	}
	a.logins = login.New(login.Options{
		Store: store, Sessions: a.sessions, Hasher: hasher, Throttle: limits, Failures: a.failures, Now: now, Log: log, Upstream: upstream,
	})
	a.accounts = account.New(account.Options{
		Store: store, Sessions: a.sessions, Revoked: a.revoked, Hasher: hasher, Policy: policy, Breach: breached,
		Throttle: limits, Failures: a.failures, RegistrationRoles: cfg.Registration.Roles, Now: now,
	})
	return a, nil
}

// NewAccounts gives the acts on accounts alone, for the command line. A server
// beside it learns of what they revoke from the database.
func NewAccounts(ctx context.Context, cfg *config.Config, store auth.Store, log *slog.Logger) (*account.Service, error) {
	// A command knows its clock for too short a time.
	unsure := func() bool { return false }
	a, err := newActs(ctx, cfg, store, RingOptions(cfg), hashOptions(cfg), unsure, log, time.Now)
	if err != nil {
		return nil, err
	}
	return a.accounts, nil
}

func newSealer(cfg *config.Config, store auth.Store, ring *keyring.Ring, steady func() bool, log *slog.Logger, now func() time.Time) *chain.Sealer {
	return chain.New(chain.Options{
		Store: store, Keys: ring, Retention: cfg.Audit.Retention.Std(), Steady: steady, Log: log, Now: now,
	})
}

// NewSealer gives what seals and verifies the audit trail, for the command line.
func NewSealer(ctx context.Context, cfg *config.Config, store auth.Store, log *slog.Logger) (*chain.Sealer, error) {
	ring, err := openRing(ctx, RingOptions(cfg), store, log)
	if err != nil {
		return nil, err
	}
	return newSealer(cfg, store, ring, nil, log, time.Now), nil
}

// Run serves until ctx is done, then finishes what is in flight and returns.
//
// It listens first, then opens and loads, then serves: until the revocations
// have been read /api/ answers 503. A PostgreSQL that is not there yet is waited
// for; what is configured wrongly is an error.
func Run(ctx context.Context, cfg *config.Config, log *slog.Logger, opts RunOptions) (err error) {
	now := opts.Now
	if now == nil {
		now = time.Now
	}
	pages := &ui{}
	if cfg.UI.Enabled {
		if pages, err = newUI(web.Files(), cfg.Secure()); err != nil {
			return err
		}
	}
	var cert *certificate
	if cfg.TLS.Cert != "" {
		if cert, err = loadCertificate(cfg.TLS.Cert, cfg.TLS.Key, log, now); err != nil {
			return err
		}
	}
	listener, secured, err := listen(ctx, cfg, cert, log)
	if err != nil {
		return err
	}
	f := &front{
		rest:    http.HandlerFunc(welcome),
		health:  &health{now: now},
		cors:    newCORS(cfg.Cors.Origins, cfg.Secure()),
		hosts:   newHosts(cfg.Hosts),
		trusted: cfg.Proxy.Trusted,
		header:  cfg.Proxy.Header,
		log:     log,
		now:     now,
	}
	f.ids.prefix = randomPrefix()
	f.pace.each = paceFor(runtime.GOMAXPROCS(0))
	f.most = int64(listener.most)
	if cfg.Secure() {
		f.hsts = []string{stsValue}
	}
	if cfg.UI.Enabled {
		f.rest = pages
	}
	// HTTP/1.1 alone: see tlsConfig.
	var protocols http.Protocols
	protocols.SetHTTP1(true)
	srv := &http.Server{
		Protocols:         &protocols,
		ConnState:         listener.state,
		ConnContext:       withConnection,
		Handler:           f,
		ReadHeaderTimeout: cfg.Timeouts.Header.Std(),
		ReadTimeout:       cfg.Timeouts.Read.Std(),
		WriteTimeout:      cfg.Timeouts.Write.Std(),
		IdleTimeout:       cfg.Timeouts.Idle.Std(),
		MaxHeaderBytes:    maxHeader - 4096, // net/http adds 4096 of slop.
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
		// OPTIONS * gets no answer of net/http's own.
		DisableGeneralOptionsHandler: true,
	}
	served := make(chan error, 1)
	go func() { served <- srv.Serve(secured) }()
	defer func() {
		// Also when opening failed below: nothing is left listening.
		if closeErr := srv.Close(); err == nil && closeErr != nil {
			err = fmt.Errorf("close: %w", closeErr)
		}
	}()

	clock := watch(now, cmp.Or(opts.SweepHold, sweepHold), log)
	o, err := open(ctx, cfg, log, opts, clock, now, served)
	if err != nil || o == nil {
		return err
	}
	store, a := o.store, o.acts
	defer func() {
		if closeErr := o.close(); err == nil {
			err = closeErr
		}
	}()

	// Until it is known which hashes there are, a refusal might come too early.
	a.logins.Hasher.AwaitPresent()

	rounds := newRounds(cfg, store, f.peers, log, now)
	if cert != nil {
		rounds.inForce = cert.inForce
	}
	sealer := newSealer(cfg, store, a.ring, clock.steady, log, now)
	// Before the ring moves: the chain may be under a key that is about to go.
	if err := sealer.Seal(ctx); err != nil {
		log.Error("the audit trail could not be sealed", "error", err)
	}

	refused := newRefusals(store, log, now)
	// The background stops after the requests: what they counted is written.
	background, stop := context.WithCancel(context.WithoutCancel(ctx))
	var running sync.WaitGroup
	for _, w := range []work{
		{"the feed of revocations", a.revoked.Follow},
		{"the writer of failed logins", a.failures.Run},
		{"the writer of refusals", refused.run},
		{"the follower of the hashes", func(ctx context.Context) { a.logins.FollowHashes(ctx, log) }},
		{"the follower of the keys", func(ctx context.Context) { followKeys(ctx, a.ring, clock.steady, log) }},
		{"the sweeper", func(ctx context.Context) {
			sweep(ctx, store, cfg.Audit.Retention.Std(), cmp.Or(opts.SweepEvery, sweepEvery), clock.steady, now, log)
		}},
		{"the sealer of the audit trail", sealer.Run},
		{"the sampler", func(ctx context.Context) { sample(ctx, a.accounts, cmp.Or(opts.SampleEvery, sampleEvery), log) }},
		{"the indexer", func(ctx context.Context) { indexUsers(ctx, store, log) }},
		{"the doctor's rounds", rounds.run},
	} {
		running.Go(func() { supervise(background, log, w) })
	}
	defer running.Wait()
	defer stop()

	closing := make(chan struct{})
	handler := api.New(api.Options{
		Sessions: a.sessions, Logins: a.logins, Accounts: a.accounts, Services: a.accounts, Client: clientOf,
		Sealer: a.ring, Devices: a.throttle, System: system(cfg, store, sealer, now()), Doctor: rounds.tell, Stopping: closing,
		Log:               slog.New(requestLog{log.Handler()}),
		RegistrationRoles: cfg.Registration.Roles, RegistrationOpen: cfg.Registration.Open,
		HideSchema: !cfg.Docs.Public, Docs: pages.docs(), Now: now,
		MaxRequests: cfg.Limits.Requests, SecureCookies: cfg.Secure(), AllowedOrigin: f.cors.lists, HeaderTypes: headerTypes(cfg),
		PublicURL: strings.TrimSuffix(cfg.PublicURL, "/"), Secured: f.secured,
		Settings: api.Settings{
			Name: cfg.UI.Name, MinPassword: cfg.Password.MinLength,
			Access: cfg.Tokens.Access.Std(), Refresh: cfg.Tokens.Refresh.Std(),
		},
	})
	f.jwks.ring.Store(a.ring)
	f.health.store.Store(&store)
	f.health.revoked.Store(a.revoked)
	f.refusals.Store(refused)
	f.api.Store(&handler)
	log.Info("serving", "address", listener.Addr().String(), "tls", cfg.TLS.Cert != "")
	for _, w := range cfg.DjangoWarnings() {
		log.Warn(w)
	}
	if err := offerSetup(ctx, cfg, a.accounts, listener.Addr().String(), opts.Setup); err != nil {
		// The server serves all the same; the next start offers it again.
		log.Error("the link of the set-up page could not be made", "error", err)
	}
	if opts.Ready != nil {
		opts.Ready(listener.Addr().String())
	}

	select {
	case err := <-served:
		return fmt.Errorf("serve: %w", err)
	case <-ctx.Done():
	}
	f.health.stopping.Store(true)
	if delay := cfg.Timeouts.ShutdownDelay.Std(); delay > 0 {
		log.Info("stopping: serving until load balancers have noticed", "for", delay.String())
		select {
		case err := <-served:
			return fmt.Errorf("serve: %w", err)
		case <-time.After(delay):
		}
	}
	// Whoever waits for news is sent away now and not before: they would ask
	// here again at once.
	close(closing)
	log.Info("stopping: finishing what is in flight")
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), cfg.Timeouts.Drain.Std())
	defer cancel()
	if err := srv.Shutdown(drain); err != nil && !errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("shut down: %w", err)
	}
	return nil
}

// headerTypes are the words before a token that a Django's clients send.
func headerTypes(cfg *config.Config) []string {
	if jwt := cfg.SimpleJWT(); jwt != nil {
		return jwt.HeaderTypes
	}
	return nil
}

// offerSetup makes the link to the set-up page where somebody can be told of it.
func offerSetup(ctx context.Context, cfg *config.Config, accounts *account.Service, address string, tell func(string)) error {
	if tell == nil || !cfg.UI.Enabled {
		return nil
	}
	token, err := accounts.MakeSetupLink(ctx)
	if err != nil || token == "" {
		return err //nolint:wrapcheck // It says what it is.
	}
	base := strings.TrimSuffix(cfg.PublicURL, "/")
	if base == "" {
		base = localURL(cfg, address)
	}
	tell(base + "/setup#" + token)
	return nil
}

// localURL is the server's address for a browser on this machine.
func localURL(cfg *config.Config, address string) string {
	scheme := "http://"
	if cfg.TLS.Cert != "" {
		scheme = "https://"
	}
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return scheme + address
	}
	if ip, err := netip.ParseAddr(host); err != nil || ip.IsUnspecified() || ip.IsLoopback() {
		host = "localhost"
	}
	return scheme + net.JoinHostPort(host, port)
}

// openOwn opens SQLite with the data folder locked against a second server.
func openOwn(ctx context.Context, cfg *config.Config, log *slog.Logger, now func() time.Time) (auth.Store, func(), error) {
	if err := os.MkdirAll(cfg.Data, 0o700); err != nil {
		return nil, nil, fmt.Errorf("make the data folder: %w", err)
	}
	release, err := sqlite.LockFolder(cfg.Data)
	if err != nil {
		return nil, nil, fmt.Errorf("lock the data folder: %w", err)
	}
	store, err := openStore(ctx, cfg, log, now)
	if err != nil {
		release()
		return nil, nil, err
	}
	return store, release, nil
}

// rewinder is a store that can tell that its data is older than it was.
type rewinder interface {
	Rewound(ctx context.Context) (bool, error)
	CatchUp(ctx context.Context) error
}

// endAllIfRewound meets a database that somebody put back from a copy: what
// was revoked since would live again, so everybody signs in again.
func endAllIfRewound(ctx context.Context, store auth.Store, accounts *account.Service, log *slog.Logger) error {
	r, ok := store.(rewinder)
	if !ok {
		return nil
	}
	rewound, err := r.Rewound(ctx)
	if err != nil {
		return fmt.Errorf("compare the database with what was last seen: %w", err)
	}
	if !rewound {
		return nil
	}
	n, err := accounts.EndAllSessions(ctx, auth.EventRestored)
	if err != nil {
		return fmt.Errorf("end the sessions of a restored database: %w", err)
	}
	if err := r.CatchUp(ctx); err != nil {
		return fmt.Errorf("move the clock of a restored database: %w", err)
	}
	log.Warn("the database is older than it was: every session was ended", "sessions", n)
	return nil
}

// listen opens the listener that counts connections and, over it, that which
// requests are read from: with TLS or, where cert is nil, without.
func listen(ctx context.Context, cfg *config.Config, cert *certificate, log *slog.Logger) (*conns, net.Listener, error) {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", cfg.Listen)
	if err != nil {
		return nil, nil, fmt.Errorf("listen on %s: %w", cfg.Listen, err)
	}
	hashes := hashOptions(cfg)
	room := roomIn(hashes.Limit, hashes.AtOnce(), cert != nil)
	counted := newConns(l, bound(cfg, room.connections, log), cfg.Limits.PerAddress, cfg.Proxy.Trusted, log)
	counted.keptMost = room.kept
	counted.secure = cert != nil
	counted.stall = cfg.Timeouts.Write.Std()
	if cert == nil {
		return counted, counted, nil
	}
	return counted, tls.NewListener(counted, tlsConfig(cert)), nil
}

// welcome is what there is outside of the API where the UI is switched off.
func welcome(w http.ResponseWriter, r *http.Request) {
	api.WriteNotFound(w)
}

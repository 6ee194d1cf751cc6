package faults

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/latchkey-auth/latchkey/internal/auth"
	"github.com/latchkey-auth/latchkey/internal/config"
	"github.com/latchkey-auth/latchkey/internal/keyring"
	"github.com/latchkey-auth/latchkey/internal/pgtest"
	"github.com/latchkey-auth/latchkey/internal/server"
	"github.com/latchkey-auth/latchkey/internal/session"
	"github.com/latchkey-auth/latchkey/internal/store/postgres"
	"github.com/latchkey-auth/latchkey/internal/store/sqlite"
	"github.com/latchkey-auth/latchkey/internal/token"
)

// Key is the signing key of every server here, an operator's own: so tokens
// that Django minted with it are accepted.
const Key = "an operator's signing key of more than thirty-two bytes"

// Engines are the two.
var Engines = []string{"sqlite", "postgres"}

// Server is a server in this process.
type Server struct {
	// URL is http://127.0.0.1:port.
	URL string
	// Store is what the server's own is in front of. It never fails.
	Store auth.Store
	// Sessions is the acts on sessions straight on Store, as another node has
	// them. Its list of revocations is empty: it is for opening sessions.
	Sessions *session.Service
	Config   *config.Config
	Log      *Log

	frozen time.Time    // zero for a clock that goes
	ahead  atomic.Int64 // by how much the clock was moved, in nanoseconds
}

// hinted is a store whose hints of changes are the test's.
type hinted struct {
	auth.Store
	hints chan struct{}
}

func (h hinted) Changes(context.Context) <-chan struct{} { return h.hints }

// Now is the server's clock.
func (s *Server) Now() time.Time {
	now := s.frozen
	if now.IsZero() {
		now = time.Now()
	}
	return now.Add(time.Duration(s.ahead.Load()))
}

// Advance moves the server's clock forward, or back.
func (s *Server) Advance(d time.Duration) { s.ahead.Add(int64(d)) }

// Options say how a server is run.
type Options struct {
	// Engine is one of Engines.
	Engine string
	// Env are settings beside the usual ones: an operator's signing key, and room
	// for many attempts.
	Env []string
	// Decide is asked of the server's calls of the store. nil lets all pass.
	Decide Decide
	// Hints, when not nil, is what the server's store gives as Changes.
	Hints chan struct{}
	// Frozen has the clock stand still but for Advance.
	Frozen bool
	// Network, when not nil, is told the URL of the PostgreSQL and gives that
	// by which the server reaches it. The test's own store takes the short way.
	Network func(url string) string
	// Careful sweeps each 10 ms, but for an hour after a start and after a step
	// of the clock, as always.
	Careful bool
	// Busy has what goes on beside the requests go on each 50 ms.
	Busy bool
	// DearHashes cost what they do in production.
	DearHashes bool
}

// Serve runs a server until the test ends.
func Serve(t testing.TB, o Options) *Server {
	t.Helper()
	dir := t.TempDir()
	usual := []string{
		"LATCHKEY_LISTEN=127.0.0.1:0", "LATCHKEY_DATA=" + dir,
		"LATCHKEY_SIGNING_KEY=" + Key, "LATCHKEY_THROTTLE_ACCOUNT=100",
	}
	if o.Engine == "postgres" {
		usual = append(usual, "LATCHKEY_DATABASE="+pgtest.Database(t))
	}
	env := append(usual, o.Env...)
	cfg, err := config.Load(config.Sources{Env: env})
	if err != nil {
		t.Fatal(err)
	}
	s := &Server{Config: cfg, Log: new(Log)}
	if o.Frozen {
		s.frozen = time.Now()
	}
	log := slog.New(server.UTCHandler{Handler: slog.NewJSONHandler(s.Log, &slog.HandlerOptions{Level: cfg.Log.Slog()})})
	ctx := context.WithoutCancel(t.Context())
	if o.Engine == "sqlite" {
		s.Store, err = sqlite.Open(ctx, sqlite.Options{Path: filepath.Join(dir, sqlite.FileName), Now: s.Now, Log: log})
	} else {
		s.Store, err = postgres.Open(ctx, postgres.Options{URL: cfg.Database.Reveal(), Now: s.Now, Log: log})
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Store.Close(); err != nil {
			t.Errorf("close the store: %v", err)
		}
	})

	ring, err := keyring.Open(ctx, s.Store, keyring.Options{
		SigningKey: cfg.SigningKey(), SecretFile: filepath.Join(dir, "secret.key"), Now: s.Now,
	})
	if err != nil {
		t.Fatal(err)
	}
	s.Sessions = session.New(session.Options{
		Store: s.Store, Ring: ring, Revoked: session.NewRevoked(s.Store, s.Now, log, 0),
		Reuse: session.Reuse(cfg.Tokens.Reuse), AccessLifetime: cfg.Tokens.Access.Std(),
		RefreshLifetime: cfg.Tokens.Refresh.Std(), SessionMax: cfg.Tokens.SessionMax.Std(), Now: s.Now, Log: log,
	})

	store := s.Store
	if o.Network != nil {
		far, err := postgres.Open(ctx, postgres.Options{URL: o.Network(cfg.Database.Reveal()), Now: s.Now, Log: log})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := far.Close(); err != nil {
				t.Errorf("close the store: %v", err)
			}
		})
		store = far
	}
	if o.Decide != nil {
		store = Wrap(store, o.Decide)
	}
	if o.Hints != nil {
		store = hinted{store, o.Hints}
	}
	running, stop := context.WithCancel(ctx)
	ready, ended := make(chan string, 1), make(chan error, 1)
	run := server.RunOptions{
		Ready: func(addr string) { ready <- addr },
		Store: store, Now: s.Now, CheapHashes: !o.DearHashes,
	}
	if o.Careful {
		run.SweepEvery = 10 * time.Millisecond
	}
	if o.Busy {
		run.SweepEvery, run.SampleEvery, run.KeyCache = 50*time.Millisecond, 50*time.Millisecond, time.Second
		run.SweepHold = -1
	}
	go func() { ended <- server.Run(running, cfg, log, run) }()
	select {
	case addr := <-ready:
		s.URL = "http://" + addr
	case err := <-ended:
		t.Fatalf("run: %v\n%s", err, s.Log)
	}
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Errorf("run: %v", err)
		}
	})
	return s
}

// Insert makes a user with a hash that was made before.
func (s *Server) Insert(ctx context.Context, email, encoded string, role auth.Role) (auth.User, error) {
	e, ok := auth.ParseEmail(email)
	if !ok {
		return auth.User{}, fmt.Errorf("no e-mail: %q", email)
	}
	var u auth.User
	err := s.Store.Update(ctx, func(tx auth.Tx) error {
		var err error
		u, err = tx.InsertUser(ctx, auth.NewUser{
			Email: e, FirstName: "Ada", LastName: "Lovelace", Role: role, Password: encoded, IsActive: true,
		}, s.Now())
		return err
	})
	return u, err
}

// Open opens a session for a user as the login does after the password was
// right.
func (s *Server) Open(ctx context.Context, u auth.User) (session.Tokens, error) {
	tokens, _, err := s.Sessions.Open(ctx, auth.Opening{
		UserID: u.ID, CredentialVersion: u.CredentialVersion, Event: auth.EventLoggedIn,
	})
	return tokens, err
}

// Django mints a token as Django would: without a session.
func (s *Server) Django(kind string, u auth.User, life time.Duration) string {
	now := s.Now()
	return token.NewHS256("", []byte(Key)).Sign(token.Claims{
		Type: kind, Expires: now.Add(life).Unix(), IssuedAt: now.Unix(), ID: token.NewID(), UserID: u.ID,
	})
}

// Request is one request.
type Request struct {
	Method, Path string
	// Bearer is the access token, "" for none.
	Bearer string
	// Header are headers beside those, such as Cookie and Auth-Mode.
	Header map[string]string
	// Body is sent as JSON unless nil.
	Body any
	// ID is sent as X-Request-Id unless "". It is taken from proxy.trusted alone.
	ID string
}

// HTTP makes the request for net/http.
func (r Request) HTTP(ctx context.Context, url string) (*http.Request, error) {
	var body io.Reader
	if r.Body != nil {
		b, err := json.Marshal(r.Body)
		if err != nil {
			return nil, err
		}
		body = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, r.Method, url+r.Path, body)
	if err != nil {
		return nil, err
	}
	if r.Body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if r.Bearer != "" {
		req.Header.Set("Authorization", "Bearer "+r.Bearer)
	}
	for name, value := range r.Header {
		req.Header.Set(name, value)
	}
	if r.ID != "" {
		req.Header.Set("X-Request-Id", r.ID)
	}
	return req, nil
}

// Log is what the server has said, one JSON object in a line.
type Log struct {
	mu sync.Mutex
	b  bytes.Buffer
	// Said, if set before the first request, is called with what is said.
	Said func([]byte)
}

// Write implements io.Writer.
func (l *Log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.Said != nil {
		l.Said(p)
	}
	return l.b.Write(p)
}

// Take gives what has been said since the last Take.
func (l *Log) Take() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.b.String()
	l.b.Reset()
	return s
}

func (l *Log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

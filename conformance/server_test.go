package conformance_test

import (
	"bytes"
	"context"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/latchkey-auth/latchkey/internal/account"
	"github.com/latchkey-auth/latchkey/internal/config"
	"github.com/latchkey-auth/latchkey/internal/pgtest"
	"github.com/latchkey-auth/latchkey/internal/server"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

// signingKey is the secret that the server shares with the Django that signed
// some of the tokens.
const signingKey = "conformance-signing-key-0123456789abcdef"

// engines are what the server is run on.
var engines = []string{"sqlite", "postgres"}

// onEngines runs a test on each engine, with a server of its own.
func onEngines(t *testing.T, test func(t *testing.T, s *running)) {
	for _, engine := range engines {
		t.Run(engine, func(t *testing.T) { test(t, start(t, engine)) })
	}
}

// running is a server under test.
type running struct {
	wire
	// accounts are the acts of the command line, on the same database.
	accounts *account.Service
}

// start runs a server as the recording needs it: the key is the operator's
// (so tokens that Django minted are accepted), the hosts are those that the
// recorded application allowed, nothing is throttled, there is no UI (what is
// outside of /api/ is not the contract's), and everything else is the default.
// env is what is set beside that, as an operator sets it.
func start(t *testing.T, engine string, env ...string) *running {
	t.Helper()
	env = append([]string{
		"LATCHKEY_LISTEN=127.0.0.1:0", "LATCHKEY_DATA=" + t.TempDir(), "LATCHKEY_SIGNING_KEY=" + signingKey,
		"LATCHKEY_HOSTS=localhost,127.0.0.1", "LATCHKEY_THROTTLE_ENABLED=false",
		"LATCHKEY_UI_ENABLED=false",
	}, env...)
	if engine == "postgres" {
		env = append(env, "LATCHKEY_DATABASE="+pgtest.Database(t))
	}
	cfg, err := config.Load(config.Sources{Env: env})
	if err != nil {
		t.Fatal(err)
	}

	var logged lockedBuffer
	log := slog.New(slog.NewTextHandler(&logged, nil))
	ctx, stop := context.WithCancel(context.Background())
	ready, done := make(chan string, 1), make(chan error, 1)
	go func() {
		done <- server.Run(ctx, cfg, log, server.RunOptions{Ready: func(addr string) { ready <- addr }})
	}()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Errorf("the server ended with: %v", err)
		}
		if t.Failed() {
			for _, line := range bytes.Split(logged.Bytes(), []byte("\n")) {
				if bytes.Contains(line, []byte("level=WARN")) || bytes.Contains(line, []byte("level=ERROR")) {
					t.Logf("server: %s", line)
				}
			}
		}
	})
	var s running
	select {
	case s.addr = <-ready:
	case err := <-done:
		done <- nil
		t.Fatalf("the server does not start: %v", err)
	case <-time.After(60 * time.Second):
		t.Fatal("the server does not start")
	}

	store, err := server.OpenStore(ctx, cfg, log)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := store.Close(); err != nil {
			t.Errorf("close the second store: %v", err)
		}
	})
	if s.accounts, err = server.NewAccounts(ctx, cfg, store, log); err != nil {
		t.Fatal(err)
	}
	return &s
}

// lockedBuffer takes the log of a server that is still writing.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) Bytes() []byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	return bytes.Clone(l.b.Bytes())
}

// eventually waits until ok, which is asked again and again, holds: what the
// command line does is seen by the server within a second or two.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !ok(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not seen: %s", what)
		}
	}
}

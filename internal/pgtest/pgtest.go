package pgtest

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// The environment that is read; see the package comment.
const (
	EnvURL    = "LATCHKEY_TEST_POSTGRES"
	envStrict = "LATCHKEY_TEST_STRICT"
	envCI     = "CI"
)

// shared is the server of this test binary: TestMain has no other way to hand
// it to the tests.
var shared struct {
	sync.Mutex
	main   bool // Main will stop it
	server *Server
	err    error
}

// Main runs a package's tests and then stops the server that they used, if
// they did. It does not return.
func Main(m *testing.M) { os.Exit(M{m}.Run()) }

// M is Main for a package whose TestMain has more to do afterwards:
//
//	goleak.VerifyTestMain(pgtest.M{M: m})
type M struct{ *testing.M }

// Run runs the tests, stops the server and gives the exit status.
func (m M) Run() int {
	shared.Lock()
	shared.main = true
	shared.Unlock()

	status := m.M.Run()

	shared.Lock()
	defer shared.Unlock()
	if shared.server != nil {
		if err := shared.server.Stop(); err != nil {
			fmt.Fprintln(os.Stderr, "pgtest:", err)
			status = max(status, 1)
		}
		shared.server = nil
	}
	return status
}

// Database makes an empty database and gives its URL. It is dropped after the
// test, whatever is still connected to it. Without PostgreSQL the test is
// skipped, or fails where that is not allowed.
func Database(t testing.TB) string {
	t.Helper()
	admin := adminURL(t)
	name := "latchkey_test_" + strings.ToLower(rand.Text())
	// template0 rather than the default: nothing of the operator's own gets in,
	// and no connection to it can be in the way.
	if err := execute(admin, `CREATE DATABASE `+name+` TEMPLATE template0 ENCODING 'UTF8'`); err != nil {
		t.Fatalf("make a database: %v", err)
	}
	t.Cleanup(func() {
		if err := execute(admin, `DROP DATABASE `+name+` WITH (FORCE)`); err != nil {
			t.Errorf("drop the test's database: %v", err)
		}
	})
	u, err := url.Parse(admin)
	if err != nil {
		t.Fatalf("read the server's URL: %v", err)
	}
	u.Path = "/" + name
	return u.String()
}

// Durable starts a server of the test's own that writes to disk as in
// production, to be killed and restarted. It is gone after the test.
func Durable(t testing.TB) *Server {
	t.Helper()
	s, err := Start(t.Context(), Options{Durable: true})
	check(t, err)
	t.Cleanup(func() {
		if err := s.Stop(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// Require skips, or fails, the test where no PostgreSQL is installed.
func Require(t testing.TB) {
	t.Helper()
	_, err := findPostgres()
	check(t, err)
}

// adminURL gives the URL of a database from which others can be made.
func adminURL(t testing.TB) string {
	t.Helper()
	if u := os.Getenv(EnvURL); u != "" {
		return u
	}
	shared.Lock()
	defer shared.Unlock()
	if !shared.main {
		t.Fatal("the package has no TestMain that calls pgtest.Main: the server would never be stopped")
	}
	if shared.server == nil && shared.err == nil {
		// Not the test's context: the server is for the tests after it, too.
		shared.server, shared.err = Start(context.Background(), Options{})
	}
	check(t, shared.err)
	return shared.server.URL("postgres")
}

// check ends the test if there is no server.
func check(t testing.TB, err error) {
	t.Helper()
	switch {
	case err == nil:
	case errors.Is(err, ErrNone) && os.Getenv(envStrict) != "1" && os.Getenv(envCI) != "true":
		t.Skip(err)
	default:
		t.Fatal(err)
	}
}

// execute runs one statement on a connection of its own.
func execute(url, statement string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return err
	}
	_, err = conn.Exec(ctx, statement)
	return errors.Join(err, conn.Close(ctx))
}

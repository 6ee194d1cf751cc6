package outage

import (
	"context"
	"flag"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/latchkey-auth/latchkey/e2e/node"
	"github.com/latchkey-auth/latchkey/internal/pgtest"
)

func TestMain(m *testing.M) {
	code := pgtest.M{M: m}.Run()
	node.Clean()
	os.Exit(code)
}

var (
	restarts = flag.Int("outage.restarts", 2, "restarts of PostgreSQL, half of them immediate")
	commits  = flag.Int("outage.commits", 2, "backends ended in the middle of a commit, at least")
	rounds   = flag.Int("outage.rounds", 3, "how often the disk is filled")
	backups  = flag.Int("outage.backups", 1, "backups made under load and put back")
	within   = flag.Duration("outage.back", 0, "how soon after the database the server must be back; 0 only tells")
	seed     = flag.Uint64("outage.seed", 0, "seed of the run; 0 takes one by chance")
)

func first() uint64 {
	if *seed != 0 {
		return *seed
	}
	return rand.Uint64N(1 << 32)
}

const clients = 8

// settings are every node's: limits would be in the way, and a client whose
// answer is lost must be able to go on, which in strict it is not (design.md).
func settings(env ...string) []string {
	return append([]string{
		"LATCHKEY_THROTTLE_ENABLED=false", "LATCHKEY_TOKENS_REUSE=tolerant", "LATCHKEY_LOG_LEVEL=error",
	}, env...)
}

// soon holds a time against the flag.
func soon(t *testing.T, what string, took time.Duration) {
	t.Helper()
	if *within > 0 && took > *within {
		t.Errorf("%s: back after %v, want %v", what, took, *within)
	}
}

// PostgreSQL is restarted under load, half of the times immediately, and its
// backends are ended in the middle of commits: no wrong answer, nothing that
// was acknowledged is lost, nothing ended lives, and no good token is refused.
//
// ASVS 16.5.2, 16.5.3
// LESSON 14
// ROW 18, 20
func TestPostgresGoesAway(t *testing.T) {
	server := pgtest.Durable(t)
	from := first()
	n := node.Start(t, settings("LATCHKEY_DATABASE="+server.URL("postgres"))...)
	c := gather(t, n, from, clients)
	c.begin()
	var slowest time.Duration
	t.Run("restarts", func(t *testing.T) {
		for i := range *restarts {
			c.back()
			how, name := pgtest.Fast, "fast"
			if i%2 == 1 {
				how, name = pgtest.Immediate, "immediate"
			}
			if err := server.Down(how); err != nil {
				t.Fatal(err)
			}
			// Some outages are longer than is waited for.
			if i%4 == 3 {
				time.Sleep(3500 * time.Millisecond)
			}
			if err := server.Restart(t.Context()); err != nil {
				t.Fatal(err)
			}
			took := c.back()
			slowest = max(slowest, took)
			soon(t, name+" restart", took)
			if c.t.Failed() {
				return
			}
		}
	})
	ended := 0
	t.Run("backends ended in mid-commit", func(t *testing.T) {
		for ended < *commits && !c.t.Failed() {
			ended += endInMidCommit(t, server)
			took := c.back()
			slowest = max(slowest, took)
			soon(t, "ended backends", took)
		}
	})
	t.Run("backends ended anywhere", func(t *testing.T) {
		for range *commits {
			execute(t, server, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'latchkey'`)
			c.back()
		}
	})
	c.end()
	c.check()
	if log := n.Log(); strings.Contains(log, "panic") {
		t.Errorf("the log says:\n%s", log)
	}
	t.Logf("seed %d: %d restarts, %d backends ended in mid-commit; %d answers, %d of 503, %d writes acknowledged; back after %v at most",
		from, *restarts, ended, c.answers.Load(), c.away.Load(), c.acked.Load(), slowest.Round(time.Millisecond))
}

func execute(t *testing.T, server *pgtest.Server, statements ...string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), server.URL("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.WithoutCancel(t.Context()))
	for _, s := range statements {
		if _, err := conn.Exec(t.Context(), s); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
}

// endInMidCommit has commits wait for a standby that does not exist: they are on
// disk and nobody is told. Then it ends those that wait, and gives how many.
func endInMidCommit(t *testing.T, server *pgtest.Server) int {
	t.Helper()
	execute(t, server, `ALTER SYSTEM SET synchronous_standby_names = 'nobody'`, `SELECT pg_reload_conf()`)
	conn, err := pgx.Connect(t.Context(), server.URL("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.WithoutCancel(t.Context()))
	const those = ` FROM pg_stat_activity WHERE application_name = 'latchkey' AND wait_event = 'SyncRep'`
	var waiting int
	for end := time.Now().Add(20 * time.Second); waiting == 0; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("no commit waits for the standby")
		}
		if err := conn.QueryRow(t.Context(), `SELECT COUNT(*)`+those).Scan(&waiting); err != nil {
			t.Fatal(err)
		}
	}
	var ended int
	if err := conn.QueryRow(t.Context(), `SELECT COUNT(*) FROM (SELECT pg_terminate_backend(pid)`+those+`) AS ended`).Scan(&ended); err != nil {
		t.Fatal(err)
	}
	execute(t, server, `ALTER SYSTEM RESET synchronous_standby_names`, `SELECT pg_reload_conf()`)
	return ended
}

// The server starts while the database is down: it lives, is not ready, answers
// 503, tells of it once, and is ready when the database is.
//
// ASVS 16.5.2
// ROW 18
func TestStartsBeforeItsDatabase(t *testing.T) {
	server := pgtest.Durable(t)
	if err := server.Down(pgtest.Fast); err != nil {
		t.Fatal(err)
	}
	n := node.New(t, "LATCHKEY_DATABASE="+server.URL("postgres"))
	if err := n.Begin(node.Build(t)); err != nil {
		t.Fatal(err)
	}
	status := func(path string) (int, http.Header) {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, n.URL+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			return 0, nil
		}
		resp.Body.Close()
		return resp.StatusCode, resp.Header
	}
	told := func() int { return strings.Count(n.Log(), "the database is not there yet") }
	until(t, n, "it tells of the outage", func() bool { return told() > 0 })
	if got, _ := status("/healthz"); got != ok {
		t.Errorf("/healthz: %d, want 200", got)
	}
	if got, _ := status("/readyz"); got != http.StatusServiceUnavailable {
		t.Errorf("/readyz: %d, want 503", got)
	}
	if got, header := status(profilePath); got != http.StatusServiceUnavailable || header.Get("Retry-After") == "" {
		t.Errorf("the API: %d, Retry-After %q, want 503", got, header.Get("Retry-After"))
	}
	if err := server.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	if err := n.AwaitReady(time.Minute); err != nil {
		t.Fatalf("%v\n%s", err, n.Log())
	}
	took := time.Since(began)
	soon(t, "the first start", took)
	if a, err := n.Register(t.Context(), "ada@example.com", password); err != nil || !a.OK() {
		t.Errorf("register: %v %d %s", err, a.Status, a.Body)
	}
	// Refused connections, and a server that is starting: a line for each change.
	if got := told(); got > 4 {
		t.Errorf("the outage is told of %d times:\n%s", got, n.Log())
	}
	// Lines of the log wait a moment to be written together.
	back := func() int { return strings.Count(n.Log(), "the database is there") }
	until(t, n, "it tells of the outage's end", func() bool { return back() > 0 })
	if got := back(); got != 1 {
		t.Errorf("its end is told of %d times, want once", got)
	}
	t.Logf("ready %v after the database", took.Round(time.Millisecond))
}

func until(t *testing.T, n *node.Node, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !is(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not within a minute: %s\n%s", what, n.Log())
		}
	}
}

// What is configured wrongly is not waited for: the start ends with an error
// that says what it is, and not the password.
//
// LESSON 37
func TestWrongConfigurationEndsTheStart(t *testing.T) {
	database := pgtest.Database(t)
	change := func(f func(*url.URL)) string {
		u, err := url.Parse(database)
		if err != nil {
			t.Fatal(err)
		}
		f(u)
		return u.String()
	}
	newer := pgtest.Database(t)
	node.Start(t, "LATCHKEY_DATABASE="+newer).Stop() // it makes the schema
	conn, err := pgx.Connect(t.Context(), newer)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Exec(t.Context(), `INSERT INTO goose_db_version (version_id, is_applied) VALUES (9999, true)`); err != nil {
		t.Fatal(err)
	}
	conn.Close(t.Context())
	for name, c := range map[string]struct {
		env  []string
		want string
	}{
		"wrong password": {[]string{"LATCHKEY_DATABASE=" + change(func(u *url.URL) {
			u.User = url.UserPassword(u.User.Username(), "hunter2-wrong")
		})}, "password authentication failed"},
		"no such database":     {[]string{"LATCHKEY_DATABASE=" + change(func(u *url.URL) { u.Path = "/nowhere" })}, `"nowhere" does not exist`},
		"a newer schema":       {[]string{"LATCHKEY_DATABASE=" + newer}, "version 9999"},
		"a seal key too short": {[]string{"LATCHKEY_DATABASE=" + database, "LATCHKEY_KEYS_SEAL_KEY=abc"}, "seal_key"},
		"an unknown setting":   {[]string{"LATCHKEY_DATABASE=" + database, "LATCHKEY_SIGNING_KEE=abc"}, "LATCHKEY_SIGNING_KEE"},
	} {
		t.Run(name, func(t *testing.T) {
			n := node.New(t, c.env...)
			if err := n.Begin(node.Build(t)); err != nil {
				t.Fatal(err)
			}
			select {
			case <-n.Ended():
			case <-time.After(time.Minute):
				t.Fatalf("it has not ended\n%s", n.Log())
			}
			if log := n.Log(); !strings.Contains(log, c.want) || strings.Contains(log, "hunter2") {
				t.Errorf("want %q and no secret:\n%s", c.want, log)
			}
		})
	}
}

package pgtest

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

func TestMain(m *testing.M) {
	if os.Getenv("PGTEST_HANG") != "" {
		hang()
	}
	Main(m)
}

// hang starts a server, tells where it is, and waits to be killed.
func hang() {
	s, err := Start(context.Background(), Options{})
	if err != nil {
		panic(err)
	}
	fmt.Println(s.dir)
	fmt.Println(s.URL("postgres"))
	select {}
}

func query[T any](t *testing.T, url, sql string) (value T) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(conn.QueryRow(t.Context(), sql).Scan(&value), conn.Close(t.Context())); err != nil {
		t.Fatal(err)
	}
	return value
}

func TestDatabase(t *testing.T) {
	var first, second string
	t.Run("each its own", func(t *testing.T) {
		first, second = Database(t), Database(t)
		if err := execute(first, `CREATE TABLE here (n INT)`); err != nil {
			t.Fatal(err)
		}
		if !query[bool](t, first, `SELECT to_regclass('here') IS NOT NULL`) {
			t.Error("a table that was made is not there")
		}
		if query[bool](t, second, `SELECT to_regclass('here') IS NOT NULL`) {
			t.Error("a table that was made in one database is in another")
		}
	})
	for _, url := range []string{first, second} {
		if err := execute(url, `SELECT 1`); err == nil {
			t.Errorf("the database %s is there after its test", url)
		}
	}
}

func TestDatabase_uses_the_server_that_is_named(t *testing.T) {
	const named = "postgres://somebody@192.0.2.1:1/postgres"
	t.Setenv(EnvURL, named)
	if got := adminURL(t); got != named {
		t.Errorf("adminURL = %q, want %q", got, named)
	}
}

// recorder is a test that notes how it was ended.
type recorder struct {
	testing.TB
	ended string
}

func (*recorder) Helper() {}

func (r *recorder) Skip(...any)  { r.ended = "skip"; runtime.Goexit() }
func (r *recorder) Fatal(...any) { r.ended = "fatal"; runtime.Goexit() }

func TestCheck(t *testing.T) {
	for _, test := range []struct {
		name       string
		err        error
		strict, ci string
		want       string
	}{
		{"a server", nil, "1", "true", ""},
		{"none", ErrNone, "", "", "skip"},
		{"none, strict", ErrNone, "1", "", "fatal"},
		{"none, in CI", fmt.Errorf("wrapped: %w", ErrNone), "", "true", "fatal"},
		{"one that does not start", errors.New("broken"), "", "", "fatal"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Setenv(envStrict, test.strict)
			t.Setenv(envCI, test.ci)
			r := &recorder{TB: t}
			done := make(chan struct{})
			go func() {
				defer close(done)
				check(r, test.err)
			}()
			if <-done; r.ended != test.want {
				t.Errorf("ended by %q, want %q", r.ended, test.want)
			}
		})
	}
}

func TestFindPostgres_refuses_a_wrapper(t *testing.T) {
	folder := t.TempDir()
	if err := os.WriteFile(filepath.Join(folder, "initdb"), []byte("#!/bin/sh\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", folder)
	if bin, err := findPostgres(); err == nil && bin == folder {
		t.Error("took an initdb without a postgres beside it")
	}
}

func TestKill(t *testing.T) {
	s := Durable(t)
	url := s.URL("postgres")
	if got := query[string](t, url, `SHOW fsync`); got != "on" {
		t.Errorf("fsync = %s", got)
	}
	if err := execute(url, `CREATE TABLE kept AS SELECT 42 AS n`); err != nil {
		t.Fatal(err)
	}
	if err := s.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := execute(url, `SELECT 1`); err == nil {
		t.Error("a server that was killed answers")
	}
	if err := s.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := query[int](t, url, `SELECT n FROM kept`); got != 42 {
		t.Errorf("what was committed before the crash is %d after it", got)
	}
}

func TestStart_asks_for_the_password(t *testing.T) {
	u := Durable(t).URL("postgres")
	at := strings.Index(u, "@")
	err := execute("postgres://postgres:wrong"+u[at:], `SELECT 1`)
	if err == nil {
		t.Error("anybody on this machine may connect")
	}
}

// Whatever ends the tests, nothing stays behind.
func TestStart_leaves_nothing_behind_when_killed(t *testing.T) {
	Require(t)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), "PGTEST_HANG=1")
	cmd.Stderr = os.Stderr
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(stdout)
	lines.Scan()
	dir := lines.Text()
	lines.Scan()
	url := lines.Text()
	if err := execute(url, `SELECT 1`); err != nil {
		t.Error(err)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // killed
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		_, err := os.Stat(dir)
		if errors.Is(err, os.ErrNotExist) {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s is still there: %v", dir, err)
		}
	}
	if err := execute(url, `SELECT 1`); err == nil {
		t.Error("the server still answers")
	}
}

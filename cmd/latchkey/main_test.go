package main

import (
	"bufio"
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"latchkey": main})
}

// TestScripts runs the real main, one process per command, as a shell would.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                "testdata",
		RequireUniqueNames: true,
		Setup: func(e *testscript.Env) error {
			e.Values[serverKey{}] = &running{}
			// With the race detector each command would sleep for a second at its
			// end, for races of goroutines that nobody waits for.
			e.Setenv("GORACE", "atexit_sleep_ms=0")
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"serve":       serve,
			"next-second": nextSecond,
			"end-server":  stopServer,
			"http":        request,
			"mode":        mode,
			"keep":        keep,
			"status":      status,
			"sql":         runSQL,
		},
	})
}

// serve [flag...] runs latchkey serve on a free port until the script ends or
// says end-server; $URL is its address.
func serve(ts *testscript.TestScript, neg bool, args []string) {
	ctx, cancel := context.WithCancel(context.Background())
	read, write := io.Pipe()
	done := make(chan int, 1)
	var env []string
	for _, name := range []string{"LATCHKEY_SIGNING_KEY", "LATCHKEY_SIGNING_KEY_FILE", "LATCHKEY_THROTTLE_ENABLED"} {
		if v := ts.Getenv(name); v != "" {
			env = append(env, name+"="+v)
		}
	}
	// The server runs in this process, whose folder is not the script's.
	args = append([]string{"serve", "--listen=127.0.0.1:0", "--data=" + ts.MkAbs("data"), "--log.format=json"}, args...)
	go func() {
		done <- run(ctx, args, env, strings.NewReader(""), io.Discard, write)
		write.Close()
	}()
	stop := func() {
		cancel()
		select {
		case <-done:
		case <-time.After(30 * time.Second):
			panic("the server does not stop")
		}
	}
	var log bytes.Buffer
	lines := bufio.NewScanner(read)
	for lines.Scan() {
		log.WriteString(lines.Text() + "\n")
		var line struct{ Msg, Address string }
		if json.Unmarshal(lines.Bytes(), &line) == nil && line.Msg == "serving" {
			if neg {
				ts.Fatalf("the server has started")
			}
			go func() { _, _ = io.Copy(io.Discard, read) }()
			ts.Setenv("URL", "http://"+line.Address)
			key := ts.Value(serverKey{}).(*running)
			key.stop = stop
			ts.Defer(func() { key.end() })
			return
		}
	}
	status := <-done
	cancel()
	ts.Logf("%sexit status %d", log.String(), status)
	if !neg || status == 0 {
		ts.Fatalf("the server has not started")
	}
}

type serverKey struct{}

// running is the script's running server.
type running struct{ stop func() }

func (s *running) end() {
	if s.stop != nil {
		s.stop()
		s.stop = nil
	}
}

func stopServer(ts *testscript.TestScript, _ bool, _ []string) {
	ts.Value(serverKey{}).(*running).end()
}

// http [-wait] status method path [body] makes a request with the bearer
// $ACCESS, if it is set, and demands the status; -wait asks again until it
// comes. Tokens of the answer go to $ACCESS and $REFRESH.
func request(ts *testscript.TestScript, neg bool, args []string) {
	wait := args[0] == "-wait"
	if wait {
		args = args[1:]
	}
	if neg || len(args) < 3 {
		ts.Fatalf("usage: http [-wait] status method path [body]")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	body := ""
	if len(args) > 3 {
		body = args[3]
	}
	var answer []byte
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		req, err := http.NewRequest(args[1], ts.Getenv("URL")+args[2], strings.NewReader(body))
		ts.Check(err)
		req.Header.Set("Content-Type", "application/json")
		if access := ts.Getenv("ACCESS"); access != "" {
			req.Header.Set("Authorization", "Bearer "+access)
		}
		res, err := http.DefaultClient.Do(req)
		ts.Check(err)
		answer, err = io.ReadAll(res.Body)
		res.Body.Close()
		ts.Check(err)
		if res.StatusCode == want {
			break
		}
		if !wait || time.Now().After(deadline) {
			ts.Fatalf("%s %s: %s\n%s", args[1], args[2], res.Status, answer)
		}
	}
	ts.Logf("%d %s", want, answer)
	var pair struct {
		Tokens struct{ Access, Refresh string }
	}
	if json.Unmarshal(answer, &pair) == nil && pair.Tokens.Access != "" {
		ts.Setenv("ACCESS", pair.Tokens.Access)
		ts.Setenv("REFRESH", pair.Tokens.Refresh)
	}
}

// mode perm file demands a file's permission bits.
func mode(ts *testscript.TestScript, neg bool, args []string) {
	info, err := os.Stat(ts.MkAbs(args[1]))
	ts.Check(err)
	if got := strconv.FormatUint(uint64(info.Mode().Perm()), 8); (got == args[0]) == neg {
		ts.Fatalf("%s has mode %s", args[1], got)
	}
}

// status code command [arg...] runs a command that fails with this very exit
// status; it is written "! status 2 latchkey …", so that the eye sees the
// failure.
func status(ts *testscript.TestScript, neg bool, args []string) {
	if !neg || len(args) < 2 {
		ts.Fatalf("usage: ! status code command [arg...]")
	}
	err := ts.Exec(args[1], args[2:]...)
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		ts.Fatalf("unexpected success: %v", err)
	}
	if got := strconv.Itoa(exit.ExitCode()); got != args[0] {
		ts.Fatalf("exit status %s, want %s", got, args[0])
	}
}

// keep NAME REGEXP sets $NAME to what the expression's group finds in the output
// of the last exec.
func keep(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: keep NAME REGEXP")
	}
	found := regexp.MustCompile("(?m)" + args[1]).FindStringSubmatch(ts.ReadFile("stdout"))
	if len(found) < 2 {
		ts.Fatalf("%s is not in the output", args[1])
	}
	ts.Setenv(args[0], found[1])
}

// nextSecond waits for the clock's next second: a token's iat counts seconds,
// so one that is minted in the very second of an end-all is dead with the rest.
func nextSecond(*testscript.TestScript, bool, []string) {
	time.Sleep(time.Until(time.Now().Truncate(time.Second).Add(time.Second)))
}

// sql DATABASE FILE runs the statements of a file on a SQLite database, which it
// makes if there is none.
func runSQL(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: sql DATABASE FILE")
	}
	db, err := sql.Open("sqlite", ts.MkAbs(args[0]))
	ts.Check(err)
	_, err = db.ExecContext(context.Background(), ts.ReadFile(args[1]))
	ts.Check(errors.Join(err, db.Close()))
}

package conformance_test

import (
	"bufio"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/latchkey-auth/latchkey/internal/pgtest"
)

// built gives the binary that LATCHKEY_BINARY names, or makes it, once for the
// tests that run it.
func built(t *testing.T) string {
	t.Helper()
	if path := os.Getenv("LATCHKEY_BINARY"); path != "" {
		return path
	}
	bin := filepath.Join(t.TempDir(), "latchkey")
	cmd := exec.CommandContext(t.Context(), "go", "build", "-o", bin, "github.com/latchkey-auth/latchkey/cmd/latchkey")
	cmd.Env = append(cmd.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return bin
}

// serve runs `latchkey serve` with nothing configured but where to listen and
// where its data goes, and gives its address.
func serve(t *testing.T, bin string, env ...string) string {
	t.Helper()
	// Not the test's context, which ends before the server is told to stop.
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), bin, "serve")
	cmd.Dir = t.TempDir()
	cmd.Env = append([]string{"LATCHKEY_LISTEN=127.0.0.1:0", "LATCHKEY_DATA=" + filepath.Join(cmd.Dir, "data"), "HOME=" + cmd.Dir}, env...)
	out, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	address, read := make(chan string, 1), make(chan struct{})
	var log []string
	go func() {
		defer close(read)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			var line struct{ Msg, Address string }
			if json.Unmarshal(lines.Bytes(), &line) == nil && line.Msg == "serving" {
				address <- line.Address
			}
			log = append(log, lines.Text())
		}
	}()
	t.Cleanup(func() {
		if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Errorf("stop: %v", err)
		}
		<-read
		if err := cmd.Wait(); err != nil {
			t.Errorf("latchkey serve: %v", err)
		}
		if t.Failed() {
			t.Logf("its log:\n%s", strings.Join(log, "\n"))
		}
	})
	select {
	case a := <-address:
		return a
	case <-read:
		t.Fatalf("latchkey serve ends: %s", strings.Join(log, "\n"))
	case <-time.After(30 * time.Second):
		t.Fatal("latchkey serve does not say that it serves")
	}
	return ""
}

// TestCurl runs the guide's own commands, as they stand in its text, against
// the binary as it comes.
func TestCurl(t *testing.T) {
	bin := built(t)
	for _, engine := range engines {
		t.Run(engine, func(t *testing.T) {
			var env []string
			if engine == "postgres" {
				env = append(env, "LATCHKEY_DATABASE="+pgtest.Database(t))
			}
			address := serve(t, bin, env...)
			_, port, _ := strings.Cut(address, ":")
			var pair person
			// curl runs a command of the guide in a shell and gives the answer.
			curl := func(t *testing.T, e example) string {
				t.Helper()
				command := strings.NewReplacer("localhost:8000", "localhost:"+port, guideAccess, pair.access, guideRefresh, pair.refresh).Replace(e.command)
				cmd := exec.CommandContext(t.Context(), "/bin/sh", "-c", command+` --silent --show-error --write-out '\n%{http_code}'`)
				var stderr strings.Builder
				cmd.Stderr = &stderr
				out, err := cmd.Output()
				if err != nil {
					t.Fatalf("%v: %s\n%s", err, stderr.String(), command)
				}
				body, status, _ := strings.Cut(string(out), "\n")
				want := "200"
				if e.heading == "1. User Registration" {
					want = "201"
				}
				if status != want {
					t.Fatalf("%s %s\n%s", status, body, command)
				}
				return body
			}
			all := examples(t)
			login := all[1]
			for _, e := range all {
				if e.command == "" {
					continue
				}
				t.Run(e.heading, func(t *testing.T) {
					if strings.Contains(e.command, "_token_here") {
						var in signedIn
						if err := json.Unmarshal([]byte(curl(t, login)), &in); err != nil {
							t.Fatal(err)
						}
						pair.access, pair.refresh = in.Tokens.Access, in.Tokens.Refresh
					}
					added := ""
					if e.heading == "3. Token Refresh" {
						added = "refresh"
					}
					likeGuide(t, "$", parseNode(t, e.answer), parseNode(t, curl(t, e)), added)
				})
			}
		})
	}
}

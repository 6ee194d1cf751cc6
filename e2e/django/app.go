package django

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/latchkey-auth/latchkey/e2e/node"
)

// Secret is the key that the application signs with.
const Secret = "django-insecure-the-key-of-the-tests-with-more-than-fifty-characters"

var python struct {
	sync.Once
	path string
}

// modules are what the application needs.
const modules = "import django, rest_framework, rest_framework_simplejwt, corsheaders, gunicorn, argon2, bcrypt, psycopg2, MySQLdb, cryptography"

// Python gives an interpreter that has Django. Without one the test is skipped,
// or fails where that is not allowed.
func Python(t testing.TB) string {
	t.Helper()
	python.Do(func() {
		for _, candidate := range []string{os.Getenv("PYTHON"), "python3", "/usr/bin/python3"} {
			if candidate == "" {
				continue
			}
			if exec.Command(candidate, "-c", modules).Run() == nil {
				python.path = candidate
				return
			}
		}
	})
	if python.path == "" {
		missing(t, "there is no Python with Django, gunicorn and the drivers: scripts/need installs them")
	}
	return python.path
}

// missing ends a test that lacks what it needs.
func missing(t testing.TB, what string) {
	t.Helper()
	if os.Getenv("LATCHKEY_TEST_STRICT") == "1" || os.Getenv("CI") == "true" {
		t.Fatal(what)
	}
	t.Skip(what)
}

// Folder is where the application's sources are.
func Folder(t testing.TB) string {
	t.Helper()
	dir, err := filepath.Abs(filepath.Join("..", "..", "conformance", "django"))
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// App is the guide's application with its database.
type App struct {
	t testing.TB
	// URL is http://127.0.0.1:port, the same for the App's life.
	URL string
	// Database is a file or a URL, as the application's settings take it.
	Database string
	// JWT is a file of SIMPLE_JWT settings, "" for the guide's.
	JWT string
	// Hasher is what requests ask RunAny to write with.
	Hasher string

	addr string
	cmd  *exec.Cmd
	done chan struct{}
	log  bytes.Buffer
	http *http.Client
}

// New makes the tables. The application does not run yet.
func New(t testing.TB, database string) *App {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	l.Close()
	a := &App{t: t, URL: "http://" + addr, addr: addr, Database: database, http: &http.Client{Timeout: time.Minute}}
	if strings.Contains(database, "://") {
		a.Manage("", "migrate", "-v0")
	} else if err := os.WriteFile(database, migrated(a), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(a.Stop)
	return a
}

// file is a database with the tables and nothing in them: Django's migrate takes
// seconds, a copy of what it made takes none.
var file struct {
	sync.Mutex
	content []byte
}

func migrated(a *App) []byte {
	a.t.Helper()
	file.Lock()
	defer file.Unlock()
	if file.content == nil {
		a.Manage("", "migrate", "-v0")
		content, err := os.ReadFile(a.Database)
		if err != nil {
			a.t.Fatal(err)
		}
		file.content = content
	}
	return file.content
}

func (a *App) environment(hashers string) []string {
	return append(os.Environ(), "PYTHONDONTWRITEBYTECODE=1", "PYTHONPATH="+Folder(a.t), "DJANGO_SETTINGS_MODULE=guide.settings",
		"DJANGO_SECRET_KEY="+Secret, "DATABASE="+a.Database, "HASHERS="+hashers, "SIMPLE_JWT="+a.JWT)
}

// Manage runs a command of Django's with this on its standard input, and gives
// what it writes.
func (a *App) Manage(stdin string, args ...string) string {
	a.t.Helper()
	cmd := exec.Command(Python(a.t), append([]string{"manage.py"}, args...)...)
	cmd.Dir, cmd.Env, cmd.Stdin = Folder(a.t), a.environment(""), strings.NewReader(stdin)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		a.t.Fatalf("manage.py %s: %v\n%s", strings.Join(args, " "), err, errs.String())
	}
	return out.String()
}

// Run starts gunicorn, which hashes with the first of hashers.
func (a *App) Run(hashers string) {
	a.t.Helper()
	a.run("guide.wsgi", hashers)
}

// RunAny starts gunicorn, which hashes with what a request asks for (As).
func (a *App) RunAny() {
	a.t.Helper()
	a.run("guide.wsgi_hasher", "")
}

// As gives the application to clients whose passwords are written with a hasher.
func (a *App) As(hasher string) *App {
	return &App{t: a.t, URL: a.URL, Database: a.Database, Hasher: hasher, http: a.http}
}

func (a *App) run(module, hashers string) {
	a.t.Helper()
	// It is loaded once, and then there are two of it.
	a.cmd = exec.Command(Python(a.t), "-m", "gunicorn", "--preload", "--workers=2", "--bind="+a.addr, "--log-level=warning", module)
	a.cmd.Dir, a.cmd.Env = Folder(a.t), a.environment(hashers)
	a.cmd.Stdout, a.cmd.Stderr = &a.log, &a.log
	a.cmd.SysProcAttr = node.Attr()
	if err := a.cmd.Start(); err != nil {
		a.t.Fatal(err)
	}
	a.done = make(chan struct{})
	go func(cmd *exec.Cmd, done chan struct{}) {
		_ = cmd.Wait()
		close(done)
	}(a.cmd, a.done)
	deadline := time.Now().Add(90 * time.Second)
	for time.Now().Before(deadline) {
		if status, _, err := a.Do("GET", "/api/auth/profile/", "", nil); err == nil && status == http.StatusUnauthorized {
			return
		}
		select {
		case <-a.done:
			a.t.Fatalf("gunicorn ended:\n%s", a.log.String())
		case <-time.After(20 * time.Millisecond):
		}
	}
	a.t.Fatal("gunicorn does not answer")
}

// Stop ends gunicorn and waits.
func (a *App) Stop() {
	if a.cmd == nil {
		return
	}
	_ = a.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-a.done:
	case <-time.After(30 * time.Second):
		_ = a.cmd.Process.Kill()
		<-a.done
	}
	a.cmd = nil
	a.http.CloseIdleConnections()
}

// Do sends a request with a JSON body.
func (a *App) Do(method, path, bearer string, body any) (int, map[string]any, error) {
	return send(a.http, method, a.URL+path, bearer, a.Hasher, body)
}

func send(c *http.Client, method, url, bearer, hasher string, body any) (int, map[string]any, error) {
	var r io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			return 0, nil, err
		}
		r = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(context.Background(), method, url, r)
	if err != nil {
		return 0, nil, err
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if bearer != "" {
		req.Header.Set("Authorization", "Bearer "+bearer)
	}
	if hasher != "" {
		req.Header.Set("X-Hasher", hasher)
	}
	resp, err := c.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, nil, err
	}
	var parsed map[string]any
	if len(b) > 0 {
		if err := json.Unmarshal(b, &parsed); err != nil {
			return resp.StatusCode, nil, fmt.Errorf("%s %s: %w: %.200s", method, url, err, b)
		}
	}
	return resp.StatusCode, parsed, nil
}

// Must sends a request that is to be answered with this status.
func (a *App) Must(want int, method, path, bearer string, body any) map[string]any {
	a.t.Helper()
	status, answer, err := a.Do(method, path, bearer, body)
	if err != nil || status != want {
		a.t.Fatalf("%s %s: %d %v, want %d (%v)\n%s", method, path, status, answer, want, err, a.log.String())
	}
	return answer
}

// pairOf takes the tokens out of an answer.
func pairOf(answer map[string]any) (node.Pair, error) {
	tokens, ok := answer["tokens"].(map[string]any)
	if !ok {
		tokens = answer
	}
	access, okA := tokens["access"].(string)
	refresh, okR := tokens["refresh"].(string)
	if !okA || !okR {
		return node.Pair{}, errors.New("there are no tokens in the answer")
	}
	return node.Pair{Access: access, Refresh: refresh}, nil
}

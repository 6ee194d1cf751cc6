// Package node runs the real binary for end-to-end tests and speaks the
// guide's contract with it.
package node

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Key is the signing.key of every node that is not told another one.
const Key = "an operator's signing key of more than thirty-two bytes"

// OwnKey among a node's settings leaves it to make a key of its own.
const OwnKey = "LATCHKEY_SIGNING_KEY="

var binary struct {
	sync.Once
	path string
	err  error
}

// Build gives the path of the program: what LATCHKEY_BINARY names, or else it is
// compiled, once per test process. A package that uses it calls Clean at its end.
func Build(t testing.TB) string {
	t.Helper()
	if path := os.Getenv("LATCHKEY_BINARY"); path != "" {
		return path
	}
	binary.Do(func() {
		dir := filepath.Join(os.TempDir(), fmt.Sprintf("latchkey-e2e-%d", os.Getpid()))
		if binary.err = os.MkdirAll(dir, 0o755); binary.err != nil {
			return
		}
		binary.path = filepath.Join(dir, "latchkey")
		cmd := exec.Command("go", "build", "-o", binary.path, "github.com/latchkey-auth/latchkey/cmd/latchkey")
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			binary.err = fmt.Errorf("build: %w\n%s", err, out)
		}
	})
	if binary.err != nil {
		t.Fatal(binary.err)
	}
	return binary.path
}

// Clean removes what Build made; for the end of a package's TestMain.
func Clean() {
	if binary.path != "" {
		_ = os.RemoveAll(filepath.Dir(binary.path))
	}
}

// Node is a running server.
type Node struct {
	// URL is http://127.0.0.1:port.
	URL  string
	Data string

	env  []string
	cmd  *exec.Cmd
	log  *os.File
	done chan struct{}
	http *http.Client
}

// Start runs `latchkey serve` with these settings (LATCHKEY_…=…) and waits
// until it is ready. It is stopped with the test.
func Start(t testing.TB, env ...string) *Node {
	t.Helper()
	n := New(t, env...)
	if err := n.Run(Build(t)); err != nil {
		t.Fatalf("start: %v\n%s", err, n.Log())
	}
	return n
}

// New prepares a node without starting it.
func New(t testing.TB, env ...string) *Node {
	t.Helper()
	dir := t.TempDir()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	l.Close()
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	if slices.Contains(env, OwnKey) {
		env = slices.DeleteFunc(slices.Clone(env), func(s string) bool { return s == OwnKey })
	} else {
		env = append([]string{"LATCHKEY_SIGNING_KEY=" + Key}, env...)
	}
	n := &Node{
		URL: "http://" + addr, Data: filepath.Join(dir, "data"), log: log,
		env: append([]string{
			"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "TMPDIR=" + os.TempDir(),
			"LATCHKEY_LISTEN=" + addr, "LATCHKEY_DATA=" + filepath.Join(dir, "data"),
			"LATCHKEY_LOG_FORMAT=json",
		}, env...),
		http: &http.Client{
			Timeout: 30 * time.Second,
			Transport: &http.Transport{
				MaxIdleConnsPerHost: 1024, MaxConnsPerHost: 0, DisableCompression: true,
			},
		},
	}
	t.Cleanup(func() {
		n.Stop()
		n.log.Close()
	})
	return n
}

// Secure has the node asked by TLS; its settings name the certificate. Only these
// roots are trusted.
func (n *Node) Secure(roots *x509.CertPool) {
	n.URL = "https" + strings.TrimPrefix(n.URL, "http")
	n.http.Transport.(*http.Transport).TLSClientConfig = &tls.Config{RootCAs: roots}
}

// Env is the node's environment, for running commands beside it.
func (n *Node) Env() []string { return n.env }

// Run starts the binary and waits until it is ready.
func (n *Node) Run(binary string) error {
	if err := n.Begin(binary); err != nil {
		return err
	}
	return n.AwaitReady(30 * time.Second)
}

// Begin starts the binary.
func (n *Node) Begin(binary string) error {
	n.cmd = exec.Command(binary, "serve")
	n.cmd.Env, n.cmd.Dir = n.env, filepath.Dir(n.Data)
	n.cmd.Stdout, n.cmd.Stderr = n.log, n.log
	n.cmd.SysProcAttr = Attr()
	if err := n.cmd.Start(); err != nil {
		return err
	}
	n.done = make(chan struct{})
	go func(cmd *exec.Cmd, done chan struct{}) {
		_ = cmd.Wait()
		close(done)
	}(n.cmd, n.done)
	return nil
}

// Ended is closed when the process has ended.
func (n *Node) Ended() <-chan struct{} { return n.done }

// AwaitReady waits until the server is ready, for so long at most.
func (n *Node) AwaitReady(patience time.Duration) error {
	deadline := time.Now().Add(patience)
	for time.Now().Before(deadline) {
		select {
		case <-n.done:
			return fmt.Errorf("the server ended: %v", n.cmd.ProcessState)
		default:
		}
		if status, _, err := n.Do(context.Background(), http.MethodGet, "/readyz", "", nil); err == nil && status == http.StatusOK {
			return nil
		}
		time.Sleep(2 * time.Millisecond)
	}
	return fmt.Errorf("not ready after %v", patience)
}

// PID is the server's process.
func (n *Node) PID() int { return n.cmd.Process.Pid }

// Kill ends the server as a power cut would, and waits.
func (n *Node) Kill() { n.signal(syscall.SIGKILL) }

// Stop asks the server to stop and waits.
func (n *Node) Stop() { n.signal(syscall.SIGTERM) }

func (n *Node) signal(s os.Signal) {
	if n.cmd == nil || n.cmd.Process == nil {
		return
	}
	_ = n.cmd.Process.Signal(s)
	select {
	case <-n.done:
	case <-time.After(20 * time.Second):
		_ = n.cmd.Process.Kill()
		<-n.done
	}
	n.http.CloseIdleConnections()
}

// Signal sends a signal without waiting.
func (n *Node) Signal(s os.Signal) error { return n.cmd.Process.Signal(s) }

// Log is what the server has said.
func (n *Node) Log() string {
	b, err := os.ReadFile(n.log.Name())
	if err != nil {
		return err.Error()
	}
	return string(b)
}

// CLI runs a command of the binary with the node's settings.
func (n *Node) CLI(t testing.TB, stdin string, args ...string) (string, error) {
	t.Helper()
	cmd := exec.Command(Build(t), args...)
	cmd.Env, cmd.Dir, cmd.Stdin = n.env, filepath.Dir(n.Data), bytes.NewBufferString(stdin)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// Do sends a request: bearer "" sends no Authorization, body nil no body.
func (n *Node) Do(ctx context.Context, method, path, bearer string, body any) (int, []byte, error) {
	var r io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			return 0, nil, err
		}
		r = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, n.URL+path, r)
	if err != nil {
		return 0, nil, err
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if bearer != "" {
		req.Header.Set("Authorization", "Bearer "+bearer)
	}
	resp, err := n.http.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return resp.StatusCode, b, err
}

// User is the guide's user object.
type User struct {
	ID        int64  `json:"id"`
	Email     string `json:"email"`
	FirstName string `json:"first_name"`
	LastName  string `json:"last_name"`
	Phone     string `json:"phone"`
	Role      string `json:"role"`
}

// Pair is a pair of tokens.
type Pair struct {
	Refresh string `json:"refresh"`
	Access  string `json:"access"`
}

// Answer is what the server said: the status, the parsed body and its text.
type Answer struct {
	Status int
	User   User
	Tokens Pair
	Detail string
	Code   string
	Body   string
}

// OK reports a 2xx.
func (a Answer) OK() bool { return a.Status/100 == 2 }

func (n *Node) ask(ctx context.Context, method, path, bearer string, body any) (Answer, error) {
	status, b, err := n.Do(ctx, method, path, bearer, body)
	if err != nil {
		return Answer{}, err
	}
	a := Answer{Status: status, Body: string(b)}
	var parsed struct {
		User            *User
		Tokens          Pair
		Access, Refresh string
		Detail, Code    string
	}
	if len(b) > 0 {
		if err := json.Unmarshal(b, &parsed); err != nil {
			return a, fmt.Errorf("body of %s %s: %w", method, path, err)
		}
	}
	a.Tokens, a.Detail, a.Code = parsed.Tokens, parsed.Detail, parsed.Code
	if parsed.Access != "" {
		a.Tokens = Pair{Refresh: parsed.Refresh, Access: parsed.Access}
	}
	if parsed.User != nil {
		a.User = *parsed.User
	} else if path == "/api/auth/profile/" && a.OK() {
		err = json.Unmarshal(b, &a.User)
	}
	return a, err
}

// Register registers an employee named Ada Lovelace.
func (n *Node) Register(ctx context.Context, email, password string) (Answer, error) {
	return n.ask(ctx, http.MethodPost, "/api/auth/register/", "", map[string]string{
		"email": email, "password": password, "password2": password, "first_name": "Ada", "last_name": "Lovelace",
	})
}

// Login logs in.
func (n *Node) Login(ctx context.Context, email, password string) (Answer, error) {
	return n.ask(ctx, http.MethodPost, "/api/auth/login/", "", map[string]string{"email": email, "password": password})
}

// Refresh trades a refresh token.
func (n *Node) Refresh(ctx context.Context, refresh string) (Answer, error) {
	return n.ask(ctx, http.MethodPost, "/api/auth/token/refresh/", "", map[string]string{"refresh": refresh})
}

// Verify asks whether a token is good.
func (n *Node) Verify(ctx context.Context, token string) (Answer, error) {
	return n.ask(ctx, http.MethodPost, "/api/auth/token/verify/", "", map[string]string{"token": token})
}

// Logout logs out.
func (n *Node) Logout(ctx context.Context, access, refresh string) (Answer, error) {
	return n.ask(ctx, http.MethodPost, "/api/auth/logout/", access, map[string]string{"refresh_token": refresh})
}

// Profile reads the profile.
func (n *Node) Profile(ctx context.Context, access string) (Answer, error) {
	return n.ask(ctx, http.MethodGet, "/api/auth/profile/", access, nil)
}

// SetProfile changes the first name.
func (n *Node) SetProfile(ctx context.Context, access, firstName string) (Answer, error) {
	return n.ask(ctx, http.MethodPut, "/api/auth/profile/", access, map[string]string{"first_name": firstName})
}

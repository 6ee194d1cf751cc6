package server_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/latchkey-auth/latchkey/internal/account"
	"github.com/latchkey-auth/latchkey/internal/auth"
	"github.com/latchkey-auth/latchkey/internal/config"
	"github.com/latchkey-auth/latchkey/internal/server"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// lines is a log that tests read.
type lines struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// running is a server in this process.
type running struct {
	t    *testing.T
	url  string
	log  *lines
	stop func() error
	http *http.Client
}

func settings(t *testing.T, env ...string) *config.Config {
	t.Helper()
	cfg, err := config.Load(config.Sources{Env: append([]string{
		"LATCHKEY_LISTEN=127.0.0.1:0", "LATCHKEY_DATA=" + filepath.Join(t.TempDir(), "data"),
		"LATCHKEY_SIGNING_KEY=an operator's key of thirty-two bytes or more",
	}, env...)})
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

// start runs a server whose hashes cost nothing.
func start(t *testing.T, cfg *config.Config, opts server.RunOptions) *running {
	t.Helper()
	opts.CheapHashes = true
	return startInFull(t, cfg, opts)
}

// startInFull runs a server as it is.
func startInFull(t *testing.T, cfg *config.Config, opts server.RunOptions) *running {
	t.Helper()
	r := &running{t: t, log: new(lines), http: &http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, // the test's own certificate
	}}}
	ctx, cancel := context.WithCancel(context.Background())
	ready, done := make(chan string, 1), make(chan error, 1)
	opts.Ready = func(addr string) { ready <- addr }
	go func() {
		done <- server.Run(ctx, cfg, slog.New(slog.NewJSONHandler(r.log, &slog.HandlerOptions{Level: slog.LevelDebug})), opts)
	}()
	var once sync.Once
	var result error
	r.stop = func() error {
		once.Do(func() {
			cancel()
			r.http.CloseIdleConnections()
			result = <-done
		})
		return result
	}
	t.Cleanup(func() {
		if err := r.stop(); err != nil {
			t.Errorf("the server ended with %v", err)
		}
	})
	select {
	case addr := <-ready:
		r.url = "http://" + addr
		if cfg.TLS.Cert != "" {
			r.url = "https://" + addr
		}
	case err := <-done:
		done <- err
		t.Fatalf("the server did not start: %v\n%s", err, r.log)
	case <-time.After(20 * time.Second):
		t.Fatal("the server is not ready after 20 s")
	}
	return r
}

// beside is the acts on accounts that the command line has beside a server.
func beside(t *testing.T, cfg *config.Config) *account.Service {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	store, err := server.OpenStore(t.Context(), cfg, log)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	accounts, err := server.NewAccounts(t.Context(), cfg, store, log)
	if err != nil {
		t.Fatal(err)
	}
	return accounts
}

func (r *running) do(method, path, body string, header ...string) (*http.Response, string) {
	r.t.Helper()
	req, err := http.NewRequestWithContext(r.t.Context(), method, r.url+path, strings.NewReader(body))
	if err != nil {
		r.t.Fatal(err)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(header); i += 2 {
		if header[i] == "Host" {
			req.Host = header[i+1]
		}
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := r.http.Do(req)
	if err != nil {
		r.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	return resp, string(b)
}

const form = `{"email":"canary.mail@example.com","password":"canary-Password-77","password2":"canary-Password-77","first_name":"Canaryname","last_name":"Doe","phone":"+4912345678"}`

// What happens in a request leaves one line, and none of what must not be
// logged: no password, token, e-mail, name, phone, header or path of the
// client's.
func TestLog(t *testing.T) {
	r := start(t, settings(t), server.RunOptions{})
	_, body := r.do("POST", "/api/auth/register/", form)
	var answer struct {
		Tokens struct{ Access, Refresh string }
	}
	if err := json.Unmarshal([]byte(body), &answer); err != nil {
		t.Fatal(err, body)
	}
	r.do("POST", "/api/auth/login/", `{"email":"canary.mail@example.com","password":"canary-Wrong-78"}`)
	r.do("POST", "/api/auth/login/", `{"email":"canary.mail@example.com","password":`)
	r.do("GET", "/api/auth/profile/?canary-query=1", "", "Authorization", "Bearer "+answer.Tokens.Access)
	r.do("POST", "/api/auth/token/refresh/", `{"refresh":"`+answer.Tokens.Refresh+`"}`, "User-Agent", "canary\tagent \u2028")
	r.do("GET", "/api/canary-path/", "")
	r.do("CANARY", "/api/auth/login/", "")
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	log := r.log.String()
	requests := 0
	for _, line := range strings.Split(strings.TrimSpace(log), "\n") {
		var parsed map[string]any
		if err := json.Unmarshal([]byte(line), &parsed); err != nil {
			t.Errorf("no JSON: %q", line)
		}
		if parsed["msg"] == "request" {
			requests++
			if parsed["id"] == "" || parsed["status"] == 0.0 || parsed["route"] == "" {
				t.Errorf("incomplete: %s", line)
			}
		}
	}
	if requests != 7 {
		t.Errorf("%d request lines, want 7:\n%s", requests, log)
	}
	for _, secret := range append([]string{"canary", "CANARY", "Canaryname", "+4912345678", "Bearer"},
		strings.Split(answer.Tokens.Access+"."+answer.Tokens.Refresh, ".")...) {
		if strings.Contains(log, secret) {
			t.Errorf("the log has %q:\n%s", secret, log)
		}
	}
	if !strings.Contains(log, `"route":"/api/auth/profile/","status":200`) {
		t.Errorf("no line of the profile's route:\n%s", log)
	}
}

// A trusted proxy names its requests; a client does not choose the id that the
// log and the sealed events know its requests by.
func TestRequestID(t *testing.T) {
	for peer, trusted := range map[string]bool{"127.0.0.1": true, "10.0.0.1": false} {
		r := start(t, settings(t, "LATCHKEY_PROXY_TRUSTED="+peer), server.RunOptions{})
		for sent, good := range map[string]bool{"abc-123_X.9": true, "": false, "a b": false, "a\"b": false, strings.Repeat("x", 65): false} {
			resp, _ := r.do("GET", "/healthz", "", "X-Request-Id", sent)
			got := resp.Header.Get("X-Request-Id")
			if (got == sent) != (good && trusted) || got == "" {
				t.Errorf("sent %q, got %q, trusted=%v", sent, got, trusted)
			}
		}
	}
}

func TestHostsAndHealth(t *testing.T) {
	r := start(t, settings(t, "LATCHKEY_HOSTS=auth.example.com,.example.org,localhost"), server.RunOptions{})
	for host, want := range map[string]int{
		"auth.example.com": 200, "AUTH.example.com:8000": 200, "a.b.example.org": 200, "example.org": 200, "localhost": 200,
		"example.com": 400, "evil.example": 400, "auth.example.com.evil.example": 400, "notexample.org": 400, "127.0.0.1": 400,
	} {
		if resp, body := r.do("GET", "/api/schema/", "", "Host", host); resp.StatusCode != want {
			t.Errorf("host %s: %d %s, want %d", host, resp.StatusCode, body, want)
		}
	}
	// Probes come by address.
	for _, path := range []string{"/healthz", "/readyz"} {
		if resp, body := r.do("GET", path, ""); resp.StatusCode != 200 || !strings.Contains(body, `"status":"ok"`) {
			t.Errorf("%s: %d %s", path, resp.StatusCode, body)
		}
	}
}

func TestCORS(t *testing.T) {
	r := start(t, settings(t), server.RunOptions{})
	for origin, allowed := range map[string]bool{
		"http://localhost:3000": true, "http://127.0.0.1:3000": true, "http://localhost:3000/": true, "HTTP://localhost:3000": true,
		"null": false, "*": false, "": false, "http://localhost": false, "http://localhost:3001": false, "https://localhost:3000": false,
		"http://LOCALHOST:3000": false, "http://localhost:3000.evil.example": false, "http://evil-localhost:3000": false,
		"http://localhost:3000@evil.example": false, "http://evil.example/http://localhost:3000": false, "localhost:3000": false,
	} {
		for _, path := range []string{"/api/auth/profile/", "/api/nowhere/", "/healthz", "/"} {
			resp, _ := r.do("GET", path, "", "Origin", origin)
			if got := resp.Header.Get("Access-Control-Allow-Origin"); (got != "") != allowed {
				t.Errorf("origin %q on %s: %q, want allowed=%v", origin, path, got, allowed)
			}
			if resp.Header.Get("Access-Control-Allow-Credentials") != "" {
				t.Errorf("origin %q on %s: credentials", origin, path)
			}
			if resp.Header.Get("Vary") != "Origin" {
				t.Errorf("Vary on %s: %q", path, resp.Header.Get("Vary"))
			}
		}
	}
}

// broken is a store whose reads panic or fail.
type broken struct {
	auth.Store
	mode func() string
}

type brokenReader struct {
	auth.Reader
	mode string
}

func (b broken) Read() auth.Reader { return brokenReader{b.Store.Read(), b.mode()} }

func (b brokenReader) UserByEmail(ctx context.Context, key string) (auth.User, error) {
	switch b.mode {
	case "panic":
		panic("SELECT canary FROM users")
	case "error":
		return auth.User{}, errors.New("SELECT canary FROM users: disk gone")
	}
	return b.Reader.UserByEmail(ctx, key)
}

// A panic in one request is a 500 for that one; so is an error of the store,
// and neither tells anything.
func TestPanicAndInternalError(t *testing.T) {
	cfg := settings(t)
	store, err := server.OpenStore(t.Context(), cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	var mu sync.Mutex
	mode := "panic"
	r := start(t, cfg, server.RunOptions{Store: broken{store, func() string {
		mu.Lock()
		defer mu.Unlock()
		return mode
	}}})
	for _, m := range []string{"panic", "error"} {
		mu.Lock()
		mode = m
		mu.Unlock()
		resp, body := r.do("POST", "/api/auth/login/", `{"email":"a@example.com","password":"x"}`, "Origin", "http://localhost:3000")
		if resp.StatusCode != 500 || strings.Contains(body, "canary") || resp.Header.Get("Access-Control-Allow-Origin") == "" {
			t.Errorf("%s: %d %s %v", m, resp.StatusCode, body, resp.Header)
		}
		if id := resp.Header.Get("X-Request-Id"); !strings.Contains(r.log.String(), id) {
			t.Errorf("%s: the log has nothing of request %s", m, id)
		}
	}
	mu.Lock()
	mode = ""
	mu.Unlock()
	if resp, body := r.do("POST", "/api/auth/login/", `{"email":"a@example.com","password":"x"}`); resp.StatusCode != 401 {
		t.Errorf("afterwards: %d %s", resp.StatusCode, body)
	}
}

// What is in flight when the server is told to stop is finished.
func TestGracefulStop(t *testing.T) {
	cfg := settings(t)
	r := start(t, cfg, server.RunOptions{})
	conn, err := net.Dial("tcp", strings.TrimPrefix(r.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	head := fmt.Sprintf("POST /api/auth/register/ HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n", len(form))
	if _, err := conn.Write([]byte(head + form[:20])); err != nil {
		t.Fatal(err)
	}
	// The server has the head before it is told to stop.
	time.Sleep(100 * time.Millisecond)
	stopped := make(chan error, 1)
	go func() { stopped <- r.stop() }()
	time.Sleep(100 * time.Millisecond)
	if _, err := conn.Write([]byte(form[20:])); err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(conn)
	if err != nil || !bytes.HasPrefix(b, []byte("HTTP/1.1 201 ")) {
		t.Errorf("in flight: %v %.100q", err, b)
	}
	if err := <-stopped; err != nil {
		t.Error(err)
	}
	again := start(t, cfg, server.RunOptions{})
	if resp, body := again.do("POST", "/api/auth/login/", `{"email":"canary.mail@example.com","password":"canary-Password-77"}`); resp.StatusCode != 200 {
		t.Errorf("login after the restart: %d %s", resp.StatusCode, body)
	}
}

// With timeouts.shutdown_delay the server goes on for so long, tells whoever
// asks /readyz that it is about to go, and keeps no connection.
func TestShutdownDelay(t *testing.T) {
	const delay = 2 * time.Second
	cfg := settings(t, "LATCHKEY_TIMEOUTS_SHUTDOWN_DELAY="+delay.String())
	r := start(t, cfg, server.RunOptions{})
	_, secret, err := beside(t, cfg).MakeServiceKey(t.Context(), "reports")
	if err != nil {
		t.Fatal(err)
	}
	first := r.want(200, "GET", "/api/auth/revocations/", "", "Authorization", "Bearer "+secret)
	if resp, _ := r.do("GET", "/readyz", ""); resp.StatusCode != 200 || resp.Close {
		t.Errorf("before: %d, the last of its connection: %v", resp.StatusCode, resp.Close)
	}
	waiting := make(chan int, 1)
	go func() {
		defer close(waiting)
		resp, _ := r.do("GET", fmt.Sprintf("/api/auth/revocations/?wait=30&after=%v", first["seq"]), "", "Authorization", "Bearer "+secret)
		waiting <- resp.StatusCode
	}()
	time.Sleep(300 * time.Millisecond)
	began, stopped := time.Now(), make(chan error, 1)
	go func() { stopped <- r.stop() }()
	for told := false; !told; time.Sleep(time.Millisecond) {
		resp, body := r.do("GET", "/readyz", "")
		told = resp.StatusCode == http.StatusServiceUnavailable && body == `{"status":"stopping"}` && resp.Close
		if time.Since(began) > delay/2 {
			t.Fatalf("not told: %d %s, the last of its connection: %v", resp.StatusCode, body, resp.Close)
		}
	}
	if resp, body := r.do("POST", "/api/auth/register/", form); resp.StatusCode != 201 || !resp.Close {
		t.Errorf("meanwhile: %d %s, the last of its connection: %v", resp.StatusCode, body, resp.Close)
	}
	select {
	case status := <-waiting:
		t.Errorf("whoever waits for news was sent away with %d, to ask again at once", status)
	default:
	}
	if err := <-stopped; err != nil || time.Since(began) < delay {
		t.Errorf("it ended after %v: %v", time.Since(began), err)
	}
	if status := <-waiting; status != http.StatusNotModified {
		t.Errorf("whoever waited got %d", status)
	}
}

func TestSecondServerIsRefused(t *testing.T) {
	cfg := settings(t)
	start(t, cfg, server.RunOptions{})
	err := server.Run(t.Context(), cfg, slog.New(slog.DiscardHandler), server.RunOptions{})
	if err == nil || !strings.Contains(err.Error(), "lock the data folder") {
		t.Errorf("a second server on the same folder: %v", err)
	}
}

// A database that was put back from a copy signs everybody out, once.
func TestRewoundDatabase(t *testing.T) {
	cfg := settings(t)
	file := filepath.Join(cfg.Data, "latchkey.db")
	first := start(t, cfg, server.RunOptions{})
	_, body := first.do("POST", "/api/auth/register/", form)
	var answer struct {
		Tokens struct{ Access, Refresh string }
	}
	if err := json.Unmarshal([]byte(body), &answer); err != nil {
		t.Fatal(err)
	}
	if err := first.stop(); err != nil {
		t.Fatal(err)
	}
	old, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	second := start(t, cfg, server.RunOptions{})
	// More is revoked than the one row that ending everything writes.
	for range 3 {
		_, body := second.do("POST", "/api/auth/login/", `{"email":"canary.mail@example.com","password":"canary-Password-77"}`)
		var other struct {
			Tokens struct{ Access, Refresh string }
		}
		if err := json.Unmarshal([]byte(body), &other); err != nil {
			t.Fatal(err)
		}
		second.do("POST", "/api/auth/logout/", `{"refresh_token":"`+other.Tokens.Refresh+`"}`, "Authorization", "Bearer "+other.Tokens.Access)
	}
	if resp, body := second.do("POST", "/api/auth/logout/", `{"refresh_token":"`+answer.Tokens.Refresh+`"}`, "Authorization", "Bearer "+answer.Tokens.Access); resp.StatusCode != 200 {
		t.Fatalf("logout: %d %s", resp.StatusCode, body)
	}
	if err := second.stop(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, old, 0o600); err != nil {
		t.Fatal(err)
	}
	for round := range 2 {
		r := start(t, cfg, server.RunOptions{})
		for _, token := range []string{answer.Tokens.Access, answer.Tokens.Refresh} {
			if resp, body := r.do("POST", "/api/auth/token/verify/", `{"token":"`+token+`"}`); resp.StatusCode != 401 {
				t.Errorf("start %d: a logged-out token lives: %d %s", round, resp.StatusCode, body)
			}
		}
		if told := strings.Contains(r.log.String(), "older than it was"); told != (round == 0) {
			t.Errorf("start %d: told=%v", round, told)
		}
		if err := r.stop(); err != nil {
			t.Fatal(err)
		}
	}
}

// Heads that are too large or too slow, and methods and paths of no use, are
// answered, never with a 500.
//
// LESSON 28
func TestOddRequests(t *testing.T) {
	r := start(t, settings(t), server.RunOptions{})
	addr := strings.TrimPrefix(r.url, "http://")
	for name, test := range map[string]struct{ send, want string }{
		"large head":         {"GET /api/auth/profile/ HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + strings.Repeat(".", 20<<10) + "\r\n\r\n", "431"},
		"head of 12 KiB":     {"GET /api/auth/profile/ HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + strings.Repeat(".", 11<<10) + "\r\nConnection: close\r\n\r\n", "401"},
		"options star":       {"OPTIONS * HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", "404"},
		"connect":            {"CONNECT example.com:443 HTTP/1.1\r\nHost: example.com:443\r\nConnection: close\r\n\r\n", "404"},
		"absolute form":      {"GET http://x/healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", "200"},
		"bad percent":        {"GET /api/auth/%zz/ HTTP/1.1\r\nHost: x\r\n\r\n", "400"},
		"two lengths":        {"POST /api/auth/login/ HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}", "400"},
		"unknown encoding":   {"POST /api/auth/login/ HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", "501"},
		"no host":            {"GET /healthz HTTP/1.1\r\n\r\n", "400"},
		"space before colon": {"GET /healthz HTTP/1.1\r\nHost: x\r\nX-A : 1\r\n\r\n", "400"},
		"body over 64 KiB":   {"POST /api/auth/login/ HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 70000\r\n\r\n" + strings.Repeat(" ", 70000), "413"},
	} {
		t.Run(name, func(t *testing.T) {
			conn, err := net.Dial("tcp", addr)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
			go func() { _, _ = conn.Write([]byte(test.send)) }()
			b := make([]byte, 64)
			n, _ := io.ReadFull(conn, b)
			if !strings.HasPrefix(string(b[:n]), "HTTP/1.1 "+test.want) && !strings.HasPrefix(string(b[:n]), "HTTP/1.0 "+test.want) {
				t.Errorf("got %q, want %s", b[:n], test.want)
			}
		})
	}
}

// slowStart is a store whose revocations cannot be read yet.
type slowStart struct {
	auth.Store
	open chan struct{}
}

type slowReader struct {
	auth.Reader
	open chan struct{}
}

func (s slowStart) Read() auth.Reader { return slowReader{s.Store.Read(), s.open} }

func (s slowReader) Revocations(ctx context.Context, after int64, limit int) ([]auth.Revocation, error) {
	select {
	case <-s.open:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	return s.Reader.Revocations(ctx, after, limit)
}

// Until the revocations have been read nothing is answered of the API.
func TestNotBeforeTheFirstLoad(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	l.Close()
	cfg := settings(t, "LATCHKEY_LISTEN="+addr)
	store, err := server.OpenStore(t.Context(), cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	slow := slowStart{store, make(chan struct{})}
	r := &running{t: t, url: "http://" + addr, http: &http.Client{Timeout: 5 * time.Second}}
	ctx, cancel := context.WithCancel(context.Background())
	done, ready := make(chan error, 1), make(chan string, 1)
	go func() {
		done <- server.Run(ctx, cfg, slog.New(slog.DiscardHandler), server.RunOptions{Store: slow, Ready: func(a string) { ready <- a }})
	}()
	for {
		conn, err := net.Dial("tcp", addr)
		if err == nil {
			conn.Close()
			break
		}
		time.Sleep(time.Millisecond)
	}
	for path, want := range map[string]int{"/healthz": 200, "/readyz": 503, "/api/schema/": 503, "/api/auth/profile/": 503} {
		resp, body := r.do("GET", path, "")
		if resp.StatusCode != want || want == 503 && path != "/readyz" && resp.Header.Get("Retry-After") == "" {
			t.Errorf("before the load %s is %d %s %v, want %d", path, resp.StatusCode, body, resp.Header, want)
		}
	}
	close(slow.open)
	<-ready
	if resp, _ := r.do("GET", "/readyz", ""); resp.StatusCode != 200 {
		t.Errorf("after the load /readyz is %d", resp.StatusCode)
	}
	r.http.CloseIdleConnections()
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// A proxy that is trusted says who the client is; one that is not is the
// client.
func TestClientAddress(t *testing.T) {
	for trusted, want := range map[string]string{"127.0.0.1": "198.51.100.7", "10.0.0.1": "127.0.0.1"} {
		cfg := settings(t, "LATCHKEY_PROXY_TRUSTED="+trusted)
		store, err := server.OpenStore(t.Context(), cfg, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		r := start(t, cfg, server.RunOptions{Store: store})
		r.do("POST", "/api/auth/register/", form, "X-Forwarded-For", "203.0.113.9, 198.51.100.7", "User-Agent", "Test/1")
		sessions, err := store.Read().Sessions(t.Context(), 1, time.Now())
		if err != nil || len(sessions) != 1 || sessions[0].Client != (auth.Client{Address: want, UserAgent: "Test/1"}) {
			t.Errorf("trusted %s: %+v %v, want %s", trusted, sessions, err, want)
		}
		if err := r.stop(); err != nil {
			t.Error(err)
		}
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	}
}

// More logins than can be hashed within the queue's time are put off, and the
// rest of the API does not feel it.
func TestLoginFlood(t *testing.T) {
	r := startInFull(t, settings(t, "LATCHKEY_THROTTLE_ENABLED=false"), server.RunOptions{})
	r.http.Transport.(*http.Transport).MaxIdleConnsPerHost = 1000
	var (
		mu    sync.Mutex
		count = map[int]int{}
		wg    sync.WaitGroup
	)
	for i := range 400 {
		wg.Go(func() {
			resp, body := r.do("POST", "/api/auth/login/", fmt.Sprintf(`{"email":"nobody%d@example.com","password":"x"}`, i))
			mu.Lock()
			defer mu.Unlock()
			count[resp.StatusCode]++
			if resp.StatusCode == 503 && (resp.Header.Get("Retry-After") == "" || !strings.Contains(body, "detail")) {
				t.Errorf("503 without Retry-After: %v %s", resp.Header, body)
			}
		})
	}
	wg.Wait()
	if count[503] == 0 || count[401] == 0 || count[503]+count[401] != 400 {
		t.Errorf("answers %v, want some 401 and otherwise 503", count)
	}
}

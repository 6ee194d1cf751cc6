package server_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/latchkey-auth/latchkey/internal/auth"
	"github.com/latchkey-auth/latchkey/internal/server"
)

// stuck is a store in which looking for a user by e-mail takes until it is
// opened.
type stuck struct {
	auth.Store
	entered chan struct{}
	open    chan struct{}
}

type stuckReader struct {
	auth.Reader
	stuck
}

func (s stuck) Read() auth.Reader { return stuckReader{s.Store.Read(), s} }

func (s stuckReader) UserByEmail(ctx context.Context, key string) (auth.User, error) {
	if strings.HasPrefix(key, "stuck") {
		s.entered <- struct{}{}
		select {
		case <-s.open:
		case <-ctx.Done():
			return auth.User{}, ctx.Err()
		}
	}
	return s.Reader.UserByEmail(ctx, key)
}

// startStuck runs a server with these settings on such a store.
func startStuck(t *testing.T, env ...string) (*running, stuck) {
	t.Helper()
	cfg := settings(t, env...)
	store, err := server.OpenStore(t.Context(), cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	s := stuck{store, make(chan struct{}, 100), make(chan struct{})}
	return start(t, cfg, server.RunOptions{Store: s}), s
}

// dial opens a connection and sends the beginning of a request, or nothing.
func (r *running) dial(send string) net.Conn {
	r.t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(r.url, "http://"))
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(30 * time.Second))
	if _, err := io.WriteString(conn, send); err != nil {
		r.t.Fatal(err)
	}
	return conn
}

// answered reads one answer.
func (r *running) answered(conn net.Conn) (*http.Response, string) {
	r.t.Helper()
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		r.t.Fatal(err)
	}
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	return resp, string(b)
}

// Logins that cannot go on are refused early from the ninth on, of sixteen
// requests that may be worked on; everybody else is served. A body that is on
// its way takes nobody's place.
//
// ASVS 13.1.2, 13.2.6, 15.2.2
func TestCrowded(t *testing.T) {
	r, s := startStuck(t, "LATCHKEY_LIMITS_REQUESTS=16", "LATCHKEY_THROTTLE_ENABLED=false")
	_, body := r.do("POST", "/api/auth/register/", form)
	var answer struct {
		Tokens struct{ Access string }
	}
	if err := json.Unmarshal([]byte(body), &answer); err != nil {
		t.Fatal(err, body)
	}
	login := func(name string) string {
		body := fmt.Sprintf(`{"email":"%s@example.com","password":"x"}`, name)
		return fmt.Sprintf("POST /api/auth/login/ HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s", len(body), body)
	}
	// Slow ones come first: had they places there would be none left.
	var slow []net.Conn
	for range 40 {
		request := login("nobody")
		slow = append(slow, r.dial(request[:len(request)-3]))
	}
	var waiting []chan *http.Response
	for end := time.Now().Add(20 * time.Second); len(waiting) < 8; {
		conn := r.dial(login("stuck"))
		answered := make(chan *http.Response, 1)
		go func() {
			resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
			if err != nil {
				resp = &http.Response{Status: err.Error()}
			}
			answered <- resp
		}()
		select {
		case <-s.entered:
			waiting = append(waiting, answered)
		case resp := <-answered:
			// The server has not come to the bodies of all slow ones yet.
			if resp.StatusCode != 503 || time.Now().After(end) {
				t.Fatalf("login %d: %s", len(waiting), resp.Status)
			}
		}
	}
	resp, body := r.answered(r.dial(login("stuck")))
	if resp.StatusCode != 503 || resp.Header.Get("Retry-After") != "1" || !strings.Contains(body, `"detail"`) || resp.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("the ninth: %d %v %s", resp.StatusCode, resp.Header, body)
	}
	if resp, body := r.do("POST", "/api/auth/token/verify/", `{"token":"`+answer.Tokens.Access+`"}`); resp.StatusCode != 200 {
		t.Errorf("verify meanwhile: %d %s", resp.StatusCode, body)
	}
	// A slow one whose body is there at last finds no place.
	_, _ = io.WriteString(slow[0], `x"}`)
	if resp, body := r.answered(slow[0]); resp.StatusCode != 503 || resp.Header.Get("Retry-After") != "1" {
		t.Errorf("a slow one that comes too late: %d %s", resp.StatusCode, body)
	}
	close(s.open)
	for _, answered := range waiting {
		if resp := <-answered; !served(resp) {
			t.Errorf("those that waited: %s %v", resp.Status, resp.Header)
		}
	}
	_, _ = io.WriteString(slow[1], `x"}`)
	if resp, body := r.answered(slow[1]); !served(resp) {
		t.Errorf("a slow one in time: %d %s", resp.StatusCode, body)
	}
	// Every place was given back, once.
	for range 3 {
		if resp, body := r.answered(r.dial(login("stuck"))); !served(resp) {
			t.Errorf("afterwards: %d %s", resp.StatusCode, body)
		}
	}
}

// served reports whether a login had its place: it is refused, or there was
// none to hash in within two seconds on a machine that has much to do.
func served(resp *http.Response) bool {
	return resp.StatusCode == 401 || resp.StatusCode == 503 && resp.Header.Get("Retry-After") == "2"
}

// Of more connections than there may be those give way that only wait, and
// after them those whose requests do not come, so that a newcomer is served; and
// where all are worked for it is told to come again.
//
// ASVS 13.1.2, 13.2.6
func TestConnectionsAtTheirLimit(t *testing.T) {
	r, s := startStuck(t, "LATCHKEY_LIMITS_CONNECTIONS=16", "LATCHKEY_THROTTLE_ENABLED=false")
	const get = "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
	var idle []net.Conn
	for i := range 40 {
		// Some have asked before, some have begun a head, some say nothing.
		conn := r.dial([]string{get, "GET /healthz HT", ""}[i%3])
		if i%3 == 0 {
			if resp, _ := r.answered(conn); resp.StatusCode != 200 {
				t.Fatalf("connection %d: %d", i, resp.StatusCode)
			}
		}
		idle = append(idle, conn)
	}
	closed := make(map[int]bool)
	for end := time.Now().Add(20 * time.Second); len(closed) < 24; {
		for i, conn := range idle {
			_ = conn.SetReadDeadline(time.Now().Add(time.Millisecond))
			if _, err := conn.Read(make([]byte, 1)); err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
				closed[i] = true
			}
		}
		if time.Now().After(end) {
			t.Fatalf("%d of 40 have been closed, want 24", len(closed))
		}
	}
	if resp, body := r.do("POST", "/api/auth/register/", form); resp.StatusCode != 201 {
		t.Errorf("a newcomer: %d %s", resp.StatusCode, body)
	}
	r.http.CloseIdleConnections()
	const head = "POST /api/auth/login/ HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nConnection: close\r\n"
	for i := range 32 {
		// Heads and bodies that have begun and do not go on; in the last the answer
		// has begun, too.
		r.dial([]string{
			head, head + "Content-Length: 9\r\n\r\n{", head + "Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n",
			"GET /api/schema/ HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\n",
		}[i%4])
	}
	time.Sleep(time.Second) // They have been read, and have had their grace.
	for i := range 40 {
		if resp, body := r.answered(r.dial(strings.Replace(get, "\r\n\r\n", "\r\nConnection: close\r\n\r\n", 1))); resp.StatusCode != 200 {
			t.Fatalf("newcomer %d among requests that do not come: %d %s", i, resp.StatusCode, body)
		}
	}
	// Newcomers put no newcomers out, who come slowly.
	for range 16 {
		r.dial(head + "Content-Length: 9\r\n\r\n{")
	}
	time.Sleep(time.Second)
	for tries := 1; ; tries++ {
		began := time.Now()
		var slow []net.Conn
		for range 12 {
			slow = append(slow, r.dial(""))
		}
		var late time.Duration
		served := 0
		for _, conn := range slow {
			_, _ = io.WriteString(conn, get)
			late = time.Since(began)
			if resp, err := http.ReadResponse(bufio.NewReader(conn), nil); err == nil && resp.StatusCode == 200 {
				served++
			}
			_ = conn.Close()
		}
		if served == len(slow) {
			break
		}
		// On a machine that stands still their grace may be over.
		if tries == 5 || late < 150*time.Millisecond {
			t.Fatalf("%d of %d newcomers at once are served, after %v", served, len(slow), late)
		}
	}
	const body = `{"email":"stuck@example.com","password":"x"}`
	login := fmt.Sprintf("%sContent-Length: %d\r\n\r\n%s", head, len(body), body)
	var atWork []net.Conn
	for end := time.Now().Add(20 * time.Second); len(atWork) < 16; {
		conn := r.dial(login)
		answered := make(chan int, 1)
		go func() {
			_, _ = conn.Read(make([]byte, 12))
			answered <- 0
		}()
		select {
		case <-s.entered:
			atWork = append(atWork, conn)
		case <-answered: // 503: the server has not seen yet that others have been answered.
		}
		if time.Now().After(end) {
			t.Fatalf("%d of 16 are worked for", len(atWork))
		}
	}
	time.Sleep(300 * time.Millisecond)
	resp, answer := r.answered(r.dial(""))
	if resp.StatusCode != 503 || resp.Header.Get("Retry-After") != "1" || !resp.Close {
		t.Errorf("all at work: %d %v %s", resp.StatusCode, resp.Header, answer)
	}
	if n := strings.Count(r.log.String(), "connections are at their limit"); n != 1 {
		t.Errorf("the log tells %d times of it, want once a minute", n)
	}
	close(s.open)
}

// A client that asks before it sends its body is told at once that it is not
// wanted.
func TestExpect(t *testing.T) {
	r := start(t, settings(t), server.RunOptions{})
	for request, want := range map[string]int{
		"POST /api/nothing/ json":         404,
		"PUT /api/auth/profile/ json":     401,
		"DELETE /api/auth/login/ json":    405,
		"POST /nothing json":              405,
		"POST /api/auth/login/ multipart": 415,
	} {
		i := strings.LastIndexByte(request, ' ')
		line, media := request[:i], request[i+1:]
		began := time.Now()
		resp, body := r.answered(r.dial(line + " HTTP/1.1\r\nHost: x\r\nContent-Type: application/" + media + "\r\nExpect: 100-continue\r\nContent-Length: 50000\r\n\r\n"))
		// What is not wanted is waited for until timeouts.read is over, 10 s.
		if took := time.Since(began); resp.StatusCode != want || !resp.Close || took > 5*time.Second {
			t.Errorf("%s: %d after %v, the last of its connection: %v, %s", request, resp.StatusCode, took, resp.Close, body)
		}
	}
}

// Who sends a head or a body too slowly, or does not read what was asked for,
// is put out, whatever the answer is.
//
// ASVS 13.1.3, 15.2.2
func TestSlowClients(t *testing.T) {
	r := start(t, settings(t, "LATCHKEY_TIMEOUTS_HEADER=1s", "LATCHKEY_TIMEOUTS_READ=1s", "LATCHKEY_TIMEOUTS_WRITE=2s"), server.RunOptions{})
	t.Run("head", func(t *testing.T) {
		conn := r.dial("GET /healthz HTTP/1.1\r\nHost: x\r\nX-A: ")
		drip(conn)
		if b, err := io.ReadAll(conn); err != nil && !strings.Contains(err.Error(), "reset") || strings.Contains(string(b), "200") {
			t.Errorf("%q %v", b, err)
		}
	})
	for name, request := range map[string]string{
		"body":         "POST /api/auth/login/ HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{",
		"chunked body": "POST /api/auth/login/ HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n100\r\n{",
		"unread body":  "POST /api/nowhere/ HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{",
		"body of page": "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{",
	} {
		t.Run(name, func(t *testing.T) {
			conn := r.dial(request)
			drip(conn)
			b, err := io.ReadAll(conn)
			if err != nil && !strings.Contains(err.Error(), "reset") {
				t.Errorf("not closed: %q %v", b, err)
			}
			// What is still being sent may cost the client the answer.
			if want := "HTTP/1.1 408 "; strings.HasSuffix(name, "body") && name != "unread body" && len(b) > 0 && !strings.HasPrefix(string(b), want) {
				t.Errorf("%q, want %s", b, want)
			}
		})
	}
	// Nothing more is sent, so that the answer arrives.
	for name, request := range map[string]string{
		"stalled body":         "POST /api/auth/login/ HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{",
		"stalled chunked body": "POST /api/auth/login/ HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n100\r\n{",
	} {
		t.Run(name, func(t *testing.T) {
			b, err := io.ReadAll(r.dial(request))
			if err != nil || !strings.HasPrefix(string(b), "HTTP/1.1 408 ") {
				t.Errorf("%q %v, want 408", b, err)
			}
		})
	}
	t.Run("reader", func(t *testing.T) {
		conn := r.dial("")
		_ = conn.(*net.TCPConn).SetReadBuffer(4096)
		// More than the buffers of both sides hold.
		go func() {
			_, _ = io.WriteString(conn, strings.Repeat("GET /api/schema/ HTTP/1.1\r\nHost: x\r\n\r\n", 300))
		}()
		for {
			time.Sleep(50 * time.Millisecond)
			if _, err := conn.Write([]byte("x")); err != nil {
				if strings.Contains(err.Error(), "timeout") {
					t.Errorf("still there: %v", err)
				}
				return
			}
		}
	})
	if resp, _ := r.do("GET", "/healthz", ""); resp.StatusCode != 200 {
		t.Errorf("afterwards: %d", resp.StatusCode)
	}
}

// drip sends a byte every now and then: a time-out that each byte puts off is
// none.
func drip(conn net.Conn) {
	go func() {
		for {
			if _, err := conn.Write([]byte("a")); err != nil {
				return
			}
			time.Sleep(50 * time.Millisecond)
		}
	}()
}

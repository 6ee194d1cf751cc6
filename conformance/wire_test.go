package conformance_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/latchkey-auth/latchkey/internal/api/apitest"
)

// request is one request as it goes out: nothing is cleaned, escaped or added
// but what HTTP needs.
type request struct {
	method, path string
	// headers are sent as they are; Host replaces the one of the server.
	headers map[string]string
	// body is nil where there is no Content-Length.
	body    *string
	chunked bool
}

// response is an answer.
type response struct {
	status  int
	headers http.Header
	body    string
	// before and after are when it was asked for and when it came.
	before, after time.Time
}

// header gives a header's values in one line, "" where there is none.
func (r response) header(name string) string { return strings.Join(r.headers.Values(name), ", ") }

// wire sends requests to a server, each on a connection of its own.
type wire struct{ addr string }

func (w wire) do(t testing.TB, q request) response {
	t.Helper()
	r, err := w.try(t.Context(), q)
	if err != nil {
		t.Fatalf("%s %s: %v", q.method, q.path, err)
	}
	r.described(t, q)
	return r
}

// described holds an answer against openapi.yaml. Preflights are the server's
// and no operation of the API; what net/http refuses has no request id.
func (r response) described(t testing.TB, q request) {
	t.Helper()
	if r.header("X-Request-Id") == "" || q.method == http.MethodOptions && q.headers["Access-Control-Request-Method"] != "" {
		return
	}
	path, _, _ := strings.Cut(q.path, "?")
	apitest.ValidateResponse(t, q.method, path, r.status, r.headers, []byte(r.body))
}

func (w wire) try(ctx context.Context, q request) (response, error) {
	r := response{before: time.Now()}
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", w.addr)
	if err != nil {
		return r, fmt.Errorf("connect: %w", err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
		return r, err
	}
	// A server that refuses a body need not read it, so the answer is read
	// while the request is still being written, and what becomes of the rest
	// of it is the server's business.
	sent := make(chan error, 1)
	go func() {
		_, err := io.WriteString(conn, q.text(w.addr))
		sent <- err
	}()
	in := bufio.NewReader(conn)
	for {
		h, err := http.ReadResponse(in, &http.Request{Method: q.method})
		if err != nil {
			return r, errors.Join(fmt.Errorf("read the answer: %w", err), conn.Close(), <-sent)
		}
		body, err := io.ReadAll(h.Body)
		_ = h.Body.Close()
		if err != nil {
			return r, errors.Join(fmt.Errorf("read the body: %w", err), conn.Close(), <-sent)
		}
		if h.StatusCode >= 200 {
			r.status, r.headers, r.body, r.after = h.StatusCode, h.Header, string(body), time.Now()
			return r, nil
		}
	}
}

// text is the request in HTTP/1.1.
func (q request) text(addr string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\n", q.method, q.path)
	host := addr
	names := make([]string, 0, len(q.headers))
	for name, v := range q.headers {
		if name == "Host" {
			host = v
			continue
		}
		names = append(names, name)
	}
	slices.Sort(names)
	fmt.Fprintf(&b, "Host: %s\r\nConnection: close\r\n", host)
	for _, name := range names {
		fmt.Fprintf(&b, "%s: %s\r\n", name, q.headers[name])
	}
	switch {
	case q.chunked:
		body := *q.body
		b.WriteString("Transfer-Encoding: chunked\r\n\r\n")
		for half := (len(body) + 1) / 2; body != ""; {
			n := min(half, len(body))
			fmt.Fprintf(&b, "%x\r\n%s\r\n", n, body[:n])
			body = body[n:]
		}
		b.WriteString("0\r\n\r\n")
	case q.body != nil:
		b.WriteString("Content-Length: " + strconv.Itoa(len(*q.body)) + "\r\n\r\n" + *q.body)
	default:
		b.WriteString("\r\n")
	}
	return b.String()
}

// post is a POST of JSON.
func post(path, body string) request {
	return request{
		method: "POST", path: path, body: &body,
		headers: map[string]string{"Content-Type": "application/json"},
	}
}

// as adds a bearer token.
func (q request) as(access string) request {
	h := map[string]string{"Authorization": "Bearer " + access}
	for k, v := range q.headers {
		h[k] = v
	}
	q.headers = h
	return q
}

package proxies

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/latchkey-auth/latchkey/e2e/node"
)

// inner is the request that must never be seen. Its id goes into the log of
// whoever takes it for one.
const inner = "GET /api/smuggled/ HTTP/1.1\r\nHost: x\r\nX-Request-Id: smuggled\r\n\r\n"

// lines joins the lines of a head.
func lines(l ...string) string { return strings.Join(l, "\r\n") + "\r\n" }

// post is the head of a request whose body is looked at; outer is its id.
func post(fields ...string) string {
	return lines(append([]string{"POST /api/auth/token/verify/ HTTP/1.1", "Host: x", "Content-Type: application/json", "X-Request-Id: outer"}, fields...)...)
}

func length(s string) string { return "Content-Length: " + strconv.Itoa(len(s)) }

// ambiguous are requests whose end two readers may see at different places,
// each with inner where one of them would take it for the next request.
func ambiguous() map[string]string {
	const last = "0\r\n\r\n"
	body := last + inner
	all := map[string]string{
		"both, length first":           post(length(body), "Transfer-Encoding: chunked") + "\r\n" + body,
		"both, encoding first":         post("Transfer-Encoding: chunked", length(body)) + "\r\n" + body,
		"both, length of the chunk":    post("Content-Length: 4", "Transfer-Encoding: chunked") + "\r\n" + fmt.Sprintf("%x\r\n%s\r\n%s", len(inner), inner, last),
		"both, length 0":               post("Content-Length: 0", "Transfer-Encoding: chunked") + "\r\n" + body,
		"two lengths":                  post("Content-Length: 2", length("{}"+inner)) + "\r\n{}" + inner,
		"two lengths, the other way":   post(length("{}"+inner), "Content-Length: 2") + "\r\n{}" + inner,
		"a list of lengths":            post("Content-Length: 2, "+strconv.Itoa(2+len(inner))) + "\r\n{}" + inner,
		"length with a sign":           post("Content-Length: +2") + "\r\n{}" + inner,
		"negative length":              post("Content-Length: -2") + "\r\n{}" + inner,
		"length in hex":                post("Content-Length: 0x2") + "\r\n{}" + inner,
		"length with a blank":          post("Content-Length: 2 2") + "\r\n{}" + inner,
		"length beyond 64 bits":        post("Content-Length: 18446744073709551618") + "\r\n{}" + inner,
		"length with an underscore":    post("Content_Length: 2", length("{}"+inner)) + "\r\n{}" + inner,
		"length, a blank before colon": post("Content-Length : 2") + "\r\n{}" + inner,
		"length folded":                post("Content-Length:\r\n "+strconv.Itoa(2+len(inner))) + "\r\n{}" + inner,
		"length with a vertical tab":   post("Content-Length: \v2") + "\r\n{}" + inner,
		"unknown encoding":             post("Transfer-Encoding: xchunked", length(body)) + "\r\n" + body,
		"encoding, a blank before":     post("Transfer-Encoding : chunked", length(body)) + "\r\n" + body,
		"encoding folded":              post("Transfer-Encoding:\r\n chunked", length(body)) + "\r\n" + body,
		"encoding behind a fold":       post("X-A: b\r\n Transfer-Encoding: chunked", length(body)) + "\r\n" + body,
		"encoding with a tab":          post("Transfer-Encoding:\tchunked", length(body)) + "\r\n" + body,
		"encoding with a vertical tab": post("Transfer-Encoding: \vchunked", length(body)) + "\r\n" + body,
		"encoding in quotes":           post(`Transfer-Encoding: "chunked"`, length(body)) + "\r\n" + body,
		"encoding with a NUL":          post("Transfer-Encoding: chunked\x00", length(body)) + "\r\n" + body,
		"encoding identity":            post("Transfer-Encoding: identity", length(body)) + "\r\n" + body,
		"encoding list":                post("Transfer-Encoding: identity, chunked", length(body)) + "\r\n" + body,
		"encoding not last":            post("Transfer-Encoding: chunked, identity", length(body)) + "\r\n" + body,
		"encoding twice in one":        post("Transfer-Encoding: chunked, chunked", length(body)) + "\r\n" + body,
		"two encodings":                post("Transfer-Encoding: chunked", "Transfer-Encoding: identity", length(body)) + "\r\n" + body,
		"two encodings, first unknown": post("Transfer-Encoding: x", "Transfer-Encoding: chunked", length(body)) + "\r\n" + body,
		"encoding with a semicolon":    post("Transfer-Encoding: chunked;x=y", length(body)) + "\r\n" + body,
		"encoding in another case":     post("transfer-encoding: CHUNKED", length(body)) + "\r\n" + body,
		"encoding behind a bare CR":    post("X-A: b\rTransfer-Encoding: chunked", length(body)) + "\r\n" + body,
		"encoding behind a bare LF":    post("X-A: b\nTransfer-Encoding: chunked", length(body)) + "\r\n" + body,
		"encoding with an underscore":  post("Transfer_Encoding: chunked", length(body)) + "\r\n" + body,
		"name of blanks":               post(" Transfer-Encoding: chunked", length(body)) + "\r\n" + body,
		"bare LF head":                 strings.ReplaceAll(post("Transfer-Encoding: chunked", length(body))+"\r\n", "\r\n", "\n") + body,
		"bare LF at the end":           post(length("\n"+inner)) + "\n" + inner + strings.Repeat(" ", 2),
		"chunk size in 0x":             post("Transfer-Encoding: chunked") + "\r\n0x0\r\n\r\n" + inner,
		"chunk size with a sign":       post("Transfer-Encoding: chunked") + "\r\n+0\r\n\r\n" + inner,
		"chunk size negative":          post("Transfer-Encoding: chunked") + "\r\n-1\r\n\r\n" + inner,
		"chunk size too large":         post("Transfer-Encoding: chunked") + "\r\nfffffffffffffffff0\r\n\r\n" + inner,
		"chunk size empty":             post("Transfer-Encoding: chunked") + "\r\n\r\n" + inner,
		"chunk behind a bare LF":       post("Transfer-Encoding: chunked") + "\r\n0\n\n" + inner,
		"chunk extension, bare LF":     post("Transfer-Encoding: chunked") + "\r\n2;\nxx\r\n" + fmt.Sprintf("%x", len(inner)) + "\r\n0\r\n\r\n" + inner,
		"chunk extension, bare CR":     post("Transfer-Encoding: chunked") + "\r\n2;a\rxx\r\n" + fmt.Sprintf("%x", len(inner)) + "\r\n0\r\n\r\n" + inner,
		"chunk longer than it says":    post("Transfer-Encoding: chunked") + "\r\n1\r\n{}\r\n0\r\n\r\n" + inner,
		"chunk without its end":        post("Transfer-Encoding: chunked") + "\r\n2\r\n{}0\r\n\r\n" + inner,
		"length in the trailer":        post("Transfer-Encoding: chunked") + "\r\n0\r\n" + length(inner) + "\r\n\r\n" + inner,
		"old version, encoding":        strings.Replace(post("Connection: keep-alive", "Transfer-Encoding: chunked", length(body)), "HTTP/1.1", "HTTP/1.0", 1) + "\r\n" + body,
		"old version, no length":       strings.Replace(post("Connection: keep-alive", "Transfer-Encoding: chunked"), "HTTP/1.1", "HTTP/1.0", 1) + "\r\n" + body,
		"connection drops the length":  post("Connection: Content-Length", length(inner)) + "\r\n" + inner,
		"upgrade":                      post("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA", length(inner)) + "\r\n" + inner,
		"websocket":                    post("Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 99", length(inner)) + "\r\n" + inner,
	}
	// Those whose body nobody reads.
	for name, first := range map[string]string{
		"get": "GET /api/auth/profile/", "head": "HEAD /api/schema/", "options": "OPTIONS /api/auth/profile/", "delete": "DELETE /api/auth/sessions/",
		"no path": "POST /api/nowhere/", "page": "GET /", "health": "GET /healthz", "keys": "GET /.well-known/jwks.json", "no method": "PUT /api/auth/login/", "trace": "TRACE /api/schema/",
	} {
		head := lines(first+" HTTP/1.1", "Host: x", "X-Request-Id: outer")
		all["body of "+name] = head + length(inner) + "\r\n\r\n" + inner
		all["chunk of "+name] = head + "Transfer-Encoding: chunked\r\n\r\n" + fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(inner), inner)
		all["both of "+name] = head + length(body) + "\r\nTransfer-Encoding: chunked\r\n\r\n" + body
	}
	all["body that is expected"] = post("Expect: 100-continue", length(inner)) + "\r\n" + inner
	all["body that is too large"] = post(length(inner+strings.Repeat(" ", 70<<10))) + "\r\n" + inner + strings.Repeat(" ", 70<<10)
	return all
}

// send gives the statuses of all answers to what is sent on one connection,
// until it is closed or nothing more comes.
func send(t *testing.T, addr, what string) []int {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	go func() { _, _ = io.WriteString(conn, what) }()
	r := bufio.NewReader(conn)
	method, _, _ := strings.Cut(what, " ")
	var got []int
	for {
		// Nothing more: a little after what came last. An answer that comes
		// later is found in the log.
		wait := 300 * time.Millisecond
		if len(got) == 0 {
			wait = 20 * time.Second
		}
		_ = conn.SetReadDeadline(time.Now().Add(wait))
		resp, err := http.ReadResponse(r, &http.Request{Method: method})
		if err != nil {
			if len(got) == 0 && errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("no answer to %.200q", what)
			}
			return got
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		if resp.StatusCode >= 200 {
			got = append(got, resp.StatusCode)
		}
	}
}

// TestOneRequestStaysOne sends what two readers may take apart differently,
// straight to the server and through proxies that keep and share connections to
// it: for one request there is at most one answer, the one inside is never seen,
// and the next one who asks gets their own answer.
//
// ASVS 4.2.1
func TestOneRequestStaysOne(t *testing.T) {
	for name, begin := range map[string]func(t *testing.T, backend string) string{
		"straight": func(_ *testing.T, backend string) string { return backend },
		"nginx": func(t *testing.T, backend string) string {
			return nginx(t, backend, "", "")
		},
		"nginx, unbuffered": func(t *testing.T, backend string) string {
			return nginx(t, backend, "", "proxy_request_buffering off; proxy_pass_request_headers on;")
		},
		"haproxy": func(t *testing.T, backend string) string { return haproxy(t, "server s "+backend) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := node.Start(t, "LATCHKEY_TIMEOUTS_HEADER=2s", "LATCHKEY_TIMEOUTS_READ=2s", "LATCHKEY_PROXY_TRUSTED=127.0.0.1")
			backend := strings.TrimPrefix(n.URL, "http://")
			addr := begin(t, backend)
			// Two plain ones on one connection are two: the inner one can be seen.
			if got := send(t, addr, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"+strings.Replace(inner, "smuggled\r\n", "control\r\n", 1)); !slices.Equal(got, []int{200, 404}) {
				t.Fatalf("two requests are answered with %v", got)
			}
			refused := 0
			all := ambiguous()
			if name != "straight" {
				// To these proxies a bare LF ends a line, and a trailer is one: what
				// follows is the next request, and they send it on as such.
				delete(all, "chunk behind a bare LF")
				delete(all, "length in the trailer")
			}
			for what, request := range all {
				got := send(t, addr, request)
				// An answer may be followed by one that says no to the rest.
				switch {
				case len(got) > 1 && !(len(got) == 2 && got[1] == http.StatusBadRequest):
					t.Errorf("%s: answers %v", what, got)
				case len(got) == 1 && got[0]/100 == 5 && got[0] != 501 && got[0] != 502:
					t.Errorf("%s: answer %v", what, got)
				case len(got) == 1 && got[0] >= 400:
					refused++
				}
				// Whoever comes next is not given somebody else's answer.
				for i := range 2 {
					if got := send(t, addr, "GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"); !slices.Equal(got, []int{200}) {
						t.Errorf("request %d after %s: answers %v", i, what, got)
					}
				}
			}
			n.Stop()
			log := n.Log()
			if !strings.Contains(log, `"control"`) || strings.Count(log, `"outer"`) < 5 {
				t.Fatal("the log does not have the ids by which requests are told apart")
			}
			if i := strings.Index(log, `"smuggled"`); i >= 0 {
				t.Errorf("a request inside another was taken for one: %d times, the first %.300s", strings.Count(log, `"smuggled"`), log[max(0, i-100):])
			}
			t.Logf("%d requests, %d refused", len(all), refused)
		})
	}
}

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"time"
)

// connection is an HTTP/1.1 connection that is kept open: one request at a
// time, answers with a Content-Length only. net/http's client would use more
// CPU than the server that is measured on the same processors.
type connection struct {
	conn net.Conn
	buf  []byte
}

// maxAnswer is the longest answer in bytes, head and body.
const maxAnswer = 16 << 10

func dial(ctx context.Context, addr string) (*connection, error) {
	c, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	return &connection{conn: c, buf: make([]byte, maxAnswer)}, nil
}

// until sets the time after which the connection fails. Once per round: setting
// it for each request would cost.
func (c *connection) until(t time.Time) error { return c.conn.SetDeadline(t) }

func (c *connection) close() error { return c.conn.Close() }

// exchange sends a request and reads the answer. The body is valid until the
// next call.
func (c *connection) exchange(request []byte) (status int, body []byte, err error) {
	if _, err := c.conn.Write(request); err != nil {
		return 0, nil, err
	}
	var h head
	for have, known := 0, false; !known || have < h.size+h.body; {
		if have == len(c.buf) {
			return 0, nil, fmt.Errorf("answer longer than %d bytes", maxAnswer)
		}
		n, err := c.conn.Read(c.buf[have:])
		have += n
		if err != nil {
			return 0, nil, err
		}
		if !known {
			if h, known, err = readHead(c.buf[:have]); err != nil {
				return 0, nil, err
			}
		}
		if known && have > h.size+h.body {
			return 0, nil, errors.New("more came than was asked for")
		}
	}
	return h.status, c.buf[h.size : h.size+h.body], nil
}

// head is what matters of an answer's head.
type head struct {
	status int
	// size and body are the lengths in bytes of the head, with the empty line
	// at its end, and of what follows it.
	size, body int
}

// readHead reads the head of an answer; whole is false while b has only a part
// of it.
func readHead(b []byte) (h head, whole bool, err error) {
	text, _, whole := bytes.Cut(b, []byte("\r\n\r\n"))
	if !whole {
		return head{}, false, nil
	}
	line, fields, _ := bytes.Cut(text, []byte("\r\n"))
	version, rest, _ := bytes.Cut(line, []byte(" "))
	code, _, _ := bytes.Cut(rest, []byte(" "))
	h = head{size: len(text) + len("\r\n\r\n"), body: -1}
	h.status, err = strconv.Atoi(string(code))
	if string(version) != "HTTP/1.1" || err != nil || h.status < 200 || h.status > 599 {
		return head{}, false, fmt.Errorf("no status line: %q", line)
	}
	for len(fields) > 0 {
		var field []byte
		field, fields, _ = bytes.Cut(fields, []byte("\r\n"))
		name, value, _ := bytes.Cut(field, []byte(":"))
		if !isContentLength(name) {
			continue
		}
		h.body, err = strconv.Atoi(string(bytes.TrimSpace(value)))
		if err != nil || h.body < 0 || h.body > maxAnswer {
			return head{}, false, fmt.Errorf("content length %q", value)
		}
	}
	if h.body < 0 {
		return head{}, false, fmt.Errorf("answer %d without a Content-Length", h.status)
	}
	return h, true, nil
}

func isContentLength(name []byte) bool {
	const want = "content-length"
	return len(name) == len(want) && string(bytes.ToLower(name)) == want
}

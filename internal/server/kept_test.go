package server

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/latchkey-auth/latchkey/internal/api"
)

// holding is conns, and what adds to what is kept of a connection and gives those
// that gave way.
func holding(t *testing.T) (c *conns, from func(string) *conn, more func(*conn, int64) []*conn) {
	t.Helper()
	c = newConns(nil, 10_000, 10_000, nil, slog.New(slog.DiscardHandler))
	from = func(address string) *conn {
		n := connFrom(c, address)
		if _, ok := c.admit(n); !ok {
			t.Fatal("there is no place")
		}
		return n
	}
	more = func(n *conn, bytes int64) []*conn {
		n.kept.bytes.Add(bytes)
		if n.kept.weight() == 0 {
			return nil
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		c.weigh(n)
		gone := c.makeRoom(n, true)
		if n.kept.going.Load() {
			gone = append(gone, n)
		}
		return gone
	}
	return c, from, more
}

// TestKept: what has come of requests is added up, and where it is too much those
// give way for whom it is kept longest, but nobody who is worked for.
func TestKept(t *testing.T) {
	t.Parallel()
	c, from, more := holding(t)
	const head = 16 << 10
	few := from("")
	if more(few, freeHead); c.kept.n != 0 {
		t.Errorf("a short head counts for %d", c.kept.n)
	}
	var all []*conn
	for range keptMost / (head * headFactor) {
		n := from("")
		if gone := more(n, head); len(gone) != 0 {
			t.Fatalf("%v went of %d", gone, len(all))
		}
		all = append(all, n)
	}
	if c.kept.n != keptMost {
		t.Fatalf("%d are kept, want all that may be", c.kept.n)
	}
	// The second has its head and is worked for, the next two keep a body to
	// themselves, and the one after them has only just begun with one.
	for _, n := range all[1:5] {
		c.state(n, http.StateActive)
	}
	all[1].working.Add(1)
	for _, n := range all[1:4] {
		n.since.Add(-int64(grace))
	}
	if want := int64(keptMost - 4*head*(headFactor-bodyFactor)); c.kept.n != want {
		t.Errorf("%d are kept of four known heads and the others, want %d", c.kept.n, want)
	}
	for range 3 {
		if gone := more(from(""), head); len(gone) != 0 {
			t.Fatalf("%v went, and there was room", gone)
		}
	}
	if gone := more(from(""), head); !slices.Equal(gone, all[:1]) {
		t.Fatalf("%v went, not the first", gone)
	}
	if gone := more(from(""), head); !slices.Equal(gone, []*conn{all[2], all[3], all[5]}) {
		t.Fatalf("%v went, not those with a body, which were little, and one more", gone)
	}
	// A request that is done with is kept no more, however often it is told.
	before := c.kept.n
	c.state(all[1], http.StateIdle)
	c.state(all[1], http.StateIdle)
	if want := before - head*bodyFactor; c.kept.n != want {
		t.Errorf("%d are kept, want %d", c.kept.n, want)
	}
	for _, n := range append(all, few) {
		c.remove(n)
	}
	for l := c.laden.first; l != nil; l = c.laden.first {
		c.remove(l.of)
	}
	if c.kept.n != 0 || c.all.n != 0 || c.laden != (queue{}) {
		t.Errorf("afterwards %v of %v, %d laden", c.kept, c.all, c.laden.n)
	}
}

// An address that has its share has no more, and puts out nobody else: what gives
// way is its own, the eldest first, and nothing where all are worked for.
func TestKeptOfAddress(t *testing.T) {
	t.Parallel()
	c, from, more := holding(t)
	other := from("192.0.2.2")
	if gone := more(other, 1000); len(gone) != 0 {
		t.Fatal(gone)
	}
	const body = 1 << 20
	known := func(address string) *conn {
		n := from(address)
		c.state(n, http.StateActive)
		return n
	}
	var all []*conn
	for range keptMost / 4 / (body * bodyFactor) {
		n := known("192.0.2.1")
		if gone := more(n, body); len(gone) != 0 {
			t.Fatalf("%v went", gone)
		}
		all = append(all, n)
	}
	// They have all just begun.
	n := known("192.0.2.1")
	if gone := more(n, body); !slices.Equal(gone, []*conn{n}) {
		t.Fatalf("%v went, not the newcomer", gone)
	}
	all[1].since.Add(-int64(grace))
	all[2].since.Add(-int64(grace))
	all[1].working.Add(1)
	n = known("192.0.2.1")
	if gone := more(n, body); !slices.Equal(gone, all[2:3]) {
		t.Fatalf("%v went, not the one that keeps its body to itself", gone)
	}
	busy := known("192.0.2.1")
	busy.working.Add(1)
	if gone := more(busy, body); len(gone) != 0 {
		t.Errorf("%v went, and it is worked for", gone)
	}
	if other.closed {
		t.Error("somebody else went")
	}
}

// A head that is known makes room at once: over TLS nothing more may be read for
// it.
func TestKeptWhenKnown(t *testing.T) {
	t.Parallel()
	c, from, _ := holding(t)
	var all []*conn
	for range 2 {
		n := from("")
		n.kept.bytes.Store(keptMost/bodyFactor/2 + 1)
		c.state(n, http.StateActive)
		all = append(all, n)
	}
	if all[0].closed || all[1].closed {
		t.Fatal("one that has just begun went")
	}
	all[0].since.Add(-int64(grace))
	n := from("")
	n.TCPConn, all[0].TCPConn = new(net.TCPConn), new(net.TCPConn)
	n.kept.bytes.Store(freeBody + 1)
	c.state(n, http.StateActive)
	if !all[0].closed || all[1].closed || n.closed {
		t.Errorf("the first is closed: %v, the second: %v, the last: %v", all[0].closed, all[1].closed, n.closed)
	}
}

// What comes after a body is not kept with the request.
func TestTrailersAreNotKept(t *testing.T) {
	t.Parallel()
	r, err := http.ReadRequest(bufio.NewReader(strings.NewReader("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n" +
		strings.Repeat("ab:\r\n", 600) + "\r\n")))
	if err != nil {
		t.Fatal(err)
	}
	if b, err := io.ReadAll(&arriving{r.Body, nil, r}); err != nil || string(b) != "x" {
		t.Fatalf("%q, %v", b, err)
	}
	if r.Trailer != nil {
		t.Errorf("kept: %d", len(r.Trailer))
	}
	// Nor are those that are only announced.
	r, err = http.ReadRequest(bufio.NewReader(strings.NewReader("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n" +
		"Trailer: a" + strings.Join(slices.Collect(func(yield func(string) bool) {
		for i := range 101 {
			if !yield(fmt.Sprint(",A", i)) {
				return
			}
		}
	}), "") + "\r\n\r\n")))
	if err != nil || !manyFields(r) {
		t.Errorf("%v, %d trailers are no more than there may be", err, len(r.Trailer))
	}
}

// A head that came with the request before it counts as much as that, and is told
// from one that has not begun by when the deadlines are set.
func TestKeptOfTheRequestBefore(t *testing.T) {
	t.Parallel()
	var k kept
	wait := func(between int64) int64 {
		k.begin() // to wait
		k.bytes.Add(between)
		k.begin()
		return k.bytes.Load()
	}
	if got := wait(3000); got != 3000 {
		t.Fatalf("the first: %d", got)
	}
	k.begun.Store(true)
	k.bytes.Add(100)
	k.over()
	if got := wait(0); got != 3100 {
		t.Errorf("one that nothing was read for: %d", got)
	}
	k.over()
	if got := wait(50); got != 50 {
		t.Errorf("one that came by itself: %d", got)
	}
	k.over()
	k.over()
	if got := wait(0); got != 0 {
		t.Errorf("nothing after nothing: %d", got)
	}
}

// Who has to go is told so where that can be said.
func TestKeptIsRefused(t *testing.T) {
	t.Parallel()
	for _, begun := range []bool{false, true} {
		t.Run(fmt.Sprint("known ", begun), func(t *testing.T) {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			c := newConns(l, 10, 10, nil, slog.New(slog.DiscardHandler))
			client, err := net.Dial("tcp", l.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer client.Close()
			accepted, err := c.Accept()
			if err != nil {
				t.Fatal(err)
			}
			defer accepted.Close()
			n := counted(accepted)
			n.kept.begun.Store(begun)
			n.kept.waits.Store(begun)
			n.kept.bytes.Store(keptMost)
			_, err = n.Read(make([]byte, 2))
			if !begun && !errors.Is(err, net.ErrClosed) || begun && err != api.ErrCrowded { //nolint:errorlint // It is handed on as it is.
				t.Error(err)
			}
			// No more is read, whoever asks for it.
			n.kept.waits.Store(false)
			if _, err := n.Read(make([]byte, 2)); !errors.Is(err, net.ErrClosed) {
				t.Error(err)
			}
			if begun {
				return // The API answers.
			}
			_ = client.SetReadDeadline(time.Now().Add(10 * time.Second))
			answer, err := io.ReadAll(client)
			if !strings.HasPrefix(string(answer), "HTTP/1.1 503 ") {
				t.Errorf("%q, %v", answer, err)
			}
		})
	}
}

// TestLines: the fields of a head are counted up to its end, in whatever pieces
// they come.
func TestLines(t *testing.T) {
	t.Parallel()
	fields := func(n int) string { return "GET / HTTP/1.1\r\n" + strings.Repeat("a: b\r\n", n) }
	for name, of := range map[string]struct {
		head string
		want bool
	}{
		"nothing":                  {"", false},
		"as many as may be":        {fields(maxFields), false},
		"and the end":              {fields(maxFields) + "\r\n", false},
		"and a body of many lines": {fields(maxFields) + "\r\n" + strings.Repeat("x\n", 1000), false},
		"one more":                 {fields(maxFields + 1), true},
		"one that has begun":       {fields(maxFields) + "a: b", false},
		"by LF alone":              {strings.ReplaceAll(fields(maxFields+1), "\r", ""), true},
		"a body after LF LF":       {"GET / HTTP/1.1\nHost: x\n\n" + strings.Repeat("x\n", 1000), false},
		"empty lines before":       {"\r\n\r\n" + fields(maxFields+1), true},
		"two CRs are no end":       {"GET / HTTP/1.1\r\n\r\r\n" + strings.Repeat("a: b\r\n", maxFields), true},
		"nor is a CR":              {"GET / HTTP/1.1\r\n\r" + strings.Repeat("a: b\r\n", maxFields+1), true},
	} {
		t.Run(name, func(t *testing.T) {
			var whole lines
			if got := whole.take([]byte(of.head)); got != of.want {
				t.Errorf("in one: %v", got)
			}
			var pieces lines
			got := false
			for i := range len(of.head) {
				got = pieces.take([]byte(of.head[i : i+1]))
			}
			if got != of.want {
				t.Errorf("byte by byte: %v", got)
			}
		})
	}
}

// FuzzLines: a head with too many fields does not get past, and it does not
// matter in which pieces it comes.
func FuzzLines(f *testing.F) {
	f.Add([]byte("GET / HTTP/1.1\r\nHost: x\r\n\r\nbody\n"), 7)
	f.Add([]byte("GET / HTTP/1.1\nHost: x\n"+strings.Repeat("a:\n", maxFields+1)+"\n"), 1)
	f.Add([]byte("\r\n\r\nGET / HTTP/1.1\r\n\r\r\n"), 3)
	f.Add([]byte("GET / HTTP/1.1\r\nA: b\r\n  c\r\n \r\n"+strings.Repeat("b: c\r\n", 200)), 50)
	f.Fuzz(func(t *testing.T, head []byte, cut int) {
		var whole, pieces lines
		many := whole.take(head)
		if cut < 0 || cut > len(head) {
			cut = len(head) / 2
		}
		first := pieces.take(head[:cut])
		if second := pieces.take(head[cut:]); second != many || first && !second || pieces != whole {
			t.Fatalf("in one %v, cut at %d %v and %v", many, cut, first, second)
		}
		if r, err := http.ReadRequest(bufio.NewReader(iotest.OneByteReader(bytes.NewReader(head)))); err == nil && manyFields(r) && len(r.Trailer) <= maxFields && !many {
			t.Fatalf("net/http takes %d fields from it", len(r.Header))
		}
	})
}

// What net/http reads by is what is counted: a head that stops, one that came with
// the request before it, a body that stops; and nothing of a connection that
// waits, nor of the beginning of TLS.
func TestKeptOnTheWire(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := newConns(l, 100, 100, nil, slog.New(slog.DiscardHandler))
	srv := &http.Server{
		ConnState: c.state, ConnContext: withConnection, ReadHeaderTimeout: time.Minute, IdleTimeout: time.Minute,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, &arriving{r.Body, connOf(r), r})
		}),
	}
	done := make(chan error, 1)
	go func() { done <- srv.Serve(c) }()
	defer func() {
		_ = srv.Close()
		<-done
	}()
	kept := func() int64 {
		c.mu.Lock()
		defer c.mu.Unlock()
		return c.kept.n
	}
	field := "A: " + strings.Repeat("x", 4000)
	const get = "GET / HTTP/1.1\r\nHost: x\r\n"
	for name, of := range map[string]struct {
		send    string
		answers int
		want    int64 // at least; 0 for nothing
	}{
		"a head":                          {get + field, 0, headFactor * 4000},
		"a head with the one before":      {get + "\r\n" + get + field[:3000], 1, headFactor * 3000},
		"a body":                          {"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10000\r\n\r\n" + field, 0, bodyFactor*4000 + bodyBase},
		"a body of a short head":          {"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10000\r\n\r\n", 0, bodyBase},
		"a connection that has been used": {get + field + "\r\n\r\n", 1, 0},
		"the beginning of a head":         {get, 0, 0},
	} {
		conn, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
		if _, err := io.WriteString(conn, of.send); err != nil {
			t.Fatal(err)
		}
		answers := bufio.NewReader(conn)
		for range of.answers {
			resp, err := http.ReadResponse(answers, nil)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			resp.Body.Close()
		}
		for end := time.Now().Add(5 * time.Second); kept() < of.want; time.Sleep(time.Millisecond) {
			if time.Now().After(end) {
				t.Errorf("%s: %d are kept, want %d", name, kept(), of.want)
				break
			}
		}
		if of.want == 0 {
			time.Sleep(20 * time.Millisecond)
			if got := kept(); got != 0 {
				t.Errorf("%s: %d are kept", name, got)
			}
		}
		conn.Close()
		for end := time.Now().Add(5 * time.Second); kept() != 0; time.Sleep(time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("%s: %d are kept of a closed connection", name, kept())
			}
		}
	}
}

// The beginning of TLS is forgotten once it is taken in, but may not be long; a head
// counts as without TLS.
func TestKeptOfTLS(t *testing.T) {
	t.Parallel()
	lender := httptest.NewUnstartedServer(nil)
	lender.StartTLS()
	defer lender.Close()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := newConns(l, 100, 100, nil, slog.New(slog.DiscardHandler))
	c.secure = true
	now := time.Now()
	cert := &certificate{current: &lender.TLS.Certificates[0], looked: now, now: func() time.Time { return now }}
	srv := &http.Server{ConnState: c.state, ReadHeaderTimeout: time.Minute, Handler: http.NotFoundHandler()}
	done := make(chan error, 1)
	go func() { done <- srv.Serve(tls.NewListener(c, tlsConfig(cert))) }()
	defer func() {
		_ = srv.Close()
		<-done
	}()
	is := func(what string, within func(int64) bool) {
		t.Helper()
		for end := time.Now().Add(5 * time.Second); ; time.Sleep(time.Millisecond) {
			c.mu.Lock()
			got := c.kept.n
			c.mu.Unlock()
			if within(got) {
				return
			}
			if time.Now().After(end) {
				t.Fatalf("%s: %d are kept", what, got)
			}
		}
	}
	nothing := func(n int64) bool { return n == 0 }
	dial := func(name string, names int) (*tls.Conn, error) {
		return tls.Dial("tcp", l.Addr().String(), &tls.Config{
			InsecureSkipVerify: true, NextProtos: append(slices.Repeat([]string{name}, names), "http/1.1"),
		})
	}

	plain, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.WriteString(plain, "\x16\x03\x01\x40\x00\x01\x00\x3f\xfc"+strings.Repeat("x", 6000))
	is("a greeting that stops", func(n int64) bool { return n >= 6000*helloFactor && n < 6000*headFactor })
	plain.Close()
	is("afterwards", nothing)

	conn, err := dial(strings.Repeat("x", 200), 20) // in several packets
	if err != nil {
		t.Fatal(err)
	}
	is("a connection that has greeted", nothing)
	_, _ = io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\nA: "+strings.Repeat("x", 4000))
	is("a head that stops", func(n int64) bool { return n >= 4000*headFactor })
	conn.Close()
	is("afterwards", nothing)

	// One that comes in one piece with the end of the greeting counts as well.
	plain, err = net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	late := &lateWriter{Conn: plain}
	conn = tls.Client(late, &tls.Config{InsecureSkipVerify: true})
	if err := conn.Handshake(); err != nil {
		t.Fatal(err)
	}
	_, _ = io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\nA: "+strings.Repeat("x", 4000))
	_, _ = plain.Write(late.held)
	is("a head with the end of the greeting", func(n int64) bool { return n >= 4000*headFactor })
	plain.Close()
	is("afterwards", nothing)

	if conn, err := dial(strings.Repeat("x", 250), maxProtocols-1); err == nil {
		conn.Close()
		t.Error("a greeting of more than 8 KiB was taken")
	}
	if conn, err := dial("x", maxProtocols-1); err != nil {
		t.Errorf("as many protocols as there may be: %v", err)
	} else {
		conn.Close()
	}
	if conn, err := dial("x", maxProtocols); err == nil {
		conn.Close()
		t.Error("a greeting with one protocol more was taken")
	}
	is("afterwards", nothing)
}

// lateWriter sends what is written first and holds the rest.
type lateWriter struct {
	net.Conn
	begun bool
	held  []byte
}

func (w *lateWriter) Write(b []byte) (int, error) {
	if !w.begun {
		w.begun = true
		return w.Conn.Write(b)
	}
	w.held = append(w.held, b...)
	return len(b), nil
}

// A body that has come is waited for no more.
func TestKeptWhileABodyComes(t *testing.T) {
	t.Parallel()
	c, from, _ := holding(t)
	n := from("")
	n.kept.bytes.Store(100)
	c.state(n, http.StateActive)
	came, more := io.Pipe()
	read := make(chan error, 1)
	go func() {
		_, err := io.Copy(io.Discard, &arriving{came, n, new(http.Request)})
		read <- err
	}()
	_, _ = more.Write([]byte("x"))
	n.weigh()
	if got := c.kept.n; got != 100*bodyFactor+bodyBase {
		t.Errorf("%d are kept meanwhile", got)
	}
	_ = more.Close()
	if err := <-read; err != nil || c.kept.n != 0 || n.kept.waits.Load() {
		t.Errorf("%v, %d are kept afterwards", err, c.kept.n)
	}
}

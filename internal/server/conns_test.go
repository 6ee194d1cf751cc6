package server

import (
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/latchkey-auth/latchkey/internal/config"
	"github.com/latchkey-auth/latchkey/internal/doctor"
)

// connFrom is a connection from an address, "" for one that is not counted.
func connFrom(c *conns, address string) *conn {
	var key netip.Addr
	if address != "" {
		key = netip.MustParseAddr(address)
	}
	return newConn(nil, c, key)
}

// TestConns: who waits gives way to who comes, no address has more than its
// share, and every place is given back once.
//
// ASVS 13.1.2, 13.2.6
func TestConns(t *testing.T) {
	t.Parallel()
	synctest.Test(t, testConns) // No time passes but what is said.
}

func testConns(t *testing.T) {
	c := newConns(nil, 4, 2, nil, slog.New(slog.DiscardHandler))
	add := func(address string) (*conn, *conn, bool) {
		n := connFrom(c, address)
		gone, ok := c.admit(n)
		return n, gone, ok
	}
	must := func(address string) *conn {
		t.Helper()
		n, gone, ok := add(address)
		if !ok || gone != nil {
			t.Fatalf("%s: ok %v, and %v went", address, ok, gone)
		}
		return n
	}
	one, two := must("192.0.2.1"), must("192.0.2.1")
	if _, gone, ok := add("192.0.2.1"); ok || gone != nil {
		t.Fatal("a third connection of an address that may have two")
	}
	three, four := must(""), must("")
	c.state(one, http.StateActive)
	c.state(two, http.StateActive)
	// The third has been served and waits again, so that the fourth has waited
	// longer.
	c.state(three, http.StateActive)
	c.state(three, http.StateIdle)
	five, gone, ok := add("192.0.2.2")
	if !ok || gone != four {
		t.Fatalf("ok %v, and %p went, not the one that had waited longest", ok, gone)
	}
	c.state(five, http.StateActive)
	six, gone, ok := add("")
	if !ok || gone != three {
		t.Fatalf("ok %v, and %p went, not the one that waits", ok, gone)
	}
	c.state(six, http.StateActive)
	if _, gone, ok := add(""); ok || gone != nil {
		t.Fatalf("ok %v, %p: requests have just begun on all", ok, gone)
	}
	// The first is worked for, the second keeps its request to itself, and so
	// does the fifth; the sixth has only begun.
	one.working.Add(1)
	for _, n := range []*conn{one, two, five} {
		n.since.Add(-int64(grace))
	}
	seven, gone, ok := add("")
	if !ok || gone != two {
		t.Fatalf("ok %v, and %p went, not the second", ok, gone)
	}
	c.state(seven, http.StateActive)
	eight, gone, ok := add("")
	if !ok || gone != five {
		t.Fatalf("ok %v, and %p went, not the fifth", ok, gone)
	}
	c.state(eight, http.StateActive)
	if _, gone, ok := add(""); ok || gone != nil {
		t.Fatalf("ok %v, %p: all are worked for or have just begun", ok, gone)
	}
	// One that has only just come stays while one keeps its request to itself,
	// and goes before one that is worked for.
	c.state(eight, http.StateIdle)
	seven.since.Add(-int64(grace))
	nine, gone, ok := add("")
	if !ok || gone != seven {
		t.Fatalf("ok %v, and %p went, not the seventh", ok, gone)
	}
	ten, gone, ok := add("")
	if !ok || gone != eight {
		t.Fatalf("ok %v, and %p went, not the eighth", ok, gone)
	}
	// One that has waited for long goes first.
	six.since.Add(-int64(grace))
	nine.since.Add(-int64(grace))
	eleven, gone, ok := add("")
	if !ok || gone != nine {
		t.Fatalf("ok %v, and %p went, not the ninth", ok, gone)
	}
	// What has been put out changes nothing when it is told of or closed.
	c.state(four, http.StateIdle)
	for _, n := range []*conn{one, two, three, four, five, six, six, seven, eight, nine, ten, eleven} {
		c.remove(n)
	}
	if c.all.n != 0 || len(c.all.of) != 0 || c.waiting != (queue{}) || c.active != (queue{}) {
		t.Fatalf("afterwards %v, %d waiting, %d active", c.all, c.waiting.n, c.active.n)
	}
}

// TestConnsOfAddress says what one address is.
func TestConnsOfAddress(t *testing.T) {
	t.Parallel()
	c := newConns(nil, 1000, 0, []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}, slog.New(slog.DiscardHandler))
	if c.share != 250 {
		t.Errorf("the share is %d, want a quarter", c.share)
	}
	for peer, want := range map[string]string{
		"192.0.2.7": "192.0.2.7", "::ffff:192.0.2.7": "192.0.2.7",
		"2001:db8:1:2:3:4:5:6": "2001:db8:1:2::", "fe80::1%eth0": "fe80::",
		"127.0.0.1": "", "::1": "", "10.1.2.3": "", "::ffff:10.1.2.3": "",
	} {
		key := c.key(netip.MustParseAddr(peer))
		if got := key.String(); key.IsValid() != (want != "") || key.IsValid() && got != want {
			t.Errorf("%s is counted as %s, want %s", peer, got, want)
		}
	}
}

// TestTurnedAway: who finds no place is told so and when to come again.
func TestTurnedAway(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := newConns(l, 1, 1, nil, slog.New(slog.DiscardHandler))
	defer c.Close()
	accepted := make(chan net.Conn, 2)
	go func() {
		for {
			n, err := c.Accept()
			if err != nil {
				close(accepted)
				return
			}
			c.state(n, http.StateActive)
			n.(*conn).working.Add(1)
			accepted <- n
		}
	}()
	first, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer first.Close()
	n := <-accepted
	second, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer second.Close()
	resp, body := readAnswer(t, second)
	if resp.StatusCode != 503 || resp.Header.Get("Retry-After") != "1" || resp.Header.Get("Cache-Control") != "no-store" ||
		!strings.Contains(body, `"detail"`) || !resp.Close {
		t.Errorf("%d %v %s", resp.StatusCode, resp.Header, body)
	}
	_ = n.Close()
	third, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer third.Close()
	if n = <-accepted; n == nil {
		t.Fatal("the place was not given back")
	}
	_ = n.Close()
}

// full is a listener of a process that has no descriptors left, for a while.
type full struct {
	net.Listener
	times int
}

func (f *full) Accept() (net.Conn, error) {
	if f.times > 0 {
		f.times--
		return nil, &net.OpError{Op: "accept", Net: "tcp", Err: os.NewSyscallError("accept4", syscall.EMFILE)}
	}
	return f.Listener.Accept()
}

// TestOutOfFiles: a process that may open no more files goes on when it may
// again.
func TestOutOfFiles(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := newConns(&full{l, 3}, 100, 0, nil, slog.New(slog.DiscardHandler))
	srv := &http.Server{ConnState: c.state, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError), Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "here")
	})}
	ended := make(chan error, 1)
	go func() { ended <- srv.Serve(c) }()
	conn, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	if _, body := readAnswer(t, conn); body != "here" {
		t.Errorf("%q", body)
	}
	_ = srv.Close()
	if err := <-ended; err != http.ErrServerClosed { //nolint:errorlint // The very one.
		t.Error(err)
	}
}

// TestWithin: connections of clients leave their files to everything else, also
// to a thousand connections to PostgreSQL.
func TestWithin(t *testing.T) {
	cfg, err := config.Load(config.Sources{Env: []string{"LATCHKEY_DATABASE=postgres://latchkey@db/latchkey", "LATCHKEY_POSTGRES_MAX_CONNS=1000"}})
	if err != nil {
		t.Fatal(err)
	}
	others := uint64(doctor.OtherFiles(cfg))
	for _, c := range []struct {
		most  int
		files uint64
		want  int
	}{
		{10_240, 65_536, 10_240},
		{10_240, 10_240 + others, 10_240},
		{10_240, 4096, 4096 - 1128},
		{10_240, 1024, 16},
		{8, 1024, 8},
	} {
		if got := within(c.most, c.files, others); got != c.want {
			t.Errorf("%d connections of %d files: %d, want %d", c.most, c.files, got, c.want)
		}
	}
}

// TestSteadyClients: a client that takes its answer bit by bit is not one that
// takes nothing.
func TestSteadyClients(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := &conn{owner: &conns{}}
		n.touch()
		e := &exchange{ResponseWriter: httptest.NewRecorder(), by: n, stopping: new(atomic.Bool)}
		is := func(when string, quiet bool) {
			t.Helper()
			if n.quiet() != quiet {
				t.Errorf("%s: quiet %v", when, !quiet)
			}
			time.Sleep(grace)
		}
		is("a request", false)
		is("worked on for long", true)
		_, _ = e.Write([]byte("a"))
		is("the answer begins", false)
		is("nothing more of it", true)
		_, _ = e.Write([]byte("b"))
		is("more of it is taken", false)
		_ = e.FlushError()
		is("all of it is taken", false)
		e.by.work()
		if n.working.Load() != 1 {
			t.Errorf("worked for %d times", n.working.Load())
		}
	})
}

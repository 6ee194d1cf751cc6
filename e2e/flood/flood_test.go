package flood

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/latchkey-auth/latchkey/e2e/node"
)

func TestMain(m *testing.M) {
	code := m.Run()
	node.Clean()
	os.Exit(code)
}

var (
	clients  = flag.Int("flood.clients", 60, "clients that log in at once")
	duration = flag.Duration("flood.for", 3*time.Second, "how long they do")
	idle     = flag.Int("flood.idle", 500, "connections that say nothing")
	slow     = flag.Int("flood.slow", 100, "clients with a slow head, and as many with a slow body")
	readers  = flag.Int("flood.readers", 20, "clients that read slowly")
	measure  = flag.Bool("flood.measure", false, "judge what goes by the clock, with the time-outs of the default configuration")
)

const (
	password = "c0rrect-Horse-42"
	// most is what the server's memory may come to, whatever is done to it.
	most = 256 << 20
)

// verifier checks a good token over and over.
type verifier struct {
	t     *testing.T
	n     *node.Node
	token string
}

// newVerifier registers a user.
func newVerifier(t *testing.T, n *node.Node) *verifier {
	t.Helper()
	a, err := n.Register(t.Context(), "verifier@example.com", password)
	if err != nil || !a.OK() {
		t.Fatalf("register: %v %s", err, a.Body)
	}
	return &verifier{t, n, a.Tokens.Access}
}

// sample has clients verify until ctx is done and gives the times that it took,
// sorted. pause is between two of one client's.
func (v *verifier) sample(ctx context.Context, clients int, pause time.Duration) []time.Duration {
	var (
		mu  sync.Mutex
		all []time.Duration
		wg  sync.WaitGroup
	)
	for range clients {
		wg.Go(func() {
			var own []time.Duration
			for ctx.Err() == nil {
				start := time.Now()
				a, err := v.n.Verify(context.WithoutCancel(ctx), v.token)
				if err != nil || a.Status != 200 {
					v.t.Errorf("verify meanwhile: %v %d %s", err, a.Status, a.Body)
					return
				}
				own = append(own, time.Since(start))
				time.Sleep(pause)
			}
			mu.Lock()
			defer mu.Unlock()
			all = append(all, own...)
		})
	}
	wg.Wait()
	slices.Sort(all)
	return all
}

// during is sample for a time.
func (v *verifier) during(d time.Duration, clients int, pause time.Duration) []time.Duration {
	ctx, cancel := context.WithTimeout(v.t.Context(), d)
	defer cancel()
	return v.sample(ctx, clients, pause)
}

func percentile(sorted []time.Duration, p float64) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[min(len(sorted)-1, int(p*float64(len(sorted))))]
}

// peak is the most memory that a process has had so far, in bytes.
func peak(t *testing.T, n *node.Node) int64 {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", n.PID()))
	if err != nil {
		t.Skip("the system does not tell the peak of a process's memory")
	}
	_, after, _ := strings.Cut(string(b), "VmHWM:")
	kb, err := strconv.ParseInt(strings.Fields(after)[0], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return kb << 10
}

// bounded holds that the memory has kept within bounds.
func bounded(t *testing.T, n *node.Node) {
	t.Helper()
	at := peak(t, n)
	t.Logf("memory at its peak: %d MiB", at>>20)
	if at > most {
		t.Errorf("memory came to %d MiB, want at most %d", at>>20, most>>20)
	}
}

// TestLoginFlood has many clients log in without pause: with good passwords, bad
// ones, for people who are not there, and with passwords of a mebibyte. They
// are answered, those in excess soon; memory stays bounded, tokens are verified.
//
// ASVS 15.2.2
// LESSON 10
// ROW 21
func TestLoginFlood(t *testing.T) {
	n := node.Start(t, "LATCHKEY_LOG_LEVEL=error")
	v := newVerifier(t, n)
	const people = 4
	for i := range people {
		if a, err := n.Register(t.Context(), fmt.Sprintf("user%d@example.com", i), password); err != nil || !a.OK() {
			t.Fatalf("register: %v %s", err, a.Body)
		}
	}
	base := v.during(min(*duration, 5*time.Second), 2, 5*time.Millisecond)

	ctx, cancel := context.WithTimeout(t.Context(), *duration)
	defer cancel()
	var (
		mu      sync.Mutex
		count   = map[int]int{}
		longest = map[int]time.Duration{}
		wg      sync.WaitGroup
	)
	// Made once: the load generator shall not be what has most to do.
	huge := credentials("user0@example.com", strings.Repeat("x", 1<<20))
	for i := range *clients {
		wg.Go(func() {
			for turn := 0; ctx.Err() == nil; turn++ {
				var body string
				switch (i + turn) % 10 {
				case 0:
					body = huge
				case 1, 2, 3, 4:
					body = credentials(fmt.Sprintf("nobody%d-%d@example.com", i, turn), "wrong")
				case 5:
					body = credentials(fmt.Sprintf("user%d@example.com", people-1), "wrong")
				default:
					body = credentials(fmt.Sprintf("user%d@example.com", (i+turn)%people), password)
				}
				start := time.Now()
				status, err := login(n.URL, body)
				took := time.Since(start)
				if err != nil {
					t.Errorf("a login had no answer: %v", err)
					return
				}
				mu.Lock()
				count[status]++
				longest[status] = max(longest[status], took)
				mu.Unlock()
			}
		})
	}
	meanwhile := v.during(*duration, 2, 5*time.Millisecond)
	wg.Wait()
	for _, status := range slices.Sorted(maps.Keys(count)) {
		t.Logf("%d: %d times, the longest after %v", status, count[status], longest[status])
		switch status {
		case 200, 401, 413, 429, 503:
		default:
			t.Errorf("%d answers were %d", count[status], status)
		}
		if *measure && (status == 413 || status == 429 || status == 503) && longest[status] > 2*time.Second {
			t.Errorf("a %d came after %v, want 2 s at most", status, longest[status])
		}
	}
	if *measure && count[200] == 0 || count[413] == 0 {
		t.Errorf("answers %v", count)
	}
	t.Logf("verify alone: p50 %v, p99 %v; meanwhile: p50 %v, p99 %v, of %d", percentile(base, .5), percentile(base, .99),
		percentile(meanwhile, .5), percentile(meanwhile, .99), len(meanwhile))
	if len(meanwhile) == 0 {
		t.Error("nothing was verified meanwhile")
	}
	if p := percentile(meanwhile, .99); *measure && p > 50*time.Millisecond {
		t.Errorf("verify took %v at p99, want 50 ms at most", p)
	}
	bounded(t, n)
	// With nobody else there it has its place at once.
	if a, err := n.Login(t.Context(), "user0@example.com", password); err != nil || a.Status != 200 && a.Status != 429 {
		t.Errorf("afterwards: %v %d %s", err, a.Status, a.Body)
	}
}

// flooders keep their connections.
var flooders = &http.Client{Timeout: 60 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 2000}}

// credentials is the body of a login.
func credentials(mail, pw string) string {
	b, _ := json.Marshal(map[string]string{"email": mail, "password": pw})
	return string(b)
}

func login(url, b string) (status int, err error) {
	for range 3 {
		var resp *http.Response
		resp, err = flooders.Post(url+"/api/auth/login/", "application/json", strings.NewReader(b))
		if err != nil {
			// One that is still sending when it is refused may miss why: the
			// connection ends. A small body is sent before.
			if len(b) > 64<<10 {
				return http.StatusRequestEntityTooLarge, nil
			}
			continue
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
		return resp.StatusCode, nil
	}
	return 0, err
}

// TestIdleConnections holds connections that have asked once and say nothing
// more: they are kept, cost little, and a newcomer is served.
//
// ASVS 13.1.2
// ROW 22
func TestIdleConnections(t *testing.T) {
	n := node.Start(t, "LATCHKEY_LOG_LEVEL=error")
	v := newVerifier(t, n)
	base := v.during(time.Second, 2, 5*time.Millisecond)
	addr := strings.TrimPrefix(n.URL, "http://")
	conns := make([]net.Conn, *idle)
	var wg sync.WaitGroup
	queue := make(chan int)
	for range 16 {
		wg.Go(func() {
			for i := range queue {
				c, err := net.Dial("tcp", addr)
				if err != nil {
					t.Errorf("connection %d: %v", i, err)
					continue
				}
				conns[i] = c
				if err := askOn(c); err != nil {
					t.Errorf("connection %d: %v", i, err)
				}
			}
		})
	}
	for i := range conns {
		queue <- i
	}
	close(queue)
	wg.Wait()
	defer func() {
		for _, c := range conns {
			if c != nil {
				c.Close()
			}
		}
	}()
	if t.Failed() {
		return
	}
	if a, err := n.Login(t.Context(), "verifier@example.com", password); err != nil || a.Status != 200 {
		t.Errorf("a newcomer: %v %d %s", err, a.Status, a.Body)
	}
	meanwhile := v.during(time.Second, 2, 5*time.Millisecond)
	// They are still there.
	for i := 0; i < len(conns); i += max(1, len(conns)/50) {
		if err := askOn(conns[i]); err != nil {
			t.Errorf("connection %d is not there any more: %v", i, err)
		}
	}
	t.Logf("%d connections; verify before: p99 %v, meanwhile: p99 %v", len(conns), percentile(base, .99), percentile(meanwhile, .99))
	bounded(t, n)
}

// askOn asks on a connection and keeps it.
func askOn(c net.Conn) error {
	_ = c.SetDeadline(time.Now().Add(30 * time.Second))
	if _, err := io.WriteString(c, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		return err
	}
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, resp.Body)
	if err == nil && resp.StatusCode != 200 {
		err = fmt.Errorf("status %d", resp.StatusCode)
	}
	return err
}

// sockets is how many connections a process has, its listener included.
func sockets(t *testing.T, n *node.Node) int {
	t.Helper()
	entries, err := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", n.PID()))
	if err != nil {
		t.Fatal(err)
	}
	count := 0
	for _, e := range entries {
		if to, err := os.Readlink(e); err == nil && strings.HasPrefix(to, "socket:") {
			count++
		}
	}
	return count
}

// narrow connects with a small buffer for what comes.
func narrow(addr string) (net.Conn, error) {
	d := net.Dialer{Control: func(_, _ string, raw syscall.RawConn) error {
		var set error
		err := raw.Control(func(fd uintptr) { set = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, 4096) })
		if err == nil {
			err = set
		}
		return err
	}}
	return d.Dial("tcp", addr)
}

// drip sends a byte a second.
func drip(c net.Conn, stop <-chan struct{}) {
	for {
		select {
		case <-stop:
			return
		case <-time.After(time.Second):
			_, _ = c.Write([]byte("a"))
		}
	}
}

// sink takes connections and reads nothing of them.
func sink(t *testing.T) (addr string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			t.Cleanup(func() { _ = c.Close() })
		}
	}()
	return l.Addr().String()
}

// TestSlowClients has heads and bodies come in by a byte a second, and answers
// read by one or not at all, one that fits the buffers and many that do not. All
// of them are put out in time, while everybody else is served.
//
// ASVS 15.2.2
// ROW 23
func TestSlowClients(t *testing.T) {
	head, body, write := 10*time.Second, 15*time.Second, 30*time.Second
	env := []string{"LATCHKEY_LOG_LEVEL=error"}
	if !*measure {
		head, body, write = time.Second, time.Second, 2*time.Second
		env = append(env, "LATCHKEY_TIMEOUTS_HEADER=1s", "LATCHKEY_TIMEOUTS_READ=1s", "LATCHKEY_TIMEOUTS_WRITE=2s")
	}
	n := node.Start(t, env...)
	v := newVerifier(t, n)
	const good = 8
	// Far beyond what may be, for a machine with much to do.
	patience := write + time.Minute
	// The longest that a slow client may be there, and as long a base. What it
	// costs to be 4,000 slow clients is in the base too: they send their bytes
	// for as long to one who never reads.
	silent := sink(t)
	bare := v.during(write, good, 0)
	pretend := make(chan struct{})
	var pretenders sync.WaitGroup
	time.AfterFunc(head, func() { close(pretend) })
	for range 2 * *slow {
		pretenders.Go(func() {
			c, err := net.Dial("tcp", silent)
			if err != nil {
				t.Errorf("connect: %v", err)
				return
			}
			defer c.Close()
			drip(c, pretend)
		})
	}
	base := v.during(write, good, 0)
	pretenders.Wait()
	addr := strings.TrimPrefix(n.URL, "http://")
	// Those of the good clients are there already.
	quiet := sockets(t, n)

	ctx, cancel := context.WithCancel(t.Context())
	var traffic sync.WaitGroup
	var served []time.Duration
	start := time.Now()
	traffic.Go(func() { served = v.sample(ctx, good, 0) })

	var (
		wg             sync.WaitGroup
		headLast, last atomic.Int64
	)
	trickle := func(request string, longest *atomic.Int64) {
		wg.Go(func() {
			c, err := net.Dial("tcp", addr)
			if err != nil {
				t.Errorf("connect: %v", err)
				return
			}
			defer c.Close()
			began := time.Now()
			_ = c.SetReadDeadline(began.Add(patience))
			_, _ = io.WriteString(c, request)
			stop := make(chan struct{})
			defer close(stop)
			go drip(c, stop)
			if _, err := io.Copy(io.Discard, c); err != nil {
				if errors.Is(err, os.ErrDeadlineExceeded) {
					t.Errorf("a slow client is still there after %v", time.Since(began))
				}
			}
			took := int64(time.Since(began))
			for old := longest.Load(); took > old && !longest.CompareAndSwap(old, took); old = longest.Load() {
			}
		})
	}
	for range *slow {
		trickle("GET /api/auth/profile/ HTTP/1.1\r\nHost: x\r\nX-A: ", &headLast)
		trickle("POST /api/auth/login/ HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 10000\r\n\r\n{", &last)
	}
	var reading []net.Conn
	for i := range *readers {
		c, err := narrow(addr)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		times := 1
		if i%2 == 1 {
			times = 60
		}
		if _, err := io.WriteString(c, strings.Repeat("GET /api/schema/ HTTP/1.1\r\nHost: x\r\n\r\n", times)); err != nil {
			t.Fatal(err)
		}
		reading = append(reading, c)
	}
	asked := time.Now()
	wg.Wait()
	// A slow reader is not told: what would tell it stands behind what it has
	// not read. The server's own connections tell.
	// Looked for seldom: that costs the good clients their time.
	for end := asked.Add(patience); ; time.Sleep(250 * time.Millisecond) {
		for _, c := range reading {
			_ = c.SetReadDeadline(time.Now().Add(time.Microsecond))
		}
		if sockets(t, n) <= quiet {
			break
		}
		if time.Now().After(end) {
			t.Errorf("%d connections are still there, want %d", sockets(t, n), quiet)
			break
		}
	}
	readersLast := time.Since(asked)
	elapsed := time.Since(start)
	cancel()
	traffic.Wait()
	before := float64(len(base)) / write.Seconds()
	meanwhile := float64(len(served)) / elapsed.Seconds()
	t.Logf("%d slow heads were gone after %v, %d slow bodies after %v, %d slow readers after %v",
		*slow, time.Duration(headLast.Load()).Round(time.Millisecond), *slow, time.Duration(last.Load()).Round(time.Millisecond), *readers, readersLast.Round(time.Millisecond))
	alone := float64(len(bare)) / write.Seconds()
	t.Logf("good traffic: %.0f a second alone, %.0f beside as many who are slow elsewhere, %.0f meanwhile: %.2f (of alone: %.2f)",
		alone, before, meanwhile, meanwhile/before, meanwhile/alone)
	if *measure {
		const late = time.Second // the clients' own
		if d := time.Duration(headLast.Load()); d > head+late {
			t.Errorf("the last slow head was there for %v, want %v", d, head)
		}
		if d := time.Duration(last.Load()); d > body+late {
			t.Errorf("the last slow body was there for %v, want %v", d, body)
		}
		if readersLast > write+2*late {
			t.Errorf("the last slow reader was there for %v, want %v", readersLast, write)
		}
		if meanwhile < 0.95*before {
			t.Errorf("good traffic came to %.2f of its base, want 0.95", meanwhile/before)
		}
	}
	if len(served) == 0 {
		t.Error("nobody else was served")
	}
	bounded(t, n)
}

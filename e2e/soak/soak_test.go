// Package soak lets the server run under a mixed load for long, and looks at
// what it takes: memory, disk, goroutines, open files (security.md, figures 27
// and 30).
//
// Flags of the test: -soak.for, -soak.seed.
package soak

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/latchkey-auth/latchkey/e2e/faults"
	"github.com/latchkey-auth/latchkey/internal/auth"
	"github.com/latchkey-auth/latchkey/internal/password"
	"github.com/latchkey-auth/latchkey/internal/pgtest"
	"github.com/latchkey-auth/latchkey/internal/session"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

var (
	length = flag.Duration("soak.for", 3*time.Second, "how long each engine is under load")
	seed   = flag.Uint64("soak.seed", 0, "seed of the run; 0 takes one by chance")
)

const (
	clients = 8
	right   = "c0rrect-Horse-42"
	// faster is how much faster the server's clock goes in a long run: days
	// pass in it, so that tokens, sessions and what is kept of them expire.
	faster = 3000
	// longRun is from when on figures are judged; a short run is for
	// correctness alone.
	longRun = 5 * time.Minute
)

// sample is what the process takes at a moment.
type sample struct {
	at         time.Duration
	heap, sys  uint64 // bytes
	disk       int64  // bytes
	goroutines int
	files      int
	requests   int64
}

func (s sample) String() string {
	return fmt.Sprintf("%6s  %6.1f MiB heap, %6.1f MiB from the system, %7.1f MiB on disk, %3d goroutines, %3d files, %8d requests",
		s.at.Round(time.Second), mib(s.heap), mib(s.sys), mib(uint64(s.disk)), s.goroutines, s.files, s.requests)
}

func mib(n uint64) float64 { return float64(n) / (1 << 20) }

// files gives how many files are open; 0 where nobody can tell.
func files() int {
	open, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return 0
	}
	return len(open)
}

// A mixed load: nothing but the answers that are due, and, when it is long, what
// the server takes levels off: memory, and the database, since what has expired
// is swept. At its end nothing is left of it, no goroutine and no file.
//
// ROW 27, 30
func TestSoak(t *testing.T) {
	from := *seed
	if from == 0 {
		from = rand.Uint64N(1 << 32)
	}
	for _, engine := range faults.Engines {
		t.Run(engine, func(t *testing.T) { soak(t, engine, from) })
	}
}

func soak(t *testing.T, engine string, from uint64) {
	long := *length >= longRun
	o := faults.Options{Engine: engine, Busy: true, DearHashes: true, Env: []string{
		"LATCHKEY_LOG_LEVEL=error", "LATCHKEY_AUDIT_RETENTION=24h",
	}}
	s := &stage{Server: faults.Serve(t, o), t: t}
	s.http = &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: clients}}
	encoded, err := password.NewHasher(password.Options{}).Hash(t.Context(), right)
	if err != nil {
		t.Fatal(err)
	}
	before := s.measure(0)
	ctx, stop := context.WithTimeout(t.Context(), *length)
	defer stop()
	var working sync.WaitGroup
	for n := range clients {
		u, err := s.Insert(t.Context(), fmt.Sprintf("client%d@example.com", n), encoded, auth.RoleClient)
		if err != nil {
			t.Fatal(err)
		}
		w := &client{stage: s, user: u, rand: rand.New(rand.NewPCG(from, uint64(n)))}
		working.Go(func() {
			for ctx.Err() == nil && !t.Failed() {
				w.life(ctx)
			}
		})
	}
	working.Go(func() {
		// The clock runs ahead: a second of the run is the better part of an hour.
		for tick := time.NewTicker(10 * time.Millisecond); ctx.Err() == nil; <-tick.C {
			if long {
				s.Advance(10 * time.Millisecond * (faster - 1))
			}
		}
	})
	began := time.Now()
	var all []sample
	for each := max(*length/20, time.Second); ctx.Err() == nil; {
		select {
		case <-time.After(each):
		case <-ctx.Done():
		}
		all = append(all, s.measure(time.Since(began)))
		t.Log(all[len(all)-1])
	}
	working.Wait()
	s.http.CloseIdleConnections()
	s.settle(before)
	t.Logf("seed %d: %d requests in %v, %d of 503", from, s.requests.Load(), *length, s.away.Load())
	if said := s.Log.String(); strings.Contains(said, "panic") || strings.Contains(said, `"level":"ERROR"`) {
		t.Errorf("the log says:\n%s", said)
	}
	if long {
		level(t, all)
	}
}

// level holds that the last third takes no more than the second, but for a
// twentieth and a little: after the first all caches are full. Of the database
// the most counts, of memory the median of the samples: a password that is being
// hashed as one is taken has 19 MiB.
func level(t *testing.T, all []sample) {
	third := len(all) / 3
	for what, of := range map[string]func(sample) uint64{
		"the heap":                   func(s sample) uint64 { return s.heap },
		"the memory from the system": func(s sample) uint64 { return s.sys },
		"the database":               func(s sample) uint64 { return uint64(s.disk) },
	} {
		at := func(part []sample) uint64 {
			var sizes []uint64
			for _, s := range part {
				sizes = append(sizes, of(s))
			}
			slices.Sort(sizes)
			if what == "the database" {
				return sizes[len(sizes)-1]
			}
			return sizes[len(sizes)/2]
		}
		second, last := at(all[third:2*third]), at(all[2*third:])
		if last > second+second/20+4<<20 {
			t.Errorf("%s goes on growing: %.1f MiB in the second third of the run, %.1f in the last", what, mib(second), mib(last))
		}
	}
}

type stage struct {
	*faults.Server
	t              *testing.T
	http           *http.Client
	requests, away atomic.Int64
}

func (s *stage) measure(at time.Duration) sample {
	var m runtime.MemStats
	runtime.GC() // What is left is in use.
	runtime.ReadMemStats(&m)
	return sample{
		at: at, heap: m.HeapAlloc, sys: m.Sys - m.HeapReleased, disk: s.disk(), goroutines: runtime.NumGoroutine(),
		files: files(), requests: s.requests.Load(),
	}
}

// disk is the size of the database.
func (s *stage) disk() (size int64) {
	if !s.Config.Database.IsPostgres() {
		all, err := filepath.Glob(filepath.Join(s.Config.Data, "latchkey.db*"))
		if err != nil {
			s.t.Error(err)
		}
		for _, name := range all {
			if info, err := os.Stat(name); err == nil {
				size += info.Size()
			}
		}
		return size
	}
	ctx := context.WithoutCancel(s.t.Context())
	c, err := pgx.Connect(ctx, s.Config.Database.Reveal())
	if err != nil {
		s.t.Error(err)
		return 0
	}
	defer c.Close(ctx)
	if err := c.QueryRow(ctx, `SELECT pg_database_size(current_database())`).Scan(&size); err != nil {
		s.t.Error(err)
	}
	return size
}

// settle waits until what the load has brought has gone.
func (s *stage) settle(before sample) {
	s.t.Helper()
	const spare = 5
	// Connections to the database are kept; they and what serves them may stay.
	pool := 16
	var now sample
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		now = s.measure(0)
		if now.goroutines <= before.goroutines+spare && now.files <= before.files+spare+pool {
			return
		}
	}
	s.t.Errorf("left over: %d goroutines, before %d; %d files, before %d", now.goroutines, before.goroutines, now.files, before.files)
}

// client is one user's.
type client struct {
	*stage
	user auth.User
	rand *rand.Rand
}

// ask makes a request and gives the status; 503 may be, anything that is not
// wanted may not.
func (w *client) ask(r faults.Request, want ...int) (status int, body []byte) {
	w.t.Helper()
	w.requests.Add(1)
	req, err := r.HTTP(context.Background(), w.URL)
	if err != nil {
		w.t.Error(err)
		return 0, nil
	}
	resp, err := w.http.Do(req)
	if err != nil {
		w.t.Errorf("%s %s: %v", r.Method, r.Path, err)
		return 0, nil
	}
	defer resp.Body.Close()
	if body, err = io.ReadAll(resp.Body); err != nil {
		w.t.Errorf("%s %s: %v", r.Method, r.Path, err)
	}
	if resp.StatusCode == http.StatusServiceUnavailable {
		w.away.Add(1)
		return resp.StatusCode, body
	}
	for _, s := range want {
		if s == resp.StatusCode {
			return resp.StatusCode, body
		}
	}
	w.t.Errorf("%s %s: %d %s, want %v", r.Method, r.Path, resp.StatusCode, bytes.TrimSpace(body), want)
	return resp.StatusCode, body
}

const (
	ok, unauthorized = http.StatusOK, http.StatusUnauthorized
	post             = http.MethodPost
)

// life is a session from its opening to its end, one way or another.
func (w *client) life(ctx context.Context) {
	var tokens session.Tokens
	var err error
	if w.rand.IntN(200) == 0 {
		status, body := w.ask(faults.Request{Method: post, Path: "/api/auth/login/", Body: map[string]string{"email": w.user.Email, "password": right}}, ok)
		if status != ok {
			return
		}
		var a struct {
			Tokens struct{ Access, Refresh string }
		}
		if err := json.Unmarshal(body, &a); err != nil {
			w.t.Error(err)
			return
		}
		tokens.Access, tokens.Refresh = a.Tokens.Access, a.Tokens.Refresh
	} else if tokens, err = w.Open(context.Background(), w.user); err != nil {
		w.t.Errorf("open: %v", err)
		return
	}
	long := *length >= longRun
	// In a long run a token may have expired meanwhile: hours pass in seconds.
	may := []int{ok}
	if long {
		may = append(may, unauthorized)
	}
	for range 5 + w.rand.IntN(40) {
		if ctx.Err() != nil {
			return
		}
		switch n := w.rand.IntN(100); {
		case n < 30:
			status, body := w.ask(faults.Request{Method: post, Path: "/api/auth/token/refresh/", Body: map[string]string{"refresh": tokens.Refresh}}, may...)
			if status == unauthorized {
				return
			}
			var pair struct{ Access, Refresh string }
			if status == ok {
				if err := json.Unmarshal(body, &pair); err != nil {
					w.t.Error(err)
				}
				tokens.Access, tokens.Refresh = pair.Access, pair.Refresh
			}
		case n < 60:
			w.ask(faults.Request{Method: post, Path: "/api/auth/token/verify/", Body: map[string]string{"token": tokens.Access}}, may...)
		case n < 85:
			w.ask(faults.Request{Method: http.MethodGet, Path: "/api/auth/profile/", Bearer: tokens.Access}, may...)
		case n < 97:
			w.ask(faults.Request{Method: http.MethodPut, Path: "/api/auth/profile/", Bearer: tokens.Access, Body: map[string]string{
				"first_name": fmt.Sprintf("Ada%d", w.rand.IntN(1000)),
			}}, may...)
		case n < 99:
			w.ask(faults.Request{Method: http.MethodGet, Path: "/api/auth/sessions/", Bearer: tokens.Access}, may...)
		default:
			w.ask(faults.Request{Method: post, Path: "/api/auth/token/verify/", Body: map[string]string{"token": tokens.Access + "x"}}, unauthorized)
		}
	}
	if w.rand.IntN(2) == 0 {
		status, _ := w.ask(faults.Request{Method: post, Path: "/api/auth/logout/", Bearer: tokens.Access, Body: map[string]string{"refresh_token": tokens.Refresh}}, may...)
		if status == ok {
			w.ask(faults.Request{Method: post, Path: "/api/auth/token/verify/", Body: map[string]string{"token": tokens.Access}}, unauthorized)
		}
	}
}

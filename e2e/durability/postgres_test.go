package durability

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/latchkey-auth/latchkey/e2e/node"
	"github.com/latchkey-auth/latchkey/internal/pgtest"
)

// span is when something happened, by the clock that both traces share.
type span struct{ from, to time.Duration }

// TestPostgresSyncs follows the server and all of PostgreSQL at once: between the
// arrival of each request that writes and its acknowledgement PostgreSQL has
// written to its log and then synced it. There is one client, so that it is no
// other's sync.
//
// LESSON 17
// ROW 1
func TestPostgresSyncs(t *testing.T) {
	strace := node.Strace(t)
	pg := pgtest.Durable(t)
	wal := filepath.Join(t.TempDir(), "postgres")
	detach := attach(t, strace, wal, family(t, pg.URL("postgres")))
	n := node.New(t, "LATCHKEY_DATABASE="+pg.URL("postgres"), "LATCHKEY_PROXY_TRUSTED=127.0.0.1", "LATCHKEY_THROTTLE_ENABLED=false", "LATCHKEY_LOG_LEVEL=error")
	log := filepath.Join(t.TempDir(), "strace")
	if err := n.Run(wrap(t, strace, node.Build(t), log)); err != nil {
		t.Fatalf("start: %v\n%s", err, n.Log())
	}
	effects := work(t, n, 1, *rounds)
	n.Stop()
	ended(t, log, n.PID())
	detach()

	var writes, syncs []span
	read(t, wal, nil, func(c *call) {
		if !strings.Contains(c.path, "/pg_wal/") || c.result < 0 {
			return
		}
		switch c.name {
		case "pwrite64", "pwritev", "write", "writev":
			writes = append(writes, span{c.at[0], c.at[1]})
		case "fdatasync", "fsync":
			syncs = append(syncs, span{c.at[0], c.at[1]})
		}
	})
	requests := map[string]span{}
	read(t, log, func(c *call) {
		if id := acknowledged(c); id != "" && (c.name == "write" || c.name == "writev") {
			r := requests[id]
			r.to = c.at[0]
			requests[id] = r
		}
	}, func(c *call) {
		if c.name != "read" || strings.HasPrefix(c.data, "HTTP/1.1 ") {
			return
		}
		if id := requestID(c.data); id != "" {
			if r := requests[id]; r.from == 0 {
				r.from = c.at[1]
				requests[id] = r
			}
		}
	})
	for id, e := range effects {
		r := requests[id]
		if r.from == 0 || r.to == 0 {
			t.Errorf("%s (%s) is not in the trace: %v", id, e.what, r)
			continue
		}
		synced := false
		for _, s := range syncs {
			if s.from < r.from || s.to > r.to {
				continue
			}
			for _, w := range writes {
				synced = synced || w.from >= r.from && w.to <= s.from
			}
		}
		if !synced {
			t.Errorf("%s (%s) was acknowledged without a sync of the log behind its write", id, e.what)
		}
	}
	t.Logf("%d acknowledged writes, %d writes to the log and %d syncs of it", len(effects), len(writes), len(syncs))
}

// family is PostgreSQL's first process and those that it has started.
func family(t *testing.T, url string) []string {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	var data string
	if err := conn.QueryRow(t.Context(), `SHOW data_directory`).Scan(&data); err != nil {
		t.Fatal(err)
	}
	var own string // the process that asks, which ends with this connection
	if err := conn.QueryRow(t.Context(), `SELECT pg_backend_pid()::text`).Scan(&own); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(filepath.Join(data, "postmaster.pid"))
	if err != nil {
		t.Fatal(err)
	}
	first, _, _ := strings.Cut(string(b), "\n")
	all := []string{first}
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range stats {
		b, err := os.ReadFile(name)
		if err != nil {
			continue // it has ended
		}
		_, after, _ := strings.Cut(string(b), ") ")
		if fields := strings.Fields(after); len(fields) > 1 && fields[1] == first && filepath.Base(filepath.Dir(name)) != own {
			all = append(all, filepath.Base(filepath.Dir(name)))
		}
	}
	return all
}

// attach has strace follow processes, and those that they start, until what it
// gives is called.
func attach(t *testing.T, strace, log string, pids []string) (detach func()) {
	t.Helper()
	args := []string{"-f", "-y", "-xx", "-ttt", "-s", "16", "-e", "signal=none", "-e", "trace=pwrite64,pwritev,write,writev,fsync,fdatasync", "-o", log}
	for _, pid := range pids {
		args = append(args, "-p", pid)
	}
	said, err := os.Create(log + ".said")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(strace, args...)
	cmd.Stderr = said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		_ = cmd.Wait()
		close(done)
	}()
	var gone bool
	detach = func() {
		if !gone {
			gone = true
			_ = cmd.Process.Signal(syscall.SIGINT) // it lets go of them
			<-done
			said.Close()
		}
	}
	t.Cleanup(detach)
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		b, _ := os.ReadFile(said.Name())
		if bytes.Contains(b, []byte("not permitted")) && os.Getenv("LATCHKEY_TEST_STRICT") != "1" {
			t.Skip("strace may not attach to other processes here")
		}
		if bytes.Count(b, []byte("attached")) >= len(pids) {
			return detach
		}
		if time.Now().After(end) {
			t.Fatalf("strace is not attached after 20 s: %s", b)
		}
	}
}

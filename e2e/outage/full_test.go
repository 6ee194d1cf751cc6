package outage

import (
	"database/sql"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	_ "modernc.org/sqlite" // to empty the log of the database from outside

	"github.com/latchkey-auth/latchkey/e2e/node"
	"github.com/latchkey-auth/latchkey/internal/store/sqlite"
)

// small mounts a file system of so many MiB. Root may; somebody else has the
// test run again in a namespace where they may, and gets "".
func small(t *testing.T, mib int) string {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("a small disk is made by Linux's tmpfs")
	}
	if os.Geteuid() != 0 {
		cmd := exec.Command("unshare", append([]string{"-Urm", os.Args[0]}, again(t)...)...)
		out, err := cmd.CombinedOutput()
		t.Logf("%s", out)
		if err != nil {
			t.Errorf("in a namespace of its own: %v", err)
		}
		return ""
	}
	dir := t.TempDir()
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", fmt.Sprintf("size=%dm,mode=0700", mib), "tmpfs", dir).CombinedOutput(); err != nil {
		t.Fatalf("mount a small disk: %v\n%s", err, out)
	}
	t.Cleanup(func() {
		if out, err := exec.Command("umount", "-l", dir).CombinedOutput(); err != nil {
			t.Errorf("unmount: %v\n%s", err, out)
		}
	})
	return dir
}

// again is the arguments that run this test alone.
func again(t *testing.T) []string {
	args := []string{"-test.v", "-test.run", "^" + t.Name() + "$"}
	for _, a := range os.Args[1:] {
		if strings.HasPrefix(a, "-outage.") {
			args = append(args, a)
		}
	}
	return args
}

// fill takes all the room there is and gives how to give it back.
func fill(t *testing.T, dir string) (free func()) {
	t.Helper()
	path := filepath.Join(dir, "something-else")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	for size := 1 << 20; size > 0; {
		if _, err = f.Write(make([]byte, size)); errors.Is(err, syscall.ENOSPC) {
			size /= 2
		} else if err != nil {
			t.Fatal(err)
		}
	}
	f.Close()
	return func() {
		if err := os.Remove(path); err != nil {
			t.Error(err)
		}
	}
}

// emptyLog moves the write-ahead log into the database, so that the next write
// needs room: what the log has it would use again.
func emptyLog(t *testing.T, path string) {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+path+"?_pragma=busy_timeout(10000)")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for end := time.Now().Add(30 * time.Second); ; {
		var busy, log, moved int
		if err := db.QueryRowContext(t.Context(), `PRAGMA wal_checkpoint(TRUNCATE)`).Scan(&busy, &log, &moved); err != nil {
			t.Fatal(err)
		}
		if busy == 0 {
			return
		}
		if time.Now().After(end) {
			t.Fatal("the log cannot be emptied")
		}
	}
}

// The disk under SQLite is full, again and again, under load: writes are
// answered 503, none is acknowledged that is not there later, reads and checks
// of tokens go on, and when there is room again so do writes, without a restart.
//
// ASVS 16.5.2, 16.5.3
// ROW 19
func TestFullDisk(t *testing.T) {
	dir := small(t, 16)
	if dir == "" {
		return
	}
	data := filepath.Join(dir, "data")
	path := filepath.Join(data, sqlite.FileName)
	from := first()
	n := node.Start(t, settings("LATCHKEY_DATA="+data)...)
	c := gather(t, n, from, clients)
	c.begin()
	var slowest time.Duration
	var refused int64
	for range *rounds {
		c.back()
		emptyLog(t, path)
		free := fill(t, dir)
		before := c.away.Load()
		for end := time.Now().Add(time.Minute); c.away.Load() < before+2*clients; time.Sleep(time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("%d writes have been refused on a full disk, and %d answered", c.away.Load()-before, c.answers.Load())
			}
		}
		c.full.Store(true)
		// All of this goes on while it is full.
		for range 3 {
			for _, w := range c.clients {
				if r := w.ask("GET", profilePath, w.kept, nil, ok); !r.ok() {
					t.Errorf("a read on a full disk: %d %s", r.status, r.body)
				}
			}
		}
		c.full.Store(false)
		refused += c.away.Load() - before
		free()
		began := time.Now()
		c.back()
		took := time.Since(began)
		slowest = max(slowest, took)
		soon(t, "room on the disk", took)
		if t.Failed() {
			break
		}
	}
	c.end()
	c.check()
	if t.Failed() || strings.Contains(n.Log(), "panic") {
		t.Errorf("the log says:\n%s", n.Log())
	}
	n.Stop()
	db, err := sqlite.Open(t.Context(), sqlite.Options{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.Check(t.Context()); err != nil {
		t.Error(err)
	}
	t.Logf("seed %d: the disk was full %d times, %d answers of 503, %d of 2xx, %d writes acknowledged; back after %v at most",
		from, *rounds, refused, c.answers.Load(), c.acked.Load(), slowest.Round(time.Millisecond))
}

// A start on a full disk ends with an error that says so, and what is there is
// not harmed.
//
// ROW 19
func TestStartOnAFullDisk(t *testing.T) {
	dir := small(t, 16)
	if dir == "" {
		return
	}
	data := filepath.Join(dir, "data")
	n := node.New(t, settings("LATCHKEY_DATA="+data)...)
	free := fill(t, dir)
	if err := n.Begin(node.Build(t)); err != nil {
		t.Fatal(err)
	}
	select {
	case <-n.Ended():
	case <-time.After(time.Minute):
		t.Fatalf("it has not ended\n%s", n.Log())
	}
	if log := n.Log(); !strings.Contains(log, "full") && !strings.Contains(log, "no space left") {
		t.Errorf("the error does not say that the disk is full:\n%s", log)
	}
	free()
	if err := n.Run(node.Build(t)); err != nil {
		t.Fatalf("with room: %v\n%s", err, n.Log())
	}
	if a, err := n.Register(t.Context(), "ada@example.com", password); err != nil || !a.OK() {
		t.Errorf("register: %v %d %s", err, a.Status, a.Body)
	}
}

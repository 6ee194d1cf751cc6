package durability

import (
	"bytes"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	_ "modernc.org/sqlite" // opens the copies

	"github.com/latchkey-auth/latchkey/e2e/node"
	"github.com/latchkey-auth/latchkey/internal/store/sqlite"
)

// disk is one file as it is to the process, and as the disk has it: what was
// written when the last sync began that has ended.
type disk struct {
	now, synced []byte
	syncing     map[int][]byte // by the place where the sync began
	dirty       bool           // changed since synced
	writes      int
}

func (d *disk) write(at int64, data string) {
	if end := at + int64(len(data)); end > int64(len(d.now)) {
		d.now = append(d.now, make([]byte, end-int64(len(d.now)))...)
	}
	copy(d.now[at:], data)
	d.dirty = true
	d.writes++
}

func (d *disk) truncate(to int64) {
	if to < int64(len(d.now)) {
		d.now = d.now[:to]
	} else {
		d.now = append(d.now, make([]byte, to-int64(len(d.now)))...)
	}
	d.dirty = true
}

// TestSyncBeforeAcknowledgement follows every write and sync of the server under
// load, keeps what a disk would have that loses everything that was not synced,
// and at each answer that acknowledges a write opens what there would be then:
// it must be whole and have that write in it.
//
// LESSON 14, 17
// ROW 1
func TestSyncBeforeAcknowledgement(t *testing.T) {
	strace := node.Strace(t)
	n := node.New(t, "LATCHKEY_PROXY_TRUSTED=127.0.0.1", "LATCHKEY_THROTTLE_ENABLED=false", "LATCHKEY_LOG_LEVEL=error")
	log := filepath.Join(t.TempDir(), "strace")
	if err := n.Run(wrap(t, strace, node.Build(t), log)); err != nil {
		t.Fatalf("start: %v\n%s", err, n.Log())
	}
	const clients = 6
	effects := work(t, n, clients, *rounds)
	n.Stop()
	ended(t, log, n.PID())
	if want := clients * (1 + 6**rounds); len(effects) != want {
		t.Fatalf("%d acknowledged writes, want %d", len(effects), want)
	}

	main := filepath.Join(n.Data, sqlite.FileName)
	files := map[string]*disk{main: {syncing: map[int][]byte{}}, main + "-wal": {syncing: map[int][]byte{}}}
	copies := &copies{t: t, dir: t.TempDir()}
	checked, syncs := 0, 0
	// The mark by which an older database is known takes its name when it is on
	// disk: an empty one would say nothing.
	unsynced, marks, folders := map[string]bool{}, 0, 0
	read(t, log, func(c *call) {
		switch c.name {
		case "fsync", "fdatasync":
			if d := files[c.path]; d != nil {
				d.syncing[c.began] = bytes.Clone(d.now)
			}
		case "write", "writev", "sendto", "sendmsg":
			e, ok := effects[acknowledged(c)]
			if !ok {
				return
			}
			// The last moment before the client can know.
			checked++
			copies.check(files[main].synced, files[main+"-wal"].synced, e)
		}
	}, func(c *call) {
		switch marked := strings.HasPrefix(c.path, filepath.Join(n.Data, "revocations.seq.")); {
		case marked && c.name == "write":
			unsynced[c.path] = true
		case marked && c.name == "fsync":
			delete(unsynced, c.path)
			marks++
		case c.path == n.Data && c.name == "fsync":
			folders++
		}
		d := files[c.path]
		if d == nil || c.result < 0 {
			return
		}
		switch c.name {
		case "pwrite64":
			d.write(c.offset(t), c.data[:c.result])
		case "write", "writev":
			t.Fatalf("%s of %s without an offset", c.name, c.path)
		case "ftruncate":
			s, _, _ := strings.Cut(c.rest, ")")
			var to int64
			if _, err := fmt.Sscan(strings.TrimLeft(s, ", "), &to); err != nil {
				t.Fatalf("ftruncate: %q", c.rest)
			}
			d.truncate(to)
		case "fsync", "fdatasync":
			syncs++
			d.synced = d.syncing[c.began]
			delete(d.syncing, c.began)
		}
	})
	if checked != len(effects) {
		t.Errorf("%d answers were found in the trace, want %d", checked, len(effects))
	}
	if files[main+"-wal"].writes == 0 || syncs == 0 {
		t.Errorf("%d writes to the log and %d syncs were seen", files[main+"-wal"].writes, syncs)
	}
	if len(unsynced) > 0 || marks == 0 || folders < marks {
		t.Errorf("of the mark %d files were synced, and %d not, and the folder %d times", marks, len(unsynced), folders)
	}
	// What was rebuilt is what there is.
	if there, err := os.ReadFile(main); err != nil || !bytes.Equal(there, files[main].now) {
		t.Errorf("the database of %d bytes is not what the trace makes of it, %d bytes (%v)", len(there), len(files[main].now), err)
	}
	t.Logf("%d acknowledged writes, %d syncs, %d writes to the log; each copy opened clean with its write in it", checked, syncs, files[main+"-wal"].writes)
}

// copies opens databases as they would be after a power cut.
type copies struct {
	t       *testing.T
	dir     string
	n       int
	last    [2][]byte
	db      *sql.DB
	missing int
}

// check opens a copy and looks for an effect in it.
func (c *copies) check(main, wal []byte, e effect) {
	c.t.Helper()
	if c.db == nil || !bytes.Equal(c.last[0], main) || !bytes.Equal(c.last[1], wal) {
		c.close()
		c.n++
		c.last = [2][]byte{main, wal}
		path := filepath.Join(c.dir, fmt.Sprintf("%d.db", c.n))
		for name, content := range map[string][]byte{path: main, path + "-wal": wal} {
			if err := os.WriteFile(name, content, 0o600); err != nil {
				c.t.Fatal(err)
			}
		}
		db, err := sql.Open("sqlite", path)
		if err != nil {
			c.t.Fatal(err)
		}
		c.db = db
		var verdict string
		if err := db.QueryRow(`PRAGMA integrity_check`).Scan(&verdict); err != nil || verdict != "ok" {
			c.t.Errorf("the copy at %s (%s) is not whole: %v %s", e.id, e.what, err, verdict)
		}
	}
	var found int
	if err := c.db.QueryRow(e.query, e.args...).Scan(&found); err != nil || found != 1 {
		if c.missing++; c.missing <= 10 {
			c.t.Errorf("%s (%s) was acknowledged and would be lost with the power: %v, found %d", e.id, e.what, err, found)
		}
	}
}

func (c *copies) close() {
	if c.db != nil {
		c.db.Close()
		for _, suffix := range []string{"", "-wal", "-shm"} {
			_ = os.Remove(filepath.Join(c.dir, fmt.Sprintf("%d.db%s", c.n, suffix)))
		}
		c.db = nil
	}
}

// ended waits until the trace is whole: strace writes on when the program has
// ended.
func ended(t *testing.T, log string, pid int) {
	t.Helper()
	last := fmt.Sprintf("%d ", pid)
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		b, err := tail(log)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.SplitSeq(b, "\n") {
			if strings.HasPrefix(line, last) && strings.Contains(line, "+++ exited") {
				return
			}
		}
	}
	t.Fatal("the trace has no end")
}

// tail gives the last of a file.
func tail(name string) (string, error) {
	f, err := os.Open(name)
	if err != nil {
		return "", err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return "", err
	}
	b := make([]byte, min(info.Size(), 1<<16))
	_, err = f.ReadAt(b, info.Size()-int64(len(b)))
	return string(b), err
}

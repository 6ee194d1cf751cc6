package sqlite

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/latchkey-auth/latchkey/internal/auth"
	"github.com/latchkey-auth/latchkey/internal/store"
)

// markName is a file beside the database with the last seq of the revocation
// clock. A database whose clock is behind it is an old copy.
const markName = "revocations.seq"

// markEvery is how often the mark is written at most.
const markEvery = time.Second

// mark is the high-water mark of the revocation clock. It only ever rises.
// Writing it is best effort: it is a tripwire, not a record.
type mark struct {
	path string
	log  *slog.Logger

	// writing is held while the file is written. mu is not: acts wait for it.
	writing sync.Mutex

	mu      sync.Mutex
	seen    int64
	written int64
	timer   *time.Timer
	closed  bool
	told    bool // that it cannot be written
}

func openMark(path string, log *slog.Logger) *mark {
	m := &mark{path: path, log: log}
	m.written = m.read()
	m.seen = m.written
	return m
}

// read gives 0 where there is no mark.
func (m *mark) read() int64 {
	b, err := os.ReadFile(m.path)
	if err != nil {
		if !errors.Is(err, fs.ErrNotExist) {
			m.log.Warn("cannot read the mark of the revocation clock", "error", err)
		}
		return 0
	}
	n, err := strconv.ParseInt(strings.TrimSpace(string(b)), 10, 64)
	if err != nil {
		m.log.Warn("the mark of the revocation clock is no number", "path", m.path)
		return 0
	}
	return n
}

// see notes revocations that have been committed.
func (m *mark) see(rows []auth.Revocation) {
	if len(rows) == 0 {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.seen = max(m.seen, rows[len(rows)-1].Seq)
	m.arm()
}

// arm has the mark written soon, if there is something to write.
func (m *mark) arm() {
	if m.seen <= m.written || m.timer != nil || m.closed {
		return
	}
	m.timer = time.AfterFunc(markEvery, func() {
		defer func() {
			p := recover()
			if p != nil {
				m.log.Error("panic in the mark of the revocation clock", "panic", p, "stack", string(debug.Stack()))
			}
			m.mu.Lock()
			defer m.mu.Unlock()
			m.timer = nil
			if p == nil {
				m.arm() // a full disk may have room then
			}
		}()
		m.write()
	})
}

// write stores the mark; another process may have stored a higher one.
func (m *mark) write() {
	m.writing.Lock()
	defer m.writing.Unlock()
	m.mu.Lock()
	seen, due := m.seen, m.seen > m.written
	m.mu.Unlock()
	if !due {
		return
	}
	seen = max(seen, m.read())
	err := m.replace(seen)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.seen = max(m.seen, seen)
	if err != nil {
		if !m.told {
			m.told = true
			m.log.Warn("cannot write the mark of the revocation clock; trying again", "error", err)
		}
		return
	}
	m.written, m.told = seen, false
}

// replace puts a file with the number in the place of the one that is there, on
// disk before it takes the name: after a power failure there must not be an empty
// one.
func (m *mark) replace(seen int64) error {
	folder := filepath.Dir(m.path)
	f, err := os.CreateTemp(folder, markName+".*") // with mode 0600
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(f, "%d\n", seen)
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = os.Rename(f.Name(), m.path)
	}
	if err != nil {
		_ = os.Remove(f.Name())
		return err
	}
	if dir, err := os.Open(folder); err == nil {
		_ = dir.Sync() // Where folders cannot be synced the one of before may be there.
		_ = dir.Close()
	}
	return nil
}

func (m *mark) close() {
	m.mu.Lock()
	m.closed = true
	if m.timer != nil {
		m.timer.Stop()
	}
	m.mu.Unlock()
	m.write()
}

// Rewound reports whether the database is older than its folder: its
// revocation clock is behind the mark, as after a backup was put back. Tokens
// that were revoked since would be good again; the answer to that is EndAll, an
// all-revocation and then CatchUp.
func (db *DB) Rewound(ctx context.Context) (bool, error) {
	seq, err := db.Read().LastRevocation(ctx)
	if err != nil {
		return false, err
	}
	return seq < db.mark.read(), nil
}

// CatchUp moves the revocation clock to the mark, so that no number is given
// twice and Rewound is false from then on. Call it after the sessions of a
// rewound database were ended: a crash before it only makes the next start do
// that again.
func (db *DB) CatchUp(ctx context.Context) error {
	to := db.mark.read()
	err := db.writer.do(&act{ctx: ctx, run: func(tx store.Tx) error {
		_, err := tx.Exec(ctx, `UPDATE revocation_clock SET seq = $1 WHERE one = 1 AND seq < $1`, to)
		return err
	}})
	if err != nil {
		return fmt.Errorf("move the revocation clock to its mark: %w", err)
	}
	return nil
}

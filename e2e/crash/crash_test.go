package crash

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/latchkey-auth/latchkey/e2e/node"
	"github.com/latchkey-auth/latchkey/internal/pgtest"
	"github.com/latchkey-auth/latchkey/internal/store/sqlite"
)

func TestMain(m *testing.M) {
	code := pgtest.M{M: m}.Run()
	node.Clean()
	os.Exit(code)
}

var (
	cycles  = flag.Int("crash.cycles", 5, "kills on each engine")
	longest = flag.Duration("crash.for", 500*time.Millisecond, "the longest time between a start and its kill")
	seed    = flag.Uint64("crash.seed", 0, "seed of the run; 0 takes one by chance")
)

const (
	// databaseEach is in how many cycles PostgreSQL is killed, too.
	databaseEach = 5
	// integrityEach is in how many cycles the whole database is read in a long
	// run. A short one reads it in each.
	integrityEach, shortRun = 10, 20
)

// TestCrash kills the server under load. Nothing that was acknowledged may be
// lost, and nothing that was revoked or rotated may live again.
//
// LESSON 14
// ROW 1, 3
func TestCrash(t *testing.T) {
	first := *seed
	if first == 0 {
		first = rand.Uint64N(1 << 32)
	}
	engines := map[string]func(*testing.T) (database, []string){
		"sqlite": func(*testing.T) (database, []string) { return &file{}, nil },
		"postgres": func(t *testing.T) (database, []string) {
			c := &cluster{Server: pgtest.Durable(t)}
			return c, []string{"LATCHKEY_DATABASE=" + c.URL("postgres")}
		},
	}
	for name, start := range engines {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db, env := start(t)
			env = append(env, "LATCHKEY_THROTTLE_ENABLED=false", "LATCHKEY_LOG_LEVEL=error")
			n := node.New(t, env...)
			if f, ok := db.(*file); ok {
				f.path = filepath.Join(n.Data, sqlite.FileName)
			}
			l, err := openLedger(filepath.Join(t.TempDir(), "ledger"))
			if err != nil {
				t.Fatal(err)
			}
			defer l.f.Close()
			d := &driver{
				t: t, node: n, binary: node.Build(t), ledger: l, book: book{users: map[string]*user{}},
				rand: rand.New(rand.NewPCG(first, 0)), hashing: make(chan struct{}, 2),
			}
			if err := n.Run(d.binary); err != nil {
				t.Fatalf("start: %v\n%s", err, n.Log())
			}
			d.begin()
			done := 0
			for ; done < *cycles && !t.Failed(); done++ {
				d.cycle(db, done)
			}
			if !t.Failed() {
				d.check(true)
				integrity(t, db)
			}
			if strings.Contains(n.Log(), "panic") {
				t.Errorf("the log says:\n%s", n.Log())
			}
			lost := "0 lost"
			if t.Failed() {
				lost = "see above"
			}
			t.Logf("seed %d: %d kills, %d acknowledged writes checked, %s; %d accounts, %d questions about tokens, %d answers of 503, %d checks too late for the leeway",
				first, done, d.book.acked, lost, len(d.book.order), d.tokens.Load(), d.busy.Load(), d.late.Load())
		})
	}
}

// cycle is load, kill, start, check.
func (d *driver) cycle(db database, n int) {
	t := d.t
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	working := d.load(ctx)
	time.Sleep(time.Duration(d.rand.Int64N(int64(*longest))))
	d.killing.Store(true)
	d.killed = time.Now()
	if n%databaseEach == databaseEach-1 {
		if err := db.kill(); err != nil {
			t.Fatal(err)
		}
	}
	d.node.Kill()
	stop()
	working.Wait()
	if err := db.restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := d.node.Run(d.binary); err != nil {
		t.Fatalf("start after kill %d: %v\n%s", n+1, err, d.node.Log())
	}
	d.killing.Store(false)
	d.check(false)
	if *cycles <= shortRun || n%integrityEach == 0 {
		integrity(t, db)
	}
}

// database is what the engines do not have in common.
type database interface {
	// kill ends a database server, if there is one, and restart starts it
	// again if it was killed.
	kill() error
	restart(ctx context.Context) error
	// integrity reads all of the database.
	integrity(ctx context.Context) error
}

func integrity(t *testing.T, db database) {
	t.Helper()
	if err := db.integrity(t.Context()); err != nil {
		t.Errorf("integrity: %v", err)
	}
}

// file is SQLite's.
type file struct{ path string }

func (*file) kill() error                   { return nil }
func (*file) restart(context.Context) error { return nil }

func (f *file) integrity(ctx context.Context) (err error) {
	db, err := sqlite.Open(ctx, sqlite.Options{Path: f.path})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	return db.Check(ctx)
}

// cluster is PostgreSQL's.
type cluster struct {
	*pgtest.Server
	killed bool
}

func (c *cluster) kill() error {
	c.killed = true
	return c.Kill()
}

func (c *cluster) restart(ctx context.Context) error {
	if c.killed {
		c.killed = false
		return c.Restart(ctx)
	}
	return c.alone(ctx)
}

// alone waits until PostgreSQL is done with what the dead have sent it: a
// commit that was on its way may still come, but not during the check.
func (c *cluster) alone(ctx context.Context) (err error) {
	conn, err := pgx.Connect(ctx, c.URL("postgres"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, conn.Close(ctx)) }()
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(time.Millisecond) {
		var others int
		if err := conn.QueryRow(ctx, `SELECT COUNT(*) FROM pg_stat_activity
			WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()`).Scan(&others); err != nil {
			return err
		}
		if others == 0 {
			return nil
		}
		if time.Now().After(end) {
			return fmt.Errorf("%d connections of processes that were killed are still there", others)
		}
	}
}

// contradictions are what must be nowhere in the tables.
var contradictions = map[string]string{
	"revocations ahead of their clock": `SELECT COUNT(*) FROM revocations WHERE seq > (SELECT seq FROM revocation_clock)`,
	"sessions without their user":      `SELECT COUNT(*) FROM sessions s WHERE NOT EXISTS (SELECT 1 FROM users u WHERE u.id = s.user_id)`,
	"live sessions of inactive users":  `SELECT COUNT(*) FROM sessions s JOIN users u ON u.id = s.user_id WHERE NOT u.is_active AND s.revoked_at IS NULL`,
	"users without a registration":     `SELECT COUNT(*) FROM users u WHERE NOT EXISTS (SELECT 1 FROM events e WHERE e.user_id = u.id AND e.kind = 'registered')`,
}

// integrity looks into each index with amcheck, which knows every row of its
// table, and at what the tables say together.
func (c *cluster) integrity(ctx context.Context) (err error) {
	conn, err := pgx.Connect(ctx, c.URL("postgres"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, conn.Close(ctx)) }()
	var there bool
	if err := conn.QueryRow(ctx, `SELECT EXISTS (SELECT 1 FROM pg_available_extensions WHERE name = 'amcheck')`).Scan(&there); err != nil {
		return err
	}
	if there {
		if _, err := conn.Exec(ctx, `CREATE EXTENSION IF NOT EXISTS amcheck`); err != nil {
			return err
		}
		// Each error ends the statement.
		if _, err := conn.Exec(ctx, `SELECT bt_index_check(i.indexrelid::regclass, true)
			FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_am a ON a.oid = c.relam
			JOIN pg_namespace n ON n.oid = c.relnamespace
			WHERE a.amname = 'btree' AND n.nspname = 'public' AND i.indisvalid`); err != nil {
			return fmt.Errorf("amcheck: %w", err)
		}
	}
	for what, query := range contradictions {
		var n int
		if err := conn.QueryRow(ctx, query).Scan(&n); err != nil {
			return err
		}
		if n > 0 {
			return fmt.Errorf("%d %s", n, what)
		}
	}
	return nil
}

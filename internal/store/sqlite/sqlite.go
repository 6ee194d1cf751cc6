package sqlite

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/pressly/goose/v3"

	"github.com/latchkey-auth/latchkey/internal/auth"
	"github.com/latchkey-auth/latchkey/internal/store"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Options say which database and how.
type Options struct {
	// Path is the database file. It is made if it does not exist, with mode
	// 0600, and its folder with mode 0700.
	Path string
	// Now is the clock; nil means time.Now.
	Now func() time.Time
	// Log takes what nobody is there to be answered; nil means slog.Default.
	Log *slog.Logger
	// ReadConns is how many reads run at once; 0 means twice the processors,
	// at least 4.
	ReadConns int
}

var _ auth.Store = (*DB)(nil)

// DB is an auth.Store in one file.
type DB struct {
	path    string
	now     func() time.Time
	writer  *writer
	readers *readers
	cache   userCache
	hints   hints
	mark    *mark
}

// Open opens the database, brings its schema up to date and refuses one that is
// newer than this program. It holds that the file is in WAL mode and that a
// commit reaches the disk.
func Open(ctx context.Context, o Options) (*DB, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	if o.ReadConns <= 0 {
		o.ReadConns = max(4, 2*runtime.NumCPU())
	}
	db, err := open(ctx, o)
	if err != nil {
		return nil, fmt.Errorf("open database %s: %w", o.Path, err)
	}
	return db, nil
}

func open(ctx context.Context, o Options) (*DB, error) {
	if err := makeFile(o.Path); err != nil {
		return nil, err
	}
	c, err := prepared(ctx, o.Path)
	if err != nil {
		return nil, err
	}
	db := &DB{path: o.Path, now: o.Now, readers: newReaders(o.Path, o.ReadConns)}
	db.mark = openMark(filepath.Join(filepath.Dir(o.Path), markName), o.Log)
	db.writer = &writer{
		path:    o.Path,
		log:     o.Log,
		conn:    c,
		tx:      store.Tx{Engine: dialect{}, Now: o.Now},
		queue:   make(chan *act, 4*maxGroup),
		foreign: db.foreignCommit,
		gone:    make(chan struct{}),
	}
	db.writer.look() // from here on it tells of others
	go db.writer.loop()
	return db, nil
}

// openWait is how long opening waits for other processes that open or close
// the same file: SQLite does not call its busy handler for the locks with which
// a file becomes WAL and the last connection folds the log in.
const openWait = 5 * time.Second

// prepared gives a connection that writes, durably, to today's schema.
func prepared(ctx context.Context, path string) (*conn, error) {
	for deadline := time.Now().Add(openWait); ; {
		c, err := connect(path, writes)
		if err == nil {
			if err = errors.Join(durable(ctx, c), migrate(ctx, c, path)); err == nil {
				return c, nil
			}
			err = errors.Join(err, c.close())
		}
		if !busy(err) || time.Now().After(deadline) {
			return nil, err
		}
		select {
		case <-ctx.Done():
			return nil, errors.Join(err, ctx.Err())
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// makeFile makes the folder and the file private before SQLite would make them
// with the umask's mode; its -wal and -shm take the file's. A file that is there
// is not touched: closing it would drop the locks that this process may have.
func makeFile(path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return f.Close()
}

// durable reads back what the connection was told: a file system without
// shared memory leaves WAL off without an error.
func durable(ctx context.Context, c *conn) error {
	var mode string
	var sync int64
	if err := errors.Join(
		c.QueryRow(ctx, `PRAGMA journal_mode`).Scan(&mode),
		c.QueryRow(ctx, `PRAGMA synchronous`).Scan(&sync),
	); err != nil {
		return err
	}
	if mode != "wal" || sync != 2 {
		return fmt.Errorf("journal_mode is %s and synchronous %d, want wal and 2 (FULL): commits would not be durable", mode, sync)
	}
	return nil
}

// migrateTries is how often migrate begins anew after a process beside it was
// faster.
const migrateTries = 10

// migrate brings the schema up to date. goose and its database/sql handle are
// used only if there is something to do: a start takes milliseconds. Processes
// that start together on a new file may all try; a migration is one
// transaction, so one of them succeeds and the others find it done.
func migrate(ctx context.Context, c *conn, path string) error {
	newest, err := newestMigration()
	if err != nil {
		return err
	}
	var failed error
	for range migrateTries {
		have, err := schemaVersion(ctx, c)
		switch {
		case err != nil:
			return fmt.Errorf("read the schema's version: %w", err)
		case have > newest:
			return fmt.Errorf("the schema is of version %d, this program knows %d: use a newer latchkey", have, newest)
		case have == newest:
			return nil
		}
		failed = runMigrations(ctx, path)
	}
	return failed
}

func runMigrations(ctx context.Context, path string) error {
	dsn, err := dataSource(path, writes)
	if err != nil {
		return err
	}
	db, err := sql.Open("sqlite", dsn)
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	folder, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return err
	}
	all, err := store.Migrations(folder)
	if err != nil {
		return fmt.Errorf("read the migrations: %w", err)
	}
	p, err := goose.NewProvider(goose.DialectSQLite3, db, nil,
		goose.WithGoMigrations(all...), goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return fmt.Errorf("read the migrations: %w", err)
	}
	if _, err := p.Up(ctx); err != nil {
		return fmt.Errorf("migrate the schema: %w", err)
	}
	return nil
}

// newestMigration is the number of the last file that is embedded.
func newestMigration() (int64, error) {
	files, err := migrations.ReadDir("migrations")
	if err != nil {
		return 0, err
	}
	var newest int64
	for _, f := range files {
		n, err := goose.NumericComponent(f.Name())
		if err != nil {
			return 0, err
		}
		newest = max(newest, n)
	}
	return newest, nil
}

// schemaVersion is 0 for an empty database.
func schemaVersion(ctx context.Context, c store.Conn) (int64, error) {
	var exists bool
	err := c.QueryRow(ctx, `SELECT EXISTS (SELECT 1 FROM sqlite_master WHERE name = 'goose_db_version')`).Scan(&exists)
	if err != nil || !exists {
		return 0, err
	}
	var version int64
	err = c.QueryRow(ctx, `SELECT COALESCE(MAX(version_id), 0) FROM goose_db_version WHERE is_applied`).Scan(&version)
	return version, err
}

// Read implements auth.Store.
func (db *DB) Read() auth.Reader {
	return reader{store.Tx{Conn: db.readers, Engine: dialect{}, Now: db.now}, &db.cache}
}

// Rotate implements auth.Store.
func (db *DB) Rotate(ctx context.Context, r auth.Rotation) (auth.Rotated, error) {
	var out auth.Rotated
	err := db.writer.do(&act{
		ctx: ctx,
		// The UPDATE is the only statement that writes, but where the spent token
		// is kept.
		single: r.SpentUntil == 0,
		run: func(tx store.Tx) (err error) {
			out, err = store.Rotate(ctx, tx, r)
			return err
		},
	})
	if err != nil {
		return auth.Rotated{}, err
	}
	return out, nil
}

// OpenSession implements auth.Store.
func (db *DB) OpenSession(ctx context.Context, o auth.Opening) (auth.Opened, error) {
	var out auth.Opened
	err := db.writer.do(&act{
		ctx: ctx,
		run: func(tx store.Tx) (err error) {
			out, err = store.OpenSession(ctx, tx, o)
			return err
		},
		committed: func() {
			db.cache.drop(o.UserID)
			db.mark.see(out.Revocations)
		},
	})
	if err != nil {
		return auth.Opened{}, err
	}
	return out, nil
}

// RevokeSession implements auth.Store.
func (db *DB) RevokeSession(ctx context.Context, r auth.Revoking) (auth.Revoked, error) {
	var out auth.Revoked
	err := db.writer.do(&act{
		ctx: ctx,
		run: func(tx store.Tx) (err error) {
			out, err = store.RevokeSession(ctx, tx, r)
			return err
		},
		committed: func() { db.mark.see(out.Revocations) },
	})
	if err != nil {
		return auth.Revoked{}, err
	}
	return out, nil
}

// Update implements auth.Store. fn runs on the writer's goroutine: it must not
// call the Store, only its Tx.
func (db *DB) Update(ctx context.Context, fn func(auth.Tx) error) error {
	var t *tx
	return db.writer.do(&act{
		ctx: ctx,
		run: func(plain store.Tx) error {
			t = &tx{Tx: plain}
			return fn(t)
		},
		committed: func() {
			if t.everybody {
				db.cache.dropAll()
			}
			db.cache.drop(t.users...)
			db.mark.see(t.revocations)
		},
	})
}

// tx notes what a transaction changes that the process holds in memory.
type tx struct {
	store.Tx
	users       []int64
	everybody   bool
	revocations []auth.Revocation
}

// UpdateUser implements auth.UserWriter.
func (t *tx) UpdateUser(ctx context.Context, id int64, c auth.UserChange, now time.Time) (auth.User, error) {
	t.users = append(t.users, id)
	return t.Tx.UpdateUser(ctx, id, c, now)
}

// DeleteUser implements auth.UserWriter.
func (t *tx) DeleteUser(ctx context.Context, id int64) (auth.User, error) {
	t.users = append(t.users, id)
	return t.Tx.DeleteUser(ctx, id)
}

// EndAll implements auth.SessionWriter.
func (t *tx) EndAll(ctx context.Context, now time.Time) (int64, error) {
	t.everybody = true
	return t.Tx.EndAll(ctx, now)
}

// InsertImported implements auth.TakeoverWriter.
func (t *tx) InsertImported(ctx context.Context, users []auth.ImportedUser, now time.Time) ([]int64, error) {
	for _, u := range users {
		t.users = append(t.users, u.ID)
	}
	return t.Tx.InsertImported(ctx, users, now)
}

// SetImported implements auth.TakeoverWriter.
func (t *tx) SetImported(ctx context.Context, b auth.ImportBase, updatedAt, lastLogin time.Time) error {
	t.users = append(t.users, b.UserID)
	return t.Tx.SetImported(ctx, b, updatedAt, lastLogin)
}

// Revoke implements auth.RevocationWriter.
func (t *tx) Revoke(ctx context.Context, rows ...auth.Revocation) ([]auth.Revocation, error) {
	rows, err := t.Tx.Revoke(ctx, rows...)
	t.revocations = append(t.revocations, rows...)
	return rows, err
}

// Changes implements auth.Store. The hints tell of commits by other processes;
// it takes up to 100 ms to notice one.
func (db *DB) Changes(ctx context.Context) <-chan struct{} { return db.hints.listen(ctx) }

// foreignCommit is called by the writer.
func (db *DB) foreignCommit() {
	db.cache.dropAll()
	db.hints.give()
}

// Ping implements auth.Store.
func (db *DB) Ping(ctx context.Context) error {
	_, err := db.Read().LastRevocation(ctx)
	return err
}

// Close implements auth.Store. The writer's connection is the last to go: it
// moves the log into the database, which a reader cannot.
func (db *DB) Close() error {
	if !db.writer.finish() {
		return nil
	}
	err := db.readers.close()
	if c := db.writer.conn; c != nil {
		err = errors.Join(err, c.close())
	}
	db.mark.close()
	return err
}

// Check reads the whole file and reports what SQLite finds wrong with it. It
// takes a reader for that long.
func (db *DB) Check(ctx context.Context) error {
	rows, err := db.readers.Query(ctx, `PRAGMA integrity_check`)
	if err != nil {
		return fmt.Errorf("check the database: %w", err)
	}
	defer rows.Close()
	var findings []string
	for rows.Next() {
		var finding string
		if err := rows.Scan(&finding); err != nil {
			return fmt.Errorf("check the database: %w", err)
		}
		if finding != "ok" {
			findings = append(findings, finding)
		}
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("check the database: %w", err)
	}
	if len(findings) > 0 {
		return fmt.Errorf("the database is damaged: %s", strings.Join(findings, "; "))
	}
	return nil
}

package sqlite

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/latchkey-auth/latchkey/internal/auth"
	"github.com/latchkey-auth/latchkey/internal/store"
)

// conn is one connection with its prepared statements. It goes to the driver
// without database/sql between: a connection here has one user at a time
// anyway, and what database/sql adds (locks, reflection, a goroutine for each
// context) would be a good part of the cost of a rotation. Not safe for
// concurrent use.
type conn struct {
	driver driver.Conn
	stmts  map[string]driver.Stmt
	// failed is the first error that may have ended the transaction behind our
	// back, as SQLite does on a full disk or an I/O error. From then on no
	// statement runs until the transaction is over: it would commit by itself.
	failed error
}

var _ store.Conn = (*conn)(nil)

// role says what a connection is for.
type role int

const (
	writes role = iota
	reads
)

// dataSource is the driver's name for the database file with its settings;
// each connection gets them all.
func dataSource(path string, r role) (string, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	q := url.Values{"_pragma": {
		"busy_timeout(5000)",
		"journal_mode(WAL)",
		// Under WAL, NORMAL may lose the last commits when the power goes, and
		// bring a revoked token back. It is a security setting here.
		"synchronous(FULL)",
		// On macOS a plain fsync does not reach the disk.
		"fullfsync(1)",
		"checkpoint_fullfsync(1)",
		"foreign_keys(1)",
		"journal_size_limit(67108864)",
	}}
	if r == reads {
		q.Set("mode", "ro")
		q["_pragma"] = []string{"busy_timeout(5000)", "query_only(1)"}
	}
	return (&url.URL{Scheme: "file", Path: filepath.ToSlash(abs), RawQuery: q.Encode()}).String(), nil
}

func connect(path string, r role) (*conn, error) {
	dsn, err := dataSource(path, r)
	if err != nil {
		return nil, err
	}
	d, err := (&sqlite.Driver{}).Open(dsn)
	if err != nil {
		return nil, told(err)
	}
	return &conn{driver: d, stmts: map[string]driver.Stmt{}}, nil
}

func (c *conn) close() error {
	var errs []error
	for _, s := range c.stmts {
		errs = append(errs, s.Close())
	}
	return errors.Join(append(errs, c.driver.Close())...)
}

// statement prepares a query once.
func (c *conn) statement(query string, args int) (driver.Stmt, error) {
	if s, ok := c.stmts[query]; ok {
		return s, nil
	}
	if err := checkParameters(query, args); err != nil {
		return nil, err
	}
	s, err := c.driver.Prepare(query)
	if err != nil {
		return nil, c.fail(err)
	}
	c.stmts[query] = s
	return s, nil
}

// checkParameters holds that $1, $2, … appear for the first time in this
// order, and as many as there are arguments. SQLite numbers parameters by first
// appearance and the driver binds by that number; PostgreSQL goes by the digits.
func checkParameters(query string, args int) error {
	seen := 0
	for i, part := range strings.Split(query, "$") {
		if i == 0 {
			continue
		}
		end := 0
		for end < len(part) && '0' <= part[end] && part[end] <= '9' {
			end++
		}
		n, err := strconv.Atoi(part[:end])
		if err != nil || n > seen+1 {
			return fmt.Errorf("parameter $%s out of order in %q", part[:end], query)
		}
		seen = max(seen, n)
	}
	if seen != args {
		return fmt.Errorf("%d arguments for %d parameters in %q", args, seen, query)
	}
	return nil
}

// busy reports whether an error is a lock of somebody else's.
func busy(err error) bool {
	var e *sqlite.Error
	return errors.As(err, &e) && e.Code()&0xff == sqlite3.SQLITE_BUSY
}

// away reports whether an error is the disk's or another process's: it may pass,
// and the request that meets it is answered 503.
func away(err error) bool {
	var e *sqlite.Error
	if !errors.As(err, &e) {
		return false
	}
	switch e.Code() & 0xff {
	case sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED,
		sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_NOMEM, sqlite3.SQLITE_PROTOCOL:
		return true
	}
	return false
}

// told says in the words of auth what went wrong.
func told(err error) error {
	var already *auth.Error
	if err == nil || errors.As(err, &already) || !away(err) {
		return err
	}
	return &auth.Error{Kind: auth.Unavailable, Code: auth.CodeDatabaseAway, Cause: err}
}

// fail notes an error that may have ended the transaction. A violated
// constraint undoes its own statement only.
func (c *conn) fail(err error) error {
	var e *sqlite.Error
	if errors.As(err, &e) && e.Code()&0xff == sqlite3.SQLITE_CONSTRAINT {
		return err
	}
	err = told(err)
	if c.failed == nil {
		c.failed = err
	}
	return err
}

// Exec implements store.Conn. The context does not interrupt: statements are
// short, and an interrupted one would roll back the whole group.
func (c *conn) Exec(_ context.Context, query string, args ...any) (int64, error) {
	if c.failed != nil {
		return 0, c.failed
	}
	s, values, err := c.prepare(query, args)
	if err != nil {
		return 0, err
	}
	res, err := s.(driver.StmtExecContext).ExecContext(context.Background(), values)
	if err != nil {
		return 0, c.fail(err)
	}
	return res.RowsAffected()
}

// Query implements store.Conn.
func (c *conn) Query(_ context.Context, query string, args ...any) (store.Rows, error) {
	return c.query(query, args)
}

func (c *conn) query(query string, args []any) (*rows, error) {
	if c.failed != nil {
		return nil, c.failed
	}
	s, values, err := c.prepare(query, args)
	if err != nil {
		return nil, err
	}
	dr, err := s.(driver.StmtQueryContext).QueryContext(context.Background(), values)
	if err != nil {
		return nil, c.fail(err)
	}
	return &rows{conn: c, driver: dr, values: make([]driver.Value, len(dr.Columns()))}, nil
}

// QueryRow implements store.Conn.
func (c *conn) QueryRow(_ context.Context, query string, args ...any) store.Row {
	r, err := c.query(query, args)
	return row{r, err}
}

func (c *conn) prepare(query string, args []any) (driver.Stmt, []driver.NamedValue, error) {
	s, err := c.statement(query, len(args))
	if err != nil {
		return nil, nil, err
	}
	values := make([]driver.NamedValue, len(args))
	for i, a := range args {
		v, err := value(a)
		if err != nil {
			return nil, nil, err
		}
		values[i] = driver.NamedValue{Ordinal: i + 1, Value: v}
	}
	return s, values, nil
}

// value is a parameter as the driver takes it.
func value(a any) (driver.Value, error) {
	switch a := a.(type) {
	case string, int64, bool:
		return a, nil
	case []byte:
		if a == nil {
			return nil, nil
		}
		return a, nil
	case *string:
		return deref(a), nil
	case *int64:
		return deref(a), nil
	case *bool:
		return deref(a), nil
	}
	return nil, fmt.Errorf("parameter of type %T", a)
}

func deref[T any](p *T) driver.Value {
	if p == nil {
		return nil
	}
	return *p
}

// rows implements store.Rows.
type rows struct {
	conn   *conn
	driver driver.Rows
	values []driver.Value
	err    error
	// release, when set, gives the connection back.
	release func()
}

// Next implements store.Rows.
func (r *rows) Next() bool {
	if r.err != nil {
		return false
	}
	switch err := r.driver.Next(r.values); {
	case errors.Is(err, io.EOF):
		return false
	case err != nil:
		r.err = r.conn.fail(err)
		return false
	}
	return true
}

// Scan implements store.Rows.
func (r *rows) Scan(dest ...any) error {
	if len(dest) != len(r.values) {
		return fmt.Errorf("%d columns for %d destinations", len(r.values), len(dest))
	}
	for i, d := range dest {
		if !scan(d, r.values[i]) {
			return fmt.Errorf("column %d: %T into %T", i, r.values[i], d)
		}
	}
	return nil
}

// scan stores a value of the driver and reports whether it fits.
func scan(dest any, v driver.Value) bool {
	ok := true
	switch d := dest.(type) {
	case *int64:
		*d, ok = v.(int64)
	case *string:
		*d, ok = v.(string)
	case *bool:
		var n int64
		n, ok = v.(int64)
		*d = n != 0
	case *[]byte:
		if *d = nil; v != nil {
			*d, ok = v.([]byte)
		}
	case **int64:
		if *d = nil; v != nil {
			var n int64
			n, ok = v.(int64)
			*d = &n
		}
	case **string:
		if *d = nil; v != nil {
			var s string
			s, ok = v.(string)
			*d = &s
		}
	default:
		ok = false
	}
	return ok
}

// Err implements store.Rows.
func (r *rows) Err() error { return r.err }

// Close implements store.Rows.
func (r *rows) Close() {
	if r.driver == nil {
		return
	}
	if err := r.driver.Close(); err != nil && r.err == nil {
		r.err = r.conn.fail(err)
	}
	r.driver = nil
	if r.release != nil {
		r.release()
	}
}

// row implements store.Row.
type row struct {
	rows *rows
	err  error
}

// Scan implements store.Row.
func (r row) Scan(dest ...any) error {
	if r.err != nil {
		return r.err
	}
	defer r.rows.Close()
	if !r.rows.Next() {
		if r.rows.err != nil {
			return r.rows.err
		}
		return store.ErrNoRows
	}
	return r.rows.Scan(dest...)
}

// dialect implements store.Engine.
type dialect struct{}

// constraints are the columns that SQLite names where PostgreSQL names the
// index.
var constraints = map[string]string{
	"users_email_key": "users.email_key",
}

// Violates implements store.Engine.
func (dialect) Violates(err error, constraint string) bool {
	var e *sqlite.Error
	return errors.As(err, &e) && e.Code()&0xff == sqlite3.SQLITE_CONSTRAINT &&
		strings.Contains(e.Error(), "UNIQUE constraint failed: "+constraints[constraint]+" (")
}

// SkipUserIDs implements store.Engine. The row in sqlite_sequence appears with
// the first user.
func (dialect) SkipUserIDs(ctx context.Context, c store.Conn, n int64) error {
	moved, err := c.Exec(ctx, `UPDATE sqlite_sequence SET seq = seq + $1 WHERE name = 'users'`, n)
	if err == nil && moved == 0 {
		_, err = c.Exec(ctx, `INSERT INTO sqlite_sequence (name, seq) VALUES ('users', $1)`, n)
	}
	return err
}

// RaiseUserIDs implements store.Engine.
func (dialect) RaiseUserIDs(ctx context.Context, c store.Conn, past int64) error {
	moved, err := c.Exec(ctx, `UPDATE sqlite_sequence SET seq = MAX(seq, $1) WHERE name = 'users'`, past)
	if err == nil && moved == 0 {
		_, err = c.Exec(ctx, `INSERT INTO sqlite_sequence (name, seq) VALUES ('users', $1)`, past)
	}
	return err
}

// LastUserID implements store.Engine.
func (dialect) LastUserID(ctx context.Context, c store.Conn) (last int64, err error) {
	err = c.QueryRow(ctx, `SELECT COALESCE(MAX(seq), 0) FROM sqlite_sequence WHERE name = 'users'`).Scan(&last)
	return last, err
}

// LockKeys implements store.Engine. There is one writer at a time already.
func (dialect) LockKeys(context.Context, store.Conn) error { return nil }

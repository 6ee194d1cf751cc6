package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/latchkey-auth/latchkey/internal/store/transfer"
)

// Outgoing is the database of a data folder as it is now, to be copied from. The
// caller keeps servers out of the folder (LockFolder). A schema that is not this
// program's is an error.
func Outgoing(ctx context.Context, folder string) (transfer.Reader, error) {
	path := filepath.Join(folder, FileName)
	if _, err := os.Stat(path); err != nil {
		return nil, fmt.Errorf("open database: %w", err)
	}
	have, err := FileSchema(ctx, path)
	if err != nil {
		return nil, err
	}
	if newest := SchemaVersion(); have != newest {
		return nil, &transfer.SchemaError{Have: have, Want: newest}
	}
	s, err := openCopy(ctx, path, reads)
	if err != nil {
		return nil, fmt.Errorf("open database %s: %w", path, err)
	}
	return s, nil
}

// stagingSuffix is that of the folder in which a copy is made.
const stagingSuffix = ".moving"

// Incoming is a new database to be copied to. It is made beside the data folder
// and takes its place at Commit, in one step: the folder must not be there, or be
// empty; else it is transfer.ErrNotEmpty.
func Incoming(ctx context.Context, folder string) (transfer.Writer, error) {
	folder = filepath.Clean(folder)
	entries, err := os.ReadDir(folder)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("look into the data folder: %w", err)
	}
	if len(entries) > 0 {
		return nil, fmt.Errorf("%w: %s has files in it", transfer.ErrNotEmpty, folder)
	}
	staging := folder + stagingSuffix
	// What an earlier attempt left.
	if err := os.RemoveAll(staging); err != nil {
		return nil, fmt.Errorf("remove an earlier attempt: %w", err)
	}
	path := filepath.Join(staging, FileName)
	fresh, err := Open(ctx, Options{Path: path})
	if err != nil {
		return nil, err
	}
	if err := fresh.Close(); err != nil {
		return nil, err
	}
	s, err := openCopy(ctx, path, writes)
	if err != nil {
		return nil, fmt.Errorf("open database %s: %w", path, err)
	}
	return &incoming{copying: s, folder: folder, staging: staging}, nil
}

// copying is a database that is being copied, by one connection in one
// transaction. Speed is not the matter here: database/sql will do.
type copying struct {
	db   *sql.DB
	conn *sql.Conn
}

func openCopy(ctx context.Context, path string, r role) (*copying, error) {
	dsn, err := dataSource(path, r)
	if err != nil {
		return nil, err
	}
	db, err := sql.Open("sqlite", dsn)
	if err != nil {
		return nil, err
	}
	conn, err := db.Conn(ctx)
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	s := &copying{db, conn}
	if err := s.exec(ctx, `BEGIN`); err != nil {
		return nil, errors.Join(err, s.Close(ctx))
	}
	return s, nil
}

func (s *copying) exec(ctx context.Context, statement string) error {
	_, err := s.conn.ExecContext(ctx, statement)
	return err
}

// Close implements transfer.Reader.
func (s *copying) Close(context.Context) error {
	return errors.Join(s.conn.Close(), s.db.Close())
}

// ours leaves out SQLite's own tables and the migrations' record.
const ours = `name NOT LIKE 'sqlite\_%' ESCAPE '\' AND name <> 'goose_db_version'`

// Tables implements transfer.Reader.
func (s *copying) Tables(ctx context.Context) (tables []transfer.Table, err error) {
	rows, err := s.conn.QueryContext(ctx, `SELECT name, sql LIKE '%AUTOINCREMENT%' FROM sqlite_schema
		WHERE type = 'table' AND `+ours+` ORDER BY name`)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var t transfer.Table
		if err := rows.Scan(&t.Name, &t.Counted); err != nil {
			return nil, err
		}
		tables = append(tables, t)
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	for i := range tables {
		if err := s.columns(ctx, &tables[i]); err != nil {
			return nil, err
		}
	}
	return tables, nil
}

func (s *copying) columns(ctx context.Context, t *transfer.Table) (err error) {
	rows, err := s.conn.QueryContext(ctx, `SELECT name, type, pk FROM pragma_table_info($1) ORDER BY name`, t.Name)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	places := map[string]int{}
	for rows.Next() {
		var name, kind string
		var place int
		if err := rows.Scan(&name, &kind, &place); err != nil {
			return err
		}
		c := transfer.Column{Name: name}
		switch strings.ToUpper(kind) {
		case "BIGINT", "INTEGER":
			c.Kind = transfer.Integer
		case "TEXT":
			c.Kind = transfer.Text
		case "BOOLEAN":
			c.Kind = transfer.Boolean
		case "BLOB":
			c.Kind = transfer.Bytes
		default:
			return fmt.Errorf("%s.%s is of an unknown type %s", t.Name, name, kind)
		}
		t.Columns = append(t.Columns, c)
		if place > 0 {
			places[name] = place
			t.Key = append(t.Key, name)
		}
	}
	slices.SortFunc(t.Key, func(a, b string) int { return places[a] - places[b] })
	return rows.Err()
}

// columnList is a table's columns for a statement. Names come from the schema.
func columnList(names []string) string { return `"` + strings.Join(names, `", "`) + `"` }

func columnNames(t transfer.Table) []string {
	names := make([]string, len(t.Columns))
	for i, c := range t.Columns {
		names[i] = c.Name
	}
	return names
}

// Rows implements transfer.Reader. Text is compared by its bytes: no column has
// another collation.
func (s *copying) Rows(ctx context.Context, t transfer.Table) iter.Seq2[[]any, error] {
	return func(yield func([]any, error) bool) {
		rows, err := s.conn.QueryContext(ctx,
			`SELECT `+columnList(columnNames(t))+` FROM "`+t.Name+`" ORDER BY `+columnList(t.Key))
		if err != nil {
			yield(nil, err)
			return
		}
		defer func() { _ = rows.Close() }()
		row, into := make([]any, len(t.Columns)), make([]any, len(t.Columns))
		for i := range row {
			into[i] = &row[i]
		}
		for rows.Next() {
			if err = rows.Scan(into...); err != nil {
				break
			}
			for i, c := range t.Columns {
				if n, ok := row[i].(int64); ok && c.Kind == transfer.Boolean {
					row[i] = n != 0
				}
			}
			if !yield(row, nil) {
				return
			}
		}
		if err = errors.Join(err, rows.Err()); err != nil {
			yield(nil, err)
		}
	}
}

// LastNumber implements transfer.Reader.
func (s *copying) LastNumber(ctx context.Context, t transfer.Table) (last int64, err error) {
	err = s.conn.QueryRowContext(ctx, `SELECT COALESCE(MAX(seq), 0) FROM sqlite_sequence WHERE name = $1`, t.Name).Scan(&last)
	return last, err
}

// incoming is a copy that is being made.
type incoming struct {
	*copying
	folder, staging string
	done            bool
}

// loadBatch is how many rows are in one transaction: the log stays small.
const loadBatch = 50_000

// Load implements transfer.Writer. What the schema itself has put into the table
// goes.
func (s *incoming) Load(ctx context.Context, t transfer.Table, rows iter.Seq2[[]any, error]) (n int64, err error) {
	if err := s.exec(ctx, `DELETE FROM "`+t.Name+`"`); err != nil {
		return 0, err
	}
	marks := make([]string, len(t.Columns))
	for i := range marks {
		marks[i] = fmt.Sprintf("$%d", i+1)
	}
	insert, err := s.conn.PrepareContext(ctx,
		`INSERT INTO "`+t.Name+`" (`+columnList(columnNames(t))+`) VALUES (`+strings.Join(marks, ", ")+`)`)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, insert.Close()) }()
	for row, err := range rows {
		if err == nil {
			_, err = insert.ExecContext(ctx, row...)
		}
		if err != nil {
			return n, err
		}
		if n++; n%loadBatch == 0 {
			if err := errors.Join(s.exec(ctx, `COMMIT`), s.exec(ctx, `BEGIN`)); err != nil {
				return n, err
			}
		}
	}
	return n, nil
}

// SetLastNumber implements transfer.Writer.
func (s *incoming) SetLastNumber(ctx context.Context, t transfer.Table, last int64) error {
	if _, err := s.conn.ExecContext(ctx, `DELETE FROM sqlite_sequence WHERE name = $1`, t.Name); err != nil {
		return err
	}
	_, err := s.conn.ExecContext(ctx, `INSERT INTO sqlite_sequence (name, seq) VALUES ($1, $2)`, t.Name, last)
	return err
}

// Commit implements transfer.Writer: the staging folder becomes the data folder.
func (s *incoming) Commit(ctx context.Context) error {
	if err := s.exec(ctx, `COMMIT`); err != nil {
		return err
	}
	// The log is folded in and goes with the last connection.
	if err := errors.Join(s.exec(ctx, `PRAGMA wal_checkpoint(TRUNCATE)`), s.copying.Close(ctx)); err != nil {
		return err
	}
	for _, path := range []string{filepath.Join(s.staging, FileName), s.staging} {
		if err := syncPath(path); err != nil {
			return err
		}
	}
	// Empty, or not there: Incoming saw to it, and this would fail otherwise.
	if err := os.Remove(s.folder); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.Rename(s.staging, s.folder); err != nil {
		return err
	}
	s.done = true
	return syncPath(filepath.Dir(s.folder))
}

// Close implements transfer.Reader: what was not committed goes.
func (s *incoming) Close(ctx context.Context) error {
	if s.done {
		return nil
	}
	return errors.Join(s.copying.Close(ctx), os.RemoveAll(s.staging))
}

func syncPath(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// movedPrefix begins the name of a folder with data that was moved elsewhere.
const movedPrefix = "moved-"

// PutAside moves a data folder's database, and the files named beside it, into a
// folder within it, so that no server starts on data that lives elsewhere now: a
// token that is revoked there would be good here. It gives that folder's path.
// The caller has the folder locked.
func PutAside(folder string, now time.Time, beside ...string) (aside string, err error) {
	aside = filepath.Join(folder, movedPrefix+now.UTC().Format("20060102T150405.000Z"))
	if err := os.Mkdir(aside, 0o700); err != nil {
		return "", fmt.Errorf("put the moved database aside: %w", err)
	}
	// The database last: without it the others are nothing.
	names := append(slices.Clone(beside), FileName+"-wal", FileName+"-shm", markName, FileName)
	for _, name := range names {
		err := os.Rename(filepath.Join(folder, name), filepath.Join(aside, name))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return "", fmt.Errorf("put the moved database aside: %w", err)
		}
	}
	if err := errors.Join(syncPath(aside), syncPath(folder)); err != nil {
		return "", fmt.Errorf("put the moved database aside: %w", err)
	}
	return aside, nil
}

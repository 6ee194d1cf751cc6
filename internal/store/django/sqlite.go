package django

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"slices"
	"strings"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

func quoteDouble(s string) string { return `"` + strings.ReplaceAll(s, `"`, `""`) + `"` }

// sqliteEngine: any column may hold anything. octet_length, since length stops
// at a NUL.
var sqliteEngine = engine{
	name:  "sqlite",
	quote: quoteDouble,
	param: func(int) string { return "?" },
	value: func(quoted, _ string) string {
		return fmt.Sprintf(`CASE WHEN octet_length(%s) > %d THEN substr(CAST(%s AS BLOB), 1, %d) ELSE %s END`,
			quoted, MaxValue, quoted, MaxValue+1, quoted)
	},
	// Whatever the primary key is, a table of Django's has a rowid.
	place:  func(Table) (string, error) { return "t.rowid", nil },
	tables: sqliteTables,

	// A transaction that writes is the only one.
	passOver: ` ON CONFLICT DO NOTHING`,
	fault: func(err error) bool {
		var e *sqlite.Error
		if !errors.As(err, &e) {
			return false
		}
		switch e.Code() & 0xff {
		case sqlite3.SQLITE_CONSTRAINT, sqlite3.SQLITE_MISMATCH, sqlite3.SQLITE_TOOBIG:
			return true
		default:
			return false
		}
	},
	again:   func(error) bool { return false },
	lastID:  sqliteLastID,
	raiseID: sqliteRaiseID,
}

// sqliteLastID: only a table with AUTOINCREMENT, as Django makes them, has a
// sequence.
func sqliteLastID(ctx context.Context, c conn, t Table) (last int64, err error) {
	var n int
	err = c.QueryRowContext(ctx, `SELECT COUNT(*) FROM sqlite_master WHERE type = 'table' AND name = ? AND sql LIKE '%AUTOINCREMENT%'`, t.Name).Scan(&n)
	if err == nil && n == 0 {
		return 0, ErrNoSequence
	}
	if err == nil {
		err = c.QueryRowContext(ctx, `SELECT COALESCE(MAX(seq), 0) FROM sqlite_sequence WHERE name = ?`, t.Name).Scan(&last)
	}
	return last, err
}

func sqliteRaiseID(ctx context.Context, c conn, t Table, past int64) error {
	r, err := c.ExecContext(ctx, `UPDATE sqlite_sequence SET seq = MAX(seq, ?) WHERE name = ?`, past, t.Name)
	if err != nil {
		return err
	}
	if n, err := r.RowsAffected(); err != nil || n > 0 {
		return err
	}
	_, err = c.ExecContext(ctx, `INSERT INTO sqlite_sequence (name, seq) VALUES (?, ?)`, t.Name, past)
	return err
}

func openSQLite(ctx context.Context, name string) (Source, error) {
	return sqliteFile(ctx, name, url.Values{"mode": {"ro"}, "_pragma": {"busy_timeout(10000)", "query_only(1)", "trusted_schema(0)"}})
}

// writableSQLite takes the lock at the beginning of a transaction: Django waits
// five seconds for one, and no transaction here takes that long.
func writableSQLite(ctx context.Context, name string) (*database, error) {
	return sqliteFile(ctx, name, url.Values{
		"mode": {"rw"}, "_txlock": {"immediate"},
		"_pragma": {"busy_timeout(10000)", "foreign_keys(1)", "trusted_schema(0)"},
	})
}

func sqliteFile(ctx context.Context, name string, q url.Values) (*database, error) {
	abs, err := filepath.Abs(name)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", name, err)
	}
	// Text as it stands there: times are ours to read.
	q.Set("_texttotime", "0")
	dsn := (&url.URL{Scheme: "file", Path: filepath.ToSlash(abs), RawQuery: q.Encode()}).String()
	db, err := sql.Open("sqlite", dsn)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", name, err)
	}
	db.SetMaxOpenConns(1)
	var n int64
	if err := db.QueryRowContext(ctx, `SELECT COUNT(*) FROM sqlite_master`).Scan(&n); err != nil {
		_ = db.Close()
		return nil, fmt.Errorf("%w: open %s: %w", ErrSource, name, err)
	}
	return &database{engine: sqliteEngine, shown: abs, db: db, query: db}, nil
}

func sqliteTables(ctx context.Context, c querier) ([]Table, error) {
	var all []Table
	err := collect(ctx, c, fmt.Sprintf(`SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite\_%%' ESCAPE '\'
		ORDER BY name LIMIT %d`, maxTables), nil, func(scan func(...any) error) error {
		var t Table
		if err := scan(&t.Name); err != nil {
			return err
		}
		all = append(all, t)
		return nil
	})
	if err != nil {
		return nil, err
	}
	for i := range all {
		t := &all[i]
		keys := 0
		// The declared type could be "datetime", which the driver would make a
		// time of; as an expression it has none.
		err := collect(ctx, c, fmt.Sprintf(`SELECT name, type || '', pk, "notnull" AND dflt_value IS NULL AND NOT pk FROM pragma_table_info(?) ORDER BY cid LIMIT %d`, maxColumns),
			[]any{t.Name}, func(scan func(...any) error) error {
				var col Column
				var pk int64
				if err := scan(&col.Name, &col.Type, &pk, &col.Required); err != nil {
					return err
				}
				if pk > 0 {
					keys++
					t.Key = col.Name
				}
				t.Columns = append(t.Columns, col)
				return nil
			})
		if err != nil {
			return nil, err
		}
		if keys != 1 {
			t.Key = ""
		}
		t.References = map[string]string{}
		err = collect(ctx, c, `SELECT "from", "table" FROM pragma_foreign_key_list(?)`, []any{t.Name}, func(scan func(...any) error) error {
			var from, to string
			if err := scan(&from, &to); err != nil {
				return err
			}
			t.References[from] = to
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return all, nil
}

// collect calls each for each row of a query.
func collect(ctx context.Context, c querier, query string, args []any, each func(scan func(...any) error) error) error {
	rows, err := c.QueryContext(ctx, query, args...)
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		if err := each(rows.Scan); err != nil {
			return err
		}
	}
	return rows.Err()
}

// schemaTables makes tables of rows of table, column, type, key ("" or the name
// of the primary key's column) and of references.
type schemaTables struct {
	tables []Table
	byName map[string]int
}

func (s *schemaTables) table(name string) *Table {
	if i, ok := s.byName[name]; ok {
		return &s.tables[i]
	}
	if len(s.tables) >= maxTables {
		return nil
	}
	if s.byName == nil {
		s.byName = map[string]int{}
	}
	s.byName[name] = len(s.tables)
	s.tables = append(s.tables, Table{Name: name, References: map[string]string{}})
	return &s.tables[len(s.tables)-1]
}

func (s *schemaTables) column(table string, c Column) {
	if t := s.table(table); t != nil && len(t.Columns) < maxColumns {
		t.Columns = append(t.Columns, c)
	}
}

// keys are the columns of primary keys by table.
func (s *schemaTables) keys(all map[string][]string) {
	for i := range s.tables {
		if key := all[s.tables[i].Name]; len(key) == 1 {
			s.tables[i].Key = key[0]
		}
	}
	slices.SortFunc(s.tables, func(a, b Table) int { return strings.Compare(a.Name, b.Name) })
}

package postgres

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/latchkey-auth/latchkey/internal/store/transfer"
)

// InUseError says that servers are connected to a database that is to be copied.
type InUseError struct{ Connections int }

func (e *InUseError) Error() string {
	return fmt.Sprintf("%d connections of latchkey are open to the database", e.Connections)
}

// Outgoing is a database as it is now, to be copied from. While a server is
// connected to it, it is an *InUseError: what that writes would be missing. A
// schema that is not this program's is an error.
func Outgoing(ctx context.Context, o Options) (transfer.Reader, error) {
	c, err := connectAlone(ctx, o)
	if err != nil {
		return nil, err
	}
	s := &copying{conn: c}
	if s.tx, err = c.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}); err == nil {
		err = s.check(ctx)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open PostgreSQL: %w", err), c.Close(ctx))
	}
	return s, nil
}

// Incoming is an empty database to be copied to: one without a schema, or with
// one that nobody has used yet; else it is transfer.ErrNotEmpty. All is written
// in one transaction.
func Incoming(ctx context.Context, o Options) (transfer.Writer, error) {
	// This makes the schema.
	db, err := Open(ctx, o)
	if err != nil {
		return nil, err
	}
	if err := db.Close(); err != nil {
		return nil, err
	}
	c, err := connectAlone(ctx, o)
	if err != nil {
		return nil, err
	}
	s := &copying{conn: c}
	if s.tx, err = c.Begin(ctx); err == nil {
		if err = s.check(ctx); err == nil {
			err = s.empty(ctx)
		}
	}
	if err != nil {
		return nil, errors.Join(err, c.Close(ctx))
	}
	return s, nil
}

// connectAlone connects without a pool and without what its connections are set
// to: whole tables are read here.
func connectAlone(ctx context.Context, o Options) (*pgx.Conn, error) {
	config, err := poolConfig(o)
	if err != nil {
		return nil, err
	}
	config.ConnConfig.RuntimeParams["application_name"] = "latchkey move"
	c, err := pgx.ConnectConfig(ctx, config.ConnConfig)
	if err != nil {
		return nil, fmt.Errorf("open PostgreSQL: %w", err)
	}
	return c, nil
}

// copying is a database that is being copied, in one transaction.
type copying struct {
	conn *pgx.Conn
	tx   pgx.Tx
}

// goneWithin is how long PostgreSQL may take to end the connections of a Latchkey
// that has been stopped, or of what has just prepared the database.
const goneWithin = 3 * time.Second

// alone holds that no other connection of a Latchkey's is open. One that was
// closed just now is waited for.
func (s *copying) alone(ctx context.Context) error {
	for end := time.Now().Add(goneWithin); ; {
		// A transaction sees one state of them unless it is told to look again.
		if _, err := s.tx.Exec(ctx, `SELECT pg_stat_clear_snapshot()`); err != nil {
			return err
		}
		var others int
		if err := s.tx.QueryRow(ctx, `SELECT count(*) FROM pg_stat_activity
			WHERE datname = current_database() AND application_name = 'latchkey' AND pid <> pg_backend_pid()`).Scan(&others); err != nil {
			return err
		}
		switch {
		case others == 0:
			return nil
		case time.Now().After(end):
			return &InUseError{others}
		}
		select {
		case <-time.After(50 * time.Millisecond):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// check holds that nobody works with the database and that its schema is ours.
func (s *copying) check(ctx context.Context) error {
	if err := s.alone(ctx); err != nil {
		return err
	}
	var there bool
	if err := s.tx.QueryRow(ctx, `SELECT to_regclass('goose_db_version') IS NOT NULL`).Scan(&there); err != nil {
		return err
	}
	if !there {
		return errors.New("there is no latchkey in this database")
	}
	var have int64
	if err := s.tx.QueryRow(ctx, `SELECT COALESCE(MAX(version_id), 0) FROM goose_db_version WHERE is_applied`).Scan(&have); err != nil {
		return err
	}
	newest, err := newestVersion()
	if err == nil && have != newest {
		err = &transfer.SchemaError{Have: have, Want: newest}
	}
	return err
}

// empty keeps everybody else out and holds that nobody has served from here:
// that leaves a key and events, if no user. What the schema itself has put there
// makes no difference.
func (s *copying) empty(ctx context.Context) error {
	tables, err := s.Tables(ctx)
	if err != nil {
		return err
	}
	for _, t := range tables {
		if _, err := s.tx.Exec(ctx, `LOCK TABLE `+quote(t.Name)+` IN ACCESS EXCLUSIVE MODE`); err != nil {
			return err
		}
	}
	for _, name := range []string{"users", "keys", "events"} {
		var used bool
		if err := s.tx.QueryRow(ctx, `SELECT EXISTS (SELECT FROM `+quote(name)+`)`).Scan(&used); err != nil {
			return err
		}
		if used {
			return fmt.Errorf("%w: %s has rows", transfer.ErrNotEmpty, name)
		}
	}
	return nil
}

// Close implements transfer.Reader: what was not committed is rolled back.
func (s *copying) Close(ctx context.Context) error { return s.conn.Close(ctx) }

// Commit implements transfer.Writer. The planner is told what came in.
func (s *copying) Commit(ctx context.Context) error {
	if err := s.tx.Commit(ctx); err != nil {
		return err
	}
	_, err := s.conn.Exec(ctx, `ANALYZE`)
	return err
}

// Tables implements transfer.Reader.
func (s *copying) Tables(ctx context.Context) ([]transfer.Table, error) {
	rows, err := s.tx.Query(ctx, `SELECT c.relname, a.attname, format_type(a.atttypid, a.atttypmod), a.attidentity <> '',
			COALESCE(array_position(k.conkey, a.attnum), 0)
		FROM pg_class c
		JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
		LEFT JOIN pg_constraint k ON k.conrelid = c.oid AND k.contype = 'p'
		WHERE c.relkind = 'r' AND c.relnamespace = current_schema()::regnamespace AND c.relname <> 'goose_db_version'
		ORDER BY c.relname COLLATE "C", a.attname COLLATE "C"`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var tables []transfer.Table
	places := map[string]map[string]int{}
	for rows.Next() {
		var table, name, kind string
		var identity bool
		var place int
		if err := rows.Scan(&table, &name, &kind, &identity, &place); err != nil {
			return nil, err
		}
		if len(tables) == 0 || tables[len(tables)-1].Name != table {
			tables = append(tables, transfer.Table{Name: table})
			places[table] = map[string]int{}
		}
		t := &tables[len(tables)-1]
		c := transfer.Column{Name: name}
		switch kind {
		case "bigint":
			c.Kind = transfer.Integer
		case "text":
			c.Kind = transfer.Text
		case "boolean":
			c.Kind = transfer.Boolean
		case "bytea":
			c.Kind = transfer.Bytes
		default:
			return nil, fmt.Errorf("%s.%s is of an unknown type %s", table, name, kind)
		}
		t.Columns = append(t.Columns, c)
		t.Counted = t.Counted || identity
		if place > 0 {
			places[table][name] = place
			t.Key = append(t.Key, name)
		}
	}
	for _, t := range tables {
		slices.SortFunc(t.Key, func(a, b string) int { return places[t.Name][a] - places[t.Name][b] })
	}
	return tables, rows.Err()
}

func quote(name string) string { return pgx.Identifier{name}.Sanitize() }

func quoteAll(names []string, after func(string) string) string {
	quoted := make([]string, len(names))
	for i, n := range names {
		quoted[i] = quote(n) + after(n)
	}
	return strings.Join(quoted, ", ")
}

func columnNames(t transfer.Table) []string {
	names := make([]string, len(t.Columns))
	for i, c := range t.Columns {
		names[i] = c.Name
	}
	return names
}

// Rows implements transfer.Reader.
func (s *copying) Rows(ctx context.Context, t transfer.Table) iter.Seq2[[]any, error] {
	return func(yield func([]any, error) bool) {
		byBytes := func(name string) string {
			if i := slices.Index(columnNames(t), name); t.Columns[i].Kind == transfer.Text {
				return ` COLLATE "C"`
			}
			return ""
		}
		rows, err := s.tx.Query(ctx, `SELECT `+quoteAll(columnNames(t), func(string) string { return "" })+
			` FROM `+quote(t.Name)+` ORDER BY `+quoteAll(t.Key, byBytes))
		if err != nil {
			yield(nil, err)
			return
		}
		defer rows.Close()
		for rows.Next() {
			row, err := rows.Values()
			if err != nil {
				yield(nil, err)
				return
			}
			if !yield(row, nil) {
				return
			}
		}
		if err := rows.Err(); err != nil {
			yield(nil, err)
		}
	}
}

// LastNumber implements transfer.Reader.
func (s *copying) LastNumber(ctx context.Context, t transfer.Table) (last int64, err error) {
	sequence, err := s.sequence(ctx, t)
	if err != nil {
		return 0, err
	}
	err = s.tx.QueryRow(ctx, `SELECT CASE WHEN is_called THEN last_value ELSE last_value - 1 END FROM `+sequence).Scan(&last)
	return last, err
}

// SetLastNumber implements transfer.Writer.
func (s *copying) SetLastNumber(ctx context.Context, t transfer.Table, last int64) error {
	sequence, err := s.sequence(ctx, t)
	if err == nil {
		_, err = s.tx.Exec(ctx, `SELECT setval($1::regclass, $2)`, sequence, last)
	}
	return err
}

// sequence is the quoted name of that which numbers a table's rows.
func (s *copying) sequence(ctx context.Context, t transfer.Table) (name string, err error) {
	err = s.tx.QueryRow(ctx, `SELECT pg_get_serial_sequence($1, 'id')`, quote(t.Name)).Scan(&name)
	return name, err
}

// Load implements transfer.Writer, by COPY. What the schema itself has put into
// the table goes.
func (s *copying) Load(ctx context.Context, t transfer.Table, rows iter.Seq2[[]any, error]) (int64, error) {
	if _, err := s.tx.Exec(ctx, `DELETE FROM `+quote(t.Name)); err != nil {
		return 0, err
	}
	next, stop := iter.Pull2(rows)
	defer stop()
	return s.tx.CopyFrom(ctx, pgx.Identifier{t.Name}, columnNames(t), pgx.CopyFromFunc(func() ([]any, error) {
		row, err, more := next()
		if !more {
			return nil, nil
		}
		return row, err
	}))
}

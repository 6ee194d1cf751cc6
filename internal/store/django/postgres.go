package django

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
)

var postgresEngine = engine{
	name:  "postgresql",
	quote: quoteDouble,
	param: func(n int) string { return "$" + strconv.Itoa(n) },
	value: func(quoted, typ string) string {
		switch {
		case slices.Contains([]string{"smallint", "integer", "bigint", "boolean", "date", "timestamp with time zone"}, typ):
			return quoted
		default:
			// A time without a zone too: the driver would take it for UTC.
			return fmt.Sprintf("left(%s::text, %d)", quoted, MaxValue+1)
		}
	},
	place: func(t Table) (string, error) {
		if !slices.Contains([]string{"smallint", "integer", "bigint"}, t.Type(t.Key)) {
			return "", noPlace(t)
		}
		return "t." + quoteDouble(t.Key), nil
	},
	tables: postgresTables,
	fresh:  `o.expires_at > $2`,

	bools:    true,
	lock:     ` FOR UPDATE`,
	passOver: ` ON CONFLICT DO NOTHING`,
	// Class 22 is data, 23 constraints.
	fault: func(err error) bool {
		var e *pgconn.PgError
		return errors.As(err, &e) && (strings.HasPrefix(e.Code, "22") || strings.HasPrefix(e.Code, "23"))
	},
	again: func(err error) bool {
		var e *pgconn.PgError
		return errors.As(err, &e) && (e.Code == "40P01" || e.Code == "40001")
	},
	lastID:  postgresLastID,
	raiseID: postgresRaiseID,
}

// postgresLastID: a serial or an identity column has a sequence.
func postgresLastID(ctx context.Context, c conn, t Table) (int64, error) {
	var sequence sql.NullString
	err := c.QueryRowContext(ctx, `SELECT pg_get_serial_sequence($1, $2)`, quoteDouble(t.Name), t.Key).Scan(&sequence)
	if err != nil {
		return 0, err
	}
	if !sequence.Valid {
		return 0, ErrNoSequence
	}
	var last int64
	err = c.QueryRowContext(ctx, `SELECT COALESCE(pg_sequence_last_value($1::text::regclass), 0)`, sequence.String).Scan(&last)
	return last, err
}

func postgresRaiseID(ctx context.Context, c conn, t Table, past int64) error {
	_, err := c.ExecContext(ctx, `SELECT setval(s, GREATEST(COALESCE(pg_sequence_last_value(s), 0), $3::bigint))
		FROM (SELECT pg_get_serial_sequence($1, $2)::regclass AS s) AS q`, quoteDouble(t.Name), t.Key, past)
	return err
}

// writablePostgres waits ten seconds for a lock that somebody holds.
func writablePostgres(ctx context.Context, name string) (*database, error) {
	config, shown, err := postgresConfig(name)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrTarget, err)
	}
	if config.RuntimeParams["lock_timeout"] == "" {
		config.RuntimeParams["lock_timeout"] = "10s"
	}
	return connected(ctx, postgresEngine, shown, stdlib.OpenDB(*config))
}

func postgresConfig(name string) (*pgx.ConnConfig, string, error) {
	u, err := url.Parse(name)
	if err != nil {
		// Its error quotes the URL, password and all.
		return nil, "", errors.New("the URL is malformed")
	}
	config, err := pgx.ParseConfig(name)
	if err != nil {
		return nil, "", err
	}
	if config.ConnectTimeout == 0 {
		config.ConnectTimeout = 10 * time.Second
	}
	config.RuntimeParams["application_name"] = "latchkey django"
	return config, nameOf(u), nil
}

func noPlace(t Table) error {
	return fmt.Errorf("%w: the rows of %s have no integer for a primary key", ErrSource, t.Name)
}

func openPostgres(ctx context.Context, source string) (Source, error) {
	config, shown, err := postgresConfig(source)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrSource, err)
	}
	config.RuntimeParams["default_transaction_read_only"] = "on"
	return snapshot(ctx, postgresEngine, shown, stdlib.OpenDB(*config),
		&sql.TxOptions{Isolation: sql.LevelRepeatableRead, ReadOnly: true})
}

// snapshot begins the transaction in which all is read.
func snapshot(ctx context.Context, e engine, shown string, db *sql.DB, o *sql.TxOptions) (Source, error) {
	db.SetMaxOpenConns(1)
	tx, err := db.BeginTx(context.WithoutCancel(ctx), o)
	if err == nil {
		var one int
		err = tx.QueryRowContext(ctx, `SELECT 1`).Scan(&one)
	}
	if err != nil {
		_ = db.Close()
		return nil, fmt.Errorf("%w: connect to %s: %w", ErrSource, shown, err)
	}
	return &database{engine: e, shown: shown, db: db, query: tx, end: tx.Rollback}, nil
}

// postgresTables lists what is found without naming a schema, as Django does.
func postgresTables(ctx context.Context, c querier) ([]Table, error) {
	var s schemaTables
	err := collect(ctx, c, `SELECT c.relname, a.attname, format_type(a.atttypid, NULL),
			a.attnotnull AND NOT a.atthasdef AND a.attidentity = ''
		FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
		WHERE c.relkind IN ('r', 'p') AND pg_table_is_visible(c.oid) AND a.attnum > 0 AND NOT a.attisdropped
			AND c.relnamespace NOT IN (SELECT oid FROM pg_namespace WHERE nspname IN ('pg_catalog', 'information_schema'))
		ORDER BY c.relname, a.attnum`, nil, func(scan func(...any) error) error {
		var table string
		var c Column
		err := scan(&table, &c.Name, &c.Type, &c.Required)
		s.column(table, c)
		return err
	})
	if err != nil {
		return nil, err
	}
	keys := map[string][]string{}
	err = collect(ctx, c, `SELECT c.relname, a.attname, k.contype = 'p', COALESCE(f.relname, '')
		FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid
			JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = ANY (k.conkey)
			LEFT JOIN pg_class f ON f.oid = k.confrelid
		WHERE k.contype IN ('p', 'f') AND pg_table_is_visible(c.oid)`, nil, func(scan func(...any) error) error {
		var table, column, to string
		var primary bool
		if err := scan(&table, &column, &primary, &to); err != nil {
			return err
		}
		if i, ok := s.byName[table]; ok && !primary {
			s.tables[i].References[column] = to
		} else if ok {
			keys[table] = append(keys[table], column)
		}
		return nil
	})
	s.keys(keys)
	return s.tables, err
}

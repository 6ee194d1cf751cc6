package django

import (
	"context"
	"database/sql"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
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
}

func noPlace(t Table) error {
	return fmt.Errorf("%w: the rows of %s have no integer for a primary key", ErrSource, t.Name)
}

func openPostgres(ctx context.Context, source string) (Source, error) {
	u, err := url.Parse(source)
	if err != nil {
		// Its error quotes the URL, password and all.
		return nil, fmt.Errorf("%w: the URL is malformed", ErrSource)
	}
	config, err := pgx.ParseConfig(source)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrSource, err)
	}
	if config.ConnectTimeout == 0 {
		config.ConnectTimeout = 10 * time.Second
	}
	config.RuntimeParams["application_name"] = "latchkey django"
	config.RuntimeParams["default_transaction_read_only"] = "on"
	return snapshot(ctx, postgresEngine, nameOf(u), stdlib.OpenDB(*config),
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
	err := collect(ctx, c, `SELECT c.relname, a.attname, format_type(a.atttypid, NULL)
		FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
		WHERE c.relkind IN ('r', 'p') AND pg_table_is_visible(c.oid) AND a.attnum > 0 AND NOT a.attisdropped
			AND c.relnamespace NOT IN (SELECT oid FROM pg_namespace WHERE nspname IN ('pg_catalog', 'information_schema'))
		ORDER BY c.relname, a.attnum`, nil, func(scan func(...any) error) error {
		var table, column, typ string
		err := scan(&table, &column, &typ)
		s.column(table, column, typ)
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

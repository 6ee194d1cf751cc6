package django

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"
)

func quoteBack(s string) string { return "`" + strings.ReplaceAll(s, "`", "``") + "`" }

var mysqlEngine = engine{
	name:  "mysql",
	quote: quoteBack,
	param: func(int) string { return "?" },
	value: func(quoted, typ string) string {
		switch typ {
		case "tinyint", "smallint", "mediumint", "int", "bigint", "date":
			return quoted
		case "datetime", "timestamp":
			// As text: what has no zone is not the driver's to place in one.
			return fmt.Sprintf("CAST(%s AS CHAR)", quoted)
		default:
			return fmt.Sprintf("LEFT(%s, %d)", quoted, MaxValue+1)
		}
	},
	place: func(t Table) (string, error) {
		switch t.Type(t.Key) {
		case "tinyint", "smallint", "mediumint", "int", "bigint":
			return "t." + quoteBack(t.Key), nil
		default:
			return "", noPlace(t)
		}
	},
	tables: mysqlTables,
	fresh:  `o.expires_at > ?`,

	lock:     ` FOR UPDATE`,
	passOver: ` ON DUPLICATE KEY UPDATE COLUMN = COLUMN`,
	fault: func(err error) bool {
		var e *mysql.MySQLError
		// NOT NULL, duplicate keys, ranges, characters, lengths, references,
		// checks (MySQL's and MariaDB's).
		return errors.As(err, &e) && slices.Contains([]uint16{1048, 1062, 1264, 1265, 1292, 1364, 1366, 1406, 1451, 1452, 3819, 4025}, e.Number)
	},
	again: func(err error) bool {
		var e *mysql.MySQLError
		return errors.As(err, &e) && e.Number == 1213
	},
	lastID:  mysqlLastID,
	raiseID: mysqlRaiseID,
}

func mysqlLastID(ctx context.Context, c conn, t Table) (int64, error) {
	// MySQL 8 remembers for a day what this said; MariaDB has no such setting.
	_, _ = c.ExecContext(ctx, `SET SESSION information_schema_stats_expiry = 0`)
	var next sql.NullInt64
	err := c.QueryRowContext(ctx, `SELECT AUTO_INCREMENT FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = ?`, t.Name).Scan(&next)
	if err == nil && !next.Valid {
		err = ErrNoSequence
	}
	return max(next.Int64-1, 0), err
}

// mysqlRaiseID: a value below the one that it is does nothing.
func mysqlRaiseID(ctx context.Context, c conn, t Table, past int64) error {
	_, err := c.ExecContext(ctx, `ALTER TABLE `+quoteBack(t.Name)+` AUTO_INCREMENT = `+strconv.FormatInt(past+1, 10))
	return err
}

// writableMySQL is strict: what does not fit is an error, never cut.
func writableMySQL(ctx context.Context, name string) (*database, error) {
	config, shown, err := mysqlConfig(name)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrTarget, err)
	}
	config.Params["sql_mode"] = "'STRICT_ALL_TABLES,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION'"
	config.Params["innodb_lock_wait_timeout"] = "10"
	connector, err := mysql.NewConnector(config)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrTarget, err)
	}
	return connected(ctx, mysqlEngine, shown, sql.OpenDB(connector))
}

// openMySQL reads mysql://user:password@host:port/name; ?tls=true and what else
// the driver knows follow as they are. ?socket=/path is a socket instead.
func openMySQL(ctx context.Context, source string) (Source, error) {
	config, shown, err := mysqlConfig(source)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrSource, err)
	}
	config.Params["sql_mode"] = "''"
	connector, err := mysql.NewConnector(config)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrSource, err)
	}
	return snapshot(ctx, mysqlEngine, shown, sql.OpenDB(connector),
		&sql.TxOptions{Isolation: sql.LevelRepeatableRead, ReadOnly: true})
}

func mysqlConfig(source string) (*mysql.Config, string, error) {
	u, err := url.Parse(source)
	if err != nil {
		return nil, "", errors.New("the URL is malformed")
	}
	q := u.Query()
	socket := q.Get("socket")
	q.Del("socket")
	// The driver's own spelling of the rest, which it checks.
	config, err := mysql.ParseDSN("/?" + q.Encode())
	if err != nil {
		return nil, "", err
	}
	config.User = u.User.Username()
	config.Passwd, _ = u.User.Password()
	config.DBName = strings.TrimPrefix(u.Path, "/")
	if config.DBName == "" {
		return nil, "", errors.New("the URL names no database: mysql://user@host/name")
	}
	config.Net, config.Addr = "tcp", u.Host
	if u.Port() == "" {
		config.Addr = net.JoinHostPort(u.Hostname(), "3306")
	}
	if socket != "" {
		config.Net, config.Addr = "unix", socket
	}
	if config.Timeout == 0 {
		config.Timeout = 10 * time.Second
	}
	config.Loc, config.ParseTime = time.UTC, false
	if config.Params == nil {
		config.Params = map[string]string{}
	}
	config.Params["time_zone"] = "'+00:00'"
	shown := nameOf(u)
	if socket != "" {
		shown += "?socket=" + socket
	}
	return config, shown, nil
}

func mysqlTables(ctx context.Context, c querier) ([]Table, error) {
	var s schemaTables
	keys := map[string][]string{}
	err := collect(ctx, c, `SELECT c.TABLE_NAME, c.COLUMN_NAME, c.DATA_TYPE, c.COLUMN_KEY = 'PRI',
			c.IS_NULLABLE = 'NO' AND c.COLUMN_DEFAULT IS NULL AND c.EXTRA NOT LIKE '%auto_increment%' AND c.EXTRA NOT LIKE '%GENERATED%'
		FROM information_schema.COLUMNS c JOIN information_schema.TABLES t
			ON t.TABLE_SCHEMA = c.TABLE_SCHEMA AND t.TABLE_NAME = c.TABLE_NAME AND t.TABLE_TYPE = 'BASE TABLE'
		WHERE c.TABLE_SCHEMA = DATABASE() ORDER BY c.TABLE_NAME, c.ORDINAL_POSITION`, nil, func(scan func(...any) error) error {
		var table string
		var c Column
		var primary bool
		err := scan(&table, &c.Name, &c.Type, &primary, &c.Required)
		s.column(table, c)
		if primary {
			keys[table] = append(keys[table], c.Name)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	err = collect(ctx, c, `SELECT TABLE_NAME, COLUMN_NAME, REFERENCED_TABLE_NAME FROM information_schema.KEY_COLUMN_USAGE
		WHERE TABLE_SCHEMA = DATABASE() AND REFERENCED_TABLE_NAME IS NOT NULL`, nil, func(scan func(...any) error) error {
		var table, column, to string
		if err := scan(&table, &column, &to); err != nil {
			return err
		}
		if i, ok := s.byName[table]; ok {
			s.tables[i].References[column] = to
		}
		return nil
	})
	s.keys(keys)
	return s.tables, err
}

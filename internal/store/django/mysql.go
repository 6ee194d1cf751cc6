package django

import (
	"context"
	"database/sql"
	"fmt"
	"net"
	"net/url"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"
)

var mysqlEngine = engine{
	name:  "mysql",
	quote: func(s string) string { return "`" + strings.ReplaceAll(s, "`", "``") + "`" },
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
			return "t.`" + strings.ReplaceAll(t.Key, "`", "``") + "`", nil
		default:
			return "", noPlace(t)
		}
	},
	tables: mysqlTables,
	fresh:  `o.expires_at > ?`,
}

// openMySQL reads mysql://user:password@host:port/name; ?tls=true and what else
// the driver knows follow as they are. ?socket=/path is a socket instead.
func openMySQL(ctx context.Context, source string) (Source, error) {
	u, err := url.Parse(source)
	if err != nil {
		return nil, fmt.Errorf("%w: the URL is malformed", ErrSource)
	}
	q := u.Query()
	socket := q.Get("socket")
	q.Del("socket")
	// The driver's own spelling of the rest, which it checks.
	config, err := mysql.ParseDSN("/?" + q.Encode())
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrSource, err)
	}
	config.User = u.User.Username()
	config.Passwd, _ = u.User.Password()
	config.DBName = strings.TrimPrefix(u.Path, "/")
	if config.DBName == "" {
		return nil, fmt.Errorf("%w: the URL names no database: mysql://user@host/name", ErrSource)
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
	config.Params["sql_mode"] = "''"
	connector, err := mysql.NewConnector(config)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrSource, err)
	}
	shown := nameOf(u)
	if socket != "" {
		shown += "?socket=" + socket
	}
	return snapshot(ctx, mysqlEngine, shown, sql.OpenDB(connector),
		&sql.TxOptions{Isolation: sql.LevelRepeatableRead, ReadOnly: true})
}

func mysqlTables(ctx context.Context, c querier) ([]Table, error) {
	var s schemaTables
	keys := map[string][]string{}
	err := collect(ctx, c, `SELECT c.TABLE_NAME, c.COLUMN_NAME, c.DATA_TYPE, c.COLUMN_KEY = 'PRI'
		FROM information_schema.COLUMNS c JOIN information_schema.TABLES t
			ON t.TABLE_SCHEMA = c.TABLE_SCHEMA AND t.TABLE_NAME = c.TABLE_NAME AND t.TABLE_TYPE = 'BASE TABLE'
		WHERE c.TABLE_SCHEMA = DATABASE() ORDER BY c.TABLE_NAME, c.ORDINAL_POSITION`, nil, func(scan func(...any) error) error {
		var table, column, typ string
		var primary bool
		err := scan(&table, &column, &typ, &primary)
		s.column(table, column, typ)
		if primary {
			keys[table] = append(keys[table], column)
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

package django

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"
)

const (
	// MaxValue is the most bytes of a value that are read; a longer one comes
	// one byte longer than that, so that it is seen.
	MaxValue = 16 << 10
	// PageRows is the most rows of a page.
	PageRows = 1000
	// maxTables and maxColumns bound what is looked at of a schema.
	maxTables  = 5_000
	maxColumns = 2_000
)

// Source is a Django database that is being read.
type Source interface {
	// Engine is "sqlite", "postgresql", "mysql" or "dumpdata".
	Engine() string
	// Name tells people, and the next run, which database it is: without a
	// password.
	Name() string
	// Tables lists the tables with their columns, by name.
	Tables(ctx context.Context) ([]Table, error)
	// Count gives how many rows a table has.
	Count(ctx context.Context, table string) (int64, error)
	// Rows calls each with the pages of a table, in order of place.
	Rows(ctx context.Context, q Query, each func([]Row) error) error
	// Tokens calls each with the pages of SimpleJWT's refresh tokens that have
	// not expired at now. The tables must be there (see Table.Tokens).
	Tokens(ctx context.Context, now time.Time, each func([]Token) error) error
	Close() error
}

// Table is a table of the source; in a dump, a model under the name that its
// table has by default.
type Table struct {
	Name    string
	Columns []Column
	// Key is the column of the primary key, "" for none or several.
	Key string
	// References are the tables that columns refer to.
	References map[string]string
}

// Column is a column of a table; in a dump, a field.
type Column struct {
	Name string
	// Type is the engine's word for it; "" in a dump.
	Type string
	// Required says that a row cannot be inserted without a value for it.
	Required bool
}

// Has reports whether there is a column of this name.
func (t Table) Has(column string) bool {
	return slices.ContainsFunc(t.Columns, func(c Column) bool { return c.Name == column })
}

// Type gives the engine's word for the type of a column, in lower case.
func (t Table) Type(column string) string {
	i := slices.IndexFunc(t.Columns, func(c Column) bool { return c.Name == column })
	if i < 0 {
		return ""
	}
	return strings.ToLower(t.Columns[i].Type)
}

// Column gives the column of this name, the zero Column where there is none.
func (t Table) Column(name string) Column {
	i := slices.IndexFunc(t.Columns, func(c Column) bool { return c.Name == name })
	if i < 0 {
		return Column{}
	}
	return t.Columns[i]
}

// The tables of SimpleJWT's app token_blacklist.
const (
	OutstandingTokens = "token_blacklist_outstandingtoken"
	BlacklistedTokens = "token_blacklist_blacklistedtoken"
)

// Query asks for the rows of a table.
type Query struct {
	Table Table
	// Columns are those whose values are wanted, in the order of Row.Values.
	// One that a dump's record does not have is nil.
	Columns []string
	// Groups, when not "", is the column of Columns with the user's id: the
	// names of their groups are wanted too.
	Groups string
}

// Row is a row, or why it could not be read.
type Row struct {
	// Place says where it stands: the primary key, SQLite's rowid, or the
	// record's number in a dump.
	Place  int64
	Values []any
	Groups []string
	Err    error
}

// Token is a refresh token that SimpleJWT has noted.
type Token struct {
	Place int64
	JTI   string
	// UserID is 0 for a user who is gone.
	UserID      int64
	Expires     time.Time
	Blacklisted bool
	Err         error
}

// ErrSource is what is wrong with the name of a source.
var ErrSource = errors.New("this is no Django database that can be read")

// Open opens a source: the name of a SQLite file or of a dump, or a URL that
// begins with postgres://, postgresql://, mysql:// or mariadb://.
func Open(ctx context.Context, source string) (Source, error) {
	scheme, _, isURL := strings.Cut(source, "://")
	switch scheme = strings.ToLower(scheme); {
	case !isURL || len(scheme) < 2: // C:\… has one letter.
		return openFile(ctx, source)
	case scheme == "postgres" || scheme == "postgresql":
		return openPostgres(ctx, source)
	case scheme == "mysql" || scheme == "mariadb":
		return openMySQL(ctx, source)
	case scheme == "sqlite" || scheme == "file":
		return openFile(ctx, strings.TrimPrefix(source, source[:len(scheme)+3]))
	default:
		return nil, fmt.Errorf("%w: %s:// is not known", ErrSource, scheme)
	}
}

const sqliteMagic = "SQLite format 3\x00"

func openFile(ctx context.Context, name string) (Source, error) {
	switch kind, err := fileKind(name); {
	case err != nil:
		return nil, fmt.Errorf("%w: %w", ErrSource, err)
	case kind == kindSQLite:
		return openSQLite(ctx, name)
	case kind == kindDump:
		return openDump(name)
	default:
		return nil, fmt.Errorf("%w: %s is neither a SQLite database nor the JSON of dumpdata", ErrSource, name)
	}
}

// The kinds of files.
const (
	kindSQLite = "sqlite"
	kindDump   = "dumpdata"
)

// fileKind looks at how a file begins; "" is none of the kinds.
func fileKind(name string) (string, error) {
	f, err := os.Open(name)
	if err != nil {
		return "", err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return "", err
	}
	if !info.Mode().IsRegular() {
		return "", fmt.Errorf("%s is not a file", name)
	}
	head := make([]byte, 512)
	n, err := io.ReadFull(f, head)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
		return "", fmt.Errorf("read %s: %w", name, err)
	}
	head = head[:n]
	text := strings.TrimLeft(strings.TrimPrefix(string(head), "\ufeff"), " \t\r\n")
	switch {
	case strings.HasPrefix(string(head), sqliteMagic):
		return kindSQLite, nil
	case strings.HasPrefix(text, "["):
		return kindDump, nil
	default:
		return "", nil
	}
}

// nameOf is a database's URL without what is nobody's business.
func nameOf(u *url.URL) string {
	plain := url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}
	if u.User != nil {
		plain.User = url.User(u.User.Username())
	}
	return plain.String()
}

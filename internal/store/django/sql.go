package django

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// engine is what differs between the SQL databases.
type engine struct {
	name string
	// quote spells an identifier, param the nth parameter (from 1).
	quote func(string) string
	param func(n int) string
	// value is the expression for a column whose value is at most MaxValue+1
	// bytes long.
	value func(quoted, typ string) string
	// place is the expression by which rows of a table are ordered and gone on
	// after, an integer; an error where there is none.
	place func(Table) (string, error)
	// tables lists tables and columns.
	tables func(ctx context.Context, c querier) ([]Table, error)
	// fresh is the condition of outstanding tokens that expire after the time in
	// its parameter, "" to look at each.
	fresh string

	// What follows is for a Target. bools says that truth values are a type.
	bools bool
	// lock ends a SELECT whose rows are locked by it.
	lock string
	// passOver ends an INSERT that passes over rows that are there; COLUMN
	// is the first column.
	passOver string
	// fault reports whether an error is that of a row's values.
	fault func(error) bool
	// again reports whether a transaction that failed so is worth another try: it
	// was chosen to end a deadlock.
	again   func(error) bool
	lastID  func(ctx context.Context, c conn, t Table) (int64, error)
	raiseID func(ctx context.Context, c conn, t Table, past int64) error
}

// conn is a querier that changes things, too.
type conn interface {
	querier
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
}

// querier is a connection or a transaction.
type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// database is a Source over SQL.
type database struct {
	engine
	shown string
	db    *sql.DB
	// query is the snapshot, or the database itself where there is none.
	query querier
	end   func() error

	groups map[int64]string // names of groups, once they have been read
}

func (d *database) Engine() string { return d.name }
func (d *database) Name() string   { return d.shown }

// Close ends the snapshot.
func (d *database) Close() error {
	var err error
	if d.end != nil {
		err = d.end()
	}
	return errors.Join(err, d.db.Close())
}

// Tables implements Source.
func (d *database) Tables(ctx context.Context) ([]Table, error) {
	all, err := d.tables(ctx, d.query)
	if err != nil {
		return nil, fmt.Errorf("read the schema: %w", err)
	}
	return all, nil
}

// Count implements Source.
func (d *database) Count(ctx context.Context, table string) (int64, error) {
	var n int64
	err := d.query.QueryRowContext(ctx, `SELECT COUNT(*) FROM `+d.quote(table)).Scan(&n)
	if err != nil {
		return 0, fmt.Errorf("count the rows of %s: %w", table, err)
	}
	return n, nil
}

// Rows implements Source.
func (d *database) Rows(ctx context.Context, q Query, each func([]Row) error) error {
	place, err := d.place(q.Table)
	if err != nil {
		return err
	}
	values := make([]string, 0, len(q.Columns))
	for _, c := range q.Columns {
		values = append(values, d.value("t."+d.quote(c), q.Table.Type(c)))
	}
	statement := `SELECT ` + strings.Join(append([]string{place}, values...), ", ") + ` FROM ` + d.quote(q.Table.Name) + ` t`
	order := ` ORDER BY 1 LIMIT ` + strconv.Itoa(PageRows)
	where := ` WHERE ` + place + ` > ` + d.param(1)
	var after []any
	for {
		text := statement + order
		if after != nil {
			text = statement + where + order
		}
		page, err := d.page(ctx, d.query, text, len(q.Columns), after...)
		if err != nil {
			return fmt.Errorf("read %s: %w", q.Table.Name, err)
		}
		if len(page) == 0 {
			return nil
		}
		if q.Groups != "" {
			if err := d.addGroups(ctx, d.query, q, page); err != nil {
				return fmt.Errorf("read the groups of %s: %w", q.Table.Name, err)
			}
		}
		// The page is the caller's from here on.
		last, n := page[len(page)-1].Place, len(page)
		if err := each(page); err != nil {
			return err
		}
		if n < PageRows {
			return nil
		}
		after = []any{last}
	}
}

// page reads rows whose first column is their place.
func (d *database) page(ctx context.Context, c querier, statement string, columns int, args ...any) ([]Row, error) {
	rows, err := c.QueryContext(ctx, statement, args...)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	var page []Row
	for rows.Next() {
		r := Row{Values: make([]any, columns)}
		dest := []any{&r.Place}
		for i := range r.Values {
			dest = append(dest, &r.Values[i])
		}
		if err := rows.Scan(dest...); err != nil {
			return nil, err
		}
		page = append(page, r)
	}
	return page, rows.Err()
}

// maxGroups is the most groups that a project can have here.
const maxGroups = 100_000

// addGroups fills in the names of the groups of a page's users.
func (d *database) addGroups(ctx context.Context, c querier, q Query, page []Row) error {
	members := q.Table.Name + "_groups"
	if d.groups == nil {
		d.groups = map[int64]string{}
		rows, err := c.QueryContext(ctx, `SELECT id, `+d.value("name", "text")+` FROM `+d.quote("auth_group")+` ORDER BY id LIMIT `+strconv.Itoa(maxGroups))
		if err != nil {
			return err
		}
		defer func() { _ = rows.Close() }()
		for rows.Next() {
			var id int64
			var name any
			if err := rows.Scan(&id, &name); err != nil {
				return err
			}
			d.groups[id], _ = Text(name)
		}
		if err := rows.Err(); err != nil {
			return err
		}
	}
	if len(d.groups) == 0 {
		return nil
	}
	column := slices.Index(q.Columns, q.Groups)
	byID := map[int64]*Row{}
	first, last := int64(0), int64(0)
	for i := range page {
		id, ok := Int(page[i].Values[column])
		if !ok {
			continue
		}
		if len(byID) == 0 {
			first, last = id, id
		}
		first, last = min(first, id), max(last, id)
		byID[id] = &page[i]
	}
	user := d.quote(memberColumn(q.Table.Name))
	rows, err := c.QueryContext(ctx, `SELECT `+user+`, group_id FROM `+d.quote(members)+
		` WHERE `+user+` BETWEEN `+d.param(1)+` AND `+d.param(2), first, last)
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var userID, group int64
		if err := rows.Scan(&userID, &group); err != nil {
			return err
		}
		if r := byID[userID]; r != nil && len(r.Groups) < maxMemberships && d.groups[group] != "" {
			r.Groups = append(r.Groups, d.groups[group])
		}
	}
	return rows.Err()
}

// maxMemberships is the most groups of a user that are looked at.
const maxMemberships = 1_000

// memberColumn is the column of the user in the table of memberships: Django
// calls it by the model's name, which is what follows the app's in the table's.
func memberColumn(users string) string {
	return users[strings.LastIndexByte(users, '_')+1:] + "_id"
}

// HasGroups reports whether users of a table are in groups, as far as the
// tables tell.
func HasGroups(tables []Table, users string) bool {
	var members, groups bool
	for _, t := range tables {
		// A dump has them in the user's record.
		members = members || t.Name == users+"_groups" && t.Has(memberColumn(users)) && t.Has("group_id") ||
			t.Name == users && t.Has("groups") && t.Type("groups") == ""
		groups = groups || t.Name == "auth_group" && t.Has("name")
	}
	return members && groups
}

// Tokens implements Source.
func (d *database) Tokens(ctx context.Context, now time.Time, each func([]Token) error) error {
	statement := `SELECT o.id, ` + d.value("o.jti", "text") + `, o.user_id, ` + d.value("o.expires_at", "timestamp") + `, b.id IS NOT NULL
		FROM ` + d.quote(OutstandingTokens) + ` o LEFT JOIN ` + d.quote(BlacklistedTokens) + ` b ON b.token_id = o.id WHERE o.id > ` + d.param(1)
	args := []any{int64(-1 << 62)}
	if d.fresh != "" {
		statement += ` AND ` + d.fresh
		args = append(args, now.UTC())
	}
	statement += ` ORDER BY o.id LIMIT ` + strconv.Itoa(PageRows)
	for {
		rows, err := d.page(ctx, d.query, statement, 4, args...)
		if err != nil {
			return fmt.Errorf("read SimpleJWT's tokens: %w", err)
		}
		if len(rows) == 0 {
			return nil
		}
		page := make([]Token, 0, len(rows))
		for _, r := range rows {
			t := newToken(r.Place, r.Values[0], r.Values[1], r.Values[2])
			t.Blacklisted, _ = Bool(r.Values[3])
			if t.Err != nil || t.Expires.After(now) {
				page = append(page, t)
			}
		}
		if err := each(page); err != nil {
			return err
		}
		if len(rows) < PageRows {
			return nil
		}
		args[0] = rows[len(rows)-1].Place
	}
}

// newToken reads what all sources have of a token. SimpleJWT keeps the time in
// UTC where USE_TZ is set; without it, tokens are noted as long as by any zone
// they may live.
func newToken(place int64, jti, user, expires any) Token {
	t := Token{Place: place}
	var ok bool
	if t.JTI, ok = Text(jti); !ok || t.JTI == "" || len(t.JTI) > 255 || strings.ContainsRune(t.JTI, 0) {
		t.Err = errors.New("its jti is no text of 1 to 255 bytes")
		return t
	}
	t.UserID, _ = Int(user)
	if t.Expires, ok = Time(expires, time.UTC); !ok || t.Expires.IsZero() {
		t.Err = errors.New("expires_at is no time")
	}
	return t
}

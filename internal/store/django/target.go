package django

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Migrations is the table that every Django database has, and no other.
const Migrations = "django_migrations"

// Target is a Django database that is written to, beside a Django that may be
// running: in short transactions that lock the rows which they change.
type Target interface {
	Source
	// RowsByID gives the rows that there are with these primary keys, in their
	// order.
	RowsByID(ctx context.Context, q Query, ids []int64) ([]Row, error)
	// Spent tells of each of these jtis that SimpleJWT has noted whether it is
	// blacklisted.
	Spent(ctx context.Context, jtis []string) (map[string]bool, error)
	// LastID gives the last id that the database has given, or set aside, in a
	// table; ErrNoSequence where that cannot be told.
	LastID(ctx context.Context, t Table) (int64, error)
	// RaiseID makes new rows' ids larger than past.
	RaiseID(ctx context.Context, t Table, past int64) error
	// Write runs fn in a transaction and commits it if fn returns nil. fn may run
	// more than once: after a deadlock with Django.
	Write(ctx context.Context, fn func(Writer) error) error
}

// Writer is a transaction on a Target.
type Writer interface {
	// RowsByID locks the rows.
	RowsByID(ctx context.Context, q Query, ids []int64) ([]Row, error)
	Insert(ctx context.Context, t Table, values []Assignment) error
	// Set changes the row with this primary key.
	Set(ctx context.Context, t Table, id int64, values []Assignment) error
	// Join makes a user of the table a member of a group, Leave ends that.
	Join(ctx context.Context, t Table, id int64, group string) error
	Leave(ctx context.Context, t Table, id int64, group string) error
	// Blacklist makes the rows that SimpleJWT makes of a blacklisted token, and
	// gives how many were not blacklisted.
	Blacklist(ctx context.Context, tokens []Token, now time.Time) (int64, error)
}

// Assignment is what a column is set to: nil, string, bool, int64 or time.Time,
// whose zero is NULL. It is written as the column's type has it.
type Assignment struct {
	Column string
	Value  any
}

var (
	// ErrTarget is what is wrong with the name of a target.
	ErrTarget = errors.New("this is no Django database that can be written to")
	// ErrNoSequence: the ids of a table are given in a way that is not known.
	ErrNoSequence = errors.New("the table has no sequence for its ids")
)

// RowFault reports whether err, of a Writer, is that of a row's values, so that
// the rows beside it can be written: a constraint, a length, a character.
func RowFault(t Target, err error) bool {
	d, ok := t.(*target)
	return ok && d.fault(err)
}

// OpenTarget opens a database to write to it: the name of a SQLite file, or a URL
// as for Open. Times are written in zone, that of columns that have none.
func OpenTarget(ctx context.Context, name string, zone *time.Location) (Target, error) {
	scheme, _, isURL := strings.Cut(name, "://")
	var d *database
	var err error
	switch scheme = strings.ToLower(scheme); {
	case !isURL || len(scheme) < 2:
		d, err = writableFile(ctx, name)
	case scheme == "postgres" || scheme == "postgresql":
		d, err = writablePostgres(ctx, name)
	case scheme == "mysql" || scheme == "mariadb":
		d, err = writableMySQL(ctx, name)
	case scheme == "sqlite" || scheme == "file":
		d, err = writableFile(ctx, name[len(scheme)+3:])
	default:
		err = fmt.Errorf("%w: %s:// is not known", ErrTarget, scheme)
	}
	if err != nil {
		return nil, err
	}
	return &target{database: d, zone: zone}, nil
}

func writableFile(ctx context.Context, name string) (*database, error) {
	kind, err := fileKind(name)
	switch {
	case err != nil:
		return nil, fmt.Errorf("%w: %w", ErrTarget, err)
	case kind == kindDump:
		return nil, fmt.Errorf("%w: %s is the JSON of dumpdata; write to the database itself", ErrTarget, name)
	case kind != kindSQLite:
		return nil, fmt.Errorf("%w: %s is no SQLite database", ErrTarget, name)
	}
	return writableSQLite(ctx, name)
}

// connected is a database that has answered, without a snapshot.
func connected(ctx context.Context, e engine, shown string, db *sql.DB) (*database, error) {
	db.SetMaxOpenConns(1)
	var one int
	if err := db.QueryRowContext(ctx, `SELECT 1`).Scan(&one); err != nil {
		_ = db.Close()
		return nil, fmt.Errorf("%w: connect to %s: %w", ErrTarget, shown, err)
	}
	return &database{engine: e, shown: shown, db: db, query: db}, nil
}

type target struct {
	*database
	zone *time.Location
	// tokens are SimpleJWT's tables.
	outstanding Table
}

// Tables implements Source.
func (t *target) Tables(ctx context.Context) ([]Table, error) {
	all, err := t.database.Tables(ctx)
	for _, table := range all {
		if table.Name == OutstandingTokens {
			t.outstanding = table
		}
	}
	return all, err
}

// RowsByID implements Target.
func (t *target) RowsByID(ctx context.Context, q Query, ids []int64) ([]Row, error) {
	return t.rowsByID(ctx, t.query, q, ids, "")
}

func (t *target) LastID(ctx context.Context, table Table) (int64, error) {
	id, err := t.lastID(ctx, t.db, table)
	if err != nil && !errors.Is(err, ErrNoSequence) {
		err = fmt.Errorf("read the sequence of %s: %w", table.Name, err)
	}
	return id, err
}

func (t *target) RaiseID(ctx context.Context, table Table, past int64) error {
	if err := t.raiseID(ctx, t.db, table, past); err != nil {
		return fmt.Errorf("move the sequence of %s: %w", table.Name, err)
	}
	return nil
}

// Write implements Target.
func (t *target) Write(ctx context.Context, fn func(Writer) error) error {
	const tries = 5
	for n := 1; ; n++ {
		err := t.write(ctx, fn)
		if err == nil || n == tries || ctx.Err() != nil || !t.again(err) {
			return err
		}
	}
}

func (t *target) write(ctx context.Context, fn func(Writer) error) error {
	tx, err := t.db.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("begin to write: %w", err)
	}
	if err := fn(&writer{t, tx}); err != nil {
		_ = tx.Rollback()
		return err
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	return nil
}

// inList is how many values one IN takes; a shorter list repeats its last, so
// that there are few statements.
const inList = 100

func (d *database) inParams(from int) string {
	all := make([]string, inList)
	for i := range all {
		all[i] = d.param(from + i)
	}
	return strings.Join(all, ", ")
}

func inArgs[T any](group []T) []any {
	args := make([]any, inList)
	for i := range args {
		args[i] = group[min(i, len(group)-1)]
	}
	return args
}

func (d *database) rowsByID(ctx context.Context, c querier, q Query, ids []int64, lock string) ([]Row, error) {
	values := []string{"t." + d.quote(q.Table.Key)}
	for _, column := range q.Columns {
		values = append(values, d.value("t."+d.quote(column), q.Table.Type(column)))
	}
	statement := `SELECT ` + strings.Join(values, ", ") + ` FROM ` + d.quote(q.Table.Name) + ` t WHERE ` + values[0] +
		` IN (` + d.inParams(1) + `) ORDER BY 1` + lock
	var all []Row
	for group := range slices.Chunk(ids, inList) {
		page, err := d.page(ctx, c, statement, len(q.Columns), inArgs(group)...)
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", q.Table.Name, err)
		}
		if q.Groups != "" && len(page) > 0 {
			if err := d.addGroups(ctx, c, q, page); err != nil {
				return nil, fmt.Errorf("read the groups of %s: %w", q.Table.Name, err)
			}
		}
		all = append(all, page...)
	}
	return all, nil
}

// noted is a token that SimpleJWT has a row of.
type noted struct {
	id          int64
	blacklisted bool
}

func (d *database) noted(ctx context.Context, c querier, jtis []string) (map[string]noted, error) {
	statement := `SELECT o.id, o.jti, b.id IS NOT NULL FROM ` + d.quote(OutstandingTokens) + ` o LEFT JOIN ` +
		d.quote(BlacklistedTokens) + ` b ON b.token_id = o.id WHERE o.jti IN (` + d.inParams(1) + `)`
	all := map[string]noted{}
	for group := range slices.Chunk(jtis, inList) {
		err := collect(ctx, c, statement, inArgs(group), func(scan func(...any) error) error {
			var jti string
			var n noted
			err := scan(&n.id, &jti, &n.blacklisted)
			all[jti] = n
			return err
		})
		if err != nil {
			return nil, fmt.Errorf("read SimpleJWT's tokens: %w", err)
		}
	}
	return all, nil
}

// Spent implements Target.
func (t *target) Spent(ctx context.Context, jtis []string) (map[string]bool, error) {
	known, err := t.noted(ctx, t.query, jtis)
	if err != nil {
		return nil, err
	}
	all := make(map[string]bool, len(known))
	for jti, n := range known {
		all[jti] = n.blacklisted
	}
	return all, nil
}

type writer struct {
	t  *target
	tx *sql.Tx
}

// RowsByID implements Writer.
func (w *writer) RowsByID(ctx context.Context, q Query, ids []int64) ([]Row, error) {
	return w.t.rowsByID(ctx, w.tx, q, ids, w.t.lock)
}

func (w *writer) exec(ctx context.Context, statement string, args ...any) (int64, error) {
	r, err := w.tx.ExecContext(ctx, statement, args...)
	if err != nil {
		return 0, err
	}
	return r.RowsAffected()
}

// Insert implements Writer.
func (w *writer) Insert(ctx context.Context, t Table, values []Assignment) error {
	columns, params, args := make([]string, len(values)), make([]string, len(values)), make([]any, len(values))
	for i, v := range values {
		columns[i], params[i], args[i] = w.t.quote(v.Column), w.t.param(i+1), w.t.encode(t, v)
	}
	_, err := w.exec(ctx, `INSERT INTO `+w.t.quote(t.Name)+` (`+strings.Join(columns, ", ")+`) VALUES (`+strings.Join(params, ", ")+`)`, args...)
	if err != nil {
		return fmt.Errorf("insert into %s: %w", t.Name, err)
	}
	return nil
}

// Set implements Writer.
func (w *writer) Set(ctx context.Context, t Table, id int64, values []Assignment) error {
	sets, args := make([]string, len(values)), make([]any, len(values))
	for i, v := range values {
		sets[i], args[i] = w.t.quote(v.Column)+" = "+w.t.param(i+1), w.t.encode(t, v)
	}
	_, err := w.exec(ctx, `UPDATE `+w.t.quote(t.Name)+` SET `+strings.Join(sets, ", ")+` WHERE `+w.t.quote(t.Key)+` = `+w.t.param(len(values)+1),
		append(args, id)...)
	if err != nil {
		return fmt.Errorf("change row %d of %s: %w", id, t.Name, err)
	}
	return nil
}

func (w *writer) group(ctx context.Context, name string) (id int64, err error) {
	err = w.tx.QueryRowContext(ctx, `SELECT id FROM `+w.t.quote("auth_group")+` WHERE name = `+w.t.param(1), name).Scan(&id)
	if err != nil {
		return 0, fmt.Errorf("look for the group %s: %w", name, err)
	}
	return id, nil
}

// Join implements Writer.
func (w *writer) Join(ctx context.Context, t Table, id int64, group string) error {
	g, err := w.group(ctx, group)
	if err != nil {
		return err
	}
	members, user := w.t.quote(t.Name+"_groups"), w.t.quote(memberColumn(t.Name))
	var there int
	err = w.tx.QueryRowContext(ctx, `SELECT COUNT(*) FROM `+members+` WHERE `+user+` = `+w.t.param(1)+` AND group_id = `+w.t.param(2), id, g).Scan(&there)
	if err == nil && there == 0 {
		_, err = w.exec(ctx, `INSERT INTO `+members+` (`+user+`, group_id) VALUES (`+w.t.param(1)+`, `+w.t.param(2)+`)`, id, g)
	}
	if err != nil {
		return fmt.Errorf("put user %d into a group: %w", id, err)
	}
	return nil
}

// Leave implements Writer.
func (w *writer) Leave(ctx context.Context, t Table, id int64, group string) error {
	g, err := w.group(ctx, group)
	if err != nil {
		return err
	}
	_, err = w.exec(ctx, `DELETE FROM `+w.t.quote(t.Name+"_groups")+` WHERE `+w.t.quote(memberColumn(t.Name))+` = `+w.t.param(1)+` AND group_id = `+w.t.param(2), id, g)
	if err != nil {
		return fmt.Errorf("take user %d out of a group: %w", id, err)
	}
	return nil
}

// Blacklist implements Writer. The token itself is nobody's to know any more: its
// column is empty, and SimpleJWT looks at the jti alone.
func (w *writer) Blacklist(ctx context.Context, tokens []Token, now time.Time) (int64, error) {
	jtis := make([]string, len(tokens))
	for i, k := range tokens {
		jtis[i] = k.JTI
	}
	known, err := w.t.noted(ctx, w.tx, jtis)
	if err != nil {
		return 0, err
	}
	var rows [][]any
	o := w.t.outstanding
	// SimpleJWT's times are UTC, also where USE_TZ is off.
	utc := &target{database: w.t.database, zone: time.UTC}
	at := func(column string, v any) any { return utc.encode(o, Assignment{column, v}) }
	var created any
	if o.Column("created_at").Required {
		created = at("created_at", now)
	}
	for _, k := range tokens {
		if _, ok := known[k.JTI]; ok {
			continue
		}
		known[k.JTI] = noted{}
		var user any
		if k.UserID != 0 {
			user = k.UserID
		}
		rows = append(rows, []any{k.JTI, "", created, at("expires_at", k.Expires), user})
	}
	if err := w.insertAll(ctx, OutstandingTokens, []string{"jti", "token", "created_at", "expires_at", "user_id"}, rows); err != nil {
		return 0, err
	}
	if len(rows) > 0 {
		if known, err = w.t.noted(ctx, w.tx, jtis); err != nil {
			return 0, err
		}
	}
	rows = rows[:0]
	done := map[int64]bool{}
	for _, jti := range jtis {
		if n := known[jti]; n.id != 0 && !n.blacklisted && !done[n.id] {
			done[n.id] = true
			rows = append(rows, []any{at("expires_at", now), n.id})
		}
	}
	return int64(len(rows)), w.insertAll(ctx, BlacklistedTokens, []string{"blacklisted_at", "token_id"}, rows)
}

// insertAll inserts rows, and passes over those that are there.
func (w *writer) insertAll(ctx context.Context, table string, columns []string, rows [][]any) error {
	quoted := make([]string, len(columns))
	for i, c := range columns {
		quoted[i] = w.t.quote(c)
	}
	const most = 100
	for group := range slices.Chunk(rows, most) {
		var values []string
		var args []any
		for _, row := range group {
			params := make([]string, len(row))
			for i, v := range row {
				args = append(args, v)
				params[i] = w.t.param(len(args))
			}
			values = append(values, "("+strings.Join(params, ", ")+")")
		}
		_, err := w.exec(ctx, `INSERT INTO `+w.t.quote(table)+` (`+strings.Join(quoted, ", ")+`) VALUES `+strings.Join(values, ", ")+
			strings.ReplaceAll(w.t.passOver, "COLUMN", quoted[0]), args...)
		if err != nil {
			return fmt.Errorf("insert into %s: %w", table, err)
		}
	}
	return nil
}

// encode writes a value as the type of its column has it.
func (t *target) encode(table Table, a Assignment) any {
	typ := table.Type(a.Column)
	isBool := strings.HasPrefix(typ, "bool")
	switch v := a.Value.(type) {
	case time.Time:
		switch {
		case v.IsZero():
			return nil
		case typ == "timestamp with time zone":
			return v.UTC()
		case typ == "date":
			return v.In(t.zone).Format(time.DateOnly)
		default:
			return v.In(t.zone).Format("2006-01-02 15:04:05.000000")
		}
	case bool:
		return t.truth(v, isBool)
	case string:
		if b, ok := Bool(v); isBool && ok {
			return t.truth(b, true)
		}
		return v
	default:
		return v
	}
}

func (t *target) truth(v, isBool bool) any {
	switch {
	case isBool && t.bools:
		return v
	case v:
		return int64(1)
	default:
		return int64(0)
	}
}

package store

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/latchkey-auth/latchkey/internal/auth"
)

// How far a search goes. A filter that few users pass is followed by its own
// index; else the users are walked in the order asked for, in windows that
// grow, until the page is full or that many were looked at.
const (
	fewCandidates = 30_000
	firstWindow   = 1_000
	windowGrowth  = 4
	lastWindow    = 64_000
)

// orders are the columns that the orders go by; each has an index with the id.
var orders = map[auth.UserOrder]struct {
	key  string
	text bool
}{
	auth.OrderID:        {"u.id", false},
	auth.OrderEmail:     {"u.email_key", true},
	auth.OrderName:      {"u.name_key", true},
	auth.OrderCreated:   {"u.created_at", false},
	auth.OrderLastLogin: {"COALESCE(u.last_login, 0)", false},
}

// userSearch is a search on its way.
type userSearch struct {
	t Tx
	auth.UserSearch
	words []string
	key   string
	text  bool
	// down says that the walk goes from large to small.
	down bool
}

// SearchUsers implements auth.UserReader.
func (t Tx) SearchUsers(ctx context.Context, s auth.UserSearch) (auth.UserPage, error) {
	order, known := orders[s.Order]
	if !known {
		return auth.UserPage{}, fmt.Errorf("no order by %q", s.Order)
	}
	q := userSearch{
		t: t, UserSearch: s, words: words(maxQueryWords, s.Text), key: order.key, text: order.text,
		down: s.Descending != s.Backwards,
	}
	if strings.TrimSpace(s.Text) != "" && len(q.words) == 0 {
		return auth.UserPage{Exact: true}, nil // Nothing that was typed is in any word.
	}
	page, err := q.page(ctx)
	return page, wrap(err, "search users")
}

func (q *userSearch) page(ctx context.Context) (auth.UserPage, error) {
	few, count, err := q.candidates(ctx)
	if err != nil {
		return auth.UserPage{}, err
	}
	var page auth.UserPage
	var more *auth.UserPlace
	if few != nil {
		page.Users, more, err = q.sorted(ctx, few)
		if err == nil && len(q.words) > 1 {
			count, err = q.countOf(ctx, few)
		}
	} else {
		page.Users, more, err = q.walk(ctx)
	}
	if err != nil {
		return auth.UserPage{}, err
	}
	page.Count, page.Exact = count, count <= auth.CountExactTo
	if !page.Exact {
		page.Count = auth.CountExactTo
		if len(q.words) > 1 && few == nil {
			page.Count = int64(len(page.Users)) // Each word is frequent; all of them together may not be.
		}
	}
	var behind *auth.UserPlace // what lies where the walk began
	if q.From != nil {
		behind = q.From
		if len(page.Users) > 0 {
			behind = q.place(page.Users[0])
		}
	}
	page.First, page.Last = behind, more
	if q.Backwards {
		slices.Reverse(page.Users)
		page.First, page.Last = more, behind
	}
	return page, nil
}

// place is where a user stands in the order.
func (q *userSearch) place(u auth.User) *auth.UserPlace {
	p := &auth.UserPlace{ID: u.ID}
	switch q.Order {
	case auth.OrderEmail:
		p.Text = u.EmailKey
	case auth.OrderName:
		p.Text = nameKey(u.FirstName, u.LastName)
	case auth.OrderCreated:
		p.Number = Micros(u.CreatedAt)
	case auth.OrderLastLogin:
		if !u.LastLogin.IsZero() {
			p.Number = Micros(u.LastLogin)
		}
	case auth.OrderID:
		p.Number = u.ID
	}
	return p
}

// classes are the numbers of the roles and states that are asked for. They
// stand in the statements as they are: a planner that does not know them takes
// administrators to be as many as clients.
func (q *userSearch) classes() string {
	var all []string
	for _, role := range auth.Roles() {
		for _, active := range []bool{false, true} {
			if (q.Role == nil || *q.Role == role) && (q.IsActive == nil || *q.IsActive == active) {
				all = append(all, fmt.Sprint(class(role, active)))
			}
		}
	}
	return strings.Join(all, ", ")
}

// states are the conditions on role and state, for the index users_role.
func (q *userSearch) states() string {
	var all []string
	for _, role := range auth.Roles() {
		if q.Role == nil || *q.Role == role {
			all = append(all, "'"+string(role)+"'")
		}
	}
	where := "role IN (" + strings.Join(all, ", ") + ")"
	switch {
	case q.IsActive == nil:
		return where
	case *q.IsActive:
		return where + " AND is_active = TRUE"
	default:
		return where + " AND is_active = FALSE"
	}
}

// candidates is a set of ids that holds all that are looked for.
type candidates struct {
	query string
	args  []any
}

// candidates counts by each word, or by role and state without any, and gives
// the smallest set if it is a small one. count is how many users there are in
// it, or more than are told exactly.
func (q *userSearch) candidates(ctx context.Context) (few *candidates, count int64, err error) {
	if len(q.words) == 0 {
		filtered := q.Role != nil || q.IsActive != nil
		set := candidates{query: `SELECT id FROM users`}
		if filtered {
			set.query += ` WHERE ` + q.states()
		}
		most := int64(auth.CountExactTo + 1)
		if filtered {
			most = fewCandidates + 1
		}
		if count, err = q.count(ctx, set, most); err != nil {
			return nil, 0, err
		}
		if filtered && count <= fewCandidates {
			few = &set
		}
		return few, count, nil
	}
	const most = int64(fewCandidates + 1)
	count = most
	for _, w := range q.words {
		set := candidates{
			`SELECT user_id AS id FROM user_words WHERE class IN (` + q.classes() + `) AND word >= $1 AND word < $2`,
			[]any{w, behind(w)},
		}
		n, err := q.count(ctx, set, most)
		if err != nil {
			return nil, 0, err
		}
		if n < count {
			few, count = &set, n
		}
	}
	return few, count, nil
}

// wordsAlike is how many of a user's words begin alike, at most, for a set to be
// counted exactly.
const wordsAlike = 3

// count counts a set up to most. Its rows are limited before those of one user
// are taken together: that needs all of them in PostgreSQL.
func (q *userSearch) count(ctx context.Context, set candidates, most int64) (int64, error) {
	limit := most
	if len(q.words) > 0 {
		limit *= wordsAlike
	}
	var rows, users int64
	err := q.t.QueryRow(ctx, `SELECT COUNT(*), COUNT(DISTINCT id) FROM (`+set.query+` LIMIT `+strconv.FormatInt(limit, 10)+`) AS t`, set.args...).
		Scan(&rows, &users)
	if rows == limit {
		return most, err
	}
	return min(users, most), err
}

// matches are the conditions on the words but for the users that are in set;
// their parameters follow args.
func (q *userSearch) matches(args []any) (string, []any) {
	var where strings.Builder
	for _, w := range q.words {
		// A scalar subquery: a planner may not make a join of the whole range of it.
		fmt.Fprintf(&where, ` AND (SELECT 1 FROM user_words w WHERE w.user_id = u.id AND w.word >= $%d AND w.word < $%d LIMIT 1) = 1`,
			len(args)+1, len(args)+2)
		args = append(args, w, behind(w))
	}
	return where.String(), args
}

// countOf counts the users of a set that have all of the words.
func (q *userSearch) countOf(ctx context.Context, set *candidates) (n int64, err error) {
	where, args := q.matches(set.args)
	err = q.t.QueryRow(ctx, `WITH c AS MATERIALIZED (SELECT DISTINCT id FROM (`+set.query+`) AS t) SELECT COUNT(*) FROM c CROSS JOIN users u WHERE u.id = c.id`+where, args...).Scan(&n)
	return n, err
}

// sorted sorts a set and gives the page of it.
func (q *userSearch) sorted(ctx context.Context, set *candidates) ([]auth.User, *auth.UserPlace, error) {
	where, args := q.matches(set.args)
	bound, args := q.after(q.From, args)
	users, err := q.t.users(ctx, `WITH c AS MATERIALIZED (SELECT DISTINCT id FROM (`+set.query+`) AS t) SELECT `+columnsOfU+`
		FROM c CROSS JOIN users u WHERE u.id = c.id`+where+bound+q.by()+fmt.Sprintf(` LIMIT %d`, q.Limit+1), args...)
	if err != nil {
		return nil, nil, err
	}
	users, more := q.cut(users)
	return users, more, nil
}

// cut takes the one more than asked for off, which tells that there are more.
func (q *userSearch) cut(users []auth.User) ([]auth.User, *auth.UserPlace) {
	if len(users) <= q.Limit {
		return users, nil
	}
	users = users[:q.Limit]
	return users, q.place(users[q.Limit-1])
}

// columnsOfU are UserColumns of a table u.
var columnsOfU = "u." + strings.Join(strings.FieldsFunc(UserColumns, func(r rune) bool { return strings.ContainsRune(", \n\t", r) }), ", u.")

// by is the order of the walk.
func (q *userSearch) by() string {
	direction := ""
	if q.down {
		direction = " DESC"
	}
	if q.Order == auth.OrderID {
		return " ORDER BY u.id" + direction
	}
	return " ORDER BY " + q.key + direction + ", u.id" + direction
}

// after is the condition of being behind a place in the walk.
func (q *userSearch) after(p *auth.UserPlace, args []any) (string, []any) {
	if q.down {
		return q.bound("<", p, args)
	}
	return q.bound(">", p, args)
}

// upTo is the condition of being not behind a place in the walk.
func (q *userSearch) upTo(p *auth.UserPlace, args []any) (string, []any) {
	if q.down {
		return q.bound(">=", p, args)
	}
	return q.bound("<=", p, args)
}

func (q *userSearch) bound(op string, p *auth.UserPlace, args []any) (string, []any) {
	switch {
	case p == nil:
		return "", args
	case q.Order == auth.OrderID:
		return fmt.Sprintf(" AND u.id %s $%d", op, len(args)+1), append(args, p.ID)
	case q.text:
		args = append(args, p.Text, p.ID)
	default:
		args = append(args, p.Number, p.ID)
	}
	// The first condition follows from the second. SQLite finds its place in an
	// index on an expression by it.
	return fmt.Sprintf(" AND %s %s $%d AND (%s, u.id) %s ($%d, $%d)",
		q.key, strings.TrimSuffix(op, "=")+"=", len(args)-1, q.key, op, len(args)-1, len(args)), args
}

// walk goes through all users in the order asked for.
func (q *userSearch) walk(ctx context.Context) ([]auth.User, *auth.UserPlace, error) {
	from, window := q.From, firstWindow
	if len(q.words) == 0 && q.Role == nil && q.IsActive == nil {
		window = 0 // Everybody is looked for: one statement does.
	}
	var found []auth.User
	for {
		var end *auth.UserPlace
		var err error
		if window > 0 {
			if end, err = q.ahead(ctx, from, window); err != nil {
				return nil, nil, err
			}
		}
		users, err := q.within(ctx, from, end, q.Limit+1-len(found))
		if err != nil {
			return nil, nil, err
		}
		found = append(found, users...)
		if users, more := q.cut(found); more != nil || end == nil {
			return users, more, nil
		}
		if window >= lastWindow {
			return found, end, nil
		}
		from, window = end, window*windowGrowth
	}
}

// ahead gives the place that many users farther, nil if there are not so many.
func (q *userSearch) ahead(ctx context.Context, from *auth.UserPlace, n int) (*auth.UserPlace, error) {
	where, args := q.after(from, nil)
	p := &auth.UserPlace{}
	dest := []any{&p.Number, &p.ID}
	if q.text {
		dest[0] = &p.Text
	}
	query := `SELECT ` + q.key + `, u.id FROM users u WHERE TRUE` + where + q.by() + fmt.Sprintf(` LIMIT 1 OFFSET %d`, n-1)
	found := false
	err := q.t.each(ctx, query, args, func(rows Rows) error {
		found = true
		return rows.Scan(dest...)
	})
	if err != nil || !found {
		return nil, err
	}
	return p, nil
}

// within gives those looked for that stand between two places.
func (q *userSearch) within(ctx context.Context, from, end *auth.UserPlace, limit int) ([]auth.User, error) {
	where, args := q.matches(nil)
	after, args := q.after(from, args)
	upTo, args := q.upTo(end, args)
	if q.Role != nil || q.IsActive != nil {
		// Not the bare column: its index would be taken for the walk, and all that
		// it finds be sorted.
		where += ` AND ` + strings.Replace(q.states(), "role IN", "(role || '') IN", 1)
	}
	return q.t.users(ctx, `SELECT `+columnsOfU+` FROM users u WHERE TRUE`+where+after+upTo+q.by()+fmt.Sprintf(` LIMIT %d`, limit), args...)
}

const countAdmins = `SELECT COUNT(*) FROM (SELECT 1 FROM users WHERE role = 'admin' AND is_active = TRUE LIMIT $1) AS t`

// CountAdmins implements auth.UserReader.
func (t Tx) CountAdmins(ctx context.Context, limit int) (int, error) {
	var n int64
	err := t.QueryRow(ctx, countAdmins, int64(limit)).Scan(&n)
	return int(min(n, math.MaxInt32)), wrap(err, "count administrators")
}

// lockAdmins makes the row where there is none: a guard that is not there keeps
// nobody.
const lockAdmins = `INSERT INTO guards (name, n) VALUES ('active_admins', 1)
	ON CONFLICT (name) DO UPDATE SET n = guards.n + 1`

// LockAdmins implements auth.UserWriter.
func (t Tx) LockAdmins(ctx context.Context) error {
	_, err := t.Exec(ctx, lockAdmins)
	return wrap(err, "lock the administrators")
}

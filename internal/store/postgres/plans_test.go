package postgres_test

import (
	"context"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/latchkey-auth/latchkey/internal/auth"
	"github.com/latchkey-auth/latchkey/internal/pgtest"
	"github.com/latchkey-auth/latchkey/internal/store"
)

// explaining is a store.Conn that writes down the plan of each query before it
// runs it.
type explaining struct {
	conn  *pgx.Conn
	plans *strings.Builder
}

func (e explaining) explain(ctx context.Context, query string, args []any) error {
	rows, err := e.conn.Query(ctx, "EXPLAIN "+query, args...)
	if err != nil {
		return err
	}
	lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
	e.plans.WriteString(query + "\n  " + strings.Join(lines, "\n  ") + "\n")
	return err
}

func (e explaining) Exec(ctx context.Context, query string, args ...any) (int64, error) {
	tag, err := e.conn.Exec(ctx, query, args...)
	return tag.RowsAffected(), err
}

type failedRow struct{ err error }

func (r failedRow) Scan(...any) error { return r.err }

func (e explaining) QueryRow(ctx context.Context, query string, args ...any) store.Row {
	if err := e.explain(ctx, query, args); err != nil {
		return failedRow{err}
	}
	return e.conn.QueryRow(ctx, query, args...)
}

func (e explaining) Query(ctx context.Context, query string, args ...any) (store.Rows, error) {
	if err := e.explain(ctx, query, args); err != nil {
		return nil, err
	}
	return e.conn.Query(ctx, query, args...) //nolint:sqlclosecheck // The caller closes them.
}

// TestPlansOfSearch says which index each list and search goes by, in a database
// whose size makes the planner choose.
func TestPlansOfSearch(t *testing.T) {
	url := pgtest.Database(t)
	open(t, url)
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.WithoutCancel(t.Context())) })
	for _, statement := range []string{
		`INSERT INTO users (email, email_key, first_name, last_name, phone, role, is_active, password, credential_version, gen,
				created_at, updated_at, name_key, search_version)
			SELECT 'u' || g || '@example.com', 'u' || g || '@example.com', 'John', 'Doe', '', CASE WHEN g % 20000 = 0 THEN 'admin' ELSE 'client' END,
				TRUE, '!', 1, 1, g, g, 'doe john', 1 FROM generate_series(1, 60000) AS g`,
		`INSERT INTO user_words (class, word, user_id)
			SELECT CASE WHEN id % 20000 = 0 THEN 1 ELSE 7 END, w, id FROM users CROSS JOIN LATERAL
				(VALUES ('doe'), ('john'), ('example'), ('com'), ('u' || id)) AS words (w)`,
		`ANALYZE`,
	} {
		if _, err := conn.Exec(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	admin, shut := auth.RoleAdmin, false
	for _, test := range []struct {
		name   string
		search auth.UserSearch
		want   []string
	}{
		{"by id", auth.UserSearch{Order: auth.OrderID, Descending: true}, []string{"users_pkey"}},
		{"by e-mail", auth.UserSearch{Order: auth.OrderEmail}, []string{"users_email_key"}},
		{"by name", auth.UserSearch{Order: auth.OrderName}, []string{"users_name"}},
		{"by creation", auth.UserSearch{Order: auth.OrderCreated, Descending: true}, []string{"users_created"}},
		{"by last sign-in", auth.UserSearch{Order: auth.OrderLastLogin, Descending: true}, []string{"users_last_login"}},
		{"page by name", auth.UserSearch{Order: auth.OrderName, From: &auth.UserPlace{Text: "doe john", ID: 30000}}, []string{"users_name"}},
		{"few of a role", auth.UserSearch{Order: auth.OrderEmail, Role: &admin}, []string{"users_role"}},
		{"few of a state", auth.UserSearch{Order: auth.OrderName, IsActive: &shut}, []string{"users_role"}},
		{"a rare word", auth.UserSearch{Order: auth.OrderEmail, Text: "u4242"}, []string{"user_words_pkey"}},
		{"a rare word and a role", auth.UserSearch{Order: auth.OrderEmail, Text: "john", Role: &admin}, []string{"user_words_pkey"}},
		{"everybody's word", auth.UserSearch{Order: auth.OrderEmail, Text: "joh"}, []string{"user_words_pkey", "users_email_key", "user_words_user"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			var plans strings.Builder
			test.search.Limit = 25
			page, err := store.Tx{Conn: explaining{conn, &plans}}.SearchUsers(t.Context(), test.search)
			if err != nil {
				t.Fatal(err)
			}
			if len(page.Users) == 0 && test.search.IsActive == nil {
				t.Error("nobody was found")
			}
			for _, index := range test.want {
				if !strings.Contains(plans.String(), index) {
					t.Errorf("not by %s:\n%s", index, plans.String())
				}
			}
			if strings.Contains(plans.String(), "Seq Scan on user_words") || strings.Contains(plans.String(), "Seq Scan on users u") {
				t.Errorf("reads a whole table:\n%s", plans.String())
			}
		})
	}
}

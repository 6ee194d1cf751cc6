package main

import (
	"context"
	"database/sql"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	_ "modernc.org/sqlite" // the driver "sqlite"

	"github.com/latchkey-auth/latchkey/internal/password"
)

const (
	refreshLifetime = 3 * 24 * time.Hour
	// userGen is the generation of every user that is filled in.
	userGen = 1
	// startedWithin is how far back the sessions' starts are spread. So a
	// refresh moves its session's until, as it does in life, where an access
	// token lasts longer than the hour that until is rounded to.
	startedWithin = 48
)

// email is the address of a user, counted from 0.
func email(user int) string { return fmt.Sprintf("user%d@bench.example", user) }

// sessionsOf is how many sessions a database of so many users is filled with.
func sessionsOf(users int) int { return max(users, min(10*users, 100_000)) }

// sessionID and sessionJTI are those that a session, counted from 0, is filled
// in with.
func sessionID(session int) string { return fmt.Sprintf("%032x", session) }

func sessionJTI(session int) string { return fmt.Sprintf("a%031x", session) }

// sessionStart is when a session was opened, by the time of filling in.
func sessionStart(session int, seeded time.Time) time.Time {
	return seeded.Truncate(time.Second).Add(-time.Duration(1+session%startedWithin) * time.Hour)
}

// fill puts users and their sessions into an empty database of the current
// schema.
func fill(ctx context.Context, in installation, users int, seeded time.Time) error {
	hash, err := password.NewHasher(password.Options{}).Hash(ctx, userPassword)
	if err != nil {
		return fmt.Errorf("hash: %w", err)
	}
	if in.database == "" {
		err = fillSQLite(ctx, in.data+"/latchkey.db", users, seeded, hash)
	} else {
		err = fillPostgres(ctx, in.database, users, seeded, hash)
	}
	if err != nil {
		return fmt.Errorf("fill in %d users: %w", users, err)
	}
	return nil
}

func fillSQLite(ctx context.Context, path string, users int, seeded time.Time, hash string) error {
	// Nothing here needs to survive a crash.
	u := url.URL{Scheme: "file", Opaque: path, RawQuery: "mode=rw&_pragma=synchronous(0)"}
	db, err := sql.Open("sqlite", u.String())
	if err != nil {
		return err
	}
	defer db.Close()
	insertUsers, insertWords, insertSessions := fillStatements(
		`WITH RECURSIVE n(g) AS (SELECT 0 UNION ALL SELECT g + 1 FROM n WHERE g + 1 < %d)`,
		`printf('%032x', g)`, `printf('a%031x', g)`, users, seeded)
	if _, err := db.ExecContext(ctx, insertUsers, hash); err != nil {
		return err
	}
	for _, statement := range []string{insertWords, insertSessions} {
		if _, err := db.ExecContext(ctx, statement); err != nil {
			return err
		}
	}
	_, err = db.ExecContext(ctx, `PRAGMA wal_checkpoint(TRUNCATE)`)
	return err
}

func fillPostgres(ctx context.Context, address string, users int, seeded time.Time, hash string) error {
	conn, err := pgx.Connect(ctx, address)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(ctx) }()
	insertUsers, insertWords, insertSessions := fillStatements(
		`WITH n(g) AS (SELECT generate_series(0::bigint, %d - 1))`,
		`lpad(to_hex(g), 32, '0')`, `'a' || lpad(to_hex(g), 31, '0')`, users, seeded)
	if _, err := conn.Exec(ctx, insertUsers, hash); err != nil {
		return err
	}
	for _, statement := range []string{
		insertWords,
		insertSessions,
		fmt.Sprintf(`SELECT setval(pg_get_serial_sequence('users', 'id'), %d)`, users),
		`VACUUM ANALYZE`,
		`CHECKPOINT`,
	} {
		if _, err := conn.Exec(ctx, statement); err != nil {
			return err
		}
	}
	return nil
}

// fillStatements are the two engines' common part: series counts g from 0, and
// id and jti spell sessionID and sessionJTI.
func fillStatements(series, id, jti string, users int, seeded time.Time) (insertUsers, insertWords, insertSessions string) {
	insertUsers = fmt.Sprintf(series, users) + fmt.Sprintf(`
		INSERT INTO users (id, email, email_key, first_name, last_name, phone, role, is_active,
			password, credential_version, gen, created_at, updated_at, name_key, search_version)
		SELECT g + 1, 'user' || g || '@bench.example', 'user' || g || '@bench.example', 'John', 'Doe', '+1234567890',
			CASE WHEN g = 0 THEN 'admin' ELSE 'employee' END, TRUE, $1, 1, %d, %[2]d, %[2]d, 'doe john', 1 FROM n`, userGen, seeded.Add(-startedWithin*time.Hour).UnixMicro())
	// The first is an administrator, class 1; the others are employees, class 5.
	insertWords = fmt.Sprintf(series, users) + `
		INSERT INTO user_words (class, word, user_id)
		SELECT CASE WHEN g = 0 THEN 1 ELSE 5 END, w.word, g + 1 FROM n CROSS JOIN (
			SELECT 'doe' AS word UNION ALL SELECT 'john' UNION ALL SELECT 'bench' UNION ALL SELECT 'example') AS w
		UNION ALL SELECT CASE WHEN g = 0 THEN 1 ELSE 5 END, 'user' || g, g + 1 FROM n`
	start := fmt.Sprintf(`(%d - (1 + g %% %d) * 3600)`, seeded.Unix(), startedWithin)
	const lifetime = int64(refreshLifetime / time.Second)
	insertSessions = fmt.Sprintf(series, sessionsOf(users)) + strings.NewReplacer(
		"{id}", id, "{jti}", jti, "{start}", start,
		"{users}", fmt.Sprint(users), "{lifetime}", fmt.Sprint(lifetime),
	).Replace(`
		INSERT INTO sessions (id, user_id, jti, issued_at, expires, created_at, last_seen, until, address, user_agent)
		SELECT {id}, g % {users} + 1, {jti}, {start}, {start} + {lifetime}, {start} * 1000000, {start} * 1000000,
			(({start} + {lifetime}) / 3600 + 1) * 3600 * 1000000, '127.0.0.1', 'bench' FROM n`)
	return insertUsers, insertWords, insertSessions
}

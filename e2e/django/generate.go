package django

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"time"

	_ "modernc.org/sqlite" // the driver
)

// schema is what Django 3.2 makes of the application's models, but for what
// plays no part here.
const schema = `
CREATE TABLE django_migrations (id integer NOT NULL PRIMARY KEY AUTOINCREMENT, app varchar(255) NOT NULL, name varchar(255) NOT NULL, applied datetime NOT NULL);
CREATE TABLE accounts_user (id integer NOT NULL PRIMARY KEY AUTOINCREMENT, password varchar(128) NOT NULL, last_login datetime NULL,
	is_superuser bool NOT NULL, email varchar(254) NOT NULL UNIQUE, first_name varchar(150) NOT NULL, last_name varchar(150) NOT NULL,
	phone varchar(20) NOT NULL, role varchar(20) NOT NULL, is_active bool NOT NULL, is_staff bool NOT NULL,
	created_at datetime NOT NULL, updated_at datetime NOT NULL);
CREATE TABLE auth_group (id integer NOT NULL PRIMARY KEY AUTOINCREMENT, name varchar(150) NOT NULL UNIQUE);
CREATE TABLE accounts_user_groups (id integer NOT NULL PRIMARY KEY AUTOINCREMENT,
	user_id bigint NOT NULL REFERENCES accounts_user (id), group_id integer NOT NULL REFERENCES auth_group (id));
CREATE INDEX accounts_user_groups_user_id ON accounts_user_groups (user_id);
CREATE TABLE token_blacklist_outstandingtoken (token text NOT NULL, created_at datetime NULL, expires_at datetime NOT NULL,
	user_id bigint NULL REFERENCES accounts_user (id), jti varchar(255) NOT NULL UNIQUE, id integer NOT NULL PRIMARY KEY AUTOINCREMENT);
CREATE TABLE token_blacklist_blacklistedtoken (blacklisted_at datetime NOT NULL,
	token_id bigint NOT NULL UNIQUE REFERENCES token_blacklist_outstandingtoken (id), id integer NOT NULL PRIMARY KEY AUTOINCREMENT);
INSERT INTO auth_group (id, name) VALUES (1, 'Editors'), (2, 'Leads');
`

// generatedHash is a PBKDF2 hash as Django writes it; all generated users have
// the password "correct horse battery staple".
const generatedHash = "pbkdf2_sha256$10000$seasalt$xf2EhMzLtR7eFLvcZyEdLjJwaXmmC1D/R7y2kzeiVhA="

// Generate makes a SQLite database of a Django project with so many users: a
// tenth of them inactive, a fifth in a group, a token for each third, of which
// every second is blacklisted.
func Generate(ctx context.Context, name string, users int) (err error) {
	if err := os.Remove(name); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	db, err := sql.Open("sqlite", "file:"+name+"?_pragma=journal_mode(OFF)&_pragma=synchronous(OFF)")
	if err != nil {
		return err
	}
	db.SetMaxOpenConns(1)
	defer func() { err = errors.Join(err, db.Close()) }()
	if _, err := db.ExecContext(ctx, schema); err != nil {
		return err
	}
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }()
	var failed error
	prepare := func(query string) *sql.Stmt {
		s, err := tx.PrepareContext(ctx, query)
		failed = errors.Join(failed, err)
		return s
	}
	user := prepare(`INSERT INTO accounts_user (id, password, last_login, is_superuser, email, first_name, last_name, phone, role, is_active, is_staff, created_at, updated_at)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`)
	member := prepare(`INSERT INTO accounts_user_groups (user_id, group_id) VALUES (?, ?)`)
	token := prepare(`INSERT INTO token_blacklist_outstandingtoken (id, token, created_at, expires_at, user_id, jti) VALUES (?, '', ?, ?, ?, ?)`)
	dead := prepare(`INSERT INTO token_blacklist_blacklistedtoken (blacklisted_at, token_id) VALUES (?, ?)`)
	if failed != nil {
		return failed
	}
	const layout = "2006-01-02 15:04:05.000000"
	now := time.Now().UTC()
	roles := []string{"employee", "client", "client", "manager"}
	run := func(s *sql.Stmt, args ...any) {
		if failed == nil {
			_, failed = s.ExecContext(ctx, args...)
		}
	}
	for i := 1; i <= users; i++ {
		created := now.Add(-time.Duration(i%1000) * time.Hour).Format(layout)
		var login any
		if i%4 != 0 {
			login = now.Add(-time.Duration(i%100) * time.Minute).Format(layout)
		}
		run(user, i, generatedHash, login, i == 1, fmt.Sprintf("User%d@Example%d.com", i, i%97), fmt.Sprintf("Ada %d", i), "Łovelace",
			fmt.Sprintf("+49%d", i), roles[i%len(roles)], i%10 != 9, i%500 == 0, created, created)
		if i%5 == 0 {
			run(member, i, 1+i%2)
		}
		if i%3 == 0 {
			id := i / 3
			run(token, id, created, now.Add(72*time.Hour).Format(layout), i, fmt.Sprintf("%032x", id))
			if id%2 == 0 {
				run(dead, created, id)
			}
		}
		if failed != nil {
			return failed
		}
	}
	return tx.Commit()
}

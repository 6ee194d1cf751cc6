package postgres

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/latchkey-auth/latchkey/internal/auth"
	"github.com/latchkey-auth/latchkey/internal/store"
)

// insertImported is store.Tx.InsertImported for many users in one statement.
const insertImported = `WITH a AS MATERIALIZED (
		SELECT * FROM unnest($1::bigint[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[],
			$8::boolean[], $9::text[], $10::bigint[], $11::bigint[], $12::bigint[], $13::bigint[], $14::bytea[])
		AS a (id, email, email_key, first_name, last_name, phone, role, is_active, password,
			valid_after, created_at, updated_at, last_login, base)),
	inserted AS (
		INSERT INTO users (id, email, email_key, first_name, last_name, phone, role, is_active, password,
			credential_version, gen, valid_after, created_at, updated_at, last_login)
		SELECT id, email, email_key, first_name, last_name, phone, role, is_active, password,
			1, $15::bigint, valid_after, created_at, updated_at, last_login
		FROM a WHERE NOT EXISTS (SELECT 1 FROM django_users d WHERE d.user_id = a.id)
		ON CONFLICT DO NOTHING RETURNING id)
	INSERT INTO django_users (user_id, base) SELECT a.id, a.base FROM a JOIN inserted i ON i.id = a.id RETURNING user_id`

// InsertImported implements auth.TakeoverWriter.
func (t tx) InsertImported(ctx context.Context, users []auth.ImportedUser, now time.Time) ([]int64, error) {
	n := len(users)
	var (
		ids                 = make([]int64, n)
		emails, keys        = make([]string, n), make([]string, n)
		firsts, lasts       = make([]string, n), make([]string, n)
		phones, roles       = make([]string, n), make([]string, n)
		actives             = make([]bool, n)
		passwords           = make([]string, n)
		validAfters, logins = make([]*int64, n), make([]*int64, n)
		createds, updateds  = make([]int64, n), make([]int64, n)
		bases               = make([][]byte, n)
		inserted            = make(map[int64]bool, n)
	)
	for i, u := range users {
		ids[i], emails[i], keys[i] = u.ID, u.Email.Shown, u.Email.Key
		firsts[i], lasts[i], phones[i], roles[i] = u.FirstName, u.LastName, u.Phone, string(u.Role)
		actives[i], passwords[i], validAfters[i] = u.IsActive, u.Password, store.ImportedValidAfter(u, now)
		createds[i], updateds[i] = store.Micros(u.CreatedAt), store.Micros(u.UpdatedAt)
		if !u.LastLogin.IsZero() {
			login := store.Micros(u.LastLogin)
			logins[i] = &login
		}
		bases[i] = u.Base
	}
	rows, err := t.Query(ctx, insertImported, ids, emails, keys, firsts, lasts, phones, roles, actives, passwords,
		validAfters, createds, updateds, logins, bases, store.Micros(now))
	if err != nil {
		return nil, fmt.Errorf("insert imported users: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var id int64
		if err := rows.Scan(&id); err != nil {
			return nil, fmt.Errorf("insert imported users: %w", err)
		}
		inserted[id] = true
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("insert imported users: %w", err)
	}
	return slices.DeleteFunc(ids, func(id int64) bool { return inserted[id] }), nil
}

const putTokens = `INSERT INTO spent_tokens (jti, user_id, expires, kind)
	SELECT DISTINCT ON (jti) jti, user_id, expires, kind
	FROM unnest($1::text[], $2::bigint[], $3::bigint[], $4::text[]) AS a (jti, user_id, expires, kind)
	ORDER BY jti, kind
	ON CONFLICT (jti) DO UPDATE SET kind = excluded.kind
		WHERE spent_tokens.kind = 'outstanding' AND excluded.kind <> 'outstanding'
	RETURNING jti, kind`

// PutTokens implements auth.TakeoverWriter.
func (t tx) PutTokens(ctx context.Context, tokens []auth.KnownToken) ([]string, error) {
	n := len(tokens)
	jtis, kinds := make([]string, n), make([]string, n)
	users, expires := make([]int64, n), make([]int64, n)
	for i, k := range tokens {
		jtis[i], users[i], expires[i], kinds[i] = k.JTI, k.UserID, k.Expires, string(k.Kind)
	}
	rows, err := t.Query(ctx, putTokens, jtis, users, expires, kinds)
	if err != nil {
		return nil, fmt.Errorf("note tokens: %w", err)
	}
	defer rows.Close()
	var blacklisted []string
	for rows.Next() {
		var jti, kind string
		if err := rows.Scan(&jti, &kind); err != nil {
			return nil, fmt.Errorf("note tokens: %w", err)
		}
		if kind == string(auth.TokenBlacklisted) {
			blacklisted = append(blacklisted, jti)
		}
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("note tokens: %w", err)
	}
	return blacklisted, nil
}

const revokeAdopted = `UPDATE sessions SET revoked_at = $1
	WHERE origin_jti = ANY ($2::text[]) AND origin_jti IS NOT NULL AND revoked_at IS NULL RETURNING id`

// RevokeAdopted implements auth.TakeoverWriter.
func (t tx) RevokeAdopted(ctx context.Context, jtis []string, now time.Time) ([]string, error) {
	rows, err := t.Query(ctx, revokeAdopted, store.Micros(now), jtis)
	if err != nil {
		return nil, fmt.Errorf("revoke adopted sessions: %w", err)
	}
	defer rows.Close()
	var ended []string
	for rows.Next() {
		var id string
		if err := rows.Scan(&id); err != nil {
			return nil, fmt.Errorf("revoke adopted sessions: %w", err)
		}
		ended = append(ended, id)
	}
	return ended, rows.Err()
}

const setBases = `INSERT INTO django_users (user_id, base) SELECT * FROM unnest($1::bigint[], $2::bytea[])
	ON CONFLICT (user_id) DO UPDATE SET base = excluded.base`

// SetBases implements auth.TakeoverWriter.
func (t tx) SetBases(ctx context.Context, bases []auth.ImportBase) error {
	ids, all := make([]int64, len(bases)), make([][]byte, len(bases))
	for i, b := range bases {
		ids[i], all[i] = b.UserID, b.Base
	}
	if _, err := t.Exec(ctx, setBases, ids, all); err != nil {
		return fmt.Errorf("note users: %w", err)
	}
	return nil
}

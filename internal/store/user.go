package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/latchkey-auth/latchkey/internal/auth"
)

// UserColumns are the columns of a user, in the order of UserRow.
const UserColumns = `id, email, email_key, first_name, last_name, phone, role, is_active, password,
	credential_version, gen, valid_after, created_at, updated_at, last_login`

// UserColumnsOrNone are UserColumns of a table u that is joined and may have
// no row: then the id is 0.
const UserColumnsOrNone = `COALESCE(u.id, 0), COALESCE(u.email, ''), COALESCE(u.email_key, ''),
	COALESCE(u.first_name, ''), COALESCE(u.last_name, ''), COALESCE(u.phone, ''), COALESCE(u.role, ''),
	COALESCE(u.is_active, FALSE), COALESCE(u.password, ''), COALESCE(u.credential_version, 0),
	COALESCE(u.gen, 0), u.valid_after, COALESCE(u.created_at, 0), COALESCE(u.updated_at, 0), u.last_login`

// UserRow is where UserColumns are scanned to.
type UserRow struct {
	user                  auth.User
	createdAt, updatedAt  int64
	validAfter, lastLogin *int64
}

// Dest gives the destinations for Scan.
func (r *UserRow) Dest() []any {
	u := &r.user
	return []any{
		&u.ID, &u.Email, &u.EmailKey, &u.FirstName, &u.LastName, &u.Phone, (*string)(&u.Role), &u.IsActive, &u.Password,
		&u.CredentialVersion, &u.Gen, &r.validAfter, &r.createdAt, &r.updatedAt, &r.lastLogin,
	}
}

// User gives what was scanned; the zero User for a row of UserColumnsOrNone
// that is not there.
func (r *UserRow) User() auth.User {
	if r.user.ID == 0 {
		return auth.User{}
	}
	u := r.user
	u.CreatedAt, u.UpdatedAt = Time(r.createdAt), Time(r.updatedAt)
	u.ValidAfter, u.LastLogin = timeOrZero(r.validAfter), timeOrZero(r.lastLogin)
	return u
}

// user scans one row of UserColumns. ErrNotFound without a row.
func user(row Row) (auth.User, error) {
	var r UserRow
	switch err := row.Scan(r.Dest()...); {
	case errors.Is(err, ErrNoRows):
		return auth.User{}, auth.ErrNotFound
	case err != nil:
		return auth.User{}, err
	}
	return r.User(), nil
}

const userByID = `SELECT ` + UserColumns + ` FROM users WHERE id = $1`

// UserByID implements auth.UserReader.
func (t Tx) UserByID(ctx context.Context, id int64) (auth.User, error) {
	u, err := user(t.QueryRow(ctx, userByID, id))
	return u, wrap(err, "read user %d", id)
}

const userByEmail = `SELECT ` + UserColumns + ` FROM users WHERE email_key = $1`

// UserByEmail implements auth.UserReader.
func (t Tx) UserByEmail(ctx context.Context, key string) (auth.User, error) {
	u, err := user(t.QueryRow(ctx, userByEmail, key))
	return u, wrap(err, "read user by e-mail")
}

const users = `SELECT ` + UserColumns + ` FROM users
	WHERE id > $1 AND role = COALESCE($2, role) AND is_active = COALESCE($3, is_active)
	ORDER BY id LIMIT $4`

// Users implements auth.UserReader.
func (t Tx) Users(ctx context.Context, f auth.UserFilter) ([]auth.User, error) {
	limit := int64(f.Limit)
	if limit <= 0 {
		limit = 1000
	}
	all, err := t.users(ctx, users, f.After, (*string)(f.Role), f.IsActive, limit)
	return all, wrap(err, "list users")
}

// users collects a query of UserColumns.
func (t Tx) users(ctx context.Context, query string, args ...any) ([]auth.User, error) {
	rows, err := t.Query(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []auth.User
	for rows.Next() {
		var r UserRow
		if err := rows.Scan(r.Dest()...); err != nil {
			return nil, err
		}
		all = append(all, r.User())
	}
	return all, rows.Err()
}

// foreignHash goes by the index users_foreign_hash, whose terms it repeats. The
// first is what password.Hash writes today ("_" for "$", which begins
// parameters): other costs want a migration.
const foreignHash = `SELECT password FROM users
	WHERE password NOT LIKE 'argon2_argon2id_v=19_m=19456,t=2,p=1_%' AND password NOT LIKE '!%' AND password > $1
	ORDER BY password LIMIT 1`

// ForeignHash implements auth.UserReader.
func (t Tx) ForeignHash(ctx context.Context, after string) (string, error) {
	var encoded string
	err := t.QueryRow(ctx, foreignHash, after).Scan(&encoded)
	if errors.Is(err, ErrNoRows) {
		return "", nil
	}
	return encoded, wrap(err, "look for foreign hashes")
}

const insertUser = `INSERT INTO users (email, email_key, first_name, last_name, phone, role, is_active, password,
		credential_version, gen, created_at, updated_at, name_key, search_version)
	VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 1, $9, $9, $9, $10, $11)
	RETURNING ` + UserColumns

// InsertUser implements auth.UserWriter.
func (t Tx) InsertUser(ctx context.Context, n auth.NewUser, now time.Time) (auth.User, error) {
	u, err := user(t.QueryRow(ctx, insertUser, n.Email.Shown, n.Email.Key, n.FirstName, n.LastName, n.Phone,
		string(n.Role), n.IsActive, n.Password, Micros(now), nameKey(n.FirstName, n.LastName), int64(searchVersion)))
	if err != nil {
		if t.Engine.Violates(err, "users_email_key") {
			return auth.User{}, auth.ErrEmailTaken
		}
		return auth.User{}, wrap(err, "insert user")
	}
	return u, t.index(ctx, u, true)
}

const updateUser = `UPDATE users SET
		first_name = COALESCE($1, first_name), last_name = COALESCE($2, last_name), phone = COALESCE($3, phone),
		role = COALESCE($4, role), is_active = COALESCE($5, is_active), password = COALESCE($6, password),
		credential_version = credential_version + $7, gen = gen + $8,
		valid_after = COALESCE($9, valid_after), updated_at = COALESCE($10, updated_at),
		email = COALESCE($11, email), email_key = COALESCE($12, email_key)
	WHERE id = $13 AND credential_version = COALESCE($14, credential_version)
	RETURNING ` + UserColumns

const userExists = `SELECT EXISTS (SELECT 1 FROM users WHERE id = $1)`

// UpdateUser implements auth.UserWriter.
func (t Tx) UpdateUser(ctx context.Context, id int64, c auth.UserChange, now time.Time) (auth.User, error) {
	at := Micros(now)
	var validAfter, updatedAt *int64
	if c.SetValidAfter {
		validAfter = &at
	}
	if c.Touch {
		updatedAt = &at
	}
	password := c.Rehash
	var raiseVersion, raiseGen int64
	if c.Password != nil {
		password, raiseVersion = c.Password, 1
	}
	if c.RaiseGen {
		raiseGen = 1
	}
	var shown, emailKey *string
	if c.Email != nil {
		shown, emailKey = &c.Email.Shown, &c.Email.Key
	}
	u, err := user(t.QueryRow(ctx, updateUser, c.FirstName, c.LastName, c.Phone, (*string)(c.Role), c.IsActive,
		password, raiseVersion, raiseGen, validAfter, updatedAt, shown, emailKey, id, c.IfCredentialVersion))
	if err != nil && c.Email != nil && t.Engine.Violates(err, "users_email_key") {
		return auth.User{}, auth.ErrEmailTaken
	}
	if errors.Is(err, auth.ErrNotFound) && c.IfCredentialVersion != nil {
		var exists bool
		if err := t.QueryRow(ctx, userExists, id).Scan(&exists); err != nil {
			return auth.User{}, fmt.Errorf("update user %d: %w", id, err)
		}
		if exists {
			return auth.User{}, auth.ErrConflict
		}
	}
	if err != nil {
		return auth.User{}, wrap(err, "update user %d", id)
	}
	if c.Email != nil || c.FirstName != nil || c.LastName != nil || c.Role != nil || c.IsActive != nil {
		return u, t.index(ctx, u, false)
	}
	return u, nil
}

const deleteUser = `DELETE FROM users WHERE id = $1 RETURNING ` + UserColumns

// DeleteUser implements auth.UserWriter.
func (t Tx) DeleteUser(ctx context.Context, id int64) (auth.User, error) {
	u, err := user(t.QueryRow(ctx, deleteUser, id))
	if err != nil {
		return auth.User{}, wrap(err, "delete user %d", id)
	}
	if _, err = t.Exec(ctx, dropWords, id); err != nil {
		return u, fmt.Errorf("drop the words of user %d: %w", id, err)
	}
	return u, t.bury(ctx, id)
}

// wrap says what was being done. Errors of the domain (ErrNotFound) stay bare,
// since callers answer from them.
func wrap(err error, format string, args ...any) error {
	if err == nil || auth.IsKind(err, auth.Missing) {
		return err
	}
	return fmt.Errorf(format+": %w", append(args, err)...)
}

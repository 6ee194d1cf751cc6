package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/latchkey-auth/latchkey/internal/auth"
)

// inList is how many values one IN takes; a shorter list repeats its last, so
// that there is one statement to prepare.
const inList = 100

// inParams is "$1, $2, …" for an IN.
var inParams = func() string {
	all := make([]string, inList)
	for i := range all {
		all[i] = "$" + strconv.Itoa(i+1)
	}
	return strings.Join(all, ", ")
}()

// in runs a query for values in groups of inList.
func in[T int64 | string](ctx context.Context, t Tx, query string, values []T, scan func(Rows) error) error {
	for group := range slices.Chunk(values, inList) {
		args := make([]any, inList)
		for i := range args {
			args[i] = group[min(i, len(group)-1)]
		}
		if err := t.each(ctx, query, args, scan); err != nil {
			return err
		}
	}
	return nil
}

var (
	usersByIDs     = `SELECT ` + UserColumns + ` FROM users WHERE id IN (` + inParams + `)`
	userIDsByEmail = `SELECT email_key, id FROM users WHERE email_key IN (` + inParams + `)`
	importBases    = `SELECT user_id, base FROM django_users WHERE user_id IN (` + inParams + `)`
)

// UsersByIDs implements auth.TakeoverReader.
func (t Tx) UsersByIDs(ctx context.Context, ids []int64) ([]auth.User, error) {
	var all []auth.User
	err := in(ctx, t, usersByIDs, ids, func(rows Rows) error {
		var r UserRow
		err := rows.Scan(r.Dest()...)
		all = append(all, r.User())
		return err
	})
	return all, wrap(err, "read users")
}

// UserIDsByEmail implements auth.TakeoverReader.
func (t Tx) UserIDsByEmail(ctx context.Context, keys []string) (map[string]int64, error) {
	all := map[string]int64{}
	err := in(ctx, t, userIDsByEmail, keys, func(rows Rows) error {
		var key string
		var id int64
		err := rows.Scan(&key, &id)
		all[key] = id
		return err
	})
	return all, wrap(err, "read users by e-mail")
}

// ImportBases implements auth.TakeoverReader.
func (t Tx) ImportBases(ctx context.Context, ids []int64) ([]auth.ImportBase, error) {
	var all []auth.ImportBase
	err := in(ctx, t, importBases, ids, func(rows Rows) error {
		var b auth.ImportBase
		err := rows.Scan(&b.UserID, &b.Base)
		all = append(all, b)
		return err
	})
	return all, wrap(err, "read what was imported")
}

const (
	importedIDs = `SELECT user_id FROM django_users WHERE user_id > $1 AND base NOT IN ($2, $3) ORDER BY user_id LIMIT $4`
	deletedIDs  = `SELECT user_id FROM django_users WHERE user_id > $1 AND base = $2 ORDER BY user_id LIMIT $3`
)

// ImportedIDs implements auth.TakeoverReader.
func (t Tx) ImportedIDs(ctx context.Context, after int64, limit int) ([]int64, error) {
	all, err := t.userIDs(ctx, importedIDs, after, []byte(auth.ImportTombstone), []byte(auth.ExportTombstone), int64(limit))
	return all, wrap(err, "read who was imported")
}

// DeletedIDs implements auth.TakeoverReader.
func (t Tx) DeletedIDs(ctx context.Context, after int64, limit int) ([]int64, error) {
	all, err := t.userIDs(ctx, deletedIDs, after, []byte(auth.ImportTombstone), int64(limit))
	return all, wrap(err, "read who was deleted")
}

func (t Tx) userIDs(ctx context.Context, query string, args ...any) ([]int64, error) {
	var all []int64
	err := t.each(ctx, query, args, func(rows Rows) error {
		var id int64
		err := rows.Scan(&id)
		all = append(all, id)
		return err
	})
	return all, err
}

// LastUserID implements auth.TakeoverReader.
func (t Tx) LastUserID(ctx context.Context) (int64, error) {
	id, err := t.Engine.LastUserID(ctx, t.Conn)
	return id, wrap(err, "read the sequence of user ids")
}

const lastImport = `SELECT source, started_at, finished_at, users, counts FROM django_imports WHERE source = $1`

// LastImport implements auth.TakeoverReader.
func (t Tx) LastImport(ctx context.Context, source string) (auth.ImportRun, error) {
	var r auth.ImportRun
	var started int64
	var finished *int64
	err := t.QueryRow(ctx, lastImport, source).Scan(&r.Source, &started, &finished, &r.Users, &r.Counts)
	if errors.Is(err, ErrNoRows) {
		return auth.ImportRun{}, auth.ErrNotFound
	}
	r.StartedAt, r.FinishedAt = Time(started), timeOrZero(finished)
	return r, wrap(err, "read the last import")
}

const putImport = `INSERT INTO django_imports (source, started_at, finished_at, users, counts) VALUES ($1, $2, $3, $4, $5)
	ON CONFLICT (source) DO UPDATE SET started_at = excluded.started_at, finished_at = excluded.finished_at,
		users = excluded.users, counts = excluded.counts`

// PutImport implements auth.TakeoverWriter.
func (t Tx) PutImport(ctx context.Context, r auth.ImportRun) error {
	_, err := t.Exec(ctx, putImport, r.Source, Micros(r.StartedAt), microsOrNull(r.FinishedAt), r.Users, r.Counts)
	return wrap(err, "note the import")
}

// insertImported inserts a user with their id: gen and valid_after are
// set as those of a new user and of one who was shut out.
const insertImported = `INSERT INTO users (id, email, email_key, first_name, last_name, phone, role, is_active, password,
		credential_version, gen, valid_after, created_at, updated_at, last_login)
	SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, 1, $10, $11, $12, $13, $14
	WHERE NOT EXISTS (SELECT 1 FROM django_users WHERE user_id = $1)
	ON CONFLICT DO NOTHING`

const insertBase = `INSERT INTO django_users (user_id, base) VALUES ($1, $2)`

// InsertImported implements auth.TakeoverWriter, one by one.
func (t Tx) InsertImported(ctx context.Context, users []auth.ImportedUser, now time.Time) (refused []int64, err error) {
	for _, u := range users {
		n, err := t.Exec(ctx, insertImported, u.ID, u.Email.Shown, u.Email.Key, u.FirstName, u.LastName, u.Phone,
			string(u.Role), u.IsActive, u.Password, Micros(now), ImportedValidAfter(u, now),
			Micros(u.CreatedAt), Micros(u.UpdatedAt), microsOrNull(u.LastLogin))
		if err != nil {
			return nil, fmt.Errorf("insert imported user %d: %w", u.ID, err)
		}
		if n == 0 {
			refused = append(refused, u.ID)
			continue
		}
		if _, err := t.Exec(ctx, insertBase, u.ID, u.Base); err != nil {
			return nil, fmt.Errorf("note imported user %d: %w", u.ID, err)
		}
	}
	return refused, nil
}

// ImportedValidAfter is what ValidAfter begins with: who was shut out there gets
// none of the tokens back that were issued until now.
func ImportedValidAfter(u auth.ImportedUser, now time.Time) *int64 {
	if u.IsActive {
		return nil
	}
	m := Micros(now)
	return &m
}

const setBase = `INSERT INTO django_users (user_id, base) VALUES ($1, $2)
	ON CONFLICT (user_id) DO UPDATE SET base = excluded.base`

// SetBases implements auth.TakeoverWriter.
func (t Tx) SetBases(ctx context.Context, bases []auth.ImportBase) error {
	for _, b := range bases {
		if _, err := t.Exec(ctx, setBase, b.UserID, b.Base); err != nil {
			return fmt.Errorf("note user %d: %w", b.UserID, err)
		}
	}
	return nil
}

const setImportedTimes = `UPDATE users SET
		updated_at = CASE WHEN updated_at < $1 THEN $1 ELSE updated_at END,
		last_login = CASE WHEN COALESCE(last_login, 0) < $2 THEN $2 ELSE last_login END
	WHERE id = $3`

// SetImported implements auth.TakeoverWriter.
func (t Tx) SetImported(ctx context.Context, b auth.ImportBase, updatedAt, lastLogin time.Time) error {
	if _, err := t.Exec(ctx, setBase, b.UserID, b.Base); err != nil {
		return fmt.Errorf("note imported user %d: %w", b.UserID, err)
	}
	var login int64
	if !lastLogin.IsZero() {
		login = Micros(lastLogin)
	}
	_, err := t.Exec(ctx, setImportedTimes, Micros(updatedAt), login, b.UserID)
	return wrap(err, "set the times of user %d", b.UserID)
}

// RaiseUserIDs implements auth.TakeoverWriter.
func (t Tx) RaiseUserIDs(ctx context.Context, past int64) error {
	return wrap(t.Engine.RaiseUserIDs(ctx, t.Conn, past), "move the sequence of user ids")
}

const tokenImported = `SELECT EXISTS (SELECT 1 FROM spent_tokens WHERE jti = $1 AND kind = 'imported')`

// TokenImported implements auth.TakeoverReader.
func (t Tx) TokenImported(ctx context.Context, jti string) (bool, error) {
	var imported bool
	err := t.QueryRow(ctx, tokenImported, jti).Scan(&imported)
	return imported, wrap(err, "look for an imported token")
}

// putToken leaves a token that is known to be spent or blacklisted as it is.
const putToken = `INSERT INTO spent_tokens (jti, user_id, expires, kind) VALUES ($1, $2, $3, $4)
	ON CONFLICT (jti) DO UPDATE SET kind = excluded.kind
		WHERE spent_tokens.kind = 'outstanding' AND excluded.kind <> 'outstanding'`

// PutTokens implements auth.TakeoverWriter.
func (t Tx) PutTokens(ctx context.Context, tokens []auth.KnownToken) (blacklisted []string, err error) {
	for _, k := range tokens {
		n, err := t.Exec(ctx, putToken, k.JTI, k.UserID, k.Expires, string(k.Kind))
		if err != nil {
			return nil, fmt.Errorf("note a token: %w", err)
		}
		if n > 0 && k.Kind == auth.TokenBlacklisted {
			blacklisted = append(blacklisted, k.JTI)
		}
	}
	return blacklisted, nil
}

const revokeAdopted = `UPDATE sessions SET revoked_at = $1 WHERE origin_jti = $2 AND revoked_at IS NULL RETURNING id`

// RevokeAdopted implements auth.TakeoverWriter.
func (t Tx) RevokeAdopted(ctx context.Context, jtis []string, now time.Time) ([]string, error) {
	var ended []string
	for _, jti := range jtis {
		some, err := ids(ctx, t, revokeAdopted, Micros(now), jti)
		if err != nil {
			return nil, fmt.Errorf("revoke an adopted session: %w", err)
		}
		ended = append(ended, some...)
	}
	return ended, nil
}

// A session is looked at by its id: jti has no index, since every rotation would
// have to keep it.
const (
	lastOfSessions = `SELECT id FROM sessions WHERE id > $1 ORDER BY id LIMIT 1 OFFSET $2`

	revokeBlacklisted = `UPDATE sessions SET revoked_at = $1 WHERE id > $2 AND id <= $3 AND revoked_at IS NULL
		AND EXISTS (SELECT 1 FROM spent_tokens t WHERE t.jti = sessions.jti AND t.kind = 'imported') RETURNING id`
)

// RevokeBlacklisted implements auth.TakeoverWriter.
func (t Tx) RevokeBlacklisted(ctx context.Context, after string, limit int, now time.Time) (ended []string, next string, err error) {
	err = t.QueryRow(ctx, lastOfSessions, after, int64(limit)-1).Scan(&next)
	if err != nil && !errors.Is(err, ErrNoRows) {
		return nil, "", fmt.Errorf("go over the sessions: %w", err)
	}
	const pastAll = "~" // ids are hex digits
	ended, err = ids(ctx, t, revokeBlacklisted, Micros(now), after, cmp.Or(next, pastAll))
	return ended, next, wrap(err, "revoke sessions that were ended in Django")
}

const spentTokens = `SELECT jti, user_id, expires FROM spent_tokens
	WHERE kind = 'spent' AND jti > $1 AND expires > $2 ORDER BY jti LIMIT $3`

// SpentTokens implements auth.TakeoverReader.
func (t Tx) SpentTokens(ctx context.Context, now time.Time, after string, limit int) ([]auth.KnownToken, error) {
	return t.knownTokens(ctx, spentTokens, auth.TokenSpent, now, after, limit)
}

const revokedSessions = `SELECT ` + SessionColumns + ` FROM sessions
	WHERE id > $1 AND revoked_at IS NOT NULL AND expires > $2 ORDER BY id LIMIT $3`

// RevokedSessions implements auth.TakeoverReader.
func (t Tx) RevokedSessions(ctx context.Context, now time.Time, after string, limit int) ([]auth.Session, error) {
	var all []auth.Session
	err := t.each(ctx, revokedSessions, []any{after, now.Unix(), int64(limit)}, func(rows Rows) error {
		var r SessionRow
		err := rows.Scan(r.Dest()...)
		all = append(all, r.Session())
		return err
	})
	return all, wrap(err, "read revoked sessions")
}

const outstandingTokens = `SELECT jti, user_id, expires FROM spent_tokens
	WHERE kind = 'outstanding' AND jti > $1 AND expires > $2 ORDER BY jti LIMIT $3`

// OutstandingTokens implements auth.TakeoverReader.
func (t Tx) OutstandingTokens(ctx context.Context, now time.Time, after string, limit int) ([]auth.KnownToken, error) {
	return t.knownTokens(ctx, outstandingTokens, auth.TokenOutstanding, now, after, limit)
}

const blacklistedTokens = `SELECT jti, user_id, expires FROM spent_tokens
	WHERE kind = 'imported' AND jti > $1 AND expires > $2 ORDER BY jti LIMIT $3`

// BlacklistedTokens implements auth.TakeoverReader.
func (t Tx) BlacklistedTokens(ctx context.Context, now time.Time, after string, limit int) ([]auth.KnownToken, error) {
	return t.knownTokens(ctx, blacklistedTokens, auth.TokenBlacklisted, now, after, limit)
}

func (t Tx) knownTokens(ctx context.Context, query string, kind auth.TokenKind, now time.Time, after string, limit int) ([]auth.KnownToken, error) {
	var all []auth.KnownToken
	err := t.each(ctx, query, []any{after, now.Unix(), int64(limit)}, func(rows Rows) error {
		k := auth.KnownToken{Kind: kind}
		err := rows.Scan(&k.JTI, &k.UserID, &k.Expires)
		all = append(all, k)
		return err
	})
	return all, wrap(err, "read known tokens")
}

const dropSecrets = `DELETE FROM mfa_imported`

// DropImportedSecrets implements auth.TakeoverWriter.
func (t Tx) DropImportedSecrets(ctx context.Context) error {
	_, err := t.Exec(ctx, dropSecrets)
	return wrap(err, "drop the imported second factors")
}

const putSecret = `INSERT INTO mfa_imported (user_id, kind, source_id, sealed) VALUES ($1, $2, $3, $4)
	ON CONFLICT (user_id, kind, source_id) DO UPDATE SET sealed = excluded.sealed`

// PutImportedSecrets implements auth.TakeoverWriter.
func (t Tx) PutImportedSecrets(ctx context.Context, secrets []auth.ImportedSecret) error {
	for _, s := range secrets {
		if _, err := t.Exec(ctx, putSecret, s.UserID, s.Kind, s.SourceID, s.Sealed); err != nil {
			return fmt.Errorf("keep a second factor of user %d: %w", s.UserID, err)
		}
	}
	return nil
}

const secretsOf = `SELECT user_id, kind, source_id, sealed FROM mfa_imported WHERE user_id = $1 ORDER BY kind, source_id`

// ImportedSecrets implements auth.TakeoverReader.
func (t Tx) ImportedSecrets(ctx context.Context, userID int64) ([]auth.ImportedSecret, error) {
	var all []auth.ImportedSecret
	err := t.each(ctx, secretsOf, []any{userID}, func(rows Rows) error {
		var s auth.ImportedSecret
		err := rows.Scan(&s.UserID, &s.Kind, &s.SourceID, &s.Sealed)
		all = append(all, s)
		return err
	})
	return all, wrap(err, "read the second factors of user %d", userID)
}

const (
	buryImported  = `UPDATE django_users SET base = $1 WHERE user_id = $2`
	dropSecretsOf = `DELETE FROM mfa_imported WHERE user_id = $1`
)

// bury leaves of a deleted user only that they were taken over.
func (t Tx) bury(ctx context.Context, id int64) error {
	if _, err := t.Exec(ctx, buryImported, []byte(auth.ImportTombstone), id); err != nil {
		return fmt.Errorf("bury user %d: %w", id, err)
	}
	_, err := t.Exec(ctx, dropSecretsOf, id)
	return wrap(err, "drop the second factors of user %d", id)
}

package store

import (
	"context"
	"fmt"

	"github.com/latchkey-auth/latchkey/internal/auth"
)

// formatPrefixes are what encoded hashes begin with.
var formatPrefixes = []struct {
	prefix string
	format auth.PasswordFormat
}{
	{"argon2$", auth.FormatArgon2},
	{"pbkdf2_sha256$", auth.FormatPBKDF2SHA256},
	{"pbkdf2_sha1$", auth.FormatPBKDF2SHA1},
	{"scrypt$", auth.FormatScrypt},
	{"bcrypt_sha256$", auth.FormatBcryptSHA256},
	{"bcrypt$", auth.FormatBcrypt},
}

// passwordFormats numbers the formats by formatPrefixes. It goes by the index
// users_foreign_hash, whose terms it repeats. No LIKE for the prefixes, which
// have its wildcards in them.
const passwordFormats = `SELECT CASE
		WHEN substr(password, 1, length(CAST($1 AS text))) = $1 THEN 0
		WHEN substr(password, 1, length(CAST($2 AS text))) = $2 THEN 1
		WHEN substr(password, 1, length(CAST($3 AS text))) = $3 THEN 2
		WHEN substr(password, 1, length(CAST($4 AS text))) = $4 THEN 3
		WHEN substr(password, 1, length(CAST($5 AS text))) = $5 THEN 4
		WHEN substr(password, 1, length(CAST($6 AS text))) = $6 THEN 5
		ELSE 6 END AS format, COUNT(*)
	FROM users
	WHERE password NOT LIKE 'argon2_argon2id_v=19_m=19456,t=2,p=1_%' AND password NOT LIKE '!%'
	GROUP BY 1`

// PasswordFormats implements auth.UserReader.
func (t Tx) PasswordFormats(ctx context.Context) (map[auth.PasswordFormat]int64, error) {
	args := make([]any, len(formatPrefixes))
	for i, f := range formatPrefixes {
		args[i] = f.prefix
	}
	rows, err := t.Query(ctx, passwordFormats, args...)
	if err != nil {
		return nil, fmt.Errorf("count password formats: %w", err)
	}
	defer rows.Close()
	counts := map[auth.PasswordFormat]int64{}
	for rows.Next() {
		var i, n int64
		if err := rows.Scan(&i, &n); err != nil {
			return nil, fmt.Errorf("count password formats: %w", err)
		}
		format := auth.FormatUnknown
		if i < int64(len(formatPrefixes)) {
			format = formatPrefixes[i].format
		}
		counts[format] = n
	}
	return counts, wrap(rows.Err(), "count password formats")
}

package storetest

import (
	"maps"
	"testing"
	"time"

	"github.com/latchkey-auth/latchkey/internal/auth"
)

var conditionFacts = []fact{
	{"examine", func(t *testing.T, s auth.Store) {
		c, err := s.Examine(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if c.Schema != c.Known || c.Schema == 0 || (c.SQLite == nil) == (c.Postgres == nil) {
			t.Errorf("the condition is %+v", c)
		}
		if c.Ahead.Abs() > time.Second {
			t.Errorf("the database's clock is %v ahead of this machine's, which is its own", c.Ahead)
		}
	}},
	{"password_formats", func(t *testing.T, s auth.Store) {
		if have, err := s.Read().PasswordFormats(t.Context()); err != nil || len(have) != 0 {
			t.Errorf("without users: %v, %v", have, err)
		}
		for i, hash := range []string{
			"argon2$argon2id$v=19$m=19456,t=2,p=1$salt$sum", "argon2$argon2id$v=19$m=102400,t=2,p=8$salt$sum",
			"pbkdf2_sha256$1000000$salt$sum", "pbkdf2_sha256$1$salt$sum", "pbkdf2_sha1$1$salt$sum", "scrypt$16384$salt$8$1$sum",
			"bcrypt_sha256$$2b$12$sum", "bcrypt$$2b$12$sum", "!", "!unusable", "", "md5$salt$sum",
			// No wildcards: this is no bcrypt_sha256.
			"bcryptXsha256$sum", "PBKDF2_SHA1$1$salt$sum",
		} {
			u := insertUser(t, s, i+1)
			changeUser(t, s, u.ID, auth.UserChange{Password: &hash})
		}
		have, err := s.Read().PasswordFormats(t.Context())
		want := map[auth.PasswordFormat]int64{
			auth.FormatArgon2: 1, auth.FormatPBKDF2SHA256: 2, auth.FormatPBKDF2SHA1: 1,
			auth.FormatScrypt: 1, auth.FormatBcryptSHA256: 1, auth.FormatBcrypt: 1, auth.FormatUnknown: 4,
		}
		if err != nil || !maps.Equal(have, want) {
			t.Errorf("have %v (%v), want %v", have, err, want)
		}
	}},
}

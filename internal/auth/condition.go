package auth

import "time"

// Condition is how a database is kept: what the doctor judges. There is no
// secret in it.
type Condition struct {
	// Schema is the version of the database's schema, 0 for none; Known is the
	// one that this program works with.
	Schema, Known int64
	// Ahead is how far the database's clock is ahead of ours, to half of the
	// time that it took to ask; 0 where both are the same clock.
	Ahead time.Duration

	// One of the two is set.
	SQLite   *SQLiteCondition
	Postgres *PostgresCondition
}

// SQLiteCondition is that of a file.
type SQLiteCondition struct {
	// JournalMode should be "wal".
	JournalMode string
	// Synchronous is that of the connection that writes, 2 for FULL; negative
	// where nobody here writes.
	Synchronous int64
}

// PostgresCondition is that of a server and of our role there.
type PostgresCondition struct {
	// Version is the major one.
	Version int64
	// Settings are those of the server, by name, as they are for a new session
	// of our role: PostgresSettings lists which.
	Settings map[string]string
	// Standby says that the server only replays what another one does.
	Standby bool

	Role string
	// Superuser and Powers are what the role may do beyond its databases; the
	// powers are named as in ALTER ROLE.
	Superuser bool
	Powers    []string
	// ChangesSchema says that the role may make or change tables.
	ChangesSchema bool

	// Authentication is how the server convinced itself that we are the role:
	// "trust" is not at all, "password" one of those that ask for one, else the
	// method's name; "" where it cannot be known.
	Authentication string
	// TrustRules are the lines of pg_hba.conf that let anybody in; RulesKnown
	// says whether they could be read.
	TrustRules []string
	RulesKnown bool

	// Remote says that the connection leaves this machine, Encrypted that it
	// does so by TLS, Verified that we would notice another server in its place.
	Remote, Encrypted, Verified bool
	// Pooled says that there is a pooler between, Deaf that notifications do
	// not come through it.
	Pooled, Deaf bool

	// Nodes is how many machines have connections of Latchkey's open, MaxConns
	// how many connections this one opens at most, with the one that listens.
	Nodes, MaxConns int64

	// LastArchived and LastArchiveFailed are zero for never.
	LastArchived, LastArchiveFailed time.Time
}

// PostgresSettings are the settings of a PostgreSQL server that Condition has.
func PostgresSettings() []string {
	return []string{
		"archive_mode", "data_sync_retry", "default_transaction_read_only", "fsync", "full_page_writes",
		"max_connections", "password_encryption", "statement_timeout", "superuser_reserved_connections",
		"synchronous_commit",
	}
}

// PasswordFormat is how a password hash is encoded that Latchkey would not write
// today.
type PasswordFormat string

// The formats: Django's names, and what is none of them.
const (
	FormatArgon2       PasswordFormat = "argon2" // with other parameters
	FormatPBKDF2SHA256 PasswordFormat = "pbkdf2_sha256"
	FormatPBKDF2SHA1   PasswordFormat = "pbkdf2_sha1"
	FormatScrypt       PasswordFormat = "scrypt"
	FormatBcryptSHA256 PasswordFormat = "bcrypt_sha256"
	FormatBcrypt       PasswordFormat = "bcrypt"
	FormatUnknown      PasswordFormat = "unknown"
)

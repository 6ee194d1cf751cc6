package doctor

import (
	"slices"
	"strconv"
	"strings"

	"github.com/latchkey-auth/latchkey/internal/auth"
)

// leastPostgres is the oldest version that Latchkey is tested with.
const leastPostgres = 15

// leastStatement is the least statement_timeout in ms that lets migrations and
// large lists end.
const leastStatement = 10_000

var postgresChecks = []check{
	{
		id: "postgres-version", severity: Error, title: "The version of PostgreSQL",
		what: "PostgreSQL has version {version}; Latchkey is made for {least} and later.",
		why:  "Older ones get no fixes soon, and no test of ours.",
		mend: "Upgrade it.",
		judge: func(f *Facts) answer {
			return postgres(f, func(p *auth.PostgresCondition) answer {
				return when(p.Version < leastPostgres, "version", strconv.FormatInt(p.Version, 10), "least", strconv.Itoa(leastPostgres))
			})
		},
	},
	{
		id: "postgres-trust", severity: Error, title: "Whether PostgreSQL asks who we are",
		what: "PostgreSQL lets {role} in without a password (trust).",
		why:  "Whoever reaches its port has every account.",
		mend: "Set a password, and in pg_hba.conf write scram-sha-256 in place of trust; then reload.",
		do:   `psql -c '\password {identifier}'`,
		judge: func(f *Facts) answer {
			return postgres(f, func(p *auth.PostgresCondition) answer {
				if p.Authentication == "" {
					return skip()
				}
				return when(p.Authentication == "trust", "role", p.Role, "identifier", identifier(p.Role))
			})
		},
	},
	{
		id: "postgres-trust-rules", severity: Warning, title: "Whether PostgreSQL lets anybody else in unasked",
		what: "pg_hba.conf lets in without a password: {rules}.",
		why:  "Whoever gets there as a role that may read the database has every account.",
		mend: "Write scram-sha-256, or peer for sockets, in place of trust; then reload.",
		do:   `psql -c "SELECT * FROM pg_hba_file_rules"`,
		judge: func(f *Facts) answer {
			return postgres(f, func(p *auth.PostgresCondition) answer {
				if !p.RulesKnown {
					return skip()
				}
				return when(len(p.TrustRules) > 0, "rules", few(p.TrustRules))
			})
		},
	},
	{
		id: "postgres-trust-unknown", severity: Notice, title: "Whether it can be known how PostgreSQL knows us",
		what: "It cannot be known from here whether PostgreSQL asks {role} for a proof.",
		why:  "Before version 16 it does not say, and the connection is one that may have a proof of another kind.",
		mend: "Look into pg_hba.conf: there should be no trust.",
		do:   `psql -c "SELECT * FROM pg_hba_file_rules"`,
		judge: func(f *Facts) answer {
			return postgres(f, func(p *auth.PostgresCondition) answer {
				return when(p.Authentication == "" && !p.RulesKnown, "role", p.Role)
			})
		},
	},
	{
		id: "postgres-md5", severity: Warning, title: "How PostgreSQL keeps passwords",
		what: "PostgreSQL keeps new passwords as MD5.",
		why:  "Whoever reads them there can sign in with what they read.",
		mend: "Set password_encryption to scram-sha-256, reload, and set the role's password again.",
		do:   `psql -c "ALTER SYSTEM SET password_encryption = 'scram-sha-256'"`,
		judge: func(f *Facts) answer {
			return setting(f, "password_encryption", func(v string) bool { return v == "md5" })
		},
	},
	{
		id: "postgres-superuser", severity: Error, title: "Whether Latchkey's role is a superuser",
		what: "Latchkey signs in to PostgreSQL as {role}, a superuser.",
		why:  "A mistake in Latchkey would be one in the whole server: a superuser reads every database and runs programs.",
		mend: "Make a role of its own: docs/operations.md has the statements.",
		do:   "createuser --pwprompt latchkey",
		judge: func(f *Facts) answer {
			return postgres(f, func(p *auth.PostgresCondition) answer {
				return when(p.Superuser, "role", p.Role)
			})
		},
	},
	{
		id: "postgres-powers", severity: Warning, title: "What Latchkey's role may do in PostgreSQL beyond its work",
		what: "The role {role} has {powers}.",
		why:  "Latchkey needs none of it.",
		mend: "Take it away.",
		do:   `psql -c 'ALTER ROLE {identifier} {without}'`,
		judge: func(f *Facts) answer {
			return postgres(f, func(p *auth.PostgresCondition) answer {
				if p.Superuser {
					return skip()
				}
				var without []string
				for _, power := range p.Powers {
					without = append(without, "NO"+power)
				}
				return when(len(p.Powers) > 0, "role", p.Role, "identifier", identifier(p.Role), "powers", strings.Join(p.Powers, ", "), "without", strings.Join(without, " "))
			})
		},
	},
	{
		id: "postgres-owner", severity: Notice, title: "Whether Latchkey's role may change tables",
		what: "The role {role} may make and change tables.",
		why:  "It is needed for migrations alone; a server that only reads and writes rows can do less harm.",
		mend: "Let another role own the tables and run latchkey migrate: docs/operations.md has the statements.",
		judge: func(f *Facts) answer {
			return postgres(f, func(p *auth.PostgresCondition) answer {
				if p.Superuser {
					return skip()
				}
				return when(p.ChangesSchema, "role", p.Role)
			})
		},
	},
	{
		id: "postgres-fsync", severity: Error, title: "Whether PostgreSQL writes to disk",
		what: "PostgreSQL has fsync = {value}.",
		why:  "When the power fails the database can be destroyed, and revoked tokens be good again.",
		mend: "Set fsync to on and reload.",
		do:   `psql -c "ALTER SYSTEM SET fsync = on" -c "SELECT pg_reload_conf()"`,
		judge: func(f *Facts) answer {
			return setting(f, "fsync", func(v string) bool { return v == "off" })
		},
	},
	{
		id: "postgres-full-page-writes", severity: Error, title: "Whether PostgreSQL survives half a page",
		what: "PostgreSQL has full_page_writes = {value}.",
		why:  "When the power fails in the middle of a page, that page is destroyed.",
		mend: "Set full_page_writes to on and reload.",
		do:   `psql -c "ALTER SYSTEM SET full_page_writes = on" -c "SELECT pg_reload_conf()"`,
		judge: func(f *Facts) answer {
			return setting(f, "full_page_writes", func(v string) bool { return v == "off" })
		},
	},
	{
		id: "postgres-commit", severity: Error, title: "Whether PostgreSQL answers only after it has written",
		what: "PostgreSQL has synchronous_commit = {value}.",
		why:  "When it crashes the last commits are lost: a revoked token is good again.",
		mend: "Set synchronous_commit to on for Latchkey's role, then restart Latchkey: its open connections keep the old value for up to an hour.",
		do:   `psql -c 'ALTER ROLE {identifier} SET synchronous_commit = on'`,
		judge: func(f *Facts) answer {
			return setting(f, "synchronous_commit", func(v string) bool { return v == "off" })
		},
	},
	{
		id: "postgres-commit-local", severity: Warning, title: "Whether PostgreSQL waits for its standby",
		what: "PostgreSQL has synchronous_commit = {value}.",
		why:  "After a switch to a standby the last commits are lost: a revoked token is good again.",
		mend: "Set synchronous_commit to on for Latchkey's role, then restart Latchkey: its open connections keep the old value for up to an hour.",
		do:   `psql -c 'ALTER ROLE {identifier} SET synchronous_commit = on'`,
		judge: func(f *Facts) answer {
			return setting(f, "synchronous_commit", func(v string) bool { return v == "local" || v == "remote_write" })
		},
	},
	{
		id: "postgres-sync-retry", severity: Error, title: "What PostgreSQL does when a disk fails",
		what: "PostgreSQL has data_sync_retry = {value}.",
		why:  "After a failed write it goes on as if it had succeeded.",
		mend: "Set data_sync_retry to off and restart PostgreSQL.",
		do:   `psql -c "ALTER SYSTEM SET data_sync_retry = off"`,
		judge: func(f *Facts) answer {
			return setting(f, "data_sync_retry", func(v string) bool { return v == "on" })
		},
	},
	{
		id: "postgres-plain", severity: Error, title: "Whether the way to PostgreSQL is encrypted",
		what: "The connection to PostgreSQL leaves this machine without TLS.",
		why:  "Whoever is on the way reads password hashes and keys, and can change what is written.",
		mend: "Let PostgreSQL offer TLS and add sslmode=verify-full to the database's URL.",
		do:   "LATCHKEY_DATABASE='postgres://…?sslmode=verify-full&sslrootcert=/path/to/ca.pem'",
		judge: func(f *Facts) answer {
			return postgres(f, func(p *auth.PostgresCondition) answer {
				return when(p.Remote && !p.Encrypted)
			})
		},
	},
	{
		id: "postgres-unverified", severity: Warning, title: "Whether it is certain who the database is",
		what: "The connection to PostgreSQL is encrypted, but its certificate is not looked at.",
		why:  "Whoever is on the way can pass for the database.",
		mend: "Add sslmode=verify-full and the authority's certificate to the database's URL.",
		do:   "LATCHKEY_DATABASE='postgres://…?sslmode=verify-full&sslrootcert=/path/to/ca.pem'",
		judge: func(f *Facts) answer {
			return postgres(f, func(p *auth.PostgresCondition) answer {
				if !p.Remote || !p.Encrypted {
					return skip()
				}
				return when(!p.Verified)
			})
		},
	},
	{
		id: "postgres-read-only", severity: Error, title: "Whether PostgreSQL can be written to",
		what: "PostgreSQL is a standby, or begins sessions read-only.",
		why:  "Nobody can sign in, and nothing can be revoked.",
		mend: "Name the primary: target_session_attrs=read-write finds it among several hosts.",
		do:   "LATCHKEY_DATABASE='postgres://…@a,b/latchkey?target_session_attrs=read-write'",
		judge: func(f *Facts) answer {
			return postgres(f, func(p *auth.PostgresCondition) answer {
				return when(p.Standby || p.Settings["default_transaction_read_only"] == "on")
			})
		},
	},
	{
		id: "postgres-connections", severity: Warning, title: "Whether PostgreSQL has room for every node",
		what: "{nodes} nodes open up to {each} connections each, and PostgreSQL has {most} for all.",
		why:  "Under load some requests get no connection, and neither does whoever wants to see why.",
		mend: "Lower postgres.max_conns, or raise max_connections and restart PostgreSQL.",
		do:   "LATCHKEY_POSTGRES_MAX_CONNS={fits}",
		judge: func(f *Facts) answer {
			return postgres(f, func(p *auth.PostgresCondition) answer {
				most := number(p.Settings["max_connections"]) - number(p.Settings["superuser_reserved_connections"])
				if most <= 0 || p.Pooled {
					return skip()
				}
				nodes, each := max(p.Nodes, 1), int64(f.Config.Postgres.MaxConns)+1
				return when(nodes*each > most, "nodes", strconv.FormatInt(nodes, 10), "each", strconv.FormatInt(each, 10),
					"most", strconv.FormatInt(most, 10), "fits", strconv.FormatInt(max(most/nodes-1, 2), 10))
			})
		},
	},
	{
		id: "postgres-statement-timeout", severity: Warning, title: "Whether PostgreSQL lets statements end",
		what: "PostgreSQL ends statements after {value} ms.",
		why:  "A migration takes longer, and so may a list of many users. Latchkey has its own bounds.",
		mend: "Take the bound away for Latchkey's role, then restart Latchkey: its open connections keep the old value for up to an hour.",
		do:   `psql -c 'ALTER ROLE {identifier} SET statement_timeout = 0'`,
		judge: func(f *Facts) answer {
			return setting(f, "statement_timeout", func(v string) bool { n := number(v); return n > 0 && n < leastStatement })
		},
	},
	{
		id: "postgres-pooler", severity: Warning, title: "Whether notifications come through the pooler",
		what: "There is a pooler before PostgreSQL, and notifications do not come through it.",
		why:  "Other nodes learn of a revocation by asking each second, not at once.",
		mend: "Connect to PostgreSQL itself, or let the pooler pool sessions, not transactions.",
		do:   "pool_mode = session",
		judge: func(f *Facts) answer {
			return postgres(f, func(p *auth.PostgresCondition) answer {
				return when(p.Pooled && p.Deaf)
			})
		},
	},
	{
		id: "postgres-archive-off", severity: Notice, title: "Whether PostgreSQL archives its log",
		what: "PostgreSQL does not archive its log (archive_mode = {value}).",
		why:  "There may be dumps, which are not known here; without them every account is gone with the disk.",
		mend: "Archive the log, or dump the database each night.",
		do:   "pg_dump --format=custom --file=latchkey.dump",
		judge: func(f *Facts) answer {
			return setting(f, "archive_mode", func(v string) bool { return v == "off" })
		},
	},
	{
		id: "postgres-archive-failing", severity: Warning, title: "Whether PostgreSQL's archive works",
		what: "PostgreSQL could not archive its log on {failed}.",
		why:  "Since then there is no backup, and its disk fills.",
		mend: "Look into its log for what archive_command says.",
		do:   `psql -c "SELECT * FROM pg_stat_archiver"`,
		judge: func(f *Facts) answer {
			return postgres(f, func(p *auth.PostgresCondition) answer {
				if p.LastArchived.IsZero() && p.LastArchiveFailed.IsZero() {
					return skip()
				}
				return when(p.LastArchiveFailed.After(p.LastArchived), "failed", date(p.LastArchiveFailed))
			})
		},
	},
}

// postgres judges where there is one.
func postgres(f *Facts, judge func(*auth.PostgresCondition) answer) answer {
	if f.Database.Condition == nil || f.Database.Condition.Postgres == nil {
		return skip()
	}
	return judge(f.Database.Condition.Postgres)
}

// setting judges one of the server's settings.
func setting(f *Facts, name string, bad func(string) bool) answer {
	return postgres(f, func(p *auth.PostgresCondition) answer {
		v, ok := p.Settings[name]
		if !ok || !slices.Contains(auth.PostgresSettings(), name) {
			return skip()
		}
		return when(bad(v), "value", v, "identifier", identifier(p.Role))
	})
}

// identifier quotes a role's name for SQL between single quotes of a shell.
func identifier(role string) string {
	return `"` + strings.NewReplacer(`"`, `""`, `'`, `'\''`).Replace(role) + `"`
}

// number is 0 for what is none.
func number(s string) int64 {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return 0
	}
	return n
}

package doctor

import (
	"fmt"
	"strconv"
	"time"
)

const (
	// diskLow and diskFull are of the bytes that are free; diskLow is also a
	// tenth of what there is, up to 5 GiB.
	diskLow  = 1 << 30
	diskFull = 128 << 20
	// backupAge is how old the last backup may be.
	backupAge = 7 * day
	// The clocks: what is said to be ahead, and by how much. Tokens have a
	// leeway of 60 s.
	clockDrift = 3 * time.Second
	clockWrong = 30 * time.Second
	clockBack  = 60 * time.Second
)

var dataChecks = []check{
	{
		id: "database-unreachable", severity: Error, title: "Whether the database answers",
		what: "The database cannot be asked: {problem}.",
		why:  "Nobody can sign in, and nothing about the database can be judged.",
		mend: "Start it, or correct the setting database; then run this again.",
		do:   "latchkey config",
		judge: func(f *Facts) answer {
			if f.Database.None {
				return skip()
			}
			return when(f.Database.Problem != "", "problem", f.Database.Problem)
		},
	},
	{
		id: "schema-newer", severity: Error, title: "Whether this program is new enough for the database",
		what: "The database has schema {have}, and this program knows up to {want}.",
		why:  "A newer program has migrated it; this one does not start on it.",
		mend: "Use the newer program.",
		judge: func(f *Facts) answer {
			c := f.Database.Condition
			if c == nil {
				return skip()
			}
			return when(c.Schema > c.Known, "have", strconv.FormatInt(c.Schema, 10), "want", strconv.FormatInt(c.Known, 10))
		},
	},
	{
		id: "schema-older", severity: Warning, title: "Whether the database is up to date",
		what: "The database has schema {have}, and this program works with {want}.",
		why:  "What is in it cannot be judged yet. The next start brings it up to date.",
		mend: "Bring it up to date with the server stopped; that makes a copy first.",
		do:   "latchkey migrate",
		judge: func(f *Facts) answer {
			c := f.Database.Condition
			if c == nil {
				return skip()
			}
			return when(c.Schema < c.Known, "have", strconv.FormatInt(c.Schema, 10), "want", strconv.FormatInt(c.Known, 10))
		},
	},
	{
		id: "sqlite-unsynced", severity: Error, title: "Whether SQLite writes to disk before it answers",
		what: "SQLite runs with journal_mode={journal} and synchronous={sync}.",
		why:  "When the power fails, the last commits are lost: a revoked token is good again.",
		mend: "Stop the server and put the file into WAL mode; on a file system that cannot have it, move the data folder.",
		do:   "sqlite3 {path} 'PRAGMA journal_mode=WAL'",
		judge: func(f *Facts) answer {
			c := f.Database.Condition
			if c == nil || c.SQLite == nil || c.Schema == 0 {
				return skip()
			}
			s := c.SQLite
			sync := strconv.FormatInt(s.Synchronous, 10)
			if s.Synchronous < 0 {
				sync = "?"
			}
			return when(s.JournalMode != "wal" || s.Synchronous >= 0 && s.Synchronous < 2,
				"journal", s.JournalMode, "sync", sync, "path", shell(f.Folder.Path+"/"+databaseName))
		},
	},
	{
		id: "data-open", severity: Error, title: "The modes in the data folder",
		what: "Others on this machine can get at {files}.",
		why:  "There are password hashes, sessions and the signing key.",
		mend: "Leave them to the user that runs Latchkey.",
		do:   "chmod go-rwx {paths}",
		judge: func(f *Facts) answer {
			if f.Folder.Path == "" {
				return skip()
			}
			if len(f.Folder.Open) == 0 {
				return fine()
			}
			return opened(f.Folder.Open, 0o077)
		},
	},
	{
		id: "data-network", severity: Error, title: "Whether the data folder is on a disk of this machine",
		what: "The data folder {path} is on a network file system ({kind}).",
		why:  "SQLite's locks and its log do not hold there: the database can be destroyed, and commits be lost.",
		mend: "Move it to a local disk, or use PostgreSQL.",
		do:   "LATCHKEY_DATA=/var/lib/latchkey",
		judge: func(f *Facts) answer {
			return kind(f, "nfs", "smb", "smb2", "cifs", "9p", "ceph", "afs", "lustre", "gfs2", "ocfs2", "fuse")
		},
	},
	{
		id: "data-temporary", severity: Error, title: "Whether the data folder outlives a restart of the machine",
		what: "The data folder {path} is in memory ({kind}).",
		why:  "At the next restart of the machine every account is gone.",
		mend: "Move it to a disk.",
		do:   "LATCHKEY_DATA=/var/lib/latchkey",
		judge: func(f *Facts) answer {
			return kind(f, "tmpfs", "ramfs")
		},
	},
	{
		id: "data-container", severity: Warning, title: "Whether the data folder outlives the container",
		what: "The data folder {path} is in the container's own layer ({kind}).",
		why:  "With the container every account is gone.",
		mend: "Mount a volume there.",
		do:   "docker run --volume latchkey:{path} …",
		judge: func(f *Facts) answer {
			return kind(f, "overlay")
		},
	},
	{
		id: "disk-full", severity: Error, title: "Whether there is room on the disk",
		what: "There are {free} MiB left where the data folder is.",
		why:  "When there are none, nobody can sign in and nothing can be revoked.",
		mend: "Make room.",
		do:   "df -h {path}",
		judge: func(f *Facts) answer {
			if f.Folder.Size == 0 {
				return skip()
			}
			return when(f.Folder.Free < diskFull, "free", strconv.FormatInt(f.Folder.Free>>20, 10), "path", shell(f.Folder.Path))
		},
	},
	{
		id: "disk-low", severity: Warning, title: "How much room there is on the disk",
		what: "There are {free} MiB left of {size} where the data folder is.",
		why:  "A migration and a backup need as much again as the database has.",
		mend: "Make room.",
		do:   "df -h {path}",
		judge: func(f *Facts) answer {
			if f.Folder.Size == 0 || f.Folder.Free < diskFull {
				return skip()
			}
			least := max(diskLow, min(f.Folder.Size/10, 5*diskLow))
			return when(f.Folder.Free < min(least, f.Folder.Size/2), "free", strconv.FormatInt(f.Folder.Free>>20, 10),
				"size", strconv.FormatInt(f.Folder.Size>>20, 10), "path", shell(f.Folder.Path))
		},
	},
	{
		id: "backup-missing", severity: Warning, title: "Whether there is a backup",
		what: "No backup by latchkey backup is known.",
		why:  "If the disk fails, every account and the signing key are gone. Copies made by other means are not known here.",
		mend: "Make one each night, and keep it on another machine.",
		do:   "latchkey backup /path/to/latchkey-$(date +%F).tar",
		judge: func(f *Facts) answer {
			if f.Folder.Path == "" || !f.Database.AnyUser {
				return skip()
			}
			return when(f.Folder.Backup.IsZero())
		},
	},
	{
		id: "backup-old", severity: Warning, title: "The age of the last backup",
		what: "The last backup was made {days} days ago.",
		why:  "Whatever happened since is lost with the disk.",
		mend: "Make one each night, and keep it on another machine.",
		do:   "latchkey backup /path/to/latchkey-$(date +%F).tar",
		judge: func(f *Facts) answer {
			if f.Folder.Backup.IsZero() || !f.Database.AnyUser {
				return skip()
			}
			age := f.Now.Sub(f.Folder.Backup)
			return when(age > backupAge, "days", days(age))
		},
	},
	{
		id: "clock-database", severity: Error, title: "Whether the clocks agree",
		what: "The database's clock differs from this machine's by {seconds} s.",
		why:  "Nodes whose clocks differ by a minute refuse each other's tokens, and expiry is wrong by as much.",
		mend: "Let both follow a time server.",
		do:   "timedatectl set-ntp true",
		judge: func(f *Facts) answer {
			c := f.Database.Condition
			if c == nil || c.Postgres == nil {
				return skip()
			}
			return when(c.Ahead.Abs() > clockWrong, "seconds", seconds(c.Ahead.Abs()))
		},
	},
	{
		id: "clock-drift", severity: Warning, title: "Whether the clocks drift apart",
		what: "The database's clock differs from this machine's by {seconds} s.",
		why:  "A difference of a few seconds harms nothing yet, but it says that one of the two follows no time server.",
		mend: "Let both follow a time server.",
		do:   "timedatectl set-ntp true",
		judge: func(f *Facts) answer {
			c := f.Database.Condition
			if c == nil || c.Postgres == nil || c.Ahead.Abs() > clockWrong {
				return skip()
			}
			return when(c.Ahead.Abs() > clockDrift, "seconds", seconds(c.Ahead.Abs()))
		},
	},
	{
		id: "clock-back", severity: Error, title: "Whether the clock has gone back",
		what: "What was written last bears a time {seconds} s from now.",
		why:  "This machine's clock is behind, or was ahead: tokens live longer than they should, or are refused.",
		mend: "Set the clock right and let it follow a time server. Where the system does not tell whether it does, this stays until that time has come.",
		do:   "timedatectl set-ntp true",
		judge: func(f *Facts) answer {
			newest := newest(f)
			if newest.IsZero() {
				return skip()
			}
			return when(newest.Sub(f.Now) > clockBack && !setRight(f), "seconds", seconds(newest.Sub(f.Now)))
		},
	},
	{
		id: "clock-was-ahead", severity: Notice, title: "Whether the clock has been ahead",
		what: "There are events that bear a time up to {seconds} s from now; what is written now bears the right one.",
		why:  "The clock was ahead and has been set back: tokens given meanwhile are refused until that time, and live longer by as much.",
		mend: "Nothing needs to be done, and this goes when that time has come. Tokens that are not to become good again then are ended with every session.",
		do:   "latchkey sessions end-all",
		judge: func(f *Facts) answer {
			newest := newest(f)
			if newest.IsZero() || !setRight(f) {
				return skip()
			}
			return when(newest.Sub(f.Now) > clockBack, "seconds", seconds(newest.Sub(f.Now)))
		},
	},
	{
		id: "passwords-weak", severity: Warning, title: "Whether stored passwords are hashed well",
		what: "{count} users have passwords hashed by {formats}.",
		why:  "Of all formats it withstands a thief of the database the least.",
		mend: "Each is hashed anew when its user signs in; send those who do not come a link for a new password.",
		do:   "latchkey user list",
		judge: func(f *Facts) answer {
			return formats(f, "pbkdf2_sha1")
		},
	},
	{
		id: "passwords-foreign", severity: Notice, title: "Whether stored passwords are in one format",
		what: "{count} users have passwords in other formats: {formats}.",
		why:  "Some take longer to check than Latchkey's own, and every failed sign-in waits as long as the slowest, so that it tells nothing.",
		mend: "Nothing needs to be done: each is hashed anew when its user signs in.",
		judge: func(f *Facts) answer {
			return formats(f, "argon2", "pbkdf2_sha256", "scrypt", "bcrypt_sha256", "bcrypt")
		},
	},
	{
		id: "passwords-unreadable", severity: Warning, title: "Whether every stored password can be checked",
		what: "{count} users have a password in a format that Latchkey does not know.",
		why:  "They cannot sign in.",
		mend: "Send them a link for a new password.",
		do:   "latchkey user list",
		judge: func(f *Facts) answer {
			return formats(f, "unknown")
		},
	},
}

// newest is the latest time that anything bears.
func newest(f *Facts) time.Time {
	if f.Folder.Written.After(f.Database.Newest) {
		return f.Folder.Written
	}
	return f.Database.Newest
}

// setRight reports whether the clock is known to be right now: it follows a time
// server, and nobody who writes to the database is ahead of it. What bears a
// later time was then written while a clock was ahead.
func setRight(f *Facts) bool {
	return f.Machine.Synchronised && !f.Database.Latest.IsZero() && f.Database.Latest.Sub(f.Now) <= clockBack
}

// kind judges the data folder's file system.
func kind(f *Facts, bad ...string) answer {
	if f.Folder.Kind == "" {
		return skip()
	}
	for _, k := range bad {
		if f.Folder.Kind == k {
			return found("path", f.Folder.Path, "kind", k)
		}
	}
	return fine()
}

// formats judges which of some formats there are.
func formats(f *Facts, names ...string) answer {
	if f.Database.Formats == nil {
		return skip()
	}
	var total int64
	var list []string
	for _, name := range names {
		for format, n := range f.Database.Formats {
			if string(format) == name && n > 0 {
				total += n
				list = append(list, fmt.Sprintf("%s (%d)", name, n))
			}
		}
	}
	return when(total > 0, "count", strconv.FormatInt(total, 10), "formats", few(list))
}

func seconds(d time.Duration) string { return strconv.FormatInt(int64(d/time.Second), 10) }

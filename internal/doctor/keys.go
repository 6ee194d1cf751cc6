package doctor

import (
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/latchkey-auth/latchkey/internal/auth"
	"github.com/latchkey-auth/latchkey/internal/config"
)

// leastKey is the least length of an HS256 key in bytes (RFC 7518, section 3.2).
const leastKey = 32

// sealOverhead is what sealing adds to a secret: AES-GCM's nonce and tag.
const sealOverhead = 12 + 16

// keyAge is after how long a key that nobody changes is told of; docs/operations.md
// has the schedule.
const keyAge = 365 * 24 * time.Hour

var keyChecks = []check{
	{
		id: "django-settings-left", severity: Notice, title: "Whether django.settings is still needed",
		what: "django.settings is set, and for {days} days nothing of Django's has been taken over: every token that it minted before has expired.",
		why:  "While it is set, tokens are accepted that this server has not minted, and whoever has the key of the Django can mint them.",
		mend: "If nobody goes back to the Django, take it out, and turn the key.",
		do:   "latchkey key use",
		judge: func(f *Facts) answer {
			jwt := f.Config.SimpleJWT()
			if jwt == nil {
				return fine()
			}
			if f.Database.Taken.IsZero() {
				return skip()
			}
			since := f.Now.Sub(f.Database.Taken)
			return when(since > max(jwt.Access, jwt.Refresh)+jwt.Leeway+day, "days", days(since))
		},
	},
	{
		id: "signing-key-short", severity: Error, title: "The length of the signing key",
		what: "A key that tokens are signed with has {bytes} bytes; HS256 wants 32 at least.",
		why:  "Whoever has one token can try keys as fast as their hardware allows, and with the key sign in as anybody.",
		mend: "Change to a new key; tokens signed with the old one stay good until they expire.",
		do:   "latchkey key use --help",
		judge: func(f *Facts) answer {
			least, known := leastKey, false
			if key := f.Config.SigningKey(); key != nil {
				least, known = len(key), true
			}
			for _, k := range accepted(f) {
				n := len(k.Secret)
				if k.Algorithm != string(config.HS256) || n == 0 {
					continue
				}
				if k.Sealed {
					n -= sealOverhead
				}
				least, known = min(least, n), true
			}
			if !known && !f.Database.Read {
				return skip()
			}
			return when(least < leastKey, "bytes", strconv.Itoa(least))
		},
	},
	{
		id: "signing-key-guessable", severity: Error, title: "Whether the signing key can be guessed",
		what: "The signing key looks like one that a person made up or a template brought.",
		why:  "Such keys are in the lists that attackers try first; with the key one signs in as anybody.",
		mend: "Change to a random key. If Django shares it, change it there too.",
		do:   "openssl rand -base64 48",
		judge: func(f *Facts) answer {
			key := f.Config.SigningKey()
			if key == nil {
				return skip()
			}
			return when(guessable(string(key)))
		},
	},
	{
		id: "signing-key-old", severity: Notice, title: "The age of the signing key",
		what: "The signing key has been in use for {days} days, and no schedule changes it.",
		why:  "The longer a key signs, the more copies of it there are, in backups and in people's hands.",
		mend: "Let Latchkey change its own key by a schedule, or change a signing.key of your own once a year.",
		do:   "LATCHKEY_SIGNING_ROTATE_EVERY=90d",
		judge: func(f *Facts) answer {
			for _, k := range accepted(f) {
				if k.State != auth.KeySigning {
					continue
				}
				since := k.SignsAt
				if since.IsZero() {
					since = k.CreatedAt
				}
				age := f.Now.Sub(since)
				return when(age > keyAge && f.Config.Signing.RotateEvery == 0, "days", days(age))
			}
			return skip()
		},
	},
	{
		id: "keys-unsealed", severity: Error, title: "Whether the keys in PostgreSQL are sealed",
		what: "{count} of the signing keys in PostgreSQL are not sealed.",
		why:  "Whoever reads the database, one of its backups or a replica can sign tokens for anybody.",
		mend: "Make a seal key once, keep it apart from the database, and let every node read the same one at each start (keys.seal_key_file): with another one it cannot read its keys. The stored ones are sealed at the next start.",
		do:   "(umask 077; set -C; openssl rand -base64 32 >seal.key)",
		judge: func(f *Facts) answer {
			if !f.Database.Read || !f.Config.Database.IsPostgres() {
				return skip()
			}
			n := unsealed(f)
			return when(n > 0, "count", strconv.Itoa(n))
		},
	},
	{
		id: "keys-unsealed-file", severity: Notice, title: "Whether the keys in the SQLite database are sealed",
		what: "{count} of the signing keys in the database are not sealed.",
		why:  "Whoever gets hold of the file or a copy of it can sign tokens for anybody.",
		mend: "Make a seal key once, keep it apart from the data folder and its backups, and let the server read it at each start (keys.seal_key_file): with another one it cannot read its keys.",
		do:   "(umask 077; set -C; openssl rand -base64 32 >seal.key)",
		judge: func(f *Facts) answer {
			if !f.Database.Read || f.Config.Database.IsPostgres() {
				return skip()
			}
			n := unsealed(f)
			return when(n > 0, "count", strconv.Itoa(n))
		},
	},
	{
		id: "seal-key-weak", severity: Error, title: "Whether the seal key is random",
		what: "keys.seal_key does not look random.",
		why:  "A seal key that can be guessed seals nothing.",
		mend: "Make a random one, and put the keys that the old one sealed under it: docs/keys.md says how.",
		do:   "openssl rand -base64 32",
		judge: func(f *Facts) answer {
			key := f.Config.SealKey()
			if key == nil {
				return skip()
			}
			// Of 32 random bytes all are printable once in 10^13 times.
			return when(distinct(string(key)) < 16 || !strings.ContainsFunc(string(key), unprintable))
		},
	},
	{
		id: "secret-file-open", severity: Error, title: "The modes of the files that hold secrets",
		what: "Others on this machine can read or change {files}.",
		why:  "The file holds a secret that opens everything.",
		mend: "Leave it to the user that runs Latchkey, and its group at most. What is mounted read-only gets its mode where it comes from.",
		do:   "{give}chmod o-rwx,g-w {paths}",
		judge: func(f *Facts) answer {
			return openedSecrets(f, f.Secrets)
		},
	},
	{
		id: "secret-mount-open", severity: Notice, title: "The modes of the secrets that the container is given",
		what: "Every user in this container can read {files}.",
		why:  "Whatever else runs here, under whichever user, has a secret that opens everything.",
		mend: "Let the mount give it to the server's group alone: defaultMode and fsGroup in Kubernetes, mode and gid of the secret in a Compose file.",
		do:   "defaultMode: 0440",
		judge: func(f *Facts) answer {
			files := f.Secrets
			if f.TLS.Key != nil {
				files = append(slices.Clip(files), *f.TLS.Key)
			}
			files = slices.DeleteFunc(slices.Clone(files), func(file File) bool { return !file.Given })
			return opened(files, 0o007)
		},
	},
	{
		id: "database-password-flag", severity: Error, title: "Where the database's password comes from",
		what: "The database's password is in a flag.",
		why:  "Every user of the machine can read a command line.",
		mend: "Give it by PGPASSWORD, a .pgpass file or LATCHKEY_DATABASE.",
		do:   "PGPASSWORD=…",
		judge: func(f *Facts) answer {
			if !f.Config.Database.IsPostgres() {
				return skip()
			}
			return when(f.Config.Database.HasPassword() && f.Config.Origin("database").From == config.FromFlag)
		},
	},
	{
		id: "service-keys-old", severity: Notice, title: "The age of the service keys",
		what: "{count} service keys are older than a year: {ids}.",
		why:  "A key that nobody has changed for that long may be in places that nobody remembers.",
		mend: "Make a new key for the service, then revoke the old one.",
		do:   "latchkey service-key list",
		judge: func(f *Facts) answer {
			if !f.Database.Read {
				return skip()
			}
			var ids []string
			for _, k := range f.Database.ServiceKeys {
				if k.RevokedAt.IsZero() && f.Now.Sub(k.CreatedAt) > keyAge {
					ids = append(ids, k.ID)
				}
			}
			return when(len(ids) > 0, "count", strconv.Itoa(len(ids)), "ids", few(ids))
		},
	},
}

// accepted are the stored keys with which a token may be signed.
func accepted(f *Facts) (out []auth.Key) {
	if !f.Database.Read {
		return nil
	}
	for _, k := range f.Database.Keys {
		if k.State != auth.KeyRemoved && (k.State != auth.KeyRetired || f.Now.Before(k.AcceptUntil)) {
			out = append(out, k)
		}
	}
	return out
}

func unsealed(f *Facts) (n int) {
	for _, k := range accepted(f) {
		if len(k.Secret) > 0 && !k.Sealed {
			n++
		}
	}
	return n
}

// madeUp are words that a random key of 32 characters has once in a billion
// times or less.
var madeUp = []string{
	"secret", "changeme", "change-me", "change_me", "password", "example", "insecure", "default", "latchkey", "django",
	// Long enough that no random hex has them.
	"qwerty", "12345678", "abcdefgh", "your-", "your_", "replace",
}

// guessable reports whether a key looks like the work of a person.
func guessable(key string) bool {
	low := strings.ToLower(key)
	for _, word := range madeUp {
		if strings.Contains(low, word) {
			return true
		}
	}
	// 32 random hex digits have 14 different ones.
	return distinct(key) < 9 || repeats(key)
}

func distinct(s string) int {
	seen := map[byte]bool{}
	for i := range len(s) {
		seen[s[i]] = true
	}
	return len(seen)
}

// repeats reports whether a text is a shorter one over and over.
func repeats(s string) bool {
	for n := 1; n <= len(s)/2; n++ {
		if strings.HasPrefix(s[n:], s[:len(s)-n]) {
			return true
		}
	}
	return false
}

func unprintable(r rune) bool { return r < ' ' || r > '~' }

// opened judges files by the permission bits that they must not have.
func opened(files []File, bits fs.FileMode) answer {
	if len(files) == 0 {
		return skip()
	}
	var names, paths []string
	for _, file := range files {
		if file.Mode&bits != 0 {
			names = append(names, fmt.Sprintf("%s (mode %04o)", file.Path, file.Mode))
			paths = append(paths, shell(file.Path))
		}
	}
	return when(len(names) > 0, "files", few(names), "paths", strings.Join(paths, " "))
}

// openedSecrets is opened for files that the server must go on reading: first it
// is given those that it reads as everybody may. Those that a container is given
// are judged by secret-mount-open.
func openedSecrets(f *Facts, files []File) answer {
	const bits = 0o027
	files = slices.DeleteFunc(slices.Clone(files), func(file File) bool { return file.Given })
	a := opened(files, bits)
	if a.state != bad {
		return a
	}
	give := ""
	for _, file := range files {
		if file.Stranger && file.Mode&bits != 0 {
			give += " " + shell(file.Path)
		}
	}
	if give != "" {
		give = "chown " + shell(f.Server) + give + " && "
	}
	a.params["give"] = give
	return a
}

// shell quotes a path for a POSIX shell where that is needed.
func shell(path string) string {
	if !strings.ContainsFunc(path, func(r rune) bool {
		return !('a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || strings.ContainsRune("/._-+:@,%", r))
	}) {
		return path
	}
	return "'" + strings.ReplaceAll(path, "'", `'\''`) + "'"
}

// few lists up to five and says of how many.
func few(list []string) string {
	const most = 5
	if len(list) > most {
		return strings.Join(list[:most], ", ") + ", … (" + strconv.Itoa(len(list)) + ")"
	}
	return strings.Join(list, ", ")
}

func days(d time.Duration) string { return strconv.Itoa(int(d / (24 * time.Hour))) }

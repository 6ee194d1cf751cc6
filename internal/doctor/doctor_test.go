package doctor

import (
	"cmp"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"flag"
	"fmt"
	"maps"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/latchkey-auth/latchkey/internal/auth"
	"github.com/latchkey-auth/latchkey/internal/config"
)

var update = flag.Bool("update", false, "rewrite docs/doctor.md")

var today = time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)

func random(n int) string {
	b := make([]byte, n)
	rand.Read(b)
	return base64.StdEncoding.EncodeToString(b)
}

// load gives a configuration from the environment and flags.
func load(t *testing.T, flags map[string]string, env ...string) *config.Config {
	t.Helper()
	c, err := config.Load(config.Sources{Env: env, Flags: flags})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// healthy is a server in production of which nothing is to be said.
func healthy(t *testing.T, engine string) *Facts {
	t.Helper()
	env := []string{
		"LATCHKEY_LISTEN=0.0.0.0:8443", "LATCHKEY_PUBLIC_URL=https://auth.example.com", "LATCHKEY_HOSTS=auth.example.com",
		"LATCHKEY_CORS_ORIGINS=https://app.example.com", "LATCHKEY_DOCS_PUBLIC=false", "LATCHKEY_PROXY_TRUSTED=10.1.2.3",
		"LATCHKEY_SIGNING_KEY=" + random(48), "LATCHKEY_KEYS_SEAL_KEY=" + random(32),
		"LATCHKEY_TLS_CERT=cert.pem", "LATCHKEY_TLS_KEY=key.pem", "LATCHKEY_PASSWORD_FILTER=breached.filter",
	}
	condition := &auth.Condition{Schema: 5, Known: 5}
	f := &Facts{
		Now: today, Running: true, Hash: 60 * time.Millisecond,
		Machine: Machine{Memory: 2 << 30, OpenFiles: 65536, Synchronised: true, Threads: 2, Quota: 2},
		Secrets: []File{{Path: "/etc/latchkey/key", Mode: 0o400}, {Path: "/run/secrets/seal", Mode: 0o440, Given: true}},
		Server:  "latchkey",
		TLS: Certificate{
			Leaf: &x509.Certificate{
				NotBefore: today.Add(-day), NotAfter: today.Add(80 * day), DNSNames: []string{"auth.example.com"},
				PublicKey: &ecdsa.PublicKey{Curve: elliptic.P256()},
			},
			Key: &File{Path: "/etc/latchkey/key.pem", Mode: 0o640},
		},
		Filter: Filter{Made: today.Add(-30 * day)},
		Database: Database{
			Condition: condition, Read: true, AnyUser: true, Newest: today.Add(-time.Minute), Latest: today.Add(-time.Minute),
			Keys: []auth.Key{{
				ID: "hs256-1", Algorithm: "HS256", State: auth.KeySigning, CreatedAt: today.Add(-day), SignsAt: today.Add(-day),
				Secret: make([]byte, 32+sealOverhead), Sealed: true,
			}},
			ServiceKeys: []auth.ServiceKey{{ID: "abc", CreatedAt: today.Add(-day)}},
			Admins: []auth.User{
				{ID: 1, CreatedAt: today.Add(-400 * day), LastLogin: today.Add(-day)},
				{ID: 2, CreatedAt: today.Add(-day)},
			},
			Formats: map[auth.PasswordFormat]int64{},
		},
	}
	if engine == "sqlite" {
		condition.SQLite = &auth.SQLiteCondition{JournalMode: "wal", Synchronous: 2}
		f.Folder = Folder{
			Path: "/var/lib/latchkey", Kind: "local", Free: 50 << 30, Size: 100 << 30,
			Written: today.Add(-time.Second), Backup: today.Add(-day),
		}
		f.Config = load(t, nil, env...)
		return f
	}
	condition.Postgres = &auth.PostgresCondition{
		Version: 17, Role: "latchkey", Authentication: "scram-sha-256", RulesKnown: true,
		Settings: map[string]string{
			"archive_mode": "on", "data_sync_retry": "off", "default_transaction_read_only": "off", "fsync": "on",
			"full_page_writes": "on", "max_connections": "100", "password_encryption": "scram-sha-256",
			"statement_timeout": "0", "superuser_reserved_connections": "3", "synchronous_commit": "on",
		},
		Remote: true, Encrypted: true, Verified: true, Nodes: 2, MaxConns: 17, LastArchived: today.Add(-time.Hour),
	}
	f.Config = load(t, nil, append(env, "LATCHKEY_DATABASE=postgres://latchkey@db/latchkey")...)
	return f
}

// provocation makes a check red, from a healthy server.
type provocation struct {
	engine string
	red    func(*Facts)
}

func provocations(t *testing.T) map[string]provocation {
	pg := func(red func(*auth.PostgresCondition)) provocation {
		return provocation{"postgres", func(f *Facts) { red(f.Database.Condition.Postgres) }}
	}
	set := func(name, value string) provocation {
		return pg(func(p *auth.PostgresCondition) { p.Settings[name] = value })
	}
	on := func(engine string, red func(*Facts)) provocation { return provocation{engine, red} }
	both := func(red func(*Facts)) provocation { return on("sqlite", red) }
	env := func(v ...string) provocation {
		return both(func(f *Facts) { f.Config = load(t, nil, v...) })
	}
	weak, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		weak = &rsa.PrivateKey{PublicKey: rsa.PublicKey{N: new(big.Int).Lsh(big.NewInt(1), 1023), E: 65537}}
	}
	return map[string]provocation{
		"signing-key-short":      both(func(f *Facts) { f.Database.Keys[0].Secret = make([]byte, 31+sealOverhead) }),
		"signing-key-guessable":  env("LATCHKEY_SIGNING_KEY=django-insecure-" + random(40)),
		"signing-key-old":        both(func(f *Facts) { f.Database.Keys[0].SignsAt = today.Add(-366 * day) }),
		"keys-unsealed":          on("postgres", func(f *Facts) { f.Database.Keys[0].Sealed = false }),
		"keys-unsealed-file":     both(func(f *Facts) { f.Database.Keys[0].Sealed = false }),
		"seal-key-weak":          env("LATCHKEY_KEYS_SEAL_KEY=" + base64.StdEncoding.EncodeToString([]byte("correct horse battery staple 123"))),
		"secret-file-open":       both(func(f *Facts) { f.Secrets[0].Mode = 0o644 }),
		"secret-mount-open":      both(func(f *Facts) { f.Secrets[1].Mode = 0o444 }),
		"service-keys-old":       both(func(f *Facts) { f.Database.ServiceKeys[0].CreatedAt = today.Add(-400 * day) }),
		"database-password-flag": on("postgres", func(f *Facts) { f.Config = load(t, map[string]string{"database": "postgres://u:p@h/d"}) }),

		"registration-roles": env("LATCHKEY_REGISTRATION_ROLES=client,manager"),
		"throttle-off":       env("LATCHKEY_THROTTLE_ENABLED=false"),
		"throttle-loose":     env("LATCHKEY_THROTTLE_ADDRESS=1000000"),
		"log-quiet":          env("LATCHKEY_LOG_LEVEL=warn"),

		"django-settings-left": both(func(f *Facts) {
			path := filepath.Join(t.TempDir(), "simplejwt.json")
			if err := os.WriteFile(path, []byte(`{"REFRESH_TOKEN_LIFETIME": 86400}`), 0o600); err != nil {
				t.Fatal(err)
			}
			f.Config = load(t, nil, "LATCHKEY_DJANGO_SETTINGS="+path, "LATCHKEY_SIGNING_KEY="+random(48))
			f.Database.Taken = today.Add(-50 * time.Hour)
		}),

		"breach-none":            env("LATCHKEY_LISTEN=:8000"),
		"breach-filter-unusable": both(func(f *Facts) { f.Filter.Problem = "no such file" }),
		"breach-filter-old":      both(func(f *Facts) { f.Filter.Made = today.Add(-366 * day) }),
		"breach-range-passes":    env("LATCHKEY_PASSWORD_RANGE_URL=https://api.pwnedpasswords.com/range/"),
		"reuse-tolerant":         env("LATCHKEY_TOKENS_REUSE=tolerant"),
		"django-upstream-idle": both(func(f *Facts) {
			f.Config = load(t, nil, "LATCHKEY_DJANGO_UPSTREAM=https://django.internal")
			f.Database.TakenOver = today.Add(-31 * day)
		}),
		"django-upstream":       env("LATCHKEY_DJANGO_UPSTREAM=https://django.internal"),
		"django-upstream-plain": env("LATCHKEY_DJANGO_UPSTREAM=http://127.0.0.1:8001"),
		"access-long":           env("LATCHKEY_TOKENS_ACCESS=25h"),
		"refresh-long":          env("LATCHKEY_TOKENS_REFRESH=31d", "LATCHKEY_TOKENS_SESSION_MAX=90d"),
		"session-long":          env("LATCHKEY_TOKENS_SESSION_MAX=91d"),
		"confirm-off":           env("LATCHKEY_SESSIONS_CONFIRM_FOR=0s"),
		"audit-short":           env("LATCHKEY_AUDIT_RETENTION=29d"),
		"docs-public":           env("LATCHKEY_LISTEN=:8000"),
		"log-debug":             env("LATCHKEY_LOG_LEVEL=debug"),
		"admin-none":            both(func(f *Facts) { f.Database.Admins = nil }),
		"admin-single":          both(func(f *Facts) { f.Database.Admins = f.Database.Admins[:1] }),
		"admins-idle":           both(func(f *Facts) { f.Database.Admins[0].LastLogin = today.Add(-91 * day) }),

		"listen-plain":       env("LATCHKEY_LISTEN=0.0.0.0:8000"),
		"public-url-plain":   env("LATCHKEY_PUBLIC_URL=http://auth.example.com"),
		"cookies-insecure":   env("LATCHKEY_PROXY_TRUSTED=127.0.0.1"),
		"https-unserved":     env("LATCHKEY_PUBLIC_URL=https://auth.example.com"),
		"public-url-missing": env("LATCHKEY_LISTEN=:443", "LATCHKEY_TLS_CERT=c", "LATCHKEY_TLS_KEY=k"),
		"hosts-empty":        env("LATCHKEY_PUBLIC_URL=https://auth.example.com"),
		"hosts-lack-public":  env("LATCHKEY_PUBLIC_URL=https://auth.example.com", "LATCHKEY_HOSTS=login.example.com"),
		"proxy-anybody":      env("LATCHKEY_PROXY_TRUSTED=127.0.0.1,0.0.0.0/0"),
		"proxy-broad":        env("LATCHKEY_PROXY_TRUSTED=10.0.0.0/8"),
		"proxy-unknown":      both(func(f *Facts) { f.ForwardedIgnored = true }),
		"proxy-header": both(func(f *Facts) {
			f.Config = load(t, nil, "LATCHKEY_PROXY_TRUSTED=127.0.0.1", "LATCHKEY_PROXY_HEADER=Forwarded")
			f.OtherHeader = true
		}),
		"cors-plain":               env("LATCHKEY_LISTEN=:80", "LATCHKEY_CORS_ORIGINS=http://app.example.com"),
		"cors-local":               env("LATCHKEY_LISTEN=:80"),
		"tls-certificate-unusable": both(func(f *Facts) { f.TLS = Certificate{Problem: "no such file"} }),
		"tls-certificate-expired":  both(func(f *Facts) { f.TLS.Leaf.NotAfter = today.Add(-time.Second) }),
		"tls-certificate-expiring": both(func(f *Facts) { f.TLS.Leaf.NotAfter = today.Add(20 * day) }),
		"tls-certificate-name":     both(func(f *Facts) { f.TLS.Leaf.DNSNames = []string{"example.com"} }),
		"tls-key-weak":             both(func(f *Facts) { f.TLS.Leaf.PublicKey = &weak.PublicKey }),
		"tls-key-open":             both(func(f *Facts) { f.TLS.Key.Mode = 0o644 }),

		"database-unreachable": both(func(f *Facts) { f.Database = Database{Problem: "connection refused"} }),
		"schema-newer":         both(func(f *Facts) { f.Database.Condition.Schema = 6 }),
		"schema-older":         both(func(f *Facts) { f.Database.Condition.Schema = 4 }),
		"sqlite-unsynced":      both(func(f *Facts) { f.Database.Condition.SQLite.JournalMode = "delete" }),
		"data-open":            both(func(f *Facts) { f.Folder.Open = []File{{Path: "/var/lib/latchkey", Mode: 0o755}} }),
		"data-network":         both(func(f *Facts) { f.Folder.Kind = "nfs" }),
		"data-temporary":       both(func(f *Facts) { f.Folder.Kind = "tmpfs" }),
		"data-container":       both(func(f *Facts) { f.Folder.Kind = "overlay" }),
		"disk-full":            both(func(f *Facts) { f.Folder.Free = 100 << 20 }),
		"disk-low":             both(func(f *Facts) { f.Folder.Free = 900 << 20 }),
		"backup-missing":       both(func(f *Facts) { f.Folder.Backup = time.Time{} }),
		"backup-old":           both(func(f *Facts) { f.Folder.Backup = today.Add(-8 * day) }),
		"clock-database":       on("postgres", func(f *Facts) { f.Database.Condition.Ahead = -31 * time.Second }),
		"clock-drift":          on("postgres", func(f *Facts) { f.Database.Condition.Ahead = 4 * time.Second }),
		"clock-back":           both(func(f *Facts) { f.Database.Newest, f.Machine.Synchronised = today.Add(61*time.Second), false }),
		"clock-was-ahead":      both(func(f *Facts) { f.Database.Newest = today.Add(61 * time.Second) }),
		"passwords-weak":       both(func(f *Facts) { f.Database.Formats[auth.FormatPBKDF2SHA1] = 1 }),
		"passwords-foreign":    both(func(f *Facts) { f.Database.Formats[auth.FormatScrypt] = 7 }),
		"passwords-unreadable": both(func(f *Facts) { f.Database.Formats[auth.FormatUnknown] = 1 }),

		"postgres-version":       pg(func(p *auth.PostgresCondition) { p.Version = 14 }),
		"postgres-trust":         pg(func(p *auth.PostgresCondition) { p.Authentication = "trust" }),
		"postgres-trust-rules":   pg(func(p *auth.PostgresCondition) { p.TrustRules = []string{"host all all 0.0.0.0 0.0.0.0"} }),
		"postgres-trust-unknown": pg(func(p *auth.PostgresCondition) { p.Authentication, p.RulesKnown = "", false }),
		"postgres-superuser":     pg(func(p *auth.PostgresCondition) { p.Superuser = true }),
		"postgres-powers":        pg(func(p *auth.PostgresCondition) { p.Powers = []string{"CREATEDB", "BYPASSRLS"} }),
		"postgres-owner":         pg(func(p *auth.PostgresCondition) { p.ChangesSchema = true }),
		"postgres-md5":           set("password_encryption", "md5"),
		"postgres-fsync":         set("fsync", "off"),

		"postgres-full-page-writes":  set("full_page_writes", "off"),
		"postgres-commit":            set("synchronous_commit", "off"),
		"postgres-commit-local":      set("synchronous_commit", "local"),
		"postgres-sync-retry":        set("data_sync_retry", "on"),
		"postgres-plain":             pg(func(p *auth.PostgresCondition) { p.Encrypted = false }),
		"postgres-unverified":        pg(func(p *auth.PostgresCondition) { p.Verified = false }),
		"postgres-read-only":         pg(func(p *auth.PostgresCondition) { p.Standby = true }),
		"postgres-connections":       pg(func(p *auth.PostgresCondition) { p.Nodes = 6 }),
		"postgres-statement-timeout": set("statement_timeout", "5000"),
		"postgres-pooler":            pg(func(p *auth.PostgresCondition) { p.Pooled, p.Deaf = true, true }),
		"postgres-archive-off":       set("archive_mode", "off"),
		"postgres-archive-failing":   pg(func(p *auth.PostgresCondition) { p.LastArchiveFailed = today }),

		"hash-slow":         both(func(f *Facts) { f.Hash = 501 * time.Millisecond }),
		"hash-fast":         both(func(f *Facts) { f.Hash = 24 * time.Millisecond }),
		"memory-low":        both(func(f *Facts) { f.Machine.Limit = 82 << 20 }),
		"root":              both(func(f *Facts) { f.Machine.Root = true }),
		"open-files":        both(func(f *Facts) { f.Machine.OpenFiles = 1024 }),
		"connections-files": on("postgres", func(f *Facts) { f.Machine.OpenFiles = 10_240 + 128 + 15 }),
		"core-dumps":        both(func(f *Facts) { f.Machine.CoreDumps = true }),
		"swap":              both(func(f *Facts) { f.Machine.Swapping = true }),
		"processors":        both(func(f *Facts) { f.Machine.Threads = 8 }),
	}
}

func byID(findings []Finding) map[string]Finding {
	out := map[string]Finding{}
	for _, f := range findings {
		out[f.ID] = f
	}
	return out
}

// TestChecks: each check is seen good on a healthy server and bad on one with
// its defect, and its texts are whole.
//
// ASVS 13.2.1, 13.2.2, 13.2.3
func TestChecks(t *testing.T) {
	all := provocations(t)
	seen := map[string]bool{}
	for _, c := range checks() {
		if seen[c.id] {
			t.Errorf("two checks are called %s", c.id)
		}
		seen[c.id] = true
		p, ok := all[c.id]
		if !ok {
			t.Errorf("%s: nothing provokes it", c.id)
			continue
		}
		f := healthy(t, p.engine)
		if got := byID(Judge(f))[c.id]; got.Severity != OK {
			t.Errorf("%s on a healthy server: %+v", c.id, got)
		}
		f = healthy(t, p.engine)
		p.red(f)
		got := byID(Judge(f))[c.id]
		if got.Severity != c.severity {
			t.Errorf("%s provoked: %+v", c.id, got)
			continue
		}
		for _, text := range []string{got.What, got.Why, got.Mend} {
			if text == "" || !strings.HasSuffix(text, ".") || holes.MatchString(text) {
				t.Errorf("%s: its text is %q", c.id, text)
			}
		}
		if holes.MatchString(got.Do) {
			t.Errorf("%s: %q", c.id, got.Do)
		}
	}
	for id := range all {
		if !seen[id] {
			t.Errorf("there is no check %s", id)
		}
	}
}

// holes are parameters that nobody filled in.
var holes = regexp.MustCompile(`\{[a-z]+\}`)

// TestListenPlain: a proxy on this machine protects what it alone can reach.
// Naming it, as proxy-unknown asks for, takes nothing away.
func TestListenPlain(t *testing.T) {
	for _, c := range []struct {
		listen, trusted string
		want            Severity
	}{
		{":8000", "", Error},
		{":8000", "127.0.0.1", Error},
		{"0.0.0.0:8000", "127.0.0.1,::1", Error},
		{"10.0.0.7:8000", "127.0.0.0/8", Error},
		{":8000", "10.1.2.3", OK},
		{":8000", "127.0.0.1,10.1.2.0/24", OK},
		{":8000", "0.0.0.0/0", OK}, // proxy-anybody is there
		{":8000", "::/0", OK},
		{"127.0.0.1:8000", "", OK},
		{"127.0.0.1:8000", "127.0.0.1", OK},
	} {
		f := &Facts{Config: load(t, nil, "LATCHKEY_LISTEN="+c.listen, "LATCHKEY_PROXY_TRUSTED="+c.trusted), Now: today, Database: Database{None: true}}
		if got := byID(Judge(f))["listen-plain"]; got.Severity != c.want {
			t.Errorf("%s behind %q: %+v, want %s", c.listen, c.trusted, got, c.want)
		}
	}
}

// TestSecretFiles: the command shuts others out of a file, and never the server.
func TestSecretFiles(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows: files have no modes")
	}
	const quoted = "'/etc/the key'"
	for name, c := range map[string]struct {
		file File
		want string
	}{
		"its own, or its group's":   {File{Path: "/etc/the key", Mode: 0o644}, "chmod o-rwx,g-w " + quoted},
		"written by its group":      {File{Path: "/etc/the key", Mode: 0o660}, "chmod o-rwx,g-w " + quoted},
		"read as everybody may":     {File{Path: "/etc/the key", Mode: 0o644, Stranger: true}, "chown latchkey " + quoted + " && chmod o-rwx,g-w " + quoted},
		"closed":                    {File{Path: "/etc/the key", Mode: 0o640}, ""},
		"given, and for everybody":  {File{Path: "/etc/the key", Mode: 0o444, Given: true, Stranger: true}, ""},
		"given, written by a group": {File{Path: "/etc/the key", Mode: 0o460, Given: true}, ""},
	} {
		f := healthy(t, "sqlite")
		f.Secrets = []File{c.file}
		f.TLS.Key = &c.file
		said := byID(Judge(f))
		for _, id := range []string{"secret-file-open", "tls-key-open"} {
			if got := said[id]; got.Do != c.want || (got.Severity == Error) != (c.want != "") {
				t.Errorf("%s: %s says %+v, want %q", name, id, got, c.want)
			}
		}
		if got := said["secret-mount-open"].Severity; (got == Notice) != (c.file.Given && c.file.Mode&0o007 != 0) {
			t.Errorf("%s: secret-mount-open is %q", name, got)
		}
	}

	// What it says is done: the file is closed and still the owner's to read.
	path := filepath.Join(t.TempDir(), "the key")
	if err := os.WriteFile(path, []byte(random(48)), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, 0o664); err != nil {
		t.Fatal(err)
	}
	look := func() Finding {
		return byID(Judge(Gather(t.Context(), Options{Config: load(t, nil, "LATCHKEY_SIGNING_KEY_FILE="+path), Running: true, Now: today})))["secret-file-open"]
	}
	got := look()
	if out, err := exec.CommandContext(t.Context(), "sh", "-c", got.Do).CombinedOutput(); got.Severity != Error || err != nil {
		t.Fatalf("%+v: %v %s", got, err, out)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("%q makes it %v, %v", got.Do, info.Mode(), err)
	}
	if got := look(); got.Severity != OK {
		t.Errorf("afterwards %+v", got)
	}
}

// TestStranger: who reads a file as everybody may is told from its owner and
// its group.
func TestStranger(t *testing.T) {
	latchkey := account{uid: "990", name: "latchkey", groups: []string{"990", "44"}}
	for name, c := range map[string]struct {
		of       account
		uid, gid string
		want     bool
	}{
		"its own":               {latchkey, "990", "0", false},
		"its group's":           {latchkey, "0", "44", false},
		"root's":                {latchkey, "0", "0", true},
		"somebody's":            {latchkey, "1000", "1000", true},
		"root reads everything": {account{uid: "0"}, "1000", "1000", false},
		"not known":             {latchkey, "", "", false},
		"of whom, root's":       {account{name: "latchkey"}, "0", "0", true},
		"of whom, its own":      {account{name: "latchkey"}, "990", "990", false},
		"of whom, its group's":  {account{name: "latchkey"}, "0", "990", false},
	} {
		if got := c.of.stranger(c.uid, c.gid); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
	if a := whoServes(true, "12345"); a.uid != strconv.Itoa(os.Geteuid()) || a.name == "" {
		t.Errorf("the server itself is %+v", a)
	}
	if a := whoServes(false, "12345"); a.uid != "12345" || a.name == "" {
		t.Errorf("beside a database of 12345 it is %+v", a)
	}
}

// TestMemoryLow: what hashes take is what the server lets them take in such a
// container, and the setting that is proposed is enough, or none is.
func TestMemoryLow(t *testing.T) {
	for name, c := range map[string]struct {
		machine, limit int64 // MiB
		setting        string
		largest        int64 // MiB
		budget, do     string
	}{
		"a machine":                        {2048, 0, "", 0, "", ""},
		"a small machine":                  {200, 0, "", 0, "192", "LATCHKEY_PASSWORD_MEMORY=68"},
		"a small container":                {16384, 200, "", 0, "", ""},
		"a smaller one":                    {16384, 128, "", 0, "", ""},
		"the smallest":                     {16384, 83, "", 0, "", ""},
		"too small for one hash":           {16384, 82, "", 0, "19", ""},
		"too small for half of it":         {16384, 100, "LATCHKEY_PASSWORD_MEMORY=50", 0, "50", "LATCHKEY_PASSWORD_MEMORY=19"},
		"much is set":                      {16384, 256, "LATCHKEY_PASSWORD_MEMORY=250", 0, "250", "LATCHKEY_PASSWORD_MEMORY=96"},
		"little is set":                    {16384, 100, "LATCHKEY_PASSWORD_MEMORY=20", 0, "", ""},
		"Django's argon2":                  {16384, 128, "", 100, "100", ""},
		"Django's argon2, and room for it": {16384, 164, "", 100, "", ""},
	} {
		f := healthy(t, "sqlite")
		f.Machine.Memory, f.Machine.Limit, f.LargestHash = c.machine<<20, c.limit<<20, c.largest<<20
		judge := func(setting string) Finding {
			var env []string
			if setting != "" {
				env = append(env, setting)
			}
			f.Config = load(t, nil, env...)
			return byID(Judge(f))["memory-low"]
		}
		got := judge(c.setting)
		if (got.Severity == Error) != (c.budget != "") || got.Do != c.do || c.budget != "" && got.Params["budget"] != c.budget {
			t.Errorf("%s: %+v", name, got)
		}
		if got.Do != "" {
			if got := judge(got.Do); got.Severity != OK {
				t.Errorf("%s, mended: %+v", name, got)
			}
		}
		if needs, err := strconv.ParseInt(got.Params["needs"], 10, 64); got.Severity == Error {
			f.Machine.Memory, f.Machine.Limit = needs<<20, min(c.limit, 1)*needs<<20
			if got := judge(c.setting); err != nil || got.Severity != OK {
				t.Errorf("%s, with %d MiB: %+v", name, needs, got)
			}
		}
	}
}

// TestClockSetRight: a clock that was ahead and follows a time server again is no
// error until what it wrote has come to pass; one that is behind, or a node's
// that is still ahead, is.
func TestClockSetRight(t *testing.T) {
	for name, c := range map[string]struct {
		newest, latest, written time.Duration
		synchronised            bool
		want                    Severity
	}{
		"right":                      {-time.Minute, -time.Minute, -time.Second, true, OK},
		"set right":                  {24 * time.Hour, -time.Second, -time.Second, true, Notice},
		"set right, and the file":    {24 * time.Hour, -time.Second, 24 * time.Hour, true, Notice},
		"set right, nothing written": {24 * time.Hour, 24 * time.Hour, 24 * time.Hour, true, Error},
		"behind":                     {time.Hour, -time.Second, -time.Second, false, Error},
		"only the file":              {-time.Minute, -time.Minute, time.Hour, false, Error},
		"another node is ahead":      {2 * time.Minute, 2 * time.Minute, 0, true, Error},
	} {
		f := healthy(t, "sqlite")
		f.Database.Newest, f.Database.Latest, f.Folder.Written = today.Add(c.newest), today.Add(c.latest), today.Add(c.written)
		f.Machine.Synchronised = c.synchronised
		got := byID(Judge(f))
		if worst := Worst([]Finding{got["clock-back"], {Severity: cmp.Or(got["clock-was-ahead"].Severity, OK)}}); worst != c.want {
			t.Errorf("%s: %s, want %s: %+v", name, worst, c.want, got["clock-back"])
		}
	}
}

// TestThrottleLoose: the settings that it says to go back to are those that are
// loose, and with them nothing is.
func TestThrottleLoose(t *testing.T) {
	judge := func(env ...string) Finding {
		return byID(Judge(&Facts{Config: load(t, nil, env...), Now: today, Database: Database{None: true}}))["throttle-loose"]
	}
	all := []string{
		"LATCHKEY_THROTTLE_ACCOUNT=21", "LATCHKEY_THROTTLE_ADDRESS=301", "LATCHKEY_THROTTLE_EMAILS=101",
		"LATCHKEY_THROTTLE_WINDOW=4m59s", "LATCHKEY_THROTTLE_BURST=1001",
	}
	for _, env := range append([][]string{all}, slices.Collect(slices.Chunk(all, 1))...) {
		got := judge(env...)
		mended := slices.Clone(env)
		do := strings.Fields(got.Do)
		if len(do) != len(env) {
			t.Errorf("%v: %q", env, got.Do)
			continue
		}
		for i := range do {
			if name, _, _ := strings.Cut(env[i], "="); !strings.HasPrefix(do[i], name+"=") {
				t.Errorf("%v: %q", env, got.Do)
			}
			mended[i] = do[i]
		}
		if got := judge(mended...); got.Severity != OK {
			t.Errorf("%v: %+v", mended, got)
		}
	}
}

// TestRoleQuoted: the commands name the role as PostgreSQL and a shell read it.
func TestRoleQuoted(t *testing.T) {
	for role, want := range map[string]string{
		"latchkey": `"latchkey"`, "Auth-Server": `"Auth-Server"`, "user": `"user"`, `o'brien "x" $HOME`: `"o'brien ""x"" $HOME"`,
	} {
		f := healthy(t, "postgres")
		p := f.Database.Condition.Postgres
		p.Role, p.Authentication, p.Powers = role, "trust", []string{"CREATEDB", "BYPASSRLS"}
		p.Settings["synchronous_commit"], p.Settings["statement_timeout"] = "off", "5000"
		said := byID(Judge(f))
		f.Database.Condition.Postgres.Settings["synchronous_commit"] = "local"
		said["postgres-commit-local"] = byID(Judge(f))["postgres-commit-local"]
		for id, statement := range map[string]string{
			"postgres-trust":             `\password ` + want,
			"postgres-powers":            `ALTER ROLE ` + want + ` NOCREATEDB NOBYPASSRLS`,
			"postgres-commit":            `ALTER ROLE ` + want + ` SET synchronous_commit = on`,
			"postgres-commit-local":      `ALTER ROLE ` + want + ` SET synchronous_commit = on`,
			"postgres-statement-timeout": `ALTER ROLE ` + want + ` SET statement_timeout = 0`,
		} {
			arguments, ok := strings.CutPrefix(said[id].Do, "psql -c ")
			got, err := exec.CommandContext(t.Context(), "sh", "-c", "printf %s "+arguments).Output()
			if !ok || err != nil || string(got) != statement {
				t.Errorf("%s for %s: %s, which a shell reads as %s (%v)", id, role, said[id].Do, got, err)
			}
		}
	}
}

// TestSealKeyIsKept: the command makes a key that the next start finds again, and
// that a second run of it leaves alone.
func TestSealKeyIsKept(t *testing.T) {
	for engine, id := range map[string]string{"postgres": "keys-unsealed", "sqlite": "keys-unsealed-file"} {
		f := healthy(t, engine)
		f.Database.Keys[0].Sealed = false
		got := byID(Judge(f))[id]
		dir := t.TempDir()
		keys := []string{random(32), random(32)}
		for _, key := range keys {
			cmd := exec.CommandContext(t.Context(), "sh", "-c", "openssl() { echo "+key+"; }; "+got.Do)
			cmd.Dir = dir
			_ = cmd.Run() // The second time it may refuse.
		}
		path := filepath.Join(dir, "seal.key")
		if kept, err := os.ReadFile(path); err != nil || string(kept) != keys[0]+"\n" {
			t.Errorf("%s: %q keeps %q, %v", id, got.Do, kept, err)
			continue
		}
		if load(t, nil, "LATCHKEY_KEYS_SEAL_KEY_FILE="+path).SealKey() == nil {
			t.Errorf("%s: %q makes no seal key", id, got.Do)
		}
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", id, info, err)
		}
	}
}

// TestOtherFiles: every connection to PostgreSQL that may be open has its place
// beside those of clients.
func TestOtherFiles(t *testing.T) {
	for most, want := range map[string]Severity{"16": OK, "1000": Warning} {
		f := healthy(t, "postgres")
		f.Config = load(t, nil, "LATCHKEY_DATABASE=postgres://latchkey@db/latchkey", "LATCHKEY_LIMITS_CONNECTIONS=3000", "LATCHKEY_POSTGRES_MAX_CONNS="+most)
		f.Machine.OpenFiles = 4096
		if got := byID(Judge(f))["connections-files"]; got.Severity != want {
			t.Errorf("%s connections to PostgreSQL: %+v, want %s", most, got, want)
		}
	}
}

// TestHealthy: of a healthy server nothing is said but what is well.
func TestHealthy(t *testing.T) {
	for _, engine := range []string{"sqlite", "postgres"} {
		for _, f := range Judge(healthy(t, engine)) {
			if f.Severity != OK || holes.MatchString(f.What) {
				t.Errorf("%s: %+v", engine, f)
			}
		}
	}
}

// TestDefaults: the empty configuration, on this machine alone, has nothing to
// mend: what is told of a first start would be told to everybody.
func TestDefaults(t *testing.T) {
	f := &Facts{Config: config.Default(), Now: today, Database: Database{None: true}}
	for _, got := range Judge(f) {
		if got.Severity != OK {
			t.Errorf("%+v", got)
		}
	}
}

// TestGuessable tells made-up keys from random ones.
func TestGuessable(t *testing.T) {
	for _, key := range []string{
		"secret", "changeme-changeme-changeme-changeme", "django-insecure-abc!@#", "MySuperSecretKeyForProduction!!!",
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "0123456789012345678901234567890123456789", "abcabcabcabcabcabcabcabcabcabcabc",
		"your-256-bit-key-goes-right-here", "QWERTYUIOPASDFGHJKLZXCVBNM1234567890",
	} {
		if !guessable(key) {
			t.Errorf("%q passes for random", key)
		}
	}
	for range 10_000 {
		b := make([]byte, 32)
		rand.Read(b)
		for _, key := range []string{base64.StdEncoding.EncodeToString(b), fmt.Sprintf("%x", b)} {
			if guessable(key) {
				t.Errorf("%q, which is random, looks made up", key)
			}
		}
	}
}

// TestPairs: no setting hides what another one does wrong. Every pair of
// settings of which something is said is in force together; each of the two
// findings is there all the same, or a worse one that names the cause.
//
// LESSON 40
func TestPairs(t *testing.T) {
	settings := []string{
		"LATCHKEY_LISTEN=0.0.0.0:8000", "LATCHKEY_PUBLIC_URL=http://auth.example.com", "LATCHKEY_HOSTS=other.example.com",
		"LATCHKEY_REGISTRATION_ROLES=admin,client", "LATCHKEY_REGISTRATION_OPEN=false", "LATCHKEY_THROTTLE_ENABLED=false",
		"LATCHKEY_TOKENS_REUSE=tolerant", "LATCHKEY_TOKENS_ACCESS=2d", "LATCHKEY_TOKENS_REFRESH=30d",
		"LATCHKEY_TOKENS_SESSION_MAX=200d", "LATCHKEY_AUDIT_RETENTION=1d", "LATCHKEY_PROXY_TRUSTED=0.0.0.0/0",
		"LATCHKEY_PROXY_TRUSTED=10.0.0.0/8", "LATCHKEY_CORS_ORIGINS=http://app.example.com", "LATCHKEY_SIGNING_KEY=secret",
		"LATCHKEY_SIGNING_ALGORITHM=EdDSA", "LATCHKEY_KEYS_SEAL_KEY=" + strings.Repeat("00", 32), "LATCHKEY_LOG_LEVEL=debug",
		"LATCHKEY_UI_ENABLED=false", "LATCHKEY_DOCS_PUBLIC=true", "LATCHKEY_TOKENS_ISSUER=https://auth.example.com",
	}
	// What one setting may take away from the other, and why.
	answers := map[string]string{
		"listen-plain PROXY_TRUSTED":      "the proxy has the certificate, it is said; proxy-anybody and proxy-broad say the rest",
		"cookies-insecure PUBLIC_URL":     "public-url-plain says it",
		"registration-roles REGISTRATION": "nobody registers",
		"hosts-empty HOSTS":               "that is its mend",
		"cors-local CORS_ORIGINS":         "that is its mend",
	}
	judge := func(env ...string) map[string]Finding {
		return byID(Judge(&Facts{Config: load(t, nil, env...), Now: today, Database: Database{None: true}}))
	}
	n := 0
	for i, a := range settings {
		for j, b := range settings {
			nameA, _, _ := strings.Cut(a, "=")
			nameB, _, _ := strings.Cut(b, "=")
			if i == j || nameA == nameB {
				continue
			}
			alone, together := judge(a), judge(a, b)
			n++
			for id, f := range alone {
				if f.Severity == OK || together[id].Severity == f.Severity {
					continue
				}
				excused := false
				for key := range answers {
					what, who, _ := strings.Cut(key, " ")
					excused = excused || what == id && strings.HasPrefix(nameB, "LATCHKEY_"+who)
				}
				if !excused {
					t.Errorf("%s says %s; with %s beside it: %+v", a, id, b, together[id])
				}
			}
		}
	}
	if n < 300 {
		t.Errorf("%d pairs", n)
	}
}

// TestNoSecret: whatever is said of whatever configuration, no secret is in it.
//
// ASVS 13.3.2
func TestNoSecret(t *testing.T) {
	canaries := []string{"canarysigning", "canarydatabase", "canaryurl"}
	seal := base64.StdEncoding.EncodeToString([]byte("canaryseal canaryseal canaryseal"))
	env := []string{
		"LATCHKEY_SIGNING_KEY=canarysigning", "LATCHKEY_KEYS_SEAL_KEY=" + seal, "LATCHKEY_LISTEN=:80",
		"LATCHKEY_DATABASE=postgres://latchkey:canarydatabase@db/latchkey?password=canarydatabase",
	}
	facts := []*Facts{}
	for _, engine := range []string{"sqlite", "postgres"} {
		for _, p := range provocations(t) {
			f := healthy(t, engine)
			if p.engine == engine {
				p.red(f)
			}
			f.Config = load(t, nil, env...)
			f.Database.Keys = append(f.Database.Keys, auth.Key{ID: "k", Algorithm: "HS256", State: auth.KeyRetired, AcceptUntil: today.Add(day), Secret: []byte("canarysigning")})
			facts = append(facts, f)
		}
	}
	for _, f := range facts {
		text := fmt.Sprintf("%+v", Judge(f))
		for _, canary := range append(canaries, seal, "canaryseal") {
			if strings.Contains(text, canary) {
				t.Fatalf("%q is in %s", canary, text)
			}
		}
	}
}

// TestGather looks at a real folder.
func TestGather(t *testing.T) {
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	for name, mode := range map[string]os.FileMode{"latchkey.db": 0o644, "secret.key": 0o600, "readme.txt": 0o644} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, nil, mode); err != nil {
			t.Fatal(err)
		}
	}
	if err := NoteBackup(dir, today); err != nil {
		t.Fatal(err)
	}
	f := Gather(t.Context(), Options{Config: load(t, map[string]string{"data": dir}), Now: today})
	if len(f.Folder.Open) != 1 || filepath.Base(f.Folder.Open[0].Path) != "latchkey.db" || f.Folder.Open[0].Mode != 0o644 {
		t.Errorf("open: %v", f.Folder.Open)
	}
	if !f.Folder.Backup.Equal(today) || f.Folder.Written.IsZero() || !f.Database.None {
		t.Errorf("have %+v", f.Folder)
	}
}

// TestNoteBackup: whoever makes the backup, the server can read when that was,
// and make the next one. The folder keeps everybody else out.
func TestNoteBackup(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, backupName)
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	old, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := NoteBackup(dir, today); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if runtime.GOOS != "windows" && (info.Mode().Perm() != 0o644 || os.SameFile(old, info)) {
		t.Errorf("%v, the same file: %v", info.Mode(), os.SameFile(old, info))
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 1 || !LastBackup(dir).Equal(today) {
		t.Errorf("%v, %v, %v", entries, err, LastBackup(dir))
	}
}

// TestThreads: the processors that Go uses are counted without those that room
// is made for while hashes are at work.
func TestThreads(t *testing.T) {
	before := runtime.GOMAXPROCS(0)
	defer runtime.GOMAXPROCS(before)
	runtime.GOMAXPROCS(before + 5)
	if got := Gather(t.Context(), Options{Config: config.Default(), Running: true, Now: today}).Machine.Threads; got != before {
		t.Errorf("%d threads, want %d", got, before)
	}
}

// TestPage holds docs/doctor.md against the table; -update rewrites it.
func TestPage(t *testing.T) {
	const path = "../../docs/doctor.md"
	want := Page()
	if *update {
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	have, err := os.ReadFile(path)
	if err != nil || string(have) != want {
		t.Errorf("%s is not what the table says (%v): go test ./internal/doctor -update writes it", path, err)
	}
}

// TestMendsNameSettings: a setting that a mend names is one.
func TestMendsNameSettings(t *testing.T) {
	known := map[string]bool{"LATCHKEY_DATABASE": true}
	for _, s := range config.Default().Settings() {
		known["LATCHKEY_"+strings.ToUpper(strings.ReplaceAll(s.Key, ".", "_"))] = true
	}
	names := regexp.MustCompile(`LATCHKEY_[A-Z_]+`)
	for _, c := range checks() {
		for _, name := range names.FindAllString(c.do+c.mend, -1) {
			if !known[name] {
				t.Errorf("%s: there is no %s; there are %v", c.id, name, slices.Sorted(maps.Keys(known)))
			}
		}
	}
}

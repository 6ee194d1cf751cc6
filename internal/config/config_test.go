package config

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/latchkey-auth/latchkey/internal/auth"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// write makes a configuration file and gives its path.
func write(t *testing.T, text string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "latchkey.toml")
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// same compares two configurations without their origins.
func same(a, b *Config) string {
	return cmp.Diff(a, b, cmpopts.IgnoreUnexported(Config{}), cmp.Comparer(func(a, b netip.Prefix) bool { return a == b }), cmpopts.EquateEmpty())
}

func TestDefaults(t *testing.T) {
	c := Default()
	for _, f := range fields() {
		if f.secret() {
			continue
		}
		if err := f.set(&Config{}, f.def); err != nil {
			t.Errorf("default of %s: %v", f.key, err)
		}
	}
	l := &loader{c: c, blamed: map[string]bool{}}
	if l.check(); len(l.problems) > 0 {
		t.Errorf("defaults: %v", l.problems)
	}
	want := map[string]string{
		"listen": "127.0.0.1:8000", "data": "./data", "database": "", "hosts": "",
		"tokens.access": "3h", "tokens.refresh": "3d", "tokens.session_max": "30d", "tokens.reuse": "strict",
		"registration.open": "true", "registration.roles": "employee,client",
		"cors.origins": "http://localhost:3000,http://127.0.0.1:3000", "proxy.trusted": "",
		"throttle.enabled": "true", "throttle.account": "10", "throttle.address": "30", "throttle.window": "15m",
		"audit.retention": "90d", "log.format": "auto", "log.level": "info", "docs.public": "true",
	}
	for _, f := range fields() {
		if w, ok := want[f.key]; ok && f.text(c) != w {
			t.Errorf("%s = %q, want %q", f.key, f.text(c), w)
		}
		delete(want, f.key)
		if f.help == "" || !strings.HasSuffix(f.help, ".") {
			t.Errorf("%s: its help %q is no sentence", f.key, f.help)
		}
	}
	for key := range want {
		t.Errorf("no setting %s", key)
	}
}

func TestTags(t *testing.T) {
	seen := map[string]string{}
	for _, f := range fields() {
		if strings.ToLower(f.key) != f.key || strings.ContainsAny(f.key, "- ") {
			t.Errorf("%s: a key is lower case with underscores", f.key)
		}
		if other, ok := seen[f.env()]; ok {
			t.Errorf("%s and %s share %s", f.key, other, f.env())
		}
		seen[f.env()] = f.key
		switch {
		case f.typ == reflect.TypeFor[Duration]():
			low, err1 := ParseDuration(f.min)
			high, err2 := ParseDuration(f.max)
			if err1 != nil || err2 != nil || low <= 0 && f.min != "0s" || low >= high {
				t.Errorf("%s: range %s-%s", f.key, f.min, f.max)
			}
		case f.typ.Kind() == reflect.Int:
			if f.min == "" || f.max == "" {
				t.Errorf("%s: a number has a range", f.key)
			}
		}
	}
}

func TestPrecedence(t *testing.T) {
	file := write(t, `
listen = "127.0.0.1:1"
data = "/file"
[tokens]
access = "1h"
refresh = 86400
[registration]
roles = ["client"]
open = false
[throttle]
account = 7
`)
	c, err := Load(Sources{
		File:  file,
		Env:   []string{"LATCHKEY_LISTEN=127.0.0.1:2", "LATCHKEY_TOKENS_ACCESS=2h", "LATCHKEY_SIGNING_KEY=from the environment", "HOME=/x", "LATCHKEY_TEST_POSTGRES=x"},
		Flags: map[string]string{"listen": "127.0.0.1:3", "proxy.trusted": "10.0.0.0/8, 192.0.2.1"},
	})
	if err != nil {
		t.Fatal(err)
	}
	want := Default()
	want.Listen, want.Data = "127.0.0.1:3", "/file"
	want.Tokens.Access, want.Tokens.Refresh = Duration(2*time.Hour), Duration(24*time.Hour)
	want.Registration = Registration{Open: false, Roles: []auth.Role{auth.RoleClient}}
	want.Throttle.Account = 7
	want.Signing.Key = NewSecret("from the environment")
	want.Proxy.Trusted = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("192.0.2.1/32")}
	if d := same(want, c); d != "" {
		t.Error(d)
	}
	for key, origin := range map[string]string{
		"listen":             "--listen",
		"data":               file + ":3",
		"tokens.access":      "LATCHKEY_TOKENS_ACCESS",
		"tokens.refresh":     file + ":6",
		"registration.roles": file + ":8",
		"tokens.session_max": "default",
		"signing.key":        "LATCHKEY_SIGNING_KEY",
	} {
		if got := c.Origin(key).String(); got != origin {
			t.Errorf("%s came from %s, want %s", key, got, origin)
		}
	}
}

func TestFileChosen(t *testing.T) {
	t.Chdir(t.TempDir())
	other := write(t, `listen = "127.0.0.1:2"`)
	listen := func(src Sources) string {
		t.Helper()
		c, err := Load(src)
		if err != nil {
			t.Fatal(err)
		}
		return c.Listen
	}
	if got := listen(Sources{}); got != "127.0.0.1:8000" {
		t.Errorf("without a file: %s", got)
	}
	if err := os.WriteFile(DefaultFile, []byte(`listen = "127.0.0.1:1"`), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := listen(Sources{}); got != "127.0.0.1:1" {
		t.Errorf("with ./latchkey.toml: %s", got)
	}
	if got := listen(Sources{Env: []string{"LATCHKEY_CONFIG=" + other}}); got != "127.0.0.1:2" {
		t.Errorf("with LATCHKEY_CONFIG: %s", got)
	}
	if got := listen(Sources{File: other, Env: []string{"LATCHKEY_CONFIG=absent"}}); got != "127.0.0.1:2" {
		t.Errorf("with --config: %s", got)
	}
}

// TestMistakes gives one mistake each and the whole line that is said of it.
func TestMistakes(t *testing.T) {
	tests := []struct{ name, file, env, flag, want string }{
		{"unknown key", "[tokens]\nacess = 1", "", "", "FILE:2: there is no setting tokens.acess\n    hint: did you mean tokens.access?"},
		{"unknown top key", "\nlistne = 1", "", "", "FILE:2: there is no setting listne\n    hint: did you mean listen?"},
		{"missing section", `session_max = "30d"`, "", "", "FILE:1: there is no setting session_max\n    hint: did you mean tokens.session_max?"},
		{"wrong section", "[registration]\nsession_max = \"30d\"", "", "", "FILE:2: there is no setting registration.session_max\n    hint: did you mean tokens.session_max?"},
		{"unlike any", "[smtp]\nserver = 1", "", "", "FILE:2: there is no setting smtp.server\n    hint: `latchkey config example` prints all of them"},
		{"section as value", "tokens = 3", "", "", "FILE:1: tokens is a section, not a setting\n    hint: write its settings under [tokens]"},
		{"array of sections", "[[tokens]]\naccess = \"3h\"", "", "", "FILE:1: tokens is a section, not a setting\n    hint: write its settings under [tokens]"},
		{"value as section", "[database]\nurl = 3", "", "", "FILE:2: database is a setting, not a section\n    hint: write database = … before the first section"},
		{"quoted dot", `"tokens.access" = "1h"`, "", "", "FILE:1: there is no setting \"tokens.access\"\n    hint: did you mean tokens.access?"},
		{"inline table", "tokens = { reuse = \"lax\" }", "", "", "FILE:1: tokens.reuse: \"lax\" is none of the values\n    hint: it is one of strict, grace, tolerant"},
		{"text for number", "[throttle]\naccount = \"10\"", "", "", "FILE:2: throttle.account: is a text, not a number\n    hint: write it without quotes"},
		{"number for text", "listen = 8000", "", "", "FILE:1: listen: is not a text\n    hint: write it like \"127.0.0.1:8000\""},
		{"text for list", "hosts = \"a\"", "", "", "FILE:1: hosts: is not a list\n    hint: write it like [\"a\", \"b\"]"},
		{"float for duration", "[tokens]\naccess = 1.5", "", "", "FILE:2: tokens.access: is not a duration\n    hint: write it like \"180m\""},
		{"not TOML", "listen = ", "", "", "FILE:1: is not TOML: *"},
		{"twice", "listen = \"a:1\"\nlisten = \"a:1\"", "", "", "FILE:*: is not TOML: *"},

		{"upstream in the clear", "", "LATCHKEY_DJANGO_UPSTREAM=http://django.internal:8000", "", "LATCHKEY_DJANGO_UPSTREAM: django.upstream: is not https: passwords would be sent for everybody to read\n    hint: write https://host, or http://127.0.0.1:port for one on this machine; the paths are the guide's"},
		{"upstream of another scheme", "", "LATCHKEY_DJANGO_UPSTREAM=ftp://127.0.0.1", "", "LATCHKEY_DJANGO_UPSTREAM: django.upstream: is not https: *"},
		{"upstream without a scheme", "", "LATCHKEY_DJANGO_UPSTREAM=django.internal", "", "LATCHKEY_DJANGO_UPSTREAM: django.upstream: is no address of the form scheme://host:port\n    hint: *"},
		{"upstream with a path", "", "LATCHKEY_DJANGO_UPSTREAM=https://django.internal/api/auth/login/", "", "LATCHKEY_DJANGO_UPSTREAM: django.upstream: is no address of the form scheme://host:port\n    hint: *"},
		{"upstream with a password", "", "LATCHKEY_DJANGO_UPSTREAM=https://u:p@django.internal", "", "LATCHKEY_DJANGO_UPSTREAM: django.upstream: is no address of the form scheme://host:port\n    hint: *"},
		{"upstream that looks like this machine", "", "LATCHKEY_DJANGO_UPSTREAM=http://localhost.example.com", "", "LATCHKEY_DJANGO_UPSTREAM: django.upstream: is not https: *"},

		{"unknown variable", "", "LATCHKEY_TOKENS_ACESS=1h", "", "LATCHKEY_TOKENS_ACESS: there is no setting of this name\n    hint: did you mean LATCHKEY_TOKENS_ACCESS?"},
		{"the usual port", "", "LATCHKEY_PORT=8000", "", "LATCHKEY_PORT: there is no setting of this name\n    hint: did you mean LATCHKEY_LISTEN, such as 127.0.0.1:8000?"},
		{"duration", "", "LATCHKEY_TOKENS_ACCESS=3x", "", "LATCHKEY_TOKENS_ACCESS: tokens.access: \"3x\" is not a duration\n    hint: write it like 180m, 3h, 30d, or as a number of seconds"},
		{"zero", "", "LATCHKEY_TOKENS_ACCESS=0", "", "LATCHKEY_TOKENS_ACCESS: tokens.access: \"0\" is out of range\n    hint: take a value from 1s to 365d"},
		{"bool", "", "LATCHKEY_THROTTLE_ENABLED=maybe", "", "LATCHKEY_THROTTLE_ENABLED: throttle.enabled: \"maybe\" is neither true nor false\n    hint: write true or false"},
		{"empty secret", "", "LATCHKEY_SIGNING_KEY=", "", "LATCHKEY_SIGNING_KEY: signing.key: is empty\n    hint: give it a value or remove it"},
		{"port alone", "", "LATCHKEY_LISTEN=9000", "", "LATCHKEY_LISTEN: listen: \"9000\" is not an address with a port\n    hint: write 127.0.0.1:9000, or :9000 for every address of the machine"},
		{"role", "", "LATCHKEY_REGISTRATION_ROLES=employee,Admin", "", "LATCHKEY_REGISTRATION_ROLES: registration.roles: \"Admin\" is not a role\n    hint: did you mean admin? It is one of admin, manager, employee, client"},
		{"no role", "", "LATCHKEY_REGISTRATION_ROLES=", "", "LATCHKEY_REGISTRATION_ROLES: registration.roles: is empty, so nobody could register\n    hint: name a role, or set registration.open to false"},
		{"database", "", "LATCHKEY_DATABASE=mysql://u:hunter2@h/d", "", "LATCHKEY_DATABASE: database: is not a PostgreSQL URL\n    hint: leave it empty for SQLite in the data folder, or write postgres://user@host/name"},
		{"seal key", "", "LATCHKEY_KEYS_SEAL_KEY=short", "", "LATCHKEY_KEYS_SEAL_KEY: keys.seal_key: is not 32 bytes in base64 or hex\n    hint: `openssl rand -base64 32` makes one"},

		{"origin with path", "", "", "cors.origins=https://app.example.com/", "--cors.origins: cors.origins: \"https://app.example.com/\" has something after the host\n    hint: write https://app.example.com"},
		{"origin with its port", "", "", "cors.origins=https://a.example:443", "--cors.origins: cors.origins: \"https://a.example:443\" names the scheme's own port; browsers leave it out\n    hint: write https://a.example"},
		{"any origin", "", "", "cors.origins=*", "--cors.origins: cors.origins: \"*\" is not an origin\n    hint: name each origin: with * any page could call as its visitor"},
		{"host bits", "", "", "proxy.trusted=10.0.0.7/8", "--proxy.trusted: proxy.trusted: \"10.0.0.7/8\" has bits set beyond its prefix\n    hint: write 10.0.0.0/8 for the network or 10.0.0.7 for the one address"},
		{"host with port", "", "", "hosts=a.example:80", "--hosts: hosts: \"a.example:80\" is more than a host\n    hint: write the name alone, like auth.example.com"},
		{"too short", "", "", "password.min_length=4", "--password.min_length: password.min_length: 4 is out of range\n    hint: take a value from 8 to 128"},
		{"access over refresh", "", "", "tokens.access=4d", "--tokens.access: tokens.access: tokens.access (4d) is longer than tokens.refresh (3d)\n    hint: lower tokens.access or raise tokens.refresh"},
		{"refresh over session", "", "", "tokens.session_max=2d", "--tokens.session_max: tokens.session_max: tokens.refresh (3d) is longer than tokens.session_max (2d)\n    hint: lower tokens.refresh or raise tokens.session_max"},
		{"half of TLS", "", "", "tls.cert=c.pem", "--tls.cert: tls.key: is not set, but tls.cert is\n    hint: TLS needs both, plain HTTP neither"},
		{"secret in a flag", "", "", "signing.key=hunter2", "--signing.key: signing.key: is a secret and has no flag\n    hint: set LATCHKEY_SIGNING_KEY or the file"},
		{"no such algorithm", "", "LATCHKEY_SIGNING_ALGORITHM=ES512", "", "LATCHKEY_SIGNING_ALGORITHM: signing.algorithm: \"ES512\" is none of the values\n    hint: it is one of HS256, EdDSA, ES256, RS256"},
		{"rotation too often", "", "", "signing.rotate_every=59m59s", "--signing.rotate_every: signing.rotate_every: 59m59s is less than an hour\n    hint: write 0 for never, or 30d, say"},
		{"rotation of somebody's key", "[signing]\nkey = \"hunter2\"", "", "signing.rotate_every=30d", "--signing.rotate_every: signing.rotate_every: a signing.key of your own is not rotated by a schedule\n    hint: leave it out, and change the key with `latchkey key use`"},
		{"two keys", "[signing]\nkey = \"hunter2\"", "", "signing.key_file=f", "--signing.key_file: signing.key_file: signing.key is set too, by FILE:2\n    hint: keep one of the two"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			src := Sources{File: write(t, tt.file), Flags: map[string]string{}}
			if tt.env != "" {
				src.Env = []string{tt.env}
			}
			if key, value, ok := strings.Cut(tt.flag, "="); ok {
				src.Flags[key] = value
			}
			_, err := Load(src)
			if err == nil {
				t.Fatal("no mistake was found")
			}
			var problems Problems
			if !errors.As(err, &problems) || len(problems) != 1 {
				t.Fatalf("%d mistakes: %v", len(problems), err)
			}
			got := strings.ReplaceAll(problems[0].String(), src.File, "FILE")
			if ok, _ := filepath.Match(strings.ReplaceAll(strings.ReplaceAll(tt.want, "[", "\\["), "/", "\x00"), strings.ReplaceAll(got, "/", "\x00")); !ok && got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
			if strings.Contains(err.Error(), "hunter2") {
				t.Errorf("a secret is told: %v", err)
			}
		})
	}
}

func TestMistakesAllAtOnce(t *testing.T) {
	_, err := Load(Sources{
		File:  write(t, "listne = 1\n[tokens]\nacess = 2\nreuse = \"lax\"\n"),
		Env:   []string{"LATCHKEY_LOG_LEVEL=loud", "LATCHKEY_NONSENSE=1"},
		Flags: map[string]string{"cors.origins": "a,b", "tls.key": "k"},
	})
	var problems Problems
	if !errors.As(err, &problems) {
		t.Fatal(err)
	}
	var keys []string
	for _, p := range problems {
		keys = append(keys, p.Origin.From+" "+p.Key)
	}
	want := []string{"file ", "file ", "file tokens.reuse", "environment log.level", "environment ", "flag cors.origins", "flag cors.origins", "flag tls.cert"}
	if d := cmp.Diff(want, keys); d != "" {
		t.Errorf("%s\n%v", d, err)
	}
	if !strings.HasPrefix(err.Error(), "the configuration has 8 mistakes\n") {
		t.Error(err)
	}
}

func TestFileUnreadable(t *testing.T) {
	dir := t.TempDir()
	big := filepath.Join(dir, "big.toml")
	if err := os.WriteFile(big, []byte(strings.Repeat("#\n", maxFile)), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		filepath.Join(dir, "absent.toml"): "no such file",
		dir:                               "it is a folder",
		big:                               "larger than 1 MiB",
	} {
		if _, err := Load(Sources{File: name}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", name, err, want)
		}
	}
}

// TestHasPassword: a URL that is only spelt in an unusual way has none.
func TestHasPassword(t *testing.T) {
	for url, want := range map[DatabaseURL]bool{
		"":                           false,
		"postgres://u@h/d":           false,
		"POSTGRES://u@h/d":           false,
		"postgresql://jos%c3%a9@h/d": false,
		"postgres://a%2eb@h:5432/d?sslmode=require&application_name=a+b": false,
		"postgres:///d?host=/run/postgresql":                             false,
		"postgres://u@h/d?passfile=/etc/pgpass":                          false,
		"postgres://u:p@h/d":                                             true,
		"POSTGRES://u:p@h/d":                                             true,
		"postgres://u@h/d?password=p":                                    true,
		"postgres://h/d?a=b;password=p":                                  true,
		"postgres://h/d?sslPassword=p":                                   true,
	} {
		if got := url.HasPassword(); got != want {
			t.Errorf("%s: %v", url.Reveal(), got)
		}
	}
}

// TestURLHidden: no password is printed, also out of a query that is malformed.
func TestURLHidden(t *testing.T) {
	for url, want := range map[DatabaseURL]string{
		"postgres://u@h/d?sslmode=require":           "postgres://u@h/d?sslmode=require",
		"postgres://u:hunter2@h/d":                   "postgres://u:xxxxx@h/d",
		"postgres://h/d?a=b&password=hunter2":        "postgres://h/d?a=b&password=xxxxx",
		"postgres://h/d?a=b;password=hunter2":        "postgres://h/d?xxxxx",
		"postgres://h/d?password=%zzhunter2":         "postgres://h/d?xxxxx",
		"postgres://u:hunter2@h/d?password=hunter2%": "postgres://u:xxxxx@h/d?xxxxx",
	} {
		if got := url.String(); got != want {
			t.Errorf("%s is printed as %s", url.Reveal(), got)
		}
	}
}

func TestServiceLinks(t *testing.T) {
	_, err := Load(Sources{Env: []string{
		"LATCHKEY_SERVICE_HOST=10.0.0.1", "LATCHKEY_SERVICE_PORT=8000", "LATCHKEY_SERVICE_PORT_HTTP=8000",
		"LATCHKEY_PORT=tcp://10.0.0.1:8000", "LATCHKEY_PORT_8000_TCP=tcp://10.0.0.1:8000",
		"LATCHKEY_PORT_8000_TCP_PROTO=tcp", "LATCHKEY_DB_SERVICE_HOST=10.0.0.2", "LATCHKEY_DB_PORT=tcp://10.0.0.2:5432",
	}})
	if err != nil {
		t.Error(err)
	}
}

func TestSecretsHidden(t *testing.T) {
	const key, password = "the signing key of somebody", "hunter2"
	c, err := Load(Sources{File: write(t, ""), Env: []string{"LATCHKEY_SIGNING_KEY=" + key, "LATCHKEY_DATABASE=postgres://u:" + password + "@h/d?sslpassword=" + password}})
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d", "%t"} {
		if got := fmt.Sprintf(verb, c.Signing.Key); got != hidden {
			t.Errorf("%s prints %s", verb, got)
		}
		fmt.Fprintf(&b, verb+"\n", c.Signing)
		fmt.Fprintf(&b, verb+"\n", c)
		fmt.Fprintf(&b, verb+"\n", struct{ hiddenField Secret }{c.Signing.Key})
	}
	for _, s := range c.Settings() {
		fmt.Fprintln(&b, s)
	}
	if err := json.NewEncoder(&b).Encode(c); err != nil {
		t.Fatal(err)
	}
	slog.New(slog.NewTextHandler(&b, nil)).Info("x", "key", c.Signing.Key, "config", c, "database", c.Database)
	slog.New(slog.NewJSONHandler(&b, nil)).Info("x", "key", c.Signing.Key, "config", c, "database", c.Database)
	for _, secret := range []string{key, password, fmt.Sprintf("%x", key), fmt.Sprintf("%X", password)} {
		if strings.Contains(b.String(), secret) {
			t.Errorf("%q was printed", secret)
		}
	}
	if !strings.Contains(b.String(), hidden) {
		t.Error("no trace of the secret at all")
	}
	if c.Signing.Key.Reveal() != key || !strings.Contains(c.Database.Reveal(), password) {
		t.Error("the secrets themselves are lost")
	}
}

func TestSyntaxErrorHidesSecrets(t *testing.T) {
	for _, text := range []string{"[signing]\nkey = \"hunter2\" x", "[signing]\nkey = hunter2", "[signing]\nkey = \"hunter2", "[signing]\nkey = \"a\\qhunter2\""} {
		_, err := Load(Sources{File: write(t, text)})
		if err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestFileOfSecrets(t *testing.T) {
	for text, want := range map[string]bool{
		"[signing]\nkey = \"short\"\n": true, "[keys]\nseal_key = \"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\"\n": true,
		"database = \"postgres://u:p@h/d\"\n": true, "database = \"postgres://u@h/d\"\n": false, "listen = \":80\"\n": false, "": false,
	} {
		file := write(t, text)
		c, err := Load(Sources{File: file})
		if err != nil {
			t.Fatal(err)
		}
		if got := c.FileOfSecrets(); got != "" != want || want && got != file {
			t.Errorf("%q: %q", text, got)
		}
	}
}

func TestKeyFiles(t *testing.T) {
	dir := t.TempDir()
	put := func(name, text string) string {
		name = filepath.Join(dir, name)
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return name
	}
	file := write(t, "")
	load := func(env ...string) (*Config, error) { return Load(Sources{File: file, Env: env}) }
	if c, err := load(); err != nil || c.SigningKey() != nil || c.SealKey() != nil {
		t.Errorf("no keys: %q, %q, %v", c.SigningKey(), c.SealKey(), err)
	}
	if c, err := load("LATCHKEY_SIGNING_KEY=k\n"); err != nil || string(c.SigningKey()) != "k\n" {
		t.Errorf("signing.key: %v", err)
	}
	for text, want := range map[string]string{"abc": "abc", "abc\n": "abc", "abc\r\n": "abc", "abc\n\n": "abc\n", " abc ": " abc "} {
		c, err := load("LATCHKEY_SIGNING_KEY_FILE=" + put("key", text))
		if err != nil || string(c.SigningKey()) != want {
			t.Errorf("key file %q: %v", text, err)
		}
	}
	for _, text := range []string{strings.Repeat("ab", 32), "q6urq6urq6urq6urq6urq6urq6urq6urq6urq6urq6s=\n"} {
		c, err := load("LATCHKEY_KEYS_SEAL_KEY_FILE=" + put("seal", text))
		if err != nil || !bytes.Equal(c.SealKey(), bytes.Repeat([]byte{0xab}, 32)) {
			t.Fatalf("seal key %q: %v", text, err)
		}
		printed := fmt.Sprintf("%v %+v %#v %x", c, c, *c, []any{*c})
		for _, form := range []string{"171 171", "0xab, 0xab", "abababab", "q6urq6ur", "\xab\xab"} {
			if strings.Contains(strings.ToLower(printed), form) {
				t.Errorf("the seal key is printed with the configuration as %q", form)
			}
		}
	}
	_, err := load(
		"LATCHKEY_SIGNING_KEY_FILE="+filepath.Join(dir, "absent"),
		"LATCHKEY_KEYS_SEAL_KEY_FILE="+put("seal", "hunter2"),
	)
	want := "the configuration has 2 mistakes\n" +
		"  LATCHKEY_SIGNING_KEY_FILE: signing.key_file: " + filepath.Join(dir, "absent") + " cannot be read: no such file or directory\n" +
		"  LATCHKEY_KEYS_SEAL_KEY_FILE: keys.seal_key_file: is not 32 bytes in base64 or hex\n    hint: `openssl rand -base64 32` makes one"
	if err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
	if _, err := load("LATCHKEY_SIGNING_KEY_FILE=" + put("empty", "\n")); err == nil || !strings.Contains(err.Error(), "is empty") {
		t.Errorf("an empty key file: %v", err)
	}
}

func TestDuration(t *testing.T) {
	const day = 24 * time.Hour
	for text, want := range map[string]time.Duration{
		"180m": 3 * time.Hour, "3h": 3 * time.Hour, "3d": 3 * day, "1d12h": 36 * time.Hour, "1h30m15s": 5415 * time.Second,
		"90": 90 * time.Second, "0": 0, "007": 7 * time.Second,
	} {
		got, err := ParseDuration(text)
		if err != nil || got.Std() != want {
			t.Errorf("%q: %v, %v, want %v", text, got, err, want)
		}
		if again, err := ParseDuration(got.String()); err != nil || again != got {
			t.Errorf("%q prints as %q, which is %v, %v", text, got, again, err)
		}
	}
	for _, text := range []string{"", " ", "-3h", "+3h", "3x", "h", "3h3h", "3m1h", "1.5h", "3 h", "3h ", "1d2", "9223372036854775807", "106752d", "99999999999999999999h", "٣h"} {
		if got, err := ParseDuration(text); err == nil {
			t.Errorf("%q was taken for %v", text, got)
		}
	}
}

func TestNearest(t *testing.T) {
	var keys []string
	for _, f := range fields() {
		keys = append(keys, f.key)
	}
	for name, want := range map[string]string{
		"token.access": "tokens.access", "tokens.acces": "tokens.access", "listne": "listen", "cors.origin": "cors.origins",
		"key_file": "signing.key_file", "publicurl": "public_url", "log.lvl": "log.level", "completely.different": "",
		strings.Repeat("x", 1000): "",
	} {
		if got := nearest(name, keys); got != want {
			t.Errorf("nearest to %.30q is %q, want %q", name, got, want)
		}
	}
	for _, tt := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"", "ab", 2}, {"kitten", "sitting", 3}, {"ab", "ba", 1}, {"abc", "abc", 0}} {
		if got := distance(tt.a, tt.b); got != tt.want {
			t.Errorf("distance(%q, %q) = %d, want %d", tt.a, tt.b, got, tt.want)
		}
	}
}

// TestExample takes the example at its word: uncommented, it is the default.
func TestExample(t *testing.T) {
	golden(t, "testdata/example.toml", Example())
	if c, err := Load(Sources{File: write(t, Example())}); err != nil || same(Default(), c) != "" {
		t.Errorf("as it is: %v %s", err, same(Default(), c))
	}
	var b strings.Builder
	n := 0
	for line := range strings.Lines(Example()) {
		if strings.HasPrefix(line, "#") && !strings.HasPrefix(line, "# ") && line != "#\n" {
			line = line[1:]
			if strings.HasPrefix(line, "key = ") && n < 12 || strings.HasPrefix(line, "seal_key = ") {
				line = "" // A secret has no default to show.
			}
			n++
		}
		b.WriteString(line)
	}
	if n != len(fields()) {
		t.Errorf("%d settings in the example, want %d", n, len(fields()))
	}
	c, err := Load(Sources{File: write(t, b.String())})
	if err != nil {
		t.Fatal(err)
	}
	if d := same(Default(), c); d != "" {
		t.Error(d)
	}
	for _, s := range c.Settings() {
		if f := Default().Origin(s.Key); s.Origin.From != FromFile && s.Key != "signing.key" && s.Key != "keys.seal_key" {
			t.Errorf("%s came from %s, not from the example (%v)", s.Key, s.Origin, f)
		}
	}
}

func TestReference(t *testing.T) { golden(t, "../../docs/configuration.md", Reference()) }

func golden(t *testing.T, name, got string) {
	t.Helper()
	if *update {
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatalf("%v; go test -update writes it", err)
	}
	if d := cmp.Diff(string(want), got); d != "" {
		t.Errorf("%s differs; go test -update rewrites it\n%s", name, d)
	}
}

// FuzzConfig holds that no file and no environment makes Load panic, that what
// it takes is within its own rules, and that no message tells the secret.
//
// ROW 12
func FuzzConfig(f *testing.F) {
	f.Add("listen = \":1\"\n[tokens]\naccess = 3", "LATCHKEY_HOSTS=a,b", "tokens.access", "3h")
	f.Add("[[tokens]]\n[tokens.access]\nx = {y = [1, {z = 1979-05-27}]}", "LATCHKEY_=", "cors.origins", "https://[::1]:1,")
	f.Add("tokens.access = \"1d\"\ntokens = {}", "LATCHKEY_PROXY_TRUSTED=::/0,1.2.3.4/33", "proxy.trusted", "fe80::1%eth0")
	f.Add("\"\" = 1\n'a.b'.c = nan", "LATCHKEY_DATABASE=postgres://%zz", "database", "postgres://a:b@[::1")
	f.Add("signing.key = \"\\u0000\"", "LATCHKEY_SIGNING_KEY=\x00", "public_url", "https://a@b")
	f.Fuzz(func(t *testing.T, file, env, key, value string) {
		const secret = "fuzz-secret-4711"
		name := filepath.Join(t.TempDir(), "f.toml")
		if err := os.WriteFile(name, []byte(file), 0o600); err != nil {
			t.Fatal(err)
		}
		c, err := Load(Sources{File: name, Env: []string{env, "LATCHKEY_SIGNING_KEY=" + secret}, Flags: map[string]string{key: value}})
		if err != nil {
			var problems Problems
			if !errors.As(err, &problems) || len(problems) == 0 {
				t.Fatalf("not Problems: %v", err)
			}
			if strings.Contains(err.Error(), secret) {
				t.Fatalf("the secret is told: %v", err)
			}
			for _, p := range problems {
				if p.What == "" || p.Origin.From == "" {
					t.Fatalf("unclear: %#v", p)
				}
			}
			return
		}
		if c.Tokens.Access <= 0 || c.Tokens.Access > c.Tokens.Refresh || c.Tokens.Refresh > c.Tokens.SessionMax {
			t.Fatalf("lifetimes: %v", c.Tokens)
		}
		for _, r := range c.Registration.Roles {
			if !r.Valid() {
				t.Fatalf("role %q", r)
			}
		}
		// What is in force, written into a file, is in force again.
		var b strings.Builder
		for _, s := range c.Settings() {
			if s.Value != `"`+hidden+`"` && s.Key != "database" && !strings.HasPrefix(s.Key, "signing.") && !strings.HasPrefix(s.Key, "keys.") {
				fmt.Fprintf(&b, "%s = %s\n", s.Key, s.Value)
			}
		}
		if err := os.WriteFile(name, []byte(b.String()), 0o600); err != nil {
			t.Fatal(err)
		}
		again, err := Load(Sources{File: name})
		if err != nil {
			t.Fatalf("%v\n%s", err, b.String())
		}
		again.Database, again.Signing, again.Keys = c.Database, c.Signing, c.Keys
		if d := same(c, again); d != "" {
			t.Fatal(d)
		}
	})
}

package postgres_test

import (
	"context"
	"crypto/rand"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/latchkey-auth/latchkey/internal/auth"
	"github.com/latchkey-auth/latchkey/internal/pgtest"
	"github.com/latchkey-auth/latchkey/internal/store/postgres"
)

// TestExamine: what is said of a server is what it is.
//
// ASVS 13.2.1
func TestExamine(t *testing.T) {
	address := pgtest.Database(t)
	db := open(t, address)
	c := examined(t, db)
	p := c.Postgres
	if p.Version < 15 || p.Standby || !p.Superuser || !p.ChangesSchema || p.Role != "postgres" {
		t.Errorf("have %+v", p)
	}
	// The tests' server has no syncs.
	if p.Settings["fsync"] != "off" || p.Settings["synchronous_commit"] != "off" || p.Settings["data_sync_retry"] != "off" {
		t.Errorf("settings %v", p.Settings)
	}
	for _, name := range auth.PostgresSettings() {
		if _, ok := p.Settings[name]; !ok {
			t.Errorf("no setting %s", name)
		}
	}
	if p.Remote || p.Encrypted || p.Pooled || p.Deaf || p.Nodes != 1 {
		t.Errorf("the way there: %+v", p)
	}
	// Over TCP a password is asked for; the socket, shut off by its folder, trusts.
	if p.Authentication != "password" && p.Authentication != "scram-sha-256" {
		t.Errorf("authentication %q", p.Authentication)
	}
	if !p.RulesKnown || !slices.ContainsFunc(p.TrustRules, func(s string) bool { return s[:5] == "local" }) {
		t.Errorf("trust: %q", p.TrustRules)
	}
}

// examiner is an open database or a glance at it.
type examiner interface {
	Examine(ctx context.Context) (auth.Condition, error)
}

func examined(t *testing.T, e examiner) auth.Condition {
	t.Helper()
	c, err := e.Examine(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if c.Postgres == nil {
		t.Fatal("no PostgreSQL")
	}
	return c
}

func glance(t *testing.T, address string) *postgres.Glance {
	t.Helper()
	g, err := postgres.OpenGlance(t.Context(), postgres.Options{URL: address, MaxConns: 2})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := g.Close(); err != nil {
			t.Error(err)
		}
	})
	return g
}

// TestGlance: a look at an empty database leaves it empty.
func TestGlance(t *testing.T) {
	address := pgtest.Database(t)
	g := glance(t, address)
	if c := examined(t, g); c.Schema != 0 || c.Known == 0 {
		t.Errorf("schema %d, known %d", c.Schema, c.Known)
	}
	if c := examined(t, g); c.Schema != 0 {
		t.Error("a look made a schema")
	}
	if c := examined(t, g); c.Postgres.Settings["default_transaction_read_only"] != "off" {
		t.Errorf("the look's own setting is taken for the server's")
	}
}

// TestLeastPrivilege: the server works as a role that owns nothing and may do
// nothing but read and write rows, once another role has migrated. The
// statements are those of docs/operations.md.
//
// ASVS 13.2.2
func TestLeastPrivilege(t *testing.T) {
	address := pgtest.Database(t)
	owner := open(t, address) // migrates
	u := insertUser(t, owner, 1)
	role := "latchkey_app_" + strings.ToLower(rand.Text())
	execute(t, address, `CREATE ROLE `+role+` LOGIN PASSWORD 'a password of the test'`)
	t.Cleanup(func() { execute(t, address, `DROP OWNED BY `+role+`; DROP ROLE `+role) })
	for _, statement := range grants(t) {
		execute(t, address, strings.ReplaceAll(statement, "latchkey_app", role))
	}
	parsed, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	parsed.User = url.UserPassword(role, "a password of the test")
	app := openWith(t, postgres.Options{URL: parsed.String()})
	c := examined(t, app)
	if p := c.Postgres; p.Superuser || len(p.Powers) > 0 || p.ChangesSchema || p.RulesKnown || p.Role != role {
		t.Errorf("have %+v", p)
	}
	// Reads, writes, sequences, locks, the clock of revocations, notifications.
	v := insertUser(t, app, 2)
	if v.ID <= u.ID {
		t.Errorf("ids %d, %d", u.ID, v.ID)
	}
	err = app.Update(t.Context(), func(tx auth.Tx) error {
		if err := tx.LockKeys(t.Context()); err != nil {
			return err
		}
		if err := tx.LockAdmins(t.Context()); err != nil {
			return err
		}
		if _, err := tx.DeleteUser(t.Context(), v.ID); err != nil {
			return err
		}
		if _, _, err := tx.Sweep(t.Context(), now, now, "", 10); err != nil {
			return err
		}
		if _, err := tx.EndAll(t.Context(), now); err != nil {
			return err
		}
		_, err := tx.Revoke(t.Context(), auth.Revocation{Kind: auth.RevokedUser, Key: "1"})
		return err
	})
	if err != nil {
		t.Errorf("the role that may only read and write rows: %v", err)
	}
	conn, err := pgx.Connect(t.Context(), parsed.String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	for _, forbidden := range []string{`CREATE TABLE t (a int)`, `ALTER TABLE users ADD a int`, `DROP TABLE users`, `TRUNCATE users`} {
		if _, err := conn.Exec(t.Context(), forbidden); err == nil {
			t.Errorf("the role may %s", forbidden)
		}
	}
}

// grants are the GRANT statements of docs/operations.md.
func grants(t *testing.T) []string {
	t.Helper()
	page, err := os.ReadFile("../../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for line := range strings.Lines(string(page)) {
		if line = strings.TrimSpace(line); strings.HasPrefix(line, "GRANT ") && !strings.HasPrefix(line, "GRANT CONNECT") && strings.Contains(line, "latchkey_app") {
			out = append(out, strings.TrimSuffix(line, ";"))
		}
	}
	if len(out) < 3 {
		t.Fatalf("docs/operations.md has the grants %q", out)
	}
	return out
}

// TestTrust: a server that asks nobody for a password is known for it, also
// where it does not say so itself.
//
// ASVS 13.2.1
func TestTrust(t *testing.T) {
	pgtest.Require(t)
	// Its reader is the user that root steps down to.
	rules := filepath.Join("/tmp", "latchkey-hba-"+rand.Text())
	if err := os.WriteFile(rules, []byte("host all all 127.0.0.1/32 trust\nlocal all all trust\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.Remove(rules) })
	s, err := pgtest.Start(t.Context(), pgtest.Options{Durable: true, Settings: []string{"hba_file=" + rules}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Stop(); err != nil {
			t.Error(err)
		}
	})
	g := glance(t, s.URL("postgres"))
	c := examined(t, g)
	if c.Postgres.Authentication != "trust" || len(c.Postgres.TrustRules) < 2 {
		t.Errorf("authentication %q, rules %q", c.Postgres.Authentication, c.Postgres.TrustRules)
	}
	if c.Postgres.Settings["fsync"] != "on" || c.Postgres.Settings["full_page_writes"] != "on" {
		t.Errorf("settings %v", c.Postgres.Settings)
	}
}

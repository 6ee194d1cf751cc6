package django_test

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/latchkey-auth/latchkey/internal/auth"
	"github.com/latchkey-auth/latchkey/internal/django"
	source "github.com/latchkey-auth/latchkey/internal/store/django"
	"github.com/latchkey-auth/latchkey/internal/store/sqlite"
)

// schema is that of a project with a user model of its own, as Django makes it.
const schema = `
CREATE TABLE accounts_user (id integer NOT NULL PRIMARY KEY AUTOINCREMENT, password varchar(128) NOT NULL, last_login datetime NULL,
	is_superuser bool NOT NULL DEFAULT 0, email varchar(254) NOT NULL, first_name varchar(150) NOT NULL DEFAULT 'Ada', last_name varchar(150) NOT NULL DEFAULT 'L',
	phone varchar(20) NOT NULL DEFAULT '', role varchar(20) NULL DEFAULT 'employee', is_active bool NOT NULL DEFAULT 1, is_staff bool NOT NULL DEFAULT 0,
	created_at datetime NOT NULL DEFAULT '2025-01-02 03:04:05.678901', updated_at datetime NOT NULL DEFAULT '2025-01-02 03:04:05.678901', kind text NULL);
CREATE TABLE auth_group (id integer NOT NULL PRIMARY KEY, name varchar(150) NOT NULL);
CREATE TABLE accounts_user_groups (id integer NOT NULL PRIMARY KEY AUTOINCREMENT, user_id bigint NOT NULL, group_id integer NOT NULL);
CREATE TABLE token_blacklist_outstandingtoken (id integer NOT NULL PRIMARY KEY AUTOINCREMENT, token text NOT NULL DEFAULT '', created_at datetime NULL,
	expires_at datetime NOT NULL, user_id bigint NULL REFERENCES accounts_user (id), jti varchar(255) NOT NULL);
CREATE TABLE token_blacklist_blacklistedtoken (id integer NOT NULL PRIMARY KEY AUTOINCREMENT, blacklisted_at datetime NULL, token_id bigint NOT NULL);
CREATE TABLE otp_totp_totpdevice (id integer NOT NULL PRIMARY KEY, user_id integer NOT NULL, confirmed bool NOT NULL, key varchar(80) NOT NULL);
CREATE TABLE shop_order (id integer NOT NULL PRIMARY KEY, total integer);
`

const (
	hash1 = "pbkdf2_sha256$10000$seasalt$xf2EhMzLtR7eFLvcZyEdLjJwaXmmC1D/R7y2kzeiVhA="
	hash2 = "pbkdf2_sha256$20000$seasalt$xf2EhMzLtR7eFLvcZyEdLjJwaXmmC1D/R7y2kzeiVhA="
)

// house is a Django on one side and a Latchkey on the other.
type house struct {
	t     *testing.T
	file  string
	db    *sql.DB
	store auth.Store
	// problems are those of the last run.
	problems []django.Problem
}

func newHouse(t *testing.T) *house {
	t.Helper()
	h := &house{t: t, file: filepath.Join(t.TempDir(), "django.sqlite3")}
	var err error
	if h.db, err = sql.Open("sqlite", h.file); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.db.Close() })
	h.exec(schema)
	if h.store, err = sqlite.Open(t.Context(), sqlite.Options{Path: filepath.Join(t.TempDir(), "latchkey.db")}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.store.Close() })
	return h
}

func (h *house) exec(query string, args ...any) {
	h.t.Helper()
	if _, err := h.db.ExecContext(h.t.Context(), query, args...); err != nil {
		h.t.Fatal(err)
	}
}

// add adds a user with these columns beside id, e-mail and hash1.
func (h *house) add(id int, email string, more ...any) {
	h.t.Helper()
	columns, marks, args := "id, email, password", "?, ?, ?", []any{id, email, hash1}
	for i := 0; i < len(more); i += 2 {
		columns += ", " + more[i].(string)
		marks += ", ?"
		args = append(args, more[i+1])
	}
	h.exec(`INSERT INTO accounts_user (`+columns+`) VALUES (`+marks+`)`, args...)
}

func (h *house) try(change func(*django.Options)) (*django.Report, error) {
	h.t.Helper()
	src, err := source.Open(h.t.Context(), h.file)
	if err != nil {
		h.t.Fatal(err)
	}
	defer src.Close()
	h.problems = nil
	o := django.Options{Source: src, Store: h.store, Problem: func(p django.Problem) { h.problems = append(h.problems, p) }}
	if change != nil {
		change(&o)
	}
	return django.Import(h.t.Context(), o)
}

func (h *house) run(change func(*django.Options)) *django.Report {
	h.t.Helper()
	r, err := h.try(change)
	if err != nil {
		h.t.Fatal(err)
	}
	return r
}

func (h *house) user(id int64) auth.User {
	h.t.Helper()
	u, err := h.store.Read().UserByID(h.t.Context(), id)
	if err != nil {
		h.t.Fatalf("user %d: %v", id, err)
	}
	return u
}

func (h *house) absent(id int64) {
	h.t.Helper()
	if u, err := h.store.Read().UserByID(h.t.Context(), id); !auth.IsKind(err, auth.Missing) {
		h.t.Errorf("user %d is here: %+v (%v)", id, u, err)
	}
}

func (h *house) update(fn func(auth.Tx) error) {
	h.t.Helper()
	if err := h.store.Update(h.t.Context(), fn); err != nil {
		h.t.Fatal(err)
	}
}

func (h *house) change(id int64, c auth.UserChange) {
	h.t.Helper()
	h.update(func(tx auth.Tx) error {
		_, err := tx.UpdateUser(h.t.Context(), id, c, time.Now())
		return err
	})
}

// classes are those of the last run's problems, by user.
func (h *house) classes() map[int64]string {
	out := map[int64]string{}
	for _, p := range h.problems {
		out[p.UserID] = strings.TrimPrefix(out[p.UserID]+" "+p.Class, " ")
	}
	return out
}

func (h *house) wantProblems(want map[int64]string) {
	h.t.Helper()
	if diff := cmp.Diff(want, h.classes()); diff != "" {
		h.t.Errorf("problems (-want +got):\n%s%+v", diff, h.problems)
	}
}

func ptr[T any](v T) *T { return &v }

func TestImport(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.add(7, "Ada.L@Example.COM", "first_name", "Ada", "last_name", "Łovelace", "phone", "+44 1", "role", "manager",
		"last_login", "2026-01-02 03:04:05", "updated_at", "2025-06-01 00:00:00")
	h.add(9, "off@example.com", "is_active", false)
	h.add(12, "root@example.com", "role", nil, "is_superuser", true)
	h.add(13, "staff@example.com", "role", "", "is_staff", true)
	soon, past := time.Now().UTC().Add(time.Hour).Format("2006-01-02 15:04:05.000000"), "2020-01-01 00:00:00"
	h.exec(`INSERT INTO token_blacklist_outstandingtoken (id, expires_at, user_id, jti) VALUES (1, ?, 7, 'live'), (2, ?, 7, 'dead'), (3, ?, 9, 'old'), (4, ?, NULL, 'nobody')`, soon, soon, past, soon)
	h.exec(`INSERT INTO token_blacklist_blacklistedtoken (token_id) VALUES (2), (3), (4)`)
	h.exec(`INSERT INTO otp_totp_totpdevice VALUES (5, 7, 1, 'c0ffee'), (6, 7, 0, 'unconfirmed')`)

	before, err := os.ReadFile(h.file)
	if err != nil {
		t.Fatal(err)
	}
	seal := func(label string, plain []byte) ([]byte, error) { return []byte(label + "|" + string(plain)), nil }
	dry := h.run(func(o *django.Options) { o.DryRun = true })
	h.absent(7)
	r := h.run(func(o *django.Options) { o.Seal = seal })
	if dry.Inserted != 4 || r.Inserted != 4 || r.Blacklisted != 2 || r.Outstanding != 1 || len(h.problems) > 0 {
		t.Errorf("report %+v, foretold %+v, problems %v", r, dry, h.problems)
	}
	if after, err := os.ReadFile(h.file); err != nil || !slices.Equal(before, after) {
		t.Errorf("the source was written to (%v)", err)
	}
	if diff := cmp.Diff([]string{"shop_order"}, r.Others); diff != "" {
		t.Errorf("tables left (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"kind"}, r.Left); diff != "" {
		t.Errorf("columns left (-want +got):\n%s", diff)
	}
	u := h.user(7)
	u.Gen = 0
	want := auth.User{
		ID: 7, Email: "Ada.L@example.com", EmailKey: "ada.l@example.com", FirstName: "Ada", LastName: "Łovelace", Phone: "+44 1",
		Role: auth.RoleManager, IsActive: true, Password: hash1, CredentialVersion: 1,
		CreatedAt: time.Date(2025, 1, 2, 3, 4, 5, 678901000, time.UTC), UpdatedAt: time.Date(2025, 6, 1, 0, 0, 0, 0, time.UTC),
		LastLogin: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
	}
	if diff := cmp.Diff(want, u); diff != "" {
		t.Errorf("user (-want +got):\n%s", diff)
	}
	if u := h.user(9); u.IsActive || u.ValidAfter.IsZero() {
		t.Errorf("who was shut out there: %+v", u)
	}
	if a, b := h.user(12).Role, h.user(13).Role; a != auth.RoleAdmin || b != auth.RoleManager {
		t.Errorf("superuser is %s, staff %s", a, b)
	}
	for jti, want := range map[string]bool{"live": false, "dead": true, "old": false, "nobody": true} {
		if got, err := h.store.Read().TokenImported(t.Context(), jti); err != nil || got != want {
			t.Errorf("token %s: blacklisted %v (%v)", jti, got, err)
		}
	}
	secrets, err := h.store.Read().ImportedSecrets(t.Context(), 7)
	if err != nil || len(secrets) != 1 || !strings.Contains(string(secrets[0].Sealed), "c0ffee") ||
		!strings.HasPrefix(string(secrets[0].Sealed), django.SecretLabel(secrets[0])) {
		t.Errorf("second factors %+v (%v)", secrets, err)
	}
	// The next id is nobody's.
	h.update(func(tx auth.Tx) error {
		u, err := tx.InsertUser(t.Context(), auth.NewUser{Email: auth.Email{Shown: "n@x.org", Key: "n@x.org"}, Role: auth.RoleClient, Password: "!"}, time.Now())
		if u.ID != 14 {
			t.Errorf("the next user has id %d, want 14", u.ID)
		}
		return err
	})
	events, err := h.store.Read().Events(t.Context(), auth.EventFilter{Kind: auth.EventImported})
	if err != nil || len(events) != 1 || !strings.Contains(events[0].Detail, "new: 4") {
		t.Errorf("events %+v (%v)", events, err)
	}
	if r := h.run(nil); r.Inserted+r.Changed != 0 || r.Unchanged != 4 || r.Last == nil || r.LastBrokenOff {
		t.Errorf("the second run: %+v", r)
	}
}

// What was changed here is never overwritten; what was changed there is taken.
func TestMerge(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	for i := 1; i <= 9; i++ {
		h.add(i, fmt.Sprintf("u%d@example.com", i), "phone", "1")
	}
	h.add(10, "boss@example.com", "role", "admin")
	h.run(nil)

	h.exec(`UPDATE accounts_user SET phone = '2', last_login = '2026-05-05 05:05:05' WHERE id IN (1, 3, 5)`) // there
	h.change(2, auth.UserChange{Phone: ptr("here")})                                                         // here
	h.change(3, auth.UserChange{Phone: ptr("here")})                                                         // both
	h.change(5, auth.UserChange{Phone: ptr("2")})                                                            // both, alike
	h.exec(`UPDATE accounts_user SET password = ? WHERE id IN (4, 6)`, hash2)
	h.change(4, auth.UserChange{Rehash: ptr("argon2$upgraded")}) // no change of the password
	h.change(6, auth.UserChange{Password: ptr("argon2$changed")})
	h.exec(`UPDATE accounts_user SET is_active = 0 WHERE id = 7`)
	h.exec(`UPDATE accounts_user SET role = 'manager' WHERE id = 8`)
	h.exec(`UPDATE accounts_user SET is_active = 0, phone = '9' WHERE id = 10`) // the last administrator
	h.update(func(tx auth.Tx) error {
		_, err := tx.DeleteUser(t.Context(), 9)
		return err
	})
	gen7, gen8 := h.user(7).Gen, h.user(8).Gen
	var foretold map[int64]string
	dry := h.run(func(o *django.Options) { o.DryRun = true })
	foretold = h.classes()
	r := h.run(nil)
	h.wantProblems(map[int64]string{3: "changed", 6: "changed", 9: "deleted", 10: "admin"})
	delete(foretold, 10)
	if diff := cmp.Diff(map[int64]string{3: "changed", 6: "changed", 9: "deleted"}, foretold); diff != "" || dry.Changed != r.Changed {
		t.Errorf("foretold %d, done %d (-want +got):\n%s", dry.Changed, r.Changed, diff)
	}
	for id, want := range map[int64]string{1: "2", 2: "here", 3: "here", 5: "2", 10: "9"} {
		if got := h.user(id).Phone; got != want {
			t.Errorf("user %d has the phone %q, want %q", id, got, want)
		}
	}
	if u := h.user(1); !u.LastLogin.Equal(time.Date(2026, 5, 5, 5, 5, 5, 0, time.UTC)) {
		t.Errorf("last login %v", u.LastLogin)
	}
	if a, b := h.user(4), h.user(6); a.Password != hash2 || a.CredentialVersion != 2 || b.Password != "argon2$changed" {
		t.Errorf("passwords: %+v, %+v", a, b)
	}
	if u := h.user(7); u.IsActive || u.Gen <= gen7 || u.ValidAfter.IsZero() {
		t.Errorf("deactivated there: %+v", u)
	}
	if u := h.user(8); u.Role != auth.RoleManager || u.Gen <= gen8 || !u.ValidAfter.IsZero() {
		t.Errorf("another role there: %+v", u)
	}
	if u := h.user(10); !u.IsActive {
		t.Error("the last administrator is inactive")
	}
	h.absent(9)
	rows, err := h.store.Read().Revocations(t.Context(), 0, 100)
	if err != nil || len(rows) != 2 {
		t.Errorf("revocations %+v (%v)", rows, err)
	}
	// Told once: the next run has nothing to say of it.
	r = h.run(nil)
	h.wantProblems(map[int64]string{9: "deleted", 10: "admin"})
	if r.Changed != 0 {
		t.Errorf("the next run: %+v", r)
	}
	// With another administrator the deactivation is taken.
	h.change(1, auth.UserChange{Role: ptr(auth.RoleAdmin)})
	h.run(nil)
	if u := h.user(10); u.IsActive {
		t.Error("the former administrator is active")
	}
}

func TestTaken(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.update(func(tx auth.Tx) error {
		_, err := tx.InsertUser(t.Context(), auth.NewUser{Email: auth.Email{Shown: "own@x.org", Key: "own@x.org"}, Role: auth.RoleAdmin, IsActive: true, Password: "!"}, time.Now())
		return err
	})
	h.add(1, "one@example.com")
	h.add(2, "OWN@x.org")
	h.add(3, "three@example.com")
	for _, dry := range []bool{true, false} {
		r := h.run(func(o *django.Options) { o.DryRun = dry })
		h.wantProblems(map[int64]string{1: "taken", 2: "taken"})
		if r.Inserted != 1 {
			t.Errorf("inserted %d, want 1", r.Inserted)
		}
	}
	if u := h.user(1); u.Email != "own@x.org" {
		t.Errorf("user 1 is %s", u.Email)
	}
}

// Two users of the source whose addresses differ only in case.
func TestTwins(t *testing.T) {
	t.Parallel()
	for rule, want := range map[django.Conflict]int64{"": 0, django.ConflictSkip: 0, django.ConflictOldest: 3, django.ConflictNewest: 5} {
		h := newHouse(t)
		h.add(3, "ada@example.com", "last_login", "2026-01-01 00:00:00")
		h.add(4, "ADA@example.com")
		h.add(5, "Ada@Example.com", "last_login", "2026-02-01 00:00:00")
		h.add(6, "bob@example.com")
		r := h.run(func(o *django.Options) { o.Conflict = rule })
		if r.Twins != 1 {
			t.Errorf("%q: %d twins", rule, r.Twins)
		}
		for id := int64(3); id <= 5; id++ {
			if id == want {
				h.user(id)
			} else {
				h.absent(id)
			}
		}
		h.user(6)
		// Who is here stays the one.
		h.exec(`UPDATE accounts_user SET last_login = '2026-03-01 00:00:00' WHERE id = 4`)
		h.run(func(o *django.Options) { o.Conflict = rule })
		if want != 0 {
			h.user(want)
			h.absent(4)
		}
	}
}

// Who was removed there does not get in here; another source shuts nobody out.
func TestGone(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.add(1, "root@example.com", "role", "admin")
	for i := 2; i <= 40; i++ {
		h.add(i, fmt.Sprintf("u%d@example.com", i))
	}
	h.run(nil)
	h.exec(`DELETE FROM accounts_user WHERE id IN (1, 5)`)
	h.run(func(o *django.Options) { o.Gone = django.GoneKeep })
	if !h.user(5).IsActive {
		t.Error("shut out against the rule")
	}
	h.run(nil)
	h.wantProblems(map[int64]string{1: "admin", 5: "gone"})
	if u := h.user(5); u.IsActive || u.ValidAfter.IsZero() {
		t.Errorf("who is gone: %+v", u)
	}
	// Somebody lets them in again: that is a change here.
	h.change(5, auth.UserChange{IsActive: ptr(true)})
	h.run(nil)
	if !h.user(5).IsActive {
		t.Error("a change here was overwritten")
	}
	h.exec(`DELETE FROM accounts_user WHERE id > 10`)
	if _, err := h.try(nil); err == nil || !strings.Contains(err.Error(), "not in the source") {
		t.Errorf("another source: %v", err)
	}
	if !h.user(20).IsActive {
		t.Error("shut out by another source")
	}
	h.run(func(o *django.Options) { o.Gone = django.GoneShut })
	if h.user(20).IsActive {
		t.Error("not shut out when told to")
	}
}

func TestRules(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.exec(`INSERT INTO auth_group VALUES (1, 'Team leads'), (2, 'Others')`)
	h.add(1, "a@example.com", "is_superuser", true)
	h.add(2, "b@example.com", "role", "boss")
	h.add(3, "c@example.com", "kind", "customer")
	h.add(4, "d@example.com")
	h.add(5, "e@example.com", "role", "unheard of")
	h.exec(`INSERT INTO accounts_user_groups (user_id, group_id) VALUES (4, 1), (4, 2), (3, 2)`)
	const rules = `
[[rule]]
role = "admin"
is_superuser = true

[[rule]]
role = "manager"
group = "Team leads"

[[rule]]
role = "manager"
column = "role"
values = ["boss", "chef"]

[[rule]]
role = "client"
column = "kind"
value = "customer"
is_staff = false
`
	parsed, err := django.ParseRules([]byte(rules))
	if err != nil {
		t.Fatal(err)
	}
	h.run(func(o *django.Options) { o.Rules = parsed })
	h.wantProblems(map[int64]string{5: "role"})
	for id, want := range map[int64]auth.Role{1: auth.RoleAdmin, 2: auth.RoleManager, 3: auth.RoleClient, 4: auth.RoleManager} {
		if got := h.user(id).Role; got != want {
			t.Errorf("user %d is %s, want %s", id, got, want)
		}
	}
	parsed.Default = auth.RoleClient
	h.run(func(o *django.Options) { o.Rules = parsed })
	if got := h.user(5).Role; got != auth.RoleClient {
		t.Errorf("by default %s", got)
	}
	for bad, want := range map[string]string{
		`default = "root"`:                           "no role",
		"[[rule]]\nrole = \"admin\"":                 "nothing that must be true",
		"[[rule]]\nrole = \"x\"\nis_staff = true":    "no role",
		"[[rule]]\nrole = \"admin\"\nvalue = \"x\"":  "needs a column",
		"[[rule]]\nrole = \"admin\"\ncolumn = \"x\"": "needs a value",
		"[[rules]]\nrole = \"admin\"":                "there is no rules",
		"= 1":                                        "line 1",
	} {
		if _, err := django.ParseRules([]byte(bad)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want something of %q", bad, err, want)
		}
	}
	for _, bad := range []string{"[[rule]]\nrole = \"admin\"\ncolumn = \"x\"\nvalue = \"y\"\n"} {
		parsed, err := django.ParseRules([]byte(bad))
		if err == nil {
			_, err = h.try(func(o *django.Options) { o.Rules = parsed })
		}
		if err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
}

func TestMapping(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.exec(`ALTER TABLE accounts_user ADD COLUMN username varchar(150) NOT NULL DEFAULT 'name@example.org'`)
	h.exec(`ALTER TABLE accounts_user ADD COLUMN mobile varchar(50) NULL`)
	h.add(1, "a@example.com", "mobile", "+1", "phone", "+2")
	h.run(func(o *django.Options) {
		o.Map = map[string]string{"email": "username", "phone": "mobile", "last_name": ""}
	})
	if u := h.user(1); u.Email != "name@example.org" || u.Phone != "+1" || u.LastName != "" {
		t.Errorf("user %+v", u)
	}
	for _, bad := range []map[string]string{{"email": "nowhere"}, {"shoe": "phone"}, {"table": "nowhere"}, {"email": ""}, {"table": "shop_order"}} {
		if _, err := h.try(func(o *django.Options) { o.Map = bad }); err == nil {
			t.Errorf("%v is taken", bad)
		}
	}
}

// TestHostile: whatever stands in a row, it is that row's problem alone; nothing
// is taken over that could not be verified, shown or stored.
//
// ASVS 2.2.1
func TestHostile(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	want := map[int64]string{}
	n := 100
	bad := func(class string, more ...any) {
		n++
		h.add(n, fmt.Sprintf("u%d@example.com", n), more...)
		want[int64(n)] = class
	}
	setPassword := func(encoded any) {
		bad("password")
		h.exec(`UPDATE accounts_user SET password = ? WHERE id = ?`, encoded, n)
	}
	for _, encoded := range []any{
		"pbkdf2_sha256$2147483647$salt$" + strings.Repeat("A", 43) + "=", // hours
		"pbkdf2_sha256$99999999999999999999$salt$" + strings.Repeat("A", 43) + "=",
		"pbkdf2_sha256$-1$salt$" + strings.Repeat("A", 43) + "=", "pbkdf2_sha256$0$salt$x", "pbkdf2_sha256$1000$salt$not base64",
		"bcrypt$$2b$31$" + strings.Repeat("a", 53), "bcrypt_sha256$$2b$12$short", "scrypt$1073741824$salt$8$1$" + strings.Repeat("A", 86) + "==",
		"argon2$argon2id$v=19$m=2147483647,t=1,p=1$c2FsdHNhbHQ$aGFzaGhhc2g", "argon2$argon2id$v=19$m=8,t=4000000000,p=1$c2FsdHNhbHQ$aGFzaGhhc2g",
		"sha1$salt$0123456789abcdef0123456789abcdef01234567", "md5$salt$x", "plain text", hash1 + "\x00", "\xff\xfe", strings.Repeat("$", 1<<20),
		[]byte{0, 1, 2},
		12.5,
	} {
		setPassword(encoded)
	}
	bad("text", "first_name", "a\x00b")
	bad("text", "last_name", "\xff\xfe")
	bad("text", "phone", strings.Repeat("9", 1<<20))
	bad("text", "first_name", strings.Repeat("é", 256))
	bad("time", "created_at", "yesterday")
	bad("time", "last_login", "9999-12-31 23:59:59")
	bad("time", "updated_at", "-0001-01-01 00:00:00")
	bad("time", "last_login", 17)
	bad("active", "is_active", "perhaps")
	bad("active", "is_active", 7)
	bad("role", "role", "root\x00")
	bad("role", "role", strings.Repeat("x", 1<<20))
	for _, email := range []string{
		"", " ", "nobody", "a@b", "a b@example.com", "a@example.com\x00", "ä@example.com", "\u212aate@example.com", "a@exam\u017fple.com",
		strings.Repeat("a", 250) + "@example.com", "a@example.com\nBcc: x@example.com", strings.Repeat("a", 1<<20),
	} {
		n++
		h.add(n, email)
		want[int64(n)] = "email"
	}
	h.add(0, "zero@example.com")
	h.add(-5, "less@example.com")
	h.add(1<<53, "more@example.com")
	want[0], want[-5], want[1<<53] = "id id id", "", ""
	delete(want, -5)
	delete(want, 1<<53)
	h.add(1, "good@example.com", "first_name", "<script>alert(1)</script>", "last_name", "Robert'); DROP TABLE users;--")
	h.add(2, "ok@exämple.com", "phone", " +1 ")
	h.exec(`INSERT INTO token_blacklist_outstandingtoken (expires_at, user_id, jti) VALUES ('never', 1, 'x'), ('2999-01-01 00:00:00', 1, ''), ('2999-01-01 00:00:00', 1, ?), ('2999-01-01 00:00:00', 1, ?), ('2999-01-01 00:00:00', 'x', 'fine')`,
		strings.Repeat("j", 256), "a\x00b")

	for _, dry := range []bool{true, false} {
		r := h.run(func(o *django.Options) { o.DryRun = dry })
		got := map[int64]string{}
		tokens := 0
		for _, p := range h.problems {
			if p.Class == "token" {
				tokens++
				continue
			}
			got[p.UserID] = strings.TrimSpace(got[p.UserID] + " " + p.Class)
			if len(p.Text) > 2000 || strings.Contains(p.Text, "\x00") && p.Class != "email" {
				t.Errorf("the problem quotes too much: %.100q", p.Text)
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("problems (-want +got):\n%s", diff)
		}
		if r.Inserted != 2 || tokens != 4 || r.Outstanding != 1 {
			t.Errorf("inserted %d, token problems %d, outstanding %d", r.Inserted, tokens, r.Outstanding)
		}
	}
	if u := h.user(1); u.LastName != "Robert'); DROP TABLE users;--" {
		t.Errorf("user %+v", u)
	}
	// By the rule, users come without the hashes that cannot be verified.
	r := h.run(func(o *django.Options) { o.Unusable = true })
	if r.Inserted != 18 {
		t.Errorf("by the rule %d are taken over, want 18", r.Inserted)
	}
	for id := int64(101); id <= 118; id++ {
		if u := h.user(id); !strings.HasPrefix(u.Password, "!") {
			t.Errorf("user %d has the hash %.40q", id, u.Password)
		}
	}
}

func TestOtherShapes(t *testing.T) {
	t.Parallel()
	for name, table := range map[string]string{
		"auth_user": `CREATE TABLE auth_user (id integer NOT NULL PRIMARY KEY AUTOINCREMENT, password varchar(128) NOT NULL, last_login datetime NULL,
			is_superuser bool NOT NULL, username varchar(150) NOT NULL UNIQUE, last_name varchar(150) NOT NULL, email varchar(254) NOT NULL,
			is_staff bool NOT NULL, is_active bool NOT NULL, date_joined datetime NOT NULL, first_name varchar(150) NOT NULL);
			INSERT INTO auth_user VALUES (4, '!', NULL, 0, 'ada', 'L', 'ada@example.com', 1, 1, '2025-01-01 00:00:00', 'Ada')`,
		"own": `CREATE TABLE people_member (id integer NOT NULL PRIMARY KEY, password text, last_login datetime, email text, joined_at date);
			INSERT INTO people_member VALUES (4, '', NULL, 'ada@example.com', '2025-01-01')`,
	} {
		file := filepath.Join(t.TempDir(), "db.sqlite3")
		db, err := sql.Open("sqlite", file)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := db.ExecContext(t.Context(), table); err != nil {
			t.Fatal(err)
		}
		db.Close()
		src, err := source.Open(t.Context(), file)
		if err != nil {
			t.Fatal(err)
		}
		r, err := django.Inspect(context.Background(), django.Options{Source: src})
		src.Close()
		if err != nil || r.Read != 1 || len(r.Problems) > 0 {
			t.Errorf("%s: %+v (%v)", name, r, err)
		}
	}
}

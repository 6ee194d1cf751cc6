package django_test

import (
	"context"
	"database/sql"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/latchkey-auth/latchkey/internal/auth"
	"github.com/latchkey-auth/latchkey/internal/django"
	"github.com/latchkey-auth/latchkey/internal/password"
	source "github.com/latchkey-auth/latchkey/internal/store/django"
)

// argon is a hash as Latchkey makes them.
const argon = "argon2$argon2id$v=19$m=19456,t=2,p=1$TFFMWFpKTEtFUlZMVjdFQklIQk1YVFdTWlA$YgDmvQnm5FBEInBHNIXfWIX7znYXZGD10ex693VCMw4"

// newDjango is a house whose other side says that it is a Django.
func newDjango(t *testing.T) *house {
	h := newHouse(t)
	h.exec(`CREATE TABLE django_migrations (id integer NOT NULL PRIMARY KEY AUTOINCREMENT, app varchar(255) NOT NULL, name varchar(255) NOT NULL, applied datetime NOT NULL);
		CREATE UNIQUE INDEX one_email ON accounts_user (email); CREATE UNIQUE INDEX one_jti ON token_blacklist_outstandingtoken (jti)`)
	return h
}

var hashes = []string{password.PBKDF2SHA256, password.Argon2}

func (h *house) tryExport(change func(*django.ExportOptions)) (*django.ExportReport, error) {
	h.t.Helper()
	o := django.ExportOptions{Store: h.store, Hashes: hashes, Refresh: 72 * time.Hour, Problem: func(p django.Problem) { h.problems = append(h.problems, p) }}
	if change != nil {
		change(&o)
	}
	if o.Zone == nil {
		o.Zone = time.UTC
	}
	to, err := source.OpenTarget(h.t.Context(), h.file, o.Zone)
	if err != nil {
		h.t.Fatal(err)
	}
	defer to.Close()
	h.problems = nil
	o.Target = to
	return django.Export(h.t.Context(), o)
}

func (h *house) export(change func(*django.ExportOptions)) *django.ExportReport {
	h.t.Helper()
	r, err := h.tryExport(change)
	if err != nil {
		h.t.Fatal(err)
	}
	return r
}

// column reads a column of a user there, as text.
func (h *house) column(id int64, column string) (value string) {
	h.t.Helper()
	err := h.db.QueryRowContext(h.t.Context(), `SELECT COALESCE(CAST(`+column+` AS TEXT), 'NULL') FROM accounts_user WHERE id = ?`, id).Scan(&value)
	if err != nil {
		h.t.Fatalf("%s of user %d: %v", column, id, err)
	}
	return value
}

func (h *house) wantThere(id int64, want map[string]string) {
	h.t.Helper()
	for column, value := range want {
		if got := h.column(id, column); got != value {
			h.t.Errorf("user %d there: %s is %q, want %q", id, column, got, value)
		}
	}
}

// dump is everything that is there.
func (h *house) dump() string {
	h.t.Helper()
	var out strings.Builder
	for _, table := range []string{"accounts_user", "accounts_user_groups", "token_blacklist_outstandingtoken", "token_blacklist_blacklistedtoken", "sqlite_sequence"} {
		h.dumpTable(&out, table)
	}
	return out.String()
}

func (h *house) dumpTable(out io.Writer, table string) {
	h.t.Helper()
	rows, err := h.db.QueryContext(h.t.Context(), `SELECT * FROM `+table)
	if err != nil {
		h.t.Fatal(err)
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		h.t.Fatal(err)
	}
	for rows.Next() {
		values, dest := make([]any, len(columns)), make([]any, len(columns))
		for i := range values {
			dest[i] = &values[i]
		}
		if err := rows.Scan(dest...); err != nil {
			h.t.Fatal(err)
		}
		fmt.Fprintln(out, table, values)
	}
	if err := rows.Err(); err != nil {
		h.t.Fatal(err)
	}
}

// again demands that another export, and another import, write nothing.
func (h *house) again(change func(*django.ExportOptions)) {
	h.t.Helper()
	before := h.dump()
	r := h.export(change)
	if r.Inserted+r.Changed+r.Deactivated+r.Blacklisted > 0 {
		h.t.Errorf("the second export: %+v %+v", r, h.problems)
	}
	if after := h.dump(); after != before {
		h.t.Errorf("the second export wrote something:\n%s", cmp.Diff(before, after))
	}
}

func (h *house) insert(email string, n auth.NewUser) auth.User {
	h.t.Helper()
	n.Email = auth.Email{Shown: email, Key: strings.ToLower(email)}
	if n.Password == "" {
		n.Password = argon
	}
	n.IsActive = true
	var u auth.User
	h.update(func(tx auth.Tx) (err error) {
		u, err = tx.InsertUser(h.t.Context(), n, time.Now())
		return err
	})
	return u
}

// session opens a session of a user.
func (h *house) session(id int64, jti string) string {
	h.t.Helper()
	u, now := h.user(id), time.Now()
	sid := fmt.Sprintf("%032s", jti)
	got, err := h.store.OpenSession(h.t.Context(), auth.Opening{
		UserID: id, CredentialVersion: u.CredentialVersion, Now: now, Event: auth.EventLoggedIn,
		Session: auth.NewSession{ID: sid, JTI: jti, IssuedAt: now.Unix(), Expires: now.Add(time.Hour).Unix(), Until: now.Add(time.Hour)},
	})
	if err != nil || !got.OK {
		h.t.Fatalf("open a session: %+v, %v", got, err)
	}
	return sid
}

func (h *house) blacklisted() (jtis []string) {
	h.t.Helper()
	rows, err := h.db.QueryContext(h.t.Context(), `SELECT o.jti FROM token_blacklist_outstandingtoken o JOIN token_blacklist_blacklistedtoken b ON b.token_id = o.id ORDER BY o.jti`)
	if err != nil {
		h.t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var jti string
		if err := rows.Scan(&jti); err != nil {
			h.t.Fatal(err)
		}
		jtis = append(jtis, jti)
	}
	if err := rows.Err(); err != nil {
		h.t.Fatal(err)
	}
	return jtis
}

// TestExport: what has changed here is there afterwards, and nothing else; the
// next import and the next export have nothing to do.
func TestExport(t *testing.T) {
	t.Parallel()
	h := newDjango(t)
	for i := 1; i <= 6; i++ {
		h.add(i, fmt.Sprintf("u%d@example.com", i), "phone", "1", "last_login", "2026-01-01 00:00:00")
	}
	h.add(7, "root@example.com", "role", "ADMIN", "is_superuser", true, "is_staff", true)
	h.add(8, "gone@example.com", "role", "admin")
	h.run(nil)

	if r := h.export(nil); r.Changed+r.Inserted > 0 || r.Unchanged != 8 || len(h.problems) > 0 {
		t.Fatalf("nothing was changed: %+v %+v", r, h.problems)
	}
	login := time.Now().Add(time.Minute).UTC().Truncate(time.Microsecond)
	h.change(1, auth.UserChange{FirstName: ptr("Zoë 🔑"), Phone: ptr("+1"), Touch: true})
	h.change(2, auth.UserChange{Email: &auth.Email{Shown: "Other@example.com", Key: "other@example.com"}, Role: ptr(auth.RoleManager)})
	h.change(3, auth.UserChange{Rehash: ptr(argon)})
	h.change(4, auth.UserChange{Password: ptr(argon)})
	h.change(5, auth.UserChange{IsActive: ptr(false), SetValidAfter: true, RaiseGen: true})
	h.change(7, auth.UserChange{Role: ptr(auth.RoleClient)})
	six, err := h.store.Read().ImportBases(t.Context(), []int64{6})
	if err != nil {
		t.Fatal(err)
	}
	h.update(func(tx auth.Tx) error {
		if err := tx.SetImported(t.Context(), six[0], time.Unix(0, 0), login); err != nil {
			return err
		}
		_, err := tx.DeleteUser(t.Context(), 8)
		return err
	})
	n := h.insert("New@example.com", auth.NewUser{FirstName: "N", LastName: "W", Phone: "+9", Role: auth.RoleAdmin})
	deleted := h.insert("brief@example.com", auth.NewUser{Role: auth.RoleClient})
	h.update(func(tx auth.Tx) error {
		_, err := tx.DeleteUser(t.Context(), deleted.ID)
		return err
	})

	before := h.dump()
	dry := h.export(func(o *django.ExportOptions) { o.DryRun = true })
	if h.dump() != before {
		t.Error("a dry run wrote something")
	}
	foretold := h.classes()
	r := h.export(nil)
	h.wantProblems(map[int64]string{8: "deleted"})
	if diff := cmp.Diff(h.classes(), foretold); diff != "" || dry.Inserted != r.Inserted || dry.Changed != r.Changed || dry.Deactivated != r.Deactivated {
		t.Errorf("done %+v, foretold %+v: %s", r, dry, diff)
	}
	if r.Inserted != 1 || r.Changed != 7 || r.Deactivated != 1 {
		t.Errorf("report %+v", r)
	}
	h.wantThere(1, map[string]string{"first_name": "Zoë 🔑", "phone": "+1", "last_name": "L", "password": hash1, "role": "employee"})
	if h.column(1, "updated_at") < "2026" {
		t.Errorf("user 1 was updated at %s", h.column(1, "updated_at"))
	}
	h.wantThere(2, map[string]string{"email": "Other@example.com", "role": "manager", "is_staff": "0", "updated_at": "2025-01-02 03:04:05.678901"})
	h.wantThere(3, map[string]string{"password": argon})
	h.wantThere(4, map[string]string{"password": argon})
	h.wantThere(5, map[string]string{"is_active": "0"})
	h.wantThere(6, map[string]string{"last_login": login.Format("2006-01-02 15:04:05.000000")})
	h.wantThere(7, map[string]string{"role": "client", "is_superuser": "0", "is_staff": "0"})
	h.wantThere(8, map[string]string{"is_active": "0"})
	h.wantThere(n.ID, map[string]string{
		"email": "New@example.com", "first_name": "N", "last_name": "W", "phone": "+9", "role": "ADMIN", "is_superuser": "0", "is_staff": "0",
		"is_active": "1", "password": argon, "last_login": "NULL", "kind": "NULL", "created_at": n.CreatedAt.Format("2006-01-02 15:04:05.000000"),
	})
	// An id that was given here is nobody's there.
	h.exec(`INSERT INTO accounts_user (email, password) VALUES ('next@example.com', '!')`)
	if got := h.column(deleted.ID+1, "email"); got != "next@example.com" {
		t.Errorf("user %d there is %s", deleted.ID+1, got)
	}
	events, err := h.store.Read().Events(t.Context(), auth.EventFilter{Kind: auth.EventExported})
	if err != nil || len(events) != 2 || !slices.ContainsFunc(events, func(e auth.Event) bool { return strings.HasPrefix(e.Detail, "new: 1, changed: 7") }) {
		t.Errorf("events %+v (%v)", events, err)
	}
	h.again(nil)
	if r := h.run(nil); r.Inserted != 1 || r.Changed > 0 || r.Gone > 0 {
		t.Errorf("an import after the export: %+v %+v", r, h.problems)
	}
	h.again(nil)
	// Who is let in again there has been let in again there.
	h.exec(`UPDATE accounts_user SET is_active = 1 WHERE id = 8`)
	h.again(nil)
	h.wantThere(8, map[string]string{"is_active": "1"})
}

// TestExportMerge: what was changed there since the last import is never
// overwritten.
func TestExportMerge(t *testing.T) {
	t.Parallel()
	h := newDjango(t)
	for i := 1; i <= 9; i++ {
		h.add(i, fmt.Sprintf("u%d@example.com", i), "phone", "1")
	}
	h.run(nil)
	h.change(9, auth.UserChange{FirstName: ptr("Nine")})
	h.export(nil) // what an export has noted counts as what an import has

	there := func(id int, column, value string) {
		h.exec(`UPDATE accounts_user SET `+column+` = ? WHERE id = ?`, value, id)
	}
	there(1, "phone", "2") // there
	there(2, "phone", "2") // both, another field here
	h.change(2, auth.UserChange{FirstName: ptr("Two")})
	there(3, "phone", "2") // both
	h.change(3, auth.UserChange{Phone: ptr("3"), LastName: ptr("Three")})
	there(4, "phone", "2") // both, alike
	h.change(4, auth.UserChange{Phone: ptr("2")})
	there(5, "password", hash2) // changed there, upgraded here
	h.change(5, auth.UserChange{Rehash: ptr(argon)})
	there(6, "password", hash2) // changed there and here
	h.change(6, auth.UserChange{Password: ptr(argon)})
	there(7, "is_active", "0") // shut out there, another role here
	h.change(7, auth.UserChange{Role: ptr(auth.RoleManager)})
	there(8, "role", "client")
	h.change(8, auth.UserChange{Role: ptr(auth.RoleManager)})
	there(9, "first_name", "Neun")
	h.change(9, auth.UserChange{FirstName: ptr("Nove")})

	r := h.export(nil)
	want := map[int64]string{3: "changed", 6: "changed", 8: "changed", 9: "changed"}
	h.wantProblems(want)
	for _, p := range h.problems {
		if fields := map[int64][]string{3: {"phone"}, 6: {"password"}, 8: {"role"}, 9: {"first_name"}}[p.UserID]; !slices.Equal(p.Fields, fields) {
			t.Errorf("conflict of user %d: %v", p.UserID, p.Fields)
		}
	}
	if r.Changed != 3 || r.Theirs != 4 {
		t.Errorf("report %+v", r)
	}
	h.wantThere(1, map[string]string{"phone": "2"})
	h.wantThere(2, map[string]string{"phone": "2", "first_name": "Two"})
	h.wantThere(3, map[string]string{"phone": "2", "last_name": "Three"})
	h.wantThere(5, map[string]string{"password": hash2})
	h.wantThere(6, map[string]string{"password": hash2})
	h.wantThere(7, map[string]string{"is_active": "0", "role": "manager"})
	h.wantThere(8, map[string]string{"role": "client"})
	h.wantThere(9, map[string]string{"first_name": "Neun"})
	// It is told until somebody has decided.
	h.again(nil)
	h.wantProblems(want)
	// The import takes what was changed there alone, and knows the conflicts.
	h.run(nil)
	h.wantProblems(want)
	if u := h.user(1); u.Phone != "2" {
		t.Errorf("user 1: %+v", u)
	}
	if u := h.user(5); u.Password != hash2 {
		t.Errorf("user 5: %+v", u)
	}
	if u := h.user(7); u.IsActive || u.Role != auth.RoleManager {
		t.Errorf("user 7: %+v", u)
	}
	if u := h.user(3); u.Phone != "3" || u.LastName != "Three" {
		t.Errorf("user 3: %+v", u)
	}
}

// TestExportTokens: what is dead here is blacklisted there, and nothing else.
//
// ASVS 7.4.1, 7.4.2, 7.4.3
func TestExportTokens(t *testing.T) {
	t.Parallel()
	h := newDjango(t)
	for i := 1; i <= 5; i++ {
		h.add(i, fmt.Sprintf("u%d@example.com", i))
	}
	soon := time.Now().Add(70 * time.Hour)
	for i, jti := range []string{"there-dead", "there-live", "there-old-password", "there-shut-out", "there-deleted"} {
		h.exec(`INSERT INTO token_blacklist_outstandingtoken (id, expires_at, user_id, jti) VALUES (?, ?, ?, ?)`, i+1, soon.UTC().Format("2006-01-02 15:04:05"), i+1, jti)
	}
	h.exec(`INSERT INTO token_blacklist_blacklistedtoken (token_id, blacklisted_at) VALUES (1, '2026-01-01')`)
	h.run(nil)
	h.exec(`DELETE FROM token_blacklist_blacklistedtoken`) // a backup is put back

	h.session(1, "live")
	out := h.session(1, "signed-out")
	if _, err := h.store.RevokeSession(t.Context(), auth.Revoking{UserID: 1, SessionIDs: []string{out}, Event: auth.EventLoggedOut, Now: time.Now()}); err != nil {
		t.Fatal(err)
	}
	rotated := h.session(2, "rotated")
	now := time.Now()
	if got, err := h.store.Rotate(t.Context(), auth.Rotation{
		SessionID: rotated, UserID: 2, JTI: "rotated", NewJTI: "successor", IssuedAt: now.Unix(), Expires: now.Add(time.Hour).Unix(),
		SessionMax: time.Hour, AccessUntil: now.Add(time.Hour), SpentUntil: now.Add(time.Hour).Unix(), Now: now,
	}); err != nil || !got.Done {
		t.Fatalf("rotate: %+v, %v", got, err)
	}
	h.change(3, auth.UserChange{Password: ptr(argon), SetValidAfter: true})
	h.change(4, auth.UserChange{IsActive: ptr(false), SetValidAfter: true})
	h.update(func(tx auth.Tx) error {
		_, err := tx.DeleteUser(t.Context(), 5)
		return err
	})
	// Of somebody whom Django does not know.
	stranger := h.insert("ADA@example.com", auth.NewUser{Role: auth.RoleClient})
	h.exec(`INSERT INTO accounts_user (id, email, password) VALUES (90, 'ada@example.com', '!')`)
	sid := h.session(stranger.ID, "stranger")
	if _, err := h.store.RevokeSession(t.Context(), auth.Revoking{UserID: stranger.ID, SessionIDs: []string{sid}, Event: auth.EventLoggedOut, Now: now}); err != nil {
		t.Fatal(err)
	}

	want := []string{"rotated", "signed-out", "stranger", "there-dead", "there-deleted", "there-old-password", "there-shut-out"}
	dry := h.export(func(o *django.ExportOptions) { o.DryRun = true })
	if dead := h.blacklisted(); len(dead) > 0 || dry.Blacklisted != int64(len(want)) {
		t.Errorf("a dry run: %v, %+v", dead, dry)
	}
	r := h.export(nil)
	h.wantProblems(map[int64]string{stranger.ID: "taken", 5: "deleted"})
	if diff := cmp.Diff(want, h.blacklisted()); diff != "" || r.Blacklisted != int64(len(want)) || r.Dead != r.Blacklisted {
		t.Errorf("blacklisted %+v (-want +got):\n%s", r, diff)
	}
	for jti, user := range map[string]string{"rotated": "2", "signed-out": "1", "stranger": "NULL", "there-dead": "1"} {
		var got, expires string
		if err := h.db.QueryRowContext(t.Context(), `SELECT COALESCE(CAST(user_id AS TEXT), 'NULL'), CAST(expires_at AS TEXT) FROM token_blacklist_outstandingtoken WHERE jti = ?`, jti).Scan(&got, &expires); err != nil || got != user || expires < "2026" {
			t.Errorf("%s is of user %s until %s (%v)", jti, got, expires, err)
		}
	}
	h.again(nil)
	// Without SimpleJWT's lifetimes a password change is taken to end all.
	h.change(2, auth.UserChange{Password: ptr(argon), SetValidAfter: true})
	h.exec(`UPDATE token_blacklist_outstandingtoken SET expires_at = '2999-01-01' WHERE jti = 'there-live'`)
	h.export(nil)
	if slices.Contains(h.blacklisted(), "there-live") != true {
		t.Error("the token of an old password lives")
	}
}

// A session that Django went on with after the way back does not work here once
// more.
//
// ASVS 7.4.1
func TestHandedBack(t *testing.T) {
	t.Parallel()
	h := newDjango(t)
	h.add(1, "u1@example.com")
	h.run(nil)
	h.session(1, "spent-there")
	h.session(1, "not-used")
	h.export(nil)
	h.exec(`INSERT INTO token_blacklist_outstandingtoken (id, expires_at, jti) VALUES (40, '2999-01-01 00:00:00', 'spent-there')`)
	h.exec(`INSERT INTO token_blacklist_blacklistedtoken (token_id, blacklisted_at) VALUES (40, '2026-01-01')`)
	h.run(nil)
	live, err := h.store.Read().Sessions(t.Context(), 1, time.Now())
	if err != nil || len(live) != 1 || live[0].JTI != "not-used" {
		t.Errorf("sessions %+v (%v)", live, err)
	}
	rows, err := h.store.Read().Revocations(t.Context(), 0, 10)
	if err != nil || len(rows) != 1 || rows[0].Kind != auth.RevokedSession {
		t.Errorf("revocations %+v (%v)", rows, err)
	}
}

// An export that was broken off between the two databases goes on where it was.
func TestExportBrokenOff(t *testing.T) {
	t.Parallel()
	h := newDjango(t)
	h.add(1, "u1@example.com")
	h.run(nil)
	h.change(1, auth.UserChange{Phone: ptr("+1"), Password: ptr(argon)})
	n, m := h.insert("new@example.com", auth.NewUser{Role: auth.RoleManager}), h.insert("newer@example.com", auth.NewUser{Role: auth.RoleManager})
	noted, err := h.store.Read().ImportBases(t.Context(), []int64{1})
	if err != nil {
		t.Fatal(err)
	}
	h.export(nil)
	// As if nothing had been noted.
	h.update(func(tx auth.Tx) error {
		return tx.SetBases(t.Context(), append(noted, auth.ImportBase{UserID: n.ID, Base: []byte("nothing that can be read")}))
	})
	before := h.dump()
	if r := h.export(nil); r.Changed+r.Inserted > 0 || len(h.problems) > 0 || h.dump() != before {
		t.Errorf("resumed: %+v %+v", r, h.problems)
	}
	// Noted now: what is changed there from here on is not overwritten.
	h.exec(`UPDATE accounts_user SET phone = 'theirs'`)
	h.change(1, auth.UserChange{FirstName: ptr("Ours")})
	// One of whom nothing was noted is who they are by when they were made; but
	// then nobody knows who has changed what.
	h.update(func(tx auth.Tx) error {
		return tx.SetBases(t.Context(), []auth.ImportBase{{UserID: m.ID, Base: []byte("nothing that can be read")}})
	})
	h.change(m.ID, auth.UserChange{Password: ptr(argon + "x")})
	h.export(nil)
	h.wantThere(1, map[string]string{"phone": "theirs", "first_name": "Ours"})
	h.wantThere(n.ID, map[string]string{"phone": "theirs"})
	h.wantProblems(map[int64]string{m.ID: "changed"})
}

// TestExportRoles writes each role so that the rules read it again.
func TestExportRoles(t *testing.T) {
	t.Parallel()
	const rules = `
default = "client"
[[rule]]
role = "admin"
is_superuser = true
[[rule]]
role = "manager"
group = "Team leads"
[[rule]]
role = "employee"
column = "kind"
values = ["staff", "crew"]
is_superuser = false
`
	parsed, err := django.ParseRules([]byte(rules))
	if err != nil {
		t.Fatal(err)
	}
	h := newDjango(t)
	h.exec(`INSERT INTO auth_group VALUES (1, 'Team leads'), (2, 'Others')`)
	byRules := map[string]string{"role": ""}
	roles := []auth.Role{auth.RoleAdmin, auth.RoleManager, auth.RoleEmployee, auth.RoleClient}
	// One of each role for each role that they get.
	id := 0
	for _, from := range roles {
		for range roles {
			id++
			h.add(id, fmt.Sprintf("u%d@example.com", id), "role", "", "is_superuser", from == auth.RoleAdmin, "is_staff", from == auth.RoleAdmin,
				"kind", map[bool]any{true: "crew"}[from == auth.RoleEmployee])
			if from == auth.RoleManager {
				h.exec(`INSERT INTO accounts_user_groups (user_id, group_id) VALUES (?, 1), (?, 2)`, id, id)
			}
		}
	}
	h.run(func(o *django.Options) { o.Rules, o.Map = parsed, byRules })
	want := map[int64]auth.Role{}
	id = 0
	for _, from := range roles {
		for _, to := range roles {
			id++
			if got := h.user(int64(id)).Role; got != from {
				t.Fatalf("user %d is %s, want %s", id, got, from)
			}
			h.change(int64(id), auth.UserChange{Role: ptr(to)})
			want[int64(id)] = to
		}
	}
	for _, role := range roles {
		n := h.insert(string(role)+"@example.com", auth.NewUser{Role: role})
		want[n.ID] = role
	}
	options := func(o *django.ExportOptions) { o.Rules, o.Map = parsed, byRules }
	h.export(options)
	// Nothing takes a column's value away, so that crew stays what it is where the
	// default would be wanted.
	stuck := map[int64]string{12: "role"}
	h.wantProblems(stuck)
	h.again(options)
	h.run(func(o *django.Options) { o.Rules, o.Map = parsed, byRules })
	for id, role := range want {
		if got := h.user(id).Role; got != role {
			t.Errorf("user %d is %s after the import, want %s", id, got, role)
		}
	}
	h.wantThere(2, map[string]string{"is_superuser": "0"})
	h.wantThere(3, map[string]string{"is_superuser": "0", "is_staff": "0", "kind": "staff"})
	h.wantThere(9, map[string]string{"is_superuser": "1", "kind": "crew"})
	var members int
	if err := h.db.QueryRowContext(t.Context(), `SELECT COUNT(*) FROM accounts_user_groups WHERE user_id = 7 AND group_id = 1`).Scan(&members); err != nil || members != 0 {
		t.Errorf("user 7 leads a team still: %d (%v)", members, err)
	}
}

// Rows that cannot be written are told, and keep nobody else out.
func TestExportHostile(t *testing.T) {
	t.Parallel()
	h := newDjango(t)
	h.exec(`CREATE TRIGGER picky BEFORE INSERT ON accounts_user WHEN NEW.first_name = 'refused' BEGIN SELECT RAISE(ABORT, 'not here'); END`)
	h.exec(`CREATE TRIGGER meddling AFTER INSERT ON accounts_user WHEN NEW.first_name = 'meddled' BEGIN UPDATE accounts_user SET phone = 'x' WHERE id = NEW.id; END`)
	h.add(1, "Taken@example.com")
	ids := map[string]int64{}
	add := func(name string, n auth.NewUser) {
		n.Role = auth.RoleClient
		ids[name] = h.insert(name+"@example.com", n).ID
	}
	h.exec(`UPDATE accounts_user SET id = 900`)
	add("taken", auth.NewUser{})
	add("refused", auth.NewUser{FirstName: "refused"})
	add("meddled", auth.NewUser{FirstName: "meddled"})
	add("scrypt", auth.NewUser{Password: "scrypt$16384$x$8$1$abc"})
	add("long", auth.NewUser{Password: "argon2$" + strings.Repeat("x", 200)})
	add("sql", auth.NewUser{FirstName: "Robert'); DROP TABLE accounts_user;--", LastName: "a\u202eb", Phone: "\"`\\"})
	add("unusable", auth.NewUser{Password: "!none"})
	for i := range 20 {
		add(fmt.Sprintf("u%d", i), auth.NewUser{})
	}
	want := map[int64]string{ids["taken"]: "taken", ids["refused"]: "store", ids["meddled"]: "store", ids["scrypt"]: "password", ids["long"]: "password"}
	r := h.export(nil)
	h.wantProblems(want)
	if r.Inserted != 22 {
		t.Errorf("inserted %d, want 22", r.Inserted)
	}
	h.wantThere(ids["sql"], map[string]string{"first_name": "Robert'); DROP TABLE accounts_user;--", "phone": "\"`\\"})
	h.wantThere(ids["unusable"], map[string]string{"password": "!none"})
	h.again(nil)
	h.wantProblems(want)
	// By the rule they get none.
	unusable := func(o *django.ExportOptions) { o.Unusable = true }
	if r := h.export(unusable); r.Inserted != 2 {
		t.Errorf("by the rule: %+v", r)
	}
	for _, name := range []string{"scrypt", "long"} {
		if got := h.column(ids[name], "password"); !strings.HasPrefix(got, "!") {
			t.Errorf("%s has %s", name, got)
		}
	}
	h.again(unusable)
	// A password that was changed here into one that Django cannot verify.
	h.change(ids["u1"], auth.UserChange{Password: ptr("scrypt$16384$x$8$1$abc")})
	h.export(nil)
	h.wantThere(ids["u1"], map[string]string{"password": argon})
	h.export(unusable)
	if got := h.column(ids["u1"], "password"); !strings.HasPrefix(got, "!") {
		t.Errorf("u1 has %s", got)
	}
}

// Who was removed there is not made anew; another database is refused.
func TestExportMissing(t *testing.T) {
	t.Parallel()
	h := newDjango(t)
	for i := 1; i <= 40; i++ {
		h.add(i, fmt.Sprintf("u%d@example.com", i))
	}
	h.run(nil)
	h.exec(`DELETE FROM accounts_user WHERE id = 3`)
	r := h.export(nil)
	h.wantProblems(map[int64]string{3: "gone"})
	if r.Gone != 1 || r.Inserted > 0 {
		t.Errorf("report %+v", r)
	}
	h.exec(`DELETE FROM accounts_user`)
	h.change(7, auth.UserChange{Phone: ptr("7")})
	before := h.dump()
	if _, err := h.tryExport(nil); err == nil || !strings.Contains(err.Error(), "40 of 40") || h.dump() != before {
		t.Errorf("another database: %v", err)
	}
	insert := func(o *django.ExportOptions) { o.Missing = django.MissingInsert }
	if r := h.export(insert); r.Inserted != 40 {
		t.Errorf("made anew: %+v", r)
	}
	h.wantThere(7, map[string]string{"phone": "7", "created_at": "2025-01-02 03:04:05.678901"})
	h.again(nil)
}

// TestExportRefuses: nothing is written to what is no Django or lacks a column.
func TestExportRefuses(t *testing.T) {
	t.Parallel()
	const user = `CREATE TABLE app_user (id integer NOT NULL PRIMARY KEY AUTOINCREMENT, password varchar(128) NOT NULL, last_login datetime, email varchar(254) NOT NULL`
	const migrations = `; CREATE TABLE django_migrations (id integer NOT NULL PRIMARY KEY, app text, name text, applied datetime);`
	for name, c := range map[string]struct {
		schema string
		change func(*django.ExportOptions)
		want   string // "" for one that is good
	}{
		"no Django":        {user + `, is_active bool NOT NULL);`, nil, "no table django_migrations"},
		"no users":         {`CREATE TABLE a_b (id integer)` + migrations, nil, "no table has the columns"},
		"no is_active":     {user + `)` + migrations, nil, "no column is_active"},
		"said so":          {user + `)` + migrations, func(o *django.ExportOptions) { o.Map = map[string]string{"is_active": ""} }, ""},
		"required":         {user + `, is_active bool NOT NULL, shoe_size integer NOT NULL, plan integer NOT NULL DEFAULT 1)` + migrations, nil, "need a value for shoe_size,"},
		"set":              {user + `, is_active bool NOT NULL, shoe_size integer NOT NULL)` + migrations, func(o *django.ExportOptions) { o.Set = map[string]string{"shoe_size": "43"} }, ""},
		"set what is not":  {user + `, is_active bool NOT NULL)` + migrations, func(o *django.ExportOptions) { o.Set = map[string]string{"hat": "43"} }, "no such column"},
		"set a field":      {user + `, is_active bool NOT NULL)` + migrations, func(o *django.ExportOptions) { o.Set = map[string]string{"email": "43"} }, "a field of the user"},
		"refers":           {`CREATE TABLE plans (id text PRIMARY KEY);` + user + `, is_active bool NOT NULL, plan_id varchar(9) NOT NULL REFERENCES plans (id))` + migrations, nil, "need a value for plan_id,"},
		"others of a kind": {user + `, is_active bool NOT NULL, username varchar(150) NOT NULL UNIQUE, is_staff bool NOT NULL, is_admin bool NOT NULL, created_at datetime NOT NULL, date_joined datetime NOT NULL, bio text NOT NULL)` + migrations, nil, ""},
		"old SimpleJWT":    {user + `, is_active bool NOT NULL)` + migrations + `CREATE TABLE token_blacklist_outstandingtoken (id integer PRIMARY KEY, jti_hex text, token text, expires_at datetime, created_at datetime, user_id integer REFERENCES app_user (id))`, nil, "has no column jti"},
		"unknown map":      {user + `, is_active bool NOT NULL)` + migrations, func(o *django.ExportOptions) { o.Map = map[string]string{"phone": "tel"} }, "has no column tel"},
		"rules without them": {user + `, is_active bool NOT NULL)` + migrations, func(o *django.ExportOptions) {
			o.Rules = django.Rules{Rules: []django.Rule{{Role: "admin", Group: "x"}}}
		}, "of which the source has none"},
	} {
		h := newDjango(t)
		h.insert("ada@example.com", auth.NewUser{Role: auth.RoleEmployee})
		h.file = filepath.Join(t.TempDir(), "other.sqlite3")
		db, err := sql.Open("sqlite", h.file)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := db.ExecContext(t.Context(), c.schema); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		db.Close()
		before, err := os.ReadFile(h.file)
		if err != nil {
			t.Fatal(err)
		}
		r, err := h.tryExport(c.change)
		after, readErr := os.ReadFile(h.file)
		if readErr != nil {
			t.Fatal(readErr)
		}
		switch {
		case c.want == "" && (err != nil || r.Inserted != 1 || len(h.problems) > 0):
			t.Errorf("%s: %+v %+v (%v)", name, r, h.problems, err)
		case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
			t.Errorf("%s: %v, want %q", name, err, c.want)
		case c.want != "" && !slices.Equal(before, after):
			t.Errorf("%s: something was written", name)
		case c.want == "":
			// As if it had been broken off before that was noted.
			h.update(func(tx auth.Tx) error {
				return tx.SetBases(t.Context(), []auth.ImportBase{{UserID: 1, Base: []byte("nothing")}})
			})
			if r, err := h.tryExport(c.change); err != nil || r.Unchanged != 1 || len(h.problems) > 0 {
				t.Errorf("%s, once more: %+v %+v (%v)", name, r, h.problems, err)
			}
		}
	}
	for name, content := range map[string]string{"dump.json": "[]", "text": "hello"} {
		file := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := source.OpenTarget(context.Background(), file, time.UTC); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
	if _, err := source.OpenTarget(context.Background(), filepath.Join(t.TempDir(), "none"), time.UTC); err == nil {
		t.Error("a file that is not there is taken")
	}
}

// A Django without USE_TZ writes down what the clock on its wall says; SimpleJWT
// does not.
func TestExportWallClock(t *testing.T) {
	t.Parallel()
	york, err := time.LoadLocation("America/New_York")
	if err != nil {
		t.Fatal(err)
	}
	h := newDjango(t)
	h.add(1, "u1@example.com", "last_login", "2025-07-01 12:00:00")
	h.add(2, "u2@example.com")
	h.run(func(o *django.Options) { o.Zone = york })
	if u := h.user(1); !u.LastLogin.Equal(time.Date(2025, 7, 1, 16, 0, 0, 0, time.UTC)) {
		t.Fatalf("last login %v", u.LastLogin)
	}
	// Half past one, the second time in that night.
	login := time.Date(2025, 11, 2, 6, 30, 0, 0, time.UTC)
	noted, err := h.store.Read().ImportBases(t.Context(), []int64{1})
	if err != nil {
		t.Fatal(err)
	}
	h.update(func(tx auth.Tx) error { return tx.SetImported(t.Context(), noted[0], time.Unix(0, 0), login) })
	sid := h.session(2, "out")
	now := time.Now()
	if _, err := h.store.RevokeSession(t.Context(), auth.Revoking{UserID: 2, SessionIDs: []string{sid}, Event: auth.EventLoggedOut, Now: now}); err != nil {
		t.Fatal(err)
	}
	zone := func(o *django.ExportOptions) { o.Zone = york }
	h.export(zone)
	h.wantThere(1, map[string]string{"last_login": "2025-11-02 01:30:00.000000"})
	var expires string
	if err := h.db.QueryRowContext(t.Context(), `SELECT CAST(expires_at AS TEXT) FROM token_blacklist_outstandingtoken WHERE jti = 'out'`).Scan(&expires); err != nil {
		t.Fatal(err)
	}
	if got, err := time.Parse("2006-01-02 15:04:05.000000", expires); err != nil || got.Sub(now) < 59*time.Minute || got.Sub(now) > 61*time.Minute {
		t.Errorf("the token expires at %s, now is %v (%v)", expires, now.UTC(), err)
	}
	h.again(zone)
}

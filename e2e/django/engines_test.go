package django

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/latchkey-auth/latchkey/e2e/node"
	"github.com/latchkey-auth/latchkey/internal/auth"
	"github.com/latchkey-auth/latchkey/internal/store/sqlite"
)

// people are written by Django itself: users of each kind, groups, tokens and
// what is easy to lose on the way (times with microseconds, letters of four
// bytes, NULLs).
const writePeople = `
import datetime
from django.contrib.auth.models import Group
from django.utils import timezone
from accounts.models import User
from rest_framework_simplejwt.tokens import RefreshToken
editors = Group.objects.create(name="Editors")
for n in range(1, 1204):
    user = User(email="Person%d@Example.com" % n, first_name="Zoë 🔑", last_name="密码 %d" % n, phone="+%d" % n,
        role=("employee", "client", "manager", "admin")[n % 4], is_active=n % 7 != 0, is_staff=n % 5 == 0,
        password="pbkdf2_sha256$10000$seasalt$xf2EhMzLtR7eFLvcZyEdLjJwaXmmC1D/R7y2kzeiVhA=",
        last_login=None if n % 3 else datetime.datetime(2026, 1, 2, 3, 4, 5, 678000, tzinfo=timezone.utc))
    user.save()
    if n % 10 == 0:
        user.groups.add(editors)
    if n % 4 == 0:
        token = RefreshToken.for_user(user)
        if n % 8 == 0:
            token.blacklist()
User.objects.filter(id=5).delete()
User.objects.update(created_at=datetime.datetime(2025, 6, 7, 8, 9, 10, 123000, tzinfo=timezone.utc))
`

// rules give who is in a group another role.
const groupRules = "[[rule]]\nrole = \"manager\"\ngroup = \"Editors\"\n"

// TestMariaDB imports from MariaDB, and from the dump of the same data: both
// bring the same.
func TestMariaDB(t *testing.T) {
	Python(t)
	app := New(t, MariaDB(t))
	app.Manage(writePeople, "shell")
	dump := filepath.Join(t.TempDir(), "dump.json")
	if err := os.WriteFile(dump, []byte(app.Manage("", "dumpdata")), 0o600); err != nil {
		t.Fatal(err)
	}
	rules := filepath.Join(t.TempDir(), "rules.toml")
	if err := os.WriteFile(rules, []byte(groupRules), 0o600); err != nil {
		t.Fatal(err)
	}
	var all [][]auth.User
	var first *node.Node // what is imported from MariaDB
	for _, source := range []string{app.Database, dump} {
		n := node.New(t)
		if first == nil {
			first = n
		}
		r := importFrom(t, n, source, "--rules", rules)
		if r.Inserted != 1202 || r.Blacklisted != 150 || r.Outstanding != 150 || len(r.Problems) > 0 {
			t.Errorf("%s: %+v", source, r)
		}
		s, err := sqlite.Open(t.Context(), sqlite.Options{Path: filepath.Join(n.Data, sqlite.FileName)})
		if err != nil {
			t.Fatal(err)
		}
		users, err := s.Read().Users(t.Context(), auth.UserFilter{Limit: 5000})
		s.Close()
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, users)
	}
	if len(all[0]) != len(all[1]) {
		t.Fatalf("MariaDB has %d users, the dump %d", len(all[0]), len(all[1]))
	}
	for i, u := range all[0] {
		v := all[1][i]
		// dumpdata writes milliseconds.
		if u.UpdatedAt.Sub(v.UpdatedAt).Abs().Milliseconds() > 1 {
			t.Errorf("user %d was updated at %v, by the dump %v", u.ID, u.UpdatedAt, v.UpdatedAt)
		}
		v.UpdatedAt, v.Gen, v.ValidAfter = u.UpdatedAt, u.Gen, u.ValidAfter
		if u != v {
			t.Errorf("MariaDB has %+v, the dump %+v", u, v)
		}
		n := u.ID
		want := []auth.Role{"employee", "client", "manager", "admin"}[n%4]
		if n%10 == 0 {
			want = auth.RoleManager
		}
		if u.Role != want || u.IsActive != (n%7 != 0) || u.FirstName != "Zoë 🔑" || !strings.HasPrefix(u.LastName, "密码 ") ||
			u.CreatedAt.Format("2006-01-02T15:04:05.000000Z07:00") != "2025-06-07T08:09:10.123000Z" || u.LastLogin.IsZero() != (n%3 != 0) {
			t.Errorf("user %d: %+v", n, u)
		}
	}
	backToMariaDB(t, app, first, rules)
}

// backToMariaDB exports what has changed since, and asks Django about it.
func backToMariaDB(t *testing.T, app *App, n *node.Node, rules string) {
	const password = "correct horse battery staple 42"
	for _, args := range [][]string{
		{"user", "create", "New@example.com", "--first-name", "Neu 🔑", "--role", "manager", "--password-stdin"},
		{"user", "set-password", "person2@example.com", "--password-stdin"},
		{"user", "set-role", "person4@example.com", "manager"},
		{"user", "deactivate", "person6@example.com"},
		{"user", "delete", "--yes", "person8@example.com"},
	} {
		if out, err := n.CLI(t, password, args...); err != nil {
			t.Fatalf("%v: %v\n%s", args, err, out)
		}
	}
	r := exportTo(t, n, app.Database, "--rules", rules)
	// Of the dead tokens, that of the deleted user and of the one with a new
	// password are outstanding there; person 8's is blacklisted.
	if r.Inserted != 1 || r.Changed != 3 || r.Deactivated != 1 || r.Problems["deleted"] != 1 || len(r.Problems) > 1 {
		t.Errorf("exported %+v", r)
	}
	if r := exportTo(t, n, app.Database, "--rules", rules); r.wrote() > 0 || r.Unchanged != 1202 {
		t.Errorf("the second export: %+v", r)
	}
	if r := importFrom(t, n, app.Database, "--rules", rules); r.Inserted+r.Changed > 0 || r.Unchanged != 1202 {
		t.Errorf("an import after it: %+v", r)
	}
	out := app.Manage(`
from accounts.models import User
new = User.objects.get(email="New@example.com")
print(new.check_password("`+password+`"), new.first_name, new.role, new.is_active, new.last_login, new.id)
print(User.objects.get(pk=2).check_password("`+password+`"), User.objects.get(pk=4).role, [u.pk for u in User.objects.filter(pk__in=[6, 8], is_active=True)])
print(User.objects.create_user("next@example.com", "x").pk)
`, "shell")
	want := "True Neu 🔑 manager True None 1204\nTrue manager []\n1205\n"
	if out != want {
		t.Errorf("Django says %q, want %q", out, want)
	}
}

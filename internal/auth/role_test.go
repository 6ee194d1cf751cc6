package auth_test

import (
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/latchkey-auth/latchkey/internal/auth"
)

// TestRolePowers holds the table against the sentences that it stands for.
//
// ASVS 8.2.1
func TestRolePowers(t *testing.T) {
	t.Parallel()
	for _, p := range auth.Permissions() {
		if !auth.RoleAdmin.Can(p) {
			t.Errorf("an admin may do everything, but not %s", p)
		}
		for _, whom := range auth.Roles() {
			if p.OfUsers() && !auth.RoleAdmin.CanTo(p, whom) {
				t.Errorf("an admin may do everything, but not %s to a %s", p, whom)
			}
			for _, r := range []auth.Role{auth.RoleEmployee, auth.RoleClient, "", "root"} {
				if r.CanTo(p, whom) || p.OfUsers() && r.Can(p) {
					t.Errorf("a %q has %s towards a %s", r, p, whom)
				}
			}
			looksAfter := whom == auth.RoleEmployee || whom == auth.RoleClient
			want := p.OfUsers() && looksAfter && p != auth.UsersDelete || p == auth.UsersRead
			if got := auth.RoleManager.CanTo(p, whom); got != want {
				t.Errorf("a manager's %s towards a %s: %v, want %v", p, whom, got, want)
			}
		}
	}
	for r, want := range map[auth.Role][]auth.Permission{
		auth.RoleManager: {auth.StatsRead, auth.OwnOthers}, auth.RoleEmployee: {auth.OwnOthers}, auth.RoleClient: nil,
	} {
		for _, p := range auth.Permissions() {
			if !p.OfUsers() && r.Can(p) != slices.Contains(want, p) {
				t.Errorf("a %s has %s: %v", r, p, r.Can(p))
			}
		}
		if r.Limited() != (r == auth.RoleClient) {
			t.Errorf("a %s is limited: %v", r, r.Limited())
		}
	}
	// What a caller does with the answer must not change the table.
	auth.RoleManager.Extent(auth.UsersEdit)[0] = auth.RoleAdmin
	if auth.RoleManager.CanTo(auth.UsersEdit, auth.RoleAdmin) {
		t.Error("the table can be written to")
	}
}

var rewrite = flag.Bool("update", false, "rewrite docs/roles.md")

// TestRolesPage keeps docs/roles.md, which is made from the table.
//
// ASVS 8.1.1
func TestRolesPage(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	b.WriteString(`<!-- Generated from internal/auth/role.go by go test -update; do not edit. -->
# Roles and what they may do

<!-- ASVS 8.1.1 -->
Every user has one of the guide's four roles. What a role may do is one table in the code; this page, the page
*Roles* of the administration and ` + "`GET /api/auth/permissions/`" + ` are made from it.

| permission |`)
	for _, r := range auth.Roles() {
		b.WriteString(" " + string(r) + " |")
	}
	b.WriteString("\n|---|---|---|---|---|\n")
	for _, p := range auth.Permissions() {
		b.WriteString("| `" + string(p) + "` |")
		for _, r := range auth.Roles() {
			switch extent := r.Extent(p); {
			case !r.Can(p):
				b.WriteString(" |")
			case !p.OfUsers():
				b.WriteString(" yes |")
			case len(extent) == len(auth.Roles()):
				b.WriteString(" everybody |")
			default:
				b.WriteString(" ")
				for i, whom := range extent {
					if i > 0 {
						b.WriteString(", ")
					}
					b.WriteString(string(whom))
				}
				b.WriteString(" |")
			}
		}
		b.WriteString("\n")
	}
	b.WriteString(`
A permission that begins with ` + "`users.`" + ` extends to the users of the roles that stand there. To change a role takes
` + "`users.grant`" + ` towards the one before and the one after. A client is marked as limited: it is the role for people from
outside, for whom an API of one's own should open little.

Everybody sees and changes the own profile, password and signed-in devices. What one may not see is 404; what one may not do
is 403. Whether somebody may is asked in the transaction of the act itself, of what they and the account are then: a change
of role or a deactivation holds from the next request on, on every node. The last active administrator cannot be deactivated,
demoted or deleted, by nobody: ` + "`409`" + `.

<!-- ASVS 8.1.2 -->
## Fields

What is sent of a field that one may not change is passed over; there are no others than these. A test asks for each cell.

| field | the owner, in the profile | a manager, of employees and clients | an admin, of everybody |
|---|---|---|---|
| ` + "`id`" + ` | sees | sees | sees |
| ` + "`email`" + ` | sees | changes | changes |
| ` + "`first_name`" + ` | changes | changes | changes |
| ` + "`last_name`" + ` | changes | changes | changes |
| ` + "`phone`" + ` | changes | changes | changes |
| ` + "`role`" + ` | sees | changes | changes |
| ` + "`is_active`" + ` | - | changes | changes |
| ` + "`created_at`" + ` | sees | sees | sees |
| ` + "`updated_at`" + ` | sees | sees | sees |
| ` + "`last_login`" + ` | - | sees | sees |
| ` + "`password`" + ` | - | - | - |

A password is shown to nobody. Its owner changes it with the one before or by a link, nobody else does. What a manager gives
as a role is employee or client. At registration one chooses all that the owner may change, the address, the password, and a
role of ` + "`registration.roles`" + `.
`)
	path := filepath.Join("..", "..", "docs", "roles.md")
	if *rewrite {
		if err := os.WriteFile(path, []byte(b.String()), 0o644); err != nil { //nolint:gosec // A page for everybody.
			t.Fatal(err)
		}
	}
	if have, err := os.ReadFile(path); err != nil || string(have) != b.String() {
		t.Errorf("docs/roles.md is not what the table says: run this test with -update (%v)", err)
	}
}

package auth_test

import (
	"slices"
	"testing"

	"github.com/latchkey-auth/latchkey/internal/auth"
)

// TestRolePowers holds the table against the sentences that it stands for.
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

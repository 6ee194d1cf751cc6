package auth

import "slices"

// Role is what a user may do, one of the guide's four (guide.txt:
// "Role-Based Access").
type Role string

// The roles of the guide.
const (
	RoleAdmin    Role = "admin"
	RoleManager  Role = "manager"
	RoleEmployee Role = "employee"
	RoleClient   Role = "client"
)

// Roles lists every role, in the guide's order.
func Roles() []Role { return []Role{RoleAdmin, RoleManager, RoleEmployee, RoleClient} }

// Valid reports whether r is one of the guide's roles. Comparison is exact,
// as Django's ChoiceField is: "ADMIN" and " admin " are not roles.
func (r Role) Valid() bool { return slices.Contains(Roles(), r) }

// Permission is something that a role may be allowed to do.
type Permission string

// The permissions that exist so far.
const (
	// GrantAnyRole allows the registration of users with any role.
	GrantAnyRole Permission = "grant_any_role"
)

// permissions is the one table of who may do what.
var permissions = map[Role][]Permission{
	RoleAdmin:    {GrantAnyRole},
	RoleManager:  {},
	RoleEmployee: {},
	RoleClient:   {},
}

// Can reports whether r has permission p. An unknown role can do nothing.
func (r Role) Can(p Permission) bool { return slices.Contains(permissions[r], p) }

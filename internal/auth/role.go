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

// The permissions. Those that begin with "users." concern a user and extend to
// users of certain roles; the others concern none.
const (
	// UsersRead shows users, one by one and as a list.
	UsersRead Permission = "users.read"
	// UsersCreate makes accounts.
	UsersCreate Permission = "users.create"
	// UsersEdit changes e-mail address, names and phone number.
	UsersEdit Permission = "users.edit"
	// UsersGrant gives and takes a role: both the one before and the one after
	// must be among the roles that it extends to.
	UsersGrant Permission = "users.grant"
	// UsersDeactivate shuts accounts and opens them again.
	UsersDeactivate Permission = "users.deactivate"
	// UsersLogout ends the sessions of others.
	UsersLogout Permission = "users.logout"
	// UsersReset makes links with which a forgotten password is set anew.
	UsersReset Permission = "users.reset"
	// UsersHistory shows a user's sessions and what happened on the account.
	UsersHistory Permission = "users.history"
	// UsersDelete removes accounts for good.
	UsersDelete Permission = "users.delete"
	// AuditRead shows the audit trail of everybody.
	AuditRead Permission = "audit.read"
	// StatsRead shows how many sign in, fail and register.
	StatsRead Permission = "stats.read"
	// SystemRead shows version, database, keys and the settings in force.
	SystemRead Permission = "system.read"
	// ThrottleLift shows what was tried without success, by account and by
	// address, and lifts the limits.
	ThrottleLift Permission = "throttle.lift"
	// OwnOthers shows, among what happened on one's own account, what others
	// did there.
	OwnOthers Permission = "own.others"
)

// Permissions lists every permission, in the order of the table in the docs.
func Permissions() []Permission {
	return []Permission{
		UsersRead, UsersCreate, UsersEdit, UsersGrant, UsersDeactivate, UsersLogout, UsersReset, UsersHistory,
		UsersDelete, AuditRead, StatsRead, SystemRead, ThrottleLift, OwnOthers,
	}
}

// OfUsers reports whether the permission concerns users, and so extends to
// certain roles of theirs.
func (p Permission) OfUsers() bool { return len(p) > 6 && p[:6] == "users." }

// power is what a role may do.
type power struct {
	// users says to users of which roles a permission extends.
	users map[Permission][]Role
	// others are the permissions that concern no user.
	others []Permission
	// limited marks a role for the team's own API: it opens what is meant for
	// people from outside. Latchkey itself asks only for permissions.
	limited bool
}

// everybody and below are what the table's permissions extend to.
var (
	everybody = Roles()
	below     = []Role{RoleEmployee, RoleClient} // those that a manager looks after
)

// powers is the one table of who may do what. The docs, the UI and the answers
// of the API are made from it.
var powers = map[Role]power{
	RoleAdmin: {
		users: map[Permission][]Role{
			UsersRead: everybody, UsersCreate: everybody, UsersEdit: everybody, UsersGrant: everybody,
			UsersDeactivate: everybody, UsersLogout: everybody, UsersReset: everybody, UsersHistory: everybody,
			UsersDelete: everybody,
		},
		others: []Permission{AuditRead, StatsRead, SystemRead, ThrottleLift, OwnOthers},
	},
	RoleManager: {
		users: map[Permission][]Role{
			UsersRead: everybody, UsersCreate: below, UsersEdit: below, UsersGrant: below,
			UsersDeactivate: below, UsersLogout: below, UsersReset: below, UsersHistory: below,
		},
		others: []Permission{StatsRead, OwnOthers},
	},
	RoleEmployee: {others: []Permission{OwnOthers}},
	RoleClient:   {limited: true},
}

// Can reports whether r has permission p at all. An unknown role can do
// nothing.
func (r Role) Can(p Permission) bool {
	return len(powers[r].users[p]) > 0 || slices.Contains(powers[r].others, p)
}

// CanTo reports whether r has permission p towards a user of role whom.
func (r Role) CanTo(p Permission, whom Role) bool { return slices.Contains(powers[r].users[p], whom) }

// Extent gives the roles of the users that r's permission p extends to, nil for
// one that r lacks or that concerns no user.
func (r Role) Extent(p Permission) []Role { return slices.Clone(powers[r].users[p]) }

// Administers reports whether the role has power over other accounts. To give it
// takes a fresh proof of one's own password.
func (r Role) Administers() bool { return len(powers[r].users) > 0 }

// Limited reports whether the role is meant for people from outside, for whom
// the team's own API should open little.
func (r Role) Limited() bool { return powers[r].limited }

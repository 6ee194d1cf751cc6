package django

import (
	"errors"
	"slices"

	"github.com/latchkey-auth/latchkey/internal/auth"
)

// giving is how a user there is made to have a role by the rules: what is set of
// columns, and the groups that they join and leave.
type giving struct {
	columns          map[string]string
	staff, superuser *bool
	join, leave      []string
}

var errNoWay = errors.New("no column, group or flag there makes the rules give it")

// giver goes the rules the other way.
type giver struct {
	rules   Rules
	mapping Mapping
	// groups are the names of those that there are.
	groups map[string]bool
	// spelling is how roles are spelled in the column that is mapped to role.
	spelling map[auth.Role]string
}

// state is what would be of a user; fixed is what a way has decided on.
type state struct {
	facts
	set   map[string]string
	fixed map[string]bool
}

const (
	fixedSuperuser = "\x00superuser"
	fixedStaff     = "\x00staff"
	fixedGroup     = "\x00group "
)

func newState(f facts) *state {
	s := &state{facts: f, set: map[string]string{}, fixed: map[string]bool{}}
	s.groups = slices.Clone(f.groups)
	was := f.column
	s.column = func(c string) any {
		if v, ok := s.set[c]; ok {
			return v
		}
		return was(c)
	}
	return s
}

func (s *state) assign(m Mapping, column, value string) {
	s.set[column], s.fixed[column] = value, true
	if column == m.Columns[FieldRole] {
		s.role, s.nullsRole = value, value == ""
	}
}

// give finds what makes the rules give a role to a user of whom these facts are
// true. The ways are tried in this order: the role's column, nothing if the user
// has the role already, a rule that names it, the flags of the built-in rules,
// nothing but what must not be. A way is good if the rules say so afterwards.
// Flags that went with a greater role are taken away with it.
func (g giver) give(f facts, want auth.Role) (giving, error) {
	before, _ := g.rules.role(f)
	var ways []func(*state) bool
	if c := g.mapping.Columns[FieldRole]; c != "" {
		ways = append(ways, func(s *state) bool {
			value, ok := g.spelling[want]
			if !ok {
				value = string(want)
			}
			s.assign(g.mapping, c, value)
			return true
		})
	}
	ways = append(ways, func(*state) bool { return before == want })
	for _, rule := range g.rules.Rules {
		if rule.Role == want {
			ways = append(ways, func(s *state) bool { return g.fulfil(s, rule) })
		}
	}
	ways = append(ways, func(s *state) bool {
		return g.flag(s, fixedSuperuser, want == auth.RoleAdmin) && g.flag(s, fixedStaff, want == auth.RoleAdmin || want == auth.RoleManager)
	}, func(*state) bool { return true })
	for _, way := range ways {
		s := newState(f)
		if !way(s) || !g.settle(s, want) {
			continue
		}
		g.strip(s, before, want)
		return s.difference(f), nil
	}
	return giving{}, errNoWay
}

// settle makes rules that would give another role not fit.
func (g giver) settle(s *state, want auth.Role) bool {
	for range len(g.rules.Rules) + 1 {
		i := slices.IndexFunc(g.rules.Rules, func(r Rule) bool { return r.fits(s.facts) })
		if i < 0 || g.rules.Rules[i].Role == want {
			break
		}
		if !g.falsify(s, g.rules.Rules[i]) {
			return false
		}
	}
	got, err := g.rules.role(s.facts)
	return err == nil && got == want
}

// fulfil makes a rule fit. Of several values the first is taken.
func (g giver) fulfil(s *state, r Rule) bool {
	if r.Column != "" {
		switch {
		case r.Value != nil:
			s.assign(g.mapping, r.Column, *r.Value)
		case len(r.Values) > 0:
			s.assign(g.mapping, r.Column, r.Values[0])
		default:
			return false
		}
	}
	if r.Group != "" {
		if !g.groups[r.Group] {
			return false
		}
		s.fixed[fixedGroup+r.Group] = true
		if !slices.Contains(s.groups, r.Group) {
			s.groups = append(s.groups, r.Group)
		}
	}
	return (r.IsSuperuser == nil || g.flag(s, fixedSuperuser, *r.IsSuperuser)) && (r.IsStaff == nil || g.flag(s, fixedStaff, *r.IsStaff))
}

// flag sets is_superuser or is_staff, if there is one to be set.
func (g giver) flag(s *state, which string, value bool) bool {
	of, column := &s.superuser, g.mapping.Columns[FieldIsSuperuser]
	if which == fixedStaff {
		of, column = &s.staff, g.mapping.Columns[FieldIsStaff]
	}
	if *of != value && (column == "" || s.fixed[which]) {
		return false
	}
	*of, s.fixed[which] = value, true
	return true
}

// falsify makes a rule not fit, by what was not decided on: a group is left
// rather than a flag changed, and no column, whose other values nobody knows.
func (g giver) falsify(s *state, r Rule) bool {
	if r.Group != "" && !s.fixed[fixedGroup+r.Group] {
		s.groups = slices.DeleteFunc(s.groups, func(name string) bool { return name == r.Group })
		return true
	}
	return r.IsSuperuser != nil && !s.fixed[fixedSuperuser] && g.flag(s, fixedSuperuser, !*r.IsSuperuser) ||
		r.IsStaff != nil && !s.fixed[fixedStaff] && g.flag(s, fixedStaff, !*r.IsStaff)
}

// strip takes flags away that went with a greater role, as far as the rules still
// give the wanted one.
func (g giver) strip(s *state, before, want auth.Role) {
	if before == want {
		return
	}
	take := func(of *bool, column string) {
		if !*of || column == "" {
			return
		}
		*of = false
		if got, err := g.rules.role(s.facts); err != nil || got != want {
			*of = true
		}
	}
	if before == auth.RoleAdmin {
		take(&s.superuser, g.mapping.Columns[FieldIsSuperuser])
	}
	if (before == auth.RoleAdmin || before == auth.RoleManager) && want != auth.RoleAdmin && want != auth.RoleManager {
		take(&s.staff, g.mapping.Columns[FieldIsStaff])
	}
}

func (s *state) difference(f facts) giving {
	out := giving{columns: s.set}
	if s.staff != f.staff {
		out.staff = &s.staff
	}
	if s.superuser != f.superuser {
		out.superuser = &s.superuser
	}
	for _, name := range s.groups {
		if !slices.Contains(f.groups, name) {
			out.join = append(out.join, name)
		}
	}
	for _, name := range f.groups {
		if !slices.Contains(s.groups, name) {
			out.leave = append(out.leave, name)
		}
	}
	return out
}

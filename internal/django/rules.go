package django

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/pelletier/go-toml/v2"

	"github.com/latchkey-auth/latchkey/internal/auth"
	"github.com/latchkey-auth/latchkey/internal/store/django"
)

// Rules say which role a user gets. The zero Rules are the built-in ones: the
// column that is mapped to role if it holds one of the four; else superusers
// are admins, staff are managers, and everybody else is an employee.
type Rules struct {
	// Default is whom no rule fits; "" leaves them to the built-in rules.
	Default auth.Role `toml:"default"`
	// Rules are looked at in their order: the first that fits decides.
	Rules []Rule `toml:"rule"`
}

// Rule fits a user of whom all that it names is true.
type Rule struct {
	Role auth.Role `toml:"role"`
	// Column and Value (or one of Values): the column holds this text.
	Column string   `toml:"column"`
	Value  *string  `toml:"value"`
	Values []string `toml:"values"`
	// Group is the name of one of their groups.
	Group       string `toml:"group"`
	IsSuperuser *bool  `toml:"is_superuser"`
	IsStaff     *bool  `toml:"is_staff"`
}

// ParseRules reads a rule file.
func ParseRules(data []byte) (Rules, error) {
	var r Rules
	d := toml.NewDecoder(bytes.NewReader(data)).DisallowUnknownFields()
	if err := d.Decode(&r); err != nil {
		var strict *toml.StrictMissingError
		if errors.As(err, &strict) && len(strict.Errors) > 0 {
			row, _ := strict.Errors[0].Position()
			return Rules{}, fmt.Errorf("line %d: there is no %s here", row, strings.Join(strict.Errors[0].Key(), "."))
		}
		var de *toml.DecodeError
		if errors.As(err, &de) {
			row, _ := de.Position()
			return Rules{}, fmt.Errorf("line %d: %w", row, de)
		}
		return Rules{}, err //nolint:wrapcheck // The caller names the file.
	}
	if r.Default != "" && !r.Default.Valid() {
		return Rules{}, fmt.Errorf("default: %q is no role: admin, manager, employee, client", r.Default)
	}
	for i, rule := range r.Rules {
		fail := func(format string, args ...any) (Rules, error) {
			return Rules{}, fmt.Errorf("rule %d: %s", i+1, fmt.Sprintf(format, args...))
		}
		switch {
		case !rule.Role.Valid():
			return fail("%q is no role: admin, manager, employee, client", rule.Role)
		case rule.Column == "" && (rule.Value != nil || rule.Values != nil):
			return fail("value needs a column")
		case rule.Column != "" && (rule.Value == nil) == (rule.Values == nil):
			return fail("column needs a value, or values")
		case rule.Column == "" && rule.Group == "" && rule.IsSuperuser == nil && rule.IsStaff == nil:
			return fail("it names nothing that must be true: column, group, is_superuser or is_staff; for everybody else there is default")
		}
	}
	return r, nil
}

// columns are those that rules look at.
func (r Rules) columns() []string {
	var all []string
	for _, rule := range r.Rules {
		if rule.Column != "" && !slices.Contains(all, rule.Column) {
			all = append(all, rule.Column)
		}
	}
	return all
}

// check holds the rules against the tables.
func (r Rules) check(m Mapping) error {
	for _, c := range r.columns() {
		if !m.Table.Has(c) {
			return fmt.Errorf("the rules look at the column %s, which the table %s does not have", c, m.Table.Name)
		}
	}
	for i, rule := range r.Rules {
		switch {
		case rule.Group != "" && !m.Groups:
			return fmt.Errorf("rule %d looks at groups, of which the source has none", i+1)
		case rule.IsSuperuser != nil && m.Columns[FieldIsSuperuser] == "":
			return fmt.Errorf("rule %d looks at is_superuser, which the table %s does not have", i+1, m.Table.Name)
		case rule.IsStaff != nil && m.Columns[FieldIsStaff] == "":
			return fmt.Errorf("rule %d looks at is_staff, which the table %s does not have", i+1, m.Table.Name)
		}
	}
	return nil
}

// facts are what rules look at of a user.
type facts struct {
	column             func(string) any
	groups             []string
	superuser, staff   bool
	role               string // of the mapped column
	hasRole, nullsRole bool
}

// role decides, or gives an error that says what no rule knows.
func (r Rules) role(f facts) (auth.Role, error) {
	for _, rule := range r.Rules {
		if rule.fits(f) {
			return rule.Role, nil
		}
	}
	if f.hasRole && !f.nullsRole {
		if role := auth.Role(strings.ToLower(strings.TrimSpace(f.role))); role.Valid() {
			return role, nil
		}
		if r.Default == "" {
			return "", fmt.Errorf("no rule knows the role %q: --rules FILE can have one, or a default", shorten(f.role))
		}
	}
	switch {
	case r.Default != "":
		return r.Default, nil
	case f.superuser:
		return auth.RoleAdmin, nil
	case f.staff:
		return auth.RoleManager, nil
	default:
		return auth.RoleEmployee, nil
	}
}

func (r Rule) fits(f facts) bool {
	if r.Column != "" {
		text, ok := django.Text(f.column(r.Column))
		if b, isBool := f.column(r.Column).(bool); isBool {
			text, ok = fmt.Sprint(b), true
		}
		if !ok || (r.Value == nil || *r.Value != text) && !slices.Contains(r.Values, text) {
			return false
		}
	}
	return (r.Group == "" || slices.Contains(f.groups, r.Group)) &&
		(r.IsSuperuser == nil || *r.IsSuperuser == f.superuser) &&
		(r.IsStaff == nil || *r.IsStaff == f.staff)
}

// shorten keeps a foreign text to what a message can hold.
func shorten(s string) string {
	const most = 60
	runes := []rune(s)
	if len(runes) > most {
		return string(runes[:most]) + "…"
	}
	return s
}

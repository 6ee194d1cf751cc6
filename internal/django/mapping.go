package django

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/latchkey-auth/latchkey/internal/store/django"
)

// Field is what is brought of a user.
type Field string

// The fields, as --map names them.
const (
	FieldID          Field = "id"
	FieldEmail       Field = "email"
	FieldPassword    Field = "password"
	FieldFirstName   Field = "first_name"
	FieldLastName    Field = "last_name"
	FieldPhone       Field = "phone"
	FieldRole        Field = "role"
	FieldIsActive    Field = "is_active"
	FieldIsStaff     Field = "is_staff"
	FieldIsSuperuser Field = "is_superuser"
	FieldCreatedAt   Field = "created_at"
	FieldUpdatedAt   Field = "updated_at"
	FieldLastLogin   Field = "last_login"
)

// fields are all of them with the columns that they are looked for in, the
// likeliest first.
var fields = []struct {
	field   Field
	columns []string
}{
	{FieldID, nil}, // the primary key
	{FieldEmail, []string{"email", "email_address", "e_mail", "mail"}},
	{FieldPassword, []string{"password"}},
	{FieldFirstName, []string{"first_name", "firstname", "given_name", "forename", "full_name", "name"}},
	{FieldLastName, []string{"last_name", "lastname", "surname", "family_name"}},
	{FieldPhone, []string{"phone", "phone_number", "mobile", "mobile_number", "telephone", "tel"}},
	{FieldRole, []string{"role", "user_role", "user_type", "account_type"}},
	{FieldIsActive, []string{"is_active", "active"}},
	{FieldIsStaff, []string{"is_staff", "is_admin"}},
	{FieldIsSuperuser, []string{"is_superuser"}},
	{FieldCreatedAt, []string{"created_at", "date_joined", "created", "created_on", "joined_at", "date_created"}},
	{FieldUpdatedAt, []string{"updated_at", "modified_at", "updated", "modified", "last_modified", "date_modified"}},
	{FieldLastLogin, []string{"last_login"}},
}

// Mapping says where users are and which column is which field.
type Mapping struct {
	Table   django.Table
	Columns map[Field]string // a field without a column has no entry
	// Groups says that the memberships of groups can be read.
	Groups bool
	// Why says how the table was found.
	Why string
}

// ErrMapping is what is wrong with the tables, or with --map.
var ErrMapping = errors.New("the users cannot be found")

// mapKeyTable is the key of --map that names the table.
const mapKeyTable = "table"

// NewMapping finds the users. overrides are of the form field=column, and
// table=name; an empty column leaves the field out.
func NewMapping(tables []django.Table, overrides map[string]string) (Mapping, error) {
	var m Mapping
	if err := m.findTable(tables, overrides[mapKeyTable]); err != nil {
		return m, err
	}
	m.Columns = map[Field]string{}
	for _, f := range fields {
		if f.field == FieldID {
			m.Columns[FieldID] = m.Table.Key
			continue
		}
		for _, c := range f.columns {
			if m.Table.Has(c) {
				m.Columns[f.field] = c
				break
			}
		}
	}
	for key, column := range overrides {
		if key == mapKeyTable {
			continue
		}
		field := Field(key)
		if !slices.ContainsFunc(fields, func(f struct {
			field   Field
			columns []string
		},
		) bool {
			return f.field == field
		}) {
			return m, fmt.Errorf("%w: --map: there is no field %s; the fields are %s, and table", ErrMapping, key, fieldNames())
		}
		switch {
		case column == "":
			delete(m.Columns, field)
		case !m.Table.Has(column):
			return m, fmt.Errorf("%w: --map %s=%s: the table %s has no column %s", ErrMapping, key, column, m.Table.Name, column)
		default:
			m.Columns[field] = column
		}
	}
	for _, must := range []Field{FieldID, FieldEmail, FieldPassword} {
		if m.Columns[must] == "" {
			return m, fmt.Errorf("%w: the table %s has no column for %s; --map %s=COLUMN names one", ErrMapping, m.Table.Name, must, must)
		}
	}
	m.Groups = django.HasGroups(tables, m.Table.Name)
	return m, nil
}

func fieldNames() string {
	var all []string
	for _, f := range fields {
		all = append(all, string(f.field))
	}
	return strings.Join(all, ", ")
}

// pointers are tables of Django's own that refer to AUTH_USER_MODEL's.
var pointers = []struct{ table, column string }{
	{django.OutstandingTokens, "user_id"},
	{"django_admin_log", "user_id"},
	{"authtoken_token", "user_id"},
	{"account_emailaddress", "user_id"},
	{"otp_totp_totpdevice", "user_id"},
}

// findTable finds the table of AUTH_USER_MODEL: the one that is named, the one
// that Django's own tables refer to, or the one that has an AbstractBaseUser's
// columns.
func (m *Mapping) findTable(tables []django.Table, named string) error {
	find := func(name string) (django.Table, bool) {
		i := slices.IndexFunc(tables, func(t django.Table) bool { return t.Name == name })
		if i < 0 {
			return django.Table{}, false
		}
		return tables[i], true
	}
	if named != "" {
		t, ok := find(named)
		if !ok {
			return fmt.Errorf("%w: --map table=%s: there is no such table", ErrMapping, named)
		}
		m.Table, m.Why = t, "named by --map"
		return m.keyed()
	}
	for _, p := range pointers {
		from, ok := find(p.table)
		if !ok {
			continue
		}
		if t, ok := find(from.References[p.column]); ok && userShape(t) > 0 {
			m.Table, m.Why = t, p.table+" refers to it"
			return m.keyed()
		}
	}
	best, second := 0, 0
	for _, t := range tables {
		switch n := userShape(t); {
		case n > best:
			best, second = n, best
			m.Table = t
		case n > second:
			second = n
		}
	}
	switch best {
	case 0:
		return fmt.Errorf("%w: no table has the columns of a Django user (password, last_login); --map table=NAME names one", ErrMapping)
	case second:
		return fmt.Errorf("%w: several tables look like Django's users; --map table=NAME says which", ErrMapping)
	}
	m.Why = "it has the columns of a Django user"
	return m.keyed()
}

func (m *Mapping) keyed() error {
	if m.Table.Key == "" {
		return fmt.Errorf("%w: the table %s has no primary key of one column", ErrMapping, m.Table.Name)
	}
	return nil
}

// userShape is 0 for a table that is none of an AbstractBaseUser, and more the
// more of AbstractUser it has.
func userShape(t django.Table) int {
	if !t.Has("password") || !t.Has("last_login") {
		return 0
	}
	n := 1
	for _, c := range []string{"email", "is_active", "is_superuser", "is_staff", "date_joined", "first_name", "created_at", "username"} {
		if t.Has(c) {
			n++
		}
	}
	if t.Name == "auth_user" && n < 100 {
		// A project with a model of its own has no table auth_user.
		n += 10
	}
	return n
}

// query asks for the columns of the fields; place says where each is among them.
func (m Mapping) query(extra []string) (q django.Query, place map[string]int) {
	q.Table = m.Table
	place = map[string]int{}
	add := func(column string) {
		if _, ok := place[column]; !ok && column != "" {
			place[column] = len(q.Columns)
			q.Columns = append(q.Columns, column)
		}
	}
	for _, f := range fields {
		add(m.Columns[f.field])
	}
	for _, c := range extra {
		add(c)
	}
	if m.Groups {
		q.Groups = m.Columns[FieldID]
	}
	return q, place
}

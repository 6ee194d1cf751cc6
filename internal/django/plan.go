package django

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/latchkey-auth/latchkey/internal/auth"
	"github.com/latchkey-auth/latchkey/internal/password"
	"github.com/latchkey-auth/latchkey/internal/store/django"
)

// plan is what an export makes of a user there.
type plan struct {
	here  auth.User
	place int64
	// base is what was noted, if known; next what will be.
	base, next base
	known      bool
	// skip: nothing can be done, and nothing is noted.
	skip, insert bool
	values       []django.Assignment
	join, leave  []string
	// write are the fields that values are of.
	write []int
	// hash is the password that is written, "" for none.
	hash string
	// theirs: something was changed there and not here.
	theirs   bool
	problems []Problem
	noColumn []string
}

// writes reports whether there is something to be written.
func (p *plan) writes() bool { return p.insert || len(p.values)+len(p.join)+len(p.leave) > 0 }

func (p *plan) problem(ex *exporter, class string, fields []string, format string, args ...any) {
	p.problems = append(p.problems, Problem{
		Table: ex.mapping.Table.Name, Row: p.place, UserID: p.here.ID, Email: p.here.Email,
		Class: class, Fields: fields, Text: fmt.Sprintf(format, args...),
	})
}

// set assigns a field's column, if there is one.
func (p *plan) set(m Mapping, f Field, v any) bool {
	c := m.Columns[f]
	if c != "" {
		p.values = append(p.values, django.Assignment{Column: c, Value: v})
	}
	return c != ""
}

// plans decides on users; the rows are those that there are of them.
func (ex *exporter) plans(users []auth.User, bases map[int64]base, rows []django.Row) []plan {
	byID := make(map[int64]*django.Row, len(rows))
	for i := range rows {
		if id, err := ex.id(rows[i]); err == nil {
			byID[id] = &rows[i]
		}
	}
	all := make([]plan, 0, len(users))
	for _, u := range users {
		// As an import reads them.
		u.FirstName, u.LastName, u.Phone = strings.TrimSpace(u.FirstName), strings.TrimSpace(u.LastName), strings.TrimSpace(u.Phone)
		p := plan{here: u}
		p.base, p.known = bases[u.ID]
		p.next = p.base
		if row := byID[u.ID]; row != nil {
			p.place = row.Place
			ex.merge(&p, *row)
		} else {
			ex.introduce(&p)
		}
		all = append(all, p)
	}
	return all
}

// introduce plans a user who is not there.
func (ex *exporter) introduce(p *plan) {
	u := p.here
	if p.known && ex.Missing != MissingInsert {
		p.skip = true
		p.problem(ex, classGone, nil, "the user was there and is not any more: --missing insert would make them anew")
		return
	}
	if other := ex.holder(u.EmailKey, u.ID); other != 0 {
		p.skip = true
		p.problem(ex, classTaken, []string{"email"}, "the e-mail address is that of user %d there", other)
		return
	}
	hash, ok := ex.hash(p)
	if !ok {
		p.skip = true
		return
	}
	g, err := ex.giver.give(ex.blank(), u.Role)
	if err != nil {
		p.skip = true
		p.problem(ex, classRole, nil, "the role %s cannot be given there: %v", u.Role, err)
		return
	}
	p.insert, p.hash = true, hash
	p.write = []int{mergeRole, mergePassword}
	p.next = base{version: u.CredentialVersion}
	m := ex.mapping
	for _, v := range []struct {
		field  Field
		value  any
		merged int
	}{
		{FieldEmail, u.Email, mergeEmail},
		{FieldFirstName, u.FirstName, mergeFirstName},
		{FieldLastName, u.LastName, mergeLastName},
		{FieldPhone, u.Phone, mergePhone},
		{FieldIsActive, u.IsActive, mergeActive},
	} {
		switch {
		case p.set(m, v.field, v.value):
			p.write = append(p.write, v.merged)
		case v.value != "" && v.value != true:
			p.noColumn = append(p.noColumn, string(v.field))
		}
	}
	p.set(m, FieldID, u.ID)
	p.set(m, FieldPassword, hash)
	p.set(m, FieldCreatedAt, u.CreatedAt)
	p.set(m, FieldUpdatedAt, u.UpdatedAt)
	p.set(m, FieldLastLogin, u.LastLogin)
	if !u.IsActive && m.Columns[FieldIsActive] == "" {
		p.problem(ex, classActive, nil, "the user is shut out here, but there is no column for that there")
	}
	// What nobody has given is what the flags begin with.
	superuser, staff := g.superuser != nil && *g.superuser, g.staff != nil && *g.staff
	p.set(m, FieldIsSuperuser, superuser)
	p.set(m, FieldIsStaff, staff)
	if _, given := g.columns[m.Columns[FieldRole]]; !given && m.Table.Column(m.Columns[FieldRole]).Required {
		p.set(m, FieldRole, "")
	}
	for c, v := range g.columns {
		p.values = append(p.values, django.Assignment{Column: c, Value: v})
	}
	p.join = g.join
	if ex.username != "" {
		p.values = append(p.values, django.Assignment{Column: ex.username, Value: u.Email})
	}
	given := func(column string) bool {
		return slices.ContainsFunc(p.values, func(a django.Assignment) bool { return a.Column == column })
	}
	for c, v := range ex.Set {
		if !given(c) {
			p.values = append(p.values, django.Assignment{Column: c, Value: v})
		}
	}
	for _, c := range m.Table.Columns {
		if c.Required && !given(c.Name) {
			if v, ok := ex.filler(c, u); ok {
				p.values = append(p.values, django.Assignment{Column: c.Name, Value: v})
			}
		}
	}
}

// blank are the facts of a row that is not there yet.
func (ex *exporter) blank() facts {
	return facts{
		hasRole: ex.mapping.Columns[FieldRole] != "", nullsRole: true,
		column: func(c string) any {
			if v, ok := ex.Set[c]; ok {
				return v
			}
			return nil
		},
	}
}

// hash is the user's password as it is written there. False where Django cannot
// verify it, and no rule says what then.
func (ex *exporter) hash(p *plan) (string, bool) {
	encoded := p.here.Password
	if ex.verifiable(encoded) {
		return encoded, true
	}
	format := password.Identify(encoded)
	if format == "" {
		format = hashUnknown
	}
	if !ex.Unusable {
		stays := "the user is left out"
		if p.place != 0 {
			stays = "the old password stays good there"
		}
		p.problem(ex, classPassword, []string{"password"},
			"Django there cannot verify the password hash, which is %s: %s; --unknown-hash unusable writes an unusable one", format, stays)
		return "", false
	}
	p.problem(ex, classPassword, []string{"password"}, "Django there cannot verify the password hash, which is %s: the user needs a new password", format)
	return password.MakeUnusable(), true
}

// same reports whether a row that nothing was noted of is the user all the same:
// an export that was broken off has written it.
func (p *plan) same(u user) bool {
	if u.Email.Key != p.here.EmailKey {
		return false
	}
	const rounding = time.Second
	return u.source == p.here.Password || !u.CreatedAt.IsZero() && u.CreatedAt.Sub(p.here.CreatedAt).Abs() < rounding
}

// merge plans a user who is there.
func (ex *exporter) merge(p *plan, row django.Row) {
	u, err := ex.user(row)
	if err != nil {
		p.skip = true
		p.problem(ex, classRow, nil, "the row there cannot be read: %v", err)
		return
	}
	if !p.known && !p.same(u) {
		p.skip = true
		p.problem(ex, classTaken, nil, "its id is that of %s there, whom no import brought", u.Email.Shown)
		return
	}
	ours, theirs := digestsHere(p.here), u.digests()
	var conflicts []string
	for i := range mergePassword {
		switch {
		case ours[i] == theirs[i]:
			p.next.digests[i] = theirs[i]
		case theirs[i] == p.base.digests[i]:
			ex.change(p, i, u, row)
		case ours[i] == p.base.digests[i]:
			p.theirs = true
		default:
			conflicts = append(conflicts, mergeNames[i])
		}
	}
	if ex.mergePassword(p, u, theirs[mergePassword]) {
		conflicts = append(conflicts, mergeNames[mergePassword])
	}
	if len(conflicts) > 0 {
		p.problem(ex, classChanged, conflicts, "changed here and there: each stays as it is")
	}
	ex.mergeTimes(p, u, theirs[mergeTimes])
}

// change plans what was changed here only.
func (ex *exporter) change(p *plan, field int, u user, row django.Row) {
	m := ex.mapping
	var ok bool
	switch field {
	case mergeEmail:
		if other := ex.holder(p.here.EmailKey, p.here.ID); other != 0 {
			p.problem(ex, classTaken, []string{"email"}, "the new e-mail address is that of user %d there", other)
			return
		}
		ok = p.set(m, FieldEmail, p.here.Email)
		// Where one signs in with the address, it is the name, too.
		if name, _ := django.Text(ex.column(row, ex.username)); ex.username != "" && name == u.Email.Shown {
			p.values = append(p.values, django.Assignment{Column: ex.username, Value: p.here.Email})
		}
	case mergeFirstName:
		ok = p.set(m, FieldFirstName, p.here.FirstName)
	case mergeLastName:
		ok = p.set(m, FieldLastName, p.here.LastName)
	case mergePhone:
		ok = p.set(m, FieldPhone, p.here.Phone)
	case mergeRole:
		g, err := ex.giver.give(ex.facts(row), p.here.Role)
		if err != nil {
			p.problem(ex, classRole, []string{"role"}, "the role %s cannot be given there: %v", p.here.Role, err)
			return
		}
		for c, v := range g.columns {
			p.values = append(p.values, django.Assignment{Column: c, Value: v})
		}
		if g.superuser != nil {
			p.set(m, FieldIsSuperuser, *g.superuser)
		}
		if g.staff != nil {
			p.set(m, FieldIsStaff, *g.staff)
		}
		p.join, p.leave, ok = g.join, g.leave, true
	case mergeActive:
		if ok = p.set(m, FieldIsActive, p.here.IsActive); !ok {
			p.problem(ex, classActive, nil, "the user is shut out here, but there is no column for that there")
		}
	}
	if ok {
		p.write = append(p.write, field)
	} else {
		p.noColumn = append(p.noColumn, mergeNames[field])
	}
}

// mergePassword plans the password; true for one that was changed on both sides.
// A hash that a login has upgraded here is written like a new one, but is no
// change of the password: a change there goes before it.
func (ex *exporter) mergePassword(p *plan, u user, theirs digest) (conflict bool) {
	here := p.here
	if u.source == here.Password {
		p.next.digests[mergePassword], p.next.version = theirs, here.CredentialVersion
		return false
	}
	changed := here.CredentialVersion != p.base.version
	upgraded := digestOf(mergePassword, here.Password) != p.base.digests[mergePassword]
	unusable := password.Identify(here.Password) == password.Unusable
	switch {
	case !changed && (!upgraded || unusable):
		// As it was brought, or brought without what could not be verified here.
		p.theirs = p.theirs || theirs != p.base.digests[mergePassword]
		return false
	case theirs != p.base.digests[mergePassword]:
		p.theirs = p.theirs || !changed
		return changed
	case !ex.verifiable(here.Password) && password.Identify(u.source) == password.Unusable && ex.Unusable:
		// Said at the export that made it so.
		p.next.version = here.CredentialVersion
		return false
	}
	hash, ok := ex.hash(p)
	if !ok {
		return false
	}
	p.hash = hash
	p.set(ex.mapping, FieldPassword, hash)
	p.write = append(p.write, mergePassword)
	p.next.version = here.CredentialVersion
	return false
}

// mergeTimes plans times, which only move forward. Less than a second is what
// databases round.
func (ex *exporter) mergeTimes(p *plan, u user, theirs digest) {
	later := func(here, there time.Time) bool { return ex.onTheWall(here).Sub(there) >= time.Second }
	set := false
	if later(p.here.LastLogin, u.LastLogin) {
		set = p.set(ex.mapping, FieldLastLogin, p.here.LastLogin)
	}
	if later(p.here.UpdatedAt, u.UpdatedAt) && ex.mapping.Columns[FieldUpdatedAt] != "" {
		set = p.set(ex.mapping, FieldUpdatedAt, p.here.UpdatedAt) || set
	}
	switch {
	case p.known && theirs != p.base.digests[mergeTimes]:
		// Changed there, which the next import will see.
	case set:
		p.write = append(p.write, mergeTimes)
	default:
		p.next.digests[mergeTimes] = theirs
	}
}

// onTheWall is a time as it reads where only the clock on the wall is written
// down: an hour of the autumn is there twice, and must not be written for ever.
func (ex *exporter) onTheWall(t time.Time) time.Time {
	t = t.In(ex.zone)
	return time.Date(t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), ex.zone)
}

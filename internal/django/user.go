package django

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/latchkey-auth/latchkey/internal/auth"
	"github.com/latchkey-auth/latchkey/internal/password"
	"github.com/latchkey-auth/latchkey/internal/store/django"
)

const (
	// maxID is the largest id that is taken over: JavaScript's numbers are exact
	// up to 2^53, and there must be room for those who register later.
	maxID = 1 << 52
	// maxText is the longest name or phone number in characters.
	maxText = 255
)

// user is a row of the source, ready to be stored.
type user struct {
	auth.ImportedUser
	place int64
	// hashClass is what the password was: see hashClass.
	hashClass string
	// source is the hash as it is there; Password may be an unusable one in its
	// place.
	source string
}

// Classes of rows that cannot be taken over, beside those of hashes.
const (
	classRow      = "row"       // it cannot be read at all
	classID       = "id"        // no id that can be kept
	classDouble   = "double_id" // an id that was there before
	classEmail    = "email"
	classText     = "text"
	classRole     = "role"
	classTime     = "time"
	classPassword = "password"
	classTwins    = "twins"   // e-mail addresses that differ only in case
	classTaken    = "taken"   // the id or the address is somebody's here
	classChanged  = "changed" // changed there and here
	classDeleted  = "deleted" // deleted here
	classAdmin    = "admin"   // the last active administrator
	classToken    = "token"   // a refresh token
	classFactor   = "factor"  // a second factor
	classStore    = "store"   // the database refused it
	classActive   = "active"  // is_active is no truth value
	classGone     = "gone"    // not in the source any more
	classKeptHere = "kept"    // changed here only; no problem
)

// rowError is why a row is not taken over.
type rowError struct {
	class string
	err   error
}

func (e *rowError) Error() string { return e.err.Error() }
func (e *rowError) Unwrap() error { return e.err }

func refuse(class, format string, args ...any) error {
	return &rowError{class, fmt.Errorf(format, args...)}
}

// reader makes users of rows.
type reader struct {
	mapping Mapping
	rules   Rules
	place   map[string]int
	zone    *time.Location
	// unusable takes a hash that cannot be verified here for none.
	unusable bool
	now      time.Time
}

// column is the value of a column.
func (r *reader) column(row django.Row, column string) any {
	i, ok := r.place[column]
	if !ok || column == "" {
		return nil
	}
	return row.Values[i]
}

func (r *reader) value(row django.Row, f Field) any { return r.column(row, r.mapping.Columns[f]) }

// id gives a row's id, or the error of one that has none.
func (r *reader) id(row django.Row) (int64, error) {
	if row.Err != nil {
		return 0, &rowError{classRow, row.Err}
	}
	id, ok := django.Int(r.value(row, FieldID))
	if !ok || id < 1 || id > maxID {
		return 0, refuse(classID, "its id is no integer from 1 to %d", int64(maxID))
	}
	return id, nil
}

// email reads a row's address.
func (r *reader) email(row django.Row) (auth.Email, error) {
	text, ok := django.Text(r.value(row, FieldEmail))
	text = strings.TrimSpace(text)
	switch {
	case !ok || text == "":
		return auth.Email{}, refuse(classEmail, "it has no e-mail address")
	case utf8.RuneCountInString(text) > auth.MaxEmail || !auth.ValidEmail(text):
		return auth.Email{}, refuse(classEmail, "its e-mail address is not valid: %q", shorten(text))
	}
	email, ok := auth.ParseEmail(text)
	if !ok {
		return auth.Email{}, refuse(classEmail, "its e-mail address has letters that only look like others: %q", shorten(text))
	}
	return email, nil
}

// user reads a row. The error is a *rowError; then the id is there if it could
// be read.
func (r *reader) user(row django.Row) (user, error) {
	u := user{place: row.Place}
	var err error
	if u.ID, err = r.id(row); err != nil {
		return u, err
	}
	if u.Email, err = r.email(row); err != nil {
		return u, err
	}
	for _, f := range []struct {
		field Field
		to    *string
	}{{FieldFirstName, &u.FirstName}, {FieldLastName, &u.LastName}, {FieldPhone, &u.Phone}} {
		if *f.to, err = r.text(row, f.field); err != nil {
			return u, err
		}
	}
	u.IsActive = true
	if c := r.mapping.Columns[FieldIsActive]; c != "" {
		var ok bool
		if u.IsActive, ok = django.Bool(r.column(row, c)); !ok {
			return u, refuse(classActive, "%s is neither true nor false", c)
		}
	}
	if u.Role, err = r.role(row); err != nil {
		return u, err
	}
	if err := r.times(row, &u); err != nil {
		return u, err
	}
	return u, r.password(row, &u)
}

func (r *reader) text(row django.Row, f Field) (string, error) {
	v := r.value(row, f)
	if v == nil {
		return "", nil
	}
	text, ok := django.Text(v)
	switch {
	case !ok:
		return "", refuse(classText, "%s is no text in UTF-8, or far too long", f)
	case strings.ContainsRune(text, 0):
		return "", refuse(classText, "%s has a NUL in it", f)
	case utf8.RuneCountInString(text) > maxText:
		return "", refuse(classText, "%s is longer than %d characters", f, maxText)
	}
	return strings.TrimSpace(text), nil
}

// facts are what rules look at of a row.
func (r *reader) facts(row django.Row) facts {
	f := facts{column: func(c string) any { return r.column(row, c) }, groups: row.Groups}
	f.superuser, _ = django.Bool(r.value(row, FieldIsSuperuser))
	f.staff, _ = django.Bool(r.value(row, FieldIsStaff))
	if c := r.mapping.Columns[FieldRole]; c != "" {
		v := r.column(row, c)
		f.hasRole, f.nullsRole = true, v == nil
		f.role, _ = django.Text(v)
		f.nullsRole = f.nullsRole || f.role == ""
	}
	return f
}

func (r *reader) role(row django.Row) (auth.Role, error) {
	role, err := r.rules.role(r.facts(row))
	if err != nil {
		return "", &rowError{classRole, err}
	}
	return role, nil
}

func (r *reader) times(row django.Row, u *user) error {
	for _, f := range []struct {
		field Field
		to    *time.Time
	}{{FieldCreatedAt, &u.CreatedAt}, {FieldUpdatedAt, &u.UpdatedAt}, {FieldLastLogin, &u.LastLogin}} {
		var ok bool
		if *f.to, ok = django.Time(r.value(row, f.field), r.zone); !ok {
			return refuse(classTime, "%s is no time", f.field)
		}
		if f.to.After(r.now.Add(24 * time.Hour)) {
			return refuse(classTime, "%s lies in the future", f.field)
		}
	}
	return nil
}

// Classes of hashes beside the formats of package password.
const (
	hashEmpty     = "empty"
	hashUnknown   = "unknown"
	hashMalformed = "malformed"
	hashCostly    = "too_costly"
)

// hashClass says what an encoded hash is: its format if it can be verified here.
func hashClass(encoded string) string {
	if encoded == "" {
		return hashEmpty
	}
	err := password.Check(encoded)
	switch {
	case err == nil:
		return password.Identify(encoded)
	case errors.Is(err, password.ErrTooCostly):
		return hashCostly
	case errors.Is(err, password.ErrMalformed):
		return hashMalformed
	default:
		return hashUnknown
	}
}

func (r *reader) password(row django.Row, u *user) error {
	encoded, ok := django.Text(r.value(row, FieldPassword))
	if strings.ContainsRune(encoded, 0) || len(encoded) > 512 {
		ok = false
	}
	u.source, u.Password = encoded, encoded
	u.hashClass = hashMalformed
	if ok {
		u.hashClass = hashClass(encoded)
	}
	if !ok && r.value(row, FieldPassword) == nil {
		u.hashClass = hashEmpty
	}
	switch u.hashClass {
	case hashEmpty:
		// Django lets nobody in with it.
		u.Password = password.MakeUnusable()
	case hashUnknown, hashMalformed, hashCostly:
		if !r.unusable {
			return refuse(classPassword, "its password hash is %s: --unknown-hash unusable takes the user over without it",
				strings.ReplaceAll(u.hashClass, "_", " "))
		}
		u.Password = password.MakeUnusable()
	}
	return nil
}

// The fields that are merged, in the order of a base.
const (
	mergeEmail = iota
	mergeFirstName
	mergeLastName
	mergePhone
	mergeRole
	mergeActive
	mergePassword
	mergeTimes
	merged
)

var mergeNames = [merged]string{"email", "first_name", "last_name", "phone", "role", "is_active", "password", "times"}

// digest is 8 bytes of SHA-256: enough to tell that a field is not what it was.
type digest [8]byte

func digestOf(field int, value string) (d digest) {
	sum := sha256.Sum256(append([]byte{byte(field)}, value...))
	copy(d[:], sum[:])
	return d
}

// base is what an import noted of a user: a digest for each field, and the
// credential version that the user had then. By that it is told whether the
// password was changed here; its hash may change at any login.
type base struct {
	digests [merged]digest
	version int64
}

const baseVersion = 1

func (b base) bytes() []byte {
	out := make([]byte, 0, 1+8*merged+8)
	out = append(out, baseVersion)
	for _, d := range b.digests {
		out = append(out, d[:]...)
	}
	return binary.BigEndian.AppendUint64(out, uint64(b.version)) //nolint:gosec // There and back.
}

func parseBase(raw []byte) (b base, ok bool) {
	if len(raw) != 1+8*merged+8 || raw[0] != baseVersion {
		return base{}, false
	}
	raw = raw[1:]
	for i := range b.digests {
		copy(b.digests[i][:], raw[8*i:])
	}
	b.version = int64(binary.BigEndian.Uint64(raw[8*merged:])) //nolint:gosec // There and back.
	return b, true
}

// digests are those of a user of the source.
func (u user) digests() [merged]digest {
	d := fieldsOf(u.Email.Shown, u.FirstName, u.LastName, u.Phone, u.Role, u.IsActive)
	d[mergePassword] = digestOf(mergePassword, u.source)
	var times []byte
	for _, t := range []time.Time{u.CreatedAt, u.UpdatedAt, u.LastLogin} {
		times = append(strconv.AppendInt(times, t.UnixMicro(), 10), ' ')
	}
	d[mergeTimes] = digestOf(mergeTimes, string(times))
	return d
}

// digestsHere are those of a user of ours, but for the password and the times.
func digestsHere(u auth.User) [merged]digest {
	return fieldsOf(u.Email, u.FirstName, u.LastName, u.Phone, u.Role, u.IsActive)
}

func fieldsOf(email, first, last, phone string, role auth.Role, active bool) (d [merged]digest) {
	for i, v := range []string{email, first, last, phone, string(role), strconv.FormatBool(active)} {
		d[i] = digestOf(i, v)
	}
	return d
}

// stored fills in what the source does not tell.
func (u user) stored(now time.Time) auth.ImportedUser {
	s := u.ImportedUser
	if s.CreatedAt.IsZero() {
		s.CreatedAt = now
	}
	if s.UpdatedAt.IsZero() {
		s.UpdatedAt = s.CreatedAt
	}
	s.Base = base{digests: u.digests(), version: 1}.bytes()
	return s
}

// sortedByID gives users in the order in which their rows are locked.
func sortedByID(users []user) {
	slices.SortFunc(users, func(a, b user) int {
		switch {
		case a.ID < b.ID:
			return -1
		case a.ID > b.ID:
			return 1
		default:
			return 0
		}
	})
}

// TakenOver is the base of a user whom the Django itself has told of (a login
// there), and not its database: which hash it has for them is not known, so that
// the next import takes that.
func TakenOver(u auth.ImportedUser) []byte {
	return base{digests: fieldsOf(u.Email.Shown, u.FirstName, u.LastName, u.Phone, u.Role, u.IsActive), version: 1}.bytes()
}

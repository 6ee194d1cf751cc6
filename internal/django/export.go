package django

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/latchkey-auth/latchkey/internal/auth"
	"github.com/latchkey-auth/latchkey/internal/password"
	"github.com/latchkey-auth/latchkey/internal/store/django"
)

// Missing is what becomes of users who were in Django at the last import or
// export, and are not there any more.
type Missing string

// The ways to deal with them.
const (
	// MissingCautious leaves them, but refuses if they are more than a twentieth
	// of all and more than 20: then it is more likely another database.
	MissingCautious Missing = ""
	MissingLeave    Missing = "leave"
	// MissingInsert makes them anew: for a Django that was put back from a
	// backup, or an empty one.
	MissingInsert Missing = "insert"
)

// ExportOptions are the settings of an export.
type ExportOptions struct {
	Target django.Target
	Store  auth.Store
	// Map, Rules and Zone are those of the import.
	Map   map[string]string
	Rules Rules
	Zone  *time.Location
	// Set gives columns that are no field a value in new rows.
	Set map[string]string
	// Hashes are the formats that Django there verifies, by their names in
	// package password.
	Hashes []string
	// Unusable writes an unusable password where Django cannot verify the hash.
	Unusable bool
	Missing  Missing
	// Refresh and Leeway are SimpleJWT's there: REFRESH_TOKEN_LIFETIME, by which
	// it is told when a token of Django's was issued, and LEEWAY. Without Refresh
	// all tokens of a user whose tokens were once ended are taken for dead.
	Refresh, Leeway time.Duration
	// DryRun only tells what an export would do.
	DryRun   bool
	Problem  func(Problem)
	Progress func(Progress)
	Now      func() time.Time
}

// ExportReport is what became of an export.
type ExportReport struct {
	Target string `json:"target"`
	Engine string `json:"engine"`
	DryRun bool   `json:"dry_run,omitempty"`
	// Last is when the last export to this target began.
	Last          *time.Time `json:"last_export,omitempty"`
	LastBrokenOff bool       `json:"last_export_broken_off,omitempty"`

	Table   string           `json:"table"`
	Why     string           `json:"table_found_by"`
	Columns map[Field]string `json:"columns"`
	// Empty are columns that have no value in a new row but an empty one.
	Empty []string `json:"columns_left_empty"`

	// There are the users of the target before, Read those of Latchkey.
	There       int64 `json:"users_there"`
	Read        int64 `json:"users_read"`
	Inserted    int64 `json:"users_new"`
	Changed     int64 `json:"users_changed"`
	Unchanged   int64 `json:"users_unchanged"`
	Deactivated int64 `json:"users_deleted_here"`
	// Theirs counts users of whom something was changed there since, which stays.
	Theirs int64 `json:"users_changed_there"`
	Gone   int64 `json:"users_missing_there"`
	// Hashes counts those that were written, by format, HashesThere those that
	// there were.
	Hashes      map[string]int64 `json:"hashes_written"`
	HashesThere map[string]int64 `json:"hashes_there"`
	// NoColumn counts, by field, what has no column there to be written to.
	NoColumn map[string]int64 `json:"fields_without_column"`
	// NoSequence: ids of users who were deleted here may be given again there.
	NoSequence bool `json:"no_sequence,omitempty"`

	HasTokens bool `json:"token_tables"`
	// Dead are refresh tokens that must not work there, Blacklisted those of them
	// that could have.
	Dead        int64 `json:"tokens_dead"`
	Blacklisted int64 `json:"tokens_blacklisted"`

	Problems map[string]int64 `json:"problems"`
	Seconds  float64          `json:"seconds"`
}

// exporter is one run.
type exporter struct {
	ExportOptions
	reader
	giver  giver
	q      django.Query
	report *ExportReport
	// username is a column of that name that is no field.
	username string
	started  time.Time
	// ids are those of the target in order, addresses in order of their hash.
	ids       []int64
	addresses []address
	// inserted are ids that were not there, in order.
	inserted []int64
	trouble  int
}

// Export writes into Django's database what has changed here since the last
// import or export, or everything. It may be broken off at any time and run
// again. Nothing is written before the tables have been recognised.
//
// Each user is merged by what the last import or export noted (base), field by
// field: changed here only, it is written; changed there only, it is for the next
// import; changed on both sides, it stays on both, and is told.
func Export(ctx context.Context, o ExportOptions) (*ExportReport, error) {
	ex, err := prepareExport(ctx, o)
	if err != nil {
		return nil, err
	}
	for _, step := range []func(context.Context) error{ex.survey, ex.missing, ex.begin, ex.users, ex.deleted, ex.tokens, ex.end} {
		if err := step(ctx); err != nil {
			return ex.report, err
		}
	}
	return ex.report, nil
}

// exportName is under what a run is noted.
func (ex *exporter) exportName() string { return "export to " + ex.Target.Name() }

func prepareExport(ctx context.Context, o ExportOptions) (*exporter, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Zone == nil {
		o.Zone = time.UTC
	}
	now := o.Now().UTC()
	ex := &exporter{
		ExportOptions: o, started: now,
		// A hash that is unknown here is a hash like any other to be compared.
		reader: reader{rules: o.Rules, zone: o.Zone, unusable: true, now: now},
		report: &ExportReport{
			Target: o.Target.Name(), Engine: o.Target.Engine(), DryRun: o.DryRun,
			Hashes: map[string]int64{}, HashesThere: map[string]int64{}, NoColumn: map[string]int64{}, Problems: map[string]int64{}, Empty: []string{},
		},
	}
	tables, err := o.Target.Tables(ctx)
	if err != nil {
		return nil, fmt.Errorf("look at the target: %w", err)
	}
	if err := ex.recognise(tables); err != nil {
		return nil, err
	}
	if err := ex.readGroups(ctx, tables); err != nil {
		return nil, err
	}
	if ex.report.There, err = o.Target.Count(ctx, ex.mapping.Table.Name); err != nil {
		return nil, err //nolint:wrapcheck // It says what it is.
	}
	return ex, ex.lastRun(ctx)
}

// tokenColumns are those of SimpleJWT's tables that are written to.
var tokenColumns = map[string][]string{
	django.OutstandingTokens: {"id", "jti", "token", "created_at", "expires_at", "user_id"},
	django.BlacklistedTokens: {"id", "token_id", "blacklisted_at"},
}

// recognise finds the tables, and refuses a database that is not a Django's or
// lacks what has to be written.
func (ex *exporter) recognise(tables []django.Table) error {
	has := func(name string) bool {
		return slices.ContainsFunc(tables, func(t django.Table) bool { return t.Name == name })
	}
	if !has(django.Migrations) {
		return fmt.Errorf("%w: there is no table %s, which every Django has: this is another database", ErrMapping, django.Migrations)
	}
	var err error
	if ex.mapping, err = NewMapping(tables, ex.Map); err != nil {
		return err
	}
	m := ex.mapping
	if err := ex.Rules.check(m); err != nil {
		return fmt.Errorf("%w: %w", ErrMapping, err)
	}
	if _, said := ex.Map[string(FieldIsActive)]; m.Columns[FieldIsActive] == "" && !said {
		return fmt.Errorf("%w: the table %s has no column is_active, so that nobody could be shut out there; --map is_active=COLUMN names one, --map is_active= does without",
			ErrMapping, m.Table.Name)
	}
	for _, t := range tables {
		for _, c := range tokenColumns[t.Name] {
			if !t.Has(c) {
				return fmt.Errorf("%w: the table %s has no column %s, which SimpleJWT 5 has: run Django's migrations first", ErrMapping, t.Name, c)
			}
		}
	}
	ex.report.HasTokens = has(django.OutstandingTokens) && has(django.BlacklistedTokens)
	ex.report.Table, ex.report.Why, ex.report.Columns = m.Table.Name, m.Why, m.Columns
	const username = "username"
	extra := ex.Rules.columns()
	if m.Table.Has(username) && !slices.Contains(valuesOf(m.Columns), username) {
		ex.username = username
		extra = append(extra, username)
	}
	ex.q, ex.place = m.query(extra)
	return ex.fillable()
}

// fillable holds the columns that a new row needs against those that get a value.
func (ex *exporter) fillable() error {
	t := ex.mapping.Table
	for _, c := range slices.Sorted(maps.Keys(ex.Set)) {
		switch {
		case !t.Has(c):
			return fmt.Errorf("%w: --set %s: the table %s has no such column", ErrMapping, c, t.Name)
		case slices.Contains(valuesOf(ex.mapping.Columns), c):
			return fmt.Errorf("%w: --set %s: this column is a field of the user", ErrMapping, c)
		}
	}
	var lacking []string
	for _, c := range t.Columns {
		if _, set := ex.Set[c.Name]; !c.Required || set || c.Name == ex.username || slices.Contains(valuesOf(ex.mapping.Columns), c.Name) {
			continue
		}
		if _, known := ex.filler(c, auth.User{}); !known {
			lacking = append(lacking, c.Name)
		}
	}
	if len(lacking) > 0 {
		return fmt.Errorf("%w: new rows of %s need a value for %s, which is no field here: --set COLUMN=VALUE,… gives them one",
			ErrMapping, t.Name, strings.Join(lacking, ", "))
	}
	return nil
}

// filler is the value of a required column that is no field: Django has no NULL
// for text, and there may be a second flag or time of a kind.
func (ex *exporter) filler(c django.Column, u auth.User) (value any, known bool) {
	for _, f := range fields {
		if !slices.Contains(f.columns, c.Name) {
			continue
		}
		switch f.field {
		case FieldIsStaff, FieldIsSuperuser:
			return false, true
		case FieldIsActive:
			return u.IsActive, true
		case FieldCreatedAt:
			return u.CreatedAt, true
		case FieldUpdatedAt:
			return u.UpdatedAt, true
		default:
		}
	}
	if _, refers := ex.mapping.Table.References[c.Name]; !refers && isText(c.Type) {
		if !slices.Contains(ex.report.Empty, c.Name) {
			ex.report.Empty = append(ex.report.Empty, c.Name)
		}
		return "", true
	}
	return nil, false
}

func isText(typ string) bool {
	typ = strings.ToLower(typ)
	return strings.Contains(typ, "char") || strings.HasSuffix(typ, "text")
}

// readGroups learns which groups there are, and how roles are spelled there.
func (ex *exporter) readGroups(ctx context.Context, tables []django.Table) error {
	ex.giver = giver{rules: ex.Rules, mapping: ex.mapping, groups: map[string]bool{}, spelling: map[auth.Role]string{}}
	if ex.mapping.Groups {
		i := slices.IndexFunc(tables, func(t django.Table) bool { return t.Name == "auth_group" })
		err := ex.Target.Rows(ctx, django.Query{Table: tables[i], Columns: []string{"name"}}, func(page []django.Row) error {
			for _, row := range page {
				if name, ok := django.Text(row.Values[0]); ok {
					ex.giver.groups[name] = true
				}
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("look at the groups: %w", err)
		}
	}
	return nil
}

// spell notes how a row spells its role.
func (ex *exporter) spell(row django.Row) {
	text, ok := django.Text(ex.value(row, FieldRole))
	if role := auth.Role(strings.ToLower(strings.TrimSpace(text))); ok && role.Valid() && ex.giver.spelling[role] == "" {
		ex.giver.spelling[role] = text
	}
}

func (ex *exporter) lastRun(ctx context.Context) error {
	last, err := ex.Store.Read().LastImport(ctx, ex.exportName())
	switch {
	case errors.Is(err, auth.ErrNotFound):
		return nil
	case err != nil:
		return fmt.Errorf("look for the last export: %w", err)
	}
	at := last.StartedAt
	ex.report.Last, ex.report.LastBrokenOff = &at, last.FinishedAt.IsZero()
	return nil
}

func (ex *exporter) progress(step string, done, total int64) {
	if ex.Progress != nil {
		ex.Progress(Progress{step, done, total})
	}
}

func (ex *exporter) problem(p Problem) {
	ex.report.Problems[p.Class]++
	if ex.Problem != nil {
		ex.Problem(p)
	}
}

// survey goes over the ids and addresses of the target once: 24 bytes of each
// user stay in memory.
func (ex *exporter) survey(ctx context.Context) error {
	q := ex.q
	q.Groups = ""
	read := int64(0)
	err := ex.Target.Rows(ctx, q, func(page []django.Row) error {
		for _, row := range page {
			read++
			id, err := ex.id(row)
			if err != nil {
				continue
			}
			ex.ids = append(ex.ids, id)
			ex.spell(row)
			encoded, _ := django.Text(ex.value(row, FieldPassword))
			ex.report.HashesThere[cmp.Or(password.Identify(encoded), hashUnknown)]++
			if email, err := ex.email(row); err == nil {
				ex.addresses = append(ex.addresses, address{hashKey(email.Key), id})
			}
		}
		ex.progress("looking", read, ex.report.There)
		return nil
	})
	if err != nil {
		return fmt.Errorf("look at the users there: %w", err)
	}
	slices.Sort(ex.ids)
	sortAddresses(ex.addresses)
	return nil
}

// there reports whether the target has a user with this id.
func (ex *exporter) there(id int64) bool {
	_, before := slices.BinarySearch(ex.ids, id)
	_, since := slices.BinarySearch(ex.inserted, id)
	return before || since
}

// holder gives somebody else who has an address there, 0 for nobody.
func (ex *exporter) holder(key string, id int64) int64 {
	hash := hashKey(key)
	i, _ := slices.BinarySearchFunc(ex.addresses, hash, func(a address, hash uint64) int {
		switch {
		case a.hash < hash:
			return -1
		case a.hash > hash:
			return 1
		default:
			return 0
		}
	})
	for ; i < len(ex.addresses) && ex.addresses[i].hash == hash; i++ {
		if ex.addresses[i].id != id {
			return ex.addresses[i].id
		}
	}
	return 0
}

// missing counts who was there and is not any more.
func (ex *exporter) missing(ctx context.Context) error {
	all := int64(0)
	for after := int64(0); ; {
		ids, err := ex.Store.Read().ImportedIDs(ctx, after, django.PageRows)
		if err != nil {
			return fmt.Errorf("look for those who are missing there: %w", err)
		}
		for _, id := range ids {
			all++
			after = id
			if !ex.there(id) {
				ex.report.Gone++
			}
		}
		if len(ids) < django.PageRows {
			break
		}
	}
	if n := ex.report.Gone; ex.Missing == MissingCautious && n > 20 && n > all/20 {
		return fmt.Errorf("%w: %d of %d", ErrManyMissing, n, all)
	}
	return nil
}

// ErrManyMissing says that so many users are not in the target that it is likely
// another database.
var ErrManyMissing = errors.New("many users of the last import or export are not there")

// begin sets ids aside that Latchkey has given, to users who have been deleted
// since, too: a token of theirs must not open somebody else's account.
func (ex *exporter) begin(ctx context.Context) error {
	table := ex.mapping.Table
	past, err := ex.Store.Read().LastUserID(ctx)
	if err != nil {
		return err //nolint:wrapcheck // It says what it is.
	}
	switch last, err := ex.Target.LastID(ctx, table); {
	case errors.Is(err, django.ErrNoSequence):
		ex.report.NoSequence = true
	case err != nil:
		return err //nolint:wrapcheck // It says what it is.
	case last < past && !ex.DryRun:
		if err := ex.Target.RaiseID(ctx, table, past); err != nil {
			return err //nolint:wrapcheck // It says what it is.
		}
	}
	if ex.DryRun {
		return nil
	}
	return ex.note(ctx, func(tx auth.Tx) error { return tx.PutImport(ctx, ex.run(time.Time{})) })
}

func (ex *exporter) note(ctx context.Context, fn func(auth.Tx) error) error {
	if err := ex.Store.Update(ctx, fn); err != nil {
		return fmt.Errorf("note what was written: %w", err)
	}
	return nil
}

func (ex *exporter) run(finished time.Time) auth.ImportRun {
	counts, err := json.Marshal(ex.report)
	if err != nil || finished.IsZero() {
		counts = []byte("{}")
	}
	return auth.ImportRun{
		Source: ex.exportName(), StartedAt: ex.started, FinishedAt: finished, Users: ex.report.Read, Counts: string(counts),
	}
}

// end notes the export, in the audit trail too.
func (ex *exporter) end(ctx context.Context) error {
	slices.Sort(ex.report.Empty)
	now := ex.Now()
	ex.report.Seconds = now.Sub(ex.started).Seconds()
	if ex.DryRun {
		return nil
	}
	var problems int64
	for _, n := range ex.report.Problems {
		problems += n
	}
	detail := fmt.Sprintf("new: %d, changed: %d, deactivated: %d, blacklisted tokens: %d, problems: %d",
		ex.report.Inserted, ex.report.Changed, ex.report.Deactivated, ex.report.Blacklisted, problems)
	return ex.note(ctx, func(tx auth.Tx) error {
		if err := tx.PutImport(ctx, ex.run(now)); err != nil {
			return err
		}
		return tx.InsertEvent(ctx, auth.Event{At: now, Kind: auth.EventExported, Count: 1, Detail: detail})
	})
}

// verifiable reports whether Django there can read a hash.
func (ex *exporter) verifiable(encoded string) bool {
	format := password.Identify(encoded)
	return format == password.Unusable || slices.Contains(ex.Hashes, format) && len(encoded) <= maxEncodedThere
}

// maxEncodedThere is what Django's column holds.
const maxEncodedThere = 128

// users is the walk over Latchkey's users.
func (ex *exporter) users(ctx context.Context) error {
	for after := int64(0); ; {
		page, err := ex.Store.Read().Users(ctx, auth.UserFilter{After: after, Limit: batchUsers})
		if err != nil {
			return fmt.Errorf("read the users: %w", err)
		}
		if len(page) == 0 {
			return nil
		}
		after = page[len(page)-1].ID
		if err := ex.batch(ctx, page); err != nil {
			return fmt.Errorf("write users: %w", err)
		}
		ex.report.Read += int64(len(page))
		ex.progress("users", ex.report.Read, ex.report.There)
	}
}

// batch writes what has changed of some users.
func (ex *exporter) batch(ctx context.Context, users []auth.User) error {
	ids := make([]int64, len(users))
	for i, u := range users {
		ids[i] = u.ID
	}
	noted, err := ex.Store.Read().ImportBases(ctx, ids)
	if err != nil {
		return err //nolint:wrapcheck // It says what it is.
	}
	bases := make(map[int64]base, len(noted))
	for _, b := range noted {
		if parsed, ok := parseBase(b.Base); ok {
			bases[b.UserID] = parsed
		}
	}
	rows, err := ex.Target.RowsByID(ctx, ex.q, ids)
	if err != nil {
		return err //nolint:wrapcheck // It says what it is.
	}
	var due, rest []plan
	for _, p := range ex.plans(users, bases, rows) {
		if p.writes() {
			due = append(due, p)
		} else {
			rest = append(rest, p)
		}
	}
	if err := ex.settle(ctx, rest); err != nil || len(due) == 0 {
		return err
	}
	if ex.DryRun {
		return ex.settle(ctx, due)
	}
	return ex.write(ctx, due, bases)
}

// settle tells of plans that are done, and notes them.
func (ex *exporter) settle(ctx context.Context, plans []plan) error {
	var notes []auth.ImportBase
	for _, p := range plans {
		for _, problem := range p.problems {
			ex.problem(problem)
		}
		for _, field := range p.noColumn {
			ex.report.NoColumn[field]++
		}
		if p.theirs {
			ex.report.Theirs++
		}
		switch {
		case p.skip:
			continue
		case p.insert:
			ex.report.Inserted++
			ex.inserted = append(ex.inserted, p.here.ID)
		case p.writes():
			ex.report.Changed++
		default:
			ex.report.Unchanged++
		}
		if p.hash != "" {
			ex.report.Hashes[password.Identify(p.hash)]++
		}
		if !p.known || p.next != p.base {
			notes = append(notes, auth.ImportBase{UserID: p.here.ID, Base: p.next.bytes()})
		}
	}
	// Written one by one, they may be out of order.
	slices.Sort(ex.inserted)
	if ex.DryRun || len(notes) == 0 {
		return nil
	}
	return ex.note(ctx, func(tx auth.Tx) error { return tx.SetBases(ctx, notes) })
}

// write does plans in one transaction. If that fails by the values of a row,
// halves of them are tried: one that the database refuses must not keep the
// others out.
func (ex *exporter) write(ctx context.Context, due []plan, bases map[int64]base) error {
	var done []plan
	users, ids := make([]auth.User, len(due)), make([]int64, len(due))
	for i, p := range due {
		users[i], ids[i] = p.here, p.here.ID
	}
	err := ex.Target.Write(ctx, func(w django.Writer) error {
		rows, err := w.RowsByID(ctx, ex.q, ids)
		if err != nil {
			return err //nolint:wrapcheck // It says what it is.
		}
		// Once more, of the rows as they are now that nobody else can change them.
		done = ex.plans(users, bases, rows)
		for i := range done {
			if err := ex.carryOut(ctx, w, &done[i]); err != nil {
				return err
			}
		}
		return ex.readBack(ctx, w, done)
	})
	if err == nil {
		ex.trouble = 0
		return ex.settle(ctx, done)
	}
	if ctx.Err() != nil || !django.RowFault(ex.Target, err) && !errors.Is(err, errDifferent) {
		return err //nolint:wrapcheck // It says what it is.
	}
	if len(due) == 1 {
		if ex.trouble++; ex.trouble > 1000 {
			return err //nolint:wrapcheck // It says what it is.
		}
		ex.problem(Problem{
			Table: ex.mapping.Table.Name, Row: due[0].place, UserID: due[0].here.ID, Email: due[0].here.Email, Class: classStore,
			Text: "the database there refuses it: " + err.Error(),
		})
		return nil
	}
	half := len(due) / 2
	if err := ex.write(ctx, due[:half], bases); err != nil {
		return err
	}
	return ex.write(ctx, due[half:], bases)
}

func (ex *exporter) carryOut(ctx context.Context, w django.Writer, p *plan) error {
	t := ex.mapping.Table
	var err error
	switch {
	case p.skip || !p.writes():
		return nil
	case p.insert:
		err = w.Insert(ctx, t, p.values)
	case len(p.values) > 0:
		err = w.Set(ctx, t, p.here.ID, p.values)
	}
	for _, g := range p.join {
		if err == nil {
			err = w.Join(ctx, t, p.here.ID, g)
		}
	}
	for _, g := range p.leave {
		if err == nil {
			err = w.Leave(ctx, t, p.here.ID, g)
		}
	}
	return err //nolint:wrapcheck // It says what it is.
}

var errDifferent = errors.New("it reads otherwise than it was written")

// readBack reads what was written: that is what the next import will see, and
// what is noted of it.
func (ex *exporter) readBack(ctx context.Context, w django.Writer, done []plan) error {
	var ids []int64
	at := map[int64]*plan{}
	for i, p := range done {
		if !p.skip && p.writes() {
			ids = append(ids, p.here.ID)
			at[p.here.ID] = &done[i]
		}
	}
	if len(ids) == 0 {
		return nil
	}
	rows, err := w.RowsByID(ctx, ex.q, ids)
	if err != nil {
		return err //nolint:wrapcheck // It says what it is.
	}
	if len(rows) != len(ids) {
		return fmt.Errorf("%w: %d of %d rows are there", errDifferent, len(rows), len(ids))
	}
	for _, row := range rows {
		id, err := ex.id(row)
		p := at[id]
		if err != nil || p == nil {
			return fmt.Errorf("%w: its id", errDifferent)
		}
		u, err := ex.user(row)
		if err != nil {
			return fmt.Errorf("%w: %w", errDifferent, err)
		}
		now := u.digests()
		for _, f := range p.write {
			if f < mergePassword && now[f] != digestsHere(p.here)[f] || f == mergePassword && u.source != p.hash {
				return fmt.Errorf("%w: %s", errDifferent, mergeNames[f])
			}
			p.next.digests[f] = now[f]
		}
		if p.insert {
			p.next.digests = now
		}
	}
	return nil
}

package django

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/latchkey-auth/latchkey/internal/auth"
	"github.com/latchkey-auth/latchkey/internal/store/django"
)

// Conflict decides between users of the source whose e-mail addresses differ
// only in case: here they would be one account. One of them who was taken over
// by an earlier import stays the one.
type Conflict string

// The rules for conflicts.
const (
	// ConflictSkip takes over none of them.
	ConflictSkip Conflict = "skip"
	// ConflictNewest takes over the one who signed in last.
	ConflictNewest Conflict = "newest"
	// ConflictOldest takes over the one with the smallest id.
	ConflictOldest Conflict = "oldest"
)

// Gone is what becomes of users who were taken over and are not in the source
// any more.
type Gone string

// The ways to deal with them.
const (
	// GoneCautious shuts them out, but refuses if they are more than a twentieth
	// of all and more than 20: then it is more likely another source.
	GoneCautious Gone = ""
	GoneKeep     Gone = "keep"
	GoneShut     Gone = "deactivate"
)

// Options are the settings of an import and, as far as they concern it, of an
// inspection.
type Options struct {
	Source django.Source
	// Store is not needed to inspect.
	Store auth.Store
	// Map overrules the guessed columns; see NewMapping.
	Map   map[string]string
	Rules Rules
	// Zone is that of times without one; nil means UTC.
	Zone     *time.Location
	Conflict Conflict
	// Unusable takes users over whose hash cannot be verified here, without it.
	Unusable bool
	Gone     Gone
	// DryRun only tells what an import would do.
	DryRun bool
	// Seal seals a second factor under a label; nil leaves them where they are.
	Seal func(label string, plain []byte) ([]byte, error)
	// Problem, when not nil, is told of each row that was not taken over whole.
	Problem func(Problem)
	// Progress, when not nil, is told how far it is, after each page.
	Progress func(Progress)
	Now      func() time.Time
}

// Problem is why something was not taken over.
type Problem struct {
	Table string `json:"table"`
	// Row is the primary key or, in a dump, the number of the record.
	Row    int64  `json:"row,omitempty"`
	UserID int64  `json:"user_id,omitempty"`
	Email  string `json:"email,omitempty"`
	Class  string `json:"class"`
	// Fields are those that were changed there and here.
	Fields []string `json:"fields,omitempty"`
	Text   string   `json:"text"`
}

// Progress is how far an import is.
type Progress struct {
	Step string
	// Done of Total; Total is 0 where it is not known.
	Done, Total int64
}

// ErrManyGone says that so many users are not in the source that it is likely
// another one.
var ErrManyGone = errors.New("many users of the last import are not in the source")

// batchUsers is how many users are stored in one transaction: a server that
// runs meanwhile waits for no more than that.
const batchUsers = 500

// importer is one run.
type importer struct {
	Options
	reader
	report  *Report
	started time.Time
	// ids are those of the source, in order.
	ids []int64
	// suspects are the hashes of addresses that several users seem to have.
	suspects map[uint64]bool
	// losers are users whose address is a twin's who is taken over, with why.
	losers map[int64]string
	// double are ids that several rows have, with how often they have come by.
	double map[int64]int
	// blind: rows could not be read, so that nobody can be said to be gone.
	blind bool
	// trouble counts rows in a row that the store refused.
	trouble int
}

// Import takes over what has changed since the last import, or everything. It
// may be broken off at any time and run again.
func Import(ctx context.Context, o Options) (*Report, error) {
	im, err := prepare(ctx, o)
	if err != nil {
		return nil, err
	}
	im.report.DryRun = o.DryRun
	if err := im.lastRun(ctx); err != nil {
		return nil, err
	}
	for _, step := range []func(context.Context) error{im.survey, im.twins, im.begin, im.users, im.gone, im.tokens, im.factors, im.end} {
		if err := step(ctx); err != nil {
			return im.report, err
		}
	}
	return im.report, nil
}

// prepare finds the tables.
func prepare(ctx context.Context, o Options) (*importer, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Zone == nil {
		o.Zone = time.UTC
	}
	if o.Conflict == "" {
		o.Conflict = ConflictSkip
	}
	now := o.Now().UTC()
	im := &importer{
		Options: o, started: now, losers: map[int64]string{}, double: map[int64]int{},
		reader: reader{rules: o.Rules, zone: o.Zone, unusable: o.Unusable, now: now},
		report: newReport(o.Source),
	}
	tables, err := o.Source.Tables(ctx)
	if err != nil {
		return nil, fmt.Errorf("look at the source: %w", err)
	}
	if im.mapping, err = NewMapping(tables, o.Map); err != nil {
		return nil, err
	}
	if err := o.Rules.check(im.mapping); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMapping, err)
	}
	im.report.describe(im.mapping, tables)
	im.report.Total, err = o.Source.Count(ctx, im.mapping.Table.Name)
	return im, err //nolint:wrapcheck // It says what it is.
}

func (im *importer) query() django.Query {
	var q django.Query
	q, im.place = im.mapping.query(im.rules.columns())
	return q
}

func (im *importer) progress(step string, done, total int64) {
	if im.Progress != nil {
		im.Progress(Progress{step, done, total})
	}
}

// problem counts and tells.
func (im *importer) problem(p Problem) {
	im.report.Problems[p.Class]++
	if im.Problem != nil {
		im.Problem(p)
	}
}

func (im *importer) rowProblem(row, id int64, email string, err error) {
	class := classStore
	var re *rowError
	if errors.As(err, &re) {
		class = re.class
	}
	im.problem(Problem{Table: im.mapping.Table.Name, Row: row, UserID: id, Email: email, Class: class, Text: err.Error()})
}

// lastRun tells of the last import from this source.
func (im *importer) lastRun(ctx context.Context) error {
	last, err := im.Store.Read().LastImport(ctx, im.Source.Name())
	switch {
	case errors.Is(err, auth.ErrNotFound):
		return nil
	case err != nil:
		return fmt.Errorf("look for the last import: %w", err)
	}
	at := last.StartedAt
	im.report.Last = &at
	im.report.LastBrokenOff = last.FinishedAt.IsZero()
	return nil
}

// begin makes room for the ids, so that who registers meanwhile gets none of
// them, and notes that an import has begun.
func (im *importer) begin(ctx context.Context) error {
	if im.DryRun {
		return nil
	}
	past := int64(0)
	if n := len(im.ids); n > 0 {
		past = im.ids[n-1]
	}
	err := im.Store.Update(ctx, func(tx auth.Tx) error {
		if past > 0 {
			if err := tx.RaiseUserIDs(ctx, past); err != nil {
				return err
			}
		}
		return tx.PutImport(ctx, im.run(time.Time{}, 0))
	})
	if err != nil {
		return fmt.Errorf("begin the import: %w", err)
	}
	return nil
}

func (im *importer) run(finished time.Time, users int64) auth.ImportRun {
	counts, err := json.Marshal(im.report)
	if err != nil || finished.IsZero() {
		counts = []byte("{}")
	}
	return auth.ImportRun{
		Source: im.Source.Name(), StartedAt: im.started, FinishedAt: finished, Users: users, Counts: string(counts),
	}
}

// end notes the import, in the audit trail too.
func (im *importer) end(ctx context.Context) error {
	im.report.Seconds = im.Now().Sub(im.started).Seconds()
	if im.DryRun {
		return nil
	}
	now := im.Now()
	err := im.Store.Update(ctx, func(tx auth.Tx) error {
		if err := tx.PutImport(ctx, im.run(now, im.report.Read)); err != nil {
			return err
		}
		return tx.InsertEvent(ctx, auth.Event{At: now, Kind: auth.EventImported, Count: 1, Detail: im.report.detail()})
	})
	if err != nil {
		return fmt.Errorf("end the import: %w", err)
	}
	return nil
}

// users is the walk over the users.
func (im *importer) users(ctx context.Context) error {
	err := im.Source.Rows(ctx, im.query(), func(page []django.Row) error {
		users := make([]user, 0, len(page))
		for _, row := range page {
			im.report.Read++
			u, err := im.user(row)
			if u.hashClass != "" {
				im.report.Hashes[u.hashClass]++
			}
			if err == nil {
				err = im.admissible(u.ID)
			}
			if err != nil {
				im.rowProblem(row.Place, u.ID, u.Email.Shown, err)
				continue
			}
			im.report.Roles[string(u.Role)]++
			users = append(users, u)
		}
		sortedByID(users)
		for batch := range slices.Chunk(users, batchUsers) {
			if err := im.store(ctx, batch); err != nil {
				return err
			}
		}
		im.progress("users", im.report.Read, im.report.Total)
		return nil
	})
	if err != nil {
		return fmt.Errorf("take over the users: %w", err)
	}
	return nil
}

// admissible refuses who must not be taken over because of another row.
func (im *importer) admissible(id int64) error {
	if n, ok := im.double[id]; ok {
		im.double[id]++
		if n > 0 {
			return refuse(classDouble, "another row before it has the id %d", id)
		}
	}
	if why, ok := im.losers[id]; ok {
		return refuse(classTwins, "%s", why)
	}
	return nil
}

// store takes over a batch. If that fails they are tried one by one: one that
// the database refuses must not keep the others out.
func (im *importer) store(ctx context.Context, batch []user) error {
	err := im.storeTogether(ctx, batch)
	if err == nil {
		im.trouble = 0
		return nil
	}
	if ctx.Err() != nil || len(batch) == 1 {
		if im.trouble++; ctx.Err() != nil || im.trouble > 3 {
			return err
		}
		im.rowProblem(batch[0].place, batch[0].ID, batch[0].Email.Shown, err)
		return nil
	}
	for i := range batch {
		if err := im.store(ctx, batch[i:i+1]); err != nil {
			return err
		}
	}
	return nil
}

// outcome is what became of a batch.
type outcome struct {
	inserted, changed int64
	problems          []Problem
}

func (o *outcome) problem(im *importer, u user, class string, fields []string, format string, args ...any) {
	o.problems = append(o.problems, Problem{
		Table: im.mapping.Table.Name, Row: u.place, UserID: u.ID, Email: u.Email.Shown,
		Class: class, Fields: fields, Text: fmt.Sprintf(format, args...),
	})
}

// known is a user of whom something was noted.
type known struct {
	user
	base base
}

func (im *importer) storeTogether(ctx context.Context, batch []user) error {
	ids := make([]int64, len(batch))
	for i, u := range batch {
		ids[i] = u.ID
	}
	noted, err := im.Store.Read().ImportBases(ctx, ids)
	if err != nil {
		return err //nolint:wrapcheck // It says what it is.
	}
	bases := make(map[int64]auth.ImportBase, len(noted))
	for _, b := range noted {
		bases[b.UserID] = b
	}
	var before outcome
	var fresh []user
	var changed []known
	unchanged := int64(0)
	for _, u := range batch {
		raw, ok := bases[u.ID]
		b, good := parseBase(raw.Base)
		switch {
		case !ok:
			fresh = append(fresh, u)
		case raw.Buried():
			before.problem(im, u, classDeleted, nil, "the user was deleted here and stays so")
		case good && b.digests == u.digests():
			unchanged++
		default:
			changed = append(changed, known{u, b})
		}
	}
	var after outcome
	if len(fresh)+len(changed) > 0 {
		if after, err = im.bring(ctx, fresh, changed); err != nil {
			return err
		}
	}
	im.report.Unchanged += unchanged
	im.report.Inserted += after.inserted
	im.report.Changed += after.changed
	for _, p := range append(before.problems, after.problems...) {
		im.problem(p)
	}
	return nil
}

// bring inserts and merges, in one transaction.
func (im *importer) bring(ctx context.Context, fresh []user, changed []known) (outcome, error) {
	if im.DryRun {
		return im.foretell(ctx, fresh, changed)
	}
	now := im.Now()
	rows := make([]auth.ImportedUser, len(fresh))
	for i, u := range fresh {
		rows[i] = u.stored(now)
	}
	var out outcome
	var refused []int64
	err := im.Store.Update(ctx, func(tx auth.Tx) error {
		out, refused = outcome{}, nil
		m := merger{im: im, tx: tx, now: now, out: &out}
		if len(changed) > 0 {
			if err := tx.LockAdmins(ctx); err != nil {
				return err
			}
		}
		if len(rows) > 0 {
			var err error
			if refused, err = tx.InsertImported(ctx, rows, now); err != nil {
				return err
			}
		}
		for _, k := range changed {
			if err := m.merge(ctx, k); err != nil {
				return err
			}
		}
		if err := tx.PutImport(ctx, im.run(time.Time{}, im.report.Read)); err != nil {
			return err
		}
		_, err := tx.Revoke(ctx, m.revocations...)
		return err
	})
	if err != nil {
		return outcome{}, err //nolint:wrapcheck // It says what it is.
	}
	out.inserted = int64(len(fresh) - len(refused))
	if len(refused) > 0 {
		var those []user
		for _, u := range fresh {
			if slices.Contains(refused, u.ID) {
				those = append(those, u)
			}
		}
		if _, err := im.explain(ctx, those, &out); err != nil {
			return outcome{}, err
		}
	}
	return out, nil
}

// explain says why users cannot be inserted, and gives those who could.
func (im *importer) explain(ctx context.Context, users []user, out *outcome) (free int64, err error) {
	ids, keys := make([]int64, len(users)), make([]string, len(users))
	for i, u := range users {
		ids[i], keys[i] = u.ID, u.Email.Key
	}
	here, err := im.Store.Read().UsersByIDs(ctx, ids)
	if err != nil {
		return 0, err //nolint:wrapcheck // It says what it is.
	}
	byID := make(map[int64]auth.User, len(here))
	for _, u := range here {
		byID[u.ID] = u
	}
	taken, err := im.Store.Read().UserIDsByEmail(ctx, keys)
	if err != nil {
		return 0, err //nolint:wrapcheck // It says what it is.
	}
	for _, u := range users {
		holder, mail := taken[u.Email.Key]
		switch own, ok := byID[u.ID]; {
		case ok:
			out.problem(im, u, classTaken, nil, "its id is that of %s, who was not taken over from there", own.Email)
		case mail:
			out.problem(im, u, classTaken, nil, "its e-mail address is that of user %d here", holder)
		default:
			free++
		}
	}
	return free, nil
}

// foretell is bring without doing it.
func (im *importer) foretell(ctx context.Context, fresh []user, changed []known) (out outcome, err error) {
	if out.inserted, err = im.explain(ctx, fresh, &out); err != nil {
		return outcome{}, err
	}
	ids := make([]int64, len(changed))
	for i, k := range changed {
		ids[i] = k.ID
	}
	here, err := im.Store.Read().UsersByIDs(ctx, ids)
	if err != nil {
		return outcome{}, err //nolint:wrapcheck // It says what it is.
	}
	for _, k := range changed {
		i := slices.IndexFunc(here, func(u auth.User) bool { return u.ID == k.ID })
		if i < 0 {
			out.problem(im, k.user, classDeleted, nil, "the user was deleted here and stays so")
			continue
		}
		take, conflicts := k.compare(here[i])
		if len(conflicts) > 0 {
			out.problem(im, k.user, classChanged, names(conflicts), "changed there and here: what is here stays")
		}
		if len(take) > 0 {
			out.changed++
		}
	}
	return out, nil
}

// compare gives the fields to take from the source, and those that were changed
// on both sides.
func (k known) compare(here auth.User) (take, conflicts []int) {
	ours, theirs := digestsHere(here), k.digests()
	for i := range merged {
		if theirs[i] == k.base.digests[i] {
			continue
		}
		touched := false
		switch i {
		case mergeTimes:
		case mergePassword:
			touched = here.CredentialVersion != k.base.version
		default:
			if ours[i] == theirs[i] {
				continue // The same change on both sides.
			}
			touched = ours[i] != k.base.digests[i]
		}
		if touched {
			conflicts = append(conflicts, i)
		} else {
			take = append(take, i)
		}
	}
	return take, conflicts
}

func names(fields []int) []string {
	var all []string
	for _, f := range fields {
		all = append(all, mergeNames[f])
	}
	return all
}

// merger changes users within a transaction.
type merger struct {
	im          *importer
	tx          auth.Tx
	now         time.Time
	out         *outcome
	revocations []auth.Revocation
}

// merge brings what has changed of a user who was taken over before.
func (m *merger) merge(ctx context.Context, k known) error {
	// The change of nothing locks the row.
	here, err := m.tx.UpdateUser(ctx, k.ID, auth.UserChange{}, m.now)
	if errors.Is(err, auth.ErrNotFound) {
		m.out.problem(m.im, k.user, classDeleted, nil, "the user was deleted here and stays so")
		return nil
	}
	if err != nil {
		return err //nolint:wrapcheck // It says what it is.
	}
	take, conflicts := k.compare(here)
	if len(conflicts) > 0 {
		m.out.problem(m.im, k.user, classChanged, names(conflicts), "changed there and here: what is here stays")
	}
	next := base{digests: k.digests(), version: k.base.version}
	// later leaves a field for the next import.
	later := func(field int) {
		take = slices.DeleteFunc(take, func(f int) bool { return f == field })
		next.digests[field] = k.base.digests[field]
	}
	if slices.Contains(take, mergeEmail) {
		other, err := m.tx.UserByEmail(ctx, k.Email.Key)
		if err != nil && !errors.Is(err, auth.ErrNotFound) {
			return err //nolint:wrapcheck // It says what it is.
		}
		if err == nil && other.ID != k.ID {
			later(mergeEmail)
			m.out.problem(m.im, k.user, classTaken, []string{"email"}, "its new e-mail address is that of user %d here", other.ID)
		}
	}
	if here.Role == auth.RoleAdmin && here.IsActive &&
		(slices.Contains(take, mergeRole) && k.Role != auth.RoleAdmin || slices.Contains(take, mergeActive) && !k.IsActive) {
		n, err := m.tx.CountAdmins(ctx, 2)
		if err != nil {
			return err //nolint:wrapcheck // It says what it is.
		}
		if n < 2 {
			later(mergeRole)
			later(mergeActive)
			m.out.problem(m.im, k.user, classAdmin, nil, "this is the last active administrator here, who stays one")
		}
	}
	if len(take) > 0 {
		changed, err := m.change(ctx, here, k.user, take)
		if err != nil {
			return err
		}
		if slices.Contains(take, mergePassword) {
			next.version = changed.CredentialVersion
		}
		m.out.changed++
	}
	updated, login := here.UpdatedAt, here.LastLogin
	if slices.Contains(take, mergeTimes) {
		updated, login = k.UpdatedAt, k.LastLogin
		if updated.IsZero() {
			updated = here.UpdatedAt
		}
	}
	return m.tx.SetImported(ctx, auth.ImportBase{UserID: k.ID, Base: next.bytes()}, updated, login) //nolint:wrapcheck // It says what it is.
}

// change takes fields over, each with the event of its kind and, where an
// administrator's act would have them, with revocations. A changed hash ends no
// session: it may be an upgrade of the same password, and Django ends none.
func (m *merger) change(ctx context.Context, here auth.User, u user, take []int) (auth.User, error) {
	c := auth.UserChange{}
	e := func(kind auth.EventKind) auth.Event {
		return auth.Event{At: m.now, Kind: kind, UserID: u.ID, Count: 1, Detail: "import"}
	}
	var events []auth.Event
	var edits []auth.Change
	edit := func(field, before, after string) {
		edits = append(edits, auth.Change{Field: field, Before: before, After: after})
	}
	shut := false
	for _, f := range take {
		switch f {
		case mergeEmail:
			c.Email = &u.Email
			edit("email", here.Email, u.Email.Shown)
		case mergeFirstName:
			c.FirstName = &u.FirstName
			edit("first_name", here.FirstName, u.FirstName)
		case mergeLastName:
			c.LastName = &u.LastName
			edit("last_name", here.LastName, u.LastName)
		case mergePhone:
			c.Phone = &u.Phone
			edit("phone", here.Phone, u.Phone)
		case mergeRole:
			c.Role, c.RaiseGen = &u.Role, true
			event := e(auth.EventRoleChanged)
			event.Detail = fmt.Sprintf("%s -> %s", here.Role, u.Role)
			event.Changes = []auth.Change{{Field: "role", Before: string(here.Role), After: string(u.Role)}}
			events = append(events, event)
		case mergeActive:
			c.IsActive = &u.IsActive
			if shut = !u.IsActive; shut {
				c.RaiseGen, c.SetValidAfter = true, true
				events = append(events, e(auth.EventDeactivated))
			} else {
				events = append(events, e(auth.EventActivated))
			}
		case mergePassword:
			c.Password = &u.Password
			events = append(events, e(auth.EventPasswordChanged))
		}
	}
	if len(edits) > 0 {
		event := e(auth.EventUserChanged)
		event.Changes = edits
		events = append(events, event)
	}
	after, err := m.tx.UpdateUser(ctx, u.ID, c, m.now)
	if err != nil {
		return auth.User{}, err //nolint:wrapcheck // It says what it is.
	}
	if c.Email != nil || shut {
		if err := m.tx.DropLinks(ctx, auth.LinkReset, u.ID); err != nil {
			return auth.User{}, err //nolint:wrapcheck // It says what it is.
		}
	}
	if shut {
		if _, err := m.tx.RevokeSessions(ctx, u.ID, "", m.now); err != nil {
			return auth.User{}, err //nolint:wrapcheck // It says what it is.
		}
	}
	if c.RaiseGen {
		row := auth.Revocation{Kind: auth.RevokedUser, Key: strconv.FormatInt(u.ID, 10), Gen: after.Gen}
		if shut {
			row.IssuedBefore = m.now.Unix()
		}
		m.revocations = append(m.revocations, row)
	}
	for _, event := range events {
		if err := m.tx.InsertEvent(ctx, event); err != nil {
			return auth.User{}, err //nolint:wrapcheck // It says what it is.
		}
	}
	return after, nil
}

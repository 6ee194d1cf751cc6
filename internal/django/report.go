package django

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/latchkey-auth/latchkey/internal/store/django"
)

// Report is what was found and what became of it.
type Report struct {
	Source string `json:"source"`
	Engine string `json:"engine"`
	DryRun bool   `json:"dry_run,omitempty"`
	// Last is when the last import from this source began.
	Last          *time.Time `json:"last_import,omitempty"`
	LastBrokenOff bool       `json:"last_import_broken_off,omitempty"`

	// Table is where the users are, Why how it was found, and Columns which
	// column is which field.
	Table   string           `json:"table"`
	Why     string           `json:"table_found_by"`
	Columns map[Field]string `json:"columns"`
	// Left are columns of the table that do not come along, Others tables that
	// do not, with how many there are of those.
	Left   []string `json:"columns_left"`
	Others []string `json:"tables_left"`
	Groups bool     `json:"groups"`

	Total     int64            `json:"users"`
	Read      int64            `json:"users_read"`
	Inserted  int64            `json:"users_new"`
	Changed   int64            `json:"users_changed"`
	Unchanged int64            `json:"users_unchanged"`
	Gone      int64            `json:"users_gone"`
	Twins     int64            `json:"address_twins"`
	Hashes    map[string]int64 `json:"hashes"`
	Roles     map[string]int64 `json:"roles"`
	// GoneUnknown: rows could not be read, so who seems gone was left alone.
	GoneUnknown bool `json:"gone_unknown,omitempty"`

	HasTokens   bool  `json:"token_tables"`
	Outstanding int64 `json:"tokens_outstanding"`
	Blacklisted int64 `json:"tokens_blacklisted"`

	Factors map[string]int64 `json:"second_factors"`
	// FactorsSealed says that they were kept; else they wait for a seal key.
	FactorsSealed bool `json:"second_factors_kept"`

	// Problems counts them by class.
	Problems map[string]int64 `json:"problems"`
	Seconds  float64          `json:"seconds"`

	tables map[string]django.Table
}

func newReport(s django.Source) *Report {
	return &Report{
		Source: s.Name(), Engine: s.Engine(), Hashes: map[string]int64{}, Roles: map[string]int64{},
		Factors: map[string]int64{}, Problems: map[string]int64{}, Left: []string{}, Others: []string{},
		tables: map[string]django.Table{},
	}
}

// quiet are tables that nobody misses.
var quiet = []string{"django_migrations", "django_content_type", "django_session", "django_site", "auth_permission"}

func (r *Report) describe(m Mapping, tables []django.Table) {
	r.Table, r.Why, r.Columns, r.Groups = m.Table.Name, m.Why, m.Columns, m.Groups
	for _, c := range m.Table.Columns {
		if !slices.Contains(valuesOf(m.Columns), c.Name) {
			r.Left = append(r.Left, c.Name)
		}
	}
	for _, t := range tables {
		r.tables[t.Name] = t
		brought := t.Name == m.Table.Name || m.Groups && (t.Name == "auth_group" || t.Name == m.Table.Name+"_groups") ||
			slices.Contains([]string{django.OutstandingTokens, django.BlacklistedTokens, totpDevices, staticDevices, staticTokens, allauthMFA}, t.Name)
		if !brought && !slices.Contains(quiet, t.Name) {
			r.Others = append(r.Others, t.Name)
		}
	}
	_, outstanding := r.tables[django.OutstandingTokens]
	_, blacklisted := r.tables[django.BlacklistedTokens]
	// A dump of a project where nobody has logged out has no blacklist.
	r.HasTokens = outstanding && (blacklisted || r.Engine == "dumpdata")
}

func valuesOf(m map[Field]string) []string {
	all := make([]string, 0, len(m))
	for _, v := range m {
		all = append(all, v)
	}
	return all
}

// detail is the report in a line, for the audit trail.
func (r *Report) detail() string {
	var problems int64
	for _, n := range r.Problems {
		problems += n
	}
	parts := []string{
		fmt.Sprintf("new: %d", r.Inserted), fmt.Sprintf("changed: %d", r.Changed),
		fmt.Sprintf("unchanged: %d", r.Unchanged), fmt.Sprintf("blacklisted tokens: %d", r.Blacklisted),
		fmt.Sprintf("problems: %d", problems),
	}
	return strings.Join(parts, ", ")
}

// Inspect says what there is in a source and what of it can be taken over. It
// needs no database of Latchkey's.
func Inspect(ctx context.Context, o Options) (*Report, error) {
	o.Store, o.Seal, o.DryRun = nil, nil, true
	im, err := prepare(ctx, o)
	if err != nil {
		return nil, err
	}
	for _, step := range []func(context.Context) error{im.survey, im.twins, im.look, im.tokens, im.factors} {
		if err := step(ctx); err != nil {
			return im.report, err
		}
	}
	im.report.Seconds = im.Now().Sub(im.started).Seconds()
	return im.report, nil
}

// look reads every user and says what is wrong.
func (im *importer) look(ctx context.Context) error {
	err := im.Source.Rows(ctx, im.query(), func(page []django.Row) error {
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
		}
		im.progress("users", im.report.Read, im.report.Total)
		return nil
	})
	if err != nil {
		return fmt.Errorf("look at the users: %w", err)
	}
	return nil
}

package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/url"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"golang.org/x/term"

	"github.com/latchkey-auth/latchkey/internal/auth"
	"github.com/latchkey-auth/latchkey/internal/config"
	"github.com/latchkey-auth/latchkey/internal/django"
	"github.com/latchkey-auth/latchkey/internal/keyring"
	source "github.com/latchkey-auth/latchkey/internal/store/django"
)

type djangoCommands struct {
	Inspect djangoInspectCommand `cmd:"" help:"Say what is in a Django database and what of it can be taken over. It writes nothing anywhere."`
	Import  djangoImportCommand  `cmd:"" help:"Take over users, hashes and refresh tokens of a Django database. Run again, it brings what has changed there since."`
}

// djangoSource is what both commands take.
type djangoSource struct {
	From        string            `required:"" placeholder:"SOURCE" help:"The database: a SQLite file, postgres://user@host/name, mysql://user@host/name (MariaDB too), or the .json of manage.py dumpdata. It is only read. Passwords are better given by PGPASSWORD or MYSQL_PWD than in a URL."`
	Map         map[string]string `mapsep:"," placeholder:"FIELD=COLUMN,…" help:"Which column is which field where the guess is wrong: email=username,phone=mobile. An empty column leaves the field out. table=NAME names the table of the users."`
	Rules       string            `placeholder:"FILE" help:"A TOML file of rules that say who gets which role."`
	TimeZone    string            `name:"time-zone" placeholder:"NAME" default:"UTC" help:"The zone of times without one (USE_TZ = False). [UTC]"`
	Conflict    string            `enum:"skip,newest,oldest" default:"skip" help:"Whom to take of users whose e-mail addresses differ only in case: nobody (skip), who signed in last (newest), or the smallest id (oldest). [skip]"`
	UnknownHash string            `enum:"error,unusable" default:"error" help:"What to do with a user whose password hash cannot be verified here: an error, or take them over without a password (unusable). [error]"`
	JSON        bool              `name:"json" help:"Print JSON."`
}

// open opens the source and reads the rules.
func (c *djangoSource) open(p *program) (django.Options, func(), error) {
	o := django.Options{
		Map: c.Map, Conflict: django.Conflict(c.Conflict), Unusable: c.UnknownHash == "unusable", Now: time.Now,
	}
	var err error
	if o.Zone, err = time.LoadLocation(c.TimeZone); err != nil {
		return o, nil, misused("write it like Europe/Berlin", "--time-zone: there is no zone %s", printable(c.TimeZone))
	}
	if c.Rules != "" {
		data, err := os.ReadFile(c.Rules)
		if err == nil {
			o.Rules, err = django.ParseRules(data)
		}
		if err != nil {
			return o, nil, misused("docs/django.md has an example", "--rules %s: %w", printable(c.Rules), err)
		}
	}
	if o.Source, err = source.Open(p.ctx, c.withPassword(p.env)); err != nil {
		return o, nil, failed("--from takes a SQLite file, postgres://…, mysql://… or the .json of dumpdata", "%w", err)
	}
	return o, func() { _ = o.Source.Close() }, nil
}

// withPassword puts MYSQL_PWD into a URL that has none, as MySQL's own programs
// do.
func (c *djangoSource) withPassword(env []string) string {
	u, err := url.Parse(c.From)
	if err != nil || u.Scheme != "mysql" && u.Scheme != "mariadb" || u.User == nil {
		return c.From
	}
	if _, has := u.User.Password(); has {
		return c.From
	}
	for _, v := range env {
		if password, ok := strings.CutPrefix(v, "MYSQL_PWD="); ok {
			u.User = url.UserPassword(u.User.Username(), password)
		}
	}
	return u.String()
}

type djangoInspectCommand struct {
	djangoSource
}

// Run looks.
func (c *djangoInspectCommand) Run(p *program) error {
	o, end, err := c.open(p)
	if err != nil {
		return err
	}
	defer end()
	examples := &problemSample{}
	bar := p.progressBar(c.JSON)
	o.Problem, o.Progress = examples.add, bar.show
	report, err := django.Inspect(p.ctx, o)
	bar.end()
	if err != nil {
		return takeoverFailure(err)
	}
	if c.JSON {
		return p.printJSON(report)
	}
	w := tabwriter.NewWriter(p.stdout, 0, 0, 2, ' ', 0)
	writeSource(w, report)
	writeFound(w, report)
	if err := w.Flush(); err != nil {
		return err
	}
	examples.print(p.stdout)
	return nil
}

type djangoImportCommand struct {
	djangoSource
	DryRun bool   `help:"Only say what would be done."`
	Errors string `placeholder:"FILE" help:"Write each row that was not taken over whole into this file, as JSON, one a line."`
	Gone   string `enum:"auto,keep,deactivate" default:"auto" help:"What to do with users of an earlier import who are not in the source any more: deactivate them, unless they are so many that it is likely another source (auto), leave them (keep), or deactivate them all. [auto]"`
}

// Run takes over.
func (c *djangoImportCommand) Run(p *program) error {
	o, end, err := c.open(p)
	if err != nil {
		return err
	}
	defer end()
	o.DryRun = c.DryRun
	if c.Gone != "auto" {
		o.Gone = django.Gone(c.Gone)
	}
	return p.withStore(func(cfg *config.Config, store auth.Store) error {
		o.Store = store
		if key := cfg.SealKey(); key != nil {
			o.Seal = func(label string, plain []byte) ([]byte, error) { return keyring.Seal(key, label, plain) }
		}
		examples := &problemSample{}
		o.Problem = examples.add
		closeErrors := func() error { return nil }
		if c.Errors != "" {
			if o.Problem, closeErrors, err = problemFile(c.Errors, examples.add); err != nil {
				return failed("", "--errors: %w", err)
			}
		}
		bar := p.progressBar(c.JSON)
		o.Progress = bar.show
		report, err := django.Import(p.ctx, o)
		bar.end()
		if closeErr := closeErrors(); closeErr != nil && err == nil {
			err = fmt.Errorf("write %s: %w", c.Errors, closeErr)
		}
		if err != nil {
			if p.ctx.Err() != nil {
				return failed("run the same command again: it passes over what is here already", "broken off; what was taken over so far is kept")
			}
			return takeoverFailure(err)
		}
		if c.JSON {
			return p.printJSON(report)
		}
		w := tabwriter.NewWriter(p.stdout, 0, 0, 2, ' ', 0)
		writeSource(w, report)
		writeDone(w, report)
		writeFound(w, report)
		if err := w.Flush(); err != nil {
			return err
		}
		if c.Errors == "" {
			examples.print(p.stdout)
		} else if examples.count > 0 {
			p.say("\n%d rows are in %s.", examples.count, printable(c.Errors))
		}
		return nil
	})
}

func takeoverFailure(err error) error {
	switch {
	case errors.Is(err, django.ErrMapping):
		return misused("latchkey django inspect --from SOURCE shows what was found", "%w", err)
	case errors.Is(err, django.ErrManyGone):
		return failed("if the source is right, --gone deactivate shuts them out and --gone keep leaves them; everything else has been taken over", "%w", err)
	default:
		return err
	}
}

func writeSource(w io.Writer, r *django.Report) {
	fmt.Fprintf(w, "source\t%s\n", printable(r.Source))
	fmt.Fprintf(w, "users are in\t%s (%s)\n", printable(r.Table), r.Why)
	fields := slices.Sorted(maps.Keys(r.Columns))
	columns := make([]string, 0, len(fields))
	for _, f := range fields {
		if c := r.Columns[f]; c == string(f) {
			columns = append(columns, c)
		} else {
			columns = append(columns, string(f)+"="+printable(c))
		}
	}
	fmt.Fprintf(w, "columns\t%s\n", strings.Join(columns, ", "))
	if len(r.Left) > 0 {
		fmt.Fprintf(w, "columns that stay behind\t%s\n", listed(r.Left))
	}
	if len(r.Others) > 0 {
		fmt.Fprintf(w, "tables that stay behind\t%s\n", listed(r.Others))
	}
}

func writeDone(w io.Writer, r *django.Report) {
	what := "users taken over"
	if r.DryRun {
		what = "users that would be taken over"
	}
	fmt.Fprintf(w, "%s\t%d new, %d changed; %d as before\n", what, r.Inserted, r.Changed, r.Unchanged)
	switch {
	case r.GoneUnknown:
		fmt.Fprintf(w, "users gone there\t%d seem to be, but rows could not be read: they were left alone\n", r.Gone)
	case r.Gone > 0:
		fmt.Fprintf(w, "users gone there\t%d\n", r.Gone)
	}
	if r.Last != nil {
		how := ""
		if r.LastBrokenOff {
			how = ", which was broken off"
		}
		fmt.Fprintf(w, "the import before\t%s%s\n", timeText(*r.Last), how)
	}
}

func writeFound(w io.Writer, r *django.Report) {
	fmt.Fprintf(w, "users\t%d\n", r.Read)
	counts(w, "hashes", r.Hashes)
	counts(w, "roles", r.Roles)
	if r.Twins > 0 {
		fmt.Fprintf(w, "addresses that differ only in case\t%d\n", r.Twins)
	}
	if r.HasTokens {
		fmt.Fprintf(w, "refresh tokens\t%d blacklisted, %d outstanding (as jti only)\n", r.Blacklisted, r.Outstanding)
	} else {
		fmt.Fprintf(w, "refresh tokens\tno tables of SimpleJWT's blacklist: whoever signed out there can come back with an old token\n")
	}
	counts(w, "second factors", r.Factors)
	if len(r.Factors) > 0 && !r.FactorsSealed {
		fmt.Fprintf(w, "\tthey are not taken over without keys.seal_key, which seals them\n")
	}
	counts(w, "rows with a problem", r.Problems)
	fmt.Fprintf(w, "time\t%.1f s\n", r.Seconds)
}

func counts(w io.Writer, what string, m map[string]int64) {
	if len(m) == 0 {
		return
	}
	var parts []string
	for _, k := range slices.Sorted(maps.Keys(m)) {
		parts = append(parts, fmt.Sprintf("%s: %d", printable(k), m[k]))
	}
	fmt.Fprintf(w, "%s\t%s\n", what, strings.Join(parts, ", "))
}

// listed names a few.
func listed(all []string) string {
	const most = 12
	shown := all[:min(len(all), most)]
	text := printable(strings.Join(shown, ", "))
	if n := len(all) - len(shown); n > 0 {
		text += fmt.Sprintf(" and %d more", n)
	}
	return text
}

// problemSample keeps the first problems, for who reads the terminal.
type problemSample struct {
	first []django.Problem
	count int
}

const sampleSize = 20

func (s *problemSample) add(p django.Problem) {
	s.count++
	if len(s.first) < sampleSize {
		s.first = append(s.first, p)
	}
}

func (s *problemSample) print(w io.Writer) {
	if s.count == 0 {
		return
	}
	fmt.Fprintln(w)
	for _, p := range s.first {
		fmt.Fprintf(w, "%s, row %d", printable(p.Table), p.Row)
		if p.UserID != 0 {
			fmt.Fprintf(w, ", user %d", p.UserID)
		}
		if p.Email != "" {
			fmt.Fprintf(w, " %s", printable(p.Email))
		}
		if len(p.Fields) > 0 {
			fmt.Fprintf(w, " (%s)", strings.Join(p.Fields, ", "))
		}
		fmt.Fprintf(w, ": %s\n", printable(p.Text))
	}
	if n := s.count - len(s.first); n > 0 {
		fmt.Fprintf(w, "… and %d more; latchkey django import --errors FILE writes all of them into a file.\n", n)
	}
}

// problemFile writes problems into a file that only its owner can read: there
// are e-mail addresses in it.
func problemFile(name string, also func(django.Problem)) (func(django.Problem), func() error, error) {
	f, err := os.OpenFile(name, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, nil, err
	}
	out := bufio.NewWriter(f)
	encode := json.NewEncoder(out)
	encode.SetEscapeHTML(false)
	var failure error
	return func(p django.Problem) {
			also(p)
			if failure == nil {
				failure = encode.Encode(p)
			}
		}, func() error {
			return errors.Join(failure, out.Flush(), f.Close())
		}, nil
}

// progressBar shows how far something is, on a terminal and nowhere else.
type progressBar struct {
	to    *os.File // nil: nobody looks
	began time.Time
	last  time.Time
	shown bool
}

func (p *program) progressBar(silent bool) *progressBar {
	b := &progressBar{began: time.Now()}
	if f, ok := p.stderr.(*os.File); ok && !silent && term.IsTerminal(int(f.Fd())) {
		b.to = f
	}
	return b
}

func (b *progressBar) show(p django.Progress) {
	now := time.Now()
	if b.to == nil || now.Sub(b.last) < 100*time.Millisecond {
		return
	}
	b.last, b.shown = now, true
	const width = 30
	if p.Total <= 0 {
		fmt.Fprintf(b.to, "\r\x1b[K%s: %d", p.Step, p.Done)
		return
	}
	done := int(min(p.Done, p.Total) * width / p.Total)
	fmt.Fprintf(b.to, "\r\x1b[K%s [%s%s] %d of %d", p.Step, strings.Repeat("#", done), strings.Repeat(".", width-done), p.Done, p.Total)
}

func (b *progressBar) end() {
	if b.shown {
		fmt.Fprint(b.to, "\r\x1b[K")
	}
}

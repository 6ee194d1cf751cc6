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
	"github.com/latchkey-auth/latchkey/internal/password"
	source "github.com/latchkey-auth/latchkey/internal/store/django"
)

type djangoCommands struct {
	Inspect djangoInspectCommand `cmd:"" help:"Say what is in a Django database and what of it can be taken over. It writes nothing anywhere."`
	Import  djangoImportCommand  `cmd:"" help:"Take over users, hashes and refresh tokens of a Django database. Run again, it brings what has changed there since."`
	Export  djangoExportCommand  `cmd:"" help:"The way back: write into a Django database what has changed here since. What was changed there, too, is left alone and told."`
	Shadow  djangoShadowCommand  `cmd:"" help:"Stand in front of the live Django, pass everything through, and write down where Latchkey would answer otherwise."`
}

// djangoTables say how a Django's tables are read.
type djangoTables struct {
	Map      map[string]string `mapsep:"," placeholder:"FIELD=COLUMN,…" help:"Which column is which field where the guess is wrong: email=username,phone=mobile. An empty column leaves the field out. table=NAME names the table of the users."`
	Rules    string            `placeholder:"FILE" help:"A TOML file of rules that say who gets which role."`
	TimeZone string            `name:"time-zone" placeholder:"NAME" default:"UTC" help:"The zone of times without one (USE_TZ = False). [UTC]"`
	JSON     bool              `name:"json" help:"Print JSON."`
}

// read reads what the flags name.
func (c *djangoTables) read() (rules django.Rules, zone *time.Location, err error) {
	if zone, err = time.LoadLocation(c.TimeZone); err != nil {
		return rules, nil, misused("write it like Europe/Berlin", "--time-zone: there is no zone %s", printable(c.TimeZone))
	}
	if c.Rules != "" {
		data, err := os.ReadFile(c.Rules)
		if err == nil {
			rules, err = django.ParseRules(data)
		}
		if err != nil {
			return rules, nil, misused("docs/django.md has an example", "--rules %s: %w", printable(c.Rules), err)
		}
	}
	return rules, zone, nil
}

// djangoSource is what both commands that read take.
type djangoSource struct {
	djangoTables

	From        string `required:"" placeholder:"SOURCE" help:"The database: a SQLite file, postgres://user@host/name, mysql://user@host/name (MariaDB too), or the .json of manage.py dumpdata. It is only read. Passwords are better given by PGPASSWORD or MYSQL_PWD than in a URL."`
	Conflict    string `enum:"skip,newest,oldest" default:"skip" help:"Whom to take of users whose e-mail addresses differ only in case: nobody (skip), who signed in last (newest), or the smallest id (oldest). [skip]"`
	UnknownHash string `enum:"error,unusable" default:"error" help:"What to do with a user whose password hash cannot be verified here: an error, or take them over without a password (unusable). [error]"`
}

// open opens the source and reads the rules.
func (c *djangoSource) open(p *program) (django.Options, func(), error) {
	o := django.Options{
		Map: c.Map, Conflict: django.Conflict(c.Conflict), Unusable: c.UnknownHash == "unusable", Now: time.Now,
	}
	var err error
	if o.Rules, o.Zone, err = c.read(); err != nil {
		return o, nil, err
	}
	if o.Source, err = source.Open(p.ctx, withPassword(c.From, p.env)); err != nil {
		return o, nil, failed("--from takes a SQLite file, postgres://…, mysql://… or the .json of dumpdata", "%w", err)
	}
	return o, func() { _ = o.Source.Close() }, nil
}

// withPassword puts MYSQL_PWD into a URL that has none, as MySQL's own programs
// do.
func withPassword(database string, env []string) string {
	u, err := url.Parse(database)
	if err != nil || u.Scheme != "mysql" && u.Scheme != "mariadb" || u.User == nil {
		return database
	}
	if _, has := u.User.Password(); has {
		return database
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

// problems is where the rows go that cannot be dealt with.
type problems struct {
	problemSample
	file  string
	tell  func(django.Problem)
	close func() error
}

// newProblems writes into a file, if one is named.
func newProblems(file string) (*problems, error) {
	r := &problems{file: file, close: func() error { return nil }}
	r.tell = r.add
	if file == "" {
		return r, nil
	}
	var err error
	if r.tell, r.close, err = problemFile(file, r.add); err != nil {
		return nil, failed("", "--errors: %w", err)
	}
	return r, nil
}

// end closes the file.
func (r *problems) end(err error) error {
	if closeErr := r.close(); closeErr != nil && err == nil {
		return fmt.Errorf("write %s: %w", r.file, closeErr)
	}
	return err
}

// show says what there was, or where it is.
func (r *problems) show(p *program) {
	if r.file == "" {
		r.print(p.stdout)
	} else if r.count > 0 {
		p.say("\n%d rows are in %s.", r.count, printable(r.file))
	}
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
		rows, err := newProblems(c.Errors)
		if err != nil {
			return err
		}
		o.Problem = rows.tell
		bar := p.progressBar(c.JSON)
		o.Progress = bar.show
		report, err := django.Import(p.ctx, o)
		bar.end()
		if err = rows.end(err); err != nil {
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
		rows.show(p)
		return nil
	})
}

type djangoExportCommand struct {
	djangoTables

	To          string            `required:"" placeholder:"TARGET" help:"The database: a SQLite file, postgres://user@host/name or mysql://user@host/name (MariaDB too), whose Django may be running. Passwords are better given by PGPASSWORD or MYSQL_PWD than in a URL."`
	Set         map[string]string `mapsep:"," placeholder:"COLUMN=VALUE,…" help:"What new users have in columns that are no field here."`
	Hashes      []string          `placeholder:"FORMAT,…" enum:"pbkdf2_sha256,pbkdf2_sha1,argon2,bcrypt_sha256,bcrypt,scrypt" default:"pbkdf2_sha256,pbkdf2_sha1,argon2,bcrypt_sha256,bcrypt,scrypt" help:"The formats of password hashes that Django verifies: those of its PASSWORD_HASHERS. [pbkdf2_sha256,pbkdf2_sha1,argon2,bcrypt_sha256,bcrypt,scrypt]"`
	UnknownHash string            `enum:"error,unusable" default:"error" help:"What to do with a password hash in another format: leave the password there as it is and out what is new (error), or write an unusable one (unusable). [error]"`
	Missing     string            `enum:"auto,leave,insert" default:"auto" help:"What to do about users who were in Django at the last import or export and are not there: leave them, unless they are so many that it is likely another database (auto), leave them (leave), or make them anew (insert). [auto]"`
	DryRun      bool              `help:"Only say what would be done."`
	Errors      string            `placeholder:"FILE" help:"Write each row that was not written whole into this file, as JSON, one a line."`
}

// Run writes back.
func (c *djangoExportCommand) Run(p *program) error {
	o := django.ExportOptions{
		Map: c.Map, Set: c.Set, Hashes: c.Hashes, Unusable: c.UnknownHash == "unusable", DryRun: c.DryRun, Now: time.Now,
	}
	if c.Missing != "auto" {
		o.Missing = django.Missing(c.Missing)
	}
	var err error
	if o.Rules, o.Zone, err = c.read(); err != nil {
		return err
	}
	if o.Target, err = source.OpenTarget(p.ctx, withPassword(c.To, p.env), o.Zone); err != nil {
		return failed("--to takes a SQLite file, postgres://… or mysql://…", "%w", err)
	}
	defer func() { _ = o.Target.Close() }()
	return p.withStore(func(cfg *config.Config, store auth.Store) error {
		o.Store = store
		jwt := cfg.SimpleJWT()
		if jwt != nil {
			o.Refresh, o.Leeway = jwt.Refresh, jwt.Leeway
		}
		rows, err := newProblems(c.Errors)
		if err != nil {
			return err
		}
		o.Problem = rows.tell
		bar := p.progressBar(c.JSON)
		o.Progress = bar.show
		report, err := django.Export(p.ctx, o)
		bar.end()
		if err = rows.end(err); err != nil {
			switch {
			case p.ctx.Err() != nil:
				return failed("run the same command again: it passes over what is there already", "broken off; what was written so far is kept")
			case errors.Is(err, django.ErrMapping):
				return misused("latchkey django inspect --from TARGET shows what was found; nothing was written", "%w", err)
			case errors.Is(err, django.ErrManyMissing):
				return failed("if it is the right one, --missing insert makes them anew and --missing leave leaves them; nothing was written", "%w", err)
			}
			return err
		}
		if c.JSON {
			return p.printJSON(report)
		}
		w := tabwriter.NewWriter(p.stdout, 0, 0, 2, ' ', 0)
		writeExported(w, report)
		for _, warning := range exportWarnings(cfg, report) {
			fmt.Fprintf(w, "warning\t%s\n", warning)
		}
		if err := w.Flush(); err != nil {
			return err
		}
		rows.show(p)
		return nil
	})
}

// exportWarnings are what of a way back cannot be as it should.
func exportWarnings(cfg *config.Config, r *django.ExportReport) []string {
	var all []string
	if cfg.SimpleJWT() == nil {
		all = append(all, "django.settings is not set: refresh tokens that were traded here were not noted, and work there once more")
	}
	if cfg.Signing.Algorithm != config.HS256 {
		all = append(all, "signing.algorithm is "+string(cfg.Signing.Algorithm)+": tokens minted here are not good there, unless Django knows the public key")
	}
	if !r.HasTokens {
		all = append(all, "there are no tables of SimpleJWT's blacklist: whoever signed out here can come back there with an old token")
	}
	if r.Hashes[password.Argon2] > 0 && r.HashesThere[password.Argon2] == 0 {
		all = append(all, "no password there was argon2 before: Django needs argon2-cffi, and Argon2PasswordHasher among its PASSWORD_HASHERS")
	}
	if r.NoSequence {
		all = append(all, "the ids there cannot be set aside: one of somebody who was deleted here may be given again")
	}
	return all
}

func writeExported(w io.Writer, r *django.ExportReport) {
	fmt.Fprintf(w, "target\t%s\n", printable(r.Target))
	writeColumns(w, r.Table, r.Why, r.Columns)
	what := "users written"
	if r.DryRun {
		what = "users that would be written"
	}
	fmt.Fprintf(w, "%s\t%d new, %d changed; %d as they are\n", what, r.Inserted, r.Changed, r.Unchanged)
	if r.Deactivated > 0 {
		fmt.Fprintf(w, "users deleted here\t%d, deactivated there\n", r.Deactivated)
	}
	if r.Theirs > 0 {
		fmt.Fprintf(w, "users changed there\t%d, for the next import\n", r.Theirs)
	}
	if r.Gone > 0 {
		fmt.Fprintf(w, "users missing there\t%d\n", r.Gone)
	}
	if r.Last != nil {
		how := ""
		if r.LastBrokenOff {
			how = ", which was broken off"
		}
		fmt.Fprintf(w, "the export before\t%s%s\n", timeText(*r.Last), how)
	}
	counts(w, "hashes written", r.Hashes)
	counts(w, "fields without a column", r.NoColumn)
	if len(r.Empty) > 0 && r.Inserted > 0 {
		fmt.Fprintf(w, "empty for new users\t%s\n", listed(r.Empty))
	}
	if r.HasTokens {
		fmt.Fprintf(w, "dead refresh tokens\t%d, of which %d were not blacklisted\n", r.Dead, r.Blacklisted)
	}
	counts(w, "rows with a problem", r.Problems)
	fmt.Fprintf(w, "time\t%.1f s\n", r.Seconds)
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
	writeColumns(w, r.Table, r.Why, r.Columns)
	if len(r.Left) > 0 {
		fmt.Fprintf(w, "columns that stay behind\t%s\n", listed(r.Left))
	}
	if len(r.Others) > 0 {
		fmt.Fprintf(w, "tables that stay behind\t%s\n", listed(r.Others))
	}
}

func writeColumns(w io.Writer, table, why string, columns map[django.Field]string) {
	fmt.Fprintf(w, "users are in\t%s (%s)\n", printable(table), why)
	fields := slices.Sorted(maps.Keys(columns))
	all := make([]string, 0, len(fields))
	for _, f := range fields {
		if c := columns[f]; c == string(f) {
			all = append(all, c)
		} else {
			all = append(all, string(f)+"="+printable(c))
		}
	}
	fmt.Fprintf(w, "columns\t%s\n", strings.Join(all, ", "))
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
		fmt.Fprintf(w, "… and %d more; --errors FILE writes all of them into a file.\n", n)
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

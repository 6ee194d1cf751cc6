package main

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"text/tabwriter"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/latchkey-auth/latchkey/e2e/django"
)

const (
	// importRounds is how often each import is done, so many rows at least being
	// enough for one.
	importRounds, importLong = 3, 500_000
	// bareBatch is how many rows the bare loop writes in a commit.
	bareBatch = 1000
)

// imported is what it took to take all users of a Django over.
type imported struct {
	rows    int
	elapsed time.Duration
	// cpu is of the program that imports, not of PostgreSQL.
	cpu time.Duration
	// peak is the most memory of that program in bytes, 0 where it is not known.
	peak int64
}

func (i imported) rate() float64 { return float64(i.rows) / i.elapsed.Seconds() }

// takeover measures `latchkey django import` of a SQLite database of Django's,
// into an empty database and once more into the filled one, beside a bare loop
// that reads the same rows and writes them into a table with two indexes.
func (b *bench) takeover(ctx context.Context) error {
	source := filepath.Join(b.folder, "django.sqlite3")
	b.tell("making a Django of %d users", b.imports)
	if err := django.Generate(ctx, source, b.imports); err != nil {
		return fmt.Errorf("make the source: %w", err)
	}
	rounds := importRounds
	if b.imports >= importLong {
		rounds = 1
	}
	t := tabwriter.NewWriter(b.out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "\nimport of %d users from SQLite\n  \trows/s\tseconds\tCPU s\tpeak MiB\trows/s : bare\n", b.imports)
	for _, engine := range b.engines {
		var bare, first, again []imported
		for round := range rounds {
			b.tell("import, %s: round %d of %d", engine, round+1, rounds)
			one, err := b.bareImport(ctx, engine, source, round)
			if err != nil {
				return fmt.Errorf("bare %s: %w", engine, err)
			}
			bare = append(bare, one)
			in := installation{binary: b.binary, data: filepath.Join(b.folder, fmt.Sprintf("import-%s-%d", engine, round))}
			if engine == "postgres" {
				if in.database, err = b.createDatabase(ctx, fmt.Sprintf("import_%d", round)); err != nil {
					return err
				}
			}
			for _, to := range []*[]imported{&first, &again} {
				one, news, err := in.importFrom(ctx, source)
				if err != nil {
					return err
				}
				if want := map[bool]int{true: b.imports}[to == &first]; one.rows != b.imports || news != want {
					return fmt.Errorf("an import read %d rows and inserted %d, want %d and %d", one.rows, news, b.imports, want)
				}
				*to = append(*to, one)
			}
			// Each round has its own; two of a million are a gigabyte.
			if err := os.RemoveAll(in.data); err != nil {
				return err
			}
		}
		rates := func(all []imported) []float64 {
			values := make([]float64, len(all))
			for i, one := range all {
				values[i] = one.rate()
			}
			return values
		}
		for _, row := range []struct {
			name string
			all  []imported
		}{{"bare " + engine, bare}, {engine, first}, {engine + ", once more", again}} {
			values := func(f func(imported) float64) spread {
				all := make([]float64, len(row.all))
				for i, one := range row.all {
					all[i] = f(one)
				}
				return spreadOf(all)
			}
			peak := "unavailable"
			if row.all[0].peak > 0 {
				peak = show(values(func(i imported) float64 { return mib(i.peak) }), "%.0f")
			}
			fmt.Fprintf(t, "  %s\t%s\t%s\t%s\t%s\t%s\n", row.name,
				show(spreadOf(rates(row.all)), "%.0f"),
				show(values(func(i imported) float64 { return i.elapsed.Seconds() }), "%.1f"),
				show(values(func(i imported) float64 { return i.cpu.Seconds() }), "%.1f"), peak,
				show(spreadOf(ratios(rates(row.all), rates(bare))), "%.2f"))
		}
	}
	return t.Flush()
}

// importFrom runs the import and gives how many users it read and inserted.
func (in installation) importFrom(ctx context.Context, source string) (one imported, news int, err error) {
	if err := os.MkdirAll(in.data, 0o700); err != nil {
		return one, 0, err
	}
	cmd := exec.CommandContext(ctx, in.binary, "django", "import", "--json", "--from", source)
	cmd.Dir, cmd.Stderr = in.data, os.Stderr
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "LATCHKEY_DATA=" + in.data, "LATCHKEY_DATABASE=" + in.database}
	begin := time.Now()
	text, err := cmd.Output()
	if err != nil {
		return one, 0, fmt.Errorf("import: %w\n%s", err, text)
	}
	one.elapsed = time.Since(begin)
	one.cpu = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	one.peak = peakOf(cmd.ProcessState)
	var report struct {
		Read int `json:"users_read"`
		New  int `json:"users_new"`
	}
	if err := json.Unmarshal(text, &report); err != nil {
		return one, 0, fmt.Errorf("read the report of the import: %w", err)
	}
	one.rows = report.Read
	return one, report.New, nil
}

const createBareUsers = `CREATE TABLE bare_users (id BIGINT PRIMARY KEY NOT NULL, password TEXT NOT NULL, last_login TEXT, email TEXT UNIQUE NOT NULL,
	first_name TEXT NOT NULL, last_name TEXT NOT NULL, phone TEXT NOT NULL, role TEXT NOT NULL, is_active BIGINT NOT NULL, created_at TEXT NOT NULL, updated_at TEXT NOT NULL)`

// bareColumns are what the bare loop copies.
var bareColumns = []string{"id", "password", "last_login", "email", "first_name", "last_name", "phone", "role", "is_active", "created_at", "updated_at"}

// bareImport copies the users and does nothing else: the storage limit.
func (b *bench) bareImport(ctx context.Context, engine, source string, round int) (one imported, err error) {
	from, err := sql.Open("sqlite", (&url.URL{Scheme: "file", Opaque: source, RawQuery: "mode=ro"}).String())
	if err != nil {
		return one, err
	}
	defer func() { err = errors.Join(err, from.Close()) }()
	var write func(rows [][]any) error
	switch engine {
	case "sqlite":
		to, err := sql.Open("sqlite", (&url.URL{Scheme: "file", Opaque: filepath.Join(b.folder, fmt.Sprintf("bare-import-%d.db", round)), RawQuery: url.Values{
			"_pragma": {"journal_mode(WAL)", "synchronous(FULL)"},
		}.Encode()}).String())
		if err != nil {
			return one, err
		}
		defer to.Close()
		to.SetMaxOpenConns(1)
		if _, err := to.ExecContext(ctx, createBareUsers); err != nil {
			return one, err
		}
		insert, err := to.PrepareContext(ctx, `INSERT INTO bare_users VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`)
		if err != nil {
			return one, err
		}
		write = func(rows [][]any) error {
			tx, err := to.BeginTx(ctx, nil)
			if err != nil {
				return err
			}
			defer func() { _ = tx.Rollback() }()
			s := tx.StmtContext(ctx, insert)
			defer func() { _ = s.Close() }()
			for _, row := range rows {
				if _, err := s.ExecContext(ctx, row...); err != nil {
					return err
				}
			}
			return tx.Commit()
		}
	case "postgres":
		address, err := b.createDatabase(ctx, fmt.Sprintf("bare_import_%d", round))
		if err != nil {
			return one, err
		}
		to, err := pgx.Connect(ctx, address)
		if err != nil {
			return one, err
		}
		defer func() { _ = to.Close(ctx) }()
		if _, err := to.Exec(ctx, createBareUsers); err != nil {
			return one, err
		}
		write = func(rows [][]any) error {
			_, err := to.CopyFrom(ctx, pgx.Identifier{"bare_users"}, bareColumns, pgx.CopyFromRows(rows))
			return err
		}
	}
	self := []process{{pid: os.Getpid()}}
	before, known, err := used(self)
	if err != nil {
		return one, err
	}
	begin := time.Now()
	rows, err := from.QueryContext(ctx, `SELECT id, password, CAST(last_login AS TEXT), email, first_name, last_name, phone, role, is_active,
		CAST(created_at AS TEXT), CAST(updated_at AS TEXT) FROM accounts_user ORDER BY id`)
	if err != nil {
		return one, err
	}
	defer func() { _ = rows.Close() }()
	var batch [][]any
	for rows.Next() {
		row := make([]any, len(bareColumns))
		to := make([]any, len(row))
		for i := range row {
			to[i] = &row[i]
		}
		if err := rows.Scan(to...); err != nil {
			return one, err
		}
		if batch = append(batch, row); len(batch) == bareBatch {
			if err := write(batch); err != nil {
				return one, err
			}
			batch = batch[:0]
		}
		one.rows++
	}
	if err := rows.Err(); err != nil {
		return one, err
	}
	if err := write(batch); err != nil {
		return one, err
	}
	one.elapsed = time.Since(begin)
	if known {
		after, _, err := used(self)
		if err != nil {
			return one, err
		}
		one.cpu = after - before
	}
	return one, nil
}

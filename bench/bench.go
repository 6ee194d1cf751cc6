package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/latchkey-auth/latchkey/internal/pgtest"
)

// bench is one run with everything that it started.
type bench struct {
	options
	out, progress io.Writer

	folder string
	binary string
	pg     *pgtest.Server
	// postmaster is PostgreSQL's first process.
	postmaster int

	limit   *target
	targets []*target
	homes   map[*target]installation

	bareSQLite   *bareSQLite
	barePostgres *barePostgres

	results *results
}

// contender takes part in an experiment: it gives a sample for each round.
type contender struct {
	name  string
	round func(ctx context.Context, d time.Duration) (sample, error)
}

// newBench builds and starts what will be measured. The bench is to be closed
// even if there is an error.
func newBench(ctx context.Context, o options, out, progress io.Writer) (*bench, error) {
	b := &bench{options: o, out: out, progress: progress, homes: map[*target]installation{}, results: newResults()}
	var err error
	if b.folder, err = os.MkdirTemp(o.folder, "latchkey-bench-"); err != nil {
		return b, fmt.Errorf("make a folder: %w", err)
	}
	if b.folder, err = filepath.Abs(b.folder); err != nil {
		return b, err
	}
	if err := b.build(ctx); err != nil {
		return b, err
	}
	b.tell("starting the limit server")
	b.limit = newTarget("limit", o.users[0], time.Now())
	b.limit.fixed = true
	if b.limit.server, b.limit.addr, err = startLimit(ctx); err != nil {
		return b, err
	}
	b.limit.processes = []process{{pid: b.limit.server.cmd.Process.Pid}}
	for _, engine := range o.engines {
		if engine == "postgres" {
			if err := b.startPostgres(ctx); err != nil {
				return b, err
			}
		}
		if slices.Equal(o.only, []string{"import"}) {
			continue // It makes databases of its own.
		}
		for i, users := range o.users {
			name := engine
			if i > 0 {
				name = fmt.Sprintf("%s, %d users", engine, users)
			}
			if err := b.startTarget(ctx, name, engine, users); err != nil {
				return b, err
			}
		}
	}
	return b, nil
}

// tell says what is going on.
func (b *bench) tell(format string, args ...any) { fmt.Fprintf(b.progress, format+"\n", args...) }

// build makes the program as it is released.
func (b *bench) build(ctx context.Context) error {
	if b.options.binary != "" {
		var err error
		b.binary, err = filepath.Abs(b.options.binary)
		return err
	}
	b.tell("building latchkey")
	b.binary = filepath.Join(b.folder, "latchkey")
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags", "-s -w", "-o", b.binary,
		"github.com/latchkey-auth/latchkey/cmd/latchkey")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if text, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build latchkey: %w\n%s", err, text)
	}
	return nil
}

// startPostgres starts a server that syncs as in production.
func (b *bench) startPostgres(ctx context.Context) error {
	b.tell("starting PostgreSQL")
	var err error
	if b.pg, err = pgtest.Start(ctx, pgtest.Options{Durable: true}); err != nil {
		return fmt.Errorf("start PostgreSQL: %w", err)
	}
	conn, err := pgx.Connect(ctx, b.pg.URL("postgres"))
	if err != nil {
		return fmt.Errorf("connect to PostgreSQL: %w", err)
	}
	defer func() { _ = conn.Close(ctx) }()
	var backend int
	if err := conn.QueryRow(ctx, `SELECT pg_backend_pid()`).Scan(&backend); err != nil {
		return fmt.Errorf("find PostgreSQL's process: %w", err)
	}
	b.postmaster, err = parentOf(backend)
	return err
}

// createDatabase makes an empty database and gives its URL.
func (b *bench) createDatabase(ctx context.Context, name string) (string, error) {
	conn, err := pgx.Connect(ctx, b.pg.URL("postgres"))
	if err != nil {
		return "", fmt.Errorf("connect to PostgreSQL: %w", err)
	}
	defer func() { _ = conn.Close(ctx) }()
	if _, err := conn.Exec(ctx, `CREATE DATABASE `+pgx.Identifier{name}.Sanitize()); err != nil {
		return "", fmt.Errorf("make a database: %w", err)
	}
	u, err := url.Parse(b.pg.URL(name))
	if err != nil {
		return "", err
	}
	return u.String(), nil
}

// startTarget installs a latchkey, fills its database and starts it.
func (b *bench) startTarget(ctx context.Context, name, engine string, users int) error {
	b.tell("filling %s with %d users and %d sessions", engine, users, sessionsOf(users))
	in := installation{binary: b.binary, data: filepath.Join(b.folder, fmt.Sprintf("%s-%d", engine, users))}
	if err := os.Mkdir(in.data, 0o700); err != nil {
		return err
	}
	if engine == "postgres" {
		var err error
		if in.database, err = b.createDatabase(ctx, fmt.Sprintf("latchkey_%d", users)); err != nil {
			return err
		}
	}
	// The first start makes the schema.
	first, _, _, err := in.start(ctx)
	if err != nil {
		return err
	}
	if err := first.stop(); err != nil {
		return err
	}
	seeded := time.Now()
	if err := fill(ctx, in, users, seeded); err != nil {
		return err
	}
	t := newTarget(name, users, seeded)
	b.targets = append(b.targets, t)
	b.homes[t] = in
	return b.restart(ctx, t)
}

// restart starts a target's server, again if it runs.
func (b *bench) restart(ctx context.Context, t *target) error {
	if err := t.server.stop(); err != nil {
		return err
	}
	var err error
	if t.server, t.addr, _, err = b.homes[t].start(ctx); err != nil {
		return err
	}
	t.processes = []process{{pid: t.server.cmd.Process.Pid}}
	if b.homes[t].database != "" && b.postmaster != 0 {
		t.processes = append(t.processes, process{pid: b.postmaster, tree: true})
	}
	return nil
}

// close ends what was started and removes what was written.
func (b *bench) close() error {
	var errs []error
	if b.bareSQLite != nil {
		errs = append(errs, b.bareSQLite.close())
	}
	if b.barePostgres != nil {
		b.barePostgres.close()
	}
	for _, t := range b.targets {
		errs = append(errs, t.server.stop())
	}
	if b.limit != nil {
		errs = append(errs, b.limit.server.stop())
	}
	if b.pg != nil {
		errs = append(errs, b.pg.Stop())
	}
	if b.folder != "" {
		errs = append(errs, os.RemoveAll(b.folder))
	}
	return errors.Join(errs...)
}

// run does every experiment that is wanted and prints the tables.
func (b *bench) run(ctx context.Context) error {
	for _, e := range []struct {
		name string
		run  func(context.Context) error
	}{
		{"start", b.start},
		{"verify", b.simple("verify", verify())},
		{"profile", b.simple("profile", profile())},
		{"profile", b.simple("profile, any user", profileOfAny())},
		{"refresh", b.refresh},
		{"start", b.memoryUnderLoad("without hashing", "verify", "profile", "refresh")},
		{"login", b.hashing("login", login())},
		{"register", b.hashing("register", register())},
		{"storm", b.storm},
		{"users", b.userPages},
		{"start", b.memoryUnderLoad("hashing", "login", "register", "storm")},
		{"import", b.takeover},
	} {
		if !b.wants(e.name) {
			continue
		}
		if err := e.run(ctx); err != nil {
			return fmt.Errorf("%s: %w", e.name, err)
		}
	}
	b.results.printAims(b.out, b.engines, b.clients)
	return nil
}

// against makes a contender of a target under an operation.
func against(t *target, op operation, clients int) contender {
	return contender{fmt.Sprintf("%s, %d clients", t.name, clients), func(ctx context.Context, d time.Duration) (sample, error) {
		return drive(ctx, t, op, clients, d)
	}}
}

// compare runs the contenders' rounds in turns, after a short one that warms
// up, and prints them.
func (b *bench) compare(ctx context.Context, what string, contenders ...contender) error {
	b.tell("%s: %d rounds of %d", what, b.rounds, len(contenders))
	for _, c := range contenders {
		if _, err := c.round(ctx, b.roundTime/3); err != nil {
			return err
		}
	}
	for range b.rounds {
		for _, c := range contenders {
			s, err := c.round(ctx, b.roundTime)
			if err != nil {
				return err
			}
			b.results.add(what, c.name, s)
		}
	}
	b.results.print(b.out, what)
	return nil
}

// simple compares an operation with the limit server.
func (b *bench) simple(what string, op operation) func(context.Context) error {
	return func(ctx context.Context) error {
		contenders := []contender{against(b.limit, op, b.clients)}
		for _, t := range b.targets {
			contenders = append(contenders, against(t, op, b.clients))
		}
		return b.compare(ctx, what, contenders...)
	}
}

// userPages compares what an administrator does with the list of users between
// the databases, one request at a time: how long a page takes is what is asked.
func (b *bench) userPages(ctx context.Context) error {
	for _, page := range []struct{ what, query string }{
		{"users: the newest", ""},
		{"users: by name", "ordering=name"},
		{"users: by last sign-in, last first", "ordering=-last_login"},
		{"users: one role, few", "role=admin&ordering=email"},
		{"users: one role, most", "role=employee&ordering=email"},
		{"search: a word of few", "search=user42"},
		{"search: a word of everybody's", "search=joh&ordering=email"},
		{"search: two words of everybody's", "search=joh+do&ordering=name"},
		{"search: a frequent word and a rare one", "search=john+user9"},
	} {
		var contenders []contender
		for _, t := range b.targets {
			contenders = append(contenders, against(t, usersPage(page.query), 1))
		}
		if err := b.compare(ctx, page.what, contenders...); err != nil {
			return err
		}
	}
	return nil
}

// refresh compares with the storage limits, too.
func (b *bench) refresh(ctx context.Context) error {
	rows := sessionsOf(b.users[0])
	contenders := []contender{against(b.limit, refresh(), b.clients)}
	for _, engine := range b.engines {
		var err error
		switch engine {
		case "sqlite":
			if b.bareSQLite, err = openBareSQLite(ctx, b.folder, rows); err != nil {
				return fmt.Errorf("open a bare SQLite: %w", err)
			}
			contenders = append(contenders,
				contender{"bare sqlite, groups", b.bareSQLite.group}, contender{"bare sqlite, single", b.bareSQLite.single})
		case "postgres":
			address, err := b.createDatabase(ctx, "bare")
			if err != nil {
				return err
			}
			if b.barePostgres, err = openBarePostgres(ctx, address, b.postmaster, rows); err != nil {
				return fmt.Errorf("open a bare PostgreSQL: %w", err)
			}
			contenders = append(contenders,
				contender{"bare postgres, groups", b.barePostgres.group}, contender{"bare postgres, single", b.barePostgres.single})
		}
	}
	for _, t := range b.targets {
		contenders = append(contenders, against(t, refresh(), b.clients))
		if b.clients != groupClients {
			contenders = append(contenders, against(t, refresh(), groupClients))
		}
	}
	return b.compare(ctx, "refresh", contenders...)
}

// hashing compares an operation with the bare hash, too.
func (b *bench) hashing(what string, op operation) func(context.Context) error {
	return func(ctx context.Context) error {
		contenders := []contender{{"bare hash", bareHashes}, against(b.limit, op, b.clients)}
		for _, t := range b.targets {
			contenders = append(contenders, against(t, op, b.clients))
		}
		return b.compare(ctx, what, contenders...)
	}
}

// stormClients is how many clients sign in at once, over and over.
const stormClients = 64

// storm compares verify alone with verify while others sign in.
func (b *bench) storm(ctx context.Context) error {
	var contenders []contender
	for _, t := range b.targets {
		contenders = append(contenders, against(t, verify(), b.clients),
			contender{t.name + ", in a storm", func(ctx context.Context, d time.Duration) (sample, error) {
				return b.verifyInStorm(ctx, t, d)
			}})
	}
	return b.compare(ctx, "storm", contenders...)
}

func (b *bench) verifyInStorm(ctx context.Context, t *target, d time.Duration) (sample, error) {
	const head = 300 * time.Millisecond // until all have sent their first
	ended := make(chan error, 1)
	logins := *t // with a turn of its own
	go func() {
		_, err := drive(ctx, &logins, login(), stormClients, d+head)
		ended <- err
	}()
	time.Sleep(head)
	s, err := drive(ctx, t, verify(), b.clients, d)
	return s, errors.Join(err, <-ended)
}

// starts is how often the start is timed.
const starts = 7

// start times the start on the filled database, and reads memory at rest and
// the program's size.
func (b *bench) start(ctx context.Context) error {
	b.tell("starting each server %d times", starts)
	info, err := os.Stat(b.binary)
	if err != nil {
		return err
	}
	b.results.binary = info.Size()
	for i := range starts {
		for _, t := range b.targets {
			if err := t.server.stop(); err != nil {
				return err
			}
			server, addr, took, err := b.homes[t].start(ctx)
			if err != nil {
				return err
			}
			t.server, t.addr = server, addr
			t.processes[0] = process{pid: server.cmd.Process.Pid}
			b.results.start[t.name] = append(b.results.start[t.name], took.Seconds()*1e3)
		}
		if i == 0 {
			b.tell("(5 s of rest)")
			time.Sleep(5 * time.Second)
			for _, t := range append([]*target{b.limit}, b.targets...) {
				now, _, known, err := memoryOf(t.server.cmd.Process.Pid)
				if err != nil {
					return err
				}
				if known {
					b.results.setMemory(t.name, "idle", now)
				}
			}
		}
	}
	return nil
}

// memoryUnderLoad reads the most memory that the servers have held so far, if
// one of the operations has been run.
func (b *bench) memoryUnderLoad(when string, operations ...string) func(context.Context) error {
	return func(context.Context) error {
		if !slices.ContainsFunc(operations, b.wants) {
			return nil
		}
		for _, t := range append([]*target{b.limit}, b.targets...) {
			_, peak, known, err := memoryOf(t.server.cmd.Process.Pid)
			if err != nil {
				return err
			}
			if known {
				b.results.setMemory(t.name, when, peak)
			}
		}
		return nil
	}
}

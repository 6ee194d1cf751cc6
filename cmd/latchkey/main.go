package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/alecthomas/kong"

	"github.com/latchkey-auth/latchkey/internal/config"
)

// Exit statuses.
const (
	exitOK      = 0
	exitFailure = 1
	exitUsage   = 2
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// The first signal ends ctx, which drains; then the default is back, so
	// that a second one ends the process.
	context.AfterFunc(ctx, stop)
	os.Exit(run(ctx, os.Args[1:], os.Environ(), os.Stdin, os.Stdout, os.Stderr))
}

// commands is the command line.
type commands struct {
	Config  string      `name:"config" placeholder:"FILE" help:"TOML file of settings. [latchkey.toml, if it is there]"`
	Version versionFlag `name:"version" help:"Print the version."`

	Serve    serveCommand       `cmd:"" help:"Run the server."`
	User     userCommands       `cmd:"" help:"Look after users."`
	Words    passwordsCommands  `cmd:"" name:"passwords" help:"Make and check the file of breached passwords."`
	Sessions sessionCommands    `cmd:"" help:"Look after sessions."`
	Key      keyCommands        `cmd:"" help:"Look after the signing key."`
	Throttle throttleCommands   `cmd:"" help:"Look after failed attempts and who is refused for them."`
	Service  serviceKeyCommands `cmd:"" name:"service-key" help:"Look after the keys with which other services read the revocations."`
	Audit    auditCommands      `cmd:"" help:"Look after the seal on the audit trail."`
	Migrate  migrateCommand     `cmd:"" help:"Bring the database up to date."`
	Settings configCommands     `cmd:"" name:"config" help:"Show the settings in force and where each came from."`
	Backup   backupCommand      `cmd:"" help:"Copy the database and the key file into one file, while the server runs."`
	Restore  restoreCommand     `cmd:"" help:"Put a backup in place of the data. Everybody signs in again."`
	Move     moveCommand        `cmd:"" help:"Move the data from SQLite to PostgreSQL, or back."`
	Doctor   doctorCommand      `cmd:"" help:"Judge the settings and what is around them, and say how to mend what should not stay as it is."`
	Django   djangoCommands     `cmd:"" help:"Take over a running Django."`
	Health   healthCommand      `cmd:"" help:"Ask a running server whether it is ready (for containers)."`
	About    versionCommand     `cmd:"" name:"version" help:"Print the version, Go's, the commit and the schema."`
}

// program is what commands work with.
type program struct {
	ctx            context.Context
	env            []string
	stdin          io.Reader
	stdout, stderr io.Writer
	file           string
	settings       *settingFlags
}

// run is the program. It gives the exit status.
func run(ctx context.Context, args, env []string, stdin io.Reader, stdout, stderr io.Writer) int {
	err := parseAndRun(ctx, args, env, stdin, stdout, stderr)
	if err == nil {
		return exitOK
	}
	var f *failure
	if !errors.As(err, &f) {
		f = &failure{err: err}
	}
	if f.err != nil {
		fmt.Fprintf(stderr, "latchkey: %v\n", err)
	}
	if f.hint != "" {
		fmt.Fprintf(stderr, "hint: %s\n", f.hint)
	}
	if f.status == 0 {
		return exitFailure
	}
	return f.status
}

func parseAndRun(ctx context.Context, args, env []string, stdin io.Reader, stdout, stderr io.Writer) error {
	var c commands
	p := &program{ctx: ctx, env: env, stdin: stdin, stdout: stdout, stderr: stderr, settings: newSettingFlags()}
	helped := false
	parser, err := kong.New(&c,
		kong.Name("latchkey"),
		kong.Description("An authentication server: users, sessions and tokens behind one HTTP API.\n\nEvery setting can be given as a flag, as LATCHKEY_… in the environment, or in a TOML file; `latchkey serve --help` lists them."),
		kong.Writers(stdout, stderr),
		// Called after the help or the version was printed.
		kong.Exit(func(int) { helped = true }),
		kong.Help(p.settings.help),
		kong.Bind(p),
		p.settings.option(),
	)
	if err != nil {
		return fmt.Errorf("command line: %w", err)
	}
	if len(args) == 0 {
		args = []string{"--help"}
	}
	parsed, err := parser.Parse(args)
	switch {
	case helped:
		return nil
	case err != nil:
		return usage(err, args)
	}
	p.file = c.Config
	return parsed.Run(p)
}

// config loads the settings in force.
func (p *program) config() (*config.Config, error) {
	c, err := config.Load(config.Sources{File: p.file, Env: p.env, Flags: p.settings.given()})
	if err != nil {
		return nil, &failure{err: err, status: exitUsage}
	}
	return c, nil
}

// logger is for commands beside the server: they speak to a person, so that
// only what must not be missed is logged.
func (p *program) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(p.stderr, &slog.HandlerOptions{
		Level: slog.LevelWarn,
		ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey {
				return slog.Attr{}
			}
			return a
		},
	}))
}

// say writes a line for the person.
func (p *program) say(format string, args ...any) {
	fmt.Fprintf(p.stdout, format+"\n", args...)
}

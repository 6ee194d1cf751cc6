package main

import (
	"errors"
	"io"
	"log/slog"
	"os"

	"golang.org/x/term"

	"github.com/latchkey-auth/latchkey/internal/auth"
	"github.com/latchkey-auth/latchkey/internal/config"
	"github.com/latchkey-auth/latchkey/internal/server"
	"github.com/latchkey-auth/latchkey/internal/store/sqlite"
)

type serveCommand struct{}

// Run serves until a signal; SIGTERM and SIGINT drain, a second one stops.
func (c *serveCommand) Run(p *program) error {
	cfg, err := p.config()
	if err != nil {
		return err
	}
	if err := finishRestore(cfg); err != nil {
		return err
	}
	log, flush := serverLog(cfg.Log, p.stderr)
	defer flush()
	hashes := server.LimitMemory(log)
	if err := keepMemory(); err != nil {
		log.Warn("what is in memory may be written to a disk when the process dies", "error", err)
	}
	o := server.RunOptions{Hashes: hashes}
	if isTerminal(p.stdout) {
		// Only to a terminal: a log is read by others, and kept.
		o.Setup = func(address string) {
			p.say("\nThere are no users yet. Make the first administrator, within %d minutes, at\n\n    %s\n",
				int(auth.SetupLifetime.Minutes()), address)
		}
	}
	err = server.Run(p.ctx, cfg, log, o)
	if errors.Is(err, sqlite.ErrLocked) {
		return failed("one server at a time serves a data folder; stop the other one, or give this one its own with --data", "%w", err)
	}
	return err
}

// serverLog is the server's log: JSON, of which lines wait a moment to be
// written together, unless a person is watching. flush writes the last ones.
func serverLog(c config.Log, w io.Writer) (log *slog.Logger, flush func()) {
	o := &slog.HandlerOptions{Level: c.Slog()}
	watched := isTerminal(w)
	if watched {
		flush = func() {}
	} else {
		buffered := server.NewLogWriter(w)
		w, flush = buffered, buffered.Flush
	}
	var h slog.Handler = server.UTCHandler{Handler: slog.NewJSONHandler(w, o)}
	if c.Format == "text" || c.Format == "auto" && watched {
		h = slog.NewTextHandler(w, o)
	}
	if buffered, ok := w.(*server.LogWriter); ok {
		h = server.LogHandler{Handler: h, Writer: buffered}
	}
	return slog.New(h), flush
}

// isTerminal reports whether a stream is a terminal.
func isTerminal(stream any) bool {
	f, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

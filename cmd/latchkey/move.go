package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/term"

	"github.com/latchkey-auth/latchkey/internal/config"
	"github.com/latchkey-auth/latchkey/internal/keyring"
	"github.com/latchkey-auth/latchkey/internal/server"
	"github.com/latchkey-auth/latchkey/internal/store/postgres"
	"github.com/latchkey-auth/latchkey/internal/store/sqlite"
	"github.com/latchkey-auth/latchkey/internal/store/transfer"
)

type moveCommand struct {
	From string `arg:"" placeholder:"FROM" help:"Where the data is: a data folder (SQLite) or a postgres:// URL."`
	To   string `arg:"" placeholder:"TO" help:"Where it goes: a folder that is empty or not there yet, or the postgres:// URL of an empty database."`
	Copy bool   `name:"copy" help:"Leave the data of FROM where a server finds it: for a rehearsal. Never serve both: what is revoked in one lives on in the other."`
}

// place is one end of a move, with the settings as they are there.
type place struct {
	name string
	cfg  config.Config
}

func (p *program) place(cfg *config.Config, name string) place {
	at := place{name, *cfg}
	at.cfg.Database = ""
	if strings.HasPrefix(name, "postgres://") || strings.HasPrefix(name, "postgresql://") {
		at.cfg.Database = config.DatabaseURL(name)
		at.name = at.cfg.Database.String()
	} else {
		at.cfg.Data = name
	}
	return at
}

// Run copies everything, verifies it, and puts the old database aside.
func (c *moveCommand) Run(p *program) (err error) {
	cfg, err := p.config()
	if err != nil {
		return err
	}
	from, to := p.place(cfg, c.From), p.place(cfg, c.To)
	if !from.cfg.Database.IsPostgres() {
		if _, err := os.Stat(filepath.Join(from.cfg.Data, sqlite.FileName)); err != nil {
			return failed("name the folder that data is set to, or a postgres:// URL", "there is no database in %s", from.name)
		}
		release, err := lockData(&from.cfg)
		if err != nil {
			return err
		}
		defer release()
		if err := completeRestore(from.cfg.Data, os.Rename); err != nil {
			return err
		}
	}
	source, err := p.outgoing(from)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, source.Close(context.WithoutCancel(p.ctx))) }()
	keys, err := transfer.Keys(p.ctx, source)
	if err != nil {
		return err
	}
	if keys, err = keyring.Carry(server.RingOptions(&from.cfg), keys); err != nil {
		return fmt.Errorf("the signing key of %s: %w", from.name, err)
	}
	target, err := p.incoming(to)
	if err != nil {
		return err
	}
	began := time.Now()
	copied, err := transfer.Copy(p.ctx, source, target, transfer.WithKeys(keys), p.progress())
	err = errors.Join(err, target.Close(context.WithoutCancel(p.ctx)))
	if err != nil {
		return fmt.Errorf("nothing was moved: %w", err)
	}
	var rows int64
	for _, t := range copied {
		rows += t.Rows
		p.say("%-18s %9d rows  sha256 %x", t.Table, t.Rows, t.Hash[:8])
	}
	took := time.Since(began)
	p.say("Moved %s from %s to %s in %s and read them again: they are the same.", count(rows, "row"), from.name, to.name, took.Round(time.Millisecond))
	return c.farewell(p, from, to)
}

func (p *program) outgoing(at place) (transfer.Reader, error) {
	var source transfer.Reader
	var err error
	if at.cfg.Database.IsPostgres() {
		source, err = postgres.Outgoing(p.ctx, postgres.Options{URL: at.cfg.Database.Reveal()})
	} else {
		source, err = sqlite.Outgoing(p.ctx, at.cfg.Data)
	}
	if inUse := new(postgres.InUseError); errors.As(err, &inUse) {
		return nil, failed("stop every node first: what they write meanwhile would be lost", "%w", err)
	}
	if old := new(transfer.SchemaError); errors.As(err, &old) {
		return nil, failed("`latchkey migrate` brings an older one up to date", "%s: %w", at.name, err)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", at.name, err)
	}
	return source, nil
}

func (p *program) incoming(at place) (transfer.Writer, error) {
	var target transfer.Writer
	var err error
	if at.cfg.Database.IsPostgres() {
		target, err = postgres.Incoming(p.ctx, postgres.Options{URL: at.cfg.Database.Reveal(), Log: p.logger()})
	} else {
		target, err = sqlite.Incoming(p.ctx, at.cfg.Data)
	}
	switch inUse := new(postgres.InUseError); {
	case errors.As(err, &inUse):
		return nil, failed("stop the nodes that use it, or name another database", "%w", err)
	case errors.Is(err, transfer.ErrNotEmpty):
		return nil, failed("data is moved into an empty database only", "%s: %w", at.name, err)
	case err != nil:
		return nil, fmt.Errorf("%s: %w", at.name, err)
	}
	return target, nil
}

// farewell keeps the old data from being served, as far as that can be done, and
// says how to go on.
func (c *moveCommand) farewell(p *program, from, to place) error {
	switch {
	case c.Copy:
		p.say("The data of %s is still in place. Serve one of the two, never both.", from.name)
	case from.cfg.Database.IsPostgres():
		p.say("Do not serve %s again: what is revoked from now on would live on there. Rename it, or drop it when you are sure.", from.name)
	default:
		aside, err := sqlite.PutAside(from.cfg.Data, time.Now(), keyring.FileName)
		if err != nil {
			return failed("the data is moved; move latchkey.db away by hand, so that no server starts on it", "%w", err)
		}
		p.say("The old database and its key are in %s: they are the way back until the new one has been written to.", aside)
	}
	if to.cfg.Database.IsPostgres() {
		p.say("Now start the server with database = %q.", to.name)
		return nil
	}
	p.say("Now start the server with data = %q and no database.", to.name)
	return nil
}

// progress tells of rows on a terminal; elsewhere it is nil.
func (p *program) progress() func(table string, rows int64) {
	f, ok := p.stderr.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return nil
	}
	var last time.Time
	return func(table string, rows int64) {
		if now := time.Now(); now.Sub(last) > 100*time.Millisecond {
			last = now
			fmt.Fprintf(p.stderr, "\r\x1b[K%s: %d rows", table, rows)
		}
	}
}

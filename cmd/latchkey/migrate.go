package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/latchkey-auth/latchkey/internal/auth"
	"github.com/latchkey-auth/latchkey/internal/config"
	"github.com/latchkey-auth/latchkey/internal/store/sqlite"
)

type migrateCommand struct{}

// Run brings the schema up to date, with a copy of the database first: schemas
// go forward only, and the copy is the way back.
func (c *migrateCommand) Run(p *program) error {
	cfg, err := p.config()
	if err != nil {
		return err
	}
	if cfg.Database.IsPostgres() {
		return p.withStore(func(*config.Config, auth.Store) error {
			p.say("The database is up to date (schema %d).", sqlite.SchemaVersion())
			p.say("No copy was made: pg_dump makes one.")
			return nil
		})
	}
	if err := finishRestore(cfg); err != nil {
		return err
	}
	path, newest := filepath.Join(cfg.Data, sqlite.FileName), sqlite.SchemaVersion()
	_, err = os.Stat(path)
	fresh := errors.Is(err, fs.ErrNotExist)
	var have int64
	if !fresh {
		if have, err = sqlite.FileSchema(p.ctx, path); err != nil {
			return fmt.Errorf("read the schema's version: %w", err)
		}
	}
	if !fresh && have < newest {
		// Not under a running server, whose statements are for the old schema.
		release, err := lockData(cfg)
		if err != nil {
			return err
		}
		defer release()
		aside := filepath.Join(cfg.Data, fmt.Sprintf("before-migration-from-%d-%s.db", have, time.Now().UTC().Format("20060102T150405.000Z")))
		if err := sqlite.CopyFile(p.ctx, path, aside); err != nil {
			return fmt.Errorf("copy the database before the migration: %w", err)
		}
		p.say("Copied the database to %s.", aside)
	}
	return p.withStore(func(*config.Config, auth.Store) error {
		switch {
		case fresh:
			p.say("Made the database %s (schema %d).", path, newest)
		case have < newest:
			p.say("Migrated the database from schema %d to %d.", have, newest)
		default:
			p.say("The database is up to date (schema %d).", have)
		}
		return nil
	})
}

package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/latchkey-auth/latchkey/internal/auth"
	"github.com/latchkey-auth/latchkey/internal/config"
	"github.com/latchkey-auth/latchkey/internal/doctor"
	"github.com/latchkey-auth/latchkey/internal/keyring"
	"github.com/latchkey-auth/latchkey/internal/store/sqlite"
)

type backupCommand struct {
	File string `arg:"" placeholder:"FILE" help:"The file to make; it must not exist. It holds secrets: whoever has it can sign tokens."`
}

// Run copies the database, as it is at one moment, and the key file.
func (c *backupCommand) Run(p *program) error {
	cfg, err := p.config()
	if err != nil {
		return err
	}
	if cfg.Database.IsPostgres() {
		return failed("pg_dump --format=custom --file=FILE copies it while servers run; pg_restore puts it back, then `latchkey sessions end-all` keeps revoked tokens dead. Keep signing.key and keys.seal_key with it",
			"PostgreSQL is backed up by its own means")
	}
	if _, err := os.Lstat(c.File); err == nil {
		return failed("name a file that does not exist", "%s is there already and would be overwritten", c.File)
	}
	if _, err := os.Stat(filepath.Join(cfg.Data, sqlite.FileName)); errors.Is(err, fs.ErrNotExist) {
		return failed("name the server's data folder with --data", "there is no database in %s", cfg.Data)
	}
	return p.withStore(func(cfg *config.Config, store auth.Store) error {
		m, err := p.backup(cfg, store.(*sqlite.DB), c.File)
		if err != nil {
			return fmt.Errorf("back up: %w", err)
		}
		p.say("Backed up to %s (schema %d).", c.File, m.Schema)
		// The doctor judges its age.
		if err := doctor.NoteBackup(cfg.Data, m.CreatedAt); err != nil {
			p.logger().Warn("the time of the backup could not be noted", "error", err)
		}
		rows, err := store.Read().Keys(p.ctx)
		if err != nil {
			return fmt.Errorf("list keys: %w", err)
		}
		p.say("%s", aboutKeys(rows, m.has(keyring.FileName)))
		return nil
	})
}

// aboutKeys says where the signing key is, seen from a backup.
func aboutKeys(rows []auth.Key, file bool) string {
	i := slices.IndexFunc(rows, func(k auth.Key) bool { return k.State == auth.KeySigning })
	switch {
	case i >= 0 && whereKept(rows[i]) == "sealed":
		return "It holds the signing key, sealed: keep keys.seal_key too, and not beside it."
	case i >= 0 && whereKept(rows[i]) == "plain" || file:
		return "It holds the signing key: keep it as safe as the server."
	default:
		return "The signing key is not in it: it is set by signing.key. Keep that too."
	}
}

func (p *program) backup(cfg *config.Config, store *sqlite.DB, file string) (m manifest, err error) {
	// The copy is made inside the data folder, which is private.
	dir, err := os.MkdirTemp(cfg.Data, "backup-*")
	if err != nil {
		return m, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if err := store.Backup(p.ctx, filepath.Join(dir, sqlite.FileName)); err != nil {
		return m, err
	}
	names := []string{sqlite.FileName}
	switch key, err := os.ReadFile(filepath.Join(cfg.Data, keyring.FileName)); {
	case err == nil:
		if err := os.WriteFile(filepath.Join(dir, keyring.FileName), key, privateFile); err != nil {
			return m, err
		}
		names = append(names, keyring.FileName)
	case !errors.Is(err, fs.ErrNotExist):
		return m, err
	}
	m = manifest{
		Program: archiveProgram, Format: archiveFormat, Version: readBuild().Version,
		CreatedAt: time.Now().UTC().Truncate(time.Second), Schema: sqlite.SchemaVersion(),
	}
	if m.Files, err = describe(dir, names...); err != nil {
		return m, err
	}
	// Under another name until it is whole: half a backup must not look like
	// one.
	out, err := os.CreateTemp(filepath.Dir(file), ".latchkey-backup-*") // with mode 0600
	if err != nil {
		return m, err
	}
	defer func() {
		if rmErr := os.Remove(out.Name()); rmErr != nil && !errors.Is(rmErr, fs.ErrNotExist) {
			err = errors.Join(err, rmErr)
		}
	}()
	if err := errors.Join(writeArchive(out, m, dir), out.Sync(), out.Close()); err != nil {
		return m, err
	}
	if err := p.ctx.Err(); err != nil {
		return m, err
	}
	return m, publish(out.Name(), file)
}

// publish gives a finished file its name unless something has that name: a
// link, unlike a rename, never replaces. Where there are no links, a look and
// a rename have to do.
func publish(from, to string) error {
	err := os.Link(from, to)
	if errors.Is(err, fs.ErrExist) {
		return failed("name a file that does not exist", "%s is there already and would be overwritten", to)
	}
	if err != nil {
		if _, statErr := os.Lstat(to); statErr == nil {
			return failed("name a file that does not exist", "%s is there already and would be overwritten", to)
		}
		if err := os.Rename(from, to); err != nil {
			return err
		}
	}
	return syncFolder(filepath.Dir(to))
}

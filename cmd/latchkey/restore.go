package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/latchkey-auth/latchkey/internal/auth"
	"github.com/latchkey-auth/latchkey/internal/config"
	"github.com/latchkey-auth/latchkey/internal/keyring"
	"github.com/latchkey-auth/latchkey/internal/server"
	"github.com/latchkey-auth/latchkey/internal/store/sqlite"
)

type restoreCommand struct {
	File string `arg:"" placeholder:"FILE" help:"A file made by latchkey backup."`
}

// A restore that is cut short, by a crash or a full disk, must leave either the
// old data or the new, never the database of one with the key of the other:
//
//	restore.new/    unpacked, verified, every session ended   nothing has happened yet
//	   │ rename: from here on it is decided
//	restore.ready/  the new files and a note of where the old ones go
//	   │ each old file moves aside, then the new one takes its place
//	(gone)          done
//
// A restore.ready that is found, by whatever command, is finished first. The
// sessions are ended in the new database before it takes its place, so that
// there is no moment at which a revoked token would be good again.
const (
	stageFolder = "restore.new"
	readyFolder = "restore.ready"
	noteName    = "restore.json" // in the ready folder
	asidePrefix = "before-restore-"
)

// note is what a restore that was cut short must know to go on.
type note struct {
	// Aside is the folder for the old files, within the data folder.
	Aside string `json:"aside"`
	// Key says whether a key file comes with the database. That there is none in
	// the ready folder may also mean that it has taken its place.
	Key bool `json:"key"`
}

// Run puts the backup in place of the data and signs everybody out.
func (c *restoreCommand) Run(p *program) (err error) {
	cfg, err := p.config()
	if err != nil {
		return err
	}
	if cfg.Database.IsPostgres() {
		return failed("pg_restore puts a pg_dump back; then `latchkey sessions end-all` keeps revoked tokens dead", "PostgreSQL is restored by its own means")
	}
	f, err := os.Open(c.File)
	if err != nil {
		return failed("name a file made by latchkey backup", "the backup cannot be read: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return fmt.Errorf("look at the backup: %w", err)
	}
	release, err := lockData(cfg)
	if err != nil {
		return err
	}
	defer release()
	if err := completeRestore(cfg.Data, os.Rename); err != nil {
		return err
	}
	stage := filepath.Join(cfg.Data, stageFolder)
	// What an earlier attempt left; the lock is ours.
	if err := os.RemoveAll(stage); err != nil {
		return err
	}
	if err := os.Mkdir(stage, privateFolder); err != nil {
		return err
	}
	decided := false
	defer func() {
		if !decided {
			err = errors.Join(err, os.RemoveAll(stage))
		}
	}()
	unpacked := filepath.Join(stage, "unpacked")
	if err := os.Mkdir(unpacked, privateFolder); err != nil {
		return err
	}
	m, err := readArchive(f, info.Size(), unpacked)
	if err != nil {
		return err
	}
	ended, err := p.endRestored(cfg, unpacked, filepath.Join(stage, sqlite.FileName))
	if err != nil {
		return err
	}
	// The one of the backup; or, if that was made before there was any, the one
	// that was just made. None where signing.key is set.
	err = os.Rename(filepath.Join(unpacked, keyring.FileName), filepath.Join(stage, keyring.FileName))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	aside := asidePrefix + time.Now().UTC().Format("20060102T150405.000Z")
	if err := decide(cfg.Data, aside); err != nil {
		return err
	}
	decided = true
	if err := completeRestore(cfg.Data, os.Rename); err != nil {
		return failed("any latchkey command on this data folder finishes it", "the restore is decided but not finished: %w", err)
	}
	// The clock of revocations goes on from where it was. If this fails, the
	// next start ends the sessions once more.
	if err := p.catchUp(cfg); err != nil {
		return err
	}
	p.say("Restored the data of %s (schema %d).", timeText(m.CreatedAt), m.Schema)
	p.say("Ended %s: everybody signs in again.", count(ended, "session"))
	if _, err := os.Stat(filepath.Join(cfg.Data, aside)); err == nil {
		p.say("The data that was there is in %s.", filepath.Join(cfg.Data, aside))
	}
	return nil
}

// lockData keeps servers out of the data folder.
func lockData(cfg *config.Config) (func(), error) {
	release, err := sqlite.LockFolder(cfg.Data)
	if errors.Is(err, sqlite.ErrLocked) {
		return nil, failed("stop the server first", "a server is using the data folder %s", cfg.Data)
	}
	return release, err
}

// endRestored opens the unpacked database with the unpacked key, looks it over
// and runs the procedure of design.md: every session revoked, one row that
// kills every token, generations and ids moved on, an event; in one
// transaction. The outcome is copied to the new file to, whole: the database
// itself may be part in its file and part in its log.
func (p *program) endRestored(cfg *config.Config, unpacked, to string) (n int64, err error) {
	staged := *cfg
	staged.Data = unpacked
	store, err := server.OpenStore(p.ctx, &staged, p.logger())
	if err != nil {
		return 0, fmt.Errorf("the backup's database: %w", err)
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	db := store.(*sqlite.DB)
	if err := db.Check(p.ctx); err != nil {
		return 0, fmt.Errorf("the backup's database is damaged: %w", err)
	}
	// This also holds that the key is the database's: the one that signed its
	// tokens and no other.
	accounts, err := server.NewAccounts(p.ctx, &staged, store, p.logger())
	if err != nil {
		return 0, fmt.Errorf("the backup with the signing key: %w", err)
	}
	if n, err = accounts.EndAllSessions(p.ctx, auth.EventRestored); err != nil {
		return 0, err
	}
	return n, db.Backup(p.ctx, to)
}

// decide turns the unpacked files into the ones to be put in place: one rename
// on a folder that is on disk.
func decide(data, aside string) error {
	stage := filepath.Join(data, stageFolder)
	entries, err := os.ReadDir(stage)
	if err != nil {
		return err
	}
	n := note{Aside: aside}
	for _, e := range entries {
		path := filepath.Join(stage, e.Name())
		n.Key = n.Key || e.Name() == keyring.FileName
		if e.Name() != sqlite.FileName && e.Name() != keyring.FileName {
			// Where it was unpacked.
			if err := os.RemoveAll(path); err != nil {
				return err
			}
			continue
		}
		if err := syncFile(path); err != nil {
			return err
		}
	}
	path := filepath.Join(stage, noteName)
	text, err := json.Marshal(n)
	if err != nil {
		return err
	}
	if err := os.WriteFile(path, text, privateFile); err != nil {
		return err
	}
	if err := errors.Join(syncFile(path), syncFolder(stage)); err != nil {
		return err
	}
	if err := os.Rename(stage, filepath.Join(data, readyFolder)); err != nil {
		return err
	}
	return syncFolder(data)
}

// finishRestore finishes a restore that was decided and cut short, before
// anybody opens the data.
func finishRestore(cfg *config.Config) error {
	if cfg.Database.IsPostgres() {
		return nil
	}
	if _, err := os.Stat(filepath.Join(cfg.Data, readyFolder)); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	release, err := lockData(cfg)
	if err != nil {
		return err
	}
	defer release()
	if err := completeRestore(cfg.Data, os.Rename); err != nil {
		return fmt.Errorf("finish a restore that was cut short: %w", err)
	}
	return nil
}

// renamer is os.Rename; tests cut it short.
type renamer func(from, to string) error

// completeRestore puts the files of the ready folder in place. It may be cut
// short anywhere and run again: a new file that is still in the ready folder
// has not taken its place yet, so what has the place is old. The database's
// log goes aside before the new database comes, which must never meet it.
func completeRestore(data string, rename renamer) error {
	ready := filepath.Join(data, readyFolder)
	text, err := os.ReadFile(filepath.Join(ready, noteName))
	if errors.Is(err, fs.ErrNotExist) {
		// No restore, or one of which only an empty folder is left.
		return os.RemoveAll(ready)
	}
	if err != nil {
		return err
	}
	var n note
	if err := json.Unmarshal(text, &n); err != nil || !strings.HasPrefix(n.Aside, asidePrefix) || n.Aside != filepath.Base(n.Aside) {
		return fmt.Errorf("%s does not say where the old data goes", filepath.Join(ready, noteName))
	}
	aside := filepath.Join(data, n.Aside)
	if n.Key {
		if err := replace(rename, ready, data, aside, keyring.FileName); err != nil {
			return err
		}
	} else if err := moveAside(rename, data, aside, keyring.FileName); err != nil {
		// The backup's key is set by signing.key; the old file belongs to the
		// old database.
		return err
	}
	if err := replace(rename, ready, data, aside, sqlite.FileName, sqlite.FileName+"-wal", sqlite.FileName+"-shm"); err != nil {
		return err
	}
	// The note goes last and alone: without it nothing is left to do.
	if err := os.Remove(filepath.Join(ready, noteName)); err != nil {
		return err
	}
	if err := os.RemoveAll(ready); err != nil {
		return err
	}
	return syncFolder(data)
}

// moveAside moves those of the files that are there.
func moveAside(rename renamer, data, aside string, names ...string) error {
	for _, name := range names {
		from := filepath.Join(data, name)
		if _, err := os.Lstat(from); errors.Is(err, fs.ErrNotExist) {
			continue
		} else if err != nil {
			return err
		}
		if err := os.MkdirAll(aside, privateFolder); err != nil {
			return err
		}
		if err := rename(from, filepath.Join(aside, name)); err != nil {
			return err
		}
	}
	if _, err := os.Stat(aside); err == nil {
		if err := syncFolder(aside); err != nil {
			return err
		}
	}
	return syncFolder(data)
}

// replace puts a file of the ready folder in its place, once the old one and
// what goes with it are out of the way; it does nothing if it is there already.
func replace(rename renamer, ready, data, aside, name string, with ...string) error {
	from := filepath.Join(ready, name)
	if _, err := os.Lstat(from); errors.Is(err, fs.ErrNotExist) {
		return nil
	} else if err != nil {
		return err
	}
	if err := moveAside(rename, data, aside, append(with, name)...); err != nil {
		return err
	}
	if err := rename(from, filepath.Join(data, name)); err != nil {
		return err
	}
	return errors.Join(syncFolder(data), syncFolder(ready))
}

func syncFile(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// catchUp moves the restored clock of revocations on to the folder's mark.
func (p *program) catchUp(cfg *config.Config) error {
	store, err := server.OpenStore(p.ctx, cfg, p.logger())
	if err != nil {
		return err
	}
	return errors.Join(store.(*sqlite.DB).CatchUp(p.ctx), store.Close())
}

package postgres

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"

	"github.com/latchkey-auth/latchkey/internal/store"
)

//go:embed migrations/*.sql
var migrations embed.FS

const folderName = "migrations"

// prepare checks the server and brings the schema up to this program's version.
// Where it has that already, this is all that happens on the way to the first
// request, so it takes a connection that the requests go on with.
func prepare(ctx context.Context, pool *pgxpool.Pool, log *slog.Logger) error {
	c, err := pool.Acquire(ctx)
	if err != nil {
		return err
	}
	defer c.Release()
	if err := checkServer(ctx, c, log); err != nil {
		return err
	}
	newest, err := newestVersion()
	if err != nil {
		return err
	}
	version, err := schemaVersion(ctx, c)
	if err == nil && version < newest {
		if err := migrate(ctx, pool.Config().ConnConfig, log); err != nil {
			return err
		}
		// While this node waited for the lock, a newer one may have held it.
		version, err = schemaVersion(ctx, c)
	}
	if err == nil && version > newest {
		err = &newerSchemaError{version, newest}
	}
	return err
}

// migrate runs what is missing, on connections of its own. Nodes that start
// together take turns by an advisory lock.
func migrate(ctx context.Context, config *pgx.ConnConfig, log *slog.Logger) (err error) {
	folder, err := fs.Sub(migrations, folderName)
	if err != nil {
		return err
	}
	// Ask each second, for five minutes.
	locker, err := lock.NewPostgresSessionLocker(lock.WithLockTimeout(1, 300))
	if err != nil {
		return err
	}
	db := stdlib.OpenDB(*config)
	defer func() { err = errors.Join(err, db.Close()) }()
	all, err := store.Migrations(folder)
	if err != nil {
		return fmt.Errorf("read the migrations: %w", err)
	}
	provider, err := goose.NewProvider(goose.DialectPostgres, db, nil,
		goose.WithGoMigrations(all...), goose.WithSessionLocker(locker), goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return fmt.Errorf("read the migrations: %w", err)
	}
	applied, err := provider.Up(ctx)
	if err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	for _, m := range applied {
		log.InfoContext(ctx, "migrated the database", "version", m.Source.Version)
	}
	return nil
}

// newestVersion is the version of the last migration that this program has.
func newestVersion() (newest int64, err error) {
	files, err := migrations.ReadDir(folderName)
	if err != nil {
		return 0, fmt.Errorf("read the migrations: %w", err)
	}
	for _, f := range files {
		version, err := goose.NumericComponent(f.Name())
		if err != nil {
			return 0, fmt.Errorf("read the migrations: %w", err)
		}
		newest = max(newest, version)
	}
	return newest, nil
}

// newerSchemaError says that the database has been migrated by a newer program.
type newerSchemaError struct{ have, know int64 }

func (e *newerSchemaError) Error() string {
	return fmt.Sprintf("the database's schema has version %d and this program knows versions up to %d: it takes a newer one", e.have, e.know)
}

// unprepared makes one round trip of a statement that is run only once.
const unprepared = pgx.QueryExecModeExec

// schemaVersion reads goose's table, 0 without one.
func schemaVersion(ctx context.Context, conn *pgxpool.Conn) (version int64, err error) {
	var there bool
	err = conn.QueryRow(ctx, `SELECT to_regclass('goose_db_version') IS NOT NULL`, unprepared).Scan(&there)
	if err == nil && there {
		err = conn.QueryRow(ctx, `SELECT COALESCE(MAX(version_id), 0) FROM goose_db_version WHERE is_applied`,
			unprepared).Scan(&version)
	}
	if err != nil {
		return 0, fmt.Errorf("read the schema's version: %w", err)
	}
	return version, nil
}

// checkServer refuses a database that cannot hold every name, and warns of one
// that forgets what it has acknowledged.
func checkServer(ctx context.Context, conn *pgxpool.Conn, log *slog.Logger) error {
	var encoding, fsync, commit string
	err := conn.QueryRow(ctx, `SELECT current_setting('server_encoding'), current_setting('fsync'),
		current_setting('synchronous_commit')`, unprepared).Scan(&encoding, &fsync, &commit)
	if err != nil {
		return fmt.Errorf("read the server's settings: %w", err)
	}
	if encoding != "UTF8" {
		return fmt.Errorf("the database's encoding is %s: make it with ENCODING 'UTF8'", encoding)
	}
	if fsync == "off" || commit == "off" {
		log.WarnContext(ctx, "the database may lose commits when it crashes: a refresh token that was traded or revoked could live again",
			"fsync", fsync, "synchronous_commit", commit)
	}
	return nil
}

package postgres_test

import (
	"testing"

	"github.com/latchkey-auth/latchkey/internal/auth"
	"github.com/latchkey-auth/latchkey/internal/pgtest"
	"github.com/latchkey-auth/latchkey/internal/store/postgres"
	"github.com/latchkey-auth/latchkey/internal/store/storetest"
)

// wipe makes a database as the migrations leave it, sooner than a new one is
// made.
const wipe = `DO $$ BEGIN
		EXECUTE (SELECT 'TRUNCATE ' || string_agg(quote_ident(tablename), ', ') || ' RESTART IDENTITY' FROM pg_tables
			WHERE schemaname = 'public' AND tablename NOT IN ('goose_db_version', 'revocation_clock'));
	END $$;
	UPDATE revocation_clock SET seq = 0, max_access = 0;
	INSERT INTO audit_chain VALUES (1, 0, 0, 0, '', 0, 0, '', 0, 0, 0, 0, 0, 0, '', '')`

// ASVS 10.3.3
// LESSON 13, 16, 39
func TestStore(t *testing.T) {
	url := pgtest.Database(t)
	open(t, url)
	storetest.Run(t, func(t *testing.T) auth.Store {
		execute(t, url, wipe)
		return openWith(t, postgres.Options{URL: url, Now: storetest.Clock})
	})
}

func TestReopen(t *testing.T) {
	storetest.Reopen(t, func(t *testing.T) func(*testing.T) auth.Store {
		url := pgtest.Database(t)
		return func(t *testing.T) auth.Store {
			return openWith(t, postgres.Options{URL: url, Now: storetest.Clock})
		}
	})
}

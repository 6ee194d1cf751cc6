package server

import (
	"context"
	"fmt"
	"log/slog"
	"runtime"
	"runtime/debug"
	"time"

	"github.com/latchkey-auth/latchkey/internal/account"
	"github.com/latchkey-auth/latchkey/internal/api"
	"github.com/latchkey-auth/latchkey/internal/auth"
	"github.com/latchkey-auth/latchkey/internal/chain"
	"github.com/latchkey-auth/latchkey/internal/config"
)

// system tells what this server is. Secrets are hidden by their types.
func system(cfg *config.Config, store auth.Store, sealer *chain.Sealer, started time.Time) api.SystemTeller {
	version := "unknown"
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		version = info.Main.Version
	}
	var settings []api.Setting
	for _, s := range cfg.Settings() {
		source := s.Origin.From
		if source != config.FromDefault {
			source += " " + s.Origin.String()
		}
		settings = append(settings, api.Setting{Key: s.Key, Value: s.Text, Source: source, Doc: s.Help})
	}
	return func(ctx context.Context) (api.System, error) {
		db, err := store.Describe(ctx)
		if err != nil {
			return api.System{}, fmt.Errorf("describe the database: %w", err)
		}
		keys, err := store.Read().Keys(ctx)
		if err != nil {
			return api.System{}, fmt.Errorf("read the keys: %w", err)
		}
		audit, err := sealer.State(ctx)
		if err != nil {
			return api.System{}, fmt.Errorf("read the chain: %w", err)
		}
		return api.System{
			Version: version, Go: runtime.Version(), StartedAt: started, Database: db, Keys: keys, Settings: settings,
			Audit: api.AuditState{
				Chain: audit.Chain, Head: audit.Head().String(), Broken: audit.Broken != "",
				Unsealed: audit.Unsealed, UnsealedSince: audit.UnsealedSince,
			},
		}, nil
	}
}

// sampleEvery is how often what can only be counted now is looked at. A row is
// written once an hour.
const sampleEvery = 10 * time.Minute

// sample counts the live sessions, hour by hour, for the overview.
func sample(ctx context.Context, accounts *account.Service, every time.Duration, log *slog.Logger) {
	take := func() error {
		ctx, cancel := context.WithTimeout(ctx, workPatience)
		defer cancel()
		return accounts.Sample(ctx) //nolint:wrapcheck // It says what it was.
	}
	for {
		if err := take(); err != nil && ctx.Err() == nil {
			log.Error("live sessions could not be counted; trying again", "error", err)
		}
		if !pause(ctx, every) {
			return
		}
	}
}

// indexBatch is how many users get their words in one commit: small, so that no
// request waits long behind it.
const indexBatch = 200

// indexEvery is how often it is looked for users without words: an import makes
// none.
const indexEvery = 10 * time.Second

// indexUsers makes the words by which users are found where an older version
// or an import has made none. A search finds the others meanwhile.
func indexUsers(ctx context.Context, store auth.Store, log *slog.Logger) {
	total := 0
	for {
		var n int
		err := update(ctx, store, func(ctx context.Context, tx auth.Tx) error {
			var err error
			n, err = tx.IndexUsers(ctx, indexBatch)
			return err
		})
		wait := 5 * time.Millisecond
		switch {
		case err != nil && ctx.Err() == nil:
			log.Error("users could not be indexed; trying again", "error", err)
			wait = time.Second
		case n == 0:
			if total > 0 {
				log.Info("indexed users", "users", total)
			}
			total, wait = 0, indexEvery
		}
		total += n
		if !pause(ctx, wait) {
			return
		}
	}
}

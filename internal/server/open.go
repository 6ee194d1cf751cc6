package server

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/latchkey-auth/latchkey/internal/auth"
	"github.com/latchkey-auth/latchkey/internal/config"
)

// opened is the database and what was made ready over it.
type opened struct {
	*acts
	store auth.Store
	// release gives back what keeps others out of the store; nil for nothing.
	release func()
	// given is a store of the caller's, who closes it.
	given bool
}

func (o *opened) close() error {
	if o.given {
		return nil
	}
	err := o.store.Close()
	if o.release != nil {
		o.release()
	}
	if err != nil {
		return fmt.Errorf("close the store: %w", err)
	}
	return nil
}

// The time between two tries to open a database that is not there yet.
const (
	minOpenWait = 100 * time.Millisecond
	maxOpenWait = time.Second
)

// open opens the database and makes everything ready to answer. A PostgreSQL
// that is not there, or goes away meanwhile, is waited for until ctx is done,
// which gives nil: machines and containers start in any order. served is told
// when the listener has failed.
func open(ctx context.Context, cfg *config.Config, log *slog.Logger, opts RunOptions, clock *steadiness, now func() time.Time, served chan error) (*opened, error) {
	var since time.Time
	told := ""
	for wait := minOpenWait; ; wait = min(2*wait, maxOpenWait) {
		o, err := tryOpen(ctx, cfg, log, opts, clock, now)
		switch {
		case err == nil:
			if told != "" {
				log.Info("the database is there", "waited", time.Since(since).Round(time.Millisecond).String())
			}
			return o, nil
		case ctx.Err() != nil:
			return nil, nil //nolint:nilerr // It was told to stop before it began.
		case !cfg.Database.IsPostgres() || !auth.IsKind(err, auth.Unavailable):
			return nil, err
		}
		if told == "" {
			since = time.Now()
		}
		if text := err.Error(); text != told {
			told = text
			log.Warn("the database is not there yet; waiting for it, and answering 503", "error", err)
		}
		select {
		case err := <-served:
			return nil, fmt.Errorf("serve: %w", err)
		case <-ctx.Done():
			return nil, nil
		case <-time.After(wait):
		}
	}
}

// tryOpen opens the database, the acts, and the revocations.
func tryOpen(ctx context.Context, cfg *config.Config, log *slog.Logger, opts RunOptions, clock *steadiness, now func() time.Time) (_ *opened, err error) {
	o := &opened{store: opts.Store, given: opts.Store != nil}
	if !o.given {
		if !cfg.Database.IsPostgres() {
			o.store, o.release, err = openOwn(ctx, cfg, log, now)
		} else {
			o.store, err = openStore(ctx, cfg, log, now)
		}
		if err != nil {
			return nil, err
		}
	}
	defer func() {
		if err != nil {
			_ = o.close() // What failed before says more.
		}
	}()
	keys := RingOptions(cfg)
	keys.Cache = opts.KeyCache
	hashes := hashOptions(cfg)
	hashes.Cheap, hashes.Mapped = opts.CheapHashes, opts.Hashes
	if o.acts, err = newActs(ctx, cfg, o.store, keys, hashes, clock.steady, log, now); err != nil {
		return nil, err
	}
	// Of all that opens the ring only a server turns it: the command line's
	// settings need not be the server's.
	if err := o.ring.Align(ctx); err != nil {
		return nil, fmt.Errorf("change the signing key: %w", err)
	}
	if err := endAllIfRewound(ctx, o.store, o.accounts, log); err != nil {
		return nil, err
	}
	if err := o.revoked.Load(ctx); err != nil {
		return nil, fmt.Errorf("load the revocations: %w", err)
	}
	return o, nil
}

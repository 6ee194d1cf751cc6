package main

import (
	"errors"
	"fmt"

	"github.com/latchkey-auth/latchkey/internal/account"
	"github.com/latchkey-auth/latchkey/internal/auth"
	"github.com/latchkey-auth/latchkey/internal/config"
	"github.com/latchkey-auth/latchkey/internal/server"
)

// data is the database and the acts on its accounts, beside a server or
// without one. A running server hears of what is done here from the database.
type data struct {
	cfg      *config.Config
	store    auth.Store
	accounts *account.Service
}

// withStore opens the database for do and closes it.
func (p *program) withStore(do func(*config.Config, auth.Store) error) (err error) {
	cfg, err := p.config()
	if err != nil {
		return err
	}
	if err := finishRestore(cfg); err != nil {
		return err
	}
	store, err := server.OpenStore(p.ctx, cfg, p.logger())
	if err != nil {
		return err
	}
	defer func() {
		if closeErr := store.Close(); closeErr != nil && err == nil {
			err = fmt.Errorf("close the database: %w", closeErr)
		}
	}()
	return do(cfg, store)
}

// withAccounts opens the database and the acts for do.
func (p *program) withAccounts(do func(data) error) error {
	return p.withStore(func(cfg *config.Config, store auth.Store) error {
		accounts, err := server.NewAccounts(p.ctx, cfg, store, p.logger())
		if err != nil {
			return err
		}
		return do(data{cfg, store, accounts})
	})
}

// userByEmail finds a user as the person named them.
func (p *program) userByEmail(store auth.Store, address string) (auth.User, error) {
	email, ok := auth.ParseEmail(address)
	if !ok {
		return auth.User{}, misused("write it like ada@example.com", "%q is not an e-mail address", address)
	}
	u, err := store.Read().UserByEmail(p.ctx, email.Key)
	if errors.Is(err, auth.ErrNotFound) {
		return auth.User{}, failed("latchkey user list shows who there is; --data or --database choose another database", "there is no user %s", printable(address))
	}
	if err != nil {
		return auth.User{}, fmt.Errorf("look up the user: %w", err)
	}
	return u, nil
}

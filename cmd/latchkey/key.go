package main

import (
	"errors"
	"fmt"
	"path/filepath"

	"github.com/latchkey-auth/latchkey/internal/auth"
	"github.com/latchkey-auth/latchkey/internal/config"
	"github.com/latchkey-auth/latchkey/internal/keyring"
)

type keyCommands struct {
	Use keyUseCommand `cmd:"" help:"Change to another signing key. The old one stays accepted until its last token has expired."`
}

type keyUseCommand struct {
	File     string `arg:"" placeholder:"FILE" help:"File that holds the new key, as signing.key_file will name it; one line break at its end is not part of it."`
	Previous string `placeholder:"FILE" help:"File of the key used so far, where the configuration does not have it any more."`
	Discard  bool   `help:"Drop the old key: every token that it signed dies now. For a key that is lost or known to others."`
}

// Run changes the key in the database; the configuration is the operator's to
// change with it.
func (c *keyUseCommand) Run(p *program) error {
	secret, err := config.ReadSecret(c.File)
	if err != nil {
		return failed("`openssl rand -base64 48 > FILE` makes one", "the new key: %w", err)
	}
	var previous []byte
	if c.Previous != "" {
		s, err := config.ReadSecret(c.Previous)
		if err != nil {
			return failed("", "the previous key: %w", err)
		}
		previous = []byte(s)
	}
	if len(secret) < 32 {
		p.logger().Warn("the new key is shorter than the 32 bytes of RFC 7518, section 3.2", "bytes", len(secret))
	}
	return p.withStore(func(cfg *config.Config, store auth.Store) error {
		o := keyring.Options{SigningKey: cfg.SigningKey(), SealKey: cfg.SealKey()}
		if !cfg.Database.IsPostgres() {
			o.SecretFile = filepath.Join(cfg.Data, keyring.FileName)
		}
		lifetime := max(cfg.Tokens.Access, cfg.Tokens.Refresh).Std()
		err := keyring.Use(p.ctx, store, o, keyring.Change{
			Secret: []byte(secret), Previous: previous, Lifetime: lifetime, Discard: c.Discard,
		})
		if errors.Is(err, keyring.ErrPreviousKey) {
			return failed("name its file with --previous, or drop it with --discard, which ends every session", "%w", err)
		}
		if err != nil {
			return fmt.Errorf("change the key: %w", err)
		}
		p.say("Tokens are signed with the key of %s from the next start on.", c.File)
		p.say("Set signing.key_file (or signing.key) to it for every server, and restart them.")
		if c.Discard {
			p.say("The old key is dropped: everybody signs in again.")
		} else {
			p.say("Tokens of the old key are accepted for %s more.", max(cfg.Tokens.Access, cfg.Tokens.Refresh))
		}
		return nil
	})
}

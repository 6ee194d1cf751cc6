package main

import (
	"context"
	"errors"
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/latchkey-auth/latchkey/internal/auth"
	"github.com/latchkey-auth/latchkey/internal/chain"
	"github.com/latchkey-auth/latchkey/internal/config"
	"github.com/latchkey-auth/latchkey/internal/keyring"
	"github.com/latchkey-auth/latchkey/internal/server"
	"github.com/latchkey-auth/latchkey/internal/token"
)

type keyCommands struct {
	List   keyListCommand   `cmd:"" help:"List the signing keys and their states."`
	Rotate keyRotateCommand `cmd:"" help:"Make the next key. It is published, and signs when everybody who verifies tokens has it."`
	Retire keyRetireCommand `cmd:"" help:"Remove a retired key before its time: every token that it signed dies now."`
	Use    keyUseCommand    `cmd:"" help:"Change to another signing.key of your own. The old one stays accepted until its last token has expired."`
}

type keyListCommand struct {
	JSON bool `name:"json" help:"Print JSON."`
}

// keyJSON is a key as it is printed, without its secret.
type keyJSON struct {
	ID          string     `json:"kid"`
	Algorithm   string     `json:"algorithm"`
	State       string     `json:"state"`
	CreatedAt   time.Time  `json:"created_at"`
	SignsAt     *time.Time `json:"signs_at"`
	RetiredAt   *time.Time `json:"retired_at"`
	AcceptUntil *time.Time `json:"accept_until"`
	Kept        string     `json:"kept"`
}

// Run lists the keys, the oldest first.
func (c *keyListCommand) Run(p *program) error {
	return p.withStore(func(_ *config.Config, store auth.Store) error {
		rows, err := store.Read().Keys(p.ctx)
		if err != nil {
			return fmt.Errorf("list keys: %w", err)
		}
		if c.JSON {
			out := []keyJSON{}
			for _, k := range rows {
				out = append(out, keyJSON{
					k.ID, k.Algorithm, string(k.State), k.CreatedAt.UTC(),
					timeOrNil(k.SignsAt), timeOrNil(k.RetiredAt), timeOrNil(k.AcceptUntil), whereKept(k),
				})
			}
			return p.printJSON(out)
		}
		if len(rows) == 0 {
			p.say("No keys yet: the first start makes one.")
			return nil
		}
		w := tabwriter.NewWriter(p.stdout, 0, 0, 2, ' ', 0)
		fmt.Fprintln(w, "KID\tALGORITHM\tSTATE\tCREATED\tSIGNS FROM\tACCEPTED UNTIL\tKEPT")
		for _, k := range rows {
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", k.ID, k.Algorithm, k.State,
				timeText(k.CreatedAt), timeOrDash(k.SignsAt), timeOrDash(k.AcceptUntil), whereKept(k))
		}
		return w.Flush()
	})
}

// whereKept says where a key's secret is.
func whereKept(k auth.Key) string {
	switch {
	case k.State == auth.KeyRemoved:
		return "nowhere"
	case len(k.Secret) == 0:
		return "outside"
	case k.Sealed:
		return "sealed"
	default:
		return "plain"
	}
}

func timeOrDash(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return timeText(t)
}

func timeOrNil(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}

type keyRotateCommand struct {
	Now bool `help:"Let it sign at once, a published one too. Whoever has a copy of the public keys that is older refuses its tokens until they fetch them again, five minutes at most."`
}

// Run makes the next key, of the algorithm that is in use.
func (c *keyRotateCommand) Run(p *program) error {
	return p.withStore(func(cfg *config.Config, store auth.Store) error {
		next, err := keyring.Rotate(p.ctx, store, server.RingOptions(cfg), c.Now)
		if errors.Is(err, keyring.ErrOperatorsKey) {
			return failed("`latchkey key use FILE` changes it; signing.algorithm = \"EdDSA\" turns to keys that Latchkey makes", "%w", err)
		}
		if err != nil {
			return err
		}
		if next.State == auth.KeySigning {
			p.say("Tokens are signed with %s from now on.", next.ID)
		} else {
			p.say("%s is published and signs from %s on.", next.ID, timeText(next.SignsAt))
		}
		p.say("Tokens of the key before it are accepted until the last of them has expired.")
		return nil
	})
}

type keyRetireCommand struct {
	ID string `arg:"" name:"kid" placeholder:"KID" help:"Which key, as latchkey key list names it."`
}

// Run removes a key that does not sign.
func (c *keyRetireCommand) Run(p *program) error {
	return p.withStore(func(cfg *config.Config, store auth.Store) error {
		// The audit trail may still be sealed with it.
		sealed, err := store.Read().Chain(p.ctx)
		if err == nil && sealed.KeyID == c.ID {
			var sealer *chain.Sealer
			if sealer, err = server.NewSealer(p.ctx, cfg, store, p.logger()); err == nil {
				err = sealer.Seal(p.ctx)
			}
		}
		if err != nil {
			return fmt.Errorf("seal the audit trail with another key: %w", err)
		}
		err = keyring.Retire(p.ctx, store, server.RingOptions(cfg), c.ID)
		switch {
		case errors.Is(err, keyring.ErrSigning):
			return failed("`latchkey key rotate --now` lets another key sign, then retire this one", "%w", err)
		case errors.Is(err, keyring.ErrNoKey):
			return failed("latchkey key list shows which there are", "%w", err)
		case err != nil:
			return err
		}
		p.say("%s is removed: its tokens are refused from now on, by every node within two seconds.", printable(c.ID))
		p.say("Whoever verifies with a copy of the public keys refuses them within five minutes.")
		return nil
	})
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
		if cfg.Signing.Algorithm != config.HS256 {
			return failed("set signing.algorithm to HS256 first, or `latchkey key rotate`", "signing.algorithm is %s: a signing.key is for HS256", cfg.Signing.Algorithm)
		}
		o := server.RingOptions(cfg)
		change := keyring.Change{Secret: []byte(secret), Previous: previous, Lifetime: o.Lifetime, Discard: c.Discard}
		accepted := false
		if c.Discard {
			// A key that is retired is there long enough for the server to do it.
			change.Within = func(ctx context.Context, tx auth.Tx, find func(string) (token.Key, bool), next token.Key) (err error) {
				accepted, err = chain.Turn(ctx, tx, find, next, time.Now())
				return err
			}
		}
		err := keyring.Use(p.ctx, store, o, change)
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
			if accepted {
				p.say("What is in the audit trail so far was sealed with it and cannot be proven any more.")
			}
		} else {
			p.say("Tokens of the old key are accepted for %s more.", max(cfg.Tokens.Access, cfg.Tokens.Refresh))
		}
		return nil
	})
}

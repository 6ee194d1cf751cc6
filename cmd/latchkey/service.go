package main

import (
	"errors"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"
	"unicode/utf8"

	"github.com/latchkey-auth/latchkey/internal/auth"
	"github.com/latchkey-auth/latchkey/internal/config"
)

type serviceKeyCommands struct {
	Create serviceKeyCreateCommand `cmd:"" help:"Make a key. It is shown once."`
	List   serviceKeyListCommand   `cmd:"" help:"List keys."`
	Revoke serviceKeyRevokeCommand `cmd:"" help:"End a key, from the next request on."`
}

type serviceKeyCreateCommand struct {
	Name string `arg:"" placeholder:"NAME" help:"What the key is for, in a few words."`
}

// maxServiceName is how many characters a key's name has at most.
const maxServiceName = 100

// Run makes a key. Only the key itself goes to standard output, so that it can
// be put into a file.
func (c *serviceKeyCreateCommand) Run(p *program) error {
	name := strings.TrimSpace(c.Name)
	if name == "" || !utf8.ValidString(name) || utf8.RuneCountInString(name) > maxServiceName {
		return misused("", "the name must have 1 to %d characters", maxServiceName)
	}
	return p.withAccounts(func(d data) error {
		k, secret, err := d.accounts.MakeServiceKey(p.ctx, name)
		if err != nil {
			return err
		}
		fmt.Fprintf(p.stderr, "Service key %s, scope %s. It is not shown again:\n", k.ID, k.Scope)
		p.say("%s", secret)
		return nil
	})
}

type serviceKeyListCommand struct {
	JSON bool `name:"json" help:"Print JSON."`
}

// Run lists the keys; there is nothing of their secrets to show.
func (c *serviceKeyListCommand) Run(p *program) error {
	return p.withStore(func(_ *config.Config, store auth.Store) error {
		all, err := store.Read().ServiceKeys(p.ctx)
		if err != nil {
			return fmt.Errorf("list service keys: %w", err)
		}
		if c.JSON {
			type key struct {
				ID        string     `json:"id"`
				Name      string     `json:"name"`
				Scope     auth.Scope `json:"scope"`
				CreatedAt time.Time  `json:"created_at"`
				RevokedAt *time.Time `json:"revoked_at"`
			}
			list := []key{}
			for _, k := range all {
				row := key{k.ID, k.Name, k.Scope, k.CreatedAt, nil}
				if !k.RevokedAt.IsZero() {
					row.RevokedAt = &k.RevokedAt
				}
				list = append(list, row)
			}
			return p.printJSON(list)
		}
		if len(all) == 0 {
			p.say("No service keys.")
			return nil
		}
		w := tabwriter.NewWriter(p.stdout, 0, 0, 2, ' ', 0)
		fmt.Fprintln(w, "ID\tNAME\tSCOPE\tCREATED\tREVOKED")
		for _, k := range all {
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", k.ID, printable(k.Name), k.Scope, timeText(k.CreatedAt), timeText(k.RevokedAt))
		}
		return w.Flush()
	})
}

type serviceKeyRevokeCommand struct {
	ID string `arg:"" placeholder:"ID" help:"Which one; service-key list shows them."`
}

// Run ends a key.
func (c *serviceKeyRevokeCommand) Run(p *program) error {
	return p.withAccounts(func(d data) error {
		k, err := d.accounts.RevokeServiceKey(p.ctx, c.ID)
		if errors.Is(err, auth.ErrNotFound) {
			return failed("latchkey service-key list shows them", "there is no service key %s that is good", printable(c.ID))
		}
		if err != nil {
			return err
		}
		p.say("Revoked the service key %s (%s).", k.ID, printable(k.Name))
		return nil
	})
}

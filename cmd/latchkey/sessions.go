package main

import "github.com/latchkey-auth/latchkey/internal/auth"

type sessionCommands struct {
	EndAll sessionsEndAllCommand `cmd:"" help:"Sign everybody out, everywhere, at once."`
}

type sessionsEndAllCommand struct {
	Yes bool `help:"Do not ask."`
}

// Run ends every session and kills every access token.
func (c *sessionsEndAllCommand) Run(p *program) error {
	return p.withAccounts(func(d data) error {
		if !c.Yes {
			if err := p.confirm("Type \"end all\" to sign everybody out: ", "end all"); err != nil {
				return err
			}
		}
		n, err := d.accounts.EndAllSessions(p.ctx, auth.EventAllSessionsEnd)
		if err != nil {
			return err
		}
		p.say("Ended %s. Everybody signs in again.", count(n, "session"))
		return nil
	})
}

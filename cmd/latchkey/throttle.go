package main

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/latchkey-auth/latchkey/internal/account"
	"github.com/latchkey-auth/latchkey/internal/auth"
)

type throttleCommands struct {
	List throttleListCommand `cmd:"" help:"List what was tried without success, the latest first."`
	Lift throttleLiftCommand `cmd:"" help:"Let whoever is refused try again at once."`
}

type throttleListCommand struct {
	User  string `placeholder:"EMAIL" help:"Only what concerns this account."`
	Limit int    `default:"100" help:"How many at most. [100]"`
	JSON  bool   `name:"json" help:"Print JSON."`
}

// throttledJSON is a counter as --json prints it; names as the API's.
type throttledJSON struct {
	ID           string     `json:"id"`
	Kind         string     `json:"kind"`
	UserID       int64      `json:"user_id,omitempty"`
	Email        string     `json:"email,omitempty"`
	Address      string     `json:"address,omitempty"`
	Failures     int64      `json:"failures"`
	LastAt       time.Time  `json:"last_at"`
	RefusedUntil *time.Time `json:"refused_until"`
	Reason       string     `json:"reason"`
}

// Run lists the counters.
func (c *throttleListCommand) Run(p *program) error {
	if c.Limit < 1 || c.Limit > 10_000 {
		return misused("", "--limit must be from 1 to 10000")
	}
	return p.withAccounts(func(d data) error {
		f := auth.CounterFilter{Limit: c.Limit}
		if c.User != "" {
			u, err := p.userByEmail(d.store, c.User)
			if err != nil {
				return err
			}
			f.UserID = u.ID
		}
		all, err := d.accounts.Throttled(p.ctx, f)
		if err != nil {
			return err
		}
		if c.JSON {
			return p.printJSON(throttledList(all))
		}
		if len(all) == 0 {
			p.say("Nobody fails to sign in at the moment.")
			return nil
		}
		w := tabwriter.NewWriter(p.stdout, 0, 0, 2, ' ', 0)
		fmt.Fprintln(w, "KIND\tWHOSE\tADDRESS\tFAILURES\tLAST\tREFUSED UNTIL\tWHY\tID")
		for _, n := range all {
			fmt.Fprintf(w, "%s\t%s\t%s\t%d\t%s\t%s\t%s\t%s\n", n.Kind, whose(n), dash(n.Address), n.Failures,
				timeText(n.LastAt), timeText(n.Until), dash(n.Why), n.Key)
		}
		return w.Flush()
	})
}

func throttledList(all []account.Throttled) []throttledJSON {
	list := []throttledJSON{}
	for _, n := range all {
		row := throttledJSON{
			ID: n.Key, Kind: n.Kind, UserID: n.UserID, Email: n.Email, Address: n.Address,
			Failures: n.Failures, LastAt: n.LastAt.UTC(), Reason: n.Why,
		}
		if !n.Until.IsZero() {
			until := n.Until.UTC()
			row.RefusedUntil = &until
		}
		list = append(list, row)
	}
	return list
}

// whose names the account of a counter.
func whose(n account.Throttled) string {
	switch {
	case n.Email != "":
		return printable(n.Email)
	case n.UserID != 0:
		return fmt.Sprintf("user %d, deleted", n.UserID)
	case n.Kind == auth.CounterAccount:
		return "nobody's e-mail"
	}
	return "-"
}

func dash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

type throttleLiftCommand struct {
	Whom string `arg:"" placeholder:"EMAIL|ADDRESS|ID" help:"An account, a client address, or a counter as throttle list shows it."`
}

// Run lifts. A running server lets in again within a second.
func (c *throttleLiftCommand) Run(p *program) error {
	return p.withAccounts(func(d data) error {
		n, err := c.lift(p, d)
		if errors.Is(err, auth.ErrNotFound) {
			return failed("latchkey throttle list shows what there is", "nothing is counted of %s", printable(c.Whom))
		}
		if err != nil {
			return err
		}
		if n == 1 {
			p.say("Lifted 1 limit of %s.", printable(c.Whom))
		} else {
			p.say("Lifted %d limits of %s.", n, printable(c.Whom))
		}
		return nil
	})
}

func (c *throttleLiftCommand) lift(p *program, d data) (int, error) {
	if strings.Contains(c.Whom, "@") {
		u, err := p.userByEmail(d.store, c.Whom)
		if err != nil {
			return 0, err
		}
		return d.accounts.LiftUser(p.ctx, nil, u.ID)
	}
	if prefix, err := netip.ParsePrefix(c.Whom); err == nil { // as the list shows IPv6
		if counted := addressBits(prefix.Addr()); prefix.Bits() != counted {
			return 0, misused("name one address, or lift what latchkey throttle list shows one by one",
				"%s is a network, and addresses are counted by /%d", printable(c.Whom), counted)
		}
		return 1, d.accounts.LiftAddress(p.ctx, nil, prefix.Addr())
	}
	if addr, err := netip.ParseAddr(c.Whom); err == nil {
		return 1, d.accounts.LiftAddress(p.ctx, nil, addr)
	}
	return 1, d.accounts.Lift(p.ctx, nil, c.Whom)
}

// addressBits is how much of an address is counted by (docs/throttle.md).
func addressBits(addr netip.Addr) int {
	if addr.Is4() {
		return 32
	}
	return 64
}

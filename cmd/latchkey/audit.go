package main

import (
	"fmt"
	"time"

	"github.com/latchkey-auth/latchkey/internal/auth"
	"github.com/latchkey-auth/latchkey/internal/chain"
	"github.com/latchkey-auth/latchkey/internal/config"
	"github.com/latchkey-auth/latchkey/internal/server"
)

type auditCommands struct {
	Verify auditVerifyCommand `cmd:"" help:"Compare every sealed event with the chain. Status 1 if something was changed, taken out or put in, 3 if that is not so and a head that was given is too old to be compared."`
	Head   auditHeadCommand   `cmd:"" help:"Print where the chain ends, to be kept on another machine; audit verify --head takes it."`
	Seal   auditSealCommand   `cmd:"" help:"Seal now what can be sealed. A running server does it by itself."`
	Accept auditAcceptCommand `cmd:"" help:"Go on after a break that you have looked into: what is sealed so far counts as not proven from then on."`
}

// exitUncompared is audit verify's status where nothing is wrong with the trail
// and a head that was given could not be compared.
const exitUncompared = 3

// withChain opens the database and what seals it for do.
func (p *program) withChain(do func(auth.Store, *chain.Sealer) error) error {
	return p.withStore(func(cfg *config.Config, store auth.Store) error {
		sealer, err := server.NewSealer(p.ctx, cfg, store, p.logger())
		if err != nil {
			return err
		}
		return do(store, sealer)
	})
}

type auditVerifyCommand struct {
	Head []string `name:"head" placeholder:"SEQ:HASH" help:"A head of an earlier time, from audit head or from the log: the chain must still go through it. May be repeated."`
	JSON bool     `name:"json" help:"Print JSON."`
}

// verifiedJSON is a report as it is printed.
type verifiedJSON struct {
	OK            bool            `json:"ok"`
	Links         int64           `json:"links"`
	Events        int64           `json:"events"`
	Head          string          `json:"head"`
	BegunAt       *time.Time      `json:"begun_at"`
	SealedAt      *time.Time      `json:"sealed_at"`
	AnchoredAt    *time.Time      `json:"anchored_at"`
	AcceptedAt    *time.Time      `json:"accepted_at"`
	Accepted      int64           `json:"accepted"`
	Unsealed      int64           `json:"unsealed"`
	UnsealedSince *time.Time      `json:"unsealed_since"`
	Found         int64           `json:"found"`
	Problems      []chain.Problem `json:"problems"`
	// NotComparable are heads that were given whose links are gone.
	NotComparable []string `json:"not_comparable"`
}

// Run verifies and tells where the trail breaks.
func (c *auditVerifyCommand) Run(p *program) error {
	var o chain.VerifyOptions
	for _, text := range c.Head {
		m, ok := chain.ParseMark(text)
		if !ok {
			return misused("write it as latchkey audit head prints it", "%q is no head of a chain", text)
		}
		o.Marks = append(o.Marks, m)
	}
	return p.withChain(func(_ auth.Store, sealer *chain.Sealer) error {
		r, err := sealer.Verify(p.ctx, o)
		if err != nil {
			return err
		}
		if c.JSON {
			problems, gone := append([]chain.Problem{}, r.Problems...), []string{}
			for _, m := range r.Uncompared {
				gone = append(gone, m.String())
			}
			if err := p.printJSON(verifiedJSON{
				r.OK, r.Links, r.Events, r.Head().String(), timeOrNil(r.Chain.BegunAt), timeOrNil(r.Chain.SealedAt),
				timeOrNil(r.Chain.AnchoredAt), timeOrNil(r.Chain.AcceptedAt), r.Accepted,
				r.Unsealed, timeOrNil(r.UnsealedSince), r.Found, problems, gone,
			}); err != nil {
				return err
			}
		} else {
			c.say(p, r)
		}
		switch {
		case r.OK && len(r.Uncompared) == 0:
			return nil
		case r.OK:
			return &failure{
				err:  fmt.Errorf("not comparable: %s whose link is gone", count(int64(len(r.Uncompared)), "head")),
				hint: "what is left begins later: give a later head", status: exitUncompared,
			}
		}
		return failed("docs/audit.md says what each means; `latchkey audit accept` goes on from here once you know what happened",
			"the audit trail is not as it was sealed: %s", count(r.Found, "problem"))
	})
}

func (c *auditVerifyCommand) say(p *program, r *chain.Report) {
	for _, problem := range r.Problems {
		p.say("%-9s  %s", problem.Kind, printable(problem.Text))
	}
	if more := r.Found - int64(len(r.Problems)); more > 0 {
		p.say("and %d more", more)
	}
	for _, m := range r.Uncompared {
		p.say("Not comparable: head %s; its link is gone.", m)
	}
	if r.Chain.HeadSeq == 0 {
		p.say("Nothing is sealed yet.")
	} else {
		p.say("Compared %s in %s, begun %s, sealed until %s.", count(r.Events, "event"), count(r.Links, "link"),
			timeText(r.Chain.BegunAt), timeText(r.Chain.SealedAt))
	}
	if !r.Chain.AnchoredAt.IsZero() {
		p.say("What came before link %d was removed on %s.", r.Chain.AnchorSeq+1, timeText(r.Chain.AnchoredAt))
	}
	if r.Accepted > 0 {
		p.say("%s were accepted without a proof on %s.", count(r.Accepted, "event"), timeText(r.Chain.AcceptedAt))
	}
	if r.Unsealed > 0 {
		p.say("%s not sealed yet, since %s.", count(r.Unsealed, "event"), timeText(r.UnsealedSince))
	}
	p.say("Head %s", r.Head())
}

type auditHeadCommand struct{}

// Run prints the head alone, for scripts.
func (c *auditHeadCommand) Run(p *program) error {
	return p.withChain(func(_ auth.Store, sealer *chain.Sealer) error {
		state, err := sealer.State(p.ctx)
		switch {
		case err != nil:
			return err
		case state.Broken != "":
			return failed("latchkey audit verify says where", "%s", state.Broken)
		case state.HeadSeq == 0:
			return failed("a server seals within seconds; `latchkey audit seal` does it now", "nothing is sealed yet")
		}
		p.say("%s", state.Head())
		return nil
	})
}

type auditSealCommand struct{}

// Run seals what can change no more.
func (c *auditSealCommand) Run(p *program) error {
	return p.withChain(func(_ auth.Store, sealer *chain.Sealer) error {
		before, err := sealer.State(p.ctx)
		if err != nil {
			return err
		}
		for {
			c, err := sealer.State(p.ctx)
			if err != nil {
				return err
			}
			if err := sealer.Seal(p.ctx); err != nil {
				return err
			}
			now, err := sealer.State(p.ctx)
			if err != nil {
				return err
			}
			if now.HeadSeq == c.HeadSeq {
				p.say("Sealed %s; %d may still change. Head %s", count(now.Events-before.Events, "event"), now.Unsealed, now.Head())
				return nil
			}
		}
	})
}

type auditAcceptCommand struct {
	Yes bool `help:"Do not ask."`
}

// Run takes the trail as it is.
func (c *auditAcceptCommand) Run(p *program) error {
	return p.withChain(func(_ auth.Store, sealer *chain.Sealer) error {
		if !c.Yes {
			if err := p.confirm("What is sealed so far will count as not proven. Type \"accept\" to go on: ", "accept"); err != nil {
				return err
			}
		}
		accepted, err := sealer.Accept(p.ctx)
		if err != nil {
			return fmt.Errorf("accept the audit trail: %w", err)
		}
		p.say("The chain goes on after link %d.", accepted.AcceptedSeq)
		return nil
	})
}

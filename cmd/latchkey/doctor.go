package main

import (
	"fmt"
	"strings"

	"github.com/latchkey-auth/latchkey/internal/doctor"
	"github.com/latchkey-auth/latchkey/internal/server"
)

// The doctor's exit statuses; 1 and 2 mean what they always mean.
const (
	exitWarnings = 3
	exitErrors   = 4
)

type doctorCommand struct {
	JSON  bool `name:"json" help:"Print JSON, also what is well."`
	Quiet bool `help:"Print a line for each error and warning, and nothing else."`
}

// Help says more.
func (doctorCommand) Help() string {
	return "Judges the settings in force and what is around them, and says how to mend what should not stay as it is. It changes nothing, and works beside a running server. Exit status: 4 with errors, 3 with warnings, else 0; 1 if it could not do its work, 2 if the configuration is wrong. docs/doctor.md lists what it may say."
}

// Run looks at everything and prints what was found.
func (c *doctorCommand) Run(p *program) error {
	cfg, err := p.config()
	if err != nil {
		return err
	}
	findings := server.Examine(p.ctx, cfg)
	if err := p.ctx.Err(); err != nil {
		return err
	}
	switch {
	case c.JSON:
		err = p.printJSON(findings)
	case c.Quiet:
		for _, f := range findings {
			if f.Severity == doctor.Error || f.Severity == doctor.Warning {
				p.say("%s %s: %s", f.Severity, f.ID, printable(f.What))
			}
		}
	default:
		p.printFindings(findings)
	}
	if err != nil {
		return err
	}
	switch doctor.Worst(findings) {
	case doctor.Error:
		return &failure{status: exitErrors}
	case doctor.Warning:
		return &failure{status: exitWarnings}
	case doctor.Notice, doctor.OK:
	}
	return nil
}

// printFindings is for a person.
func (p *program) printFindings(findings []doctor.Finding) {
	paint := func(_ doctor.Severity, s string) string { return s }
	if p.colours() {
		paint = func(severity doctor.Severity, s string) string {
			return map[doctor.Severity]string{doctor.Error: "\x1b[1;31m", doctor.Warning: "\x1b[1;33m", doctor.Notice: "\x1b[1m", doctor.OK: ""}[severity] + s + "\x1b[0m"
		}
	}
	counts := map[doctor.Severity]int64{}
	for _, f := range findings {
		counts[f.Severity]++
		if f.Severity == doctor.OK {
			continue
		}
		p.say("%s  %s", paint(f.Severity, fmt.Sprintf("%-7s", f.Severity)), paint(doctor.Notice, printable(f.What)))
		p.say("         %s", printable(f.Why))
		p.say("         %s", printable(f.Mend))
		if f.Do != "" {
			p.say("             %s", printable(f.Do))
		}
		p.say("         (%s)\n", f.ID)
	}
	if len(findings) == int(counts[doctor.OK]) {
		p.say("Nothing to mend: %s.", count(counts[doctor.OK], "check"))
		return
	}
	p.say("%s, %s, %s; %s found nothing.", count(counts[doctor.Error], "error"), count(counts[doctor.Warning], "warning"),
		count(counts[doctor.Notice], "notice"), count(counts[doctor.OK], "check"))
}

// colours reports whether standard output is a terminal that shows them and
// whose owner has nothing against it (no-color.org).
func (p *program) colours() bool {
	if !isTerminal(p.stdout) {
		return false
	}
	for _, v := range p.env {
		name, value, _ := strings.Cut(v, "=")
		if name == "NO_COLOR" && value != "" || name == "TERM" && value == "dumb" {
			return false
		}
	}
	return true
}

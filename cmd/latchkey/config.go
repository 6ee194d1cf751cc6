package main

import (
	"encoding/json"
	"fmt"
	"text/tabwriter"

	"github.com/latchkey-auth/latchkey/internal/config"
)

type configCommands struct {
	Show    configShowCommand    `cmd:"" default:"withargs" help:"Show the settings in force and where each came from; secrets are hidden."`
	Example configExampleCommand `cmd:"" help:"Print a TOML file with every setting and its default."`
}

type configShowCommand struct {
	JSON bool `name:"json" help:"Print JSON."`
}

// Run prints the settings as the file would spell them, each with its origin.
func (c *configShowCommand) Run(p *program) error {
	cfg, err := p.config()
	if err != nil {
		return err
	}
	if c.JSON {
		type setting struct {
			Key    string `json:"key"`
			Value  string `json:"value"`
			From   string `json:"from"`
			Origin string `json:"origin"`
		}
		list := []setting{}
		for _, s := range cfg.Settings() {
			list = append(list, setting{s.Key, s.Text, s.Origin.From, s.Origin.String()})
		}
		return p.printJSON(list)
	}
	w := tabwriter.NewWriter(p.stdout, 0, 0, 2, ' ', 0)
	for _, s := range cfg.Settings() {
		from := s.Origin.From
		if from != config.FromDefault {
			from += " " + s.Origin.String()
		}
		fmt.Fprintf(w, "%s = %s\t# %s\n", s.Key, printable(s.Value), from)
	}
	return w.Flush()
}

type configExampleCommand struct{}

// Run prints the example file.
func (c *configExampleCommand) Run(p *program) error {
	_, err := fmt.Fprint(p.stdout, config.Example())
	return err
}

// printJSON writes v for a program to read.
func (p *program) printJSON(v any) error {
	enc := json.NewEncoder(p.stdout)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

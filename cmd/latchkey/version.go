package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/alecthomas/kong"

	"github.com/latchkey-auth/latchkey/internal/store/sqlite"
)

type versionCommand struct {
	JSON bool `name:"json" help:"Print JSON."`
}

// Run prints what this program is.
func (c *versionCommand) Run(p *program) error {
	b := readBuild()
	if c.JSON {
		return p.printJSON(b)
	}
	p.say("%s", b)
	return nil
}

// versionFlag is --version: what people try first.
type versionFlag bool

// BeforeReset runs before arguments are found missing.
func (versionFlag) BeforeReset(k *kong.Kong) error {
	fmt.Fprintln(k.Stdout, readBuild())
	k.Exit(0)
	return nil
}

// build is what this program was made from.
type build struct {
	Version string `json:"version"`
	Go      string `json:"go"`
	Commit  string `json:"commit"`
	Schema  int64  `json:"schema"`
}

func (b build) String() string {
	return fmt.Sprintf("latchkey %s\ngo       %s\ncommit   %s\nschema   %d", b.Version, b.Go, b.Commit, b.Schema)
}

func readBuild() build {
	b := build{Version: "unknown", Go: runtime.Version(), Commit: "unknown", Schema: sqlite.SchemaVersion()}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return b
	}
	if v := info.Main.Version; v != "" {
		b.Version = v
	}
	dirty := false
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			b.Commit = s.Value
		case "vcs.modified":
			dirty = s.Value == "true"
		}
	}
	if dirty && b.Commit != "unknown" {
		b.Commit += " with changes"
	}
	return b
}

// count says 1 session, 2 sessions.
func count(n int64, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

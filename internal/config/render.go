package config

import (
	"fmt"
	"strings"
)

// Example gives a TOML file with every setting, its description and its
// default. Each setting is commented out, so that the file changes nothing
// and later defaults are not pinned by it.
func Example() string {
	var b strings.Builder
	b.WriteString(`# Configuration of Latchkey.
#
# Each setting below stands with its default; remove the # before a name to
# change it. The environment (LATCHKEY_TOKENS_ACCESS for tokens.access) and
# flags (--tokens.access) overrule this file. Durations are written like 180m,
# 3h, 1d12h, 30d, or as a number of seconds.
`)
	c := Default()
	section := ""
	for _, f := range fields() {
		if f.section != section {
			section = f.section
			fmt.Fprintf(&b, "\n%s[%s]\n", comment(sectionHelp(section)), section)
		}
		b.WriteString("\n" + comment(f.sentences()))
		name := strings.TrimPrefix(f.key, section+".")
		fmt.Fprintf(&b, "#%s = %s\n", name, f.defaultTOML(c))
	}
	return b.String()
}

// defaultTOML is the default as its tag spells it, which is how the guide
// speaks: 180m rather than 3h.
func (f field) defaultTOML(c *Config) string {
	if !f.list() && f.def != "" && strings.HasPrefix(f.toml(c), `"`) {
		return `"` + f.def + `"`
	}
	return f.toml(c)
}

// sentences is the description with what the tags say about values.
func (f field) sentences() string {
	s := f.help
	if f.oneof != nil {
		s += " One of " + strings.Join(f.oneof, ", ") + "."
	}
	if f.min != "" {
		s += " From " + f.min + " to " + f.max + "."
	}
	if f.secret() {
		s += " No flag: secrets do not belong on a command line."
	}
	return s
}

func sectionHelp(name string) string {
	for _, s := range sections() {
		if s[0] == name {
			return s[1]
		}
	}
	return ""
}

// comment breaks a text into lines of at most 78 characters behind "# ".
func comment(text string) string {
	var b strings.Builder
	line := "#"
	for _, word := range strings.Fields(text) {
		if len([]rune(line))+1+len([]rune(word)) > 78 && line != "#" {
			b.WriteString(line + "\n")
			line = "#"
		}
		line += " " + word
	}
	b.WriteString(line + "\n")
	return b.String()
}

// Reference gives the page docs/configuration.md.
func Reference() string {
	var b strings.Builder
	b.WriteString(`<!-- Generated from internal/config by go test -update; do not edit. -->
# Configuration

Latchkey starts with nothing configured. Every setting has one name, which each source spells its way:

| source | spelling of ` + "`tokens.session_max`" + ` |
|---|---|
| TOML file | ` + "`session_max = \"30d\"` under `[tokens]`" + ` |
| environment | ` + "`LATCHKEY_TOKENS_SESSION_MAX=30d`" + ` |
| flag | ` + "`--tokens.session_max=30d`" + ` |

A default yields to the file, the file to the environment, the environment to a flag. The file is the one that
` + "`--config` or `LATCHKEY_CONFIG` names, else `latchkey.toml`" + ` in the working folder if it is there.
` + "`latchkey config`" + ` shows what is in force and where each value came from; ` + "`latchkey config example`" + ` prints a file to begin with.

- A duration is written like ` + "`180m`, `3h`, `1d12h`, `30d`" + `, or as a number of seconds.
- A list is ` + "`[\"a\", \"b\"]`" + ` in the file and ` + "`a,b`" + ` in the environment and in a flag.
- Secrets have no flag, and are never printed.
- A name that does not exist and a value that is wrong stop the start with exit status 2; all of them are reported at once.
  Variables that begin with ` + "`LATCHKEY_TEST_`" + `, and those that Kubernetes sets for a service named ` + "`latchkey`" + `, are left alone.
`)
	c := Default()
	section := "-"
	for _, f := range fields() {
		if f.section != section {
			section = f.section
			if section == "" {
				b.WriteString("\n## The server\n")
			} else {
				fmt.Fprintf(&b, "\n## `[%s]`\n\n%s\n", section, sectionHelp(section))
			}
			b.WriteString("\n| setting | default | values | |\n|---|---|---|---|\n")
		}
		def := f.text(c)
		if !f.list() && f.def != "" {
			def = f.def
		}
		if def != "" {
			def = "`" + def + "`"
		}
		values := f.kind()
		if f.min != "" {
			values += " from " + f.min + " to " + f.max
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", f.key, def, values, f.help)
	}
	return b.String()
}

// Flag is a setting as the command line offers it.
type Flag struct {
	// Name is the key, without the dashes.
	Name string
	// Section groups flags in the help, "" for those without.
	Section string
	// Help ends with the default.
	Help string
}

// Flags lists the settings that have a flag.
func Flags() []Flag {
	var out []Flag
	for _, f := range fields() {
		if f.secret() {
			continue
		}
		help := f.help
		if f.def != "" {
			help += " [" + f.def + "]"
		}
		out = append(out, Flag{Name: f.key, Section: f.section, Help: help})
	}
	return out
}

// Secrets lists the keys of the settings that have no flag, with the
// environment variable of each.
func Secrets() map[string]string {
	out := map[string]string{}
	for _, f := range fields() {
		if f.secret() {
			out[f.key] = f.env()
		}
	}
	return out
}

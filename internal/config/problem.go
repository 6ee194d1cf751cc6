package config

import (
	"fmt"
	"strings"
)

// Kinds of origin.
const (
	FromDefault = "default"
	FromFile    = "file"
	FromEnv     = "environment"
	FromFlag    = "flag"
)

// Origin is where a value came from.
type Origin struct {
	// From is one of the From constants.
	From string
	// Name is the file's path, the variable's or the flag's name.
	Name string
	// Line is the line in the file, from 1; 0 when it has none.
	Line int
}

// String is for people: "latchkey.toml:4", "LATCHKEY_LISTEN", "--listen",
// "default".
func (o Origin) String() string {
	switch {
	case o.Name == "":
		return o.From
	case o.Line > 0:
		return fmt.Sprintf("%s:%d", o.Name, o.Line)
	default:
		return o.Name
	}
}

// Problem is one mistake.
type Problem struct {
	// Key is the setting, "" for a mistake that belongs to none.
	Key    string
	Origin Origin
	// What says what is wrong; it never quotes a secret.
	What string
	// Hint says what to do; it may be "".
	Hint string
}

// String is one line, and a second one for the hint.
func (p Problem) String() string {
	s := p.Origin.String() + ": "
	if p.Key != "" {
		s += p.Key + ": "
	}
	s += p.What
	if p.Hint != "" {
		s += "\n    hint: " + p.Hint
	}
	return s
}

// Problems are all the mistakes of a configuration. They are the error of Load.
type Problems []Problem

// Error lists them, one under the other.
func (ps Problems) Error() string {
	var b strings.Builder
	if len(ps) == 1 {
		b.WriteString("the configuration has a mistake")
	} else {
		fmt.Fprintf(&b, "the configuration has %d mistakes", len(ps))
	}
	for _, p := range ps {
		b.WriteString("\n  " + p.String())
	}
	return b.String()
}

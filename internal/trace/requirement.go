package trace

import (
	_ "embed"
	"fmt"
	"strings"

	"github.com/pelletier/go-toml/v2"
)

//go:embed requirements.toml
var requirements []byte

// Kind is a list of requirements, as tags name it.
type Kind string

// The lists.
const (
	ASVS   Kind = "ASVS"   // OWASP ASVS 5.0
	Lesson Kind = "LESSON" // what went wrong elsewhere
	Figure Kind = "ROW"    // what is to be shown, and how much of it
)

// Requirement is one thing that Latchkey is held to.
type Requirement struct {
	// Number is ASVS's, or counts from 1.
	Number string `toml:"number"`
	// Level is ASVS's: 1 to 3, and 0 where there is none.
	Level int    `toml:"level"`
	What  string `toml:"what"`
	// Feature is what has to be built before this is due, "" for nothing.
	Feature string `toml:"feature"`
	// Absent says that it asks for something that Latchkey does not have.
	Absent bool `toml:"absent"`
	// Beside says that it is of none of the chapters below: tests may show it,
	// and nobody counts it.
	Beside bool `toml:"beside"`
	// Passage says that documentation alone can meet it. Elsewhere a passage
	// explains and a test decides.
	Passage bool `toml:"passage"`
	// Note tells of a deviation.
	Note string `toml:"note"`
}

// Due reports whether the requirement is to be met now.
func (r Requirement) Due() bool { return r.Feature == "" && !r.Absent && !r.Beside }

// Chapter is the ASVS chapter that the requirement is of, "7".
func (r Requirement) Chapter() string {
	chapter, _, _ := strings.Cut(r.Number, ".")
	return chapter
}

// Requirements are all of them, by list and in order.
func Requirements() (map[Kind][]Requirement, error) {
	var file struct {
		ASVS    []Requirement `toml:"asvs"`
		Lessons []Requirement `toml:"lessons"`
		Figures []Requirement `toml:"figures"`
	}
	dec := toml.NewDecoder(strings.NewReader(string(requirements)))
	if err := dec.DisallowUnknownFields().Decode(&file); err != nil {
		return nil, fmt.Errorf("read the requirements: %w", err)
	}
	return map[Kind][]Requirement{ASVS: file.ASVS, Lesson: file.Lessons, Figure: file.Figures}, nil
}

// chapters are those of ASVS that concern a server of this kind, with titles.
var chapters = []struct{ number, title string }{
	{"4", "API and web service"},
	{"6", "Authentication"},
	{"7", "Session management"},
	{"8", "Authorization"},
	{"9", "Self-contained tokens"},
	{"10", "OAuth and OIDC"},
	{"13", "Configuration"},
	{"14", "Data protection"},
	{"16", "Logging and errors"},
}

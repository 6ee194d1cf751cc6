package doctor

import (
	"slices"
	"strings"
)

// Severity is how much a finding matters.
type Severity string

// The severities, the worst first.
const (
	// Error: an attacker, a crash or a mistake can do harm now.
	Error Severity = "error"
	// Warning: one layer of protection is missing.
	Warning Severity = "warning"
	// Notice: worth knowing; it may well be meant.
	Notice Severity = "notice"
	// OK: looked at, and good.
	OK Severity = "ok"
)

// Severities lists them, the worst first.
func Severities() []Severity { return []Severity{Error, Warning, Notice, OK} }

// Finding is the outcome of a check.
type Finding struct {
	// ID names the check; it does not change from version to version.
	ID       string   `json:"id"`
	Severity Severity `json:"severity"`
	// What is one sentence. For OK it is what was looked at.
	What string `json:"what"`
	// Why says what may come of it, Mend what to do; Do is that as a line to
	// copy: a command, or a setting as the environment spells it. They are ""
	// for OK, and Do where there is no such line.
	Why  string `json:"why"`
	Mend string `json:"mend"`
	Do   string `json:"do"`
	// Params are what stands in the texts for this machine.
	Params map[string]string `json:"params"`
}

// Worst gives the worst severity among findings.
func Worst(findings []Finding) Severity {
	worst := OK
	for _, f := range findings {
		if slices.Index(Severities(), f.Severity) < slices.Index(Severities(), worst) {
			worst = f.Severity
		}
	}
	return worst
}

// check is one row of the table.
type check struct {
	id       string
	severity Severity
	// title is what is looked at, in a few words.
	title string
	// what, why, mend and do are as in Finding, with {name} for parameters.
	what, why, mend, do string
	judge               func(*Facts) answer
}

// answer is what a check says of the facts.
type answer struct {
	state  state
	params map[string]string
}

type state int

const (
	unknown state = iota // or not concerned
	good
	bad
)

// The answers. params are names and values in turn.
func skip() answer { return answer{} }

func fine(params ...string) answer { return answer{good, pairs(params)} }

func found(params ...string) answer { return answer{bad, pairs(params)} }

// when is found(params...) if something is so, else fine.
func when(so bool, params ...string) answer {
	if so {
		return found(params...)
	}
	return fine(params...)
}

func pairs(list []string) map[string]string {
	out := map[string]string{}
	for i := 0; i+1 < len(list); i += 2 {
		out[list[i]] = list[i+1]
	}
	return out
}

// checks is the table, in the order of the page.
func checks() []check {
	return slices.Concat(keyChecks, accessChecks, breachChecks, networkChecks, dataChecks, postgresChecks, machineChecks)
}

// Judge gives the outcome of every check that could be made, the worst first.
func Judge(f *Facts) []Finding {
	var out []Finding
	for _, c := range checks() {
		a := c.judge(f)
		if a.state == unknown {
			continue
		}
		fill := filler(a.params)
		if a.state == good {
			out = append(out, Finding{ID: c.id, Severity: OK, What: fill(c.title), Params: a.params})
			continue
		}
		out = append(out, Finding{
			ID: c.id, Severity: c.severity, What: fill(c.what), Why: fill(c.why), Mend: fill(c.mend), Do: fill(c.do), Params: a.params,
		})
	}
	slices.SortStableFunc(out, func(a, b Finding) int {
		return slices.Index(Severities(), a.Severity) - slices.Index(Severities(), b.Severity)
	})
	return out
}

// filler puts parameters into texts.
func filler(params map[string]string) func(string) string {
	var list []string
	for name, value := range params {
		list = append(list, "{"+name+"}", value)
	}
	return strings.NewReplacer(list...).Replace
}

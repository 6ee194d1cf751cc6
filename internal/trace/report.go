package trace

import (
	"fmt"
	"io"
	"path"
	"slices"
	"strings"
	"unicode/utf8"
)

// State is what is known of a requirement.
type State string

// The states. Without results a requirement is at best Tagged.
const (
	Met      State = "met"
	Failing  State = "failing" // a test failed, or did not look
	NotRun   State = "not run"
	Untested State = "untested"
	Tagged   State = "tagged"
	Later    State = "later"
	Absent   State = "absent"
)

// Entry is a requirement with what shows it.
type Entry struct {
	Requirement
	Tests, Passages, Planted, Measures []Tag
	State                              State
	// Why names the tests that failed, were skipped or not run.
	Why []string
}

// Report is the state of everything.
type Report map[Kind][]Entry

// Judge joins requirements, tags and, unless nil, results.
func Judge(tags []Tag, results Results) (Report, error) {
	lists, err := Requirements()
	if err != nil {
		return nil, err
	}
	report := make(Report)
	for kind, list := range lists {
		for _, r := range list {
			e := Entry{Requirement: r}
			for _, t := range tags {
				switch {
				case t.Kind != kind || t.Number != r.Number:
				case t.IsTest():
					e.Tests = append(e.Tests, t)
				case t.IsPassage():
					e.Passages = append(e.Passages, t)
				case strings.HasPrefix(t.File, "planted/"):
					e.Planted = append(e.Planted, t)
				default:
					e.Measures = append(e.Measures, t)
				}
			}
			e.judge(results)
			report[kind] = append(report[kind], e)
		}
	}
	return report, nil
}

func (e *Entry) judge(results Results) {
	shown := len(e.Tests)+len(e.Measures) > 0 || e.Passage && len(e.Passages) > 0
	switch {
	case e.Absent:
		e.State = Absent
	case !shown && e.Feature != "":
		e.State = Later
	case !shown:
		e.State = Untested
	case results == nil:
		e.State = Tagged
	default:
		e.State = Met
		for _, t := range e.Tests {
			got, ok := results.Of(t)
			switch {
			case !ok:
				e.Why = append(e.Why, t.name()+" was not run")
				if e.State == Met {
					e.State = NotRun
				}
			case got.Result != "pass":
				e.Why = append(e.Why, t.name()+": "+got.Result)
				e.State = Failing
			}
		}
	}
}

// name is file and test.
func (t Tag) name() string {
	if t.Test == "" {
		return t.File
	}
	return t.File + ":" + t.Test
}

// due are the entries of the level (0: any) that are to be met now, and how
// many of them are in one of the states.
func (r Report) due(kind Kind, level int, states ...State) (reached, of int) {
	for _, e := range r[kind] {
		if !e.Due() || level != 0 && e.Level != level {
			continue
		}
		of++
		if slices.Contains(states, e.State) {
			reached++
		}
	}
	return reached, of
}

// Totals is one line: how many requirements of each level and list are in one
// of the states.
func (r Report) Totals(states ...State) string {
	var parts []string
	for level := 1; level <= 3; level++ {
		n, of := r.due(ASVS, level, states...)
		parts = append(parts, fmt.Sprintf("L%d %d/%d", level, n, of))
	}
	for _, list := range []struct {
		kind Kind
		name string
	}{{Lesson, "lessons"}, {Figure, "figures"}} {
		n, of := r.due(list.kind, 0, states...)
		parts = append(parts, fmt.Sprintf("%s %d/%d", list.name, n, of))
	}
	return strings.Join(parts, ", ")
}

// Print writes what make asvs shows: a line for each chapter and list, then
// whatever is not met.
func (r Report) Print(w io.Writer) {
	fmt.Fprintf(w, "%-28s %9s %9s %9s %9s %6s\n", "met of due", "L1", "L2", "L3", "failing", "open")
	line := func(name string, list []Entry) {
		var met, due [4]int
		failing, open := 0, 0
		for _, e := range list {
			if !e.Due() {
				continue
			}
			due[e.Level]++
			switch e.State {
			case Met:
				met[e.Level]++
			case Failing:
				failing++
			default:
				open++
			}
		}
		cell := func(level int) string {
			if due[level] == 0 {
				return ""
			}
			return fmt.Sprintf("%d/%d", met[level], due[level])
		}
		first := cell(1)
		if due[0] > 0 {
			first = cell(0)
		}
		fmt.Fprintf(w, "%-28s %9s %9s %9s %9d %6d\n", name, first, cell(2), cell(3), failing, open)
	}
	for _, c := range chapters {
		var list []Entry
		for _, e := range r[ASVS] {
			if e.Chapter() == c.number {
				list = append(list, e)
			}
		}
		line(c.number+" "+c.title, list)
	}
	line("lessons", r[Lesson])
	line("figures, by a small count", r[Figure])
	fmt.Fprintln(w)
	for _, kind := range []Kind{ASVS, Lesson, Figure} {
		for _, e := range r[kind] {
			if e.State != Failing && e.State != NotRun && (e.State != Untested || e.Beside) {
				continue
			}
			level := ""
			if e.Level > 0 {
				level = fmt.Sprintf(" (L%d)", e.Level)
			}
			fmt.Fprintf(w, "%-8s %s %s%s: %s\n", e.State, kind, e.Number, level, e.What)
			for _, why := range e.Why {
				fmt.Fprintf(w, "         %s\n", why)
			}
		}
	}
	fmt.Fprintf(w, "met: %s\n", r.Totals(Met))
}

// Page is docs/security.md. It says what is tested, not how the tests went, so
// that it changes only when they do.
func (r Report) Page() string {
	var b strings.Builder
	b.WriteString(`<!-- Made from internal/trace/requirements.toml and the tags of the tests by go test ./internal/trace -update; do not edit. -->
# What Latchkey is held to

Requirements, and what shows that they are met: a test that fails if one is not, or, where documentation is what is asked
for, the passage. ` + "`make asvs`" + ` says how the tests went the last time, ` + "`make planted`" + ` puts the defects back and
counts how many are found. What has neither is marked **untested**. The [threat model](threat-model.md) says what all of this is about.

With a test or a passage: ` + r.Totals(Tagged) + `.

## OWASP ASVS 5.0

The chapters of the [Application Security Verification Standard](https://github.com/OWASP/ASVS/tree/master/5.0/en) that concern
a server of this kind, by its numbers, in our words. Level 1 is the least, 3 the most.
`)
	for _, c := range chapters {
		fmt.Fprintf(&b, "\n### %s %s\n\n| | level | | shown by |\n|---|---|---|---|\n", c.number, c.title)
		var later, absent []string
		var notes []string
		for _, e := range r[ASVS] {
			switch {
			case e.Chapter() != c.number:
			case e.Absent:
				absent = append(absent, fmt.Sprintf("%s (%s)", e.Number, lower(e.What)))
			case e.Feature != "" && e.State == Later:
				later = append(later, fmt.Sprintf("%s, L%d: %s (%s)", e.Number, e.Level, lower(e.What), e.Feature))
			default:
				fmt.Fprintf(&b, "| %s | %d | %s | %s |\n", e.Number, e.Level, e.What, e.shown())
				if e.Note != "" {
					notes = append(notes, fmt.Sprintf("%s: %s", e.Number, e.Note))
				}
			}
		}
		for _, note := range notes {
			fmt.Fprintf(&b, "\n%s\n", note)
		}
		if len(later) > 0 {
			fmt.Fprintf(&b, "\nDue with a feature that is not there yet: %s.\n", strings.Join(later, "; "))
		}
		if len(absent) > 0 {
			fmt.Fprintf(&b, "\nNot applicable: %s.\n", strings.Join(absent, "; "))
		}
	}
	b.WriteString("\n### Of other chapters\n\nNot counted above.\n\n| | level | | shown by |\n|---|---|---|---|\n")
	for _, e := range r[ASVS] {
		if e.Beside && e.State != Untested {
			fmt.Fprintf(&b, "| %s | %d | %s | %s |\n", e.Number, e.Level, e.What, e.shown())
		}
	}
	b.WriteString(`
## Lessons

What went wrong in systems of this kind, as published in their advisories, by class of defect. A planted defect is a patch in
` + "`planted/`" + ` that brings it back, for which the tests were seen to fail.

| | the defect | shown by | planted |
|---|---|---|---|
`)
	for _, e := range r[Lesson] {
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", e.Number, e.What, e.shown(), links(e.Planted))
	}
	b.WriteString(`
## Figures

What is to be shown, and how much of it. The tests named here do a small part of it at each ` + "`make test`" + `;
` + "`make nightly`" + ` adds up the rest over the nights.

| | the figure | shown by |
|---|---|---|
`)
	for _, e := range r[Figure] {
		fmt.Fprintf(&b, "| %s | %s | %s |\n", e.Number, e.What, e.shown())
	}
	return b.String()
}

func lower(s string) string {
	if len(s) > 1 && s[1] >= 'A' && s[1] <= 'Z' {
		return s
	}
	_, n := utf8.DecodeRuneInString(s)
	return strings.ToLower(s[:n]) + s[n:]
}

func (e Entry) shown() string {
	all := links(slices.Concat(e.Tests, e.Passages, e.Measures))
	switch e.State {
	case Untested:
		if all != "" {
			return "**untested**; explained in " + all
		}
		return "**untested**"
	case Later:
		return "with " + e.Feature
	default:
		return all
	}
}

// links names each test or passage once, of one file behind each other.
func links(tags []Tag) string {
	var out []string
	for _, t := range tags {
		target := "../" + t.File
		name := t.Test
		switch {
		case t.IsPassage():
			target = strings.TrimPrefix(t.File, "docs/")
			if target == t.File {
				target = "../" + t.File
			}
			if name = t.Heading; name == "" {
				name = path.Base(t.File)
			} else {
				target += "#" + t.Anchor()
			}
		case !t.IsTest():
			name = path.Base(t.File)
		case !strings.HasSuffix(t.File, ".go"):
			name = "“" + name + "”"
		default:
			name = path.Dir(t.File) + " " + name
		}
		link := "[" + strings.NewReplacer("|", `\|`, "[", `\[`, "]", `\]`, "<", "&lt;").Replace(name) + "](" + target + ")"
		if !slices.Contains(out, link) {
			out = append(out, link)
		}
	}
	return strings.Join(out, ", ")
}

// Failing reports whether a test of any requirement failed or was skipped.
func (r Report) Failing() bool {
	for _, list := range r {
		for _, e := range list {
			if e.State == Failing {
				return true
			}
		}
	}
	return false
}

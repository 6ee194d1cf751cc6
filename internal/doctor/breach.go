package doctor

import (
	"os"
	"strconv"
	"time"

	"github.com/latchkey-auth/latchkey/internal/breach"
	"github.com/latchkey-auth/latchkey/internal/config"
)

// oldFilter is the age beyond which a filter of breached passwords is told of.
const oldFilter = 365 * day

// Filter is the file of breached passwords.
type Filter struct {
	// Problem says why it cannot be used; "" if it can, or there is none.
	Problem string
	// Made is when the file was last written; zero if that is not known.
	Made time.Time
}

func filter(path string) (f Filter) {
	if path == "" {
		return f
	}
	if info, err := os.Stat(path); err == nil {
		f.Made = info.ModTime()
	}
	opened, err := breach.Open(path)
	if err != nil {
		f.Problem = line(err.Error())
		return f
	}
	_ = opened.Close() // Nothing was written.
	return f
}

var breachChecks = []check{
	{
		id: "breach-none", severity: Notice, title: "Whether passwords from breaches are refused",
		what: "Neither password.filter nor password.range_url is set.",
		why:  "People choose passwords that were in a breach elsewhere, and those are what attackers try first.",
		mend: "Build a filter from the published list, or let a range API be asked.",
		do:   "latchkey passwords build pwned-passwords.txt.gz --out breached.filter",
		judge: func(f *Facts) answer {
			if !reached(f.Config) {
				return skip()
			}
			return when(f.Config.Password.Filter == "" && f.Config.Password.RangeURL == "")
		},
	},
	{
		id: "breach-filter-unusable", severity: Error, title: "Whether the filter of breached passwords can be used",
		what: "password.filter cannot be used: {problem}.",
		why:  "The server does not start with it.",
		mend: "Build it anew, or correct its path.",
		do:   "latchkey passwords check {path}",
		judge: func(f *Facts) answer {
			if f.Config.Password.Filter == "" {
				return skip()
			}
			return when(f.Filter.Problem != "", "problem", f.Filter.Problem, "path", f.Config.Password.Filter)
		},
	},
	{
		id: "breach-filter-old", severity: Notice, title: "The age of the filter of breached passwords",
		what: "The filter of breached passwords is {days} days old.",
		why:  "Breaches since then are not in it.",
		mend: "Build it from the current list; the server takes the new file at its next start.",
		do:   "latchkey passwords build pwned-passwords.txt.gz --out {path}",
		judge: func(f *Facts) answer {
			if f.Config.Password.Filter == "" || f.Filter.Made.IsZero() {
				return skip()
			}
			age := f.Now.Sub(f.Filter.Made)
			return when(age > oldFilter, "days", strconv.Itoa(int(age/day)), "path", f.Config.Password.Filter)
		},
	},
	{
		id: "breach-range-passes", severity: Notice, title: "What happens to passwords while the range API is away",
		what: "While the range API cannot be asked, every password passes: password.unknown is accept, and there is no filter.",
		why:  "Whoever keeps the server from reaching it, or waits for its outage, gets a breached password accepted.",
		mend: "Put a filter beside it, which is read on this machine, or refuse what could not be looked up.",
		do:   "LATCHKEY_PASSWORD_UNKNOWN=refuse",
		judge: func(f *Facts) answer {
			p := f.Config.Password
			return when(p.RangeURL != "" && p.Filter == "" && p.Unknown == config.UnknownAccept)
		},
	},
}

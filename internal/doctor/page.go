package doctor

import (
	"fmt"
	"strings"
)

// Page gives docs/doctor.md.
func Page() string {
	var b strings.Builder
	b.WriteString(`<!-- Generated from internal/doctor by go test -update; do not edit. -->
# The doctor

` + "`latchkey doctor`" + ` judges the settings in force and what is around them: files, the machine, the database, the accounts. It says of
each thing that should not stay as it is what it is, why it matters and how it is mended. It works beside a running server and
without one, and it changes nothing. Administrators find the same list in the console under *Health*, and the server writes what is
an error to its log once when it starts.

| severity | means | exit status |
|---|---|---|
| error | an attacker, a crash or a mistake can do harm now | 4 |
| warning | one layer of protection is missing | 3 |
| notice | worth knowing; it may well be meant | 0 |

Exit status 1 says that the doctor could not do its work, 2 that the command line or the configuration is wrong, as with every
command. ` + "`--quiet`" + ` prints a line for each error and warning and nothing else, ` + "`--json`" + ` everything, also what is well. For a timer:

` + "```sh" + `
latchkey doctor --quiet || mail -s "latchkey: $(hostname)" ops@example.com
` + "```" + `

What cannot be looked at is left out. What a process knows only of itself (its limits, its user, proxies that it was not told of)
is judged by the server alone: look in the console or in the log. A setting or a variable that does not exist is no finding: it stops
the start. No secret is ever in a finding.

`)
	for _, s := range []Severity{Error, Warning, Notice} {
		fmt.Fprintf(&b, "## %s\n", map[Severity]string{Error: "Errors", Warning: "Warnings", Notice: "Notices"}[s])
		for _, c := range checks() {
			if c.severity != s {
				continue
			}
			fmt.Fprintf(&b, "\n### `%s`\n\n%s %s\n\n%s\n", c.id, c.what, c.why, c.mend)
			if c.do != "" {
				fmt.Fprintf(&b, "\n```sh\n%s\n```\n", c.do)
			}
		}
		b.WriteByte('\n')
	}
	return strings.TrimSuffix(b.String(), "\n")
}

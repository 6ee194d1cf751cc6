package main

import (
	"fmt"
	"io"
	"maps"
	"math"
	"runtime"
	"slices"
	"strings"
	"text/tabwriter"
)

// results is everything that was measured.
type results struct {
	// order keeps the names of each experiment's contenders in order.
	order  map[string][]string
	rounds map[[2]string][]sample
	// start is the times from exec to ready in milliseconds, by target.
	start map[string][]float64
	// memory is by target and when, in bytes.
	memory map[[2]string]int64
	// binary is the program's size in bytes.
	binary int64
}

func newResults() *results {
	return &results{
		order: map[string][]string{}, rounds: map[[2]string][]sample{},
		start: map[string][]float64{}, memory: map[[2]string]int64{},
	}
}

func (r *results) add(what, name string, s sample) {
	key := [2]string{what, name}
	if _, ok := r.rounds[key]; !ok {
		r.order[what] = append(r.order[what], name)
	}
	r.rounds[key] = append(r.rounds[key], s)
}

func (r *results) setMemory(name, when string, bytes int64) { r.memory[[2]string{name, when}] = bytes }

// of gives the rounds of a contender; none if it did not take part.
func (r *results) of(what, name string) []sample { return r.rounds[[2]string{what, name}] }

func (r *results) rates(what, name string) []float64 { return each(r.of(what, name), sample.rate) }

func (r *results) costs(what, name string) []float64 { return each(r.of(what, name), sample.cost) }

// print shows one experiment. The ratios are of CPU per request to the first
// contender's, in the same round.
func (r *results) print(w io.Writer, what string) {
	names := r.order[what]
	if len(names) == 0 {
		return
	}
	fmt.Fprintf(w, "\n%s\n", what)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "  \trequests/s\tp50 ms\tp99 ms\tCPU ms/request\tCPU : %s\n", names[0])
	for _, name := range names {
		rounds := r.of(what, name)
		if shed := shedIn(rounds); shed > 0 {
			name = fmt.Sprintf("%s [%d answered 503]", name, shed)
		}
		fmt.Fprintf(t, "  %s\t%s\t%s\t%s\t%s\t%s\n", name,
			show(spreadOf(each(rounds, sample.rate)), "%.0f"),
			one(spreadOf(each(rounds, sample.p50ms)).median, "%.2f"),
			one(spreadOf(each(rounds, sample.p99ms)).median, "%.2f"),
			show(spreadOf(each(rounds, sample.cost)), "%.4f"),
			show(spreadOf(ratios(each(rounds, sample.cost), r.costs(what, names[0]))), "%.2f"))
	}
	_ = t.Flush() // as with fmt.Fprint, nobody is told
}

// shedIn is how many requests the server was too busy for.
func shedIn(rounds []sample) int {
	n := 0
	for _, s := range rounds {
		n += s.shed
	}
	return n
}

// show is a median with its extremes in brackets.
func show(s spread, format string) string {
	if math.IsNaN(s.median) {
		return "unavailable"
	}
	return one(s.median, format) + " (" + one(s.least, format) + "–" + one(s.most, format) + ")"
}

func one(v float64, format string) string {
	if math.IsNaN(v) {
		return "unavailable"
	}
	return fmt.Sprintf(format, v)
}

// An aim is a goal with what came of it.
type aim struct {
	what string
	// unit follows the figures.
	unit string
	got  spread
	// wanted is the bound: from below if atLeast.
	wanted  float64
	atLeast bool
	// note says what the figure is made of.
	note string
}

func (a aim) reached() string {
	switch {
	case math.IsNaN(a.got.median):
		return "?"
	case a.atLeast == (a.got.median >= a.wanted) || a.got.median == a.wanted:
		return "yes"
	default:
		return "no"
	}
}

func (a aim) bound() string {
	if a.atLeast {
		return fmt.Sprintf("≥ %.4g%s", a.wanted, a.unit)
	}
	return fmt.Sprintf("≤ %.4g%s", a.wanted, a.unit)
}

// What GoTrue, the best peer with a database, took on the machine that the
// goals were set on, in ms of CPU per request, and the limit server there. A
// goal against it is scaled by the limit server here.
const (
	goTrueProfile, limitProfileThen = 1.02, 0.022
	goTrueRefresh, limitRefreshThen = 5.40, 0.046
)

// printAims shows the goals beside what was measured.
func (r *results) printAims(w io.Writer, engines []string, clients int) {
	aims := r.aims(engines, clients)
	if len(aims) == 0 {
		return
	}
	fmt.Fprintf(w, "\ngoals (%d processors; medians of ratios within a round)\n", runtime.NumCPU())
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "  \taim\tgot\treached\t")
	for _, a := range aims {
		fmt.Fprintf(t, "  %s\t%s\t%s\t%s\t%s\n", a.what, a.bound(), show(a.got, "%.3g"), a.reached(), a.note)
	}
	_ = t.Flush() // as with fmt.Fprint, nobody is told
}

// aims makes the goals of what was measured; docs/performance.md gives their
// reasons.
func (r *results) aims(engines []string, clients int) []aim {
	var all []aim
	add := func(a aim, values []float64) {
		if len(values) > 0 {
			a.got = spreadOf(values)
			all = append(all, a)
		}
	}
	limit := fmt.Sprintf("limit, %d clients", clients)
	for _, engine := range engines {
		here := fmt.Sprintf("%s, %d clients", engine, clients)
		grouped := fmt.Sprintf("%s, %d clients", engine, groupClients)
		// against compares CPU with the limit server's.
		against := func(what, name string) []float64 {
			return ratios(r.costs(what, name), r.costs(what, limit))
		}
		sqlite := engine == "sqlite"

		add(aim{what: engine + ": verify", unit: " × limit", wanted: 1.0, note: "CPU"}, against("verify", here))
		if sqlite {
			add(aim{what: engine + ": profile", unit: " × limit", wanted: 1.5, note: "CPU"}, against("profile", here))
		} else {
			add(aim{
				what: engine + ": profile", unit: " × limit", wanted: 0.25 * goTrueProfile / limitProfileThen,
				note: "CPU; GoTrue × 0.25",
			}, against("profile", here))
		}

		group, single := "bare "+engine+", groups", "bare "+engine+", single"
		if sqlite {
			floor := sums(r.costs("refresh", limit), r.costs("refresh", group))
			add(aim{what: engine + ": refresh", unit: " × (limit + group update)", wanted: 1.6, note: "CPU"},
				ratios(r.costs("refresh", here), floor))
			add(aim{what: engine + ": refresh, 64 clients", unit: " × (limit + group update)", wanted: 1.6, note: "CPU"},
				ratios(r.costs("refresh", grouped), floor))
			add(aim{what: engine + ": refresh, 64 clients", unit: " × bare groups", wanted: 0.6, atLeast: true, note: "requests/s"},
				ratios(r.rates("refresh", grouped), r.rates("refresh", group)))
			add(aim{what: engine + ": refresh, 64 clients", unit: " × single commits", wanted: 2, atLeast: true, note: "requests/s"},
				ratios(r.rates("refresh", grouped), r.rates("refresh", single)))
		} else {
			add(aim{
				what: engine + ": refresh", unit: " × limit", wanted: goTrueRefresh / 12 / limitRefreshThen,
				note: "CPU; GoTrue / 12",
			}, against("refresh", here))
			add(aim{
				what: engine + ": refresh, 64 clients", unit: " × limit", wanted: goTrueRefresh / 30 / limitRefreshThen,
				note: "CPU; GoTrue / 30",
			}, against("refresh", grouped))
			add(aim{what: engine + ": refresh, 64 clients", unit: " × bare groups", wanted: 0.6, atLeast: true, note: "requests/s"},
				ratios(r.rates("refresh", grouped), r.rates("refresh", group)))
		}

		add(aim{what: engine + ": login", unit: " × hash", wanted: 1.02, note: "CPU"},
			ratios(r.costs("login", here), r.costs("login", "bare hash")))
		add(aim{what: engine + ": register", unit: " × hash", wanted: 1.02, note: "CPU; no goal of goals.md"},
			ratios(r.costs("register", here), r.costs("register", "bare hash")))

		storm := each(r.of("storm", engine+", in a storm"), sample.p99ms)
		add(aim{what: engine + ": verify p99 in a storm", unit: " × alone", wanted: 3},
			ratios(storm, each(r.of("storm", here), sample.p99ms)))
		add(aim{what: engine + ": verify p99 in a storm", unit: " ms", wanted: 20}, storm)

		// Larger databases have targets of their own: "sqlite, 1000000 users".
		for _, name := range slices.Sorted(maps.Keys(r.start)) {
			if name != engine && !strings.HasPrefix(name, engine+", ") {
				continue
			}
			add(aim{what: name + ": start", unit: " ms", wanted: 25, note: "exec to ready"}, r.start[name])
			for _, m := range []struct {
				when string
				mib  float64
			}{{"idle", 24}, {"without hashing", 40}, {"hashing", 40 + 19*float64(runtime.NumCPU())}} {
				if bytes, ok := r.memory[[2]string{name, m.when}]; ok {
					add(aim{what: name + ": memory, " + m.when, unit: " MiB", wanted: m.mib, note: r.limitMemory(m.when)},
						[]float64{mib(bytes)})
				}
			}
		}
		all = append(all, r.growth(engine)...)
	}
	if r.binary > 0 {
		add(aim{what: "binary", unit: " MiB", wanted: 25}, []float64{mib(r.binary)})
	}
	return all
}

// growth compares larger databases with the first.
func (r *results) growth(engine string) []aim {
	var all []aim
	for _, what := range []string{"verify", "profile", "profile, any user", "refresh", "login", "register"} {
		for _, name := range r.order[what] {
			size, clients, ok := strings.Cut(strings.TrimPrefix(name, engine+", "), " users, ")
			if !ok || !strings.HasPrefix(name, engine+", ") {
				continue
			}
			all = append(all, aim{
				what: fmt.Sprintf("%s: %s, %s users", engine, what, size), unit: " × first size", wanted: 1.1,
				note: "CPU, " + clients,
				got:  spreadOf(ratios(r.costs(what, name), r.costs(what, engine+", "+clients))),
			})
		}
	}
	return all
}

func (r *results) limitMemory(when string) string {
	if bytes, ok := r.memory[[2]string{"limit", when}]; ok {
		return fmt.Sprintf("limit server %.1f", mib(bytes))
	}
	return ""
}

func mib(bytes int64) float64 { return float64(bytes) / (1 << 20) }

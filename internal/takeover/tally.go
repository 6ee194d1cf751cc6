package takeover

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"text/tabwriter"
)

// class is what became of an exchange.
type class int

const (
	classSame class = iota
	classKnown
	classDifferent
	classSkipped
	classes
)

// Counts are of one route.
type Counts struct{ Same, Known, Different, Skipped int64 }

// tally counts and writes.
type tally struct {
	mu      sync.Mutex
	out     io.Writer
	outErr  error
	routes  map[string]*[classes]int64
	skipped map[string]int64 // by why
	rows    map[string]int64 // known ones, by their rows
	kinds   map[string]int   // lines written of each kind
	unsaid  int64            // lines that were not written

	passed   atomic.Int64 // not to be compared
	stopping atomic.Bool
}

func (t *tally) init(out io.Writer) {
	t.out, t.routes = out, make(map[string]*[classes]int64)
	t.skipped, t.rows, t.kinds = make(map[string]int64), make(map[string]int64), make(map[string]int)
}

func (t *tally) count(route string, c class, why string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.add(route, c)
	if c == classSkipped {
		t.skipped[why]++
	}
}

func (t *tally) add(route string, c class) {
	n := t.routes[route]
	if n == nil {
		n = new([classes]int64)
		t.routes[route] = n
	}
	n[c]++
}

// tell counts a comparison and writes it down if there is something to tell.
func (t *tally) tell(d Difference) {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case d.Same:
		t.add(d.Route, classSame)
		return
	case d.Known:
		t.add(d.Route, classKnown)
		var rows []string
		for _, p := range d.Differs {
			if p.Known != rowCache && p.Known != added && !slices.Contains(rows, p.Known) {
				rows = append(rows, p.Known)
				t.rows[p.Known]++
			}
		}
	default:
		t.add(d.Route, classDifferent)
	}
	kind := d.kind()
	if t.kinds[kind] >= maxAlike || len(t.kinds) >= maxKinds && t.kinds[kind] == 0 {
		t.unsaid++
		return
	}
	t.kinds[kind]++
	if t.out != nil && t.outErr == nil {
		_, t.outErr = t.out.Write(d.encode())
	}
}

// kind is what of a difference is the same in others like it.
func (d Difference) kind() string {
	var b strings.Builder
	fmt.Fprint(&b, d.Route, d.Method, d.Status)
	for _, part := range slices.Sorted(maps.Keys(d.Differs)) {
		fmt.Fprintf(&b, "\x00%s\x00%v", part, d.Differs[part])
	}
	return b.String()
}

// Counts gives what was counted, by route.
func (s *Shadow) Counts() map[string]Counts {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make(map[string]Counts, len(s.routes))
	for route, n := range s.routes {
		all[route] = Counts{n[classSame], n[classKnown], n[classDifferent], n[classSkipped]}
	}
	return all
}

// Err is what went wrong with writing differences down.
func (s *Shadow) Err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.outErr
}

// Summary writes the counts for a person.
func (s *Shadow) Summary(to io.Writer) error {
	all := s.Counts()
	s.mu.Lock()
	skipped, rows, unsaid := maps.Clone(s.skipped), maps.Clone(s.rows), s.unsaid
	s.mu.Unlock()
	w := tabwriter.NewWriter(to, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "route\tsame\tknown\tdifferent\tskipped\t")
	var sum Counts
	for _, route := range slices.Sorted(maps.Keys(all)) {
		c := all[route]
		fmt.Fprintf(w, "%s\t%d\t%d\t%d\t%d\t\n", route, c.Same, c.Known, c.Different, c.Skipped)
		sum = Counts{sum.Same + c.Same, sum.Known + c.Known, sum.Different + c.Different, sum.Skipped + c.Skipped}
	}
	fmt.Fprintf(w, "all\t%d\t%d\t%d\t%d\t\n", sum.Same, sum.Known, sum.Different, sum.Skipped)
	if err := w.Flush(); err != nil {
		return err //nolint:wrapcheck // It is the caller's stream.
	}
	fmt.Fprintf(to, "passed through without a comparison: %d\n", s.passed.Load())
	for _, l := range []struct {
		title string
		n     map[string]int64
	}{{"known", rows}, {"skipped", skipped}} {
		for _, k := range slices.Sorted(maps.Keys(l.n)) {
			fmt.Fprintf(to, "%s: %d × %s\n", l.title, l.n[k], k)
		}
	}
	if unsaid > 0 {
		fmt.Fprintf(to, "%d more differences like those in the file were counted and not written.\n", unsaid)
	}
	return nil
}

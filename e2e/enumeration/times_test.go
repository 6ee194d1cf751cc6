package enumeration

import (
	"cmp"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"sort"
	"strings"
	"testing"
	"time"
)

// judged is from how many samples on times are judged: with fewer, chance alone
// is above the bounds.
const judged = 500

// Refused logins of twelve states of account, interleaved in random order and
// timed. Each state is compared with the unknown user: the medians must differ by
// less than 2 % or 1 ms, and a threshold that was learnt from one half of the
// samples must tell the other half apart in less than 55 % of cases.
//
// ASVS 6.3.8
// LESSON 1, 2, 3
// ROW 8
func TestTimes(t *testing.T) {
	beside(t)
	h := build(t, *part, "LATCHKEY_THROTTLE_ENABLED=false")
	for _, blanks := range []string{"", " "} {
		if blanks != "" && *samples >= judged {
			continue // As many tries for everybody; the next test has the answers.
		}
		times := make([][]float64, len(h.accounts)) // milliseconds
		for range *samples {
			for _, i := range shuffled(len(h.accounts)) {
				a := h.accounts[i]
				got, took, err := h.login(t.Context(), a.email, blanks+a.typed)
				fatal(t, err)
				if got.status != 401 {
					t.Fatalf("%s: %+v", a.name, got)
				}
				times[i] = append(times[i], float64(took)/float64(time.Millisecond))
			}
		}
		var table strings.Builder
		fmt.Fprintf(&table, "%-26s %9s %9s %9s %8s %8s %10s\n", fmt.Sprintf("state, %d samples each", *samples), "median ms", "p5", "p95", "Δ ms", "p (M-W)", "told apart")
		for i, a := range h.accounts {
			sorted := slices.Sorted(slices.Values(times[i]))
			base := slices.Sorted(slices.Values(times[0]))
			diff := quantile(sorted, 0.5) - quantile(base, 0.5)
			p, apart := mannWhitney(times[0], times[i]), classifier(times[0], times[i])
			verdict := ""
			if bad := math.Abs(diff) >= 1 && math.Abs(diff) >= 0.02*quantile(base, 0.5) || apart >= 0.55; bad && i > 0 {
				verdict = "  over the bounds"
				if *samples >= judged {
					t.Errorf("%s is told from an unknown user: Δ %.2f ms, told apart %.1f %%", a.name, diff, 100*apart)
				}
			}
			fmt.Fprintf(&table, "%-26s %9.2f %9.2f %9.2f %+8.2f %8.3f %8.1f %%%s\n", a.name,
				quantile(sorted, 0.5), quantile(sorted, 0.05), quantile(sorted, 0.95), diff, p, 100*apart, verdict)
		}
		t.Logf("typed with %d blanks before\n%s", len(blanks), table.String())
	}
}

// shuffled gives 0 to n-1 in random order.
func shuffled(n int) []int {
	order := make([]int, n)
	draw := make([]uint64, n)
	for i := range order {
		var b [8]byte
		rand.Read(b[:])
		order[i], draw[i] = i, binary.LittleEndian.Uint64(b[:])
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Compare(draw[a], draw[b]) })
	return order
}

func quantile(sorted []float64, q float64) float64 {
	at := q * float64(len(sorted)-1)
	low := int(at)
	high := min(low+1, len(sorted)-1)
	return sorted[low] + (at-float64(low))*(sorted[high]-sorted[low])
}

// mannWhitney gives the two-sided p of the U test, by the normal approximation:
// how likely a difference like this one is by chance.
func mannWhitney(a, b []float64) float64 {
	type sample struct {
		v     float64
		first bool
	}
	all := make([]sample, 0, len(a)+len(b))
	for _, v := range a {
		all = append(all, sample{v, true})
	}
	for _, v := range b {
		all = append(all, sample{v, false})
	}
	sort.Slice(all, func(i, j int) bool { return all[i].v < all[j].v })
	ranks := 0.0
	for i := 0; i < len(all); {
		j := i
		for j < len(all) && all[j].v == all[i].v {
			j++
		}
		for k := i; k < j; k++ {
			if all[k].first {
				ranks += float64(i+j+1) / 2
			}
		}
		i = j
	}
	n, m := float64(len(a)), float64(len(b))
	u := ranks - n*(n+1)/2
	z := (u - n*m/2) / math.Sqrt(n*m*(n+m+1)/12)
	return math.Erfc(math.Abs(z) / math.Sqrt2)
}

// classifier learns from every other sample the threshold, and which side of it
// is which, that tells a from b best, and gives how often it is right about the
// rest: 0.5 is chance.
func classifier(a, b []float64) float64 {
	half := func(s []float64, odd int) []float64 {
		var out []float64
		for i := odd; i < len(s); i += 2 {
			out = append(out, s[i])
		}
		slices.Sort(out)
		return out
	}
	below := func(sorted []float64, v float64) float64 {
		return float64(sort.SearchFloat64s(sorted, v)) / float64(max(1, len(sorted)))
	}
	la, lb := half(a, 0), half(b, 0)
	best, at, sign := -1.0, 0.0, 1.0
	for _, v := range slices.Concat(la, lb) {
		if d := below(la, v) - below(lb, v); math.Abs(d) > best {
			best, at, sign = math.Abs(d), v, math.Copysign(1, d)
		}
	}
	ta, tb := half(a, 1), half(b, 1)
	return 0.5 + sign*(below(ta, at)-below(tb, at))/2
}

// The method finds what is there and nothing where there is nothing.
func TestMethod(t *testing.T) {
	draw := func(n int, shift float64) []float64 {
		out := make([]float64, n)
		for i := range out {
			var b [8]byte
			rand.Read(b[:])
			out[i] = shift + float64(binary.LittleEndian.Uint64(b[:])%1_000_000)/1_000_000
		}
		return out
	}
	if p, apart := mannWhitney(draw(2000, 0), draw(2000, 0)), classifier(draw(2000, 0), draw(2000, 0)); p < 1e-6 || apart > 0.55 {
		t.Errorf("two alike: p %g, told apart %.3f", p, apart)
	}
	a, b := draw(2000, 0), draw(2000, 0.2)
	if p, apart := mannWhitney(a, b), classifier(a, b); p > 1e-6 || apart < 0.55 {
		t.Errorf("one later by a fifth: p %g, told apart %.3f", p, apart)
	}
}

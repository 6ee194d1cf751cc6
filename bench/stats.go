package main

import (
	"math"
	"slices"
	"time"
)

// sample is what one round of one target gave.
type sample struct {
	requests int
	// shed requests are not among them: the server was too busy to hash.
	shed    int
	elapsed time.Duration
	// cpu is what the server used, and its database; known says whether it
	// could be read.
	cpu      time.Duration
	cpuKnown bool
	p50, p99 time.Duration
}

// rate is requests per second.
func (s sample) rate() float64 {
	if s.elapsed <= 0 {
		return math.NaN()
	}
	return float64(s.requests) / s.elapsed.Seconds()
}

// cost is CPU per request in milliseconds, NaN where it is not known.
func (s sample) cost() float64 {
	if !s.cpuKnown || s.requests == 0 {
		return math.NaN()
	}
	return s.cpu.Seconds() * 1e3 / float64(s.requests)
}

func (s sample) p50ms() float64 { return s.p50.Seconds() * 1e3 }

func (s sample) p99ms() float64 { return s.p99.Seconds() * 1e3 }

// spread is a median with its extremes.
type spread struct{ median, least, most float64 }

// spreadOf gives NaNs for no values or an unknown one.
func spreadOf(values []float64) spread {
	if len(values) == 0 || slices.ContainsFunc(values, math.IsNaN) {
		return spread{math.NaN(), math.NaN(), math.NaN()}
	}
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	return spread{(sorted[(n-1)/2] + sorted[n/2]) / 2, sorted[0], sorted[n-1]}
}

// each applies f to the rounds.
func each(rounds []sample, f func(sample) float64) []float64 {
	values := make([]float64, len(rounds))
	for i, s := range rounds {
		values[i] = f(s)
	}
	return values
}

// ratios divides round by round: what the machine did to a round it did to
// both. It is nil if one side was not measured.
func ratios(over, under []float64) []float64 {
	if len(over) != len(under) {
		return nil
	}
	values := make([]float64, len(over))
	for i := range over {
		values[i] = over[i] / under[i]
	}
	return values
}

// sums adds round by round.
func sums(a, b []float64) []float64 {
	if len(a) != len(b) {
		return nil
	}
	values := make([]float64, len(a))
	for i := range a {
		values[i] = a[i] + b[i]
	}
	return values
}

// percentile gives the smallest of sorted values that at least the share p of
// them does not exceed (nearest rank), 0 for none.
func percentile(sorted []time.Duration, p float64) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	rank := int(math.Ceil(p * float64(len(sorted))))
	return sorted[min(max(rank, 1), len(sorted))-1]
}

package main

import (
	"math"
	"testing"
	"time"
)

func TestSpreadOf(t *testing.T) {
	for _, tt := range []struct {
		values []float64
		want   spread
	}{
		{[]float64{2}, spread{2, 2, 2}},
		{[]float64{3, 1, 2}, spread{2, 1, 3}},
		{[]float64{4, 1, 2, 3}, spread{2.5, 1, 4}},
	} {
		if got := spreadOf(tt.values); got != tt.want {
			t.Errorf("spreadOf(%v) = %v, want %v", tt.values, got, tt.want)
		}
	}
	for _, values := range [][]float64{nil, {1, math.NaN(), 2}} {
		if got := spreadOf(values); !math.IsNaN(got.median) {
			t.Errorf("spreadOf(%v) = %v, want unknown", values, got)
		}
	}
}

func TestPercentile(t *testing.T) {
	var hundred []time.Duration
	for i := range 100 {
		hundred = append(hundred, time.Duration(i+1))
	}
	for _, tt := range []struct {
		sorted []time.Duration
		p      float64
		want   time.Duration
	}{
		{nil, 0.5, 0},
		{hundred[:1], 0.99, 1},
		{hundred[:2], 0.5, 1},
		{hundred[:3], 0.5, 2},
		{hundred, 0.5, 50},
		{hundred, 0.99, 99},
		{hundred, 1, 100},
	} {
		if got := percentile(tt.sorted, tt.p); got != tt.want {
			t.Errorf("percentile of %d values at %v = %d, want %d", len(tt.sorted), tt.p, got, tt.want)
		}
	}
}

func TestSample(t *testing.T) {
	s := sample{requests: 2000, elapsed: 2 * time.Second, cpu: 100 * time.Millisecond, cpuKnown: true}
	if s.rate() != 1000 || s.cost() != 0.05 {
		t.Errorf("rate %v and cost %v, want 1000 and 0.05", s.rate(), s.cost())
	}
	s.cpuKnown = false
	if !math.IsNaN(s.cost()) {
		t.Errorf("cost %v without a known CPU, want unknown", s.cost())
	}
}

func TestRatios(t *testing.T) {
	if got := spreadOf(ratios([]float64{2, 6, 3}, []float64{1, 2, 3})); got != (spread{2, 1, 3}) {
		t.Errorf("got %v, want the median of 2, 3 and 1", got)
	}
	if got := ratios([]float64{1}, nil); got != nil {
		t.Errorf("ratio to what was not measured is %v, want none", got)
	}
}

func TestAimReached(t *testing.T) {
	for _, tt := range []struct {
		got, wanted float64
		atLeast     bool
		want        string
	}{
		{1, 1, false, "yes"},
		{0.9, 1, false, "yes"},
		{1.1, 1, false, "no"},
		{1, 1, true, "yes"},
		{0.9, 1, true, "no"},
		{1.1, 1, true, "yes"},
		{math.NaN(), 1, false, "?"},
	} {
		a := aim{got: spread{median: tt.got}, wanted: tt.wanted, atLeast: tt.atLeast}
		if got := a.reached(); got != tt.want {
			t.Errorf("%v against %s: reached is %q, want %q", tt.got, a.bound(), got, tt.want)
		}
	}
}

func TestGrowthComparesWithTheFirstSize(t *testing.T) {
	r := newResults()
	r.add("verify", "sqlite, 16 clients", sample{requests: 10, cpu: time.Second, cpuKnown: true})
	r.add("verify", "sqlite, 1000000 users, 16 clients", sample{requests: 5, cpu: time.Second, cpuKnown: true})
	got := r.growth("sqlite")
	if len(got) != 1 || got[0].got.median != 2 {
		t.Errorf("growth is %+v, want one of 2", got)
	}
}

func TestWalkVisitsEachPlaceOnce(t *testing.T) {
	for _, n := range []int{1, 2, 3, 10, 62, 1000, 6250} {
		seen := make([]bool, n)
		for turn := range n {
			seen[walk(turn, n)] = true
		}
		for place, ok := range seen {
			if !ok {
				t.Fatalf("%d of %d was not visited", place, n)
			}
		}
	}
}

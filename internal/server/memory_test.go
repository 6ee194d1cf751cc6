package server

import "testing"

// TestForCollector: the collector has what hashes beside it leave.
func TestForCollector(t *testing.T) {
	const mib = 1 << 20
	for _, c := range []struct{ container, hashes, want int64 }{
		{100 * mib, 0, 90 * mib},
		{1000 * mib, 38 * mib, 862 * mib},
		{100 * mib, 38 * mib, 52 * mib},
		{40 * mib, 19 * mib, 17 * mib},
		{20 * mib, 19 * mib, 5 * mib},
	} {
		if got := forCollector(c.container, c.hashes); got != c.want {
			t.Errorf("%d MiB, %d of hashes: %d bytes, want %d MiB", c.container/mib, c.hashes/mib, got, c.want/mib)
		}
	}
}

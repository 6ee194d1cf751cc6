package server

import (
	"math"
	"testing"
)

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

// TestRoomIn: clients have what a container leaves, and no less than without one
// from 256 MiB on.
func TestRoomIn(t *testing.T) {
	const mib = 1 << 20
	for _, c := range []struct {
		container, hashes int64
		secure            bool
		want              room
	}{
		{0, 38 * mib, true, room{math.MaxInt, 32 * mib}},
		{1024 * mib, 38 * mib, false, room{33133, 32 * mib}},
		{256 * mib, 38 * mib, false, room{5046, 32 * mib}},
		{256 * mib, 128 * mib, false, room{1755, 32 * mib}},
		{256 * mib, 38 * mib, true, room{2208, 32 * mib}},
		{128 * mib, 38 * mib, false, room{950, 16 * mib}},
		{64 * mib, 19 * mib, true, room{256, 8 * mib}},
		{8 * mib, 19 * mib, false, room{256, 1 * mib}},
	} {
		if got := roomIn(c.container, c.hashes, c.secure); got != c.want {
			t.Errorf("%d MiB, TLS %v: %+v, want %+v", c.container/mib, c.secure, got, c.want)
		}
	}
}

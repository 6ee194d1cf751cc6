package server

import "net/netip"

// tally counts, in all and for each address that counts.
type tally struct {
	n  int64
	of map[netip.Addr]int64
}

func newTally() tally { return tally{of: map[netip.Addr]int64{}} }

// add counts d more, or fewer.
func (t *tally) add(key netip.Addr, d int64) {
	t.n += d
	if !key.IsValid() {
		return
	}
	if t.of[key] += d; t.of[key] == 0 {
		delete(t.of, key)
	}
}

// over reports whether there is more than most in all, or more than share of an
// address that counts.
func (t *tally) over(key netip.Addr, most, share int64) bool {
	return t.n > most || key.IsValid() && t.of[key] > share
}

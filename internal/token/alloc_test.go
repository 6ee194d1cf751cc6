//go:build !race

package token

import "testing"

// The race detector has sync.Pool lose things on purpose, so that allocations
// cannot be counted under it.
func TestAllocations(t *testing.T) {
	k := testKeys()[0]
	signed := k.Sign(accessClaims())
	var keys Keys = ring{k}
	if n := testing.AllocsPerRun(200, func() {
		if _, err := Parse(signed, keys, testNow); err != nil {
			t.Fatal(err)
		}
	}); n > 2 {
		t.Errorf("Parse of our own token allocates %v times", n)
	}
	if n := testing.AllocsPerRun(200, func() { k.Sign(accessClaims()) }); n > 2 {
		t.Errorf("Sign allocates %v times", n)
	}
}

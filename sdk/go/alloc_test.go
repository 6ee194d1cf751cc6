//go:build !race

package latchkey

import (
	"strings"
	"testing"
)

// The race detector has sync.Pool lose things on purpose, so that allocations
// cannot be counted under it.
//
// LESSON 28
func TestAllocations(t *testing.T) {
	v := verifier(t, Options{HS256Keys: [][]byte{testSecret}})
	good := hmacSigner(testSecret).token(payload())
	ctx := t.Context()
	if n := testing.AllocsPerRun(200, func() {
		if _, err := v.Verify(ctx, good); err != nil {
			t.Fatal(err)
		}
	}); n > 2 {
		t.Errorf("Verify allocates %v times", n)
	}
	dots := strings.Repeat(".", 1_000_000)
	if n := testing.AllocsPerRun(200, func() { _, _ = v.Verify(ctx, dots) }); n > 0 {
		t.Errorf("refusing a million dots allocates %v times", n)
	}
}

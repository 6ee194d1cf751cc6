package password

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/crypto/argon2"
)

// used is memory that something else was in.
func used(n int) []block {
	b := make([]block, n)
	for i := range b {
		var noise [8]byte
		_, _ = rand.Read(noise[:])
		b[i][i%len(b[i])] = binary.LittleEndian.Uint64(noise[:])
	}
	return b
}

// both gives a tag and what the package says that the compression function is
// of.
func both(v variety, in []block, password, salt []byte, passes, memory uint32, lanes uint8, length uint32) (got, want []byte) {
	f := filling{variety: v, passes: passes, lanes: uint32(lanes), memory: memory, b: in[:sized(memory, uint32(lanes))]}
	derive := argon2.IDKey
	if v == argon2i {
		derive = argon2.Key
	}
	return f.tag(password, salt, int(length)), derive(password, salt, passes, memory, lanes, length)
}

// TestArgon2: ours and that of golang.org/x/crypto are the same, of both
// varieties.
func TestArgon2(t *testing.T) {
	b := used(4096)
	for _, c := range []struct {
		memory, passes uint32
		lanes          uint8
		length         uint32
		password, salt string
	}{
		{1, 1, 1, 4, "", "12345678"},
		{8, 1, 1, 16, "a", "12345678"},
		{15, 3, 1, 32, "password", "somesalt"},
		{1024, 1, 1, 32, "c0rrect-Horse-42", "sixteen bytes of"},
		{1028, 2, 1, 63, "c0rrect-Horse-42", "sixteen bytes of"},
		{2048, 4, 1, 64, "\x00", "a salt of more than sixteen bytes"},
		{512, 2, 1, 65, "p", "somesalt"},
		{512, 2, 1, 96, "p", "somesalt"},
		{512, 2, 1, 97, "p", "somesalt"},
		{3072, 2, 1, 1024, "p", "somesalt"},
		{64, 3, 2, 32, "password", "somesalt"},
		{1, 2, 3, 32, "password", "somesalt"},
		{4095, 2, 8, 32, "Django's", "twenty-two characters."},
		{2049, 2, 16, 24, "password", "somesalt"},
	} {
		for v, name := range map[variety]string{argon2i: "argon2i", argon2id: "argon2id"} {
			if got, want := both(v, b, []byte(c.password), []byte(c.salt), c.passes, c.memory, c.lanes, c.length); !bytes.Equal(got, want) {
				t.Errorf("%s %+v: %x, want %x", name, c, got, want)
			}
		}
	}
	h := newArgon2(today())
	want := argon2.IDKey([]byte("c0rrect-Horse-42"), h.salt, argon2Time, argon2Memory, 1, argon2Length)
	var a arena
	defer a.drop(0)
	for range 2 {
		in, ok := a.take(h.blocks())
		if got := h.derive("c0rrect-Horse-42", argon2Length, in); !ok || !bytes.Equal(got, want) {
			t.Errorf("%x, want %x", got, want)
		}
		a.give(in)
	}
}

// FuzzArgon2 does the same with whatever comes.
func FuzzArgon2(f *testing.F) {
	f.Add([]byte("c0rrect-Horse-42"), []byte("sixteen bytes of"), uint16(64), uint8(2), uint8(0), uint8(32))
	f.Add([]byte("c0rrect-Horse-42"), []byte("sixteen bytes of"), uint16(640), uint8(2), uint8(7), uint8(32))
	f.Add([]byte{}, []byte{}, uint16(2), uint8(1), uint8(1), uint8(1))
	b := used(2048)
	f.Fuzz(func(t *testing.T, password, salt []byte, memory uint16, passes, lanes, length uint8) {
		v := variety(1 + length%2)
		got, want := both(v, b, password, salt, 1+uint32(passes)%4, uint32(memory)%2048, 1+lanes%8, 1+uint32(length))
		if !bytes.Equal(got, want) {
			t.Errorf("%x, want %x", got, want)
		}
	})
}

// TestInLanes: no lane begins a step before all have ended the one before, and
// a panic of one ends them all and is the caller's.
func TestInLanes(t *testing.T) {
	const lanes, steps = 5, 40
	var at [lanes]int
	inLanes(lanes, steps, func(step, lane int) {
		at[lane] = step
	})
	for lane, step := range at {
		if step != steps-1 {
			t.Errorf("lane %d came to step %d", lane, step)
		}
	}
	var done [steps][lanes]bool // The race detector sees who looks too early.
	inLanes(lanes, steps, func(step, lane int) {
		done[step][lane] = true
		for other := range lanes {
			if step > 0 && !done[step-1][other] {
				t.Errorf("lane %d is at step %d before lane %d has ended the one before", lane, step, other)
			}
		}
	})
	for _, step := range []int{0, 7, steps - 1} {
		func() {
			defer func() {
				if p, _ := recover().(string); !strings.HasPrefix(p, "broken, in a lane:\n") {
					t.Errorf("panic %q", p)
				}
			}()
			inLanes(lanes, steps, func(s, lane int) {
				if s == step && lane == 3 {
					panic("broken")
				}
			})
			t.Error("no panic")
		}()
	}
}

// TestArena: memory of our size is kept for the next hash and for a second, what
// has not been used for so long goes, and while a hash of another size is at work
// nothing is kept.
func TestArena(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var told int64
		a := arena{told: func(bytes int64) { told = bytes }}
		take := func(n int) []block {
			t.Helper()
			b, ok := a.take(n)
			if !ok || len(b) != n {
				t.Fatalf("%d blocks, %v", len(b), ok)
			}
			b[0][0], b[n-1][len(b[0])-1] = 1, 1
			return b
		}
		is := func(when string, kept int, lent int64) {
			t.Helper()
			synctest.Wait()
			a.mu.Lock()
			defer a.mu.Unlock()
			if want := int64(kept)*ownCost + lent; len(a.kept) != kept || a.bytes != want || mapped && told != want {
				t.Errorf("%s: %d kept, %d bytes, %d told; want %d and %d", when, len(a.kept), a.bytes, told, kept, want)
			}
		}
		one, two := take(argon2Memory), take(argon2Memory)
		is("two at work", 0, 2*ownCost)
		a.give(one)
		a.give(two)
		is("none at work", 2, 0)
		for range 10 {
			time.Sleep(roomKept / 4)
			b := take(argon2Memory)
			if &b[0] != &two[0] {
				t.Fatal("not the memory that was used last")
			}
			a.give(b)
		}
		is("one at a time", 1, 0)
		other := take(100)
		is("a small one", 1, 100*blockSize)
		a.give(other)
		is("a small one is not kept", 1, 0)
		time.Sleep(roomKept + time.Millisecond)
		is("none for a second", 0, 0)

		a.give(take(argon2Memory))
		is("one more", 1, 0)
		a.crowd()
		is("a hash of another size", 0, 0)
		a.give(take(argon2Memory))
		is("one of ours beside it", 0, 0)
		a.clear()
		a.give(take(argon2Memory))
		is("it has ended", 1, 0)
		time.Sleep(roomKept + time.Millisecond)
		is("at the end", 0, 0)
	})
	var a arena
	if _, ok := a.take(1 << 50 / blockSize); ok && mapped {
		t.Error("more memory than there is")
	}
}

// What a hash has of the system is given back, whatever becomes of it; and
// nothing is kept beside a hash that takes its memory elsewhere.
func TestMemoryComesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := NewHasher(Options{Concurrent: 2})
		func() {
			defer func() { _ = recover() }()
			_ = h.work(t.Context(), h.dummy, func(p turn) {
				if len(p.in) != argon2Memory {
					t.Errorf("%d blocks", len(p.in))
				}
				panic("broken")
			})
		}()
		if len(h.arena.kept) != 1 || h.arena.bytes != ownCost {
			t.Fatalf("after a panic %d kept, %d bytes", len(h.arena.kept), h.arena.bytes)
		}
		for _, encoded := range []string{
			"scrypt$16384$salt$8$1$" + strings.Repeat("A", 86) + "==",
			"argon2$argon2id$v=19$m=1024,t=2,p=8$" + salt22 + "$" + sum32,
		} {
			if _, err := h.Hash(t.Context(), "x"); err != nil {
				t.Fatal(err)
			}
			stored, err := h.parse(encoded)
			if err != nil {
				t.Fatal(err)
			}
			if err := h.work(t.Context(), stored, func(p turn) {
				stored.matches("x", p.in)
				if len(h.arena.kept) != 0 || h.arena.bytes != int64(len(p.in))*blockSize {
					t.Errorf("%s: beside it %d kept, %d bytes", encoded, len(h.arena.kept), h.arena.bytes)
				}
			}); err != nil {
				t.Fatal(err)
			}
			if h.arena.bytes != 0 {
				t.Errorf("%s: %d bytes afterwards", encoded, h.arena.bytes)
			}
		}
	})
}

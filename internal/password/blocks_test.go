package password

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

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
	return f.tag(password, salt, int(length), 3), derive(password, salt, passes, memory, lanes, length)
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
	for threads := range 8 {
		var done [steps][lanes]bool // The race detector sees who looks too early.
		var now, most atomic.Int64
		var nice atomic.Int64
		inLanes(lanes, threads, steps, func(step, lane int) {
			n := now.Add(1)
			defer now.Add(-1)
			for before := most.Load(); n > before && !most.CompareAndSwap(before, n); before = most.Load() {
			}
			if isNice() {
				nice.Add(1)
			}
			runtime.Gosched()
			done[step][lane] = true
			for other := range lanes {
				if step > 0 && !done[step-1][other] {
					t.Errorf("%d threads: lane %d is at step %d before lane %d has ended the one before", threads, lane, step, other)
				}
			}
		})
		if most.Load() > int64(max(threads, 1)) {
			t.Errorf("%d lanes at once on %d threads", most.Load(), threads)
		}
		if got, want := nice.Load() == lanes*steps, threads > 1 && yields; got != want {
			t.Errorf("%d threads: of low priority %v, want %v", threads, got, want)
		}
		for lane, done := range done[steps-1] {
			if !done {
				t.Errorf("%d threads: lane %d did not come to its end", threads, lane)
			}
		}
		for _, step := range []int{0, 7, steps - 1} {
			func() {
				defer func() {
					if p := fmt.Sprint(recover()); !strings.HasPrefix(p, "broken") {
						t.Errorf("%d threads: panic %q", threads, p)
					}
				}()
				inLanes(lanes, threads, steps, func(s, lane int) {
					if s == step && lane == 3 {
						panic("broken")
					}
				})
				t.Error("no panic")
			}()
		}
	}
}

// A hash has memory of the system's for its time and no longer, whatever becomes
// of it, and uses all of it.
func TestMemoryComesBack(t *testing.T) {
	var told []int64
	h := NewHasher(Options{Concurrent: 2, Mapped: func(bytes int64) { told = append(told, bytes) }})
	for encoded, want := range map[string]int64{
		"argon2$argon2id$v=19$m=19456,t=2,p=1$" + salt22 + "$" + sum32: ownCost,
		"argon2$argon2id$v=19$m=1030,t=2,p=8$" + salt22 + "$" + sum32:  1024 << 10,
		"scrypt$16384$salt$8$1$" + strings.Repeat("A", 86) + "==":      0,
	} {
		stored, err := h.parse(encoded)
		if err != nil {
			t.Fatal(err)
		}
		for _, breaks := range []bool{false, true} {
			told = nil
			mark, left := block{1, 2, 3}, 0
			var lent []block
			func() {
				defer func() { _ = recover() }()
				_ = h.work(t.Context(), stored, func(turn turn) {
					if int64(len(turn.in))*blockSize != want || h.arena.bytes != want || turn.threads < 1 || turn.threads > 2 {
						t.Errorf("%s: %d blocks, %d bytes, %d threads", encoded, len(turn.in), h.arena.bytes, turn.threads)
					}
					lent = turn.in
					for i := range turn.in {
						turn.in[i] = mark
					}
					stored.matches("x", turn)
					for _, b := range turn.in {
						if b == mark {
							left++
						}
					}
					if breaks {
						panic("broken")
					}
				})
			}()
			if h.arena.bytes != 0 || left != 0 {
				t.Errorf("%s: %d bytes afterwards, %d blocks not used", encoded, h.arena.bytes, left)
			}
			if len(lent) > 0 && mapped && unmapBlocks(lent) == nil {
				t.Errorf("%s: the memory was not given back", encoded)
			}
			if want > 0 && mapped && !slices.Equal(told, []int64{want, 0}) || want == 0 && told != nil {
				t.Errorf("%s: told %v", encoded, told)
			}
		}
	}
	if _, ok := h.arena.take(1 << 50 / blockSize); ok && mapped {
		t.Error("more memory than there is")
	}

	// Without memory it is as if there had been no place, and nothing is kept.
	h.arena.from = func(int) ([]block, error) { return nil, errors.New("no memory") }
	for range 3 {
		_, err := h.Hash(t.Context(), "x")
		if busy, ok := errors.AsType[*BusyError](err); !ok || !busy.NoMemory || busy.RetryAfter <= 0 || !errors.Is(err, ErrBusy) {
			t.Errorf("without memory: %v", err)
		}
	}
	if got := h.Stats(); got != (Stats{}) || h.arena.bytes != 0 {
		t.Errorf("without memory %+v is kept, %d bytes", got, h.arena.bytes)
	}
	h.arena.from = nil
	if _, err := h.Hash(t.Context(), "x"); err != nil {
		t.Error(err)
	}
}

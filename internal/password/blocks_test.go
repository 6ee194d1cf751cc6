package password

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/crypto/argon2"
)

// TestArgon2id compares with the package that the compression function is of,
// in memory that has been used.
func TestArgon2id(t *testing.T) {
	b := make([]block, 3*blockSize)
	for _, c := range []struct {
		blocks, passes, length int
		password, salt         string
	}{
		{8, 1, 4, "", "12345678"},
		{8, 1, 16, "a", "12345678"},
		{12, 3, 32, "password", "somesalt"},
		{1024, 1, 32, "c0rrect-Horse-42", "sixteen bytes of"},
		{1028, 2, 63, "c0rrect-Horse-42", "sixteen bytes of"},
		{2048, 4, 64, "\x00", "a salt of more than sixteen bytes"},
		{512, 2, 65, "p", "somesalt"},
		{512, 2, 96, "p", "somesalt"},
		{512, 2, 97, "p", "somesalt"},
		{3072, 2, 1024, "p", "somesalt"},
	} {
		want := argon2.IDKey([]byte(c.password), []byte(c.salt), uint32(c.passes), uint32(c.blocks), 1, uint32(c.length))
		if got := argon2id(b[:c.blocks], []byte(c.password), []byte(c.salt), uint32(c.passes), c.length); !bytes.Equal(got, want) {
			t.Errorf("%+v: %x, want %x", c, got, want)
		}
	}
	h := newArgon2(today())
	h.arena = new(arena)
	want := argon2.IDKey([]byte("c0rrect-Horse-42"), h.salt, argon2Time, argon2Memory, 1, argon2Length)
	for range 2 {
		if got := h.derive("c0rrect-Horse-42", argon2Length); !bytes.Equal(got, want) {
			t.Errorf("%x, want %x", got, want)
		}
	}
	if len(h.arena.free) != 1 || h.arena.lent != 0 {
		t.Errorf("%d free and %d lent, want one that was used twice", len(h.arena.free), h.arena.lent)
	}
	h.arena.tidy()
}

// FuzzArgon2id does the same with whatever comes.
func FuzzArgon2id(f *testing.F) {
	f.Add([]byte("c0rrect-Horse-42"), []byte("sixteen bytes of"), uint16(64), uint8(2), uint8(32))
	f.Add([]byte{}, []byte{}, uint16(2), uint8(1), uint8(1))
	b := make([]block, 4*512)
	for i := range b {
		var noise [8]byte
		_, _ = rand.Read(noise[:])
		b[i][i%len(b[i])] = binary.LittleEndian.Uint64(noise[:])
	}
	f.Fuzz(func(t *testing.T, password, salt []byte, segment uint16, passes, length uint8) {
		blocks, times, size := 4*(2+int(segment)%510), 1+uint32(passes)%4, 1+int(length)
		want := argon2.IDKey(password, salt, times, uint32(blocks), 1, uint32(size))
		if got := argon2id(b[:blocks], password, salt, times, size); !bytes.Equal(got, want) {
			t.Errorf("%d blocks, %d passes: %x, want %x", blocks, times, got, want)
		}
	})
}

// TestArena: memory is kept for the next hash, as much as is used at once, and
// for a second after the last one.
func TestArena(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var a arena
		one, two := a.take(), a.take()
		if len(one) != argon2Memory || len(two) != argon2Memory || &one[0] == &two[0] {
			t.Fatalf("%d and %d blocks, the same %v", len(one), len(two), &one[0] == &two[0])
		}
		one[argon2Memory-1][127], two[0][0] = 1, 1
		a.give(one)
		time.Sleep(5 * roomKept)
		synctest.Wait()
		if len(a.free) != 1 || a.lent != 1 {
			t.Fatalf("%d free, %d lent: what is kept goes while a hash is at work", len(a.free), a.lent)
		}
		a.give(two)
		for range 10 {
			time.Sleep(roomKept / 2)
			b := a.take()
			if &b[0] != &one[0] && &b[0] != &two[0] {
				t.Fatal("new memory for a hash that comes soon")
			}
			a.give(b)
		}
		time.Sleep(roomKept + time.Millisecond)
		synctest.Wait()
		if a.free != nil || a.lent != 0 {
			t.Fatalf("%d kept of nobody's", len(a.free))
		}
		a.give(a.take())
		time.Sleep(roomKept + time.Millisecond)
		synctest.Wait()
		if a.free != nil {
			t.Fatal("kept")
		}
	})
	var none *arena
	if none.take() != nil {
		t.Error("memory of no arena")
	}
}

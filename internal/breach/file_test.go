package breach

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha1"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// build makes a filter of a list and opens it.
func build(t testing.TB, list string, o BuildOptions) (*Filter, string) {
	t.Helper()
	name := filepath.Join(t.TempDir(), "filter")
	made, err := Build(t.Context(), strings.NewReader(list), name, o)
	if err != nil {
		t.Fatal(err)
	}
	f, err := Open(name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	info, err := os.Stat(name)
	if err != nil || f.Summary() != made || info.Size() != made.Size {
		t.Fatalf("made %+v, opened %+v, the file has %d bytes (%v)", made, f.Summary(), info.Size(), err)
	}
	if left, _ := os.ReadDir(filepath.Dir(name)); len(left) != 1 {
		t.Errorf("beside the file %v was left", left)
	}
	return f, name
}

func has(t testing.TB, f *Filter, pw string) bool {
	t.Helper()
	found, err := f.Has(pw)
	if err != nil {
		t.Fatalf("%q: %v", pw, err)
	}
	return found
}

func sha1Line(pw string) string { return fmt.Sprintf("%X", sha1.Sum([]byte(pw))) }

// Lists of many sizes: every password of theirs is found, and of others no more
// than chance has it.
//
// ASVS 6.2.12
func TestFilter(t *testing.T) {
	// Beyond two shards and beyond what buckets hold in memory.
	sizes := []int{1, 2, 3, 10, 1000, 100_000, 1_300_000}
	if testing.Short() {
		sizes = sizes[:6]
	}
	for _, bits := range []int{8, 16} {
		for _, n := range sizes {
			if n > 1_000_000 && bits == 8 {
				continue // As many shards, and the width is no matter.
			}
			t.Run(fmt.Sprintf("%d bits, %d", bits, n), func(t *testing.T) {
				var list strings.Builder
				for i := range n {
					fmt.Fprintf(&list, "breached-%d\n", i)
				}
				f, _ := build(t, list.String(), BuildOptions{Bits: bits})
				if got := f.Summary().Passwords; got != uint64(n) {
					t.Errorf("%d passwords", got)
				}
				// Each look reads a whole shard.
				step, others, most := max(1, n/2000), 4000, map[int]int{8: 40, 16: 4}[bits]
				if n > 1000 {
					step, others, most = n/200, 400, map[int]int{8: 10, 16: 2}[bits]
				}
				for i := 0; i < n; i += step {
					if !has(t, f, fmt.Sprintf("breached-%d", i)) {
						t.Fatalf("breached-%d is not found", i)
					}
				}
				wrong := 0
				for i := range others {
					if has(t, f, fmt.Sprintf("another-%d", i)) {
						wrong++
					}
				}
				// 4000/256 = 16; six standard deviations more are 40.
				if wrong > most {
					t.Errorf("%d of %d others are found, want %d at most", wrong, others, most)
				}
				if err := f.Check(); err != nil {
					t.Error(err)
				}
				t.Logf("%d keys: %.2f bits each, %d of %d others found", n, 8*float64(f.Summary().Size)/float64(n), wrong, others)
			})
		}
	}
}

// What the lines of a list may be.
func TestLists(t *testing.T) {
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	_, _ = z.Write([]byte("one-password\nanother-password"))
	_ = z.Close()
	for name, c := range map[string]struct {
		list    string
		o       BuildOptions
		in, out []string
		n       uint64
	}{
		"passwords": {
			"one\r\n two \n\nthree\tx\none\nünï",
			BuildOptions{},
			[]string{"one", " two ", "three\tx", "ünï"},
			[]string{"two", "One", "", "three"},
			4,
		},
		"an editor's mark":   {"\xef\xbb\xbfone\n", BuildOptions{}, []string{"one"}, []string{"\xef\xbb\xbfone"}, 1},
		"gzip":               {packed.String(), BuildOptions{}, []string{"one-password", "another-password"}, []string{"x"}, 2},
		"hashes":             {sha1Line("one") + "\n" + strings.ToLower(sha1Line("two")) + "\r\n", BuildOptions{}, []string{"one", "two"}, []string{sha1Line("one")}, 2},
		"hashes, counted":    {sha1Line("one") + ":3\n" + sha1Line("two") + ":10\n" + sha1Line("three") + ":0", BuildOptions{MinCount: 4}, []string{"two"}, []string{"one", "three"}, 1},
		"hashes, some not":   {sha1Line("one") + "\n" + sha1Line("two") + ":1\n", BuildOptions{MinCount: 4}, []string{"one"}, []string{"two"}, 1},
		"a long line":        {"one\n" + strings.Repeat("x", 3<<20) + "\ntwo", BuildOptions{}, []string{"one", "two"}, []string{strings.Repeat("x", maxLine)}, 2},
		"hash as a password": {"one\n" + sha1Line("x"), BuildOptions{}, []string{"one", sha1Line("x")}, []string{"x"}, 2},
		"said so":            {sha1Line("x"), BuildOptions{Lines: Passwords}, []string{sha1Line("x")}, []string{"x"}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			f, _ := build(t, c.list, c.o)
			if got := f.Summary().Passwords; got != c.n {
				t.Errorf("%d passwords, want %d", got, c.n)
			}
			for _, pw := range c.in {
				if !has(t, f, pw) {
					t.Errorf("%.40q is not found", pw)
				}
			}
			for _, pw := range c.out {
				if has(t, f, pw) {
					t.Errorf("%.40q is found", pw)
				}
			}
		})
	}
}

// A list that cannot be one makes no file and leaves the old one as it was.
func TestBadLists(t *testing.T) {
	name := filepath.Join(t.TempDir(), "filter")
	if err := os.WriteFile(name, []byte("old"), 0o600); err != nil {
		t.Fatal(err)
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	for what, c := range map[string]struct {
		ctx  context.Context
		list string
		o    BuildOptions
		want string
	}{
		"empty":       {t.Context(), "\n\n", BuildOptions{}, ErrEmpty.Error()},
		"none left":   {t.Context(), sha1Line("x") + ":1", BuildOptions{MinCount: 2}, ErrEmpty.Error()},
		"half hash":   {t.Context(), sha1Line("x") + "\nABCDEF:1", BuildOptions{}, "line 2 " + ErrLine.Error()},
		"bad count":   {t.Context(), sha1Line("x") + "\n" + sha1Line("y") + ":-1", BuildOptions{}, "line 2 "},
		"no hash":     {t.Context(), "password", BuildOptions{Lines: SHA1}, "line 1 "},
		"broken gzip": {t.Context(), "\x1f\x8bxxxxxxxxxxxxxx", BuildOptions{}, "gzip"},
		"bits":        {t.Context(), "x", BuildOptions{Bits: 12}, "12 bits"},
		"interrupted": {gone, "x", BuildOptions{}, context.Canceled.Error()},
	} {
		_, err := Build(c.ctx, strings.NewReader(c.list), name, c.o)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", what, err, c.want)
		}
	}
	if b, _ := os.ReadFile(name); string(b) != "old" {
		t.Errorf("the old file is %q", b)
	}
	if left, _ := os.ReadDir(filepath.Dir(name)); len(left) != 1 {
		t.Errorf("%v was left", left)
	}
}

// A file that is cut, lengthened or altered anywhere is refused when it is opened
// or, in its fingerprints, when it is asked: never an answer, never a panic.
func TestDamagedFiles(t *testing.T) {
	var list strings.Builder
	for i := range 300 {
		fmt.Fprintf(&list, "breached-%d\n", i)
	}
	_, name := build(t, list.String(), BuildOptions{})
	whole, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	refused := func(what string, b []byte) {
		t.Helper()
		f, err := read(bytes.NewReader(b), int64(len(b)))
		if err == nil {
			if _, err = f.Has("breached-1"); err == nil {
				err = f.Check()
			}
		}
		if !errors.Is(err, ErrDamaged) {
			t.Errorf("%s: %v", what, err)
		}
	}
	for n := range len(whole) {
		refused(fmt.Sprintf("cut to %d", n), whole[:n])
	}
	refused("lengthened", append(bytes.Clone(whole), 0))
	for i := range whole {
		altered := bytes.Clone(whole)
		altered[i] ^= 1 << (i % 8)
		refused(fmt.Sprintf("byte %d altered", i), altered)
	}
	// Cut under the server.
	f, err := read(bytes.NewReader(whole[:len(whole)/2]), int64(len(whole)))
	if err == nil {
		t.Errorf("opened a half: %v", f.Summary())
	}
	if f, err := Open(t.TempDir()); err == nil {
		t.Errorf("opened a folder: %v", f)
	}
}

// crafted is a file of a header, these shards and no fingerprints, all of it
// summed rightly.
func crafted(width uint8, shards ...shard) []byte {
	var directory []byte
	h := header{bits: width, shards: uint32(len(shards)), directory: headerSize}
	for i, s := range shards {
		s.first = uint64(i)
		directory = s.append(directory)
		h.keys += uint64(s.keys)
	}
	h.sum = crc32.Checksum(directory, castagnoli)
	return append(h.bytes(), directory...)
}

// wrapped are shards whose sizes are multiples of 2⁶⁴ together: they fit into
// the file for whoever computes in 64 bits.
func wrapped(width uint8) []byte {
	s := shard{keys: 1, segmentLength: 1 << 31, segmentCount: 1<<32 - 2}
	if width == 16 {
		return crafted(width, s)
	}
	return crafted(width, s, s)
}

// A shard as large as none can be is refused whatever its size wraps around to.
func TestImpossibleShards(t *testing.T) {
	for what, b := range map[string][]byte{
		"wrapped, 8 bits":  wrapped(8),
		"wrapped, 16 bits": wrapped(16),
		"no length":        crafted(8, shard{keys: 1, segmentCount: 1}),
		"no count":         crafted(8, shard{keys: 1, segmentLength: 1}),
	} {
		f, err := read(bytes.NewReader(b), int64(len(b)))
		if err == nil {
			_, err = f.Has("one")
		}
		if !errors.Is(err, ErrDamaged) {
			t.Errorf("%s: %v", what, err)
		}
	}
	for _, s := range []shard{
		{segmentLength: 1 << 31, segmentCount: 1<<32 - 1},
		{segmentLength: 1 << 20, segmentCount: 1},
		{segmentLength: 1, segmentCount: 1<<32 - 1},
		{segmentLength: 3, segmentCount: 1},
	} {
		if s.possible() {
			t.Errorf("%+v is possible", s)
		}
	}
}

// FuzzFilter opens what hostile hands made, with checksums that are right.
func FuzzFilter(f *testing.F) {
	for _, bits := range []int{8, 16} {
		_, name := build(f, "one\ntwo\nthree\n", BuildOptions{Bits: bits})
		b, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b, "one")
		f.Add(wrapped(uint8(bits)), "one")
	}
	f.Fuzz(func(t *testing.T, b []byte, pw string) {
		if len(b) >= headerSize {
			b = bytes.Clone(b)
			if at := binary.LittleEndian.Uint64(b[24:]); at <= uint64(len(b)) {
				directory := b[at:]
				offset := uint64(headerSize)
				for d := directory; len(d) >= entrySize; d = d[entrySize:] {
					s := parseShard(d)
					if !s.possible() {
						break
					}
					end := offset + uint64(s.fingerprints())*uint64(b[11]/8)
					if end > at || end < offset {
						break
					}
					binary.LittleEndian.PutUint32(d[28:], crc32.Checksum(b[offset:end], castagnoli))
					offset = end
				}
				binary.LittleEndian.PutUint32(b[32:], crc32.Checksum(directory, castagnoli))
			}
			binary.LittleEndian.PutUint32(b[headerSize-4:], crc32.Checksum(b[:headerSize-4], castagnoli))
		}
		opened, err := read(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			if !errors.Is(err, ErrDamaged) {
				t.Errorf("refused with %v", err)
			}
			return
		}
		if _, err := opened.Has(pw); err != nil && !errors.Is(err, ErrDamaged) {
			t.Errorf("asked: %v", err)
		}
		_ = opened.Check()
	})
}

func FuzzList(f *testing.F) {
	f.Add([]byte("one\ntwo"))
	f.Add([]byte(sha1Line("one") + ":3\r\n"))
	f.Add([]byte("\x1f\x8b\x08\x00"))
	f.Fuzz(func(t *testing.T, b []byte) {
		n := 0
		_ = readList(t.Context(), bytes.NewReader(b), BuildOptions{}, func(uint64) error { n++; return nil })
		if n > bytes.Count(b, []byte("\n"))+1 && !bytes.HasPrefix(b, []byte("\x1f\x8b")) {
			t.Errorf("%d keys of %d bytes", n, len(b))
		}
	})
}

func BenchmarkHas(b *testing.B) {
	var list strings.Builder
	for i := range 200_000 {
		fmt.Fprintf(&list, "breached-%d\n", i)
	}
	f, _ := build(b, list.String(), BuildOptions{})
	for b.Loop() {
		if !has(b, f, "breached-77") {
			b.Fatal("not found")
		}
	}
}

// As they stand and copied.
func TestNumbers(t *testing.T) {
	b := []byte{0x01, 0x02, 0xff, 0x00, 0x34, 0x12, 0x99}
	for _, c := range []struct {
		b    []byte
		want []uint16
	}{
		{nil, nil},
		{b[:6], []uint16{0x0201, 0x00ff, 0x1234}},
		{b[1:7], []uint16{0xff02, 0x3400, 0x9912}},
	} {
		if got := numbers(c.b); !slices.Equal(got, c.want) {
			t.Errorf("numbers(%x) = %x, want %x", c.b, got, c.want)
		}
	}
}

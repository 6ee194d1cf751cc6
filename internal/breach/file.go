package breach

import (
	"bytes"
	"crypto/sha1"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math/bits"
	"os"
	"sort"
	"sync"
	"unsafe"

	"github.com/FastFilter/xorfilter"
)

const (
	magic      = "\x89LKfilt\n"
	version    = 1
	kindSHA1   = 1
	headerSize = 64
	entrySize  = 36

	// shardKeys is how many keys a shard has: a look-up reads 300 KiB.
	shardKeys = 1 << 17
	// maxFingerprints is more than a shard of shardKeys can have.
	maxFingerprints = 1 << 20
)

// ErrDamaged is what every file that is no filter, or no longer one, is told
// with.
var ErrDamaged = errors.New("not a filter file, or a damaged one")

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// keyOf is a password's key.
func keyOf(pw string) uint64 {
	sum := sha1.Sum([]byte(pw))
	return binary.BigEndian.Uint64(sum[:8])
}

// header is what a file begins with.
type header struct {
	bits      uint8 // of a fingerprint: 8 or 16
	shards    uint32
	keys      uint64
	directory uint64 // where it begins
	sum       uint32 // of the directory
}

func (h header) bytes() []byte {
	b := make([]byte, headerSize)
	copy(b, magic)
	binary.LittleEndian.PutUint16(b[8:], version)
	b[10], b[11] = kindSHA1, h.bits
	binary.LittleEndian.PutUint32(b[12:], h.shards)
	binary.LittleEndian.PutUint64(b[16:], h.keys)
	binary.LittleEndian.PutUint64(b[24:], h.directory)
	binary.LittleEndian.PutUint32(b[32:], h.sum)
	binary.LittleEndian.PutUint32(b[headerSize-4:], crc32.Checksum(b[:headerSize-4], castagnoli))
	return b
}

func parseHeader(b []byte) (header, error) {
	if !bytes.HasPrefix(b, []byte(magic)) {
		return header{}, fmt.Errorf("%w: it does not begin like one", ErrDamaged)
	}
	if v := binary.LittleEndian.Uint16(b[8:]); v != version {
		return header{}, fmt.Errorf("%w: version %d, and only %d is known", ErrDamaged, v, version)
	}
	if crc32.Checksum(b[:headerSize-4], castagnoli) != binary.LittleEndian.Uint32(b[headerSize-4:]) {
		return header{}, fmt.Errorf("%w: the checksum of its header is wrong", ErrDamaged)
	}
	h := header{
		bits: b[11], shards: binary.LittleEndian.Uint32(b[12:]), keys: binary.LittleEndian.Uint64(b[16:]),
		directory: binary.LittleEndian.Uint64(b[24:]), sum: binary.LittleEndian.Uint32(b[32:]),
	}
	if b[10] != kindSHA1 || h.bits != 8 && h.bits != 16 {
		return header{}, fmt.Errorf("%w: keys of kind %d, fingerprints of %d bits", ErrDamaged, b[10], h.bits)
	}
	return h, nil
}

// shard is a filter's entry in the directory.
type shard struct {
	first         uint64 // the least key
	seed          uint64
	keys          uint32
	segmentLength uint32 // a power of two
	segmentCount  uint32
	sum           uint32 // of the fingerprints
	offset        int64  // not written: shards follow each other
}

func (s shard) fingerprints() int64 {
	return (int64(s.segmentCount) + 2) * int64(s.segmentLength)
}

// possible reports whether there can be such a shard: a checksum is no
// signature, and what is computed with must hold. Both factors are bounded
// before their product, which is beyond 63 bits otherwise.
func (s shard) possible() bool {
	return bits.OnesCount32(s.segmentLength) == 1 && s.segmentCount > 0 &&
		s.segmentLength <= maxFingerprints && s.segmentCount <= maxFingerprints && s.fingerprints() <= maxFingerprints
}

func (s shard) append(b []byte) []byte {
	b = binary.LittleEndian.AppendUint64(b, s.first)
	b = binary.LittleEndian.AppendUint64(b, s.seed)
	for _, n := range []uint32{s.keys, s.segmentLength, s.segmentCount, s.sum, 0} {
		b = binary.LittleEndian.AppendUint32(b, n)
	}
	return b
}

func parseShard(b []byte) shard {
	return shard{
		first: binary.LittleEndian.Uint64(b), seed: binary.LittleEndian.Uint64(b[8:]),
		keys: binary.LittleEndian.Uint32(b[16:]), segmentLength: binary.LittleEndian.Uint32(b[20:]),
		segmentCount: binary.LittleEndian.Uint32(b[24:]), sum: binary.LittleEndian.Uint32(b[28:]),
	}
}

// Filter is an open filter file. It is safe for concurrent use.
type Filter struct {
	file   io.ReaderAt
	close  func() error
	size   int64
	header header
	shards []shard
	pages  sync.Pool // of *[]byte
}

// Open opens a filter file and checks its header and its directory; shards are
// checked when they are read, or all of them by Check. A file that is no filter
// is ErrDamaged.
func Open(name string) (*Filter, error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	info, err := file.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s is no file", name)
	}
	if err != nil {
		file.Close()
		return nil, err
	}
	f, err := read(file, info.Size())
	if err != nil {
		file.Close()
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	f.close = file.Close
	return f, nil
}

// read reads header and directory of a file of this size.
func read(file io.ReaderAt, size int64) (*Filter, error) {
	if size < headerSize {
		return nil, fmt.Errorf("%w: it has %d bytes", ErrDamaged, size)
	}
	b := make([]byte, headerSize)
	if _, err := file.ReadAt(b, 0); err != nil {
		return nil, fmt.Errorf("read the header: %w", err)
	}
	h, err := parseHeader(b)
	if err != nil {
		return nil, err
	}
	// Before anything is believed about its length: it is the file's.
	if h.shards == 0 || h.directory < headerSize || h.directory > uint64(size) ||
		uint64(size)-h.directory != uint64(h.shards)*entrySize {
		return nil, fmt.Errorf("%w: it has %d bytes, which is not what its header says", ErrDamaged, size)
	}
	directory := make([]byte, uint64(h.shards)*entrySize)
	if _, err := file.ReadAt(directory, int64(h.directory)); err != nil {
		return nil, fmt.Errorf("read the directory: %w", err)
	}
	if crc32.Checksum(directory, castagnoli) != h.sum {
		return nil, fmt.Errorf("%w: the checksum of its directory is wrong", ErrDamaged)
	}
	f := &Filter{file: file, close: func() error { return nil }, size: size, header: h, shards: make([]shard, 0, h.shards)}
	offset, keys := int64(headerSize), uint64(0)
	for i := range int(h.shards) {
		s := parseShard(directory[i*entrySize:])
		s.offset = offset
		if !s.possible() || i > 0 && s.first <= f.shards[i-1].first {
			return nil, fmt.Errorf("%w: shard %d cannot be", ErrDamaged, i)
		}
		offset += s.fingerprints() * int64(h.bits/8)
		keys += uint64(s.keys)
		f.shards = append(f.shards, s)
	}
	if uint64(offset) != h.directory || keys != h.keys {
		return nil, fmt.Errorf("%w: its shards are not what its header says", ErrDamaged)
	}
	return f, nil
}

// Has reports whether a password is in the filter. An error is the file's:
// nothing is known of the password then.
func (f *Filter) Has(pw string) (bool, error) {
	key := keyOf(pw)
	i := sort.Search(len(f.shards), func(i int) bool { return f.shards[i].first > key }) - 1
	if i < 0 {
		return false, nil
	}
	var has bool
	err := f.page(i, func(b []byte) { has = f.shards[i].has(b, f.header.bits, key) })
	return has, err
}

// page reads the fingerprints of a shard and checks them.
func (f *Filter) page(i int, use func([]byte)) error {
	s := f.shards[i]
	size := int(s.fingerprints()) * int(f.header.bits/8)
	held, _ := f.pages.Get().(*[]byte)
	if held == nil || cap(*held) < size {
		made := make([]byte, size)
		held = &made
	}
	defer f.pages.Put(held)
	b := (*held)[:size]
	if _, err := f.file.ReadAt(b, s.offset); err != nil {
		return fmt.Errorf("read shard %d: %w", i, err)
	}
	if crc32.Checksum(b, castagnoli) != s.sum {
		return fmt.Errorf("%w: the checksum of shard %d is wrong", ErrDamaged, i)
	}
	use(b)
	return nil
}

func (s shard) has(b []byte, width uint8, key uint64) bool {
	if width == 8 {
		return contains(s, b, key)
	}
	return contains(s, numbers(b), key)
}

// numbers are the little-endian ones that stand in b, which is as long as a
// whole number of them.
func numbers(b []byte) []uint16 {
	n := len(b) / 2
	if n == 0 {
		return nil
	}
	first := unsafe.Pointer(unsafe.SliceData(b))
	if uintptr(first)%2 == 0 && binary.NativeEndian.Uint16([]byte{1, 0}) == 1 {
		// As they are: a copy of the shard for three of them would cost more than
		// all the rest.
		return unsafe.Slice((*uint16)(first), n)
	}
	copied := make([]uint16, n)
	for i := range copied {
		copied[i] = binary.LittleEndian.Uint16(b[2*i:])
	}
	return copied
}

func contains[T xorfilter.Unsigned](s shard, fingerprints []T, key uint64) bool {
	f := xorfilter.BinaryFuse[T]{
		Seed: s.seed, SegmentLength: s.segmentLength, SegmentLengthMask: s.segmentLength - 1,
		SegmentCount: s.segmentCount, SegmentCountLength: s.segmentCount * s.segmentLength, Fingerprints: fingerprints,
	}
	return f.Contains(key)
}

// Check reads and checks the whole file.
func (f *Filter) Check() error {
	for i := range f.shards {
		if err := f.page(i, func([]byte) {}); err != nil {
			return err
		}
	}
	return nil
}

// Summary says what a filter is.
type Summary struct {
	// Passwords is how many it was made of, without repetitions.
	Passwords uint64
	// Bits of a fingerprint: another password is taken for one of these by a
	// chance of 1 in 2^Bits.
	Bits int
	// Size of the file in bytes.
	Size int64
}

// Summary says what the filter is.
func (f *Filter) Summary() Summary {
	return Summary{Passwords: f.header.keys, Bits: int(f.header.bits), Size: f.size}
}

// Close closes the file.
func (f *Filter) Close() error { return f.close() }

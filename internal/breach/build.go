package breach

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"unsafe"

	"github.com/FastFilter/xorfilter"
)

// BuildOptions vary a filter. The zero value is the default.
type BuildOptions struct {
	// Bits of a fingerprint: 16 (0 means that) or 8.
	Bits int
	// MinCount leaves out hashes that a list says were seen less often. 0 takes
	// all; lists of passwords have no counts.
	MinCount int64
	// Lines is what the lines of the list are.
	Lines Lines
}

// Lines is what the lines of a list are.
type Lines string

// The kinds of list.
const (
	Auto      Lines = ""          // what the first line looks like
	Passwords Lines = "passwords" // a password each
	SHA1      Lines = "sha1"      // the hex SHA-1 of one, and maybe ":" and a count
)

// maxLine is the longest line that is read; the rest of a longer one is skipped
// with it. No password is so long.
const maxLine = 64 << 10

// ErrLine is what a line of a list of hashes that is none is told with.
var ErrLine = errors.New("is not the hex SHA-1 of a password with or without \":\" and a count")

// ErrEmpty is what a list without a password is told with.
var ErrEmpty = errors.New("the list has no passwords")

// Build makes a filter file of a list: one password or SHA-1 hash a line, plain
// or gzipped. The list is read once and need not be sorted. Memory is bounded,
// some 60 MiB, and 100 more for each billion of lines; beside the file, eight
// bytes of disk for each line are needed while it is made. The file is there
// under its name when it is whole, or not at all.
func Build(ctx context.Context, list io.Reader, name string, o BuildOptions) (Summary, error) {
	if o.Bits == 0 {
		o.Bits = 16
	}
	if o.Bits != 8 && o.Bits != 16 {
		return Summary{}, fmt.Errorf("fingerprints of %d bits: want 8 or 16", o.Bits)
	}
	scratch, err := os.MkdirTemp(filepath.Dir(name), "."+filepath.Base(name)+"-*")
	if err != nil {
		return Summary{}, fmt.Errorf("make room for it: %w", err)
	}
	defer func() { _ = os.RemoveAll(scratch) }()
	keys := &buckets{folder: scratch}
	defer keys.close()
	if err := readList(ctx, list, o, keys.add); err != nil {
		return Summary{}, err
	}
	half := filepath.Join(scratch, "filter")
	s, err := write(ctx, half, keys, o.Bits)
	if err != nil {
		return Summary{}, err
	}
	if err := os.Rename(half, name); err != nil {
		return Summary{}, fmt.Errorf("give it its name: %w", err)
	}
	if folder, err := os.Open(filepath.Dir(name)); err == nil {
		_ = folder.Sync() // Where folders cannot be synced the name may be lost, and no more.
		folder.Close()
	}
	return s, nil
}

// readList gives the key of each line to add.
func readList(ctx context.Context, list io.Reader, o BuildOptions, add func(uint64) error) error {
	plain := bufio.NewReaderSize(list, 1<<20)
	text := plain
	if start, _ := plain.Peek(2); string(start) == "\x1f\x8b" {
		z, err := gzip.NewReader(plain)
		if err != nil {
			return fmt.Errorf("gzip: %w", err)
		}
		text = bufio.NewReaderSize(z, 1<<20)
	}
	if start, _ := text.Peek(3); string(start) == "\xef\xbb\xbf" {
		_, _ = text.Discard(3) // An editor's mark, no password's.
	}
	for n := 1; ; n++ {
		if n%(1<<16) == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		line, long, err := readLine(text)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read line %d: %w", n, err)
		}
		if long && o.Lines != SHA1 || len(line) == 0 {
			continue
		}
		sum, count, isHash := parseHash(line)
		if o.Lines == Auto {
			o.Lines = Passwords
			if isHash {
				o.Lines = SHA1
			}
		}
		switch {
		case o.Lines == Passwords:
			// The line is not kept: its bytes may be the key's.
			err = add(keyOf(unsafe.String(unsafe.SliceData(line), len(line))))
		case !isHash:
			return fmt.Errorf("line %d %w", n, ErrLine)
		case count >= o.MinCount:
			err = add(binary.BigEndian.Uint64(sum[:8]))
		}
		if err != nil {
			return err
		}
	}
}

// readLine gives a line without its end. A long one is read to its end, and cut.
// The line is the reader's until the next call.
func readLine(r *bufio.Reader) (line []byte, long bool, err error) {
	line, err = r.ReadSlice('\n')
	if errors.Is(err, bufio.ErrBufferFull) || len(line) > maxLine+2 {
		long = true
		line = slices.Clone(line[:min(len(line), maxLine)])
	}
	for errors.Is(err, bufio.ErrBufferFull) {
		_, err = r.ReadSlice('\n')
	}
	if err == io.EOF && len(line) > 0 {
		err = nil // The last line need not have an end.
	}
	line = bytes.TrimSuffix(line, []byte("\n"))
	return bytes.TrimSuffix(line, []byte("\r")), long, err
}

// parseHash reads a line of Have I Been Pwned's lists: 40 hex digits, and maybe
// ":" and how often it was seen. Without that it counts as seen always.
func parseHash(line []byte) (sum [20]byte, count int64, ok bool) {
	digits, tail, counted := bytes.Cut(line, []byte(":"))
	if len(digits) != 40 {
		return sum, 0, false
	}
	if _, err := hex.Decode(sum[:], digits); err != nil {
		return sum, 0, false
	}
	if !counted {
		return sum, math.MaxInt64, true
	}
	count, err := strconv.ParseInt(string(bytes.TrimSpace(tail)), 10, 64)
	return sum, count, err == nil && count >= 0
}

const (
	bucketCount = 256
	bucketKeys  = 1 << 12 // held in memory
)

// buckets sorts keys of any number: by their first byte into files, and each of
// those in memory.
type buckets struct {
	folder string
	held   [bucketCount][]uint64
	spilt  [bucketCount]*os.File
	b      []byte
}

func (b *buckets) add(key uint64) error {
	i := key >> 56
	if len(b.held[i]) == bucketKeys {
		if err := b.spill(int(i)); err != nil {
			return fmt.Errorf("put keys aside: %w", err)
		}
	}
	b.held[i] = append(b.held[i], key)
	return nil
}

func (b *buckets) spill(i int) error {
	if b.spilt[i] == nil {
		f, err := os.OpenFile(filepath.Join(b.folder, fmt.Sprintf("%02x", i)), os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
		if err != nil {
			return err
		}
		b.spilt[i] = f
	}
	b.b = b.b[:0]
	for _, key := range b.held[i] {
		b.b = binary.LittleEndian.AppendUint64(b.b, key)
	}
	b.held[i] = b.held[i][:0]
	_, err := b.spilt[i].Write(b.b)
	return err
}

// sorted gives the keys of a bucket in order, each once, and forgets them.
func (b *buckets) sorted(i int) ([]uint64, error) {
	keys := b.held[i]
	b.held[i] = nil
	if f := b.spilt[i]; f != nil {
		if _, err := f.Seek(0, io.SeekStart); err != nil {
			return nil, err
		}
		r := bufio.NewReaderSize(f, 1<<16)
		var one [8]byte
		for {
			if _, err := io.ReadFull(r, one[:]); err == io.EOF {
				break
			} else if err != nil {
				return nil, err
			}
			keys = append(keys, binary.LittleEndian.Uint64(one[:]))
		}
		b.spilt[i] = nil
		f.Close()
		if err := os.Remove(f.Name()); err != nil {
			return nil, err
		}
	}
	slices.Sort(keys)
	return slices.Compact(keys), nil
}

func (b *buckets) close() {
	for _, f := range b.spilt {
		if f != nil {
			f.Close()
		}
	}
}

// write writes a whole filter file.
func write(ctx context.Context, name string, keys *buckets, width int) (Summary, error) {
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return Summary{}, err
	}
	defer f.Close()
	w := &writer{out: bufio.NewWriterSize(f, 1<<20), header: header{bits: uint8(width), directory: headerSize}}
	if _, err := w.out.Write(make([]byte, headerSize)); err != nil {
		return Summary{}, err
	}
	var rest []uint64
	for i := range bucketCount {
		if err := ctx.Err(); err != nil {
			return Summary{}, err
		}
		next, err := keys.sorted(i)
		if err != nil {
			return Summary{}, fmt.Errorf("sort the keys: %w", err)
		}
		rest = append(rest, next...)
		for len(rest) >= 2*shardKeys {
			if err := w.add(rest[:shardKeys]); err != nil {
				return Summary{}, err
			}
			rest = append(rest[:0], rest[shardKeys:]...)
		}
	}
	// The last shards share what is left, so that none is a handful.
	if len(rest) > shardKeys {
		if err := w.add(rest[:len(rest)/2]); err != nil {
			return Summary{}, err
		}
		rest = rest[len(rest)/2:]
	}
	if len(rest) == 0 {
		return Summary{}, ErrEmpty
	}
	if err := w.add(rest); err != nil {
		return Summary{}, err
	}
	if _, err := w.out.Write(w.directory); err != nil {
		return Summary{}, err
	}
	if err := w.out.Flush(); err != nil {
		return Summary{}, err
	}
	w.header.sum = crc32.Checksum(w.directory, castagnoli)
	if _, err := f.WriteAt(w.header.bytes(), 0); err != nil {
		return Summary{}, err
	}
	if err := f.Sync(); err != nil {
		return Summary{}, err
	}
	return Summary{
		Passwords: w.header.keys, Bits: width, Size: int64(w.header.directory) + int64(len(w.directory)),
	}, f.Close()
}

// writer adds shard after shard.
type writer struct {
	out       *bufio.Writer
	header    header
	directory []byte
	builder   xorfilter.BinaryFuseBuilder
	b         []byte
}

func (w *writer) add(keys []uint64) error {
	s := shard{first: keys[0], keys: uint32(len(keys))}
	w.b = w.b[:0]
	if w.header.bits == 8 {
		f, err := xorfilter.BuildBinaryFuse[uint8](&w.builder, keys)
		if err != nil {
			return fmt.Errorf("make a filter: %w", err)
		}
		s.seed, s.segmentLength, s.segmentCount = f.Seed, f.SegmentLength, f.SegmentCount
		w.b = append(w.b, f.Fingerprints...)
	} else {
		f, err := xorfilter.BuildBinaryFuse[uint16](&w.builder, keys)
		if err != nil {
			return fmt.Errorf("make a filter: %w", err)
		}
		s.seed, s.segmentLength, s.segmentCount = f.Seed, f.SegmentLength, f.SegmentCount
		for _, p := range f.Fingerprints {
			w.b = binary.LittleEndian.AppendUint16(w.b, p)
		}
	}
	// What a look-up computes from these is what was written.
	if int64(len(w.b)) != s.fingerprints()*int64(w.header.bits/8) {
		return errors.New("make a filter: its fingerprints are not as many as they should be")
	}
	s.sum = crc32.Checksum(w.b, castagnoli)
	w.directory = s.append(w.directory)
	w.header.shards++
	w.header.keys += uint64(len(keys))
	w.header.directory += uint64(len(w.b))
	_, err := w.out.Write(w.b)
	return err
}

package password

import (
	"encoding/binary"
	digests "hash"
	_ "unsafe" // for go:linkname

	"golang.org/x/crypto/argon2"
	"golang.org/x/crypto/blake2b"
)

// This is argon2 (RFC 9106, section 3) in memory that is handed in.
// golang.org/x/crypto/argon2 takes new memory for each hash, 19 MiB of ours: to
// clear it and to collect it costs a quarter of the hash and more, and what
// waits to be collected is the most of a busy server's memory. It also starts a
// goroutine for each lane, which leaves the thread of low priority that the hash
// is to run on. The compression function, nearly all of the work, is that
// package's; docs/decisions/0007-argon2-memory.md.

// block is the unit of argon2's memory.
type block [blockSize / 8]uint64

const blockSize = 1024 // bytes

// compress has out be the compression of two blocks (RFC 9106, section 3.5).
//
//go:linkname compress golang.org/x/crypto/argon2.processBlock
//go:noescape
func compress(out, a, b *block)

// compressOnto is compress, exclusive or what is in out.
//
//go:linkname compressOnto golang.org/x/crypto/argon2.processBlockXOR
//go:noescape
func compressOnto(out, a, b *block)

const syncPoints = 4 // slices of a pass

// variety is a type of argon2, by its number.
type variety uint32

const (
	argon2i  variety = 1
	argon2id variety = 2
)

// filling is one argon2 on its way.
type filling struct {
	variety
	passes, lanes uint32
	memory        uint32 // blocks that were asked for
	b             []block
}

// sized is how many blocks are used of those that are asked for.
func sized(memory, lanes uint32) int {
	each := max(memory/(syncPoints*lanes), 2)
	return int(each * syncPoints * lanes)
}

// tag gives length bytes for a password, as argon2.Key and IDKey do, on so many
// threads. Of the blocks there are as many as sized says; what was in them does
// not matter.
func (f *filling) tag(password, salt []byte, length, threads int) []byte {
	f.begin(password, salt, length)
	inLanes(int(f.lanes), threads, int(f.passes)*syncPoints, func(step, lane int) {
		f.segment(uint32(step/syncPoints), uint32(step%syncPoints), uint32(lane))
	})
	each := len(f.b) / int(f.lanes)
	last := f.b[len(f.b)-1]
	for lane := range int(f.lanes) - 1 {
		for i, v := range f.b[lane*each+each-1] {
			last[i] ^= v
		}
	}
	var bytes [blockSize]byte
	for i, v := range last {
		binary.LittleEndian.PutUint64(bytes[i*8:], v)
	}
	return longHash(length, bytes[:])
}

// begin makes the first two blocks of each lane.
func (f *filling) begin(password, salt []byte, length int) {
	h := digest(blake2b.Size)
	for _, n := range []uint32{f.lanes, uint32(length), f.memory, f.passes, argon2.Version, uint32(f.variety)} {
		writeUint32(h, n)
	}
	for _, s := range [][]byte{password, salt, nil, nil} { // without secret and data
		writeUint32(h, uint32(len(s)))
		h.Write(s)
	}
	seed := h.Sum(make([]byte, 0, blake2b.Size+8))
	each := len(f.b) / int(f.lanes)
	for lane := range int(f.lanes) {
		for i := range 2 {
			of := binary.LittleEndian.AppendUint32(seed, uint32(i))
			of = binary.LittleEndian.AppendUint32(of, uint32(lane))
			bytes := longHash(blockSize, of)
			b := &f.b[lane*each+i]
			for j := range b {
				b[j] = binary.LittleEndian.Uint64(bytes[j*8:])
			}
		}
	}
}

// segment fills one slice of one lane in one pass. Those of the other lanes may
// be filled meanwhile, those of other slices not.
func (f *filling) segment(pass, slice, lane uint32) {
	all := uint32(len(f.b))
	each := all / f.lanes
	length := each / syncPoints
	// Blocks refer to others by a counter, independently of the password: in
	// argon2id those of the first half of the first pass.
	independent := f.variety == argon2i || pass == 0 && slice < syncPoints/2
	var addresses, input, zero block
	input = block{uint64(pass), uint64(lane), uint64(slice), uint64(all), uint64(f.passes), uint64(f.variety)}
	i := uint32(0)
	if pass == 0 && slice == 0 {
		i = 2 // begin has made them.
	}
	for first := true; i < length; i++ {
		at := lane*each + slice*length + i
		before := at - 1
		if slice == 0 && i == 0 {
			before += each
		}
		random := f.b[before][0]
		if independent {
			if first || i%uint32(len(addresses)) == 0 {
				input[6]++
				compress(&addresses, &input, &zero)
				compress(&addresses, &addresses, &zero)
			}
			random = addresses[i%uint32(len(addresses))]
		}
		first = false
		other := f.reference(random, pass, slice, lane, i)
		if pass == 0 {
			compress(&f.b[at], &f.b[before], &f.b[other])
		} else {
			compressOnto(&f.b[at], &f.b[before], &f.b[other])
		}
	}
}

// reference is the index of the block that another one is made with (RFC 9106,
// section 3.4): one that is finished, later ones more likely than earlier ones.
func (f *filling) reference(random uint64, pass, slice, lane, i uint32) uint32 {
	each := uint32(len(f.b)) / f.lanes
	length := each / syncPoints
	of := uint32(random>>32) % f.lanes
	if pass == 0 && slice == 0 {
		of = lane
	}
	area, start := each-length, (slice+1)%syncPoints*length
	if pass == 0 {
		area, start = slice*length, 0
	}
	if of == lane {
		area += i - 1
	} else if i == 0 {
		area--
	}
	x := random & (1<<32 - 1)
	x = x * x >> 32
	x = uint64(area) * x >> 32
	return of*each + (start+area-1-uint32(x))%each
}

// longHash is H' of RFC 9106, section 3.3: a digest of any length.
func longHash(length int, in []byte) []byte {
	h := digest(min(length, blake2b.Size))
	writeUint32(h, uint32(length))
	h.Write(in)
	v := h.Sum(nil)
	if length <= blake2b.Size {
		return v
	}
	out := append(make([]byte, 0, length), v[:blake2b.Size/2]...)
	for length-len(out) > blake2b.Size {
		next := blake2b.Sum512(v)
		v = next[:]
		out = append(out, v[:blake2b.Size/2]...)
	}
	h = digest(length - len(out))
	h.Write(v)
	return h.Sum(out)
}

// digest is BLAKE2b of 1 to 64 bytes.
func digest(size int) digests.Hash {
	h, err := blake2b.New(size, nil)
	if err != nil {
		panic(err) // It is for sizes and keys out of range.
	}
	return h
}

func writeUint32(h digests.Hash, n uint32) {
	var b [4]byte
	binary.LittleEndian.PutUint32(b[:], n)
	h.Write(b[:])
}

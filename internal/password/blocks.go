package password

import (
	"encoding/binary"
	digests "hash"
	_ "unsafe" // for go:linkname

	"golang.org/x/crypto/argon2"
	"golang.org/x/crypto/blake2b"
)

// This is argon2id of one lane (RFC 9106, section 3) in memory that is handed
// in. golang.org/x/crypto/argon2 takes new memory for each hash, 19 MiB of ours:
// to clear it and to collect it costs as much again as a third of the hash, and
// what waits to be collected is the most of a busy server's memory. It also
// starts a goroutine for each lane, which leaves the thread of low priority that
// the hash is to run on. The compression function, nearly all of the work, is
// that package's; docs/decisions/0007-argon2-memory.md.

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

const (
	syncPoints = 4 // slices of a pass
	typeID     = 2 // argon2id
)

// argon2id gives the tag of length bytes for a password, as argon2.IDKey does
// with one thread. The memory is all of b, a multiple of 4 blocks and 8 at
// least; what was in it does not matter.
func argon2id(b []block, password, salt []byte, passes uint32, length int) []byte {
	lane := uint32(len(b))
	begin(b, password, salt, passes, length)
	segment := lane / syncPoints
	var addresses, input, zero block
	for pass := range passes {
		for slice := range uint32(syncPoints) {
			// The first half of the first pass refers to blocks by a counter,
			// independently of the password.
			independent := pass == 0 && slice < syncPoints/2
			if independent {
				input = block{uint64(pass), 0, uint64(slice), uint64(lane), uint64(passes), typeID}
			}
			i := uint32(0)
			if pass == 0 && slice == 0 {
				i = 2 // begin has made them.
			}
			for ; i < segment; i++ {
				at := slice*segment + i
				before := at - 1
				if at == 0 {
					before = lane - 1
				}
				random := b[before][0]
				if independent {
					if i%uint32(len(addresses)) == 0 || at == 2 {
						input[6]++
						compress(&addresses, &input, &zero)
						compress(&addresses, &addresses, &zero)
					}
					random = addresses[i%uint32(len(addresses))]
				}
				other := reference(random, pass, slice, segment, i)
				if pass == 0 {
					compress(&b[at], &b[before], &b[other])
				} else {
					compressOnto(&b[at], &b[before], &b[other])
				}
			}
		}
	}
	var last [blockSize]byte
	encodeBlock(last[:], &b[lane-1])
	return longHash(length, last[:])
}

// begin makes the first two blocks.
func begin(b []block, password, salt []byte, passes uint32, length int) {
	h := digest(blake2b.Size)
	for _, n := range []int{1, length, len(b), int(passes), argon2.Version, typeID} {
		writeUint32(h, n)
	}
	for _, s := range [][]byte{password, salt, nil, nil} { // without secret and data
		writeUint32(h, len(s))
		h.Write(s)
	}
	seed := h.Sum(make([]byte, 0, blake2b.Size+8))
	for i := range uint32(2) {
		of := binary.LittleEndian.AppendUint32(seed, i)
		of = binary.LittleEndian.AppendUint32(of, 0) // the lane
		decodeBlock(&b[i], longHash(blockSize, of))
	}
}

// reference is the index of the block that another one is made with (RFC 9106,
// section 3.4): one that is finished, later ones more likely than earlier ones.
func reference(random uint64, pass, slice, segment, i uint32) uint32 {
	lane := syncPoints * segment
	area, start := lane-segment+i-1, (slice+1)%syncPoints*segment
	if pass == 0 {
		area, start = slice*segment+i-1, 0
	}
	x := random & (1<<32 - 1)
	x = x * x >> 32
	x = uint64(area) * x >> 32
	return (start + area - 1 - uint32(x)) % lane
}

// longHash is H' of RFC 9106, section 3.3: a digest of any length.
func longHash(length int, in []byte) []byte {
	h := digest(min(length, blake2b.Size))
	writeUint32(h, length)
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

func writeUint32(h digests.Hash, n int) {
	var b [4]byte
	binary.LittleEndian.PutUint32(b[:], uint32(n))
	h.Write(b[:])
}

func encodeBlock(out []byte, b *block) {
	for i, v := range b {
		binary.LittleEndian.PutUint64(out[i*8:], v)
	}
}

func decodeBlock(b *block, in []byte) {
	for i := range b {
		b[i] = binary.LittleEndian.Uint64(in[i*8:])
	}
}

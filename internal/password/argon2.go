package password

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"strings"

	"golang.org/x/crypto/argon2"
)

// What Hash writes: OWASP's second set for argon2id.
const (
	argon2Memory  = 19456 // KiB
	argon2Time    = 2
	argon2Threads = 1
	argon2Length  = 32 // bytes
)

// Ceilings on foreign parameters. Memory is that of a Django default (100 MiB)
// and some; the rest are Kratos's.
const (
	argon2MaxMemory  = 128 << 10 // KiB
	argon2MaxTime    = 10
	argon2MaxThreads = 16
)

// argon2Hash is Django's "argon2" + a PHC string.
type argon2Hash struct {
	variety string // argon2id or argon2i
	memory  uint32 // KiB
	time    uint32
	threads uint8
	salt    []byte
	sum     []byte
}

// parameters are what a Hasher writes argon2id with.
type parameters struct {
	memory, time uint32
	threads      uint8
}

// today are the parameters of every Hasher but those of Options.Cheap.
func today() parameters { return parameters{argon2Memory, argon2Time, argon2Threads} }

// cheap are argon2's least.
func cheap() parameters { return parameters{8, 1, 1} }

// newArgon2 makes a hash with these parameters, without its sum. The salt is
// text, as Django's salts are: its decode() reads it back as such.
func newArgon2(p parameters) *argon2Hash {
	return &argon2Hash{
		variety: "argon2id",
		memory:  p.memory,
		time:    p.time,
		threads: p.threads,
		salt:    []byte(rand.Text()),
	}
}

// write reports whether these are what a hash was written with.
func (p parameters) write(stored hash) bool {
	h, ok := stored.(*argon2Hash)
	return ok && h.variety == "argon2id" && h.memory == p.memory && h.time == p.time &&
		h.threads == p.threads && len(h.sum) == argon2Length
}

// parseArgon2 reads "argon2id$v=19$m=19456,t=2,p=1$salt$hash", as strictly as
// libargon2 does. m ≥ 8p is the algorithm's own rule (RFC 9106 §3.1).
func parseArgon2(s string) (hash, error) {
	part := strings.Split(s, "$")
	if len(part) != 5 || part[1] != "v=19" {
		return nil, fmt.Errorf("%w: want variety$v=19$costs$salt$hash", ErrMalformed)
	}
	if part[0] != "argon2id" && part[0] != "argon2i" {
		return nil, fmt.Errorf("%w: variety", ErrMalformed)
	}
	cost := strings.Split(part[2], ",")
	if len(cost) != 3 {
		return nil, fmt.Errorf("%w: costs", ErrMalformed)
	}
	var m, t, p int64
	for i, c := range []struct {
		name string
		most int64
		to   *int64
	}{{"m", argon2MaxMemory, &m}, {"t", argon2MaxTime, &t}, {"p", argon2MaxThreads, &p}} {
		value, ok := strings.CutPrefix(cost[i], c.name+"=")
		if !ok {
			return nil, fmt.Errorf("%w: costs", ErrMalformed)
		}
		var err error
		if *c.to, err = decimal(c.name, value, 1, c.most); err != nil {
			return nil, err
		}
	}
	if m < 8*p {
		return nil, fmt.Errorf("%w: m is under 8p", ErrMalformed)
	}
	salt, err := decode("salt", part[3], base64.RawStdEncoding, 8, 64)
	if err != nil {
		return nil, err
	}
	sum, err := decode("hash", part[4], base64.RawStdEncoding, 16, 64)
	if err != nil {
		return nil, err
	}
	return &argon2Hash{variety: part[0], memory: uint32(m), time: uint32(t), threads: uint8(p), salt: salt, sum: sum}, nil
}

func (h *argon2Hash) cost() (int64, int) {
	return int64(h.memory) << 10, int(h.threads)
}

// blocks is how many blocks of memory derive needs.
func (h *argon2Hash) blocks() int { return sized(h.memory, uint32(h.threads)) }

// derive computes in the memory of a turn.
func (h *argon2Hash) derive(pw string, length int, t turn) []byte {
	f := filling{variety: argon2id, passes: h.time, lanes: uint32(h.threads), memory: h.memory, b: t.in}
	if h.variety == "argon2i" {
		f.variety = argon2i
	}
	tag := f.tag([]byte(pw), h.salt, length, t.threads)
	if h.memory == argon2Memory && t.made != nil {
		t.made.Add(1)
	}
	return tag
}

func (h *argon2Hash) matches(pw string, t turn) bool {
	return subtle.ConstantTimeCompare(h.derive(pw, len(h.sum), t), h.sum) == 1
}

func (h *argon2Hash) String() string {
	b64 := base64.RawStdEncoding
	return fmt.Sprintf("argon2$%s$v=%d$m=%d,t=%d,p=%d$%s$%s", h.variety, argon2.Version,
		h.memory, h.time, h.threads, b64.EncodeToString(h.salt), b64.EncodeToString(h.sum))
}

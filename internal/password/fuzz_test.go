package password

import (
	"errors"
	"testing"
)

func seeds(f *testing.F) {
	var cases []struct{ Password, Encoded string }
	read(f, "hashes.json", &cases)
	for _, c := range cases {
		f.Add(c.Encoded)
	}
	for _, b := range bounds {
		if len(b.encoded) < 1000 {
			f.Add(b.encoded)
		}
	}
}

// FuzzCheck: no panic; an error is one of the three; what passes is within the
// bounds, and an argon2 hash has one spelling.
//
// ROW 12
func FuzzCheck(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, encoded string) {
		err := Check(encoded)
		if err != nil {
			if !errors.Is(err, ErrUnknownFormat) && !errors.Is(err, ErrMalformed) && !errors.Is(err, ErrTooCostly) {
				t.Errorf("%q: %v", encoded, err)
			}
			if NeedsRehash(encoded) {
				t.Errorf("%q: refused, yet needs a re-hash", encoded)
			}
			return
		}
		format := Identify(encoded)
		if format == Unusable {
			return
		}
		h, err := parse(encoded)
		if err != nil {
			t.Fatalf("%q: %v", encoded, err)
		}
		if memory, threads := h.cost(); memory > largestCost || threads < 1 || threads > argon2MaxThreads {
			t.Errorf("%q: %d bytes, %d threads", encoded, memory, threads)
		}
		if a, ok := h.(*argon2Hash); ok && a.String() != encoded {
			t.Errorf("%q is read as %q", encoded, a)
		}
	})
}

// FuzzVerify: no panic in the hash functions either. Dear hashes are left to
// FuzzCheck, or there would be few tries.
func FuzzVerify(f *testing.F) {
	seeds(f)
	h := NewHasher(Options{})
	f.Fuzz(func(t *testing.T, encoded string) {
		stored, err := parse(encoded)
		if err != nil || dear(stored) {
			return
		}
		if _, _, err := h.Verify(t.Context(), "c0rrect-Horse-42", encoded); err != nil {
			t.Errorf("%q: %v", encoded, err)
		}
	})
}

func dear(h hash) bool {
	switch h := h.(type) {
	case *argon2Hash:
		return h.memory > 2048 || h.time > 3
	case *pbkdf2Hash:
		return h.iterations > 1000
	case *scryptHash:
		return h.n*h.r*h.p > 1<<15
	case *bcryptHash:
		return string(h.crypt[4:6]) > "05"
	}
	return true
}

package main

import (
	"context"
	"os"
	"runtime"
	"time"

	"golang.org/x/crypto/argon2"
)

// bareHashes is the hash limit: argon2id with Latchkey's parameters (OWASP's
// m=19 MiB, t=2, p=1) on every processor and nothing else.
func bareHashes(ctx context.Context, d time.Duration) (sample, error) {
	salt := []byte("sixteen bytes of")
	return measure(ctx, []process{{pid: os.Getpid()}}, runtime.GOMAXPROCS(0), d, func(_ int, m *meter) error {
		for m.another() {
			argon2.IDKey([]byte(userPassword), salt, 2, 19456, 1, 32)
		}
		return nil
	})
}

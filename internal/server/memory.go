package server

import (
	"log/slog"
	"math"
	"os"
	"runtime/debug"

	"github.com/latchkey-auth/latchkey/internal/cgroup"
	"github.com/latchkey-auth/latchkey/internal/config"
	"github.com/latchkey-auth/latchkey/internal/password"
)

// LimitMemory tells the garbage collector of the memory that the container
// allows (its cgroup), so that it works harder before the system ends the
// process. Of the limit a tenth is left to what the collector does not see. What
// it gives is for RunOptions.Hashes: it takes off what hashes have beside the
// collector's. An operator's GOMEMLIMIT stays in force; without any limit nothing
// is changed. It is for the program to call: the setting is the whole process's.
func LimitMemory(log *slog.Logger) (hashes func(bytes int64)) {
	container := cgroup.Read().Memory
	if os.Getenv("GOMEMLIMIT") != "" || container == 0 {
		return nil
	}
	log.Info("memory is limited", "container", container, "collector", forCollector(container, 0))
	debug.SetMemoryLimit(forCollector(container, 0))
	return func(bytes int64) { debug.SetMemoryLimit(forCollector(container, bytes)) }
}

// forCollector is how much of a container's memory is the garbage collector's,
// while hashes have so much: a quarter at least, with less it would do nothing
// but collect.
func forCollector(container, hashes int64) int64 {
	return max(container/10*9-hashes, container/4)
}

// room is what clients may take of the memory.
type room struct {
	connections int
	// kept is how many bytes of unfinished requests.
	kept int64
}

// roomIn is the room in a container of so many bytes, 0 for none, of which hashes
// take so many at once; secure says that TLS is spoken. Of a container of 256
// MiB as much is kept as without one.
func roomIn(container, hashes int64, secure bool) room {
	const (
		enough = 256 << 20
		// others is what is neither a client's nor a hash's.
		others = 48 << 20
		// plain and withTLS is what a connection takes: 20 and 42 KiB that waits
		// (e2e/flood TestIdleConnections), and more with what is not counted of a
		// request.
		plain, withTLS = 28 << 10, 64 << 10
		// least connections there are, however little memory.
		least = 256
	)
	r := room{connections: math.MaxInt, kept: keptMost}
	if container == 0 {
		return r
	}
	r.kept = keptMost * min(container, enough) / enough
	each := int64(plain)
	if secure {
		each = withTLS
	}
	r.connections = int(max(least, (container-others-hashes-r.kept)/each))
	return r
}

// hashOptions are the settings of the hashes, in what the container allows.
func hashOptions(cfg *config.Config) password.Options {
	return password.Options{Memory: int64(cfg.Password.Memory) << 20, Limit: cgroup.Read().Memory}
}

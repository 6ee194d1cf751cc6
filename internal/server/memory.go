package server

import (
	"log/slog"
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

// hashOptions are the settings of the hashes, in what the container allows.
func hashOptions(cfg *config.Config) password.Options {
	return password.Options{Memory: int64(cfg.Password.Memory) << 20, Limit: cgroup.Read().Memory}
}

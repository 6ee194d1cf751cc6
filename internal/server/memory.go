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
// process. Of the limit a tenth is left to what the collector does not see, and
// what hashes may take beside it. An operator's GOMEMLIMIT stays in force;
// without any limit nothing is changed. It is for the program to call: the
// setting is the whole process's.
func LimitMemory(cfg *config.Config, log *slog.Logger) {
	o := hashOptions(cfg)
	if os.Getenv("GOMEMLIMIT") != "" || o.Limit == 0 {
		return
	}
	collector := forCollector(o.Limit, o.Apart())
	debug.SetMemoryLimit(collector)
	log.Info("memory is limited", "container", o.Limit, "collector", collector)
}

// forCollector is how much of a container's memory is the garbage collector's,
// where hashes may take so much apart: a quarter at least, with less it would do
// nothing but collect.
func forCollector(container, apart int64) int64 {
	return max(container/10*9-apart, container/4)
}

// hashOptions are the settings of the hashes, in what the container allows.
func hashOptions(cfg *config.Config) password.Options {
	return password.Options{Memory: int64(cfg.Password.Memory) << 20, Limit: cgroup.Read().Memory}
}

package server

import (
	"log/slog"
	"os"
	"runtime/debug"

	"github.com/latchkey-auth/latchkey/internal/cgroup"
)

// LimitMemory tells the garbage collector of the memory that the container
// allows (its cgroup), so that it works harder before the system ends the
// process. Of the limit a tenth is left to what the collector does not see. An
// operator's GOMEMLIMIT stays in force; without any limit nothing is changed.
// It is for the program to call: the setting is the whole process's.
func LimitMemory(log *slog.Logger) {
	if os.Getenv("GOMEMLIMIT") != "" {
		return
	}
	limit := cgroup.Read().Memory
	if limit == 0 {
		return
	}
	debug.SetMemoryLimit(limit / 10 * 9)
	log.Info("memory is limited", "container", limit, "collector", limit/10*9)
}

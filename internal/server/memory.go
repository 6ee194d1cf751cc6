package server

import (
	"log/slog"
	"os"
	"runtime/debug"
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
	limit, ok := containerMemory()
	if !ok {
		return
	}
	debug.SetMemoryLimit(limit / 10 * 9)
	log.Info("memory is limited", "container", limit, "collector", limit/10*9)
}

// hashMemory is the budget in bytes of hashes at work where the operator has
// set none: half of what the container allows, 0 (package password decides)
// where it allows more than enough.
func hashMemory() int64 {
	const enough = 512 << 20
	if limit, ok := containerMemory(); ok && limit < enough {
		return limit / 2
	}
	return 0
}

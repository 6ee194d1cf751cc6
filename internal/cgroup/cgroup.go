// Package cgroup reads what Linux gives to this process by its control groups
// (cgroups(7), v1 and v2): a container's limits, or a service's. Other systems
// have none, and nothing is found there.
package cgroup

import (
	"io/fs"
	"os"
	"path"
	"strconv"
	"strings"
)

// Limits are the least along the way from this process's group to the topmost
// that can be seen. The zero value is no limit.
type Limits struct {
	// Memory is in bytes.
	Memory int64
	// NoSwap says that no memory is written to a disk.
	NoSwap bool
	// Processors is a quota: 1.5 is one and a half.
	Processors float64
}

// Read gives those in force now.
func Read() Limits { return In(os.DirFS("/")) }

// In is Read for another root of the file system.
func In(root fs.FS) (l Limits) {
	membership, err := fs.ReadFile(root, "proc/self/cgroup")
	if err != nil {
		return l
	}
	for line := range strings.Lines(string(membership)) {
		// hierarchy:controllers:path; v2 is 0 and has no controllers.
		fields := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(fields) != 3 {
			continue
		}
		if fields[0] == "0" && fields[1] == "" {
			upwards(root, "sys/fs/cgroup", fields[2], l.v2)
			continue
		}
		for controller := range strings.SplitSeq(fields[1], ",") {
			switch controller {
			case "memory":
				upwards(root, "sys/fs/cgroup/memory", fields[2], l.v1Memory)
			case "cpu":
				upwards(root, "sys/fs/cgroup/cpu", fields[2], l.v1Processors)
			}
		}
	}
	return l
}

// group is a directory of a hierarchy.
type group struct {
	root fs.FS
	dir  string
}

// upwards goes from a group to the topmost. In a container the path may be the
// host's: then only the mount's own directory is there, and it is ours.
func upwards(root fs.FS, mount, from string, each func(group)) {
	for at := path.Clean("/" + from); ; at = path.Dir(at) {
		each(group{root, path.Join(mount, at)})
		if at == "/" {
			return
		}
	}
}

func (l *Limits) v2(g group) {
	l.memory(g.number("memory.max"))
	l.NoSwap = l.NoSwap || g.text("memory.swap.max") == "0"
	if quota, period, ok := strings.Cut(g.text("cpu.max"), " "); ok {
		l.quota(quota, period)
	}
}

func (l *Limits) v1Memory(g group) {
	memory := g.number("memory.limit_in_bytes")
	l.memory(memory)
	// With the swap no more than without.
	both := g.number("memory.memsw.limit_in_bytes")
	l.NoSwap = l.NoSwap || both != 0 && both <= memory
}

func (l *Limits) v1Processors(g group) {
	l.quota(g.text("cpu.cfs_quota_us"), g.text("cpu.cfs_period_us"))
}

func (l *Limits) memory(n int64) {
	if n != 0 && (l.Memory == 0 || n < l.Memory) {
		l.Memory = n
	}
}

// quota takes "max", or -1 in v1, for none.
func (l *Limits) quota(quota, period string) {
	q, err1 := strconv.ParseFloat(quota, 64)
	p, err2 := strconv.ParseFloat(period, 64)
	if err1 != nil || err2 != nil || q <= 0 || p <= 0 {
		return
	}
	if n := q / p; l.Processors == 0 || n < l.Processors {
		l.Processors = n
	}
}

// text gives what a file of the group says, "" if there is none.
func (g group) text(file string) string {
	b, err := fs.ReadFile(g.root, path.Join(g.dir, file))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}

// number gives a limit in bytes, 0 for none. "max" is none, and so is what v1
// says for it: a number beyond any machine.
func (g group) number(file string) int64 {
	n, err := strconv.ParseInt(g.text(file), 10, 64)
	if err != nil || n <= 0 || n >= 1<<50 {
		return 0
	}
	return n
}

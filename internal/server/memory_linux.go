package server

import (
	"io/fs"
	"os"
	"path"
	"strconv"
	"strings"
)

// containerMemory is the memory in bytes that this process's control group,
// or one above it, allows.
func containerMemory() (int64, bool) { return cgroupMemory(os.DirFS("/")) }

// cgroupMemory reads the limit of cgroup v2 or v1 (cgroups(7)).
func cgroupMemory(root fs.FS) (least int64, found bool) {
	membership, err := fs.ReadFile(root, "proc/self/cgroup")
	if err != nil {
		return 0, false
	}
	for line := range strings.Lines(string(membership)) {
		// hierarchy:controllers:path; v2 is 0 and has no controllers.
		fields := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(fields) != 3 {
			continue
		}
		mount, file := "sys/fs/cgroup", "memory.max"
		switch {
		case fields[0] == "0" && fields[1] == "":
		case hasWord(fields[1], "memory"):
			mount, file = "sys/fs/cgroup/memory", "memory.limit_in_bytes"
		default:
			continue
		}
		// In a container the path may be the host's: then only the mount's
		// own directory is there, and it is ours.
		for at := path.Clean("/" + fields[2]); ; at = path.Dir(at) {
			if n, ok := limitIn(root, path.Join(mount, at, file)); ok && (!found || n < least) {
				least, found = n, true
			}
			if at == "/" {
				break
			}
		}
	}
	return least, found
}

func hasWord(list, word string) bool {
	for w := range strings.SplitSeq(list, ",") {
		if w == word {
			return true
		}
	}
	return false
}

// limitIn reads one file. "max" is no limit, nor is what v1 says for none: a
// number beyond any machine.
func limitIn(root fs.FS, name string) (int64, bool) {
	text, err := fs.ReadFile(root, name)
	if err != nil {
		return 0, false
	}
	n, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
	if err != nil || n <= 0 || n >= 1<<50 {
		return 0, false
	}
	return n, true
}

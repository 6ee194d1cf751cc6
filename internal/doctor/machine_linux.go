package doctor

import (
	"io/fs"
	"os"
	"strconv"
	"strings"
	"syscall"

	"github.com/latchkey-auth/latchkey/internal/cgroup"
)

func machine() Machine {
	m := Machine{Root: os.Geteuid() == 0}
	m.share(os.DirFS("/"))
	var l syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l) == nil {
		m.OpenFiles = int64(min(l.Cur, 1<<62))
	}
	if syscall.Getrlimit(syscall.RLIMIT_CORE, &l) == nil {
		// A limit of 0 does not hold for a pattern that begins with a pipe.
		pattern, _ := os.ReadFile("/proc/sys/kernel/core_pattern")
		m.CoreDumps = l.Cur > 0 && len(strings.TrimSpace(string(pattern))) > 0
	}
	var clock syscall.Timex
	if state, err := syscall.Adjtimex(&clock); err == nil {
		const timeError = 5 // TIME_ERROR: nobody has set it right for long.
		m.Synchronised = state != timeError
	}
	return m
}

// share fills in what there is, and what of it this process may have.
func (m *Machine) share(root fs.FS) {
	info, group := fields(root, "proc/meminfo"), cgroup.In(root)
	m.Memory, m.Limit, m.Quota = info["MemTotal"]<<10, group.Memory, group.Processors
	m.Swapping = info["SwapTotal"] > 0 && !group.NoSwap
}

// fields reads "Name: 123 kB" lines.
func fields(root fs.FS, path string) map[string]int64 {
	out := map[string]int64{}
	text, err := fs.ReadFile(root, path)
	if err != nil {
		return out
	}
	for line := range strings.Lines(string(text)) {
		name, rest, _ := strings.Cut(line, ":")
		if words := strings.Fields(rest); len(words) > 0 {
			if n, err := strconv.ParseInt(words[0], 10, 64); err == nil {
				out[name] = n
			}
		}
	}
	return out
}

// kinds are the file systems that matter, by statfs(2)'s f_type.
var kinds = map[int64]string{
	0x6969: "nfs", 0x517b: "smb", 0xff534d42: "cifs", 0xfe534d42: "smb2", 0x01021997: "9p", 0x00c36400: "ceph",
	0x5346414f: "afs", 0x0bd00bd0: "lustre", 0x65735546: "fuse", 0x01161970: "gfs2", 0x7461636f: "ocfs2",
	0x01021994: "tmpfs", 0x858458f6: "ramfs", 0x794c7630: "overlay",
}

// fileSystem gives the kind of a folder's file system, what is free there for
// this process and how large it is.
func fileSystem(path string) (kind string, free, size int64) {
	var s syscall.Statfs_t
	if syscall.Statfs(path, &s) != nil {
		return "", 0, 0
	}
	kind = kinds[int64(uint32(s.Type))]
	if kind == "" {
		kind = "local"
	}
	block := int64(s.Bsize) //nolint:unconvert // Of another type on other processors.
	return kind, int64(s.Bavail) * block, int64(s.Blocks) * block
}

// given reports whether a file is in memory and mounted read-only.
func given(path string) bool {
	const readOnly = 0x1 // ST_RDONLY
	var s syscall.Statfs_t
	return syscall.Statfs(path, &s) == nil && kinds[int64(uint32(s.Type))] == "tmpfs" && s.Flags&readOnly != 0
}

// owners gives the numbers of a file's user and group, "" if not known.
func owners(info fs.FileInfo) (uid, gid string) {
	if s, ok := info.Sys().(*syscall.Stat_t); ok {
		return strconv.FormatUint(uint64(s.Uid), 10), strconv.FormatUint(uint64(s.Gid), 10)
	}
	return "", ""
}

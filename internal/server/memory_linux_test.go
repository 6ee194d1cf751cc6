package server

import (
	"testing"
	"testing/fstest"
)

// TestContainerMemory reads the limit of each kind of control group, the least
// of those that hold a process.
func TestContainerMemory(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		files map[string]string
		want  int64
	}{
		"none":            {nil, 0},
		"v2, no limit":    {map[string]string{"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "max\n"}, 0},
		"v2, container":   {map[string]string{"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "268435456\n"}, 256 << 20},
		"v2, host's path": {map[string]string{"proc/self/cgroup": "0::/../../x\n", "sys/fs/cgroup/memory.max": "1048576\n"}, 1 << 20},
		"v2, service below a slice": {map[string]string{
			"proc/self/cgroup":                                       "0::/system.slice/latchkey.service\n",
			"sys/fs/cgroup/system.slice/memory.max":                  "1000000\n",
			"sys/fs/cgroup/system.slice/latchkey.service/memory.max": "2000000\n",
		}, 1000000},
		"v1":           {map[string]string{"proc/self/cgroup": "5:cpu,cpuacct:/\n4:memory:/docker/abc\n", "sys/fs/cgroup/memory/memory.limit_in_bytes": "536870912\n"}, 512 << 20},
		"v1, no limit": {map[string]string{"proc/self/cgroup": "4:memory:/\n", "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n"}, 0},
		"nonsense":     {map[string]string{"proc/self/cgroup": "x\n0::/\n", "sys/fs/cgroup/memory.max": "-5"}, 0},
	} {
		root := fstest.MapFS{}
		for file, text := range c.files {
			root[file] = &fstest.MapFile{Data: []byte(text)}
		}
		if got, ok := cgroupMemory(root); got != c.want || ok != (c.want > 0) {
			t.Errorf("%s: %d %v, want %d", name, got, ok, c.want)
		}
	}
}

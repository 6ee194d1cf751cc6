package cgroup

import (
	"testing"
	"testing/fstest"
)

// TestLimits reads the limits of each kind of control group, the least of those
// that hold a process.
func TestLimits(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		files map[string]string
		want  Limits
	}{
		"none":            {nil, Limits{}},
		"v2, no limit":    {map[string]string{"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "max\n", "sys/fs/cgroup/memory.swap.max": "max\n", "sys/fs/cgroup/cpu.max": "max 100000\n"}, Limits{}},
		"v2, container":   {map[string]string{"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "268435456\n", "sys/fs/cgroup/cpu.max": "150000 100000\n"}, Limits{Memory: 256 << 20, Processors: 1.5}},
		"v2, host's path": {map[string]string{"proc/self/cgroup": "0::/../../x\n", "sys/fs/cgroup/memory.max": "1048576\n"}, Limits{Memory: 1 << 20}},
		"v2, no swap":     {map[string]string{"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.swap.max": "0\n"}, Limits{NoSwap: true}},
		"v2, little swap": {map[string]string{"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.swap.max": "4096\n"}, Limits{}},
		"v2, service below a slice": {map[string]string{
			"proc/self/cgroup":                                            "0::/system.slice/latchkey.service\n",
			"sys/fs/cgroup/system.slice/memory.max":                       "1000000\n",
			"sys/fs/cgroup/system.slice/cpu.max":                          "400000 100000\n",
			"sys/fs/cgroup/system.slice/memory.swap.max":                  "0\n",
			"sys/fs/cgroup/system.slice/latchkey.service/memory.max":      "2000000\n",
			"sys/fs/cgroup/system.slice/latchkey.service/cpu.max":         "200000 100000\n",
			"sys/fs/cgroup/system.slice/latchkey.service/memory.swap.max": "max\n",
		}, Limits{Memory: 1000000, NoSwap: true, Processors: 2}},
		"v1": {map[string]string{
			"proc/self/cgroup":                                 "5:cpu,cpuacct:/\n4:memory:/docker/abc\n3:cpuset:/\n",
			"sys/fs/cgroup/memory/memory.limit_in_bytes":       "536870912\n",
			"sys/fs/cgroup/memory/memory.memsw.limit_in_bytes": "1073741824\n",
			"sys/fs/cgroup/cpu/cpu.cfs_quota_us":               "50000\n",
			"sys/fs/cgroup/cpu/cpu.cfs_period_us":              "100000\n",
		}, Limits{Memory: 512 << 20, Processors: 0.5}},
		"v1, no swap": {map[string]string{
			"proc/self/cgroup":                                 "4:memory:/\n",
			"sys/fs/cgroup/memory/memory.limit_in_bytes":       "536870912\n",
			"sys/fs/cgroup/memory/memory.memsw.limit_in_bytes": "536870912\n",
		}, Limits{Memory: 512 << 20, NoSwap: true}},
		"v1, no limit": {map[string]string{
			"proc/self/cgroup":                                 "5:cpu,cpuacct:/\n4:memory:/\n",
			"sys/fs/cgroup/memory/memory.limit_in_bytes":       "9223372036854771712\n",
			"sys/fs/cgroup/memory/memory.memsw.limit_in_bytes": "9223372036854771712\n",
			"sys/fs/cgroup/cpu/cpu.cfs_quota_us":               "-1\n",
			"sys/fs/cgroup/cpu/cpu.cfs_period_us":              "100000\n",
		}, Limits{}},
		"nonsense": {map[string]string{"proc/self/cgroup": "x\n0::/\n", "sys/fs/cgroup/memory.max": "-5", "sys/fs/cgroup/cpu.max": "much"}, Limits{}},
	} {
		root := fstest.MapFS{}
		for file, text := range c.files {
			root[file] = &fstest.MapFile{Data: []byte(text)}
		}
		if got := In(root); got != c.want {
			t.Errorf("%s: %+v, want %+v", name, got, c.want)
		}
	}
}

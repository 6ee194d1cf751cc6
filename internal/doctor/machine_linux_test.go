package doctor

import (
	"testing"
	"testing/fstest"
)

// TestShare: what is judged is what this process may have, also of the swap:
// MemorySwapMax=0, which the doctor asks for, is what ends its finding.
func TestShare(t *testing.T) {
	const meminfo = "MemTotal:        4194304 kB\nMemFree:          100000 kB\nSwapTotal:       1048576 kB\n"
	for name, c := range map[string]struct {
		files map[string]string
		want  Machine
	}{
		"no group":  {nil, Machine{Memory: 4 << 30, Swapping: true}},
		"no limits": {map[string]string{"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.swap.max": "max\n"}, Machine{Memory: 4 << 30, Swapping: true}},
		"a service": {map[string]string{
			"proc/self/cgroup": "0::/system.slice/latchkey.service\n",
			"sys/fs/cgroup/system.slice/latchkey.service/memory.swap.max": "0\n",
		}, Machine{Memory: 4 << 30}},
		"a container": {map[string]string{
			"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "268435456\n", "sys/fs/cgroup/cpu.max": "50000 100000\n",
		}, Machine{Memory: 4 << 30, Limit: 256 << 20, Swapping: true, Quota: 0.5}},
		"no swap": {map[string]string{"proc/meminfo": "MemTotal: 1024 kB\nSwapTotal: 0 kB\n"}, Machine{Memory: 1 << 20}},
	} {
		root := fstest.MapFS{"proc/meminfo": {Data: []byte(meminfo)}}
		for file, text := range c.files {
			root[file] = &fstest.MapFile{Data: []byte(text)}
		}
		var m Machine
		if m.share(root); m != c.want {
			t.Errorf("%s: %+v, want %+v", name, m, c.want)
		}
	}
}

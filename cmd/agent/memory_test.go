package main

import (
	"os"
	"path/filepath"
	"testing"
)

func TestParseSize(t *testing.T) {
	for s, want := range map[string]int64{"20m": 20 << 20, "1G": 1 << 30, "512K": 512 << 10, "2t": 2 << 40, "1048576": 1 << 20} {
		if got, err := parseSize(s); err != nil || got != want {
			t.Errorf("size %s: %d, %v, want %d", s, got, err, want)
		}
	}
	for _, s := range []string{"", "m", "-1m", "0", "1.5g", "99999999t"} {
		if got, err := parseSize(s); err == nil {
			t.Errorf("size %q: %d, want an error", s, got)
		}
	}
}

func TestCgroupLimitIsTheSmallestUpTheTree(t *testing.T) {
	for _, c := range []struct {
		name, groups string
		files        map[string]string
		want         int64
	}{
		{"version 2", "0::/system.slice/agent.service\n", map[string]string{
			"sys/fs/cgroup/system.slice/agent.service/memory.max": "max\n",
			"sys/fs/cgroup/system.slice/memory.max":               "1073741824\n",
			"sys/fs/cgroup/memory.max":                            "2147483648\n"}, 1 << 30},
		{"version 1", "9:cpu,cpuacct:/x\n5:memory:/x\n0::/x\n", map[string]string{
			"sys/fs/cgroup/memory/x/memory.limit_in_bytes": "536870912\n",
			"sys/fs/cgroup/memory/memory.limit_in_bytes":   "9223372036854771712\n"}, 512 << 20},
		{"no limit", "0::/\n", map[string]string{"sys/fs/cgroup/memory.max": "max\n"}, 0},
		{"no groups", "", nil, 0},
	} {
		root := t.TempDir()
		files := map[string]string{"proc/self/cgroup": c.groups}
		for name, text := range c.files {
			files[name] = text
		}
		for name, text := range files {
			file := filepath.Join(root, name)
			if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if got := cgroupLimit(root); got != c.want {
			t.Errorf("%s: limit %d, want %d", c.name, got, c.want)
		}
	}
}

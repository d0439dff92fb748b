package main

import (
	"cmp"
	"log/slog"
	"math"
	"os"
	"path"
	"runtime/debug"
	"strconv"
	"strings"
)

// minLimit is the least soft memory limit taken from -Xmx: flume-ng passes -Xmx20m where nobody thought about memory, and
// a limit that small would have the collector run all the time.
const minLimit = 128 << 20

// gcPercent trades memory for less collecting: event bodies live as long as a batch is on its way.
const gcPercent = 400

// setMemory bounds the heap softly: by GOMEMLIMIT, else by the last -Xmx among the JVM's options, else by nine tenths of
// what the control group allows. Go's own variables win over the rest.
func setMemory(jvm []string, log *slog.Logger) {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	if os.Getenv("GOMEMLIMIT") != "" {
		return
	}
	limit, from := int64(math.MaxInt64), ""
	if b := cgroupLimit("/"); b > 0 {
		limit, from = b/10*9, "control group"
	}
	for _, o := range jvm {
		size, ok := strings.CutPrefix(o, "-Xmx")
		if !ok {
			continue
		}
		b, err := parseSize(size)
		if err != nil {
			log.Warn("JVM option has no meaning here", "option", o, "err", err)
			continue
		}
		limit, from = max(b, minLimit), o
	}
	if from != "" {
		debug.SetMemoryLimit(limit)
		log.Debug("Soft memory limit", "bytes", limit, "from", from)
	}
}

// parseSize reads a size as the JVM writes it: 512m, 2G, 1048576.
func parseSize(s string) (int64, error) {
	shift := 0
	if s != "" {
		shift = map[byte]int{'k': 10, 'm': 20, 'g': 30, 't': 40}[s[len(s)-1]|0x20]
	}
	if shift > 0 {
		s = s[:len(s)-1]
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err == nil && (n <= 0 || n > math.MaxInt64>>shift) {
		err = strconv.ErrRange
	}
	return n << shift, err
}

// cgroupLimit returns the bytes that the control groups of this process allow, the smallest up the tree, or 0. root is /
// but in tests.
func cgroupLimit(root string) int64 {
	raw, err := os.ReadFile(path.Join(root, "proc/self/cgroup"))
	if err != nil {
		return 0
	}
	least := int64(0)
	take := func(file string) {
		text, err := os.ReadFile(file)
		if err != nil {
			return
		}
		n, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64) // "max" is no number
		if err == nil && n > 0 && n < 1<<60 && (least == 0 || n < least) {  // version 1 writes a huge number for none
			least = n
		}
	}
	for line := range strings.Lines(string(raw)) {
		f := strings.SplitN(strings.TrimSpace(line), ":", 3) // number:controllers:path
		if len(f) != 3 || f[1] != "" && f[1] != "memory" {
			continue
		}
		base, file := "sys/fs/cgroup", "memory.max"
		if f[1] == "memory" {
			base, file = "sys/fs/cgroup/memory", "memory.limit_in_bytes"
		}
		for dir := cmp.Or(path.Clean(f[2]), "/"); ; dir = path.Dir(dir) {
			take(path.Join(root, base, dir, file))
			if dir == "/" || dir == "." {
				break
			}
		}
	}
	return least
}

package main

import (
	"bytes"
	"os"
	"runtime/debug"
	"strconv"
	"strings"
	"syscall"
)

// slim gives back what only the start needed: free heap, and those pages of the program itself that are mapped from its
// file and were never written. What is needed of them comes back from the page cache when it is touched.
func slim() {
	debug.FreeOSMemory()
	self, err := os.Executable()
	if err != nil {
		return
	}
	smaps, err := os.ReadFile("/proc/self/smaps")
	if err != nil {
		return
	}
	for _, m := range pristine(smaps, self) {
		_, _, _ = syscall.Syscall(syscall.SYS_MADVISE, m.from, m.to-m.from, syscall.MADV_DONTNEED) // no more than a hint
	}
}

// mapping is a range of addresses.
type mapping struct{ from, to uintptr }

// pristine returns the mappings of the file that cannot be written and of which no page ever was.
func pristine(smaps []byte, file string) (ms []mapping) {
	var m mapping
	for line := range bytes.Lines(smaps) {
		f := strings.Fields(string(line))
		if len(f) < 2 {
			continue
		}
		if from, to, ok := strings.Cut(f[0], "-"); ok {
			m = mapping{}
			if len(f) == 6 && f[5] == file && (f[1] == "r-xp" || f[1] == "r--p") {
				m = mapping{address(from), address(to)}
			}
		} else if f[0] == "Anonymous:" && f[1] == "0" && m.to > m.from {
			ms = append(ms, m)
		}
	}
	return ms
}

func address(hex string) uintptr {
	n, _ := strconv.ParseUint(hex, 16, strconv.IntSize)
	return uintptr(n)
}

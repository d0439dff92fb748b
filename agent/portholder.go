package agent

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// portHolder names the process that listens on the TCP port of addr, such as "pid 4121 (java, flume)", or returns "" where
// /proc cannot tell.
func portHolder(addr string) string {
	_, service, err := net.SplitHostPort(addr)
	if err != nil {
		return ""
	}
	port, err := net.LookupPort("tcp", service)
	if err != nil {
		return ""
	}
	inodes := map[string]bool{}
	for _, table := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		raw, err := os.ReadFile(table)
		if err != nil {
			continue
		}
		for _, inode := range listening(raw, port) {
			inodes["socket:["+inode+"]"] = true
		}
	}
	if len(inodes) == 0 {
		return ""
	}
	fds, _ := filepath.Glob("/proc/[0-9]*/fd/*") // the pattern is right
	for _, fd := range fds {
		if target, err := os.Readlink(fd); err == nil && inodes[target] {
			return process(strings.Split(fd, "/")[2])
		}
	}
	return "a process of another user"
}

// listening returns the inodes of the sockets that listen on port in the text of /proc/net/tcp: columns sl, local_address
// (hex host:port), rem_address, st (0A is LISTEN), queues, timer, retransmits, uid, timeout, inode.
func listening(table []byte, port int) []string {
	var inodes []string
	for line := range bytes.Lines(table) {
		f := strings.Fields(string(line))
		if len(f) < 10 || f[3] != "0A" {
			continue
		}
		_, hex, _ := strings.Cut(f[1], ":")
		if n, err := strconv.ParseUint(hex, 16, 16); err == nil && int(n) == port {
			inodes = append(inodes, f[9])
		}
	}
	return inodes
}

// process describes a process by its number, its program and, for Flume, that it is one.
func process(pid string) string {
	if pid == strconv.Itoa(os.Getpid()) {
		return "another component of this agent"
	}
	comm, _ := os.ReadFile("/proc/" + pid + "/comm")
	name := strings.TrimSpace(string(comm))
	args, _ := os.ReadFile("/proc/" + pid + "/cmdline")
	if bytes.Contains(args, []byte("org.apache.flume")) {
		name += ", flume-ng"
	}
	if name == "" {
		return "pid " + pid
	}
	return fmt.Sprintf("pid %s (%s)", pid, name)
}

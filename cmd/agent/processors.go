package main

import (
	"log/slog"
	"os"
	"runtime"
)

// setProcessors lets one thread more run Go code than there are processors, or than the control group allows: one that
// waits for a disk counts as running until the runtime looks after it, and the others go on meanwhile. GOMAXPROCS in the
// environment wins. A control group's limit is the one of now: what it becomes later is not followed.
func setProcessors(log *slog.Logger) {
	if os.Getenv("GOMAXPROCS") != "" {
		return
	}
	runtime.SetDefaultGOMAXPROCS() // what an earlier call made of it is not counted
	n := runtime.GOMAXPROCS(0) + 1
	runtime.GOMAXPROCS(n)
	log.Debug("Threads for Go code", "threads", n)
}

// Package soak runs every kind of flow at once in one agent, against real servers, while faults come at random: processes are
// killed and frozen, the disk is full, the configuration is reloaded. Numbered lines go in; a ledger holds what was
// acknowledged against what arrived. At the end nothing acknowledged may be missing, and the agent may hold no more memory,
// goroutines, descriptors and files than before.
//
// A flow (flow.go) is where lines come from and where they are found again. A fault (fault.go) is what is done to whom. The
// watch (watch.go) samples the agent, the judge (judge.go) decides, the report (report.go) prints it.
package soak

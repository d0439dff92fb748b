//go:build !linux

package main

import "runtime/debug"

// slim gives back free heap that only the start needed.
func slim() { debug.FreeOSMemory() }

//go:build long

package soak

import "time"

// soakFor is how long faults come, soakPause how long it is quiet between two of them.
const (
	soakFor   = 50 * time.Minute
	soakPause = 6 * time.Second
)

//go:build !long

package soak

import "time"

// soakFor is how long faults come, soakPause how long it is quiet between two of them.
const (
	soakFor   = 100 * time.Second
	soakPause = 2 * time.Second
)

//go:build long

package test

import "time"

// How many messages go through the Kafka flows, how many a second, and how long that may take.
const (
	flowMessages = 5_000_000
	flowRate     = 50_000
	flowLimit    = 40 * time.Minute
)

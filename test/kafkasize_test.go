//go:build !long

package test

import "time"

// How many messages go through the Kafka flows, how many a second, and how long that may take.
const (
	flowMessages = 200_000
	flowRate     = 8_000
	flowLimit    = 4 * time.Minute
)

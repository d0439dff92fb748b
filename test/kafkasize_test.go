//go:build !long

package test

import "time"

// How many messages go through the Kafka flows, how many a second, how long that may take, and whether several flows of
// a test run at once.
const (
	flowMessages = 200_000
	flowRate     = 8_000
	flowLimit    = 4 * time.Minute

	flowsTogether = true
)

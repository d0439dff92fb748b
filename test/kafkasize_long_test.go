//go:build long

package test

import "time"

// How many messages go through the Kafka flows, how many a second, how long that may take, and whether several flows of
// a test run at once.
const (
	flowMessages = 5_000_000
	flowRate     = 50_000
	flowLimit    = 40 * time.Minute

	flowsTogether = false
)

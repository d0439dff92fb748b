//go:build long

package test

import "time"

// 26 million lines are 5 GB.
var spoolKills = spoolSize{kills: 60, largeLines: 26_000_000, smallFiles: 20_000, limit: 30 * time.Minute}

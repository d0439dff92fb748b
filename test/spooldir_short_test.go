//go:build !long

package test

import "time"

var spoolKills = spoolSize{kills: 12, largeLines: 1_000_000, smallFiles: 2000, limit: 6 * time.Minute}

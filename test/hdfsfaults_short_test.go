//go:build !long

package test

import "time"

// How many lines are written through each fault of HDFS, how long a client waits after a thousand, how large the
// disks are, how long the cable is cut and how long all of it may take.
const (
	faultLines  = 100_000
	faultPause  = 250 * time.Millisecond
	faultDiskMB = 400
	cableCut    = 6 * time.Second
	faultLimit  = 6 * time.Minute
)

// ticketLife is how long Kerberos tickets live.
const ticketLife = 12 * time.Second

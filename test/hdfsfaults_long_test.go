//go:build long

package test

import "time"

// How many lines are written through each fault of HDFS, how long a client waits after a thousand, how large the
// disks are, how long the cable is cut and how long all of it may take.
const (
	faultLines  = 5_000_000
	faultPause  = 50 * time.Millisecond
	faultDiskMB = 1200
	cableCut    = 60 * time.Second
	faultLimit  = 30 * time.Minute
)

// ticketLife is how long Kerberos tickets live.
const ticketLife = 60 * time.Second

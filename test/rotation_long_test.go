//go:build long

package test

import "time"

var rotationTorture = torture{lasts: 10 * time.Minute, lines: 3_000_000}

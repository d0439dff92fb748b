//go:build !long

package test

import "time"

var rotationTorture = torture{lasts: 12 * time.Second, lines: 200_000}

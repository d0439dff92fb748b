//go:build !long

package file

// How much of the tortures the ordinary tests do.
const (
	crashScripts  = 2
	randomCrashes = 100
	tearStep      = 23
	flipStep      = 61
	errorScripts  = 2
	importStep    = 7
	killRounds    = 10
	errorStep     = 5
)

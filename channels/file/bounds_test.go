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
	fullStep      = 150 << 10
	killPoints    = 1
	importKills   = 4
	killRounds    = 30
	errorStep     = 5
)

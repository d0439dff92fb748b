//go:build long

package file

// How much of the tortures `make test-long` does.
const (
	crashScripts  = 200
	randomCrashes = 20000
	tearStep      = 1
	flipStep      = 1
	errorScripts  = 100
	importStep    = 1
	fullStep      = 10 << 10
	killPoints    = 20
	importKills   = 1
	killRounds    = 1000
	errorStep     = 1
)

//go:build race

package event

// poison has released chunks overwritten, so that tests see who still reads them.
const poison = true

//go:build race

package flow

// The race detector has sync.Pool drop at random what is given back.
const raced = true

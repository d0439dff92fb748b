//go:build !long

package test

// fileKills is how often the agent with a file channel is killed.
const fileKills = 15

//go:build !long

package exec

const floodBytes = 64 << 20

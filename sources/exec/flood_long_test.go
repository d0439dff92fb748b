//go:build long

package exec

const floodBytes = 10 << 30

//go:build !linux

package service

import "testing"

// Namespaced skips the test: only Linux has name spaces.
func Namespaced(t *testing.T) bool {
	t.Skip("needs Linux")
	return false
}

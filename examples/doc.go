// Package examples holds configurations that run as they stand. Each is run by a test: those that need nothing here, those
// that need servers in the folder test.
package examples

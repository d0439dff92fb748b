// Package test proves the program against real servers. Nothing here runs unless GOFLUME_REAL is set; see
// package service.
package test

import (
	"os"
	"testing"

	"goflume/test/service"
)

func TestMain(m *testing.M) { os.Exit(service.Main(m)) }

package main

import (
	"log/slog"
	"runtime"
	"testing"
)

func TestOneThreadMoreThanProcessors(t *testing.T) {
	t.Setenv("GOMAXPROCS", "")
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	runtime.SetDefaultGOMAXPROCS()
	want := runtime.GOMAXPROCS(0) + 1
	for range 2 { // a second run in the same process adds none
		setProcessors(slog.New(slog.DiscardHandler))
		if n := runtime.GOMAXPROCS(0); n != want {
			t.Errorf("%d threads, want %d", n, want)
		}
	}
}

func TestGOMAXPROCSWins(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	t.Setenv("GOMAXPROCS", "1")
	if setProcessors(slog.New(slog.DiscardHandler)); runtime.GOMAXPROCS(0) != 1 {
		t.Errorf("%d threads, want the 1 that was asked for", runtime.GOMAXPROCS(0))
	}
}

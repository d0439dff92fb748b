package main

import (
	"os"
	"slices"
	"testing"
)

func TestPristineFindsWhatWasNeverWritten(t *testing.T) {
	const smaps = `00400000-00d11000 r-xp 00000000 fe:00 1 /opt/agent
Size:               9284 kB
Anonymous:             0 kB
00d11000-01933000 r--p 00911000 fe:00 1 /opt/agent
Anonymous:             0 kB
01933000-01a00000 r--p 01533000 fe:00 1 /opt/agent
Anonymous:             4 kB
01a00000-01a10000 rw-p 01633000 fe:00 1 /opt/agent
Anonymous:             0 kB
7f0000000000-7f0000001000 r-xp 00000000 fe:00 2 /lib/other
Anonymous:             0 kB
7f0000001000-7f0000002000 r--p 00000000 00:00 0
Anonymous:             0 kB
`
	want := []mapping{{0x400000, 0xd11000}, {0xd11000, 0x1933000}}
	if got := pristine([]byte(smaps), "/opt/agent"); !slices.Equal(got, want) {
		t.Errorf("got %x, want %x", got, want)
	}
}

func TestTheProgramGoesOnAfterSlim(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	smaps, err := os.ReadFile("/proc/self/smaps")
	if err != nil {
		t.Skip(err)
	}
	if len(pristine(smaps, self)) == 0 {
		t.Error("this program has no pages from its file")
	}
	slim()
	TestPristineFindsWhatWasNeverWritten(t)
}

package service

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
)

// Far is another machine's network: a name space that two cables join to ours, one of which can be cut. It is for tests
// that run Namespaced.
type Far struct{}

// FarServer is a running Far.
type FarServer struct {
	*Process
	run *Run
}

var _ Config[*FarServer] = Far{}

// Addresses at the two ends. That of ours is the loopback device's, so that it stays when the cable is cut.
const (
	nearAddr     = "10.77.0.1"      // ours, beyond the cable that can be cut
	farAddr      = "10.78.0.2"      // theirs, beyond the other cable
	cuttable     = "goflume-cut"    // our end of the first
	steady       = "goflume-steady" // our end of the second
	farCuttable  = "cut"
	farSteady    = "steady"
	networkBits  = "/24"
	oneHost      = "/32"
	cutNear      = "10.77.0.3"
	cutFar       = "10.77.0.2"
	steadyNear   = "10.78.0.1"
	foreverInSec = "1000000"
)

// Name is far.
func (Far) Name() string { return "far" }

// Needs is nothing.
func (Far) Needs() []Set { return nil }

// Start makes the name space and lays the cables.
func (Far) Start(ctx context.Context, r *Run) (*FarServer, error) {
	p, err := r.Start(Command{Name: "far", Argv: []string{"unshare", "--net", "sleep", foreverInSec}})
	if err != nil {
		return nil, err
	}
	f := &FarServer{p, r}
	if err := Await(ctx, "a second network", func(context.Context) error { return f.apart() }, p); err != nil {
		return nil, err
	}
	pid := strconv.Itoa(p.Pid())
	for _, step := range [][]string{
		{"ip", "link", "set", "lo", "up"},
		{"ip", "address", "add", nearAddr + oneHost, "dev", "lo"},
		{"ip", "link", "add", cuttable, "type", "veth", "peer", "name", farCuttable, "netns", pid},
		{"ip", "link", "add", steady, "type", "veth", "peer", "name", farSteady, "netns", pid},
		{"ip", "address", "add", cutNear + networkBits, "dev", cuttable},
		{"ip", "address", "add", steadyNear + networkBits, "dev", steady},
		{"ip", "link", "set", cuttable, "up"},
		{"ip", "link", "set", steady, "up"},
		f.Within("ip", "address", "add", cutFar+networkBits, "dev", farCuttable),
		f.Within("ip", "address", "add", farAddr+networkBits, "dev", farSteady),
		f.Within("ip", "link", "set", "lo", "up"),
		f.Within("ip", "link", "set", farCuttable, "up"),
		f.Within("ip", "link", "set", farSteady, "up"),
		f.Within("ip", "route", "add", nearAddr, "dev", farCuttable),
	} {
		if err := f.do(ctx, step...); err != nil {
			return nil, err
		}
	}
	return f, nil
}

// apart tells whether the process is in its own network yet.
func (f *FarServer) apart() error {
	theirs, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/net", f.Pid()))
	if err != nil {
		return err
	}
	ours, err := os.Readlink("/proc/self/ns/net")
	if err == nil && theirs == ours {
		err = errors.New("it is still in ours")
	}
	return err
}

func (f *FarServer) do(ctx context.Context, argv ...string) error {
	_, err := f.run.Tool(ctx, Command{Name: "network", Argv: argv})
	return err
}

// Within returns the command line that runs another one there.
func (f *FarServer) Within(argv ...string) []string {
	return append([]string{"nsenter", "--net=/proc/" + strconv.Itoa(f.Pid()) + "/ns/net"}, argv...)
}

// Near is our address as programs there have to call it; what goes to it stops while the cable is cut.
func (f *FarServer) Near() string { return nearAddr }

// Addr is the address under which programs there are reached from here, always.
func (f *FarServer) Addr() string { return farAddr }

// Cut pulls the plug at our end: there nothing comes back any more, and no error tells.
func (f *FarServer) Cut(ctx context.Context) error {
	return f.do(ctx, "ip", "link", "set", cuttable, "down")
}

// Mend plugs it in again.
func (f *FarServer) Mend(ctx context.Context) error {
	return f.do(ctx, "ip", "link", "set", cuttable, "up")
}

package main

import (
	"fmt"
	"net"
	"os"

	"golang.org/x/sys/unix"
)

// notify tells systemd about the service where it asked to be told (sd_notify(3)): lines such as READY=1. There is
// nothing to be done where it does not listen.
func notify(lines string) {
	name := os.Getenv("NOTIFY_SOCKET")
	if name == "" {
		return
	}
	c, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: name, Net: "unixgram"}) // a leading @ means abstract
	if err != nil {
		return
	}
	defer c.Close()
	c.Write([]byte(lines))
}

// notifyReloading begins a reload, which the next READY=1 ends. systemd wants the monotonic time in the same message.
func notifyReloading() {
	var now unix.Timespec
	if unix.ClockGettime(unix.CLOCK_MONOTONIC, &now) == nil {
		notify(fmt.Sprintf("RELOADING=1\nMONOTONIC_USEC=%d", now.Nano()/1000))
	}
}

//go:build !linux

package service

import "syscall"

// ownGroup puts a child into its own process group. Only Linux can kill it when we are killed.
func ownGroup() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

// pretendUser cannot be done here: the program says itself that it does not run as root.
func pretendUser(*syscall.SysProcAttr) {}

// awaitExit leaves the waiting to Wait.
func awaitExit(int) {}

// awaitStopped cannot be done here: the threads stop a moment later.
func awaitStopped(int) {}

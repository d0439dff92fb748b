//go:build !linux

package service

import "syscall"

// ownGroup puts a child into its own process group. Only Linux can kill it when we are killed.
func ownGroup() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

// awaitExit leaves the waiting to Wait.
func awaitExit(int) {}

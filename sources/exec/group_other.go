//go:build !linux

package exec

import "syscall"

// ownGroup gives the command a process group of its own.
func ownGroup() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

package exec

import "syscall"

// ownGroup gives the command a process group of its own, and has it told to end when the agent is killed. The kernel does
// that when the thread ends that started it.
func ownGroup() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
}

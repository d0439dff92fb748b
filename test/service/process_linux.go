package service

import (
	"syscall"
	"unsafe"
)

// ownGroup puts a child into its own process group and has the kernel kill it when we are gone.
func ownGroup() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

// pretendUser gives the child a name space in which root has the number of an ordinary user.
func pretendUser(attr *syscall.SysProcAttr) {
	const ordinary = 1000
	attr.Cloneflags |= syscall.CLONE_NEWUSER
	attr.UidMappings = []syscall.SysProcIDMap{{ContainerID: ordinary, HostID: 0, Size: 1}}
	attr.GidMappings = []syscall.SysProcIDMap{{ContainerID: ordinary, HostID: 0, Size: 1}}
}

// awaitExit waits until a child has ended and leaves it unreaped, so that its number stays taken.
func awaitExit(pid int) { waitid(pid, wExited|wNoWait) }

// awaitStopped waits until every thread of a child that was sent SIGSTOP has stopped, or the child has ended.
func awaitStopped(pid int) { waitid(pid, wStopped|wExited|wNoWait) }

// Options of waitid(2).
const (
	wStopped = 2
	wExited  = 4
	wNoWait  = 0x01000000
)

func waitid(pid int, options uintptr) {
	const byPid = 1    // P_PID
	var info [128]byte // siginfo_t
	for {
		_, _, errno := syscall.Syscall6(syscall.SYS_WAITID, byPid, uintptr(pid), uintptr(unsafe.Pointer(&info)), options, 0, 0)
		if errno != syscall.EINTR {
			return
		}
	}
}

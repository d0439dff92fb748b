package soak

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"

	"goflume/test/service"
)

// diskSize is what the disk holds while it is not full.
const diskSize = 2 << 30

// slack is what is left free on a full disk, more where others write meanwhile: whatever writes finds out by itself.
const (
	slack     = 32 << 10
	mostSlack = 8 << 20
)

// smallDisk describes a file system in memory, in a mount name space of its own, that can be made full. It wants Linux with
// unshare, nsenter and setpriv, and root or name spaces for users.
type smallDisk struct{}

var _ service.Config[*disk] = smallDisk{}

// disk is one that is mounted. A process that sleeps holds it, so that it outlives the agents that use it.
type disk struct {
	path   string // from outside
	inside string // as who uses it sees it
	holder *service.Process
}

// Name is disk.
func (smallDisk) Name() string { return "disk" }

// Needs is nothing.
func (smallDisk) Needs() []service.Set { return nil }

// Start mounts the disk.
func (smallDisk) Start(ctx context.Context, r *service.Run) (*disk, error) {
	d := &disk{inside: filepath.Join(r.Dir, "disk")}
	if err := os.Mkdir(d.inside, 0o755); err != nil {
		return nil, err
	}
	argv := []string{"unshare", "--mount"}
	if os.Getuid() != 0 {
		argv = append(argv, "--user", "--map-root-user")
	}
	script := fmt.Sprintf(`mount -t tmpfs -o size=%d tmpfs "$1" && touch "$1/mounted" && exec sleep infinity`, int64(diskSize))
	var err error
	if d.holder, err = r.Start(service.Command{Name: "disk", Argv: append(argv, "sh", "-c", script, "sh", d.inside)}); err != nil {
		return nil, err
	}
	d.path = filepath.Join("/proc", strconv.Itoa(d.holder.Pid()), "root", d.inside)
	return d, service.Await(ctx, "the small disk", func(context.Context) error {
		if _, err := os.Stat(filepath.Join(d.inside, "mounted")); err == nil {
			return errors.New("it is mounted outside too")
		}
		_, err := os.Stat(filepath.Join(d.path, "mounted"))
		return err
	}, d.holder)
}

// under is put in front of a program that is to use the disk.
func (d *disk) under() []string { return append(d.enter(), "setpriv", "--pdeathsig", "KILL") }

func (d *disk) enter() []string {
	argv := []string{"nsenter", "--target", strconv.Itoa(d.holder.Pid()), "--mount"}
	if os.Getuid() != 0 {
		argv = append(argv, "--user", "--preserve-credentials")
	}
	return argv
}

// fill makes the disk full, but for very little. It tries again with more where more was written meanwhile than was left.
func (d *disk) fill() (err error) {
	for left := int64(slack); left <= mostSlack; left *= 2 {
		if err = d.resize(d.used() + left); err == nil {
			return nil
		}
	}
	return err
}

// empty gives the disk its size back.
func (d *disk) empty() error { return d.resize(diskSize) }

func (d *disk) resize(size int64) error {
	argv := append(d.enter(), "mount", "-o", fmt.Sprintf("remount,size=%d", size), d.inside)
	if out, err := exec.Command(argv[0], argv[1:]...).CombinedOutput(); err != nil {
		return fmt.Errorf("resize the disk: %w: %s", err, bytes.TrimSpace(out))
	}
	return nil
}

// used is what lies on the disk, in bytes.
func (d *disk) used() int64 {
	var s syscall.Statfs_t
	if err := syscall.Statfs(d.path, &s); err != nil {
		return 0
	}
	return int64(s.Blocks-s.Bfree) * int64(s.Bsize)
}

// Package probe is how a component tells, before it runs, whether what it needs is there: its servers, its port, its
// directories. Nothing is changed by asking.
package probe

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

// Prober is what a component adds that needs something outside of the process. Probe is called on one that was built and
// neither opened nor run; it changes nothing, anywhere. It returns what was found, such as "127.0.0.1:44444 is free", or why
// the component could not work now; and it ends soon after ctx.
type Prober interface {
	Probe(ctx context.Context) (found string, err error)
}

// Listen tells whether the address can be listened on, by doing so for a moment.
func Listen(ctx context.Context, network, addr string) (found string, err error) {
	var l interface{ Close() error }
	if strings.HasPrefix(network, "udp") {
		l, err = new(net.ListenConfig).ListenPacket(ctx, network, addr)
	} else {
		l, err = new(net.ListenConfig).Listen(ctx, network, addr)
	}
	if err != nil {
		return "", err
	}
	return addr + " is free", l.Close()
}

// Written tells whether files can be made in a directory; where it is missing, whether it can be made.
func Written(dir string) (found string, err error) {
	if dir, err = filepath.Abs(dir); err != nil {
		return "", err
	}
	for at := dir; ; at = filepath.Dir(at) {
		info, err := os.Stat(at)
		switch {
		case errors.Is(err, fs.ErrNotExist) && at != filepath.Dir(at):
			continue
		case err != nil:
			return "", err
		case !info.IsDir():
			return "", fmt.Errorf("%s is no directory", at)
		}
		if err := unix.Access(at, unix.W_OK|unix.X_OK); err != nil {
			return "", fmt.Errorf("write into %s: %w", at, err)
		}
		if at == dir {
			return dir + " can be written to", nil
		}
		return dir + " can be made", nil
	}
}

// Read tells whether a directory can be listed.
func Read(dir string) (found string, err error) {
	info, err := os.Stat(dir)
	switch {
	case err != nil:
		return "", err
	case !info.IsDir():
		return "", fmt.Errorf("%s is no directory", dir)
	}
	if err := unix.Access(dir, unix.R_OK|unix.X_OK); err != nil {
		return "", fmt.Errorf("list %s: %w", dir, err)
	}
	return dir + " can be read", nil
}

// Unlocked tells whether no process holds the lock on the file, which need not be there.
func Unlocked(name string) error {
	f, err := os.OpenFile(name, os.O_RDWR, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	lock := unix.Flock_t{Type: unix.F_WRLCK}
	if err := unix.FcntlFlock(f.Fd(), unix.F_GETLK, &lock); err != nil {
		return fmt.Errorf("lock of %s: %w", name, err)
	}
	if lock.Type != unix.F_UNLCK {
		return fmt.Errorf("%s is locked: another agent uses the directory", name)
	}
	return nil
}

// Servers asks all of them at once. One that answers is enough; those that do not are told. ask returns what the server
// said of itself, or nothing.
func Servers(ctx context.Context, addrs []string, ask func(ctx context.Context, addr string) (string, error)) (found string, err error) {
	said := make([]string, len(addrs))
	errs := make([]error, len(addrs))
	var wg sync.WaitGroup
	for i, addr := range addrs {
		wg.Go(func() { said[i], errs[i] = ask(ctx, addr) })
	}
	wg.Wait()
	var texts []string
	silent := 0
	for i, addr := range addrs {
		switch {
		case errs[i] != nil:
			silent++
			texts = append(texts, fmt.Sprintf("%s does not: %v", addr, errs[i]))
		case said[i] != "":
			texts = append([]string{addr + " answers: " + said[i]}, texts...)
		default:
			texts = append([]string{addr + " answers"}, texts...)
		}
	}
	if silent == len(addrs) {
		return "", errors.Join(errs...)
	}
	return strings.Join(texts, "; "), nil
}

// All joins what several questions found; the first error is all that is told.
func All(questions ...func() (string, error)) (found string, err error) {
	var texts []string
	for _, q := range questions {
		text, err := q()
		if err != nil {
			return "", err
		}
		if text != "" {
			texts = append(texts, text)
		}
	}
	return strings.Join(texts, "; "), nil
}

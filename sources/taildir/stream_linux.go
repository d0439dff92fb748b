package taildir

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// readBoth fills again and then p from that offset on, in one call, and returns how many bytes there were.
func readBoth(f *os.File, again, p []byte, off int64) (int, error) {
	for {
		n, err := unix.Preadv(int(f.Fd()), [][]byte{again, p}, off)
		if !errors.Is(err, unix.EINTR) {
			if err != nil {
				return 0, &os.PathError{Op: "read", Path: f.Name(), Err: err}
			}
			return n, nil
		}
	}
}

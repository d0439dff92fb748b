//go:build !linux

package taildir

import (
	"io"
	"os"
)

// readBoth fills again and then p from that offset on and returns how many bytes there were. A truncation in between is
// seen at the next call.
func readBoth(f *os.File, again, p []byte, off int64) (int, error) {
	n, err := f.ReadAt(again, off)
	if err == nil {
		var more int
		more, err = f.ReadAt(p, off+int64(n))
		n += more
	}
	if err == io.EOF {
		err = nil
	}
	return n, err
}

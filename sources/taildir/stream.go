package taildir

import (
	"bytes"
	"errors"
	"io"
	"os"
)

// tailBytes is how much of what stands before a position it is known by.
const tailBytes = 64

// errReplaced is what reading a file on ends with where it is not the one that was read before: it was truncated, and may
// have grown beyond the position since.
var errReplaced = errors.New("file was truncated or replaced")

// stream reads a file on from an offset. Every read begins with bytes that were read before, in the same call to the
// kernel: where they are others now, so is what follows, and none of it is taken.
type stream struct {
	f      *os.File
	at     int64 // of the next byte
	before []byte
	again  [tailBytes]byte
}

// newStream returns a stream that goes on at that offset, behind those bytes.
func newStream(f *os.File, at int64, before []byte) *stream {
	s := &stream{f: f, at: at}
	s.before = append(make([]byte, 0, tailBytes), before...)
	return s
}

// Read implements io.Reader.
func (s *stream) Read(p []byte) (int, error) {
	again := s.again[:len(s.before)]
	n, err := readBoth(s.f, again, p, s.at-int64(len(again)))
	if err != nil {
		return 0, err
	}
	if n -= len(again); n < 0 || !bytes.Equal(again, s.before) {
		return 0, errReplaced
	}
	if n == 0 {
		return 0, io.EOF
	}
	s.at += int64(n)
	s.before = lastBytes(s.before, p[:n])
	return n, nil
}

// lastBytes returns the last tailBytes of both, in before's array.
func lastBytes(before, p []byte) []byte {
	if len(p) >= tailBytes {
		return append(before[:0], p[len(p)-tailBytes:]...)
	}
	keep := min(len(before), tailBytes-len(p))
	return append(before[:copy(before, before[len(before)-keep:])], p...)
}

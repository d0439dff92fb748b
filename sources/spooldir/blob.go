package spooldir

import (
	"io"

	"goflume/event"
)

// blobs makes one event of as much of a file as an event may hold.
type blobs struct {
	src     io.Reader
	headers []event.Header
	max     int
	hint    int64 // bytes that the file may still have

	at    int64
	buf   []byte
	ended bool
	final bool
}

func newBlobs(src *stream, at int64, headers []event.Header, longest int, size int64) (*blobs, error) {
	return &blobs{src: src, headers: headers, max: longest, hint: size - at, at: at}, src.skip(at)
}

func (r *blobs) position() position { return position{offset: r.at} }

func (r *blobs) finish() { r.final = true }

func (r *blobs) read(b *event.Batch, q *quota) error {
	for q.left() {
		if err := r.fill(); err != nil {
			return err
		}
		if r.ended && (!r.final || len(r.buf) == 0) {
			return io.EOF
		}
		q.add(b, r.buf, r.headers)
		r.at += int64(len(r.buf))
		r.hint -= int64(len(r.buf))
		r.buf = nil
	}
	return nil
}

// fill reads until the buffer holds an event, or the file ends.
func (r *blobs) fill() error {
	for !r.ended && len(r.buf) < r.max {
		if len(r.buf) == cap(r.buf) {
			size := max(2*int64(cap(r.buf)), min(r.hint, 64<<20)+1, 4<<10) // one more byte to see the end
			grown := make([]byte, len(r.buf), min(size, int64(r.max)))
			copy(grown, r.buf)
			r.buf = grown
		}
		n, err := r.src.Read(r.buf[len(r.buf):cap(r.buf)])
		r.buf = r.buf[:len(r.buf)+n]
		switch {
		case err == io.EOF:
			r.ended = true
		case err != nil:
			return err
		}
	}
	return nil
}

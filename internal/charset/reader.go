package charset

import "io"

// Reader returns what src gives as UTF-8; for UTF-8 that is src itself. After an error that passes, such as a deadline,
// it may be read on.
func (c Charset) Reader(src io.Reader) io.Reader {
	if c.IsUTF8() {
		return src
	}
	return &reader{src: src, decoder: c.Decoder(), raw: make([]byte, 4<<10)}
}

type reader struct {
	src     io.Reader
	decoder *Decoder
	raw     []byte
	kept    int    // in raw: the start of an unfinished character
	buf     []byte // where text is made
	text    []byte // not yet read
}

// Read implements io.Reader. An error is returned once all that came before it was read.
func (r *reader) Read(p []byte) (int, error) {
	for len(r.text) == 0 {
		n, err := r.src.Read(r.raw[r.kept:])
		n += r.kept
		var used int
		r.buf, used = r.decoder.Append(r.buf[:0], r.raw[:n], err == io.EOF)
		r.text = r.buf
		r.kept = copy(r.raw, r.raw[used:n])
		if err != nil && len(r.text) == 0 {
			return 0, err
		}
	}
	n := copy(p, r.text)
	r.text = r.text[n:]
	return n, nil
}

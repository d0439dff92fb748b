package charset

import (
	"golang.org/x/text/encoding"
	"golang.org/x/text/transform"
)

// ascii is US-ASCII as Java has it: what is above 127 becomes U+FFFD, and `?` on the way back.
type ascii struct{}

func (ascii) NewDecoder() *encoding.Decoder { return &encoding.Decoder{Transformer: asciiDecoder{}} }
func (ascii) NewEncoder() *encoding.Encoder { return &encoding.Encoder{Transformer: asciiEncoder{}} }

type asciiDecoder struct{ transform.NopResetter }

func (asciiDecoder) Transform(dst, src []byte, atEOF bool) (n, used int, err error) {
	for _, c := range src {
		text := "\uFFFD"
		if c < 0x80 {
			text = string(rune(c))
		}
		if n+len(text) > len(dst) {
			return n, used, transform.ErrShortDst
		}
		n += copy(dst[n:], text)
		used++
	}
	return n, used, nil
}

type asciiEncoder struct{ transform.NopResetter }

func (asciiEncoder) Transform(dst, src []byte, atEOF bool) (n, used int, err error) {
	for used < len(src) {
		if n == len(dst) {
			return n, used, transform.ErrShortDst
		}
		c := src[used]
		if c >= 0x80 {
			c = '?'
		}
		dst[n] = c
		n++
		for used++; used < len(src) && src[used]&0xc0 == 0x80; used++ {
		}
	}
	return n, used, nil
}

package logger

import "fmt"

// rowBytes is how many bytes of a body stand on one row of a dump.
const rowBytes = 16

// appendDump appends rows of hex and text, the layout of commons-io's HexDump: every row but the first starts on a new
// line with its offset.
func appendDump(dst, body []byte) []byte {
	for at := 0; at < len(body); at += rowBytes {
		if at > 0 {
			dst = fmt.Appendf(dst, "\n%08X", at)
		}
		dst = append(dst, ' ')
		dst = appendRow(dst, body[at:min(at+rowBytes, len(body))])
	}
	return dst
}

func appendRow(dst, row []byte) []byte {
	const hex = "0123456789ABCDEF"
	for i := range rowBytes {
		if i < len(row) {
			dst = append(dst, hex[row[i]>>4], hex[row[i]&15], ' ')
		} else {
			dst = append(dst, "   "...)
		}
	}
	for _, c := range row {
		if c < ' ' || c > '~' {
			c = '.'
		}
		dst = append(dst, c)
	}
	return dst
}

package flumelog

import (
	"crypto/aes"
	"crypto/cipher"
	"fmt"
	"slices"
	"strings"
)

// Flume encrypts a record's payload, and neither its first byte nor its length, with AES in counter mode
// (AESCTRNoPaddingProvider). Every record of a file begins at the same initial vector, so that whoever has the files and
// knows one record can read the others; nothing tells a wrong key from a right one.

// readCipher reads the encryption part of a log's .meta: 1 the cipher, 2 the key's alias, 3 the initial vector.
func (l *Log) readCipher(b []byte, keys Keys) error {
	var name string
	m := message{b: b}
	for m.next() {
		switch m.field {
		case 1:
			name = string(m.bytes)
		case 2:
			l.Key = string(m.bytes)
		case 3:
			l.iv = slices.Clone(m.bytes)
		}
	}
	plain := strings.ToUpper(strings.ReplaceAll(name, "/", ""))
	if m.bad || plain != "AESCTRNOPADDING" || len(l.iv) != aes.BlockSize || l.Key == "" {
		return fmt.Errorf("its .meta names a cipher that is not read here (%q)", name)
	}
	var key []byte
	if keys != nil {
		key = keys(l.Key)
	}
	if key == nil {
		return fmt.Errorf("it is encrypted with key %q, which was not given", l.Key)
	}
	var err error
	l.block, err = aes.NewCipher(key)
	return err
}

// decrypt returns the payload in the clear.
func (l *Log) decrypt(b []byte) []byte {
	if l.block == nil {
		return b
	}
	plain := make([]byte, len(b))
	cipher.NewCTR(l.block, l.iv).XORKeyStream(plain, b)
	return plain
}

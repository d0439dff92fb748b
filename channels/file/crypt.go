package file

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
)

// cipher returns the cipher of a segment, nil for one that is not encrypted. Every segment has a key of its own, so the
// frame's ordinal can be the nonce.
func (k *keyring) cipher(uuid [16]byte, h *segHeader) (cipher.AEAD, error) {
	if h.cipher == cipherNone {
		return nil, nil
	}
	master := k.keys[h.alias]
	if master == nil {
		return nil, fmt.Errorf("segment %d is encrypted with key %q, which is not among encryption.keyProvider.keys", h.id, h.alias)
	}
	info := binary.LittleEndian.AppendUint64(append([]byte("goflume file channel segment "), uuid[:]...), h.id)
	key, err := hkdf.Key(sha256.New, master, h.salt[:], string(info), keySize)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

// nonce of a frame in its segment.
func nonce(ordinal uint32) []byte {
	n := make([]byte, 12)
	binary.LittleEndian.PutUint32(n, ordinal)
	return n
}

// aad is the part of the header that the cipher vouches for: all that is fixed before the payload is encrypted.
func (h *header) aad() []byte {
	c := *h
	c.payloadCRC, c.size, c.promise = 0, 0, 0
	b := make([]byte, headerSize)
	c.put(b)
	return b
}

// encrypt returns the frame as it is written to an encrypted segment; f stays as it is.
func (f *outFrame) encrypt(a cipher.AEAD) outFrame {
	h := f.header
	h.flags |= flagEncrypted
	buf := make([]byte, headerSize, headerSize+padded(int64(f.size)+int64(a.Overhead())))
	return newFrame(a.Seal(buf, nonce(h.ordinal), f.payload(), h.aad()), h)
}

// decrypt returns the events' bytes of a frame's payload.
func decrypt(a cipher.AEAD, h *header, payload []byte) ([]byte, error) {
	if h.flags&flagEncrypted == 0 {
		return payload, nil
	}
	if a == nil {
		return nil, errors.New("encrypted frame in a segment without a key")
	}
	return a.Open(nil, nonce(h.ordinal), payload, h.aad())
}

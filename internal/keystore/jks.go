package keystore

import (
	"crypto/sha1"
	"crypto/subtle"
	"crypto/x509"
	"encoding/asn1"
	"encoding/binary"
	"errors"
	"fmt"
	"unicode/utf16"
)

const jksMagic = 0xfeedfeed

// sunKeyProtector is the algorithm that encrypts keys in JKS stores.
var sunKeyProtector = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 42, 2, 17, 1, 1}

// jksEntry is one thing of a JKS or JCEKS store.
type jksEntry struct {
	alias  string
	sealed []byte              // a private key, EncryptedPrivateKeyInfo
	chain  []*x509.Certificate // of the key; of a trusted certificate that one
	secret javaFields          // a secret key, as a SealedObject
}

// readJKS reads Sun's first key store formats: magic, version 1 or 2, number of entries; each a tag (1 key, 2 certificate,
// in JCEKS stores 3 secret key), an alias, a date and the entry; at the end a SHA-1 over all, begun with the password.
// Without a password that is not checked.
func readJKS(data []byte, storePassword string) ([]jksEntry, error) {
	kind := "JKS"
	if binary.BigEndian.Uint32(data) == jceksMagic {
		kind = "JCEKS"
	}
	if len(data) < 12+sha1.Size {
		return nil, fmt.Errorf("%s store: cut off", kind)
	}
	body, sum := data[:len(data)-sha1.Size], data[len(data)-sha1.Size:]
	if storePassword != "" {
		h := sha1.New()
		h.Write(utf16Bytes(storePassword))
		h.Write([]byte("Mighty Aphrodite"))
		h.Write(body)
		if subtle.ConstantTimeCompare(h.Sum(nil), sum) != 1 {
			return nil, fmt.Errorf("%s store: %w", kind, ErrPassword)
		}
	}
	r := binaryReader{data: body, at: 4}
	version, count := r.uint32(), r.uint32()
	if version != 1 && version != 2 {
		return nil, fmt.Errorf("%s store: version %d", kind, version)
	}
	var entries []jksEntry
	for ; count > 0 && r.err == nil; count-- {
		tag := r.uint32()
		e := jksEntry{alias: r.text()}
		r.bytes(8) // date
		switch {
		case tag == 1:
			e.sealed = r.bytes(int64(r.uint32()))
			for n := r.uint32(); n > 0 && r.err == nil; n-- {
				e.chain = append(e.chain, r.certificate(version))
			}
		case tag == 2:
			e.chain = append(e.chain, r.certificate(version))
		case tag == 3 && kind == "JCEKS":
			secret, n, err := readJavaObject(body[r.at:])
			if r.err == nil && err != nil {
				return nil, fmt.Errorf("JCEKS store: key %q: %w", e.alias, err)
			}
			e.secret = secret
			r.bytes(int64(n))
		default:
			return nil, fmt.Errorf("%s store: entry %q has tag %d", kind, e.alias, tag)
		}
		entries = append(entries, e)
	}
	if r.err != nil {
		return nil, fmt.Errorf("%s store: %w", kind, r.err)
	}
	return entries, nil
}

// parseJKS returns the private keys and the certificates of a JKS or JCEKS store.
func parseJKS(data []byte, storePassword, keyPassword string) (*Store, error) {
	entries, err := readJKS(data, storePassword)
	if err != nil {
		return nil, err
	}
	s := &Store{}
	for _, e := range entries {
		switch {
		case e.secret != nil:
		case e.sealed == nil:
			s.Certificates = append(s.Certificates, e.chain...)
		default:
			der, err := openJKSKey(e.sealed, keyPassword)
			if err != nil {
				return nil, fmt.Errorf("key %q: %w", e.alias, err)
			}
			k, err := parsePrivateKey(der)
			if err != nil {
				return nil, fmt.Errorf("key %q: %w", e.alias, err)
			}
			s.Keys = append(s.Keys, Key{k, e.chain})
		}
	}
	return s, s.match()
}

// openJKSKey decrypts an EncryptedPrivateKeyInfo of Sun's own algorithm: 20 bytes of salt, the key xor a chain of SHA-1 sums that
// begins with the password and the salt, and the SHA-1 of password and key. JCEKS stores have another one.
func openJKSKey(sealed []byte, password string) ([]byte, error) {
	var info encryptedInfo
	if _, err := asn1.Unmarshal(sealed, &info); err != nil {
		return nil, err
	}
	if info.Algorithm.Algorithm.Equal(pbeMD5TripleDES) {
		return decryptMD5TripleDES(info.Algorithm.Parameters.FullBytes, info.Data, password)
	}
	if !info.Algorithm.Algorithm.Equal(sunKeyProtector) {
		return nil, fmt.Errorf("encrypted with %v", info.Algorithm.Algorithm)
	}
	const n = sha1.Size
	if len(info.Data) < 2*n {
		return nil, errors.New("cut off")
	}
	pw := utf16Bytes(password)
	key := append([]byte(nil), info.Data[n:len(info.Data)-n]...)
	link := info.Data[:n]
	for i := range key {
		if i%n == 0 {
			sum := sha1.Sum(append(pw[:len(pw):len(pw)], link...))
			link = sum[:]
		}
		key[i] ^= link[i%n]
	}
	sum := sha1.Sum(append(pw[:len(pw):len(pw)], key...))
	if subtle.ConstantTimeCompare(sum[:], info.Data[len(info.Data)-n:]) != 1 {
		return nil, ErrPassword
	}
	return key, nil
}

// utf16Bytes is Java's char[] as big-endian bytes.
func utf16Bytes(s string) []byte {
	var b []byte
	for _, u := range utf16.Encode([]rune(s)) {
		b = binary.BigEndian.AppendUint16(b, u)
	}
	return b
}

// binaryReader goes through big-endian fields until the first error.
type binaryReader struct {
	data []byte
	at   int
	err  error
}

func (r *binaryReader) bytes(n int64) []byte {
	if r.err != nil || n > int64(len(r.data)-r.at) {
		if r.err == nil {
			r.err = fmt.Errorf("cut off at byte %d", r.at)
		}
		return make([]byte, min(n, 8))
	}
	b := r.data[r.at : r.at+int(n)]
	r.at += int(n)
	return b
}

func (r *binaryReader) byte() byte { return r.bytes(1)[0] }

func (r *binaryReader) uint32() uint32 { return binary.BigEndian.Uint32(r.bytes(4)) }

func (r *binaryReader) text() string {
	return string(r.bytes(int64(binary.BigEndian.Uint16(r.bytes(2)))))
}

func (r *binaryReader) certificate(version uint32) *x509.Certificate {
	if version == 2 {
		if kind := r.text(); r.err == nil && kind != "X.509" {
			r.err = fmt.Errorf("a certificate of type %q", kind)
		}
	}
	der := r.bytes(int64(r.uint32()))
	if r.err != nil {
		return nil
	}
	c, err := x509.ParseCertificate(der)
	r.err = err
	return c
}

package keystore

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/des"
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/subtle"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"hash"
	"math/big"
)

// The shapes of RFC 7292 (PKCS #12) and RFC 8018 (PKCS #5).
type (
	pfx struct {
		Version  int
		AuthSafe contentInfo
		MAC      macData `asn1:"optional"`
	}
	contentInfo struct {
		Type    asn1.ObjectIdentifier
		Content asn1.RawValue `asn1:"tag:0,explicit,optional"`
	}
	macData struct {
		MAC struct {
			Algorithm pkix.AlgorithmIdentifier
			Digest    []byte
		}
		Salt       []byte
		Iterations int `asn1:"optional,default:1"`
	}
	encryptedData struct {
		Version int
		Content struct {
			Type      asn1.ObjectIdentifier
			Algorithm pkix.AlgorithmIdentifier
			Data      asn1.RawValue `asn1:"tag:0,optional"`
		}
	}
	encryptedInfo struct {
		Algorithm pkix.AlgorithmIdentifier
		Data      []byte
	}
	safeBag struct {
		ID         asn1.ObjectIdentifier
		Value      asn1.RawValue     `asn1:"tag:0,explicit"`
		Attributes []pkcs12Attribute `asn1:"set,optional"`
	}
	pkcs12Attribute struct {
		ID    asn1.ObjectIdentifier
		Value asn1.RawValue `asn1:"set"`
	}
	certBag struct {
		ID   asn1.ObjectIdentifier
		Data []byte `asn1:"tag:0,explicit"`
	}
	pbeParams struct {
		Salt       []byte
		Iterations int
	}
	pbes2Params struct {
		KDF    pkix.AlgorithmIdentifier
		Cipher pkix.AlgorithmIdentifier
	}
	pbkdf2Params struct {
		Salt       []byte
		Iterations int
		KeyLength  int                      `asn1:"optional"`
		PRF        pkix.AlgorithmIdentifier `asn1:"optional"`
	}
)

// maxIterations bounds the time a hostile store can cost; the tools use up to 10,000.
const maxIterations = 1_000_000

const (
	oidData      = "1.2.840.113549.1.7.1"
	oidEncrypted = "1.2.840.113549.1.7.6"
	oidKey       = "1.2.840.113549.1.12.10.1.1"
	oidShrouded  = "1.2.840.113549.1.12.10.1.2"
	oidCert      = "1.2.840.113549.1.12.10.1.3"
	oidX509      = "1.2.840.113549.1.9.22.1"
	oidLocalKey  = "1.2.840.113549.1.9.21"
	oidPBES2     = "1.2.840.113549.1.5.13"
	oidPBKDF2    = "1.2.840.113549.1.5.12"
	oidPBE3DES   = "1.2.840.113549.1.12.1.3"
	oidPBERC2    = "1.2.840.113549.1.12.1.6"
	oid3DES      = "1.2.840.113549.3.7"
)

var hashes = map[string]func() hash.Hash{
	"1.3.14.3.2.26":          sha1.New, // the sums
	"2.16.840.1.101.3.4.2.1": sha256.New,
	"2.16.840.1.101.3.4.2.2": sha512.New384,
	"2.16.840.1.101.3.4.2.3": sha512.New,
	"1.2.840.113549.2.7":     sha1.New, // HMAC with them
	"1.2.840.113549.2.9":     sha256.New,
	"1.2.840.113549.2.10":    sha512.New384,
	"1.2.840.113549.2.11":    sha512.New,
}

var aesKeys = map[string]int{"2.16.840.1.101.3.4.1.2": 16, "2.16.840.1.101.3.4.1.22": 24, "2.16.840.1.101.3.4.1.42": 32}

// bag is one thing of the store before keys meet their certificates.
type bag struct {
	cert  *x509.Certificate
	key   *Key
	keyID []byte
}

func parsePKCS12(data []byte, storePassword, keyPassword string) (*Store, error) {
	var p pfx
	if _, err := asn1.Unmarshal(data, &p); err != nil {
		return nil, fmt.Errorf("PKCS12 store: %w", err)
	}
	if p.AuthSafe.Type.String() != oidData {
		return nil, errors.New("PKCS12 store: protected by a public key")
	}
	var safe []byte
	if _, err := asn1.Unmarshal(p.AuthSafe.Content.Bytes, &safe); err != nil {
		return nil, fmt.Errorf("PKCS12 store: %w", err)
	}
	if err := p.MAC.check(safe, storePassword); err != nil {
		return nil, fmt.Errorf("PKCS12 store: %w", err)
	}
	var parts []contentInfo
	if _, err := asn1.Unmarshal(safe, &parts); err != nil {
		return nil, fmt.Errorf("PKCS12 store: %w", err)
	}
	var bags []bag
	for _, part := range parts {
		more, err := part.bags(storePassword, keyPassword)
		if err != nil {
			return nil, fmt.Errorf("PKCS12 store: %w", err)
		}
		bags = append(bags, more...)
	}
	return assemble(bags)
}

// check compares the store's keyed sum. A store without one, or with one of another kind, is not checked.
func (m *macData) check(safe []byte, password string) error {
	newHash, ok := hashes[m.MAC.Algorithm.Algorithm.String()]
	if !ok || password == "" {
		return nil
	}
	if m.Iterations > maxIterations {
		return fmt.Errorf("%d iterations", m.Iterations)
	}
	key := deriveKey(newHash, 3, password, m.Salt, m.Iterations, newHash().Size())
	h := hmac.New(newHash, key)
	h.Write(safe)
	if subtle.ConstantTimeCompare(h.Sum(nil), m.MAC.Digest) != 1 {
		return ErrPassword
	}
	return nil
}

func (c *contentInfo) bags(storePassword, keyPassword string) ([]bag, error) {
	var plain []byte
	switch c.Type.String() {
	case oidData:
		if _, err := asn1.Unmarshal(c.Content.Bytes, &plain); err != nil {
			return nil, err
		}
	case oidEncrypted:
		var e encryptedData
		if _, err := asn1.Unmarshal(c.Content.Bytes, &e); err != nil {
			return nil, err
		}
		var err error
		if plain, err = decrypt(e.Content.Algorithm, e.Content.Data.Bytes, storePassword); err != nil {
			return nil, err
		}
	default:
		return nil, fmt.Errorf("content of type %v", c.Type)
	}
	var safe []safeBag
	if _, err := asn1.Unmarshal(plain, &safe); err != nil {
		return nil, err
	}
	var all []bag
	for _, s := range safe {
		b, err := s.open(keyPassword)
		if err != nil {
			return nil, err
		}
		for _, a := range s.Attributes {
			if a.ID.String() == oidLocalKey {
				b.keyID = a.Value.Bytes
			}
		}
		all = append(all, b)
	}
	return all, nil
}

func (s *safeBag) open(password string) (b bag, err error) {
	der := s.Value.Bytes
	switch s.ID.String() {
	case oidCert:
		var c certBag
		if _, err := asn1.Unmarshal(der, &c); err != nil {
			return b, err
		}
		if c.ID.String() != oidX509 {
			return b, fmt.Errorf("a certificate of type %v", c.ID)
		}
		b.cert, err = x509.ParseCertificate(c.Data)
		return b, err
	case oidShrouded:
		if der, err = decryptPKCS8(der, password); err != nil {
			return b, err
		}
		fallthrough
	case oidKey:
		k, err := parsePrivateKey(der)
		b.key = &Key{Private: k}
		return b, err
	}
	return b, nil // secrets and lists of revoked certificates are nothing to us
}

// assemble gives keys their certificates: the one with the same id, then each one's issuer.
func assemble(bags []bag) (*Store, error) {
	s := &Store{}
	var certs []*x509.Certificate
	for _, b := range bags {
		if b.cert != nil {
			certs = append(certs, b.cert)
			if b.keyID == nil {
				s.Certificates = append(s.Certificates, b.cert)
			}
		}
	}
	for _, b := range bags {
		if b.key == nil {
			continue
		}
		for _, c := range bags {
			if c.cert != nil && c.keyID != nil && bytes.Equal(c.keyID, b.keyID) {
				b.key.Chain = []*x509.Certificate{c.cert}
			}
		}
		for len(b.key.Chain) > 0 && len(b.key.Chain) <= len(certs) {
			last := b.key.Chain[len(b.key.Chain)-1]
			next := issuer(last, certs)
			if next == nil {
				break
			}
			b.key.Chain = append(b.key.Chain, next)
		}
		s.Keys = append(s.Keys, *b.key)
	}
	return s, s.match()
}

func issuer(of *x509.Certificate, among []*x509.Certificate) *x509.Certificate {
	if bytes.Equal(of.RawIssuer, of.RawSubject) {
		return nil
	}
	for _, c := range among {
		if bytes.Equal(c.RawSubject, of.RawIssuer) {
			return c
		}
	}
	return nil
}

// decryptPKCS8 opens an EncryptedPrivateKeyInfo (RFC 5958).
func decryptPKCS8(der []byte, password string) ([]byte, error) {
	var info encryptedInfo
	if _, err := asn1.Unmarshal(der, &info); err != nil {
		return nil, err
	}
	return decrypt(info.Algorithm, info.Data, password)
}

func decrypt(alg pkix.AlgorithmIdentifier, data []byte, password string) ([]byte, error) {
	var block cipher.Block
	var iv []byte
	var err error
	switch alg.Algorithm.String() {
	case oidPBE3DES:
		var p pbeParams
		if _, err := asn1.Unmarshal(alg.Parameters.FullBytes, &p); err != nil {
			return nil, err
		}
		if p.Iterations > maxIterations {
			return nil, fmt.Errorf("%d iterations", p.Iterations)
		}
		iv = deriveKey(sha1.New, 2, password, p.Salt, p.Iterations, 8)
		block, err = des.NewTripleDESCipher(deriveKey(sha1.New, 1, password, p.Salt, p.Iterations, 24))
	case oidPBES2:
		block, iv, err = pbes2(alg.Parameters.FullBytes, password)
	case oidPBERC2:
		return nil, errors.New("encrypted with RC2 of 40 bits, which is not read here; convert it with OpenSSL 3 or a keytool of Java 17")
	default:
		return nil, fmt.Errorf("encrypted with %v, which is not read here", alg.Algorithm)
	}
	if err != nil {
		return nil, err
	}
	return decryptCBC(block, iv, data)
}

func pbes2(der []byte, password string) (cipher.Block, []byte, error) {
	var p pbes2Params
	if _, err := asn1.Unmarshal(der, &p); err != nil {
		return nil, nil, err
	}
	if p.KDF.Algorithm.String() != oidPBKDF2 {
		return nil, nil, fmt.Errorf("a key made by %v, which is not read here", p.KDF.Algorithm)
	}
	var k pbkdf2Params
	if _, err := asn1.Unmarshal(p.KDF.Parameters.FullBytes, &k); err != nil {
		return nil, nil, err
	}
	newHash := hashes[k.PRF.Algorithm.String()]
	if len(k.PRF.Algorithm) == 0 {
		newHash = sha1.New
	}
	if newHash == nil {
		return nil, nil, fmt.Errorf("a key made with %v, which is not read here", k.PRF.Algorithm)
	}
	if k.Iterations < 1 || k.Iterations > maxIterations {
		return nil, nil, fmt.Errorf("%d iterations", k.Iterations)
	}
	var iv []byte
	if _, err := asn1.Unmarshal(p.Cipher.Parameters.FullBytes, &iv); err != nil {
		return nil, nil, err
	}
	name := p.Cipher.Algorithm.String()
	length, isAES := aesKeys[name]
	if name == oid3DES {
		length = 24
	} else if !isAES {
		return nil, nil, fmt.Errorf("encrypted with %v, which is not read here", p.Cipher.Algorithm)
	}
	key, err := pbkdf2.Key(newHash, password, k.Salt, k.Iterations, length)
	if err != nil {
		return nil, nil, err
	}
	if isAES {
		block, err := aes.NewCipher(key)
		return block, iv, err
	}
	block, err := des.NewTripleDESCipher(key)
	return block, iv, err
}

// deriveKey makes n bytes for a purpose: 1 a key, 2 an initial vector, 3 a keyed sum (RFC 7292 appendix B.2).
func deriveKey(newHash func() hash.Hash, purpose byte, password string, salt []byte, iterations, n int) []byte {
	h := newHash()
	u, v := h.Size(), h.BlockSize()
	fill := func(s []byte) []byte {
		if len(s) == 0 {
			return nil
		}
		long := bytes.Repeat(s, (len(s)+v-1)/v*v/len(s)+1)
		return long[:(len(s)+v-1)/v*v]
	}
	d := bytes.Repeat([]byte{purpose}, v)
	in := append(fill(salt), fill(append(utf16Bytes(password), 0, 0))...)
	var out []byte
	one := big.NewInt(1)
	for len(out) < n {
		h.Reset()
		h.Write(d)
		h.Write(in)
		a := h.Sum(nil)
		for i := 1; i < iterations; i++ {
			h.Reset()
			h.Write(a)
			a = h.Sum(a[:0])
		}
		out = append(out, a[:u]...)
		b := new(big.Int).SetBytes(fill(a)[:v])
		b.Add(b, one)
		for at := 0; at < len(in); at += v {
			sum := new(big.Int).SetBytes(in[at : at+v])
			raw := sum.Add(sum, b).Bytes()
			if len(raw) > v {
				raw = raw[len(raw)-v:]
			}
			clear(in[at : at+v])
			copy(in[at+v-len(raw):at+v], raw)
		}
	}
	return out[:n]
}

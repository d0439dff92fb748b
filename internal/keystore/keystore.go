// Package keystore reads the key and trust stores that Java's programs are configured with: JKS, JCEKS, PKCS12 and PEM. Which
// of them a file is, its first bytes tell: Java reads JKS and PKCS12 under either name, too.
//
// What cannot be read is said with the way out: BCFKS stores, and PKCS12 stores encrypted with RC2.
package keystore

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"encoding/binary"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
)

// Store is what a file holds.
type Store struct {
	Certificates []*x509.Certificate // trusted ones, and of PEM files all
	Keys         []Key
}

// Key is a private key with its certificate and those that vouch for it, its own first.
type Key struct {
	Private crypto.PrivateKey
	Chain   []*x509.Certificate
}

// ErrPassword: the store or a key in it does not open with the password given, or is damaged.
var ErrPassword = errors.New("wrong password, or damaged")

// Parse reads a store of Java's type kind, which may be empty. Keys may have a password of their own.
func Parse(kind string, data []byte, storePassword, keyPassword string) (*Store, error) {
	const convert = "; convert it: keytool -importkeystore -srckeystore OLD -destkeystore NEW -deststoretype PKCS12"
	switch {
	case bytes.Contains(data, []byte("-----BEGIN ")):
		return ParsePEM(data, keyPassword)
	case len(data) >= 4 && (binary.BigEndian.Uint32(data) == jksMagic || binary.BigEndian.Uint32(data) == jceksMagic):
		return parseJKS(data, storePassword, keyPassword)
	case strings.EqualFold(kind, "BCFKS"):
		return nil, errors.New("a BCFKS store cannot be read here" + convert)
	case len(data) > 0 && data[0] == 0x30:
		return parsePKCS12(data, storePassword, keyPassword)
	}
	return nil, errors.New("neither a JKS or JCEKS nor a PKCS12 nor a PEM store")
}

// ParsePEM reads certificates and private keys (PKCS#8, PKCS#1, SEC 1; of the encrypted forms PKCS#8) from PEM text. A key's
// chain is all the certificates if the first is of that key.
func ParsePEM(data []byte, password string) (*Store, error) {
	s := &Store{}
	for {
		var block *pem.Block
		if block, data = pem.Decode(data); block == nil {
			break
		}
		if block.Headers["DEK-Info"] != "" {
			return nil, errors.New("an encrypted key of the old PEM form cannot be read; convert it: openssl pkcs8 -topk8 -in OLD -out NEW")
		}
		der := block.Bytes
		var err error
		switch block.Type {
		case "CERTIFICATE", "TRUSTED CERTIFICATE":
			var c *x509.Certificate
			if c, err = x509.ParseCertificate(der); err == nil {
				s.Certificates = append(s.Certificates, c)
			}
		case "ENCRYPTED PRIVATE KEY":
			if der, err = decryptPKCS8(der, password); err == nil {
				err = s.addKey(der)
			}
		case "PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY":
			err = s.addKey(der)
		}
		if err != nil {
			return nil, fmt.Errorf("PEM block %s: %w", block.Type, err)
		}
	}
	if len(s.Certificates)+len(s.Keys) == 0 {
		return nil, errors.New("no certificate and no key in the PEM text")
	}
	for i := range s.Keys {
		s.Keys[i].Chain = s.Certificates
	}
	return s, s.match()
}

func (s *Store) addKey(der []byte) error {
	k, err := parsePrivateKey(der)
	if err == nil {
		s.Keys = append(s.Keys, Key{Private: k})
	}
	return err
}

func parsePrivateKey(der []byte) (crypto.PrivateKey, error) {
	k, err := x509.ParsePKCS8PrivateKey(der)
	if err == nil {
		return k, nil
	}
	if k, err := x509.ParsePKCS1PrivateKey(der); err == nil {
		return k, nil
	}
	if k, err := x509.ParseECPrivateKey(der); err == nil {
		return k, nil
	}
	return nil, err
}

// match checks that each key's first certificate is its own.
func (s *Store) match() error {
	for _, k := range s.Keys {
		if len(k.Chain) == 0 {
			return errors.New("a private key without its certificate")
		}
		signer, ok := k.Private.(crypto.Signer)
		if !ok {
			return fmt.Errorf("a private key that cannot sign (%T)", k.Private)
		}
		pub, ok := signer.Public().(interface{ Equal(crypto.PublicKey) bool })
		if !ok || !pub.Equal(k.Chain[0].PublicKey) {
			return errors.New("the first certificate is not that of the private key")
		}
	}
	return nil
}

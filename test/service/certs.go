package service

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// Certs are PEM files of one authority and what it signed. The server's certificate is for localhost and
// 127.0.0.1; keys are PKCS #8 without a password.
type Certs struct {
	CA         string // the authority's certificate
	ServerCert string
	ServerKey  string
	ServerBoth string // key and certificate in one file
	ClientCert string // CN=client
	ClientKey  string
}

// certificates makes an authority, a server and a client in conf/.
func (r *Run) certificates() (Certs, error) {
	dir := filepath.Join(r.Dir, "conf")
	authority := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "goflume test authority"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(1, 0, 0),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
	caKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return Certs{}, err
	}
	caDER, err := x509.CreateCertificate(rand.Reader, authority, authority, caKey.Public(), caKey)
	if err != nil {
		return Certs{}, err
	}
	c := Certs{
		CA: filepath.Join(dir, "ca.pem"), ServerBoth: filepath.Join(dir, "server-both.pem"),
		ServerCert: filepath.Join(dir, "server.pem"), ServerKey: filepath.Join(dir, "server.key"),
		ClientCert: filepath.Join(dir, "client.pem"), ClientKey: filepath.Join(dir, "client.key"),
	}
	caPEM := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: caDER})
	if err := os.WriteFile(c.CA, caPEM, 0o644); err != nil {
		return Certs{}, err
	}
	sign := func(serial int64, name, certFile, keyFile, bothFile string) error {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			return err
		}
		keyDER, err := x509.MarshalPKCS8PrivateKey(key)
		if err != nil {
			return err
		}
		der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
			SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: name},
			NotBefore: authority.NotBefore, NotAfter: authority.NotAfter, KeyUsage: x509.KeyUsageDigitalSignature,
			ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
			DNSNames:    []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		}, authority, key.Public(), caKey)
		if err != nil {
			return err
		}
		certPEM := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
		keyPEM := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER})
		if err := os.WriteFile(certFile, certPEM, 0o644); err != nil {
			return err
		}
		if bothFile != "" {
			if err := os.WriteFile(bothFile, append(append(keyPEM, certPEM...), caPEM...), 0o644); err != nil {
				return err
			}
		}
		return os.WriteFile(keyFile, keyPEM, 0o644)
	}
	if err := sign(2, "localhost", c.ServerCert, c.ServerKey, c.ServerBoth); err != nil {
		return Certs{}, err
	}
	return c, sign(3, "client", c.ClientCert, c.ClientKey, filepath.Join(dir, "client-both.pem"))
}

// ClientTLS is a client's configuration that trusts the authority and, with identity, shows its certificate.
func (c Certs) ClientTLS(identity bool) (*tls.Config, error) {
	text, err := os.ReadFile(c.CA)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("%s: no certificate in it", c.CA)
	}
	config := &tls.Config{RootCAs: pool}
	if identity {
		pair, err := tls.LoadX509KeyPair(c.ClientCert, c.ClientKey)
		if err != nil {
			return nil, err
		}
		config.Certificates = []tls.Certificate{pair}
	}
	return config, nil
}

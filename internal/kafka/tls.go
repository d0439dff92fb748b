package kafka

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"slices"

	"goflume/internal/keystore"
)

// tls makes the configuration from Java's ssl.* properties. Without a trust store the system's authorities count; Java has its own.
func (s *security) tls() (*tls.Config, error) {
	c := &tls.Config{MinVersion: tls.VersionTLS12, CipherSuites: s.suites}
	if len(s.versions) > 0 {
		c.MinVersion, c.MaxVersion = slices.Min(s.versions), slices.Max(s.versions)
	}
	roots, err := s.store("truststore", s.ssl["truststore.certificates"], "")
	if err != nil {
		return nil, err
	}
	if roots != nil {
		if len(roots.Certificates) == 0 {
			return nil, errors.New("ssl.truststore holds no certificate")
		}
		c.RootCAs = x509.NewCertPool()
		for _, cert := range roots.Certificates {
			c.RootCAs.AddCert(cert)
		}
	}
	own, err := s.store("keystore", s.ssl["keystore.certificate.chain"], s.ssl["keystore.key"])
	if err != nil {
		return nil, err
	}
	if own != nil {
		if len(own.Keys) == 0 {
			return nil, errors.New("ssl.keystore holds no private key")
		}
		k := own.Keys[0]
		cert := tls.Certificate{PrivateKey: k.Private}
		for _, x := range k.Chain {
			cert.Certificate = append(cert.Certificate, x.Raw)
		}
		c.Certificates = []tls.Certificate{cert}
	}
	if s.anyHost {
		anyName(c)
	}
	return c, nil
}

// store reads a key or trust store: from the file named, or from the PEM texts given. nil if there is neither.
func (s *security) store(which, chain, key string) (*keystore.Store, error) {
	password, path := s.ssl[which+".password"], s.ssl[which+".location"]
	keyPassword := s.ssl["key.password"]
	if keyPassword == "" {
		keyPassword = password
	}
	if chain+key != "" {
		st, err := keystore.ParsePEM([]byte(chain+"\n"+key), keyPassword)
		if err != nil {
			return nil, fmt.Errorf("ssl.%s: %w", which, err)
		}
		return st, nil
	}
	if path == "" {
		return nil, nil
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("ssl.%s.location: %w", which, err)
	}
	st, err := keystore.Parse(s.ssl[which+".type"], data, password, keyPassword)
	if err != nil {
		return nil, fmt.Errorf("ssl.%s.location %s: %w", which, path, err)
	}
	return st, nil
}

// anyName has the broker's certificate checked against the authorities but not against its host's name.
func anyName(c *tls.Config) {
	roots := c.RootCAs
	c.InsecureSkipVerify = true
	c.VerifyConnection = func(cs tls.ConnectionState) error {
		o := x509.VerifyOptions{Roots: roots, Intermediates: x509.NewCertPool()}
		for _, cert := range cs.PeerCertificates[1:] {
			o.Intermediates.AddCert(cert)
		}
		_, err := cs.PeerCertificates[0].Verify(o)
		return err
	}
}

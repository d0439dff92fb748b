package file

import (
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"

	"goflume/conf"
	"goflume/internal/keystore"
	"goflume/internal/vfs"
)

// Where keys come from: encryption.keyProvider.
const (
	keyProviderFile  = "KEYFILE"
	keyProviderJCEKS = "JCEKSFILE" // Flume's
)

// keySize is that of AES-256.
const keySize = 32

// keyring holds the master keys by alias.
type keyring struct {
	active string // alias for new segments; empty: no encryption
	keys   map[string][]byte
}

// keyProvider returns the key provider as it is named here; Flume takes a class, too.
func (s *Settings) keyProvider() string {
	switch p := strings.ToUpper(s.EncryptionKeyProvider); p {
	case "", keyProviderFile, keyProviderJCEKS:
		return p
	case strings.ToUpper("org.apache.flume.channel.file.encryption.JCEKSFileKeyProvider$Builder"):
		return keyProviderJCEKS
	}
	return s.EncryptionKeyProvider
}

// keyAliases returns the aliases under `keys`.
func (s *Settings) keyAliases() []string { return strings.Fields(s.EncryptionKeys["keys"]) }

// validateKeys tells what is wrong with the encryption settings.
func (s *Settings) validateKeys() error {
	var errs []error
	add := func(key, format string, args ...any) { errs = append(errs, conf.Errorf(key, format, args...)) }
	if s.EncryptionKeyProvider == "" {
		if s.EncryptionActiveKey != "" || s.EncryptionCipherProvider != "" {
			add("encryption.activeKey", "needs encryption.keyProvider")
		}
		return errors.Join(errs...)
	}
	provider := s.keyProvider()
	if provider != keyProviderFile && provider != keyProviderJCEKS {
		add("encryption.keyProvider", "%s is not supported, only %s and %s are: a class of one's own is Java", s.EncryptionKeyProvider, keyProviderFile, keyProviderJCEKS)
		return errors.Join(errs...)
	}
	if s.EncryptionActiveKey == "" {
		add("encryption.keyProvider", "needs encryption.activeKey")
	}
	if provider == keyProviderJCEKS {
		for _, key := range []string{"keyStoreFile", "keyStorePasswordFile"} {
			if s.EncryptionKeys[key] == "" {
				add("encryption.keyProvider", "%s needs encryption.keyProvider.%s", keyProviderJCEKS, key)
			}
		}
	}
	aliases := s.keyAliases()
	if s.EncryptionActiveKey != "" && !slices.Contains(aliases, s.EncryptionActiveKey) {
		add("encryption.activeKey", "%q is not among encryption.keyProvider.keys", s.EncryptionActiveKey)
	}
	for _, alias := range aliases {
		if provider == keyProviderFile && s.EncryptionKeys["keys."+alias+".keyFile"] == "" {
			add("encryption.keyProvider.keys", "%q has no encryption.keyProvider.keys.%s.keyFile", alias, alias)
		}
		if len(alias) > maxAlias {
			add("encryption.keyProvider.keys", "alias %.20s... is longer than %d bytes", alias, maxAlias)
		}
	}
	return errors.Join(errs...)
}

// readKeys reads every key that the settings name.
func (c *Channel) readKeys() error {
	c.keys = keyring{active: c.set.EncryptionActiveKey, keys: map[string][]byte{}}
	if c.set.keyProvider() == keyProviderJCEKS {
		return c.readKeyStore()
	}
	for _, alias := range c.set.keyAliases() {
		k, err := readKey(c.fs, alias, expand(c.set.EncryptionKeys["keys."+alias+".keyFile"]))
		if err != nil {
			return err
		}
		c.keys.keys[alias] = k
	}
	return nil
}

// readKey reads a key file: 32 bytes as they are, or as 64 hexadecimal digits, or as base64; blanks around are ignored.
func readKey(fsys vfs.FS, alias, name string) ([]byte, error) {
	b, err := vfs.ReadFile(fsys, name, 4096)
	if err != nil {
		return nil, fmt.Errorf("read key %s: %w", alias, err)
	}
	if len(b) == keySize {
		return b, nil
	}
	s := strings.TrimSpace(string(b))
	if k, err := hex.DecodeString(s); err == nil && len(k) == keySize {
		return k, nil
	}
	if k, err := base64.StdEncoding.DecodeString(s); err == nil && len(k) == keySize {
		return k, nil
	}
	return nil, fmt.Errorf("read key %s: %s is not a key of 32 bytes, raw, hexadecimal or base64 (openssl rand -hex 32)", alias, name)
}

// readKeyStore reads the keys from a JCEKS store, as Flume's JCEKSFileKeyProvider does: a key without a password file of
// its own has the store's password.
func (c *Channel) readKeyStore() error {
	name := expand(c.set.EncryptionKeys["keyStoreFile"])
	data, err := vfs.ReadFile(c.fs, name, 1<<20)
	if err != nil {
		return fmt.Errorf("read key store: %w", err)
	}
	password, err := readPassword(c.fs, c.set.EncryptionKeys["keyStorePasswordFile"])
	if err != nil {
		return err
	}
	passwords := map[string]string{}
	for _, alias := range c.set.keyAliases() {
		p := password
		if file := c.set.EncryptionKeys["keys."+alias+".passwordFile"]; file != "" {
			if p, err = readPassword(c.fs, file); err != nil {
				return err
			}
		}
		passwords[strings.ToLower(alias)] = p
	}
	keys, err := keystore.Secrets(data, password, func(alias string) (string, bool) { p, ok := passwords[alias]; return p, ok })
	if err != nil {
		return fmt.Errorf("read key store %s: %w", name, err)
	}
	for _, alias := range c.set.keyAliases() {
		k := keys[strings.ToLower(alias)]
		switch len(k) {
		case 16, 24, 32:
			c.keys.keys[alias] = k
		case 0:
			return fmt.Errorf("read key store %s: it has no secret key %q", name, alias)
		default:
			return fmt.Errorf("read key store %s: key %q has %d bytes, which is no AES key", name, alias, len(k))
		}
	}
	return nil
}

// readPassword returns what a password file holds, without blanks around it.
func readPassword(fsys vfs.FS, name string) (string, error) {
	b, err := vfs.ReadFile(fsys, expand(name), 4096)
	if err != nil {
		return "", fmt.Errorf("read password file: %w", err)
	}
	return strings.TrimSpace(string(b)), nil
}

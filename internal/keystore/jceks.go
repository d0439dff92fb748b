package keystore

import (
	"bytes"
	"crypto/cipher"
	"crypto/des"
	"crypto/md5"
	"encoding/asn1"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
)

const jceksMagic = 0xcececece

// pbeMD5TripleDES is Sun's own algorithm for keys in JCEKS stores, PBEWithMD5AndTripleDES.
var pbeMD5TripleDES = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 42, 2, 19, 1}

// Secrets returns the secret keys of a JCEKS store, which `keytool -genseckey -storetype JCEKS` makes, by alias in lower
// case: aliases of such a store have no case. keyPassword tells each key's password; a key for which it says false is
// left out. A store password that is empty is not checked.
func Secrets(data []byte, storePassword string, keyPassword func(alias string) (string, bool)) (map[string][]byte, error) {
	if len(data) < 4 || binary.BigEndian.Uint32(data) != jceksMagic {
		return nil, errors.New("no JCEKS store")
	}
	entries, err := readJKS(data, storePassword)
	if err != nil {
		return nil, err
	}
	keys := map[string][]byte{}
	for _, e := range entries {
		if e.secret == nil {
			continue
		}
		alias := strings.ToLower(e.alias)
		password, wanted := keyPassword(alias)
		if !wanted {
			continue
		}
		if keys[alias], err = openSecret(e.secret, password); err != nil {
			return nil, fmt.Errorf("JCEKS store: key %q: %w", e.alias, err)
		}
	}
	return keys, nil
}

// openSecret opens a javax.crypto.SealedObject that holds a key.
func openSecret(sealed javaFields, password string) ([]byte, error) {
	params, _ := sealed["encodedParams"].([]byte)
	content, _ := sealed["encryptedContent"].([]byte)
	if alg, _ := sealed["sealAlg"].(string); alg != "PBEWithMD5AndTripleDES" {
		return nil, fmt.Errorf("sealed with %q, which is not read here", alg)
	}
	plain, err := decryptMD5TripleDES(params, content, password)
	if err != nil {
		return nil, err
	}
	key, n, err := readJavaObject(plain)
	if err != nil || n != len(plain) {
		return nil, ErrPassword
	}
	for _, name := range []string{"key", "encoded"} { // of a SecretKeySpec and of a KeyRep
		if b, ok := key[name].([]byte); ok && len(b) > 0 {
			return bytes.Clone(b), nil
		}
	}
	return nil, errors.New("the object in it is no secret key")
}

// decryptMD5TripleDES opens what PBEWithMD5AndTripleDES sealed. params is PKCS #5's PBEParameter. The key and the initial
// vector are two chains of MD5 sums, each begun with one half of the salt.
func decryptMD5TripleDES(params, data []byte, password string) ([]byte, error) {
	var p pbeParams
	if _, err := asn1.Unmarshal(params, &p); err != nil {
		return nil, err
	}
	if len(p.Salt) != 8 || p.Iterations < 1 || p.Iterations > maxIterations {
		return nil, fmt.Errorf("salt of %d bytes, %d iterations", len(p.Salt), p.Iterations)
	}
	salt := bytes.Clone(p.Salt)
	if bytes.Equal(salt[:4], salt[4:]) {
		slices.Reverse(salt[:4])
	}
	secret := []byte(password)
	var made []byte
	for half := range 2 {
		sum := bytes.Clone(salt[4*half : 4*half+4])
		for range p.Iterations {
			next := md5.Sum(append(sum, secret...))
			sum = append(sum[:0], next[:]...)
		}
		made = append(made, sum...)
	}
	block, err := des.NewTripleDESCipher(made[:24])
	if err != nil {
		return nil, err
	}
	return decryptCBC(block, made[24:], data)
}

// decryptCBC opens data that was padded as PKCS #7 says; wrong padding is a wrong password.
func decryptCBC(block cipher.Block, iv, data []byte) ([]byte, error) {
	size := block.BlockSize()
	if len(data) == 0 || len(data)%size != 0 || len(iv) != size {
		return nil, ErrPassword
	}
	plain := make([]byte, len(data))
	cipher.NewCBCDecrypter(block, iv).CryptBlocks(plain, data)
	pad := int(plain[len(plain)-1])
	if pad == 0 || pad > size || !bytes.Equal(plain[len(plain)-pad:], bytes.Repeat([]byte{byte(pad)}, pad)) {
		return nil, ErrPassword
	}
	return plain[:len(plain)-pad], nil
}

package keystore

import (
	"encoding/asn1"
	"encoding/hex"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
)

// The store was made by keytool of Java 17: key-0 of 128 bits with a password of its own, key-1 of 256 bits with the
// store's. What the keys are, Java's own KeyStore said.
func TestSecretKeysOfAJCEKSStore(t *testing.T) {
	password := func(alias string) (string, bool) {
		return map[string]string{"key-0": "keyPassword0", "key-1": "storepass"}[alias], true
	}
	keys, err := Secrets(load(t, "secrets.jceks"), "storepass", password)
	if err != nil {
		t.Fatal(err)
	}
	for alias, want := range map[string]string{
		"key-0": "3daf911ddf7548fe181b9bd9b432f7ad",
		"key-1": "3108677af29bb6251cacc3aecb126607fd4f4775dabaacd413f3f806e47ab2b4",
	} {
		if got := hex.EncodeToString(keys[alias]); got != want {
			t.Errorf("key %s is %s, want %s", alias, got, want)
		}
	}
	one, err := Secrets(load(t, "secrets.jceks"), "", func(alias string) (string, bool) { return "storepass", alias == "key-1" })
	if names := slices.Collect(maps.Keys(one)); err != nil || !slices.Equal(names, []string{"key-1"}) {
		t.Errorf("keys %q, %v; want key-1 alone", names, err)
	}
}

func TestSecretKeysWithWrongPasswords(t *testing.T) {
	for _, p := range []struct{ store, key string }{{"wrong", "storepass"}, {"storepass", "wrong"}, {"storepass", ""}} {
		_, err := Secrets(load(t, "secrets.jceks"), p.store, func(string) (string, bool) { return p.key, true })
		if !errors.Is(err, ErrPassword) {
			t.Errorf("store %q, key %q: %v, want ErrPassword", p.store, p.key, err)
		}
	}
	if _, err := Secrets(load(t, "java.jks"), "changeit", nil); err == nil || !strings.Contains(err.Error(), "no JCEKS store") {
		t.Errorf("a JKS store: %v", err)
	}
}

// What Java's Cipher makes of "hello" with the password pass and 20 rounds; halves of the salt that are alike are a case of
// their own.
func TestSunsPasswordCipher(t *testing.T) {
	for _, c := range []struct{ salt, sealed string }{
		{"\x01\x02\x03\x04\x05\x02\x03\x04", "35514e8a590ce1f4"},
		{"\x01\x02\x03\x04\x01\x02\x03\x04", "7f7de11d13187f23"},
	} {
		params, err := asn1.Marshal(pbeParams{[]byte(c.salt), 20})
		if err != nil {
			t.Fatal(err)
		}
		sealed, _ := hex.DecodeString(c.sealed)
		if plain, err := decryptMD5TripleDES(params, sealed, "pass"); err != nil || string(plain) != "hello" {
			t.Errorf("salt %x: %q, %v", c.salt, plain, err)
		}
	}
}

func FuzzSecrets(f *testing.F) {
	f.Add(load(f, "secrets.jceks"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) > 1<<16 {
			return
		}
		keys, err := Secrets(data, "", func(string) (string, bool) { return "storepass", false })
		if err == nil && len(keys) != 0 {
			t.Error("keys that were not asked for")
		}
	})
}

func FuzzJavaObject(f *testing.F) {
	b := load(f, "secrets.jceks")
	f.Add(b[12+4+2+5+8 : 0x1f0])
	f.Fuzz(func(t *testing.T, data []byte) {
		_, n, err := readJavaObject(data)
		if err == nil && n > len(data) {
			t.Errorf("%d bytes of %d", n, len(data))
		}
	})
}

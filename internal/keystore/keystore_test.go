package keystore

import (
	"crypto/ecdsa"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func load(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// The files were made by OpenSSL 3 and by keytool of Java 17; all hold the same key, or the same authority.
func TestStoresOfTheToolsAreRead(t *testing.T) {
	for _, c := range []struct {
		file, keyPassword string
		keys              bool
	}{
		{"plain.pem", "", true},
		{"encrypted.pem", "keypass", true},
		{"openssl3.p12", "changeit", true},
		{"legacy3des.p12", "changeit", true},
		{"java17.p12", "changeit", true},
		{"java.jks", "keypass", true},
		{"java.jceks", "keypass", true},
		{"trust.jks", "", false},
		{"trust.jceks", "", false},
		{"trust.p12", "", false},
		{"ca.pem", "", false},
	} {
		t.Run(c.file, func(t *testing.T) {
			s, err := Parse("", load(t, c.file), "changeit", c.keyPassword)
			if err != nil {
				t.Fatal(err)
			}
			if !c.keys {
				if len(s.Keys) != 0 || len(s.Certificates) != 1 || s.Certificates[0].Subject.CommonName != "testca" {
					t.Errorf("%d keys and certificates %v, want the authority's", len(s.Keys), s.Certificates)
				}
				return
			}
			if len(s.Keys) != 1 {
				t.Fatalf("%d keys, want 1", len(s.Keys))
			}
			k := s.Keys[0]
			if _, ok := k.Private.(*ecdsa.PrivateKey); !ok {
				t.Errorf("key is a %T", k.Private)
			}
			if len(k.Chain) != 2 || k.Chain[0].Subject.CommonName != "own" || k.Chain[1].Subject.CommonName != "testca" {
				t.Errorf("chain of %d certificates, want own and testca", len(k.Chain))
			}
		})
	}
}

func TestWrongPasswords(t *testing.T) {
	for _, c := range []struct{ file, store, key string }{
		{"encrypted.pem", "", "wrong"},
		{"openssl3.p12", "wrong", "wrong"},
		{"legacy3des.p12", "wrong", "wrong"},
		{"java17.p12", "changeit", "wrong"},
		{"java.jks", "wrong", "keypass"},
		{"java.jks", "changeit", "wrong"},
		{"java.jceks", "changeit", "wrong"},
		{"trust.p12", "wrong", ""},
	} {
		if _, err := Parse("", load(t, c.file), c.store, c.key); !errors.Is(err, ErrPassword) {
			t.Errorf("%s with %s, %s: %v, want ErrPassword", c.file, c.store, c.key, err)
		}
	}
}

func TestWhatCannotBeReadSaysTheWayOut(t *testing.T) {
	for _, c := range []struct {
		kind, file, want string
	}{
		{"BCFKS", "rc2.p12", "keytool -importkeystore"},
		{"PKCS12", "rc2.p12", "RC2"},
	} {
		if _, err := Parse(c.kind, load(t, c.file), "changeit", "changeit"); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want a text with %q", c.file, err, c.want)
		}
	}
	if _, err := Parse("JKS", []byte("what is this"), "", ""); err == nil {
		t.Error("text that is no store was read")
	}
}

func FuzzParse(f *testing.F) {
	files, _ := filepath.Glob("testdata/*.*")
	for _, name := range files {
		f.Add(load(f, filepath.Base(name)))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) > 1<<16 {
			return
		}
		s, err := Parse("", data, "", "changeit")
		if err == nil && s == nil {
			t.Error("neither a store nor an error")
		}
	})
}

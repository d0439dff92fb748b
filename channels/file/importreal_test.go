package file

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"goflume/channels"
	"goflume/internal/vfs"
	"goflume/internal/vfs/memfs"
)

// The queues here were left by Apache Flume: a netcat source was sent lines that tell their number, and the agent killed.

// lines takes all there is, which has to be the lines from first on, and returns the number behind the last one.
func lines(t *testing.T, c channels.Channel, first int) int {
	t.Helper()
	for tx := take(t, c, 100); tx != nil; tx = take(t, c, 100) {
		for _, e := range tx.Events() {
			if want := fmt.Sprintf("line %06d %s", first, strings.Repeat("x", first%150)); string(e.Body) != want {
				t.Fatalf("%q, want %q", e.Body, want)
			}
			first++
		}
		check(t, tx.Commit())
	}
	return first
}

// TestImportOfVersion2 takes over what Flume 1.2.0 left: seven logs of a channel that was killed four times, once while
// its sink took. Flume itself delivers the lines 142 to 399 from them.
func TestImportOfVersion2(t *testing.T) {
	for _, tt := range []struct {
		what       string
		edit       func(b []byte)
		upTo, open int
	}{
		{"as it was left", func([]byte) {}, 400, 0},
		{"the last commit torn", func(b []byte) { b[lastRecord(b)+6] = 9 }, 399, 1},
		{"the last commit gone", func(b []byte) { fill(b[lastRecord(b):], 0x80) }, 399, 1},
		{"the last put torn", func(b []byte) { fill(b[lastRecord(b[:lastRecord(b)])+40:], 0) }, 399, 1},
	} {
		m := flumeDisk(t, "v2.tgz")
		m.Edit("/v2/data/log-10", tt.edit)
		d := flumeDirs(t, m, "/v2")
		rep, err := Import(t.Context(), m, d, testEnv().Log, false, nil)
		check(t, err)
		if rep.Files != 7 || rep.Events != tt.upTo-142 || rep.Takes != 22 || rep.Open != tt.open || rep.Differs != 0 || rep.Moved != 8 {
			t.Errorf("%s: %+v", tt.what, rep)
		}
		s := small()
		s.CheckpointDir, s.DataDirs = "/v2/cp", []string{"/v2/data"}
		c := mustOpen(t, m.Crash(rand.New(rand.NewPCG(1, 1))), s)
		if end := lines(t, c, 142); end != tt.upTo {
			t.Errorf("%s: the last line is %d, want %d", tt.what, end-1, tt.upTo-1)
		}
		mustClose(t, c)
	}
}

// lastRecord returns where the last record of a version 2 log starts.
func lastRecord(b []byte) int { return bytes.LastIndex(b, []byte{0x7f, 0xde, 0xad, 0xbe, 0xef}) }

func fill(b []byte, x byte) {
	for i := range b {
		b[i] = x
	}
}

// storeKeys are the settings of a channel whose keys are in the JCEKS store that Java's keytool made.
func storeKeys(s *Settings) {
	s.EncryptionKeyProvider, s.EncryptionActiveKey, s.EncryptionCipherProvider = "JCEKSFILE", "key-1", "AESCTRNOPADDING"
	s.EncryptionKeys = map[string]string{
		"keyStoreFile": "/encrypted/keys.jceks", "keyStorePasswordFile": "/encrypted/store.pw",
		"keys": "key-0 key-1", "keys.key-0.passwordFile": "/encrypted/k0.pw",
	}
}

// TestImportOfEncryptedLogs takes over what Flume 1.11 encrypted, two logs with the first key and one with the second.
func TestImportOfEncryptedLogs(t *testing.T) {
	m := flumeDisk(t, "encrypted.tgz")
	d := flumeDirs(t, m, "/encrypted")
	fails := func(want string) {
		t.Helper()
		if _, err := Import(t.Context(), m, d, testEnv().Log, true, nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Import: %v, want %s", err, want)
		}
	}
	fails(`encrypted with key "key-0", which was not given`)
	d.KeyProvider, d.Keys = "KEYFILE", map[string]string{"keys": "key-0 key-1", "keys.key-0.keyFile": "/other", "keys.key-1.keyFile": "/other"}
	makeFile(t, m, "/other", bytes.Repeat([]byte{7}, 32))
	fails(`key "key-0" opens none of its records`)

	s := small()
	s.CheckpointDir, s.DataDirs = "/encrypted/cp", []string{"/encrypted/data"}
	storeKeys(&s)
	check(t, s.Validate())
	d.KeyProvider, d.Keys = s.EncryptionKeyProvider, s.EncryptionKeys
	rep, err := Import(t.Context(), m, d, testEnv().Log, false, nil)
	check(t, err)
	if rep.Events != 50 || rep.Takes != 30 || rep.Differs != 0 || len(rep.Damages) != 0 || rep.Key != "key-1" {
		t.Errorf("Import: %+v", rep)
	}
	names, err := m.List("/encrypted/data")
	check(t, err)
	for _, n := range names {
		if _, ok := segmentNumber(n); !ok {
			continue
		}
		b, err := vfs.ReadFile(m, "/encrypted/data/"+n, 1<<30)
		check(t, err)
		if bytes.Contains(b, []byte("line")) {
			t.Errorf("%s holds a body in the clear", n)
		}
	}
	c := mustOpen(t, m.Crash(rand.New(rand.NewPCG(1, 1))), s)
	if end := lines(t, c, 30); end != 80 {
		t.Errorf("the last line is %d, want 79", end-1)
	}
	mustClose(t, c)
}

func TestKeysFromAJCEKSStore(t *testing.T) {
	m := flumeDisk(t, "encrypted.tgz")
	s := small()
	storeKeys(&s)
	for i, active := range []string{"key-0", "key-1", "KEY-1"} { // of 128 and of 256 bits; the store knows no case
		s.EncryptionActiveKey = active
		s.EncryptionKeys["keys"] = "key-0 key-1 " + active
		c := mustOpen(t, m, s)
		mustPut(t, c, numbered(i*10, 10))
		mustClose(t, c)
	}
	c := mustOpen(t, m, s)
	wantRun(t, drain(t, c), 0, 30)
	mustClose(t, c)
	for want, change := range map[string]func(k map[string]string){
		"wrong password":               func(k map[string]string) { delete(k, "keys.key-0.passwordFile") },
		`it has no secret key "key-9"`: func(k map[string]string) { k["keys"] = "key-9" },
		"read key store: open":         func(k map[string]string) { k["keyStoreFile"] = "/none" },
		"read password file: open":     func(k map[string]string) { k["keyStorePasswordFile"] = "/none" },
		"no JCEKS store":               func(k map[string]string) { k["keyStoreFile"] = "/encrypted/k0.pw" },
		"JCEKS store: wrong password":  func(k map[string]string) { k["keyStorePasswordFile"] = "/encrypted/k0.pw" },
	} {
		bad := s
		storeKeys(&bad)
		change(bad.EncryptionKeys)
		c := newChannel(testEnv(), bad, m)
		if err := c.Open(t.Context()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Open: %v, want %s", err, want)
		}
	}
}

func makeFile(t testing.TB, m *memfs.FS, name string, b []byte) {
	t.Helper()
	f, err := m.Create(name)
	check(t, err)
	_, err = f.WriteAt(b, 0)
	check(t, err)
}

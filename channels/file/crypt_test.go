package file

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"strings"
	"testing"

	"goflume/internal/vfs"
	"goflume/internal/vfs/memfs"
)

// encrypted are small settings with the key files key1 (hexadecimal) and key2 (raw), which it makes.
func encrypted(t testing.TB, disk *memfs.FS) Settings {
	t.Helper()
	check(t, disk.MkdirAll("/keys"))
	for name, b := range map[string][]byte{
		"/keys/one": []byte(strings.Repeat("0123456789abcdef", 4) + "\n"), "/keys/two": bytes.Repeat([]byte{7}, 32),
	} {
		f, err := disk.Create(name)
		check(t, err)
		_, err = f.WriteAt(b, 0)
		check(t, err)
		check(t, f.Datasync())
	}
	check(t, disk.SyncDir("/keys"))
	s := small()
	s.EncryptionKeyProvider, s.EncryptionActiveKey = keyProviderFile, "key1"
	s.EncryptionKeys = map[string]string{"keys": "key1 key2", "keys.key1.keyFile": "/keys/one", "keys.key2.keyFile": "/keys/two"}
	check(t, s.Validate())
	return s
}

func TestEncryptedEventsAreReadBackAndNotOnDisk(t *testing.T) {
	disk := memfs.New()
	s := encrypted(t, disk)
	s.CacheBytes = 0
	c := mustOpen(t, disk, s)
	for i := range 100 {
		mustPut(t, c, numbered(i*10, 10))
	}
	names, _ := disk.List("/ch/data")
	for _, n := range names {
		b, _ := vfs.ReadFile(disk, "/ch/data/"+n, 1<<20)
		if bytes.Contains(b, []byte("some more text")) {
			t.Errorf("%s holds a body in the clear", n)
		}
	}
	disk = disk.Crash(rand.New(rand.NewPCG(4, 4)))
	_ = c.Close()
	s.EncryptionActiveKey = "key2" // rotation: old files stay readable
	c = mustOpen(t, disk, s)
	mustPut(t, c, numbered(1000, 10))
	wantRun(t, drain(t, c), 0, 1010)
	mustClose(t, c)
}

func TestWrongKeyChangesNothing(t *testing.T) {
	disk := memfs.New()
	s := encrypted(t, disk)
	s.CacheBytes = 0
	c := mustOpen(t, disk, s)
	mustPut(t, c, numbered(0, 10))
	mustClose(t, c)

	wrong := s
	wrong.EncryptionKeys = map[string]string{"keys": "key1", "keys.key1.keyFile": "/keys/two"}
	c = mustOpen(t, disk, wrong)
	if _, err := c.Take(t.Context(), 10, 0); err == nil || !strings.Contains(err.Error(), "authentication failed") {
		t.Errorf("Take with a wrong key: %v", err)
	}
	if n := c.m.lost.Value(); n != 0 {
		t.Errorf("%d events given up for a wrong key", n)
	}
	mustClose(t, c)

	wrong.EncryptionActiveKey = "key2"
	wrong.EncryptionKeys = map[string]string{"keys": "key2", "keys.key2.keyFile": "/keys/two"}
	c = newChannel(testEnv(), wrong, disk)
	if err := c.Open(t.Context()); err == nil || !strings.Contains(err.Error(), `encrypted with key "key1"`) {
		t.Errorf("Open without the key: %v", err)
	}

	c = mustOpen(t, disk, s)
	wantRun(t, drain(t, c), 0, 10)
	mustClose(t, c)
}

func TestNoKeyAndNonceIsUsedTwice(t *testing.T) {
	disk := memfs.New()
	s := encrypted(t, disk)
	type use struct {
		seg     uint64
		salt    [16]byte
		ordinal uint32
	}
	used := map[use][]byte{}
	next := 0
	for life := range uint64(12) {
		c := mustOpen(t, disk, s)
		for range 40 { // several segments, recycled
			mustPut(t, c, numbered(next, 10))
			next += 10
			if tx := take(t, c, 9+int(life)); tx != nil {
				check(t, tx.Commit())
			}
			c.housekeep(true)
		}
		for _, seg := range c.segments() {
			r := seg.reader()
			for off := int64(pageSize); ; {
				h, p, err := r.at(off, seg.size)
				if err != nil {
					break
				}
				if h.flags&flagEncrypted != 0 {
					u := use{seg.id, seg.salt, h.ordinal}
					if old := used[u]; old != nil && !bytes.Equal(old, p) {
						t.Fatalf("segment %d, frame %d: two payloads with one nonce", seg.id, h.ordinal)
					}
					used[u] = bytes.Clone(p)
				}
				off += h.length()
			}
		}
		if life%2 == 0 {
			mustClose(t, c)
			continue
		}
		disk = disk.Crash(rand.New(rand.NewPCG(life, 9)))
		_ = c.Close()
	}
	if len(used) < 200 {
		t.Errorf("only %d frames seen", len(used))
	}
}

func TestKeyFiles(t *testing.T) {
	disk := memfs.New()
	_ = encrypted(t, disk)
	for name, b := range map[string]string{"/keys/b64": "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=\n", "/keys/short": "abc"} {
		f, err := disk.Create(name)
		check(t, err)
		_, err = f.WriteAt([]byte(b), 0)
		check(t, err)
	}
	raw, err := readKey(disk, "k", "/keys/two")
	check(t, err)
	b64, err := readKey(disk, "k", "/keys/b64")
	check(t, err)
	if !bytes.Equal(raw, b64) {
		t.Error("the same key, raw and in base64, differs")
	}
	if _, err := readKey(disk, "k", "/keys/short"); err == nil || !strings.Contains(err.Error(), "openssl rand -hex 32") {
		t.Errorf("a short key: %v", err)
	}
	if _, err := readKey(disk, "k", "/keys/none"); err == nil || errors.Is(err, errBad) {
		t.Errorf("no key: %v", err)
	}
}

func TestSettingsThatContradictThemselves(t *testing.T) {
	for want, change := range map[string]func(*Settings){
		"File Channel transaction capacity cannot be greater than the capacity of the channel.":                        func(s *Settings) { s.TransactionCapacity = s.Capacity + 1 },
		"Dual checkpointing is enabled, but the backup directory is not set. Please set backupCheckpointDir to enable": func(s *Settings) { s.UseDualCheckpoints = true },
		"backupCheckpointDir: must not be checkpointDir":                                                               func(s *Settings) { s.BackupCheckpointDir = s.CheckpointDir },
		"dataDirs: names no directory":                      func(s *Settings) { s.DataDirs = []string{" "} },
		"dataDirs: /x is named twice":                       func(s *Settings) { s.DataDirs = []string{"/x", " /x/"} },
		"com.example.Keys is not supported":                 func(s *Settings) { s.EncryptionKeyProvider, s.EncryptionActiveKey = "com.example.Keys", "k" },
		"needs encryption.keyProvider.keyStorePasswordFile": func(s *Settings) { s.EncryptionKeyProvider, s.EncryptionActiveKey = "JceksFile", "k" },
		"needs encryption.keyProvider":                      func(s *Settings) { s.EncryptionActiveKey = "k" },
		"needs encryption.activeKey":                        func(s *Settings) { s.EncryptionKeyProvider = "keyfile" },
		`"k" is not among encryption.keyProvider.keys`:      func(s *Settings) { s.EncryptionKeyProvider, s.EncryptionActiveKey = "KEYFILE", "k" },
		`"k" has no encryption.keyProvider.keys.k.keyFile`: func(s *Settings) {
			s.EncryptionKeyProvider, s.EncryptionActiveKey, s.EncryptionKeys = "KEYFILE", "k", map[string]string{"keys": "k"}
		},
	} {
		s := defaults()
		change(&s)
		if err := s.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Validate: %v, want %s", err, want)
		}
	}
	if err := defaults().Validate(); err != nil {
		t.Errorf("the defaults: %v", err)
	}
}

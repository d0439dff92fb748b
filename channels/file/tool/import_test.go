package tool

import (
	"archive/tar"
	"compress/gzip"
	"io"
	"os"
	"path/filepath"
	"testing"
)

// unpack puts what Flume left in the fixture below a directory, which it returns.
func unpack(t *testing.T, name string) string {
	t.Helper()
	dir := t.TempDir()
	f, err := os.Open(filepath.Join("../flumelog/testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if err == io.EOF {
			return dir
		}
		if err != nil {
			t.Fatal(err)
		}
		p := filepath.Join(dir, filepath.Clean("/"+h.Name))
		if h.Typeflag == tar.TypeDir {
			err = os.MkdirAll(p, 0o755)
		} else if err = os.MkdirAll(filepath.Dir(p), 0o755); err == nil {
			var b []byte
			if b, err = io.ReadAll(r); err == nil {
				err = os.WriteFile(p, b, 0o644)
			}
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

func TestImportVerb(t *testing.T) {
	dir := filepath.Join(unpack(t, "v2.tgz"), "v2")
	report := []string{"log files    7", "put          280", "taken        22", "queued       258", "checksum     b98aab4c", "checkpoint   agrees with the log"}
	want(t, ok, append(report, "Nothing was changed"), "import", "--dry-run", dir)
	want(t, ok, append(report, "8 files of Flume moved"), "import", dir)
	want(t, ok, []string{"events       258"}, "fsck", dir)
	want(t, cannot, []string{"there is a channel of this program already"}, "import", dir)
}

func TestImportVerbWithKeys(t *testing.T) {
	dir := filepath.Join(unpack(t, "encrypted.tgz"), "encrypted")
	store := []string{"--key-store", dir + "/keys.jceks", "--key-store-password", dir + "/store.pw", "--key", "key-0=" + dir + "/k0.pw", "--key", "key-1", dir}
	want(t, cannot, []string{`encrypted with key "key-0", which was not given`}, "import", dir)
	want(t, ok, []string{"queued       50", "encrypted    with key key-1", "Nothing was changed"}, append([]string{"import", "--dry-run"}, store...)...)
	want(t, ok, []string{"queued       50", "10 files of Flume moved"}, append([]string{"import"}, store...)...)
	want(t, cannot, []string{`encrypted with key "key-1"`}, "fsck", dir)
	want(t, ok, []string{"events       50"}, append([]string{"fsck"}, store...)...)
	want(t, ok, []string{`"body":"line 000030 `}, append([]string{"dump", "--limit", "1"}, store...)...)
}

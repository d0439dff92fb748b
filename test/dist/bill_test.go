package dist

import (
	"crypto/sha256"
	"debug/buildinfo"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"
)

func TestRealBillNamesEveryModuleAndItsLicence(t *testing.T) {
	text, err := os.ReadFile(the(t, "goflume-*-linux-ARCH.cdx.json"))
	if err != nil {
		t.Fatal(err)
	}
	type component struct {
		Name, Version, PURL string
		Hashes              []struct{ Alg, Content string }
		Licenses            []struct{ License struct{ ID string } }
	}
	var bill struct {
		BOMFormat, SpecVersion, SerialNumber string
		Metadata                             struct {
			Timestamp string
			Component component
		}
		Components []component
	}
	if err := json.Unmarshal(text, &bill); err != nil {
		t.Fatal(err)
	}
	if bill.BOMFormat != "CycloneDX" || bill.SpecVersion != "1.6" || !regexp.MustCompile(`^urn:uuid:[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`).MatchString(bill.SerialNumber) {
		t.Errorf("%s %s %s", bill.BOMFormat, bill.SpecVersion, bill.SerialNumber)
	}
	dir := t.TempDir()
	unpack(t, the(t, "goflume-*-linux-ARCH.tar.gz"), dir, false)
	home := filepath.Join(dir, "goflume-1.2.3-linux-"+runtime.GOARCH)
	binary, err := os.ReadFile(filepath.Join(home, "bin/goflume"))
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(binary)
	if got := bill.Metadata.Component; got.Version != version || len(got.Hashes) != 1 || got.Hashes[0].Content != hex.EncodeToString(sum[:]) {
		t.Errorf("the bill is about %+v, want the binary %x", got, sum)
	}
	info, err := buildinfo.ReadFile(filepath.Join(home, "bin/goflume"))
	if err != nil {
		t.Fatal(err)
	}
	if len(bill.Components) != len(info.Deps)+1 {
		t.Errorf("%d components, want the %d modules of the binary and Go's own", len(bill.Components), len(info.Deps))
	}
	known := map[string]component{}
	for _, c := range bill.Components {
		known[c.Name+"@"+c.Version] = c
	}
	notices, err := os.ReadFile(filepath.Join(home, "THIRD-PARTY.txt"))
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range info.Deps {
		c, ok := known[d.Path+"@"+d.Version]
		switch {
		case !ok:
			t.Errorf("the bill lacks %s %s", d.Path, d.Version)
		case len(c.Licenses) == 0:
			t.Errorf("the licence of %s is not known", d.Path)
		case len(c.Hashes) != 1 || len(c.Hashes[0].Content) != 64:
			t.Errorf("%s has no checksum", d.Path)
		}
		if !strings.Contains(string(notices), "\n"+d.Path+" "+d.Version+"\n") {
			t.Errorf("THIRD-PARTY.txt lacks %s", d.Path)
		}
	}
}

package dist

import (
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// withRPM puts rpm onto the copy, from Debian's packages, which stay in the cache.
func withRPM(t *testing.T, m *machine) {
	t.Helper()
	if m.has("/usr/bin/rpm") {
		return
	}
	need(t, "apt-get")
	debs := cache(t, "deb")
	if found, _ := filepath.Glob(filepath.Join(debs, "rpm_*.deb")); len(found) == 0 { // the pattern is right
		for _, words := range [][]string{{"update", "-qq"}, {"install", "-qq", "--download-only", "--no-install-recommends", "-o", "Dir::Cache::archives=" + debs, "-o", "APT::Sandbox::User=root", "rpm"}} {
			if out, err := exec.Command("apt-get", words...).CombinedOutput(); err != nil {
				lack(t, "apt-get "+strings.Join(words, " ")+": "+err.Error()+"\n"+string(out))
			}
		}
	}
	found, err := filepath.Glob(filepath.Join(debs, "*.deb"))
	if err != nil || len(found) == 0 {
		lack(t, "Debian has no rpm here")
	}
	for _, deb := range found {
		m.put(deb, "/tmp/deb/"+filepath.Base(deb))
	}
	m.run("sh", "-c", "dpkg --install /tmp/deb/*.deb")
}

func TestRealRPMInstallsVerifiesAndGoes(t *testing.T) {
	rpm := the(t, "goflume-*.RPM.rpm")
	m := newMachine(t)
	withRPM(t, m)
	m.put(rpm, "/tmp/goflume.rpm")
	if out := m.run("rpm", "--checksig", "--nosignature", "/tmp/goflume.rpm"); !strings.Contains(out, "digests OK") {
		t.Errorf("rpm --checksig: %s", out)
	}
	m.run("rpm", "--install", "--nodeps", "--force-debian", "/tmp/goflume.rpm")
	if out := m.run("rpm", "--verify", "--nodeps", "goflume"); out != "" {
		t.Errorf("rpm --verify: %s", out)
	}
	if got := m.run("stat", "--format", "%U:%G %a %n", "/etc/goflume", "/etc/goflume/goflume.env", "/var/lib/goflume", "/usr/bin/goflume"); got !=
		"root:goflume 750 /etc/goflume\nroot:goflume 640 /etc/goflume/goflume.env\ngoflume:goflume 750 /var/lib/goflume\nroot:root 755 /usr/bin/goflume\n" {
		t.Errorf("owners and modes:\n%s", got)
	}
	if got := m.run("rpm", "--query", "--configfiles", "goflume"); got != "/etc/goflume/goflume.env\n" {
		t.Errorf("configuration files: %q", got)
	}
	if got := m.run("rpm", "--query", "--queryformat", "%{NAME} %{VERSION} %{RELEASE} %{LICENSE} %{BUILDHOST}", "goflume"); got != "goflume 1.2.3 1 Apache-2.0 localhost" {
		t.Errorf("query: %s", got)
	}
	if got := m.run("goflume", "version"); !strings.HasPrefix(got, "goflume v1.2.3 ") {
		t.Errorf("goflume version: %s", got)
	}
	// A newer one: what an operator wrote stays.
	m.write("/etc/goflume/goflume.env", "640", "AGENT_DRAIN_TIMEOUT=7\n")
	m.run("mkdir", "-p", "/run/systemd/system", "/var/lib/goflume/a1/queue")
	m.write("/usr/bin/systemctl", "755", fakeSystemctl)
	m.write("/usr/bin/systemd-run", "755", fakeRun)
	m.write("/etc/goflume/a1.conf", "640", flow)
	m.run("rpm", "--upgrade", "--replacepkgs", "--nodeps", "--force-debian", "/tmp/goflume.rpm")
	if got := m.run("cat", "/etc/goflume/goflume.env"); got != "AGENT_DRAIN_TIMEOUT=7\n" {
		t.Errorf("goflume.env after the upgrade: %s", got)
	}
	asked := m.run("cat", "/var/log/asked")
	if !regexp.MustCompile(`(?m)^systemctl restart goflume@a1\.service$`).MatchString(asked) {
		t.Errorf("the upgrade asked of systemd:\n%s", asked)
	}
	m.run("rpm", "--erase", "--nodeps", "goflume")
	for path, want := range map[string]bool{"/usr/bin/goflume": false, "/etc/goflume/goflume.env.rpmsave": true, "/etc/goflume/a1.conf": true, "/var/lib/goflume/a1": true} {
		if m.has(path) != want {
			t.Errorf("after the removal: %s there: %v, want %v", path, !want, want)
		}
	}
}

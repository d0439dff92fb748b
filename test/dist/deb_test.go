package dist

import (
	"bytes"
	"net"
	"os"
	"os/exec"
	"path"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// fakeSystemctl notes what the scripts of a package ask of systemd, which does not run on the copy. One agent runs.
const fakeSystemctl = `#!/bin/sh
echo "systemctl $*" >> /var/log/asked
case "$1" in list-units) echo "goflume@a1.service loaded active running goflume agent a1" ;; esac
`

// fakeRun runs the command itself.
const fakeRun = `#!/bin/sh
echo "systemd-run $*" >> /var/log/asked
while [ "${1#/}" = "$1" ]; do shift; done
exec "$@"
`

// flow is a configuration that may be installed: netcat, a file channel, files.
const flow = `a1.sources = r1
a1.channels = c1
a1.sinks = k1
a1.sources.r1.type = netcat
a1.sources.r1.bind = 127.0.0.1
a1.sources.r1.port = 0
a1.sources.r1.channels = c1
a1.channels.c1.type = file
a1.sinks.k1.type = file_roll
a1.sinks.k1.sink.directory = /var/lib/goflume/a1/out
a1.sinks.k1.sink.rollInterval = 0
a1.sinks.k1.channel = c1
`

// installed returns a copy of this machine with the deb on it.
func installed(t *testing.T) *machine {
	t.Helper()
	need(t, "dpkg")
	deb := the(t, "goflume_*_ARCH.deb")
	m := newMachine(t)
	m.put(deb, "/tmp/goflume.deb")
	m.run("install", "-d", "-m", "755", "/var/lib/goflume") // as an agent makes it that was run as root
	m.run("dpkg", "--install", "/tmp/goflume.deb")
	return m
}

func TestRealDebInstallsRunsAndGoes(t *testing.T) {
	m := installed(t)
	if got := m.run("stat", "--format", "%U:%G %a %n", "/etc/goflume", "/etc/goflume/goflume.env", "/var/lib/goflume", "/usr/bin/goflume"); got !=
		"root:goflume 750 /etc/goflume\nroot:goflume 640 /etc/goflume/goflume.env\ngoflume:goflume 750 /var/lib/goflume\nroot:root 755 /usr/bin/goflume\n" {
		t.Errorf("owners and modes:\n%s", got)
	}
	if got := m.run("dpkg", "--verify", "goflume"); got != "" {
		t.Errorf("dpkg --verify: %s", got)
	}
	if got := m.run("dpkg-query", "--show", "--showformat", "${Conffiles}", "goflume"); !regexp.MustCompile(`^\s*/etc/goflume/goflume\.env [0-9a-f]{32}\s*$`).MatchString(got) {
		t.Errorf("conffiles: %q", got)
	}
	if got := m.run("getent", "passwd", "goflume"); !strings.Contains(got, ":/var/lib/goflume:") || !strings.Contains(got, "nologin") {
		t.Errorf("user: %s", got)
	}
	if got := m.run("/usr/lib/goflume/bin/flume-ng", "version"); !strings.HasPrefix(got, "goflume v1.2.3 ") {
		t.Errorf("flume-ng version: %s", got)
	}
	if page := m.run("sh", "-c", "gzip -dc /usr/share/man/man1/goflume.1.gz"); !strings.HasPrefix(page, ".TH GOFLUME 1") {
		t.Errorf("manual page: %.80s", page)
	}

	runAsUnitDoes(t, m)

	// A newer one: what an operator wrote stays, and agents restart only with a configuration that is accepted.
	m.write("/etc/goflume/goflume.env", "640", "AGENT_DRAIN_TIMEOUT=7\n")
	m.run("mkdir", "-p", "/run/systemd/system")
	m.write("/usr/bin/systemctl", "755", fakeSystemctl)
	m.write("/usr/bin/systemd-run", "755", fakeRun)
	m.run("dpkg", "--install", "/tmp/goflume.deb")
	if got := m.run("cat", "/etc/goflume/goflume.env"); got != "AGENT_DRAIN_TIMEOUT=7\n" {
		t.Errorf("goflume.env after the upgrade: %s", got)
	}
	asked := m.run("cat", "/var/log/asked")
	if !strings.Contains(asked, "systemctl daemon-reload\n") || !strings.Contains(asked, "systemctl restart goflume@a1.service\n") || strings.Contains(asked, "systemctl stop") {
		t.Errorf("the upgrade asked of systemd:\n%s", asked)
	}
	m.write("/etc/goflume/a1.conf", "640", strings.Replace(flow, "netcat", "natcet", 1))
	m.run("rm", "/var/log/asked")
	if out := m.run("dpkg", "--install", "/tmp/goflume.deb"); !strings.Contains(out, "goflume@a1.service still runs the old program") {
		t.Errorf("the upgrade with a configuration that is refused said:\n%s", out)
	}
	if asked := m.run("cat", "/var/log/asked"); strings.Contains(asked, "systemctl restart") {
		t.Errorf("the upgrade with a configuration that is refused asked of systemd:\n%s", asked)
	}

	m.run("dpkg", "--remove", "goflume")
	if asked := m.run("cat", "/var/log/asked"); !strings.Contains(asked, "systemctl stop goflume@*.service\n") {
		t.Errorf("the removal asked of systemd:\n%s", asked)
	}
	for path, want := range map[string]bool{
		"/usr/bin/goflume": false, "/usr/share/doc/goflume": false, "/etc/goflume/goflume.env": true, "/etc/goflume/a1.conf": true, "/var/lib/goflume/a1": true,
	} {
		if m.has(path) != want {
			t.Errorf("after the removal: %s there: %v, want %v", path, !want, want)
		}
	}
	if out := m.run("dpkg", "--purge", "goflume"); !strings.Contains(out, "/var/lib/goflume is kept") {
		t.Errorf("dpkg --purge: %s", out)
	}
	for path, want := range map[string]bool{"/etc/goflume/goflume.env": false, "/etc/goflume/a1.conf": true, "/var/lib/goflume/a1": true} {
		if m.has(path) != want {
			t.Errorf("after the purge: %s there: %v, want %v", path, !want, want)
		}
	}
}

// runAsUnitDoes runs the agent a1 as goflume@a1.service would, as far as that goes without systemd: its words, its user,
// its folders, its socket. A line goes in, a file comes out.
func runAsUnitDoes(t *testing.T, m *machine) {
	t.Helper()
	unit := m.run("cat", "/usr/lib/systemd/system/goflume@.service")
	value := func(key string) string {
		found := regexp.MustCompile(`(?m)^` + key + `=(.*)$`).FindStringSubmatch(unit)
		if found == nil {
			t.Fatalf("the unit has no %s", key)
		}
		return strings.NewReplacer("%i", "a1", "%S", "/var/lib", "%t", "/run", "$GOFLUME_OPTS", "").Replace(found[1])
	}
	m.write("/etc/goflume/a1.conf", "640", flow)
	m.run("chgrp", "goflume", "/etc/goflume/a1.conf")
	for prefix, key := range map[string]string{"/var/lib/": "StateDirectory", "/run/": "RuntimeDirectory"} {
		m.run("install", "-d", "-o", value("User"), "-g", value("Group"), "-m", value(key+"Mode"), prefix+value(key))
	}
	name := "@goflume-dist-" + path.Base(m.root) + m.pid
	manager, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: name, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer manager.Close()
	manager.SetReadDeadline(time.Now().Add(2 * time.Minute))
	hear := func(want string) {
		t.Helper()
		buf := make([]byte, 4096)
		for {
			n, err := manager.Read(buf)
			if err != nil {
				t.Fatalf("waiting for %s: %v", want, err)
			}
			if bytes.HasPrefix(buf[:n], []byte(want+"\n")) {
				return
			}
		}
	}

	words := append([]string{"setpriv", "--reuid", value("User"), "--regid", value("Group"), "--clear-groups", "--no-new-privs"}, strings.Fields(value("ExecStart"))...)
	cmd := m.command(words...)
	cmd.Env = append(cmd.Env, value("Environment"), "STATE_DIRECTORY=/var/lib/"+value("StateDirectory"), "NOTIFY_SOCKET="+name, "WATCHDOG_USEC=1000000")
	agent := start(t, cmd)
	hear("READY=1")
	hear("WATCHDOG=1")
	agent.send("packaged")
	socket := regexp.MustCompile(`--admin (\S+)`).FindStringSubmatch(value("ExecStart"))[1]
	if out := m.run("goflume", "health", "--ready", "--admin", socket); out != "ok\n" {
		t.Errorf("goflume health: %q", out)
	}
	agent.signal(syscall.SIGHUP)
	hear("RELOADING=1")
	hear("READY=1")
	agent.stop()
	hear("STOPPING=1")
	if got := m.run("sh", "-c", "cat /var/lib/goflume/a1/out/*"); got != "packaged\n" {
		t.Errorf("delivered %q", got)
	}
}

// exposure is the most that systemd-analyze security may give the unit, of 100.
const exposure = "25"

func TestRealUnitIsSoundAndConfined(t *testing.T) {
	need(t, "systemd-analyze")
	m := installed(t)
	m.write("/etc/goflume/a1.conf", "640", flow)
	if out := m.run("systemd-analyze", "verify", "--man=no", "goflume@a1.service"); strings.Contains(out, "goflume") {
		t.Errorf("systemd-analyze verify:\n%s", out)
	}
	help, err := exec.Command("systemd-analyze", "--help").Output()
	if err != nil || !bytes.Contains(help, []byte("--threshold")) {
		t.Log("this systemd-analyze has no --threshold")
		return
	}
	m.run("cp", "/usr/lib/systemd/system/goflume@.service", "/etc/systemd/system/goflume@a1.service")
	out := m.run("systemd-analyze", "security", "--offline=true", "--threshold="+exposure, "/etc/systemd/system/goflume@a1.service")
	t.Log(regexp.MustCompile(`(?m)^.*Overall exposure.*$`).FindString(out))
}

func TestRealScriptsAreSoundShell(t *testing.T) {
	need(t, "sh")
	scripts, err := os.ReadDir("../../packaging/files")
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range scripts {
		if !strings.HasSuffix(s.Name(), ".sh") {
			continue
		}
		if out, err := exec.Command("sh", "-n", "../../packaging/files/"+s.Name()).CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", s.Name(), err, out)
		}
	}
}

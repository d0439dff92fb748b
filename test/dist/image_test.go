package dist

import (
	"crypto/x509"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// dockerfile reads the instructions, each with its last words.
func dockerfile(t *testing.T) map[string]string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(made(t), "docker", "Dockerfile"))
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	for line := range strings.Lines(string(text)) {
		word, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		if word != "" && word != "#" {
			all[word] = rest
		}
	}
	return all
}

// list is the JSON list of words in an instruction.
func list(t *testing.T, text string) []string {
	t.Helper()
	var words []string
	if err := json.Unmarshal([]byte(text[strings.Index(text, "["):]), &words); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return words
}

// TestRealImageRuns does by hand what an engine would do with the Dockerfile: there may be none here.
func TestRealImageRuns(t *testing.T) {
	need(t)
	if os.Geteuid() != 0 {
		lack(t, "running in another root takes root")
	}
	file := dockerfile(t)
	if file["FROM"] != "scratch" {
		t.Errorf("FROM %s, want scratch", file["FROM"])
	}
	archive := strings.Fields(file["ADD"])[0]
	root := filepath.Join(t.TempDir(), "root")
	if err := os.Mkdir(root, 0o755); err != nil {
		t.Fatal(err)
	}
	unpack(t, the(t, "docker/"+strings.ReplaceAll(archive, "${TARGETARCH}", "ARCH")), root, true)

	// Volumes come with owner and mode of what is in their place.
	uid, gid, _ := strings.Cut(file["USER"], ":")
	if uid == "0" || uid == "root" || uid == "" {
		t.Fatalf("USER %s, want somebody but root", file["USER"])
	}
	for _, dir := range append(list(t, file["VOLUME"]), "/run/goflume") {
		info, err := os.Stat(filepath.Join(root, dir))
		if err != nil {
			t.Fatal(err)
		}
		if st := info.Sys().(*syscall.Stat_t); strconv.Itoa(int(st.Uid)) != uid || strconv.Itoa(int(st.Gid)) != gid || info.Mode().Perm() != 0o750 {
			t.Errorf("%s: %d:%d %v, want %s and 0750", dir, st.Uid, st.Gid, info.Mode(), file["USER"])
		}
	}
	authorities, err := os.ReadFile(filepath.Join(root, "etc/ssl/certs/ca-certificates.crt"))
	if pool := x509.NewCertPool(); err != nil || !pool.AppendCertsFromPEM(authorities) {
		t.Errorf("root certificates: %v", err)
	}

	conf := strings.ReplaceAll(flow, "/var/lib/goflume/a1", "/var/lib/goflume")
	if err := os.WriteFile(filepath.Join(root, "etc/goflume/flume.conf"), []byte(conf), 0o644); err != nil {
		t.Fatal(err)
	}
	id, err := strconv.ParseUint(uid, 10, 32)
	if err != nil {
		t.Fatal(err)
	}
	command := func(words []string) *exec.Cmd {
		return &exec.Cmd{Path: words[0], Args: words, Dir: file["WORKDIR"], Env: strings.Fields(file["ENV"]),
			SysProcAttr: &syscall.SysProcAttr{Chroot: root, Credential: &syscall.Credential{Uid: uint32(id), Gid: uint32(id)}}}
	}
	agent := start(t, command(append(list(t, file["ENTRYPOINT"]), list(t, file["CMD"])...)))
	_, check, _ := strings.Cut(file["HEALTHCHECK"], "CMD ")
	agent.await("ready in")
	if out, err := command(list(t, check)).CombinedOutput(); err != nil || string(out) != "ok\n" {
		t.Errorf("health check: %q (%v)", out, err)
	}
	agent.send("contained")
	out := filepath.Join(root, "var/lib/goflume/out/*")
	await(t, "delivery", func() bool { // what a file channel holds at a stop stays there
		text, err := exec.Command("sh", "-c", "cat "+out).Output()
		return err == nil && len(text) > 0
	})
	if file["STOPSIGNAL"] != "SIGTERM" {
		t.Errorf("STOPSIGNAL %s", file["STOPSIGNAL"])
	}
	agent.stop()
	if out, err := command(list(t, check)).CombinedOutput(); err == nil {
		t.Errorf("health check of an agent that is gone: %q", out)
	}
	files, err := filepath.Glob(out)
	if err != nil || len(files) != 1 {
		t.Fatalf("%d files delivered (%v), want 1", len(files), err)
	}
	if got, err := os.ReadFile(files[0]); string(got) != "contained\n" || err != nil {
		t.Errorf("delivered %q (%v)", got, err)
	}
	if !slices.Contains(list(t, file["VOLUME"]), "/var/lib/goflume") {
		t.Errorf("VOLUME %s lacks what must outlive the container", file["VOLUME"])
	}
}

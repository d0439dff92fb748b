package dist

import (
	"bufio"
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// machine is a copy of this machine that a test may install things on: a layer of memory above its files, in a mount
// namespace that is gone after the test. Processes and the network are this machine's.
type machine struct {
	t    *testing.T
	root string // of the copy, in the namespace
	pid  string // of who holds the namespace
}

// setUp makes the layer in the folder $1 and the copy in $1/root.
const setUp = `set -e
mount -t tmpfs none "$1"
mkdir "$1/upper" "$1/work" "$1/root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$1/upper,workdir=$1/work" "$1/root"
mount --rbind /proc "$1/root/proc"
mount --rbind /dev "$1/root/dev"
mount -t tmpfs none "$1/root/run"
mount -t tmpfs none "$1/root/tmp"
chmod 1777 "$1/root/tmp"
echo ready
exec cat
`

// newMachine makes a copy of this machine. It takes root and the mounts of Linux; a test that cannot have them fails where
// real tests are required.
func newMachine(t *testing.T) *machine {
	t.Helper()
	need(t, "unshare", "nsenter", "chroot")
	if os.Geteuid() != 0 {
		lack(t, "installing packages takes root, in a namespace of its own")
	}
	dir := t.TempDir()
	holder := exec.Command("unshare", "--mount", "--propagation", "private", "sh", "-c", setUp, "sh", dir)
	in, err := holder.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := holder.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var errs bytes.Buffer
	holder.Stderr = &errs
	if err := holder.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		in.Close() // ends cat
		holder.Wait()
	})
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "ready\n" {
		lack(t, "a copy of this machine cannot be mounted: "+strings.TrimSpace(errs.String())+" "+errText(err))
	}
	return &machine{t, filepath.Join(dir, "root"), strconv.Itoa(holder.Process.Pid)}
}

func errText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// command is one to be run on the copy.
func (m *machine) command(args ...string) *exec.Cmd {
	cmd := exec.Command("nsenter", append([]string{"--mount", "--target", m.pid, "chroot", m.root}, args...)...)
	cmd.Env = []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "LC_ALL=C", "DEBIAN_FRONTEND=noninteractive"}
	return cmd
}

// run runs a command and returns what it printed; it has to end with status 0.
func (m *machine) run(args ...string) string {
	m.t.Helper()
	out, err := m.command(args...).CombinedOutput()
	if err != nil {
		m.t.Fatalf("%s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// write makes a file on the copy.
func (m *machine) write(path, mode, text string) {
	m.t.Helper()
	cmd := m.command("sh", "-c", `mkdir -p "$(dirname "$1")" && cat > "$1" && chmod "$2" "$1"`, "sh", path, mode)
	cmd.Stdin = strings.NewReader(text)
	if out, err := cmd.CombinedOutput(); err != nil {
		m.t.Fatalf("writing %s: %v\n%s", path, err, out)
	}
}

// put copies a file onto the copy.
func (m *machine) put(from, to string) {
	m.t.Helper()
	data, err := os.ReadFile(from)
	if err != nil {
		m.t.Fatal(err)
	}
	m.write(to, "644", string(data))
}

// has tells whether there is something at the path.
func (m *machine) has(path string) bool { return m.command("test", "-e", path).Run() == nil }

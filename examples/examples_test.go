package examples

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"sort"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

var binary string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "goflume-examples-")
	if err != nil {
		panic(err)
	}
	binary = filepath.Join(dir, "agent")
	if out, err := exec.Command("go", "build", "-o", binary, "goflume/cmd/agent").CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "%s", out)
		os.Exit(1)
	}
	code := m.Run()
	os.RemoveAll(dir)
	os.Exit(code)
}

// logbook keeps what a process says.
type logbook struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logbook) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logbook) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// listens finds where the source of an example listens.
var listens = regexp.MustCompile(`127\.0\.0\.1:[1-9]\d*`)

// run runs an example in a folder of its own until so many lines are in the files below out/dir, then stops it, and returns
// them. What prepare puts into the folder is there from the start; send goes to the source that listens.
func run(t *testing.T, name, agent, send, dir string, lines int, prepare ...func(work string) error) []string {
	t.Helper()
	return runUntil(t, name, agent, send, dir, func(work string, got int) bool { return got >= lines }, prepare...)
}

// runUntil is run until enough says so of the folder and the number of lines.
func runUntil(t *testing.T, name, agent, send, dir string, enough func(work string, got int) bool, prepare ...func(work string) error) []string {
	t.Helper()
	conf, err := filepath.Abs(name)
	if err != nil {
		t.Fatal(err)
	}
	tweets, err := filepath.Abs("tweets.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	work := t.TempDir()
	for _, f := range prepare {
		if err := f(work); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command(binary, "run", "--conf-file", conf, "--name", agent, "--admin", "off")
	cmd.Dir = work
	cmd.Env = append(os.Environ(), "PORT=0", "TWEETS="+tweets, "XDG_STATE_HOME="+work+"/state", "ELASTICSEARCH=127.0.0.1:1")
	log := new(logbook)
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	defer func() {
		cmd.Process.Kill()
		if t.Failed() {
			t.Logf("%s", log)
		}
	}()
	deadline := time.After(time.Minute)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for got := 0; !enough(work, got); {
		select {
		case err := <-ended:
			t.Fatalf("%s ends by itself: %v\n%s", name, err, log)
		case <-deadline:
			t.Fatalf("%s: no more than %d lines after 60 s", name, got)
		case <-tick.C:
		}
		if send != "" {
			address := listens.FindString(log.String())
			if address == "" {
				continue
			}
			conn, err := net.Dial("tcp", address)
			if err != nil {
				t.Fatal(err)
			}
			if err := exchange(conn, send); err != nil {
				t.Fatal(err)
			}
			send = ""
		}
		got = len(read(t, filepath.Join(work, "out", dir)))
	}
	cmd.Process.Signal(syscall.SIGTERM)
	select {
	case err := <-ended:
		if err != nil {
			t.Errorf("%s ends with %v", name, err)
		}
	case <-time.After(time.Minute):
		cmd.Process.Signal(syscall.SIGQUIT) // the log gets what every goroutine does
		<-time.After(time.Second)
		t.Fatalf("%s does not end a minute after SIGTERM", name)
	}
	return read(t, filepath.Join(work, "out", dir))
}

// exchange sends lines and reads an OK for each.
func exchange(conn net.Conn, lines string) error {
	defer conn.Close()
	if _, err := conn.Write([]byte(lines)); err != nil {
		return err
	}
	r := bufio.NewReader(conn)
	for range strings.Count(lines, "\n") {
		if answer, err := r.ReadString('\n'); answer != "OK\n" {
			return fmt.Errorf("answer %q, %v", answer, err)
		}
	}
	return nil
}

// read returns the lines of all files below dir, each with its folder in front.
func read(t *testing.T, dir string) []string {
	t.Helper()
	var lines []string
	filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.HasPrefix(d.Name(), ".") || strings.Contains(path, "checkpoint") || strings.Contains(path, "/data/") {
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return nil // renamed meanwhile
		}
		rel, _ := filepath.Rel(dir, filepath.Dir(path))
		for line := range strings.Lines(string(text)) {
			lines = append(lines, rel+": "+strings.TrimSuffix(line, "\n"))
		}
		return nil
	})
	sort.Strings(lines)
	return lines
}

func want(t *testing.T, got []string, want ...string) {
	t.Helper()
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

// byDay has "day" stand for today, and for yesterday if that was a moment ago, in front of the lines.
func byDay(lines []string) []string {
	var all []string
	for _, line := range lines {
		for _, at := range []time.Time{time.Now(), time.Now().Add(-2 * time.Minute)} {
			line = strings.Replace(line, at.Format("2006-01-02")+": ", "day: ", 1)
		}
		all = append(all, line)
	}
	return all
}

func TestFlume(t *testing.T) {
	got := run(t, "flume.conf", "ExampleAgent", "hello flume\nsecond\n", "", 2)
	want(t, byDay(got), "day: hello flume", "day: second")
}

func TestTwitterIntoHDFS(t *testing.T) {
	got := run(t, "twitter-hdfs.conf", "TwitterAgent", "", "tweets", 200)
	if len(got) != 200 {
		t.Fatalf("%d lines, want 200", len(got))
	}
	folder, text, _ := strings.Cut(got[0], ": ")
	var tweet struct {
		ID   int64 `json:"id"`
		User struct {
			ScreenName string `json:"screen_name"`
		}
	}
	if err := json.Unmarshal([]byte(text), &tweet); err != nil || !strings.HasPrefix(folder, "2026/11/") || tweet.ID == 0 || tweet.User.ScreenName == "" {
		t.Errorf("%s, %v", got[0], err)
	}
}

func TestExecIntoHDFS(t *testing.T) {
	host, err := exec.Command("uname", "-n").Output()
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for i := range 5 {
		lines = append(lines, fmt.Sprintf(".: event %d of %s", i+1, bytes.TrimSpace(host)))
	}
	want(t, run(t, "exec-hdfs.conf", "a1", "", "exec", 5), lines...)
}

func TestMultiplexing(t *testing.T) {
	want(t, run(t, "multiplexing.conf", "a1", "ERROR disk\nINFO fine\n", "", 2), "errors: ERROR disk", "others: INFO fine")
}

func TestFailover(t *testing.T) {
	want(t, run(t, "failover.conf", "a1", "hello\n", "failover/files", 1), ".: hello")
}

func TestLoadBalance(t *testing.T) {
	var send strings.Builder
	for i := range 100 {
		fmt.Fprintln(&send, i)
	}
	got := run(t, "load_balance.conf", "a1", send.String(), "balanced", 100)
	by := map[string]int{}
	for _, line := range got {
		folder, _, _ := strings.Cut(line, ": ")
		by[folder]++
	}
	if len(got) != 100 || by["one"] == 0 || by["two"] == 0 {
		t.Errorf("%v of %d lines, want both to have some of 100", by, len(got))
	}
}

func TestTaildirIntoHDFS(t *testing.T) {
	got := run(t, "taildir-hdfs.conf", "a1", "", "logs", 2, func(work string) error {
		if err := os.Mkdir(filepath.Join(work, "logs"), 0o755); err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(work, "logs", "app.log"), []byte("hello\nagain\n"), 0o644)
	})
	want(t, byDay(got), "day: again", "day: hello")
}

// The lines are compressed: that they are all there is seen by Hadoop's own reader, in the tests with real servers.
func TestSpooldirIntoSequenceFiles(t *testing.T) {
	var in string
	completed := func(string, int) bool {
		_, err := os.Stat(in + ".COMPLETED")
		return err == nil
	}
	got := runUntil(t, "spooldir-hdfs.conf", "a1", "", "spool", completed, func(work string) error {
		in = filepath.Join(work, "spool", "numbers")
		if err := os.Mkdir(filepath.Dir(in), 0o755); err != nil {
			return err
		}
		return os.WriteFile(in, []byte("1\n2\n3\n"), 0o644)
	})
	const head = "numbers: SEQ\x06!org.apache.hadoop.io.LongWritable\x19org.apache.hadoop.io.Text"
	if !slices.ContainsFunc(got, func(line string) bool { return strings.HasPrefix(line, head) }) { // the sync marker may hold line feeds
		t.Errorf("got %q, want a sequence file in the folder of the file's name", got)
	}
}

func TestEveryExampleSaysWhatItIs(t *testing.T) {
	for _, name := range Names() {
		text, _ := Text(name)
		lines := strings.SplitN(text, "\n", 5)
		for i, line := range lines[:4] {
			if strings.HasPrefix(line, "# ") != (i < 3) || len(line) > 132 {
				t.Errorf("%s: three lines say what it is and how to run it, then one is empty, got %q", name, line)
			}
		}
		if !strings.Contains(strings.Join(lines[:3], " "), "agent --conf-file") || !strings.Contains(text, Folder+name+".conf") {
			t.Errorf("%s does not say how it is run", name)
		}
	}
}

// agents are the names of the agents of an example, in order.
func agents(text string) []string {
	var names []string
	for _, m := range regexp.MustCompile(`(?m)^(\w+)\.channels = `).FindAllStringSubmatch(text, -1) {
		names = append(names, m[1])
	}
	return names
}

func TestEveryExampleIsValidWithoutAWarning(t *testing.T) {
	for _, name := range Names() {
		text, _ := Text(name)
		for _, agent := range agents(text) {
			out, err := exec.Command(binary, "validate", "--deny-warnings", "--name", agent, name+".conf").CombinedOutput()
			if err != nil || !bytes.Contains(out, []byte("no warnings")) {
				t.Errorf("validate %s: %v\n%s", name, err, out)
			}
		}
	}
}

// A test of this folder, or one with real servers, runs each agent of each example.
func TestEveryExampleIsRunByATest(t *testing.T) {
	var tests strings.Builder
	for _, pattern := range []string{"*_test.go", "../test/*_test.go", "../test/tutorial/*_test.go"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			tests.Write(text)
		}
	}
	for _, name := range Names() {
		text, _ := Text(name)
		for _, agent := range agents(text) {
			call := regexp.MustCompile(`(?:run|startExample)\(t, "` + name + `\.conf", "` + agent + `"`)
			if !call.MatchString(tests.String()) {
				t.Errorf("no test runs agent %s of %s.conf", agent, name)
			}
		}
	}
}

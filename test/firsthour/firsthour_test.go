//go:build linux

package firsthour

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"goflume/test/service"
)

const pageFile = "../../docs/first-hour.md"

var update = flag.Bool("update", false, "write what the terminals show into the page")

func TestMain(m *testing.M) { os.Exit(service.Main(m)) }

// patience is how long something on the page may take to be seen.
const patience = 60 * time.Second

// TestFirstHourWithoutServers runs the page as far as it needs nothing but the program.
func TestFirstHourWithoutServers(t *testing.T) {
	r := newReader(t)
	r.read(t, false)
}

// TestRealFirstHour runs the whole page.
func TestRealFirstHour(t *testing.T) {
	h := service.Start(t, service.HDFS{})
	k := service.Start(t, service.Kafka{})
	s := service.Start(t, service.OpenSearch{})
	r := newReader(t)
	search, err := url.Parse(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	r.place("namenode:8020", h.Addr())
	r.place("127.0.0.1:9092", k.Bootstrap())
	r.place("127.0.0.1:9200", search.Host)
	shell, err := h.Shell()
	if err != nil {
		t.Fatal(err)
	}
	// Hadoop's client logs to standard output here.
	r.program(t, "hdfs", "shift; "+quoted(shell)+` "$@" 2>/dev/null | grep -vE '^[0-9-]+ [0-9:,]+ [A-Z]+ '; true`)
	consumer, err := service.KafkaTool("org.apache.kafka.tools.consumer.ConsoleConsumer")
	if err != nil {
		t.Fatal(err)
	}
	r.program(t, "kafka-console-consumer", quoted(consumer)+` "$@" 2>/dev/null`)
	r.read(t, true)
}

// reader is who reads the page and types.
type reader struct {
	home      string // the working directory
	bin       string
	env       []string
	terminals map[string]*terminal
	places    [][2]string // what the page says and what it is here
}

// pageHome is how the page calls the working directory.
const pageHome = "/home/ada/flume"

func newReader(t *testing.T) *reader {
	t.Helper()
	agent, err := service.AgentBinary()
	if err != nil {
		t.Fatal(err)
	}
	top := t.TempDir()
	r := &reader{home: filepath.Join(top, "flume"), bin: filepath.Join(top, "bin"), terminals: map[string]*terminal{}}
	for _, dir := range []string{r.home, r.bin} {
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(agent, filepath.Join(r.bin, "agent")); err != nil {
		t.Fatal(err)
	}
	// Kinds of nc differ in when they end; this one does when every line was answered.
	r.program(t, "nc", `exec 3<>"/dev/tcp/$1/$2"; n=0; while IFS= read -r l; do printf '%s\n' "$l" >&3; n=$((n+1)); done
while [ $n -gt 0 ] && IFS= read -r a <&3; do echo "$a"; n=$((n-1)); done`)
	r.env = append(os.Environ(), "HOME="+top, "XDG_STATE_HOME="+top+"/state", "XDG_RUNTIME_DIR="+top, "AGENT_STATE_DIR="+top+"/state", "NO_COLOR=1", "TERM=dumb",
		"PATH="+r.bin+":"+os.Getenv("PATH"), "HADOOP_USER_NAME="+service.User(), "LC_ALL=C.UTF-8")
	page, err := os.ReadFile(pageFile)
	if err != nil {
		t.Fatal(err)
	}
	for i, port := range []string{"44444", "41414"} {
		r.place(port, freePort(9000+1500*i, string(page)))
	}
	r.env = append(r.env, "PORT="+r.here("44444"))
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	r.place(pageHome, r.home)
	r.place("host7", host)
	t.Cleanup(func() {
		for _, term := range r.terminals {
			term.end()
		}
	})
	return r
}

// freePort returns a port that nobody has now, of the 1500 from the first on: none that the kernel or a server of the tests takes
// soon. It is no number of the page: there that would be taken for the port.
func freePort(first int, page string) string {
	for {
		port := strconv.Itoa(first + rand.IntN(1500))
		if strings.Contains(page, port) {
			continue
		}
		if l, err := net.Listen("tcp", "127.0.0.1:"+port); err == nil {
			l.Close()
			return port
		}
	}
}

func (r *reader) place(page, here string) { r.places = append(r.places, [2]string{page, here}) }

// here is a text of the page with what it is here; there is the way back.
func (r *reader) here(text string) string {
	for _, p := range r.places {
		text = replaceWord(text, p[0], p[1])
	}
	return text
}

func (r *reader) there(text string) string {
	for _, p := range r.places {
		text = replaceWord(text, p[1], p[0])
	}
	return text
}

// replaceWord replaces a word where it is not part of a longer one, such as a port in a time stamp.
func replaceWord(text, word, by string) string {
	edge := func(c byte) bool { return !('0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z') }
	var b strings.Builder
	for {
		at := strings.Index(text, word)
		if at < 0 {
			return b.String() + text
		}
		end := at + len(word)
		b.WriteString(text[:at])
		if (at == 0 || edge(text[at-1])) && (end == len(text) || edge(text[end])) {
			b.WriteString(by)
		} else {
			b.WriteString(word)
		}
		text = text[end:]
	}
}

// program puts a script onto the path.
func (r *reader) program(t *testing.T, name, script string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(r.bin, name), []byte("#!/bin/bash\n"+script+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
}

func quoted(argv []string) string {
	var all []string
	for _, a := range argv {
		all = append(all, "'"+strings.ReplaceAll(a, "'", `'\''`)+"'")
	}
	return strings.Join(all, " ")
}

// read goes through the page, with the part that needs servers or without.
func (r *reader) read(t *testing.T, servers bool) {
	t.Helper()
	text, err := os.ReadFile(pageFile)
	if err != nil {
		t.Fatal(err)
	}
	page := strings.Split(string(text), "\n")
	steps := parse(string(text))
	if len(steps) < 5 {
		t.Fatalf("the page has %d steps", len(steps))
	}
	type change struct {
		s     step
		shown []string
	}
	var changes []change
	for _, s := range steps {
		if s.servers && !servers {
			continue
		}
		if shown, ok := r.take(t, s); !ok {
			changes = append(changes, change{s, shown})
			if !*update {
				t.Fatalf("first-hour.md:%d: $ %s\nshows\n\t%s\nthe page says\n\t%s", s.line, s.typed, strings.Join(shown, "\n\t"), strings.Join(s.output, "\n\t"))
			}
		}
	}
	for _, c := range slices.Backward(changes) {
		from := c.s.last - 1 - len(c.s.output)
		page = slices.Replace(page, from, c.s.last-1, c.shown...)
	}
	if *update && len(changes) > 0 {
		if err := os.WriteFile(pageFile, []byte(strings.Join(page, "\n")), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// take does one step and says whether the terminal shows what the page says, and what it shows.
func (r *reader) take(t *testing.T, s step) (shown []string, ok bool) {
	t.Helper()
	term := r.terminals[s.terminal]
	if term == nil {
		term = &terminal{dir: r.home}
		r.terminals[s.terminal] = term
	}
	switch {
	case s.typed == "^C":
		if !term.running() {
			t.Fatalf("first-hour.md:%d: nothing runs that Ctrl-C could end", s.line)
		}
		term.clear()
		term.interrupt()
		if !term.endsWithin(patience) {
			t.Fatalf("first-hour.md:%d: it does not end\n%s", s.line, strings.Join(term.lines(), "\n"))
		}
		shown = r.shown(term)
		_, ok = follows(shown, s.output)
		return shown, ok && (!*update || len(s.output) > 0)
	case s.typed == "": // a program goes on
		return r.goesOn(term, s)
	case term.endsWithin(patience): // of a kill in another terminal
	default:
		t.Fatalf("first-hour.md:%d: the terminal is busy with another program, which shows\n%s", s.line, strings.Join(term.lines(), "\n"))
	}
	if name, value, found := strings.Cut(strings.TrimPrefix(s.typed, "export "), "="); found && strings.HasPrefix(s.typed, "export ") {
		r.env = append(r.env, name+"="+r.here(value)) // in every terminal: the reader is told so
		return nil, true
	}
	if strings.HasPrefix(s.typed, "kill -9") {
		<-time.After(3 * time.Second) // as a reader's hand does: what was shown is committed then, and will not be shown twice
	}
	for deadline := time.Now().Add(patience); ; {
		term.env = r.env
		if err := term.start(r.here(s.typed)); err != nil {
			t.Fatal(err)
		}
		if s.terminal != "" {
			return r.goesOn(term, s)
		}
		if !term.endsWithin(patience) {
			t.Fatalf("first-hour.md:%d: $ %s does not end\n%s", s.line, s.typed, strings.Join(term.lines(), "\n"))
		}
		r.movePorts(t)
		shown = r.shown(term)
		if same(shown, s.output) {
			return shown, true
		}
		if time.Now().After(deadline) || !looks(s.typed) || *update && time.Now().After(deadline.Add(-patience+10*time.Second)) {
			return shown, false
		}
		<-time.After(500 * time.Millisecond) // what it looks at is on its way
	}
}

// looks reports whether a command only looks, so that a reader may type it again.
func looks(command string) bool {
	name, _, _ := strings.Cut(command, " ")
	return slices.Contains([]string{"cat", "ls", "curl", "hdfs", "wc"}, name)
}

// goesOn waits until a program shows what the page says, other lines between them.
func (r *reader) goesOn(term *terminal, s step) (shown []string, ok bool) {
	deadline := time.Now().Add(patience)
	if *update {
		deadline = time.Now().Add(4 * time.Second)
	}
	for {
		shown = r.shown(term)
		if n, ok := follows(shown, s.output); ok && (!*update || len(s.output) > 0) {
			term.forget(n)
			return shown, true
		}
		if time.Now().After(deadline) {
			term.forget(len(shown))
			return shown, false
		}
		<-time.After(50 * time.Millisecond)
	}
}

func (r *reader) shown(term *terminal) []string {
	var lines []string
	for _, line := range term.lines() {
		lines = append(lines, strings.TrimRight(r.there(colours.ReplaceAllString(line, "")), " \r"))
	}
	return lines
}

// movePorts puts the ports of this machine into the configurations that a command has written.
func (r *reader) movePorts(t *testing.T) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(r.home, "*.conf"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if moved := replaceWord(string(text), "44444", r.here("44444")); moved != string(text) {
			if err := os.WriteFile(file, []byte(moved), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func TestParse(t *testing.T) {
	page := "a\n```console\n$ one\nout\n$ two\n```\nb\n" + serverMark + "\n```console agent\n$ three\n```\n```sh\n$ no\n```\n```console agent\nlater\n^C\nbye\n```\n"
	var got []string
	for _, s := range parse(page) {
		got = append(got, fmt.Sprintf("%s|%s|%v|%v|%d-%d", s.terminal, s.typed, s.output, s.servers, s.line, s.last))
	}
	want := []string{"|one|[out]|false|3-5", "|two|[]|false|5-6", "agent|three|[]|true|10-11", "agent||[later]|true|16-17", "agent|^C|[bye]|true|17-19"}
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

func TestWhatDiffersFromRunToRunIsNotCompared(t *testing.T) {
	if !same([]string{"09:12:03 INFO  ready in 41 ms", "out/2026-11-20/events.1795247236102.txt"}, []string{"10:00:00 INFO  ready in 7 ms", "out/2026-11-21/events.1795247236999.txt"}) {
		t.Error("two runs differ")
	}
	if same([]string{"OK"}, []string{"FAILED"}) || same([]string{"OK"}, nil) {
		t.Error("what differs is the same")
	}
	if n, ok := follows([]string{"a", "b", "c"}, []string{"b"}); n != 2 || !ok {
		t.Errorf("follows: %d, %v, want 2 and true", n, ok)
	}
	if _, ok := follows([]string{"a"}, []string{"a", "b"}); ok {
		t.Error("a missing line follows")
	}
}

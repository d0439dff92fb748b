package conf

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func write(t *testing.T, path, text string) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestReadReportsFilesThatAreNone(t *testing.T) {
	dir := t.TempDir()
	write(t, dir+"/flume.conf", "a1.sources = r1\n")
	write(t, dir+"/flume.yaml", "a: b\n")
	write(t, dir+"/empty.conf", "")
	write(t, dir+"/comments.conf", "# a\n\n! b\n")
	write(t, dir+"/binary.conf", "a1.sources = r1\x00\n")
	write(t, dir+"/utf16.conf", "\xff\xfea\x001\x00")
	write(t, dir+"/zip.conf", "PK\x03\x04abc")
	if err := os.Mkdir(dir+"/none", 0o777); err != nil {
		t.Fatal(err)
	}
	big, err := os.Create(dir + "/big.conf")
	if err != nil {
		t.Fatal(err)
	}
	if err := big.Truncate(100 << 20); err != nil {
		t.Fatal(err)
	}
	big.Close()
	for name, want := range map[string]string{
		"flume.cnof":    "66 FL001 cannot read DIR/flume.cnof: no such file or directory | did you mean DIR/flume.conf?",
		"none":          "66 FL001 directory DIR/none has no configuration | name a file, or put one with the ending .conf or .properties there",
		"flume.yaml":    "78 FL002 DIR/flume.yaml: a configuration is a Java properties file, not yaml | rename it to .conf if it is one in spite of its name",
		"empty.conf":    "78 FL005 DIR/empty.conf has no property: nothing to run | `agent create netcat/memory/logger` prints a first configuration",
		"comments.conf": "78 FL005 DIR/comments.conf has no property: nothing to run | `agent create netcat/memory/logger` prints a first configuration",
		"binary.conf":   "78 FL004 DIR/binary.conf is a binary file, not a configuration | " + binaryHelp,
		"zip.conf":      "78 FL004 DIR/zip.conf is a binary file, not a configuration | " + binaryHelp,
		"utf16.conf":    "78 FL004 DIR/utf16.conf is UTF-16 | save it as UTF-8",
		"big.conf":      "78 FL003 DIR/big.conf is larger than the 1 MiB that a configuration may have | is this the right file? Real configurations have some thousand bytes",
	} {
		_, issues := Load(t.Context(), testEnv, nil, dir+"/"+name)
		got := fmt.Sprint(ExitCode(issues), " ", strings.TrimPrefix(strings.TrimSpace(brief(issues)), "error "))
		if got = strings.ReplaceAll(got, dir, "DIR"); got != want {
			t.Errorf("%s\n got %s\nwant %s", name, got, want)
		}
	}
}

func TestReadTakesADirectoryInTheOrderOfNames(t *testing.T) {
	dir := t.TempDir()
	write(t, dir+"/20-sink.properties", "a1.sinks = k1\na1.channels = c1\n")
	write(t, dir+"/10-source.conf", "a1.sources = r1\n")
	write(t, dir+"/.hidden.conf", "x\n")
	write(t, dir+"/README", "x\n")
	inputs, issues := Read(strings.NewReader("from stdin"), dir, "-")
	var names []string
	for _, in := range inputs {
		names = append(names, filepath.Base(in.Name))
	}
	if got := fmt.Sprint(names); got != "[10-source.conf 20-sink.properties stdin]" || len(issues) > 0 {
		t.Errorf("read %s, %s", got, brief(issues))
	}
	if string(inputs[2].Data) != "from stdin" || !inputs[0].Public {
		t.Errorf("got %+v", inputs)
	}
}

func TestLaterFilesOverride(t *testing.T) {
	s, issues := Parse(t.Context(), testEnv,
		Input{Name: "base.conf", Data: []byte("a1.sources = r1\na1.channels = c1\na1.channels.c1.type = memory\na1.sources.r1.type = seq\na1.sources.r1.channels = c1\na1.sources.r1.port = ${PORT}\nPORT = 1\n")},
		Input{Name: "site.conf", Data: []byte("PORT = 2\na1.sources.r1.batchSize = 7\n")})
	r1 := s.Agents[0].Sources[0]
	if r1.Value("port") != "2" || r1.Value("batchSize") != "7" || HasErrors(issues) {
		t.Errorf("port = %s, batchSize = %s\n%s", r1.Value("port"), r1.Value("batchSize"), brief(issues))
	}
	var b bytes.Buffer
	Sort(issues)
	if err := WriteText(&b, issues[len(issues)-1:], false); err != nil {
		t.Fatal(err)
	}
	want := `note[FL302]: PORT overrides the value in base.conf
 --> site.conf:1:8
  |
1 | PORT = 2
  |        .
 ::: base.conf:7:8
  |
7 | PORT = 1
  |        - overridden
  |

`
	if b.String() != want {
		t.Errorf("got\n%swant\n%s", b.String(), want)
	}
}

func TestLatin1IsReadWhereItIsNoUTF8(t *testing.T) {
	for _, text := range []string{"a1.sinks = k\xe9", "a1.sinks = ké"} {
		s, _ := Parse(t.Context(), testEnv, Input{Name: "flume.conf", Data: []byte(text + "\n" + strings.Replace(text, " = ", ".", 1) + ".type = null")})
		if sinks := s.Agents[0].Sinks; len(sinks) != 1 || sinks[0].Name != "ké" {
			t.Errorf("%q: sinks %v, want ké", text, sinks)
		}
	}
}

func TestPickTakesTheNamedAgentOrTheOnlyOne(t *testing.T) {
	parse := func(text string) *Set {
		s, _ := Parse(t.Context(), testEnv, Input{Name: "flume.conf", Data: []byte(text)})
		return s
	}
	one, two := parse("a.sources = r"), parse("ExampleAgent.sources = r\n\n\ncollector.sources = r")
	if a, is := one.Pick(""); is != nil || a.Name != "a" {
		t.Errorf("the only agent: %v %v", a, is)
	}
	if a, is := two.Pick("collector"); is != nil || a.Name != "collector" {
		t.Errorf("collector: %v %v", a, is)
	}
	var b bytes.Buffer
	status := []int{}
	for _, name := range []string{"ExampleAgnet", "", "x"} {
		_, is := two.Pick(name)
		status = append(status, ExitCode([]Issue{*is}))
		if err := WriteText(&b, []Issue{*is}, false); err != nil {
			t.Fatal(err)
		}
	}
	want := `error[FL101]: flume.conf has no agent named "ExampleAgnet"
  = help: did you mean --name ExampleAgent?   agents in this file: ExampleAgent (line 1), collector (line 4)

error[FL108]: flume.conf has several agents: say which with --name
  = help: agents in this file: ExampleAgent (line 1), collector (line 4)

error[FL101]: flume.conf has no agent named "x"
  = help: agents in this file: ExampleAgent (line 1), collector (line 4)

`
	if b.String() != want || fmt.Sprint(status) != "[78 64 78]" {
		t.Errorf("status %v, got\n%swant\n%s", status, b.String(), want)
	}
}

func TestJSONHasOneObjectAnIssue(t *testing.T) {
	_, _, issues := check(t, testEnv, Input{Name: "flume.conf", Data: []byte("a1.sources = r1\na1.sinks = k1\na1.sinks.k1.password = hunter2\n")})
	var b bytes.Buffer
	if err := WriteJSON(&b, issues); err != nil {
		t.Fatal(err)
	}
	var got []map[string]any
	if err := json.Unmarshal(b.Bytes(), &got); err != nil || len(got) != len(issues) {
		t.Fatalf("%v, %d objects for %d issues", err, len(got), len(issues))
	}
	for _, key := range []string{"severity", "code", "file", "line", "column", "endColumn", "message", "help", "flume"} {
		if _, ok := got[0][key]; !ok {
			t.Errorf("no %s in %v", key, got[0])
		}
	}
	if strings.Contains(b.String(), "hunter2") {
		t.Errorf("the secret is shown: %s", b.String())
	}
	b.Reset()
	if err := WriteJSON(&b, nil); err != nil || strings.TrimSpace(b.String()) != "[]" {
		t.Errorf("no issues: %q, want []", b.String())
	}
}

func TestGitHubCommands(t *testing.T) {
	_, _, issues := check(t, testEnv, Input{Name: "conf.d/a,b.conf", Data: []byte("a1.sources = r1\na1.channels = c1\na1.channels.c1.type = memroy\na1.bogus = 100%\n")})
	var b bytes.Buffer
	if err := WriteGitHub(&b, issues); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"::error file=conf.d/a%2Cb.conf,line=3,col=23,endColumn=29,title=FL210::unknown channel type \"memroy\"%0Ahelp: did you mean `memory`?\n",
		"::warning file=conf.d/a%2Cb.conf,line=4,col=4,endColumn=9,title=FL105::",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q in\n%s", want, b.String())
		}
	}
}

func TestFilesWithSecretsAreNotForEverybody(t *testing.T) {
	text := []byte("a1.sources = r1\na1.channels = c1\na1.channels.c1.type = memory\na1.sources.r1.type = avro\na1.sources.r1.bind = h\na1.sources.r1.port = 1\na1.sources.r1.channels = c1\na1.sources.r1.keystore-password = hunter2\n")
	for _, public := range []bool{true, false} {
		_, _, issues := check(t, testEnv, Input{Name: "flume.conf", Data: text, Public: public})
		if got := CheckRights(issues); (len(got) == 1) != public {
			t.Errorf("public = %v: %s", public, brief(got))
		}
	}
}

func TestNoiseIsBounded(t *testing.T) {
	var b strings.Builder
	for i := range 100000 {
		fmt.Fprintf(&b, "line %d\n", i)
	}
	out, _, issues := check(t, testEnv, Input{Name: "flume.conf", Data: []byte(b.String())})
	if len(issues) > 3*most || len(out) > 1<<16 {
		t.Errorf("%d issues, %d bytes shown", len(issues), len(out))
	}
	const rest = "and 99949 more like this"
	if again := brief(Few(issues)); !strings.Contains(out, rest) || !strings.Contains(again, rest) {
		t.Errorf("the rest is not counted: %s", again)
	}
}

// What grows with the square of the size took minutes of these.
func TestNoiseIsReadInTime(t *testing.T) {
	const size = 300_000
	long := strings.Repeat("a", size/3)
	for name, text := range map[string]string{
		"look-ups without an end": "a1.sources.r1.x = " + strings.Repeat("${", size/2),
		"look-ups of nothing":     "a1.sources.r1.x = " + strings.Repeat("${a}", size/4),
		"circles":                 "a1.sources.r1.x = " + strings.Repeat("${a1.sources.r1.x}", size/18),
		"long names":              "a1." + long + "b.x.y = 1\na1.sources." + long + ".y = 1\na1.sources = " + long[1:] + "\n",
		"URLs":                    "a1.sources = r1\na1.sources.r1.type = seq\na1.sources.r1.totalEvents = " + strings.Repeat("://a:b@ ", size/8),
	} {
		began := time.Now()
		set, issues := Parse(t.Context(), Env{}, Input{Name: "test.conf", Data: []byte(text)})
		if set != nil {
			for _, a := range set.Agents {
				issues = append(issues, decodeFake(a)...)
			}
		}
		if err := WriteText(io.Discard, issues, false); err != nil || len(issues) == 0 {
			t.Errorf("%s: %d issues, %v", name, len(issues), err)
		}
		if took := time.Since(began); took > 30*time.Second {
			t.Errorf("%s: %d bytes took %v", name, len(text), took)
		}
	}
}

func TestLongLinesAreShownAroundTheMark(t *testing.T) {
	line := "a1.channels = " + strings.Repeat("c ", 5000) + "x, " + strings.Repeat("y ", 5000)
	out, _, _ := check(t, testEnv, Input{Name: "flume.conf", Data: []byte(line)})
	for l := range strings.Lines(out) {
		if strings.Contains(l, "^^ Flume would") {
			before, _, _ := strings.Cut(l, "^")
			i := strings.Index(out, l)
			above := strings.TrimSuffix(out[:i], "\n")
			above = above[strings.LastIndexByte(above, '\n')+1:]
			if len(above) > 200 || !strings.HasPrefix(above[len(before):], "x, ") {
				t.Errorf("the caret is not below the name:\n%s\n%s", above, l)
			}
			return
		}
	}
	t.Error("no block for the comma")
}

func TestEveryReportedCodeIsExplained(t *testing.T) {
	sources, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range Codes() {
		if c.Title == "" || len(c.Text) < 80 || strings.TrimSpace(c.Text) == "" {
			t.Errorf("%s is not explained", c.ID)
		}
	}
	for _, file := range sources {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, part := range strings.Split(string(text), `"FL`)[1:] {
			if id := "FL" + part[:3]; part[0] >= '0' && part[0] <= '9' && Lookup(id).ID == "" {
				t.Errorf("%s reports %s, which is not in the table", file, id)
			}
		}
	}
}

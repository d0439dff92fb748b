package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// parse reads the command line of run without flume.opts.
func parse(t *testing.T, line string) (*options, error) {
	t.Helper()
	t.Setenv("AGENT_OPTS_FILE", filepath.Join(t.TempDir(), "none"))
	return parseOptions("run", strings.Fields(line))
}

func TestOptionsOfFlume(t *testing.T) {
	for line, want := range map[string]string{
		"--conf-file a --name b":          "[a] b",
		"-f a -n b":                       "[a] b",
		"-fa -nb":                         "[a] b",
		"-conf-file a -name b":            "[a] b",
		"-conf-file=a --name=b":           "[a] b",
		"--conf-file a -f b -conf-file c": "[a b c] ",
		"-n a1 -f x -Dflume.root.logger=INFO,console -Xmx20m": "[x] a1",
	} {
		o, err := parse(t, line)
		if got := fmt.Sprint(o.files, " ", o.name); err != nil || got != want {
			t.Errorf("%s: %s %v, want %s", line, got, err, want)
		}
	}
	o, err := parse(t, "-c /etc/flume/conf -f f -n a --no-reload-conf -i 5 -prov P -user u -pwd p -C /x -plugins-path /y -z zk:1 "+
		"-p /base -b /backup -Dflume.monitoring.type=http -Dk=a=b -Dflag -Xmx1g -javaagent:x.jar -agentlib:y -- -z")
	if err != nil {
		t.Fatal(err)
	}
	got := fmt.Sprintln(o.confDir, o.noReload, o.poll, o.provider, o.user, o.password, o.classpath, o.plugins, o.zookeeper, o.zkBase, o.backup, o.define, o.jvm, o.args)
	want := "/etc/flume/conf true 5s P u p /x /y zk:1 /base /backup map[flag: flume.monitoring.type:http k:a=b] [-Xmx1g -javaagent:x.jar -agentlib:y] [-z]\n"
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestOptionErrorsSayWhatIsNear(t *testing.T) {
	for line, want := range map[string]string{
		"--cnof-file a":       "did you mean --conf-file?",
		"-verify-host true":   "unknown shorthand flag",
		"--bogus":             "`agent help run` lists the options",
		"--conf-file":         "flag needs an argument",
		"-i soon":             "neither a number of seconds nor a duration",
		"--drain-timeout=-1s": "neither a number of seconds nor a duration",
	} {
		if _, err := parse(t, line); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", line, err, want)
		}
	}
}

func TestOptionsComeFromTheEnvironmentAndFlumeOpts(t *testing.T) {
	dir := t.TempDir()
	opts := filepath.Join(dir, "flume.opts")
	if err := os.WriteFile(opts, []byte("# defaults\nconf-file = /etc/flume/flume.conf\nname=fromopts\npoll-interval: 60\nno-reload-conf = true\nlog-level = debug\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("AGENT_OPTS_FILE", opts)
	t.Setenv("AGENT_LOG_LEVEL", "warn")
	t.Setenv("AGENT_DRAIN_TIMEOUT", "5")
	o, err := parseOptions("run", []string{"-n", "fromline"})
	if err != nil {
		t.Fatal(err)
	}
	got := fmt.Sprintln(o.files, o.name, o.poll, o.noReload, o.logLevel, o.drain)
	if want := "[/etc/flume/flume.conf] fromline 1m0s true warn 5s\n"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if err := os.WriteFile(opts, []byte("cnof-file = x\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := parseOptions("run", nil); err == nil || !strings.Contains(err.Error(), "there is no option cnof-file") {
		t.Errorf("got %v, want a complaint about the file", err)
	}
	t.Setenv("AGENT_POLL_INTERVAL", "often")
	if _, err := parseOptions("run", nil); err == nil || !strings.Contains(err.Error(), "AGENT_POLL_INTERVAL") {
		t.Errorf("got %v, want a complaint about the variable", err)
	}
}

func TestFlumeEnvIsReadAsData(t *testing.T) {
	dir := t.TempDir()
	text := `# comment
export JAVA_HOME=/usr/lib/jvm/java-8
export JAVA_OPTS="-Xms100m -Xmx2000m -Dcom.sun.management.jmxremote -Dkey=a"
export JAVA_OPTS="$JAVA_OPTS -Dorg.apache.flume.log.rawdata=true"
FLUME_CLASSPATH=''   # nothing
export A='$literal' B=2
export C=$(hostname)
. /etc/profile
export D=a\ b${JAVA_HOME}'c d'"e $HOST"
export E="open
`
	if err := os.WriteFile(filepath.Join(dir, "flume-env.sh"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	s := readScript(dir, func(name string) string { return "<" + name + ">" })
	if got, want := fmt.Sprint(s.javaOptions()), "[-Xms100m -Xmx2000m -Dcom.sun.management.jmxremote -Dkey=a -Dorg.apache.flume.log.rawdata=true]"; got != want {
		t.Errorf("java options %s, want %s", got, want)
	}
	if got, want := s.vars["D"], "a b/usr/lib/jvm/java-8c de <HOST>"; got != want {
		t.Errorf("D = %q, want %q", got, want)
	}
	var lines []string
	for _, is := range s.issues {
		lines = append(lines, fmt.Sprintf("%d %s %s", is.At.Line, is.Code, strings.TrimPrefix(is.Message, "line of flume-env.sh is not understood: ")))
	}
	want := "6 FL020 there is more behind the value|7 FL020 it runs a command|8 FL020 it sets no variable|10 FL020 a quote is not closed"
	if got := strings.Join(lines, "|"); got != want {
		t.Errorf("issues\n got %s\nwant %s", got, want)
	}
	if s := readScript(filepath.Join(dir, "none"), os.Getenv); len(s.vars)+len(s.issues) > 0 {
		t.Errorf("without a file: %v", s)
	}
}

func TestSecondsTakeNumbersAndUnits(t *testing.T) {
	for text, want := range map[string]time.Duration{"30": 30 * time.Second, "1m30s": 90 * time.Second, "0": 0} {
		var s seconds
		if err := s.Set(text); err != nil || time.Duration(s) != want {
			t.Errorf("%s: %v %v, want %v", text, time.Duration(s), err, want)
		}
	}
}

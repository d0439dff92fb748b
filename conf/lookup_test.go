package conf

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// value resolves `a1.sinks.k1.x = <text>` beside the other lines and returns it with the issues of it.
func value(t *testing.T, env Env, text string, others ...string) (Property, []Issue) {
	t.Helper()
	lines := append([]string{"a1.sinks = k1", "a1.channels = c1", "a1.channels.c1.type = memory", "a1.sinks.k1.channel = c1",
		"a1.sinks.k1.x = " + strings.ReplaceAll(text, `\`, `\\`)}, others...)
	s, issues := Parse(t.Context(), env, Input{Name: "flume.conf", Data: []byte(strings.Join(lines, "\n"))})
	p, ok := byName(s.Agents[0].Sinks, "k1").Get("x")
	if !ok {
		return Property{}, issues
	}
	return p, issues
}

func TestLookups(t *testing.T) {
	dir := t.TempDir()
	secret := filepath.Join(dir, "secret")
	if err := os.WriteFile(secret, []byte("pa${ss}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	env := testEnv
	env.SecretsDir = dir
	for text, want := range map[string]string{
		"plain":                          "plain",
		"${env:PORT}":                    "44444",
		"${ENV:PORT}/${Env:HOST}":        "44444/127.0.0.1",
		"${sys:flume.dir}/x":             "/var/flume/x",
		"${sys:file.separator}":          "/",
		"${java:version}":                "goflume 1.0.0",
		"${date:yyyy-MM-dd}":             "2026-11-20",
		"${a1.channels.c1.type}":         "memory",
		"${VAR}":                         "value",
		"${chain}":                       "1-value-1",
		"${env:MISSING:-none}":           "none",
		"${env:MISSING:-${env:PORT}}":    "44444",
		"${env:MISSING:-}x":              "x",
		"${env:EMPTY:-none}x":            "x",
		"${env:${p}ST}":                  "127.0.0.1",
		"${env:${env:NAME}ST}":           "127.0.0.1",
		"$${env:PORT}":                   "${env:PORT}",
		"a$${b${env:PORT}}c":             "a${b44444}c",
		"$ {x} $x $1 }{":                 "$ {x} $x $1 }{",
		"${open":                         "${open",
		"${open ${env:PORT}":             "${open 44444",
		"${env:PASS}":                    "s3cr3t ${x}",
		"${file:UTF-8:" + secret + "}":   "pa${ss}",
		"${cred:secret}":                 "pa${ss}",
		"${f1['PORT']}:${f1[\"HOST\"]}":  "44444:127.0.0.1",
		"${f1[PORT]}":                    "44444",
		"${f1['NOPE']:-d}":               "d",
		"${f2['key']}":                   "value of key",
		"${f2['key']} and ${f2['key']}":  "value of key and value of key",
		"%{host}/%Y-%m-%d ${env:PORT} #": "%{host}/%Y-%m-%d 44444 #",
	} {
		p, issues := value(t, env, text, "VAR = value", "chain = ${one}-${VAR}-${one}", "one = 1", "p = HO",
			"a1.configfilters = f1 f2", "a1.configfilters.f1.type = ENV", "a1.configfilters.f2.type = external",
			"a1.configfilters.f2.command = echo   value  of")
		if p.Value != want || p.Broken || HasErrors(issues) {
			t.Errorf("%s = %q, want %q\n%s", text, p.Value, want, brief(issues))
		}
		fromStore := strings.Contains(text, "file:") || strings.Contains(text, "cred:") || strings.Contains(text, "['") || strings.Contains(text, "[\"") || strings.Contains(text, "[P")
		if p.Hidden != (fromStore && !strings.Contains(text, "NOPE")) {
			t.Errorf("%s: hidden = %v", text, p.Hidden)
		}
	}
}

func TestLookupsThatResolveToNothing(t *testing.T) {
	dir := t.TempDir()
	for text, want := range map[string]string{
		"${env:MISSING}":                  "FL110 environment variable MISSING is not set",
		"${sys:missing}":                  "FL110 system property missing is not set: there is no -Dmissing=...",
		"${missing}":                      "FL110 there is no property missing",
		"${PORT}":                         "FL110 there is no property PORT; the environment variable is written ${env:PORT}",
		"${script:javascript:1}":          "FL110 there are no look-ups of kind script",
		"${evn:PORT}":                     "FL110 there are no look-ups of kind evn: did you mean env?",
		"${file:/etc/x}":                  "FL110 ${file:/etc/x} has no character set: write ${file:UTF-8:/etc/x}",
		"${file:KLINGON:/etc/x}":          "FL110 ${file:KLINGON:/etc/x} has an unknown character set: write UTF-8",
		"${file:UTF-8:" + dir + "/x}":     "FL110 cannot read secret file " + dir + "/x: no such file or directory",
		"${cred:../x}":                    `FL110 "../x" is not the name of a credential: it is one file name, no path`,
		"${cred:..}":                      `FL110 ".." is not the name of a credential: it is one file name, no path`,
		"${java:nope}":                    "FL110 ${java:nope} is not known: version, runtime, vm, os, hardware, locale",
		"${date:b}":                       `FL110 date pattern "b": letter b is not known`,
		"${date:'x}":                      `FL110 date pattern "'x": a quote is not closed`,
		"${f1['key']}":                    "FL110 agent a1 has no config filter f1",
		"${f2['NOPE']}":                   "FL110 config filter f2: environment variable NOPE is not set",
		"${f3['x']}":                      "FL110 config filter f3, key x: command false: exit status 1",
		"${f4['x']}":                      "FL110 config filter f4, key x: command true printed nothing",
		"${a1.sinks.k1.x}":                "FL111 a1.sinks.k1.x refers to itself by way of ${a1.sinks.k1.x}",
		"${loop}":                         "FL111 loop2 refers to itself by way of ${loop}",
		"${env:MISSING:-${env:MISSING2}}": "FL110 environment variable MISSING2 is not set",
	} {
		env := testEnv
		env.SecretsDir = dir
		p, issues := value(t, env, text, "loop = ${loop2}", "loop2 = ${loop}", "a1.configfilters = f2 f3 f4",
			"a1.configfilters.f2.type = env", "a1.configfilters.f3.type = external", "a1.configfilters.f3.command = false",
			"a1.configfilters.f4.type = external", "a1.configfilters.f4.command = true")
		found := false
		for _, is := range issues {
			found = found || is.Severity == Error && is.Code+" "+is.Message == want
		}
		if !found || !p.Broken {
			t.Errorf("%s: broken = %v, issues\n%swant %s", text, p.Broken, brief(issues), want)
		}
		env.Lenient = true
		if p, issues = value(t, env, text); p.Value != text && !strings.Contains(text, ":-") || strings.Contains(want, "FL110") && HasErrors(issues) {
			t.Errorf("lenient: %s = %q, want the text itself\n%s", text, p.Value, brief(issues))
		}
	}
}

func TestBareNamesAreEnvironmentVariablesWhenAskedFor(t *testing.T) {
	env := testEnv
	env.BareEnv = true
	if p, _ := value(t, env, "${PORT} ${one}", "one = 1"); p.Value != "44444 1" {
		t.Errorf("got %q, want 44444 1", p.Value)
	}
	if _, issues := value(t, env, "${NOPE}"); !strings.Contains(brief(issues), "neither a property nor an environment variable NOPE") {
		t.Errorf("got %s", brief(issues))
	}
}

func TestPropertiesThatDoubleEachOtherEnd(t *testing.T) {
	lines := []string{"x0 = 0123456789"}
	for i := 1; i < 40; i++ {
		before := "${x" + string(rune('0'+(i-1)/10)) + string(rune('0'+(i-1)%10)) + "}"
		if i == 1 {
			before = "${x0}"
		}
		lines = append(lines, "x"+string(rune('0'+i/10))+string(rune('0'+i%10))+" = "+before+before)
	}
	p, issues := value(t, testEnv, "${x39}", lines...)
	if len(p.Value) > 2*maxExpanded || !HasErrors(issues) {
		t.Errorf("value of %d bytes with\n%s", len(p.Value), brief(issues))
	}
}

// Without its command there would be the key alone, and that would be run.
func TestFilterWithoutACommandRunsNothing(t *testing.T) {
	p, issues := value(t, testEnv, "${f1['true']}", "a1.configfilters = f1", "a1.configfilters.f1.type = external",
		"a1.configfilters.f1.command = ${env:EMPTY}")
	if !p.Broken || !strings.Contains(brief(issues), "config filter f1 needs `command`") {
		t.Errorf("%+v\n%s\nwant an error", p, brief(issues))
	}
}

func TestFilterCommandIsBounded(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err := externalFilter{Command: "sleep"}.run(ctx, "60")
	if err == nil || !strings.Contains(err.Error(), "no answer within") {
		t.Errorf("got %v, want no answer", err)
	}
	out, err := externalFilter{Command: "head -c 200000"}.run(t.Context(), "/dev/zero")
	if err != nil || len(out) > 2*64<<10 {
		t.Errorf("endless output: %d bytes, %v", len(out), err)
	}
}

func TestDatesAsJavaFormatsThem(t *testing.T) {
	at := time.Date(2026, 3, 5, 0, 7, 9, 45e6, time.FixedZone("CET", 3600))
	for pattern, want := range map[string]string{
		"yyyy-MM-dd'T'HH:mm:ss.SSSZ": "2026-03-05T00:07:09.045+0100",
		"yy/M/d h:mm a":              "26/3/5 12:07 AM",
		"EEE EEEE MMM MMMM":          "Thu Thursday Mar March",
		"k K D u X z G":              "24 0 64 4 +01 CET AD",
		"''yyyy'''o''clock'":         "'2026'o'clock",
		"":                           "3/5/26, 12:07 AM",
	} {
		if got, err := formatDate(at, pattern); got != want || err != nil {
			t.Errorf("%s: %q %v, want %q", pattern, got, err, want)
		}
	}
}

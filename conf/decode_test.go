package conf

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

// node makes the node of sink a1.sinks.k1 of type test sink from lines of `key = value`.
func node(lines ...string) *Node {
	n := &Node{Agent: "a1", Family: "sinks", Name: "k1", Type: "test sink"}
	f := &File{Name: "test.conf", Lines: lines}
	for i, line := range lines {
		key, value, _ := strings.Cut(line, "=")
		key = strings.TrimSpace(key)
		column := strings.Index(line, "=") + 3
		value = strings.TrimSpace(value)
		n.Props = append(n.Props, Property{Key: key, Value: value, Written: value,
			KeyAt:   Pos{f, i + 1, 1, 1 + len(key)},
			ValueAt: Pos{f, i + 1, column, column + len([]rune(value))}})
	}
	return n
}

// brief shows issues as `severity code message | help`.
func brief(issues []Issue) string {
	var b strings.Builder
	for _, i := range issues {
		fmt.Fprintf(&b, "%s %s %s", i.Severity, i.Code, i.Message)
		if len(i.Help) > 0 {
			b.WriteString(" | " + strings.Join(i.Help, " "))
		}
		b.WriteByte('\n')
	}
	return b.String()
}

type upper string

func (u *upper) UnmarshalText(b []byte) error {
	if len(b) > 3 {
		return errors.New("longer than 3")
	}
	*u = upper(strings.ToUpper(string(b)))
	return nil
}

type tlsPart struct {
	// Whether to encrypt.
	On  bool   `conf:"ssl" was:"useSSL"`
	Key Secret `conf:"keystore-password"`
}

func (t *tlsPart) Validate() error {
	if t.On && t.Key == "" {
		return Errorf("keystore-password", "is needed when ssl is on")
	}
	return nil
}

type part struct{ Got []Property }

func (p *part) DecodeNode(n *Node, key string) []Issue { p.Got = n.Props; return nil }

type all struct {
	Path     string            `conf:"hdfs.path"`
	Port     int               `conf:"port" min:"0" max:"65535"`
	Small    int8              `conf:"small"`
	Count    uint16            `conf:"count" min:"1"`
	Ratio    float64           `conf:"ratio" min:"0" max:"1"`
	On       bool              `conf:"on"`
	Wait     time.Duration     `conf:"wait" unit:"s" min:"1"`
	Poll     time.Duration     `conf:"poll"`
	Names    []string          `conf:"names"`
	Hosts    []string          `conf:"hosts" sep:","`
	Mode     string            `conf:"mode" enum:"DataStream|SequenceFile"`
	Word     upper             `conf:"word"`
	Batch    int               `conf:"batchSize,batch" was:"hdfs.batchSize,batch-size"`
	TLS      tlsPart           `conf:",inline"`
	Proxy    tlsPart           `conf:"proxy,inline"`
	Format   part              `conf:"serializer"`
	Kafka    map[string]string `conf:"kafka.*"`
	Producer map[string]string `conf:"kafka.producer.*"`
	Rest     *Node             `conf:"rest.*"`
}

func TestDecodeReadsEveryKindOfField(t *testing.T) {
	got := all{Kafka: map[string]string{"linger": "1", "kept": "yes"}, Batch: 7}
	issues := Decode(node(
		"hdfs.path = /a b", "port = +80", "small = -7", "count = 9", "ratio = 0.5", "on = TRUE", "wait = 3", "poll = 1500ms",
		"names = b a  c", "hosts = x:1, y:2 ,", "mode = datastream", "word = abc", "ssl = true", "keystore-password = ${env:P}",
		"proxy.ssl = False", "serializer = text", "serializer.appendNewline = false",
		"kafka.linger = 5", "kafka.producer.acks = all", "kafka.producer.a.b = c", "rest.x.y = 1"), &got)
	if len(issues) > 0 {
		t.Fatalf("issues:\n%s", brief(issues))
	}
	if len(got.Format.Got) != 2 || got.Format.Got[1].Key != "serializer.appendNewline" {
		t.Errorf("serializer was given %v, want both of its properties", got.Format.Got)
	}
	if v := got.Rest.Value("x.y"); v != "1" || got.Rest.Path() != "a1.sinks.k1.rest" {
		t.Errorf("rest: x.y = %q below %s, want 1 below a1.sinks.k1.rest", v, got.Rest.Path())
	}
	got.Format, got.Rest = part{}, nil
	want := all{Path: "/a b", Port: 80, Small: -7, Count: 9, Ratio: 0.5, On: true, Wait: 3 * time.Second,
		Poll: 1500 * time.Millisecond, Names: []string{"b", "a", "c"}, Hosts: []string{"x:1", "y:2"}, Mode: "DataStream",
		Word: "ABC", Batch: 7, TLS: tlsPart{On: true, Key: "${env:P}"},
		Kafka:    map[string]string{"linger": "5", "kept": "yes"},
		Producer: map[string]string{"acks": "all", "a.b": "c"}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func TestDecodeReportsBadValues(t *testing.T) {
	for line, want := range map[string]string{
		"port = 1k":              "error FL402 port is \"1k\": not a whole number | write digits only: `1000`",
		"port = 0x10":            "error FL402 port is \"0x10\": not a whole number",
		"port = 1_000":           "error FL402 port is \"1_000\": not a whole number | write digits only: `1000`",
		"port = 3 # three":       "error FL402 port is \"3 # three\": not a whole number | a `#` after a value is part of it: put the comment on a line of its own, and leave `3` here",
		"port = 65536":           "error FL403 port is 65536: must be 0 to 65535",
		"port = -1":              "error FL403 port is -1: must be 0 to 65535",
		"small = 128":            "error FL403 small is 128: out of range",
		"count = 0":              "error FL403 count is 0: must be at least 1",
		"count = 70000":          "error FL403 count is 70000: out of range",
		"count = -1":             "error FL403 count is -1: must be at least 1",
		"ratio = NaN":            "error FL402 ratio is \"NaN\": not a number",
		"ratio = 1.5":            "error FL403 ratio is 1.5: must be 0 to 1",
		"on = yes":               "error FL405 on is \"yes\": must be true or false | write `true`; Flume has read it as false so far",
		"on = 0":                 "error FL405 on is \"0\": must be true or false | write `false`",
		"on = maybe":             "error FL405 on is \"maybe\": must be true or false | write `true` or `false`",
		"wait = soon":            "error FL406 wait is \"soon\": not a duration | write a number of seconds, or a number with ms, s, m, h or d",
		"wait = 10ms":            "error FL403 wait is 10ms: must be at least 1 seconds",
		"poll = 1.5":             "error FL406 poll is \"1.5\": not a duration | write a number of milliseconds, or a number with ms, s, m, h or d",
		"mode = DataSteam":       "error FL404 mode is \"DataSteam\": must be one of DataStream, SequenceFile | did you mean `DataStream`?",
		"mode = x":               "error FL404 mode is \"x\": must be one of DataStream, SequenceFile",
		"word = abcd":            "error FL407 word cannot be \"abcd\": longer than 3",
		"proxy.ssl = true":       "error FL408 proxy.keystore-password: is needed when ssl is on",
		"hdfs.pth = x":           "warning FL301 unknown property \"hdfs.pth\" for a test sink: ignored | did you mean `hdfs.path`?",
		"PORT = 1":               "warning FL301 unknown property \"PORT\" for a test sink: ignored | did you mean `port`? (default 0)",
		"path = 1":               "warning FL301 unknown property \"path\" for a test sink: ignored | did you mean `hdfs.path`?",
		"kafka.port = 1":         "",
		"kafak.linger = 1":       "warning FL301 unknown property \"kafak.linger\" for a test sink: ignored | did you mean `kafka.linger`?",
		"completelyelse = 1":     "warning FL301 unknown property \"completelyelse\" for a test sink: ignored",
		"useSSL = false":         "warning FL310 property \"useSSL\" is deprecated | rename it: `a1.sinks.k1.ssl`",
		"batch-size = x":         "warning FL310 property \"batch-size\" is deprecated | rename it: `a1.sinks.k1.batchSize`\nerror FL402 batch-size is \"x\": not a whole number",
		"keystore-password=a":    "warning FL520 keystore-password is written in the file in clear text | `a1.sinks.k1.keystore-password = ${file:UTF-8:/path/of/a/secret}`, or ${env:NAME}, or ${cred:name}",
		"kafka.ssl.password = a": "warning FL520 kafka.ssl.password is written in the file in clear text | `a1.sinks.k1.kafka.ssl.password = ${file:UTF-8:/path/of/a/secret}`, or ${env:NAME}, or ${cred:name}",
	} {
		if got := strings.TrimSpace(brief(Decode(node(line), &all{}))); got != want {
			t.Errorf("%s\n got %s\nwant %s", line, got, want)
		}
	}
}

func TestDecodeReadsDurations(t *testing.T) {
	for value, want := range map[string]time.Duration{
		"20": 20 * time.Second, "1m": time.Minute, "1h30m": 90 * time.Minute, "2d": 48 * time.Hour, "1500 ms": 1500 * time.Millisecond,
		"9223372036854775807": 1<<63 - 1,
	} {
		var got all
		if issues := Decode(node("wait = "+value), &got); len(issues) > 0 || got.Wait != want {
			t.Errorf("wait = %s: %v %s, want %v", value, got.Wait, brief(issues), want)
		}
	}
}

type needy struct {
	Bind string `conf:"bind,required" was:"host"`
	Port int    `conf:"port,required"`
}

func TestDecodeReportsWhatIsMissing(t *testing.T) {
	issues := Decode(node("type = needy", "prot = 1"), &needy{}, &struct {
		Type string `conf:"type"`
	}{})
	want := "warning FL301 unknown property \"prot\" for a test sink: ignored | did you mean `port`?\n" +
		"error FL401 sink k1 needs `bind` | add `a1.sinks.k1.bind = ...` (text)\n" +
		"error FL401 sink k1 needs `port` | add `a1.sinks.k1.port = ...` (whole number)\n"
	if got := brief(issues); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	if at := issues[1].At; at.Line != 1 || at.Column != 8 {
		t.Errorf("missing bind is shown at %v, want at the type", at)
	}
	if also := issues[2].Also; len(also) != 1 || also[0].At.Line != 2 {
		t.Errorf("missing port: second places %v, want the line of prot", also)
	}
}

func TestDecodeTakesTheNewOfTwoNames(t *testing.T) {
	var got needy
	issues := Decode(node("host = old", "bind = new", "port = 1"), &got)
	if got.Bind != "new" || len(issues) != 1 || issues[0].Code != "FL310" || len(issues[0].Also) != 1 {
		t.Errorf("bind = %q with %s, want new and one warning that shows both", got.Bind, brief(issues))
	}
}

func TestDecodeNeverShowsASecret(t *testing.T) {
	for _, i := range Decode(node("keystore-password = hunter2", "a.password = hunter2", "apiKey = hunter2"), &all{}) {
		if !i.Secret {
			t.Errorf("%s %s is not marked as a secret", i.Code, i.Message)
		}
		if strings.Contains(fmt.Sprint(i.Message, i.Help, i.Notes, i.Flume), "hunter2") {
			t.Errorf("%s shows the secret: %+v", i.Code, i)
		}
	}
}

type withURL struct {
	URL  string `conf:"url"`
	Port int    `conf:"port"`
}

func (s withURL) Validate() error { return Errorf("url", "%q is no URL", s.URL) }

func TestNoPasswordOfAURLIsShown(t *testing.T) {
	for _, password := range []string{"s3cr%zzet", "zzet/s3cr", "s3cr/zzet", "s3cr@zzet", "zz@et/s3cr@zz", "1/zzet", "s3cr?zzet#zz", `zz"et`} {
		url := "http://bob:" + password + "@h:9200"
		n := node("url = " + url)
		issues := slices.Concat(Decode(n, &withURL{}), Decode(node("port = "+url), &withURL{}), BuildIssues(n, Errorf("url", "%s is no URL", url)))
		if len(issues) < 3 {
			t.Fatalf("%s, want the port and twice the URL blamed", brief(issues))
		}
		var text, json, github, sarif strings.Builder
		err := errors.Join(WriteText(&text, issues, false), WriteJSON(&json, issues), WriteGitHub(&github, issues), WriteSARIF(&sarif, "1", issues))
		for _, shown := range []string{text.String(), json.String(), github.String(), sarif.String()} {
			if strings.Contains(shown, "zz") || strings.Contains(shown, "s3cr") || !strings.Contains(shown, "http://"+Mask+"@h") || err != nil {
				t.Errorf("%v, the password %s is shown or the URL is not:\n%s", err, password, shown)
			}
		}
	}
}

func TestNoValueOfASecretStoreIsShown(t *testing.T) {
	n := node("url = zzet and more")
	n.Props[0].Hidden = true
	said := Errorf("url", "%s is no URL", "zzet and more")
	said.(*KeyError).Help = "write another one than zzet and more"
	issues := slices.Concat(Decode(n, &withURL{}), BuildIssues(n, said), []Issue{ProbeIssue(n, "", errors.New("zzet and more: no such host"))})
	var text strings.Builder
	if err := WriteText(&text, issues, false); err != nil || len(issues) != 3 {
		t.Fatalf("%v, %s, want three", err, brief(issues))
	}
	for _, is := range issues {
		if strings.Contains(fmt.Sprint(is.Message, is.Help), "zzet") {
			t.Errorf("the secret is shown: %s %q", is.Message, is.Help)
		}
	}
}

func TestURLsWithoutAPasswordAreShown(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"http://h:9200/a/b", "http://h:9200/a/b"},
		{"hdfs://nn/logs/a@b is no path", "hdfs://nn/logs/a@b is no path"},
		{"http://h:9200 is for bob@example.com", "http://h:9200 is for bob@example.com"},
		{"http://h:9200,http://h2", "http://h:9200,http://h2"},
		{"://@h", "://@h"},
		{"http://token@h, https://u:p@w@h2/x://y", "http://" + Mask + "@h, https://" + Mask + "@h2/x://y"},
	} {
		if got := MaskURLs(c.text); got != c.want {
			t.Errorf("%s is shown as %s, want %s", c.text, got, c.want)
		}
	}
}

func TestFieldsDescribeSettings(t *testing.T) {
	fields := Fields(all{Poll: 250 * time.Millisecond, Wait: 1500 * time.Millisecond, Hosts: []string{"a", "b"}, Ratio: 0.25,
		TLS: tlsPart{Key: "x"}})
	byKey := map[string]Field{}
	for _, f := range fields {
		byKey[f.Key] = f
	}
	for key, want := range map[string]string{
		"port": "0|whole number|0 to 65535|Port", "ratio": "0.25|number|0 to 1|Ratio", "on": "false|true or false||On",
		"wait": "1.5s|seconds|at least 1|Wait", "poll": "250|milliseconds||Poll", "hosts": "a,b|list||Hosts",
		"mode": "|DataStream, SequenceFile||Mode", "keystore-password": "|secret||Key", "proxy.ssl": "false|true or false||On",
		"kafka.producer.*": "|properties||Producer",
	} {
		f, ok := byKey[key]
		if got := f.Default + "|" + f.Kind() + "|" + f.Bounds() + "|" + f.Name; !ok || got != want {
			t.Errorf("%s: %s, want %s", key, got, want)
		}
	}
	if f := byKey["proxy.ssl"]; f.Struct != "goflume/conf.tlsPart" || len(f.Was) != 1 || f.Was[0] != "proxy.useSSL" {
		t.Errorf("proxy.ssl is declared in %s, was %v; want goflume/conf.tlsPart, proxy.useSSL", f.Struct, f.Was)
	}
}

func TestFieldsRefuseWhatCannotBeDecoded(t *testing.T) {
	for name, s := range map[string]any{
		"complex": struct {
			A complex128 `conf:"a"`
		}{},
		"option": struct {
			A int `conf:"a,optional"`
		}{},
		"star": struct {
			A string `conf:"a.*"`
		}{},
		"unexported": struct {
			a int `conf:"a"`
		}{},
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: accepted", name)
				}
			}()
			Fields(s)
		}()
	}
}

func TestNearest(t *testing.T) {
	types := []string{"hdfs", "hbase", "hive", "http", "logger", "null", "file_roll", "avro", "org.apache.flume.sink.kafka.KafkaSink"}
	for word, want := range map[string]string{
		"hfds": "hdfs", "HDSF": "hdfs", "loger": "logger", "fileroll": "file_roll", "nul": "null", "x": "", "kinesis": "",
		"com.example.KafkaSink": "org.apache.flume.sink.kafka.KafkaSink", "com.example.Other": "", "": "",
	} {
		if got := NearestType(word, types); got != want {
			t.Errorf("NearestType(%q) = %q, want %q", word, got, want)
		}
	}
}

func TestSecretKeys(t *testing.T) {
	for key, want := range map[string]bool{
		"consumerSecret": true, "kafka.producer.ssl.keystore.password": true, "sasl.jaas.config": true, "kafka.consumer.sasl.jaas.config": true,
		"accessToken": true, "apiKey": true, "key": false, "password.policy": false, "hdfs.path": false,
	} {
		if got := SecretKey(key); got != want {
			t.Errorf("SecretKey(%q) = %v, want %v", key, got, want)
		}
	}
}

func TestItemsHaveTheirOwnPlaces(t *testing.T) {
	var got []string
	for _, item := range node("sinks =   k1 \t kö  k3").Items("sinks") {
		got = append(got, fmt.Sprint(item.Name, item.At.Column, "-", item.At.EndColumn))
	}
	// The helper puts the value at column 9, where its first blank is: not the text, so the items share the value's place.
	if want := "[k19-20 kö9-20 k39-20]"; fmt.Sprint(got) != want {
		t.Errorf("got %v, want %s", got, want)
	}
	got = nil
	for _, item := range node("sinks = k1 \t kö  k3").Items("sinks") {
		got = append(got, fmt.Sprint(item.Name, item.At.Column, "-", item.At.EndColumn))
	}
	if want := "[k19-11 kö14-16 k318-20]"; fmt.Sprint(got) != want {
		t.Errorf("got %v, want %s", got, want)
	}
}

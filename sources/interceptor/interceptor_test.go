package interceptor

import (
	"fmt"
	"log/slog"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"goflume/event"
	"goflume/internal/charset"
	"goflume/internal/metric"
	"goflume/internal/registry"
)

func env() registry.Env {
	return registry.Env{Name: "i1", Log: slog.New(slog.DiscardHandler), Metrics: metric.NewSet(metric.Source, "a1", "r1", "seq")}
}

func build[S any](t *testing.T, make func(registry.Env, S) (Interceptor, error), s S) Interceptor {
	t.Helper()
	if v, ok := any(s).(interface{ Validate() error }); ok {
		if err := v.Validate(); err != nil {
			t.Fatal(err)
		}
	}
	i, err := make(env(), s)
	if err != nil {
		t.Fatal(err)
	}
	return i
}

// run sends bodies through i; a body may have headers in front: `k=v,k=v|body`.
func run(t *testing.T, i Interceptor, in ...string) []string {
	t.Helper()
	var b event.Batch
	for _, s := range in {
		headers, body, ok := strings.Cut(s, "|")
		if !ok {
			headers, body = "", s
		}
		e := b.Add([]byte(body))
		for _, h := range strings.FieldsFunc(headers, func(r rune) bool { return r == ',' }) {
			k, v, _ := strings.Cut(h, "=")
			b.SetHeader(e, k, v)
		}
	}
	if err := i.Intercept(&b); err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, e := range b.Events {
		s := ""
		for _, h := range e.Headers {
			s += h.Key + "=" + h.Value + ","
		}
		out = append(out, strings.TrimSuffix(s, ",")+"|"+string(e.Body))
	}
	return out
}

func want(t *testing.T, got []string, want ...string) {
	t.Helper()
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

func TestTimestampIsTheTimeOfTheBatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		now := strconv.FormatInt(time.Now().UnixMilli(), 10)
		want(t, run(t, build(t, newTimestamp, TimestampSettings{HeaderName: "timestamp"}), "timestamp=1|a", "b"),
			"timestamp="+now+"|a", "timestamp="+now+"|b")
		want(t, run(t, build(t, newTimestamp, TimestampSettings{HeaderName: "ts", PreserveExisting: true}), "ts=1|a", "b"),
			"ts=1|a", "ts="+now+"|b")
	})
}

func TestStaticKeepsWhatIsThereUnlessTold(t *testing.T) {
	want(t, run(t, build(t, newStatic, StaticSettings{"dc", "é", true}), "dc=x|a", "k=v|b"), "dc=x|a", "k=v,dc=é|b")
	want(t, run(t, build(t, newStatic, StaticSettings{"dc", "y", false}), "dc=x|a"), "dc=y|a")
}

func TestHostIsAnAddressOrAName(t *testing.T) {
	got := run(t, build(t, newHost, HostSettings{UseIP: true, HostHeader: "h", PreserveExisting: true}), "h=mine|a", "b")
	if got[0] != "h=mine|a" || !regexp.MustCompile(`^(h=[0-9a-f.:]+)?\|b$`).MatchString(got[1]) {
		t.Errorf("%q", got)
	}
}

func TestRemoveHeader(t *testing.T) {
	in := []string{"a=1,bb=2,c=3|x", "c=1|y", "|z"}
	want(t, run(t, build(t, newRemoveHeader, RemoveHeaderSettings{WithName: "a", FromListSeparator: ","}), in...), "bb=2,c=3|x", "c=1|y", "|z")
	want(t, run(t, build(t, newRemoveHeader, RemoveHeaderSettings{FromList: "a , c", FromListSeparator: `\s*,\s*`}), in...), "bb=2|x", "|y", "|z")
	want(t, run(t, build(t, newRemoveHeader, RemoveHeaderSettings{Matching: "b+|c", FromListSeparator: ","}), in...), "a=1|x", "|y", "|z")
}

func TestUUIDsAreRandomAndOfVersion4(t *testing.T) {
	got := run(t, build(t, newUUID, UUIDSettings{HeaderName: "id", PreserveExisting: true, Prefix: "p-"}), "a", "id=7|b", "c")
	form := regexp.MustCompile(`^id=p-[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}\|[ac]$`)
	if !form.MatchString(got[0]) || !form.MatchString(got[2]) || got[1] != "id=7|b" || got[0][:20] == got[2][:20] {
		t.Errorf("%q", got)
	}
}

func TestSearchReplace(t *testing.T) {
	want(t, run(t, build(t, newSearchReplace, SearchReplaceSettings{SearchPattern: `^[A-Za-z0-9_]+`}), "INFO: x", "- y"), "|: x", "|- y")
	want(t, run(t, build(t, newSearchReplace, SearchReplaceSettings{SearchPattern: `(\w+) (\w+)`, ReplaceString: `$2 $1`}), "a b"), "|b a")
	want(t, run(t, build(t, newSearchReplace, SearchReplaceSettings{SearchPattern: "é", ReplaceString: "ä", Charset: charset.Charset{Name: "ISO-8859-1"}}), "x\xe9"), "|x\xe4")
	if (SearchReplaceSettings{SearchPattern: "a", ReplaceString: "$1"}).Validate() == nil {
		t.Error("a group that is not there is accepted")
	}
}

func TestRegexFilterFindsAnywhere(t *testing.T) {
	want(t, run(t, build(t, newRegexFilter, RegexFilterSettings{Regex: "err"}), "an error", "fine", "err"), "|an error", "|err")
	want(t, run(t, build(t, newRegexFilter, RegexFilterSettings{"err", true}), "an error", "fine", "err"), "|fine")
	if (RegexFilterSettings{Regex: "("}).Validate() == nil {
		t.Error("a broken pattern is accepted")
	}
}

func TestDropsAreCounted(t *testing.T) {
	e := env()
	i, err := newRegexFilter(e, RegexFilterSettings{"a", true})
	if err != nil {
		t.Fatal(err)
	}
	run(t, i, "a", "b", "ab")
	if n := dropped(e).Value(); n != 2 {
		t.Errorf("%d counted, want 2", n)
	}
}

func TestRegexExtractor(t *testing.T) {
	s := RegexExtractorSettings{Regex: `(\d):(\d)(x)?`, Serializers: []string{"s1", "s2", "s3"},
		Serializer: map[string]string{"s1.name": "one", "s2.name": "two", "s2.type": "DEFAULT", "s3.name": "three"}}
	want(t, run(t, build(t, newRegexExtractor, s), "1:2:3.4foobar5", "none", "8:9x"), "one=1,two=2|1:2:3.4foobar5", "|none", "one=8,two=9,three=x|8:9x")

	s = RegexExtractorSettings{Regex: `^(\S+ \S+)`, Serializers: []string{"ts"}, Serializer: map[string]string{"ts.name": "timestamp",
		"ts.type": flume + "RegexExtractorInterceptorMillisSerializer", "ts.pattern": "yyyy-MM-dd HH:mm"}}
	at := time.Date(2012, 6, 12, 11, 54, 0, 0, time.Local).UnixMilli()
	want(t, run(t, build(t, newRegexExtractor, s), "2012-06-12 11:54 x", "not a date"), fmt.Sprintf("timestamp=%d|2012-06-12 11:54 x", at), "|not a date")

	for _, bad := range []RegexExtractorSettings{
		{Regex: "(a)", Serializers: []string{"s"}},
		{Regex: "(a)", Serializers: []string{"s"}, Serializer: map[string]string{"s.name": "n", "s.type": "millis"}},
		{Regex: "(a)", Serializers: []string{"s"}, Serializer: map[string]string{"s.name": "n", "s.type": "x"}},
		{Regex: "a", Serializers: []string{"s"}, Serializer: map[string]string{"s.name": "n"}},
	} {
		if bad.Validate() == nil {
			t.Errorf("%+v is accepted", bad)
		}
	}
}

func TestJSONFieldsBecomeHeaders(t *testing.T) {
	i := build(t, newJSON, JSONSettings{Fields: []string{"level", "n"}, Header: map[string]string{"node": "k8s.node.name"}})
	got := run(t, i, `{"level":"a\"b","n":1.50,"k8s":{"node":{"name":"n1"}}}`, `not json`, `{"level":null}`, `[1]`)
	want(t, got, `level=a"b,n=1.50,node=n1|{"level":"a\"b","n":1.50,"k8s":{"node":{"name":"n1"}}}`, "|not json", `|{"level":null}`, "|[1]")
}

func TestDropLooksAtAHeader(t *testing.T) {
	want(t, run(t, build(t, newDrop, DropSettings{"level", "DEBUG|TRACE"}), "level=DEBUG|a", "level=DEBUGX|b", "c"), "level=DEBUGX|b", "|c")
}

func TestSampleKeepsItsPart(t *testing.T) {
	var in []string
	for i := range 10000 {
		in = append(in, fmt.Sprintf("user=%d|x", i%1000))
	}
	if n := len(run(t, build(t, newSample, SampleSettings{Rate: 0.1}), in...)); n < 800 || n > 1200 {
		t.Errorf("%d of 10000 kept at 0.1", n)
	}
	byUser := map[string]int{}
	for _, s := range run(t, build(t, newSample, SampleSettings{Rate: 0.5, Key: "user"}), in...) {
		byUser[s]++
	}
	for user, n := range byUser {
		if n != 10 {
			t.Fatalf("%s: %d of 10 kept, want all or none", user, n)
		}
	}
	if n := len(byUser); n < 400 || n > 600 {
		t.Errorf("%d of 1000 users kept at 0.5", n)
	}
	if n := len(run(t, build(t, newSample, SampleSettings{Rate: 1}), in...)); n != 10000 {
		t.Errorf("%d of 10000 kept at 1", n)
	}
}

func TestRedact(t *testing.T) {
	i := build(t, newRedact, RedactSettings{Patterns: []string{"card", "email", "ipv4", "iban", "ssn", "bearer"}, Replacement: "#",
		Custom: map[string]string{"badge": `(?<=B-)\d+`}, Headers: []string{"from"}})
	for in, out := range map[string]string{
		"from=a@b.example|card 4111 1111 1111 1111.": "from=#|card #.",
		"4111111111111112":                           "|4111111111111112",
		"mail a.b+c@x.example, ok":                   "|mail #, ok",
		"1.2.3.4 and 1.2.3.999":                      "|# and 1.2.3.999",
		"DE89 3704 0044 0532 0130 00":                "|#",
		"DE88 3704 0044 0532 0130 00":                "|DE88 3704 0044 0532 0130 00",
		"078-05-1120":                                "|#",
		"Authorization: Bearer ab.c-d==":             "|Authorization: #",
		"B-123":                                      "|B-#",
	} {
		want(t, run(t, i, in), out)
	}
}

func TestSharedHeadersStayWithTheirEvents(t *testing.T) {
	var b event.Batch
	shared := []event.Header{{Key: "a", Value: "1"}}
	for range 2 {
		b.Add([]byte("x")).Headers = shared
	}
	b.SetHeader(&b.Events[0], "a", "2")
	b.SetHeader(&b.Events[1], "b", "3")
	if v, _ := b.Events[1].Header("a"); v != "1" || shared[0].Value != "1" || len(b.Events[0].Headers) != 1 {
		t.Errorf("%v", b.Events)
	}
}

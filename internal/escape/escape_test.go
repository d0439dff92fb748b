package escape

import (
	"errors"
	"strconv"
	"strings"
	"testing"
	"time"

	"goflume/event"
)

// june is 2012-06-12 11:54:34.123 UTC, the time of the recorded table.
const june = "1339502074123"

func ev(kv ...string) *event.Event {
	e := &event.Event{}
	for i := 0; i < len(kv); i += 2 {
		e.Headers = append(e.Headers, event.Header{Key: kv[i], Value: kv[i+1]})
	}
	return e
}

func compile(t testing.TB, template string, o Options) *Template {
	t.Helper()
	tp, err := Compile(template, o)
	if err != nil {
		t.Fatalf("Compile(%q): %v", template, err)
	}
	return tp
}

func render(t testing.TB, tp *Template, e *event.Event) string {
	t.Helper()
	s, err := tp.Render(e, time.Time{})
	if err != nil {
		t.Fatalf("Render: %v", err)
	}
	return s
}

func newYork(t testing.TB) *time.Location {
	t.Helper()
	z, err := Zone("America/New_York")
	if err != nil {
		t.Fatal(err)
	}
	return z
}

func TestEscapesAsFlumeMakesThem(t *testing.T) {
	for in, want := range map[string]string{
		"%a": "Tue", "%A": "Tuesday", "%b": "Jun", "%B": "June", "%c": "Tue Jun 12 07:54:34 2012", "%d": "12", "%e": "12",
		"%D": "06/12/12", "%H": "07", "%k": "7", "%I": "07", "%l": "7", "%j": "164", "%m": "06", "%n": "6", "%M": "54",
		"%p": "AM", "%s": "1339502074", "%S": "34", "%t": june, "%y": "12", "%Y": "2012", "%z": "-0400", "%%": "%",
		"%{host}": "h1", "%{missing}": "", "%{a b}": "%{a b}", "%{}": "%{}", "%{a.b-c_d}": "dotted", "%q": "", "%-": "%-", "%": "%",
		"%{open": "%{open", "%[no such]": "%[no such]", "100%": "100%", "/logs/%Y-%m-%d/%H%M/%{host}": "/logs/2012-06-12/0754/h1",
		"%_%5": "", "%é": "%é",
	} {
		tp := compile(t, in, Options{Zone: newYork(t)})
		e := ev("timestamp", june, "host", "h1", "a.b-c_d", "dotted")
		if got := render(t, tp, e); got != want {
			t.Errorf("%s: %q, want %q", in, got, want)
		}
	}
}

func TestRoundingIsByFieldInTheZone(t *testing.T) {
	for _, c := range []struct {
		unit     Unit
		value    int
		in, want string
	}{
		{Minute, 10, "%Y-%m-%d/%H%M/%S", "2012-06-12/0750/00"},
		{Minute, 10, "%s", "1339501800"},
		{Hour, 5, "%H%M%S", "050000"},
		{Second, 7, "%H%M%S", "075428"},
		{Minute, 60, "%H%M%S %t", "070000 " + june},
		{Hour, 24, "%d %H", "12 00"},
	} {
		tp := compile(t, c.in, Options{Zone: newYork(t), Round: Rounding{c.unit, c.value}})
		if got := render(t, tp, ev("timestamp", june)); got != c.want {
			t.Errorf("%s by %d of unit %d: %q, want %q", c.in, c.value, c.unit, got, c.want)
		}
	}
}

func TestTextFollowsTheTime(t *testing.T) {
	tp := compile(t, "%Y-%m-%d %H:%M:%S %z", Options{Zone: newYork(t)})
	for _, at := range []string{
		"2012-06-12T11:54:34Z", "2012-06-12T11:54:35Z", "2012-06-12T11:55:00Z", "2012-06-12T11:54:34Z",
		"2012-11-04T05:59:59Z", "2012-11-04T06:00:00Z", "2012-03-11T06:59:59Z", "2012-03-11T07:00:00Z", "1883-11-18T17:00:00Z", "1960-01-01T00:00:00Z",
	} {
		u, err := time.Parse(time.RFC3339, at)
		if err != nil {
			t.Fatal(err)
		}
		want := u.In(newYork(t)).Format("2006-01-02 15:04:05 -0700")
		tp2 := compile(t, "%Y-%m-%d %H:%M %z", Options{Zone: newYork(t)})
		e := ev("timestamp", itoa(u.UnixMilli()))
		if got := render(t, tp, e); got != want {
			t.Errorf("%s: %q, want %q", at, got, want)
		}
		if got, want := render(t, tp2, e), u.In(newYork(t)).Format("2006-01-02 15:04 -0700"); got != want {
			t.Errorf("%s: %q, want %q", at, got, want)
		}
	}
}

// Every time over two days around a change of clocks gives the same text with a template that remembers as with a new one.
func TestMemoryNeverShows(t *testing.T) {
	zones := []string{"America/New_York", "Asia/Kathmandu", "Australia/Lord_Howe", "Africa/Monrovia"}
	for _, name := range zones {
		z, err := Zone(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range []Options{{Zone: z}, {Zone: z, Round: Rounding{Minute, 7}}, {Zone: z, Round: Rounding{Hour, 3}}} {
			for _, in := range []string{"%d", "%d%H%z", "%d%H%M"} {
				old := compile(t, in, o)
				base := time.Date(2012, 3, 31, 0, 0, 0, 0, time.UTC).UnixMilli()
				for i := range int64(600) {
					e := ev("timestamp", itoa(base+i*289_000))
					if got, want := render(t, old, e), render(t, compile(t, in, o), e); got != want {
						t.Fatalf("%s %s %+v at %d: %q, want %q", name, in, o.Round, i, got, want)
					}
				}
			}
		}
	}
}

func itoa(n int64) string { return strconv.FormatInt(n, 10) }

func TestLongTextsAreNotRemembered(t *testing.T) {
	tp := compile(t, "/logs/%{h}", Options{})
	long := strings.Repeat("x", internLongest)
	for i := range 100 {
		for _, value := range []string{itoa(int64(i)), itoa(int64(i)) + long} {
			if got := render(t, tp, ev("h", value)); got != "/logs/"+value {
				t.Fatalf("%d: %d bytes, want %d", i, len(got), len("/logs/"+value))
			}
		}
	}
	if n := len(tp.interned); n != 100 {
		t.Errorf("%d texts are remembered, want the 100 short ones", n)
	}
}

func TestTimestampIsNeededByAnySingleLetter(t *testing.T) {
	for _, in := range []string{"%Y", "%%", "%q", "%t"} {
		tp := compile(t, in, Options{})
		if !tp.NeedsTimestamp() {
			t.Errorf("%s: NeedsTimestamp is false, want true", in)
		}
		for _, e := range []*event.Event{ev(), ev("timestamp", "soon"), ev("timestamp", ""), ev("timestamp", " 1")} {
			if s, err := tp.Render(e, time.Time{}); !errors.Is(err, ErrTimestamp) {
				t.Errorf("%s of %v: %q, %v, want ErrTimestamp", in, e.Headers, s, err)
			}
		}
	}
	tp := compile(t, "/%{host}", Options{})
	if tp.NeedsTimestamp() {
		t.Error("%{host}: NeedsTimestamp is true, want false")
	}
	rounded := compile(t, "%Y", Options{Round: Rounding{Minute, 1}})
	if _, err := rounded.Render(ev("timestamp", "0"), time.Time{}); !errors.Is(err, ErrTimestamp) {
		t.Errorf("rounding 0: %v, want ErrTimestamp", err)
	}
}

func TestLocalTimeNeedsNoHeader(t *testing.T) {
	tp := compile(t, "%Y %t", Options{LocalTime: true, Zone: time.UTC})
	now := time.UnixMilli(1339502074123)
	got, err := tp.Render(ev("timestamp", "1"), now)
	if err != nil || got != "2012 1339502074123" {
		t.Errorf("Render: %q, %v, want the clock's time", got, err)
	}
}

func TestAnErrorLeavesNothingBehind(t *testing.T) {
	tp := compile(t, "%Y-%{h}", Options{Zone: time.UTC})
	render(t, tp, ev("timestamp", june, "h", "a"))
	if _, err := tp.Render(ev("h", "b"), time.Time{}); err == nil {
		t.Fatal("Render without timestamp: nil")
	}
	if got := render(t, tp, ev("timestamp", june, "h", "c")); got != "2012-c" {
		t.Errorf("after an error: %q, want 2012-c", got)
	}
}

func TestBadTemplatesAreRefused(t *testing.T) {
	for _, c := range []struct {
		in   string
		o    Options
		want string
	}{
		{"%[nowhere]", Options{}, "%[nowhere]"},
		{"x", Options{Round: Rounding{Minute, 61}}, "1 to 60"},
		{"x", Options{Round: Rounding{Hour, 25}}, "1 to 24"},
		{"x", Options{Round: Rounding{Second, 0}}, "1 to 60"},
		{"%{h}/x", Options{Confine: Path}, "in front"},
		{"%q%{h}/x", Options{Confine: Path}, "in front"},
		{"/a/%{h}/../x", Options{Confine: Path}, ".."},
		{"/a/%{h}/..", Options{Confine: Path}, ".."},
	} {
		if _, err := Compile(c.in, c.o); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("Compile(%q): %v, want an error with %q", c.in, err, c.want)
		}
	}
}

func TestMachine(t *testing.T) {
	tp := compile(t, "%[LOCALHOST]", Options{})
	if got := render(t, tp, ev()); got == "" || strings.Contains(got, "%") {
		t.Errorf("%%[localhost]: %q, want the host's name", got)
	}
}

func TestZones(t *testing.T) {
	at := time.Date(2012, 6, 12, 12, 0, 0, 0, time.UTC)
	for id, want := range map[string]string{
		"UTC": "+0000", "GMT": "+0000", "GMT+8": "+0800", "GMT-03:30": "-0330", "GMT+0545": "+0545", "PST": "-0700",
		"Asia/Kolkata": "+0530", "IST": "+0530", "EST": "-0500",
	} {
		z, err := Zone(id)
		if err != nil {
			t.Errorf("Zone(%s): %v", id, err)
		} else if got := at.In(z).Format("-0700"); got != want {
			t.Errorf("Zone(%s): %s, want %s", id, got, want)
		}
	}
	for _, id := range []string{"Mars/Olympus", "Local", "GMT+25", "GMT+1:60"} {
		if _, err := Zone(id); err == nil {
			t.Errorf("Zone(%s): nil, want an error", id)
		}
	}
}

func TestSteadyStateAllocatesNothing(t *testing.T) {
	tp := compile(t, "/logs/%Y-%m-%d/%H%M/%{host}", Options{Zone: time.UTC, Confine: Path})
	e := []*event.Event{ev("timestamp", june, "host", "h1"), ev("timestamp", "1339502075123", "host", "h2")}
	if n := testing.AllocsPerRun(100, func() { render(t, tp, e[0]); render(t, tp, e[1]) }); n > 0 {
		t.Errorf("%v allocations for two events, want none", n)
	}
}

func BenchmarkRender(b *testing.B) {
	tp := compile(b, "/logs/%Y-%m-%d/%H%M/%{host}", Options{Zone: time.UTC, Confine: Path})
	e := ev("timestamp", june, "host", "h1")
	b.ReportAllocs()
	for b.Loop() {
		render(b, tp, e)
	}
}

package serializer

import (
	"os"
	"testing"

	"goflume/event"
	"goflume/internal/registry"
)

func build(t *testing.T, typ string, s any) Format {
	t.Helper()
	plan := Registry.Default(typ).Plan
	if s != nil {
		plan.Settings = s
	}
	f, err := plan.Build(registry.Env{})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// file returns the bytes of a file that holds the events.
func file(t *testing.T, f Format, events []event.Event) string {
	t.Helper()
	s := f.File()
	dst, err := s.Begin(nil, &events[0])
	for i := 0; i < len(events) && err == nil; i++ {
		dst, err = s.Append(dst, &events[i])
	}
	if err == nil {
		dst, err = s.Flush(dst)
	}
	if err != nil {
		t.Fatal(err)
	}
	return string(dst)
}

func TestHeaderAndTextIsFlumesFile(t *testing.T) {
	want, err := os.ReadFile("testdata/header_and_text.flume")
	if err != nil {
		t.Fatal(err)
	}
	events := []event.Event{
		{Body: []byte("plain")},
		{Headers: []event.Header{{Key: "host", Value: "h1"}}, Body: []byte("one hdr")},
		{Headers: []event.Header{{Key: "b", Value: "2"}, {Key: "a", Value: "1"}, {Key: "c", Value: "3"}, {Key: "host", Value: "x"},
			{Key: "timestamp", Value: "5"}, {Key: "zz top", Value: "sp"}}, Body: []byte("many")},
		{Headers: []event.Header{{Key: "k", Value: "a, b=c}"}}, Body: []byte("multi\nline\r")},
		{},
		{Headers: []event.Header{{Key: "é", Value: "ü"}}, Body: []byte("utf8 ☃")},
	}
	if got := file(t, build(t, "header_and_text", nil), events); got != string(want) {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestTextIsTheBodies(t *testing.T) {
	events := []event.Event{{Body: []byte("a\r")}, {Headers: []event.Header{{Key: "k", Value: "v"}}}, {Body: []byte("\xff")}}
	for _, c := range []struct {
		newline bool
		want    string
	}{{true, "a\r\n\n\xff\n"}, {false, "a\r\xff"}} {
		f := build(t, "TEXT", TextSettings{AppendNewline: c.newline})
		if got := file(t, f, events); got != c.want {
			t.Errorf("appendNewline %v: got %q, want %q", c.newline, got, c.want)
		}
		if !f.Reopens() {
			t.Error("a text file cannot be reopened, want that it can")
		}
	}
}

func TestTextCostsNoAllocation(t *testing.T) {
	e := event.Event{Headers: []event.Header{{Key: "b", Value: "2"}, {Key: "a", Value: "1"}}, Body: []byte("body")}
	s, dst := build(t, "HEADER_AND_TEXT", nil).File(), make([]byte, 0, 64)
	if n := testing.AllocsPerRun(100, func() { dst, _ = s.Append(dst[:0], &e) }); n > 0 {
		t.Errorf("%v allocations per event", n)
	}
}

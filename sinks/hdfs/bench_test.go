package hdfs

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"goflume/conf"
	"goflume/event"
	"goflume/internal/hadoop"
	"goflume/sinks"
)

// nowhere is a file system that takes everything and keeps nothing.
type nowhere struct{ hadoop.FS }

func (nowhere) String() string                                       { return "nowhere" }
func (nowhere) Check(context.Context) error                          { return nil }
func (nowhere) Close() error                                         { return nil }
func (nowhere) Mark(context.Context, string, string) error           { return nil }
func (nowhere) Rename(context.Context, string, string) error         { return nil }
func (nowhere) List(context.Context, string) ([]hadoop.Entry, error) { return nil, nil }
func (nowhere) Create(context.Context, string) (hadoop.File, error)  { return lostFile{}, nil }

type lostFile struct{ hadoop.File }

func (lostFile) Write(context.Context, []byte) error { return nil }
func (lostFile) Push(context.Context) error          { return nil }
func (lostFile) Sync(context.Context) error          { return nil }
func (lostFile) Close(context.Context) error         { return nil }
func (lostFile) Abandon()                            {}
func (lostFile) Replicas() int                       { return 3 }
func (lostFile) Wanted() int                         { return 3 }

// lostSink writes 1000 lines at a time into nowhere.
func lostSink(tb testing.TB, fileType string) func() {
	plan, issues := sinks.Registry.Decode(node("hdfs.path = /d/%Y/%{host}\nhdfs.rollCount = 0\nhdfs.rollSize = 0\nhdfs.rollInterval = 0\nhdfs.fileType = " + fileType))
	if conf.HasErrors(issues) {
		tb.Fatal(issues)
	}
	env := testEnv(tb, tb.TempDir())
	s, err := newSink(env, plan.Settings.(Settings), func(string, hadoop.Options) (hadoop.FS, error) { return nowhere{}, nil })
	if err == nil {
		err = s.Open(tb.Context())
	}
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = s.Close(context.Background()) })
	var batch []event.Event
	for i := range 1000 {
		batch = append(batch, event.Event{Body: fmt.Appendf(nil, "%09d %s", i, strings.Repeat("x", 189)),
			Headers: []event.Header{{Key: "host", Value: "h1"}, {Key: "timestamp", Value: "1767225600000"}}})
	}
	return func() {
		if err := s.Write(tb.Context(), batch); err != nil {
			tb.Fatal(err)
		}
	}
}

// What a batch of 1000 lines costs besides the file system.
func BenchmarkWrite(b *testing.B) {
	for _, fileType := range []string{"DataStream", "SequenceFile"} {
		b.Run(fileType, func(b *testing.B) {
			write := lostSink(b, fileType)
			write()
			b.ReportAllocs()
			for b.Loop() {
				write()
			}
		})
	}
}

func TestABatchAllocatesNothingPerEvent(t *testing.T) {
	for _, fileType := range []string{"DataStream", "SequenceFile"} {
		write := lostSink(t, fileType)
		write()
		if n := testing.AllocsPerRun(20, write); n > 10 {
			t.Errorf("%s: %v allocations for a batch of 1000, want at most 10", fileType, n)
		}
	}
}

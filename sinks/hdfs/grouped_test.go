package hdfs

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"goflume/internal/hadoop"
	"goflume/internal/vfs"
)

// opaque is a file system whose acknowledgements cannot be seen; it counts how often files are closed.
type opaque struct {
	hadoop.FS
	closes *atomic.Int32
}

func (o opaque) Create(ctx context.Context, name string) (hadoop.File, error) {
	f, err := o.FS.Create(ctx, name)
	return opaqueFile{f, o.closes}, err
}

func (o opaque) Append(ctx context.Context, name string) (hadoop.File, error) {
	f, err := o.FS.Append(ctx, name)
	return opaqueFile{f, o.closes}, err
}

type opaqueFile struct {
	hadoop.File
	closes *atomic.Int32
}

func (opaqueFile) Sync(context.Context) error { return hadoop.ErrUnseen }

func (f opaqueFile) Close(ctx context.Context) error {
	f.closes.Add(1)
	return f.File.Close(ctx)
}

// The first batch shows that acknowledgements cannot be seen; those after it share a close, of 32 or of 250 ms.
func TestBatchesShareACloseWhereAcknowledgementsCannotBeSeen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		var closes, done atomic.Int32 // a timer counts too
		s := &grouped{Sink: onSystem(t, testEnv(t, ""), opaque{hadoop.Local(vfs.OS{}, hadoop.WhenDone), &closes}, plain+"hdfs.path = file://"+dir)}
		if n := s.Window(); n != 1 {
			t.Errorf("window %d before the first batch, want 1", n)
		}
		if err := s.Write(t.Context(), events("first")); err != nil {
			t.Fatal(err)
		}
		if n := s.Window(); n != groupWindow || closes.Load() != 1 {
			t.Fatalf("after the first batch: window %d, %d closes, want %d and 1", n, closes.Load(), groupWindow)
		}
		want := "first\n"
		start := func(n int) {
			t.Helper()
			for i := range n {
				text := fmt.Sprintf("%d of %d", i, n)
				want += text + "\n"
				err := s.Start(t.Context(), events(text), func(err error) {
					if err != nil {
						t.Error(err)
					}
					done.Add(1)
				})
				if err != nil {
					t.Fatal(err)
				}
			}
		}
		start(groupWindow)
		if done.Load() != groupWindow || closes.Load() != 2 {
			t.Errorf("%d batches done and %d closes after a full window, want %d and 2", done.Load(), closes.Load(), groupWindow)
		}
		start(3)
		if done.Load() != groupWindow || closes.Load() != 2 {
			t.Errorf("%d batches done and %d closes at once, want %d and 2", done.Load(), closes.Load(), groupWindow)
		}
		time.Sleep(groupWait)
		synctest.Wait()
		if done.Load() != groupWindow+3 || closes.Load() != 3 {
			t.Errorf("%d batches done and %d closes after a while, want %d and 3", done.Load(), closes.Load(), groupWindow+3)
		}
		if err := s.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		wantTree(t, tree(t, dir), map[string]string{"FlumeData.#1": want})
	})
}

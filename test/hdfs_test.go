package test

import (
	"bytes"
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/colinmarc/hdfs/v2"

	"goflume/test/service"
)

// dialHDFS returns a client that is closed when the test ends.
func dialHDFS(t *testing.T, h *service.HDFSServer) *hdfs.Client {
	t.Helper()
	client, err := hdfs.NewClient(hdfs.ClientOptions{Addresses: []string{h.Addr()}, User: service.User()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	return client
}

// writeHDFS creates a file and closes it once all replicas are known.
func writeHDFS(t *testing.T, client *hdfs.Client, name string, content []byte) {
	t.Helper()
	w, err := client.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(content); err != nil {
		t.Fatal(err)
	}
	for err = w.Close(); hdfs.IsErrReplicating(err); err = w.Close() {
		pause(t, 10*time.Millisecond)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// pause waits between two looks at something that happens in another process.
func pause(t *testing.T, d time.Duration) {
	t.Helper()
	select {
	case <-time.After(d):
	case <-t.Context().Done():
		t.Fatal("the test ended while it waited")
	}
}

func TestRealHDFSWritesAndReads(t *testing.T) {
	h := service.Shared(t, service.HDFS{Datanodes: 3})
	client := dialHDFS(t, h)
	want := bytes.Repeat([]byte("0123456789abcdef"), 200_000) // 3.2 MB: more than one small block
	writeHDFS(t, client, "/smoke", want)
	got, err := client.ReadFile("/smoke")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("read %d bytes that differ from the %d written", len(got), len(want))
	}
	if info, err := client.Stat("/smoke"); err != nil || info.Size() != int64(len(want)) {
		t.Errorf("stat: %v, %v; want size %d", info, err, len(want))
	}
}

func TestRealHDFSReturnsAfterKills(t *testing.T) {
	h := service.Shared(t, service.HDFS{Datanodes: 3})
	client := dialHDFS(t, h)
	want := []byte("still there")
	writeHDFS(t, client, "/kept", want)

	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	h.Datanodes[1].Kill()
	if err := h.AwaitDatanodes(ctx, 2); err != nil {
		t.Fatal(err)
	}
	h.Namenode.Kill()
	if err := h.Namenode.Restart(); err != nil {
		t.Fatal(err)
	}
	if err := h.Datanodes[1].Restart(); err != nil {
		t.Fatal(err)
	}
	if err := h.AwaitDatanodes(ctx, 3); err != nil {
		t.Fatal(err)
	}
	restarted := dialHDFS(t, h)
	err := service.Await(ctx, "the file after the restart", func(context.Context) error { // datanodes report their blocks a while after they come back
		got, err := restarted.ReadFile("/kept")
		if err == nil && !bytes.Equal(got, want) {
			err = fmt.Errorf("read %q, want %q", got, want)
		}
		return err
	}, h.Namenode)
	if err != nil {
		t.Error(err)
	}
}

func TestRealHDFSFrozenDatanodeIsDroppedAndComesBack(t *testing.T) {
	h := service.Shared(t, service.HDFS{Datanodes: 3})
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	h.Datanodes[2].Freeze()
	defer h.Datanodes[2].Thaw()
	if err := h.AwaitDatanodes(ctx, 2); err != nil {
		t.Fatal(err)
	}
	h.Datanodes[2].Thaw()
	if err := h.AwaitDatanodes(ctx, 3); err != nil {
		t.Fatal(err)
	}
}

func TestRealHDFSSafeModeRefusesWrites(t *testing.T) {
	h := service.Shared(t, service.HDFS{Datanodes: 3})
	if err := h.SafeMode(t.Context(), true); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := h.SafeMode(context.WithoutCancel(t.Context()), false); err != nil {
			t.Error(err)
		}
	}()
	if err := dialHDFS(t, h).Mkdir("/refused", 0o755); err == nil {
		t.Error("mkdir succeeded in safe mode")
	}
}

func TestRealHDFSFailsOver(t *testing.T) {
	h := service.Start(t, service.HDFSHA{})
	client, err := hdfs.NewClient(hdfs.ClientOptions{Addresses: h.Addrs(), User: service.User()})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	want := []byte("written to nn1")
	writeHDFS(t, client, "/kept", want)

	h.Namenodes[0].Kill()
	if err := h.Activate(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	err = service.Await(ctx, "the file on nn2", func(context.Context) error {
		got, err := client.ReadFile("/kept")
		if err == nil && !bytes.Equal(got, want) {
			t.Errorf("read %q, want %q", got, want)
		}
		return err
	}, h.Namenodes[1])
	if err != nil {
		t.Error(err)
	}
}

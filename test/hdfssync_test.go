package test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"goflume/internal/hadoop"
	"goflume/test/service"
)

// openHadoop returns the file system of a server as the sinks use it, with that bound on every call.
func openHadoop(t *testing.T, root string, conf hadoop.Conf, timeout time.Duration) hadoop.FS {
	t.Helper()
	return openHadoopWith(t, root, hadoop.Options{CallTimeout: timeout, Conf: conf, User: service.User()})
}

func openHadoopWith(t *testing.T, root string, o hadoop.Options) hadoop.FS {
	t.Helper()
	f, err := hadoop.Open(root, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// pattern is what the tests' files hold at off.
func pattern(off int64, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		at := off + int64(i)
		b[i] = byte(at*7 + at>>8*13 + at>>16*29)
	}
	return b
}

func wantPattern(t *testing.T, got []byte, least int64, what string) {
	t.Helper()
	if int64(len(got)) < least {
		t.Errorf("%s: %d bytes, but %d were acknowledged: %d lost", what, len(got), least, least-int64(len(got)))
	}
	for off := 0; off < len(got); off += 4096 {
		piece := got[off:min(off+4096, len(got))]
		if string(piece) != string(pattern(int64(off), len(piece))) {
			t.Errorf("%s: damaged near byte %d", what, off)
			return
		}
	}
}

// settle recovers a file and returns how long that took.
func settle(t *testing.T, f hadoop.FS, name string, within time.Duration) time.Duration {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	start := time.Now()
	for {
		done, err := f.Settle(ctx, name, math.MaxInt64)
		if done {
			return time.Since(start)
		}
		if ctx.Err() != nil {
			t.Fatalf("%s is not recovered after %v: %v", name, within, err)
		}
		pause(t, 200*time.Millisecond)
	}
}

// A namenode that was just started knows of an open file's block from its log alone until the datanodes have reported. Asked
// to recover the lease before, it closes the file without the block.
func TestRealHDFSRecoveryWaitsUntilABlockIsLocated(t *testing.T) {
	h := service.Start(t, service.HDFS{Datanodes: 3, Properties: map[string]string{"dfs.namenode.safemode.min.datanodes": "0"}})
	f := openHadoop(t, h.URL(), nil, 30*time.Second)
	w, err := f.Create(t.Context(), "/open")
	if err != nil {
		t.Fatal(err)
	}
	defer w.Abandon()
	want := pattern(0, 100_000)
	if err := w.Write(t.Context(), want); err != nil {
		t.Fatal(err)
	}
	if err := w.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, d := range h.Datanodes {
		d.Freeze()
	}
	h.Namenode.Kill()
	if err := h.Namenode.Restart(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	if err := h.AwaitDatanodes(ctx, 0); err != nil { // it is out of safe mode all the same
		t.Fatal(err)
	}
	again := openHadoop(t, h.URL(), nil, 30*time.Second)
	if done, err := again.Settle(ctx, "/open", int64(len(want))); done || err == nil || !strings.Contains(err.Error(), "no datanode has told the namenode") {
		t.Errorf("settled while no datanode had reported: %v, %v", done, err)
	}
	for _, d := range h.Datanodes {
		d.Thaw()
	}
	settle(t, again, "/open", 2*time.Minute)
	client := dialHDFS(t, h)
	got, err := client.ReadFile("/open")
	if err != nil {
		t.Fatal(err)
	}
	wantPattern(t, got, int64(len(want)), "after the recovery")
}

// TestHDFSWriterProcess is no test: it is the process that the next one kills.
func TestHDFSWriterProcess(t *testing.T) {
	args := strings.Fields(os.Getenv("GOFLUME_HDFS_WRITER"))
	if len(args) == 0 {
		t.Skip("only run by TestRealHDFSSyncedBytesSurviveKill")
	}
	f := openHadoop(t, args[0], hadoop.Conf{"dfs.blocksize": "1048576"}, 30*time.Second)
	seed, _ := strconv.ParseUint(args[2], 10, 64)
	rng := rand.New(rand.NewPCG(seed, 0))
	w, err := f.Create(t.Context(), args[1])
	if err != nil {
		t.Fatal(err)
	}
	for off := int64(0); ; {
		b := pattern(off, 1+rng.IntN(40_000))
		if err := w.Write(t.Context(), b); err != nil {
			t.Fatal(err)
		}
		if err := w.Sync(t.Context()); err != nil {
			t.Fatal(err)
		}
		off += int64(len(b))
		os.Stdout.WriteString("synced " + strconv.FormatInt(off, 10) + "\n")
	}
}

func TestRealHDFSSyncedBytesSurviveKill(t *testing.T) {
	h := service.Shared(t, service.HDFS{Datanodes: 3})
	f := openHadoop(t, h.URL(), nil, 30*time.Second)
	reader := dialHDFS(t, h)
	const rounds = 20
	var beyond int64
	for round := range rounds {
		name := fmt.Sprintf("/killed/%d", round)
		cmd := exec.Command(os.Args[0], "-test.run=^TestHDFSWriterProcess$")
		cmd.Env = append(os.Environ(), fmt.Sprintf("GOFLUME_HDFS_WRITER=%s %s %d", h.URL(), name, round))
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		acked, killAfter := int64(0), 5+rand.IntN(120)
		lines := bufio.NewScanner(out)
		for n := 0; lines.Scan(); {
			if s, ok := strings.CutPrefix(lines.Text(), "synced "); ok {
				acked, _ = strconv.ParseInt(s, 10, 64)
				if n++; n == killAfter {
					cmd.Process.Kill()
				}
			} else {
				t.Log(lines.Text())
			}
		}
		_ = cmd.Wait() // killed
		settle(t, f, name, 2*time.Minute)
		got, err := reader.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if acked == 0 {
			t.Fatalf("round %d: the writer wrote nothing", round)
		}
		wantPattern(t, got, acked, name)
		beyond += int64(len(got)) - acked
	}
	t.Logf("%d writers killed, no acknowledged byte lost, %d bytes arrived beyond", rounds, beyond)
}

func TestRealHDFSDeadDatanodeFailsTheSyncAndLosesNothing(t *testing.T) {
	h := service.Start(t, service.HDFS{Datanodes: 3})
	f := openHadoop(t, h.URL(), nil, 30*time.Second)
	w, err := f.Create(t.Context(), "/dead/1")
	if err != nil {
		t.Fatal(err)
	}
	var off int64
	step := func() error {
		b := pattern(off, 20_000)
		if err := w.Write(t.Context(), b); err != nil {
			return err
		}
		if err := w.Sync(t.Context()); err != nil {
			return err
		}
		off += int64(len(b))
		return nil
	}
	for range 50 {
		if err := step(); err != nil {
			t.Fatal(err)
		}
	}
	if n := w.Replicas(); n != 3 {
		t.Errorf("%d replicas, want 3", n)
	}
	h.Datanodes[1].Kill()
	start := time.Now()
	for err = step(); err == nil && time.Since(start) < time.Minute; err = step() {
	}
	if err == nil {
		t.Fatal("the sync goes on although a datanode is dead")
	}
	t.Logf("sync failed after %v: %v", time.Since(start).Round(time.Millisecond), err)
	if err := w.Close(t.Context()); err == nil {
		t.Error("Close of a broken file: nil, want an error")
	}
	w.Abandon()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := service.Await(ctx, "an end of the library's writers", func(context.Context) error {
		if stacks := writerGoroutines(); stacks != "" {
			return fmt.Errorf("they still run after Abandon:\n%s", stacks)
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
	took := settle(t, f, "/dead/1", 3*time.Minute)
	got, err := dialHDFS(t, h).ReadFile("/dead/1")
	if err != nil {
		t.Fatal(err)
	}
	wantPattern(t, got, off, "/dead/1")
	t.Logf("recovered after %v", took.Round(time.Millisecond))
}

// writerGoroutines returns the stacks of the HDFS library's writers that are still running.
func writerGoroutines() string {
	buf := make([]byte, 1<<20)
	var all []string
	for stack := range strings.SplitSeq(string(buf[:runtime.Stack(buf, true)]), "\n\n") {
		if strings.Contains(stack, "blockWriteStream") {
			all = append(all, stack)
		}
	}
	return strings.Join(all, "\n\n")
}

func TestRealHDFSFrozenServersDoNotHangTheWriter(t *testing.T) {
	h := service.Start(t, service.HDFS{Datanodes: 3})
	const bound = 6 * time.Second
	f := openHadoop(t, h.URL(), nil, bound)
	w, err := f.Create(t.Context(), "/frozen/1")
	if err != nil {
		t.Fatal(err)
	}
	sync := func() error {
		if err := w.Write(t.Context(), []byte("x")); err != nil {
			return err
		}
		return w.Sync(t.Context())
	}
	timed := func(what string, most time.Duration, do func() error) error {
		start := time.Now()
		err := do()
		if d := time.Since(start); d > most {
			t.Errorf("%s took %v, want at most %v", what, d, most)
		} else {
			t.Logf("%s: %v after %v", what, err, d.Round(time.Millisecond))
		}
		return err
	}
	if err := sync(); err != nil {
		t.Fatal(err)
	}

	h.Namenode.Freeze()
	if err := timed("stat with the namenode frozen", 3*bound, func() error { return f.Check(t.Context()) }); err == nil {
		t.Error("stat with the namenode frozen: nil, want an error")
	}
	if err := sync(); err != nil {
		t.Errorf("sync with the namenode frozen: %v, want none: it is not asked", err)
	}
	short, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if err := timed("create until its context ends", bound, func() error { _, err := f.Create(short, "/frozen/2"); return err }); err == nil {
		t.Error("create with the namenode frozen: nil, want an error")
	}
	h.Namenode.Thaw()
	if err := timed("stat after the thaw", 5*bound, func() error { return f.Check(t.Context()) }); err != nil {
		t.Errorf("stat after the thaw: %v", err)
	}

	if w, err = f.Create(t.Context(), "/frozen/3"); err != nil {
		t.Fatal(err)
	}
	if err := sync(); err != nil {
		t.Fatal(err)
	}
	for i := range h.Datanodes {
		h.Datanodes[i].Freeze()
	}
	if err := timed("sync with the datanodes frozen", 3*bound, sync); err == nil {
		t.Error("sync with the datanodes frozen: nil, want an error")
	}
	w.Abandon()
	for i := range h.Datanodes {
		h.Datanodes[i].Thaw()
	}
	settle(t, f, "/frozen/3", 3*time.Minute)
}

func TestRealHDFSAnswersAreUnderstood(t *testing.T) {
	h := service.Shared(t, service.HDFS{Datanodes: 3})
	ctx, f := t.Context(), openHadoop(t, h.URL(), nil, 30*time.Second)
	w, err := f.Create(ctx, "/answers/a/b")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Create(ctx, "/answers/a/b"); !errors.Is(err, fs.ErrExist) {
		t.Errorf("create of an open file: %v, want ErrExist", err)
	}
	if err := w.Write(ctx, []byte("one")); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(ctx); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(ctx); err != nil {
		t.Errorf("second close: %v", err)
	}
	w, err = f.Append(ctx, "/answers/a/b")
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Write(ctx, []byte("two")); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(ctx); err != nil {
		t.Fatal(err)
	}
	if n, err := f.Size(ctx, "/answers/a/b"); n != 6 || err != nil {
		t.Errorf("size: %d, %v, want 6", n, err)
	}
	if _, err := f.Create(ctx, "/answers/"+strings.Repeat("x", 300)); !errors.Is(err, hadoop.ErrName) {
		t.Errorf("a long name: %v, want ErrName", err)
	}
	if _, err := f.Create(ctx, "/answers/a:b"); !errors.Is(err, hadoop.ErrName) {
		t.Errorf("a colon: %v, want ErrName", err)
	}
	if err := f.Rename(ctx, "/answers/none", "/answers/x"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("rename of nothing: %v, want ErrNotExist", err)
	}
	if w, err = f.Create(ctx, "/answers/c"); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(ctx); err != nil {
		t.Fatal(err)
	}
	if err := f.Rename(ctx, "/answers/c", "/answers/a/b"); !errors.Is(err, fs.ErrExist) {
		t.Errorf("rename onto a file: %v, want ErrExist", err)
	}
	if names, err := f.List(ctx, "/answers"); err != nil || fmt.Sprint(names) != "[{a true} {c false}]" {
		t.Errorf("list: %v, %v, want a, a directory, and c", names, err)
	}
	if err := f.Remove(ctx, "/answers/c"); err != nil {
		t.Error(err)
	}
	if done, err := f.Settle(ctx, "/answers/c", 0); done || !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("settle of nothing: %v, %v, want ErrNotExist", done, err)
	}
	if err := h.SafeMode(ctx, true); err != nil {
		t.Fatal(err)
	}
	_, err = f.Create(ctx, "/answers/d")
	if err2 := h.SafeMode(context.WithoutCancel(ctx), false); err2 != nil {
		t.Fatal(err2)
	}
	if err == nil || !strings.Contains(err.Error(), "safe mode") || strings.Contains(err.Error(), "\n") {
		t.Errorf("create in safe mode: %v, want one line about safe mode", err)
	}
}

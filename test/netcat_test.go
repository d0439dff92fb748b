package test

import (
	"bufio"
	"net"
	"os/exec"
	"testing"
	"time"

	"goflume/test/ledger"
	"goflume/test/service"
)

// The main job with the program that users type: numbered lines through nc into HDFS, each once. What nc prints are the
// answers, one for each line in their order.
func TestRealMillionLinesThroughNetcatEachOnce(t *testing.T) {
	nc := service.Netcat(t)
	h := service.Shared(t, service.HDFS{Datanodes: 3})
	a := service.Start(t, service.Agent{Conf: netcatToHDFS("memory", h.URL()+"/lines-nc") + "a1.channels.c1.keep-alive = 60\n"})
	const lines = 1_000_000
	l := ledger.New(1, lines, 200)
	host, port, err := net.SplitHostPort(a.Addr("netcat"))
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), nc, "-q", "0", host, port)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	fed := make(chan error, 1)
	go func() {
		w := bufio.NewWriterSize(in, 1<<20)
		var line []byte
		for n := range lines {
			line = l.AppendLine(line[:0], 0, n)
			if _, err := w.Write(line); err != nil {
				fed <- err
				return
			}
		}
		fed <- w.Flush()
	}()
	answers := bufio.NewScanner(out)
	n := 0
	for n < lines && answers.Scan() {
		if answers.Text() != "OK" {
			t.Fatalf("answer %d: %s", n, answers.Text())
		}
		n++
	}
	if err := <-fed; err != nil {
		t.Errorf("feeding %s: %v", nc, err)
	}
	in.Close() // nc ends now
	if err := cmd.Wait(); err != nil {
		t.Errorf("%s ends with %v", nc, err)
	}
	l.Acknowledge(0, 0, n)
	t.Logf("%s: %d lines answered OK in %.1f s", nc, n, time.Since(begin).Seconds())
	a.Stop(2 * time.Minute) // drains
	v := judgeHDFS(t, h, "/lines-nc", l)
	if v.Acked != lines || v.Distinct != lines || v.Duplicates != 0 || v.Lost != 0 || v.Torn != 0 || v.Disorder != 0 {
		t.Errorf("want %d lines, each once and in order", lines)
	}
}

package test

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/colinmarc/hdfs/v2"

	"goflume/test/service"
)

// netcatLine sends one line and returns the answer without its newline.
func netcatLine(t *testing.T, addr, line string) string {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(2 * time.Minute))
	if _, err := conn.Write([]byte(line + "\n")); err != nil {
		t.Fatal(err)
	}
	answer, err := bufio.NewReader(conn).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSuffix(answer, "\n")
}

func TestRealFlumeNetcatToLogger(t *testing.T) {
	f := service.Start(t, service.Flume{Conf: `
a1.sources = r1
a1.channels = c1
a1.sinks = k1
a1.sources.r1.type = netcat
a1.sources.r1.bind = 127.0.0.1
a1.sources.r1.port = ${port:netcat}
a1.sources.r1.channels = c1
a1.channels.c1.type = memory
a1.sinks.k1.type = logger
a1.sinks.k1.channel = c1
`})
	if answer := netcatLine(t, f.Addr("netcat"), "hello"); answer != "OK" {
		t.Errorf("netcat answers %q, want OK", answer)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	if err := f.AwaitLog(ctx, "Event: { headers:{} body: 68 65 6C 6C 6F"); err != nil {
		t.Error(err)
	}
	f.Stop(10 * time.Second)
	if code := f.State().ExitCode(); code != 143 {
		t.Errorf("ends with %v, want 143", f.State())
	}
}

func TestRealFlumeWritesIntoHDFS(t *testing.T) {
	h := service.Shared(t, service.HDFS{Datanodes: 3})
	f := service.Start(t, service.Flume{ConfDir: h.ConfDir(), Conf: fmt.Sprintf(`
a1.sources = r1
a1.channels = c1
a1.sinks = k1
a1.sources.r1.type = netcat
a1.sources.r1.bind = 127.0.0.1
a1.sources.r1.port = ${port:netcat}
a1.sources.r1.channels = c1
a1.channels.c1.type = memory
a1.sinks.k1.type = hdfs
a1.sinks.k1.channel = c1
a1.sinks.k1.hdfs.path = %s/flume
a1.sinks.k1.hdfs.fileType = DataStream
a1.sinks.k1.hdfs.rollInterval = 1
`, h.URL())})
	if answer := netcatLine(t, f.Addr("netcat"), "into hdfs"); answer != "OK" {
		t.Errorf("netcat answers %q, want OK", answer)
	}
	client := dialHDFS(t, h)
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	err := service.Await(ctx, "Flume's file", func(context.Context) error {
		text, err := readDir(client, "/flume")
		if err == nil && text != "into hdfs\n" {
			err = fmt.Errorf("the files hold %q", text)
		}
		return err
	}, f.Process)
	if err != nil {
		t.Error(err)
	}
}

// readDir returns the contents of all finished files of a directory, in name order.
func readDir(client *hdfs.Client, dir string) (string, error) {
	files, err := client.ReadDir(dir)
	if err != nil {
		return "", err
	}
	var all strings.Builder
	for _, file := range files {
		if strings.HasSuffix(file.Name(), ".tmp") {
			continue
		}
		text, err := client.ReadFile(dir + "/" + file.Name())
		if err != nil {
			return "", err
		}
		all.Write(text)
	}
	return all.String(), nil
}

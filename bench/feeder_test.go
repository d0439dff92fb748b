package bench

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
)

// feederEnv makes this program a feeder: a process of its own, as the senders of lines are.
const feederEnv = "GOFLUME_BENCH_FEEDER"

// feeder is a process that sends lines when it is told to.
type feeder struct {
	in  io.WriteCloser
	out *bufio.Reader
}

func startFeeder(b *testing.B) *feeder {
	b.Helper()
	self, err := os.Executable()
	if err != nil {
		b.Fatal(err)
	}
	cmd := exec.CommandContext(b.Context(), self)
	cmd.Env = append(os.Environ(), feederEnv+"=1")
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { cmd.Wait() }) // it ends with the context
	return &feeder{in, bufio.NewReader(out)}
}

// feed sends the lines and returns when the other side has answered all and closed.
func (f *feeder) feed(b *testing.B, addr string) {
	if _, err := fmt.Fprintln(f.in, addr); err != nil {
		b.Error(err)
		return
	}
	if line, err := f.out.ReadString('\n'); err != nil || line != "fed\n" {
		b.Errorf("the feeder said %q (%v)", line, err)
	}
}

// feeding is the feeder's side: an address a line, to which it sends the lines.
func feeding(in io.Reader, out io.Writer) error {
	for addresses := bufio.NewScanner(in); addresses.Scan(); {
		if err := sendLines(addresses.Text(), true); err != nil {
			return err
		}
		fmt.Fprintln(out, "fed")
	}
	return nil
}

// sendLines sends the lines and returns when the other side has answered all and closed, or closed.
func sendLines(addr string, acks bool) error {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return err
	}
	defer conn.Close()
	var answers sync.WaitGroup
	var n int64
	answers.Go(func() { n, _ = io.Copy(io.Discard, conn) })
	const perWrite = 1000
	block := bytes.Repeat([]byte(strings.Repeat("x", lineBytes-1)+"\n"), perWrite)
	for range lineCount / perWrite {
		if _, err := conn.Write(block); err != nil {
			return err
		}
	}
	conn.(*net.TCPConn).CloseWrite()
	answers.Wait()
	if want := int64(len("OK\n")) * lineCount; acks && n != want {
		return fmt.Errorf("%d bytes of answers, want %d", n, want)
	}
	return nil
}

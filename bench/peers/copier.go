package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"time"

	"goflume/internal/vfs"
	"goflume/test/service"
)

// copierVerb makes this program the bare copier, in a process of its own as the others are.
const copierVerb = "copier"

func startCopier(ctx context.Context, j job) (*server, error) {
	s, _, err := newServer(j, "copier", true)
	if err != nil {
		return nil, err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	d := daemon{name: "copier", text: "${port:in}"}
	if j.from == "file" {
		d.text = ""
	}
	d.argv = func(file string, _ *service.Run) []string {
		argv := []string{self, copierVerb, "-port", file, "-in", s.in.dir, "-out", filepath.Join(s.out.dir, "out.log")}
		if j.acks {
			argv = append(argv, "-sync")
		}
		if j.null {
			argv = append(argv, "-null")
		}
		return argv
	}
	return s.launch(ctx, d)
}

// copier copies lines of connections, one after the other, or of files that appear, and does nothing else with them.
func copier(args []string) error {
	flags := flag.NewFlagSet(copierVerb, flag.ContinueOnError)
	port := flags.String("port", "", "file with the port to listen on; empty: files are copied")
	in := flags.String("in", "", "directory of files to copy")
	out := flags.String("out", "", "file to write")
	durable := flags.Bool("sync", false, "sync and answer what each read brought")
	null := flags.Bool("null", false, "write nothing")
	if err := flags.Parse(args); err != nil {
		return err
	}
	f, err := vfs.OS{}.Create(*out)
	if err != nil {
		return err
	}
	c := &copying{file: f, sync: *durable, null: *null}
	text, err := os.ReadFile(*port)
	if err != nil {
		return err
	}
	if len(text) == 0 {
		return c.files(*in)
	}
	l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", string(text)))
	if err != nil {
		return err
	}
	for {
		conn, err := l.Accept()
		if err != nil {
			return err
		}
		err = errors.Join(c.copy(conn, conn), conn.Close())
		if err != nil {
			return err
		}
	}
}

// copying is the output of a copier.
type copying struct {
	file       vfs.File
	off        int64
	sync, null bool
}

// files copies files as they appear in the directory.
func (c *copying) files(dir string) error {
	for n := 1; ; n++ {
		name := filepath.Join(dir, fmt.Sprintf("%04d.log", n))
		for {
			f, err := os.Open(name)
			if err == nil {
				if err = errors.Join(c.copy(f, nil), f.Close()); err != nil {
					return err
				}
				break
			}
			time.Sleep(time.Millisecond)
		}
	}
}

// copy copies lines until the source ends. The lines that a read completed are written at one go, and synced and answered if
// that is wanted.
func (c *copying) copy(from io.Reader, to io.Writer) error {
	in := make([]byte, 256<<10)
	var block, answers []byte
	for rest := 0; ; {
		n, err := from.Read(in[rest:])
		text := in[:rest+n]
		block, answers = block[:0], answers[:0]
		for at := bytes.IndexByte(text, '\n'); at >= 0; at = bytes.IndexByte(text, '\n') {
			block = append(block, text[:at+1]...)
			text = text[at+1:]
			if c.sync {
				answers = append(answers, "OK\n"...)
			}
		}
		rest = copy(in, text)
		if len(block) > 0 {
			if err := c.write(block); err != nil {
				return err
			}
		}
		if len(answers) > 0 {
			if _, err := to.Write(answers); err != nil {
				return err
			}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func (c *copying) write(block []byte) error {
	if c.null {
		return nil
	}
	if _, err := c.file.WriteAt(block, c.off); err != nil {
		return err
	}
	c.off += int64(len(block))
	if c.sync {
		return c.file.Datasync()
	}
	return nil
}

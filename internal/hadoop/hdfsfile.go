package hadoop

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"path"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/colinmarc/hdfs/v2"

	"goflume/internal/retry"
)

var errNotEmpty = syscall.ENOTEMPTY

// hdfsFile is a file of a cluster being written.
type hdfsFile struct {
	cluster *cluster
	session *session
	name    string
	wanted  int
	w       *hdfs.FileWriter
	over    bool // closed or abandoned

	mu   sync.Mutex
	conn *ackConn // to the datanodes of the block being written
	dead error    // why the file was cut off; a later connection is refused
}

func (c *cluster) Create(ctx context.Context, name string) (File, error) {
	return c.writer(ctx, "create", name, func(f *hdfsFile, base, own *hdfs.Client) (err error) {
		d, err := base.ServerDefaults()
		if err != nil {
			return err
		}
		f.wanted = cmp.Or(c.replication, d.Replication)
		create := func() (*hdfs.FileWriter, error) {
			return own.CreateFile(f.name, f.wanted, cmp.Or(c.blockSize, d.BlockSize), 0o666&^c.umask)
		}
		if f.w, err = create(); errors.Is(err, fs.ErrNotExist) {
			if err := base.MkdirAll(path.Dir(f.name), 0o777&^c.umask); err != nil {
				return err
			}
			f.w, err = create()
		}
		return uncertain(err)
	})
}

func (c *cluster) Append(ctx context.Context, name string) (File, error) {
	return c.writer(ctx, "append to", name, func(f *hdfsFile, base, own *hdfs.Client) (err error) {
		f.w, err = own.Append(f.name)
		return uncertain(err)
	})
}

// writer makes a file by open, which gets the session's client and a copy of it that reaches datanodes for this file.
func (c *cluster) writer(ctx context.Context, verb, name string, open func(f *hdfsFile, base, own *hdfs.Client) error) (File, error) {
	f := &hdfsFile{cluster: c, name: c.absolute(name)}
	err := c.call(ctx, verb, f.name, func(base *hdfs.Client) error {
		own, err := withDatanodes(base, f.dial)
		if err != nil {
			return err
		}
		if err := open(f, base, own); err != nil {
			return err
		}
		f.session = c.hold(base)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return f, nil
}

// hold keeps the client's session for a file.
func (c *cluster) hold(client *hdfs.Client) *session {
	c.mu.Lock()
	defer c.mu.Unlock()
	for s := range c.live {
		if s.client == client {
			s.users++
			return s
		}
	}
	return nil // the cluster was closed meanwhile
}

// errUncertain marks the loss of a connection during a call that must not be repeated: it may have been done.
var errUncertain = errors.New("the answer was lost")

func uncertain(err error) error {
	if connectionLost(err) {
		return fmt.Errorf("%w: %w", errUncertain, err)
	}
	return err
}

// dial connects to the first datanode of a block's pipeline. The block before is finished by then.
func (f *hdfsFile) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	d := net.Dialer{Timeout: min(f.cluster.timeout, maxConnect)}
	raw, err := d.DialContext(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.dead != nil {
		_ = raw.Close()
		return nil, f.dead
	}
	if f.conn != nil {
		f.conn.kill(net.ErrClosed)
	}
	f.conn = newAckConn(raw)
	return f.conn, nil
}

// maxConnect bounds connecting to a datanode.
const maxConnect = 30 * time.Second

func (f *hdfsFile) current() *ackConn {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.conn
}

// cut ends all traffic of the file for the reason given.
func (f *hdfsFile) cut(why error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.dead == nil {
		f.dead = why
	}
	if f.conn != nil {
		f.conn.kill(why)
	}
}

// bounded runs what talks to datanodes under the file system's deadline, or until ctx ends.
func (f *hdfsFile) bounded(parent context.Context, verb string, do func(ctx context.Context) error) error {
	ctx, cancel := context.WithTimeout(parent, f.cluster.timeout)
	defer cancel()
	at, _ := ctx.Deadline()
	err := f.w.SetDeadline(at)
	stop := context.AfterFunc(ctx, func() { f.cut(context.Cause(ctx)) })
	if err == nil {
		err = do(ctx)
	}
	stop()
	if err == nil {
		// An old deadline would make the heartbeats of an idle file fail.
		err = f.w.SetDeadline(time.Time{})
	}
	if err == nil || errors.Is(err, ErrUnseen) {
		return err
	}
	f.blame(parent, err)
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		err = fmt.Errorf("no answer from the datanodes within %v: %w", f.cluster.timeout, err)
	}
	return fmt.Errorf("%s %s on %s: %w", verb, f.name, f.cluster.name, explain(err))
}

// blame has the datanodes that failed left out of later files. Where the namenode finds none any more, all are let in.
func (f *hdfsFile) blame(ctx context.Context, err error) {
	if said := exception(err); said != "" {
		if said == "java.io.IOException" || strings.HasSuffix(said, "NotReplicatedYetException") {
			f.cluster.excluded.clear()
		}
		return
	}
	nodes, bad := pipeline(f.w, f.cluster.client.UseDatanodeHostname), -1
	if c := f.current(); c != nil {
		bad = c.blamed(nodes)
	}
	f.cluster.blame(ctx, nodes, bad)
}

// failed returns err, or what the library did not tell: see ackConn.Write.
func (f *hdfsFile) failed(err error) error {
	if c := f.current(); c != nil {
		if failure := c.failure(); failure != nil {
			return failure
		}
	}
	return err
}

func (f *hdfsFile) Write(ctx context.Context, p []byte) error {
	return f.bounded(ctx, "write", func(context.Context) error {
		_, err := f.w.Write(p)
		return f.failed(err)
	})
}

func (f *hdfsFile) Push(ctx context.Context) error {
	return f.bounded(ctx, "write", func(context.Context) error { return f.failed(f.w.Flush()) })
}

func (f *hdfsFile) Sync(ctx context.Context) error {
	return f.bounded(ctx, "sync", func(ctx context.Context) error {
		if err := f.failed(f.w.Flush()); err != nil {
			return err
		}
		c := f.current()
		if c == nil {
			return nil // nothing was written yet
		}
		return c.wait(ctx.Done())
	})
}

func (f *hdfsFile) Rewind(context.Context) error { return errors.ErrUnsupported }

// Close completes the file. The library is asked again only where it says that all replicas are written and the namenode
// has not heard of them yet: after another error a second call would report success over lost data.
func (f *hdfsFile) Close(ctx context.Context) error {
	if f.over {
		return nil
	}
	err := f.bounded(ctx, "close", func(ctx context.Context) error {
		if err := f.failed(nil); err != nil {
			return err
		}
		wait := 5 * time.Millisecond
		for {
			err := f.w.Close()
			if !hdfs.IsErrReplicating(err) {
				return err
			}
			if retry.Sleep(ctx, wait) != nil {
				return err
			}
			wait = min(2*wait, 400*time.Millisecond)
		}
	})
	if err != nil {
		f.Abandon()
		return err
	}
	f.over = true
	f.cut(net.ErrClosed)
	f.cluster.release(f.session, false)
	return nil
}

func (f *hdfsFile) Abandon() {
	if f.over {
		return
	}
	f.over = true
	f.cut(net.ErrClosed)
	if streaming(f.w) {
		_ = f.w.Close() // ends the library's goroutines; fails, as the connection is dead
	}
	f.cluster.release(f.session, false)
}

func (f *hdfsFile) Replicas() int {
	if c := f.current(); c != nil {
		if n := c.replicas(); n > 0 {
			return n
		}
	}
	return -1
}

func (f *hdfsFile) Wanted() int { return f.wanted }

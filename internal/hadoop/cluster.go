package hadoop

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"net"
	"os"
	"path"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/colinmarc/hdfs/v2"

	"goflume/internal/retry"
)

// cluster is an HDFS. Its calls go through one session; when a connection fails, the next call opens a new session, as
// the library would refuse to call for some seconds. Open files keep theirs.
type cluster struct {
	name    string // hdfs://authority
	ha      bool
	timeout time.Duration // of a call
	client  hdfs.ClientOptions
	login   login

	replication int   // 0: the namenode's default
	blockSize   int64 // 0: the namenode's default
	umask       os.FileMode

	excluded   excluded
	silent     silent
	connecting chan struct{} // 1: one at a time makes sessions

	mu      sync.Mutex
	current *session
	ended   bool
	live    map[*session]bool
	closing sync.WaitGroup
}

// session is a client with its connections to the namenodes. It is closed when it was left and no file uses it.
type session struct {
	client *hdfs.Client
	ctx    context.Context // of its dials
	cancel context.CancelFunc
	logout func()

	mu    sync.Mutex
	conns []net.Conn
	users int  // guarded by cluster.mu
	left  bool // guarded by cluster.mu
}

// longest is how long a call may take where the configuration sets no bound.
const longest = 24 * time.Hour

func newCluster(authority string, o Options) (*cluster, error) {
	addrs, err := o.Conf.Namenodes(authority)
	if err != nil {
		return nil, err
	}
	c := &cluster{name: "hdfs://" + authority, ha: len(addrs) > 1, timeout: o.CallTimeout, connecting: make(chan struct{}, 1), live: map[*session]bool{}}
	if c.timeout <= 0 {
		c.timeout = longest
	}
	replication, err := o.Conf.Int("dfs.replication", 0)
	if err != nil {
		return nil, err
	}
	c.replication = int(replication)
	if c.blockSize, err = o.Conf.Int("dfs.blocksize", 0); err != nil {
		return nil, err
	}
	if c.umask, err = umask(o.Conf.Get("fs.permissions.umask-mode")); err != nil {
		return nil, err
	}
	c.client = hdfs.ClientOptionsFromConf(hadoopConf(o.Conf))
	c.client.Addresses = addrs
	c.client.User = o.User
	if c.client.User == "" {
		c.client.User = osUser()
	}
	c.login, err = newLogin(o, &c.client)
	return c, err
}

func umask(s string) (os.FileMode, error) {
	if s == "" {
		return 0o022, nil
	}
	n, err := strconv.ParseUint(s, 8, 16)
	if err != nil || n > 0o777 {
		return 0, fmt.Errorf("fs.permissions.umask-mode = %q in Hadoop's configuration: write it in octal, such as 022", s)
	}
	return os.FileMode(n), nil
}

func (c *cluster) String() string { return c.name }

func (c *cluster) Check(ctx context.Context) error {
	return c.call(ctx, "ask for", "/", func(cl *hdfs.Client) error {
		_, err := cl.Stat("/")
		return err
	})
}

// acquire returns the current session, or a new one.
func (c *cluster) acquire(ctx context.Context) (*session, error) {
	select {
	case c.connecting <- struct{}{}:
		defer func() { <-c.connecting }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if s, err := c.use(nil); s != nil || err != nil {
		return s, err
	}
	s, err := c.connect(ctx)
	if err != nil {
		return nil, err
	}
	return c.use(s)
}

// use counts a user of the current session, which fresh becomes if there is none; both may be nil.
func (c *cluster) use(fresh *session) (*session, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if fresh != nil {
		c.current, c.live[fresh] = fresh, true
	}
	switch {
	case c.ended:
		if fresh != nil {
			c.endLocked(fresh)
		}
		return nil, net.ErrClosed
	case c.current == nil:
		return nil, nil
	}
	c.current.users++
	return c.current, nil
}

func (c *cluster) connect(ctx context.Context) (*session, error) {
	s := &session{}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	stop := context.AfterFunc(ctx, s.cut)
	defer stop()
	o := c.client
	logout, err := c.login.refresh(&o)
	if err != nil {
		return nil, err
	}
	s.logout = logout
	o.Addresses = c.silent.sorted(o.Addresses)
	o.NamenodeDialFunc = func(_ context.Context, network, addr string) (net.Conn, error) {
		conn, err := c.dialNamenode(s.ctx, network, addr)
		if err == nil {
			s.mu.Lock()
			s.conns = append(s.conns[max(0, len(s.conns)-len(o.Addresses)):], conn)
			s.mu.Unlock()
		}
		return conn, err
	}
	client, err := hdfs.NewClient(o)
	if err != nil {
		s.cut()
		logout()
		return nil, err
	}
	s.client = client
	return s, nil
}

// release gives the session back; broken means that its connection is not to be trusted for the next call.
func (c *cluster) release(s *session, broken bool) {
	if s == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	s.users--
	if broken {
		c.leaveLocked(s)
	}
	if s.users == 0 && s.left {
		c.endLocked(s)
	}
}

func (c *cluster) leaveLocked(s *session) {
	s.left = true
	if c.current == s {
		c.current = nil
	}
}

func (c *cluster) endLocked(s *session) {
	if !c.live[s] {
		return
	}
	delete(c.live, s)
	c.closing.Go(func() {
		s.cut() // a call under way would hold Close back
		_ = s.client.Close()
		s.logout()
	})
}

// cut closes the connections for good, so that calls under way end.
func (s *session) cut() {
	s.cancel()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.conns {
		_ = c.Close()
	}
}

func (c *cluster) Close() error {
	c.mu.Lock()
	c.ended, c.current = true, nil
	for s := range c.live {
		c.endLocked(s)
	}
	c.mu.Unlock()
	c.closing.Wait()
	c.login.end()
	return nil
}

// Pauses between tries of a call that another namenode, or the same one later, may answer.
const callPause = 500 * time.Millisecond

// call runs one call, or several that may be repeated. Where there are several namenodes it waits for one that is active,
// as long as a call may take; else it tries once more, as an idle connection may have been closed by the other side.
func (c *cluster) call(ctx context.Context, verb, name string, f func(*hdfs.Client) error) error {
	hard := ctx // a session is cut only when the agent must stop now: a file may need it longer than this call
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	var err error
	for try := 0; ; try++ {
		var s *session
		if s, err = c.acquire(ctx); err == nil {
			stop := context.AfterFunc(hard, s.cut)
			err = f(s.client)
			stop()
			c.release(s, connectionLost(err))
		}
		if err == nil {
			return nil
		}
		if !c.again(err, try) || errors.Is(err, net.ErrClosed) && c.isEnded() || retry.Sleep(ctx, callPause) != nil {
			break
		}
	}
	if hard.Err() != nil {
		err = context.Cause(hard)
	}
	if c.login.proxied != "" && err != nil && strings.Contains(err.Error(), "unexpected sequence number") {
		// The namenode has refused the connection, which is no call with a number.
		err = fmt.Errorf("it does not let %s impersonate %s, which hadoop.proxyuser.* in its core-site.xml is for: %w", c.login.who(), c.login.proxied, err)
	}
	return fmt.Errorf("%s %s on %s: %w", verb, name, c.name, explain(err))
}

func (c *cluster) isEnded() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.ended
}

func (c *cluster) again(err error, try int) bool {
	if errors.Is(err, errUncertain) {
		return false
	}
	switch exception(err) {
	case "":
		return connectionLost(err) && (c.ha || try == 0)
	case "org.apache.hadoop.ipc.StandbyException", "org.apache.hadoop.ipc.RetriableException", "org.apache.hadoop.ipc.ObserverRetryOnActiveException":
		return c.ha
	}
	return false
}

// connectionLost tells an error of the connection from an answer of the namenode.
func connectionLost(err error) bool {
	if err == nil || exception(err) != "" {
		return false
	}
	for _, answer := range []error{fs.ErrExist, fs.ErrNotExist, fs.ErrPermission, fs.ErrInvalid, hdfs.ErrReplicating} {
		if errors.Is(err, answer) {
			return false
		}
	}
	return !errors.Is(err, errNotEmpty)
}

// exception returns the Java class of a namenode's refusal, empty for another error.
func exception(err error) string {
	var remote hdfs.Error
	if errors.As(err, &remote) {
		return remote.Exception()
	}
	return ""
}

// explain adds what the namenode said, without its stack, and marks errors about names.
func explain(err error) error {
	var remote hdfs.Error
	if !errors.As(err, &remote) {
		return err
	}
	class := remote.Exception()
	class = class[strings.LastIndexAny(class, ".$")+1:]
	said, _, _ := strings.Cut(remote.Message(), "\n")
	switch class {
	case "InvalidPathException", "PathComponentTooLongException":
		return fmt.Errorf("%w: %s: %s", ErrName, class, said)
	case "FileNotFoundException":
		return fmt.Errorf("%w: %s", fs.ErrNotExist, said)
	case "AccessControlException":
		return fmt.Errorf("%w: %s", fs.ErrPermission, said)
	case "SafeModeException":
		said = "the namenode is in safe mode and takes no writes: " + said
	}
	return &refusal{err, class + ": " + said}
}

// refusal is a namenode's answer in its own words.
type refusal struct {
	err  error
	said string
}

func (r *refusal) Error() string { return r.said }
func (r *refusal) Unwrap() error { return r.err }

// absolute cleans a name as Java's Path does; a relative one lies in the user's home directory.
func (c *cluster) absolute(name string) string {
	if !strings.HasPrefix(name, "/") {
		name = "/user/" + c.login.user(c.client.User) + "/" + name
	}
	return path.Clean(name)
}

func (c *cluster) Rename(ctx context.Context, from, to string) error {
	from, to = c.absolute(from), c.absolute(to)
	return c.call(ctx, "rename", from, func(cl *hdfs.Client) error {
		err := renameTo(cl, from, to)
		if err == nil || connectionLost(err) {
			return err
		}
		_, there := cl.Stat(to)
		_, gone := cl.Stat(from)
		switch {
		case there == nil && errors.Is(gone, fs.ErrNotExist):
			return nil // done by a try whose answer was lost
		case there == nil:
			return &os.LinkError{Op: "rename", Old: from, New: to, Err: fs.ErrExist}
		case errors.Is(gone, fs.ErrNotExist):
			return gone
		}
		return err
	})
}

func (c *cluster) Remove(ctx context.Context, name string) error {
	name = c.absolute(name)
	return c.call(ctx, "remove", name, func(cl *hdfs.Client) error { return cl.Remove(name) })
}

func (c *cluster) Size(ctx context.Context, name string) (size int64, err error) {
	name = c.absolute(name)
	err = c.call(ctx, "look at", name, func(cl *hdfs.Client) error {
		fi, err := cl.Stat(name)
		if err == nil {
			size = fi.Size()
		}
		return err
	})
	return size, err
}

func (c *cluster) List(ctx context.Context, dir string) (all []Entry, err error) {
	dir = c.absolute(dir)
	err = c.call(ctx, "list", dir, func(cl *hdfs.Client) error {
		entries, err := cl.ReadDir(dir)
		all = all[:0]
		for _, fi := range entries {
			all = append(all, Entry{fi.Name(), fi.IsDir()})
		}
		return err
	})
	return all, err
}

func (c *cluster) Mark(ctx context.Context, name, owner string) error {
	name = c.absolute(name)
	return noNotes(c.call(ctx, "mark", name, func(cl *hdfs.Client) error {
		return cl.SetXAttr(name, "user."+ownerNote, owner)
	}))
}

func (c *cluster) Owner(ctx context.Context, name string) (owner string, err error) {
	name = c.absolute(name)
	err = c.call(ctx, "ask for the owner of", name, func(cl *hdfs.Client) error {
		notes, err := cl.ListXAttrs(name)
		owner = notes["user."+ownerNote]
		return err
	})
	return owner, noNotes(err)
}

// noNotes tells a namenode that keeps no extended attributes (dfs.namenode.xattrs.enabled) from other failures.
func noNotes(err error) error {
	if exception(err) == "java.io.IOException" {
		return fmt.Errorf("%w: %w", errors.ErrUnsupported, err)
	}
	return err
}

func (c *cluster) Truncate(ctx context.Context, name string, size int64) error {
	name = c.absolute(name)
	return c.call(ctx, "truncate", name, func(cl *hdfs.Client) error {
		_, err := cl.Truncate(name, size)
		return uncertain(err)
	})
}

// How Settle waits for the datanodes to agree on a file's length. A recovery that a dead datanode was to lead is given to
// another one at a later call.
const (
	settleFor   = 5 * time.Second
	settleLooks = 500 * time.Millisecond
)

// Settle recovers the file's lease, but not while that would cost it what is to be kept.
func (c *cluster) Settle(ctx context.Context, name string, keep int64) (done bool, err error) {
	name = c.absolute(name)
	if err := c.located(ctx, name, keep); err != nil {
		return false, err
	}
	err = c.call(ctx, "recover", name, func(cl *hdfs.Client) (err error) {
		done, err = recoverLease(cl, name)
		return err
	})
	for until := time.Now().Add(settleFor); err == nil && !done && time.Now().Before(until); {
		if err = retry.Sleep(ctx, settleLooks); err != nil {
			return false, err
		}
		err = c.call(ctx, "ask whether closed", name, func(cl *hdfs.Client) (err error) {
			done, err = isFileClosed(cl, name)
			return err
		})
	}
	return done, err
}

// located returns an error while the namenode knows of no datanode that has the last of the first keep bytes.
func (c *cluster) located(ctx context.Context, name string, keep int64) error {
	return c.call(ctx, "look for the blocks of", name, func(cl *hdfs.Client) error {
		last, missing, err := unlocated(cl, name)
		if err == nil && missing && last < keep {
			err = errUnlocated
		}
		return err
	})
}

var errUnlocated = errors.New("no datanode has told the namenode yet that it has the last block; a recovery now would lose it")

// Claim appends nothing: the namenode allows it once a file's writer has not renewed its lease for a minute.
func (c *cluster) Claim(ctx context.Context, name string) (done bool, err error) {
	if err := c.located(ctx, c.absolute(name), math.MaxInt64); err != nil {
		return false, err
	}
	f, err := c.Append(ctx, name)
	if err == nil {
		err = f.Close(ctx)
		return err == nil, err
	}
	class := exception(err)
	if strings.HasSuffix(class, ".AlreadyBeingCreatedException") || strings.HasSuffix(class, ".RecoveryInProgressException") {
		return false, nil
	}
	return false, err
}

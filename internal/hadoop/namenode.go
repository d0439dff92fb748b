package hadoop

import (
	"context"
	"errors"
	"fmt"
	"net"
	"reflect"
	"slices"
	"sync"
	"time"
	"unsafe"

	"github.com/colinmarc/hdfs/v2"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
)

// rpcConn is a connection to a namenode with a deadline on every read and write. Requests are written whole. After an error it is closed for good:
// else a late answer would be taken for that of the next call.
type rpcConn struct {
	net.Conn
	timeout  time.Duration
	excluded *excluded
	proxied  string // see actAs
	silent   func() // is told that the namenode did not answer
}

func (c rpcConn) Read(p []byte) (int, error) {
	_ = c.SetReadDeadline(time.Now().Add(c.timeout))
	n, err := c.Conn.Read(p)
	return n, c.ended(err)
}

func (c rpcConn) Write(p []byte) (int, error) {
	_ = c.SetWriteDeadline(time.Now().Add(c.timeout))
	if _, err := c.Conn.Write(c.excluded.complete(actAs(p, c.proxied))); err != nil {
		return 0, c.ended(err)
	}
	return len(p), nil
}

func (c rpcConn) ended(err error) error {
	if err == nil {
		return nil
	}
	_ = c.Conn.Close()
	if ne, ok := errors.AsType[net.Error](err); ok && ne.Timeout() {
		c.silent()
		return fmt.Errorf("namenode %s did not answer within %v", c.RemoteAddr(), c.timeout)
	}
	return err
}

// dialNamenode connects within the call's timeout.
func (c *cluster) dialNamenode(ctx context.Context, network, addr string) (net.Conn, error) {
	silent := func() { c.silent.note(addr) }
	d := net.Dialer{Timeout: c.timeout}
	conn, err := d.DialContext(ctx, network, addr)
	if err != nil {
		silent()
		return nil, err
	}
	return rpcConn{conn, c.timeout, &c.excluded, c.login.proxied, silent}, nil
}

// silent remembers when namenodes did not answer. A new session tries the others first: the library begins with the first
// one each time, and would never get past one that is frozen but whose machine accepts connections.
type silent struct {
	mu   sync.Mutex
	last map[string]time.Time // by address
}

func (s *silent) note(addr string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.last == nil {
		s.last = map[string]time.Time{}
	}
	s.last[addr] = time.Now()
}

// sorted returns the addresses, those that were silent last at the end.
func (s *silent) sorted(addrs []string) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	addrs = slices.Clone(addrs)
	slices.SortStableFunc(addrs, func(a, b string) int { return s.last[a].Compare(s.last[b]) })
	return addrs
}

// The library has these calls' messages compiled in, but does not offer the calls. Its connection to the namenode is in
// the unexported field namenode of hdfs.Client.

type executor interface {
	Execute(method string, req, resp proto.Message) error
}

func namenodeOf(c *hdfs.Client) (executor, error) {
	f := reflect.ValueOf(c).Elem().FieldByName("namenode")
	if !f.IsValid() {
		return nil, errors.New("the HDFS library has changed: no field namenode")
	}
	e, ok := reflect.NewAt(f.Type(), unsafe.Pointer(f.UnsafeAddr())).Elem().Interface().(executor)
	if !ok {
		return nil, errors.New("the HDFS library has changed: its namenode has no Execute")
	}
	return e, nil
}

// rpc calls a method of ClientProtocol whose request has string and boolean fields and whose response may have the field
// result.
func rpc(c *hdfs.Client, method, message string, fields map[protoreflect.Name]any) (result bool, err error) {
	resp, err := execute(c, method, message, fields)
	if err != nil {
		return false, err
	}
	if f := resp.Descriptor().Fields().ByName("result"); f != nil {
		result = resp.Get(f).Bool()
	}
	return result, nil
}

// execute calls a method of ClientProtocol and returns its response.
func execute(c *hdfs.Client, method, message string, fields map[protoreflect.Name]any) (protoreflect.Message, error) {
	e, err := namenodeOf(c)
	if err != nil {
		return nil, err
	}
	req, err := newMessage("hadoop.hdfs." + message + "RequestProto")
	if err != nil {
		return nil, err
	}
	for name, value := range fields {
		f := req.Descriptor().Fields().ByName(name)
		if f == nil {
			return nil, fmt.Errorf("the HDFS library has changed: %s has no field %s", message, name)
		}
		req.Set(f, protoreflect.ValueOf(value))
	}
	resp, err := newMessage("hadoop.hdfs." + message + "ResponseProto")
	if err != nil {
		return nil, err
	}
	if err := e.Execute(method, req.Interface(), resp.Interface()); err != nil {
		return nil, err
	}
	return resp, nil
}

func newMessage(name string) (protoreflect.Message, error) {
	t, err := protoregistry.GlobalTypes.FindMessageByName(protoreflect.FullName(name))
	if err != nil {
		return nil, fmt.Errorf("the HDFS library has changed: %w", err)
	}
	return t.New(), nil
}

// recoverLease asks the namenode to take the file from its writer, and tells whether it is closed already.
func recoverLease(c *hdfs.Client, name string) (closed bool, err error) {
	return rpc(c, "recoverLease", "RecoverLease", map[protoreflect.Name]any{"src": name, "clientName": c.Name()})
}

// unlocated tells whether the file is open, and no datanode has told this namenode yet that it has the file's last block,
// which begins at that offset. A namenode that was started or made active a moment ago may know a block from its log alone;
// asked to recover the lease then, it takes the block as never written, removes it and closes the file without it.
func unlocated(c *hdfs.Client, name string) (last int64, yes bool, err error) {
	resp, err := execute(c, "getBlockLocations", "GetBlockLocations", map[protoreflect.Name]any{"src": name, "offset": uint64(0), "length": uint64(1)})
	if err != nil {
		return 0, false, err
	}
	field := func(m protoreflect.Message, name protoreflect.Name) protoreflect.Value {
		f := m.Descriptor().Fields().ByName(name)
		if f == nil {
			err = fmt.Errorf("the HDFS library has changed: %s has no field %s", m.Descriptor().Name(), name)
			return protoreflect.Value{}
		}
		return m.Get(f)
	}
	at := field(resp, "locations")
	if err != nil || !at.Message().IsValid() { // there is no such file, as recoverLease will say
		return 0, false, err
	}
	open, complete, block := field(at.Message(), "underConstruction"), field(at.Message(), "isLastBlockComplete"), field(at.Message(), "lastBlock")
	if err != nil || !open.Bool() || complete.Bool() || !block.Message().IsValid() {
		return 0, false, err
	}
	offset, locs := field(block.Message(), "offset"), field(block.Message(), "locs")
	if err != nil {
		return 0, false, err
	}
	return int64(offset.Uint()), locs.List().Len() == 0, nil
}

func isFileClosed(c *hdfs.Client, name string) (bool, error) {
	return rpc(c, "isFileClosed", "IsFileClosed", map[protoreflect.Name]any{"src": name})
}

// renameTo renames a file, but never over another: unlike the library, which always allows that.
func renameTo(c *hdfs.Client, from, to string) error {
	_, err := rpc(c, "rename2", "Rename2", map[protoreflect.Name]any{"src": from, "dst": to, "overwriteDest": false})
	return err
}

// withDatanodes returns a copy of the client that shares its connection to the namenode, but reaches datanodes by dial:
// so every file knows its own connections, and a thousand open files cost one connection and one lease.
func withDatanodes(c *hdfs.Client, dial func(ctx context.Context, network, addr string) (net.Conn, error)) (*hdfs.Client, error) {
	own := *c
	f := reflect.ValueOf(&own).Elem().FieldByName("options")
	if !f.IsValid() || f.Type() != reflect.TypeFor[hdfs.ClientOptions]() {
		return nil, errors.New("the HDFS library has changed: hdfs.Client has no field options")
	}
	(*hdfs.ClientOptions)(unsafe.Pointer(f.UnsafeAddr())).DatanodeDialFunc = dial
	return &own, nil
}

// streaming tells whether the writer has a block open with a datanode that it has not tried to finish. Only then its Close,
// over a dead connection, ends in an error; without one it would complete the file, and a second one would do so whatever
// was lost.
func streaming(w *hdfs.FileWriter) bool {
	b := reflect.ValueOf(w).Elem().FieldByName("blockWriter")
	if !b.IsValid() || b.IsNil() {
		return false
	}
	s := b.Elem().FieldByName("stream")
	if !s.IsValid() || s.IsNil() {
		return false
	}
	closed := s.Elem().FieldByName("closed")
	return closed.IsValid() && !closed.Bool()
}

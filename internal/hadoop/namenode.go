package hadoop

import (
	"context"
	"errors"
	"fmt"
	"net"
	"reflect"
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
}

func (c rpcConn) Read(p []byte) (int, error) {
	_ = c.SetReadDeadline(time.Now().Add(c.timeout))
	n, err := c.Conn.Read(p)
	return n, c.ended(err)
}

func (c rpcConn) Write(p []byte) (int, error) {
	_ = c.SetWriteDeadline(time.Now().Add(c.timeout))
	if _, err := c.Conn.Write(c.excluded.complete(p)); err != nil {
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
		return fmt.Errorf("namenode %s did not answer within %v", c.RemoteAddr(), c.timeout)
	}
	return err
}

// dialNamenode connects within the timeout.
func dialNamenode(timeout time.Duration, x *excluded) func(context.Context, string, string) (net.Conn, error) {
	d := net.Dialer{Timeout: timeout}
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		c, err := d.DialContext(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		return rpcConn{c, timeout, x}, nil
	}
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

// rpc calls a method of ClientProtocol whose request has string fields and whose response has the field result.
func rpc(c *hdfs.Client, method, message string, fields map[protoreflect.Name]string) (result bool, err error) {
	e, err := namenodeOf(c)
	if err != nil {
		return false, err
	}
	req, err := newMessage("hadoop.hdfs." + message + "RequestProto")
	if err != nil {
		return false, err
	}
	for name, value := range fields {
		f := req.Descriptor().Fields().ByName(name)
		if f == nil {
			return false, fmt.Errorf("the HDFS library has changed: %s has no field %s", message, name)
		}
		req.Set(f, protoreflect.ValueOfString(value))
	}
	resp, err := newMessage("hadoop.hdfs." + message + "ResponseProto")
	if err != nil {
		return false, err
	}
	if err := e.Execute(method, req.Interface(), resp.Interface()); err != nil {
		return false, err
	}
	return resp.Get(resp.Descriptor().Fields().ByName("result")).Bool(), nil
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
	return rpc(c, "recoverLease", "RecoverLease", map[protoreflect.Name]string{"src": name, "clientName": c.Name()})
}

func isFileClosed(c *hdfs.Client, name string) (bool, error) {
	return rpc(c, "isFileClosed", "IsFileClosed", map[protoreflect.Name]string{"src": name})
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

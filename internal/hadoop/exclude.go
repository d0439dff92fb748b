package hadoop

import (
	"context"
	"encoding/binary"
	"net"
	"reflect"
	"strconv"
	"sync"
	"time"
	"unsafe"

	"github.com/colinmarc/hdfs/v2"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// The library never tells the namenode which datanodes failed it, so that for minutes a new file may be given the same
// dead one: always, where there are no more datanodes than replicas. So requests for a block are completed on their way
// with the nodes to leave out, as Java's client does.

// excludeFor is how long a datanode is left out (dfs.client.write.exclude.nodes.cache.expiry.interval.millis).
const excludeFor = 10 * time.Minute

// probeFor is how long a datanode has to answer when it is asked whether it lives.
const probeFor = 2 * time.Second

// excluded are datanodes to leave out.
type excluded struct {
	mu    sync.Mutex
	nodes map[string]excludedNode // by address
}

type excludedNode struct {
	info  []byte // DatanodeInfoProto
	until time.Time
}

func (e *excluded) add(n datanode) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.nodes == nil {
		e.nodes = map[string]excludedNode{}
	}
	e.nodes[n.addr] = excludedNode{n.info, time.Now().Add(excludeFor)}
}

// clear forgets all, as the namenode has no others.
func (e *excluded) clear() {
	e.mu.Lock()
	defer e.mu.Unlock()
	clear(e.nodes)
}

// complete returns the request packet with the nodes to leave out, if it asks for a block. A packet is uint32 length,
// then three messages with uvarint lengths: header, header with the method's name, request.
func (e *excluded) complete(packet []byte) []byte {
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.nodes) == 0 || len(packet) < 4 || int(binary.BigEndian.Uint32(packet)) != len(packet)-4 {
		return packet
	}
	head := 4
	for range 2 {
		n := prefixed(packet[head:])
		if n <= 0 {
			return packet
		}
		if message := packet[head : head+n]; head > 4 && !isAddBlock(message) {
			return packet
		}
		head += n
	}
	size, n := binary.Uvarint(packet[head:])
	if n <= 0 || len(packet) != head+n+int(size) {
		return packet
	}
	request := append([]byte(nil), packet[head+n:]...)
	now := time.Now()
	for addr, node := range e.nodes {
		if now.After(node.until) {
			delete(e.nodes, addr)
			continue
		}
		request = protowire.AppendTag(request, 4, protowire.BytesType) // excludeNodes of AddBlockRequestProto
		request = protowire.AppendBytes(request, node.info)
	}
	out := append([]byte(nil), packet[:head]...)
	out = binary.AppendUvarint(out, uint64(len(request)))
	out = append(out, request...)
	binary.BigEndian.PutUint32(out, uint32(len(out)-4))
	return out
}

// isAddBlock tells whether a RequestHeaderProto with its length in front has methodName = addBlock.
func isAddBlock(message []byte) bool {
	_, n := binary.Uvarint(message)
	for b := message[n:]; len(b) > 0; {
		num, typ, n := protowire.ConsumeTag(b)
		if n < 0 {
			return false
		}
		b = b[n:]
		if num == 1 && typ == protowire.BytesType {
			name, n := protowire.ConsumeBytes(b)
			return n > 0 && string(name) == "addBlock"
		}
		if n = protowire.ConsumeFieldValue(num, typ, b); n < 0 {
			return false
		}
		b = b[n:]
	}
	return false
}

// datanode is one node of a pipeline.
type datanode struct {
	addr string
	info []byte // DatanodeInfoProto
}

// pipeline returns the datanodes of the block that is being written; none where that cannot be told.
func pipeline(w *hdfs.FileWriter, hostnames bool) []datanode {
	f := reflect.ValueOf(w).Elem().FieldByName("blockWriter")
	if !f.IsValid() || f.IsNil() {
		return nil
	}
	writer := reflect.NewAt(f.Type(), unsafe.Pointer(f.UnsafeAddr())).Elem()
	block := writer.Elem().FieldByName("Block")
	if !block.IsValid() || block.IsNil() {
		return nil
	}
	message, ok := block.Interface().(proto.Message)
	if !ok {
		return nil
	}
	located := message.ProtoReflect()
	locs := located.Descriptor().Fields().ByName("locs")
	if locs == nil {
		return nil
	}
	var nodes []datanode
	list := located.Get(locs).List()
	for i := range list.Len() {
		node := list.Get(i).Message()
		info, err := proto.Marshal(node.Interface())
		if err != nil {
			return nil
		}
		nodes = append(nodes, datanode{nodeAddr(node, hostnames), info})
	}
	return nodes
}

// nodeAddr is where a DatanodeInfoProto says the node takes data.
func nodeAddr(node protoreflect.Message, hostnames bool) string {
	id := node.Get(node.Descriptor().Fields().ByName("id")).Message()
	fields := id.Descriptor().Fields()
	host := "ipAddr"
	if hostnames {
		host = "hostName"
	}
	return net.JoinHostPort(id.Get(fields.ByName(protoreflect.Name(host))).String(),
		strconv.Itoa(int(id.Get(fields.ByName("xferPort")).Uint())))
}

// blame finds out which datanodes of a pipeline that failed are to be left out: the one that said so, and those that do
// not answer at all.
func (c *cluster) blame(ctx context.Context, nodes []datanode, bad int) {
	ctx, cancel := context.WithTimeout(ctx, probeFor)
	defer cancel()
	var wg sync.WaitGroup
	for i, n := range nodes {
		if i == bad {
			c.excluded.add(n)
			continue
		}
		wg.Go(func() {
			if !answers(ctx, n.addr) && ctx.Err() != context.Canceled {
				c.excluded.add(n)
			}
		})
	}
	wg.Wait()
}

// answers tells whether a datanode does anything with a request: to one of a kind that does not exist it closes the
// connection. A frozen process accepts connections, as the system does that for it, and stays mute.
func answers(ctx context.Context, addr string) bool {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return false
	}
	defer conn.Close()
	if at, ok := ctx.Deadline(); ok {
		_ = conn.SetDeadline(at)
	}
	if _, err := conn.Write([]byte{0, 0x1c, 0}); err != nil {
		return false
	}
	_, err = conn.Read(make([]byte, 1))
	ne, ok := err.(net.Error)
	return !ok || !ne.Timeout()
}

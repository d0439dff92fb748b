package hadoop

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"sync"

	"google.golang.org/protobuf/encoding/protowire"
)

// ackConn is a connection to the first datanode of a pipeline that reads along: the sequence numbers of the packets sent
// (Hadoop's PacketHeaderProto) and of those acknowledged by all datanodes (PipelineAckProto). It parses what is written
// before passing it on, as the acknowledgement may overtake.
type ackConn struct {
	net.Conn

	mu     sync.Mutex
	news   chan struct{} // closed and made anew whenever something below changed
	sent   int64         // last data packet written
	acked  int64         // last packet that every datanode acknowledged
	nodes  int           // in the pipeline, as the last acknowledgement lists them; 0 before the first
	err    error         // why nothing will be acknowledged any more
	bad    int           // which datanode of the pipeline said that it failed, -1 for none
	opaque bool          // the stream is encrypted or signed

	refused bool   // the pipeline did not come about
	badLink string // the address of the datanode to blame for that, empty for the first
	out     outParser
	in      inParser
}

func newAckConn(c net.Conn) *ackConn {
	return &ackConn{Conn: c, news: make(chan struct{}), bad: -1}
}

// Write never fails: the library would then leave a goroutine behind for ever. What went wrong is kept, reads fail from then
// on, and what is written afterwards goes nowhere. So the library's own result means nothing; failure does.
func (c *ackConn) Write(p []byte) (int, error) {
	c.mu.Lock()
	if c.err != nil {
		c.mu.Unlock()
		return len(p), nil
	}
	if !c.opaque {
		c.opaque = !c.out.feed(p, c)
	}
	c.mu.Unlock()
	if _, err := c.Conn.Write(p); err != nil {
		c.fail(err)
		_ = c.Conn.Close()
	}
	return len(p), nil
}

// failure returns why nothing more will be acknowledged, nil while all is well.
func (c *ackConn) failure() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

func (c *ackConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.mu.Lock()
	defer c.mu.Unlock()
	if n > 0 && !c.opaque && c.err == nil {
		if ok := c.in.feed(p[:n], c); !ok {
			c.opaque = true
			c.wakeLocked()
		}
	}
	if err != nil {
		if c.err == nil && !c.in.answered {
			c.refused = true
		}
		c.failLocked(err)
	}
	return n, err
}

func (c *ackConn) fail(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.failLocked(err)
}

func (c *ackConn) failLocked(err error) {
	if c.err == nil {
		if errors.Is(err, io.EOF) {
			err = fmt.Errorf("datanode %s closed the connection", c.peer())
		}
		c.err = err
	}
	c.wakeLocked()
}

func (c *ackConn) wakeLocked() {
	close(c.news)
	c.news = make(chan struct{})
}

// kill ends the connection for the reason given, if it has not failed before.
func (c *ackConn) kill(why error) {
	c.fail(why)
	_ = c.Conn.Close()
}

// wait returns once every packet written so far is acknowledged. stop ends it.
func (c *ackConn) wait(stop <-chan struct{}) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	want := c.sent
	for {
		switch {
		case c.opaque:
			return ErrUnseen
		case c.err != nil:
			return c.err
		case c.acked >= want:
			return nil
		}
		news := c.news
		c.mu.Unlock()
		select {
		case <-news:
			c.mu.Lock()
		case <-stop:
			c.mu.Lock()
			return fmt.Errorf("datanode %s has not acknowledged packet %d", c.peer(), want)
		}
	}
}

// blamed returns which of the pipeline's datanodes has failed, as far as they said so; -1 for none. One that has no room
// for the block closes the connection instead of answering, or the one before it tells its address.
func (c *ackConn) blamed(nodes []datanode) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.bad >= 0 || !c.refused {
		return c.bad
	}
	if c.badLink == "" {
		return 0
	}
	return slices.IndexFunc(nodes, func(n datanode) bool { return n.addr == c.badLink })
}

func (c *ackConn) replicas() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.nodes
}

// The first bytes of a connection: Hadoop's data transfer version 28 and the code of a block write, or SASL's magic.
var (
	writeOp   = []byte{0x00, 0x1c, 0x50}
	saslMagic = []byte{0xde, 0xad, 0xbe, 0xef}
)

// saslRounds is how many messages go each way before the stream is plain again, if it is.
const saslRounds = 2

// maxHeader bounds what is kept of a message: more is no packet header and no acknowledgement.
const maxHeader = 1 << 20

// outParser follows what the client writes: an optional SASL exchange, the operation, packets.
type outParser struct {
	buf    []byte // of the part that is not complete yet
	skip   int    // bytes of packet data still to pass
	stage  uint8
	rounds int
}

const (
	stageStart uint8 = iota
	stageSASL
	stageOp
	stagePackets
)

// feed takes what is written; it returns false if it is not what a block write looks like.
func (o *outParser) feed(p []byte, c *ackConn) bool {
	for len(p) > 0 || o.stage == stageStart && len(o.buf) > 0 {
		if o.skip > 0 {
			n := min(o.skip, len(p))
			o.skip -= n
			p = p[n:]
			continue
		}
		data := p
		if len(o.buf) > 0 {
			o.buf = append(o.buf, p...)
			data = o.buf
		}
		used, ok := o.step(data, c)
		if !ok {
			return false
		}
		if used == 0 { // more is needed
			if len(data) > maxHeader {
				return false
			}
			if len(o.buf) == 0 {
				o.buf = append(o.buf, data...)
			}
			return true
		}
		p = data[used:]
		if len(o.buf) > 0 {
			p = append([]byte(nil), p...) // rare: packets come whole
			o.buf = o.buf[:0]
		}
	}
	return true
}

// step takes one element off data and returns its length, 0 if it is not complete.
func (o *outParser) step(data []byte, c *ackConn) (used int, ok bool) {
	switch o.stage {
	case stageStart:
		if len(data) < len(saslMagic) {
			return 0, true
		}
		o.stage = stageOp
		if string(data[:4]) == string(saslMagic) {
			o.stage = stageSASL
			c.in.skip = saslRounds
			return len(saslMagic), true
		}
		return o.step(data, c)
	case stageSASL:
		n := prefixed(data)
		if n > 0 {
			if o.rounds++; o.rounds == saslRounds {
				o.stage = stageOp
			}
		}
		return max(n, 0), n >= 0
	case stageOp:
		if len(data) < len(writeOp) {
			return 0, true
		}
		if string(data[:3]) != string(writeOp) {
			return 0, false
		}
		n := prefixed(data[3:])
		if n <= 0 {
			return 0, n == 0
		}
		o.stage = stagePackets
		return 3 + n, true
	}
	return o.packet(data, c)
}

// packet reads uint32 length, uint16 header length, header; the length counts itself and what follows the header.
func (o *outParser) packet(data []byte, c *ackConn) (used int, ok bool) {
	if len(data) < 6 {
		return 0, true
	}
	length := int(binary.BigEndian.Uint32(data))
	header := int(binary.BigEndian.Uint16(data[4:]))
	if length < 4 || length > 64<<20 {
		return 0, false
	}
	if len(data) < 6+header {
		return 0, true
	}
	seqno, ok := packetSeqno(data[6 : 6+header])
	if !ok {
		return 0, false
	}
	if seqno > 0 { // a heartbeat is -1
		c.sent = seqno
	}
	o.skip = length - 4
	return 6 + header, true
}

// prefixed returns the length of a message with its uvarint length in front, 0 if it is not complete, -1 if it is none.
func prefixed(data []byte) int {
	n, size := binary.Uvarint(data)
	switch {
	case size < 0 || n > maxHeader:
		return -1
	case size == 0 || len(data) < size+int(n):
		return 0
	}
	return size + int(n)
}

// packetSeqno returns field 2 of a PacketHeaderProto, an sfixed64.
func packetSeqno(b []byte) (seqno int64, ok bool) {
	for len(b) > 0 {
		num, typ, n := protowire.ConsumeTag(b)
		if n < 0 {
			return 0, false
		}
		b = b[n:]
		if num == 2 && typ == protowire.Fixed64Type {
			v, n := protowire.ConsumeFixed64(b)
			return int64(v), n > 0
		}
		if n = protowire.ConsumeFieldValue(num, typ, b); n < 0 {
			return 0, false
		}
		b = b[n:]
	}
	return 0, false
}

// inParser follows what the datanode answers: as many SASL messages as the client sent, the answer to the operation,
// acknowledgements.
type inParser struct {
	buf      []byte
	skip     int // messages that are none of ours
	answered bool
}

func (i *inParser) feed(p []byte, c *ackConn) bool {
	i.buf = append(i.buf, p...)
	rest := i.buf
	for len(rest) > 0 {
		n := prefixed(rest)
		if n < 0 {
			return false
		}
		if n == 0 {
			break
		}
		_, size := binary.Uvarint(rest)
		message := rest[size:n]
		rest = rest[n:]
		switch {
		case i.skip > 0:
			i.skip--
		case !i.answered:
			i.answered = true // the library looks at it
			i.opAnswer(message, c)
		case !i.ack(message, c):
			return false
		}
	}
	i.buf = append(i.buf[:0], rest...)
	return true
}

// opAnswer takes a BlockOpResponseProto: 1 the status, 2 the address of the datanode that failed.
func (i *inParser) opAnswer(b []byte, c *ackConn) {
	for len(b) > 0 {
		num, typ, n := protowire.ConsumeTag(b)
		if n < 0 {
			return
		}
		b = b[n:]
		switch {
		case num == 1 && typ == protowire.VarintType:
			status, m := protowire.ConsumeVarint(b)
			c.refused = m > 0 && status != 0
		case num == 2 && typ == protowire.BytesType:
			link, _ := protowire.ConsumeBytes(b)
			c.badLink = string(link)
		}
		if n = protowire.ConsumeFieldValue(num, typ, b); n < 0 {
			return
		}
		b = b[n:]
	}
}

// ack takes a PipelineAckProto: 1 the sequence number, zigzag; 2 a status for each datanode, in order.
func (i *inParser) ack(b []byte, c *ackConn) bool {
	var seqno int64
	seen, nodes := false, 0
	var bad error
	status := func(v uint64) {
		if v != 0 && bad == nil {
			bad = fmt.Errorf("datanode %d of the pipeline failed with status %d", nodes+1, v)
			c.bad = nodes
		}
		nodes++
	}
	for len(b) > 0 {
		num, typ, n := protowire.ConsumeTag(b)
		if n < 0 {
			return false
		}
		b = b[n:]
		switch {
		case num == 1 && typ == protowire.VarintType:
			v, m := protowire.ConsumeVarint(b)
			if m < 0 {
				return false
			}
			seqno, seen, n = protowire.DecodeZigZag(v), true, m
		case num == 2 && typ == protowire.VarintType:
			v, m := protowire.ConsumeVarint(b)
			if m < 0 {
				return false
			}
			status(v)
			n = m
		case num == 2 && typ == protowire.BytesType:
			packed, m := protowire.ConsumeBytes(b)
			if m < 0 {
				return false
			}
			for len(packed) > 0 {
				v, k := protowire.ConsumeVarint(packed)
				if k < 0 {
					return false
				}
				status(v)
				packed = packed[k:]
			}
			n = m
		default:
			if n = protowire.ConsumeFieldValue(num, typ, b); n < 0 {
				return false
			}
		}
		b = b[n:]
	}
	switch {
	case !seen:
		return false
	case bad != nil:
		c.failLocked(bad)
	case seqno >= 0: // a heartbeat is -1
		c.acked, c.nodes = max(c.acked, seqno), nodes
		c.wakeLocked()
	}
	return true
}

func (c *ackConn) peer() string {
	if c.Conn == nil {
		return "?"
	}
	return c.RemoteAddr().String()
}

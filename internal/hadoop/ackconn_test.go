package hadoop

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
)

// packet makes what a client writes for one packet, or for a heartbeat with seqno -1.
func packet(seqno int64, data int) []byte {
	h := protowire.AppendTag(nil, 1, protowire.Fixed64Type)
	h = protowire.AppendFixed64(h, 12345)
	h = protowire.AppendTag(h, 2, protowire.Fixed64Type)
	h = protowire.AppendFixed64(h, uint64(seqno))
	h = protowire.AppendTag(h, 3, protowire.VarintType)
	h = protowire.AppendVarint(h, 0)
	p := binary.BigEndian.AppendUint32(nil, uint32(4+data))
	p = binary.BigEndian.AppendUint16(p, uint16(len(h)))
	return append(append(p, h...), make([]byte, data)...)
}

// ack makes a datanode's acknowledgement with a status for each node.
func ack(seqno int64, packed bool, status ...uint64) []byte {
	m := protowire.AppendTag(nil, 1, protowire.VarintType)
	m = protowire.AppendVarint(m, protowire.EncodeZigZag(seqno))
	if packed {
		m = protowire.AppendTag(m, 2, protowire.BytesType)
		m = protowire.AppendVarint(m, uint64(len(status)))
		for _, s := range status {
			m = protowire.AppendVarint(m, s)
		}
	} else {
		for _, s := range status {
			m = protowire.AppendTag(m, 2, protowire.VarintType)
			m = protowire.AppendVarint(m, s)
		}
	}
	m = protowire.AppendTag(m, 3, protowire.VarintType)
	m = protowire.AppendVarint(m, 99)
	return message(m)
}

func message(m []byte) []byte { return append(binary.AppendUvarint(nil, uint64(len(m))), m...) }

var op = append([]byte{0, 0x1c, 0x50}, message([]byte("operation"))...)

// pair is a connection as the library sees it, and the datanode's end of it.
func pair(t *testing.T) (c *ackConn, node net.Conn) {
	t.Helper()
	a, b := net.Pipe()
	t.Cleanup(func() { a.Close(); b.Close() })
	return newAckConn(a), b
}

// exchange has the client write in pieces of that size and then read what the node answers.
func exchange(t *testing.T, c *ackConn, node net.Conn, piece int, out, in []byte) {
	t.Helper()
	done := make(chan error, 1)
	go func(n int64) {
		_, err := io.CopyN(io.Discard, node, n)
		done <- err
	}(int64(len(out)))
	for len(out) > 0 {
		n := min(piece, len(out))
		if _, err := c.Write(out[:n]); err != nil {
			t.Fatal(err)
		}
		out = out[n:]
	}
	must(t, <-done)
	go func() {
		var err error
		for rest := in; len(rest) > 0 && err == nil; {
			n := min(piece, len(rest))
			_, err = node.Write(rest[:n])
			rest = rest[n:]
		}
		done <- err
	}()
	if _, err := io.ReadFull(c, make([]byte, len(in))); err != nil {
		t.Fatal(err)
	}
	must(t, <-done)
}

func join(parts ...[]byte) []byte {
	var all []byte
	for _, p := range parts {
		all = append(all, p...)
	}
	return all
}

var stopped = func() <-chan struct{} { c := make(chan struct{}); close(c); return c }()

func TestWaitIsForTheLastPacketOnly(t *testing.T) {
	sasl := join(saslMagic, message(nil), message([]byte("response")))
	for _, piece := range []int{1, 7, 1 << 20} {
		for _, prefix := range [][]byte{nil, sasl} {
			c, node := pair(t)
			answer := message([]byte("answer"))
			if prefix != nil {
				answer = join(message([]byte("challenge")), message([]byte("rspauth")), answer)
			}
			exchange(t, c, node, piece, join(prefix, op, packet(1, 700), packet(-1, 0), packet(2, 0), packet(3, 65536)),
				join(answer, ack(1, false, 0, 0, 0), ack(-1, true, 0, 0, 0), ack(2, true, 0, 0, 0)))
			if err := c.wait(stopped); err == nil || !strings.Contains(err.Error(), "packet 3") {
				t.Errorf("pieces of %d: %v, want that packet 3 is missing", piece, err)
			}
			exchange(t, c, node, piece, nil, ack(3, true, 0, 0))
			if err := c.wait(stopped); err != nil {
				t.Errorf("pieces of %d: %v after the last acknowledgement", piece, err)
			}
			if n := c.replicas(); n != 2 {
				t.Errorf("%d replicas, want 2", n)
			}
		}
	}
}

func TestAFailedDatanodeEndsTheWait(t *testing.T) {
	c, node := pair(t)
	exchange(t, c, node, 1<<20, join(op, packet(1, 10)), join(message(nil), ack(-2, false, 0, 1, 0)))
	if err := c.wait(stopped); err == nil || !strings.Contains(err.Error(), "datanode 2") {
		t.Errorf("%v, want that the second datanode failed", err)
	}
}

func TestAClosedConnectionEndsTheWait(t *testing.T) {
	c, node := pair(t)
	exchange(t, c, node, 1<<20, join(op, packet(1, 10)), message(nil))
	done := make(chan error, 1)
	go func() { done <- c.wait(nil) }()
	node.Close()
	if _, err := c.Read(make([]byte, 1)); err == nil {
		t.Error("Read: nil, want an error")
	}
	if err := <-done; err == nil {
		t.Error("wait: nil, want an error")
	}
	if n, err := c.Write(packet(2, 10)); err != nil || n == 0 {
		t.Errorf("Write after it: %d, %v, want it swallowed", n, err)
	}
}

func TestAnEncryptedStreamIsNotBelieved(t *testing.T) {
	for _, rest := range [][]byte{{0, 0, 1, 44, 1, 2, 3, 4}, {0xff, 0x13, 0x77, 0x20}} {
		c, node := pair(t)
		exchange(t, c, node, 1<<20, join(saslMagic, message(nil), message([]byte("response")), rest), join(message(nil), message(nil), rest))
		if err := c.wait(stopped); !errors.Is(err, ErrUnseen) {
			t.Errorf("%v, want ErrUnseen", err)
		}
	}
}

// Nothing that comes over the wire may panic or be taken for an acknowledgement that was not sent.
func FuzzAcknowledgements(f *testing.F) {
	f.Add(join(op, packet(1, 10)), join(message(nil), ack(1, true, 0)), uint8(3))
	f.Add(join(saslMagic, message(nil), message(nil), op, packet(1, 10)), join(message(nil), message(nil), message(nil), ack(1, false, 0)), uint8(1))
	f.Fuzz(func(t *testing.T, out, in []byte, piece uint8) {
		c := newAckConn(nil)
		size := int(piece)%16 + 1
		for len(out) > 0 && !c.opaque {
			n := min(size, len(out))
			c.opaque = !c.out.feed(out[:n], c)
			out = out[n:]
		}
		for len(in) > 0 && !c.opaque {
			n := min(size, len(in))
			c.opaque = !c.in.feed(in[:n], c)
			in = in[n:]
		}
		if c.wait(stopped) == nil && c.acked < c.sent {
			t.Errorf("wait returned nil with %d of %d acknowledged", c.acked, c.sent)
		}
	})
}

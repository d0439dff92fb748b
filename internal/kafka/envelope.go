package kafka

import (
	"bytes"
	"encoding/binary"
	"errors"
	"net"
	"slices"
	"strings"

	"github.com/IBM/sarama"
)

// A produce request goes out in Sarama's envelope. Sarama is given one without any topic, and so numbers it, waits for a
// throttling broker, authenticates anew when that is due, and matches and decodes the answer; on its way to the socket the
// request gets its real body. So each record is copied once, from the event into its batch, and buffers are used again.

// The versions of produce requests that are written here: their bodies are alike, and the answer names records at fault from 8 on.
const (
	oldestProduce = 3
	newestProduce = 8
)

const produceKey = 0

// letter is the body that the next produce request of a connection gets.
type letter struct {
	blank []byte // the body as Sarama writes it
	parts net.Buffers
	size  int
}

// letter makes the body of a request of r's batches.
func (r *request) letter(e *encoder) (*letter, error) {
	slices.SortStableFunc(r.batches, func(a, b *batch) int { return strings.Compare(a.q.topic, b.q.topic) })
	blank := binary.BigEndian.AppendUint16(nil, 1<<16-1) // no transactional id
	blank = binary.BigEndian.AppendUint16(blank, uint16(r.wire.RequiredAcks))
	blank = binary.BigEndian.AppendUint32(blank, uint32(r.wire.Timeout))
	blank = binary.BigEndian.AppendUint32(blank, 0) // topics

	m := &letter{blank: blank, parts: make(net.Buffers, 1, 2+2*len(r.batches))} // the first part is the head
	topics, room := 0, len(blank)
	for i, b := range r.batches {
		if err := b.encode(e); err != nil {
			return nil, err
		}
		if i == 0 || b.q.topic != r.batches[i-1].q.topic {
			topics++
			room += 2 + len(b.q.topic) + 4
		}
		room += 8
	}
	text := append(make([]byte, 0, room), blank[:len(blank)-4]...) // never moved, as parts are slices of it
	text = binary.BigEndian.AppendUint32(text, uint32(topics))
	from := 0
	for i, b := range r.batches {
		if i == 0 || b.q.topic != r.batches[i-1].q.topic {
			n := 1
			for i+n < len(r.batches) && r.batches[i+n].q.topic == b.q.topic {
				n++
			}
			text = binary.BigEndian.AppendUint16(text, uint16(len(b.q.topic)))
			text = append(text, b.q.topic...)
			text = binary.BigEndian.AppendUint32(text, uint32(n))
		}
		text = binary.BigEndian.AppendUint32(text, uint32(b.q.id))
		text = binary.BigEndian.AppendUint32(text, uint32(len(b.wire)))
		m.parts = append(m.parts, text[from:], b.wire)
		m.size += len(text) - from + len(b.wire)
		from = len(text)
	}
	return m, nil
}

// post sends r; answer is called as Sarama's AsyncProduce does.
func (l *link) post(r *request, e *encoder, answer sarama.ProduceCallback) error {
	m, err := r.letter(e)
	if err != nil {
		return err
	}
	l.dialer.send(m)
	return l.broker.AsyncProduce(&r.wire, answer)
}

var errEnvelope = errors.New("the produce request cannot be written in a version that the broker understands")

// Write puts the letter that waits in the place of a produce request's body. It is called by the goroutine that posts; what else
// Sarama writes passes as it is.
func (c *dialed) Write(p []byte) (int, error) {
	c.group.wrote(p)
	const header = 14 // length, key, version, correlation id, length of the client id
	if len(p) < header || binary.BigEndian.Uint16(p[4:]) != produceKey {
		return c.Conn.Write(p)
	}
	m := c.from.waiting()
	if m == nil {
		return c.Conn.Write(p)
	}
	version := binary.BigEndian.Uint16(p[6:])
	if version < oldestProduce || version > newestProduce || !bytes.HasSuffix(p[header:], m.blank) {
		return 0, errEnvelope
	}
	head := slices.Clone(p[:len(p)-len(m.blank)])
	binary.BigEndian.PutUint32(head, uint32(len(head)-4+m.size))
	m.parts[0] = head
	if _, err := m.parts.WriteTo(c.Conn); err != nil {
		return 0, err
	}
	return len(p), nil
}

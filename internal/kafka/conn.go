package kafka

import (
	"context"
	"time"

	"github.com/IBM/sarama"
)

// conn is one connection of the producer to one broker. Its fields belong to the loop; its goroutine, send, sees only what it
// is given.
type conn struct {
	id   int32 // of the broker
	addr string
	work chan *request // room for all that may be in flight
	give context.CancelCauseFunc

	up       bool
	retired  bool
	deadline time.Time // of connecting
	inFlight int
}

// request is one produce request with at most one batch a partition.
type request struct {
	c        *conn
	batches  []*batch
	size     int // bytes of the batches before compression
	deadline time.Time
	wire     sarama.ProduceRequest // the envelope
}

// send is the goroutine of a connection: it connects and writes requests. Writing may block, by a full socket, a broker that
// throttles or a new authentication; then the loop gives the connection up by its deadline. It ends when work is closed.
func (l *loop) send(ctx context.Context, c *conn) {
	p := l.p
	enc := &encoder{codec: p.cfg.Codec, level: p.cfg.Level, buffers: p.buffers}
	ln, err := openLink(ctx, c.addr, p.cfg.Conn)
	l.inbox(func() { l.connected(c, err) })
	for r := range c.work {
		if err == nil {
			err = ln.post(r, enc, func(res *sarama.ProduceResponse, err error) {
				l.inbox(func() { l.answered(r, res, cause(ctx, err)) })
			})
			if err == nil {
				if r.wire.RequiredAcks == sarama.NoResponse {
					l.inbox(func() { l.answered(r, nil, nil) })
				}
				continue
			}
			err = cause(ctx, err)
		}
		failed := err
		l.inbox(func() { l.answered(r, nil, failed) })
	}
	if ln != nil {
		ln.close()
	}
	l.inbox(func() { l.gone(c) })
}

// inbox hands f to the loop, which runs until the last connection is gone.
func (l *loop) inbox(f func()) { l.p.inbox <- f }

// produceVersion returns the newest produce request that conf's version has; the broker's own limit is applied by Sarama.
func produceVersion(v sarama.KafkaVersion) int16 {
	switch {
	case v.IsAtLeast(sarama.V2_4_0_0):
		return newestProduce
	case v.IsAtLeast(sarama.V2_1_0_0):
		return 7
	}
	return oldestProduce
}

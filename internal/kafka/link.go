package kafka

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/IBM/sarama"
	"github.com/rcrowley/go-metrics"
)

// Sarama's own meters are not kept: they cost time for each request and a goroutine that never ends. What is worth counting is
// counted in the components' sets.
func init() { metrics.UseNilMetrics = true }

// dialer makes the connections of one Sarama broker or client and can give them all up: closing the socket from outside ends every
// call that waits on it, whatever locks Sarama holds.
type dialer struct {
	ctx    context.Context // ends with abandon; kept here because Sarama's Dial has none
	cancel context.CancelFunc
	net    net.Dialer
	tls    *tls.Config            // nil: plain
	alive  func(addr string) bool // asked about a broker that lets the group wait; nil: no answer may take longer than others
	wait   time.Duration          // of one answer

	mu    sync.Mutex
	conns map[*dialed]struct{}
	next  *letter // for the next produce request
}

func newDialer(timeout time.Duration) *dialer {
	d := &dialer{net: net.Dialer{Timeout: timeout, KeepAlive: 30 * time.Second}, conns: map[*dialed]struct{}{}}
	d.ctx, d.cancel = context.WithCancel(context.Background())
	return d
}

// takeOver has all connections that are made under c come from d: TLS is d's too, so that d sees what Sarama writes and reads.
func (d *dialer) takeOver(c *sarama.Config) {
	c.Net.Proxy.Enable, c.Net.Proxy.Dialer = true, d
	d.wait = c.Net.ReadTimeout
	if c.Net.TLS.Enable {
		d.tls, c.Net.TLS.Enable, c.Net.TLS.Config = c.Net.TLS.Config, false, nil
	}
}

// Dial implements Sarama's proxy dialer.
func (d *dialer) Dial(network, addr string) (net.Conn, error) {
	c, err := d.net.DialContext(d.ctx, network, addr)
	if err != nil {
		return nil, err
	}
	dc := &dialed{Conn: c, socket: c, from: d, addr: addr}
	if err := d.add(dc); err != nil {
		return nil, err
	}
	if d.tls == nil {
		return dc, nil
	}
	conf := d.tls.Clone()
	if conf.ServerName == "" {
		if conf.ServerName, _, err = net.SplitHostPort(addr); err != nil {
			dc.Close()
			return nil, err
		}
	}
	t := tls.Client(c, conf)
	ctx, cancel := context.WithTimeout(d.ctx, d.net.Timeout)
	defer cancel()
	if err := t.HandshakeContext(ctx); err != nil {
		dc.Close()
		return nil, err
	}
	dc.Conn = t
	return dc, nil
}

func (d *dialer) add(c *dialed) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.ctx.Err() != nil {
		c.socket.Close()
		return d.ctx.Err()
	}
	d.conns[c] = struct{}{}
	return nil
}

// abandon closes all connections and lets no new ones be made.
func (d *dialer) abandon() {
	d.cancel()
	d.mu.Lock()
	defer d.mu.Unlock()
	for c := range d.conns {
		c.socket.Close()
	}
}

// send keeps m for the next produce request.
func (d *dialer) send(m *letter) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.next = m
}

// waiting returns what send kept, once.
func (d *dialer) waiting() *letter {
	d.mu.Lock()
	defer d.mu.Unlock()
	m := d.next
	d.next = nil
	return m
}

// dialed leaves its dialer when it is closed.
type dialed struct {
	net.Conn
	socket net.Conn // below TLS
	from   *dialer
	addr   string
	group  groupWait
}

func (c *dialed) Close() error {
	c.from.mu.Lock()
	delete(c.from.conns, c)
	c.from.mu.Unlock()
	return c.Conn.Close()
}

// link is one connection of our own to a broker, not shared with any Sarama client: a client's synchronous calls hold the
// broker's lock.
type link struct {
	broker *sarama.Broker
	dialer *dialer
	stop   func() bool
}

// openLink connects and authenticates. The link is given up when ctx ends, at once and at any time.
func openLink(ctx context.Context, addr string, conf *sarama.Config) (*link, error) {
	c := *conf
	d := newDialer(conf.Net.DialTimeout)
	d.takeOver(&c)
	l := &link{broker: sarama.NewBroker(addr), dialer: d, stop: context.AfterFunc(ctx, d.abandon)}
	err := l.broker.Open(&c)
	if err == nil {
		var up bool
		if up, err = l.broker.Connected(); err == nil && !up {
			err = sarama.ErrNotConnected
		}
	}
	if err != nil {
		l.stop()
		d.abandon()
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return nil, fmt.Errorf("connect to kafka broker %s: %w", addr, explainConnect(err, conf))
	}
	return l, nil
}

// close ends the link. Requests that wait for an answer get an error first.
func (l *link) close() {
	l.stop()
	l.dialer.abandon()
	l.broker.Close()
}

// explainConnect adds what the operator should look at where Sarama's error says only that the peer hung up.
func explainConnect(err error, conf *sarama.Config) error {
	if !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) && !strings.Contains(err.Error(), "connection reset") {
		return err
	}
	switch {
	case conf.Net.TLS.Enable && conf.Net.SASL.Enable:
		return err
	case conf.Net.TLS.Enable:
		return fmt.Errorf("%w (the listener may want SASL: security.protocol = SASL_SSL)", err)
	case conf.Net.SASL.Enable:
		return fmt.Errorf("%w (the listener may want TLS: security.protocol = SASL_SSL)", err)
	}
	return fmt.Errorf("%w (the listener may want TLS or SASL: set security.protocol)", err)
}

package kafka

import (
	"errors"
	"fmt"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/IBM/sarama"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"goflume/internal/retry"
)

// lossy has a broker's answers pass through lose, which may keep one back (true) or close the connection (an error).
type lossy struct {
	net.Listener
	lose func() (bool, error)
}

func (l lossy) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return lossyConn{c, l.lose}, nil
}

type lossyConn struct {
	net.Conn
	lose func() (bool, error)
}

func (c lossyConn) Write(p []byte) (int, error) {
	swallow, err := c.lose()
	switch {
	case err != nil:
		c.Close()
		return 0, err
	case swallow:
		return len(p), nil
	}
	return c.Conn.Write(p)
}

// The broker has written what it was sent, and nobody hears of it.
func TestAnswersThatAreLostAfterTheWrite(t *testing.T) {
	for name, fault := range map[string]func(n int64) (bool, error){
		"connection closed": func(n int64) (bool, error) {
			if n%5 == 3 && n < 40 {
				return false, errTest
			}
			return false, nil
		},
		"no answer": func(n int64) (bool, error) { return n%9 == 5 && n < 30, nil },
	} {
		t.Run(name, func(t *testing.T) {
			var on atomic.Bool
			var n atomic.Int64
			c := fake(t, kfake.SeedTopics(3, "t"), kfake.ListenFn(func(network, addr string) (net.Listener, error) {
				l, err := net.Listen(network, addr)
				return lossy{l, func() (bool, error) {
					if !on.Load() {
						return false, nil
					}
					return fault(n.Add(1))
				}}, err
			}))
			cfg := quick(t, c)
			cfg.RequestTimeout, cfg.Sticky = 300*time.Millisecond, 100
			p := open(t, cfg, "t")
			on.Store(true)
			var r results
			var want []string
			for i := range 40 {
				v := numbered("v", i*25, 25)
				want = append(want, v...)
				r.send(t, p, i, "t", v...)
				if i%4 == 3 {
					r.wg.Wait()
				}
			}
			if bad := r.wait(t); len(bad) > 0 {
				t.Fatal(bad)
			}
			on.Store(false)
			checkOnce(t, readLog(t, c.ListenAddrs(), "t"), want)
			if cfg.Repeated.Value() > 0 {
				t.Errorf("%d records were sent under two epochs", cfg.Repeated.Value())
			}
		})
	}
}

func TestSlowBrokerKeepsOrder(t *testing.T) {
	c := fake(t, kfake.NumBrokers(2), kfake.SeedTopics(3, "t"))
	n := 0
	c.ControlKey(0, func(kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		if n++; n%2 == 0 && n < 40 {
			c.SleepControl(func() { retry.Sleep(t.Context(), 30*time.Millisecond) })
		}
		return nil, nil, false
	})
	cfg := quick(t, c)
	cfg.Sticky = 100
	runFaulty(t, c, open(t, cfg, "t"))
}

// A listener that takes connections and says nothing is given up in bounded time.
func TestSilentListenerIsGivenUp(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	cfg := quick(t, fake(t))
	cfg.Brokers = []string{l.Addr().String()}
	cfg.Conn.Net.ReadTimeout = time.Minute // ours comes first
	began := time.Now()
	err = NewProducer(cfg).Open(t.Context(), "t")
	if err == nil || !strings.Contains(err.Error(), "no answer") {
		t.Errorf("Open: %v, want that no answer came", err)
	}
	if took := time.Since(began); took > 30*time.Second {
		t.Errorf("Open took %v", took)
	}
}

// A topic that is asked for while no broker answers look-ups is not waited for longer than MaxBlock.
func TestUnansweredLookUpIsGivenUp(t *testing.T) {
	c := fake(t, kfake.SeedTopics(1, "t", "u"))
	cfg := quick(t, c)
	cfg.MaxBlock = 2 * time.Second
	p := open(t, cfg, "t")
	release := hangUntil(c, 3)
	began := time.Now()
	if _, err := p.Topic(t.Context(), "u", 0); err == nil || errors.As(err, new(*RecordError)) {
		t.Errorf("Topic: %v, want an error that is not the record's", err)
	}
	if took := time.Since(began); took > 15*time.Second {
		t.Errorf("Topic took %v", took)
	}
	release()
}

// The broker names the records of a batch that it does not take: these alone are refused, the others delivered.
func TestRecordsThatTheBrokerNames(t *testing.T) {
	c := fake(t, kfake.SeedTopics(1, "t"))
	n := 0
	c.ControlKey(0, func(req kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		if n++; n != 1 {
			return nil, nil, false
		}
		res := refuseWith(req, int16(sarama.ErrInvalidRecord)).(*kmsg.ProduceResponse)
		for _, i := range []int32{3, 7} {
			e := kmsg.NewProduceResponseTopicPartitionErrorRecord()
			text := fmt.Sprint("number ", i)
			e.RelativeOffset, e.ErrorMessage = i, &text
			part := &res.Topics[0].Partitions[0]
			part.ErrorRecords = append(part.ErrorRecords, e)
		}
		return res, nil, true
	})
	var told []string
	cfg := quick(t, c)
	cfg.Refused = func(err *RecordError) error {
		told = append(told, string(err.Event.Body)+": "+err.Err.Error())
		return nil
	}
	p := open(t, cfg, "t")
	var r results
	r.send(t, p, 0, "t", numbered("v", 0, 10)...)
	if bad := r.wait(t); len(bad) > 0 {
		t.Fatal(bad)
	}
	checkOnce(t, readLog(t, c.ListenAddrs(), "t"), []string{"v0", "v1", "v2", "v4", "v5", "v6", "v8", "v9"})
	if len(told) != 2 || !strings.HasPrefix(told[0], "v3: ") || !strings.HasSuffix(told[0], "number 3") || !strings.HasPrefix(told[1], "v7: ") {
		t.Errorf("told of %q, want the two records and the broker's words", told)
	}
}

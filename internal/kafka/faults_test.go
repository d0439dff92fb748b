package kafka

import (
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/IBM/sarama"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"goflume/internal/retry"
)

type control = func(kmsg.Request) (kmsg.Response, error, bool)

// hang never answers.
func hang(c *kfake.Cluster) control {
	return func(kmsg.Request) (kmsg.Response, error, bool) { c.KeepControl(); return nil, nil, true }
}

// hangUntil leaves requests with that key unanswered until release is called.
func hangUntil(c *kfake.Cluster, key int16) (release func()) {
	var free atomic.Bool
	c.ControlKey(key, func(kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		return nil, nil, !free.Load()
	})
	return func() { free.Store(true) }
}

// refuseWith answers a produce request with the code for all of its partitions and appends nothing.
func refuseWith(req kmsg.Request, code int16) kmsg.Response {
	in := req.(*kmsg.ProduceRequest)
	out := in.ResponseKind().(*kmsg.ProduceResponse)
	for _, t := range in.Topics {
		rt := kmsg.NewProduceResponseTopic()
		rt.Topic, rt.TopicID = t.Topic, t.TopicID
		for _, p := range t.Partitions {
			rp := kmsg.NewProduceResponseTopicPartition()
			rp.Partition, rp.ErrorCode = p.Partition, code
			rt.Partitions = append(rt.Partitions, rp)
		}
		out.Topics = append(out.Topics, rt)
	}
	return out
}

// run sends 40 transactions of 25 records against a cluster with faults and checks that all arrive once, in order.
func runFaulty(t *testing.T, c *kfake.Cluster, p *Producer) {
	t.Helper()
	var r results
	var want []string
	for i := range 40 {
		v := numbered("v", i*25, 25)
		want = append(want, v...)
		r.send(t, p, i, "t", v...)
		if i%10 == 9 {
			r.wg.Wait() // so that not all travel in the first requests
		}
	}
	if bad := r.wait(t); len(bad) > 0 {
		t.Fatal(bad)
	}
	checkOnce(t, readLog(t, c.ListenAddrs(), "t"), want)
}

func TestRefusedAndUnansweredRequestsAreSentAgain(t *testing.T) {
	cases := map[string]func(c *kfake.Cluster) control{}
	for _, code := range []sarama.KError{sarama.ErrInvalidMessage, sarama.ErrUnknownTopicOrPartition, sarama.ErrLeaderNotAvailable,
		sarama.ErrNotLeaderForPartition, sarama.ErrRequestTimedOut, sarama.ErrNetworkException, sarama.ErrNotEnoughReplicas,
		sarama.ErrNotEnoughReplicasAfterAppend, sarama.ErrKafkaStorageError, sarama.ErrFencedLeaderEpoch, sarama.ErrThrottlingQuotaExceeded} {
		cases[code.Error()] = func(c *kfake.Cluster) control {
			n := 0
			return func(req kmsg.Request) (kmsg.Response, error, bool) {
				c.KeepControl()
				if n++; n%3 != 1 || n > 20 {
					return nil, nil, false
				}
				return refuseWith(req, int16(code)), nil, true
			}
		}
	}
	cases["connection dropped"] = func(c *kfake.Cluster) control {
		n := 0
		return func(req kmsg.Request) (kmsg.Response, error, bool) {
			c.KeepControl()
			n++
			return nil, errTest, n%3 == 1 && n < 20
		}
	}
	cases["empty answer"] = func(c *kfake.Cluster) control {
		n := 0
		return func(req kmsg.Request) (kmsg.Response, error, bool) {
			c.KeepControl()
			if n++; n%3 != 1 || n > 20 {
				return nil, nil, false
			}
			return req.ResponseKind(), nil, true
		}
	}
	cases["no answer"] = func(c *kfake.Cluster) control {
		n := 0
		return func(req kmsg.Request) (kmsg.Response, error, bool) {
			c.KeepControl()
			n++
			return nil, nil, n == 2
		}
	}
	for name, fault := range cases {
		t.Run(name, func(t *testing.T) {
			c := fake(t, kfake.SeedTopics(3, "t"))
			c.ControlKey(0, fault(c))
			cfg := quick(t, c)
			cfg.RequestTimeout = 500 * time.Millisecond
			cfg.Sticky = 100
			runFaulty(t, c, open(t, cfg, "t"))
		})
	}
}

func TestLeaderThatMovesIsFollowed(t *testing.T) {
	c := fake(t, kfake.NumBrokers(3), kfake.SeedTopics(3, "t"))
	cfg := quick(t, c)
	cfg.Sticky = 100
	p := open(t, cfg, "t")
	var r results
	var want []string
	for i := range 100 {
		if i%10 == 5 {
			c.ShufflePartitionLeaders()
		}
		v := numbered("v", i*25, 25)
		want = append(want, v...)
		r.send(t, p, i, "t", v...)
		if i%10 == 9 {
			r.wg.Wait()
		}
	}
	if bad := r.wait(t); len(bad) > 0 {
		t.Fatal(bad)
	}
	checkOnce(t, readLog(t, c.ListenAddrs(), "t"), want)
}

func TestUnknownNumberBeginsANewEpoch(t *testing.T) {
	c := fake(t, kfake.SeedTopics(3, "t"))
	n := 0
	c.ControlKey(0, func(req kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		if n++; n != 3 {
			return nil, nil, false
		}
		return refuseWith(req, int16(sarama.ErrUnknownProducerID)), nil, true
	})
	cfg := quick(t, c)
	cfg.Sticky = 100
	runFaulty(t, c, open(t, cfg, "t"))
	if cfg.Repeated.Value() == 0 {
		t.Error("records that were sent under two epochs are not counted")
	}
}

// A leader that does not know the producer yet would take a second batch although it refused the first.
func TestTheFirstBatchGoesAlone(t *testing.T) {
	c := fake(t, kfake.SeedTopics(1, "t"))
	sent := 0
	first, refuse := make(chan struct{}), make(chan struct{})
	c.ControlKey(0, func(req kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		if sent++; sent > 1 {
			return nil, nil, false
		}
		close(first)
		c.SleepControl(func() { <-refuse })
		return refuseWith(req, int16(sarama.ErrNotLeaderForPartition)), nil, true
	})
	cfg := quick(t, c)
	cfg.BatchBytes = 10_000
	p := open(t, cfg, "t")
	var r results
	pad := strings.Repeat("x", 1000)
	want := numbered(pad, 0, 200)
	for i := range 10 {
		r.send(t, p, i, "t", want[20*i:20*i+20]...)
	}
	<-first
	for range 3 { // the loop goes round with all of them
		open := make(chan int)
		p.post(func() { open <- len(p.loop.requests) })
		if n := <-open; n != 1 {
			t.Errorf("%d requests before the first was answered, want 1", n)
		}
	}
	close(refuse)
	if bad := r.wait(t); len(bad) > 0 {
		t.Fatal(bad)
	}
	checkOnce(t, readLog(t, c.ListenAddrs(), "t"), want)
	if cfg.Repeated.Value() > 0 {
		t.Errorf("%d records were sent under two epochs", cfg.Repeated.Value())
	}
}

func TestOpenWaitsForABrokerThatLoads(t *testing.T) {
	c := fake(t, kfake.SeedTopics(1, "t"))
	n := 0
	c.ControlKey(22, func(req kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		if n++; n > 3 {
			return nil, nil, false
		}
		res := req.ResponseKind().(*kmsg.InitProducerIDResponse)
		res.ErrorCode = int16(sarama.ErrOffsetsLoadInProgress)
		return res, nil, true
	})
	open(t, quick(t, c), "t")
	if n != 4 {
		t.Errorf("asked %d times for an id, want until it was given", n)
	}
}

func TestDeliveryTimeoutFailsAllThatIsOpen(t *testing.T) {
	c := fake(t, kfake.SeedTopics(1, "t"))
	c.ControlKey(0, func(req kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		return refuseWith(req, int16(sarama.ErrNotEnoughReplicas)), nil, true
	})
	cfg := quick(t, c)
	cfg.DeliveryTimeout = 2 * time.Second
	p := open(t, cfg, "t")
	var r results
	for i := range 3 {
		r.send(t, p, i, "t", fmt.Sprint(i))
	}
	bad := r.wait(t)
	for i := range 3 {
		if !errors.Is(bad[i], ErrDelivery) {
			t.Errorf("done of %d: %v, want ErrDelivery", i, bad[i])
		}
	}
	tx := p.NewTransaction(1)
	tp, _ := p.Topic(t.Context(), "t", 0)
	tx.Add(Message{Topic: tp, Partition: -1, Value: []byte("x")})
	if err := p.Send(t.Context(), tx, func(error) { t.Error("done was called") }); !errors.Is(err, ErrDelivery) {
		t.Errorf("Send before Abort: %v, want the failure that stopped the producer", err)
	}
	p.Abort()
}

func TestProducerThatHealsGoesOn(t *testing.T) {
	c := fake(t, kfake.SeedTopics(1, "t"))
	var refuse atomic.Bool
	refuse.Store(true)
	c.ControlKey(0, func(req kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		return refuseWith(req, int16(sarama.ErrTopicAuthorizationFailed)), nil, refuse.Load()
	})
	cfg := quick(t, c)
	cfg.Heals = true
	p := open(t, cfg, "t")
	var r results
	r.send(t, p, 0, "t", "a")
	if bad := r.wait(t); !errors.Is(bad[0], sarama.ErrTopicAuthorizationFailed) {
		t.Fatalf("done: %v, want the broker's refusal", bad[0])
	}
	refuse.Store(false)
	var again results
	again.send(t, p, 0, "t", "b")
	if bad := again.wait(t); len(bad) > 0 {
		t.Fatal(bad)
	}
	checkOnce(t, readLog(t, c.ListenAddrs(), "t"), []string{"b"})
}

func TestOwnDeadlineEndsAnUnansweredRequest(t *testing.T) {
	c := fake(t, kfake.SeedTopics(1, "t"))
	n := 0
	c.ControlKey(0, func(req kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		n++
		return nil, nil, n == 1
	})
	cfg := quick(t, c)
	cfg.RequestTimeout = 200 * time.Millisecond
	cfg.Conn.Net.ReadTimeout = time.Minute // Sarama's own would come too late
	p := open(t, cfg, "t")
	var r results
	began := time.Now()
	r.send(t, p, 0, "t", "a")
	if bad := r.wait(t); len(bad) > 0 {
		t.Fatal(bad)
	}
	if took := time.Since(began); took > 30*time.Second {
		t.Errorf("took %v, want the request's own time-out and a second try", took)
	}
	checkOnce(t, readLog(t, c.ListenAddrs(), "t"), []string{"a"})
}

func TestFrozenBrokerDoesNotHoldClose(t *testing.T) {
	c := fake(t, kfake.SeedTopics(1, "t"))
	cfg := quick(t, c)
	cfg.RequestTimeout, cfg.Conn.Net.ReadTimeout = time.Minute, time.Minute
	p := open(t, cfg, "t")
	c.ControlKey(-1, hang(c))
	var r results
	r.send(t, p, 0, "t", "a")
	began := time.Now()
	p.Close()
	if took := time.Since(began); took > 30*time.Second {
		t.Errorf("Close took %v with a broker that does not answer", took)
	}
	if bad := r.wait(t); len(bad) != 1 {
		t.Errorf("done: %v, want an error", bad)
	}
}

func TestPlainProducerHasOneBatchInFlight(t *testing.T) {
	c := fake(t, kfake.SeedTopics(1, "t"))
	n := 0
	c.ControlKey(0, func(req kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		if n++; n%4 != 1 {
			return nil, nil, false
		}
		return refuseWith(req, int16(sarama.ErrNotEnoughReplicas)), nil, true
	})
	cfg := quick(t, c)
	cfg.Idempotent, cfg.Acks, cfg.InFlight = false, sarama.WaitForLocal, 1
	cfg.RequestTimeout = 20 * time.Second // an answer that came later would have its records written twice
	runFaulty(t, c, open(t, cfg, "t"))
}

func TestAcksZero(t *testing.T) {
	c := fake(t, kfake.SeedTopics(1, "t"))
	cfg := quick(t, c)
	cfg.Idempotent, cfg.Acks, cfg.InFlight = false, sarama.NoResponse, 1
	p := open(t, cfg, "t")
	var r results
	want := numbered("", 0, 50)
	r.send(t, p, 0, "t", want...)
	if bad := r.wait(t); len(bad) > 0 {
		t.Fatal(bad)
	}
	for range 6000 { // nothing says when the broker has them
		if len(readLog(t, c.ListenAddrs(), "t")[0]) == len(want) {
			break
		}
		if err := retry.Sleep(t.Context(), 10*time.Millisecond); err != nil {
			t.Fatal(err)
		}
	}
	checkOnce(t, readLog(t, c.ListenAddrs(), "t"), want)
}

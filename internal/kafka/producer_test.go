package kafka

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/IBM/sarama"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

func TestTransactionsArriveOnceAndInOrder(t *testing.T) {
	for _, codec := range []sarama.CompressionCodec{sarama.CompressionNone, sarama.CompressionGZIP, sarama.CompressionSnappy,
		sarama.CompressionLZ4, sarama.CompressionZSTD} {
		t.Run(codec.String(), func(t *testing.T) {
			c := fake(t, kfake.SeedTopics(3, "t"))
			cfg := quick(t, c)
			cfg.Codec, cfg.Sticky = codec, 2000
			p := open(t, cfg, "t")
			var r results
			var want []string
			for i := range 200 {
				v := numbered("value ", i*37, 37)
				want = append(want, v...)
				r.send(t, p, i, "t", v...)
			}
			if bad := r.wait(t); len(bad) > 0 {
				t.Fatal(bad)
			}
			got := readLog(t, c.ListenAddrs(), "t")
			checkOnce(t, got, want)
			if len(got) != 3 {
				t.Errorf("%d partitions used, want 3", len(got))
			}
			if ts := got[0][1].Timestamp.Sub(got[0][0].Timestamp); ts != time.Millisecond {
				t.Errorf("%v between the first two records, want 1ms", ts)
			}
		})
	}
}

func TestSmallTransactionsShareABatch(t *testing.T) {
	c := fake(t, kfake.SeedTopics(1, "t"))
	var requests int
	sent := make(chan struct{})
	answer := sync.OnceFunc(func() { close(sent) })
	defer answer()
	c.ControlKey(0, func(kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		if requests++; requests == 1 {
			c.SleepControl(func() { <-sent })
		}
		return nil, nil, false
	})
	p := open(t, quick(t, c), "t")
	var r results
	var want []string
	for i := range 2000 {
		v := numbered("", i, 1)
		want = append(want, v...)
		r.send(t, p, i, "t", v...)
	}
	answer()
	if bad := r.wait(t); len(bad) > 0 {
		t.Fatal(bad)
	}
	checkOnce(t, readLog(t, c.ListenAddrs(), "t"), want)
	if requests > 1000 {
		t.Errorf("%d requests for 2000 transactions of one record, want them put together", requests)
	}
}

func TestHeadersKeysAndNilValues(t *testing.T) {
	c := fake(t, kfake.SeedTopics(7, "t"))
	p := open(t, quick(t, c), "t")
	tp, err := p.Topic(t.Context(), "t", 0)
	if err != nil {
		t.Fatal(err)
	}
	tx := p.NewTransaction(3)
	tx.Header([]byte("h1"), []byte("v1"))
	tx.Header([]byte("h2"), nil)
	tx.Add(Message{Topic: tp, Partition: -1, Key: tx.String("key"), Value: []byte("a"), Time: time.UnixMilli(5)})
	tx.Add(Message{Topic: tp, Partition: 6, Key: tx.String("key"), Value: []byte("b"), Time: time.UnixMilli(4)})
	tx.Add(Message{Topic: tp, Partition: 6, Time: time.UnixMilli(3)})
	done := make(chan error, 1)
	if err := p.Send(t.Context(), tx, func(err error) { done <- err }); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	got := readLog(t, c.ListenAddrs(), "t")
	first, others := got[partitionFor([]byte("key"), 7)][0], got[6]
	if len(first.Headers) != 2 || string(first.Headers[0].Key) != "h1" || string(first.Headers[0].Value) != "v1" ||
		string(first.Headers[1].Key) != "h2" || first.Headers[1].Value != nil || first.Timestamp.UnixMilli() != 5 {
		t.Errorf("got %+v, want two headers and timestamp 5", first)
	}
	if len(others) != 2 || string(others[0].Value) != "b" || others[1].Value != nil || others[1].Key != nil ||
		others[1].Timestamp.UnixMilli() != 3 {
		t.Errorf("partition 6 holds %+v", others)
	}
}

func TestLargeTransactionIsCutIntoBatches(t *testing.T) {
	c := fake(t, kfake.SeedTopics(2, "t"))
	cfg := quick(t, c)
	cfg.BatchBytes = 10_000
	p := open(t, cfg, "t")
	var r results
	pad := strings.Repeat("x", 1000)
	want := numbered(pad, 0, 500)
	r.send(t, p, 0, "t", want...)
	if bad := r.wait(t); len(bad) > 0 {
		t.Fatal(bad)
	}
	checkOnce(t, readLog(t, c.ListenAddrs(), "t"), want)
}

func TestBatchThatTheBrokerFindsTooLargeIsCutAgain(t *testing.T) {
	for _, pipelined := range []bool{false, true} {
		t.Run(fmt.Sprint(pipelined), func(t *testing.T) {
			c := fake(t)
			limit := "5000"
			if err := c.CreateTopic("t", 1, map[string]string{"max.message.bytes": limit}); err != nil {
				t.Fatal(err)
			}
			p := open(t, quick(t, c), "t")
			var r results
			pad := strings.Repeat("x", 1000)
			var want []string
			for i := range 30 {
				v := numbered(pad, i*20, 20)
				want = append(want, v...)
				r.send(t, p, i, "t", v...)
				if !pipelined {
					r.wg.Wait()
				}
			}
			if bad := r.wait(t); len(bad) > 0 {
				t.Fatal(bad)
			}
			checkOnce(t, readLog(t, c.ListenAddrs(), "t"), want)
		})
	}
}

func TestRecordTooLargeForItsTopic(t *testing.T) {
	setUp := func(t *testing.T, refused func(*RecordError) error) (*kfake.Cluster, *Producer) {
		c := fake(t)
		limit := "5000"
		if err := c.CreateTopic("t", 1, map[string]string{"max.message.bytes": limit}); err != nil {
			t.Fatal(err)
		}
		cfg := quick(t, c)
		cfg.Refused = refused
		return c, open(t, cfg, "t")
	}
	big := strings.Repeat("y", 6000)

	t.Run("dropped", func(t *testing.T) {
		var told []string
		c, p := setUp(t, func(err *RecordError) error {
			told = append(told, string(err.Event.Body))
			return nil
		})
		var r results
		for i := range 10 {
			r.send(t, p, i, "t", fmt.Sprint("a", i), big, fmt.Sprint("b", i))
		}
		if bad := r.wait(t); len(bad) > 0 {
			t.Fatal(bad)
		}
		var want []string
		for i := range 10 {
			want = append(want, fmt.Sprint("a", i), fmt.Sprint("b", i))
		}
		checkOnce(t, readLog(t, c.ListenAddrs(), "t"), want)
		if len(told) != 10 || told[0] != big {
			t.Errorf("%d events were reported, want the 10 big ones", len(told))
		}
	})
	t.Run("fails", func(t *testing.T) {
		_, p := setUp(t, func(err *RecordError) error { return err })
		var r results
		r.send(t, p, 0, "t", "a", big, "b")
		var rec *RecordError
		if bad := r.wait(t); !errors.As(bad[0], &rec) || string(rec.Event.Body) != big || !errors.Is(rec, sarama.ErrMessageSizeTooLarge) {
			t.Errorf("done: %v, want the record's error with its event", bad[0])
		}
	})
}

func TestUnknownTopicIsTheRecordsFault(t *testing.T) {
	c := fake(t)
	cfg := quick(t, c)
	cfg.MaxBlock = 4 * time.Second // within half of it a broker has to say that it knows no such topic
	p := open(t, cfg)
	for _, name := range []string{"missing", "bad/name", "", "..", strings.Repeat("x", 250)} {
		var rec *RecordError
		if _, err := p.Topic(t.Context(), name, 0); !errors.As(err, &rec) {
			t.Errorf("Topic(%q): %v, want a RecordError", name, err)
		}
	}
	if _, err := p.Topic(cancelled(t), "missing", 0); err == nil || errors.As(err, new(*RecordError)) {
		t.Errorf("Topic with an ended context: %v, want the context's error", err)
	}
}

func TestMissingTopicIsCreatedWhereTheBrokerDoesThat(t *testing.T) {
	c := fake(t, kfake.AllowAutoTopicCreation(), kfake.DefaultNumPartitions(4))
	cfg := quick(t, c)
	cfg.CreateTopics = true
	p := open(t, cfg, "new")
	tp, err := p.Topic(t.Context(), "new", 0)
	if err != nil || tp.Partitions() != 4 {
		t.Fatalf("Topic: %v %v, want 4 partitions", tp, err)
	}
}

func TestOpenTellsWhyItCannotConnect(t *testing.T) {
	c := fake(t, kfake.SeedTopics(1, "t"))
	cfg := quick(t, c)
	cfg.Brokers = []string{"127.0.0.1:1"}
	err := NewProducer(cfg).Open(t.Context(), "t")
	if err == nil || !strings.Contains(err.Error(), "127.0.0.1:1") || !strings.Contains(err.Error(), "refused") {
		t.Errorf("Open: %v, want the address and the reason", err)
	}
}

func TestCloseEndsWhatIsOpen(t *testing.T) {
	c := fake(t, kfake.SeedTopics(1, "t"))
	c.ControlKey(0, hang(c))
	p := open(t, quick(t, c), "t")
	var r results
	r.send(t, p, 0, "t", "a")
	r.send(t, p, 1, "t", "b")
	p.Close()
	if bad := r.wait(t); !errors.Is(bad[0], ErrAborted) || !errors.Is(bad[1], ErrAborted) {
		t.Errorf("done: %v, want both aborted", bad)
	}
	tx := p.NewTransaction(1)
	if err := p.Send(t.Context(), tx, func(error) { t.Error("done was called") }); err != nil {
		t.Logf("an empty transaction on a closed producer: %v", err)
	}
}

func TestAbortEndsWhatIsOpenAndThenGoesOn(t *testing.T) {
	c := fake(t, kfake.SeedTopics(1, "t"))
	release := hangUntil(c, 0)
	p := open(t, quick(t, c), "t")
	var r results
	for i := range 20 {
		r.send(t, p, i, "t", fmt.Sprint("lost", i))
	}
	p.Abort()
	if bad := r.wait(t); len(bad) != 20 {
		t.Fatalf("%d of 20 transactions failed: %v", len(bad), bad)
	}
	release()
	var again results
	want := numbered("kept", 0, 10)
	for i, v := range want {
		again.send(t, p, i, "t", v)
	}
	if bad := again.wait(t); len(bad) > 0 {
		t.Fatal(bad)
	}
	var got []string
	for _, m := range readLog(t, c.ListenAddrs(), "t")[0] {
		if strings.HasPrefix(string(m.Value), "kept") {
			got = append(got, string(m.Value))
		}
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestRoomIsBounded(t *testing.T) {
	c := fake(t, kfake.SeedTopics(1, "t"))
	release := hangUntil(c, 0)
	cfg := quick(t, c)
	cfg.Buffer = 1000
	p := open(t, cfg, "t")
	var r results
	r.send(t, p, 0, "t", strings.Repeat("x", 2000)) // alone it is always taken
	tp, err := p.Topic(t.Context(), "t", 0)
	if err != nil {
		t.Fatal(err)
	}
	tx := p.NewTransaction(1)
	tx.Add(Message{Topic: tp, Partition: -1, Value: []byte("y")})
	if err := p.Send(cancelled(t), tx, func(error) { t.Error("done was called") }); err == nil {
		t.Error("Send took a transaction for which there is no room")
	}
	release()
	if bad := r.wait(t); len(bad) > 0 {
		t.Fatal(bad)
	}
	r.send(t, p, 1, "t", "z")
	if bad := r.wait(t); len(bad) > 0 {
		t.Fatal(bad)
	}
}

func TestSteadyStateAllocations(t *testing.T) {
	c := fake(t, kfake.SeedTopics(1, "t"))
	p := open(t, quick(t, c), "t")
	tp, err := p.Topic(t.Context(), "t", 0)
	if err != nil {
		t.Fatal(err)
	}
	value := make([]byte, 100)
	done := make(chan error, 1)
	finish := func(err error) { done <- err }
	build := func() {
		tx := p.NewTransaction(1000)
		for i := range 1000 {
			tx.Add(Message{Topic: tp, Partition: -1, Value: value, Event: i})
		}
		p.Discard(tx)
	}
	build()
	if n := testing.AllocsPerRun(20, build); n > 3 {
		t.Errorf("%v allocations to build a transaction of 1000 records, want none that grow with them", n)
	}
	_ = finish
}

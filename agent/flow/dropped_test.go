package flow

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"goflume/event"
	"goflume/internal/flowtest"
)

func TestDroppedEventsAreNotCountedAsDelivered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &flowtest.FakeChannel{}
		fill(t, c, 0, 30)
		var k *Sink
		tries := 0
		s := &flowtest.FakeSink{Batch: 10, OnWrite: func(context.Context, []event.Event) error {
			tries++
			k.count.Dropped.Add(3)
			if tries == 2 {
				return errors.New("the rest of the batch failed")
			}
			return nil
		}}
		k = newSink("k1", s)
		r := start(t, one(k, c))
		time.Sleep(time.Minute)
		synctest.Wait()
		wantCount(t, "delivered", k.count.DrainSuccess.Value(), 3*7)
		wantCount(t, "dropped", k.count.Dropped.Value(), 4*3)
		if err := r.end(); err != nil {
			t.Error(err)
		}
	})
}

func TestDroppedEventsOfBatchesInFlightAreNotCountedAsDelivered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &flowtest.FakeChannel{}
		fill(t, c, 0, 40)
		p := &flowtest.FakePipe{FakeSink: flowtest.FakeSink{Batch: 10}}
		k := newSink("k1", p)
		r := start(t, one(k, c))
		synctest.Wait()
		open := p.InFlight()
		k.count.Dropped.Add(12) // of the second and the third batch
		open[0].End(nil)
		open[1].End(nil)
		open[2].End(nil)
		synctest.Wait()
		wantCount(t, "delivered of three batches", k.count.DrainSuccess.Value(), 30-12)
		k.count.Dropped.Add(5)
		open[3].End(errors.New("broken"))
		time.Sleep(time.Minute)
		synctest.Wait()
		k.count.Dropped.Add(5)
		p.InFlight()[0].End(nil)
		synctest.Wait()
		wantCount(t, "delivered at the end", k.count.DrainSuccess.Value(), 40-12-5)
		if err := r.end(); err != nil {
			t.Error(err)
		}
	})
}

func TestDroppedEventsOfABatchThatCouldNotBeCommittedCountOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &flowtest.FakeChannel{}
		fill(t, c, 0, 10)
		fails := 1
		c.OnCommit = func([]event.Event) error {
			if fails--; fails >= 0 {
				return errors.New("the disk is full")
			}
			return nil
		}
		var k *Sink
		s := &flowtest.FakeSink{Batch: 10, OnWrite: func(context.Context, []event.Event) error {
			k.count.Dropped.Add(4)
			return nil
		}}
		k = newSink("k1", s)
		r := start(t, one(k, c))
		time.Sleep(time.Minute)
		synctest.Wait()
		wantCount(t, "delivered", k.count.DrainSuccess.Value(), 6)
		if err := r.end(); err != nil {
			t.Error(err)
		}
	})
}

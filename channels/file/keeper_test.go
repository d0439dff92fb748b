package file

import (
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"goflume/internal/vfs/memfs"
)

func TestCheckpointIsWrittenByTheClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := memfs.New()
		s := small()
		s.CheckpointInterval = 30 * time.Second
		c := mustOpen(t, disk, s)
		before := c.gen
		mustPut(t, c, numbered(0, 3))
		time.Sleep(31 * time.Second)
		synctest.Wait()
		if c.gen != before+1 {
			t.Errorf("generation %d after an interval, want %d", c.gen, before+1)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if c.gen != before+1 {
			t.Errorf("generation %d though nothing happened", c.gen)
		}
		mustClose(t, c)
	})
}

func TestIntervalSyncLosesNoMoreThanTheInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := memfs.New()
		s := small()
		s.FsyncPerTransaction, s.FsyncInterval, s.CheckpointInterval = false, 5*time.Second, time.Hour
		c := mustOpen(t, disk, s)
		for i := range 30 {
			mustPut(t, c, numbered(i*10, 10))
		}
		time.Sleep(6 * time.Second)
		synctest.Wait()
		mustPut(t, c, numbered(300, 10))
		crashed := disk.Crash(rand.New(rand.NewPCG(1, 1)))
		_ = c.Close()
		c = mustOpen(t, crashed, s)
		if got := drain(t, c); len(got) != 300 && len(got) != 310 {
			t.Errorf("%d events after a power cut, want 300 or 310", len(got))
		}
		mustClose(t, c)
	})
}

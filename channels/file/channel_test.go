package file

import (
	"math/rand/v2"
	"testing"
)

func TestEventsSurviveCloseAndOpen(t *testing.T) {
	disk := newDisk()
	c := mustOpen(t, disk, small())
	for i := range 100 {
		mustPut(t, c, numbered(i*10, 10))
	}
	tx := take(t, c, 25)
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
	take(t, c, 30) // not committed
	if s := c.Stats(); s.Size != 945 || s.Held != 30 {
		t.Errorf("Stats: %+v, want 945 queued and 30 held", s)
	}
	mustClose(t, c)
	c = mustOpen(t, disk, small())
	if s := c.Stats(); s.Size != 975 || s.Held != 0 {
		t.Errorf("Stats after open: %+v, want 975 queued", s)
	}
	wantRun(t, drain(t, c), 25, 975)
	if s := c.Stats(); s.Size != 0 || s.Held != 0 || s.Bytes != 0 {
		t.Errorf("Stats when empty: %+v", s)
	}
	mustClose(t, c)
	c = mustOpen(t, disk, small())
	wantRun(t, drain(t, c), 0, 0)
	mustClose(t, c)
}

func TestEventsSurviveAPowerCut(t *testing.T) {
	for seed := range uint64(20) {
		disk := newDisk()
		c := mustOpen(t, disk, small())
		for i := range 300 {
			mustPut(t, c, numbered(i*10, 10))
		}
		for range 10 {
			if err := take(t, c, 25).Commit(); err != nil {
				t.Fatal(err)
			}
		}
		crashed := disk.Crash(rand.New(rand.NewPCG(seed, 0)))
		_ = c.Close()
		c = mustOpen(t, crashed, small())
		wantRun(t, drain(t, c), 250, 2750)
		mustClose(t, c)
	}
}

func TestRollbackKeepsOrder(t *testing.T) {
	c := mustOpen(t, newDisk(), small())
	defer mustClose(t, c)
	mustPut(t, c, numbered(0, 30))
	a, b, d := take(t, c, 10), take(t, c, 5), take(t, c, 5)
	for _, tx := range []interface{ Rollback() error }{b, d, a} {
		if err := tx.Rollback(); err != nil {
			t.Fatal(err)
		}
	}
	mustPut(t, c, numbered(30, 5))
	wantRun(t, drain(t, c), 0, 35)
}

func TestCacheTooSmallIsReadFromDisk(t *testing.T) {
	for _, cache := range []int64{0, 2000, 1 << 20} {
		s := small()
		s.CacheBytes = cache
		c := mustOpen(t, newDisk(), s)
		var got []int
		for i := range 200 {
			mustPut(t, c, numbered(i*10, 10))
			if i%3 == 2 {
				tx := take(t, c, 7)
				for j := range tx.Events() {
					got = append(got, numberedAs(&tx.Events()[j]))
				}
				if err := tx.Commit(); err != nil {
					t.Fatal(err)
				}
			}
		}
		wantRun(t, append(got, drain(t, c)...), 0, 2000)
		mustClose(t, c)
	}
}

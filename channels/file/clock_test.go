package file

import (
	"math/rand/v2"
	"testing"
	"time"

	"goflume/internal/vfs/memfs"
)

// TestClockThatJumpsTenYears: order and what is done go by sequence numbers, whatever the clock says.
func TestClockThatJumpsTenYears(t *testing.T) {
	const years = 10 * 365 * 24 * time.Hour
	for seed := range uint64(8) {
		rng := rand.New(rand.NewPCG(seed, 10))
		disk := memfs.New()
		next, taken := 0, 0
		for range 4 {
			c := newChannel(testEnv(), small(), disk)
			var jump time.Duration
			c.now = func() time.Time { return time.Now().Add(jump) }
			check(t, c.Open(t.Context()))
			for range 60 {
				c.mu.Lock()
				jump = time.Duration(rng.IntN(3)-1) * years
				c.mu.Unlock()
				mustPut(t, c, numbered(next, 10))
				next += 10
				if age := c.oldest(c.now()); age < 0 || age > 2*years+time.Hour {
					t.Fatalf("the oldest event is %v old", age)
				}
				tx := take(t, c, 7)
				for i := range tx.Events() {
					if n := numberedAs(&tx.Events()[i]); n != taken {
						t.Fatalf("event %d comes, want %d", n, taken)
					}
					taken++
				}
				check(t, tx.Commit())
				c.housekeep(true)
			}
			crashed := disk.Crash(rng)
			_ = c.Close()
			disk = crashed
		}
		c := mustOpen(t, disk, small())
		wantRun(t, drain(t, c), taken, next-taken)
		mustClose(t, c)
	}
}

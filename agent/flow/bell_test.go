package flow

import (
	"testing"
	"testing/synctest"
	"time"
)

// The outlet's time may be that of the end of the last Write, from before the bell rang.
func TestBellRingsAgainForWhoeverArmsItWithAnOldTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b bell
		defer b.stop()
		old := time.Now()
		b.ready()
		b.arm(old, old.Add(time.Second))
		time.Sleep(2 * time.Second) // it rings for a wait that nobody is in any more
		ctx := b.ready()
		b.arm(old, old.Add(5*time.Second))
		select {
		case <-ctx.Done():
		case <-time.After(time.Minute):
			t.Error("the bell does not ring within a minute, want 5 s")
		}
	})
}

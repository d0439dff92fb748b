package flowtest

import (
	"testing"

	"goflume/channels"
)

// OpenDurable opens the channel whose files are in dir, with what they hold.
type OpenDurable func(t *testing.T, dir string, capacity, maxTx int) channels.Channel

// DurableChannel runs the suite of channels and what a channel must do besides whose events survive the process.
func DurableChannel(t *testing.T, open OpenDurable) {
	Channel(t, func(t *testing.T, capacity, maxTx int) channels.Channel { return open(t, t.TempDir(), capacity, maxTx) })
	t.Run("Reopen", func(t *testing.T) { reopens(t, open) })
}

func reopens(t *testing.T, open OpenDurable) {
	dir := t.TempDir()
	reopen := func(c channels.Channel) channels.Channel {
		t.Helper()
		if c != nil {
			if err := c.Close(); err != nil {
				t.Fatalf("Close: %v", err)
			}
		}
		return open(t, dir, 100, 20)
	}
	c := reopen(nil)
	put(t, c, 0, 20)
	put(t, c, 20, 30)
	want(t, "taken", takeAll(t, c, 5), Numbers(0, 5))
	take(t, c, 3) // never ended: Close gives it back

	c = reopen(c)
	if s := c.Stats(); s.Size != 25 || s.Held != 0 {
		t.Errorf("%+v after opening again, want 25 events and none held", s)
	}
	tx := take(t, c, 5)
	want(t, "the first events after opening again", bodies(tx.Events()), Numbers(5, 5+len(tx.Events())))
	rollback(t, tx)
	put(t, c, 30, 40)

	c = reopen(c)
	want(t, "taken after opening a second time", takeAll(t, c, 35), Numbers(5, 40))
	c = reopen(c)
	if s := c.Stats(); s.Size != 0 {
		t.Errorf("%d events in a channel that was emptied", s.Size)
	}
	if err := c.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
}

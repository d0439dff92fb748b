package file

import (
	"strconv"
	"time"

	"goflume/internal/metric"
)

// metrics are the channel's own; those that every channel has are the flow's.
type metrics struct {
	putErrors, takeErrors, checkpointErrors, backupErrors *metric.Counter
	putBlocked                                            *metric.Gauge
	fsync                                                 *metric.Histogram
	commits, tornTails, quarantined, lost, poisoned       *metric.Counter
}

// declare declares the attributes of Flume's FileChannelCounter and what the log adds.
func (m *metrics) declare(s *metric.Set, c *Channel) {
	m.putErrors = s.Counter("EventPutErrorCount", "flume_channel_put_errors_total", "Puts that failed.")
	m.takeErrors = s.Counter("EventTakeErrorCount", "flume_channel_take_errors_total", "Takes, or their commits, that failed.")
	m.checkpointErrors = s.Counter("CheckpointWriteErrorCount", "flume_channel_checkpoint_errors_total", "Checkpoints that could not be written.")
	m.backupErrors = s.Counter("CheckpointBackupWriteErrorCount", "flume_channel_checkpoint_backup_errors_total", "Copies of checkpoints that could not be written.")
	m.putBlocked = metric.PutBlocked(s)
	m.fsync = s.Histogram("flume_channel_fsync_duration_seconds", "Seconds of a sync of the log.", metric.LatencyBounds)
	m.commits = s.Counter("", "flume_channel_synced_commits_total", "Transactions made durable; divided by the number of syncs, how many shared one.")
	m.tornTails = s.Counter("", "flume_channel_torn_tails_total", "Unfinished writes found at the end of the log: a crash, nothing lost.")
	m.quarantined = s.Counter("", "flume_channel_quarantined_total", "Damaged spans of the log that were set aside.")
	m.lost = s.Counter("", "flume_channel_corrupt_events_lost_total", "Events that damaged spans held.")
	m.poisoned = s.Counter("", "flume_channel_poisoned_files_total", "Log files given up after a failed write or sync.")
	s.Text("Open", func() string { return strconv.FormatBool(c.is(stateOpen)) })
	s.Func("Closed", "", "", func() float64 { return number(c.is(stateClosed)) })
	s.Func("Unhealthy", "flume_channel_unhealthy", "1 while the channel cannot write.", func() float64 { return number(c.Healthy() != nil) })
	metric.OldestAge(s, func() float64 { return c.oldest(c.now()).Seconds() })
	s.Func("", "flume_channel_disk_bytes", "Bytes of all log files.", func() float64 { return float64(c.diskBytes()) })
}

func number(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

func (m *metrics) synced(took time.Duration, commits int) {
	m.fsync.Observe(took.Seconds())
	m.commits.Add(commits)
}

func (c *Channel) is(s state) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.state == s
}

// Healthy returns why the channel cannot write now, or nil.
func (c *Channel) Healthy() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.failure != nil {
		return c.failure
	}
	return c.sick
}

// oldest returns the age of the oldest event that is in memory to be taken, or in a transaction.
func (c *Channel) oldest(now time.Time) time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	at := int64(0)
	look := func(ps []piece) {
		for i := range ps {
			if at == 0 || ps[i].time < at {
				at = ps[i].time
			}
		}
	}
	look(c.again)
	for _, l := range c.lanes {
		look(l.heads)
		if len(l.heads) == 0 && !l.cur.before(l.spilled) && len(l.cache) > 0 && (at == 0 || l.cache[0].time < at) {
			at = l.cache[0].time
		}
	}
	for tx := range c.open {
		look(tx.pieces)
	}
	if at == 0 {
		return 0
	}
	return max(0, now.Sub(time.UnixMilli(at)))
}

func (c *Channel) diskBytes() (n int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, s := range c.segments() {
		n += s.size
	}
	return n
}

package hdfs

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"slices"
	"sync"
	"time"

	"goflume/internal/hadoop"
	"goflume/internal/metric"
	"goflume/internal/safe"
)

// repair is a file that was not closed and renamed as it should be.
type repair struct {
	inUse, final string
	safe         int64 // bytes that must be in it
	orphan       bool  // left by an earlier run
	known        bool  // an orphan whose safe is known, and that is the sink's beyond doubt
	unsure       bool  // perhaps never made, or by somebody else
	cut          bool  // what came after safe was cut off, or cannot be
	why          error // what went wrong

	tries int
	next  time.Time
	busy  bool
}

// mender closes and renames such files in the background: the sink goes on meanwhile.
type mender struct {
	fs       hadoop.FS
	journal  *journal
	settings *Settings
	owner    string
	log      *slog.Logger
	mended   *metric.Counter
	pending  *metric.Gauge

	stop context.CancelFunc
	ctx  context.Context // of the repairs under way
	wg   sync.WaitGroup
	wake chan struct{} // 1: there is news

	mu      sync.Mutex
	repairs []*repair
}

// mendPause is the first pause between two tries; it doubles. claimPause is that between two questions whether an orphan's
// writer still lives.
const (
	mendPause  = 2 * time.Second
	claimPause = 15 * time.Second
	loudTries  = 5 // about half a minute
)

func newMender(on hadoop.FS, j *journal, s *Settings, owner string, log *slog.Logger, m *metric.Set) *mender {
	md := &mender{
		fs: on, journal: j, settings: s, owner: owner, log: log, wake: make(chan struct{}, 1),
		mended:  m.Counter("", "flume_sink_files_recovered_total", "Files that were closed and renamed after a failure or a crash."),
		pending: m.Gauge("", "flume_sink_files_broken", "Files that wait to be recovered."),
	}
	md.ctx, md.stop = context.WithCancel(context.Background())
	md.wg.Go(func() {
		safe.Go(func() error { md.run(); return nil }, func(err error) { log.Error("Files are no longer recovered", "err", err) })
	})
	return md
}

func (m *mender) add(r *repair) {
	m.mu.Lock()
	m.repairs = append(m.repairs, r)
	m.pending.Set(float64(len(m.repairs)))
	m.mu.Unlock()
	select {
	case m.wake <- struct{}{}:
	default:
	}
}

// has tells whether a file of that name waits to be repaired.
func (m *mender) has(inUse string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.ContainsFunc(m.repairs, func(r *repair) bool { return r.inUse == inUse })
}

// run starts repairs as they come due, several at a time.
func (m *mender) run() {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		timer.Reset(m.start(time.Now()))
		select {
		case <-m.ctx.Done():
			return
		case <-m.wake:
		case <-timer.C:
		}
	}
}

// start starts what is due and returns how long to wait for the next.
func (m *mender) start(now time.Time) (wait time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	busy := 0
	for _, r := range m.repairs {
		if r.busy {
			busy++
		}
	}
	wait = time.Hour
	for _, r := range m.repairs {
		if r.busy || busy >= m.settings.ThreadsPoolSize {
			continue
		}
		if d := r.next.Sub(now); d > 0 {
			wait = min(wait, d)
			continue
		}
		r.busy = true
		busy++
		m.wg.Go(func() {
			var done bool
			err := safe.Call(func() (err error) { done, err = m.try(m.ctx, r); return err })
			m.ended(r, done, err)
		})
	}
	return wait
}

// ended notes how a try went.
func (m *mender) ended(r *repair, done bool, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	r.busy = false
	if err != nil {
		r.why = err
	}
	switch {
	case done || m.ctx.Err() != nil:
	case err == nil && r.orphan && !r.known: // its writer may live
		r.next = time.Now().Add(claimPause)
	default:
		r.tries++
		done = m.postpone(r)
	}
	if done {
		m.repairs = slices.DeleteFunc(m.repairs, func(o *repair) bool { return o == r })
		m.pending.Set(float64(len(m.repairs)))
	}
	select {
	case m.wake <- struct{}{}:
	default:
	}
}

// postpone sets the next try, and tells whether there is none.
func (m *mender) postpone(r *repair) (over bool) {
	tries := m.settings.CloseTries
	if m.settings.RetryInterval <= 0 {
		tries = 1
	}
	if tries > 0 && r.tries >= tries {
		m.log.Error("Recovering a file is given up, the next start tries again", "file", r.inUse, "tries", r.tries, "err", r.why)
		return true
	}
	if r.tries == loudTries {
		m.log.Warn("A file is still not recovered, that goes on", "file", r.inUse, "tries", r.tries, "err", r.why)
	}
	pause := max(m.settings.RetryInterval, time.Second)
	if n := r.tries - 1; n < 16 {
		pause = min(pause, mendPause<<n)
	}
	r.next = time.Now().Add(pause)
	return false
}

// try closes the file, looks whether all is there and gives it its final name.
func (m *mender) try(ctx context.Context, r *repair) (done bool, err error) {
	if r.unsure || r.orphan {
		switch other, err := m.others(ctx, r); {
		case err != nil:
			return false, err
		case other:
			m.journal.done(r.inUse)
			return true, nil
		}
	}
	if r.safe == 0 && (r.known || !r.orphan) { // nothing in it was ever acknowledged: it comes again, elsewhere
		if err := m.fs.Remove(ctx, r.inUse); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return false, err
		}
		m.journal.done(r.inUse)
		return true, nil
	}
	settle := func() (bool, error) { return m.fs.Settle(ctx, r.inUse, r.safe) }
	if r.orphan && !r.known {
		settle = func() (bool, error) { return m.fs.Claim(ctx, r.inUse) }
	}
	closed, err := settle()
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if r.orphan {
			m.journal.done(r.inUse) // renamed before the crash, or never made
			return true, nil
		}
		if _, err := m.fs.Size(ctx, r.final); err == nil {
			m.journal.done(r.inUse)
			return true, nil
		}
		m.log.Error("A file is gone before it could be renamed", "file", r.inUse, "bytes", r.safe)
		m.journal.done(r.inUse)
		return true, nil
	case err != nil || !closed:
		return false, err
	}
	size, err := m.fs.Size(ctx, r.inUse)
	if err != nil {
		return false, err
	}
	if size > r.safe && (r.known || !r.orphan) && !r.cut {
		// What came after it was never acknowledged and comes again: without it nothing comes twice. Where that cannot be
		// done the file is good all the same.
		r.cut = true
		if err := m.fs.Truncate(ctx, r.inUse, r.safe); err != nil {
			m.log.Debug("A file keeps what was not acknowledged", "file", r.inUse, "err", err)
		}
		return m.try(ctx, r)
	}
	if size < r.safe {
		m.log.Error("A file is shorter than what was acknowledged: data is lost", "file", r.inUse, "bytes", size, "acknowledged", r.safe)
	}
	switch {
	case size == 0:
		err = m.fs.Remove(ctx, r.inUse)
	case r.inUse != r.final:
		err = rename(ctx, m.fs, r.inUse, r.final)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return false, err
	}
	m.journal.done(r.inUse)
	m.mended.Add(1)
	m.log.Info("A file was recovered", "file", r.final, "bytes", size, "orphan", r.orphan)
	return true, nil
}

// others tells whether a file that may not be the sink's carries the mark of another one.
func (m *mender) others(ctx context.Context, r *repair) (bool, error) {
	owner, err := m.fs.Owner(ctx, r.inUse)
	switch {
	case errors.Is(err, errors.ErrUnsupported) || errors.Is(err, fs.ErrNotExist):
		return false, nil
	case err != nil || owner == "" || owner == m.owner:
		return false, err
	}
	m.log.Warn("A file of a name that this sink has used is another one's, it is left alone", "file", r.inUse, "owner", owner)
	return true, nil
}

// close ends the repairs; each that is not done gets one more try within ctx. It returns how many are left.
func (m *mender) close(ctx context.Context) (left int) {
	m.stop()
	m.wg.Wait()
	for _, r := range m.repairs {
		if ctx.Err() != nil || r.orphan && !r.known && r.next.After(time.Now()) { // its writer may live
			left++
			continue
		}
		if done, _ := m.try(ctx, r); !done {
			left++
		}
	}
	m.repairs = nil
	m.pending.Set(0)
	return left
}

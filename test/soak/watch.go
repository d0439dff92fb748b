package soak

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// sample is what the agent held at one moment.
type sample struct {
	at          time.Time
	pid         int64
	rss         int64 // VmRSS, bytes
	descriptors int
	goroutines  int
}

// sampleAgent looks at the agent; it fails while there is none.
func (w *world) sampleAgent(ctx context.Context) (s sample, err error) {
	s.pid, s.at = w.pid.Load(), time.Now()
	if s.pid == 0 {
		return s, fmt.Errorf("the agent is dead")
	}
	proc := filepath.Join("/proc", strconv.FormatInt(s.pid, 10))
	status, err := os.ReadFile(filepath.Join(proc, "status"))
	if err != nil {
		return s, err
	}
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			if _, err := fmt.Sscanf(rest, "%d kB", &s.rss); err != nil {
				return s, fmt.Errorf("VmRSS %q: %w", rest, err)
			}
			s.rss <<= 10
		}
	}
	open, err := os.ReadDir(filepath.Join(proc, "fd"))
	if err != nil {
		return s, err
	}
	s.descriptors = len(open)
	limited, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	goroutines, err := w.agent.Metric(limited, "go_goroutines")
	s.goroutines = int(goroutines)
	return s, err
}

// watch samples the agent every second until stop is closed.
func (w *world) watch(ctx context.Context, stop <-chan struct{}) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-stop:
			return
		case <-tick.C:
			if s, err := w.sampleAgent(ctx); err == nil {
				w.samples = append(w.samples, s)
			}
		}
	}
}

// lastLife are the samples of the process that is there at the end.
func (w *world) lastLife() []sample {
	if len(w.samples) == 0 {
		return nil
	}
	pid := w.samples[len(w.samples)-1].pid
	from := slices.IndexFunc(w.samples, func(s sample) bool { return s.pid == pid })
	return w.samples[from:]
}

// median returns the middle one of a figure.
func median(all []sample, figure func(sample) int64) int64 {
	values := make([]int64, len(all))
	for i, s := range all {
		values[i] = figure(s)
	}
	slices.Sort(values)
	if len(values) == 0 {
		return 0
	}
	return values[len(values)/2]
}

func most(all []sample, figure func(sample) int64) (n int64) {
	for _, s := range all {
		n = max(n, figure(s))
	}
	return n
}

func rss(s sample) int64         { return s.rss }
func descriptors(s sample) int64 { return int64(s.descriptors) }
func goroutines(s sample) int64  { return int64(s.goroutines) }

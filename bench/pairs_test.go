package bench

import (
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"syscall"
	"testing"
	"time"
)

// gcPercent is the agent's own.
const gcPercent = 400

func TestMain(m *testing.M) {
	if os.Getenv(feederEnv) != "" {
		if err := feeding(os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	debug.SetGCPercent(gcPercent)
	runtime.GOMAXPROCS(runtime.GOMAXPROCS(0) + 1) // the agent's own too; the bare programs beside it have it as well
	m.Run()
}

// cost is what one run took.
type cost struct{ wall, cpu time.Duration }

// pairs runs both n times in turns and returns the median costs.
func pairs(n int, ours, theirs func() time.Duration) (our, their cost) {
	var a, b []cost
	for range n {
		a = append(a, run(ours))
		b = append(b, run(theirs))
	}
	return median(a), median(b)
}

// inTurns is pairs where each is the first of a pair as often as the other. ratio is the median of the pairs' own: what is
// slow for minutes, such as a disk that others use, is slow for both of a pair.
func inTurns(n int, ours, theirs func() time.Duration) (our, their cost, ratio float64) {
	var a, b []cost
	var ratios []float64
	for i := range n {
		var o, t cost
		if i%2 == 0 {
			o, t = run(ours), run(theirs)
		} else {
			t, o = run(theirs), run(ours)
		}
		a, b, ratios = append(a, o), append(b, t), append(ratios, t.wall.Seconds()/o.wall.Seconds())
	}
	slices.Sort(ratios)
	return median(a), median(b), ratios[n/2]
}

func run(f func() time.Duration) cost {
	runtime.GC()
	before := cpuTime()
	wall := f()
	return cost{wall, cpuTime() - before}
}

// cpuTime is what the process has used so far, the kernel's work for it included.
func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func median(cs []cost) cost {
	by := func(of func(cost) time.Duration) time.Duration {
		ds := make([]time.Duration, len(cs))
		for i, c := range cs {
			ds[i] = of(c)
		}
		slices.Sort(ds)
		return ds[len(ds)/2]
	}
	return cost{by(func(c cost) time.Duration { return c.wall }), by(func(c cost) time.Duration { return c.cpu })}
}

// report shows the speeds in units per second, the processor time per unit, and fails below the floor of the speeds' ratio.
func report(b *testing.B, units int, ours, theirs cost, floor float64) {
	b.Helper()
	reportRatio(b, units, ours, theirs, theirs.wall.Seconds()/ours.wall.Seconds(), floor)
}

// reportRatio is report with a ratio of its own.
func reportRatio(b *testing.B, units int, ours, theirs cost, ratio, floor float64) {
	b.Helper()
	b.ReportMetric(float64(units)/ours.wall.Seconds(), "ours/s")
	b.ReportMetric(float64(units)/theirs.wall.Seconds(), "theirs/s")
	b.ReportMetric(ratio, "ratio")
	b.ReportMetric(float64(ours.cpu.Nanoseconds())/float64(units), "ours-cpu-ns")
	b.ReportMetric(float64(theirs.cpu.Nanoseconds())/float64(units), "theirs-cpu-ns")
	b.ReportMetric(0, "ns/op")
	if ratio < floor {
		b.Errorf("ratio %.2f, floor %.2f (ours %v, theirs %v)", ratio, floor, ours, theirs)
	}
}

package soak

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"text/tabwriter"
	"time"

	"goflume/test/ledger"
)

// report is what is printed at the end. Its methods may be called by several goroutines.
type report struct {
	seed uint64
	say  func(format string, args ...any)

	mu     sync.Mutex
	faults map[string]*tally
}

// tally counts the faults of one name.
type tally struct {
	times   int
	longest time.Duration
}

// struck notes a fault and prints it.
func (r *report) struck(name string, at, took time.Duration, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.faults == nil {
		r.faults = map[string]*tally{}
	}
	t := r.faults[name]
	if t == nil {
		t = &tally{}
		r.faults[name] = t
	}
	t.times++
	t.longest = max(t.longest, took)
	r.say("%7.1f s  %s, well again after %.1f s %v", at.Seconds(), name, took.Seconds(), errText(err))
}

func errText(err error) string {
	if err == nil {
		return ""
	}
	return "FAILED: " + err.Error()
}

// times is how often a fault struck whose name begins so.
func (r *report) times(prefix string) (n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for name, t := range r.faults {
		if strings.HasPrefix(name, prefix) {
			n += t.times
		}
	}
	return n
}

// table prints faults, flows and what the agent held.
func (r *report) table(w *world, verdicts map[*flow]ledger.Verdict, rest sample) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var b strings.Builder
	fmt.Fprintf(&b, "soak of %v, seed %d\n", w.length, r.seed)
	t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', tabwriter.AlignRight)
	row := func(cells ...any) {
		for _, c := range cells {
			fmt.Fprintf(t, "%v\t", c)
		}
		fmt.Fprintln(t)
	}
	row("fault", "times", "longest until well")
	var names []string
	for name := range r.faults {
		names = append(names, name)
	}
	slices.Sort(names)
	total := 0
	for _, name := range names {
		f := r.faults[name]
		total += f.times
		row(name, f.times, fmt.Sprintf("%.1f s", f.longest.Seconds()))
	}
	row("all", total, "")
	t.Flush()
	b.WriteByte('\n')
	row("flow", "acknowledged", "arrived", "doubled", "torn", "out of order", "refusals", "LOST")
	for _, f := range w.flows.all() {
		v := verdicts[f]
		disorder := "–" // partitions and indexes have none
		if f.files {
			disorder = strconv.Itoa(v.Disorder)
		}
		row(f.name, v.Acked, v.Distinct, v.Duplicates, v.Torn, disorder, v.Refused, v.Lost)
	}
	t.Flush()
	b.WriteByte('\n')
	life := w.lastLife()
	second, last := thirds(life)
	row("the agent", "quiet start", "most", "last life: second third", "last third", "at rest")
	row("VmRSS", mib(most(w.quiet, rss)), mib(most(w.samples, rss)), mib(median(second, rss)), mib(median(last, rss)), mib(rest.rss))
	row("goroutines", most(w.quiet, goroutines), most(w.samples, goroutines), median(second, goroutines), median(last, goroutines), rest.goroutines)
	row("descriptors", most(w.quiet, descriptors), most(w.samples, descriptors), median(second, descriptors), median(last, descriptors), rest.descriptors)
	t.Flush()
	if len(life) > 0 {
		fmt.Fprintf(&b, "its last life was %v; ", life[len(life)-1].at.Sub(life[0].at).Round(time.Second))
	}
	fmt.Fprintf(&b, "starts refused on a full disk: %d; left on the small disk: %s\n", w.startsRefused, mib(w.disk.used()))
	return b.String()
}

func mib(n int64) string { return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20)) }

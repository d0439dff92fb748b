package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"time"
)

func goVersion() string { return runtime.Version() }

func agentVersion(ctx context.Context) string {
	out, err := exec.CommandContext(ctx, "git", "describe", "--tags", "--always", "--dirty").Output()
	if err != nil {
		return "this tree"
	}
	return "this tree, " + string(bytes.TrimSpace(out))
}

// table returns the results as Markdown.
func table(results []result, with []peer, rounds int) string {
	var b strings.Builder
	fmt.Fprintf(&b, "Measured %s on %s. Lines of %d bytes over one connection or from one file; medians of %d rounds in turns, forwards and backwards, after one to warm up; \"of the copier\" is the median of each round's share; every line that came out was checked.\n\n",
		time.Now().UTC().Format("2006-01-02"), machine(), lineBytes, rounds)
	for _, r := range results {
		fmt.Fprintf(&b, "### %s\n\n| | lines/s | lowest – highest | of the copier | CPU µs a line | peak MiB | lines a round |\n|---|--:|--:|--:|--:|--:|--:|\n", r.job.title)
		limit := r.peers["copier"]
		for _, p := range with {
			f := r.peers[p.name]
			if f == nil {
				continue
			}
			if f.err != nil || len(f.rate) == 0 {
				fmt.Fprintf(&b, "| %s | failed | | | | | %d |\n", p.name, f.lines)
				continue
			}
			share := "–"
			if limit != nil && len(limit.rate) > 0 {
				share = fmt.Sprintf("%.2f", median(shares(f.rate, limit.rate)))
			}
			fmt.Fprintf(&b, "| %s | %s | %s – %s | %s | %.2f | %d | %s |\n", p.name, grouped(median(f.rate)), grouped(slices.Min(f.rate)), grouped(slices.Max(f.rate)),
				share, median(f.cpu), f.peak>>20, grouped(float64(f.lines)))
		}
		b.WriteString("\n")
	}
	b.WriteString("Versions: ")
	for i, p := range with {
		if i > 0 {
			b.WriteString("; ")
		}
		fmt.Fprintf(&b, "%s: %s", p.name, p.version(context.Background()))
	}
	b.WriteString(".\n")
	return b.String()
}

// machine says what this is measured on.
func machine() string {
	model := runtime.GOARCH
	if f, err := os.Open("/proc/cpuinfo"); err == nil {
		defer f.Close()
		for s := bufio.NewScanner(f); s.Scan(); {
			if name, ok := strings.CutPrefix(s.Text(), "model name"); ok {
				model = strings.TrimLeft(name, "\t: ")
				break
			}
		}
	}
	kernel, _ := os.ReadFile("/proc/sys/kernel/osrelease")
	load, _ := os.ReadFile("/proc/loadavg")
	load, _, _ = bytes.Cut(load, []byte(" "))
	return fmt.Sprintf("%d cores of an %s, Linux %s, load average %s", runtime.NumCPU(), model, bytes.TrimSpace(kernel), load)
}

func median(v []float64) float64 {
	s := slices.Sorted(slices.Values(v))
	return s[len(s)/2]
}

// shares returns the rates as parts of those of the same rounds: a slow minute of the machine hits both.
func shares(rate, limit []float64) (all []float64) {
	for i := range min(len(rate), len(limit)) {
		all = append(all, rate[i]/limit[i])
	}
	return all
}

// grouped prints a number with commas.
func grouped(v float64) string {
	s := fmt.Sprintf("%.0f", v)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// Markers of the generated part of the page.
const (
	begins = "<!-- bench-peers begins -->\n"
	ends   = "<!-- bench-peers ends -->\n"
)

// writeBetween puts the text between the markers of the page.
func writeBetween(name, text string) error {
	page, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	before, rest, ok := strings.Cut(string(page), begins)
	_, after, ok2 := strings.Cut(rest, ends)
	if !ok || !ok2 {
		return fmt.Errorf("%s has no place for the table between %q and %q", name, begins, ends)
	}
	return os.WriteFile(name, []byte(before+begins+text+ends+after), 0o644)
}

package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// job is what all peers are to do.
type job struct {
	name  string
	title string
	from  string // tcp or file
	null  bool   // nothing comes out
	acks  bool   // who answers lines is asked to
	lines map[string]int
}

// Lines of one round: some seconds of the slow ones, some tenths of the fast ones.
var jobs = []job{
	{name: "memory", title: "TCP, memory, file", from: "tcp",
		lines: map[string]int{"copier": 2_000_000, "agent": 2_000_000, "rsyslog": 1_000_000, "syslog-ng": 500_000, "flume": 300_000}},
	{name: "file", title: "file, memory, file", from: "file",
		lines: map[string]int{"copier": 2_000_000, "agent": 2_000_000, "rsyslog": 200_000, "syslog-ng": 200_000, "flume": 300_000}},
	{name: "durable", title: "TCP, durable queue, file", from: "tcp", acks: true,
		lines: map[string]int{"copier": 1_000_000, "agent": 1_000_000, "rsyslog": 3_000, "rsyslog-assisted": 200_000, "syslog-ng": 500_000, "flume": 5_000}},
	{name: "null", title: "TCP, nothing", from: "tcp", null: true,
		lines: map[string]int{"copier": 5_000_000, "agent": 5_000_000, "rsyslog": 1_000_000, "syslog-ng": 500_000, "flume": 300_000}},
}

// chooseJobs returns the jobs of that list, or all.
func chooseJobs(list string) ([]job, error) {
	return choose(jobs, list, "job", func(j job) string { return j.name })
}

func jobNames() (names []string) {
	for _, j := range jobs {
		names = append(names, j.name)
	}
	return names
}

// result is what one job took each peer.
type result struct {
	job   job
	peers map[string]*figures
}

// figures are of one peer in one job, a value a round.
type figures struct {
	rate  []float64 // lines per second
	cpu   []float64 // microseconds of processor time per line
	peak  int64     // bytes of memory, most there ever were
	lines int
	err   error // what ended it
}

// entrant is a peer that takes part in a job.
type entrant struct {
	peer    peer
	server  *server
	figures *figures
}

// compare runs every peer of the job once to warm up and then in turns: who comes first in one round comes last in the next.
// Who fails once is out.
func compare(ctx context.Context, j job, with []peer, rounds int) (result, error) {
	r := result{job: j, peers: map[string]*figures{}}
	var in []*entrant
	defer func() {
		for _, e := range in {
			e.server.end()
		}
	}()
	for _, p := range with {
		lines := j.lines[p.name]
		if lines == 0 {
			continue
		}
		f := &figures{lines: lines}
		r.peers[p.name] = f
		say("%s: starting %s", j.title, p.name)
		s, err := p.start(ctx, j)
		if err == nil {
			in = append(in, &entrant{p, s, f})
			_, _, err = s.round(ctx, j, lines)
		}
		if f.err = err; err != nil {
			say("%s: %s: %v", j.title, p.name, err)
		}
	}
	for n := range rounds {
		if n > 0 {
			slices.Reverse(in)
		}
		for _, e := range in {
			if e.figures.err != nil {
				continue
			}
			took, cpu, err := e.server.round(ctx, j, e.figures.lines)
			if ctx.Err() != nil {
				return r, ctx.Err()
			}
			if err != nil {
				e.figures.err = err
				say("%s: round %d: %s: %v", j.title, n+1, e.peer.name, err)
				continue
			}
			lines := float64(e.figures.lines)
			e.figures.rate = append(e.figures.rate, lines/took.Seconds())
			e.figures.cpu = append(e.figures.cpu, float64(cpu.Microseconds())/lines)
			say("%s: round %d: %-16s %9.0f lines/s %7.3f µs of CPU a line", j.title, n+1, e.peer.name, lines/took.Seconds(), float64(cpu.Microseconds())/lines)
		}
	}
	var errs []error
	for _, e := range in {
		e.figures.peak = e.server.peak()
		if e.figures.err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", e.peer.name, e.figures.err))
		}
	}
	return r, errors.Join(errs...)
}

// round sends one round's lines and returns once all that is expected of them has happened: they are out, answered, or read
// to the end.
func (s *server) round(ctx context.Context, j job, lines int) (took, cpu time.Duration, err error) {
	if err := s.settle(j, lines); err != nil {
		return 0, 0, err
	}
	before, err := s.cpu()
	if err != nil {
		return 0, 0, err
	}
	if j.from == "file" {
		took, err = s.follow(ctx, lines)
	} else {
		took, err = s.feed(ctx, j, lines)
	}
	if err != nil {
		return 0, 0, err
	}
	after, err := s.cpu()
	if err != nil {
		return 0, 0, err
	}
	if !j.null {
		err = s.out.check(s.sent, lines)
	}
	s.sent += lines
	return took, after - before, err
}

// feed sends the lines over one connection.
func (s *server) feed(ctx context.Context, j job, lines int) (time.Duration, error) {
	began := time.Now()
	if err := send(s.address, s.sent, lines, j.acks && s.answers); err != nil {
		return 0, err
	}
	if !j.null {
		if err := s.out.await(ctx, int64(lines)*lineBytes); err != nil {
			return 0, err
		}
	}
	return time.Since(began), nil
}

// follow puts a file where the server looks for it, and counts from the first bytes that come out: when it looks is its own
// affair.
func (s *server) follow(ctx context.Context, lines int) (time.Duration, error) {
	if err := s.in.add(s.sent, lines); err != nil {
		return 0, err
	}
	if err := s.out.await(ctx, 1); err != nil {
		return 0, err
	}
	began := time.Now()
	err := s.out.await(ctx, int64(lines)*lineBytes)
	return time.Since(began), err
}

// choose returns those of all that the list names, separated by commas; of an empty list all.
func choose[T any](all []T, list, kind string, name func(T) string) (some []T, err error) {
	if list == "" {
		return all, nil
	}
	for n := range strings.SplitSeq(list, ",") {
		i := slices.IndexFunc(all, func(x T) bool { return name(x) == n })
		if i < 0 {
			return nil, fmt.Errorf("there is no %s %q; -h names them", kind, n)
		}
		some = append(some, all[i])
	}
	return some, nil
}

// Command peers measures the agent beside other programs that move lines, on this machine: rsyslog and syslog-ng from Debian's
// packages, Apache Flume 1.11, and a bare copier of lines as the limit. It installs them below the cache directory, runs
// them in turns, checks every line that comes out, and writes a table of medians into bench/README.md.
//
//	peers [-rounds N] [-only JOB,...] [-with PEER,...] [-readme FILE]
//
// The configurations are in conf, JOB.PEER.conf.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"
)

func main() {
	var err error
	if len(os.Args) > 1 && os.Args[1] == copierVerb {
		err = copier(os.Args[2:]) // a signal ends it at once
	} else {
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
		err = run(ctx, os.Args[1:])
		stop()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "peers:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("peers", flag.ContinueOnError)
	rounds := flags.Int("rounds", 6, "measured rounds of each job; an even number has each order as often")
	only := flags.String("only", "", "jobs, separated by commas: "+strings.Join(jobNames(), ", "))
	with := flags.String("with", "", "peers, separated by commas: "+strings.Join(peerNames(), ", "))
	readme := flags.String("readme", "", "file into which the table is written between its markers")
	if err := flags.Parse(args); err != nil {
		return err
	}
	todo, err := chooseJobs(*only)
	if err != nil {
		return err
	}
	chosen, err := choosePeers(*with)
	if err != nil {
		return err
	}
	if *readme != "" && *only+*with != "" {
		return errors.New("-readme goes with all jobs and peers: it takes the place of every table")
	}
	defer removeAgent()
	var results []result
	var failed []error
	for _, j := range todo {
		r, err := compare(ctx, j, chosen, *rounds)
		results = append(results, r)
		if ctx.Err() != nil {
			break
		}
		if err != nil {
			failed = append(failed, fmt.Errorf("%s: %w", j.name, err))
		}
	}
	text := table(results, chosen, *rounds)
	fmt.Print(text)
	if *readme == "" || ctx.Err() != nil {
		return errors.Join(append(failed, ctx.Err())...)
	}
	return errors.Join(append(failed, writeBetween(*readme, text))...)
}

// say shows progress on standard error.
func say(format string, args ...any) {
	fmt.Fprintf(os.Stderr, time.Now().Format("15:04:05 ")+format+"\n", args...)
}

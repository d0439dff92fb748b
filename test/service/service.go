// Package service installs and runs real servers for tests: HDFS, Kafka, Flume and others, each described by one file.
//
// A server is a value that says how it is configured and knows how to start:
//
//	h := service.Shared(t, service.HDFS{Datanodes: 3})   // one for the test binary, gone when Main returns
//	h := service.Start(t, service.HDFS{})                // one for this test, gone when the test ends
//
// Servers listen on loopback, on free ports, and live in a temporary directory of their own. Every process is
// killed with the test binary, however that ends. Their logs are kept in the cache when a test fails.
//
// Tests that call Start or Shared run when GOFLUME_REAL is set. With GOFLUME_REAL=1 they skip, saying so on
// standard error, where Java or Maven is missing; with GOFLUME_REAL=require, which is what make test-real
// sets, they fail then.
package service

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"testing"
	"time"
)

// A Config describes one server. T is the handle a test works with.
type Config[T any] interface {
	// Name is one short word for directories and messages, "hdfs".
	Name() string
	// Needs lists the sets of jars the server runs from.
	Needs() []Set
	// Start starts the server's processes in r and returns once it is ready. It is called again, in a new
	// run, when a port was taken meanwhile. After an error the caller kills what was started.
	Start(ctx context.Context, r *Run) (T, error)
}

// startLimit bounds one start, installation not included. A quiet machine needs 5 to 20 s.
const startLimit = 3 * time.Minute

// Start returns a server for this test alone. It is killed when the test ends.
func Start[T any](tb testing.TB, c Config[T]) T {
	tb.Helper()
	require(tb, c.Needs())
	server, run, err := Launch(tb.Context(), c)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { run.End(tb.Failed()) })
	return server
}

type sharedServer struct {
	once   sync.Once
	server any
	run    *Run
	err    error
}

var shared struct {
	mu      sync.Mutex
	servers map[string]*sharedServer
}

// Shared returns a server that all tests of the binary with the same configuration use: the first one starts
// it, Main kills it. Tests that kill or freeze parts of it bring them back before they end.
func Shared[T any](tb testing.TB, c Config[T]) T {
	tb.Helper()
	require(tb, c.Needs())
	key := fmt.Sprintf("%T%+v", c, c)
	shared.mu.Lock()
	if shared.servers == nil {
		shared.servers = map[string]*sharedServer{}
	}
	s := shared.servers[key]
	if s == nil {
		s = &sharedServer{}
		shared.servers[key] = s
	}
	shared.mu.Unlock()
	s.once.Do(func() { s.server, s.run, s.err = launchAny(context.WithoutCancel(tb.Context()), c) })
	if s.err != nil {
		tb.Fatal(s.err)
	}
	return s.server.(T)
}

// Main runs the tests, kills every shared server and returns the exit code. A TestMain calls it:
//
//	func TestMain(m *testing.M) { os.Exit(service.Main(m)) }
func Main(m *testing.M) int {
	code := m.Run()
	shared.mu.Lock()
	defer shared.mu.Unlock()
	for _, s := range shared.servers {
		if s.run != nil {
			s.run.End(code != 0)
		}
	}
	shared.servers = nil
	if agentDir != "" {
		os.RemoveAll(agentDir)
	}
	endLauncher()
	return code
}

func launchAny[T any](ctx context.Context, c Config[T]) (any, *Run, error) {
	return Launch(ctx, c)
}

// Launch starts a server outside a test. The caller ends the run. Where ports were taken between choosing
// and binding them it tries again.
func Launch[T any](ctx context.Context, c Config[T]) (T, *Run, error) {
	var none T
	for _, s := range c.Needs() {
		if err := s.Install(ctx); err != nil {
			return none, nil, err
		}
	}
	for attempt := 1; ; attempt++ {
		run, err := newRun(c.Name())
		if err != nil {
			return none, nil, err
		}
		limited, cancel := context.WithTimeout(ctx, startLimit)
		begin := time.Now()
		server, err := c.Start(limited, run)
		cancel()
		if err == nil {
			say("%s is ready after %.1f s", c.Name(), time.Since(begin).Seconds())
			return server, run, nil
		}
		again := attempt < 3 && run.sawTakenPort()
		run.End(!again)
		if !again {
			return none, nil, fmt.Errorf("start %s: %w", c.Name(), err)
		}
		say("%s: a port was taken meanwhile, starting again", c.Name())
	}
}

// Require skips a test that starts no server itself where servers are not wanted.
func Require(tb testing.TB) {
	tb.Helper()
	require(tb, nil)
}

// require skips or fails the test where servers are not wanted or cannot run, and installs the sets.
func require(tb testing.TB, sets []Set) {
	tb.Helper()
	if os.Getenv("GOFLUME_REAL") == "" {
		tb.Skip("needs real servers: run make test-real, or set GOFLUME_REAL=1")
	}
	if err := Check(sets...); err != nil && len(sets) > 0 {
		if requiring() {
			tb.Fatal(err)
		}
		say("SKIPPED %s: %v", tb.Name(), err)
		tb.Skip(err)
	}
	for _, s := range sets {
		if err := s.Install(tb.Context()); err != nil {
			tb.Fatal(err)
		}
	}
}

// Lacks skips a test for something that this machine lacks beside Java and Maven: a tool of Debian's that cannot be fetched, root,
// name spaces. make test-real lists at its end what was skipped so.
func Lacks(tb testing.TB, what any) {
	tb.Helper()
	say("SKIPPED %s: %v", tb.Name(), what)
	if name := os.Getenv(SkippedEnv); name != "" {
		f, err := os.OpenFile(name, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
		if err != nil {
			tb.Fatal(err)
		}
		_, err = fmt.Fprintf(f, "%s: %v\n", tb.Name(), what)
		if err := errors.Join(err, f.Close()); err != nil {
			tb.Fatal(err)
		}
	}
	tb.Skip(what)
}

// SkippedEnv names the variable with the file in which Lacks notes what it skipped.
const SkippedEnv = "GOFLUME_SKIPPED"

// requiring tells whether a test fails that lacks Java or Maven.
func requiring() bool { return os.Getenv("GOFLUME_REAL") == "require" }

// say prints a progress line.
func say(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "services: "+format+"\n", args...)
}

package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"os"
	"os/signal"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"goflume/agent"
	"goflume/conf"
	"goflume/internal/retry"
	"goflume/internal/safe"
	"goflume/internal/sdnotify"
)

var processStart = time.Now()

// launch is what the run verb was asked for.
type launch struct {
	loader
	define       map[string]string // -Dkey=value
	jvm          []string
	poll         time.Duration
	watch        bool
	healthy      bool // --require-healthy
	drainTimeout time.Duration
	stateDir     string
	pidFile      string
	admin        string
	patient      bool // a configuration that is not there yet is waited for
	log          *slog.Logger
	terminal     bool // a person reads the log
	colour       bool
	remotes      []origin
	backup       backup
	remotePoll   time.Duration
}

// runner is a running agent with what surrounds it.
type runner struct {
	launch
	agent   *agent.Agent
	std     streams
	manager *sdnotify.Manager
	asked   chan chan phase // the main loop answers how far it is

	ctx     context.Context // of everything beside the agent; ends after it
	workers sync.WaitGroup
	anew    bool // the next reload fetches: of the main goroutine
}

// run runs the agent until it is told to stop, and returns the exit code.
func (l launch) run(std streams) int {
	setMemory(l.jvm, l.log)
	setProcessors(l.log)
	signals, leave := listen()
	defer leave()
	signal.Ignore(syscall.SIGPIPE) // who reads the log may end; the flow does not end with it
	ctx, cancel := context.WithCancel(context.Background())
	r := &runner{launch: l, std: std, manager: serviceManager(), asked: make(chan chan phase), ctx: ctx}
	defer r.leave()
	defer cancel()

	r.prepare()
	watched := r.watched()
	seen, _ := agent.Fingerprint(watched) // before the files are read: what comes between is a change
	conf, code := r.first(signals)
	if conf.plan == nil {
		return code
	}
	if err := r.writePID(); err != nil {
		r.log.Error("The process id cannot be written", "err", err)
		return exitCantCreate
	}
	defer r.removePID()
	for _, c := range conf.plan.Rejected {
		r.log.Error("Component is left out", "kind", c.Kind, "name", c.Name, "why", c.LastError)
	}
	r.agent = agent.New(agent.Settings{Version: version, Revision: revision(), StateDir: r.stateDir, DrainTimeout: r.drainTimeout, Log: r.log})
	only := ""
	if r.name == "" {
		only = " (the only one in the file)"
	}
	r.log.Info(fmt.Sprintf("agent %s, configuration %s, agent %s%s", version, r.label(), conf.plan.Agent, only))
	r.serveMetrics()
	r.serveAdmin()
	if r.manager != nil {
		r.workers.Go(func() { r.heart(ctx) })
	}
	changed := make(chan struct{}, 1) // a change while a reload runs is one more reload
	if code, ok := r.start(conf, signals, changed); !ok {
		return code
	}
	if r.watch && len(watched) > 0 {
		for _, m := range r.remotes {
			r.workers.Go(func() { m.follow(ctx, r.remotePoll, r.log) })
		}
		w := &agent.Watcher{Files: watched, Poll: r.poll, Log: r.log}
		r.workers.Go(func() {
			w.Run(ctx, seen, func() {
				select {
				case changed <- struct{}{}:
				default:
				}
			})
		})
	}
	return r.serve(signals, changed)
}

// first loads the configuration for the first time. With patient it waits until there is a file.
func (r *runner) first(signals <-chan os.Signal) (loaded, int) {
	for said := false; ; said = true {
		c := r.load(r.ctx)
		if c.plan != nil {
			c.write(r.std.err, r.colour)
			return c, exitOK
		}
		code := exitOf(c.issues)
		if kept, ok := r.fromBackup(c); ok {
			return kept, exitOK
		}
		if !r.patient || code != exitNoInput {
			c.write(r.std.err, r.colour)
			return c, code
		}
		if !said {
			r.log.Warn("The configuration is not there yet and is waited for", "files", r.label())
		}
		timer := time.NewTimer(min(r.poll, time.Second))
		select {
		case <-timer.C:
		case s := <-signals:
			timer.Stop()
			if s == syscall.SIGTERM || s == syscall.SIGINT {
				return loaded{}, exitOK
			}
		}
	}
}

// fromBackup loads the copy of the last configuration where the files cannot be read or have nothing in them, as Flume does.
func (r *runner) fromBackup(c loaded) (loaded, bool) {
	if c.set != nil {
		return c, false // it has mistakes: they are to be mended
	}
	path, ok := r.backup.find(r.name)
	if !ok {
		return c, false
	}
	l := r.loader
	l.files, l.once = []string{path}, nil
	kept := l.load(r.ctx)
	c.write(r.std.err, r.colour)
	if kept.plan == nil {
		kept.write(r.std.err, r.colour)
		return c, false
	}
	r.log.Warn("The configuration cannot be had; the copy of the last one runs until it can", "files", r.label(), "copy", path)
	kept.inputs = nil // not to be kept as a copy of itself
	return kept, true
}

// keep keeps a copy of the configuration that runs.
func (r *runner) keep(c loaded) {
	if len(c.inputs) == 0 {
		return
	}
	if err := r.backup.write(c.plan.Agent, c.inputs); err != nil {
		r.log.Warn("No copy of the configuration is kept", "folder", r.backup.dir, "err", err)
	}
}

func (r *runner) writePID() error {
	if r.pidFile == "" {
		return nil
	}
	return os.WriteFile(r.pidFile, []byte(strconv.Itoa(os.Getpid())+"\n"), 0o644)
}

func (r *runner) removePID() {
	if r.pidFile != "" {
		os.Remove(r.pidFile)
	}
}

func exitOf(issues []conf.Issue) int {
	if code := conf.ExitCode(issues); code != 0 {
		return code
	}
	return exitConfig
}

// start starts the configuration; ok says that the agent runs. Who tells it to stop meanwhile has it stop, however far it is.
func (r *runner) start(conf loaded, signals <-chan os.Signal, changed chan<- struct{}) (code int, ok bool) {
	ctx, cancel := context.WithCancel(r.ctx)
	defer cancel() // a long replay ends
	started := make(chan int, 1)
	r.workers.Go(func() { started <- r.begin(ctx, conf) })
	for {
		select {
		case code := <-started:
			if code == exitUnavailable {
				r.stop(signals)
			}
			return code, code == exitOK
		case answer := <-r.asked:
			answer <- starting
		case s := <-signals:
			switch s {
			case syscall.SIGTERM, syscall.SIGINT:
				cancel()
				return r.stop(signals), false
			case syscall.SIGHUP:
				r.anew = true
				select {
				case changed <- struct{}{}: // once it runs
				default:
				}
			default:
				r.tell(s)
			}
		}
	}
}

// begin starts the agent and returns the exit code where that is refused.
func (r *runner) begin(ctx context.Context, conf loaded) int {
	plan := conf.plan
	err := safe.Call(func() error { return r.agent.Start(ctx, plan) })
	var ce *agent.ChannelError
	var bug *safe.Panic
	switch {
	case errors.As(err, &bug):
		r.log.Error("The start ended in a bug of this program", "err", err, "stack", string(bug.Stack))
		return exitSoftware
	case ctx.Err() != nil:
		return exitOK // it is being stopped
	case errors.As(err, &ce):
		r.log.Error("The channel cannot be opened, so nothing is started", "channel", ce.Channel, "err", ce.Err)
		if ce.Damaged() {
			return exitIOErr
		}
		return exitCantCreate
	case err != nil:
		r.log.Error("The agent does not start", "err", err)
		return exitConfig
	}
	for _, line := range plan.Lines(r.addresses) {
		r.log.Info(line)
	}
	if r.healthy {
		if why := r.awaitHealth(ctx); len(why) > 0 && ctx.Err() == nil {
			r.log.Error("Not healthy, as was required: " + strings.Join(why, "; "))
			return exitUnavailable
		}
	}
	if ctx.Err() != nil {
		return exitOK
	}
	r.keep(conf)
	stop := ""
	if r.terminal {
		stop = " · stop with Ctrl-C"
	}
	r.log.Info(fmt.Sprintf("ready in %d ms%s", time.Since(processStart).Milliseconds(), stop))
	r.hint(plan)
	r.manager.Ready(plan.Size())
	r.workers.Go(slim)
	return exitOK
}

// tell answers a signal that asks how things are.
func (r *runner) tell(s os.Signal) {
	switch s {
	case syscall.SIGQUIT:
		dump(r.std)
	case syscall.SIGUSR1:
		for _, c := range r.agent.Status().Components {
			r.log.Info(c.Line())
		}
	}
}

func (r *runner) addresses(source string) []string {
	for _, c := range r.agent.Status().Components {
		if c.Kind == "SOURCE" && c.Name == source {
			return c.Addresses
		}
	}
	return nil
}

// hint tells a person how to try a netcat source.
func (r *runner) hint(plan *agent.Plan) {
	for _, s := range plan.Sources {
		at := r.addresses(s.Node.Name)
		if !r.terminal || s.Entry.Name != "netcat" || len(at) == 0 {
			continue
		}
		if host, port, err := net.SplitHostPort(at[0]); err == nil {
			fmt.Fprintf(r.std.err, "               try, in another terminal:  echo hello flume | nc %s %s\n", host, port)
			return
		}
	}
}

// healthPatience is how long --require-healthy waits for sinks to reach their destinations.
const healthPatience = 30 * time.Second

// awaitHealth waits until every component runs or one has failed, and returns what is not well.
func (r *runner) awaitHealth(ctx context.Context) []string {
	ctx, cancel := context.WithTimeout(ctx, healthPatience)
	defer cancel()
	for {
		st := r.agent.Status()
		why := st.NotReady(true)
		failed := slices.ContainsFunc(st.Components, func(c agent.ComponentStatus) bool {
			return c.State == agent.Backoff || c.State == agent.Failed
		})
		if len(why) == 0 || failed || retry.Sleep(ctx, 20*time.Millisecond) != nil {
			return why
		}
	}
}

// serve lives until a signal ends the agent.
func (r *runner) serve(signals <-chan os.Signal, changed chan struct{}) int {
	var reloaded chan struct{} // closed when the reload under way has ended
	again := false
	ctx, cancel := context.WithCancel(r.ctx)
	defer cancel()
	reload := func() {
		if reloaded != nil {
			again = true
			return
		}
		reloaded = make(chan struct{})
		ended, anew := reloaded, r.anew
		r.anew = false
		r.workers.Go(func() {
			defer close(ended)
			r.reload(ctx, anew)
		})
	}
	for {
		select {
		case <-changed:
			reload()
		case <-reloaded:
			reloaded = nil
			if again {
				again = false
				reload()
			}
		case answer := <-r.asked:
			answer <- serving
		case s := <-signals:
			switch s {
			case syscall.SIGHUP:
				r.anew = true
				reload()
			case syscall.SIGTERM, syscall.SIGINT:
				cancel() // a reload ends in one generation or the other
				return r.stop(signals)
			default:
				r.tell(s)
			}
		}
	}
}

// reload reads the configuration again, with fetch also from where the files are copies of, and goes on with it, if it is
// in order.
func (r *runner) reload(ctx context.Context, fetch bool) {
	r.manager.Reloading()
	told := "configuration is in force"
	defer func() { r.manager.Ready(told) }()
	refuse := func(why string) {
		r.agent.Refused(errors.New(why))
		told = "reload refused: " + why
		r.log.Error(refusal(r.label(), why, r.agent.Status()))
	}
	if fetch {
		for _, m := range r.remotes {
			if _, err := m.fetch(ctx); err != nil {
				refuse("it cannot be fetched: " + err.Error())
				return
			}
		}
		for _, f := range r.files {
			if _, once := r.once[f]; once {
				r.log.Info("What came through a pipe cannot be read again and is taken as it was", "file", f)
			}
		}
	}
	conf := r.load(ctx)
	conf.write(r.std.err, r.colour)
	if conf.plan == nil {
		refuse(errorsOnly(conf.issues))
		return
	}
	var changes []string
	err := safe.Call(func() (err error) {
		changes, err = r.agent.Reload(ctx, conf.plan)
		return err
	})
	if err != nil {
		refuse(err.Error())
		return
	}
	r.keep(conf)
	if len(changes) == 0 {
		changes = []string{"no component changed"}
	}
	r.log.Info(fmt.Sprintf("reload of %s: generation %d: %s", r.label(), r.agent.Status().Generation, strings.Join(changes, ", ")))
}

const (
	// cutTime is how long everything may take to end after a second signal.
	cutTime = 30 * time.Second
	// leaveTime is how long what surrounds the agent may take to end: a file system that does not answer holds a reader.
	leaveTime = 5 * time.Second
)

// leave waits for what surrounds the agent.
func (r *runner) leave() {
	ended := make(chan struct{})
	go func() {
		r.workers.Wait()
		close(ended)
	}()
	select {
	case <-ended:
	case <-time.After(leaveTime):
		r.log.Warn("Something beside the agent does not end and is left behind")
	}
}

// stop drains and ends the agent; a further signal cuts it short.
func (r *runner) stop(signals <-chan os.Signal) int {
	r.manager.Stopping("draining")
	r.log.Info(fmt.Sprintf("stopping: sources end, memory channels are drained for up to %v; a second signal stops at once", r.drainTimeout))
	hard, cut := context.WithCancel(context.Background())
	defer cut()
	ended := make(chan agent.End, 1)
	r.workers.Go(func() { ended <- r.agent.Stop(hard) })
	var late <-chan time.Time
	for {
		select {
		case <-late:
			r.log.Error("Not everything has stopped; what every goroutine does follows")
			dump(r.std)
			return exitTempFail
		case answer := <-r.asked:
			answer <- stopping
		case s := <-signals:
			switch s {
			case syscall.SIGQUIT:
				dump(r.std)
			case syscall.SIGTERM, syscall.SIGINT:
				r.log.Warn("second signal: stopping now")
				cut()
				if late == nil {
					late = time.After(cutTime)
				}
			}
		case end := <-ended:
			return r.farewell(end)
		}
	}
}

// farewell tells what came, what went and what is left.
func (r *runner) farewell(end agent.End) int {
	lost := 0
	said := []string{"sources stopped"}
	for _, name := range slices.Sorted(maps.Keys(end.Lost)) {
		lost += end.Lost[name]
		said = append(said, fmt.Sprintf("%s held %d", name, end.Lost[name]))
	}
	if lost == 0 {
		said = append(said, "memory channels empty")
	}
	for _, name := range slices.Sorted(maps.Keys(end.Kept)) {
		said = append(said, fmt.Sprintf("%s keeps %d", name, end.Kept[name]))
	}
	line := fmt.Sprintf("draining: %s, sinks closed · %d received, %s, %d left · bye", strings.Join(said, ", "), end.Received, delivered(end.Delivered, end.Dropped), lost)
	if lost > 0 {
		r.log.Error(line)
		return exitTempFail
	}
	r.log.Info(line)
	return exitOK
}

// dump writes what every goroutine does, as Java does on this signal.
func dump(std streams) {
	buf := make([]byte, 64<<10)
	for {
		n := runtime.Stack(buf, true)
		if n < len(buf) || len(buf) >= 64<<20 {
			std.err.Write(append(buf[:n], '\n'))
			return
		}
		buf = make([]byte, 2*len(buf))
	}
}

package test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/go-zookeeper/zk"

	"goflume/test/service"
)

func TestRealZooKeeperComesBackAfterAKill(t *testing.T) {
	z := service.Shared(t, service.ZooKeeper{})
	z.Kill()
	if err := z.Restart(); err != nil {
		t.Fatal(err)
	}
	if err := z.AwaitReady(t.Context()); err != nil {
		t.Fatal(err)
	}
	answer, err := z.Command(t.Context(), "srvr")
	if err != nil || !strings.Contains(answer, "Mode: standalone") {
		t.Errorf("srvr answers %q, %v", answer, err)
	}
}

// zkFlow is a configuration for ZooKeeper: lines to a logger.
const zkFlow = `a1.sources = r1
a1.channels = c1
a1.sinks = k1
a1.sources.r1.type = netcat
a1.sources.r1.bind = 127.0.0.1
a1.sources.r1.port = 0
a1.sources.r1.channels = c1
a1.channels.c1.type = memory
a1.sinks.k1.channel = c1
a1.sinks.k1.type = `

// The agent reads its configuration in ZooKeeper, follows it, keeps the running one through a mistake, a removed node and
// a server that is away.
func TestRealZooKeeperHasTheConfiguration(t *testing.T) {
	z := service.Shared(t, service.ZooKeeper{})
	conn, _, err := zk.Connect([]string{z.Addr()}, 30*time.Second, zk.WithLogInfo(false))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	put := func(node, text string) {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		err := service.Await(ctx, node, func(context.Context) error { // the connection comes back a moment after the server
			_, err := conn.Set(node, []byte(text), -1)
			if errors.Is(err, zk.ErrNoNode) {
				_, err = conn.Create(node, []byte(text), 0, zk.WorldACL(zk.PermAll))
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	put("/agents", "")
	put("/agents/a1", zkFlow+"logger\n")
	run := func(args ...string) *agentProcess {
		return launchBare(t, append([]string{"run", "--zkConnString", z.Addr(), "--zkBasePath", "/agents", "-i", "2"}, args...)...)
	}
	if a := run("-n", "other"); a.wait(t) != 66 || !strings.Contains(a.log.String(), "has no node /agents/other") {
		t.Errorf("an agent without a node ends otherwise:\n%s", a.log.String())
	}
	a := run("-n", "a1")
	a.await(t, "ready in")
	put("/agents/a1", zkFlow+"null\n")
	a.await(t, "generation 2: sink k1 changed")
	put("/agents/a1", zkFlow+"nul\n")
	a.await(t, "refused: 1 error; still running generation 2")
	if err := conn.Delete("/agents/a1", -1); err != nil {
		t.Fatal(err)
	}
	a.await(t, "has no node /agents/a1")
	put("/agents/a1", zkFlow+"logger\n")
	a.await(t, "generation 3: sink k1 changed")
	z.Kill()
	if err := z.Restart(); err != nil {
		t.Fatal(err)
	}
	if err := z.AwaitReady(t.Context()); err != nil {
		t.Fatal(err)
	}
	put("/agents/a1", zkFlow+"null\n")
	a.await(t, "generation 4: sink k1 changed")
	a.cmd.Process.Signal(syscall.SIGTERM)
	if code := a.wait(t); code != 0 {
		t.Errorf("the agent ends with %d:\n%s", code, a.log.String())
	}
}

// agentProcess is an agent with options of its own.
type agentProcess struct {
	cmd *exec.Cmd
	log lockedBuffer
}

// lockedBuffer is a buffer that is read while it is written to.
type lockedBuffer struct {
	mu   sync.Mutex
	text strings.Builder
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

func launchBare(t *testing.T, args ...string) *agentProcess {
	t.Helper()
	binary, err := service.AgentBinary()
	if err != nil {
		t.Fatal(err)
	}
	a := &agentProcess{cmd: exec.Command(binary, args...)}
	a.cmd.Env = append(os.Environ(), "AGENT_STATE_DIR="+t.TempDir(), "AGENT_OPTS_FILE="+t.TempDir()+"/none")
	a.cmd.Stderr = &a.log
	if err := a.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		a.cmd.Process.Kill() // it may have ended
		a.cmd.Wait()
	})
	return a
}

func (a *agentProcess) await(t *testing.T, text string) {
	t.Helper()
	for deadline := time.Now().Add(2 * time.Minute); !strings.Contains(a.log.String(), text); <-time.After(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("no line with %q in:\n%s", text, a.log.String())
		}
	}
}

// wait returns the exit code.
func (a *agentProcess) wait(t *testing.T) int {
	t.Helper()
	timer := time.AfterFunc(2*time.Minute, func() { a.cmd.Process.Kill() })
	defer timer.Stop()
	a.cmd.Wait() // the code says how it went
	return a.cmd.ProcessState.ExitCode()
}

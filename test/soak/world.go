package soak

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"goflume/test/service"
)

// world is everything that takes part: the servers, the agent and its disk, the flows.
type world struct {
	hdfs   *service.HDFSServer
	kafka  *service.KafkaCluster
	search *service.SearchServer
	disk   *disk
	agent  *service.AgentServer
	fed    string // where log files and files to spool are written, on a disk that is never full
	flows  flows
	length time.Duration
	report report

	pid     atomic.Int64 // the agent's, 0 while it is dead
	quiet   []sample     // while lines flowed and nothing was done to anybody
	samples []sample

	// Of the lane of the agent's faults.
	batch, capacity int // what reloads change
	deaths          int // of the agent
	startsRefused   int // on a full disk
}

// newWorld starts the servers and the agent. All is gone when the test ends.
func newWorld(t *testing.T, length time.Duration, seed uint64) *world {
	t.Helper()
	w := &world{length: length, batch: 500, capacity: 200_000, fed: t.TempDir()}
	w.report = report{seed: seed, say: t.Logf}
	for _, dir := range []string{"log", "spool"} {
		if err := os.Mkdir(filepath.Join(w.fed, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	w.disk = service.Start(t, smallDisk{})
	w.kafka = service.Start(t, service.Kafka{Brokers: 3})
	w.hdfs = service.Start(t, service.HDFS{Datanodes: 3})
	w.search = service.Start(t, service.OpenSearch{})
	w.newFlows(length + time.Minute)
	w.agent = service.Start(t, service.Agent{Conf: w.conf(), Under: w.disk.under(), Env: []string{"HADOOP_USER_NAME=" + service.User()}})
	w.pid.Store(int64(w.agent.Pid()))
	return w
}

// conf is the configuration now in force.
func (w *world) conf() string {
	return strings.NewReplacer(
		"${disk}", w.disk.inside, "${fed}", w.fed, "${hdfs}", w.hdfs.URL(), "${kafka}", w.kafka.Bootstrap(), "${search}", w.search.URL,
		"${batch}", strconv.Itoa(w.batch), "${capacity}", strconv.Itoa(w.capacity),
	).Replace(conf)
}

// noteDeath counts a kill of the agent.
func (w *world) noteDeath() { w.deaths++ }

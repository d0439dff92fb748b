package service

import (
	"context"
	"fmt"
	"maps"
	"path/filepath"
	"strconv"
	"strings"
)

// HDFSHA is the nameservice ns1: two namenodes nn1 and nn2, three journalnodes and two datanodes or more. A test moves the
// active role by hand.
type HDFSHA struct {
	// Datanodes is how many there are, 2 when zero. Files have as many replicas, at most three.
	Datanodes int
	// Host is the address on which namenodes and datanodes listen for clients, 127.0.0.1 when empty.
	Host string
	// DiskMB, if set, is the size of each datanode's disk, for tests that run Namespaced.
	DiskMB int
}

// HDFSHAServer is a running HDFSHA. nn1 is active at first.
type HDFSHAServer struct {
	Namenodes    []*Process
	Journalnodes []*Process
	Datanodes    []*Process

	run  *Run
	host string
	rpc  []int
	http []int
}

var _ Config[*HDFSHAServer] = HDFSHA{}

// haDatanodes is how many there are at least: enough to lose one.
const haDatanodes = 2

// smallBlock is the size of blocks on small disks, in bytes.
const smallBlock = 4 << 20

// Name is hdfs-ha.
func (HDFSHA) Name() string { return "hdfs-ha" }

// Needs is Hadoop.
func (HDFSHA) Needs() []Set { return []Set{"hadoop"} }

// Start starts all of it and waits until nn1 is active, nn2 standby and the datanodes live.
func (c HDFSHA) Start(ctx context.Context, r *Run) (*HDFSHAServer, error) {
	h := &HDFSHAServer{run: r, host: c.Host, rpc: []int{r.Port(), r.Port()}, http: []int{r.Port(), r.Port()}}
	if h.host == "" {
		h.host = "127.0.0.1"
	}
	nodes := max(c.Datanodes, haDatanodes)
	journal := []int{r.Port(), r.Port(), r.Port()}
	if err := h.configure(c, nodes, journal); err != nil {
		return nil, err
	}
	for i, port := range journal {
		p, err := r.startHadoop("journalnode"+strconv.Itoa(i), 192, "org.apache.hadoop.hdfs.qjournal.server.JournalNode",
			"-Ddfs.journalnode.edits.dir="+filepath.Join(r.Dir, "jn"+strconv.Itoa(i)),
			fmt.Sprintf("-Ddfs.journalnode.rpc-address=127.0.0.1:%d", port), "-Ddfs.journalnode.http-address=127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		h.Journalnodes = append(h.Journalnodes, p)
	}
	for i, port := range journal {
		if err := awaitPort(ctx, port, h.Journalnodes[i]); err != nil {
			return nil, err
		}
	}
	for i := range nodes {
		if c.DiskMB > 0 {
			if err := r.mountDisk(ctx, datanodeDir(i), c.DiskMB); err != nil {
				return nil, err
			}
		}
		p, err := r.startDatanode(i)
		if err != nil {
			return nil, err
		}
		h.Datanodes = append(h.Datanodes, p)
	}
	for i, prepare := range []string{"-format", "-bootstrapStandby"} {
		argv, err := r.hadoop(384, namenodeMain, haID(i), prepare, "-nonInteractive")
		if err != nil {
			return nil, err
		}
		if _, err := r.Tool(ctx, Command{Name: prepare[1:], Argv: argv}); err != nil {
			return nil, err
		}
		p, err := r.startHadoop("namenode"+strconv.Itoa(i+1), 384, namenodeMain, haID(i))
		if err != nil {
			return nil, err
		}
		h.Namenodes = append(h.Namenodes, p)
		if err := h.awaitState(ctx, i, "standby"); err != nil {
			return nil, err
		}
	}
	if err := h.Activate(ctx, 0); err != nil {
		return nil, err
	}
	return h, awaitDatanodes(ctx, h.http[0], nodes, h.Namenodes[0])
}

// AwaitDatanodes waits until namenode i counts n live datanodes and is out of safe mode.
func (h *HDFSHAServer) AwaitDatanodes(ctx context.Context, i, n int) error {
	return awaitDatanodes(ctx, h.http[i], n, h.Namenodes[i])
}

// RefuseMB is how much room a datanode on a small disk wants to have besides a block: with less it refuses the block,
// and the namenode does not know of that.
const RefuseMB = 64

// FillDisk leaves only so much room on a datanode's disk, which HDFSHA.DiskMB made, until the function it returns is called.
func (h *HDFSHAServer) FillDisk(i, leaveMB int) (empty func() error, err error) {
	return fillDisk(filepath.Join(h.run.Dir, datanodeDir(i)), leaveMB)
}

// haID says which of the namenodes a JVM is.
func haID(i int) string { return "-Ddfs.ha.namenode.id=" + haName(i) }

// haName is nn1 or nn2.
func haName(i int) string { return "nn" + strconv.Itoa(i+1) }

func (h *HDFSHAServer) configure(c HDFSHA, nodes int, journal []int) error {
	var quorum []string
	for _, port := range journal {
		quorum = append(quorum, "127.0.0.1:"+strconv.Itoa(port))
	}
	site := map[string]string{
		"dfs.nameservices": "ns1", "dfs.ha.namenodes.ns1": "nn1,nn2", "dfs.replication": strconv.Itoa(min(nodes, 3)),
		"dfs.namenode.shared.edits.dir":                "qjournal://" + strings.Join(quorum, ";") + "/ns1",
		"dfs.client.failover.proxy.provider.ns1":       "org.apache.hadoop.hdfs.server.namenode.ha.ConfiguredFailoverProxyProvider",
		"dfs.ha.fencing.methods":                       "shell(/bin/true)",
		"dfs.ha.automatic-failover.enabled":            "false",
		"dfs.ha.tail-edits.period":                     "1s",
		"dfs.namenode.safemode.min.datanodes":          strconv.Itoa(nodes),
		"ipc.client.connect.max.retries":               "3",
		"dfs.qjournal.select-input-streams.timeout.ms": "10000",
	}
	for i := range h.rpc {
		site["dfs.namenode.rpc-address.ns1."+haName(i)] = h.Addrs()[i]
		site["dfs.namenode.http-address.ns1."+haName(i)] = "127.0.0.1:" + strconv.Itoa(h.http[i])
		site["dfs.namenode.name.dir.ns1."+haName(i)] = "file://" + filepath.Join(h.run.Dir, haName(i))
	}
	maps.Copy(site, datanodeSite)
	site["dfs.datanode.address"] = h.host + ":0"
	if c.DiskMB > 0 { // a datanode takes no block for which it has no room, and reserves it
		site["dfs.blocksize"] = strconv.Itoa(smallBlock)
		site["dfs.datanode.round-robin-volume-choosing-policy.additional-available-space"] = strconv.Itoa(RefuseMB << 20)
	}
	return h.run.writeHadoopConf(map[string]string{"fs.defaultFS": h.URL()}, site)
}

// Addrs are the namenodes' host:port, nn1 first.
func (h *HDFSHAServer) Addrs() []string {
	var all []string
	for _, port := range h.rpc {
		all = append(all, h.host+":"+strconv.Itoa(port))
	}
	return all
}

// URL names the nameservice, which only ConfDir explains.
func (h *HDFSHAServer) URL() string { return "hdfs://ns1" }

// ConfDir holds core-site.xml and hdfs-site.xml, fit for HADOOP_CONF_DIR.
func (h *HDFSHAServer) ConfDir() string { return filepath.Join(h.run.Dir, "conf") }

// State asks namenode i for its role, active or standby.
func (h *HDFSHAServer) State(ctx context.Context, i int) (string, error) {
	var status struct{ State string }
	err := jmx(ctx, h.http[i], "Hadoop:service=NameNode,name=NameNodeStatus", &status)
	return status.State, err
}

func (h *HDFSHAServer) awaitState(ctx context.Context, i int, want string) error {
	return Await(ctx, haName(i)+" as "+want, func(ctx context.Context) error {
		state, err := h.State(ctx, i)
		if err == nil && state != want {
			err = fmt.Errorf("it is %q", state)
		}
		return err
	}, h.Namenodes[i])
}

// Activate makes namenode i active, whatever the other is. A living other one has to be made standby before. It
// costs a JVM, 2 to 5 s.
func (h *HDFSHAServer) Activate(ctx context.Context, i int) error {
	return h.transition(ctx, i, "active", "-transitionToActive", "--forceactive")
}

// Standby makes namenode i standby. It costs a JVM, 2 to 5 s.
func (h *HDFSHAServer) Standby(ctx context.Context, i int) error {
	return h.transition(ctx, i, "standby", "-transitionToStandby")
}

func (h *HDFSHAServer) transition(ctx context.Context, i int, state string, args ...string) error {
	argv, err := h.run.hadoop(128, "org.apache.hadoop.hdfs.tools.DFSHAAdmin", append(args, haName(i))...)
	if err != nil {
		return err
	}
	if _, err := h.run.Tool(ctx, Command{Name: "haadmin", Argv: argv}); err != nil {
		return err
	}
	return h.awaitState(ctx, i, state)
}

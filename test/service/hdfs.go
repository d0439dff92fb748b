package service

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"time"
)

// HDFS is one namenode and its datanodes, each a JVM of its own. Blocks may be as small as 1 MiB. A dead datanode is
// taken out after 12 s.
type HDFS struct {
	// Datanodes is how many there are, 1 when zero. Files have as many replicas, at most three.
	Datanodes int
	// Kerberos, if set, has everybody prove who he is, and is the protection of the data stream: authentication,
	// integrity or privacy. The namenode's principal is nn/localhost; flume is a superuser.
	Kerberos string
	// TicketLife is that of flume's tickets: see Kerberos.Life.
	TicketLife time.Duration
	// Properties are added to hdfs-site.xml, Core to core-site.xml.
	Properties, Core map[string]string
}

const namenodeMain = "org.apache.hadoop.hdfs.server.namenode.NameNode"

// HDFSServer is a running HDFS.
type HDFSServer struct {
	Namenode  *Process
	Datanodes []*Process
	Kerberos  *KerberosServer // nil without

	run    *Run
	host   string
	rpc    int
	http   int
	shells atomic.Int32 // of FsShell
}

var _ Config[*HDFSServer] = HDFS{}

// Name is hdfs.
func (HDFS) Name() string { return "hdfs" }

// Needs is Hadoop, and Kerberos where it is asked for.
func (c HDFS) Needs() []Set {
	if c.Kerberos != "" {
		return append([]Set{"hadoop"}, Kerberos{Life: c.TicketLife}.Needs()...)
	}
	return []Set{"hadoop"}
}

// Start formats and starts the namenode, starts the datanodes and waits until all are live and safe mode is over.
func (c HDFS) Start(ctx context.Context, r *Run) (*HDFSServer, error) {
	nodes := max(c.Datanodes, 1)
	h := &HDFSServer{run: r, host: "127.0.0.1", rpc: r.Port(), http: r.Port()}
	if c.Kerberos != "" {
		k, err := Kerberos{Principals: []string{"nn/localhost", "dn/localhost", "HTTP/localhost"}, Life: c.TicketLife}.Start(ctx, r)
		if err != nil {
			return nil, err
		}
		h.Kerberos, h.host = k, "localhost"
	}
	if err := h.configure(nodes, c); err != nil {
		return nil, err
	}
	format, err := r.hadoop(384, namenodeMain, "-format", "-force", "-nonInteractive")
	if err != nil {
		return nil, err
	}
	if _, err := r.Tool(ctx, Command{Name: "format", Argv: format}); err != nil {
		return nil, err
	}
	if h.Namenode, err = r.startHadoop("namenode", 384, namenodeMain); err != nil {
		return nil, err
	}
	for i := range nodes {
		p, err := r.startDatanode(i)
		if err != nil {
			return nil, err
		}
		h.Datanodes = append(h.Datanodes, p)
	}
	return h, h.AwaitDatanodes(ctx, nodes)
}

func (h *HDFSServer) configure(nodes int, c HDFS) error {
	r := h.run
	site := map[string]string{
		"dfs.namenode.rpc-address":            h.Addr(),
		"dfs.namenode.http-address":           "127.0.0.1:" + strconv.Itoa(h.http),
		"dfs.namenode.name.dir":               "file://" + filepath.Join(r.Dir, "nn"),
		"dfs.replication":                     strconv.Itoa(min(nodes, 3)),
		"dfs.namenode.safemode.min.datanodes": strconv.Itoa(nodes),
	}
	core := map[string]string{"fs.defaultFS": h.URL()}
	maps.Copy(site, datanodeSite)
	if h.Kerberos != nil {
		secureCore, secureSite := secureHDFS(h.Kerberos, c.Kerberos)
		maps.Copy(core, secureCore)
		maps.Copy(site, secureSite)
		r.javaFlags = append(r.javaFlags, "-Djava.security.krb5.conf="+h.Kerberos.Krb5Conf)
	}
	maps.Copy(site, c.Properties)
	maps.Copy(core, c.Core)
	return r.writeHadoopConf(core, site)
}

// datanodeSite is what every HDFS of these tests shares: quick to notice a dead node, no fsync, small blocks.
var datanodeSite = map[string]string{
	"dfs.datanode.address":                                 "127.0.0.1:0",
	"dfs.datanode.http.address":                            "127.0.0.1:0",
	"dfs.datanode.ipc.address":                             "127.0.0.1:0",
	"dfs.datanode.hostname":                                "localhost",
	"dfs.namenode.datanode.registration.ip-hostname-check": "false",
	"dfs.namenode.safemode.extension":                      "0",
	"dfs.namenode.fs-limits.min-block-size":                "1048576",
	"dfs.heartbeat.interval":                               "1",
	"dfs.namenode.heartbeat.recheck-interval":              "1000",
	"dfs.namenode.redundancy.interval.seconds":             "1s",
	"dfs.datanode.directoryscan.interval":                  "-1",
	"dfs.block.scanner.volume.bytes.per.second":            "0",
	"dfs.namenode.edits.noeditlogchannelflush":             "true",
	"dfs.permissions.superusergroup":                       "root",
}

const hadoopLog4j = `log4j.rootLogger=INFO,C
log4j.appender.C=org.apache.log4j.ConsoleAppender
log4j.appender.C.layout=org.apache.log4j.PatternLayout
log4j.appender.C.layout.ConversionPattern=%d{ISO8601} %-5p %c{1}: %m%n
`

// writeHadoopConf writes core-site.xml, hdfs-site.xml and what else the daemons look for on the class path.
func (r *Run) writeHadoopConf(core, site map[string]string) error {
	core["hadoop.tmp.dir"] = filepath.Join(r.Dir, "tmp")
	files := map[string]string{
		"conf/core-site.xml":    hadoopXML(core),
		"conf/hdfs-site.xml":    hadoopXML(site),
		"conf/log4j.properties": hadoopLog4j,
	}
	for name, text := range files {
		if _, err := r.WriteFile(name, text); err != nil {
			return err
		}
	}
	// The jars carry no web applications; the daemons want their directories.
	for _, app := range []string{"hdfs", "datanode", "journal", "secondary", "static"} {
		if err := os.MkdirAll(filepath.Join(r.Dir, "conf", "webapps", app), 0o755); err != nil {
			return err
		}
	}
	return nil
}

func (r *Run) hadoop(heapMB int, main string, args ...string) ([]string, error) {
	return r.java("hadoop", heapMB, main, args...)
}

func (r *Run) startHadoop(name string, heapMB int, main string, args ...string) (*Process, error) {
	argv, err := r.hadoop(heapMB, main, args...)
	if err != nil {
		return nil, err
	}
	return r.Start(Command{Name: name, Argv: argv})
}

func (r *Run) startDatanode(i int) (*Process, error) {
	return r.startHadoop("datanode"+strconv.Itoa(i), 256, "org.apache.hadoop.hdfs.server.datanode.DataNode",
		"-Ddfs.datanode.data.dir=file://"+filepath.Join(r.Dir, datanodeDir(i), "data"))
}

// datanodeDir is where datanode i has its disk, below the run's directory.
func datanodeDir(i int) string { return "dn" + strconv.Itoa(i) }

// Addr is the namenode's host:port. Kerberos needs the name of the host, localhost.
func (h *HDFSServer) Addr() string { return h.host + ":" + strconv.Itoa(h.rpc) }

// URL is hdfs:// and Addr, without a slash at the end.
func (h *HDFSServer) URL() string { return "hdfs://" + h.Addr() }

// ConfDir holds core-site.xml and hdfs-site.xml, fit for HADOOP_CONF_DIR.
func (h *HDFSServer) ConfDir() string { return filepath.Join(h.run.Dir, "conf") }

// liveDatanodes asks the namenode with that HTTP port how many datanodes it counts on.
func liveDatanodes(ctx context.Context, httpPort int) (int, error) {
	var bean struct{ NumLiveDataNodes int }
	err := jmx(ctx, httpPort, "Hadoop:service=NameNode,name=FSNamesystemState", &bean)
	return bean.NumLiveDataNodes, err
}

// AwaitDatanodes waits until the namenode counts n live datanodes and is out of safe mode.
func (h *HDFSServer) AwaitDatanodes(ctx context.Context, n int) error {
	return awaitDatanodes(ctx, h.http, n, h.Namenode)
}

func awaitDatanodes(ctx context.Context, httpPort, n int, namenode *Process) error {
	what := fmt.Sprintf("namenode with %d datanodes", n)
	return Await(ctx, what, func(ctx context.Context) error {
		live, err := liveDatanodes(ctx, httpPort)
		if err != nil {
			return err
		}
		if live != n {
			return fmt.Errorf("%d datanodes are live", live)
		}
		var info struct{ Safemode string }
		if err := jmx(ctx, httpPort, "Hadoop:service=NameNode,name=NameNodeInfo", &info); err != nil {
			return err
		}
		if info.Safemode != "" {
			return fmt.Errorf("namenode says: %s", info.Safemode)
		}
		return nil
	}, namenode)
}

// SafeMode puts the namenode into safe mode or takes it out. It costs a JVM, 2 to 5 s.
func (h *HDFSServer) SafeMode(ctx context.Context, on bool) error {
	verb := "leave"
	if on {
		verb = "enter"
	}
	argv, err := h.run.hadoop(128, "org.apache.hadoop.hdfs.tools.DFSAdmin", "-safemode", verb)
	if err != nil {
		return err
	}
	_, err = h.run.Tool(ctx, Command{Name: "safemode", Argv: argv})
	return err
}

// RecoverLease closes a file that a killed writer left open, so that its length is known. It costs a JVM, 2 to 5 s.
func (h *HDFSServer) RecoverLease(ctx context.Context, path string) error {
	argv, err := h.run.hadoop(128, "org.apache.hadoop.hdfs.tools.DebugAdmin", "recoverLease", "-path", path, "-retries", "20")
	if err != nil {
		return err
	}
	_, err = h.run.Tool(ctx, Command{Name: "recover", Argv: argv})
	return err
}

// jmx reads one bean of a Hadoop daemon on its http port.
func jmx(ctx context.Context, port int, name string, bean any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("http://127.0.0.1:%d/jmx?qry=%s", port, name), nil)
	if err != nil {
		return err
	}
	client := http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	var answer struct{ Beans []json.RawMessage }
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
		return err
	}
	if len(answer.Beans) == 0 {
		return fmt.Errorf("bean %s is not there yet", name)
	}
	return json.Unmarshal(answer.Beans[0], bean)
}

// User is the name the servers run under, which is HDFS's superuser.
func User() string {
	u, err := user.Current()
	if err != nil {
		return "root"
	}
	return u.Username
}

// FsShell runs Hadoop's own client and returns what it prints, such as FsShell(ctx, "-text", "/logs/*"). It costs a
// JVM, 2 to 5 s.
func (h *HDFSServer) FsShell(ctx context.Context, args ...string) (string, error) {
	argv, err := h.run.hadoop(256, "org.apache.hadoop.fs.FsShell", args...)
	if err != nil {
		return "", err
	}
	n := h.shells.Add(1) // logs are kept apart: what is returned is this one's
	return h.run.Tool(ctx, Command{Name: "fsshell" + strconv.Itoa(int(n)), Argv: argv})
}

// Shell returns the command line of Hadoop's own client, to which its words are added, such as -cat and a path. Standard output
// has its log too.
func (h *HDFSServer) Shell() ([]string, error) {
	return h.run.hadoop(256, "org.apache.hadoop.fs.FsShell")
}

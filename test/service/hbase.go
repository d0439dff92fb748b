package service

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// HBase is HBase 2.6 in one JVM, master, region server and ZooKeeper, with its data in plain files, and its REST
// gateway in another, which tests make tables and read with.
type HBase struct{}

// HBaseServer is a running HBase.
type HBaseServer struct {
	Master *Process
	REST   *Process

	run       *Run
	zooKeeper int
	rest      int
}

var _ Config[*HBaseServer] = HBase{}

// Name is hbase.
func (HBase) Name() string { return "hbase" }

// Needs is HBase's jars.
func (HBase) Needs() []Set { return []Set{"hbase"} }

// hbaseFlags open what HBase reaches for inside the virtual machine.
var hbaseFlags = func() []string {
	flags := []string{"--add-exports=java.base/jdk.internal.misc=ALL-UNNAMED",
		"--add-exports=java.security.jgss/sun.security.krb5=ALL-UNNAMED",
		"-Dorg.apache.hbase.thirdparty.io.netty.tryReflectionSetAccessible=true"}
	for _, pkg := range []string{"java.nio", "sun.nio.ch", "java.lang", "jdk.internal.ref", "java.lang.reflect", "java.util", "java.util.concurrent"} {
		flags = append(flags, "--add-opens=java.base/"+pkg+"=ALL-UNNAMED")
	}
	return flags
}()

// Start starts both and waits until the master has taken its work up and the gateway sees a region server.
func (HBase) Start(ctx context.Context, r *Run) (*HBaseServer, error) {
	h := &HBaseServer{run: r, zooKeeper: r.Port(), rest: r.Port()}
	file := func(name string) string { return "file://" + filepath.Join(r.Dir, name) }
	site := map[string]string{
		"hbase.cluster.distributed": "false", "hbase.rootdir": file("root"), "hbase.wal.dir": file("wal"),
		"hbase.tmp.dir": filepath.Join(r.Dir, "tmp"), "hbase.unsafe.stream.capability.enforce": "false",
		"hbase.wal.provider": "filesystem", "hbase.regionserver.handler.count": "5",
		"hbase.zookeeper.quorum": "127.0.0.1", "hbase.zookeeper.property.clientPort": strconv.Itoa(h.zooKeeper),
		"hbase.zookeeper.property.clientPortAddress": "127.0.0.1", "hbase.zookeeper.property.dataDir": filepath.Join(r.Dir, "zk"),
		"hbase.master.hostname": "127.0.0.1", "hbase.regionserver.hostname": "127.0.0.1",
		"hbase.master.ipc.address": "127.0.0.1", "hbase.regionserver.ipc.address": "127.0.0.1",
		"hbase.master.port": strconv.Itoa(r.Port()), "hbase.regionserver.port": strconv.Itoa(r.Port()),
		"hbase.master.info.port": "-1", "hbase.regionserver.info.port": "-1",
		"hbase.rest.port": strconv.Itoa(h.rest), "hbase.rest.host": "127.0.0.1", "hbase.rest.info.port": "-1",
	}
	for name, text := range map[string]string{"conf/hbase-site.xml": hadoopXML(site), "conf/log4j.properties": hadoopLog4j} {
		if _, err := r.WriteFile(name, text); err != nil {
			return nil, err
		}
	}
	r.javaFlags = hbaseFlags
	argv, err := r.java("hbase", 512, "org.apache.hadoop.hbase.master.HMaster", "start")
	if err != nil {
		return nil, err
	}
	if h.Master, err = r.Start(Command{Name: "master", Argv: argv}); err != nil {
		return nil, err
	}
	if err := awaitLog(ctx, h.Master, "Master has completed initialization"); err != nil {
		return nil, err
	}
	if argv, err = r.java("hbase", 256, "org.apache.hadoop.hbase.rest.RESTServer", "start"); err != nil {
		return nil, err
	}
	if h.REST, err = r.Start(Command{Name: "rest", Argv: argv}); err != nil {
		return nil, err
	}
	return h, Await(ctx, "hbase", func(ctx context.Context) error {
		_, err := h.do(ctx, http.MethodGet, "/version/cluster", "")
		return err
	}, h.Master, h.REST)
}

// ZooKeeperAddr is the host:port a client finds the servers by, below /hbase.
func (h *HBaseServer) ZooKeeperAddr() string { return "127.0.0.1:" + strconv.Itoa(h.zooKeeper) }

// ConfDir holds hbase-site.xml.
func (h *HBaseServer) ConfDir() string { return filepath.Join(h.run.Dir, "conf") }

// CreateTable makes a table with its column families.
func (h *HBaseServer) CreateTable(ctx context.Context, table string, families ...string) error {
	type family struct {
		Name string `json:"name"`
	}
	schema := struct {
		Name         string   `json:"name"`
		ColumnSchema []family `json:"ColumnSchema"`
	}{Name: table}
	for _, f := range families {
		schema.ColumnSchema = append(schema.ColumnSchema, family{f})
	}
	body, err := json.Marshal(schema)
	if err != nil {
		return err
	}
	_, err = h.do(ctx, http.MethodPut, "/"+table+"/schema", string(body))
	return err
}

// An HBaseRow is a row's key and its cells, by family:qualifier.
type HBaseRow struct {
	Key   string
	Cells map[string]string
}

// hbaseRows is how the gateway speaks of rows.
type hbaseRows struct {
	Row []struct {
		Key  string `json:"key"`
		Cell []struct {
			Column string `json:"column"`
			Value  string `json:"$"`
		}
	}
}

// Rows reads all rows of a table whose keys begin with prefix, in the order of their keys.
func (h *HBaseServer) Rows(ctx context.Context, table, prefix string) ([]HBaseRow, error) {
	text, err := h.do(ctx, http.MethodGet, "/"+table+"/"+prefix+"*", "")
	if err != nil {
		return nil, err
	}
	var answer hbaseRows
	if err := json.Unmarshal(text, &answer); err != nil {
		return nil, err
	}
	var rows []HBaseRow
	for _, r := range answer.Row {
		row := HBaseRow{Key: decode64(r.Key), Cells: map[string]string{}}
		for _, c := range r.Cell {
			row.Cells[decode64(c.Column)] = decode64(c.Value)
		}
		rows = append(rows, row)
	}
	return rows, nil
}

// Put writes one cell.
func (h *HBaseServer) Put(ctx context.Context, table, key, column, value string) error {
	encode := func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }
	body := fmt.Sprintf(`{"Row":[{"key":%q,"Cell":[{"column":%q,"$":%q}]}]}`, encode(key), encode(column), encode(value))
	_, err := h.do(ctx, http.MethodPut, "/"+table+"/row", body)
	return err
}

func decode64(s string) string {
	text, err := base64.StdEncoding.DecodeString(s)
	if err != nil {
		return "not base64: " + s
	}
	return string(text)
}

// do asks the gateway; a status above 201 is an error with the body in it.
func (h *HBaseServer) do(ctx context.Context, method, path, body string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, method, fmt.Sprintf("http://127.0.0.1:%d%s", h.rest, path), strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json")
	client := http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode > http.StatusCreated {
		err = fmt.Errorf("%s %s: %s: %s", method, path, resp.Status, text)
	}
	return text, err
}

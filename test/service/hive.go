package service

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
)

// Hive is a metastore on Derby and HiveServer2, both of Hive 4.0, with the warehouse in plain files and jobs run in the
// server. Transactional tables work; nothing is compacted.
type Hive struct {
	// SASL has HiveServer2 expect SASL PLAIN with any user; without, clients speak plain Thrift.
	SASL bool
}

// HiveServer is a running Hive.
type HiveServer struct {
	Metastore *Process
	Server    *Process

	run       *Run
	metastore int
	server    int
}

var _ Config[*HiveServer] = Hive{}

// Name is hive.
func (Hive) Name() string { return "hive" }

// Needs is Hive's jars.
func (Hive) Needs() []Set { return []Set{"hive"} }

// hiveFlags open what Hive reaches for inside the virtual machine.
var hiveFlags = func() []string {
	flags := []string{"--add-opens=java.sql/java.sql=ALL-UNNAMED"}
	for _, pkg := range []string{"java.lang", "java.util", "java.io", "java.net", "java.nio", "java.lang.reflect", "java.util.concurrent",
		"java.util.concurrent.atomic", "java.util.regex", "java.time"} {
		flags = append(flags, "--add-opens=java.base/"+pkg+"=ALL-UNNAMED")
	}
	return flags
}()

// Start starts both and waits until their ports are open.
func (c Hive) Start(ctx context.Context, r *Run) (*HiveServer, error) {
	h := &HiveServer{run: r, metastore: r.Port(), server: r.Port()}
	files := map[string]string{"conf/hive-site.xml": hadoopXML(h.site(c)), "conf/log4j2.properties": kafkaLog4j, "conf/hive-log4j2.properties": kafkaLog4j}
	for name, text := range files {
		if _, err := r.WriteFile(name, text); err != nil {
			return nil, err
		}
	}
	r.javaFlags = hiveFlags
	if err := h.prepareSchema(ctx); err != nil {
		return nil, err
	}
	argv, err := r.java("hive", 512, "org.apache.hadoop.hive.metastore.HiveMetaStore", "-p", strconv.Itoa(h.metastore))
	if err != nil {
		return nil, err
	}
	if h.Metastore, err = r.Start(Command{Name: "metastore", Argv: argv}); err != nil {
		return nil, err
	}
	if err := awaitPort(ctx, h.metastore, h.Metastore); err != nil {
		return nil, err
	}
	if argv, err = r.java("hive", 768, "org.apache.hive.service.server.HiveServer2"); err != nil {
		return nil, err
	}
	if h.Server, err = r.Start(Command{Name: "hiveserver2", Argv: argv}); err != nil {
		return nil, err
	}
	return h, awaitPort(ctx, h.server, h.Server)
}

func (h *HiveServer) site(c Hive) map[string]string {
	dir := func(name string) string { return filepath.Join(h.run.Dir, name) }
	authentication := "NOSASL"
	if c.SASL {
		authentication = "NONE"
	}
	return map[string]string{
		"javax.jdo.option.ConnectionURL":        "jdbc:derby:;databaseName=" + dir("metastore_db") + ";create=true",
		"javax.jdo.option.ConnectionDriverName": "org.apache.derby.jdbc.EmbeddedDriver",
		"javax.jdo.option.ConnectionUserName":   "APP", "javax.jdo.option.ConnectionPassword": "mine",
		"hive.metastore.uris": "thrift://" + h.MetastoreAddr(), "hive.metastore.port": strconv.Itoa(h.metastore),
		"metastore.thrift.bind.host": "127.0.0.1", "fs.defaultFS": "file:///",
		"hive.metastore.warehouse.dir": "file://" + dir("warehouse"), "hive.metastore.warehouse.external.dir": "file://" + dir("external"),
		"hive.exec.scratchdir": dir("scratch"), "hive.exec.local.scratchdir": dir("lscratch"), "hive.scratch.dir.permission": "733",
		"hive.downloaded.resources.dir": dir("res"), "hive.querylog.location": dir("qlog"),
		"hive.server2.logging.operation.enabled": "false", "mapreduce.framework.name": "local",
		"mapreduce.cluster.local.dir": dir("mrlocal"), "hadoop.tmp.dir": dir("tmp"), "mapreduce.task.io.sort.mb": "16",
		"hive.execution.engine": "mr", "hive.exec.mode.local.auto": "true", "hive.support.concurrency": "true",
		"hive.txn.manager":            "org.apache.hadoop.hive.ql.lockmgr.DbTxnManager",
		"hive.compactor.initiator.on": "false", "hive.compactor.worker.threads": "0",
		"hive.metastore.event.db.notification.api.auth": "false", "hive.notification.event.poll.interval": "0s",
		"hive.server2.thrift.bind.host": "127.0.0.1", "hive.server2.thrift.port": strconv.Itoa(h.server), "hive.server2.webui.port": "-1",
		"hive.server2.authentication": authentication, "hive.server2.enable.doAs": "false",
		"hive.server2.tez.initialize.default.sessions": "false", "hive.server2.metrics.enabled": "false",
		"hive.materializedview.rewriting": "false", "hive.server2.materializedviews.registry.impl": "DUMMY",
		"hive.metastore.client.connect.retry.delay": "1s", "hive.txn.timeout": "300s",
	}
}

// prepareSchema puts an empty metastore into the run: the first time by Hive's tool, which takes half a minute, later
// from a copy in the cache.
func (h *HiveServer) prepareSchema(ctx context.Context) error {
	sql, err := Set("hive").unpacked("apache-hive-metastore-*")
	if err != nil {
		return err
	}
	template := filepath.Join(sql, "metastore_db")
	database := filepath.Join(h.run.Dir, "metastore_db")
	if err := os.CopyFS(database, os.DirFS(template)); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	argv, err := h.run.java("hive", 256, "org.apache.hadoop.hive.metastore.tools.schematool.MetastoreSchemaTool", "-dbType", "derby", "-initSchema")
	if err != nil {
		return err
	}
	if _, err := h.run.Tool(ctx, Command{Name: "schematool", Argv: argv, Env: []string{"METASTORE_HOME=" + sql}}); err != nil {
		return err
	}
	// Complete or not there at all: another test binary may be at it too.
	copied, err := os.MkdirTemp(sql, ".copying-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(copied)
	if err := os.CopyFS(filepath.Join(copied, "db"), os.DirFS(database)); err != nil {
		return err
	}
	if err := os.Rename(filepath.Join(copied, "db"), template); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return nil
}

// MetastoreAddr is the metastore's host:port.
func (h *HiveServer) MetastoreAddr() string { return "127.0.0.1:" + strconv.Itoa(h.metastore) }

// Addr is HiveServer2's host:port.
func (h *HiveServer) Addr() string { return "127.0.0.1:" + strconv.Itoa(h.server) }
